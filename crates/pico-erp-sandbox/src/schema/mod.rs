//! The GraphQL schema: the documented roots over `floor` and `webhooks`. Uploads are no GraphQL. The resolvers translate between GraphQL and the rest of the crate and decide nothing themselves.

mod filters;
mod inputs;
mod mutation;
mod query;
mod scalars;
mod subscription;
mod work_inputs;

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_graphql::{Request, Response, Schema};
use futures_util::stream::BoxStream;

use crate::floor::Floor;
use crate::webhooks::Webhooks;
use filters::{OperationOrderCompleteFilter, TimedCompletionFilter};
use mutation::Mutation;
use query::Query;
use subscription::Subscription;

pub use mutation::CancelMiss;

type Roots<F> = Schema<Query<F>, Mutation, Subscription<F>>;

/// One of the two schemas of a sandbox. Two, and not one with a field to hide: so validation and introspection speak
/// of the same thing.
#[derive(Clone)]
pub(crate) enum PicoSchema {
    /// The documented one.
    Documented(Roots<OperationOrderCompleteFilter>),
    /// The same with a filter of completions by time.
    Timed(Roots<TimedCompletionFilter>),
}

impl PicoSchema {
    pub(crate) async fn execute(&self, request: Request) -> Response {
        match self {
            PicoSchema::Documented(schema) => schema.execute(request).await,
            PicoSchema::Timed(schema) => schema.execute(request).await,
        }
    }

    pub(crate) fn execute_stream(&self, request: Request) -> BoxStream<'static, Response> {
        match self {
            PicoSchema::Documented(schema) => schema.execute_stream(request),
            PicoSchema::Timed(schema) => schema.execute_stream(request),
        }
    }
}

/// Both schemas, and which of them requests meet now.
pub(crate) struct Schemas {
    documented: PicoSchema,
    timed: PicoSchema,
    time_filter: AtomicBool,
}

impl Schemas {
    /// The schemas over that floor.
    pub(crate) fn new(
        floor: &Arc<Floor>,
        webhooks: &Arc<Webhooks>,
        cancel_miss: CancelMiss,
        time_filter: bool,
    ) -> Self {
        fn over<F: filters::CompletionFilter>(
            floor: &Arc<Floor>,
            webhooks: &Arc<Webhooks>,
            cancel_miss: CancelMiss,
        ) -> Roots<F> {
            Schema::build(Query(PhantomData), Mutation { cancel_miss }, Subscription(PhantomData))
                .data(Arc::clone(floor))
                .data(Arc::clone(webhooks))
                .finish()
        }
        Schemas {
            documented: PicoSchema::Documented(over(floor, webhooks, cancel_miss)),
            timed: PicoSchema::Timed(over(floor, webhooks, cancel_miss)),
            time_filter: AtomicBool::new(time_filter),
        }
    }

    pub(crate) fn now(&self) -> &PicoSchema {
        if self.time_filter() { &self.timed } else { &self.documented }
    }

    pub(crate) fn time_filter(&self) -> bool {
        self.time_filter.load(Ordering::SeqCst)
    }

    pub(crate) fn set_time_filter(&self, on: bool) {
        self.time_filter.store(on, Ordering::SeqCst);
    }
}

/// The documented schema in the schema definition language.
pub fn schema_sdl() -> String {
    let mutation = Mutation { cancel_miss: CancelMiss::default() };
    let query = Query::<OperationOrderCompleteFilter>(PhantomData);
    Schema::build(query, mutation, Subscription::<OperationOrderCompleteFilter>(PhantomData)).finish().sdl()
}
