//! [`ToldOrder`]: an order as Python gives it, and which of its units a cancel is about.

use pico_erp::{Error, OrderSave, Requested, Units};
use pyo3::prelude::*;

use crate::error::{invalid, raise};
use crate::json::dumps;
use crate::settings;

/// What a call says of an order besides its ids.
pub(crate) struct ToldUnit {
    pub(crate) order_index: i64,
    pub(crate) select_optional_operation_ids: Option<Vec<String>>,
}

impl ToldUnit {
    /// The order for that unit and with these optional operations.
    pub(crate) fn of(self, order: OrderSave) -> Result<OrderSave, Error> {
        Ok(order
            .order_index(settings::order_index(self.order_index)?)
            .select_optional_operations(self.select_optional_operation_ids.unwrap_or_default()))
    }
}

/// `pico_erp.OrderSave`.
#[derive(FromPyObject)]
pub(crate) struct ToldOrder {
    pub(crate) operation_id: String,
    pub(crate) external_order_id: String,
    pub(crate) order_index: i64,
    pub(crate) select_optional_operation_ids: Vec<String>,
    pub(crate) request_id: Option<String>,
}

impl ToldOrder {
    pub(crate) fn requested(self) -> Result<Requested<OrderSave>, Error> {
        let unit = ToldUnit {
            order_index: self.order_index,
            select_optional_operation_ids: Some(self.select_optional_operation_ids),
        };
        let order = unit.of(OrderSave::new(self.operation_id, self.external_order_id))?;
        Ok(requested(order, self.request_id))
    }
}

/// The order with further fields of Pico's input, where there are any.
pub(crate) fn with_extra(
    py: Python<'_>,
    mut order: OrderSave,
    extra: Option<&Bound<'_, PyAny>>,
) -> PyResult<OrderSave> {
    if let Some(extra) = extra {
        let fields = dumps(py, "extra", extra)?.decode();
        order.extra =
            fields.map_err(|_| invalid(py, "extra", "must be a dict of JSON values by their names"))?;
    }
    Ok(order)
}

/// The order with its request id, where it has one.
pub(crate) fn requested(order: OrderSave, request_id: Option<String>) -> Requested<OrderSave> {
    match request_id {
        Some(id) => order.request_id(id),
        None => order.into(),
    }
}

/// One unit or all of them; exactly one of the two arguments says so.
pub(crate) fn units(py: Python<'_>, order_index: Option<i64>, cancel_all: bool) -> PyResult<Units> {
    match (order_index, cancel_all) {
        (Some(index), false) => {
            settings::order_index(index).map(Units::One).map_err(|error| raise(py, &error))
        }
        (None, true) => Ok(Units::All),
        (None, false) => Err(invalid(py, "order_index", "is missing; give it or cancel_all=True")),
        (Some(_), true) => {
            Err(invalid(py, "cancel_all", "is given as well as order_index; give one of them"))
        }
    }
}
