//! The inputs of the work instructions. Each takes any object, because Pico documents the fields of one
//! only, and not all of them; `work_instructions` checks those.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use serde_json::Value as JsonValue;

/// The object that was given.
fn object(value: Value) -> Result<JsonValue, String> {
    match value.into_json() {
        Ok(json @ JsonValue::Object(_)) => Ok(json),
        _ => Err("must be an object".to_owned()),
    }
}

pub(crate) struct ProcessCreateInput(pub(crate) JsonValue);

/// A process with its steps, in the field process.
#[Scalar(name = "ProcessCreateInput")]
impl ScalarType for ProcessCreateInput {
    fn parse(value: Value) -> InputValueResult<Self> {
        object(value).map(Self).map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}

pub(crate) struct ProductCreateInput(pub(crate) JsonValue);

/// A product; any object with an id, or one in the field product.
#[Scalar(name = "ProductCreateInput")]
impl ScalarType for ProductCreateInput {
    fn parse(value: Value) -> InputValueResult<Self> {
        object(value).map(Self).map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}

pub(crate) struct StationCreateInput(pub(crate) JsonValue);

/// A station; any object with an id, or one in the field station.
#[Scalar(name = "StationCreateInput")]
impl ScalarType for StationCreateInput {
    fn parse(value: Value) -> InputValueResult<Self> {
        object(value).map(Self).map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}
