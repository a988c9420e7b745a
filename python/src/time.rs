//! [`Utc`]: an instant on its way to Python, where it becomes a `datetime` with the time zone UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyTzInfo};

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
