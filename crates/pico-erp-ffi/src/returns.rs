//! Names for the types that exports return.
//!
//! To Rust they are the types themselves. `cbindgen.toml` writes each into the header as the C type
//! followed by `PICO_CALL`, which C wants between the returned type and the function's name.

use std::ffi::c_char;

use crate::delivery::pico_delivery_t;
use crate::error::pico_error_t;
use crate::event::pico_event_t;
use crate::status::pico_status_t;
use crate::views::{
    pico_note_t, pico_operation_t, pico_order_complete_t, pico_sub_operation_t, pico_webhook_t,
};

/// A status.
pub type ReturnStatus = pico_status_t;
/// Nothing.
pub type ReturnNothing = ();
/// A borrowed text, or NULL.
pub type ReturnText = *const c_char;
/// A number or a constant.
pub type ReturnInt32 = i32;
/// A number.
pub type ReturnUint32 = u32;
/// A large number.
pub type ReturnUint64 = u64;
/// A time.
pub type ReturnInt64 = i64;
/// A count.
pub type ReturnSize = usize;
/// A borrowed error, or NULL.
pub type ReturnError = *const pico_error_t;
/// An owned event, or NULL.
pub type ReturnEvent = *mut pico_event_t;
/// An owned delivery, or NULL.
pub type ReturnDelivery = *mut pico_delivery_t;
/// A borrowed view, or NULL.
pub type ReturnOperation = *const pico_operation_t;
/// A borrowed view, or NULL.
pub type ReturnSubOperation = *const pico_sub_operation_t;
/// A borrowed view, or NULL.
pub type ReturnOrderComplete = *const pico_order_complete_t;
/// A borrowed view, or NULL.
pub type ReturnNote = *const pico_note_t;
/// A borrowed view, or NULL.
pub type ReturnWebhook = *const pico_webhook_t;
