//! [`Catalogue`]: a local copy of Pico's operations, and the orders that are made by part number.

use std::sync::Arc;
use std::time::Duration;

use pico_erp::{CatalogueChanges, CatalogueEntry, Client, Error, ErrorKind, runtime};
use pyo3::prelude::*;
use pyo3::types::PyList;
use tokio::sync::Mutex;

use crate::client::Closes;
use crate::error::raise;
use crate::order::ToldUnit;
use crate::pages::Pages;
use crate::place::{OwnStore, Place};
use crate::record;
use crate::settings::limit;
use crate::slot::Slot;
use crate::wait::wait;

/// A catalogue, and the store where it is the catalogue's own.
pub(crate) struct Kept {
    catalogue: pico_erp::Catalogue,
    own_store: OwnStore,
}

impl Kept {
    async fn end(&self) {
        self.catalogue.close().await;
        self.own_store.close().await;
    }
}

impl Closes for Kept {
    fn close(&self) {
        // An error would be a fork, and then there is nothing to end.
        let end = async {
            self.end().await;
            Ok(())
        };
        let _ = runtime::block_on(end, None, None);
    }
}

/// A copy of Pico's operations in a store: found by id, by part number and by code without asking Pico. Made by
/// Client.catalogue, which keeps it current, or by Catalogue.offline, which only reads.
///
/// Iteration goes over all operations in the order of their ids, those that are archived or no longer listed included;
/// `len()` counts those that Pico lists. Keep the object: one that is dropped is not kept current any more. The copy stays.
///
/// All calls raise StoreError and its subclasses when the store refuses, and ClosedError after close().
#[pyclass(module = "pico_erp", frozen, weakref)]
pub(crate) struct Catalogue {
    kept: Slot<Arc<Kept>>,
}

impl Catalogue {
    /// Opens the store where it is given by its path, and starts to keep the copy.
    pub(crate) fn start(
        py: Python<'_>,
        client: &Client,
        place: Place<'_>,
        refresh_every: Duration,
    ) -> PyResult<(Self, Arc<Kept>)> {
        let (catalogue, own_store) = place.start(py, |store| async move {
            pico_erp::Catalogue::builder(client, &store).refresh_every(refresh_every).start().await
        })?;
        let kept = Arc::new(Kept { catalogue, own_store });
        Ok((Self { kept: Slot::new("catalogue", Arc::clone(&kept)) }, kept))
    }

    /// One that somebody else has started, and keeps.
    pub(crate) fn of(catalogue: pico_erp::Catalogue) -> Self {
        let kept = Arc::new(Kept { catalogue, own_store: OwnStore::none() });
        Self { kept: Slot::new("catalogue", kept) }
    }

    /// The core's handle.
    pub(crate) fn get(&self, py: Python<'_>) -> PyResult<pico_erp::Catalogue> {
        let kept = self.kept.get().map_err(|error| raise(py, &error))?;
        Ok(kept.catalogue.clone())
    }

    fn ask<T: Send, F>(&self, py: Python<'_>, ask: impl FnOnce(pico_erp::Catalogue) -> F) -> PyResult<T>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        wait(py, None, None, ask(self.get(py)?))
    }
}

