//! The C ABI of pico-erp: the shared and the static library `pico_erp`, and by them C++, .NET and
//! everything else that can call C.
//!
//! It is thin: each export converts its arguments, passes [`guard`], and calls the core. It decides nothing
//! about Pico. The contract with the caller is the header `include/pico_erp.h`, generated from what stands
//! here: comments on exported items speak to a C programmer.
//!
//! # Rules for exports
//!
//! - The body of every export is one call into [`guard`], which catches panics and checks for a fork.
//! - Handles cross as `Option<&T>` and `Option<Box<T>>`, outputs as `Option<&mut MaybeUninit<T>>`: to C
//!   plain pointers that may be NULL, to Rust what they are allowed to be used for. What the header
//!   promises about them (good, not freed meanwhile) is what makes them sound.
//! - Texts, arrays and structs go through [`input`], which is unsafe to call, as only C can know that they
//!   are good.
//! - Nothing is taken over from a caller before the last step that can fail.

#![deny(missing_docs)]
#![deny(clippy::undocumented_unsafe_blocks)]
// The names are C's.
#![allow(non_camel_case_types)]
// The header says what each argument must be, once for all functions.
#![allow(clippy::missing_safety_doc)]
// Arguments of C functions cannot be grouped without a struct, which needs a size of its own.
#![allow(clippy::too_many_arguments)]

#[cfg(feature = "alpha")]
mod alpha_uploads;
#[cfg(feature = "alpha")]
mod alpha_work;
mod call;
mod callback;
mod catalogue;
mod client;
mod delivery;
mod dispatch;
mod error;
mod event;
mod execute;
mod feed;
mod feed_options;
mod generation;
mod guard;
mod import;
mod inbox;
mod input;
mod lifecycle;
mod lists;
mod log;
mod metrics;
mod names;
mod notes;
mod options;
mod options_stream;
mod orders;
mod outbox;
mod owned_text;
#[cfg(test)]
mod panics;
mod plants;
mod queries;
mod receiver;
mod receiver_options;
mod reply;
mod returns;
mod sender;
mod status;
mod store;
mod store_plants;
mod subject;
mod subscription;
mod taking;
mod text;
mod version;
mod views;
mod webhook_keeper;
mod webhooks;

#[cfg(test)]
mod tests {
    /// What the header says of threads, which the C side cannot check.
    #[test]
    fn objects_may_be_used_from_any_thread_and_options_may_be_handed_over() {
        fn shared<T: Send + Sync>() {}
        fn handed_over<T: Send>() {}
        shared::<crate::client::pico_client_t>();
        shared::<crate::subscription::pico_subscription_t>();
        shared::<crate::call::pico_call_t>();
        shared::<crate::event::pico_event_t>();
        shared::<crate::error::pico_error_t>();
        shared::<crate::reply::pico_reply_t>();
        shared::<crate::owned_text::pico_text_t>();
        shared::<crate::lists::pico_operations_t>();
        shared::<crate::lists::pico_sub_operations_t>();
        shared::<crate::lists::pico_order_completes_t>();
        shared::<crate::lists::pico_webhooks_t>();
        shared::<crate::notes::pico_notes_t>();
        shared::<crate::store::pico_store_t>();
        shared::<crate::names::pico_names_t>();
        shared::<crate::plants::pico_plants_t>();
        shared::<crate::feed::pico_feed_t>();
        shared::<crate::delivery::pico_delivery_t>();
        shared::<crate::receiver::pico_receiver_t>();
        shared::<crate::webhook_keeper::pico_webhook_keeper_t>();
        shared::<crate::sender::pico_sender_t>();
        shared::<crate::catalogue::pico_catalogue_t>();
        shared::<crate::metrics::pico_metrics_server_t>();
        handed_over::<crate::options::pico_options_t>();
        handed_over::<crate::store::pico_store_options_t>();
        handed_over::<crate::feed_options::pico_feed_options_t>();
        handed_over::<crate::receiver_options::pico_receiver_options_t>();
    }
}
