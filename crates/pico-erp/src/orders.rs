//! Operation orders: save and cancel.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::graphql::documents::{self, Document};
use crate::graphql::{Reply, Request};
use crate::json::Json;

/// An order to save.
///
/// Pico knows an order by `external_order_id`, `operation_id` and `order_index` together: saving the same three again updates
/// it. For several units, save one order per unit with `order_index` 0, 1, 2...
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OrderSave {
    /// What to build: an [`crate::Operation::id`].
    pub operation_id: String,
    /// The ERP's order id. Without one every save makes a new order, and none is ever retried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_order_id: Option<String>,
    /// Which unit of the order, from 0.
    pub order_index: u32,
    /// The optional operations to include, by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub select_optional_operation_ids: Vec<String>,
    /// Fields of Pico's input that this type has no place for, by their names there.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl OrderSave {
    /// Unit 0 of the ERP's order `external_order_id`, to build `operation_id`.
    #[must_use]
    pub fn new(operation_id: impl Into<String>, external_order_id: impl Into<String>) -> Self {
        Self { external_order_id: Some(external_order_id.into()), ..Self::anonymous(operation_id) }
    }

    /// An order without an id of the ERP's. It cannot be found again or saved twice; prefer [`OrderSave::new`].
    #[must_use]
    pub fn anonymous(operation_id: impl Into<String>) -> Self {
        Self {
            operation_id: operation_id.into(),
            external_order_id: None,
            order_index: 0,
            select_optional_operation_ids: Vec::new(),
            extra: BTreeMap::new(),
        }
    }

    /// Sets the unit.
    #[must_use]
    pub fn order_index(mut self, index: u32) -> Self {
        self.order_index = index;
        self
    }

    /// Includes optional operations.
    #[must_use]
    pub fn select_optional_operations(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.select_optional_operation_ids = ids.into_iter().map(Into::into).collect();
        self
    }

    /// Sends one more field of Pico's input, under its name there, with any JSON value.
    ///
    /// Newer Picos (generation G3) take a reserved serial and a second order id when ordering, but Pico's pages do not name
    /// these inputs, so this library does not either. Ask Pico for the names; a Pico that does not know one refuses the
    /// order and says so.
    ///
    /// ```
    /// use pico_erp::OrderSave;
    ///
    /// let order = OrderSave::new("op-abc-123", "ERP-ORDER-123").extra("nameThatPicoGave", "RES-0001");
    /// ```
    #[must_use]
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        check_extra(&self.extra)?;
        check_operation_id(&self.operation_id)?;
        check_external_order_id(self.external_order_id.as_deref())?;
        check_order_index(self.order_index)?;
        if self.select_optional_operation_ids.iter().any(|id| id.trim().is_empty()) {
            return Err(Error::invalid("select_optional_operation_ids", "holds an empty id"));
        }
        Ok(())
    }
}

/// What a save did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OrderSaved {
    /// The order is new.
    Created,
    /// The order was known and has been updated.
    Updated,
    /// The server said something else; the order is saved, since there was no error.
    Other(String),
}

impl OrderSaved {
    /// The word the server used.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Other(message) => message,
        }
    }
}

/// Which units of an order to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Units {
    /// One, by its `order_index`.
    One(u32),
    /// All of that order and operation (`cancelAll`).
    All,
}

/// An order to cancel. Only units that have not been started are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderCancel {
    /// What was to be built.
    pub operation_id: String,
    /// The ERP's order id.
    pub external_order_id: String,
    /// Which units.
    pub units: Units,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelInput<'a> {
    operation_id: &'a str,
    external_order_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_all: Option<bool>,
}

impl OrderCancel {
    /// Cancels some units of the ERP's order.
    #[must_use]
    pub fn new(operation_id: impl Into<String>, external_order_id: impl Into<String>, units: Units) -> Self {
        Self { operation_id: operation_id.into(), external_order_id: external_order_id.into(), units }
    }

    pub(crate) fn input(&self) -> Result<CancelInput<'_>, Error> {
        check_operation_id(&self.operation_id)?;
        check_external_order_id(Some(&self.external_order_id))?;
        // Pico's page on the input asks never to leave both out, because index 0 must be told from "all".
        let (order_index, cancel_all) = match self.units {
            Units::One(index) => {
                check_order_index(index)?;
                (Some(index), None)
            }
            Units::All => (None, Some(true)),
        };
        Ok(CancelInput {
            operation_id: &self.operation_id,
            external_order_id: &self.external_order_id,
            order_index,
            cancel_all,
        })
    }
}

fn check_extra(extra: &BTreeMap<String, serde_json::Value>) -> Result<(), Error> {
    const OWN: [&str; 4] = ["operationId", "externalOrderId", "orderIndex", "selectOptionalOperationIds"];
    for name in extra.keys() {
        if OWN.contains(&name.as_str()) {
            return Err(Error::invalid(
                "extra",
                format!("holds \"{name}\", which has a field of its own; set that"),
            ));
        }
        // GraphQL specification, section 2.1.9.
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !is_name {
            return Err(Error::invalid(
                "extra",
                format!("holds {name:?}, which is no name of a GraphQL field"),
            ));
        }
    }
    Ok(())
}

