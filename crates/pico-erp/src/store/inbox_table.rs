//! [`InboxTable`]: completions from their arrival until they are settled, and what the rest of the crate knows of a row.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::client::StreamTransport;
use crate::error::Error;
use crate::json::Json;

/// How a completion came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// By a live stream over Server-Sent Events.
    Sse,
    /// By a live stream over WebSocket.
    WebSocket,
    /// By polling, where no stream gets through.
    Poll,
    /// By a POST of Pico's to the webhook receiver.
    Webhook,
    /// By the catch-up query, so no live source had brought it.
    CatchUp,
}

impl Source {
    /// Every source.
    pub const ALL: &[Self] = &[Self::Sse, Self::WebSocket, Self::Poll, Self::Webhook, Self::CatchUp];

    /// The name in the store, in logs and in `--json` output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::WebSocket => "web_socket",
            Self::Poll => "poll",
            Self::Webhook => "webhook",
            Self::CatchUp => "catch_up",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|source| source.name() == name)
    }
}

impl From<StreamTransport> for Source {
    fn from(transport: StreamTransport) -> Self {
        match transport {
            StreamTransport::WebSocket => Self::WebSocket,
            StreamTransport::Poll => Self::Poll,
            StreamTransport::Sse | StreamTransport::Auto => Self::Sse,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a completion stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InboxState {
    /// Waits to be handed out.
    Ready,
    /// Is with the consumer.
    HandedOut,
    /// Waits until it is handed out again.
    Waiting,
    /// The consumer has acknowledged it.
    Acked,
    /// A dead letter: rejected, unreadable, or tried too often. It is kept until it is replayed or dropped.
    Dead,
    /// Never handed out: it was there before the feed, which was told to begin later; or it is a dead letter that was dropped.
    Skipped,
}

impl InboxState {
    /// Every state, by number.
    pub const ALL: &[Self] =
        &[Self::Ready, Self::HandedOut, Self::Waiting, Self::Acked, Self::Dead, Self::Skipped];

    /// The name in `--json` output and in the store's views.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::HandedOut => "handed_out",
            Self::Waiting => "waiting",
            Self::Acked => "acked",
            Self::Dead => "dead",
            Self::Skipped => "skipped",
        }
    }

    /// The number in the store.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Ready => 0,
            Self::HandedOut => 1,
            Self::Waiting => 2,
            Self::Acked => 3,
            Self::Dead => 4,
            Self::Skipped => 5,
        }
    }

    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// What makes two reports the same completion.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) order_id: String,
    /// Empty where Pico names none.
    pub(crate) operation_id: String,
    /// 0 where Pico names none: that is what an index left out stands for when an order is saved.
    pub(crate) order_index: i64,
    /// In microseconds since 1970.
    pub(crate) at: i64,
}

/// A report of a completion.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) key: Key,
    pub(crate) serial: Option<String>,
    pub(crate) body: Json,
    pub(crate) source: Source,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    New,
    Known,
}

/// A row that was handed out, and the fence that says to whom: each time it is handed out the fence grows, so an answer
/// of somebody who had it before does not fit any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) id: i64,
    pub(crate) fence: i64,
}

/// A completion as it is handed out.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) id: i64,
    pub(crate) fence: i64,
    /// How often it has been handed out, this time included.
    pub(crate) attempt: u32,
    pub(crate) source: Source,
    pub(crate) arrived: i64,
    pub(crate) body: Json,
}

impl Claimed {
    pub(crate) fn place(&self) -> Place {
        Place { id: self.id, fence: self.fence }
    }
}

/// What is to become of a completion that was handed out.
#[derive(Debug, Clone)]
pub(crate) enum Settlement {
    Ack,
    /// Again at this time, in microseconds since 1970.
    Retry {
        at: i64,
        reason: String,
    },
    Dead {
        reason: String,
    },
    /// As if it had not been handed out.
    Return,
}

/// How many completions are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboxCounts {
    /// Waiting to be handed out.
    pub ready: u64,
    /// With the consumer.
    pub handed_out: u64,
    /// Waiting until they are handed out again.
    pub waiting: u64,
    /// Acknowledged.
    pub acked: u64,
    /// Dead letters.
    pub dead: u64,
    /// Never handed out.
    pub skipped: u64,
}

