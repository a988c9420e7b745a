//! What a list or a stream is narrowed to.
//!
//! Pico documents one form of condition, `{ <field>: { _eq: <value> } }`, and two uses of it: an operation's `id`,
//! and the operation of a completion. Those are sent to the server. Everything else is matched here, so
//! that a filter works against every server.

use crate::error::Error;
use crate::graphql::documents::string_literal;
use crate::model::{NoteEvent, Operation, OrderComplete, SubOperation};

/// A condition on things of type `T`: what the server is asked for, and what is matched here.
pub trait Filter<T>: Clone + Send + Sync + 'static {
    /// The `where` argument as GraphQL text, or `None` when the server is to send everything.
    fn condition(&self) -> Option<String>;
    /// Whether `item` is wanted.
    fn matches(&self, item: &T) -> bool;
    /// Checks the filter before it is used.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] naming the field.
    fn check(&self) -> Result<(), Error>;
}

fn fits(wanted: Option<&String>, found: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| found == Some(wanted.as_str()))
}

fn not_empty(field: &str, value: Option<&String>) -> Result<(), Error> {
    match value {
        Some(value) if value.trim().is_empty() => {
            Err(Error::invalid(field, "is empty; leave it out to get everything"))
        }
        _ => Ok(()),
    }
}

/// Which operations. An empty filter means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationFilter {
    /// This operation only; sent to the server.
    pub id: Option<String>,
    /// With this part number; matched here.
    pub external_id: Option<String>,
    /// With this revision; matched here.
    pub external_revision: Option<String>,
}

impl OperationFilter {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Narrows to the operation with Pico's `id`.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Narrows to a part number.
    #[must_use]
    pub fn external_id(mut self, part_number: impl Into<String>) -> Self {
        self.external_id = Some(part_number.into());
        self
    }

    /// Narrows to a revision.
    #[must_use]
    pub fn external_revision(mut self, revision: impl Into<String>) -> Self {
        self.external_revision = Some(revision.into());
        self
    }
}

impl Filter<Operation> for OperationFilter {
    fn condition(&self) -> Option<String> {
        // Documented: Pico's subscription guide, `operationsStream(where: { id: { _eq: "prod-123" } })`.
        self.id.as_deref().map(|id| format!("{{ id: {{ _eq: {} }} }}", string_literal(id)))
    }

    fn matches(&self, item: &Operation) -> bool {
        fits(self.id.as_ref(), item.id.as_deref())
            && fits(self.external_id.as_ref(), item.external_id.as_deref())
            && fits(self.external_revision.as_ref(), item.external_revision.as_deref())
    }

    fn check(&self) -> Result<(), Error> {
        not_empty("id", self.id.as_ref())?;
        not_empty("external_id", self.external_id.as_ref())?;
        not_empty("external_revision", self.external_revision.as_ref())
    }
}

/// Which edges of the product structure; matched here. An empty filter means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubOperationFilter {
    /// Below this operation only.
    pub parent_id: Option<String>,
    /// To this operation only.
    pub sub_id: Option<String>,
}

impl SubOperationFilter {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Narrows to the edges below one operation.
    #[must_use]
    pub fn parent_id(mut self, id: impl Into<String>) -> Self {
        self.parent_id = Some(id.into());
        self
    }

    /// Narrows to the edges that lead to one operation.
    #[must_use]
    pub fn sub_id(mut self, id: impl Into<String>) -> Self {
        self.sub_id = Some(id.into());
        self
    }
}

impl Filter<SubOperation> for SubOperationFilter {
    fn condition(&self) -> Option<String> {
        None
    }

    fn matches(&self, item: &SubOperation) -> bool {
        fits(self.parent_id.as_ref(), item.parent_id.as_deref())
            && fits(self.sub_id.as_ref(), item.sub_id.as_deref())
    }

