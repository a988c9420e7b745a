//! The end of things that call back: that no further call begins, and that the last `drop` has returned.
//!
//! Subscriptions, feeds and asynchronous calls each have one; a client keeps track of all of its own, to end them
//! and to wait for them when it is closed.

use std::sync::{Arc, Mutex as ChildrenMutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use pico_erp::{Error, ErrorKind};

use sync::{AtomicBool, Condvar, Mutex, Ordering};

/// What the threads share, in the form that can be modelled.
#[cfg(all(test, pico_loom))]
mod sync {
    pub(super) use loom::sync::atomic::{AtomicBool, Ordering};
    pub(super) use loom::sync::{Condvar, Mutex};
}
#[cfg(not(all(test, pico_loom)))]
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, Ordering};
    pub(super) use std::sync::{Condvar, Mutex};
}

/// Where one thing that calls back stands.
#[derive(Default)]
pub(crate) struct Lifecycle {
    ending: AtomicBool,
    finished: Mutex<bool>,
    changed: Condvar,
}

impl Lifecycle {
    /// No call begins after this, but for one that is just beginning.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Something calls back from now on, and [`Lifecycle::finish`] is to be waited for once more; `false` when the end
    /// has been asked for already.
    pub(crate) fn begin(&self) -> bool {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        // Who asks for the end later waits on the lock that is held here.
        let begun = !self.is_ending();
        if begun {
            *finished = false;
        }
        begun
    }

    /// The last call and `drop` have returned, or nothing calls back at all.
    pub(crate) fn finish(&self) {
        *self.finished.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits for [`Lifecycle::finish`] until the deadline; `None` means for ever.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Result<(), Error> {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        while !*finished {
            finished = match deadline {
                None => self.changed.wait(finished).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Error::new(
                            ErrorKind::Timeout,
                            "a callback has not returned in time; drop follows when it has",
                        ));
                    }
                    self.changed.wait_timeout(finished, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        Ok(())
    }
}

/// The moment at which a limit that starts now has passed. One too far to be told is none.
pub(crate) fn deadline(limit: Option<Duration>) -> Option<Instant> {
    limit.and_then(|limit| Instant::now().checked_add(limit))
}

/// Something of a client's that calls back.
pub(crate) trait Child: Send + Sync {
    /// Ends it, without waiting.
    fn end(&self);
    /// Waits until its last `drop` has returned.
    fn wait(&self, deadline: Option<Instant>) -> Result<(), Error>;
}

/// The children of a client that are still there.
#[derive(Default)]
pub(crate) struct Children(ChildrenMutex<Vec<Weak<dyn Child>>>);

impl Children {
    pub(crate) fn add(&self, child: &Arc<dyn Child>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(child));
    }

    pub(crate) fn all(&self) -> Vec<Arc<dyn Child>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect()
    }
}

#[cfg(all(test, not(pico_loom)))]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_the_end_is_bounded() {
        let lifecycle = Lifecycle::default();
        let error = lifecycle.wait(deadline(Some(Duration::ZERO))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        std::thread::scope(|scope| {
            scope.spawn(|| lifecycle.finish());
            lifecycle.wait(None).unwrap();
        });
        lifecycle.end();
        assert!(lifecycle.is_ending());
    }

    #[test]
    fn what_has_been_ended_does_not_begin() {
        let lifecycle = Lifecycle::default();
        lifecycle.finish();
        assert!(lifecycle.begin());
        assert!(lifecycle.wait(deadline(Some(Duration::ZERO))).is_err(), "there is an end to wait for again");
        lifecycle.finish();
        lifecycle.end();
        assert!(!lifecycle.begin());
        lifecycle.wait(None).unwrap();
    }
}

/// Every order in which the threads can meet; see loom. Run by `cargo xtask soak`.
#[cfg(all(test, pico_loom))]
mod model {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    #[test]
    fn who_waits_for_the_end_never_returns_before_the_last_call() {
        loom::model(|| {
            let lifecycle = Arc::new(Lifecycle::default());
            let calling = Arc::new(AtomicBool::new(false));
            let (delivery, call) = (Arc::clone(&lifecycle), Arc::clone(&calling));
            let thread = thread::spawn(move || {
                if !delivery.is_ending() {
                    call.store(true, Ordering::SeqCst);
                    call.store(false, Ordering::SeqCst);
                }
                delivery.finish();
            });
            lifecycle.end();
            lifecycle.wait(None).unwrap();
            assert!(!calling.load(Ordering::SeqCst), "a call is under way after the wait");
            thread.join().unwrap();
        });
    }

    #[test]
    fn what_begins_while_it_is_ended_either_does_not_or_is_waited_for() {
        loom::model(|| {
            let lifecycle = Arc::new(Lifecycle::default());
            // A subscription that is pulled from has nothing to wait for until delivery begins.
            lifecycle.finish();
            let delivering = Arc::new(AtomicBool::new(false));
            let (beginner, active) = (Arc::clone(&lifecycle), Arc::clone(&delivering));
            let thread = thread::spawn(move || {
                if beginner.begin() {
                    active.store(true, Ordering::SeqCst);
                    active.store(false, Ordering::SeqCst);
                    beginner.finish();
                }
            });
            lifecycle.end();
            lifecycle.wait(None).unwrap();
            assert!(!delivering.load(Ordering::SeqCst), "delivery goes on after the wait");
            assert!(!lifecycle.begin(), "nothing can begin any more");
            thread.join().unwrap();
        });
    }
}
