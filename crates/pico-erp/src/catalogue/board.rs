//! What the keeper of a catalogue tells those that hold it: one value, watched.

use std::sync::Arc;

use tokio::sync::watch;

use super::CatalogueStream;
use crate::error::Error;

pub(super) struct Board(watch::Sender<Told>);

#[derive(Debug, Clone)]
pub(super) struct Told {
    /// Grows whenever operations change.
    pub(super) revision: u64,
    pub(super) stream: CatalogueStream,
    pub(super) last_error: Option<Arc<Error>>,
    /// Whether the store has held a whole list.
    pub(super) ready: bool,
    pub(super) ended: bool,
}

impl Board {
    pub(super) fn new(ready: bool, ended: bool) -> Self {
        let told = Told { revision: 0, stream: CatalogueStream::Offline, last_error: None, ready, ended };
        Self(watch::Sender::new(told))
    }

    pub(super) fn now(&self) -> Told {
        self.0.borrow().clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Told> {
        self.0.subscribe()
    }

    pub(super) fn changed(&self, changes: u64) {
        if changes > 0 {
            self.0.send_modify(|told| told.revision += 1);
        }
    }

    pub(super) fn stream(&self, stream: CatalogueStream) {
        self.0.send_modify(|told| told.stream = stream);
    }

    pub(super) fn failed(&self, error: Option<Arc<Error>>) {
        if error.is_some() {
            self.0.send_modify(|told| told.last_error = error);
        }
    }

    /// A whole list is in: what failed before is mended.
    pub(super) fn listed(&self) {
        self.0.send_modify(|told| {
            told.ready = true;
            told.last_error = None;
        });
    }

    pub(super) fn ended(&self) {
        self.0.send_modify(|told| {
            told.ended = true;
            told.stream = CatalogueStream::Offline;
        });
    }
}
