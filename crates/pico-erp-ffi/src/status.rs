//! The status codes and their names. The numbers are those of [`pico_erp::ErrorKind`]; a test holds them
//! together.

use std::ffi::CStr;

use pico_erp::ErrorKind;

use crate::guard;
use crate::returns::ReturnText;

/// The outcome of a function: PICO_OK or one of PICO_E_*. Numbers are grouped by hundred and never reused.
pub type pico_status_t = i32;

/// Success.
pub const PICO_OK: pico_status_t = 0;
/// A setting or an argument is wrong; the message names it. Nothing was sent.
pub const PICO_E_INVALID_ARGUMENT: pico_status_t = 100;
/// A pointer that must not be NULL was NULL; the message names it.
pub const PICO_E_NULL_POINTER: pico_status_t = 101;
/// A text that must be UTF-8 was not.
pub const PICO_E_INVALID_UTF8: pico_status_t = 102;
/// A function that waits was called from inside a callback.
pub const PICO_E_REENTRANT: pico_status_t = 103;
/// The process was forked after the library was first used.
pub const PICO_E_FORKED: pico_status_t = 104;
/// The client, the subscription, the store or the feed is closed.
pub const PICO_E_CLOSED: pico_status_t = 105;
/// Not done in time.
pub const PICO_E_TIMEOUT: pico_status_t = 200;
/// Cancelled by pico_call_cancel().
pub const PICO_E_CANCELLED: pico_status_t = 201;
/// No connection: refused, unreachable, or reset before it was up.
pub const PICO_E_CONNECT: pico_status_t = 300;
/// The host name could not be resolved.
pub const PICO_E_DNS: pico_status_t = 301;
/// The TLS handshake failed, most often because the certificate is not trusted.
pub const PICO_E_TLS: pico_status_t = 302;
/// The proxy could not be reached or refused the connection.
pub const PICO_E_PROXY: pico_status_t = 303;
/// The connection broke before the reply was whole.
pub const PICO_E_CONNECTION_LOST: pico_status_t = 304;
/// An HTTP status that is neither a success nor a GraphQL reply.
pub const PICO_E_HTTP_STATUS: pico_status_t = 400;
/// The server refused the token.
pub const PICO_E_UNAUTHORIZED: pico_status_t = 401;
/// The server asks to slow down (HTTP 429).
pub const PICO_E_RATE_LIMITED: pico_status_t = 402;
/// The reply is not JSON; pico_error_body_start() has its first bytes.
pub const PICO_E_NOT_JSON: pico_status_t = 403;
/// The reply, or one event, is larger than the limit.
pub const PICO_E_TOO_LARGE: pico_status_t = 404;
/// The reply is JSON, but not of the form that was expected.
pub const PICO_E_DECODE: pico_status_t = 405;
/// The server answered with GraphQL errors; see pico_error_graphql_errors_json().
pub const PICO_E_GRAPHQL: pico_status_t = 500;
/// The store could not be opened, read or written; the message has the path and the reason.
pub const PICO_E_STORE: pico_status_t = 600;
/// The disk of the store is full. Nothing that was confirmed is lost; what was not is not in the store.
pub const PICO_E_STORE_FULL: pico_status_t = 601;
/// The store, or the folder it lies in, may not be written.
pub const PICO_E_STORE_READ_ONLY: pico_status_t = 602;
/// Another process, or another feed of this one, works on the store already.
pub const PICO_E_STORE_IN_USE: pico_status_t = 603;
/// The file of the store is damaged, or is no store. It is left as it is: pico_store_set_aside().
pub const PICO_E_STORE_DAMAGED: pico_status_t = 604;
/// The store was written by a newer version of this library.
pub const PICO_E_STORE_VERSION: pico_status_t = 605;
/// What was handed out to this process was handed out to another since: it was not heard of for too long, or did not
/// answer in time. What the other does counts.
pub const PICO_E_LEASE_LOST: pico_status_t = 606;
/// Something failed inside the library or the operating system.
pub const PICO_E_INTERNAL: pico_status_t = 900;
/// A bug in the library that was caught at its border; please report the message.
pub const PICO_E_PANIC: pico_status_t = 901;

/// Every status with its name, in the order of the numbers.
const NAMES: &[(pico_status_t, &CStr)] = &[
    (PICO_OK, c"ok"),
    (PICO_E_INVALID_ARGUMENT, c"invalid_argument"),
    (PICO_E_NULL_POINTER, c"null_pointer"),
    (PICO_E_INVALID_UTF8, c"invalid_utf8"),
    (PICO_E_REENTRANT, c"reentrant"),
    (PICO_E_FORKED, c"forked"),
    (PICO_E_CLOSED, c"closed"),
    (PICO_E_TIMEOUT, c"timeout"),
    (PICO_E_CANCELLED, c"cancelled"),
    (PICO_E_CONNECT, c"connect"),
    (PICO_E_DNS, c"dns"),
    (PICO_E_TLS, c"tls"),
    (PICO_E_PROXY, c"proxy"),
    (PICO_E_CONNECTION_LOST, c"connection_lost"),
    (PICO_E_HTTP_STATUS, c"http_status"),
    (PICO_E_UNAUTHORIZED, c"unauthorized"),
    (PICO_E_RATE_LIMITED, c"rate_limited"),
    (PICO_E_NOT_JSON, c"not_json"),
    (PICO_E_TOO_LARGE, c"too_large"),
    (PICO_E_DECODE, c"decode"),
    (PICO_E_GRAPHQL, c"graphql"),
    (PICO_E_STORE, c"store"),
    (PICO_E_STORE_FULL, c"store_full"),
    (PICO_E_STORE_READ_ONLY, c"store_read_only"),
    (PICO_E_STORE_IN_USE, c"store_in_use"),
    (PICO_E_STORE_DAMAGED, c"store_damaged"),
    (PICO_E_STORE_VERSION, c"store_version"),
    (PICO_E_LEASE_LOST, c"lease_lost"),
    (PICO_E_INTERNAL, c"internal"),
    (PICO_E_PANIC, c"panic"),
];

/// The status of a kind of the core's.
pub(crate) fn status_of(kind: ErrorKind) -> pico_status_t {
    kind.code()
}

/// One place in memory, where a constant would be one for each use.
pub(crate) static UNKNOWN: &std::ffi::CStr = c"unknown";

/// The name of a status in snake case, such as "timeout", and "unknown" for a number that is none. Lives
/// for ever; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn pico_status_name(status: pico_status_t) -> ReturnText {
    guard::get(UNKNOWN.as_ptr(), || {
        NAMES.iter().find(|(known, _)| *known == status).map_or(UNKNOWN, |(_, name)| *name).as_ptr()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_has_its_constant_and_name() {
        let kinds: Vec<_> = ErrorKind::ALL.iter().map(|kind| (kind.code(), kind.name())).collect();
        let names: Vec<_> =
            NAMES[1..].iter().map(|(status, name)| (*status, name.to_str().unwrap())).collect();
        assert_eq!(names, kinds);
    }
}