fn list(py: Python<'_>, entries: Vec<CatalogueEntry>) -> PyResult<Bound<'_, PyList>> {
    let entries: Vec<_> =
        entries.into_iter().map(|entry| record::catalogue_entry(py, entry)).collect::<PyResult<_>>()?;
    PyList::new(py, entries)
}

#[pymethods]
impl Catalogue {
    /// A catalogue that is only read: another process keeps it current, or none does. `store` is a Store, or the path of
    /// one, which is closed with the catalogue.
    #[staticmethod]
    fn offline(py: Python<'_>, store: Place<'_>) -> PyResult<Self> {
        let (catalogue, own_store) =
            store.start(py, |store| async move { Ok(pico_erp::Catalogue::offline(&store)) })?;
        Ok(Self { kept: Slot::new("catalogue", Arc::new(Kept { catalogue, own_store })) })
    }

    /// Waits until there is a whole list of operations: one from an earlier run, or the first of this; at most `timeout`
    /// seconds.
    ///
    /// Raises TimeoutError when it was not in time, ClosedError when there is none and nobody here will read one.
    #[pyo3(signature = (timeout=None))]
    fn ready(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let limit = limit("timeout", timeout).map_err(|error| raise(py, &error))?;
        let catalogue = self.get(py)?;
        wait(py, limit, None, catalogue.ready())
    }

    /// How current it is.
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let status = self.ask(py, |catalogue| async move { catalogue.status().await })?;
        record::catalogue_status(py, status)
    }

    /// The changes that this process makes to it from now on: an iterator that ends with the catalogue.
    fn changes(&self, py: Python<'_>) -> PyResult<Changes> {
        let changes = self.get(py)?.changes();
        Ok(Changes { changes: Slot::new("catalogue", Arc::new(Mutex::new(changes))) })
    }

    /// The operation with that id, also when it is archived or no longer listed; None when there is none.
    fn by_id<'py>(&self, py: Python<'py>, id: String) -> PyResult<Option<Bound<'py, PyAny>>> {
        let entry = self.ask(py, |catalogue| async move { catalogue.by_id(&id).await })?;
        entry.map(|entry| record::catalogue_entry(py, entry)).transpose()
    }

    /// All operations with that part number, and that revision where one is given, those that are archived or no longer
    /// listed included. Blanks around either do not count.
    #[pyo3(signature = (part_number, revision=None))]
    fn by_part<'py>(
        &self,
        py: Python<'py>,
        part_number: String,
        revision: Option<String>,
    ) -> PyResult<Bound<'py, PyList>> {
        let found = self
            .ask(py, |catalogue| async move { catalogue.by_part(&part_number, revision.as_deref()).await })?;
        list(py, found)
    }

    /// All operations with that code: one of those that Pico sends, or else one of the pieces of the part number between
    /// bars (`|`).
    fn by_code<'py>(&self, py: Python<'py>, code: String) -> PyResult<Bound<'py, PyList>> {
        let found = self.ask(py, |catalogue| async move { catalogue.by_code(&code).await })?;
        list(py, found)
    }

    /// The order for the one operation that a part number, and a revision where one is given, mean: what
    /// Outbox.save_all takes. Asks the store only, so it works while Pico is away.
    ///
    /// Raises InvalidArgumentError naming `part_number` or `revision` when no operation, several, or only ones that are
    /// archived or no longer listed are meant; the message says which.
    #[pyo3(
        signature = (
            external_order_id, part_number, revision=None, *, order_index=0, select_optional_operation_ids=None,
            request_id=None
        ),
        text_signature = "($self, external_order_id, part_number, revision=None, *, order_index=0, \
            select_optional_operation_ids=(), request_id=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn order_by_part<'py>(
        &self,
        py: Python<'py>,
        external_order_id: String,
        part_number: String,
        revision: Option<String>,
        order_index: i64,
        select_optional_operation_ids: Option<Vec<String>>,
        request_id: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let unit = ToldUnit { order_index, select_optional_operation_ids };
        let order = self.ask(py, |catalogue| async move {
            let order =
                catalogue.order_by_part(&external_order_id, &part_number, revision.as_deref()).await?;
            unit.of(order)
        })?;
        record::order_save(py, order, request_id)
    }

    /// Whether close() was called.
    #[getter]
    fn closed(&self) -> bool {
        self.kept.is_empty()
    }

    /// Stops keeping it, and waits until another may; a store that was given by its path is closed as well. May be called
    /// again.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Some(kept) = self.kept.take() else {
            return Ok(());
        };
        wait(py, None, None, async {
            kept.end().await;
            Ok(())
        })
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let count = self.ask(py, |catalogue| async move { catalogue.len().await })?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<CatalogueEntries> {
        let catalogue = self.get(py)?;
        let pages = Pages::new(move |last: Option<&CatalogueEntry>, limit| {
            let (catalogue, after) = (catalogue.clone(), last.and_then(|last| last.operation.id.clone()));
            async move { catalogue.page(after.as_deref(), limit).await }
        });
        Ok(CatalogueEntries { pages: Slot::new("catalogue", Arc::new(Mutex::new(pages))) })
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (exc_type, exc, traceback))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: Option<Bound<'_, PyAny>>,
        exc: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _ = (exc_type, exc, traceback);
        self.close(py)
    }
}

/// The entries of a catalogue, page by page. See Catalogue.
#[pyclass(module = "pico_erp._native", frozen)]
pub(crate) struct CatalogueEntries {
    pages: Slot<Arc<Mutex<Pages<CatalogueEntry>>>>,
}

#[pymethods]
impl CatalogueEntries {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let pages = self.pages.get().map_err(|error| raise(py, &error))?;
        let entry = wait(py, None, None, async { pages.lock().await.next().await })?;
        entry.map(|entry| record::catalogue_entry(py, entry)).transpose()
    }
}

/// The changes of a catalogue: an iterator over its revisions, numbers that grow with each change, which ends with the
/// catalogue. A reader that is behind gets the newest only.
#[pyclass(module = "pico_erp", name = "CatalogueChanges", frozen)]
pub(crate) struct Changes {
    changes: Slot<Arc<Mutex<CatalogueChanges>>>,
}

impl Changes {
    fn wait_next(&self, py: Python<'_>, limit: Option<Duration>) -> PyResult<Option<u64>> {
        let changes = self.changes.get().map_err(|error| raise(py, &error))?;
        wait(py, limit, None, async { Ok(changes.lock().await.next().await) })
    }
}

#[pymethods]
impl Changes {
    /// Waits for the next change.
    ///
    /// Raises TimeoutError after `timeout` seconds, ClosedError when the catalogue is not kept any more.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<u64> {
        let limit = limit("timeout", timeout).map_err(|error| raise(py, &error))?;
        let ended = || raise(py, &Error::new(ErrorKind::Closed, "the catalogue is not kept any more"));
        self.wait_next(py, limit)?.ok_or_else(ended)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.wait_next(py, None)
    }
}
