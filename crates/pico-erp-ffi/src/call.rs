//! The control of a call that waits: its time limit, and the handle to cancel it.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use pico_erp::runtime::Cancel;

use crate::error::pico_error_t;
use crate::guard;
use crate::input::required;
use crate::returns::{ReturnNothing, ReturnStatus};

/// Controls calls: a time limit for the whole of each, and a way to cancel them from another thread. One
/// object may be passed to several calls.
pub struct pico_call_t {
    timeout_ms: AtomicI64,
    cancel: Cancel,
}

/// A time limit of C: negative means none.
pub(crate) fn limit(timeout_ms: i64) -> Option<Duration> {
    u64::try_from(timeout_ms).ok().map(Duration::from_millis)
}

/// What an optional call object asks for.
pub(crate) fn control(call: Option<&pico_call_t>) -> (Option<Duration>, Option<Cancel>) {
    call.map_or((None, None), |call| {
        (limit(call.timeout_ms.load(Ordering::Relaxed)), Some(call.cancel.clone()))
    })
}

/// Makes a control without a time limit.
#[unsafe(no_mangle)]
pub extern "C" fn pico_call_new(
    call: Option<&mut MaybeUninit<*mut pico_call_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let new = pico_call_t { timeout_ms: AtomicI64::new(-1), cancel: Cancel::new() };
        required("call", call)?.write(Box::into_raw(Box::new(new)));
        Ok(())
    })
}

/// Limits the whole of each call that begins from now on, its retries included: PICO_E_TIMEOUT after that.
/// Negative means no limit.
#[unsafe(no_mangle)]
pub extern "C" fn pico_call_set_timeout_ms(
    call: Option<&pico_call_t>,
    timeout_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        required("call", call)?.timeout_ms.store(timeout_ms, Ordering::Relaxed);
        Ok(())
    })
}

/// Cancels the calls that were given this control, those that wait now and all later ones:
/// PICO_E_CANCELLED. Whether the server has carried out what was sent is not known then. Does not wait; any
/// thread, callbacks included.
#[unsafe(no_mangle)]
pub extern "C" fn pico_call_cancel(
    call: Option<&pico_call_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        required("call", call)?.cancel.cancel();
        Ok(())
    })
}

/// Frees the control. Asynchronous calls that were given it go on.
#[unsafe(no_mangle)]
pub extern "C" fn pico_call_free(call: Option<Box<pico_call_t>>) -> ReturnNothing {
    guard::free(call);
}
