//! How long to wait before trying again: exponential with full jitter. Pure arithmetic; it reads no clock.
//!
//! Full jitter (a uniform draw between zero and the exponential bound) spreads many clients that lost the same
//! server best; see "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

use std::time::Duration;

/// The bounds of a growing wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The bound of the first wait.
    pub base: Duration,
    /// The bound that is never passed, except where a server asks for more.
    pub cap: Duration,
}

impl Backoff {
    /// The bound of the wait after `failures` failures in a row (from 1).
    #[must_use]
    pub fn bound(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }

    /// The wait: uniform between zero and the bound, but no shorter than the server asked for.
    ///
    /// `jitter` is a random number in `0.0..1.0`; `asked` is a `Retry-After` or an SSE `retry:`, of which at most
    /// `ceiling` is honoured so that a mistaken server cannot silence the client for a day.
    #[must_use]
    pub fn wait(self, failures: u32, jitter: f64, asked: Option<Duration>, ceiling: Duration) -> Duration {
        let own = self.bound(failures).mul_f64(jitter.clamp(0.0, 1.0));
        own.max(asked.unwrap_or_default().min(ceiling))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) };

    #[test]
    fn the_bound_doubles_up_to_the_cap() {
        let bounds: Vec<u64> =
            [1, 2, 3, 6, 7, 8, 100, u32::MAX].iter().map(|n| BACKOFF.bound(*n).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn the_wait_is_jittered_below_the_bound_and_above_what_was_asked() {
        let ceiling = Duration::from_secs(300);
        assert_eq!(BACKOFF.wait(3, 0.0, None, ceiling), Duration::ZERO);
        assert_eq!(BACKOFF.wait(3, 0.5, None, ceiling), Duration::from_secs(2));
        assert_eq!(BACKOFF.wait(1, 0.5, Some(Duration::from_secs(9)), ceiling), Duration::from_secs(9));
        assert_eq!(BACKOFF.wait(1, 0.5, Some(Duration::from_secs(9999)), ceiling), ceiling);
    }
}
