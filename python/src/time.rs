//! Times between Python and the core: [`Utc`] is an instant on its way to Python, where it becomes a `datetime` with the
//! time zone UTC; [`instant`] reads one that Python gives, [`Span`] a length of time.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pico_erp::Error;
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyDelta, PyTzInfo};

use crate::error::raise;
use crate::settings;

/// A `datetime` that knows its time zone, as whatever reads its ISO form.
pub(crate) fn instant<T: FromStr>(field: &str, datetime: &Bound<'_, PyDateTime>) -> PyResult<T> {
    let text: String = datetime.call_method0("isoformat")?.extract()?;
    // Without a time zone the text has no offset, and is refused for that.
    text.parse().map_err(|_| {
        let error = Error::invalid(field, format!("is {text}; give a datetime with a time zone"));
        raise(datetime.py(), &error)
    })
}

/// A length of time: a number of seconds, or a `timedelta`.
#[derive(FromPyObject)]
pub(crate) enum Span<'py> {
    Seconds(f64),
    Delta(Bound<'py, PyDelta>),
}

impl Span<'_> {
    /// The same as a duration of 0 or more; an error names the argument.
    pub(crate) fn read(&self, py: Python<'_>, field: &str) -> PyResult<Duration> {
        let seconds = match self {
            Self::Seconds(seconds) => *seconds,
            Self::Delta(delta) => delta.call_method0("total_seconds")?.extract()?,
        };
        settings::seconds(field, seconds).map_err(|error| raise(py, &error))
    }
}

/// An instant. Python's `datetime` holds microseconds; what is finer is cut off, and stays readable in `raw`.
pub(crate) struct Utc(pub(crate) Timestamp);

impl<'py> IntoPyObject<'py> for Utc {
    type Target = PyDateTime;
    type Output = Bound<'py, PyDateTime>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        let at = TimeZone::UTC.to_datetime(self.0);
        // A component that is out of range for Python (a year before 1) makes Python raise ValueError.
        let unsigned = |part: i8| u8::try_from(part).unwrap_or_default();
        PyDateTime::new(
            py,
            at.year().into(),
            unsigned(at.month()),
            unsigned(at.day()),
            unsigned(at.hour()),
            unsigned(at.minute()),
            unsigned(at.second()),
            u32::try_from(at.subsec_nanosecond() / 1000).unwrap_or_default(),
            Some(&*PyTzInfo::utc(py)?),
        )
    }
}
