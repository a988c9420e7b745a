//! The inputs and results of the mutations, as documented.

use async_graphql::{ID, InputObject, SimpleObject, Union};
use serde_json::Value as Json;

use super::scalars::{DateTime, WebhookUrl};
use crate::model::Webhook;

/// What to order.
#[derive(InputObject)]
pub(crate) struct OperationOrderSaveInput {
    /// The ERP's id; the key for saving the same order again.
    pub(crate) external_order_id: Option<String>,
    /// A process, product or subassembly.
    pub(crate) operation_id: ID,
    /// Tells apart several of one operation on one order; absent is 0.
    pub(crate) order_index: Option<i32>,
    /// Which optional operations to include.
    pub(crate) select_optional_operation_ids: Option<Vec<ID>>,
}

/// What to cancel.
#[derive(InputObject)]
pub(crate) struct OperationOrderCancelInput {
    pub(crate) external_order_id: Option<String>,
    pub(crate) operation_id: String,
    /// Which unit; absent is 0.
    pub(crate) order_index: Option<i32>,
    /// All units of that order and operation.
    pub(crate) cancel_all: Option<bool>,
}

/// A webhook to register.
#[derive(InputObject)]
pub(crate) struct SubscribeRequestInput {
    /// The caller's choice, URL-safe.
    #[graphql(name = "subscriptionID")]
    pub(crate) subscription_id: String,
    /// One named fragment; its type picks the events, its fields are the payload.
    pub(crate) response_fragment: String,
    pub(crate) webhook_url: WebhookUrl,
    /// Sent with each callback.
    pub(crate) webhook_headers: Option<Json>,
}

/// The same under the name that an older page of Pico's gives it.
#[derive(InputObject)]
#[graphql(name = "SubscribeRequest_Input")]
pub(crate) struct LegacySubscribeRequest {
    #[graphql(name = "subscriptionID")]
    subscription_id: String,
    response_fragment: String,
    webhook_url: WebhookUrl,
    webhook_headers: Option<Json>,
}

impl From<LegacySubscribeRequest> for SubscribeRequestInput {
    fn from(request: LegacySubscribeRequest) -> Self {
        SubscribeRequestInput {
            subscription_id: request.subscription_id,
            response_fragment: request.response_fragment,
            webhook_url: request.webhook_url,
            webhook_headers: request.webhook_headers,
        }
    }
}

/// The result that goes with it. Pico's page names one member and says that there are more.
#[derive(Union)]
#[graphql(name = "webhookSubscribe_response")]
pub(crate) enum LegacySubscribeResponse {
    Handle(SubscriptionHandle),
    /// Never given here.
    Refusal(OperationOrderResult),
}

/// What became of an order.
#[derive(SimpleObject)]
pub(crate) struct OperationOrderResult {
    /// `created`, `updated` or `canceled`.
    pub(crate) message: Option<String>,
}

/// What became of a webhook.
#[derive(SimpleObject)]
pub(crate) struct UnsubscribeResult {
    pub(crate) success: Option<bool>,
    pub(crate) subscription_id: Option<String>,
    pub(crate) message: Option<String>,
}

/// One webhook registration.
#[derive(SimpleObject)]
pub(crate) struct SubscriptionHandle {
    subscription_id: Option<String>,
    response_fragment: Option<String>,
    webhook_url: Option<String>,
    created_at: Option<DateTime>,
    /// The last event sent.
    last_event_at: Option<DateTime>,
}

impl From<Webhook> for SubscriptionHandle {
    fn from(webhook: Webhook) -> Self {
        SubscriptionHandle {
            subscription_id: Some(webhook.subscription_id),
            response_fragment: Some(webhook.response_fragment),
            webhook_url: Some(webhook.webhook_url),
            created_at: Some(DateTime(webhook.created_at)),
            last_event_at: webhook.last_event_at.map(DateTime),
        }
    }
}
