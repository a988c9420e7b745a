//! [`OutboxTable`]: orders from their queueing until they are settled, and what the rest of the crate knows of a row.

use std::fmt;

use jiff::Timestamp;

use crate::error::Error;
use crate::json::Json;
use crate::orders::Units;
use crate::store::inbox_table::Place;

/// What is asked of Pico.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OrderKind {
    /// `operationOrderSave`.
    Save,
    /// `operationOrderCancel`.
    Cancel,
}

impl OrderKind {
    /// The name in `--json` output and in the store's views.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Save => "save",
            Self::Cancel => "cancel",
        }
    }

    /// The number in the store.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Save => 0,
            Self::Cancel => 1,
        }
    }

    pub(crate) const fn from_number(number: i64) -> Self {
        if number == 0 { Self::Save } else { Self::Cancel }
    }
}

impl fmt::Display for OrderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where an order of the outbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutboxState {
    /// Waits to be sent.
    Queued,
    /// Is being sent.
    Sending,
    /// Waits until it is sent again.
    Waiting,
    /// Pico has taken it.
    Sent,
    /// Pico has refused it. It is kept until it is retried or dropped.
    Failed,
    /// A later order took its place before it was sent.
    Superseded,
    /// It was dropped before Pico took it.
    Dropped,
}

impl OutboxState {
    /// Every state, by number.
    pub const ALL: &[Self] = &[
        Self::Queued,
        Self::Sending,
        Self::Waiting,
        Self::Sent,
        Self::Failed,
        Self::Superseded,
        Self::Dropped,
    ];

    /// The name in `--json` output and in the store's views.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::Dropped => "dropped",
        }
    }

    /// Whether nothing more happens to it by itself.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Queued | Self::Sending | Self::Waiting)
    }

    /// The number in the store.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Queued => 0,
            Self::Sending => 1,
            Self::Waiting => 2,
            Self::Sent => 3,
            Self::Failed => 4,
            Self::Superseded => 5,
            Self::Dropped => 6,
        }
    }

    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

impl fmt::Display for OutboxState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewOrder {
    pub(crate) order_id: String,
    pub(crate) operation_id: String,
    pub(crate) units: Units,
    pub(crate) kind: OrderKind,
    /// The mutation's input.
    pub(crate) input: String,
    pub(crate) request_id: Option<String>,
}

/// What became of an order that was to be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enqueued {
    New {
        id: i64,
        superseded: u64,
    },
    /// There is a row with its request id, with the same content or not.
    Known {
        id: i64,
        same: bool,
    },
}

/// An order as it is handed to the sender.
#[derive(Debug, Clone)]
pub(crate) struct ClaimedOrder {
    pub(crate) id: i64,
    pub(crate) fence: i64,
    pub(crate) kind: OrderKind,
    pub(crate) input: String,
    /// How often it has been handed to the sender, this time included.
    pub(crate) attempt: u32,
    /// Whether an earlier try may have been carried out without an answer.
    pub(crate) unsure: bool,
}

impl ClaimedOrder {
    pub(crate) fn place(&self) -> Place {
        Place { id: self.id, fence: self.fence }
    }
}

/// What there is to send: in one request, or nothing now.
#[derive(Debug)]
pub(crate) enum OrderClaim {
    /// One that must go alone.
    Single(ClaimedOrder),
    /// Saves that may go together.
    Batch(Vec<ClaimedOrder>),
    /// Nothing now; the time of the next that waits.
    Nothing { due: Option<i64> },
}

/// Why an order failed, or has to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) code: i32,
    pub(crate) text: String,
    pub(crate) graphql_errors: Option<String>,
}

impl Reason {
    pub(crate) fn of(error: &Error) -> Self {
        let raw: Vec<_> = error.graphql_errors().iter().map(|error| error.raw.as_str()).collect();
        let graphql_errors = (!raw.is_empty()).then(|| format!("[{}]", raw.join(",")));
        Self { code: error.code(), text: error.to_string(), graphql_errors }
    }
}

/// When an order that is not settled is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// As soon as the sender sends anything.
    Queued,
    /// At this time, in microseconds since 1970.
    At(i64),
}

/// What is to become of an order that was handed to the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OrderSettlement {
    Sent {
        message: String,
    },
    Failed(Reason),
    Retry {
        again: Again,
        reason: Option<Reason>,
        /// Not in a batch.
        alone: bool,
        /// It may have been carried out.
        unsure: bool,
        /// Whether this try counts.
        counts: bool,
    },
}

/// How many orders are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxCounts {
    /// Waiting to be sent.
    pub queued: u64,
    /// Being sent.
    pub sending: u64,
    /// Waiting until they are sent again.
    pub waiting: u64,
    /// Taken by Pico.
    pub sent: u64,
    /// Refused by Pico.
    pub failed: u64,
    /// Replaced by a later order before they were sent.
    pub superseded: u64,
    /// Dropped.
    pub dropped: u64,
}

