//! The `where` inputs. Only `{ field: { _eq: value } }` is documented; several fields must all match, and an absent
//! field or operator matches everything. Other operators are refused by validation, because they are not here.

use async_graphql::InputObject;

use crate::model::{CompletedOrder, NoteEvent, Operation, SubOperation};

/// A string that must be equal.
#[derive(InputObject, Default)]
pub(crate) struct StringEquals {
    /// The value to be equal to.
    #[graphql(name = "_eq")]
    eq: Option<String>,
}

/// A number that must be equal.
#[derive(InputObject, Default)]
pub(crate) struct IntEquals {
    /// The value to be equal to.
    #[graphql(name = "_eq")]
    eq: Option<i32>,
}

fn is_string(filter: &Option<StringEquals>, value: Option<&str>) -> bool {
    match filter.as_ref().and_then(|filter| filter.eq.as_deref()) {
        Some(wanted) => value == Some(wanted),
        None => true,
    }
}

fn is_int(filter: &Option<IntEquals>, value: Option<i32>) -> bool {
    match filter.as_ref().and_then(|filter| filter.eq) {
        Some(wanted) => value == Some(wanted),
        None => true,
    }
}

/// Which operations.
#[derive(InputObject, Default)]
pub(crate) struct OperationFilter {
    id: Option<StringEquals>,
    external_id: Option<StringEquals>,
}

impl OperationFilter {
    pub(crate) fn passes(&self, operation: &Operation) -> bool {
        is_string(&self.id, Some(&operation.id))
            && is_string(&self.external_id, operation.external_id.as_deref())
    }
}

/// Which edges.
#[derive(InputObject, Default)]
pub(crate) struct SubOperationFilter {
    parent_id: Option<StringEquals>,
    sub_id: Option<StringEquals>,
}

impl SubOperationFilter {
    pub(crate) fn passes(&self, edge: &SubOperation) -> bool {
        is_string(&self.parent_id, Some(&edge.parent_id)) && is_string(&self.sub_id, Some(&edge.sub_id))
    }
}

/// Which completions.
#[derive(InputObject, Default)]
pub(crate) struct OperationOrderCompleteFilter {
    operation: Option<OperationFilter>,
    external_order_id: Option<StringEquals>,
    order_index: Option<IntEquals>,
}

impl OperationOrderCompleteFilter {
    pub(crate) fn passes(&self, completed: &CompletedOrder) -> bool {
        let operation = match (&self.operation, &completed.operation) {
            (Some(filter), Some(operation)) => filter.passes(operation),
            (Some(_), None) => false,
            (None, _) => true,
        };
        operation
            && is_string(&self.external_order_id, Some(&completed.external_order_id))
            && is_int(&self.order_index, completed.order_index)
    }
}

/// Which notes.
#[derive(InputObject, Default)]
pub(crate) struct NoteEventFilter {
    id: Option<StringEquals>,
}

impl NoteEventFilter {
    pub(crate) fn passes(&self, note: &NoteEvent) -> bool {
        is_string(&self.id, Some(&note.id))
    }
}
