//! The one place where a Python thread waits: detached from the interpreter, stopped by Ctrl-C, by `close()` and by the
//! end of the interpreter.
//!
//! Python handles signals on its main thread only, and only while that thread is attached. So the main thread waits in
//! slices and looks for signals between them; all others wait in one go. When the interpreter ends, a thread that
//! comes back from a wait would hang for ever: [`end_waits`] calls all of them back while it is still possible.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pico_erp::runtime::{self, Cancel};
use pico_erp::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tokio::time::timeout;

use crate::error::raise;

/// How long Ctrl-C may go unnoticed. A person does not feel it, and 20 wake-ups a second cost nothing.
const SLICE: Duration = Duration::from_millis(50);
/// How long the end of the interpreter is held up for threads that are slow to come back.
const LAST_CALL: Duration = Duration::from_secs(2);

static GOING_DOWN: OnceLock<Cancel> = OnceLock::new();
static INSIDE: AtomicUsize = AtomicUsize::new(0);

fn going_down() -> &'static Cancel {
    GOING_DOWN.get_or_init(Cancel::new)
}

/// Counts a thread that is outside the interpreter and will want to come back.
pub(crate) struct Inside;

impl Inside {
    /// Refused once the interpreter is ending, except to its main thread, which is the one that ends it.
    pub(crate) fn enter(main: bool) -> Result<Self, Error> {
        INSIDE.fetch_add(1, Ordering::SeqCst);
        let inside = Self;
        if !main && going_down().is_cancelled() {
            return Err(ending());
        }
        Ok(inside)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

fn ending() -> Error {
    Error::new(ErrorKind::Cancelled, "the Python interpreter is ending")
}

/// Runs `future` until it is done, `limit` has passed, `closed` is triggered, or a signal handler raises.
///
/// In all but the first case the future is dropped, which cancels what it was doing.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    limit: Option<Duration>,
    closed: Option<&Cancel>,
    future: impl Future<Output = Result<T, Error>> + Send,
) -> PyResult<T> {
    let runtime = runtime::handle().map_err(|error| raise(py, &error))?;
    let main = is_main_thread(py)?;
    let _inside = Inside::enter(main).map_err(|error| raise(py, &error))?;
    let mut future = pin!(bounded(limit, closed, main, future));
    loop {
        let slice = || {
            catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(async {
                    if main {
                        timeout(SLICE, future.as_mut()).await.ok()
                    } else {
                        Some(future.as_mut().await)
                    }
                })
            }))
        };
        match py.detach(slice) {
            Ok(Some(result)) => return result.map_err(|error| raise(py, &error)),
            Ok(None) => py.check_signals()?,
            Err(panic) => return Err(raise(py, &panicked(panic.as_ref()))),
        }
    }
}

async fn bounded<T>(
    limit: Option<Duration>,
    closed: Option<&Cancel>,
    main: bool,
    future: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let closing = async {
        match closed {
            Some(closed) => closed.cancelled().await,
            None => std::future::pending().await,
        }
    };
    let end = async { if main { std::future::pending().await } else { going_down().cancelled().await } };
    let late = async {
        match limit {
            Some(limit) => {
                tokio::time::sleep(limit).await;
                limit
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        result = future => result,
        () = closing => Err(crate::error::closed("client")),
        () = end => Err(ending()),
        limit = late => Err(Error::new(ErrorKind::Timeout, format!("not done within {limit:?}"))),
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Error::new(ErrorKind::Panic, format!("a panic inside the library was caught: {text}"))
}

/// Asked anew each time: after a fork the thread that forked is the main one.
fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    static THREADING: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let threading = THREADING.get_or_try_init(py, || py.import("threading").map(Bound::unbind))?.bind(py);
    let main = threading.call_method0("main_thread")?.getattr("ident")?;
    threading.call_method0("get_ident")?.eq(main)
}

/// Ends all waits of other threads with CancelledError, for good, and waits for these threads to have come back.
///
/// Registered with `atexit` by the package; of no use to others.
#[pyfunction]
pub(crate) fn end_waits(py: Python<'_>) {
    // A forked child has inherited the count of threads, but not the threads.
    if runtime::check_process().is_err() {
        return;
    }
    going_down().cancel();
    let deadline = Instant::now() + LAST_CALL;
    py.detach(|| {
        while INSIDE.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    });
}
