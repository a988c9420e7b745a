//! The queries: operations, the product structure, completions, notes.

use crate::client::{Client, explained};
use crate::error::Error;
use crate::filter::{Filter, NoteFilter, OperationFilter, OrderCompleteFilter, SubOperationFilter};
use crate::graphql::Request;
use crate::graphql::documents::{self, Document};
use crate::model::{Model, NoteEvent, Operation, OrderComplete, SubOperation, list_from_json};

impl Client {
    /// Lists what can be built: products, subassemblies and processes. Pico has no paging, so this is the whole list.
    ///
    /// ```no_run
    /// # async fn example(client: pico_erp::Client) -> Result<(), pico_erp::Error> {
    /// use pico_erp::OperationFilter;
    ///
    /// for operation in client.operations(&OperationFilter::all()).await? {
    ///     println!("{:?} {}", operation.external_id, operation.name);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Client::execute`]; [`crate::ErrorKind::Graphql`] when the server refuses;
    /// [`crate::ErrorKind::Decode`] naming the field that does not fit.
    pub async fn operations(&self, filter: &OperationFilter) -> Result<Vec<Operation>, Error> {
        self.list(documents::OPERATIONS, filter).await
    }

    /// Lists the edges of the product structure.
    ///
    /// # Errors
    /// As [`Client::operations`].
    pub async fn sub_operations(&self, filter: &SubOperationFilter) -> Result<Vec<SubOperation>, Error> {
        self.list(documents::SUB_OPERATIONS, filter).await
    }

    /// Lists completed orders. This is how a completion is found again that no stream delivered: Pico
    /// itself never sends one twice.
    ///
    /// # Errors
    /// As [`Client::operations`].
    pub async fn order_completes(&self, filter: &OrderCompleteFilter) -> Result<Vec<OrderComplete>, Error> {
        self.list(documents::ORDER_COMPLETES, filter).await
    }

    /// Lists operators' notes. Only newer Picos (generation G3) have them.
    ///
    /// ```no_run
    /// # async fn example(client: pico_erp::Client) -> Result<(), pico_erp::Error> {
    /// use pico_erp::NoteFilter;
    ///
    /// for note in client.note_events(&NoteFilter::all()).await? {
    ///     println!("{} {:?}", note.at, note.text);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Client::operations`]; an older Pico refuses it with [`crate::ErrorKind::Graphql`].
    pub async fn note_events(&self, filter: &NoteFilter) -> Result<Vec<NoteEvent>, Error> {
        self.list(documents::NOTE_EVENTS, filter).await
    }

    async fn list<T: Model, F: Filter<T>>(&self, document: Document, filter: &F) -> Result<Vec<T>, Error> {
        filter.check()?;
        let document = document.of(self.generation().await?);
        let request = Request::new(document.with_condition(filter.condition().as_deref()));
        let reply = self.transport().call(&request, true).await?;
        let list = reply.into_field(document.field).map_err(|error| explained(error, document.field))?;
        let mut items: Vec<T> = list_from_json(&list)?;
        items.retain(|item| filter.matches(item));
        Ok(items)
    }
}
