//! [`Error`]: the one error type of the crate, made for branching.
//!
//! Every failure carries a [kind](ErrorKind) with a stable number that is the same in C, Python and .NET, a
//! message, and what is known of the cause: HTTP status, GraphQL errors, how long to wait. The token and
//! webhook secrets are never part of it.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use crate::graphql::GraphqlError;
use crate::json::Json;
use crate::redaction::Redaction;

/// How many bytes of an unexpected body an error keeps.
const BODY_START: usize = 512;

/// What went wrong, as far as a caller would act on it.
///
/// The numbers ([`ErrorKind::code`]) are grouped by hundred and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// 100: a setting or an argument is wrong; the message names it and says what would be right. Nothing was sent.
    InvalidArgument,
    /// 101: a pointer that must not be NULL was NULL (C only).
    NullPointer,
    /// 102: text that must be UTF-8 was not (C only).
    InvalidUtf8,
    /// 103: a call that waits was made from inside a callback (C only).
    Reentrant,
    /// 104: the process was forked after the library was first used; the child must start anew.
    Forked,
    /// 105: the client or the subscription is closed.
    Closed,
    /// 200: no reply within the time-out.
    Timeout,
    /// 201: the caller cancelled the call.
    Cancelled,
    /// 300: no connection: refused, unreachable, or reset before it was up.
    Connect,
    /// 301: the host name could not be resolved.
    Dns,
    /// 302: the TLS handshake failed, most often because the certificate is not trusted.
    Tls,
    /// 303: the proxy could not be reached or refused the connection.
    Proxy,
    /// 304: the connection broke before the reply was whole.
    ConnectionLost,
    /// 400: an HTTP status that is neither a success nor a GraphQL reply.
    HttpStatus,
    /// 401: the server refused the token.
    Unauthorized,
    /// 402: the server asks to slow down (HTTP 429).
    RateLimited,
    /// 403: the reply is not JSON; the first bytes are in [`Error::body_start`].
    NotJson,
    /// 404: the reply, or one event, is larger than the limit.
    TooLarge,
    /// 405: the reply is JSON, but not of the form that was expected.
    Decode,
    /// 500: the server answered with GraphQL errors; see [`Error::graphql_errors`] and [`Error::data`].
    Graphql,
    /// 600: the store could not be opened, read or written; the message has the path and the reason.
    Store,
    /// 601: the disk of the store is full. Nothing that was confirmed is lost; what was not is not in the store.
    StoreFull,
    /// 602: the store, or the folder it lies in, may not be written.
    StoreReadOnly,
    /// 603: another process, or another feed or outbox of this one, does that work on the store already.
    StoreInUse,
    /// 604: the file of the store is damaged, or is no store. It is left as it is.
    StoreDamaged,
    /// 605: the store was written by a newer version of this library.
    StoreVersion,
    /// 606: what was handed out to this process was handed out to another since, because it was not heard of for too long or
    /// did not answer in time. What the other does counts.
    LeaseLost,
    /// 900: something failed inside the library or the operating system, such as starting a thread.
    Internal,
    /// 901: a panic inside the library was caught at the border (C and Python only).
    Panic,
}

impl ErrorKind {
    /// Every kind, in the order of the numbers.
    pub const ALL: &[Self] = &[
        Self::InvalidArgument,
        Self::NullPointer,
        Self::InvalidUtf8,
        Self::Reentrant,
        Self::Forked,
        Self::Closed,
        Self::Timeout,
        Self::Cancelled,
        Self::Connect,
        Self::Dns,
        Self::Tls,
        Self::Proxy,
        Self::ConnectionLost,
        Self::HttpStatus,
        Self::Unauthorized,
        Self::RateLimited,
        Self::NotJson,
        Self::TooLarge,
        Self::Decode,
        Self::Graphql,
        Self::Store,
        Self::StoreFull,
        Self::StoreReadOnly,
        Self::StoreInUse,
        Self::StoreDamaged,
        Self::StoreVersion,
        Self::LeaseLost,
        Self::Internal,
        Self::Panic,
    ];

