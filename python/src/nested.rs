//! The parts inside Pico's things: attributes, and what a completion holds. Each keeps its own piece of the JSON, so
//! that fields this library does not know are reachable here as well.

use pico_erp::{Error, Json};
use pyo3::prelude::*;

use crate::json;
use crate::model::{FromJson, Tuple, object};
use crate::time::Utc;

object! {
    /// A serial, or on an Operation the slot for one.
    Attribute as "Attribute" over pico_erp::Attribute {
        /// Pico's identifier of the attribute.
        id: Option<&str> = |it| it.inner.id.as_deref();
        /// The component's part number.
        external_id: Option<&str> = |it| it.inner.external_id.as_deref();
        /// The serial; None on an operation, where it is not captured yet.
        value: Option<&str> = |it| it.inner.value.as_deref();
    }
}

object! {
    /// The operation as a completion names it.
    OrderedOperation as "OrderedOperation" over pico_erp::OrderedOperation {
        /// Pico's identifier.
        id: Option<&str> = |it| it.inner.id.as_deref();
        /// The part number.
        external_id: Option<&str> = |it| it.inner.external_id.as_deref();
        /// The revision.
        external_revision: Option<&str> = |it| it.inner.external_revision.as_deref();
        /// The display name.
        name: Option<&str> = |it| it.inner.name.as_deref();
    }
}

object! {
    /// How the build went.
    OperationSummary as "OperationSummary" over pico_erp::OperationSummary {
        /// When the first process was started (UTC).
        started_at: Option<Utc> = |it| it.inner.started_at.map(Utc);
        /// The serials of the parts that were built in.
        consumed_serials: Tuple<Attribute> = |it| Tuple(Attribute::list(&it.inner.consumed_serials, &it.raw));
    }
}

object! {
    /// Where the build ended.
    State as "State" over pico_erp::State {
        /// The serial of the finished unit, when one was captured.
        produced_serial: Option<&str> = |it| it.inner.produced_serial.as_deref();
    }
}

impl Attribute {
    /// The attributes of an object's `consumedSerials`, each with its piece of the object's JSON.
    pub(crate) fn list(attributes: &[pico_erp::Attribute], object: &Json) -> Vec<Self> {
        let pieces = json::elements(json::field(object, "consumedSerials"));
        attributes.iter().zip(pieces).map(|(inner, raw)| Self { inner: inner.clone(), raw }).collect()
    }
}

macro_rules! from_part {
    ($($name:ident),*) => {
        $(impl FromJson for $name {
            fn from_json_text(raw: Json) -> Result<Self, Error> {
                let inner = raw.decode()?;
                Ok(Self { inner, raw })
            }
        })*
    };
}

from_part!(Attribute, OrderedOperation, OperationSummary, State);
