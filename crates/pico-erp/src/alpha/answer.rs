//! What an answer of `/uploads` means. Pico documents the body of a success only; that of a refusal is read leniently.
//!
//! Pure: status, headers and body in, JSON or error out.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::client::reply_of;
use crate::error::{Error, ErrorKind};
use crate::json::Json;

/// The JSON of a success, or the error that the answer stands for.
pub(crate) fn answer_of(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Result<Json, Error> {
    let code = status.as_u16();
    let graphql = reply_of(status, headers, body.clone());
    if let Ok(reply) = &graphql
        && let Some(error) = reply.error()
    {
        return Err(error.with_http_status(code));
    }
    if status.is_success()
        && let Ok(json) = Json::new(body.clone())
    {
        return Ok(json);
    }
    let error = graphql.err().unwrap_or_else(|| {
        Error::new(ErrorKind::HttpStatus, format!("the server answered HTTP {code}")).with_http_status(code)
    });
    Err(match said(&body) {
        Some(said) => Error::new(error.kind(), format!("{}: {said}", error.message()))
            .with_http_status(code)
            .with_retry_after(error.retry_after())
            .with_body(&body),
        None => error,
    })
}

/// What a refusal says in words: the text of `message` or `error`, the forms that REST servers commonly use.
fn said(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let place = ["message", "error"].into_iter().find_map(|key| match body.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Object(inner) => Some(inner.get("message")?.as_str()?.to_owned()),
        _ => None,
    });
    place.map(|text| text.chars().take(200).collect())
}

/// A field of a reply that must be a text; a number counts as its digits.
pub(crate) fn text_field(reply: &Json, names: &[&str]) -> Option<String> {
    let reply: Value = reply.decode().ok()?;
    names.iter().find_map(|name| match reply.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Result<Json, Error> {
        let status = StatusCode::from_u16(status).unwrap();
        answer_of(status, &HeaderMap::new(), Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn a_success_is_its_json() {
        let reply = answer(201, r#"{"path":"/api/v1/images/a.jpg"}"#).unwrap();
        assert_eq!(text_field(&reply, &["path"]).as_deref(), Some("/api/v1/images/a.jpg"));
        let reply = answer(200, r#"{"streamId":7,"path":""}"#).unwrap();
        assert_eq!(text_field(&reply, &["id", "streamId"]).as_deref(), Some("7"));
        assert_eq!(text_field(&reply, &["path"]), None);
    }

    #[test]
    fn a_refusal_keeps_its_status_and_what_it_says() {
        use ErrorKind::{Graphql, HttpStatus, NotJson, Unauthorized};
        for (status, body, kind, says) in [
            (404, r#"{"error":"no such upload"}"#, HttpStatus, "HTTP 404: no such upload"),
            (413, r#"{"message":"too large"}"#, HttpStatus, "HTTP 413: too large"),
            (400, r#"{"error":{"message":"bad index"}}"#, HttpStatus, "HTTP 400: bad index"),
            (503, "busy", HttpStatus, "HTTP 503"),
            (401, r#"{"errors":[{"message":"no token"}]}"#, Unauthorized, "refused the token"),
            (200, r#"{"errors":[{"message":"no"}]}"#, Graphql, "no"),
            (200, "<html>", NotJson, "not JSON"),
            (200, "", NotJson, "empty"),
        ] {
            let error = answer(status, body).unwrap_err();
            assert_eq!((error.kind(), error.http_status()), (kind, Some(status)), "{status} {body}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
