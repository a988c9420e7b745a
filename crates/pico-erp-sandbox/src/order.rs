//! One operation order as the sandbox keeps and shows it, and the counts over all of them. Pico's API has no query for
//! these; they are for tests. What happens to orders is in `orders` and `production`.

use serde::Serialize;

use crate::time::Time;

/// Where an order is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum OrderState {
    /// Saved; may still be cancelled.
    Open,
    /// Work on it has begun; it can no longer be cancelled.
    Started,
    /// Built.
    Completed,
    /// Cancelled before work began.
    Canceled,
}

/// An operation order as the sandbox keeps it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Running number in this sandbox, from 1.
    pub number: u64,
    /// The id to report: the ERP's, or a made-up one when it gave none.
    pub external_order_id: String,
    /// Whether that id was made up here.
    pub made_up_id: bool,
    /// What is to be built.
    pub operation_id: String,
    /// Which unit of the order, from 0.
    pub order_index: i32,
    /// The optional operations that were chosen.
    pub select_optional_operation_ids: Vec<String>,
    /// Where it is in its life.
    pub state: OrderState,
    /// When it was first saved.
    pub saved_at: Time,
    /// When work on it began.
    pub started_at: Option<Time>,
    /// The number of the order that this is a child of, when the waterfall made it.
    pub parent: Option<u64>,
    /// The numbers of its child orders.
    pub children: Vec<u64>,
    /// How many saves it has received, the one that created it included; none when the waterfall made it.
    pub saves: u32,
    /// How many cancels it has received, also those that came too late to cancel it.
    pub cancels: u32,
    /// How many orders have been created under its three ids, up to this one: more than 1 when those before it were
    /// cancelled.
    pub creations: u32,
}

/// How many saves and cancels a sandbox has carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCalls {
    /// Saves, without those that were refused.
    pub saves: u64,
    /// Orders that these created; the others updated one.
    pub created: u64,
    /// Cancels, with those that found nothing to cancel.
    pub cancels: u64,
    /// Orders that these cancelled, without child orders.
    pub canceled: u64,
}
