//! Pico's things as frozen Python classes. Each wraps the core's type and gives its fields, its JSON as it was sent, and
//! equality by content. The parts inside them are in `nested`.

use pico_erp::{Error, Json, Model};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::error::raise;
use crate::json;
use crate::nested::{Attribute, OperationSummary, OrderedOperation, State};
use crate::time::Utc;

/// A tuple of Python objects.
pub(crate) struct Tuple<T>(pub(crate) Vec<T>);

impl<'py, T: IntoPyObject<'py>> IntoPyObject<'py> for Tuple<T> {
    type Target = PyTuple;
    type Output = Bound<'py, PyTuple>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        PyTuple::new(py, self.0)
    }
}

/// A class that is made of JSON text.
pub(crate) trait FromJson: Sized {
    fn from_json_text(json: Json) -> Result<Self, Error>;
}

/// Text or bytes that hold JSON.
#[derive(FromPyObject)]
pub(crate) enum Text {
    Str(String),
    Bytes(Vec<u8>),
}

impl Text {
    pub(crate) fn json(self) -> Result<Json, Error> {
        match self {
            Self::Str(text) => Json::new(text),
            Self::Bytes(bytes) => Json::new(bytes),
        }
    }
}

/// Declares a frozen class over one of the core's types. One macro, because PyO3 takes one block of methods per class.
macro_rules! object {
    (
        $(#[$doc:meta])*
        $name:ident as $python:literal over $core:ty {
            $($(#[$field_doc:meta])* $field:ident: $type:ty = $get:expr;)*
        }
    ) => {
        $(#[$doc])*
        #[pyclass(module = "pico_erp", name = $python, frozen, eq, hash)]
        pub(crate) struct $name {
            #[allow(dead_code, reason = "a value without known fields is all in its raw text")]
            pub(crate) inner: $core,
            pub(crate) raw: pico_erp::Json,
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                $crate::json::same(&self.raw, &other.raw)
            }
        }

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                $crate::json::hash(&self.raw, state);
            }
        }

        #[pymethods]
        impl $name {
            /// Decodes JSON as Pico sends it, such as the body of a webhook.
            ///
            /// Raises DecodeError when it is not JSON or a field does not fit.
            #[classmethod]
            fn from_json(
                _class: &Bound<'_, pyo3::types::PyType>,
                py: Python<'_>,
                text: $crate::model::Text,
            ) -> PyResult<Self> {
                text.json()
                    .and_then(<Self as $crate::model::FromJson>::from_json_text)
                    .map_err(|error| $crate::error::raise(py, &error))
            }

            $(
                $(#[$field_doc])*
                #[getter]
                fn $field(&self) -> $type {
                    let get: fn(&Self) -> $type = $get;
                    get(self)
                }
            )*

            /// The JSON text exactly as it was sent.
            #[getter]
            fn raw(&self) -> &str {
                self.raw.as_str()
            }

            /// The JSON decoded, with all fields that were sent, under their names in the API.
            fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                $crate::json::loads(py, self.raw.as_str())
            }

            fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
                let fields: &[&str] = &[$(stringify!($field)),*];
                $crate::model::repr(slf.as_any(), $python, fields, slf.get().raw.as_str())
            }

            /// Pickling, and with it multiprocessing, goes by the JSON.
            fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
                let make = slf.get_type().getattr("from_json")?;
                Ok((make, (slf.get().raw.as_str().to_owned(),)))
            }
        }
    };
}
pub(crate) use object;

/// `Name(field=value, ...)` with the fields that have a value; the JSON where there are no fields at all.
pub(crate) fn repr(object: &Bound<'_, PyAny>, name: &str, fields: &[&str], raw: &str) -> PyResult<String> {
    let mut parts = Vec::new();
    for field in fields {
        let value = object.getattr(*field)?;
        if !value.is_none() {
            parts.push(format!("{field}={}", value.repr()?));
        }
    }
    if fields.is_empty() {
        parts.push(raw.to_owned());
    }
    Ok(format!("{name}({})", parts.join(", ")))
}

/// Gives a class over one of the core's models its way in.
macro_rules! from_model {
    ($($name:ident),*) => {
        $(impl FromJson for $name {
            fn from_json_text(json: Json) -> Result<Self, Error> {
                Model::from_json(json).map(Self::new)
            }
        })*
    };
}

macro_rules! new {
    ($($name:ident: $core:ty),*) => {
        $(impl $name {
            pub(crate) fn new(inner: $core) -> Self {
                let raw = inner.raw().clone();
                Self { inner, raw }
            }
        })*
    };
}

from_model!(Operation, SubOperation, OrderComplete, Webhook, NoteEvent, JsonValue);
new!(
    Operation: pico_erp::Operation,
    SubOperation: pico_erp::SubOperation,
    OrderComplete: pico_erp::OrderComplete,
    Webhook: pico_erp::Webhook,
    NoteEvent: pico_erp::NoteEvent,
    JsonValue: Json
);

