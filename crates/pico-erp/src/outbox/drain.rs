//! The sender's task: claims, sends, settles. It decides nothing that `batch`, `decision` and `pace` do not tell it.
//!
//! One task claims and settles, so what is told of settled orders is in order; the requests are tasks of their own and
//! end with it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::RECHECK;
use super::batch::{Answer, answer, request_for};
use super::decision::{Effect, Moment, decide};
use super::notice::Teller;
use super::pace::{Leave, Pace, Round};
use super::sender::Board;
use crate::backoff::Backoff;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::store::backend::Backend;
use crate::store::candidacy::Candidacy;
use crate::store::inbox_table::Place;
use crate::store::outbox_table::{Again, ClaimedOrder, OrderClaim, OrderSettlement, OutboxEntry};
use crate::store::{Durability, Store};

/// How often old rows are deleted, and how many at a time.
const EXPIRY: Duration = Duration::from_secs(60 * 60);
const EXPIRED_AT_ONCE: usize = 1000;

pub(super) struct Drain {
    pub(super) client: Client,
    pub(super) store: Store,
    pub(super) pace: Pace,
    pub(super) backoff: Backoff,
    pub(super) retry_after_ceiling: Duration,
    pub(super) teller: Option<Teller>,
    pub(super) board: watch::Sender<Board>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) flights: JoinSet<Landing>,
    pub(super) aloft: Aloft,
    pub(super) candidacy: Candidacy,
}

/// A request that has ended.
pub(super) struct Landing {
    orders: Vec<ClaimedOrder>,
    answer: Answer,
    round: Round,
}

/// Has the log tell of an order that failed, for who watches that and not the outbox.
fn refused(plant: &str, (place, settlement): &(Place, OrderSettlement)) {
    if let OrderSettlement::Failed(reason) = settlement {
        tracing::warn!(plant, id = place.id, code = reason.code, error = reason.text, "an order was refused");
    }
}

/// When what this node was handed is not surely its own any more; never, where that cannot be.
async fn lapse(store: &Store) {
    while let Some(until) = store.surely_until() {
        if until <= tokio::time::Instant::now() {
            return;
        }
        tokio::time::sleep_until(until).await;
    }
    std::future::pending().await
}

fn gone() -> Error {
    Error::new(
        ErrorKind::LeaseLost,
        "this node was not heard of for too long; another may send what it was to send",
    )
    .with_transient(true)
}

/// The orders that are being sent. What is still in here when the sender ends is given back to the store: on a database the
/// node goes on living, so nobody else would ever take them over.
pub(super) struct Aloft {
    store: Store,
    places: Vec<Place>,
}

impl Aloft {
    pub(super) fn none(store: &Store) -> Self {
        Self { store: store.clone(), places: Vec::new() }
    }

    fn landed(&mut self, orders: &[ClaimedOrder]) {
        self.places.retain(|place| orders.iter().all(|order| order.place() != *place));
    }
}

impl Drop for Aloft {
    fn drop(&mut self) {
        let places = std::mem::take(&mut self.places);
        if places.is_empty() {
            return;
        }
        // Without a runtime it is up to the next sender of this process.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let store = self.store.clone();
        runtime.spawn(async move {
            let now = store.now();
            let again = OrderSettlement::Retry {
                again: Again::Queued,
                reason: None,
                alone: false,
                unsure: true,
                counts: true,
            };
            let give_back = move |backend: &mut dyn Backend| {
                places.iter().try_for_each(|place| backend.settle_order(*place, &again, now).map(|_| ()))
            };
            match store.run(Durability::Process, give_back).await {
                Ok(()) => store.outbox_changed(),
                Err(error) => tracing::debug!(%error, "what was being sent could not be given back"),
            }
        });
    }
}

