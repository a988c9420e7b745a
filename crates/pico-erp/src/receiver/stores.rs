//! [`Stores`]: owns what is being stored, so that no connection's end takes it along.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::counts::{Counted, Counts};
use super::sink::Sink;
use crate::error::Error;
use crate::json::Json;

/// The posts that are being stored, each a task.
pub(super) struct Stores {
    sink: Arc<dyn Sink>,
    counts: Arc<Counts>,
    unfinished: Arc<AtomicUsize>,
    tasks: Mutex<JoinSet<()>>,
}

/// Counts a post when its task ends, in whatever way.
struct Tally {
    counts: Arc<Counts>,
    unfinished: Arc<AtomicUsize>,
    outcome: Counted,
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.counts.count(self.outcome);
        self.unfinished.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Stores {
    pub(super) fn new(sink: Arc<dyn Sink>, counts: Arc<Counts>) -> Self {
        Self { sink, counts, unfinished: Arc::default(), tasks: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores all of `events`, in `sink` where there is another than the receiver's; the receiver gets the first error, or nothing at all when the sink panicked. Dropping it
    /// stops nothing.
    pub(super) fn store(
        &self,
        events: Vec<Json>,
        sink: Option<Arc<dyn Sink>>,
    ) -> oneshot::Receiver<Result<(), Error>> {
        let (done, outcome) = oneshot::channel();
        let sink = sink.unwrap_or_else(|| Arc::clone(&self.sink));
        self.unfinished.fetch_add(1, Ordering::Relaxed);
        let mut tally = Tally {
            counts: Arc::clone(&self.counts),
            unfinished: Arc::clone(&self.unfinished),
            outcome: Counted::Failed,
        };
        let mut tasks = self.lock();
        // Those that have ended since.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let result = store_all(&*sink, events).await;
            if let Err(error) = &result {
                tracing::warn!(%error, "a webhook post could not be stored");
            }
            tally.outcome = if result.is_ok() { Counted::Accepted } else { Counted::Unavailable };
            // Counted before it is answered, so that whoever has the answer finds it in the counts.
            drop(tally);
            // The client may have hung up; the event is stored all the same.
            let _ = done.send(result);
        });
        outcome
    }

    /// Whether the sink can store at the moment.
    pub(super) fn unavailable(&self) -> Option<Error> {
        self.sink.unavailable()
    }

    /// How many posts are being stored.
    pub(super) fn unfinished(&self) -> usize {
        self.unfinished.load(Ordering::Relaxed)
    }

    /// Waits until nothing is being stored. Dropping this future breaks off what is.
    pub(super) async fn finished(&self) {
        loop {
            let mut tasks = std::mem::take(&mut *self.lock());
            if tasks.is_empty() {
                return;
            }
            while tasks.join_next().await.is_some() {}
        }
    }

    /// Breaks off what is being stored.
    pub(super) fn abort(&self) {
        self.lock().abort_all();
    }
}

/// One after another, because the order of a list is the order of what happened. Every event is tried, so that one that
/// fails keeps no other from the disk.
async fn store_all(sink: &dyn Sink, events: Vec<Json>) -> Result<(), Error> {
    let mut first = Ok(());
    for event in events {
        first = first.and(sink.store(event).await);
    }
    first
}
