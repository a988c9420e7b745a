//! The border: what every export goes through before and after its own work.
//!
//! It refuses a forked process, refuses to wait inside a callback, turns a panic into a status, and hands
//! out errors. Plain getters and frees of plain memory pass it too, without the check for a fork: reading
//! memory is safe in a child, and a child must be able to read the error that says that it was forked.

use std::any::Any;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use pico_erp::{Error, ErrorKind, runtime};

use crate::error::pico_error_t;
use crate::status::{PICO_OK, pico_status_t, status_of};

thread_local! {
    /// How many callbacks this thread is inside of.
    static CALLBACKS: Cell<u32> = const { Cell::new(0) };
    /// How many exports this thread is inside of.
    static EXPORTS: Cell<u32> = const { Cell::new(0) };
}

/// Where a caller wants the error, if anywhere.
pub(crate) type ErrorOut<'a> = Option<&'a mut MaybeUninit<*mut pico_error_t>>;

/// Counts one more on a thread-local counter until it is dropped.
struct Inside(&'static std::thread::LocalKey<Cell<u32>>);

impl Inside {
    fn new(counter: &'static std::thread::LocalKey<Cell<u32>>) -> Self {
        // On a thread that is ending the counter may be gone already; nothing is counted then.
        let _ = counter.try_with(|count| count.set(count.get() + 1));
        Self(counter)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = self.0.try_with(|count| count.set(count.get().saturating_sub(1)));
    }
}

/// Runs a caller's function, marking the thread so that nothing waits in it.
pub(crate) fn in_callback<T>(call: impl FnOnce() -> T) -> T {
    let _inside = Inside::new(&CALLBACKS);
    call()
}

fn is_in_callback() -> bool {
    CALLBACKS.try_with(Cell::get).unwrap_or(0) > 0
}

/// Guards an export that can fail and does not wait.
pub(crate) fn status(error: ErrorOut<'_>, body: impl FnOnce() -> Result<(), Error>) -> pico_status_t {
    report(
        error,
        caught(|| {
            runtime::check_process()?;
            body()
        }),
    )
}

/// Guards an export that waits: it is refused inside a callback.
pub(crate) fn waiting(error: ErrorOut<'_>, body: impl FnOnce() -> Result<(), Error>) -> pico_status_t {
    status(error, || {
        if is_in_callback() {
            return Err(Error::new(
                ErrorKind::Reentrant,
                "this function waits, which a callback must not; hand the work to another thread",
            ));
        }
        body()
    })
}

/// Guards an export that cannot fail.
pub(crate) fn get<T>(default: T, body: impl FnOnce() -> T) -> T {
    caught(|| Ok(body())).unwrap_or(default)
}

/// Guards the free of an object that uses the library's threads. A forked child lets it leak: what it would
/// take to let go of it, such as a lock, may be held for ever by a thread that the child does not have.
pub(crate) fn free<T>(object: Option<Box<T>>) {
    get((), || {
        if runtime::check_process().is_ok() {
            drop(object);
        } else {
            std::mem::forget(object);
        }
    });
}

/// Runs the body, with a panic as an error.
pub(crate) fn caught<T>(body: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    quiet_panics();
    let _inside = Inside::new(&EXPORTS);
    let body = || {
        #[cfg(test)]
        tests::panic_if_asked_to();
        body()
    };
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| Err(panicked(payload.as_ref())))
}

/// The error for a panic that was caught.
pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Error {
    let what = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::new(ErrorKind::Panic, format!("a bug in pico-erp was caught: {what}"))
}

fn report(out: ErrorOut<'_>, result: Result<(), Error>) -> pico_status_t {
    let Err(error) = result else {
        return PICO_OK;
    };
    let status = status_of(error.kind());
    if let Some(out) = out {
        out.write(Box::into_raw(Box::new(pico_error_t::new(error))));
    }
    status
}

/// Keeps panics that are caught off standard error, which is the host's: they go to the log.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let ours = EXPORTS.try_with(Cell::get).unwrap_or(0) > 0
                || std::thread::current().name().is_some_and(|name| name.starts_with("pico-erp"));
            if ours {
                tracing::error!("{info}");
            } else {
                previous(info);
            }
        }));
    });
}

#[cfg(test)]
pub(crate) mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::error::{pico_error_free, pico_error_message, pico_error_status};
    use crate::status::{PICO_E_PANIC, PICO_E_REENTRANT};

    thread_local! {
        /// Whether the next export that this thread calls is to panic.
        static BROKEN: Cell<bool> = const { Cell::new(false) };
    }

    /// Calls one export, which panics behind its guard.
    pub(crate) fn with_a_panic<T>(call: impl FnOnce() -> T) -> T {
        BROKEN.set(true);
        let result = call();
        assert!(!BROKEN.get(), "the export has no guard");
        result
    }

    pub(super) fn panic_if_asked_to() {
        assert!(!BROKEN.replace(false), "broken on purpose");
    }

    #[test]
    fn a_panic_becomes_a_status_with_its_message() {
        let mut error = MaybeUninit::uninit();
        assert_eq!(status(Some(&mut error), || panic!("broken on purpose")), PICO_E_PANIC);
        // SAFETY: a failed call writes the error, and it is freed once.
        let error = unsafe { Box::from_raw(error.assume_init()) };
        assert_eq!(pico_error_status(Some(&error)), PICO_E_PANIC);
        // SAFETY: the message lives as long as the error.
        let message = unsafe { CStr::from_ptr(pico_error_message(Some(&error))) };
        assert!(message.to_str().unwrap().ends_with("broken on purpose"));
        pico_error_free(Some(error));
        assert_eq!(get(7, || panic!("broken on purpose")), 7);
    }

    #[test]
    fn an_object_that_panics_when_it_is_freed_harms_nobody() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("broken on purpose");
            }
        }
        free(Some(Box::new(Bomb)));
    }

    #[test]
    fn nothing_waits_inside_a_callback() {
        let status = in_callback(|| waiting(None, || Ok(())));
        assert_eq!(status, PICO_E_REENTRANT);
        assert_eq!(waiting(None, || Ok(())), PICO_OK);
    }
}
