//! [`Meters`]: what this process has counted since the store was opened. A store owns one; the feed, the sender, the
//! receiver and the client add to it, each by one line where a thing happens.
//!
//! Counting is adding to an atomic. Only the live stream's standing is behind a lock, since it changes seldom and in
//! several fields at once. What belongs to no plant, as the store's transactions, stands beside the plants.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::histogram::{COMMITS, Histogram, LAGS, REQUESTS};
use super::snapshot::{FeedMetrics, PlantMetrics, RequestMetrics, SenderMetrics, SourceCount, StreamMetrics};
use crate::client::StreamTransport;
use crate::error::{Error, ErrorKind};
use crate::feed::CaughtUp;
use crate::receiver::{Counted, ReceiverCounts};
use crate::store::inbox_table::{Place, Settlement, Source};
use crate::store::outbox_table::OrderSettlement;
use crate::subscription::StreamState;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number that only grows, or the last of a value.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All that a process counts for one store.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    pub(crate) store: Arc<StoreMeters>,
    plants: Mutex<BTreeMap<String, Arc<PlantMeters>>>,
}

impl Meters {
    /// The meters of a plant, which are made at the first call. To be kept by whoever counts.
    pub(crate) fn plant(&self, name: &str) -> Arc<PlantMeters> {
        Arc::clone(locked(&self.plants).entry(name.to_owned()).or_default())
    }
}

/// The transactions of a store.
#[derive(Debug)]
pub(crate) struct StoreMeters {
    pub(crate) transactions: Counter,
    pub(crate) failures: Counter,
    pub(crate) commit: Histogram,
}

impl Default for StoreMeters {
    fn default() -> Self {
        Self {
            transactions: Counter::default(),
            failures: Counter::default(),
            commit: Histogram::new(COMMITS),
        }
    }
}

impl StoreMeters {
    /// A transaction is over.
    pub(crate) fn transaction<T>(&self, begun: Instant, committed: &Result<T, Error>) {
        self.transactions.one();
        if committed.is_err() {
            self.failures.one();
        }
        self.commit.add(begun.elapsed());
    }
}

/// What is counted for one Pico.
#[derive(Debug, Default)]
pub(crate) struct PlantMeters {
    pub(crate) feed: FeedMeters,
    pub(crate) sender: SenderMeters,
    pub(crate) receiver: ReceiverMeters,
    pub(crate) requests: Arc<RequestMeters>,
}

impl PlantMeters {
    /// All but what only the store knows. What never ran is left out.
    pub(crate) fn snapshot(&self, plant: &str) -> PlantMetrics {
        PlantMetrics {
            plant: plant.to_owned(),
            kept: None,
            feed: self.feed.started.load(Ordering::Relaxed).then(|| self.feed.snapshot()),
            webhooks: self.receiver.started.load(Ordering::Relaxed).then(|| self.receiver.snapshot()),
            sender: self.sender.started.load(Ordering::Relaxed).then(|| self.sender.snapshot()),
            requests: (self.requests.duration.snapshot().count() > 0).then(|| self.requests.snapshot()),
        }
    }
}

/// A counter for each source of completions.
#[derive(Debug, Default)]
struct BySource([Counter; Source::ALL.len()]);

impl BySource {
    fn add(&self, source: Source, count: u64) {
        let counters = Source::ALL.iter().zip(&self.0).filter(|(name, _)| **name == source);
        counters.for_each(|(_, counter)| counter.add(count));
    }

    fn snapshot(&self) -> Vec<SourceCount> {
        let counts = Source::ALL.iter().zip(&self.0);
        counts.map(|(source, counter)| SourceCount { source: *source, count: counter.get() }).collect()
    }
}

