//! [`Pace`]: how long a client may take, and for what. Knows no socket and reads no clock: told what happens and when,
//! it says until when the next thing must.
//!
//! hyper has one time-out for reading a head, and counts the wait for a next request under it. Here the two differ: ten
//! seconds are long for a head, and short for a connection kept open between two completions.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The limits of one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From the connection, or from a request's first byte, to the end of its head. The TLS handshake has as long too.
    pub(super) head: Duration,
    /// For the client to take an answer.
    pub(super) answer: Duration,
    /// Between an answer and the next request.
    pub(super) idle: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A request's head is being read.
    Head { until: Instant },
    /// A request is being handled. The body's time-out is the handler's; storing takes as long as it takes.
    Handling,
    /// An answer is being written.
    Answering { until: Instant },
    /// The connection is kept for a next request.
    Idle { until: Instant },
}

/// Where one connection stands. Shared by its socket and its request handler.
#[derive(Debug)]
pub(super) struct Pace {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    unread: bool,
}

impl Pace {
    /// A connection that was made at `now`.
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        let phase = Phase::Head { until: now + limits.head };
        Self { limits, state: Mutex::new(State { phase, unread: false }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes came.
    pub(super) fn received(&self, now: Instant) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Idle { .. }) {
            state.phase = Phase::Head { until: now + self.limits.head };
        }
    }

    /// A head is complete.
    pub(super) fn handling(&self) {
        *self.lock() = State { phase: Phase::Handling, unread: false };
    }

    /// A request has its answer. `unread` says that its body may not have been read to the end.
    pub(super) fn answering(&self, unread: bool, now: Instant) {
        *self.lock() = State { phase: Phase::Answering { until: now + self.limits.answer }, unread };
    }

    /// All that was written is with the operating system.
    pub(super) fn flushed(&self, now: Instant) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Answering { .. }) {
            state.phase = Phase::Idle { until: now + self.limits.idle };
        }
    }

    /// Until when the client must have done what it is waited for, if it is.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.lock().phase {
            Phase::Head { until } | Phase::Answering { until } | Phase::Idle { until } => Some(until),
            Phase::Handling => None,
        }
    }

    /// Whether a head is awaited: of the first request, or of one whose first byte has come.
    pub(super) fn is_reading_head(&self) -> bool {
        matches!(self.lock().phase, Phase::Head { .. })
    }

    /// Whether the client may be sending a body that nobody reads.
    pub(super) fn is_unread(&self) -> bool {
        self.lock().unread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const ANSWER: Duration = Duration::from_secs(30);
    const IDLE: Duration = Duration::from_secs(60);

    #[test]
    fn each_phase_has_its_own_limit() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let pace = Pace::new(Limits { head: HEAD, answer: ANSWER, idle: IDLE }, start);
        assert_eq!(pace.deadline(), Some(start + HEAD));
        // A byte now and then does not prolong it.
        pace.received(at(9));
        assert_eq!(pace.deadline(), Some(start + HEAD));
        pace.handling();
        assert_eq!(pace.deadline(), None);
        pace.received(at(11));
        pace.flushed(at(11));
        assert_eq!(pace.deadline(), None, "an interim answer ends nothing");
        pace.answering(true, at(20));
        assert_eq!((pace.deadline(), pace.is_unread()), (Some(at(20) + ANSWER), true));
        pace.flushed(at(21));
        assert_eq!((pace.deadline(), pace.is_reading_head()), (Some(at(21) + IDLE), false));
        // The next request's first byte starts the limit of its head.
        pace.received(at(70));
        assert_eq!((pace.deadline(), pace.is_reading_head()), (Some(at(70) + HEAD), true));
        pace.handling();
        assert!(!pace.is_unread());
    }
}
