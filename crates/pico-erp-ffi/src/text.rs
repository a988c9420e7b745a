//! Texts that C reads: NUL-terminated copies with stable addresses.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::OnceLock;

use pico_erp::Json;

/// The bytes of `text` with a NUL at the end. A NUL inside would end the text early for C, and is shown as
/// U+FFFD.
fn terminate(text: &str, bytes: &mut Vec<u8>) {
    for (index, part) in text.split('\0').enumerate() {
        if index > 0 {
            bytes.extend_from_slice("\u{fffd}".as_bytes());
        }
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes.push(0);
}

/// One text for C.
#[derive(Debug)]
pub(crate) struct CText(Box<[u8]>);

impl CText {
    pub(crate) fn new(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        terminate(text, &mut bytes);
        Self(bytes.into())
    }

    pub(crate) fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }

    /// Length without the NUL.
    pub(crate) fn len(&self) -> usize {
        self.0.len() - 1
    }
}

/// The pointer of a text that may be absent.
pub(crate) fn optional(text: Option<&CText>) -> *const c_char {
    text.map_or(ptr::null(), CText::as_ptr)
}

/// JSON that is copied for C when it is first asked for.
#[derive(Debug)]
pub(crate) struct JsonText {
    parts: Vec<Json>,
    list: bool,
    text: OnceLock<CText>,
}

impl JsonText {
    /// One value.
    pub(crate) fn value(json: Json) -> Self {
        Self { parts: vec![json], list: false, text: OnceLock::new() }
    }

    /// A list of values.
    pub(crate) fn list(parts: Vec<Json>) -> Self {
        Self { parts, list: true, text: OnceLock::new() }
    }

    pub(crate) fn get(&self) -> &CText {
        self.text.get_or_init(|| {
            let joined = self.parts.iter().map(Json::as_str).collect::<Vec<_>>().join(",");
            if self.list { CText::new(&format!("[{joined}]")) } else { CText::new(&joined) }
        })
    }

    /// The text, with its length where it is wanted.
    pub(crate) fn give(&self, length: Option<&mut std::mem::MaybeUninit<usize>>) -> *const c_char {
        let text = self.get();
        if let Some(length) = length {
            length.write(text.len());
        }
        text.as_ptr()
    }
}

/// How much is allocated at once for small texts.
const CHUNK: usize = 16 << 10;

/// Memory of many small texts and arrays that are freed together. Addresses stay as they are while it grows.
#[derive(Default)]
pub(crate) struct Arena {
    /// Each is filled up to its capacity and never beyond, so none ever moves.
    chunks: Vec<Vec<u8>>,
    /// Arrays of structs, kept for their memory only.
    arrays: Vec<Box<dyn std::any::Any>>,
}

impl Arena {
    /// An arena that takes about `bytes` without a second allocation.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { chunks: vec![Vec::with_capacity(bytes)], arrays: Vec::new() }
    }

    /// Copies a text; its address is good for as long as the arena.
    pub(crate) fn text(&mut self, text: &str) -> *const c_char {
        // Each NUL inside grows by the two further bytes of U+FFFD.
        let needed = text.len() + 1 + 2 * text.bytes().filter(|byte| *byte == 0).count();
        let chunk = match self.chunks.last_mut() {
            Some(last) if last.capacity() - last.len() >= needed => last,
            _ => {
                self.chunks.push(Vec::with_capacity(needed.max(CHUNK)));
                self.chunks.last_mut().expect("one was just pushed")
            }
        };
        let start = chunk.len();
        terminate(text, chunk);
        chunk[start..].as_ptr().cast()
    }

    /// The same for a text that may be absent.
    pub(crate) fn optional(&mut self, text: Option<&str>) -> *const c_char {
        text.map_or(ptr::null(), |text| self.text(text))
    }

    /// Keeps an array; its address is good for as long as the arena. NULL when it is empty.
    pub(crate) fn array<T: 'static>(&mut self, array: Vec<T>) -> *const T {
        if array.is_empty() {
            return ptr::null();
        }
        let address = array.as_ptr();
        self.arrays.push(Box::new(array));
        address
    }
}

/// A pointer of the caller's that is handed back and never followed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opaque(pub(crate) *mut c_void);

// SAFETY: the pointer is never dereferenced here; the header tells the caller on which threads it is handed
// back.
unsafe impl Send for Opaque {}
// SAFETY: as above.
unsafe impl Sync for Opaque {}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn read<'a>(text: *const c_char) -> &'a str {
        // SAFETY: the tests read texts of an arena that lives on.
        unsafe { CStr::from_ptr(text) }.to_str().unwrap()
    }

    #[test]
    fn texts_keep_their_addresses_while_the_arena_grows() {
        let mut arena = Arena::with_capacity(8);
        let texts: Vec<_> = (0..5000).map(|n| (n, arena.text(&format!("text {n}")))).collect();
        let long = arena.text(&"x".repeat(3 * CHUNK));
        for (n, text) in texts {
            assert_eq!(read(text), format!("text {n}"));
        }
        assert_eq!(read(long).len(), 3 * CHUNK);
    }

    #[test]
    fn a_nul_inside_a_text_does_not_cut_it() {
        let mut arena = Arena::default();
        assert_eq!(read(arena.text("a\0b\0")), "a\u{fffd}b\u{fffd}");
        assert_eq!(CText::new("a\0b").len(), 5);
    }

    #[test]
    fn a_list_is_written_as_json() {
        let json = |text: &'static str| Json::new(text).unwrap();
        assert_eq!(read(JsonText::list(vec![json("1"), json("{}")]).get().as_ptr()), "[1,{}]");
        assert_eq!(read(JsonText::list(Vec::new()).get().as_ptr()), "[]");
    }
}
