//! [`Stream`]: the native end of one subscription. The Python half wraps it in `Subscription`, which adds iteration,
//! callbacks and their thread.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pico_erp::{Error, Json, Notification, StreamState, StreamTransport, Subscription, runtime};
use pyo3::prelude::*;

use crate::error::{exception, raise};
use crate::settings::{count, limit};
use crate::wait::wait;

/// Makes the Python object of one event.
pub(crate) type Make = fn(Python<'_>, Json) -> PyResult<Py<PyAny>>;

/// A subscription, and whether it has ended, which who does not wait for notifications cannot tell from silence.
pub(crate) struct Open {
    subscription: Subscription<Json>,
    ended: AtomicBool,
}

impl Open {
    pub(crate) fn new(subscription: Subscription<Json>) -> Self {
        Self { subscription, ended: AtomicBool::new(false) }
    }

    /// Ends it. Does not wait.
    pub(crate) fn close(&self) {
        self.ended.store(true, Ordering::Release);
        self.subscription.close();
    }
}

/// A live stream, as the Python half sees it. Not for direct use: see pico_erp.Subscription.
#[pyclass(module = "pico_erp._native", frozen)]
pub(crate) struct Stream {
    /// `None` only while it is being dropped.
    open: Option<Arc<Open>>,
    make: Make,
}

impl Stream {
    pub(crate) fn new(open: Arc<Open>, make: Make) -> Self {
        Self { open: Some(open), make }
    }

    /// For what does not wait, and so does not ask for the runtime.
    fn here(&self, py: Python<'_>) -> PyResult<Option<&Open>> {
        runtime::check_process().map_err(|error| raise(py, &error))?;
        Ok(self.open.as_deref())
    }

    fn told(&self, py: Python<'_>, open: &Open, notification: Notification<Json>) -> PyResult<Told> {
        Ok(match notification {
            Notification::Event(json) => match (self.make)(py, json) {
                Ok(object) => ("event", object),
                Err(error) => ("problem", error.into_value(py).into_any()),
            },
            Notification::Problem(error) => ("problem", exception(py, &error)?.unbind()),
            Notification::Dropped { count } => ("dropped", count.into_pyobject(py)?.into_any().unbind()),
            Notification::State(state) => ("state", told_state(py, state)?),
            Notification::Closed(error) => {
                open.ended.store(true, Ordering::Release);
                let error = error.map(|error| exception(py, &error)).transpose()?;
                ("closed", error.map_or_else(|| py.None(), Bound::unbind))
            }
            // The enum may grow; what is not known is no event.
            _ => ("unknown", py.None()),
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // In a forked child the runtime's locks may be held by threads that are not there: leak rather than hang.
        if runtime::check_process().is_err() {
            mem::forget(self.open.take());
        }
    }
}

type Told = (&'static str, Py<PyAny>);

#[pymethods]
impl Stream {
    /// Waits for the next notification: ("event", object), ("problem", exception), ("dropped", count), ("state", (name,
    /// gap, failures, delay, cause, transport)) or ("closed", exception or None). None after the end and after close().
    ///
    /// Raises TimeoutError after `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Told>> {
        let Some(open) = self.open.as_deref() else {
            return Ok(None);
        };
        let limit = limit("timeout", timeout).map_err(|error| raise(py, &error))?;
        let told = wait(py, limit, None, async { Ok(open.subscription.next_notification().await) })?;
        told.map(|notification| self.told(py, open, notification)).transpose()
    }

    /// Waits for the next notification and takes with it what else is there, `max` in all at most. Empty after the end
    /// and after close().
    ///
    /// Raises TimeoutError after `timeout` seconds, InvalidArgumentError when `max` is less than 1.
    #[pyo3(signature = (max, timeout=None))]
    fn next_batch(&self, py: Python<'_>, max: i64, timeout: Option<f64>) -> PyResult<Vec<Told>> {
        let Some(open) = self.open.as_deref() else {
            return Ok(Vec::new());
        };
        let checked = || Ok((count::<usize>("max", max)?, limit("timeout", timeout)?));
        let (max, limit) = checked().map_err(|error: Error| raise(py, &error))?;
        let batch = wait(py, limit, None, async { Ok(open.subscription.next_batch(max).await) })?;
        batch.unwrap_or_default().into_iter().map(|notification| self.told(py, open, notification)).collect()
    }

    /// The next notification if one is there, without waiting; otherwise None, or ("end", None) after the end and after
    /// close().
    fn try_next(&self, py: Python<'_>) -> PyResult<Option<Told>> {
        let Some(open) = self.here(py)? else {
            return Ok(Some(("end", py.None())));
        };
        match open.subscription.try_next_notification() {
            Some(notification) => self.told(py, open, notification).map(Some),
            None if open.ended.load(Ordering::Acquire) => Ok(Some(("end", py.None()))),
            None => Ok(None),
        }
    }

    /// A descriptor that is readable while try_next() would give something, and after the end. It belongs to the
    /// stream.
    ///
    /// Raises InvalidArgumentError where the operating system is not a Unix.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        let described = self.here(py)?.map_or_else(|| Err(crate::error::closed("subscription")), descriptor);
        described.map_err(|error| raise(py, &error))
    }

    /// Waits until the stream is open, and takes no notification away from next().
    ///
    /// Raises TimeoutError after `timeout` seconds, ClosedError when the stream has ended without an error, and what ended
    /// it otherwise.
    #[pyo3(signature = (timeout=None))]
    fn opened(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let Some(open) = self.open.as_deref() else {
            return Ok(());
        };
        let limit = limit("timeout", timeout).map_err(|error| raise(py, &error))?;
        wait(py, limit, None, open.subscription.opened())
    }

    /// Ends the stream; a next() that waits returns None. Does not wait, and does nothing in a forked child.
    fn close(&self, py: Python<'_>) {
        if let Some(open) = &self.open
            && runtime::check_process().is_ok()
        {
            py.detach(|| open.close());
        }
    }
}

#[cfg(unix)]
fn descriptor(open: &Open) -> Result<i32, Error> {
    use std::os::fd::AsRawFd;

    let _context = runtime::handle()?.enter();
    Ok(open.subscription.descriptor()?.as_raw_fd())
}

#[cfg(not(unix))]
fn descriptor(_: &Open) -> Result<i32, Error> {
    Err(Error::invalid("fileno", "is only for Unix; use a callback, or next() on a thread of your own"))
}

/// The arguments of the Python half's `StreamState`.
pub(crate) fn told_state(py: Python<'_>, state: StreamState) -> PyResult<Py<PyAny>> {
    let cause = |error: &Error| exception(py, error).map(Bound::unbind);
    let name = |transport: StreamTransport| Some(transport.name());
    let told = match state {
        StreamState::Connecting { transport } => ("connecting", None, None, None, py.None(), name(transport)),
        StreamState::Open { transport, gap } => {
            ("open", gap.map(|gap| gap.as_secs_f64()), None, None, py.None(), name(transport))
        }
        StreamState::Switched { transport, cause: why } => {
            ("switched", None, None, None, cause(&why)?, name(transport))
        }
        StreamState::Retrying { failures, delay, cause: why } => {
            ("retrying", None, Some(failures), Some(delay.as_secs_f64()), cause(&why)?, None)
        }
        _ => ("unknown", None, None, None, py.None(), None),
    };
    Ok(told.into_pyobject(py)?.into_any().unbind())
}