/// One completion of the inbox, as it is listed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InboxEntry {
    /// Its number in the inbox, in the order of arrival.
    pub id: i64,
    /// The ERP's order id; empty where what came could not be read.
    pub external_order_id: String,
    /// The operation that was completed.
    pub operation_id: Option<String>,
    /// The unit of the order, from 0.
    pub order_index: i64,
    /// When it was completed.
    pub at: Option<Timestamp>,
    /// The serial of the unit, where there was one.
    pub produced_serial: Option<String>,
    /// Where it stands.
    pub state: InboxState,
    /// How often it was handed out.
    pub attempts: u32,
    /// How it came in first.
    pub source: Source,
    /// When it came in.
    pub arrived: Timestamp,
    /// When it is handed out again, while it waits.
    pub due: Option<Timestamp>,
    /// When it got into this state, once it was handed out.
    pub settled: Option<Timestamp>,
    /// Why it waits or is dead.
    pub reason: Option<String>,
    /// What Pico sent; gone when it was acknowledged long ago.
    pub raw: Option<Json>,
}

/// How far a source has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Watermark {
    /// The source.
    pub source: Source,
    /// The latest time of completion that it reported.
    pub at: Timestamp,
    /// When it last reported one.
    pub heard: Timestamp,
    /// How many it reported, those known already included.
    pub reports: u64,
}

/// A time of the store's; one that no calendar holds is the nearest that one does.
pub(super) fn time(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(if microseconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// The inbox in a store. Times are microseconds since 1970.
pub(crate) trait InboxTable {
    /// Takes in a report, unless it is known.
    fn receive(&mut self, arrival: &Arrival, now: i64) -> Result<Received, Error>;
    /// Takes in a report as one that is never to be handed out, unless it is known.
    fn receive_skipped(&mut self, arrival: &Arrival, now: i64) -> Result<Received, Error>;
    /// Keeps as a dead letter what cannot be read, once.
    fn receive_unreadable(
        &mut self,
        body: &Json,
        source: Source,
        reason: &str,
        now: i64,
    ) -> Result<Received, Error>;
    /// Advances the watermark of a source by one batch.
    fn advance(&mut self, source: Source, at: i64, reports: u64, now: i64) -> Result<(), Error>;
    /// The watermarks of all sources that have reported.
    fn watermarks(&mut self) -> Result<Vec<Watermark>, Error>;
    /// Hands out the first completion that is due and has no unsettled one of the same unit before it. One that was handed
    /// out `limit` times without an answer becomes a dead letter instead. Where several nodes work on the store, it is handed
    /// out again when it is not settled for so long as it is `visible`, or when its node is gone.
    fn claim(&mut self, limit: u32, now: i64, visible: Duration) -> Result<Claim, Error>;
    /// Says what becomes of one that was handed out. One that is not handed out any more, or was handed to somebody else
    /// since, is left alone; then this is false, unless it is to be acknowledged and was acknowledged by the same.
    fn settle(&mut self, place: Place, settlement: &Settlement, now: i64) -> Result<bool, Error>;
    /// Lets the one that has it keep it for so long from now on; false when it has it no more.
    fn extend(&mut self, place: Place, visible: Duration) -> Result<bool, Error>;
    /// The latest time of completion that any source has reported.
    fn latest(&mut self) -> Result<Option<i64>, Error>;
    /// Makes all ready that a consumer that is gone had been handed. Nothing where nodes have leases: they run out.
    fn recover(&mut self) -> Result<u64, Error>;
    /// How many are in which state.
    fn inbox_counts(&mut self) -> Result<InboxCounts, Error>;
    /// Lists those in one state, or all, with a number above `after`, at most `limit`.
    fn inbox_entries(
        &mut self,
        state: Option<InboxState>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<InboxEntry>, Error>;
    /// One by its number.
    fn inbox_entry(&mut self, id: i64) -> Result<Option<InboxEntry>, Error>;
    /// Hands out again what is dead or acknowledged and still has its text; false when it cannot be.
    fn replay(&mut self, id: i64) -> Result<bool, Error>;
    /// Hands out all dead letters again.
    fn replay_dead(&mut self) -> Result<u64, Error>;
    /// Gives a dead letter up for good; false when it is none.
    fn drop_dead(&mut self, id: i64, now: i64) -> Result<bool, Error>;
    /// Drops the text of what was acknowledged before `before`, at most `limit`.
    fn expire_inbox(&mut self, before: i64, limit: usize) -> Result<usize, Error>;
}

/// What there is to hand out.
#[derive(Debug)]
pub(crate) enum Claim {
    One(Claimed),
    /// It has become a dead letter: there may be others.
    Dead {
        id: i64,
        reason: String,
    },
    /// Nothing now; the time of the next that waits.
    Nothing {
        due: Option<i64>,
    },
}
