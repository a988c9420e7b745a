//! [`Delivery`]: a completion in a consumer's hands, which owes the feed an answer.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Shared;
use super::subject::FeedItem;
use crate::error::{Error, ErrorKind};
use crate::json::Json;
use crate::model::{NoteEvent, OrderComplete};
use crate::store::Durability;
use crate::store::inbox_table::{Claimed, Place, Settlement, Source};

/// A completion, and the duty to say what became of it.
///
/// Book it, then [`Delivery::ack`]. One that is dropped without an answer is handed out again, after a wait, and so is one
/// that the process died of: a consumer must cope with seeing a completion again that it had booked but not
/// acknowledged, by [`Delivery::key`].
#[derive(Debug)]
#[must_use = "a delivery that is dropped is handed out again"]
pub struct Delivery<E = OrderComplete> {
    item: E,
    claimed: Claimed,
    held: Held,
}

/// Sees to it that a completion that was claimed is settled or given back, whatever becomes of whoever holds it.
pub(super) struct Held {
    shared: Arc<Shared>,
    place: Place,
    attempt: u32,
    /// Whether a consumer has seen it.
    seen: bool,
    settled: bool,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held")
            .field("place", &self.place)
            .field("settled", &self.settled)
            .finish_non_exhaustive()
    }
}

impl Held {
    pub(super) fn new(shared: Arc<Shared>, claimed: &Claimed) -> Self {
        shared.outstanding.send_modify(|count| *count += 1);
        Self { shared, place: claimed.place(), attempt: claimed.attempt, seen: false, settled: false }
    }

    async fn settle(&mut self, settlement: Settlement) -> Result<(), Error> {
        let (place, told) = (self.place, settlement.clone());
        let store = &self.shared.store;
        let now = store.now();
        let settled =
            store.run(Durability::Disk, move |backend| backend.settle(place, &settlement, now)).await?;
        self.settled = true;
        store.inbox_settled();
        if settled {
            store.meters().feed.settled(&told);
            return Ok(());
        }
        Err(lost(place))
    }

    fn extend(&self, visible: Duration) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let (place, store) = (self.place, self.shared.store.clone());
        async move {
            let held = store.run(Durability::Process, move |backend| backend.extend(place, visible)).await?;
            if held { Ok(()) } else { Err(lost(place)) }
        }
    }

    /// When a completion that was handed out for the `attempt`th time is due again, and whether it ever is.
    fn again(&self, wait: Option<Duration>, reason: &str) -> Settlement {
        let policy = &self.shared.policy;
        if self.attempt >= policy.max_attempts {
            let reason = format!("handed out {} times; the last time: {reason}", self.attempt);
            return Settlement::Dead { reason };
        }
        // Half the bound at least: to a consumer that is not ready, "at once" would be no wait.
        let wait =
            wait.unwrap_or_else(|| policy.backoff.bound(self.attempt).mul_f64(0.5 + 0.5 * fastrand::f64()));
        let wait = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
        Settlement::Retry { at: self.shared.store.now().saturating_add(wait), reason: reason.to_owned() }
    }

    async fn settle_again(&mut self, wait: Option<Duration>, reason: &str) -> Result<(), Error> {
        let settlement = self.again(wait, reason);
        let dead = match &settlement {
            Settlement::Dead { reason } => Some(reason.clone()),
            _ => None,
        };
        self.settle(settlement).await?;
        if let Some(reason) = dead {
            self.shared.dead_letter(self.place.id, reason);
        }
        Ok(())
    }

    async fn bury(&mut self, reason: &str) -> Result<(), Error> {
        self.settle(Settlement::Dead { reason: reason.to_owned() }).await?;
        self.shared.dead_letter(self.place.id, reason.to_owned());
        Ok(())
    }
}

fn lost(place: Place) -> Error {
    Error::new(
        ErrorKind::LeaseLost,
        format!(
            "completion {} is not in these hands any more: it was handed out to another, whose answer counts",
            place.id
        ),
    )
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.settled {
            let settlement = if self.seen {
                self.again(None, "dropped without an answer")
            } else {
                // Nobody has seen it: whoever waited for it went away first.
                Settlement::Return
            };
            self.shared.give_back(self.place, settlement);
        }
        self.shared.outstanding.send_modify(|count| *count -= 1);
    }
}

