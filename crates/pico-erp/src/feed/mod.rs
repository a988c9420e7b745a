//! [`Feed`]: completions that are not lost, and not handed out again once they are acknowledged.
//!
//! Every source puts what it hears into the inbox of the [store](crate::Store), where it is known again by its key;
//! [`intake`] is the task that does so for the live stream and the catch-up query, the webhook receiver does so for
//! posts. What a consumer sees comes out of the inbox only. [`catch_up`] asks Pico what the live sources missed;
//! [`builder`] has the settings; [`delivery`] is a completion in a consumer's hands; [`arrival`] reads keys; [`subject`] tells
//! feeds of completions from feeds of notes; [`webhook`] is the end of Pico's posts.

mod arrival;
mod builder;
mod catch_up;
mod delivery;
mod intake;
mod notice;
mod subject;
mod webhook;

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::filter::{NoteFilter, OrderCompleteFilter};
use crate::json::Json;
use crate::model::{NoteEvent, OrderComplete};
use crate::store::backend::Backend;
use crate::store::candidacy::{Candidacy, Holder};
use crate::store::inbox_table::{Claim, Place, Received, Settlement, Source};
use crate::store::{Durability, Store};
use crate::subscription::StreamState;
use delivery::Held;
use subject::Subject;

pub use builder::{FeedBuilder, FeedPolicy, FeedStart};
pub use delivery::Delivery;
pub use notice::{CaughtUp, FeedNotice, FeedNotices, FeedPart, FeedStatus};
pub use subject::FeedItem;

/// How long to wait before a store that refused is asked again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Where a feed stands, as far as others wait for it.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    /// Nothing is handed out while the catch-up after a gap runs, so that what came first is handed out first.
    holding: bool,
    stream_open: bool,
    caught_up: bool,
    /// Another node has the live source, and misses nothing.
    in_good_hands: bool,
    closed: bool,
}

/// The last of each kind of news.
#[derive(Debug, Default)]
struct News {
    stream: Option<StreamState>,
    caught_up: Option<CaughtUp>,
    catch_up_error: Option<Error>,
    store_error: Option<Error>,
}

struct Shared {
    client: Client,
    store: Store,
    subject: Subject,
    policy: FeedPolicy,
    /// Stands for the live source; `None` once the feed is closed.
    candidacy: Mutex<Option<Candidacy>>,
    /// Who has the live source.
    holder: watch::Receiver<Holder>,
    /// Completions that were given back without an answer, until the next claim tells the store.
    returned: Mutex<Vec<(Place, Settlement)>>,
    /// Where what was given back after the end is told to the store.
    runtime: Handle,
    news: Mutex<News>,
    notices: Mutex<Option<broadcast::Sender<FeedNotice>>>,
    standing: watch::Sender<Standing>,
    /// Completions in consumers' hands.
    outstanding: watch::Sender<usize>,
    catch_up_wanted: Notify,
    /// When the last webhook post came in.
    last_post: Mutex<Option<Timestamp>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn notify(&self, notice: FeedNotice) {
        tracing::debug!(plant = self.store.plant_name(), %notice, "feed");
        if let Some(notices) = &*locked(&self.notices) {
            // Nobody may be listening.
            let _ = notices.send(notice);
        }
    }

    fn dead_letter(&self, id: i64, reason: String) {
        self.store.meters().feed.dead_letter();
        tracing::warn!(plant = self.store.plant_name(), id, reason, "a completion is a dead letter");
        self.notify(FeedNotice::DeadLetter { id, reason });
    }

    /// Which part this feed plays.
    fn part(&self) -> FeedPart {
        match &*self.holder.borrow() {
            Holder::Me(_) => FeedPart::Live,
            Holder::Other { node, .. } => FeedPart::Standby { live: Some(node.clone()) },
            Holder::Nobody => FeedPart::Standby { live: None },
        }
    }

    fn give_back(&self, place: Place, settlement: Settlement) {
        locked(&self.returned).push((place, settlement));
        if self.standing.borrow().closed {
            // There is no next claim.
            self.tell_returned();
        } else {
            self.store.inbox_settled();
        }
    }

