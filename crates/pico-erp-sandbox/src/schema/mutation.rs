//! The mutations. A refusal is a GraphQL error, never a message of success.

use std::marker::PhantomData;
use std::sync::Arc;

use async_graphql::{Context, InputType, Object, OutputType, Result, ServerError};
use serde_json::Value as Json;

use super::PicoSchema;
use super::inputs::{
    LegacySubscribeRequest, LegacySubscribeResponse, OperationOrderCancelInput, OperationOrderResult,
    OperationOrderSaveInput, SubscribeRequestInput, SubscriptionHandle, UnsubscribeResult,
};
use super::work_inputs::{ProcessCreateInput, ProductCreateInput, StationCreateInput};
use crate::error::Error;
use crate::floor::Floor;
use crate::orders::{CancelSpec, SaveSpec, Saved};
use crate::webhooks::{Registration, Webhooks};
use crate::work_instructions::Kind;

/// What a cancel answers that matches nothing cancellable. Pico's documentation does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CancelMiss {
    /// A GraphQL error.
    #[default]
    Error,
    /// Success, with the message `not found`.
    NotFoundMessage,
}

/// How webhooks are registered.
pub(crate) trait WebhookForm: Send + Sync + 'static {
    type Input: InputType + Into<SubscribeRequestInput>;
    type Output: OutputType + From<SubscriptionHandle>;
}

/// As Pico's "ERP Example Calls" show it.
pub(crate) struct DocumentedForm;

impl WebhookForm for DocumentedForm {
    type Input = SubscribeRequestInput;
    type Output = SubscriptionHandle;
}

/// With another name of the input's type, and a union as the result.
pub(crate) struct LegacyForm;

impl WebhookForm for LegacyForm {
    type Input = LegacySubscribeRequest;
    type Output = LegacySubscribeResponse;
}

/// The mutation root.
pub(crate) struct Mutation<W> {
    cancel_miss: CancelMiss,
    form: PhantomData<W>,
}

impl<W> Mutation<W> {
    pub(crate) fn new(cancel_miss: CancelMiss) -> Self {
        Mutation { cancel_miss, form: PhantomData }
    }
}

#[Object]
impl<W: WebhookForm> Mutation<W> {
    /// Create the order, or update it when it is already known.
    async fn operation_order_save(
        &self,
        ctx: &Context<'_>,
        input: OperationOrderSaveInput,
    ) -> Result<Option<OperationOrderResult>> {
        let floor = ctx.data::<Arc<Floor>>()?;
        let spec = SaveSpec {
            external_order_id: input.external_order_id,
            operation_id: input.operation_id.0,
            order_index: input.order_index,
            selected: input
                .select_optional_operation_ids
                .unwrap_or_default()
                .into_iter()
                .map(|id| id.0)
                .collect(),
        };
        let waterfall = floor.rules.waterfall;
        match floor.change(|state| state.save_order(spec, waterfall)) {
            Ok(Saved::Created) => Ok(said("created")),
            Ok(Saved::Updated) => Ok(said("updated")),
            Err(error) => Ok(refused(ctx, error)),
        }
    }

    /// Cancel orders that have not been started.
    async fn operation_order_cancel(
        &self,
        ctx: &Context<'_>,
        input: OperationOrderCancelInput,
    ) -> Result<Option<OperationOrderResult>> {
        let floor = ctx.data::<Arc<Floor>>()?;
        let spec = CancelSpec {
            external_order_id: input.external_order_id,
            operation_id: input.operation_id,
            order_index: input.order_index,
            cancel_all: input.cancel_all.unwrap_or(false),
        };
        match (floor.change(|state| state.orders.cancel(&spec)), self.cancel_miss) {
            (0, CancelMiss::Error) => Ok(refused(
                ctx,
                Error::not_found("no order matches that has not been started, so nothing was canceled"),
            )),
            (0, CancelMiss::NotFoundMessage) => Ok(said("not found")),
            _ => Ok(said("canceled")),
        }
    }

    /// Register a webhook.
    async fn webhook_subscribe(&self, ctx: &Context<'_>, input: W::Input) -> Result<Option<W::Output>> {
        let input: SubscribeRequestInput = input.into();
        let webhooks = ctx.data::<Arc<Webhooks>>()?;
        // Given per request rather than kept in the schema's data: the schema would own itself.
        let schema = ctx.data::<PicoSchema>()?;
        let registration = Registration {
            subscription_id: input.subscription_id,
            response_fragment: input.response_fragment,
            webhook_url: input.webhook_url.0,
            webhook_headers: input.webhook_headers,
        };
        match webhooks.subscribe(schema, registration) {
            Ok(webhook) => Ok(Some(SubscriptionHandle::from(webhook).into())),
            Err(error) => Ok(refused(ctx, error)),
        }
    }

    /// Remove a webhook.
    async fn webhook_unsubscribe(
        &self,
        ctx: &Context<'_>,
        subscription_id: String,
    ) -> Result<Option<UnsubscribeResult>> {
        let success = ctx.data::<Arc<Webhooks>>()?.unsubscribe(&subscription_id);
        let message = if success { "Subscription cancelled" } else { "Subscription not found" };
        Ok(Some(UnsubscribeResult {
            success: Some(success),
            subscription_id: Some(subscription_id),
            message: Some(message.to_owned()),
        }))
    }

    /// Create or overwrite a process (alpha).
    async fn process_create(&self, ctx: &Context<'_>, input: ProcessCreateInput) -> Result<Option<Json>> {
        create(ctx, Kind::Process, input.0)
    }

    /// Create or overwrite a product (alpha).
    async fn product_create(&self, ctx: &Context<'_>, input: ProductCreateInput) -> Result<Option<Json>> {
        create(ctx, Kind::Product, input.0)
    }

    /// Create or overwrite a station (alpha).
    async fn station_create(&self, ctx: &Context<'_>, input: StationCreateInput) -> Result<Option<Json>> {
        create(ctx, Kind::Station, input.0)
    }
}

/// Creates or overwrites one, and gives its id; what Pico gives is not documented.
fn create(ctx: &Context<'_>, kind: Kind, input: Json) -> Result<Option<Json>> {
    let floor = ctx.data::<Arc<Floor>>()?;
    match floor.change(|state| state.work_instructions.create(kind, input)) {
        Ok(id) => Ok(Some(id.into())),
        Err(error) => Ok(refused(ctx, error)),
    }
}

fn said(message: &str) -> Option<OperationOrderResult> {
    Some(OperationOrderResult { message: Some(message.to_owned()) })
}

/// Reports an error on the field and lets it be null. Returned as an `Err`, async-graphql would leave the field out
/// of `data`; the GraphQL specification (section 6.4.4) wants a null there.
fn refused<T>(ctx: &Context<'_>, error: Error) -> Option<T> {
    let error = ServerError::new(error.to_string(), Some(ctx.item.pos));
    ctx.add_error(ctx.set_error_path(error));
    None
}
