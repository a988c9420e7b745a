//! [`OutboxSender`]: the running sender as its owner holds it: start, status, close. The work is done in `drain`.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Outbox;
use super::drain::{Aloft, Drain};
use super::notice::{OnSettled, Teller};
use super::pace::Pace;
use crate::backoff::Backoff;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::store::outbox_table::OutboxCounts;
use crate::store::{Durability, Role, Store};

/// The waits between tries.
const BACKOFF: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) };
/// How much of a `Retry-After` is honoured.
const RETRY_AFTER_CEILING: Duration = Duration::from_secs(5 * 60);
/// How many saves go into one request at most.
const BATCH: usize = 50;
/// The largest batch that can be set: the body stays below what servers commonly take (100 kB to 1 MB).
const LARGEST_BATCH: usize = 1000;
/// How many requests are under way at once.
const CONCURRENCY: usize = 4;
const MOST_CONCURRENCY: usize = 64;

/// A task that ends with its owner.
pub(super) struct Owned(JoinHandle<()>);

impl Owned {
    pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }

    pub(super) async fn ended(mut self) {
        self.end().await;
    }

    async fn end(&mut self) {
        // A panic was reported by the runtime already.
        let _ = (&mut self.0).await;
    }

    /// Breaks it off, and waits until it has let go of what it holds.
    async fn broken_off(mut self) {
        self.0.abort();
        self.end().await;
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Settings of an [`OutboxSender`].
#[must_use]
pub struct OutboxSenderBuilder {
    client: Client,
    store: Store,
    batch: usize,
    concurrency: usize,
    backoff: Backoff,
    retry_after_ceiling: Duration,
    on_settled: Option<OnSettled>,
}

impl OutboxSenderBuilder {
    /// How many saves go into one request, 1 to 1000. Default 50; 1 sends each by itself.
    pub fn batch(mut self, orders: usize) -> Self {
        self.batch = orders;
        self
    }

    /// How many requests may be under way at once, 1 to 64. Default 4.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests;
        self
    }

    /// The bounds of the waits after failures. Default 1 s growing to 60 s, with full jitter.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How much of a server's `Retry-After` is honoured at most. Default 5 minutes.
    pub fn retry_after_ceiling(mut self, ceiling: Duration) -> Self {
        self.retry_after_ceiling = ceiling;
        self
    }

    /// Calls `on_settled` for each order that this sender settles, once that is on disk: sent, failed, or superseded
    /// while it was being sent. One call at a time, in the order of settling, on a thread where it may block; the sender
    /// waits when it falls far behind.
    pub fn on_settled(mut self, on_settled: OnSettled) -> Self {
        self.on_settled = Some(on_settled);
        self
    }

    /// Starts to send, on the tokio runtime that this is called in. What a sender that is gone was sending is sent again.
    ///
    /// # Errors
    /// [`ErrorKind::StoreInUse`] when a sender runs on this store already, in this process or another;
    /// [`ErrorKind::InvalidArgument`] naming a setting; otherwise those of the store.
    pub async fn start(self) -> Result<OutboxSender, Error> {
        for (name, value, most) in
            [("batch", self.batch, LARGEST_BATCH), ("concurrency", self.concurrency, MOST_CONCURRENCY)]
        {
            if !(1..=most).contains(&value) {
                return Err(Error::invalid(name, format!("is {value}; it can be 1 to {most}")));
            }
        }
        let candidacy = self.store.stand_for(Role::Outbox, &self.client).await?;
        let recovered = self.store.run(Durability::Process, |backend| backend.recover_orders()).await?;
        if recovered > 0 {
            tracing::info!(
                plant = self.store.plant_name(),
                recovered,
                "orders that were being sent when the last sender ended are sent again"
            );
            self.store.outbox_changed();
        }
        self.store.meters().sender.start();
        self.client.transport().count_for(&self.store);
        let (stop, stopped) = watch::channel(false);
        let (board, news) = watch::channel(Board { batching: self.batch > 1, ..Board::default() });
        let drain = Drain {
            client: self.client,
            store: self.store.clone(),
            pace: Pace::new(self.backoff, self.retry_after_ceiling, self.concurrency, self.batch),
            backoff: self.backoff,
            retry_after_ceiling: self.retry_after_ceiling,
            teller: self.on_settled.map(Teller::start),
            board,
            stop: stopped,
            flights: tokio::task::JoinSet::new(),
            aloft: Aloft::none(&self.store),
            candidacy,
        };
        let task = Mutex::new(Some(Owned::spawn(drain.run())));
        Ok(OutboxSender { outbox: self.store.outbox(), news, stop, task })
    }
}

