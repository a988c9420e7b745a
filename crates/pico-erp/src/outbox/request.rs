//! [`Requested`]: an order to queue, with the caller's id for it; and the row that it becomes.

use serde::Serialize;

use crate::error::{Error, ErrorKind};
use crate::orders::{OrderCancel, OrderSave, Units};
use crate::store::LONGEST_ID;
use crate::store::outbox_table::{NewOrder, OrderKind};

/// An order to queue, with an id of the caller's that makes queueing it twice the same as queueing it once.
///
/// Made by [`OrderSave::request_id`] and [`OrderCancel::request_id`]; an order alone becomes one without an id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Requested<T> {
    pub(crate) order: T,
    pub(crate) request_id: Option<String>,
}

impl<T> From<T> for Requested<T> {
    fn from(order: T) -> Self {
        Self { order, request_id: None }
    }
}

impl<T: Clone> From<&T> for Requested<T> {
    fn from(order: &T) -> Self {
        Self { order: order.clone(), request_id: None }
    }
}

impl OrderSave {
    /// The order with an id of the caller's, for [`crate::Outbox::save`]: queued again under the same id, it is still
    /// queued once.
    pub fn request_id(self, id: impl Into<String>) -> Requested<Self> {
        Requested { order: self, request_id: Some(id.into()) }
    }
}

impl OrderCancel {
    /// The cancel with an id of the caller's, for [`crate::Outbox::cancel`]: queued again under the same id, it is
    /// still queued once.
    pub fn request_id(self, id: impl Into<String>) -> Requested<Self> {
        Requested { order: self, request_id: Some(id.into()) }
    }
}

fn check_request_id(id: Option<&str>) -> Result<(), Error> {
    if id.is_some_and(|id| id.trim().is_empty()) {
        return Err(Error::invalid("request_id", "is empty; give a text that is used for this order only"));
    }
    Ok(())
}

/// That the store can tell it from others.
fn check_lengths(order_id: &str, operation_id: &str, request_id: Option<&str>) -> Result<(), Error> {
    for (field, id) in [
        ("external_order_id", order_id),
        ("operation_id", operation_id),
        ("request_id", request_id.unwrap_or_default()),
    ] {
        if id.len() > LONGEST_ID {
            return Err(Error::invalid(
                field,
                format!("has {} bytes; an id can have {LONGEST_ID}", id.len()),
            ));
        }
    }
    Ok(())
}

fn json(input: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(input).map_err(|error| {
        Error::new(ErrorKind::Internal, "the order could not be written as JSON").with_source(error)
    })
}

impl TryFrom<Requested<OrderSave>> for NewOrder {
    type Error = Error;

    fn try_from(requested: Requested<OrderSave>) -> Result<Self, Error> {
        let Requested { order, request_id } = requested;
        order.check()?;
        check_request_id(request_id.as_deref())?;
        let input = json(&order)?;
        let Some(order_id) = order.external_order_id else {
            return Err(Error::invalid(
                "external_order_id",
                "is missing; the outbox may have to send an order twice, and only an order with one is the same then",
            ));
        };
        check_lengths(&order_id, &order.operation_id, request_id.as_deref())?;
        Ok(Self {
            order_id,
            operation_id: order.operation_id,
            units: Units::One(order.order_index),
            kind: OrderKind::Save,
            input,
            request_id,
        })
    }
}

impl TryFrom<Requested<OrderCancel>> for NewOrder {
    type Error = Error;

    fn try_from(requested: Requested<OrderCancel>) -> Result<Self, Error> {
        let Requested { order, request_id } = requested;
        check_request_id(request_id.as_deref())?;
        let input = json(&order.input()?)?;
        check_lengths(&order.external_order_id, &order.operation_id, request_id.as_deref())?;
        Ok(Self {
            order_id: order.external_order_id,
            operation_id: order.operation_id,
            units: order.units,
            kind: OrderKind::Cancel,
            input,
            request_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_doubled_or_sent_wrongly_is_refused_by_field() {
        for (order, field) in [
            (OrderSave::anonymous("op").into(), "external_order_id: "),
            (OrderSave::new("", "E").into(), "operation_id: "),
            (OrderSave::new("op", "E").request_id(" "), "request_id: "),
            (OrderSave::new("op", "x".repeat(1001)).into(), "external_order_id: has 1001"),
            (OrderSave::new("op", "E").request_id("x".repeat(1001)), "request_id: has 1001"),
        ] {
            let error = NewOrder::try_from(order).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().starts_with(field), "{error}");
        }
        let error = NewOrder::try_from(Requested::from(OrderCancel::new("op", "", Units::All))).unwrap_err();
        assert!(error.to_string().starts_with("external_order_id: "), "{error}");
    }

    #[test]
    fn the_row_has_the_input_as_it_is_sent() {
        let row = NewOrder::try_from(OrderSave::new("op", "E\"1").order_index(2).request_id("r")).unwrap();
        assert_eq!(row.input, r#"{"operationId":"op","externalOrderId":"E\"1","orderIndex":2}"#);
        assert_eq!(
            (row.units, row.kind, row.request_id.as_deref()),
            (Units::One(2), OrderKind::Save, Some("r"))
        );
        let row = NewOrder::try_from(Requested::from(OrderCancel::new("op", "E", Units::All))).unwrap();
        assert_eq!(row.input, r#"{"operationId":"op","externalOrderId":"E","cancelAll":true}"#);
    }
}
