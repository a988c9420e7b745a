//! The process-wide runtime for hosts that have none: C, C++, .NET and Python.
//!
//! It is started at first use, never at load time, and belongs to the process that started it: after a fork
//! the child gets [`ErrorKind::Forked`] instead of a hang. Rust programs with a tokio runtime of their own do not
//! need this module.

use std::future::Future;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::error::{Error, ErrorKind};

/// Two threads move the bytes of any number of calls and streams.
const WORKERS: usize = 2;

struct ProcessRuntime {
    process: u32,
    runtime: Runtime,
}

static RUNTIME: OnceCell<ProcessRuntime> = OnceCell::new();

/// The runtime of this process, started when it is not there yet.
///
/// # Errors
/// [`ErrorKind::Forked`] in a child of the process that started it; [`ErrorKind::Internal`] when the operating system
/// gives no threads.
pub fn handle() -> Result<&'static Runtime, Error> {
    let started = RUNTIME.get_or_try_init(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("pico-erp")
            .enable_all()
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "the runtime could not be started").with_source(error)
            })?;
        Ok::<_, Error>(ProcessRuntime { process: process::id(), runtime })
    })?;
    check(started)?;
    Ok(&started.runtime)
}

/// Says whether this process may use the library: it may not when it was forked from one that had started it.
///
/// # Errors
/// [`ErrorKind::Forked`].
pub fn check_process() -> Result<(), Error> {
    RUNTIME.get().map_or(Ok(()), check)
}

fn check(started: &ProcessRuntime) -> Result<(), Error> {
    if started.process == process::id() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Forked,
        "the process was forked after pico-erp was first used; make a new client after a fork and exec, or before any use",
    ))
}

/// Cancels calls that wait in [`block_on`]. Clones cancel the same calls.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Default for Cancel {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Cancel {
    /// One that has not been triggered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels the calls that wait now and all later ones. May be called from any thread.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Whether [`Cancel::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until [`Cancel::cancel`] is called.
    pub async fn cancelled(&self) {
        // An error would mean that the sender is gone, but `self` holds it.
        let _ = self.0.subscribe().wait_for(|cancelled| *cancelled).await;
    }
}

/// Runs `future` on the calling thread until it is done, `limit` has passed, or `cancel` is triggered.
///
/// # Errors
/// [`ErrorKind::Timeout`], [`ErrorKind::Cancelled`], those of [`handle`], and the future's own.
///
/// # Panics
/// On a thread that is running an async task, where waiting would stop the runtime.
pub fn block_on<T>(
    future: impl Future<Output = Result<T, Error>>,
    limit: Option<Duration>,
    cancel: Option<&Cancel>,
) -> Result<T, Error> {
    let runtime = handle()?;
    if cancel.is_some_and(Cancel::is_cancelled) {
        return Err(cancelled());
    }
    runtime.block_on(async {
        tokio::select! {
            biased;
            result = future => result,
            () = until(cancel) => Err(cancelled()),
            limit = after(limit) => Err(Error::new(ErrorKind::Timeout, format!("not done within {limit:?}"))),
        }
    })
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the call was cancelled")
}

async fn until(cancel: Option<&Cancel>) {
    match cancel {
        Some(cancel) => cancel.cancelled().await,
        None => std::future::pending().await,
    }
}

async fn after(limit: Option<Duration>) -> Duration {
    match limit {
        Some(limit) => {
            tokio::time::sleep(limit).await;
            limit
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_ends_by_itself_by_its_limit_or_by_cancel() {
        assert_eq!(block_on(async { Ok(7) }, None, None).unwrap(), 7);
        let never = || std::future::pending::<Result<(), Error>>();
        let limit = Some(Duration::from_millis(1));
        assert_eq!(block_on(never(), limit, None).unwrap_err().kind(), ErrorKind::Timeout);

        let cancel = Cancel::new();
        let other = cancel.clone();
        let trigger = std::thread::spawn(move || other.cancel());
        assert_eq!(block_on(never(), None, Some(&cancel)).unwrap_err().kind(), ErrorKind::Cancelled);
        trigger.join().unwrap();
        assert_eq!(block_on(never(), None, Some(&cancel)).unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