impl fmt::Debug for OutboxSenderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxSenderBuilder")
            .field("store", &self.store)
            .field("batch", &self.batch)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

/// What the sender's task says of itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Board {
    pub(super) last_error: Option<Error>,
    pub(super) paused_until: Option<Timestamp>,
    pub(super) batching: bool,
}

/// How the sender is doing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OutboxStatus {
    /// How many orders are in which state.
    pub counts: OutboxCounts,
    /// What went wrong last, other than the refusal of an order; `None` once requests get through again.
    pub last_error: Option<Error>,
    /// Until when nothing is sent, after a failure.
    pub paused_until: Option<Timestamp>,
    /// Whether saves go in batches; not for ten minutes after the server refused one.
    pub batching: bool,
}

/// Sends what is in the outbox of a store, until it is closed or dropped.
///
/// What may pass is waited for: network, time-outs, HTTP 408, 425, 429 and 5xx, login pages, a refused token, a wrong
/// path. The orders stay queued meanwhile, and [`OutboxSender::status`] tells why. Only an order that Pico refuses by
/// a GraphQL error fails; it is kept with the error.
///
/// Dropped, it stops at once; what it was sending is sent again by the next one. [`OutboxSender::close`] lets it finish.
pub struct OutboxSender {
    outbox: Outbox,
    news: watch::Receiver<Board>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<Owned>>,
}

impl OutboxSender {
    /// Begins to set up a sender.
    pub fn builder(client: &Client, store: &Store) -> OutboxSenderBuilder {
        OutboxSenderBuilder {
            client: client.clone(),
            store: store.clone(),
            batch: BATCH,
            concurrency: CONCURRENCY,
            backoff: BACKOFF,
            retry_after_ceiling: RETRY_AFTER_CEILING,
            on_settled: None,
        }
    }

    /// The outbox that is being sent.
    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// How it is doing.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn status(&self) -> Result<OutboxStatus, Error> {
        let counts = self.outbox.counts().await?;
        let board = self.news.borrow().clone();
        Ok(OutboxStatus {
            counts,
            last_error: board.last_error,
            paused_until: board.paused_until.filter(|until| *until > Timestamp::now()),
            batching: board.batching,
        })
    }

    /// Waits for the next change of the status after this call, by this process. Called before [`OutboxSender::status`] and
    /// awaited after it, it misses none.
    pub fn status_changed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut news = self.news.clone();
        news.mark_unchanged();
        let mut orders = self.outbox.store().outbox_changes();
        async move {
            // An error means that the sender has ended, which is a change as well.
            tokio::select! {
                _ = news.changed() => {}
                _ = orders.changed() => {}
            }
        }
    }

    /// Waits until nothing is to be sent any more.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when the sender ends first; otherwise those of the store.
    pub async fn drained(&self) -> Result<(), Error> {
        tokio::select! {
            biased;
            drained = self.outbox.drained() => drained,
            () = self.stop.closed() => Err(Error::new(ErrorKind::Closed, "the sender of the outbox has ended")),
        }
    }

    /// Sends nothing new, waits for the requests that are under way and for the callback, and ends.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when that takes longer than `deadline`: what was under way is then sent again by the next
    /// sender.
    pub async fn close(&self, deadline: Duration) -> Result<(), Error> {
        self.stop.send_replace(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut task) = task else { return Ok(()) };
        if tokio::time::timeout(deadline, task.end()).await.is_ok() {
            return Ok(());
        }
        // So that another sender can be started at once.
        task.broken_off().await;
        Err(Error::new(
            ErrorKind::Timeout,
            format!("the requests under way were not answered within {deadline:?}; they will be sent again"),
        ))
    }
}

impl fmt::Debug for OutboxSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxSender").field("outbox", &self.outbox).finish_non_exhaustive()
    }
}
