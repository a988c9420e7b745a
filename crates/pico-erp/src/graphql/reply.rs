//! [`Reply`]: what a GraphQL server answers, untouched: `data`, `errors`, `extensions`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind};
use crate::json::Json;

/// One entry of a reply's `errors`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GraphqlError {
    /// The server's message; empty when it gave none.
    pub message: String,
    /// `extensions.code`, where the server sets it.
    pub code: Option<String>,
    /// The path to the field that failed, as JSON.
    pub path: Option<Json>,
    /// The whole entry as it was sent.
    pub raw: Json,
}

/// A GraphQL reply: `data`, `errors` and `extensions` as the server sent them.
///
/// Both `data` and `errors` may be there: a reply can be partly good.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reply {
    /// `data`, absent when it was missing or null.
    pub data: Option<Json>,
    /// The entries of `errors`; empty when all went well.
    pub errors: Vec<GraphqlError>,
    /// `extensions`, absent when it was missing or null.
    pub extensions: Option<Json>,
    /// The HTTP status it came with; `None` for an event of a stream.
    pub http_status: Option<u16>,
    /// The whole reply.
    pub raw: Json,
    /// The trace that the request was sent under.
    pub(crate) trace_id: Option<String>,
}

/// Only `message` is promised by the specification, and not every server keeps that promise: whatever is
/// missing or of another type is left out and stays reachable in `raw`.
#[derive(Deserialize)]
struct ErrorParts<'a> {
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    extensions: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
    #[serde(borrow)]
    extensions: Option<&'a RawValue>,
}

impl GraphqlError {
    fn from_json(raw: Json) -> Self {
        let (mut message, mut code, mut path) = (String::new(), None, None);
        if let Ok(parts) = raw.decode_borrowed::<ErrorParts<'_>>() {
            message = parts.message.map(text_of).unwrap_or_default();
            code = parts.extensions.as_ref().and_then(|it| it.get("code")?.as_str().map(str::to_owned));
            path = parts.path.map(|path| raw.piece(path));
        } else if let Ok(text) = raw.decode::<String>() {
            message = text;
        }
        Self { message, code, path, raw }
    }

    /// Whether the entry says that the token was refused, in one of the ways servers are known to say it
    /// (Apollo, Yoga, Hasura). Pico documents none.
    fn refuses_token(&self) -> bool {
        matches!(
            self.code.as_deref(),
            Some("UNAUTHENTICATED" | "UNAUTHORIZED" | "FORBIDDEN" | "invalid-jwt" | "access-denied")
        )
    }

    /// Whether the entry reports a fault of the server that may pass (Apollo's and Yoga's code for it).
    pub(crate) fn is_server_fault(&self) -> bool {
        matches!(self.code.as_deref(), Some("INTERNAL_SERVER_ERROR" | "SERVICE_UNAVAILABLE"))
    }
}

/// A JSON string's value, or the text of whatever else stands there.
fn text_of(raw: &RawValue) -> String {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
}

impl Reply {
    /// Reads a reply, or says that the JSON is none.
    pub(crate) fn parse(raw: Json, http_status: Option<u16>) -> Result<Self, Error> {
        let not_a_reply = |raw: &Json| {
            Error::new(ErrorKind::Decode, "the reply is JSON but has neither data nor errors")
                .with_body(raw.as_bytes())
        };
        let parts: Parts<'_> = raw.decode_borrowed().map_err(|_| not_a_reply(&raw))?;
        let errors = match parts.errors {
            None => Vec::new(),
            Some(errors) => match serde_json::from_str::<Vec<&RawValue>>(errors.get()) {
                Ok(list) => list.into_iter().map(|error| GraphqlError::from_json(raw.piece(error))).collect(),
                // `errors` that is no list is against the specification; it is an error all the same.
                Err(_) => vec![GraphqlError::from_json(raw.piece(errors))],
            },
        };
        let data = parts.data.map(|data| raw.piece(data));
        let extensions = parts.extensions.map(|extensions| raw.piece(extensions));
        if data.is_none() && errors.is_empty() {
            return Err(not_a_reply(&raw));
        }
        Ok(Self { data, errors, extensions, http_status, raw, trace_id: None })
    }

