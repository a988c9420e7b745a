//! The GraphQL schema: the documented roots over `floor` and `webhooks`. Work instructions and uploads are left
//! out. The resolvers translate between GraphQL and the rest of the crate and decide nothing themselves.

mod filters;
mod inputs;
mod mutation;
mod query;
mod scalars;
mod subscription;

use std::sync::Arc;

use async_graphql::Schema;

use crate::floor::Floor;
use crate::webhooks::Webhooks;

pub use mutation::CancelMiss;

/// The schema of one sandbox.
pub(crate) type PicoSchema = Schema<query::Query, mutation::Mutation, subscription::Subscription>;

/// The schema over that floor.
pub(crate) fn build(floor: Arc<Floor>, webhooks: Arc<Webhooks>, cancel_miss: CancelMiss) -> PicoSchema {
    Schema::build(query::Query, mutation::Mutation { cancel_miss }, subscription::Subscription)
        .data(floor)
        .data(webhooks)
        .finish()
}

/// The schema in the schema definition language.
pub fn schema_sdl() -> String {
    let mutation = mutation::Mutation { cancel_miss: CancelMiss::default() };
    Schema::build(query::Query, mutation, subscription::Subscription).finish().sdl()
}
