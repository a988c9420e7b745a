//! Tests only: a panic in every export, by name, so that none can let one through to its caller.
//!
//! The header says which exports there are, so a new one that is missing here fails the test.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

use crate::error::{pico_error_free, pico_error_status};
use crate::guard::tests::with_a_panic;
use crate::status::{PICO_E_PANIC, PICO_OK};
#[cfg(feature = "alpha")]
use crate::{alpha_uploads, alpha_work};
use crate::{
    call, catalogue, client, delivery, error, event, execute, feed, feed_options, generation, import, inbox,
    lists, log, metrics, names, notes, options, options_stream, orders, outbox, owned_text, plants, queries,
    receiver, receiver_options, reply, sender, status, store, store_plants, subscription, taking, version,
    webhook_keeper, webhooks,
};

/// The exports that report a status, called with what they are given and a place for the error.
macro_rules! reporting {
    ($called:ident: $($module:ident::$name:ident($($argument:expr),*);)*) => {$(
        $called.insert(stringify!($name));
        let mut error = MaybeUninit::uninit();
        // SAFETY: NULL is allowed for every pointer.
        #[allow(unused_unsafe)]
        let status = with_a_panic(|| unsafe { $module::$name($($argument,)* Some(&mut error)) });
        assert_eq!(status, PICO_E_PANIC, stringify!($name));
        // SAFETY: a failed call writes the error, and it is freed once.
        let error = unsafe { Box::from_raw(error.assume_init()) };
        assert_eq!(pico_error_status(Some(&error)), PICO_E_PANIC, stringify!($name));
        pico_error_free(Some(error));
        // Without a place for the error.
        // SAFETY: as above.
        #[allow(unused_unsafe)]
        let status = with_a_panic(|| unsafe { $module::$name($($argument,)* None) });
        assert_eq!(status, PICO_E_PANIC, stringify!($name));
    )*};
}

/// The exports that give a value, and which it is when they fail.
macro_rules! giving {
    ($called:ident: $($module:ident::$name:ident($($argument:expr),*) => $default:expr;)*) => {$(
        $called.insert(stringify!($name));
        assert_eq!(with_a_panic(|| $module::$name($($argument),*)), $default, stringify!($name));
    )*};
}

/// The exports that give nothing.
macro_rules! silent {
    ($called:ident: $($module:ident::$name:ident($($argument:expr),*);)*) => {$(
        $called.insert(stringify!($name));
        with_a_panic(|| $module::$name($($argument),*));
    )*};
}

