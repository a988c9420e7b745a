//! What an HTTP answer means: a GraphQL reply, or the error it stands for.
//!
//! Pure: status, headers and body in, reply or error out. For calls, for streams that were refused, and for WebSocket
//! upgrades that were.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use crate::error::{Error, ErrorKind};
use crate::graphql::Reply;
use crate::json::Json;

/// The media type without its parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// `Retry-After` as seconds or as an HTTP date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Duration::try_from(at.duration_since(jiff::Timestamp::now())).ok()
}

/// Makes a reply of a whole HTTP response, or the error it stands for.
pub(crate) fn reply_of(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Result<Reply, Error> {
    let code = status.as_u16();
    let wait = retry_after(headers);
    let reply = Json::new(body.clone()).map(|json| Reply::parse(json, Some(code)));
    let with_details = |error: Error| {
        let error = error.with_http_status(code).with_retry_after(wait);
        match &reply {
            Ok(Ok(reply)) => error.with_graphql(reply.errors.clone(), reply.data.clone()),
            _ => error.with_body(&body),
        }
    };
    // What the server says in words, where it says something.
    let said = match &reply {
        Ok(Ok(reply)) => reply.errors.first().map(|error| format!(": {}", error.message)).unwrap_or_default(),
        _ => String::new(),
    };
    match (code, &reply) {
        (407, _) => Err(with_details(Error::new(
            ErrorKind::Proxy,
            "the proxy asks for a user and password (HTTP 407)",
        ))),
        (401, _) | (403, Ok(_)) => Err(with_details(Error::new(
            ErrorKind::Unauthorized,
            format!("the server refused the token (HTTP {code}){said}"),
        ))),
        (429, _) => Err(with_details(Error::new(
            ErrorKind::RateLimited,
            format!("the server asks to slow down (HTTP 429){said}"),
        ))),
        (300..=399, _) => {
            let to = headers
                .get(LOCATION)
                .and_then(|value| value.to_str().ok())
                .unwrap_or("an address it does not name");
            let message = format!(
                "the server redirects to {to} (HTTP {code}); set the endpoint to where Pico really is"
            );
            Err(with_details(Error::new(ErrorKind::HttpStatus, message)))
        }
        (500.., _) => Err(with_details(Error::new(
            ErrorKind::HttpStatus,
            format!("the server failed (HTTP {code}){said}"),
        ))),
        // GraphQL-over-HTTP draft, section 6.4: a request error may come with a 4xx and a well-formed reply.
        (200..=299 | 400..=499, Ok(Ok(_))) => reply.and_then(|reply| reply),
        (200..=299, Ok(Err(_))) => {
            reply.and_then(|reply| reply).map_err(|error| error.with_http_status(code))
        }
        (200..=299, Err(_)) => Err(with_details(not_json(headers, &body))),
        _ => Err(with_details(Error::new(ErrorKind::HttpStatus, format!("the server answered HTTP {code}")))),
    }
}

fn not_json(headers: &HeaderMap, body: &[u8]) -> Error {
    if body.is_empty() {
        return Error::new(ErrorKind::NotJson, "the reply is empty");
    }
    let media = media_type(headers).unwrap_or_else(|| "something without a type".to_owned());
    let text: String = String::from_utf8_lossy(&body[..body.len().min(200)])
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(80)
        .collect();
    let advice = if media == "text/html" { "; a proxy or a login page may stand between" } else { "" };
    Error::new(ErrorKind::NotJson, format!("the reply is {media}, not JSON{advice}; it starts with: {text}"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn reply(status: u16, content_type: &'static str, body: &'static str) -> Result<Reply, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        reply_of(StatusCode::from_u16(status).unwrap(), &headers, Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn each_answer_gets_its_own_kind() {
        const ERRORS: &str = r#"{"errors":[{"message":"no"}]}"#;
        const HTML: &str = "<html><body>Please log in</body></html>";
        use ErrorKind::{Decode, HttpStatus, NotJson, Proxy, RateLimited, Unauthorized};
        for (status, kind_of_body, body, kind, retryable) in [
            (401, "application/json", ERRORS, Unauthorized, false),
            (401, "text/html", HTML, Unauthorized, false),
            (403, "application/json", ERRORS, Unauthorized, false),
            (403, "text/html", HTML, HttpStatus, false),
            (404, "text/html", HTML, HttpStatus, false),
            (407, "text/html", HTML, Proxy, true),
            (429, "application/json", ERRORS, RateLimited, true),
            (302, "text/html", "", HttpStatus, false),
            (500, "application/json", ERRORS, HttpStatus, true),
            (503, "text/plain", "busy", HttpStatus, true),
            (200, "text/html", HTML, NotJson, false),
            (200, "application/json", "", NotJson, false),
            (200, "application/json", "{\"data\":{\"a\":", NotJson, false),
            (200, "application/json", "[1]", Decode, false),
        ] {
            let error = reply(status, kind_of_body, body).unwrap_err();
            assert_eq!(error.kind(), kind, "{status} {body}");
            assert_eq!(error.is_retryable(), retryable, "{status} {body}");
            assert_eq!(error.http_status(), Some(status));
        }
    }

    #[test]
    fn an_html_page_shows_its_first_words() {
        let error =
            reply(200, "text/html; charset=utf-8", "<html>\n <title>Proxy login</title>").unwrap_err();
        assert!(error.to_string().contains("<html> <title>Proxy login"), "{error}");
        assert!(error.body_start().unwrap().starts_with("<html>\n"));
    }

    #[test]
    fn a_reply_with_errors_and_a_4xx_is_still_a_reply() {
        let reply = reply(400, "application/json", r#"{"errors":[{"message":"Unknown field"}]}"#).unwrap();
        assert_eq!(reply.errors[0].message, "Unknown field");
        assert_eq!(reply.http_status, Some(400));
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        assert_eq!(reply(503, "text/plain", "").unwrap_err().retry_after(), Some(Duration::from_secs(7)));
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("Fri, 31 Dec 2399 23:59:59 GMT"));
        assert!(retry_after(&headers).unwrap() > Duration::from_secs(1_000_000));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("Fri, 31 Dec 1999 23:59:59 GMT"));
        assert_eq!(retry_after(&headers), None);
    }
}
