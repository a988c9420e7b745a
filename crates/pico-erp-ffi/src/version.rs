//! Which library this is.

use std::ffi::CStr;
use std::ptr;

use crate::guard;
use crate::returns::{ReturnInt32, ReturnText};

/// The version of the C ABI that this header describes. It is raised with every addition, and starts anew
/// with the SONAME.
pub const PICO_ABI_VERSION: i32 = 1;

const VERSION: Result<&CStr, std::ffi::FromBytesWithNulError> =
    CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes());

/// The version of the library that is loaded, such as "0.1.0". Lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn pico_version() -> ReturnText {
    guard::get(ptr::null(), || VERSION.map_or(ptr::null(), CStr::as_ptr))
}

/// The version of the C ABI of the library that is loaded. A program works with it when this is at least the
/// PICO_ABI_VERSION that it was compiled with.
#[unsafe(no_mangle)]
pub extern "C" fn pico_abi_version() -> ReturnInt32 {
    guard::get(0, || PICO_ABI_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_has_the_version_of_the_core() {
        // SAFETY: a text that lives for ever.
        let version = unsafe { CStr::from_ptr(pico_version()) };
        assert_eq!(version.to_str().unwrap(), pico_erp::VERSION);
        assert_eq!(pico_abi_version(), PICO_ABI_VERSION);
    }
}
