//! The one thread that works on a store's file, and the group commit.
//!
//! Work that arrives while a transaction is being synced waits, and goes into the next transaction together: sixty-four
//! webhook posts then share one sync of the disk. Each piece of work has a savepoint of its own, so that one that
//! fails undoes only itself. Nobody is answered before the transaction is over.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::backend::Backend;
use crate::error::{Error, ErrorKind};
use crate::metrics::StoreMeters;

/// How many pieces of work may wait; more callers wait for a place.
const QUEUE: usize = 1024;
/// How many go into one transaction at most, so that the first does not wait long for the last.
const GROUP: usize = 512;

/// What must have happened when a caller is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Durability {
    /// The change survives the death of the process, but perhaps not a power cut.
    Process,
    /// The change is on disk.
    Disk,
}

/// Something to do in a transaction, and somebody who waits for it.
trait Work: Send {
    /// Does it; an error says that what it did is to be undone.
    fn run(&mut self, backend: &mut dyn Backend) -> Result<(), Error>;
    /// Tells whoever waits how it went, once the transaction is over.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

struct Piece<T, F> {
    work: Option<F>,
    result: Option<Result<T, Error>>,
    caller: oneshot::Sender<Result<T, Error>>,
}

impl<T, F> Work for Piece<T, F>
where
    T: Send,
    F: FnOnce(&mut dyn Backend) -> Result<T, Error> + Send,
{
    fn run(&mut self, backend: &mut dyn Backend) -> Result<(), Error> {
        let Some(work) = self.work.take() else { return Err(ended()) };
        let result = work(backend);
        let outcome = result.as_ref().map(|_| ()).map_err(Error::clone);
        self.result = Some(result);
        outcome
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        let answer = committed.and(self.result.unwrap_or_else(|| Err(ended())));
        // When the caller has gone away, a result that must not get lost sees to that itself as it is dropped.
        let _ = self.caller.send(answer);
    }
}

struct Job {
    durability: Durability,
    work: Box<dyn Work>,
}

pub(super) struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread, and waits until it has opened the store.
    pub(super) async fn start(
        meters: Arc<StoreMeters>,
        open: impl FnOnce() -> Result<Box<dyn Backend>, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let (opened, open_result) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("pico-erp-store".to_owned())
            .spawn(move || match open() {
                Ok(backend) => {
                    // Nobody to tell any more: then the channel is closed as well, and the thread ends.
                    let _ = opened.send(Ok(()));
                    work_through(backend, waiting, &meters);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            })
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "the thread of the store could not be started")
                    .with_source(error)
            })?;
        open_result.await.unwrap_or_else(|_| Err(ended()))?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)) })
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut dyn Backend) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (caller, answered) = oneshot::channel();
        let work = Box::new(Piece { work: Some(work), result: None, caller });
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let jobs = jobs.ok_or_else(closed)?;
        jobs.send(Job { durability, work }).await.map_err(|_| ended())?;
        drop(jobs);
        answered.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Lets the thread finish what it was given, and waits for its end.
    pub(super) async fn close(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A failure of either join is a panic that the thread has already reported to its callers.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store is closed")
}

fn ended() -> Error {
    Error::new(ErrorKind::Internal, "the thread of the store has ended")
}

fn work_through(mut backend: Box<dyn Backend>, mut waiting: mpsc::Receiver<Job>, meters: &StoreMeters) {
    let mut group = Vec::new();
    while let Some(first) = waiting.blocking_recv() {
        group.push(first);
        while group.len() < GROUP {
            let Ok(next) = waiting.try_recv() else { break };
            group.push(next);
        }
        work_on(backend.as_mut(), &mut group, meters);
    }
    backend.close();
}

/// One transaction for all of `group`.
fn work_on(backend: &mut dyn Backend, group: &mut Vec<Job>, meters: &StoreMeters) {
    let begun = Instant::now();
    let durability = group.iter().map(|job| job.durability).max().unwrap_or(Durability::Process);
    let mut outcome = backend.begin(durability);
    for job in group.iter_mut() {
        if outcome.is_err() {
            break;
        }
        outcome = one(backend, job.work.as_mut());
    }
    let committed = outcome.and_then(|()| backend.commit());
    if committed.is_err() {
        backend.roll_back();
    }
    meters.transaction(begun, &committed);
    for job in group.drain(..) {
        job.work.answer(committed.clone());
    }
}

/// Does one piece of work in a savepoint. An error is one of the transaction, not of the work.
fn one(backend: &mut dyn Backend, work: &mut dyn Work) -> Result<(), Error> {
    backend.save_point()?;
    match work.run(backend) {
        Ok(()) => backend.keep(),
        // After some failures, such as a full disk, the whole transaction is gone; then that failure is the others' too.
        Err(error) => backend.undo().map_err(|_| error),
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
