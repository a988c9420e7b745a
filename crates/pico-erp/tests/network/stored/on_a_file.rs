//! Everything that works on a store, in SQLite.

use pico_erp::{Store, StoreBuilder};

/// A place for a store that is gone after the test.
pub(super) struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    pub(super) async fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn builder(&self) -> StoreBuilder {
        Store::builder(self.folder.path().join("erp.pico"))
    }

    /// The store there, opened anew each time, as by another process.
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
