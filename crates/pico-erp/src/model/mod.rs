//! Pico's things as types: operations, sub-operations, completions, webhooks, notes.
//!
//! Each is decoded from a piece of a reply and keeps it ([`Model::raw`]), so that fields this crate does not
//! know are never lost. A field that the schema allows to be null is an `Option`; times are instants in UTC.
//! Source of names and nullability: `graphql/schema.graphql`.

pub(crate) mod lenient;
mod note;
mod operation;
mod order_complete;
mod webhook;

pub use note::NoteEvent;
pub use operation::{Attribute, Operation, SubOperation};
pub use order_complete::{OperationSummary, OrderComplete, OrderedOperation, State};
pub use webhook::Webhook;

use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind};
use crate::json::Json;

/// A thing of Pico's that is decoded from JSON and keeps it.
pub trait Model: Sized + Send + 'static {
    /// The GraphQL type's name.
    const TYPE_NAME: &'static str;
    /// The fields that have a place in the type; all others are in [`Model::unknown_fields`].
    const FIELDS: &'static [&'static str];

    /// Decodes one object.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] naming the field that did not fit.
    fn from_json(json: Json) -> Result<Self, Error>;

    /// The object exactly as it was sent.
    fn raw(&self) -> &Json;

    /// The fields that the server sent and the type has no place for.
    #[must_use]
    fn unknown_fields(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut fields: serde_json::Map<_, _> = self.raw().decode().unwrap_or_default();
        fields.retain(|name, _| !Self::FIELDS.contains(&name.as_str()));
        fields
    }
}

/// Implements [`Model`] for a serde type with a skipped `raw` field.
macro_rules! model {
    ($type:ident, $name:literal, [$($field:literal),* $(,)?]) => {
        impl $crate::model::Model for $type {
            const TYPE_NAME: &'static str = $name;
            const FIELDS: &'static [&'static str] = &[$($field),*];

            fn from_json(json: $crate::json::Json) -> Result<Self, $crate::error::Error> {
                let mut model: Self = json.decode().map_err(|error| error.context($name))?;
                model.raw = json;
                Ok(model)
            }

            fn raw(&self) -> &$crate::json::Json {
                &self.raw
            }
        }
    };
}
pub(crate) use model;

/// Decodes a list; elements that are null are left out.
pub(crate) fn list_from_json<T: Model>(list: &Json) -> Result<Vec<T>, Error> {
    let elements: Option<Vec<Option<&RawValue>>> = list.decode_borrowed().map_err(|error| {
        Error::new(ErrorKind::Decode, format!("expected a list of {}: {error}", T::TYPE_NAME))
            .with_body(list.as_bytes())
    })?;
    elements
        .unwrap_or_default()
        .into_iter()
        .enumerate()
        .filter_map(|(index, element)| Some((index, element?)))
        .map(|(index, element)| {
            T::from_json(list.piece(element)).map_err(|error| error.context(format!("[{index}]")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_and_the_raw_text_survive() {
        let text = r#"{"id":"op-1","name":"A","consumedSerials":[],"updatedAt":"2025-01-15T10:00:00.000Z","new": {"x":1.50}}"#;
        let operation = Operation::from_json(Json::new(text).unwrap()).unwrap();
        assert_eq!(operation.raw().as_str(), text);
        assert_eq!(operation.unknown_fields().keys().collect::<Vec<_>>(), ["new"]);
    }

    #[test]
    fn every_null_the_schema_allows_decodes() {
        let operation = r#"{"id":null,"externalId":null,"externalRevision":null,"name":"A","templateID":null,
            "variantName":null,"consumedSerials":[null,{"id":null,"externalId":null,"value":null}],
            "updatedAt":"2025-01-15T10:00:00.000Z","archivedAt":null}"#;
        let operation = Operation::from_json(Json::new(operation).unwrap()).unwrap();
        assert_eq!(operation.consumed_serials.len(), 1);
        assert!(operation.id.is_none() && operation.archived_at.is_none());

        let done = r#"{"externalOrderId":"E","operation":null,"orderIndex":null,"at":"2025-01-15T10:00:00Z",
            "operationSummary":{"startedAt":null,"consumedSerials":[]},"endState":null}"#;
        let done = OrderComplete::from_json(Json::new(done).unwrap()).unwrap();
        assert!(done.operation.is_none() && done.end_state.is_none());

        let webhook = r#"{"subscriptionId":null,"responseFragment":null,"webhookUrl":null,"createdAt":null,"lastEventAt":null}"#;
        Webhook::from_json(Json::new(webhook).unwrap()).unwrap();
        SubOperation::from_json(Json::new("{}").unwrap()).unwrap();
    }

    #[test]
    fn a_list_keeps_going_past_null_and_names_the_element_that_is_wrong() {
        let list = Json::new(r#"[null,{"subId":"a"},{"subId":"b"}]"#).unwrap();
        assert_eq!(list_from_json::<SubOperation>(&list).unwrap().len(), 2);
        let list = Json::new(r#"[{"subId":"a"},{"updatedAt":"yesterday"}]"#).unwrap();
        let error = list_from_json::<SubOperation>(&list).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.to_string().starts_with("[1]: SubOperation: "), "{error}");
    }
}
