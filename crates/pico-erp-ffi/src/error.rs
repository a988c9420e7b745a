//! The error object of the C ABI: [`pico_erp::Error`] with its texts ready for C.

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;

use pico_erp::Error;

use crate::guard;
use crate::returns::{ReturnInt32, ReturnInt64, ReturnNothing, ReturnStatus, ReturnText};
use crate::status::{PICO_OK, status_of};
use crate::text::{CText, JsonText, optional};

/// Why a function failed.
pub struct pico_error_t {
    error: Arc<Error>,
    message: CText,
    graphql_errors: Option<JsonText>,
    data: Option<JsonText>,
    body_start: Option<CText>,
    trace_id: Option<CText>,
}

impl pico_error_t {
    pub(crate) fn new(error: impl Into<Arc<Error>>) -> Self {
        let error = error.into();
        let raws: Vec<_> = error.graphql_errors().iter().map(|one| one.raw.clone()).collect();
        Self {
            message: CText::new(&error.to_string()),
            graphql_errors: (!raws.is_empty()).then(|| JsonText::list(raws)),
            data: error.data().cloned().map(JsonText::value),
            body_start: error.body_start().map(CText::new),
            trace_id: error.trace_id().map(CText::new),
            error,
        }
    }

    pub(crate) fn status(&self) -> ReturnStatus {
        status_of(self.error.kind())
    }
}

fn text(error: Option<&pico_error_t>, get: impl FnOnce(&pico_error_t) -> *const c_char) -> ReturnText {
    guard::get(ptr::null(), || error.map_or(ptr::null(), get))
}

/// The status that the function returned; PICO_OK for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_error_status(error: Option<&pico_error_t>) -> ReturnStatus {
    guard::get(PICO_OK, || error.map_or(PICO_OK, pico_error_t::status))
}

/// What went wrong and why, for a person, in lower case. It never holds a token or a secret. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_error_message(error: Option<&pico_error_t>) -> ReturnText {
    text(error, |error| error.message.as_ptr())
}

/// The HTTP status of the reply, 0 when there was none.
#[unsafe(no_mangle)]
pub extern "C" fn pico_error_http_status(error: Option<&pico_error_t>) -> ReturnInt32 {
    guard::get(0, || error.and_then(|error| error.error.http_status()).map_or(0, i32::from))
}

/// The entries of a GraphQL reply's "errors" as a JSON list, as the server sent them. NULL when there were
/// none.
#[unsafe(no_mangle)]
pub extern "C" fn pico_error_graphql_errors_json(error: Option<&pico_error_t>) -> ReturnText {
    text(error, |error| optional(error.graphql_errors.as_ref().map(JsonText::get)))
}

/// The "data" that came with GraphQL errors, as JSON. NULL when there was none.
#[unsafe(no_mangle)]
pub extern "C" fn pico_error_data_json(error: Option<&pico_error_t>) -> ReturnText {
    text(error, |error| optional(error.data.as_ref().map(JsonText::get)))
}

/// The first bytes, 512 at most, of a body that was not what it should be, with what is not UTF-8 replaced.
/// NULL when there was none.
#[unsafe(no_mangle)]
pub extern "C" fn pico_error_body_start(error: Option<&pico_error_t>) -> ReturnText {
    text(error, |error| optional(error.body_start.as_ref()))
}

/// The id of the trace that the failed request was sent under, 32 hexadecimal digits, where
/// pico_options_set_trace_context() asked for one; otherwise NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_error_trace_id(error: Option<&pico_error_t>) -> ReturnText {
    text(error, |error| optional(error.trace_id.as_ref()))
}

/// 1 when the cause may pass, so that the same call may succeed later, else 0. That says nothing of whether
/// the server has carried it out already: repeat a mutation only where repeating does no harm.
#[unsafe(no_mangle)]
pub extern "C" fn pico_error_retryable(error: Option<&pico_error_t>) -> ReturnInt32 {
    guard::get(0, || error.is_some_and(|error| error.error.is_retryable()).into())
}

/// How many milliseconds the server asked to wait (Retry-After), -1 when it did not.
#[unsafe(no_mangle)]
pub extern "C" fn pico_error_retry_after_ms(error: Option<&pico_error_t>) -> ReturnInt64 {
    guard::get(-1, || {
        let wait = error.and_then(|error| error.error.retry_after());
        wait.map_or(-1, |wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
    })
}

/// Frees an error that a function gave. Not for those of pico_event_error(), which belong to their event.
#[unsafe(no_mangle)]
pub extern "C" fn pico_error_free(error: Option<Box<pico_error_t>>) -> ReturnNothing {
    guard::get((), || drop(error));
}

#[cfg(test)]
mod tests {
    use super::*;
    use pico_erp::ErrorKind;

    #[test]
    fn a_null_error_is_no_error() {
        assert_eq!(pico_error_status(None), PICO_OK);
        assert!(pico_error_message(None).is_null() && pico_error_body_start(None).is_null());
        assert_eq!((pico_error_http_status(None), pico_error_retryable(None)), (0, 0));
        assert_eq!(pico_error_retry_after_ms(None), -1);
        pico_error_free(None);
    }

    #[test]
    fn what_an_error_does_not_have_is_null() {
        let error = Box::new(pico_error_t::new(Error::new(ErrorKind::Timeout, "too late")));
        assert_eq!(pico_error_status(Some(&error)), crate::status::PICO_E_TIMEOUT);
        assert!(pico_error_graphql_errors_json(Some(&error)).is_null());
        assert!(pico_error_data_json(Some(&error)).is_null());
        assert!(pico_error_trace_id(Some(&error)).is_null());
        assert_eq!(pico_error_retryable(Some(&error)), 1);
        pico_error_free(Some(error));
    }
}
