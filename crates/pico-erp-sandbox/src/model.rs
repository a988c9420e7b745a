//! The objects of Pico's API, field by field as its documentation names them. They are the GraphQL objects of the
//! schema, and the Rust API and the control API hand them out as well. How they come to be is in `catalogue`,
//! `orders` and `notes`.

use std::sync::Arc;

use async_graphql::{ComplexObject, ID, SimpleObject};
use serde::{Deserialize, Serialize};

use crate::time::Time;

/// A product, a subassembly or a process.
#[derive(Clone, Debug, PartialEq, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(complex)]
pub struct Operation {
    /// Pico's identifier; what an order names as `operationId`.
    #[graphql(skip)]
    pub id: String,
    /// The part number.
    pub external_id: Option<String>,
    /// The revision.
    pub external_revision: Option<String>,
    /// The part number split at the bar character.
    #[graphql(visible = "crate::schema::generation::shows_g3")]
    pub external_codes: Option<Vec<Option<String>>>,
    /// The display name.
    pub name: String,
    /// The template it was made from.
    #[graphql(skip)]
    #[serde(rename = "templateID")]
    pub template_id: Option<String>,
    /// The variant of that template.
    pub variant_name: Option<String>,
    /// The serialised parts the build needs: slots, so `value` is null.
    pub consumed_serials: Vec<Attribute>,
    /// The last change.
    pub updated_at: Time,
    /// Null while it is not archived.
    pub archived_at: Option<Time>,
}

#[ComplexObject]
impl Operation {
    /// Pico's identifier; what an order names as `operationId`.
    async fn id(&self) -> Option<ID> {
        Some(ID(self.id.clone()))
    }

    /// The template it was made from.
    #[graphql(name = "templateID")]
    async fn template_id(&self) -> Option<ID> {
        self.template_id.clone().map(ID)
    }
}

/// One edge from a parent operation to a child operation.
#[derive(Clone, Debug, PartialEq, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(complex)]
pub struct SubOperation {
    /// The operation that contains the other.
    #[graphql(skip)]
    pub parent_id: String,
    /// The operation that is contained.
    #[graphql(skip)]
    pub sub_id: String,
    /// Children of one group may be built side by side; a lower group comes first.
    pub sub_group: Option<i32>,
    /// The last change.
    pub updated_at: Option<Time>,
}

#[ComplexObject]
impl SubOperation {
    /// The operation that contains the other.
    async fn parent_id(&self) -> Option<ID> {
        Some(ID(self.parent_id.clone()))
    }

    /// The operation that is contained.
    async fn sub_id(&self) -> Option<ID> {
        Some(ID(self.sub_id.clone()))
    }
}

/// A serial, or the slot for one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[graphql(complex)]
pub struct Attribute {
    /// The attribute's identifier.
    #[graphql(skip)]
    pub id: Option<String>,
    /// The part number of the component.
    pub external_id: Option<String>,
    /// The captured serial; null on an operation.
    pub value: Option<String>,
}

#[ComplexObject]
impl Attribute {
    /// The attribute's identifier.
    async fn id(&self) -> Option<ID> {
        self.id.clone().map(ID)
    }
}

/// One completed operation order, as the streams, the webhooks and the query report it.
#[derive(Clone, Debug, PartialEq, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(name = "OperationOrderComplete")]
pub struct CompletedOrder {
    /// The ERP's order id; one that the sandbox made up when the order was saved without.
    pub external_order_id: String,
    /// What was completed.
    pub operation: Option<Arc<Operation>>,
    /// Which unit, from 0, when several are on one order.
    #[graphql(visible = "crate::schema::generation::shows_g2")]
    pub order_index: Option<i32>,
    /// When it was completed. Strictly increasing over all completions of one sandbox, unless its clock is set or the
    /// time is given.
    #[graphql(visible = "crate::schema::generation::shows_g2")]
    pub at: Time,
    /// How the build went.
    pub operation_summary: OperationSummary,
    /// Where the build ended.
    pub end_state: Option<EndState>,
    /// The serial reserved when ordering. The input that reserves one is not documented, so here it is given with the
    /// completion.
    #[graphql(visible = "crate::schema::generation::shows_g3")]
    pub reserved_serial_number: Option<String>,
    /// A second order id given when ordering; here it is given with the completion, for the same reason.
    #[graphql(visible = "crate::schema::generation::shows_g3")]
    pub secondary_external_order_id: Option<String>,
}

/// How the build went.
#[derive(Clone, Debug, PartialEq, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct OperationSummary {
    /// When the first process started.
    pub started_at: Option<Time>,
    /// The serials of the parts that were built in.
    pub consumed_serials: Vec<Attribute>,
}

/// Where the build ended.
#[derive(Clone, Debug, PartialEq, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(name = "State")]
pub struct EndState {
    /// The serial of the unit, when one was captured.
    pub produced_serial: Option<String>,
}

/// A note an operator wrote during a build.
#[derive(Clone, Debug, PartialEq, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct NoteEvent {
    /// Running number of the event.
    pub seq: i32,
    /// When the event happened.
    pub at: Time,
    /// The note's identifier; the same for a note and its changes.
    pub id: String,
    /// The identifier in an outside ticket system.
    pub external_id: String,
    /// What the operator wrote.
    pub text: Option<String>,
    /// Extra detail, such as parts.
    pub metadata: Option<serde_json::Value>,
    /// Paths of images.
    pub images: Option<Vec<String>>,
    /// `new` or `update`.
    pub event_type: String,
    /// The kind of the note.
    #[graphql(name = "type")]
    #[serde(rename = "type")]
    pub note_type: Option<NoteType>,
    /// The state of the build when it was written.
    pub state: Option<NoteState>,
}

/// The kind of a note.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[graphql(complex)]
pub struct NoteType {
    /// The kind's identifier.
    #[graphql(skip)]
    pub id: Option<String>,
    /// The kind's name.
    pub name: Option<String>,
}

#[ComplexObject]
impl NoteType {
    /// The kind's identifier.
    async fn id(&self) -> Option<ID> {
        self.id.clone().map(ID)
    }
}

/// The state of a build when a note was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NoteState {
    /// The serial of the unit.
    pub produced_serial: Option<String>,
}

/// One webhook registration.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// The identifier the caller chose.
    pub subscription_id: String,
    /// The GraphQL fragment whose fields are the payload.
    pub response_fragment: String,
    /// Where the payload is posted to.
    pub webhook_url: String,
    /// When it was registered.
    pub created_at: Time,
    /// When the last event was sent, whatever the answer.
    pub last_event_at: Option<Time>,
}