    /// Tells the store what was given back, without waiting. Should that fail, the next feed or the time-out sees to it.
    fn tell_returned(&self) {
        let returned = std::mem::take(&mut *locked(&self.returned));
        if returned.is_empty() {
            return;
        }
        let store = self.store.clone();
        let now = store.now();
        self.runtime.spawn(async move {
            let settle = move |backend: &mut dyn Backend| {
                returned
                    .iter()
                    .try_for_each(|(place, settlement)| backend.settle(*place, settlement, now).map(|_| ()))
            };
            match store.run(Durability::Process, settle).await {
                Ok(()) => store.inbox_changed(),
                Err(error) => tracing::debug!(%error, "what was given back could not be told to the store"),
            }
        });
    }

    /// Notes that the store refused, or that it works.
    fn store_says<T>(&self, result: &Result<T, Error>) {
        match result {
            Ok(_) => locked(&self.news).store_error = None,
            Err(error) => {
                let first = locked(&self.news).store_error.replace(error.clone()).is_none();
                if first {
                    tracing::error!(plant = self.store.plant_name(), %error, "the store refuses");
                    self.notify(FeedNotice::Store(error.clone()));
                }
            }
        }
    }

    /// Puts reports into the inbox, and says how many were new. They are on disk when this returns.
    async fn take_in(&self, reports: Vec<Json>, source: Source, take: Take) -> Result<u64, Error> {
        let mut arrivals = Vec::with_capacity(reports.len());
        let mut unreadable = Vec::new();
        for report in reports.into_iter().filter(|report| self.subject.wants(report)) {
            match self.subject.arrival(report.clone(), source) {
                Ok(arrival) => arrivals.push(arrival),
                Err(error) => unreadable.push((report.detached(), error.to_string())),
            }
        }
        let now = self.store.now();
        let (readable, reports) = (arrivals.len() as u64, (arrivals.len() + unreadable.len()) as u64);
        let latest = arrivals.iter().map(|arrival| arrival.key.at).max();
        let taken = self.store.run(Durability::Disk, move |backend| {
            let mut new = Vec::new();
            let mut dead = Vec::new();
            for arrival in &arrivals {
                let received = match take {
                    Take::All => backend.receive(arrival, now)?,
                    Take::Since(since) if arrival.key.at < since => Received::Known,
                    Take::Since(_) => backend.receive(arrival, now)?,
                    Take::Skip => backend.receive_skipped(arrival, now)?,
                };
                new.extend((received == Received::New).then_some(arrival.key.at));
            }
            for (body, reason) in unreadable {
                if backend.receive_unreadable(&body, source, &reason, now)? == Received::New {
                    dead.push(reason);
                }
            }
            // A catch-up that brought nothing new is no news of that source, and writes nothing.
            if let Some(latest) = latest.filter(|_| !new.is_empty() || source != Source::CatchUp) {
                backend.advance(source, latest, reports, now)?;
            }
            Ok((new, dead))
        });
        let taken = taken.await;
        self.store_says(&taken);
        let (new, dead) = taken?;
        self.store.meters().feed.received(source, readable, &new, now);
        self.store.meters().feed.unreadable(source, reports - readable);
        let new = new.len() as u64;
        for reason in dead {
            // Its number is of no use to anybody before somebody lists the dead letters.
            self.dead_letter(0, reason);
        }
        if new > 0 {
            self.store.inbox_changed();
        }
        Ok(new)
    }

    /// Hands out the next completion that is due, if there is one.
    async fn claim(self: &Arc<Self>) -> Result<Claimed, Error> {
        let returned = std::mem::take(&mut *locked(&self.returned));
        let given_back = returned.clone();
        let (limit, visible, now) = (self.policy.max_attempts, self.policy.visible, self.store.now());
        let shared = Arc::clone(self);
        let claimed = self.store.run(Durability::Process, move |backend| {
            for (place, settlement) in &given_back {
                backend.settle(*place, settlement, now)?;
            }
            Ok(match backend.claim(limit, now, visible)? {
                // Made here, on the store's thread: should nobody wait for the answer any more, dropping this gives the
                // completion back.
                Claim::One(claimed) => Claimed::One(Held::new(shared, &claimed), claimed),
                Claim::Dead { id, reason } => Claimed::Dead { id, reason },
                Claim::Nothing { due } => Claimed::Nothing { due },
            })
        });
        let claimed = claimed.await;
        self.store_says(&claimed);
        if claimed.is_err() {
            locked(&self.returned).extend(returned);
        } else {
            self.tell_dead(returned);
        }
        claimed
    }

