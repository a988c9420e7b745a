//! The lists that queries give: operations, sub-operations, completions, webhooks.
//!
//! Each is the same four functions, written out, because the header is generated from what stands here.

use std::mem::MaybeUninit;
use std::ptr;

use pico_erp::Json;

use crate::guard;
use crate::returns::{
    ReturnNothing, ReturnOperation, ReturnOrderComplete, ReturnSize, ReturnSubOperation, ReturnText,
    ReturnWebhook,
};
use crate::text::JsonText;
use crate::views::{
    Viewed, Views, pico_operation_t, pico_order_complete_t, pico_sub_operation_t, pico_webhook_t,
};

/// The views of a list and its JSON.
pub(crate) struct List<V> {
    pub(crate) views: Views<V>,
    pub(crate) json: JsonText,
}

impl<V: Copy + 'static> List<V> {
    pub(crate) fn new<T: Viewed<View = V>>(models: &[T]) -> Self {
        let raws: Vec<Json> = models.iter().map(|model| model.raw().clone()).collect();
        Self { views: Views::of(models), json: JsonText::list(raws) }
    }
}

/// A list of operations.
pub struct pico_operations_t(pub(crate) List<pico_operation_t>);

/// How many operations there are; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_operations_count(list: Option<&pico_operations_t>) -> ReturnSize {
    guard::get(0, || list.map_or(0, |list| list.0.views.len()))
}

/// The operation at an index from 0; NULL past the end. Lives as long as the list.
#[unsafe(no_mangle)]
pub extern "C" fn pico_operations_at(list: Option<&pico_operations_t>, index: usize) -> ReturnOperation {
    guard::get(ptr::null(), || list.map_or(ptr::null(), |list| list.0.views.at(index)))
}

/// The list as JSON, each element as the server sent it. `length` (may be NULL) receives the length without
/// the NUL. Lives as long as the list.
#[unsafe(no_mangle)]
pub extern "C" fn pico_operations_json(
    list: Option<&pico_operations_t>,
    length: Option<&mut MaybeUninit<usize>>,
) -> ReturnText {
    guard::get(ptr::null(), || list.map_or(ptr::null(), |list| list.0.json.give(length)))
}

/// Frees the list and all it gave.
#[unsafe(no_mangle)]
pub extern "C" fn pico_operations_free(list: Option<Box<pico_operations_t>>) -> ReturnNothing {
    guard::get((), || drop(list));
}

/// A list of edges of the product structure.
pub struct pico_sub_operations_t(pub(crate) List<pico_sub_operation_t>);

/// How many edges there are; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_sub_operations_count(list: Option<&pico_sub_operations_t>) -> ReturnSize {
    guard::get(0, || list.map_or(0, |list| list.0.views.len()))
}

/// The edge at an index from 0; NULL past the end. Lives as long as the list.
#[unsafe(no_mangle)]
pub extern "C" fn pico_sub_operations_at(
    list: Option<&pico_sub_operations_t>,
    index: usize,
) -> ReturnSubOperation {
    guard::get(ptr::null(), || list.map_or(ptr::null(), |list| list.0.views.at(index)))
}

/// The list as JSON, each element as the server sent it. `length` (may be NULL) receives the length without
/// the NUL. Lives as long as the list.
#[unsafe(no_mangle)]
pub extern "C" fn pico_sub_operations_json(
    list: Option<&pico_sub_operations_t>,
    length: Option<&mut MaybeUninit<usize>>,
) -> ReturnText {
    guard::get(ptr::null(), || list.map_or(ptr::null(), |list| list.0.json.give(length)))
}

/// Frees the list and all it gave.
#[unsafe(no_mangle)]
pub extern "C" fn pico_sub_operations_free(list: Option<Box<pico_sub_operations_t>>) -> ReturnNothing {
    guard::get((), || drop(list));
}

/// A list of completed orders.
pub struct pico_order_completes_t(pub(crate) List<pico_order_complete_t>);

