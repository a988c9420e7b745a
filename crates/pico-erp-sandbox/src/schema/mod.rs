//! The GraphQL schema: the documented roots over `floor` and `webhooks`. Uploads are no GraphQL. The resolvers translate between GraphQL and the rest of the crate and decide nothing themselves.

mod filters;
pub(crate) mod generation;
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
use generation::{Api, ApiNow, Validation};
use mutation::{DocumentedForm, LegacyForm, Mutation, WebhookForm};
use query::Query;
use subscription::Subscription;

pub use generation::Generation;
pub use mutation::CancelMiss;

type Roots<F, W> = Schema<Query<F>, Mutation<W>, Subscription<F>>;

/// One of the schemas of a sandbox. Several, and not one with something to hide: so validation and introspection speak
/// of the same thing.
#[derive(Clone)]
pub(crate) enum PicoSchema {
    /// The documented one.
    Documented(Roots<OperationOrderCompleteFilter, DocumentedForm>),
    /// The same with a filter of completions by time.
    Timed(Roots<TimedCompletionFilter, DocumentedForm>),
    /// The documented one with webhooks in their older form.
    Legacy(Roots<OperationOrderCompleteFilter, LegacyForm>),
    /// Both of these.
    TimedLegacy(Roots<TimedCompletionFilter, LegacyForm>),
}

impl PicoSchema {
    pub(crate) async fn execute(&self, request: Request) -> Response {
        match self {
            PicoSchema::Documented(schema) => schema.execute(request).await,
            PicoSchema::Timed(schema) => schema.execute(request).await,
            PicoSchema::Legacy(schema) => schema.execute(request).await,
            PicoSchema::TimedLegacy(schema) => schema.execute(request).await,
        }
    }

    pub(crate) fn execute_stream(&self, request: Request) -> BoxStream<'static, Response> {
        match self {
            PicoSchema::Documented(schema) => schema.execute_stream(request),
            PicoSchema::Timed(schema) => schema.execute_stream(request),
            PicoSchema::Legacy(schema) => schema.execute_stream(request),
            PicoSchema::TimedLegacy(schema) => schema.execute_stream(request),
        }
    }
}

/// All schemas, and which of them requests meet now.
pub(crate) struct Schemas {
    documented: PicoSchema,
    timed: PicoSchema,
    legacy: PicoSchema,
    timed_legacy: PicoSchema,
    api: Arc<ApiNow>,
    time_filter: AtomicBool,
}

impl Schemas {
    /// The schemas over that floor.
    pub(crate) fn new(
        floor: &Arc<Floor>,
        webhooks: &Arc<Webhooks>,
        cancel_miss: CancelMiss,
        time_filter: bool,
        api: Api,
    ) -> Self {
        fn over<F: filters::CompletionFilter, W: WebhookForm>(
            floor: &Arc<Floor>,
            webhooks: &Arc<Webhooks>,
            cancel_miss: CancelMiss,
            api: &Arc<ApiNow>,
        ) -> Roots<F, W> {
            Schema::build(Query(PhantomData), Mutation::new(cancel_miss), Subscription(PhantomData))
                .data(Arc::clone(floor))
                .data(Arc::clone(webhooks))
                .data(Arc::clone(api))
                .extension(Validation(Arc::clone(api)))
                .finish()
        }
        let api = Arc::new(ApiNow::new(api));
        Schemas {
            documented: PicoSchema::Documented(over(floor, webhooks, cancel_miss, &api)),
            timed: PicoSchema::Timed(over(floor, webhooks, cancel_miss, &api)),
            legacy: PicoSchema::Legacy(over(floor, webhooks, cancel_miss, &api)),
            timed_legacy: PicoSchema::TimedLegacy(over(floor, webhooks, cancel_miss, &api)),
            api,
            time_filter: AtomicBool::new(time_filter),
        }
    }

    pub(crate) fn now(&self) -> &PicoSchema {
        match (self.time_filter(), self.api.get().legacy_webhooks) {
            (false, false) => &self.documented,
            (true, false) => &self.timed,
            (false, true) => &self.legacy,
            (true, true) => &self.timed_legacy,
        }
    }

    /// What is set about the API itself.
    pub(crate) fn api(&self) -> Api {
        self.api.get()
    }

    pub(crate) fn set_api(&self, change: impl FnOnce(&mut Api)) {
        self.api.set(change);
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
    let mutation = Mutation::<DocumentedForm>::new(CancelMiss::default());
    let query = Query::<OperationOrderCompleteFilter>(PhantomData);
    Schema::build(query, mutation, Subscription::<OperationOrderCompleteFilter>(PhantomData)).finish().sdl()
}
