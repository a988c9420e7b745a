//! What callers pass in: texts, byte strings, arrays and structs, checked before they are believed.
//!
//! The functions are `unsafe` because only the caller can know that a pointer is good; the header says what
//! each argument must be.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::{ptr, slice};

use pico_erp::{Error, ErrorKind};

/// No struct of this library will ever be that large: a larger `struct_size` was never set.
const LARGEST: usize = 4096;

pub(crate) fn null(name: &str) -> Error {
    Error::new(ErrorKind::NullPointer, format!("{name} is NULL"))
}

/// A pointer that must be there.
pub(crate) fn required<T>(name: &str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| null(name))
}

/// A text that must be there.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated text that stays unchanged while the result is used.
pub(crate) unsafe fn text<'a>(name: &str, text: *const c_char) -> Result<&'a str, Error> {
    // SAFETY: passed on to the caller.
    unsafe { optional_text(name, text) }?.ok_or_else(|| null(name))
}

/// A text that may be NULL.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn optional_text<'a>(name: &str, text: *const c_char) -> Result<Option<&'a str>, Error> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and NUL-terminated by the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|error| invalid_utf8(name, error))
}

/// Bytes with a length; NULL is the same as no bytes when the length is 0.
///
/// # Safety
/// `bytes` is NULL or points to `length` readable bytes that stay unchanged while the result is used.
pub(crate) unsafe fn bytes<'a>(name: &str, bytes: *const u8, length: usize) -> Result<&'a [u8], Error> {
    // SAFETY: passed on to the caller.
    unsafe { array(name, bytes, length) }
}

/// A text with a length.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn sized_text<'a>(
    name: &str,
    text: *const c_char,
    length: usize,
) -> Result<&'a str, Error> {
    // SAFETY: passed on to the caller.
    let bytes = unsafe { bytes(name, text.cast(), length) }?;
    std::str::from_utf8(bytes).map_err(|error| invalid_utf8(name, error))
}

/// An array with a count; NULL is the same as an empty one when the count is 0.
///
/// # Safety
/// `first` is NULL or points to `count` initialised elements that stay unchanged while the result is used.
pub(crate) unsafe fn array<'a, T>(name: &str, first: *const T, count: usize) -> Result<&'a [T], Error> {
    if count == 0 {
        return Ok(&[]);
    }
    if first.is_null() {
        return Err(Error::new(ErrorKind::NullPointer, format!("{name} is NULL, but its length is {count}")));
    }
    if !first.is_aligned() {
        return Err(Error::invalid(name, "is not aligned for its type"));
    }
    if count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Error::invalid(name, format!("has the length {count}, which no memory has")));
    }
    // SAFETY: not NULL, aligned, of a possible size, and good by the caller's promise.
    Ok(unsafe { slice::from_raw_parts(first, count) })
}

/// Room for outputs, which must be there.
///
/// # Safety
/// `first` is NULL or points to room for `count` elements that nothing else uses while the result is used.
pub(crate) unsafe fn places<'a, T>(
    name: &str,
    first: *mut T,
    count: usize,
) -> Result<&'a mut [MaybeUninit<T>], Error> {
    // SAFETY: what need not be initialised always is, for all else passed on to the caller.
    unsafe { array::<MaybeUninit<T>>(name, first.cast_const().cast(), count) }?;
    if first.is_null() {
        return Err(null(name));
    }
    // SAFETY: checked above, and nobody else's by the caller's promise.
    Ok(unsafe { slice::from_raw_parts_mut(first.cast(), count) })
}

/// An array of texts, none of which may be NULL.
///
/// # Safety
/// As [`array`], and each element as [`text`].
pub(crate) unsafe fn texts<'a>(
    name: &str,
    first: *const *const c_char,
    count: usize,
) -> Result<Vec<&'a str>, Error> {
    // SAFETY: passed on to the caller.
    let all = unsafe { array(name, first, count) }?;
    // SAFETY: passed on to the caller.
    all.iter().enumerate().map(|(index, one)| unsafe { text(&format!("{name}[{index}]"), *one) }).collect()
}

/// Structs whose first field is `struct_size`.
///
/// # Safety
/// `repr(C)`, the first field is a `u32`, and all zeros is a valid value.
pub(crate) unsafe trait Sized32: Copy {
    /// The C name, for messages.
    const NAME: &'static str;
}

/// Copies a struct from a caller that may be older or newer: fields it does not know are zero, fields that
/// this library does not know must be zero.
///
/// # Safety
/// `given` is NULL or points to a struct whose first field says how many bytes of it there are.
pub(crate) unsafe fn optional_struct<T: Sized32>(given: *const T) -> Result<Option<T>, Error> {
    // SAFETY: passed on to the caller.
    let Some(size) = unsafe { checked_size(given) }? else { return Ok(None) };
    let own = size_of::<T>();
    let mut copy = MaybeUninit::<T>::zeroed();
    // SAFETY: `size` bytes are there by the caller's promise, and no more than the copy holds are written.
    unsafe { ptr::copy_nonoverlapping(given.cast::<u8>(), copy.as_mut_ptr().cast::<u8>(), size.min(own)) };
    if size > own {
        // SAFETY: the caller says that there are `size` bytes.
        let rest = unsafe { slice::from_raw_parts(given.cast::<u8>().add(own), size - own) };
        if rest.iter().any(|byte| *byte != 0) {
            return Err(Error::invalid(
                T::NAME,
                "uses a field that this version of the library does not know; update the library",
            ));
        }
    }
    // SAFETY: zeros are valid by the trait's contract, and what was copied over them is the caller's struct.
    Ok(Some(unsafe { copy.assume_init() }))
}

