//! [`Store`]: the file or the database that outlives the process, opened and closed for Python.

use std::path::PathBuf;

use pico_erp::{Error, Retention};
use pyo3::prelude::*;

use crate::client::BaseClient;
use crate::error::raise;
use crate::inbox::Inbox;
use crate::metrics::MetricsServer;
use crate::outbox::Outbox;
use crate::settings::count;
use crate::slot::Slot;
use crate::time::Span;
use crate::wait::wait;

/// A file, or a database that several nodes share, that keeps completions, orders and operations over restarts, crashes and
/// power cuts.
///
/// `place` is a path, whose file is made when there is none, or the URL of a PostgreSQL database
/// (`"postgres://user@host/database"`), whose tables are made when there are none; with `must_exist` nothing is made.
/// Whatever a call confirms is on disk when it returns.
///
/// A file is for one machine. Several processes may open it, to look at it, to queue orders or to replay dead letters; for
/// each plant one at a time may run a feed on it, one send its outbox, and one keep its catalogue. It must lie on a local
/// disk: the locks do not hold on network file systems. A database is for several nodes, which share the work.
///
/// `max_size` is how large the file may grow, in bytes; beyond that the store refuses with StoreFullError, as on a full
/// disk. `keep_acked` is how long the text of an acknowledged completion is kept, `keep_sent` how long an order that was
/// sent is (90 days each), in seconds or as a timedelta. Keys of completions are kept for ever. With a database,
/// `node_lease` is how long a node counts as being there after it was last heard of, a second at least, and `connections`
/// how many are used for work, 1 to 64.
///
/// A store may hold several plants, each with its own Pico: see `plant`.
///
/// Raises InvalidArgumentError when `must_exist` and there is none, StoreDamagedError when the file is damaged or no
/// store (it is never overwritten: see `set_aside`), StoreFullError, and StoreError for what else the file system or the
/// database refuses. Open it after `os.fork()`, not before.
#[pyclass(module = "pico_erp", frozen)]
pub(crate) struct Store {
    pub(crate) store: Slot<pico_erp::Store>,
    location: String,
    plant_name: String,
}

impl Store {
    pub(crate) fn new(store: pico_erp::Store) -> Self {
        Self {
            location: store.location(),
            plant_name: store.plant_name().to_owned(),
            store: Slot::new("store", store),
        }
    }

    fn get(&self, py: Python<'_>) -> PyResult<pico_erp::Store> {
        self.store.get().map_err(|error| raise(py, &error))
    }
}

