//! [`Stream`]: the native end of one subscription. The Python half wraps it in `Subscription`, which adds iteration,
//! callbacks and their thread.

use std::mem;
use std::sync::Arc;

use pico_erp::{Json, Notification, StreamState, Subscription, runtime};
use pyo3::prelude::*;

use crate::error::{exception, raise};
use crate::settings::limit;
use crate::wait::wait;

/// Makes the Python object of one event.
pub(crate) type Make = fn(Python<'_>, Json) -> PyResult<Py<PyAny>>;

/// A live stream, as the Python half sees it. Not for direct use: see pico_erp.Subscription.
#[pyclass(module = "pico_erp._native", frozen)]
pub(crate) struct Stream {
    /// `None` only while it is being dropped.
    subscription: Option<Arc<Subscription<Json>>>,
    make: Make,
}

impl Stream {
    pub(crate) fn new(subscription: Arc<Subscription<Json>>, make: Make) -> Self {
        Self { subscription: Some(subscription), make }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // In a forked child the runtime's locks may be held by threads that are not there: leak rather than hang.
        if runtime::check_process().is_err() {
            mem::forget(self.subscription.take());
        }
    }
}

type Told = Option<(&'static str, Py<PyAny>)>;

#[pymethods]
impl Stream {
    /// Waits for the next notification: ("event", object), ("problem", exception), ("state", (name, gap, failures,
    /// delay, cause)) or ("closed", exception or None). None after the end and after close().
    ///
    /// Raises TimeoutError after `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Told> {
        let Some(subscription) = &self.subscription else {
            return Ok(None);
        };
        let limit = limit("timeout", timeout).map_err(|error| raise(py, &error))?;
        match wait(py, limit, None, async { Ok(subscription.next_notification().await) })? {
            None => Ok(None),
            Some(Notification::Event(json)) => Ok(Some(match (self.make)(py, json) {
                Ok(object) => ("event", object),
                Err(error) => ("problem", error.into_value(py).into_any()),
            })),
            Some(Notification::Problem(error)) => Ok(Some(("problem", exception(py, &error)?.unbind()))),
            Some(Notification::State(state)) => Ok(Some(("state", told_state(py, state)?))),
            Some(Notification::Closed(None)) => Ok(Some(("closed", py.None()))),
            Some(Notification::Closed(Some(error))) => Ok(Some(("closed", exception(py, &error)?.unbind()))),
            // The enum may grow; what is not known is no event.
            Some(_) => Ok(Some(("unknown", py.None()))),
        }
    }

    /// Waits until the stream is open, and takes no notification away from next().
    ///
    /// Raises TimeoutError after `timeout` seconds, ClosedError when the stream has ended without an error, and what ended
    /// it otherwise.
    #[pyo3(signature = (timeout=None))]
    fn opened(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let Some(subscription) = &self.subscription else {
            return Ok(());
        };
        let limit = limit("timeout", timeout).map_err(|error| raise(py, &error))?;
        wait(py, limit, None, subscription.opened())
    }

    /// Ends the stream; a next() that waits returns None. Does not wait, and does nothing in a forked child.
    fn close(&self, py: Python<'_>) {
        if let Some(subscription) = &self.subscription
            && runtime::check_process().is_ok()
        {
            py.detach(|| subscription.close());
        }
    }
}

fn told_state(py: Python<'_>, state: StreamState) -> PyResult<Py<PyAny>> {
    let none = || py.None();
    let told = match state {
        StreamState::Connecting { .. } => ("connecting", None, None, None, none()),
        StreamState::Open { gap, .. } => ("open", gap.map(|gap| gap.as_secs_f64()), None, None, none()),
        StreamState::Retrying { failures, delay, cause } => {
            ("retrying", None, Some(failures), Some(delay.as_secs_f64()), exception(py, &cause)?.unbind())
        }
        _ => ("unknown", None, None, None, none()),
    };
    Ok(told.into_pyobject(py)?.into_any().unbind())
}
