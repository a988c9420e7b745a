//! The orders in a store on their way to Pico: queued, waited for, listed, sent again, dropped. Needs no sender, and works
//! beside one, from another process too; [`crate::sender`] sends them.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use pico_erp::{
    Error, OrderCancel, OrderSave, Outbox, OutboxCounts, OutboxEntry, OutboxState, Requested, runtime,
};

use crate::call::{control, pico_call_t};
use crate::error::pico_error_t;
use crate::guard;
use crate::input::{Sized32, fill_struct, optional_text, required, text};
use crate::orders::{cancel_of, pico_order_cancel_t, pico_order_save_t, save_of};
use crate::owned_text::pico_text_t;
use crate::returns::ReturnStatus;
use crate::store::pico_store_t;

/// In place of a state: orders in any state.
pub const PICO_OUTBOX_ANY: i32 = 0;
/// The order waits for its turn.
pub const PICO_OUTBOX_QUEUED: i32 = 1;
/// It is in a request that is under way.
pub const PICO_OUTBOX_SENDING: i32 = 2;
/// It could not be sent, and is tried again.
pub const PICO_OUTBOX_WAITING: i32 = 3;
/// Pico has it.
pub const PICO_OUTBOX_SENT: i32 = 4;
/// Pico refused it. Kept, with the error, until it is sent again or dropped.
pub const PICO_OUTBOX_FAILED: i32 = 5;
/// A later order for the same unit took its place before it was sent.
pub const PICO_OUTBOX_SUPERSEDED: i32 = 6;
/// It was given up by pico_outbox_drop().
pub const PICO_OUTBOX_DROPPED: i32 = 7;

/// How many orders are in which state.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_outbox_counts_t {
    /// sizeof(pico_outbox_counts_t); set it before the call.
    pub struct_size: u32,
    /// PICO_OUTBOX_QUEUED.
    pub queued: u64,
    /// PICO_OUTBOX_SENDING.
    pub sending: u64,
    /// PICO_OUTBOX_WAITING.
    pub waiting: u64,
    /// PICO_OUTBOX_SENT.
    pub sent: u64,
    /// PICO_OUTBOX_FAILED.
    pub failed: u64,
    /// PICO_OUTBOX_SUPERSEDED.
    pub superseded: u64,
    /// PICO_OUTBOX_DROPPED.
    pub dropped: u64,
}

// SAFETY: `repr(C)`, starts with a `u32`, and is made of numbers.
unsafe impl Sized32 for pico_outbox_counts_t {
    const NAME: &'static str = "pico_outbox_counts_t";
}

fn state_of(state: i32) -> Result<Option<OutboxState>, Error> {
    Ok(Some(match state {
        PICO_OUTBOX_ANY => return Ok(None),
        PICO_OUTBOX_QUEUED => OutboxState::Queued,
        PICO_OUTBOX_SENDING => OutboxState::Sending,
        PICO_OUTBOX_WAITING => OutboxState::Waiting,
        PICO_OUTBOX_SENT => OutboxState::Sent,
        PICO_OUTBOX_FAILED => OutboxState::Failed,
        PICO_OUTBOX_SUPERSEDED => OutboxState::Superseded,
        PICO_OUTBOX_DROPPED => OutboxState::Dropped,
        other => return Err(Error::invalid("state", format!("is {other}; give PICO_OUTBOX_*"))),
    }))
}

/// The outbox of a store that must be there.
pub(crate) fn outbox_of(store: Option<&pico_store_t>) -> Result<Outbox, Error> {
    Ok(pico_store_t::core(store)?.outbox())
}

/// Queues a save on the calling thread, and tells its number.
///
/// # Safety
/// `request_id` is NULL or a text.
pub(crate) unsafe fn queue_save(
    outbox: &Outbox,
    order: OrderSave,
    request_id: *const c_char,
    id: Option<&mut MaybeUninit<i64>>,
) -> Result<(), Error> {
    // SAFETY: passed on to the caller.
    let order = match unsafe { optional_text("request_id", request_id) }? {
        Some(request) => order.request_id(request),
        None => Requested::from(order),
    };
    let queued = runtime::block_on(outbox.save(order), None, None)?;
    if let Some(id) = id {
        id.write(queued.id);
    }
    Ok(())
}

fn list(entries: &[OutboxEntry]) -> *mut pico_text_t {
    let entries: Vec<_> = entries.iter().map(|entry| entry.to_json().as_str().to_owned()).collect();
    pico_text_t::give(&format!("[{}]", entries.join(",")))
}

/// Queues an order to be saved. On PICO_OK it is on disk, and a sender (pico_sender_start()) brings it to Pico, now or
/// when Pico can be reached again: commit your own transaction after this. It needs an external_order_id. A later save
/// of the same external_order_id, operation_id and order_index takes the place of one that was not sent yet.
/// `request_id` (may be NULL) is your own id for this call, such as a job's: queued again under it, after a crash for
/// example, the order is still queued once; PICO_E_INVALID_ARGUMENT when another order was queued under it. `id` (may be
/// NULL) receives the number in the outbox, of the known order where it was known. Waits for the disk, not for Pico.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_outbox_save(
    store: Option<&pico_store_t>,
    order: *const pico_order_save_t,
    request_id: *const c_char,
    id: Option<&mut MaybeUninit<i64>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let outbox = outbox_of(store)?;
        // SAFETY: a struct or NULL, and a text or NULL, by the header.
        unsafe { queue_save(&outbox, save_of(order)?, request_id, id) }
    })
}