    /// The stable number of this kind. 0 is never used: it means success in C.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::InvalidArgument => 100,
            Self::NullPointer => 101,
            Self::InvalidUtf8 => 102,
            Self::Reentrant => 103,
            Self::Forked => 104,
            Self::Closed => 105,
            Self::Timeout => 200,
            Self::Cancelled => 201,
            Self::Connect => 300,
            Self::Dns => 301,
            Self::Tls => 302,
            Self::Proxy => 303,
            Self::ConnectionLost => 304,
            Self::HttpStatus => 400,
            Self::Unauthorized => 401,
            Self::RateLimited => 402,
            Self::NotJson => 403,
            Self::TooLarge => 404,
            Self::Decode => 405,
            Self::Graphql => 500,
            Self::Store => 600,
            Self::StoreFull => 601,
            Self::StoreReadOnly => 602,
            Self::StoreInUse => 603,
            Self::StoreDamaged => 604,
            Self::StoreVersion => 605,
            Self::LeaseLost => 606,
            Self::Internal => 900,
            Self::Panic => 901,
        }
    }

    /// The name of this kind in snake case, as logs and `--json` output use it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::NullPointer => "null_pointer",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::Reentrant => "reentrant",
            Self::Forked => "forked",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Connect => "connect",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Proxy => "proxy",
            Self::ConnectionLost => "connection_lost",
            Self::HttpStatus => "http_status",
            Self::Unauthorized => "unauthorized",
            Self::RateLimited => "rate_limited",
            Self::NotJson => "not_json",
            Self::TooLarge => "too_large",
            Self::Decode => "decode",
            Self::Graphql => "graphql",
            Self::Store => "store",
            Self::StoreFull => "store_full",
            Self::StoreReadOnly => "store_read_only",
            Self::StoreInUse => "store_in_use",
            Self::StoreDamaged => "store_damaged",
            Self::StoreVersion => "store_version",
            Self::LeaseLost => "lease_lost",
            Self::Internal => "internal",
            Self::Panic => "panic",
        }
    }
}

