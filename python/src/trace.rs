//! The trace context of a client: off, begun for each call, or named by a Python callable.

use pico_erp::{Error, TraceContext};
use pyo3::prelude::*;

/// "off", "generate", or a callable.
#[derive(FromPyObject)]
pub(crate) enum ToldTrace {
    Mode(String),
    Provider(Py<PyAny>),
}

/// A callable that names the span that a call belongs to.
///
/// It is asked on the thread that makes the call, so that what it looks at (a `contextvars` variable, for OpenTelemetry) is the
/// caller's. In the background there is no caller: there the core begins traces by itself.
pub(crate) struct Traceparent(Py<PyAny>);

impl ToldTrace {
    pub(crate) fn read(self, py: Python<'_>) -> Result<(TraceContext, Option<Traceparent>), Error> {
        const MODEL: &str = "give \"off\", \"generate\" or a callable";
        match self {
            Self::Mode(mode) => match mode.as_str() {
                "off" => Ok((TraceContext::off(), None)),
                "generate" => Ok((TraceContext::generate(), None)),
                other => Err(Error::invalid("trace_context", format!("is \"{other}\"; {MODEL}"))),
            },
            Self::Provider(provider) if provider.bind(py).is_callable() => {
                Ok((TraceContext::generate(), Some(Traceparent(provider))))
            }
            Self::Provider(_) => Err(Error::invalid("trace_context", format!("is not callable; {MODEL}"))),
        }
    }
}

impl Traceparent {
    /// What it gives. Whatever is wrong with it must not stop an order: an exception goes to `sys.unraisablehook`.
    pub(crate) fn ask(&self, py: Python<'_>) -> Option<String> {
        let given = self.0.call0(py).and_then(|given| given.extract::<Option<String>>(py));
        given.unwrap_or_else(|raised| {
            raised.write_unraisable(py, Some(self.0.bind(py)));
            None
        })
    }
}
