//! The threads that work on a store's data, and the group commit.
//!
//! Work that arrives while a transaction is being synced waits, and goes into the next transaction together: sixty-four
//! webhook posts then share one sync of the disk. Each piece of work has a savepoint of its own, so that one that
//! fails undoes only itself. Nobody is answered before the transaction is over.
//!
//! Work has a lane. What is in one lane is done in order, in one transaction at a time; lanes are worked on side by side,
//! as far as there are threads. A file has one thread and one lane; a database has several, and a lane for each plant.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{Semaphore, oneshot};

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

/// What is done in order.
pub(super) type Lane = u64;

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

#[derive(Default)]
struct Lanes {
    waiting: HashMap<Lane, VecDeque<Job>>,
    /// Lanes with work that no thread is at, in the order of their turn.
    ready: VecDeque<Lane>,
    closed: bool,
    /// Threads that are at work or wait for it.
    threads: usize,
}

/// What the callers and the threads share.
struct Desk {
    lanes: Mutex<Lanes>,
    news: Condvar,
    places: Semaphore,
}

impl Desk {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, lane: Lane, job: Job) -> Result<(), Error> {
        let mut lanes = self.lanes();
        if lanes.closed {
            return Err(closed());
        }
        if lanes.threads == 0 {
            return Err(ended());
        }
        let lanes = &mut *lanes;
        let waiting = lanes.waiting.entry(lane).or_insert_with(|| {
            lanes.ready.push_back(lane);
            VecDeque::new()
        });
        waiting.push_back(job);
        self.news.notify_one();
        Ok(())
    }

    /// The next transaction's work, all of one lane; `None` once the desk is closed and nothing is left.
    fn next(&self, group: &mut Vec<Job>) -> Option<Lane> {
        let mut lanes = self.lanes();
        loop {
            if let Some(lane) = lanes.ready.pop_front() {
                let waiting = lanes.waiting.get_mut(&lane);
                group.extend(waiting.into_iter().flat_map(|jobs| {
                    let count = jobs.len().min(GROUP);
                    jobs.drain(..count)
                }));
                return Some(lane);
            }
            if lanes.closed {
                return None;
            }
            lanes = self.news.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The lane may be worked on again.
    fn done(&self, lane: Lane, count: usize) {
        self.places.add_permits(count);
        let mut lanes = self.lanes();
        if lanes.waiting.get(&lane).is_some_and(|jobs| !jobs.is_empty()) {
            lanes.ready.push_back(lane);
            self.news.notify_one();
        } else {
            lanes.waiting.remove(&lane);
        }
    }

    fn close(&self) {
        self.lanes().closed = true;
        self.news.notify_all();
    }
}

pub(super) struct Writer {
    desk: Arc<Desk>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Writer {
    /// The threads finish what they were given, and end.
    fn drop(&mut self) {
        self.desk.close();
    }
}

impl Writer {
    /// Starts `threads` threads, and waits until each has opened the store.
    pub(super) async fn start(
        threads: usize,
        meters: Arc<StoreMeters>,
        open: impl Fn() -> Result<Box<dyn Backend>, Error> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let desk = Arc::new(Desk {
            lanes: Mutex::new(Lanes { threads, ..Lanes::default() }),
            news: Condvar::new(),
            places: Semaphore::new(QUEUE),
        });
        let writer = Self { desk, threads: Mutex::default() };
        let open = Arc::new(open);
        let mut openings = Vec::with_capacity(threads);
        for _ in 0..threads {
            let (opened, opening) = oneshot::channel();
            openings.push(opening);
            let (desk, open, meters) = (Arc::clone(&writer.desk), Arc::clone(&open), Arc::clone(&meters));
            let thread = std::thread::Builder::new()
                .name("pico-erp-store".to_owned())
                .spawn(move || {
                    let leaving = Leaving(Arc::clone(&desk));
                    match open() {
                        Ok(backend) => {
                            // Nobody to tell any more: then the desk is closed as well, and the thread ends.
                            let _ = opened.send(Ok(()));
                            work_through(backend, &desk, &meters);
                        }
                        Err(error) => {
                            let _ = opened.send(Err(error));
                        }
                    }
                    drop(leaving);
                })
                .map_err(|error| {
                    Error::new(ErrorKind::Internal, "a thread of the store could not be started")
                        .with_source(error)
                })?;
            writer.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        for opening in openings {
            opening.await.unwrap_or_else(|_| Err(ended()))?;
        }
        Ok(writer)
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        durability: Durability,
        work: impl FnOnce(&mut dyn Backend) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (caller, answered) = oneshot::channel();
        let work = Box::new(Piece { work: Some(work), result: None, caller });
        if self.desk.lanes().closed {
            return Err(closed());
        }
        let place = self.desk.places.acquire().await.map_err(|_| ended())?;
        self.desk.put(lane, Job { durability, work })?;
        // Given back when it is done.
        place.forget();
        answered.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Lets the threads finish what they were given, and waits for their end.
    pub(super) async fn close(&self) {
        self.desk.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A failure of either join is a panic that the thread has already reported to its callers.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// Notes that a thread has ended, also by a panic: what nobody is there to do any more is answered by being dropped.
struct Leaving(Arc<Desk>);

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut lanes = self.0.lanes();
        lanes.threads -= 1;
        if lanes.threads == 0 {
            lanes.waiting.clear();
            lanes.ready.clear();
            self.0.places.close();
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store is closed")
}

fn ended() -> Error {
    Error::new(ErrorKind::Internal, "the thread of the store has ended")
}

fn work_through(mut backend: Box<dyn Backend>, desk: &Desk, meters: &StoreMeters) {
    let mut group = Vec::new();
    while let Some(lane) = desk.next(&mut group) {
        let _busy = Busy { desk, lane, count: group.len() };
        work_on(backend.as_mut(), &mut group, meters);
    }
    backend.close();
}

/// A lane that is worked on, until this is dropped, also by a panic.
struct Busy<'a> {
    desk: &'a Desk,
    lane: Lane,
    count: usize,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.desk.done(self.lane, self.count);
    }
}

/// One transaction for all of `group`.
fn work_on(backend: &mut dyn Backend, group: &mut Vec<Job>, meters: &StoreMeters) {
    let begun = Instant::now();
    let durability = group.iter().map(|job| job.durability).max().unwrap_or(Durability::Process);
    let committed = match group.as_mut_slice() {
        [job] => alone(backend, durability, job.work.as_mut()),
        jobs => together(backend, durability, jobs),
    };
    meters.transaction(begun, &committed);
    for job in group.drain(..) {
        job.work.answer(committed.clone());
    }
}

/// A transaction for one piece of work, which needs no savepoint: when it fails, there is nothing else to be kept.
fn alone(backend: &mut dyn Backend, durability: Durability, work: &mut dyn Work) -> Result<(), Error> {
    let begun = backend.begin(durability);
    let done = begun.and_then(|()| match work.run(backend) {
        Ok(()) => backend.commit(),
        // A failure of the store, as a transaction's is.
        Err(error) if error.kind() == ErrorKind::Store || error.kind() == ErrorKind::StoreFull => Err(error),
        Err(_) => {
            backend.roll_back();
            Ok(())
        }
    });
    if done.is_err() {
        backend.roll_back();
    }
    done
}

/// A transaction for several.
fn together(backend: &mut dyn Backend, durability: Durability, jobs: &mut [Job]) -> Result<(), Error> {
    let mut outcome = backend.begin(durability);
    for job in jobs {
        if outcome.is_err() {
            break;
        }
        outcome = one(backend, job.work.as_mut());
    }
    let committed = outcome.and_then(|()| backend.commit());
    if committed.is_err() {
        backend.roll_back();
    }
    committed
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
