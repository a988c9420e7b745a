//! [`Histogram`]: how long things took, counted in fixed buckets. Any thread may add to it; nothing is locked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the buckets, in microseconds, ascending.
pub(crate) type Bounds = &'static [u64];

/// Requests and their answers.
pub(crate) const REQUESTS: Bounds = &[
    5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
    30_000_000,
];
/// Transactions of a store.
pub(crate) const COMMITS: Bounds =
    &[100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000];
/// From the shop floor to the ERP: from fractions of a second to a day.
pub(crate) const LAGS: Bounds = &[
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    900_000_000,
    3_600_000_000,
    21_600_000_000,
    86_400_000_000,
];

#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: Bounds,
    /// One more than bounds: the last is for what is above them all.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    pub(crate) fn add(&self, time: Duration) {
        self.add_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    fn add_micros(&self, micros: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < micros);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// The time from one moment to a later one, both in microseconds since 1970; clocks that disagree count as none.
    pub(crate) fn add_between(&self, from: i64, to: i64) {
        self.add_micros(to.saturating_sub(from).max(0).cast_unsigned());
    }

    pub(crate) fn snapshot(&self) -> HistogramSnapshot {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        HistogramSnapshot {
            bounds: self.bounds.iter().copied().map(Duration::from_micros).collect(),
            counts,
            sum: Duration::from_micros(self.sum.load(Ordering::Relaxed)),
        }
    }
}

/// How long things took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistogramSnapshot {
    /// The upper bounds of the buckets, ascending.
    pub bounds: Vec<Duration>,
    /// How many fell into each bucket and into no lower one; the last is for what was longer than all bounds.
    pub counts: Vec<u64>,
    /// All times together.
    pub sum: Duration,
}

impl HistogramSnapshot {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// For each bound, how many took no longer.
    pub(crate) fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        self.bounds.iter().zip(&self.counts).scan(0, |below, (bound, count)| {
            *below += count;
            Some((*bound, *below))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_into_the_first_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::new(&[10, 100]);
        for micros in [0, 10, 11, 100, 101, 5_000] {
            histogram.add(Duration::from_micros(micros));
        }
        histogram.add_between(50, 20);
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.counts, [3, 2, 2]);
        assert_eq!((snapshot.count(), snapshot.sum), (7, Duration::from_micros(5_222)));
        let cumulative: Vec<_> = snapshot.cumulative().collect();
        assert_eq!(cumulative, [(Duration::from_micros(10), 3), (Duration::from_micros(100), 5)]);
    }

    #[test]
    fn bounds_ascend() {
        for bounds in [REQUESTS, COMMITS, LAGS] {
            assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{bounds:?}");
        }
    }
}
