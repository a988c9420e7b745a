//! Tells the caller of settled orders: on a task of its own, one after the other, with nothing locked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::sender::Owned;
use crate::store::outbox_table::OutboxEntry;

/// How many lists of settled orders may wait for the callback; then the sender waits.
const QUEUE: usize = 16;

/// What is called for each order that the sender settled.
pub type OnSettled = Arc<dyn Fn(&OutboxEntry) + Send + Sync>;

/// The way to the callback.
pub(super) struct Teller {
    queue: mpsc::Sender<Vec<OutboxEntry>>,
    task: Owned,
}

impl Teller {
    pub(super) fn start(on_settled: OnSettled) -> Self {
        let (queue, settled) = mpsc::channel(QUEUE);
        Self { queue, task: Owned::spawn(tell(settled, on_settled)) }
    }

    pub(super) async fn tell(&self, settled: Vec<OutboxEntry>) {
        // The task ends after its last order only.
        let _ = self.queue.send(settled).await;
    }

    /// Waits until all have been told.
    pub(super) async fn finish(self) {
        drop(self.queue);
        self.task.ended().await;
    }
}

async fn tell(mut settled: mpsc::Receiver<Vec<OutboxEntry>>, on_settled: OnSettled) {
    while let Some(entries) = settled.recv().await {
        let on_settled = Arc::clone(&on_settled);
        // Where it may block: what it does is the caller's, and the runtime's threads are not.
        let told = tokio::task::spawn_blocking(move || {
            for entry in &entries {
                if catch_unwind(AssertUnwindSafe(|| on_settled(entry))).is_err() {
                    tracing::error!(id = entry.id, "the callback for settled orders panicked");
                }
            }
        });
        // It fails only when the runtime ends, and with it this task.
        let _ = told.await;
    }
}
