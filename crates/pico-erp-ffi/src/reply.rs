//! The reply to a raw GraphQL call.

use std::mem::MaybeUninit;
use std::ptr;

use pico_erp::Reply;

use crate::guard;
use crate::returns::{ReturnInt32, ReturnNothing, ReturnText};
use crate::text::JsonText;

/// A GraphQL reply as the server sent it. Both data and errors may be there: a reply can be partly good.
pub struct pico_reply_t {
    data: Option<JsonText>,
    errors: Option<JsonText>,
    extensions: Option<JsonText>,
    whole: JsonText,
    http_status: Option<u16>,
}

impl pico_reply_t {
    pub(crate) fn new(reply: Reply) -> Self {
        let errors: Vec<_> = reply.errors.into_iter().map(|error| error.raw).collect();
        Self {
            data: reply.data.map(JsonText::value),
            errors: (!errors.is_empty()).then(|| JsonText::list(errors)),
            extensions: reply.extensions.map(JsonText::value),
            whole: JsonText::value(reply.raw),
            http_status: reply.http_status,
        }
    }
}

fn part(
    reply: Option<&pico_reply_t>,
    length: Option<&mut MaybeUninit<usize>>,
    part: impl FnOnce(&pico_reply_t) -> Option<&JsonText>,
) -> ReturnText {
    guard::get(ptr::null(), || reply.and_then(part).map_or(ptr::null(), |json| json.give(length)))
}

/// "data" as JSON; NULL when it was missing or null, *length is untouched then. `length` (may be NULL)
/// receives the length without the NUL. Lives as long as the reply.
#[unsafe(no_mangle)]
pub extern "C" fn pico_reply_data_json(
    reply: Option<&pico_reply_t>,
    length: Option<&mut MaybeUninit<usize>>,
) -> ReturnText {
    part(reply, length, |reply| reply.data.as_ref())
}

/// "errors" as a JSON list; NULL when there were none. `length` as above.
#[unsafe(no_mangle)]
pub extern "C" fn pico_reply_errors_json(
    reply: Option<&pico_reply_t>,
    length: Option<&mut MaybeUninit<usize>>,
) -> ReturnText {
    part(reply, length, |reply| reply.errors.as_ref())
}

/// "extensions" as JSON; NULL when it was missing or null. `length` as above.
#[unsafe(no_mangle)]
pub extern "C" fn pico_reply_extensions_json(
    reply: Option<&pico_reply_t>,
    length: Option<&mut MaybeUninit<usize>>,
) -> ReturnText {
    part(reply, length, |reply| reply.extensions.as_ref())
}

/// The whole reply as JSON. `length` as above.
#[unsafe(no_mangle)]
pub extern "C" fn pico_reply_json(
    reply: Option<&pico_reply_t>,
    length: Option<&mut MaybeUninit<usize>>,
) -> ReturnText {
    part(reply, length, |reply| Some(&reply.whole))
}

/// The HTTP status it came with; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_reply_http_status(reply: Option<&pico_reply_t>) -> ReturnInt32 {
    guard::get(0, || reply.and_then(|reply| reply.http_status).map_or(0, i32::from))
}

/// Frees the reply.
#[unsafe(no_mangle)]
pub extern "C" fn pico_reply_free(reply: Option<Box<pico_reply_t>>) -> ReturnNothing {
    guard::get((), || drop(reply));
}
