//! What a feed tells its operator besides the completions: notices as they happen, and where it stands.

use std::fmt;

use jiff::Timestamp;
use tokio::sync::broadcast;

use crate::error::Error;
use crate::store::inbox_table::{InboxCounts, Watermark};
use crate::subscription::StreamState;
use crate::webhook_keeper::KeeperNotice;

/// Something that happened to a feed. None of these loses a completion.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FeedNotice {
    /// The feed plays another part from now on. Only where several nodes share the store.
    Part(FeedPart),
    /// The live stream's connection changed.
    Stream(StreamState),
    /// The live stream could not use an event, or has ended for good and is opened again later. The catch-up query is
    /// asked for what is missing.
    Problem(Error),
    /// The catch-up query is through.
    CaughtUp(CaughtUp),
    /// The catch-up query failed, and is asked again.
    CatchUpFailed(Error),
    /// A completion has become a dead letter.
    DeadLetter {
        /// Its number in the inbox.
        id: i64,
        /// Why.
        reason: String,
    },
    /// The store refuses: its disk is full, for example. Nothing is read from the stream, and webhooks are answered
    /// 503, until it works again.
    Store(Error),
    /// A webhook that the feed keeps was registered, is gone, or its posts do not arrive.
    Webhook(KeeperNotice),
}

impl fmt::Display for FeedNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(FeedPart::Live) => f.write_str("this node has the live source"),
            Self::Part(FeedPart::Standby { live: Some(node) }) => {
                write!(f, "node {node} has the live source")
            }
            Self::Part(FeedPart::Standby { live: None }) => f.write_str("no node has the live source yet"),
            Self::Stream(StreamState::Connecting { transport }) => {
                write!(f, "connecting by {}", transport.name())
            }
            Self::Stream(StreamState::Open { transport, gap: None }) => {
                write!(f, "open by {}", transport.name())
            }
            Self::Stream(StreamState::Open { transport, gap: Some(gap) }) => {
                write!(f, "open again by {} after {gap:.1?} without", transport.name())
            }
            Self::Stream(StreamState::Switched { transport, cause }) => {
                write!(f, "goes by {} from now on: {cause}", transport.name())
            }
            Self::Stream(StreamState::Retrying { delay, cause, .. }) => {
                write!(f, "not connected, again in {delay:.1?}: {cause}")
            }
            Self::Problem(error) => write!(f, "stream: {error}"),
            Self::CaughtUp(CaughtUp { listed, found, .. }) => {
                write!(f, "caught up: {found} of {listed} listed completions were new")
            }
            Self::CatchUpFailed(error) => write!(f, "catch-up failed and is tried again: {error}"),
            Self::DeadLetter { id, reason } => write!(f, "completion {id} is a dead letter: {reason}"),
            Self::Store(error) => write!(f, "store: {error}"),
            Self::Webhook(notice) => write!(f, "webhook: {notice}"),
        }
    }
}

/// Which part a feed plays among those of the same plant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedPart {
    /// It holds the live stream, and asks Pico for what that missed. The only part there is when the store is a file.
    Live,
    /// Another node does that, and this one takes over when it is gone. It hands out completions all the same.
    Standby {
        /// The node that does: its machine and process id. `None` while nobody does.
        live: Option<String>,
    },
}

/// What a catch-up query brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaughtUp {
    /// When it was through.
    pub at: Timestamp,
    /// From which time on Pico was asked, where it can filter by time; otherwise it lists everything.
    pub since: Option<Timestamp>,
    /// How many completions Pico listed.
    pub listed: u64,
    /// How many of them no live source had brought.
    pub found: u64,
}

/// Where a feed stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FeedStatus {
    /// The completions in the inbox, by state.
    pub inbox: InboxCounts,
    /// How far each source has come.
    pub watermarks: Vec<Watermark>,
    /// Which part it plays.
    pub part: FeedPart,
    /// The live stream's last state; `None` where there is none.
    pub stream: Option<StreamState>,
    /// The last catch-up that was through.
    pub caught_up: Option<CaughtUp>,
    /// Why the last catch-up failed, when it did.
    pub catch_up_error: Option<Error>,
    /// Why the store refuses, while it does.
    pub store_error: Option<Error>,
}

/// The notices of a feed from the moment it was asked for them.
#[derive(Debug)]
pub struct FeedNotices(pub(super) broadcast::Receiver<FeedNotice>);

impl FeedNotices {
    /// The next notice; `None` when the feed is closed. A reader that is far behind misses the oldest: they are news, not a
    /// journal.
    pub async fn next(&mut self) -> Option<FeedNotice> {
        loop {
            match self.0.recv().await {
                Ok(notice) => return Some(notice),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