    /// Tells of those among the given back that have become dead letters.
    fn tell_dead(&self, returned: Vec<(Place, Settlement)>) {
        for (place, settlement) in returned {
            self.store.meters().feed.settled(&settlement);
            if let Settlement::Dead { reason } = settlement {
                self.dead_letter(place.id, reason);
            }
        }
    }
}

enum Claimed {
    One(Held, crate::store::inbox_table::Claimed),
    Dead { id: i64, reason: String },
    Nothing { due: Option<i64> },
}

/// Which reports are taken in to be handed out.
#[derive(Debug, Clone, Copy)]
enum Take {
    All,
    /// Those completed at this time or later, in microseconds since 1970; others are left alone.
    Since(i64),
    /// None: they are only remembered.
    Skip,
}

/// The completions of a Pico, each until it is acknowledged.
///
/// ```no_run
/// # async fn example(client: pico_erp::Client) -> Result<(), pico_erp::Error> {
/// use pico_erp::{Feed, Store};
///
/// let store = Store::open("erp.pico").await?;
/// let feed = Feed::builder(&client, &store).start().await?;
/// while let Some(delivery) = feed.next().await {
///     let delivery = delivery?;
///     // Book it here. What is not acknowledged is handed out again, also after a crash.
///     println!("{} {:?}", delivery.completion().external_order_id, delivery.completion().produced_serial());
///     delivery.ack().await?;
/// }
/// # Ok(()) }
/// ```
///
/// Completions of the same unit of the same order are handed out in the order of their times, one after the other is
/// settled; others about in the order of their arrival. Several tasks may call [`Feed::next`] at once.
///
/// [`Feed::notes`] makes one of operators' notes in the same way, a `Feed<NoteEvent>`.
pub struct Feed<E = OrderComplete> {
    shared: Arc<Shared>,
    intake: Mutex<Option<JoinHandle<()>>>,
    item: PhantomData<fn() -> E>,
}

impl<E> fmt::Debug for Feed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("store", &self.store)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl Feed {
    /// Starts building a feed from `client`'s Pico through `store`.
    pub fn builder(client: &Client, store: &Store) -> FeedBuilder {
        FeedBuilder::new(client, store, Subject::Completions(OrderCompleteFilter::all()))
    }
}

impl Feed<NoteEvent> {
    /// Starts building a feed of operators' notes (generation G3). They are kept apart from completions, under the same
    /// plant: [`Store::notes_inbox`] looks into them. Notes come by the stream and the catch-up query; there are no webhooks
    /// of them.
    pub fn notes(client: &Client, store: &Store) -> FeedBuilder<NoteEvent> {
        FeedBuilder::new(client, store, Subject::Notes(NoteFilter::all()))
    }
}

impl<E: FeedItem> Feed<E> {
    /// The next completion, as soon as there is one. `None` when the feed is closed. May be dropped at any time without
    /// losing one.
    ///
    /// # Errors
    /// What no waiting mends, such as [`ErrorKind::StoreDamaged`]. A full disk is waited out, and told of by
    /// [`Feed::notices`] and [`Feed::status`].
    pub async fn next(&self) -> Option<Result<Delivery<E>, Error>> {
        self.next_looking_every(self.shared.store.look_again()).await
    }

