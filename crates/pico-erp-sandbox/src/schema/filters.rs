//! The `where` inputs. Only `{ field: { _eq: value } }` is documented; several fields must all match, and an absent
//! field or operator matches everything. Other operators are refused by validation, because they are not here; the
//! one exception is the time filter of [`TimedCompletionFilter`], which is in a schema of its own.

use std::ops::Bound;

use async_graphql::{InputObject, InputType};

use crate::model::{CompletedOrder, NoteEvent, Operation, SubOperation};
use crate::time::Time;

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

/// What the completions are filtered by: the documented input, or the one with a time.
pub(crate) trait CompletionFilter: InputType + Default + 'static {
    fn passes(&self, completed: &CompletedOrder) -> bool;

    /// The time before which none passes.
    fn since(&self) -> Bound<Time> {
        Bound::Unbounded
    }
}

/// Which completions.
#[derive(InputObject, Default)]
pub(crate) struct OperationOrderCompleteFilter {
    operation: Option<OperationFilter>,
    external_order_id: Option<StringEquals>,
    order_index: Option<IntEquals>,
}

impl CompletionFilter for OperationOrderCompleteFilter {
    fn passes(&self, completed: &CompletedOrder) -> bool {
        is_order(&self.operation, &self.external_order_id, &self.order_index, completed)
    }
}

/// A time that must be later.
#[derive(InputObject, Default)]
pub(crate) struct TimeLater {
    /// The value to be later than.
    #[graphql(name = "_gt")]
    gt: Option<Time>,
    /// The value to be equal to or later than.
    #[graphql(name = "_gte")]
    gte: Option<Time>,
}

/// Which completions.
// Under the name of the documented input, which has no `at`: Pico may have one all the same. The fields stand here
// once more because async-graphql would register a flattened input under the same name.
#[derive(InputObject, Default)]
#[graphql(name = "OperationOrderCompleteFilter")]
pub(crate) struct TimedCompletionFilter {
    operation: Option<OperationFilter>,
    external_order_id: Option<StringEquals>,
    order_index: Option<IntEquals>,
    at: Option<TimeLater>,
}

impl CompletionFilter for TimedCompletionFilter {
    fn passes(&self, completed: &CompletedOrder) -> bool {
        let later = self.at.as_ref().is_none_or(|at| {
            at.gt.is_none_or(|time| completed.at > time) && at.gte.is_none_or(|time| completed.at >= time)
        });
        later && is_order(&self.operation, &self.external_order_id, &self.order_index, completed)
    }

    fn since(&self) -> Bound<Time> {
        let Some(at) = &self.at else { return Bound::Unbounded };
        match (at.gt, at.gte) {
            (Some(gt), gte) if gte.is_none_or(|gte| gt >= gte) => Bound::Excluded(gt),
            (_, Some(gte)) => Bound::Included(gte),
            (_, None) => Bound::Unbounded,
        }
    }
}

fn is_order(
    operation: &Option<OperationFilter>,
    external_order_id: &Option<StringEquals>,
    order_index: &Option<IntEquals>,
    completed: &CompletedOrder,
) -> bool {
    let is_operation = match (operation, &completed.operation) {
        (Some(filter), Some(operation)) => filter.passes(operation),
        (Some(_), None) => false,
        (None, _) => true,
    };
    is_operation
        && is_string(external_order_id, Some(&completed.external_order_id))
        && is_int(order_index, completed.order_index)
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