/// The live stream as its states tell it.
#[derive(Debug, Default)]
struct StreamStanding {
    transport: Option<StreamTransport>,
    open: bool,
    ever_open: bool,
    down_since: Option<Instant>,
    reconnects: u64,
    failures: u64,
    gap_total: Duration,
    last_gap: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct FeedMeters {
    started: AtomicBool,
    stream: Mutex<StreamStanding>,
    received: BySource,
    duplicates: BySource,
    unreadable: Counter,
    handed_out: Counter,
    redelivered: Counter,
    acked: Counter,
    retried: Counter,
    dead: Counter,
    catch_ups: Counter,
    catch_ups_failed: Counter,
    catch_up_found: Counter,
    catch_up_micros: Counter,
    ack_lag: Histogram,
    completion_lag: Histogram,
}

impl Default for FeedMeters {
    fn default() -> Self {
        Self {
            started: AtomicBool::default(),
            stream: Mutex::default(),
            received: BySource::default(),
            duplicates: BySource::default(),
            unreadable: Counter::default(),
            handed_out: Counter::default(),
            redelivered: Counter::default(),
            acked: Counter::default(),
            retried: Counter::default(),
            dead: Counter::default(),
            catch_ups: Counter::default(),
            catch_ups_failed: Counter::default(),
            catch_up_found: Counter::default(),
            catch_up_micros: Counter::default(),
            ack_lag: Histogram::new(LAGS),
            completion_lag: Histogram::new(LAGS),
        }
    }
}

impl FeedMeters {
    pub(crate) fn start(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// The live stream's state has changed.
    pub(crate) fn stream(&self, state: &StreamState) {
        self.stream_at(state, Instant::now());
    }

    fn stream_at(&self, state: &StreamState, now: Instant) {
        let mut standing = locked(&self.stream);
        match state {
            StreamState::Connecting { transport } | StreamState::Switched { transport, .. } => {
                standing.transport = Some(*transport);
            }
            StreamState::Retrying { .. } => standing.failures += 1,
            StreamState::Open { transport, gap } => {
                let down = standing.down_since.take().map(|since| now.saturating_duration_since(since));
                // After a stream that ended for good the next one knows of no gap, but there is one.
                if let Some(gap) = gap.or(down.filter(|_| standing.ever_open)) {
                    standing.reconnects += 1;
                    standing.gap_total += gap;
                    standing.last_gap = Some(gap);
                }
                standing.transport = Some(*transport);
                (standing.open, standing.ever_open) = (true, true);
                return;
            }
        }
        standing.open = false;
        standing.down_since.get_or_insert(now);
    }

    /// The live stream has ended, and is opened again later or never.
    pub(crate) fn stream_ended(&self) {
        let mut standing = locked(&self.stream);
        standing.open = false;
        standing.down_since.get_or_insert_with(Instant::now);
    }

    /// Reports of completions are in the inbox: how many, and when those were completed that were new, in microseconds
    /// since 1970.
    pub(crate) fn received(&self, source: Source, reports: u64, new: &[i64], now: i64) {
        self.received.add(source, reports);
        self.duplicates.add(source, reports.saturating_sub(new.len() as u64));
        // What the catch-up query brings may be from long before this feed.
        if source != Source::CatchUp {
            new.iter().for_each(|at| self.completion_lag.add_between(*at, now));
        }
    }

    /// Reports without a key were made dead letters.
    pub(crate) fn unreadable(&self, source: Source, count: u64) {
        self.received.add(source, count);
        self.unreadable.add(count);
    }

    pub(crate) fn handed_out(&self, attempt: u32) {
        self.handed_out.one();
        if attempt > 1 {
            self.redelivered.one();
        }
    }

    /// A completion was acknowledged that came in then, in microseconds since 1970.
    pub(crate) fn acked(&self, arrived: i64, now: i64) {
        self.acked.one();
        self.ack_lag.add_between(arrived, now);
    }

    /// A completion that was handed out is to come again, if that is what was decided.
    pub(crate) fn settled(&self, settlement: &Settlement) {
        if let Settlement::Retry { .. } = settlement {
            self.retried.one();
        }
    }

    pub(crate) fn dead_letter(&self) {
        self.dead.one();
    }

    /// A catch-up query is through.
    pub(crate) fn caught_up<T>(&self, begun: Instant, result: &Result<(CaughtUp, T), Error>) {
        self.catch_ups.one();
        match result {
            Ok((caught_up, _)) => self.catch_up_found.add(caught_up.found),
            Err(_) => self.catch_ups_failed.one(),
        }
        self.catch_up_micros.set(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
    }

    fn snapshot(&self) -> FeedMetrics {
        let stream = {
            let standing = locked(&self.stream);
            StreamMetrics {
                transport: standing.transport,
                open: standing.open,
                down: standing.down_since.map(|since| since.elapsed()),
                reconnects: standing.reconnects,
                failures: standing.failures,
                gap_total: standing.gap_total,
                last_gap: standing.last_gap,
            }
        };
        let catch_ups = self.catch_ups.get();
        FeedMetrics {
            stream,
            received: self.received.snapshot(),
            duplicates: self.duplicates.snapshot(),
            unreadable: self.unreadable.get(),
            handed_out: self.handed_out.get(),
            redelivered: self.redelivered.get(),
            acked: self.acked.get(),
            retried: self.retried.get(),
            dead_letters: self.dead.get(),
            catch_ups,
            catch_ups_failed: self.catch_ups_failed.get(),
            catch_up_found: self.catch_up_found.get(),
            catch_up_last: (catch_ups > 0).then(|| Duration::from_micros(self.catch_up_micros.get())),
            ack_lag: self.ack_lag.snapshot(),
            completion_lag: self.completion_lag.snapshot(),
        }
    }
}

/// Posts of webhooks, by what became of them.
#[derive(Debug, Default)]
pub(crate) struct ReceiverMeters {
    started: AtomicBool,
    accepted: Counter,
    refused_by_secret: Counter,
    refused: Counter,
    unavailable: Counter,
    failed: Counter,
}

impl ReceiverMeters {
    pub(crate) fn start(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, answer: Counted) {
        match answer {
            Counted::Accepted => &self.accepted,
            Counted::RefusedBySecret => &self.refused_by_secret,
            Counted::Refused => &self.refused,
            Counted::Unavailable => &self.unavailable,
            Counted::Failed => &self.failed,
        }
        .one();
    }

    fn snapshot(&self) -> ReceiverCounts {
        ReceiverCounts {
            accepted: self.accepted.get(),
            refused_by_secret: self.refused_by_secret.get(),
            refused: self.refused.get(),
            unavailable: self.unavailable.get(),
            failed: self.failed.get(),
        }
    }
}

/// Orders, by what became of them.
#[derive(Debug, Default)]
pub(crate) struct SenderMeters {
    started: AtomicBool,
    sent: Counter,
    failed: Counter,
    retried: Counter,
    superseded: Counter,
    pauses: Counter,
}

impl SenderMeters {
    pub(crate) fn start(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// What became of the orders of some requests is in the store.
    pub(crate) fn settled(&self, settlements: &[(Place, OrderSettlement)]) {
        for (_, settlement) in settlements {
            match settlement {
                OrderSettlement::Sent { .. } => &self.sent,
                OrderSettlement::Failed(_) => &self.failed,
                OrderSettlement::Retry { .. } => &self.retried,
            }
            .one();
        }
    }

    /// A newly queued order has taken the place of unsent ones.
    pub(crate) fn superseded(&self, count: u64) {
        self.superseded.add(count);
    }

    pub(crate) fn paused(&self) {
        self.pauses.one();
    }

    fn snapshot(&self) -> SenderMetrics {
        SenderMetrics {
            sent: self.sent.get(),
            failed: self.failed.get(),
            retried: self.retried.get(),
            superseded: self.superseded.get(),
            pauses: self.pauses.get(),
        }
    }
}

/// Requests to Pico and how long their answers took.
#[derive(Debug)]
pub(crate) struct RequestMeters {
    answered: Counter,
    refused: Counter,
    timed_out: Counter,
    failed: Counter,
    duration: Histogram,
}

impl Default for RequestMeters {
    fn default() -> Self {
        Self {
            answered: Counter::default(),
            refused: Counter::default(),
            timed_out: Counter::default(),
            failed: Counter::default(),
            duration: Histogram::new(REQUESTS),
        }
    }
}

impl RequestMeters {
    /// A request has an answer, or will have none.
    pub(crate) fn request<T>(&self, begun: Instant, result: &Result<T, Error>) {
        match result {
            Ok(_) => &self.answered,
            Err(error) if error.http_status().is_some() => &self.refused,
            Err(error) if error.kind() == ErrorKind::Timeout => &self.timed_out,
            Err(_) => &self.failed,
        }
        .one();
        self.duration.add(begun.elapsed());
    }

    fn snapshot(&self) -> RequestMetrics {
        RequestMetrics {
            answered: self.answered.get(),
            refused: self.refused.get(),
            timed_out: self.timed_out.get(),
            failed: self.failed.get(),
            duration: self.duration.snapshot(),
        }
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