impl Drain {
    pub(super) async fn run(mut self) {
        let mut changes = self.store.outbox_changes();
        let mut expiry = Instant::now();
        loop {
            let stopping = *self.stop.borrow_and_update();
            if stopping && self.flights.is_empty() {
                break;
            }
            changes.borrow_and_update();
            let mut wake = Instant::now() + self.store.look_again();
            if !stopping {
                let Some(again) = self.launch().await else { break };
                wake = again;
                if expiry <= wake {
                    expiry = self.expire().await;
                }
            }
            tokio::select! {
                Some(landed) = self.flights.join_next() => {
                    let mut landings: Vec<Landing> = Vec::new();
                    let mut next = Some(landed);
                    while let Some(landed) = next {
                        match landed {
                            Ok(landing) => landings.push(landing),
                            // Its orders stay marked as being sent, and are sent again after the next start.
                            Err(error) => tracing::error!(plant = self.store.plant_name(), %error, "a request to save orders has ended badly"),
                        }
                        next = self.flights.try_join_next();
                    }
                    if self.land(landings).await.is_err() {
                        break;
                    }
                }
                changed = changes.changed(), if !stopping => {
                    if changed.is_err() {
                        break;
                    }
                }
                // The sender's owner is gone when this fails, and then this task as well.
                _ = self.stop.changed(), if !stopping => {}
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
        if let Some(teller) = self.teller.take() {
            teller.finish().await;
        }
        // Until here no other sender may begin.
        drop(self.candidacy);
    }

    /// Begins as many requests as may be, and says when to look again at the latest; never, once the store is closed.
    async fn launch(&mut self) -> Option<Instant> {
        loop {
            let now = Instant::now();
            if self.lapsed(now) {
                // What others may be sending by now is not sent; this node finds its way back or is closed.
                return Some(now + RECHECK);
            }
            let batch = match self.pace.leave(self.flights.len(), now) {
                Leave::Go { batch } => batch,
                Leave::Paused(until) => return Some(until),
                Leave::Full => return Some(now + RECHECK),
            };
            let clock = self.store.now();
            let claim =
                self.store.run(Durability::Process, move |backend| backend.claim_orders(batch, clock)).await;
            let orders = match claim {
                Ok(OrderClaim::Single(order)) => vec![order],
                Ok(OrderClaim::Batch(orders)) => orders,
                Ok(OrderClaim::Nothing { due }) => {
                    self.show(now);
                    let wait = due.and_then(|due| u64::try_from(due - clock).ok()).map(Duration::from_micros);
                    let look = self.store.look_again();
                    return Some(now + wait.unwrap_or(look).min(look));
                }
                Err(error) if error.kind() == ErrorKind::Closed => return None,
                Err(error) => {
                    self.complain(error);
                    return Some(now + RECHECK);
                }
            };
            self.store.outbox_settled();
            self.send(orders);
        }
    }

    fn send(&mut self, orders: Vec<ClaimedOrder>) {
        self.aloft.places.extend(orders.iter().map(ClaimedOrder::place));
        let round = self.pace.round();
        let client = self.client.clone();
        let store = self.store.clone();
        self.flights.spawn(async move {
            let answer = match request_for(&orders) {
                Ok((request, keys)) => tokio::select! {
                    biased;
                    // A process that was stopped must not send, when it goes on, what another has sent meanwhile.
                    () = lapse(&store) => Answer::Nothing(gone()),
                    reply = client.transport().call_once(&request) => answer(reply, &keys),
                },
                Err(error) => Answer::Nothing(error),
            };
            Landing { orders, answer, round }
        });
    }

    fn lapsed(&self, now: Instant) -> bool {
        self.store.surely_until().is_some_and(|until| until.into_std() <= now)
    }

    /// Keeps what became of the orders of these requests, in one transaction. An error means that the sender has to end.
    async fn land(&mut self, landings: Vec<Landing>) -> Result<(), Error> {
        let now = Instant::now();
        let mut settlements = Vec::new();
        let mut landed = Vec::new();
        for Landing { orders, answer, round } in landings {
            let moment = Moment {
                now: self.store.now(),
                jitter: fastrand::f64(),
                backoff: self.backoff,
                retry_after_ceiling: self.retry_after_ceiling,
            };
            let (settled, effect) = decide(&orders, answer, moment);
            settlements.extend(settled);
            landed.extend(orders);
            match effect {
                Effect::Answered => {
                    self.pace.answered(round);
                    if self.pace.paused_until(now).is_none() {
                        self.board.send_if_modified(|board| board.last_error.take().is_some());
                    }
                }
                Effect::NoBatches(error) => {
                    tracing::warn!(plant = self.store.plant_name(), %error, "the server refuses batches of orders; they go one by one for a while");
                    self.pace.no_batches(now);
                }
                Effect::Pause(error) => {
                    let wait = self.pace.failed(round, &error, now, fastrand::f64());
                    tracing::warn!(plant = self.store.plant_name(), %error, ?wait, "orders cannot be sent now");
                    self.complain(error);
                    self.store.meters().sender.paused();
                }
            }
        }
        self.show(now);
        let settled = self.settle(settlements).await?;
        self.aloft.landed(&landed);
        self.store.outbox_settled();
        if let Some(teller) = &self.teller
            && !settled.is_empty()
        {
            teller.tell(settled).await;
        }
        Ok(())
    }

    /// Settles, and where the store cannot now, as with a full disk, tries again until it can.
    async fn settle(
        &mut self,
        settlements: Vec<(Place, OrderSettlement)>,
    ) -> Result<Vec<OutboxEntry>, Error> {
        let told = self.teller.is_some();
        let counted = settlements.clone();
        loop {
            let (now, settlements) = (self.store.now(), settlements.clone());
            let settled = self.store.run(Durability::Disk, move |backend| {
                let mut settled = Vec::new();
                for (place, settlement) in &settlements {
                    // What another sender was handed since is the other's to settle and to tell of.
                    if backend.settle_order(*place, settlement, now)? && told {
                        let entry = backend.outbox_entry(place.id)?;
                        settled.extend(entry.filter(|entry| entry.state.is_settled()));
                    }
                }
                Ok(settled)
            });
            let error = match settled.await {
                Ok(settled) => {
                    self.store.meters().sender.settled(&counted);
                    counted.iter().for_each(|one| refused(self.store.plant_name(), one));
                    return Ok(settled);
                }
                Err(error) => error,
            };
            // A sender that is to end leaves the orders as they are: they are sent again after the next start.
            if error.kind() == ErrorKind::Closed || *self.stop.borrow() {
                return Err(error);
            }
            self.complain(error);
            let _ = tokio::time::timeout(RECHECK, self.stop.changed()).await;
        }
    }

    /// Deletes what is older than it is to be kept, and says when to do so again.
    async fn expire(&self) -> Instant {
        let kept = i64::try_from(self.store.retention().sent.as_micros()).unwrap_or(i64::MAX);
        let before = self.store.now().saturating_sub(kept);
        let expired = self
            .store
            .run(Durability::Process, move |backend| backend.expire_outbox(before, EXPIRED_AT_ONCE))
            .await;
        match expired {
            Ok(count) if count >= EXPIRED_AT_ONCE => Instant::now() + RECHECK,
            Ok(_) => Instant::now() + EXPIRY,
            Err(error) => {
                self.complain(error);
                Instant::now() + EXPIRY
            }
        }
    }

    fn complain(&self, error: Error) {
        self.board.send_modify(|board| board.last_error = Some(error));
    }

    fn show(&self, now: Instant) {
        let batching = self.pace.batching(now);
        let paused_until = self.pace.paused_until(now).and_then(|until| {
            let left = until.duration_since(now);
            Timestamp::now().checked_add(left).ok()
        });
        self.board.send_if_modified(|board| {
            // A pause that goes on is no news, though the time is never computed to the same microsecond.
            let same = board.batching == batching && board.paused_until.is_some() == paused_until.is_some();
            board.batching = batching;
            board.paused_until = paused_until;
            !same
        });
    }
}