    /// The same, for who has many feeds: looks by itself no more often than that for what other processes did.
    pub(crate) async fn next_looking_every(&self, look: Duration) -> Option<Result<Delivery<E>, Error>> {
        let mut standing = self.shared.standing.subscribe();
        let mut changes = self.shared.store.inbox_changes();
        loop {
            // Either ends when the feed is closed, and the sender lives in the feed.
            let now = *standing.wait_for(|now| now.closed || !now.holding).await.ok()?;
            if now.closed {
                return None;
            }
            changes.mark_unchanged();
            let wait = match self.shared.claim().await {
                Ok(Claimed::One(held, claimed)) => match Delivery::of(claimed, held).await {
                    Ok(Some(delivery)) => {
                        self.shared.store.meters().feed.handed_out(delivery.attempt());
                        return Some(Ok(delivery));
                    }
                    Ok(None) => Duration::ZERO,
                    Err(error) if error.is_retryable() => STORE_PAUSE,
                    Err(error) => return Some(Err(error)),
                },
                Ok(Claimed::Dead { id, reason }) => {
                    self.shared.dead_letter(id, reason);
                    Duration::ZERO
                }
                Ok(Claimed::Nothing { due }) => {
                    let until = due.map(|due| (due - self.shared.store.now()).max(0).cast_unsigned());
                    until.map_or(look, Duration::from_micros).min(look)
                }
                Err(error) if error.is_retryable() => {
                    sleep(STORE_PAUSE).await;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Closed => return None,
                Err(error) => return Some(Err(error)),
            };
            tokio::select! {
                _ = changes.changed() => {}
                () = sleep(wait) => {}
                _ = standing.wait_for(|now| now.closed) => return None,
            }
        }
    }

    /// Waits until nothing that happens from now on can be missed: the live stream is open, and the catch-up query is
    /// through for the first time, here or on the node that has the live source. A feed that is cut off later stays "opened": it catches up by itself.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when the feed is closed.
    pub async fn opened(&self) -> Result<(), Error> {
        let live = self.shared.policy.live;
        let mut standing = self.shared.standing.subscribe();
        let now = standing
            .wait_for(|now| now.closed || now.in_good_hands || (now.caught_up && (now.stream_open || !live)))
            .await
            .map(|now| now.closed);
        match now {
            Ok(false) => Ok(()),
            _ => Err(Error::new(ErrorKind::Closed, "the feed is closed")),
        }
    }

    /// Asks Pico now for what the live sources missed. Returns at once; a notice tells when it is through.
    pub fn catch_up(&self) {
        self.shared.catch_up_wanted.notify_one();
    }

    /// News of the feed from now on.
    #[must_use]
    pub fn notices(&self) -> FeedNotices {
        let notices = locked(&self.shared.notices);
        // After the feed was closed: a channel whose sender is gone already.
        FeedNotices(
            notices
                .as_ref()
                .map_or_else(|| broadcast::Sender::new(1).subscribe(), broadcast::Sender::subscribe),
        )
    }

    /// Where the feed stands.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn status(&self) -> Result<FeedStatus, Error> {
        let read = |backend: &mut dyn Backend| Ok((backend.inbox_counts()?, backend.watermarks()?));
        let (inbox, watermarks) = self.shared.store.run(Durability::Process, read).await?;
        let news = locked(&self.shared.news);
        Ok(FeedStatus {
            inbox,
            watermarks,
            part: self.shared.part(),
            stream: news.stream.clone(),
            caught_up: news.caught_up,
            catch_up_error: news.catch_up_error.clone(),
            store_error: news.store_error.clone(),
        })
    }

    /// The store that the feed works on.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Ends the feed: nothing more is taken in or handed out, and [`Feed::next`] gives `None`. Waits up to `grace` for
    /// completions that are in consumers' hands to be settled; what is not by then is handed out by the next feed.
    pub async fn close(&self, grace: Duration) {
        let until = Instant::now() + grace;
        self.stop();
        let intake = locked(&self.intake).take();
        if let Some(intake) = intake {
            intake.abort();
            // Aborted or ended: either way it is over.
            let _ = intake.await;
        }
        let mut outstanding = self.shared.outstanding.subscribe();
        let all_settled = outstanding.wait_for(|count| *count == 0);
        // Whether they were settled in time makes no difference to what follows.
        let _ = timeout(until.saturating_duration_since(Instant::now()), all_settled).await;
        // Without the role the next feed may be at work already, and these are its to recover.
        let Some(_candidacy) = locked(&self.shared.candidacy).take() else { return };
        let returned = std::mem::take(&mut *locked(&self.shared.returned));
        let now = self.shared.store.now();
        // Should this fail, the next feed recovers them all the same.
        let _ = self
            .shared
            .store
            .run(Durability::Process, move |backend| {
                returned
                    .iter()
                    .try_for_each(|(place, settlement)| backend.settle(*place, settlement, now).map(|_| ()))
            })
            .await;
    }

    /// Ends the feed without waiting, as dropping it does; [`Feed::next`] gives `None` in every task that waits there.
    /// Completions that are in consumers' hands can still be settled. Another feed may be started on the store at once.
    pub fn end(&self) {
        self.shut();
    }
}

impl<E> Feed<E> {
    fn shut(&self) {
        self.stop();
        if let Some(intake) = locked(&self.intake).take() {
            intake.abort();
        }
        drop(locked(&self.shared.candidacy).take());
        self.shared.tell_returned();
    }

    fn stop(&self) {
        self.shared.standing.send_modify(|standing| standing.closed = true);
        drop(locked(&self.shared.notices).take());
    }
}

impl<E> Drop for Feed<E> {
    fn drop(&mut self) {
        self.shut();
    }
}
