//! The four streams. Each event is one object; nothing that happened before the subscription is replayed.

use std::marker::PhantomData;
use std::sync::Arc;

use async_graphql::{Context, Result, Subscription as SubscriptionRoot};
use futures_util::{Stream, StreamExt, future};

use super::filters::{CompletionFilter, NoteEventFilter, OperationFilter, SubOperationFilter};
use crate::floor::{Event, Floor};
use crate::model::{CompletedOrder, NoteEvent, Operation, SubOperation};

/// The subscription root, with what completions are filtered by.
pub(crate) struct Subscription<F>(pub(super) PhantomData<F>);

#[SubscriptionRoot]
impl<F: CompletionFilter> Subscription<F> {
    /// An operation was created or changed.
    async fn operations_stream(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where")] filter: Option<OperationFilter>,
    ) -> Result<impl Stream<Item = Option<Arc<Operation>>>> {
        let filter = filter.unwrap_or_default();
        Ok(ctx.data::<Arc<Floor>>()?.follow().filter_map(move |event| {
            future::ready(match event {
                Event::Operation(operation) if filter.passes(&operation) => Some(Some(operation)),
                _ => None,
            })
        }))
    }

    /// The product structure changed.
    async fn sub_operations_stream(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where")] filter: Option<SubOperationFilter>,
    ) -> Result<impl Stream<Item = Option<Arc<SubOperation>>>> {
        let filter = filter.unwrap_or_default();
        Ok(ctx.data::<Arc<Floor>>()?.follow().filter_map(move |event| {
            future::ready(match event {
                Event::SubOperation(edge) if filter.passes(&edge) => Some(Some(edge)),
                _ => None,
            })
        }))
    }

    /// An order was completed.
    async fn operation_order_completes_stream(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where")] filter: Option<F>,
    ) -> Result<impl Stream<Item = Option<Arc<CompletedOrder>>>> {
        let filter = filter.unwrap_or_default();
        Ok(ctx.data::<Arc<Floor>>()?.follow().filter_map(move |event| {
            future::ready(match event {
                Event::Completion(completed) if filter.passes(&completed) => Some(Some(completed)),
                _ => None,
            })
        }))
    }

    /// A note was written or changed.
    #[graphql(visible = "super::generation::shows_g3")]
    async fn note_events_stream(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where")] filter: Option<NoteEventFilter>,
    ) -> Result<impl Stream<Item = Option<Arc<NoteEvent>>>> {
        let filter = filter.unwrap_or_default();
        Ok(ctx.data::<Arc<Floor>>()?.follow().filter_map(move |event| {
            future::ready(match event {
                Event::Note(note) if filter.passes(&note) => Some(Some(note)),
                _ => None,
            })
        }))
    }
}
