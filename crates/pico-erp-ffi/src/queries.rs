//! The queries: operations, sub-operations, completions. They wait for the reply.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use pico_erp::{Error, OperationFilter, OrderCompleteFilter, SubOperationFilter};

use crate::call::pico_call_t;
use crate::client::pico_client_t;
use crate::error::pico_error_t;
use crate::guard;
use crate::input::{Sized32, optional_struct, optional_text, required};
use crate::lists::{List, pico_operations_t, pico_order_completes_t, pico_sub_operations_t};
use crate::returns::ReturnStatus;

/// Which operations. NULL in a field means any.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_operation_filter_t {
    /// sizeof(pico_operation_filter_t).
    pub struct_size: u32,
    /// The operation with this id of Pico's; sent to the server.
    pub id: *const c_char,
    /// With this part number; matched by the library.
    pub external_id: *const c_char,
    /// With this revision; matched by the library.
    pub external_revision: *const c_char,
}

/// Which edges of the product structure; matched by the library. NULL in a field means any.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_sub_operation_filter_t {
    /// sizeof(pico_sub_operation_filter_t).
    pub struct_size: u32,
    /// Below the operation with this id.
    pub parent_id: *const c_char,
    /// To the operation with this id.
    pub sub_id: *const c_char,
}

/// Which completed orders. NULL in a field means any.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_order_complete_filter_t {
    /// sizeof(pico_order_complete_filter_t).
    pub struct_size: u32,
    /// The unit, where by_order_index is not 0; matched by the library.
    pub order_index: u32,
    /// Of the operation with this id; sent to the server.
    pub operation_id: *const c_char,
    /// Of this ERP order; matched by the library.
    pub external_order_id: *const c_char,
    /// Not 0: only the unit order_index. 0: all units.
    pub by_order_index: i32,
}

// SAFETY: `repr(C)`, starts with a `u32`, and is made of pointers.
unsafe impl Sized32 for pico_operation_filter_t {
    const NAME: &'static str = "pico_operation_filter_t";
}
// SAFETY: as above.
unsafe impl Sized32 for pico_sub_operation_filter_t {
    const NAME: &'static str = "pico_sub_operation_filter_t";
}
// SAFETY: as above, with numbers.
unsafe impl Sized32 for pico_order_complete_filter_t {
    const NAME: &'static str = "pico_order_complete_filter_t";
}

/// # Safety
/// `filter` is NULL or a struct as the header describes it.
pub(crate) unsafe fn operation_filter(
    filter: *const pico_operation_filter_t,
) -> Result<OperationFilter, Error> {
    let mut wanted = OperationFilter::all();
    // SAFETY: the caller's promise; the fields are texts or NULL, by the header.
    unsafe {
        if let Some(filter) = optional_struct(filter)? {
            wanted.id = optional_text("filter.id", filter.id)?.map(Into::into);
            wanted.external_id = optional_text("filter.external_id", filter.external_id)?.map(Into::into);
            wanted.external_revision =
                optional_text("filter.external_revision", filter.external_revision)?.map(Into::into);
        }
    }
    Ok(wanted)
}

/// # Safety
/// As [`operation_filter`].
pub(crate) unsafe fn sub_operation_filter(
    filter: *const pico_sub_operation_filter_t,
) -> Result<SubOperationFilter, Error> {
    let mut wanted = SubOperationFilter::all();
    // SAFETY: the caller's promise; the fields are texts or NULL, by the header.
    unsafe {
        if let Some(filter) = optional_struct(filter)? {
            wanted.parent_id = optional_text("filter.parent_id", filter.parent_id)?.map(Into::into);
            wanted.sub_id = optional_text("filter.sub_id", filter.sub_id)?.map(Into::into);
        }
    }
    Ok(wanted)
}

/// # Safety
/// As [`operation_filter`].
pub(crate) unsafe fn order_complete_filter(
    filter: *const pico_order_complete_filter_t,
) -> Result<OrderCompleteFilter, Error> {
    let mut wanted = OrderCompleteFilter::all();
    // SAFETY: the caller's promise; the fields are texts or NULL, by the header.
    unsafe {
        if let Some(filter) = optional_struct(filter)? {
            wanted.operation_id = optional_text("filter.operation_id", filter.operation_id)?.map(Into::into);
            wanted.external_order_id =
                optional_text("filter.external_order_id", filter.external_order_id)?.map(Into::into);
            wanted.order_index = (filter.by_order_index != 0).then_some(filter.order_index);
        }
    }
    Ok(wanted)
}

/// Lists what can be built. Pico has no paging, so this is the whole list. `filter` may be NULL for all,
/// `call` for no control. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_operations(
    client: Option<&pico_client_t>,
    filter: *const pico_operation_filter_t,
    call: Option<&pico_call_t>,
    operations: Option<&mut MaybeUninit<*mut pico_operations_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (client, out) = (pico_client_t::open(client)?, required("operations", operations)?);
        // SAFETY: a filter or NULL, by the header.
        let filter = unsafe { operation_filter(filter) }?;
        let found = client.wait(call, client.core.operations(&filter))?;
        out.write(Box::into_raw(Box::new(pico_operations_t(List::new(&found)))));
        Ok(())
    })
}

/// Lists the edges of the product structure. `filter` may be NULL for all, `call` for no control. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_sub_operations(
    client: Option<&pico_client_t>,
    filter: *const pico_sub_operation_filter_t,
    call: Option<&pico_call_t>,
    sub_operations: Option<&mut MaybeUninit<*mut pico_sub_operations_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (client, out) = (pico_client_t::open(client)?, required("sub_operations", sub_operations)?);
        // SAFETY: a filter or NULL, by the header.
        let filter = unsafe { sub_operation_filter(filter) }?;
        let found = client.wait(call, client.core.sub_operations(&filter))?;
        out.write(Box::into_raw(Box::new(pico_sub_operations_t(List::new(&found)))));
        Ok(())
    })
}

/// Lists completed orders. This is how a completion is found again that no stream delivered: Pico itself
/// never sends one twice. `filter` may be NULL for all, `call` for no control. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_order_completes(
    client: Option<&pico_client_t>,
    filter: *const pico_order_complete_filter_t,
    call: Option<&pico_call_t>,
    order_completes: Option<&mut MaybeUninit<*mut pico_order_completes_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (client, out) = (pico_client_t::open(client)?, required("order_completes", order_completes)?);
        // SAFETY: a filter or NULL, by the header.
        let filter = unsafe { order_complete_filter(filter) }?;
        let found = client.wait(call, client.core.order_completes(&filter))?;
        out.write(Box::into_raw(Box::new(pico_order_completes_t(List::new(&found)))));
        Ok(())
    })
}