/// Queues a cancel. It takes the place of the saves that it covers and that were not sent yet, and is sent after those
/// that may have been. All else as pico_outbox_save(). Waits for the disk, not for Pico.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_outbox_cancel(
    store: Option<&pico_store_t>,
    order: *const pico_order_cancel_t,
    request_id: *const c_char,
    id: Option<&mut MaybeUninit<i64>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let outbox = outbox_of(store)?;
        // SAFETY: a struct or NULL, and a text or NULL, by the header.
        let (order, request_id): (OrderCancel, _) =
            unsafe { (cancel_of(order)?, optional_text("request_id", request_id)?) };
        let order = match request_id {
            Some(request) => order.request_id(request),
            None => Requested::from(order),
        };
        let queued = runtime::block_on(outbox.cancel(order), None, None)?;
        if let Some(id) = id {
            id.write(queued.id);
        }
        Ok(())
    })
}

/// Counts the orders in the outbox by state. `counts` has its struct_size set. Waits for the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_outbox_counts(
    store: Option<&pico_store_t>,
    counts: *mut pico_outbox_counts_t,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let outbox = outbox_of(store)?;
        let OutboxCounts { queued, sending, waiting, sent, failed, superseded, dropped, .. } =
            runtime::block_on(outbox.counts(), None, None)?;
        let found = pico_outbox_counts_t {
            struct_size: 0,
            queued,
            sending,
            waiting,
            sent,
            failed,
            superseded,
            dropped,
        };
        // SAFETY: a struct or NULL, by the header.
        unsafe { fill_struct("counts", counts, found) }
    })
}

/// Lists orders in the order of queueing as a JSON list: those in a state PICO_OUTBOX_*, or all with
/// PICO_OUTBOX_ANY; `limit` at most, after the one with the number `after`, which is 0 for the first page and then
/// the last one's "id". Each is an object with "id", "kind" (save or cancel), "externalOrderId", "operationId",
/// "orderIndex", "cancelAll", "state", "attempts", "queued", "due", "settled", "supersededBy", "message" (Pico's answer),
/// "error" (with "code", a PICO_E_*, "message" and "graphqlErrors"), "requestId" and "input"; what is absent is null. Free
/// the text with pico_text_free(). Waits for the disk.
#[unsafe(no_mangle)]
pub extern "C" fn pico_outbox_list_json(
    store: Option<&pico_store_t>,
    state: i32,
    after: i64,
    limit: usize,
    json: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (outbox, out) = (outbox_of(store)?, required("json", json)?);
        let entries = runtime::block_on(outbox.entries(state_of(state)?, after, limit), None, None)?;
        out.write(list(&entries));
        Ok(())
    })
}

/// Finds all that was queued for one order of the ERP's, oldest first, as a JSON list as of pico_outbox_list_json(); an
/// empty one when nothing was. Free the text with pico_text_free(). Waits for the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_outbox_find_json(
    store: Option<&pico_store_t>,
    external_order_id: *const c_char,
    json: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let outbox = outbox_of(store)?;
        // SAFETY: a text or NULL, by the header.
        let external = unsafe { text("external_order_id", external_order_id) }?;
        let out = required("json", json)?;
        out.write(list(&runtime::block_on(outbox.find(external), None, None)?));
        Ok(())
    })
}

/// Queues an order again, by its number, that Pico refused. PICO_E_INVALID_ARGUMENT when there is none, it has not
/// failed, or a later one for the same unit was queued since, which it would undo. Waits for the disk.
#[unsafe(no_mangle)]
pub extern "C" fn pico_outbox_retry(
    store: Option<&pico_store_t>,
    id: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || runtime::block_on(outbox_of(store)?.retry(id), None, None))
}

/// Queues all orders again that Pico refused, but those that were followed by a later one for the same unit. `count`
/// (may be NULL) receives how many. Waits for the disk.
#[unsafe(no_mangle)]
pub extern "C" fn pico_outbox_retry_failed(
    store: Option<&pico_store_t>,
    count: Option<&mut MaybeUninit<u64>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let queued = runtime::block_on(outbox_of(store)?.retry_failed(), None, None)?;
        if let Some(count) = count {
            count.write(queued);
        }
        Ok(())
    })
}

/// Gives an order up, by its number: one that is queued, waiting or failed. PICO_E_INVALID_ARGUMENT when there is none,
/// or it is being sent or settled. Waits for the disk.
#[unsafe(no_mangle)]
pub extern "C" fn pico_outbox_drop(
    store: Option<&pico_store_t>,
    id: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || runtime::block_on(outbox_of(store)?.drop(id), None, None))
}

/// Waits until an order is settled, by its number: sent, failed, superseded or dropped. It is PICO_OK in each case: look
/// at "state". *json receives the order as an object as of pico_outbox_list_json(); free it with pico_text_free().
/// Waits as long as `call` (may be NULL) allows; when no sender runs, in this process or another, that is for ever.
/// PICO_E_INVALID_ARGUMENT when there is no such order.
#[unsafe(no_mangle)]
pub extern "C" fn pico_outbox_wait(
    store: Option<&pico_store_t>,
    id: i64,
    call: Option<&pico_call_t>,
    json: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (outbox, out) = (outbox_of(store)?, required("json", json)?);
        let (limit, cancel) = control(call);
        let entry = runtime::block_on(outbox.wait(id), limit, cancel.as_ref())?;
        out.write(pico_text_t::give(entry.to_json().as_str()));
        Ok(())
    })
}