impl OutboxCounts {
    /// How many are still to be sent.
    #[must_use]
    pub fn unsent(&self) -> u64 {
        self.queued + self.sending + self.waiting
    }
}

/// One order of the outbox, as it is listed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OutboxEntry {
    /// Its number in the outbox, in the order of queueing.
    pub id: i64,
    /// Save or cancel.
    pub kind: OrderKind,
    /// The ERP's order id.
    pub external_order_id: String,
    /// What is to be built.
    pub operation_id: String,
    /// Which units; a save is always about one.
    pub units: Units,
    /// The input of the mutation, as it is sent.
    pub input: Json,
    /// Where it stands.
    pub state: OutboxState,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was queued.
    pub queued: Timestamp,
    /// When it is sent again, while it waits.
    pub due: Option<Timestamp>,
    /// When it was settled.
    pub settled: Option<Timestamp>,
    /// The order that took its place, when it is superseded.
    pub superseded_by: Option<i64>,
    /// What Pico said: `created`, `updated`, `canceled`.
    pub message: Option<String>,
    /// Why it failed, or what went wrong the last time.
    pub error: Option<OutboxFailure>,
    /// The caller's id for it.
    pub request_id: Option<String>,
}

/// Why an order failed, or what went wrong the last time it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxFailure {
    /// The number of the [`crate::ErrorKind`].
    pub code: i32,
    /// The message.
    pub message: String,
    /// The errors as Pico sent them, a JSON list.
    pub graphql_errors: Option<String>,
}

/// Whether an order was queued again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retried {
    Queued,
    /// There is none of that id.
    Missing,
    /// It is not failed, but this.
    NotFailed(OutboxState),
    /// A later one of the same key was queued since; sending the old one would undo it.
    Overtaken(i64),
}

/// The outbox in a store. Times are microseconds since 1970.
pub(crate) trait OutboxTable {
    /// Queues an order, in place of unsent ones that it makes pointless.
    fn enqueue(&mut self, order: &NewOrder, now: i64) -> Result<Enqueued, Error>;
    /// Hands out what can go in one request, at most `limit` orders: what is due and has no unsettled one of the same key
    /// before it, oldest first.
    fn claim_orders(&mut self, limit: usize, now: i64) -> Result<OrderClaim, Error>;
    /// Says what becomes of one that was handed out. One that is not handed out any more, or was handed to another sender
    /// since, is left alone; then this is false.
    fn settle_order(&mut self, place: Place, settlement: &OrderSettlement, now: i64) -> Result<bool, Error>;
    /// Queues all again that a sender that is gone had been handed. Nothing where nodes have leases: they run out.
    fn recover_orders(&mut self) -> Result<u64, Error>;
    /// How many are in which state.
    fn outbox_counts(&mut self) -> Result<OutboxCounts, Error>;
    /// Whether anything is still to be sent.
    fn has_unsent(&mut self) -> Result<bool, Error>;
    /// Lists those in one state, or all, with a number above `after`, at most `limit`.
    fn outbox_entries(
        &mut self,
        state: Option<OutboxState>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, Error>;
    /// One by its number.
    fn outbox_entry(&mut self, id: i64) -> Result<Option<OutboxEntry>, Error>;
    /// All of one order of the ERP's.
    fn outbox_of(&mut self, order_id: &str) -> Result<Vec<OutboxEntry>, Error>;
    /// Those whose request id begins with `prefix`, in the order of these ids, after the id `after`, at most `limit`.
    fn outbox_requests(&mut self, prefix: &str, after: &str, limit: usize)
    -> Result<Vec<OutboxEntry>, Error>;
    /// Queues a failed one again.
    fn retry_order(&mut self, id: i64) -> Result<Retried, Error>;
    /// Queues all failed ones again that were not overtaken.
    fn retry_failed_orders(&mut self) -> Result<u64, Error>;
    /// Gives one up that is neither settled nor being sent, or failed; false when it is none of these.
    fn drop_order(&mut self, id: i64, now: i64) -> Result<bool, Error>;
    /// Keeps why a line of an imported file was refused.
    fn refuse_line(&mut self, import: &str, line: u64, reason: &Reason, now: i64) -> Result<(), Error>;
    /// The refused lines of an imported file.
    fn refused_lines(&mut self, import: &str) -> Result<Vec<(u64, Reason)>, Error>;
    /// Deletes what was settled before `before` and did not fail, at most `limit` of each kind.
    fn expire_outbox(&mut self, before: i64, limit: usize) -> Result<usize, Error>;
}
