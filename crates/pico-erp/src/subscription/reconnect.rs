//! When to connect again, sans-IO: it is told what happened and when, and answers how long to wait.

use std::time::{Duration, Instant};

use crate::client::StreamPolicy;
use crate::error::{Error, ErrorKind};

/// The memory of a subscription across its connections.
#[derive(Debug)]
pub(crate) struct Reconnect {
    policy: StreamPolicy,
    failures: u32,
    opened: Option<Instant>,
    last_heard: Option<Instant>,
    asked: Option<Duration>,
}

impl Reconnect {
    pub(crate) fn new(policy: StreamPolicy) -> Self {
        Self { policy, failures: 0, opened: None, last_heard: None, asked: None }
    }

    /// The stream is open. Returns how long nothing was heard, unless this is the first time.
    pub(crate) fn opened(&mut self, now: Instant) -> Option<Duration> {
        self.opened = Some(now);
        self.last_heard.replace(now).map(|heard| now.duration_since(heard))
    }

    /// Bytes came, whatever they were.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.last_heard = Some(now);
    }

    /// The server sent `retry:`.
    pub(crate) fn asked_to_wait(&mut self, wait: Duration) {
        self.asked = Some(wait);
    }

    /// The connection failed or ended. Returns the failures in a row and the wait before the next try.
    ///
    /// A connection that held for `stable_after` starts the count anew. `jitter` is a random number in `0.0..1.0`.
    pub(crate) fn lost(&mut self, cause: &Error, now: Instant, jitter: f64) -> (u32, Duration) {
        let stable =
            self.opened.take().is_some_and(|opened| now.duration_since(opened) >= self.policy.stable_after);
        self.failures = if stable { 1 } else { self.failures.saturating_add(1) };
        let asked = cause.retry_after().or(self.asked);
        (self.failures, self.policy.backoff.wait(self.failures, jitter, asked, self.policy.retry_ceiling))
    }
}

/// Whether trying again cannot mend `error`: a wrong argument, a refused token, a document that the server does not
/// accept, a path that is not there. Everything else may pass.
pub(crate) fn is_fatal(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::InvalidArgument | ErrorKind::Unauthorized => true,
        ErrorKind::Graphql | ErrorKind::HttpStatus => !error.is_retryable(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backoff::Backoff;

    fn policy() -> StreamPolicy {
        StreamPolicy {
            backoff: Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) },
            stable_after: Duration::from_secs(60),
            retry_ceiling: Duration::from_secs(300),
            ..StreamPolicy::default()
        }
    }

    fn cut() -> Error {
        Error::new(ErrorKind::ConnectionLost, "cut")
    }

    #[test]
    fn waits_grow_until_a_connection_has_been_stable() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut reconnect = Reconnect::new(policy());
        assert_eq!(reconnect.lost(&cut(), at(0), 1.0), (1, Duration::from_secs(1)));
        assert_eq!(reconnect.lost(&cut(), at(1), 1.0), (2, Duration::from_secs(2)));
        assert_eq!(reconnect.opened(at(3)), None);
        assert_eq!(
            reconnect.lost(&cut(), at(4), 1.0),
            (3, Duration::from_secs(4)),
            "one second is not stable"
        );
        reconnect.opened(at(8));
        assert_eq!(reconnect.lost(&cut(), at(68), 1.0), (1, Duration::from_secs(1)), "sixty are");
    }

    #[test]
    fn the_gap_is_counted_from_the_last_byte() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut reconnect = Reconnect::new(policy());
        assert_eq!(reconnect.opened(at(0)), None);
        reconnect.heard(at(10));
        reconnect.lost(&cut(), at(30), 0.0);
        assert_eq!(reconnect.opened(at(31)), Some(Duration::from_secs(21)));
    }

    #[test]
    fn what_the_server_asks_for_is_honoured_up_to_the_ceiling() {
        let now = Instant::now();
        let mut reconnect = Reconnect::new(policy());
        reconnect.asked_to_wait(Duration::from_secs(7));
        assert_eq!(reconnect.lost(&cut(), now, 0.0).1, Duration::from_secs(7));
        reconnect.asked_to_wait(Duration::from_secs(86_400));
        assert_eq!(reconnect.lost(&cut(), now, 0.0).1, Duration::from_secs(300));
        let busy = Error::new(ErrorKind::RateLimited, "busy").with_retry_after(Some(Duration::from_secs(11)));
        assert_eq!(reconnect.lost(&busy, now, 0.0).1, Duration::from_secs(11));
    }

    #[test]
    fn only_what_cannot_mend_itself_is_fatal() {
        for (kind, status, fatal) in [
            (ErrorKind::Unauthorized, 401, true),
            (ErrorKind::HttpStatus, 404, true),
            (ErrorKind::HttpStatus, 503, false),
            (ErrorKind::RateLimited, 429, false),
            (ErrorKind::NotJson, 200, false),
            (ErrorKind::Graphql, 400, true),
        ] {
            assert_eq!(is_fatal(&Error::new(kind, "x").with_http_status(status)), fatal, "{kind:?} {status}");
        }
        for kind in [ErrorKind::Connect, ErrorKind::Dns, ErrorKind::Tls, ErrorKind::Proxy, ErrorKind::Timeout]
        {
            assert!(!is_fatal(&Error::new(kind, "x")), "{kind:?}");
        }
    }
}