/// The same for a struct that must be there.
///
/// # Safety
/// As [`optional_struct`].
pub(crate) unsafe fn required_struct<T: Sized32>(name: &str, given: *const T) -> Result<T, Error> {
    // SAFETY: passed on to the caller.
    unsafe { optional_struct(given) }?.ok_or_else(|| null(name))
}

/// Fills a struct that the caller has room for, and says how much by `struct_size`: fields that an older caller does not
/// have are left out, those of a newer one that this library does not have become zero.
///
/// # Safety
/// `place` is NULL or points to a struct whose first field says how many bytes of it there are, and which nothing else
/// uses meanwhile.
pub(crate) unsafe fn fill_struct<T: Sized32>(name: &str, place: *mut T, value: T) -> Result<(), Error> {
    // SAFETY: passed on to the caller. What a newer caller has behind the end need not be zero for an output.
    let size = unsafe { checked_size(place.cast_const()) }?.ok_or_else(|| null(name))?;
    let own = size_of::<T>();
    // SAFETY: the caller says that there are `size` bytes; behind the first field, which stays as it is, no more than
    // both sides have is copied, and what only the caller has is cleared.
    unsafe {
        let (from, to) = (ptr::from_ref(&value).cast::<u8>(), place.cast::<u8>());
        ptr::copy_nonoverlapping(from.add(4), to.add(4), size.min(own) - 4);
        ptr::write_bytes(to.add(size.min(own)), 0, size.saturating_sub(own));
    }
    Ok(())
}

/// What a struct says of its size; `None` for NULL.
///
/// # Safety
/// As [`optional_struct`].
unsafe fn checked_size<T: Sized32>(given: *const T) -> Result<Option<usize>, Error> {
    if given.is_null() {
        return Ok(None);
    }
    if !given.is_aligned() {
        return Err(Error::invalid(T::NAME, "is not aligned for its type"));
    }
    // SAFETY: not NULL and aligned; the first field is there in every version.
    let size = unsafe { given.cast::<u32>().read() } as usize;
    if size < 2 * size_of::<usize>() || size > LARGEST {
        let own = size_of::<T>();
        return Err(Error::invalid(
            T::NAME,
            format!("its struct_size is {size}; set it to sizeof({}), which is {own}", T::NAME),
        ));
    }
    Ok(Some(size))
}

fn invalid_utf8(name: &str, error: std::str::Utf8Error) -> Error {
    Error::new(ErrorKind::InvalidUtf8, format!("{name} is not UTF-8 from byte {}", error.valid_up_to()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Newer {
        struct_size: u32,
        number: u32,
        first: usize,
        second: usize,
    }

    // SAFETY: `repr(C)`, starts with a `u32`, and is made of numbers.
    unsafe impl Sized32 for Newer {
        const NAME: &'static str = "newer_t";
    }

    fn read(size: usize, second: usize) -> Result<Newer, Error> {
        let given = [Newer { struct_size: size as u32, number: 1, first: 2, second }; 2];
        // SAFETY: the struct is there, and no case reads more than the two of them.
        unsafe { required_struct("given", given.as_ptr()) }
    }

    #[test]
    fn fields_that_an_older_caller_does_not_have_are_zero() {
        let older = read(16, 3).unwrap();
        assert_eq!((older.number, older.first, older.second), (1, 2, 0));
        assert_eq!(read(size_of::<Newer>(), 3).unwrap().second, 3);
    }

    #[test]
    fn a_size_that_was_never_set_is_refused_with_the_right_one() {
        for size in [0, 4, 5000, usize::MAX] {
            let error = read(size, 3).err().unwrap();
            assert!(error.to_string().contains("set it to sizeof(newer_t), which is 24"), "{error}");
        }
    }

    #[test]
    fn a_newer_caller_may_not_use_what_this_library_does_not_know() {
        assert!(read(48, 3).err().unwrap().to_string().contains("update the library"));
    }

    #[test]
    fn an_output_is_filled_as_far_as_both_sides_know_it() {
        let value = Newer { struct_size: 24, number: 1, first: 2, second: 3 };
        for (size, expected, behind) in [(16, (1, 2, 9), 9), (24, (1, 2, 3), 9), (32, (1, 2, 3), 0)] {
            let mut bytes = [0_usize, 0, 0, 9];
            // SAFETY: four words are there, and no case has more.
            unsafe {
                bytes.as_mut_ptr().cast::<Newer>().write(Newer {
                    struct_size: size,
                    number: 9,
                    first: 9,
                    second: 9,
                });
                fill_struct("room", bytes.as_mut_ptr().cast::<Newer>(), value).unwrap();
                let filled = bytes.as_ptr().cast::<Newer>().read();
                assert_eq!((filled.number, filled.first, filled.second), expected, "{size}");
                assert_eq!((filled.struct_size, bytes[3]), (size, behind), "{size}");
            }
        }
        // SAFETY: NULL is allowed.
        assert!(unsafe { fill_struct("room", ptr::null_mut(), value) }.is_err());
    }

    #[test]
    fn bad_pointers_and_bad_text_are_named() {
        // SAFETY: NULL and NUL-terminated texts.
        unsafe {
            assert_eq!(text("id", ptr::null()).unwrap_err().to_string(), "id is NULL");
            let error = text("id", c"ab\xff".as_ptr()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidUtf8);
            assert_eq!(error.to_string(), "id is not UTF-8 from byte 2");
            assert!(
                bytes("pem", ptr::null(), 1).is_err() && bytes("pem", ptr::null(), 0).unwrap().is_empty()
            );
            let list = [c"a".as_ptr(), ptr::null()];
            assert_eq!(texts("ids", list.as_ptr(), 2).unwrap_err().to_string(), "ids[1] is NULL");
        }
    }
}
