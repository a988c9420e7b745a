//! [`Slot`]: what an object of Python owns until it is closed. In a forked child nothing in it is touched, not even to
//! drop it: its locks may be held by threads that are not there.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pico_erp::{Error, runtime};

use crate::error::closed;

/// Holds a `T` until it is taken.
pub(crate) struct Slot<T> {
    /// What the object is called in an error.
    name: &'static str,
    held: Mutex<Option<T>>,
}

impl<T> Slot<T> {
    pub(crate) fn new(name: &'static str, held: T) -> Self {
        Self { name, held: Mutex::new(Some(held)) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle to what is held; an error once it was taken, and in a forked child.
    pub(crate) fn get(&self) -> Result<T, Error>
    where
        T: Clone,
    {
        runtime::check_process()?;
        self.lock().clone().ok_or_else(|| closed(self.name))
    }

    /// Looks at what is held; an error once it was taken, and in a forked child. `look` must be short.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> Result<R, Error> {
        runtime::check_process()?;
        self.lock().as_ref().map(look).ok_or_else(|| closed(self.name))
    }

    /// Takes it out; nothing the second time, and in a forked child.
    pub(crate) fn take(&self) -> Option<T> {
        runtime::check_process().ok()?;
        self.lock().take()
    }

    /// Whether it was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_none()
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        if runtime::check_process().is_err() {
            mem::forget(self.held.get_mut().map(Option::take));
        }
    }
}
