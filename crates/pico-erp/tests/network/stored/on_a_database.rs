//! Everything that works on a store, in PostgreSQL.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pico_erp::{Store, StoreBuilder};
use pico_erp_test_cluster::Cluster;

pub(super) struct Ground {
    url: String,
}

impl Ground {
    pub(super) async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        static DATABASE: OnceLock<String> = OnceLock::new();
        let database = DATABASE.get_or_init(|| Cluster::shared().database());
        let sign = if database.contains('?') { '&' } else { '?' };
        Self { url: format!("{database}{sign}schema=ground_{}", NEXT.fetch_add(1, Ordering::Relaxed)) }
    }

    pub(super) fn builder(&self) -> StoreBuilder {
        // As short as can be, so that what waits for a node that is gone is soon over.
        Store::builder(&self.url).node_lease(Duration::from_secs(1)).connections(2)
    }

    /// The store there, opened anew each time, as by another node.
    pub(super) async fn open(&self) -> Store {
        self.builder().open().await.unwrap()
    }
}

#[path = "catalogue.rs"]
mod catalogue;
#[path = "feeds.rs"]
mod feeds;
#[path = "outbox.rs"]
mod outbox;
