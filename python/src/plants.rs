//! [`BasePlants`]: the native end of many plants, and [`Plant`]: one of them. The Python half wraps the first in `Plants`, which
//! adds iteration.

use std::path::PathBuf;
use std::sync::Arc;

use pico_erp::{PlantsConfig, runtime};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::catalogue::Catalogue;
use crate::delivery::Delivery;
use crate::error::raise;
use crate::feed::LOOK;
use crate::inbox::Inbox;
use crate::outbox::Outbox;
use crate::record;
use crate::settings::{limit, seconds};
use crate::slot::Slot;
use crate::store::Store;
use crate::wait::wait;

/// Many plants at work, as the Python half sees them. Not for direct use: see pico_erp.Plants.
#[pyclass(module = "pico_erp._native", frozen)]
pub(crate) struct BasePlants {
    config: PathBuf,
    plants: Slot<Arc<pico_erp::Plants>>,
}

impl BasePlants {
    fn get(&self, py: Python<'_>) -> PyResult<Arc<pico_erp::Plants>> {
        self.plants.get().map_err(|error| raise(py, &error))
    }
}

#[pymethods]
impl BasePlants {
    /// Reads the file, opens the store and starts the plants.
    #[new]
    #[pyo3(signature = (config))]
    fn start(py: Python<'_>, config: PathBuf) -> PyResult<Self> {
        let plants =
            wait(py, None, None, async { pico_erp::Plants::start(PlantsConfig::read(&config)?).await })?;
        Ok(Self { config, plants: Slot::new("plants", Arc::new(plants)) })
    }

    /// Waits for the next completion of any plant; None when they are closed.
    ///
    /// Raises TimeoutError after `timeout` seconds, StoreError for what no waiting mends.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Py<Delivery>>> {
        let plants = self.get(py)?;
        let limit = limit("timeout", timeout).map_err(|error| raise(py, &error))?;
        let next =
            wait(py, limit.map(|limit| limit.max(LOOK)), None, async { plants.next().await.transpose() })?;
        next.map(|next| Delivery::new(py, next.delivery)).transpose()
    }

    /// Reads the file again, or another one, and goes on as it says.
    #[pyo3(signature = (config=None))]
    fn reload<'py>(&self, py: Python<'py>, config: Option<PathBuf>) -> PyResult<Bound<'py, PyAny>> {
        let plants = self.get(py)?;
        let path = config.as_ref().unwrap_or(&self.config);
        let reloaded = wait(py, None, None, async { plants.reload(PlantsConfig::read(path)?).await })?;
        record::reloaded(py, reloaded)
    }

    /// Where every plant stands.
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let plants = self.get(py)?;
        let all = wait(py, None, None, plants.status())?;
        let all: Vec<_> =
            all.into_iter().map(|status| record::plant_status(py, status)).collect::<PyResult<_>>()?;
        PyTuple::new(py, all)
    }

    /// A plant by its name; None when there is none.
    fn plant(&self, py: Python<'_>, name: &str) -> PyResult<Option<Plant>> {
        let plant = self.get(py)?.plant(name);
        Ok(plant.map(|plant| Plant { name: plant.name().to_owned(), plant: Slot::new("plant", plant) }))
    }

    /// The names of the plants.
    fn names(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.get(py)?.names())
    }

    /// The address of the receiver; None where there is none.
    fn address(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let plants = self.get(py)?;
        let address = wait(py, None, None, async { Ok(plants.local_addr().await) })?;
        Ok(address.map(|address| address.to_string()))
    }

    /// Ends the plants, and waits up to `grace` seconds for what is in hand. Does nothing in a forked child.
    #[pyo3(signature = (grace=0.0))]
    fn close(&self, py: Python<'_>, grace: f64) -> PyResult<()> {
        let grace = seconds("grace", grace).map_err(|error| raise(py, &error))?;
        if runtime::check_process().is_err() {
            return Ok(());
        }
        let plants = self.get(py)?;
        wait(py, None, None, async {
            plants.close(grace).await;
            Ok(())
        })
    }
}

/// One of many plants. Made by `plants["name"]`.
#[pyclass(module = "pico_erp", frozen)]
pub(crate) struct Plant {
    name: String,
    plant: Slot<pico_erp::Plant>,
}

impl Plant {
    fn get(&self, py: Python<'_>) -> PyResult<pico_erp::Plant> {
        self.plant.get().map_err(|error| raise(py, &error))
    }
}

#[pymethods]
impl Plant {
    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Its part of the store. Closing it closes the store for all.
    #[getter]
    fn store(&self, py: Python<'_>) -> PyResult<Store> {
        Ok(Store::new(self.get(py)?.store().clone()))
    }

    /// Its completions.
    #[getter]
    fn inbox(&self, py: Python<'_>) -> PyResult<Inbox> {
        Ok(Inbox::new(self.get(py)?.store().inbox()))
    }

    /// Its orders. What is queued here is sent when its sender runs.
    #[getter]
    fn outbox(&self, py: Python<'_>) -> PyResult<Outbox> {
        Ok(Outbox::new(self.get(py)?.outbox()))
    }

    /// Its catalogue; None while the plant does not run, and where the file does not turn it on.
    #[getter]
    fn catalogue(&self, py: Python<'_>) -> PyResult<Option<Catalogue>> {
        Ok(self.get(py)?.catalogue().map(Catalogue::of))
    }

    /// Where it stands.
    ///
    /// Raises StoreError when the store refuses, ClosedError when it is closed.
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let plant = self.get(py)?;
        let status = wait(py, None, None, plant.status())?;
        record::plant_status(py, status)
    }

    /// Waits until nothing that happens from now on can be missed, at most `timeout` seconds: the plant runs, and its feed is
    /// opened. A plant that cannot be started is waited for: its status says why.
    ///
    /// Raises TimeoutError when it was not in time, ClosedError when the plant is closed.
    #[pyo3(signature = (timeout=None))]
    fn opened(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let plant = self.get(py)?;
        let limit = limit("timeout", timeout).map_err(|error| raise(py, &error))?;
        wait(py, limit, None, async {
            plant.started().await?;
            match plant.feed() {
                Some(feed) => feed.opened().await,
                None => Ok(()),
            }
        })
    }

    fn __repr__(&self) -> String {
        format!("<Plant {:?}>", self.name)
    }
}
