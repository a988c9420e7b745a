//! How fast the sender may go: pauses after failures, and single calls where a server takes no batches. Sans-IO: it is
//! told what happened and when.

use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::error::Error;

/// How long a server that refused a batch is sent single calls before a batch is tried again.
pub(crate) const SINGLES: Duration = Duration::from_secs(10 * 60);

/// Which requests count together: those that were under way when one failed fail of the same cause, and are one failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Round(u64);

#[derive(Debug)]
pub(crate) struct Pace {
    backoff: Backoff,
    ceiling: Duration,
    concurrency: usize,
    batch: usize,
    round: u64,
    failures: u32,
    paused_until: Option<Instant>,
    singles_until: Option<Instant>,
}

/// Whether a request may be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// With at most so many orders.
    Go { batch: usize },
    /// Not before one of those under way has ended.
    Full,
    /// Not before this time.
    Paused(Instant),
}

impl Pace {
    pub(crate) fn new(backoff: Backoff, ceiling: Duration, concurrency: usize, batch: usize) -> Self {
        Self {
            backoff,
            ceiling,
            concurrency,
            batch,
            round: 0,
            failures: 0,
            paused_until: None,
            singles_until: None,
        }
    }

    pub(crate) fn leave(&self, under_way: usize, now: Instant) -> Leave {
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Leave::Paused(until);
        }
        // After a failure one request finds out whether the server is back; not four.
        let places = if self.failures > 0 { 1 } else { self.concurrency };
        if under_way >= places {
            return Leave::Full;
        }
        Leave::Go { batch: if self.batching(now) { self.batch } else { 1 } }
    }

    pub(crate) fn round(&self) -> Round {
        Round(self.round)
    }

    pub(crate) fn batching(&self, now: Instant) -> bool {
        self.batch > 1 && self.singles_until.is_none_or(|until| until <= now)
    }

    pub(crate) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| *until > now)
    }

    /// A request of `round` was answered.
    pub(crate) fn answered(&mut self, round: Round) {
        if round.0 == self.round {
            self.failures = 0;
            self.paused_until = None;
        }
    }

    /// The server refused a batch.
    pub(crate) fn no_batches(&mut self, now: Instant) {
        self.singles_until = Some(now + SINGLES);
    }

    /// A request of `round` got nothing. Returns how long to wait; `jitter` is a random number in `0.0..1.0`.
    pub(crate) fn failed(&mut self, round: Round, error: &Error, now: Instant, jitter: f64) -> Duration {
        if round.0 == self.round {
            self.failures = self.failures.saturating_add(1);
            self.round += 1;
        }
        let wait = self.backoff.wait(self.failures, jitter, error.retry_after(), self.ceiling);
        let until = now + wait;
        self.paused_until = Some(self.paused_until.map_or(until, |other| other.max(until)));
        wait
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;

    fn pace() -> Pace {
        let backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) };
        Pace::new(backoff, Duration::from_secs(300), 4, 50)
    }

    fn lost() -> Error {
        Error::new(ErrorKind::ConnectionLost, "cut")
    }

    #[test]
    fn four_requests_that_fail_together_are_one_failure_and_one_probe_follows() {
        let now = Instant::now();
        let mut pace = pace();
        let round = pace.round();
        for _ in 0..4 {
            assert_eq!(pace.failed(round, &lost(), now, 1.0), Duration::from_secs(1));
        }
        let until = now + Duration::from_secs(1);
        assert_eq!(pace.leave(0, now), Leave::Paused(until));
        assert_eq!(pace.leave(0, until), Leave::Go { batch: 50 });
        assert_eq!(pace.leave(1, until), Leave::Full, "one probe only");
        assert_eq!(pace.failed(pace.round(), &lost(), until, 1.0), Duration::from_secs(2));
        pace.answered(round);
        assert!(pace.paused_until(until).is_some(), "an answer from before the failure says nothing");
        pace.answered(pace.round());
        assert_eq!(pace.leave(3, until), Leave::Go { batch: 50 });
    }

    #[test]
    fn a_wait_the_server_asks_for_is_kept_up_to_the_ceiling() {
        let now = Instant::now();
        let mut pace = pace();
        let busy = |seconds| lost().with_retry_after(Some(Duration::from_secs(seconds)));
        assert_eq!(pace.failed(pace.round(), &busy(7), now, 0.0), Duration::from_secs(7));
        assert_eq!(pace.failed(pace.round(), &busy(9999), now, 0.0), Duration::from_secs(300));
    }

    #[test]
    fn batches_are_tried_again_after_ten_minutes() {
        let now = Instant::now();
        let mut pace = pace();
        pace.no_batches(now);
        assert_eq!(pace.leave(0, now), Leave::Go { batch: 1 });
        assert!(!pace.batching(now + SINGLES - Duration::from_secs(1)));
        assert_eq!(pace.leave(0, now + SINGLES), Leave::Go { batch: 50 });
    }

    proptest! {
        #[test]
        fn a_pause_always_ends_and_never_more_go_than_allowed(
            events in prop::collection::vec((0..3_u8, 0..100_u64, 0.0..1.0_f64), 0..60)
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut pace = pace();
            for (event, seconds, jitter) in events {
                now += Duration::from_secs(seconds);
                match event {
                    0 => { pace.failed(pace.round(), &lost(), now, jitter); }
                    1 => pace.answered(pace.round()),
                    _ => pace.no_batches(now),
                }
                prop_assert_eq!(pace.leave(4, now + Duration::from_secs(60)), Leave::Full);
                let goes = matches!(pace.leave(0, now + Duration::from_secs(60)), Leave::Go { .. });
                prop_assert!(goes);
            }
        }
    }
}
