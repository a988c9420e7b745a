//! The scalars `Time`, `DateTime` and `URL`. `JSON` is async-graphql's own for `serde_json::Value`.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use url::Url;

use crate::time::Time;

/// RFC 3339, UTC, milliseconds, Z: 2025-01-15T10:00:00.000Z
#[Scalar(name = "Time")]
impl ScalarType for Time {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => text.parse().map_err(InputValueError::custom),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

/// The documentation names two scalars for times; they look the same on the wire.
#[derive(Clone, Copy)]
pub(crate) struct DateTime(pub(crate) Time);

/// RFC 3339, UTC, milliseconds, Z: 2025-01-15T10:00:00.000Z
#[Scalar(name = "DateTime")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        Time::parse(value).map(DateTime).map_err(InputValueError::propagate)
    }

    fn to_value(&self) -> Value {
        self.0.to_value()
    }
}

pub(crate) struct WebhookUrl(pub(crate) Url);

/// An absolute http or https URL.
#[Scalar(name = "URL")]
impl ScalarType for WebhookUrl {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        let url = Url::parse(text)
            .map_err(|error| InputValueError::custom(format!("`{text}` is no URL: {error}")))?;
        match url.scheme() {
            "http" | "https" => Ok(WebhookUrl(url)),
            scheme => {
                Err(InputValueError::custom(format!("a {scheme} URL cannot be posted to: use http or https")))
            }
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}
