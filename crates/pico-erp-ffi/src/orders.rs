//! Operation orders: save and cancel. They wait for the reply.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use pico_erp::{Error, Json, OrderCancel, OrderSave, OrderSaved, Units};

use crate::call::pico_call_t;
use crate::client::pico_client_t;
use crate::error::pico_error_t;
use crate::guard;
use crate::input::{Sized32, optional_text, required_struct, text, texts};
use crate::owned_text::pico_text_t;
use crate::returns::ReturnStatus;

/// The order is new.
pub const PICO_SAVED_CREATED: i32 = 1;
/// The order was known and has been updated.
pub const PICO_SAVED_UPDATED: i32 = 2;
/// The server used another word; the order is saved, since there was no error.
pub const PICO_SAVED_OTHER: i32 = 3;

/// An order to save. Pico knows an order by external_order_id, operation_id and order_index together:
/// saving the same three again updates it. For several units, save one order for each, with order_index 0,
/// 1, 2...
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_order_save_t {
    /// sizeof(pico_order_save_t).
    pub struct_size: u32,
    /// Which unit of the order, from 0.
    pub order_index: u32,
    /// What to build: the id of an operation.
    pub operation_id: *const c_char,
    /// The ERP's order id. NULL makes a new order with every save, which is never retried; prefer an id.
    pub external_order_id: *const c_char,
    /// The optional operations to include, by id; may be NULL.
    pub select_optional_operation_ids: *const *const c_char,
    /// How many there are.
    pub select_optional_operation_ids_count: usize,
    /// Further fields of Pico's input as a JSON object, under their names there; may be NULL. Newer Picos take a
    /// reserved serial and a second order id so, but do not document the names.
    pub extra_json: *const c_char,
}

/// An order to cancel. Only units that have not been started are.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_order_cancel_t {
    /// sizeof(pico_order_cancel_t).
    pub struct_size: u32,
    /// Which unit, from 0; unless cancel_all.
    pub order_index: u32,
    /// What was to be built.
    pub operation_id: *const c_char,
    /// The ERP's order id.
    pub external_order_id: *const c_char,
    /// Not 0: all units. 0: the unit order_index.
    pub cancel_all: i32,
}

// SAFETY: `repr(C)`, starts with a `u32`, and is made of numbers and pointers.
unsafe impl Sized32 for pico_order_save_t {
    const NAME: &'static str = "pico_order_save_t";
}
// SAFETY: as above.
unsafe impl Sized32 for pico_order_cancel_t {
    const NAME: &'static str = "pico_order_cancel_t";
}

/// # Safety
/// `order` is NULL or a struct as the header describes it.
pub(crate) unsafe fn save_of(order: *const pico_order_save_t) -> Result<OrderSave, Error> {
    // SAFETY: a struct or NULL, with texts and an array as the header describes them.
    unsafe {
        let order = required_struct("order", order)?;
        let operation = text("operation_id", order.operation_id)?;
        let save = match optional_text("external_order_id", order.external_order_id)? {
            Some(id) => OrderSave::new(operation, id),
            None => OrderSave::anonymous(operation),
        };
        let optional = texts(
            "select_optional_operation_ids",
            order.select_optional_operation_ids,
            order.select_optional_operation_ids_count,
        )?;
        let mut save = save.order_index(order.order_index).select_optional_operations(optional);
        if let Some(extra) = optional_text("extra_json", order.extra_json)? {
            save.extra = Json::new(extra.to_owned()).and_then(|json| json.decode()).map_err(|_| {
                Error::invalid("extra_json", "must be a JSON object such as {\"name\": \"value\"}")
            })?;
        }
        Ok(save)
    }
}

/// # Safety
/// As [`save_of`].
pub(crate) unsafe fn cancel_of(order: *const pico_order_cancel_t) -> Result<OrderCancel, Error> {
    // SAFETY: a struct or NULL, with texts as the header describes them.
    unsafe {
        let order = required_struct("order", order)?;
        let units = if order.cancel_all == 0 { Units::One(order.order_index) } else { Units::All };
        let operation = text("operation_id", order.operation_id)?;
        let external = text("external_order_id", order.external_order_id)?;
        Ok(OrderCancel::new(operation, external, units))
    }
}

/// Saves an order: creates it, or updates it when Pico knows it. `outcome` (may be NULL) receives
/// PICO_SAVED_*. A save with an external_order_id is retried, since repeating it does no harm; after a
/// retry the outcome may be PICO_SAVED_UPDATED for an order that this very call created. `call` may be
/// NULL. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_save_order(
    client: Option<&pico_client_t>,
    order: *const pico_order_save_t,
    call: Option<&pico_call_t>,
    outcome: Option<&mut MaybeUninit<i32>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let client = pico_client_t::open(client)?;
        // SAFETY: passed on to the caller.
        let order = unsafe { save_of(order) }?;
        let saved = client.wait(call, client.core.save_order(&order))?;
        if let Some(outcome) = outcome {
            outcome.write(match saved {
                OrderSaved::Created => PICO_SAVED_CREATED,
                OrderSaved::Updated => PICO_SAVED_UPDATED,
                _ => PICO_SAVED_OTHER,
            });
        }
        Ok(())
    })
}

/// Cancels units of an order that have not been started. `message` (may be NULL) receives what the server
/// said; Pico does not document its answer when nothing can be cancelled. Never retried after it may have
/// reached the server. `call` may be NULL. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_cancel_order(
    client: Option<&pico_client_t>,
    order: *const pico_order_cancel_t,
    call: Option<&pico_call_t>,
    message: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let client = pico_client_t::open(client)?;
        // SAFETY: passed on to the caller.
        let order = unsafe { cancel_of(order) }?;
        let said = client.wait(call, client.core.cancel_order(&order))?;
        if let Some(message) = message {
            message.write(pico_text_t::give(&said));
        }
        Ok(())
    })
}
