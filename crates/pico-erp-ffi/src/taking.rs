//! Taking the events of a subscription without a callback: one, a batch, and a descriptor to wait on.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::sync::Arc;

use pico_erp::{Error, ErrorKind, runtime};

use crate::call::limit;
use crate::error::pico_error_t;
use crate::event::pico_event_t;
use crate::guard;
use crate::input::{places, required};
use crate::returns::ReturnStatus;
use crate::subscription::{SubscriptionInner, pico_subscription_t};

/// Waits for the next event.
fn next(inner: &SubscriptionInner, timeout_ms: i64) -> Result<pico_event_t, Error> {
    let next = async {
        let event = inner.source.next().await;
        event.ok_or_else(|| Error::new(ErrorKind::Closed, "the subscription has ended"))
    };
    runtime::block_on(next, limit(timeout_ms), None)
}

/// Takes the next event of a subscription without a callback; free it with pico_event_free(). Waits
/// timeout_ms at most, 0 not at all, negative for ever. PICO_E_TIMEOUT when there was none; PICO_E_CLOSED
/// after the end (the last event is PICO_EVENT_CLOSED, unless this side ended it). Several threads may
/// take; each event goes to one of them. Waits.
#[unsafe(no_mangle)]
pub extern "C" fn pico_subscription_next(
    subscription: Option<&pico_subscription_t>,
    timeout_ms: i64,
    event: Option<&mut MaybeUninit<*mut pico_event_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let inner = Arc::clone(pico_subscription_t::pulled(subscription)?);
        let out = required("event", event)?;
        out.write(Box::into_raw(Box::new(next(&inner, timeout_ms)?)));
        Ok(())
    })
}

/// Takes the next events of a subscription without a callback: waits for the first as
/// pico_subscription_next() does, and takes with it what else is there, `capacity` in all at most. `events` has
/// room for that many; *count receives how many there are, 1 or more. Free each with pico_event_free().
/// Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_subscription_next_batch(
    subscription: Option<&pico_subscription_t>,
    timeout_ms: i64,
    events: *mut *mut pico_event_t,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let inner = Arc::clone(pico_subscription_t::pulled(subscription)?);
        let count = required("count", count)?;
        if capacity == 0 {
            return Err(Error::invalid("capacity", "must be at least 1 event"));
        }
        // SAFETY: room for `capacity` pointers or NULL, by the header.
        let places = unsafe { places("events", events, capacity) }?;
        let batch = inner.source.fill(next(&inner, timeout_ms)?, capacity);
        count.write(batch.len());
        for (place, event) in places.iter_mut().zip(batch) {
            place.write(Box::into_raw(Box::new(event)));
        }
        Ok(())
    })
}

/// Gives a descriptor for poll(), select() or epoll, for a host with an event loop of its own: it is readable
/// exactly while pico_subscription_next() with a time limit of 0 would return an event or PICO_E_CLOSED. When it
/// is readable, take events until PICO_E_TIMEOUT. It belongs to the subscription, which always gives the same
/// one: do not read, write or close it, and take it out of an epoll set before the subscription is freed. Only
/// for a subscription without a callback. Unix only; PICO_E_INVALID_ARGUMENT elsewhere. Never waits; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn pico_subscription_descriptor(
    subscription: Option<&pico_subscription_t>,
    descriptor: Option<&mut MaybeUninit<c_int>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let inner = pico_subscription_t::pulled(subscription)?;
        let out = required("descriptor", descriptor)?;
        #[cfg(unix)]
        {
            let _entered = runtime::handle()?.enter();
            out.write(inner.source.descriptor()?);
            Ok(())
        }
        #[cfg(not(unix))]
        {
            let _ = (inner, out);
            Err(Error::invalid("descriptor", "is not to be had on this system; pull with a time limit"))
        }
    })
}
