//! [`Outbox`]: orders that are on disk before the ERP goes on, with or without a sender that runs.

use std::path::PathBuf;
use std::sync::Arc;

use pico_erp::{Error, OrderCancel, OrderSave, OutboxEntry, OutboxState};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use tokio::sync::Mutex;

use crate::catalogue::Catalogue;
use crate::error::raise;
use crate::import::{self, ToldImport};
use crate::order::{ToldOrder, ToldUnit, requested, units, with_extra};
use crate::pages::Pages;
use crate::record;
use crate::settings::limit;
use crate::slot::Slot;
use crate::wait::wait;

/// The orders in a store on their way to Pico. Needs no sender to be filled and looked at, and works from another process
/// than the sender's: what is queued is on disk when the call returns, and is sent when a sender runs (`Client.outbox`).
///
/// Orders of the same order id, operation id and index are sent in the order of queueing. A later save takes the place of
/// an unsent one; a cancel takes the place of the unsent saves that it covers, and is sent itself, for an earlier save may
/// have reached Pico. With a `request_id` of the caller's, queueing an order again is the same as queueing it once: give
/// one where the ERP may die between its own commit and this call.
///
/// All calls raise StoreError and its subclasses when the store refuses, and ClosedError when it is closed.
#[pyclass(module = "pico_erp", frozen)]
pub(crate) struct Outbox {
    outbox: Slot<pico_erp::Outbox>,
}

impl Outbox {
    pub(crate) fn new(outbox: pico_erp::Outbox) -> Self {
        Self { outbox: Slot::new("outbox", outbox) }
    }

    fn get(&self, py: Python<'_>) -> PyResult<pico_erp::Outbox> {
        self.outbox.get().map_err(|error| raise(py, &error))
    }

    fn ask<T: Send, F>(&self, py: Python<'_>, ask: impl FnOnce(pico_erp::Outbox) -> F) -> PyResult<T>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        wait(py, None, None, ask(self.get(py)?))
    }
}

fn state(name: &str) -> Result<OutboxState, Error> {
    OutboxState::ALL.iter().copied().find(|state| state.name() == name).ok_or_else(|| {
        let names: Vec<&str> = OutboxState::ALL.iter().map(|state| state.name()).collect();
        Error::invalid("state", format!("is \"{name}\"; give one of {}", names.join(", ")))
    })
}