object! {
    /// A product, a subassembly or a process: anything that can be ordered.
    Operation as "Operation" over pico_erp::Operation {
        /// Pico's identifier; what orders are saved with.
        id: Option<&str> = |it| it.inner.id.as_deref();
        /// The part number.
        external_id: Option<&str> = |it| it.inner.external_id.as_deref();
        /// The revision.
        external_revision: Option<&str> = |it| it.inner.external_revision.as_deref();
        /// The part number split at the bar character; None where Pico did not send it, which only generation G3 does.
        external_codes: Option<Tuple<String>> = |it| it.inner.external_codes.clone().map(Tuple);
        /// The display name.
        name: &str = |it| &it.inner.name;
        /// The template it was made from.
        template_id: Option<&str> = |it| it.inner.template_id.as_deref();
        /// The variant of the template.
        variant_name: Option<&str> = |it| it.inner.variant_name.as_deref();
        /// The serialised parts that the build needs.
        consumed_serials: Tuple<Attribute> = |it| Tuple(Attribute::list(&it.inner.consumed_serials, &it.raw));
        /// When it was last changed (UTC).
        updated_at: Utc = |it| Utc(it.inner.updated_at);
        /// When it was archived (UTC); None while it is in use.
        archived_at: Option<Utc> = |it| it.inner.archived_at.map(Utc);
    }
}

object! {
    /// One edge of the product structure, from a parent operation to a child operation.
    SubOperation as "SubOperation" over pico_erp::SubOperation {
        /// The parent's Operation.id.
        parent_id: Option<&str> = |it| it.inner.parent_id.as_deref();
        /// The child's Operation.id.
        sub_id: Option<&str> = |it| it.inner.sub_id.as_deref();
        /// The routing group, as text. Pico does not say what it means: compare it, and no more.
        sub_group: Option<&str> = |it| it.inner.sub_group.as_deref();
        /// When the edge was last changed (UTC).
        updated_at: Option<Utc> = |it| it.inner.updated_at.map(Utc);
    }
}

object! {
    /// A completed operation order (Pico's OperationOrderComplete).
    OrderComplete as "OrderComplete" over pico_erp::OrderComplete {
        /// The ERP's order id.
        external_order_id: &str = |it| &it.inner.external_order_id;
        /// What was completed. With child orders switched on in Pico this may be a part of what was ordered.
        operation: Option<OrderedOperation> = |it| {
            Some(OrderedOperation { inner: it.inner.operation.clone()?, raw: json::field(&it.raw, "operation")? })
        };
        /// Which unit of the order, from 0.
        order_index: Option<i32> = |it| it.inner.order_index;
        /// When it was completed (UTC).
        at: Utc = |it| Utc(it.inner.at);
        /// How the build went.
        operation_summary: Option<OperationSummary> = |it| {
            let inner = it.inner.operation_summary.clone();
            Some(OperationSummary { inner, raw: json::field(&it.raw, "operationSummary")? })
        };
        /// Where the build ended.
        end_state: Option<State> = |it| {
            Some(State { inner: it.inner.end_state.clone()?, raw: json::field(&it.raw, "endState")? })
        };
        /// The serial that was reserved when ordering. Only generation G3 of Pico's API sends it.
        reserved_serial_number: Option<&str> = |it| it.inner.reserved_serial_number.as_deref();
        /// The second order id that was given when ordering. Only generation G3 of Pico's API sends it.
        secondary_external_order_id: Option<&str> = |it| it.inner.secondary_external_order_id.as_deref();
        /// The serial of the finished unit, when one was captured: end_state.produced_serial.
        produced_serial: Option<&str> = |it| it.inner.produced_serial();
        /// The id of the operation that was completed: operation.id.
        operation_id: Option<&str> = |it| it.inner.operation_id();
    }
}

object! {
    /// One webhook registration (Pico's SubscriptionHandle). Pico never gives back the headers.
    Webhook as "Webhook" over pico_erp::Webhook {
        /// The id the caller chose.
        subscription_id: Option<&str> = |it| it.inner.subscription_id.as_deref();
        /// The fragment that picks the stream and the fields of the payload.
        response_fragment: Option<&str> = |it| it.inner.response_fragment.as_deref();
        /// Where Pico posts to.
        webhook_url: Option<&str> = |it| it.inner.webhook_url.as_deref();
        /// When it was registered (UTC).
        created_at: Option<Utc> = |it| it.inner.created_at.map(Utc);
        /// When Pico last had an event for it (UTC).
        last_event_at: Option<Utc> = |it| it.inner.last_event_at.map(Utc);
    }
}

object! {
    /// An operator's note that is new or was changed. Only newer Picos (generation G3) have them.
    NoteEvent as "NoteEvent" over pico_erp::NoteEvent {
        /// A running number.
        seq: i64 = |it| it.inner.seq;
        /// When the note was made (UTC).
        at: Utc = |it| Utc(it.inner.at);
        /// The note's id.
        id: Option<&str> = |it| it.inner.id.as_deref();
        /// The note's id in an outside ticket system.
        external_id: Option<&str> = |it| it.inner.external_id.as_deref();
        /// What the operator wrote.
        text: Option<&str> = |it| it.inner.text.as_deref();
        /// Further detail as JSON text, in a form Pico does not describe.
        metadata: Option<&str> = |it| it.inner.metadata.as_ref().map(Json::as_str);
        /// URL paths of pictures.
        images: Tuple<String> = |it| Tuple(it.inner.images.clone());
        /// Whether it is new or changed; Pico does not list the values.
        event_type: Option<&str> = |it| it.inner.event_type.as_deref();
    }
}

object! {
    /// Any JSON value, such as the data of one event of a raw subscription.
    JsonValue as "Json" over Json {}
}

/// Decodes an event of a stream into a Python object.
pub(crate) fn event<T>(py: Python<'_>, json: Json) -> PyResult<Py<PyAny>>
where
    T: FromJson + for<'py> IntoPyObject<'py>,
{
    let object = T::from_json_text(json).map_err(|error| raise(py, &error))?;
    object.into_py_any(py)
}
