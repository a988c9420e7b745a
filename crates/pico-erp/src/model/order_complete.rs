//! [`OrderComplete`]: a finished operation order.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Attribute, lenient, model};
use crate::json::Json;

/// A completed operation order (Pico's `OperationOrderComplete`).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OrderComplete {
    /// The ERP's order id.
    pub external_order_id: String,
    /// What was completed. With child orders switched on in Pico this may be a part of what was ordered.
    #[serde(default)]
    pub operation: Option<OrderedOperation>,
    /// Which unit of the order, from 0.
    #[serde(default)]
    pub order_index: Option<i32>,
    /// When it was completed.
    pub at: Timestamp,
    /// How the build went; empty where a webhook's fragment leaves it out.
    #[serde(default)]
    pub operation_summary: OperationSummary,
    /// Where the build ended.
    #[serde(default)]
    pub end_state: Option<State>,
    /// The serial that was reserved when ordering, which need not be the one that was captured. Only newer Picos
    /// (generation G3) send it.
    #[serde(default, deserialize_with = "lenient::text")]
    pub reserved_serial_number: Option<String>,
    /// The second order id that was given when ordering. Only newer Picos (generation G3) send it.
    #[serde(default, deserialize_with = "lenient::text")]
    pub secondary_external_order_id: Option<String>,
    #[serde(skip)]
    pub(super) raw: Json,
}

model!(
    OrderComplete,
    "OperationOrderComplete",
    [
        "externalOrderId",
        "operation",
        "orderIndex",
        "at",
        "operationSummary",
        "endState",
        "reservedSerialNumber",
        "secondaryExternalOrderId",
    ]
);

impl OrderComplete {
    /// The serial of the finished unit, when one was captured.
    #[must_use]
    pub fn produced_serial(&self) -> Option<&str> {
        self.end_state.as_ref()?.produced_serial.as_deref()
    }

    /// The id of the operation that was completed.
    #[must_use]
    pub fn operation_id(&self) -> Option<&str> {
        self.operation.as_ref()?.id.as_deref()
    }
}

/// The operation as a completion names it: enough to book it, without a second query.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OrderedOperation {
    /// Pico's identifier.
    #[serde(default, deserialize_with = "lenient::text")]
    pub id: Option<String>,
    /// The part number.
    #[serde(default, deserialize_with = "lenient::text")]
    pub external_id: Option<String>,
    /// The revision.
    #[serde(default, deserialize_with = "lenient::text")]
    pub external_revision: Option<String>,
    /// The display name.
    #[serde(default)]
    pub name: Option<String>,
}

/// How the build went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OperationSummary {
    /// When the first process was started.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// The serials of the parts that were built in.
    #[serde(default, deserialize_with = "lenient::list")]
    pub consumed_serials: Vec<Attribute>,
}

/// The last capture point of the build.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct State {
    /// The serial of the finished unit, when one was captured.
    #[serde(default, deserialize_with = "lenient::text")]
    pub produced_serial: Option<String>,
}
