//! JSON between Python and the core: decoded and encoded by Python's own `json`, so that numbers, big integers included,
//! come out as a Python programmer expects. Also [`Reply`], the result of a raw call.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use pico_erp::Json;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{invalid, raise};

/// `json.loads`.
pub(crate) fn loads<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (text,))
}

/// `json.dumps` for an argument named `field`; NaN and the infinities, which JSON does not have, are refused.
pub(crate) fn dumps(py: Python<'_>, field: &str, value: &Bound<'_, PyAny>) -> PyResult<Json> {
    let options = PyDict::new(py);
    options.set_item("allow_nan", false)?;
    let text: String = py
        .import("json")?
        .call_method("dumps", (value,), Some(&options))
        .map_err(|error| invalid(py, field, &format!("cannot be written as JSON: {}", error.value(py))))?
        .extract()?;
    Json::new(text).map_err(|error| raise(py, &error))
}

/// The value of one field of an object, as it stands there; nothing when it is missing or null.
pub(crate) fn field(object: &Json, name: &str) -> Option<Json> {
    let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(object.as_str()).ok()?;
    let value = fields.get(name)?;
    (value.get() != "null").then(|| Json::new(value.get().to_owned()).ok())?
}

/// The elements of a list that are not null.
pub(crate) fn elements(list: Option<Json>) -> Vec<Json> {
    let Some(list) = list else {
        return Vec::new();
    };
    let elements: Vec<&RawValue> = serde_json::from_str(list.as_str()).unwrap_or_default();
    elements
        .into_iter()
        .filter(|element| element.get() != "null")
        .filter_map(|element| Json::new(element.get().to_owned()).ok())
        .collect()
}

/// Whether two texts mean the same: white space and the order of fields do not count.
pub(crate) fn same(one: &Json, other: &Json) -> bool {
    one == other || value(one) == value(other)
}

fn value(json: &Json) -> Value {
    serde_json::from_str(json.as_str()).unwrap_or_default()
}

/// A hash that fits [`same`].
pub(crate) fn hash<H: Hasher>(json: &Json, state: &mut H) {
    hash_value(&value(json), state);
}

fn hash_value<H: Hasher>(value: &Value, state: &mut H) {
    match value {
        Value::Null => 0_u8.hash(state),
        Value::Bool(truth) => truth.hash(state),
        // Numbers that are equal may be written differently as f64 (-0.0); the integers tell enough apart.
        Value::Number(number) => number.as_i64().hash(state),
        Value::String(text) => text.hash(state),
        Value::Array(elements) => elements.iter().for_each(|element| hash_value(element, state)),
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            for (name, value) in sorted {
                name.hash(state);
                hash_value(value, state);
            }
        }
    }
}

/// What a GraphQL server answered to Client.execute, untouched.
#[pyclass(module = "pico_erp", frozen)]
pub(crate) struct Reply(pub(crate) pico_erp::Reply);

#[pymethods]
impl Reply {
    /// `data`, decoded; None when it was missing or null.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.data.as_ref().map(|json| loads(py, json.as_str())).transpose()
    }

    /// The entries of `errors`, decoded; empty when all went well.
    #[getter]
    fn errors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let entries: Vec<_> =
            self.0.errors.iter().map(|error| loads(py, error.raw.as_str())).collect::<PyResult<_>>()?;
        PyTuple::new(py, entries)
    }

    /// `extensions`, decoded; None when it was missing or null.
    #[getter]
    fn extensions<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.extensions.as_ref().map(|json| loads(py, json.as_str())).transpose()
    }

    /// The HTTP status.
    #[getter]
    fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// The whole reply as it was sent.
    #[getter]
    fn raw(&self) -> &str {
        self.0.raw.as_str()
    }

    /// Raises what the errors mean (GraphQLError or AuthenticationError), when there are any.
    fn raise_for_errors(&self, py: Python<'_>) -> PyResult<()> {
        self.0.error().map_or(Ok(()), |error| Err(raise(py, &error)))
    }

    fn __repr__(&self) -> String {
        format!(
            "Reply(http_status={}, errors={}, {} bytes)",
            self.0.http_status.map_or_else(|| "None".to_owned(), |status| status.to_string()),
            self.0.errors.len(),
            self.0.raw.as_bytes().len()
        )
    }
}
