//! The five queries. Each returns the whole list, ordered by last change or by time: no paging is documented.

use std::marker::PhantomData;
use std::sync::Arc;

use async_graphql::{Context, Object, Result};

use super::filters::{CompletionFilter, NoteEventFilter, OperationFilter, SubOperationFilter};
use super::inputs::SubscriptionHandle;
use crate::floor::Floor;
use crate::model::{CompletedOrder, NoteEvent, Operation, SubOperation};
use crate::webhooks::Webhooks;

/// The query root, with what completions are filtered by.
pub(crate) struct Query<F>(pub(super) PhantomData<F>);

#[Object]
impl<F: CompletionFilter> Query<F> {
    /// Products, subassemblies and processes.
    async fn operations(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where")] filter: Option<OperationFilter>,
    ) -> Result<Vec<Arc<Operation>>> {
        let filter = filter.unwrap_or_default();
        let floor = ctx.data::<Arc<Floor>>()?;
        Ok(floor.read(|state| state.catalogue.operations(|one| filter.passes(one))))
    }

    /// Edges of the product structure.
    async fn sub_operations(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where")] filter: Option<SubOperationFilter>,
    ) -> Result<Vec<Arc<SubOperation>>> {
        let filter = filter.unwrap_or_default();
        let floor = ctx.data::<Arc<Floor>>()?;
        Ok(floor.read(|state| state.catalogue.edges(|one| filter.passes(one))))
    }

    /// Operation orders that have completed.
    async fn operation_order_completes(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where")] filter: Option<F>,
    ) -> Result<Vec<Arc<CompletedOrder>>> {
        let filter = filter.unwrap_or_default();
        let floor = ctx.data::<Arc<Floor>>()?;
        Ok(floor.read(|state| {
            let since = state.completions.since(filter.since());
            since.filter(|one| filter.passes(one)).cloned().collect()
        }))
    }

    /// Operator notes.
    #[graphql(visible = "super::generation::shows_g3")]
    async fn note_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where")] filter: Option<NoteEventFilter>,
    ) -> Result<Vec<Arc<NoteEvent>>> {
        let filter = filter.unwrap_or_default();
        let floor = ctx.data::<Arc<Floor>>()?;
        Ok(floor.read(|state| state.notes.iter().filter(|one| filter.passes(one)).cloned().collect()))
    }

    /// Webhook registrations currently active.
    async fn webhook_subscriptions(&self, ctx: &Context<'_>) -> Result<Vec<SubscriptionHandle>> {
        let webhooks = ctx.data::<Arc<Webhooks>>()?;
        Ok(webhooks.list().into_iter().map(SubscriptionHandle::from).collect())
    }
}
