//! The answers a receiver gives, and nothing in them that tells which software gave them.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::error::Error;

/// `Retry-After` where the sink does not say. Pico is not known to heed it; others that post may.
const RETRY: Duration = Duration::from_secs(5);

pub(super) type Answer = Response<Full<Bytes>>;

/// Why a request is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    Path,
    Method { allow: &'static str },
    Secret,
    ContentEncoding,
    ContentType,
    TooLarge { limit: usize },
    TooSlow,
    BrokenOff,
    Malformed(String),
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Secret => StatusCode::UNAUTHORIZED,
            Self::ContentEncoding | Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenOff | Self::Malformed(_) => StatusCode::BAD_REQUEST,
        }
    }

    pub(super) fn says(&self) -> Cow<'_, str> {
        match self {
            Self::Path => "there is nothing at this path".into(),
            Self::Method { allow } => format!("this path takes {allow} only").into(),
            Self::Secret => "the secret header is missing or wrong".into(),
            Self::ContentEncoding => "send the body without a content-encoding".into(),
            Self::ContentType => "send the body with the content-type application/json".into(),
            Self::TooLarge { limit } => format!("the body is larger than {limit} bytes").into(),
            Self::TooSlow => "the body took too long to arrive".into(),
            Self::BrokenOff => "the body was broken off".into(),
            Self::Malformed(problem) => problem.into(),
        }
    }

    /// The header that RFC 9110 asks for beside the status.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Method { allow } => Some((ALLOW, HeaderValue::from_static(allow))),
            // Section 15.5.2 demands a challenge; no registered scheme means "a header of your own".
            Self::Secret => Some((WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey"))),
            // Section 12.5.3: how to tell a refused coding from a refused type.
            Self::ContentEncoding => Some((ACCEPT_ENCODING, HeaderValue::from_static("identity"))),
            _ => None,
        }
    }

    /// The answer. With `unread` the connection is closed after it, for what is left of the body is not wanted.
    pub(super) fn answer(&self, unread: bool) -> Answer {
        let mut answer = problem(self.status(), &self.says());
        answer.headers_mut().extend(self.header());
        if unread {
            close_after(&mut answer);
        }
        answer
    }
}

/// Everything is on disk.
pub(super) fn stored() -> Answer {
    json(StatusCode::OK, Bytes::from_static(b"{}"))
}

/// The store cannot take it now. Why is in the log and not in the answer, which goes over the network.
pub(super) fn not_stored(error: &Error) -> Answer {
    let mut answer = problem(StatusCode::SERVICE_UNAVAILABLE, "the event could not be stored");
    let wait = error.retry_after().unwrap_or(RETRY);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    answer
}

/// Something that must not happen did.
pub(super) fn failed() -> Answer {
    problem(StatusCode::INTERNAL_SERVER_ERROR, "the event could not be handled")
}

/// The answer of the health path.
pub(super) fn health(unavailable: Option<&Error>) -> Answer {
    match unavailable {
        None => json(StatusCode::OK, Bytes::from_static(br#"{"status":"ok"}"#)),
        Some(error) => {
            // The message alone: its causes may name files of this machine.
            let body = serde_json::json!({ "status": "unavailable", "reason": error.message() });
            json(StatusCode::SERVICE_UNAVAILABLE, body.to_string().into())
        }
    }
}

/// Asks for the connection to be closed after this answer.
pub(super) fn close_after(answer: &mut Answer) {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

fn problem(status: StatusCode, says: &str) -> Answer {
    json(status, serde_json::json!({ "error": says }).to_string().into())
}

fn json(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