/// Why a call failed. The size of a pointer; cheap to pass up.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    http_status: Option<u16>,
    graphql_errors: Vec<GraphqlError>,
    data: Option<Json>,
    retry_after: Option<Duration>,
    body_start: Option<String>,
    never_sent: bool,
    transient: bool,
    trace_id: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`. `message` is in lower case, without a full stop.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        use ErrorKind::{
            Connect, ConnectionLost, Dns, Proxy, RateLimited, Store, StoreFull, StoreInUse, Timeout,
        };
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            http_status: None,
            graphql_errors: Vec::new(),
            data: None,
            retry_after: None,
            body_start: None,
            never_sent: matches!(kind, Connect | Dns),
            transient: matches!(
                kind,
                Connect
                    | Dns
                    | Proxy
                    | ConnectionLost
                    | Timeout
                    | RateLimited
                    | Store
                    | StoreFull
                    | StoreInUse
            ),
            trace_id: None,
            source: None,
        }))
    }

    /// An argument is wrong: `field` is its name, `problem` says what is wrong and what would be right.
    #[must_use]
    pub fn invalid(field: &str, problem: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidArgument, format!("{field}: {problem}"))
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into().into());
        self
    }

    pub(crate) fn with_http_status(mut self, status: u16) -> Self {
        self.0.http_status = Some(status);
        self.0.transient |= matches!(status, 408 | 425 | 429 | 500..=599);
        self
    }

    pub(crate) fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    pub(crate) fn with_graphql(mut self, errors: Vec<GraphqlError>, data: Option<Json>) -> Self {
        self.0.graphql_errors = errors;
        self.0.data = data;
        self
    }

    pub(crate) fn with_never_sent(mut self) -> Self {
        self.0.never_sent = true;
        self
    }

    pub(crate) fn with_transient(mut self, transient: bool) -> Self {
        self.0.transient = transient;
        self
    }

    pub(crate) fn with_trace_id(mut self, trace_id: String) -> Self {
        self.0.trace_id = Some(trace_id);
        self
    }

    pub(crate) fn with_body(mut self, body: &[u8]) -> Self {
        let start = &body[..body.len().min(BODY_START)];
        self.0.body_start = Some(String::from_utf8_lossy(start).into_owned());
        self
    }

    /// Takes secrets out of everything that came from the server.
    pub(crate) fn redacted(mut self, redaction: &Redaction) -> Self {
        redaction.hide(&mut self.0.message);
        if let Some(body) = &mut self.0.body_start {
            redaction.hide(body);
        }
        if let Some(data) = &mut self.0.data {
            redaction.hide_in_json(data);
        }
        for error in &mut self.0.graphql_errors {
            redaction.hide(&mut error.message);
            redaction.hide_in_json(&mut error.raw);
            error.code.iter_mut().for_each(|code| redaction.hide(code));
            error.path.iter_mut().for_each(|path| redaction.hide_in_json(path));
        }
        // A cause cannot be rewritten.
        let mut cause = self.source();
        while let Some(error) = cause {
            if redaction.finds(&error.to_string()) {
                self.0.source = None;
                break;
            }
            cause = error.source();
        }
        self
    }

    /// Puts `context` and a colon before the message.
    pub(crate) fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable number of [`Error::kind`].
    #[must_use]
    pub fn code(&self) -> i32 {
        self.0.kind.code()
    }

    /// The message without its causes; `Display` adds them.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status, where there was a reply.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// The errors of a GraphQL reply, in the server's order; empty for other kinds.
    #[must_use]
    pub fn graphql_errors(&self) -> &[GraphqlError] {
        &self.0.graphql_errors
    }

    /// The `data` that came with GraphQL errors, when it was there and not null.
    #[must_use]
    pub fn data(&self) -> Option<&Json> {
        self.0.data.as_ref()
    }

    /// How long the server asked to wait (`Retry-After`).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The first bytes (512 at most) of a body that was not what it should be.
    #[must_use]
    pub fn body_start(&self) -> Option<&str> {
        self.0.body_start.as_deref()
    }

    /// Whether the cause may pass, so that the same call may succeed later. That says nothing of whether the
    /// server has carried it out already: repeat a mutation only where repeating does no harm.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.transient
    }

    /// Whether the request certainly never reached the server.
    #[must_use]
    pub fn never_sent(&self) -> bool {
        self.0.never_sent
    }

    /// The id of the trace that the failed request was sent under, where [`crate::TraceContext`] is on: 32 hexadecimal
    /// digits, as other systems' logs have it.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.0.trace_id.as_deref()
    }

    /// The message with all its causes, the outermost first, each once.
    fn chain(&self) -> String {
        let mut text = self.0.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let line = error.to_string();
            if !text.contains(&line) {
                text.push_str(": ");
                text.push_str(&line);
            }
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.0.kind).field("message", &self.chain());
        if let Some(status) = self.0.http_status {
            out.field("http_status", &status);
        }
        if !self.0.graphql_errors.is_empty() {
            out.field("graphql_errors", &self.0.graphql_errors);
        }
        if let Some(body) = &self.0.body_start {
            out.field("body_start", body);
        }
        out.finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_ascending_and_never_zero() {
        let codes: Vec<i32> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
        assert!(codes[0] > 0);
    }

    #[test]
    fn a_cause_is_told_once() {
        let error =
            Error::new(ErrorKind::Connect, "no connection to 127.0.0.1:1").with_source("connection refused");
        assert_eq!(error.to_string(), "no connection to 127.0.0.1:1: connection refused");
    }
}
