//! [`Store`]: the file that outlives the process, opened and closed for Python.

use std::path::PathBuf;

use pico_erp::{Error, Retention};
use pyo3::prelude::*;

use crate::error::raise;
use crate::inbox::Inbox;
use crate::metrics::MetricsServer;
use crate::outbox::Outbox;
use crate::settings::count;
use crate::slot::Slot;
use crate::time::Span;
use crate::wait::wait;

/// One file that keeps completions, orders and operations over restarts, crashes and power cuts.
///
/// Made when there is none, unless `must_exist`. Whatever a call confirms is on disk when it returns. Several processes may
/// open the same file, to look at it, to queue orders or to replay dead letters; one at a time may run a feed on it, one
/// send its outbox, and one keep its catalogue. It must lie on a local disk: the locks do not hold on network file systems.
///
/// `max_size` is how large the file may grow, in bytes; beyond that the store refuses with StoreFullError, as on a full
/// disk. `keep_acked` is how long the text of an acknowledged completion is kept, `keep_sent` how long an order that was
/// sent is (90 days each), in seconds or as a timedelta. Keys of completions are kept for ever.
///
/// Raises InvalidArgumentError when `must_exist` and there is none, StoreDamagedError when the file is damaged or no
/// store (it is never overwritten: see `set_aside`), StoreFullError, and StoreError for what else the file system
/// refuses. Open it after `os.fork()`, not before.
#[pyclass(module = "pico_erp", frozen)]
pub(crate) struct Store {
    pub(crate) store: Slot<pico_erp::Store>,
    path: PathBuf,
}

#[pymethods]
impl Store {
    #[new]
    #[pyo3(
        signature = (
            path, *, must_exist=false, max_size=None, keep_acked=Span::Seconds(7_776_000.0),
            keep_sent=Span::Seconds(7_776_000.0)
        ),
        text_signature = "(path, *, must_exist=False, max_size=None, keep_acked=7776000.0, keep_sent=7776000.0)"
    )]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        must_exist: bool,
        max_size: Option<i64>,
        keep_acked: Span<'_>,
        keep_sent: Span<'_>,
    ) -> PyResult<Self> {
        let acked = keep_acked.read(py, "keep_acked")?;
        let sent = keep_sent.read(py, "keep_sent")?;
        let max_size = max_size
            .map(|size| count("max_size", size))
            .transpose()
            .map_err(|error: Error| raise(py, &error))?;
        let mut builder = pico_erp::Store::builder(path).retention(Retention { acked, sent });
        if must_exist {
            builder = builder.must_exist();
        }
        if let Some(max_size) = max_size {
            builder = builder.max_size(max_size);
        }
        let store = wait(py, None, None, builder.open())?;
        Ok(Self { path: store.location().into(), store: Slot::new("store", store) })
    }

    /// Moves a store's files out of the way, to `<path>.set-aside-<time>`, and returns the new path. For a damaged store,
    /// after somebody has decided to go on without it: what was acknowledged is then forgotten.
    ///
    /// Raises StoreInUseError while a feed runs on it, StoreError when the file system refuses.
    #[staticmethod]
    fn set_aside(py: Python<'_>, path: PathBuf) -> PyResult<PathBuf> {
        py.detach(|| pico_erp::Store::set_aside(path)).map_err(|error| raise(py, &error))
    }

    /// Where the file is: an absolute path.
    #[getter]
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Whether close() was called.
    #[getter]
    fn closed(&self) -> bool {
        self.store.is_empty()
    }

    /// The completions in this store.
    ///
    /// Raises ClosedError after close().
    #[getter]
    fn inbox(&self, py: Python<'_>) -> PyResult<Inbox> {
        let store = self.store.get().map_err(|error| raise(py, &error))?;
        Ok(Inbox::new(&store))
    }

    /// The orders in this store that are on their way to Pico.
    ///
    /// Raises ClosedError after close().
    #[getter]
    fn outbox(&self, py: Python<'_>) -> PyResult<Outbox> {
        let store = self.store.get().map_err(|error| raise(py, &error))?;
        Ok(Outbox::new(store.outbox()))
    }

    /// The numbers of this store, and of what runs on it in this process. A store that does not answer is told of by
    /// `Metrics.store.error`, and is no exception.
    ///
    /// Raises ClosedError after close().
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let store = self.store.get().map_err(|error| raise(py, &error))?;
        let metrics = wait(py, None, None, async { Ok::<_, Error>(store.metrics().await) })?;
        crate::metrics::record(py, &metrics)
    }

    /// Serves the metrics over HTTP for Prometheus at `bind`, such as "127.0.0.1:9464", until the server is closed; port 0
    /// takes a free one. It asks for no secret: listen where only those come who may know how much a plant produces.
    ///
    /// Raises InvalidArgumentError when the address cannot be listened on, ClosedError after close().
    #[pyo3(signature = (bind="127.0.0.1:9464".to_owned()), text_signature = "($self, bind='127.0.0.1:9464')")]
    fn serve_metrics(&self, py: Python<'_>, bind: String) -> PyResult<MetricsServer> {
        let store = self.store.get().map_err(|error| raise(py, &error))?;
        MetricsServer::start(py, &store, bind)
    }

    /// Waits until all that was asked of the store is on disk, and closes the file. What still runs on it ends. May be
    /// called again.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Some(store) = self.store.take() else {
            return Ok(());
        };
        wait(py, None, None, async {
            store.close().await;
            Ok(())
        })
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

    fn __repr__(&self) -> String {
        format!("Store({:?})", self.path.display().to_string())
    }
}
