//! Text for PostgreSQL, which holds every character but U+0000. JSON has that only escaped, so bodies are never affected; ids
//! and messages may have it.

use std::borrow::Cow;

use crate::error::Error;

/// As it can be kept. For what comes from Pico, and for messages: a completion must not be lost for its id's sake, and its body
/// has the id as it came.
pub(super) fn kept(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Refuses what cannot be kept. For what comes from the caller.
pub(super) fn check(field: &str, text: &str) -> Result<(), Error> {
    if text.contains('\0') {
        return Err(Error::invalid(
            field,
            "has the character U+0000, which PostgreSQL cannot keep; leave it out",
        ));
    }
    Ok(())
}