    fn check(&self) -> Result<(), Error> {
        not_empty("parent_id", self.parent_id.as_ref())?;
        not_empty("sub_id", self.sub_id.as_ref())
    }
}

/// Which completions. An empty filter means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderCompleteFilter {
    /// Of this operation only; sent to the server.
    pub operation_id: Option<String>,
    /// Of this ERP order only; matched here.
    pub external_order_id: Option<String>,
    /// Of this unit only; matched here.
    pub order_index: Option<u32>,
}

impl OrderCompleteFilter {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Narrows to one operation.
    #[must_use]
    pub fn operation_id(mut self, id: impl Into<String>) -> Self {
        self.operation_id = Some(id.into());
        self
    }

    /// Narrows to one ERP order.
    #[must_use]
    pub fn external_order_id(mut self, id: impl Into<String>) -> Self {
        self.external_order_id = Some(id.into());
        self
    }

    /// Narrows to one unit of the orders.
    #[must_use]
    pub fn order_index(mut self, index: u32) -> Self {
        self.order_index = Some(index);
        self
    }
}

impl Filter<OrderComplete> for OrderCompleteFilter {
    fn condition(&self) -> Option<String> {
        // Pico's guide says that completions can be narrowed to an operation by its id; its example is cut off
        // after `where: { ope`, and this is how it most likely goes on.
        self.operation_id
            .as_deref()
            .map(|id| format!("{{ operation: {{ id: {{ _eq: {} }} }} }}", string_literal(id)))
    }

    fn matches(&self, item: &OrderComplete) -> bool {
        fits(self.operation_id.as_ref(), item.operation_id())
            && fits(self.external_order_id.as_ref(), Some(&item.external_order_id))
            && self.order_index.is_none_or(|index| item.order_index.unwrap_or(0).cast_unsigned() == index)
    }

    fn check(&self) -> Result<(), Error> {
        not_empty("operation_id", self.operation_id.as_ref())?;
        not_empty("external_order_id", self.external_order_id.as_ref())
    }
}

/// Which notes; matched here, since what Pico itself can narrow them by is not documented. An empty filter means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoteFilter {
    /// This note only, with each of its changes.
    pub id: Option<String>,
    /// With this id in an outside ticket system.
    pub external_id: Option<String>,
}

impl NoteFilter {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Narrows to one note.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Narrows to an id in an outside ticket system.
    #[must_use]
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Some(id.into());
        self
    }
}

impl Filter<NoteEvent> for NoteFilter {
    fn condition(&self) -> Option<String> {
        None
    }

    fn matches(&self, item: &NoteEvent) -> bool {
        fits(self.id.as_ref(), item.id.as_deref())
            && fits(self.external_id.as_ref(), item.external_id.as_deref())
    }

    fn check(&self) -> Result<(), Error> {
        not_empty("id", self.id.as_ref())?;
        not_empty("external_id", self.external_id.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use apollo_compiler::{ExecutableDocument, Schema};

    use super::*;
    use crate::graphql::documents;

    #[test]
    fn documents_with_a_condition_fit_the_schema() {
        let schema = include_str!("../graphql/schema.graphql");
        let schema = Schema::parse_and_validate(schema, "schema.graphql").unwrap();
        let operation = OperationFilter::all().id("a \"quoted\" \\ id\n\u{7}").condition().unwrap();
        let complete = OrderCompleteFilter::all().operation_id("op-1").condition().unwrap();
        for (document, condition) in [
            (documents::OPERATIONS, &operation),
            (documents::OPERATIONS_STREAM, &operation),
            (documents::ORDER_COMPLETES, &complete),
            (documents::ORDER_COMPLETES_STREAM, &complete),
        ] {
            let text = document.with_condition(Some(condition));
            assert!(text.contains("where: {"), "{text}");
            if let Err(error) = ExecutableDocument::parse_and_validate(&schema, &text, "filtered.graphql") {
                panic!("{text}\n{}", error.errors);
            }
        }
    }
}