#[pymethods]
impl Store {
    #[new]
    #[pyo3(
        signature = (
            place, *, must_exist=false, max_size=None, keep_acked=Span::Seconds(7_776_000.0),
            keep_sent=Span::Seconds(7_776_000.0), node_lease=Span::Seconds(10.0), connections=4
        ),
        text_signature = "(place, *, must_exist=False, max_size=None, keep_acked=7776000.0, keep_sent=7776000.0, \
            node_lease=10.0, connections=4)"
    )]
    #[expect(clippy::too_many_arguments, reason = "Python's keyword arguments are its builder")]
    fn open(
        py: Python<'_>,
        place: PathBuf,
        must_exist: bool,
        max_size: Option<i64>,
        keep_acked: Span<'_>,
        keep_sent: Span<'_>,
        node_lease: Span<'_>,
        connections: i64,
    ) -> PyResult<Self> {
        let acked = keep_acked.read(py, "keep_acked")?;
        let sent = keep_sent.read(py, "keep_sent")?;
        let max_size = max_size
            .map(|size| count("max_size", size))
            .transpose()
            .map_err(|error: Error| raise(py, &error))?;
        let node_lease = node_lease.read(py, "node_lease")?;
        let connections = count("connections", connections).map_err(|error| raise(py, &error))?;
        let mut builder = pico_erp::Store::builder(place)
            .retention(Retention { acked, sent })
            .node_lease(node_lease)
            .connections(connections);
        if must_exist {
            builder = builder.must_exist();
        }
        if let Some(max_size) = max_size {
            builder = builder.max_size(max_size);
        }
        let store = wait(py, None, None, builder.open())?;
        Ok(Self::new(store))
    }

    /// Moves a store's files out of the way, to `<path>.set-aside-<time>`, and returns the new path. For a damaged store,
    /// after somebody has decided to go on without it: what was acknowledged is then forgotten.
    ///
    /// Raises StoreInUseError while a feed runs on it, StoreError when the file system refuses, InvalidArgumentError for a
    /// database.
    #[staticmethod]
    fn set_aside(py: Python<'_>, path: PathBuf) -> PyResult<PathBuf> {
        py.detach(|| pico_erp::Store::set_aside(path)).map_err(|error| raise(py, &error))
    }

    /// Where it is: the absolute path of the file, or the URL of the database without the password.
    #[getter]
    fn location(&self) -> &str {
        &self.location
    }

    /// The name of the plant that this is the store of; empty for the one without a name.
    #[getter]
    fn plant_name(&self) -> &str {
        &self.plant_name
    }

    /// The same store for one of several plants, each with a Pico of its own. Feeds, outboxes, catalogues and inboxes that are
    /// made of it know of nothing but that plant. Closing one closes the store for all.
    ///
    /// Raises InvalidArgumentError for a name that is empty, longer than 64 characters, or has others than ASCII letters,
    /// digits, ".", "-" and "_"; ClosedError after close().
    fn plant(&self, py: Python<'_>, name: &str) -> PyResult<Self> {
        self.get(py)?.plant(name).map(Self::new).map_err(|error| raise(py, &error))
    }

    /// The plants that have been worked with in this store, by name, whether this process does or not.
    ///
    /// Raises StoreError when the store refuses, ClosedError after close().
    fn plants(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        wait(py, None, None, self.get(py)?.plant_names())
    }

    /// Says that this plant's completions and orders belong to the Pico of `client` from now on, after it has moved to another
    /// host. Feeds, senders and catalogues refuse to start with the client of another Pico than the one that they were first
    /// started with.
    ///
    /// Raises StoreError when the store refuses, ClosedError after close() of either.
    fn rebind(&self, py: Python<'_>, client: &BaseClient) -> PyResult<()> {
        let client = client.core().map_err(|error| raise(py, &error))?;
        wait(py, None, None, self.get(py)?.rebind(&client))
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
        Ok(Inbox::new(self.get(py)?.inbox()))
    }

    /// The notes in this store that a feed of notes has taken in. An entry's `external_order_id` is the id of the note, its
    /// `produced_serial` the number of the event.
    ///
    /// Raises ClosedError after close().
    #[getter]
    fn notes_inbox(&self, py: Python<'_>) -> PyResult<Inbox> {
        Ok(Inbox::new(self.get(py)?.notes_inbox()))
    }

    /// The orders in this store that are on their way to Pico.
    ///
    /// Raises ClosedError after close().
    #[getter]
    fn outbox(&self, py: Python<'_>) -> PyResult<Outbox> {
        Ok(Outbox::new(self.get(py)?.outbox()))
    }

    /// The numbers of this store, and of what runs on it in this process. A store that does not answer is told of by
    /// `Metrics.store.error`, and is no exception.
    ///
    /// Raises ClosedError after close().
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let store = self.get(py)?;
        let metrics = wait(py, None, None, async { Ok::<_, Error>(store.metrics().await) })?;
        crate::metrics::record(py, &metrics)
    }

    /// Serves the metrics over HTTP for Prometheus at `bind`, such as "127.0.0.1:9464", until the server is closed; port 0
    /// takes a free one. It asks for no secret: listen where only those come who may know how much a plant produces.
    ///
    /// Raises InvalidArgumentError when the address cannot be listened on, ClosedError after close().
    #[pyo3(signature = (bind="127.0.0.1:9464".to_owned()), text_signature = "($self, bind='127.0.0.1:9464')")]
    fn serve_metrics(&self, py: Python<'_>, bind: String) -> PyResult<MetricsServer> {
        let store = self.get(py)?;
        MetricsServer::start(py, &store, bind)
    }

    /// Waits until all that was asked of the store is on disk, and closes it. What still runs on it ends, and other plants of it are
    /// closed too. May be
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
        match self.plant_name.as_str() {
            "" => format!("Store({:?})", self.location),
            plant => format!("Store({:?}).plant({plant:?})", self.location),
        }
    }
}
