//! [`Place`]: where a feed, a sender or a catalogue keeps its things: a store, or the path of one that it opens and closes
//! itself.

use std::path::PathBuf;

use pico_erp::Error;
use pyo3::prelude::*;

use crate::error::raise;
use crate::store::Store;
use crate::wait::wait;

/// A store, or the path of one that belongs to what runs on it.
#[derive(FromPyObject)]
pub(crate) enum Place<'py> {
    Store(Bound<'py, Store>),
    Path(PathBuf),
}

/// The store where it was given by its path, to be closed with what runs on it.
pub(crate) struct OwnStore(Option<pico_erp::Store>);

impl OwnStore {
    /// Of what runs on somebody else's store.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) async fn close(&self) {
        if let Some(store) = &self.0 {
            store.close().await;
        }
    }
}

impl Place<'_> {
    /// Opens the store where it is given by its path, and starts what is to run on it.
    pub(crate) fn start<T: Send, F>(
        self,
        py: Python<'_>,
        start: impl FnOnce(pico_erp::Store) -> F + Send,
    ) -> PyResult<(T, OwnStore)>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        let place = match self {
            Self::Store(store) => Ok(store.get().store.get().map_err(|error| raise(py, &error))?),
            Self::Path(path) => Err(path),
        };
        wait(py, None, None, async move {
            let (store, own) = match place {
                Ok(store) => (store, false),
                Err(path) => (pico_erp::Store::open(path).await?, true),
            };
            let started = start(store.clone()).await;
            let own = OwnStore(own.then_some(store));
            if started.is_err() {
                own.close().await;
            }
            Ok((started?, own))
        })
    }
}