    /// The reply's errors as an [`Error`], when there are any.
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        let first = self.errors.first()?;
        let kind = if self.errors.iter().any(GraphqlError::refuses_token) {
            ErrorKind::Unauthorized
        } else {
            ErrorKind::Graphql
        };
        let mut message = match kind {
            ErrorKind::Unauthorized => format!("the server refused the token: {}", first.message),
            _ => format!("the server answered with an error: {}", first.message),
        };
        if self.errors.len() > 1 {
            message.push_str(&format!(" (and {} more)", self.errors.len() - 1));
        }
        let mut error = Error::new(kind, message).with_graphql(self.errors.clone(), self.data.clone());
        if let Some(status) = self.http_status {
            error = error.with_http_status(status);
        }
        if let Some(trace_id) = &self.trace_id {
            error = error.with_trace_id(trace_id.clone());
        }
        Some(error.with_transient(self.errors.iter().any(GraphqlError::is_server_fault)))
    }

    /// The value of one field of `data`, or the error that took its place.
    pub(crate) fn into_field(self, name: &str) -> Result<Json, Error> {
        if let Some(error) = self.error() {
            return Err(error);
        }
        let missing = || {
            Error::new(ErrorKind::Decode, format!("the reply has no data.{name}"))
                .with_body(self.raw.as_bytes())
        };
        let data = self.data.as_ref().ok_or_else(missing)?;
        let fields: std::collections::BTreeMap<String, &RawValue> =
            data.decode_borrowed().map_err(|_| missing())?;
        fields.get(name).map(|value| data.piece(value)).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Reply, Error> {
        Reply::parse(Json::new(text.to_owned()).unwrap(), Some(200))
    }

    #[test]
    fn data_errors_and_extensions_come_through_untouched() {
        let reply = parse(
            r#"{"data":{"a": 1.50},"errors":[{"message":"m","path":["a",0],"extensions":{"code":"C","x":1}}],"extensions":{"cost": 3}}"#,
        )
        .unwrap();
        assert_eq!(reply.data.as_ref().unwrap().as_str(), r#"{"a": 1.50}"#);
        assert_eq!(reply.extensions.as_ref().unwrap().as_str(), r#"{"cost": 3}"#);
        let error = reply.error().unwrap();
        assert_eq!(error.kind(), ErrorKind::Graphql);
        assert_eq!(error.data().unwrap().as_str(), r#"{"a": 1.50}"#);
        assert_eq!(error.graphql_errors()[0].code.as_deref(), Some("C"));
        assert_eq!(error.graphql_errors()[0].path.as_ref().unwrap().as_str(), r#"["a",0]"#);
    }

    #[test]
    fn errors_of_an_odd_form_are_still_errors() {
        for (text, message) in [
            (r#"{"errors":[{}]}"#, ""),
            (r#"{"errors":["plain text"]}"#, "plain text"),
            (r#"{"errors":"not a list"}"#, "not a list"),
            (r#"{"errors":[{"message":42}]}"#, "42"),
            (r#"{"errors":[{"message":"x","extensions":null,"locations":7}],"data":null}"#, "x"),
        ] {
            let reply = parse(text).unwrap();
            assert_eq!(reply.errors[0].message, message, "{text}");
            assert!(reply.error().is_some(), "{text}");
        }
    }

    #[test]
    fn json_that_is_no_reply_is_said_to_be_none() {
        for text in ["{}", "[]", "1", "{\"data\":null}", "{\"message\":\"no\"}"] {
            assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::Decode, "{text}");
        }
    }

    #[test]
    fn a_token_refused_inside_a_200_is_told_apart() {
        let reply =
            parse(r#"{"errors":[{"message":"no","extensions":{"code":"UNAUTHENTICATED"}}]}"#).unwrap();
        assert_eq!(reply.error().unwrap().kind(), ErrorKind::Unauthorized);
    }
}
