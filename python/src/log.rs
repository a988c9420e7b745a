//! [`LogLines`]: the library's log, taken line by line by a Python thread.
//!
//! No Python runs where a line is written: it goes into a bounded queue, and the Python half (`pico_erp/_logging.py`) owns the
//! thread that takes it out and calls `logging`. A lock of a handler's never meets one of ours.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pico_erp::LogLine;
use pyo3::prelude::*;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tracing::Level;

use crate::error::{invalid, raise};
use crate::wait::wait;

/// How many lines may wait. More are counted and left out, and the count is told.
const QUEUE: usize = 1024;
/// How many are taken at once.
const BATCH: usize = 256;

/// The levels that are wanted: the first so many of `LEVELS`.
static WANTED: AtomicU8 = AtomicU8::new(0);
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);
static INSTALLED: AtomicBool = AtomicBool::new(false);
/// The queue that is filled now, and its number.
static SINK: Mutex<Option<(u64, mpsc::Sender<LogLine>)>> = Mutex::new(None);
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Seconds since 1970, level, target, text, JSON.
type Told = (f64, i64, String, String, String);

/// By weight, with Python's numbers.
const LEVELS: [(Level, i64); 5] =
    [(Level::ERROR, 40), (Level::WARN, 30), (Level::INFO, 20), (Level::DEBUG, 10), (Level::TRACE, 5)];

fn queue(line: LogLine) {
    let sink = SINK.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, sink)| sink.clone());
    if let Some(sink) = sink
        && let Err(mpsc::error::TrySendError::Full(_)) = sink.try_send(line)
    {
        LEFT_OUT.fetch_add(1, Ordering::Relaxed);
    }
}

fn place(level: &Level) -> u8 {
    LEVELS.iter().position(|(one, _)| one == level).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

/// The log of this process, from the moment it is made, in place of one that was made before, which ends by that. Not for
/// direct use: see pico_erp.forward_logs.
#[pyclass(module = "pico_erp._native", frozen)]
pub(crate) struct LogLines {
    number: u64,
    lines: Arc<AsyncMutex<mpsc::Receiver<LogLine>>>,
}

#[pymethods]
impl LogLines {
    /// `level` is one of logging's, or 5 for everything.
    #[new]
    fn new(py: Python<'_>, level: i64) -> PyResult<Self> {
        let wanted = LEVELS.iter().take_while(|(_, weight)| *weight >= level).count();
        if level <= 0 || wanted == 0 {
            return Err(invalid(py, "level", &format!("is {level}; give one of logging's, DEBUG to ERROR")));
        }
        if !INSTALLED.swap(true, Ordering::SeqCst) {
            let wanted = |level: &Level| place(level) < WANTED.load(Ordering::SeqCst);
            let installed = pico_erp::LogLines::new(wanted, queue).install();
            installed
                .inspect_err(|_| INSTALLED.store(false, Ordering::SeqCst))
                .map_err(|error| raise(py, &error))?;
        }
        let (sink, lines) = mpsc::channel(QUEUE);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        replace(Some((number, sink)), u8::try_from(wanted).unwrap_or_default());
        Ok(Self { number, lines: Arc::new(AsyncMutex::new(lines)) })
    }

    /// Waits for lines; None when it was closed or replaced, after the last one. Each is (seconds since 1970, level, target,
    /// text, JSON).
    fn next_batch(&self, py: Python<'_>) -> PyResult<Option<Vec<Told>>> {
        let lines = Arc::clone(&self.lines);
        let mut batch = wait(py, None, None, async move {
            let mut batch = Vec::new();
            lines.lock().await.recv_many(&mut batch, BATCH).await;
            Ok(batch)
        })?;
        if batch.is_empty() {
            return Ok(None);
        }
        let left_out = LEFT_OUT.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            let message =
                format!("{left_out} lines were left out here, because the log handlers were too slow");
            batch.push(LogLine::new(Level::WARN, "pico_erp::log", message));
        }
        Ok(Some(batch.iter().map(told).collect()))
    }

    /// Ends it. May be called again.
    fn close(&self) {
        let ours = SINK
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .is_some_and(|(number, _)| *number == self.number);
        if ours {
            replace(None, 0);
        }
    }
}

fn replace(sink: Option<(u64, mpsc::Sender<LogLine>)>, wanted: u8) {
    WANTED.store(wanted, Ordering::SeqCst);
    let previous = std::mem::replace(&mut *SINK.lock().unwrap_or_else(PoisonError::into_inner), sink);
    drop(previous);
    tracing::callsite::rebuild_interest_cache();
}

fn told(line: &LogLine) -> Told {
    let weight = LEVELS.iter().find(|(level, _)| *level == line.level).map_or(0, |(_, weight)| *weight);
    let seconds = line.timestamp.as_microsecond() as f64 / 1e6;
    (seconds, weight, line.target.replace("::", "."), line.to_text(), line.to_json())
}