/// How many completed orders there are; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_order_completes_count(list: Option<&pico_order_completes_t>) -> ReturnSize {
    guard::get(0, || list.map_or(0, |list| list.0.views.len()))
}

/// The completed order at an index from 0; NULL past the end. Lives as long as the list.
#[unsafe(no_mangle)]
pub extern "C" fn pico_order_completes_at(
    list: Option<&pico_order_completes_t>,
    index: usize,
) -> ReturnOrderComplete {
    guard::get(ptr::null(), || list.map_or(ptr::null(), |list| list.0.views.at(index)))
}

/// The list as JSON, each element as the server sent it. `length` (may be NULL) receives the length without
/// the NUL. Lives as long as the list.
#[unsafe(no_mangle)]
pub extern "C" fn pico_order_completes_json(
    list: Option<&pico_order_completes_t>,
    length: Option<&mut MaybeUninit<usize>>,
) -> ReturnText {
    guard::get(ptr::null(), || list.map_or(ptr::null(), |list| list.0.json.give(length)))
}

/// Frees the list and all it gave.
#[unsafe(no_mangle)]
pub extern "C" fn pico_order_completes_free(list: Option<Box<pico_order_completes_t>>) -> ReturnNothing {
    guard::get((), || drop(list));
}

/// A list of webhook registrations.
pub struct pico_webhooks_t(pub(crate) List<pico_webhook_t>);

/// How many registrations there are; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_webhooks_count(list: Option<&pico_webhooks_t>) -> ReturnSize {
    guard::get(0, || list.map_or(0, |list| list.0.views.len()))
}

/// The registration at an index from 0; NULL past the end. Lives as long as the list.
#[unsafe(no_mangle)]
pub extern "C" fn pico_webhooks_at(list: Option<&pico_webhooks_t>, index: usize) -> ReturnWebhook {
    guard::get(ptr::null(), || list.map_or(ptr::null(), |list| list.0.views.at(index)))
}

/// The list as JSON, each element as the server sent it. `length` (may be NULL) receives the length without
/// the NUL. Lives as long as the list.
#[unsafe(no_mangle)]
pub extern "C" fn pico_webhooks_json(
    list: Option<&pico_webhooks_t>,
    length: Option<&mut MaybeUninit<usize>>,
) -> ReturnText {
    guard::get(ptr::null(), || list.map_or(ptr::null(), |list| list.0.json.give(length)))
}

/// Frees the list and all it gave.
#[unsafe(no_mangle)]
pub extern "C" fn pico_webhooks_free(list: Option<Box<pico_webhooks_t>>) -> ReturnNothing {
    guard::get((), || drop(list));
}

#[cfg(test)]
mod tests {
    use super::*;
    use pico_erp::{Model, Webhook};
    use std::ffi::CStr;

    #[test]
    fn a_list_counts_its_elements_and_gives_them_as_json() {
        let raw = r#"{"subscriptionId":"a"}"#;
        let webhook = Webhook::from_json(Json::new(raw).unwrap()).unwrap();
        let list = Box::new(pico_webhooks_t(List::new(&[webhook.clone(), webhook])));
        assert_eq!(pico_webhooks_count(Some(&list)), 2);
        assert!(!pico_webhooks_at(Some(&list), 1).is_null() && pico_webhooks_at(Some(&list), 2).is_null());
        let mut length = MaybeUninit::uninit();
        let json = pico_webhooks_json(Some(&list), Some(&mut length));
        // SAFETY: the list is alive, and a length is written whenever there is a list.
        let (json, length) = unsafe { (CStr::from_ptr(json), length.assume_init()) };
        assert_eq!(json.to_str().unwrap(), format!("[{raw},{raw}]"));
        assert_eq!(json.count_bytes(), length);
        pico_webhooks_free(Some(list));
    }

    #[test]
    fn no_list_is_an_empty_list() {
        assert_eq!(pico_operations_count(None), 0);
        assert!(pico_operations_at(None, 0).is_null());
        assert!(pico_operations_json(None, None).is_null());
        pico_operations_free(None);
    }
}
