//! When to read the whole list and when to open the stream again, sans-IO: told what happened and when, it answers with
//! times.

use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::error::Error;

/// How long the first list waits for the stream, which is to be open before. Some networks never let one through.
const STREAM_FIRST: Duration = Duration::from_secs(5);
/// At least so long after a list before an event that could not be used makes for the next: a Pico that sends nothing
/// else must not be asked for its whole list without end.
const AFTER_PROBLEM: Duration = Duration::from_secs(5);
/// How much of a `Retry-After` is honoured at most.
const RETRY_CEILING: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct Schedule {
    refresh_every: Duration,
    retry: Backoff,
    list_due: Instant,
    listing: bool,
    /// The list that is being read may be older than what was missed meanwhile.
    again: bool,
    last_list: Option<Instant>,
    list_failures: u32,
    stream_due: Option<Instant>,
    stream_failures: u32,
}

impl Schedule {
    pub(super) fn new(refresh_every: Duration, retry: Backoff, now: Instant) -> Self {
        Self {
            refresh_every,
            retry,
            list_due: now + STREAM_FIRST.min(refresh_every),
            listing: false,
            again: false,
            last_list: None,
            list_failures: 0,
            stream_due: None,
            stream_failures: 0,
        }
    }

    /// As at the beginning.
    pub(super) fn restart(&mut self, now: Instant) {
        *self = Self::new(self.refresh_every, self.retry, now);
    }

    /// When to begin a list; `None` while one is being read.
    pub(super) fn list_due(&self) -> Option<Instant> {
        (!self.listing).then_some(self.list_due)
    }

    /// When to open the stream; `None` while there is one.
    pub(super) fn stream_due(&self) -> Option<Instant> {
        self.stream_due
    }

    pub(super) fn list_begun(&mut self) {
        self.listing = true;
        self.again = false;
    }

    pub(super) fn list_done(&mut self, now: Instant) {
        self.listing = false;
        self.list_failures = 0;
        self.last_list = Some(now);
        self.list_due = if self.again { now } else { now + self.refresh_every };
    }

    /// The list failed; `jitter` is a random number in `0.0..1.0`.
    pub(super) fn list_failed(&mut self, error: &Error, now: Instant, jitter: f64) {
        self.listing = false;
        self.list_failures = self.list_failures.saturating_add(1);
        let wait = self.retry.wait(self.list_failures, jitter, error.retry_after(), RETRY_CEILING);
        self.list_due = now + wait;
    }

    /// The stream is open, for the first time or again: what happened before is in the list only.
    pub(super) fn stream_opened(&mut self, now: Instant) {
        self.stream_failures = 0;
        self.due(now);
    }

    /// An event was lost or could not be used.
    pub(super) fn event_missed(&mut self, now: Instant) {
        let earliest = self.last_list.map_or(now, |last| (last + AFTER_PROBLEM).max(now));
        self.due(earliest);
    }

    /// The stream has ended for good, as streams go. Returns how long until it is opened anew.
    pub(super) fn stream_closed(&mut self, error: Option<&Error>, now: Instant, jitter: f64) -> Duration {
        self.stream_failures = self.stream_failures.saturating_add(1);
        let asked = error.and_then(Error::retry_after);
        let wait = self.retry.wait(self.stream_failures, jitter, asked, RETRY_CEILING);
        self.stream_due = Some(now + wait);
        wait
    }

    pub(super) fn stream_begun(&mut self) {
        self.stream_due = None;
    }

    fn due(&mut self, at: Instant) {
        if self.listing {
            self.again = true;
        } else {
            self.list_due = self.list_due.min(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const RETRY: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) };
    const REFRESH: Duration = Duration::from_secs(600);

    fn after(start: Instant, at: Option<Instant>) -> Option<u64> {
        at.map(|at| at.duration_since(start).as_secs())
    }

    #[test]
    fn the_first_list_follows_the_stream_or_does_without_it() {
        let start = Instant::now();
        let mut schedule = Schedule::new(REFRESH, RETRY, start);
        assert_eq!(after(start, schedule.list_due()), Some(5));
        schedule.stream_opened(start + Duration::from_secs(1));
        assert_eq!(after(start, schedule.list_due()), Some(1));
        schedule.list_begun();
        assert_eq!(schedule.list_due(), None);
        schedule.list_done(start + Duration::from_secs(2));
        assert_eq!(after(start, schedule.list_due()), Some(602));
    }

    #[test]
    fn a_gap_while_a_list_is_read_makes_for_another() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut schedule = Schedule::new(REFRESH, RETRY, start);
        schedule.list_begun();
        schedule.stream_opened(at(1));
        schedule.list_done(at(2));
        assert_eq!(after(start, schedule.list_due()), Some(2));
        schedule.list_begun();
        schedule.list_done(at(3));
        assert_eq!(after(start, schedule.list_due()), Some(603), "one is enough");
        schedule.stream_opened(at(10));
        assert_eq!(after(start, schedule.list_due()), Some(10));
    }

    #[test]
    fn events_that_cannot_be_used_do_not_ask_for_the_list_without_end() {
        let start = Instant::now();
        let mut schedule = Schedule::new(REFRESH, RETRY, start);
        schedule.list_begun();
        schedule.list_done(start);
        schedule.event_missed(start);
        schedule.event_missed(start + Duration::from_secs(1));
        assert_eq!(after(start, schedule.list_due()), Some(5));
    }

    #[test]
    fn failures_wait_longer_each_time_and_as_long_as_the_server_asks() {
        let start = Instant::now();
        let error = Error::new(ErrorKind::Connect, "no");
        let mut schedule = Schedule::new(REFRESH, RETRY, start);
        for expected in [1, 2, 4] {
            schedule.list_begun();
            schedule.list_failed(&error, start, 1.0);
            assert_eq!(after(start, schedule.list_due()), Some(expected));
        }
        let busy = Error::new(ErrorKind::RateLimited, "busy").with_retry_after(Some(Duration::from_secs(30)));
        schedule.list_begun();
        schedule.list_failed(&busy, start, 0.0);
        assert_eq!(after(start, schedule.list_due()), Some(30));

        assert_eq!(schedule.stream_closed(Some(&error), start, 1.0), Duration::from_secs(1));
        schedule.stream_begun();
        assert_eq!(schedule.stream_due(), None);
        assert_eq!(schedule.stream_closed(None, start, 1.0), Duration::from_secs(2));
        schedule.stream_opened(start);
        assert_eq!(schedule.stream_closed(None, start, 1.0), Duration::from_secs(1));
    }
}
