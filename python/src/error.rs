//! Turns the core's errors into Python exceptions. The classes are Python (`pico_erp/_errors.py`), because most have a
//! built-in exception as second base; this file only hands over the parts.

use pico_erp::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

static FROM_NATIVE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The exception instance for `error`.
pub(crate) fn exception<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let make = FROM_NATIVE
        .get_or_try_init(py, || py.import("pico_erp._errors")?.getattr("from_native").map(Bound::unbind))?;
    let graphql_errors: Vec<&str> = error.graphql_errors().iter().map(|error| error.raw.as_str()).collect();
    make.bind(py).call1((
        error.code(),
        error.kind().name(),
        error.to_string(),
        error.http_status(),
        graphql_errors,
        error.data().map(pico_erp::Json::as_str),
        error.is_retryable(),
        error.retry_after().map(|wait| wait.as_secs_f64()),
        error.body_start(),
        error.trace_id(),
    ))
}

/// The same, ready to be returned as an `Err`.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    match exception(py, error) {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    }
}

/// Whether an exception is one of this package's, and not one of the caller's or of a signal handler.
pub(crate) fn is_ours(py: Python<'_>, raised: &PyErr) -> PyResult<bool> {
    raised.value(py).is_instance(&py.import("pico_erp._errors")?.getattr("Error")?)
}

/// An argument that is wrong, as an `Err`.
pub(crate) fn invalid(py: Python<'_>, field: &str, problem: &str) -> PyErr {
    raise(py, &Error::invalid(field, problem))
}

/// The error of what was used after its end.
pub(crate) fn closed(what: &str) -> Error {
    Error::new(ErrorKind::Closed, format!("the {what} is closed"))
}