impl Delivery {
    /// The completion.
    #[must_use]
    pub fn completion(&self) -> &OrderComplete {
        &self.item
    }
}

impl Delivery<NoteEvent> {
    /// The note, as it was at this event.
    #[must_use]
    pub fn note(&self) -> &NoteEvent {
        &self.item
    }
}

impl<E: FeedItem> Delivery<E> {
    /// Makes a claim a delivery, or a dead letter when it does not fit the type.
    pub(super) async fn of(claimed: Claimed, mut held: Held) -> Result<Option<Self>, Error> {
        match E::from_json(claimed.body.clone()) {
            Ok(item) => {
                held.seen = true;
                Ok(Some(Self { item, claimed, held }))
            }
            Err(error) => {
                held.bury(&error.to_string()).await?;
                Ok(None)
            }
        }
    }

    /// What was handed out.
    #[must_use]
    pub fn item(&self) -> &E {
        &self.item
    }

    /// What Pico sent, byte for byte.
    #[must_use]
    pub fn raw(&self) -> &Json {
        self.item.raw()
    }

    /// Its number in the inbox. It stays the same however often the completion is handed out.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.claimed.id
    }

    /// The plant that it comes from; empty for the one without a name.
    #[must_use]
    pub fn plant(&self) -> &str {
        self.held.shared.store.plant_name()
    }

    /// A text that stands for this completion in this and every other store: what to remember it by, where booking it
    /// twice would do harm. Made of order, operation, unit, time and serial; for a note, of its id, time and number.
    #[must_use]
    pub fn key(&self) -> String {
        self.item.feed_key()
    }

    /// How often it has been handed out, this time included. Above 1, an earlier time may have booked it.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.claimed.attempt
    }

    /// How it came in first.
    #[must_use]
    pub fn source(&self) -> Source {
        self.claimed.source
    }

    /// When it came in.
    #[must_use]
    pub fn arrived(&self) -> Timestamp {
        Timestamp::from_microsecond(self.claimed.arrived).unwrap_or(Timestamp::MAX)
    }

    /// Puts it back as if it had not been handed out, which counts as no attempt: for who finds, before looking at it, that
    /// nobody is there to take it any more.
    pub fn put_back(mut self) {
        self.held.seen = false;
    }

    /// Asks for more time, where several nodes share the store: the completion is not handed out to another for so long from
    /// now on. The future does not borrow the delivery, which may be answered while it is under way.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub fn extend(&self, visible: Duration) -> impl Future<Output = Result<(), Error>> + Send + use<E> {
        self.held.extend(visible)
    }

    /// Says that the completion is booked. When this returns `Ok`, that is on disk, and it is never handed out again.
    ///
    /// # Errors
    /// When the store refuses; the completion is then handed out again. [`ErrorKind::LeaseLost`] when it was handed out to
    /// somebody else meanwhile: the feed was closed, the node was not heard of for too long, or the consumer took longer than
    /// [`super::FeedPolicy::visible`].
    pub async fn ack(mut self) -> Result<(), Error> {
        self.held.settle(Settlement::Ack).await?;
        let store = &self.held.shared.store;
        store.meters().feed.acked(self.claimed.arrived, store.now());
        Ok(())
    }

    /// Asks for the completion again: after `wait`, or after a wait that grows with each attempt. `reason` is kept for whoever
    /// looks at the inbox. At the [attempt limit](super::FeedPolicy::max_attempts) it becomes a dead letter.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn retry(mut self, wait: Option<Duration>, reason: &str) -> Result<(), Error> {
        self.held.settle_again(wait, reason).await
    }

    /// Says that trying again would be of no use: the completion becomes a dead letter, kept with the reason, and can be
    /// [replayed](crate::Inbox::replay).
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn reject(mut self, reason: &str) -> Result<(), Error> {
        self.held.bury(reason).await
    }
}
