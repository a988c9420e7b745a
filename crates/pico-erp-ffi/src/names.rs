//! [`pico_names_t`]: a list of names that the caller owns.

use std::ptr;

use crate::guard;
use crate::returns::{ReturnNothing, ReturnSize, ReturnText};
use crate::text::CText;

/// A list of names. Immutable; any thread.
pub struct pico_names_t(Vec<CText>);

impl pico_names_t {
    /// A new one, which is the caller's to free.
    pub(crate) fn give(names: &[String]) -> *mut Self {
        Box::into_raw(Box::new(Self(names.iter().map(|name| CText::new(name)).collect())))
    }
}

/// How many names there are; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_names_count(names: Option<&pico_names_t>) -> ReturnSize {
    guard::get(0, || names.map_or(0, |names| names.0.len()))
}

/// The name at an index from 0; NULL past the end. Lives as long as the list.
#[unsafe(no_mangle)]
pub extern "C" fn pico_names_at(names: Option<&pico_names_t>, index: usize) -> ReturnText {
    guard::get(ptr::null(), || names.and_then(|names| names.0.get(index)).map_or(ptr::null(), CText::as_ptr))
}

/// Frees the list and all it gave.
#[unsafe(no_mangle)]
pub extern "C" fn pico_names_free(names: Option<Box<pico_names_t>>) -> ReturnNothing {
    guard::get((), || drop(names));
}
