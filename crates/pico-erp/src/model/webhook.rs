//! [`Webhook`]: one registration of a webhook, as Pico lists it.

use jiff::Timestamp;
use serde::Deserialize;

use super::{lenient, model};
use crate::json::Json;

/// One webhook registration (Pico's `SubscriptionHandle`). Pico never gives back the headers it was registered
/// with.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Webhook {
    /// The id the caller chose.
    #[serde(default, deserialize_with = "lenient::text")]
    pub subscription_id: Option<String>,
    /// The fragment that picks the stream and the payload's fields.
    #[serde(default)]
    pub response_fragment: Option<String>,
    /// Where Pico posts to.
    #[serde(default)]
    pub webhook_url: Option<String>,
    /// When it was registered.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When Pico last had an event for it.
    #[serde(default)]
    pub last_event_at: Option<Timestamp>,
    #[serde(skip)]
    pub(super) raw: Json,
}

model!(
    Webhook,
    "SubscriptionHandle",
    ["subscriptionId", "responseFragment", "webhookUrl", "createdAt", "lastEventAt"]
);
