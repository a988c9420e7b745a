//! The metrics of a store for Python, and [`MetricsServer`], which serves them.

use std::net::SocketAddr;

use pico_erp::MetricsSnapshot;
use pyo3::prelude::*;

use crate::error::exception;
use crate::slot::Slot;
use crate::wait::wait;

/// The record of `pico_erp._metrics`, which is made of the JSON form.
pub(crate) fn record<'py>(py: Python<'py>, metrics: &MetricsSnapshot) -> PyResult<Bound<'py, PyAny>> {
    let error = metrics.store.error.as_ref().map(|error| exception(py, error)).transpose()?;
    let make = py.import("pico_erp._metrics")?.getattr("from_native")?;
    make.call1((metrics.to_json().as_str(), error, metrics.to_prometheus()))
}

/// Serves the metrics of a store over HTTP until it is closed. Made by Store.serve_metrics.
///
/// GET /metrics answers in Prometheus' text format, GET /healthz with 200 while the store answers and with 503 while not.
#[pyclass(module = "pico_erp", frozen)]
pub(crate) struct MetricsServer {
    server: Slot<pico_erp::MetricsServer>,
    address: SocketAddr,
}

impl MetricsServer {
    pub(crate) fn start(py: Python<'_>, store: &pico_erp::Store, bind: String) -> PyResult<Self> {
        let server = wait(py, None, None, store.metrics_server().bind(bind).start())?;
        Ok(Self { address: server.local_addr(), server: Slot::new("metrics server", server) })
    }
}

#[pymethods]
impl MetricsServer {
    /// The address it listens on and the port, such as "127.0.0.1:9464".
    #[getter]
    fn address(&self) -> String {
        self.address.to_string()
    }

    /// The port; tells which where 0 was asked for.
    #[getter]
    fn port(&self) -> u16 {
        self.address.port()
    }

    /// Ends it; the port is free then. May be called again.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Some(server) = self.server.take() else { return Ok(()) };
        wait(py, None, None, async {
            server.close().await;
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
        format!("MetricsServer({:?})", self.address.to_string())
    }
}