fn check_operation_id(id: &str) -> Result<(), Error> {
    if id.trim().is_empty() {
        return Err(Error::invalid(
            "operation_id",
            "is empty; give the id of an operation from the list of operations",
        ));
    }
    Ok(())
}

fn check_external_order_id(id: Option<&str>) -> Result<(), Error> {
    if id.is_some_and(|id| id.trim().is_empty()) {
        return Err(Error::invalid("external_order_id", "is empty; give the ERP's id of the order"));
    }
    Ok(())
}

fn check_order_index(index: u32) -> Result<(), Error> {
    // GraphQL's Int is a signed 32-bit number (specification, section 3.5.1).
    i32::try_from(index).map(|_| ()).map_err(|_| {
        Error::invalid("order_index", format!("{index} is too large; it can be 0 to {}", i32::MAX))
    })
}

impl Client {
    /// Saves an order: creates it, or updates it when Pico knows it.
    ///
    /// A save with an `external_order_id` is retried as the [`crate::RetryPolicy`] says, since repeating it does
    /// no harm. After a retry the answer may be `Updated` for an order that this very call created.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] naming the field, with nothing sent; [`ErrorKind::Graphql`] when Pico refuses
    /// the order; otherwise as the network and the server have it.
    pub async fn save_order(&self, order: &OrderSave) -> Result<OrderSaved, Error> {
        order.check()?;
        let request = with_input(documents::ORDER_SAVE, order)?;
        let reply = self.transport().call(&request, order.external_order_id.is_some()).await?;
        Ok(match message_of(reply, documents::ORDER_SAVE)?.as_str() {
            "created" => OrderSaved::Created,
            "updated" => OrderSaved::Updated,
            other => OrderSaved::Other(other.to_owned()),
        })
    }

    /// Cancels units of an order that have not been started, and returns what the server said (`canceled`).
    ///
    /// Never retried after it may have reached the server: a second try would report that there is nothing to cancel.
    ///
    /// # Errors
    /// As [`Client::save_order`]. Pico does not document its answer when nothing can be cancelled.
    pub async fn cancel_order(&self, order: &OrderCancel) -> Result<String, Error> {
        let request = with_input(documents::ORDER_CANCEL, &order.input()?)?;
        let reply = self.transport().call(&request, false).await?;
        message_of(reply, documents::ORDER_CANCEL)
    }
}

pub(crate) fn with_input(document: Document, input: &impl Serialize) -> Result<Request, Error> {
    Request::new(document.text).variables(&serde_json::json!({ "input": input }))
}

/// The `message` of a mutation's result; empty when the server gave none.
fn message_of(reply: Reply, document: Document) -> Result<String, Error> {
    #[derive(serde::Deserialize)]
    struct Outcome<'a> {
        #[serde(borrow)]
        message: Option<&'a RawValue>,
    }
    let outcome: Json = reply.into_field(document.field)?;
    if outcome.is_null() {
        return Ok(String::new());
    }
    let outcome: Outcome<'_> = outcome.decode_borrowed().map_err(|error| {
        Error::new(ErrorKind::Decode, format!("data.{}: {error}", document.field))
            .with_body(outcome.as_bytes())
    })?;
    Ok(outcome
        .message
        .map(|message| serde_json::from_str(message.get()).unwrap_or_else(|_| message.get().to_owned()))
        .unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_cannot_be_saved_is_refused_by_field() {
        for (order, field) in [
            (OrderSave::new("", "E"), "operation_id: "),
            (OrderSave::new("  ", "E"), "operation_id: "),
            (OrderSave::new("op", ""), "external_order_id: "),
            (OrderSave::new("op", "E").order_index(u32::MAX), "order_index: "),
            (OrderSave::new("op", "E").select_optional_operations([""]), "select_optional_operation_ids: "),
            (OrderSave::new("op", "E").extra("orderIndex", 1), "extra: "),
            (OrderSave::new("op", "E").extra("1st", true), "extra: "),
            (OrderSave::new("op", "E").extra("", true), "extra: "),
        ] {
            let error = order.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().starts_with(field), "{error}");
        }
    }

    #[test]
    fn further_fields_stand_beside_the_known_ones() {
        let order = OrderSave::new("op", "E").extra("second", serde_json::json!({ "id": [1] }));
        order.check().unwrap();
        let json = r#"{"operationId":"op","externalOrderId":"E","orderIndex":0,"second":{"id":[1]}}"#;
        assert_eq!(serde_json::to_string(&order).unwrap(), json);
    }

    #[test]
    fn a_cancel_always_says_one_or_all() {
        let json =
            |units| serde_json::to_string(&OrderCancel::new("op", "E", units).input().unwrap()).unwrap();
        assert_eq!(json(Units::One(0)), r#"{"operationId":"op","externalOrderId":"E","orderIndex":0}"#);
        assert_eq!(json(Units::All), r#"{"operationId":"op","externalOrderId":"E","cancelAll":true}"#);
    }
}
