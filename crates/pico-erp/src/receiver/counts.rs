//! [`ReceiverCounts`]: what a receiver has answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::PlantMeters;
use crate::store::Store;

/// How many posts a receiver has answered, by what became of them. Questions to the health path are not counted, nor is
/// what was no HTTP request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiverCounts {
    /// Posts that were stored, also where the client had hung up before the answer.
    pub accepted: u64,
    /// Posts without a right secret.
    pub refused_by_secret: u64,
    /// Requests that could not be right: path, method, type, size, form.
    pub refused: u64,
    /// Posts that the store had no room for or failed on.
    pub unavailable: u64,
    /// Posts on which storing panicked or was broken off.
    pub failed: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    accepted: AtomicU64,
    refused_by_secret: AtomicU64,
    refused: AtomicU64,
    unavailable: AtomicU64,
    failed: AtomicU64,
    /// Where they are counted as well, over all receivers of a store.
    meters: Option<Arc<PlantMeters>>,
}

/// One answer, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Accepted,
    RefusedBySecret,
    Refused,
    Unavailable,
    Failed,
}

impl Counts {
    pub(super) fn metered(store: Option<&Store>) -> Self {
        let meters = store.map(|store| Arc::clone(store.meters()));
        meters.iter().for_each(|meters| meters.receiver.start());
        Self { meters, ..Self::default() }
    }

    pub(super) fn count(&self, answer: Counted) {
        let counter = match answer {
            Counted::Accepted => &self.accepted,
            Counted::RefusedBySecret => &self.refused_by_secret,
            Counted::Refused => &self.refused,
            Counted::Unavailable => &self.unavailable,
            Counted::Failed => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.meters.iter().for_each(|meters| meters.receiver.answered(answer));
    }

    pub(super) fn snapshot(&self) -> ReceiverCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ReceiverCounts {
            accepted: read(&self.accepted),
            refused_by_secret: read(&self.refused_by_secret),
            refused: read(&self.refused),
            unavailable: read(&self.unavailable),
            failed: read(&self.failed),
        }
    }
}
