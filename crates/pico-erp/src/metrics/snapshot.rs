//! [`MetricsSnapshot`]: all numbers of a store at one moment, as plain structs.

use std::time::Duration;

use jiff::Timestamp;

use super::histogram::HistogramSnapshot;
use crate::client::StreamTransport;
use crate::error::Error;
use crate::receiver::ReceiverCounts;
use crate::store::inbox_table::{InboxCounts, Source, Watermark};
use crate::store::outbox_table::OutboxCounts;

/// The numbers of a store, and of what runs on it in this process.
///
/// Counts are since the store was opened by this process. What the store keeps, as the numbers of completions by state, is
/// the same for every process that opens it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MetricsSnapshot {
    /// When it was taken.
    pub at: Timestamp,
    /// The store.
    pub store: StoreMetrics,
    /// Each Pico that the store has to do with, by name.
    pub plants: Vec<PlantMetrics>,
}

/// How a store does.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoreMetrics {
    /// Why it did not answer just now; `None` when it did.
    pub error: Option<Error>,
    /// Transactions, those that failed included.
    pub transactions: u64,
    /// Transactions that failed: nothing of theirs was kept.
    pub failures: u64,
    /// How long transactions took, from begin to the disk.
    pub commit: HistogramSnapshot,
}

/// The numbers of one Pico. What did not run in this process is `None`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PlantMetrics {
    /// Its name; empty for the one without.
    pub plant: String,
    /// What is in the store; `None` when that did not answer.
    pub kept: Option<KeptMetrics>,
    /// The feed.
    pub feed: Option<FeedMetrics>,
    /// The posts of webhooks.
    pub webhooks: Option<ReceiverCounts>,
    /// The sender of the outbox.
    pub sender: Option<SenderMetrics>,
    /// The requests of the client that the feed, the sender or the catalogue was started with.
    pub requests: Option<RequestMetrics>,
}

/// What is in a store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KeptMetrics {
    /// The completions, by state.
    pub inbox: InboxCounts,
    /// The orders, by state.
    pub outbox: OutboxCounts,
    /// How far each source of completions has come.
    pub watermarks: Vec<Watermark>,
    /// How long ago any source last reported a completion.
    pub last_event_age: Option<Duration>,
    /// How long the oldest completion has been waiting that is neither acknowledged nor dead.
    pub oldest_unacknowledged: Option<Duration>,
    /// How long the oldest order has been waiting that is still to be sent.
    pub oldest_unsent: Option<Duration>,
}

/// How many came by one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceCount {
    /// The source.
    pub source: Source,
    /// How many.
    pub count: u64,
}

/// A feed's live stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamMetrics {
    /// The way it goes, or tries to.
    pub transport: Option<StreamTransport>,
    /// Whether it is open.
    pub open: bool,
    /// How long it has not been open; `None` while it is, and where there is none.
    pub down: Option<Duration>,
    /// How often it was opened again.
    pub reconnects: u64,
    /// How often a connection was lost or could not be made.
    pub failures: u64,
    /// How long it was not open before it was opened again, all times together.
    pub gap_total: Duration,
    /// The last of these times.
    pub last_gap: Option<Duration>,
}

/// What a feed has done.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FeedMetrics {
    /// The live stream.
    pub stream: StreamMetrics,
    /// Reports of completions, by source, those known already included.
    pub received: Vec<SourceCount>,
    /// Reports of completions that were known already, by source.
    pub duplicates: Vec<SourceCount>,
    /// Reports that could not be read and were kept as dead letters.
    pub unreadable: u64,
    /// Completions handed to the consumer, each time counted.
    pub handed_out: u64,
    /// Those among them that had been handed out before.
    pub redelivered: u64,
    /// Completions that the consumer acknowledged.
    pub acked: u64,
    /// Completions that the consumer asked for again, or dropped without an answer.
    pub retried: u64,
    /// Completions that became dead letters.
    pub dead_letters: u64,
    /// Catch-up queries, those that failed included.
    pub catch_ups: u64,
    /// Catch-up queries that failed.
    pub catch_ups_failed: u64,
    /// Completions that only the catch-up query brought.
    pub catch_up_found: u64,
    /// How long the last catch-up query took.
    pub catch_up_last: Option<Duration>,
    /// From a completion's arrival to its acknowledgement.
    pub ack_lag: HistogramSnapshot,
    /// From the moment a unit was completed to its arrival, by this machine's clock and Pico's. Only of live sources.
    pub completion_lag: HistogramSnapshot,
}

/// What a sender has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SenderMetrics {
    /// Orders that Pico took.
    pub sent: u64,
    /// Orders that Pico refused.
    pub failed: u64,
    /// Orders that are to be sent again.
    pub retried: u64,
    /// Unsent orders whose place a newly queued one took, in this process.
    pub superseded: u64,
    /// How often sending was paused because nothing got through.
    pub pauses: u64,
}

/// Requests to Pico: calls, and the lists of catch-ups. Opening a stream is none.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RequestMetrics {
    /// Answered in GraphQL, with errors or without.
    pub answered: u64,
    /// Answered by something else, as HTTP 503 or a login page.
    pub refused: u64,
    /// Not answered in time.
    pub timed_out: u64,
    /// Not answered: no connection, or one that broke.
    pub failed: u64,
    /// How long it took, of all of them.
    pub duration: HistogramSnapshot,
}