#[pymethods]
impl Outbox {
    /// Queues an order to be saved; it is on disk when this returns.
    ///
    /// Raises InvalidArgumentError naming the argument, also for a `request_id` that another order was queued under.
    #[pyo3(
        signature = (
            operation_id, external_order_id, *, order_index=0, select_optional_operation_ids=None, request_id=None,
            extra=None
        ),
        text_signature = "($self, operation_id, external_order_id, *, order_index=0, \
            select_optional_operation_ids=(), request_id=None, extra=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn save<'py>(
        &self,
        py: Python<'py>,
        operation_id: String,
        external_order_id: String,
        order_index: i64,
        select_optional_operation_ids: Option<Vec<String>>,
        request_id: Option<String>,
        extra: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let unit = ToldUnit { order_index, select_optional_operation_ids };
        let order = unit.of(OrderSave::new(operation_id, external_order_id));
        let order = with_extra(py, order.map_err(|error| raise(py, &error))?, extra.as_ref())?;
        let order = requested(order, request_id);
        let queued = self.ask(py, |outbox| async move { outbox.save(order).await })?;
        record::queued(py, queued)
    }

    /// Queues the order for the operation that a part number, and a revision where one is given, mean in the catalogue.
    /// Works while Pico is away.
    ///
    /// Raises as save() and Catalogue.order_by_part(), with nothing queued.
    #[pyo3(
        signature = (
            catalogue, external_order_id, part_number, revision=None, *, order_index=0,
            select_optional_operation_ids=None, request_id=None
        ),
        text_signature = "($self, catalogue, external_order_id, part_number, revision=None, *, order_index=0, \
            select_optional_operation_ids=(), request_id=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn save_by_part<'py>(
        &self,
        py: Python<'py>,
        catalogue: &Catalogue,
        external_order_id: String,
        part_number: String,
        revision: Option<String>,
        order_index: i64,
        select_optional_operation_ids: Option<Vec<String>>,
        request_id: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let unit = ToldUnit { order_index, select_optional_operation_ids };
        let catalogue = catalogue.get(py)?;
        let queued = self.ask(py, |outbox| async move {
            let order =
                catalogue.order_by_part(&external_order_id, &part_number, revision.as_deref()).await?;
            outbox.save(requested(unit.of(order)?, request_id)).await
        })?;
        record::queued(py, queued)
    }

    /// Queues many orders to be saved in one go: all of them or, on an error, none.
    ///
    /// Raises as save(); the message names the place of the order, from 0.
    fn save_all<'py>(&self, py: Python<'py>, orders: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let mut told = Vec::new();
        for (place, order) in orders.try_iter()?.enumerate() {
            let order = order?.extract::<ToldOrder>().map_err(|error| {
                PyTypeError::new_err(format!("orders[{place}] is no OrderSave: {}", error.value(py)))
            })?;
            told.push(order.requested().map_err(|error| raise(py, &at(place, &error)))?);
        }
        let queued = self.ask(py, |outbox| async move { outbox.save_all(told).await })?;
        let queued: Vec<_> =
            queued.into_iter().map(|queued| record::queued(py, queued)).collect::<PyResult<_>>()?;
        PyList::new(py, queued)
    }

    /// Queues a cancel of one unit of an order (`order_index`), or of all of them (`cancel_all=True`); it is on disk when
    /// this returns.
    ///
    /// Raises as save(), also unless exactly one of the two is given.
    #[pyo3(signature = (
        operation_id, external_order_id, *, order_index=None, cancel_all=false, request_id=None
    ))]
    fn cancel<'py>(
        &self,
        py: Python<'py>,
        operation_id: String,
        external_order_id: String,
        order_index: Option<i64>,
        cancel_all: bool,
        request_id: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let cancel = OrderCancel::new(operation_id, external_order_id, units(py, order_index, cancel_all)?);
        let queued = self.ask(py, |outbox| async move {
            match request_id {
                Some(id) => outbox.cancel(cancel.request_id(id)).await,
                None => outbox.cancel(cancel).await,
            }
        })?;
        record::queued(py, queued)
    }

    /// One order by its number; None when there is none.
    #[pyo3(name = "get")]
    fn entry<'py>(&self, py: Python<'py>, id: i64) -> PyResult<Option<Bound<'py, PyAny>>> {
        let entry = self.ask(py, |outbox| async move { outbox.get(id).await })?;
        entry.map(|entry| record::order(py, entry)).transpose()
    }

    /// Everything that was queued for one order of the ERP's, oldest first.
    fn find<'py>(&self, py: Python<'py>, external_order_id: String) -> PyResult<Bound<'py, PyList>> {
        let found = self.ask(py, |outbox| async move { outbox.find(external_order_id).await })?;
        let found: Vec<_> =
            found.into_iter().map(|entry| record::order(py, entry)).collect::<PyResult<_>>()?;
        PyList::new(py, found)
    }

    /// The orders in the order of queueing: those in `state`, or all. An iterator that reads page after page, and so sees
    /// what changes meanwhile.
    ///
    /// Raises InvalidArgumentError for a state that there is not.
    #[pyo3(signature = (state=None))]
    fn entries(&self, py: Python<'_>, state: Option<&str>) -> PyResult<OutboxEntries> {
        let state = state.map(self::state).transpose().map_err(|error| raise(py, &error))?;
        let outbox = self.get(py)?;
        let pages = Pages::new(move |last: Option<&OutboxEntry>, limit| {
            let (outbox, after) = (outbox.clone(), last.map_or(0, |last| last.id));
            async move { outbox.entries(state, after, limit).await }
        });
        Ok(OutboxEntries { pages: Slot::new("outbox", Arc::new(Mutex::new(pages))) })
    }

    /// How many orders are in which state.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let counts = self.ask(py, |outbox| async move { outbox.counts().await })?;
        record::outbox_counts(py, counts)
    }

    /// Queues a failed order again.
    ///
    /// Raises InvalidArgumentError when there is no such order, it has not failed, or a later one for the same unit was
    /// queued since, which the old one would undo.
    fn retry(&self, py: Python<'_>, id: i64) -> PyResult<()> {
        self.ask(py, |outbox| async move { outbox.retry(id).await })
    }

    /// Queues all failed orders again, but those that were followed by a later one for the same unit. Returns how many.
    fn retry_failed(&self, py: Python<'_>) -> PyResult<u64> {
        self.ask(py, |outbox| async move { outbox.retry_failed().await })
    }

    /// Gives an order up: one that is queued, waiting or failed.
    ///
    /// Raises InvalidArgumentError when there is no such order, or it is being sent or settled.
    fn drop(&self, py: Python<'_>, id: i64) -> PyResult<()> {
        self.ask(py, |outbox| async move { outbox.drop(id).await })
    }

    /// Waits until an order is settled: sent, failed, superseded or dropped; for ever, when no sender runs and there is no
    /// `timeout` in seconds.
    ///
    /// Raises TimeoutError when it was not in time, InvalidArgumentError when there is no such order.
    #[pyo3(signature = (id, timeout=None))]
    fn wait<'py>(&self, py: Python<'py>, id: i64, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let limit = limit("timeout", timeout).map_err(|error| raise(py, &error))?;
        let outbox = self.get(py)?;
        let entry = wait(py, limit, None, async { outbox.wait(id).await })?;
        record::order(py, entry)
    }

    /// Queues all orders of a file: CSV with a header, or JSON lines. The columns are `externalOrderId`, `operationId` or
    /// `partNumber` and `revision`, `orderIndex`, `quantity`, and `selectOptionalOperationIds` with `;` between ids, in
    /// any order and also in snake case.
    ///
    /// Interrupted in whatever way, run it again: a line is known by the file's content, the import's `name` (default: the
    /// file's), its place and the unit, and is queued once. A line that cannot be right is no exception: it is in the
    /// report and among the results. `catalogue` finds operations by part, and is waited for until it is ready, where a
    /// line needs it. `ignore_unknown_columns` lets columns be that are not known. `on_progress` is called with an
    /// ImportProgress after each few hundred orders, on this thread; when it raises, the import ends with that. What it is
    /// told of is on disk.
    ///
    /// Raises InvalidArgumentError for a file that cannot be read and for its header, and ClosedError when the catalogue
    /// holds nothing and is not kept.
    #[pyo3(signature = (path, *, name=None, catalogue=None, ignore_unknown_columns=false, on_progress=None))]
    fn import_orders<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        name: Option<String>,
        catalogue: Option<&Catalogue>,
        ignore_unknown_columns: bool,
        on_progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let catalogue = catalogue.map(|catalogue| catalogue.get(py)).transpose()?;
        let told = ToldImport { path, name, catalogue, ignore_unknown_columns };
        import::import(py, self.get(py)?, told, on_progress.as_ref())
    }

    /// What became of each order and each refused line of an import, in the order of the file, by the digest of its report.
    ///
    /// Raises InvalidArgumentError when nothing is known of such an import, as of a file without a line.
    fn import_results<'py>(&self, py: Python<'py>, digest: String) -> PyResult<Bound<'py, PyList>> {
        let results = self.ask(py, |outbox| async move { outbox.import_results(&digest).await })?;
        let results: Vec<_> =
            results.into_iter().map(|result| record::import_result(py, result)).collect::<PyResult<_>>()?;
        PyList::new(py, results)
    }

    /// Writes the same to a file, as CSV: `line,external_order_id,operation_id,order_index,result,message,error`.
    ///
    /// Raises as import_results(), and InvalidArgumentError for a file that cannot be written.
    fn write_import_results(&self, py: Python<'_>, digest: String, path: PathBuf) -> PyResult<()> {
        let results = self.ask(py, |outbox| async move { outbox.import_results(&digest).await })?;
        py.detach(|| import::write(&results, &path)).map_err(|error| raise(py, &error))
    }
}

/// The error with the place of the order in front.
fn at(place: usize, error: &Error) -> Error {
    Error::new(error.kind(), format!("orders[{place}]: {error}"))
}

/// The orders of an outbox, page by page. See Outbox.entries.
#[pyclass(module = "pico_erp._native", frozen)]
pub(crate) struct OutboxEntries {
    pages: Slot<Arc<Mutex<Pages<OutboxEntry>>>>,
}

#[pymethods]
impl OutboxEntries {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let pages = self.pages.get().map_err(|error| raise(py, &error))?;
        let entry = wait(py, None, None, async { pages.lock().await.next().await })?;
        entry.map(|entry| record::order(py, entry)).transpose()
    }
}
