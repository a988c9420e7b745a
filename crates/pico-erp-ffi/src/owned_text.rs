//! [`pico_text_t`]: a text that the caller owns, for what has no better type: a path, a message, JSON that was made for
//! the call.

use std::ptr;

use crate::guard;
use crate::returns::{ReturnNothing, ReturnText};
use crate::text::CText;

/// A text of its own. Immutable; any thread.
pub struct pico_text_t(CText);

impl pico_text_t {
    /// A new one, which is the caller's to free.
    pub(crate) fn give(text: &str) -> *mut Self {
        Box::into_raw(Box::new(Self(CText::new(text))))
    }
}

/// The text. Lives as long as the object. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_text_string(text: Option<&pico_text_t>) -> ReturnText {
    guard::get(ptr::null(), || text.map_or(ptr::null(), |text| text.0.as_ptr()))
}

/// Frees the text.
#[unsafe(no_mangle)]
pub extern "C" fn pico_text_free(text: Option<Box<pico_text_t>>) -> ReturnNothing {
    guard::get((), || drop(text));
}