#[test]
#[rustfmt::skip]
fn a_panic_in_any_export_is_caught_at_the_border() {
    let mut called = BTreeSet::new();
    #[cfg(feature = "alpha")]
    reporting! { called:
        alpha_uploads::pico_alpha_upload(None, null(), None, None, None);
        alpha_work::pico_alpha_process_create(None, null(), 0, None, None);
        alpha_work::pico_alpha_product_create(None, null(), 0, None, None);
        alpha_work::pico_alpha_station_create(None, null(), 0, None, None);
    }
    reporting! { called:
        call::pico_call_new(None);
        call::pico_call_set_timeout_ms(None, 0);
        call::pico_call_cancel(None);
        catalogue::pico_catalogue_start(None, None, 0, None);
        catalogue::pico_catalogue_offline(None, None);
        catalogue::pico_catalogue_ready(None, None);
        catalogue::pico_catalogue_by_id_json(None, null(), None);
        catalogue::pico_catalogue_by_part(None, null(), null(), None);
        catalogue::pico_catalogue_by_code(None, null(), None);
        catalogue::pico_catalogue_status_json(None, None);
        catalogue::pico_catalogue_operation_id(None, null(), null(), None);
        catalogue::pico_outbox_save_by_part(None, None, null(), null(), null(), 0, null(), 0, null(), None);
        catalogue::pico_catalogue_close(None);
        client::pico_client_new(None, None);
        client::pico_client_from_environment(None);
        client::pico_client_close(None, 0);
        delivery::pico_delivery_ack(None, None);
        delivery::pico_delivery_retry(None, 0, null(), None);
        delivery::pico_delivery_reject(None, null(), None);
        delivery::pico_delivery_extend(None, 0, None);
        delivery::pico_delivery_retry_after(None, 0, null());
        delivery::pico_delivery_set_reason(None, null());
        execute::pico_client_execute(None, null(), 0, null(), 0, null(), None, None);
        execute::pico_client_execute_async(None, null(), 0, null(), 0, null(), None, None);
        feed::pico_feed_start(None, None, None, None);
        feed::pico_feed_start_notes(None, None, null(), None, None);
        feed::pico_feed_opened(None, None);
        feed::pico_feed_next(None, None, None);
        feed::pico_feed_deliver(None, None);
        feed::pico_feed_on_notice(None, None);
        feed::pico_feed_catch_up(None);
        feed::pico_feed_status_json(None, None);
        feed::pico_feed_close(None, 0);
        feed_options::pico_feed_options_new(None);
        feed_options::pico_feed_options_set_filter(None, null());
        feed_options::pico_feed_options_set_start(None, 0, null());
        feed_options::pico_feed_options_set_live(None, 0);
        feed_options::pico_feed_options_set_catch_up_every_ms(None, 0);
        feed_options::pico_feed_options_set_catch_up_overlap_ms(None, 0);
        feed_options::pico_feed_options_set_backoff_ms(None, 0, 0);
        feed_options::pico_feed_options_set_visible_ms(None, 0);
        feed_options::pico_feed_options_set_max_attempts(None, 0);
        import::pico_outbox_import(None, null(), null(), None, None, None);
        import::pico_outbox_import_results(None, null(), null());
        inbox::pico_inbox_counts(None, null_mut());
        inbox::pico_inbox_list_json(None, 0, 0, 0, None);
        inbox::pico_inbox_replay(None, 0);
        inbox::pico_inbox_replay_dead(None, None);
        inbox::pico_inbox_drop(None, 0);
        log::pico_log_set(0, None);
        log::pico_log_set_format(0);
        metrics::pico_store_metrics_json(None, None, None);
        metrics::pico_store_metrics_prometheus(None, None, None);
        metrics::pico_metrics_server_start(None, null(), None);
        metrics::pico_metrics_server_close(None);
        options::pico_options_new(None);
        options::pico_options_set_endpoint(None, null());
        options::pico_options_set_token(None, null());
        options::pico_options_set_token_from_environment(None, null());
        options::pico_options_set_token_provider(None, None);
        options::pico_token_answer_set(None, null());
        options::pico_token_answer_fail(None, null());
        options::pico_options_set_generation(None, 0);
        options::pico_options_set_connect_timeout_ms(None, 0);
        options::pico_options_set_request_timeout_ms(None, 0);
        options::pico_options_set_retry_attempts(None, 0);
        options::pico_options_set_retry_backoff_ms(None, 0, 0);
        options::pico_options_set_retry_after_limit_ms(None, 0);
        options::pico_options_set_size_limits(None, 0, 0);
        options::pico_options_set_proxy(None, null(), null());
        options::pico_options_set_no_proxy(None);
        options::pico_options_add_ca_pem(None, null(), 0);
        options::pico_options_set_client_certificate_pem(None, null(), 0, null(), 0);
        options::pico_options_add_header(None, null(), null());
        options::pico_options_set_user_agent(None, null());
        options::pico_options_set_trace_context(None, 0);
        options_stream::pico_options_set_stream_transport(None, 0);
        options_stream::pico_options_set_stream_first_byte_timeout_ms(None, 0);
        options_stream::pico_options_set_stream_ping_interval_ms(None, 0);
        options_stream::pico_options_set_stream_poll_interval_ms(None, 0);
        options_stream::pico_options_set_stream_poll_period_ms(None, 0);
        options_stream::pico_options_set_stream_idle_timeout_ms(None, 0);
        options_stream::pico_options_set_stream_backoff_ms(None, 0, 0);
        options_stream::pico_options_set_stream_retry_limit_ms(None, 0);
        options_stream::pico_options_set_stream_stable_after_ms(None, 0);
        options_stream::pico_options_set_stream_buffer(None, 0);
        options_stream::pico_options_set_stream_overflow(None, 0);
        orders::pico_client_save_order(None, null(), None, None);
        orders::pico_client_cancel_order(None, null(), None, None);
        outbox::pico_outbox_save(None, null(), null(), None);
        outbox::pico_outbox_cancel(None, null(), null(), None);
        outbox::pico_outbox_counts(None, null_mut());
        outbox::pico_outbox_list_json(None, 0, 0, 0, None);
        outbox::pico_outbox_find_json(None, null(), None);
        outbox::pico_outbox_retry(None, 0);
        outbox::pico_outbox_retry_failed(None, None);
        outbox::pico_outbox_drop(None, 0);
        outbox::pico_outbox_wait(None, 0, None, None);
        generation::pico_client_generation(None, None, None);
        notes::pico_client_note_events(None, null(), None, None);
        queries::pico_client_operations(None, null(), None, None);
        queries::pico_client_sub_operations(None, null(), None, None);
        queries::pico_client_order_completes(None, null(), None, None);
        receiver::pico_receiver_start(None, None, None);
        receiver::pico_receiver_counts(None, null_mut());
        receiver::pico_receiver_close(None, 0);
        receiver_options::pico_receiver_options_new(None);
        receiver_options::pico_receiver_options_set_bind(None, null());
        receiver_options::pico_receiver_options_set_path(None, null());
        receiver_options::pico_receiver_options_add_secret_header(None, null(), null());
        receiver_options::pico_receiver_options_set_tls_pem(None, null(), 0, null(), 0);
        receiver_options::pico_receiver_options_set_tls_files(None, null(), null());
        receiver_options::pico_receiver_options_set_any_content_type(None);
        receiver_options::pico_receiver_options_set_health_path(None, null());
        receiver_options::pico_receiver_options_set_metrics_bind(None, null());
        receiver_options::pico_receiver_options_set_limits(None, 0, 0);
        receiver_options::pico_receiver_options_set_timeouts_ms(None, 0, 0, 0);
        sender::pico_sender_start(None, None, null(), None, None);
        sender::pico_sender_status_json(None, None);
        sender::pico_sender_drained(None, None);
        sender::pico_sender_close(None, 0);
        store::pico_store_options_new(None);
        store::pico_store_options_set_must_exist(None, 0);
        store::pico_store_options_set_max_size(None, 0);
        store::pico_store_options_set_keep_acked_ms(None, 0);
        store::pico_store_options_set_keep_sent_ms(None, 0);
        store::pico_store_options_set_node_lease_ms(None, 0);
        store::pico_store_options_set_connections(None, 0);
        store::pico_store_open(null(), None, None);
        store::pico_store_set_aside(null(), None);
        store::pico_store_close(None, 0);
        store_plants::pico_store_plant(None, null(), None);
        store_plants::pico_store_notes(None, None);
        store_plants::pico_store_plants(None, None);
        store_plants::pico_store_rebind(None, None);
        plants::pico_plants_start(null(), None);
        plants::pico_plants_next(None, None, None);
        plants::pico_plants_deliver(None, None);
        plants::pico_plants_store(None, null(), None);
        plants::pico_plants_names(None, None);
        plants::pico_plants_reload(None, null(), None);
        plants::pico_plants_status_json(None, None);
        plants::pico_plants_close(None, 0);
        subscription::pico_client_operations_stream(None, null(), None, None);
        subscription::pico_client_sub_operations_stream(None, null(), None, None);
        subscription::pico_client_order_completes_stream(None, null(), None, None);
        subscription::pico_client_note_events_stream(None, null(), None, None);
        subscription::pico_client_subscribe(None, null(), 0, null(), 0, null(), None, None);
        subscription::pico_subscription_deliver_batches(None, 0, None);
        subscription::pico_subscription_wait_open(None, 0);
        subscription::pico_subscription_cancel(None);
        subscription::pico_subscription_close(None, 0);
        taking::pico_subscription_next(None, 0, None);
        taking::pico_subscription_next_batch(None, 0, null_mut(), 0, None);
        taking::pico_subscription_descriptor(None, None);
        webhook_keeper::pico_feed_keep_webhook(None, null(), 0, None);
        webhook_keeper::pico_webhook_keeper_check_now(None, None);
        webhook_keeper::pico_webhook_keeper_close(None, 0);
        webhook_keeper::pico_client_webhook_ensure(None, null(), null(), None, None, None);
        webhooks::pico_client_webhooks(None, None, None);
        webhooks::pico_client_webhook_subscribe(None, null(), None, None);
        webhooks::pico_client_webhook_unsubscribe(None, null(), None, None);
    }
    giving! { called:
        client::pico_client_endpoint(None) => null();
        delivery::pico_delivery_completion(None) => null();
        delivery::pico_delivery_note(None) => null();
        delivery::pico_delivery_json(None, None) => null();
        delivery::pico_delivery_key(None) => null();
        delivery::pico_delivery_plant(None) => null();
        delivery::pico_delivery_id(None) => 0;
        delivery::pico_delivery_attempt(None) => 0;
        delivery::pico_delivery_source(None) => 0;
        delivery::pico_delivery_arrived(None) => null();
        delivery::pico_delivery_arrived_ms(None) => i64::MIN;
        delivery::pico_delivery_retain(None) => null_mut();
        error::pico_error_status(None) => PICO_OK;
        error::pico_error_message(None) => null();
        error::pico_error_http_status(None) => 0;
        error::pico_error_graphql_errors_json(None) => null();
        error::pico_error_data_json(None) => null();
        error::pico_error_body_start(None) => null();
        error::pico_error_retryable(None) => 0;
        error::pico_error_trace_id(None) => null();
        error::pico_error_retry_after_ms(None) => -1;
        event::pico_event_kind(None) => 0;
        event::pico_event_json(None, None) => null();
        event::pico_event_operation(None) => null();
        event::pico_event_sub_operation(None) => null();
        event::pico_event_order_complete(None) => null();
        event::pico_event_note(None) => null();
        event::pico_event_error(None) => null();
        event::pico_event_state(None) => 0;
        event::pico_event_transport(None) => 0;
        event::pico_event_gap_ms(None) => -1;
        event::pico_event_retry_delay_ms(None) => -1;
        event::pico_event_failures(None) => 0;
        event::pico_event_dropped_count(None) => 0;
        event::pico_event_retain(None) => null_mut();
        lists::pico_operations_count(None) => 0;
        lists::pico_operations_at(None, 0) => null();
        lists::pico_operations_json(None, None) => null();
        lists::pico_sub_operations_count(None) => 0;
        lists::pico_sub_operations_at(None, 0) => null();
        lists::pico_sub_operations_json(None, None) => null();
        lists::pico_order_completes_count(None) => 0;
        lists::pico_order_completes_at(None, 0) => null();
        lists::pico_order_completes_json(None, None) => null();
        lists::pico_webhooks_count(None) => 0;
        lists::pico_webhooks_at(None, 0) => null();
        lists::pico_webhooks_json(None, None) => null();
        metrics::pico_metrics_server_address(None) => null();
        metrics::pico_metrics_server_port(None) => 0;
        notes::pico_notes_count(None) => 0;
        notes::pico_notes_at(None, 0) => null();
        notes::pico_notes_json(None, None) => null();
        owned_text::pico_text_string(None) => null();
        receiver::pico_receiver_address(None) => null();
        receiver::pico_receiver_port(None) => 0;
        receiver::pico_receiver_path(None) => null();
        receiver::pico_receiver_metrics_address(None) => null();
        reply::pico_reply_data_json(None, None) => null();
        reply::pico_reply_errors_json(None, None) => null();
        reply::pico_reply_extensions_json(None, None) => null();
        reply::pico_reply_json(None, None) => null();
        reply::pico_reply_http_status(None) => 0;
        names::pico_names_count(None) => 0;
        names::pico_names_at(None, 0) => null();
        store::pico_store_location(None) => null();
        store::pico_store_plant_name(None) => null();
        status::pico_status_name(0) => status::UNKNOWN.as_ptr();
        version::pico_version() => null();
        version::pico_abi_version() => 0;
    }
    silent! { called:
        call::pico_call_free(None);
        catalogue::pico_catalogue_free(None);
        sender::pico_sender_free(None);
        client::pico_client_free(None);
        delivery::pico_delivery_free(None);
        error::pico_error_free(None);
        event::pico_event_free(None);
        feed::pico_feed_free(None);
        feed_options::pico_feed_options_free(None);
        lists::pico_operations_free(None);
        lists::pico_sub_operations_free(None);
        lists::pico_order_completes_free(None);
        lists::pico_webhooks_free(None);
        metrics::pico_metrics_server_free(None);
        notes::pico_notes_free(None);
        options::pico_options_free(None);
        owned_text::pico_text_free(None);
        names::pico_names_free(None);
        plants::pico_plants_free(None);
        receiver::pico_receiver_free(None);
        receiver_options::pico_receiver_options_free(None);
        store::pico_store_free(None);
        store::pico_store_options_free(None);
        webhook_keeper::pico_webhook_keeper_free(None);
        reply::pico_reply_free(None);
        subscription::pico_subscription_free(None);
    }
    let header = include_str!("../../../include/pico_erp.h");
    let names = header.split("PICO_CALL ").skip(1).filter_map(|rest| rest.split_once('('));
    let declared: BTreeSet<_> = names.map(|(name, _)| name).filter(|name| name.starts_with("pico_")).collect();
    assert_eq!(called, declared);
}
