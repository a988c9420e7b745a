/*
 * Passes NULL for every argument of every function: a status, never a crash. The harness checks that no function
 * of the header is missing here.
 */

#include "check.h"

/* With a place for the error and without one. */
#define REFUSED(call)                                                                      \
    do {                                                                                   \
        pico_error_t *error = NULL;                                                        \
        pico_error_t **E = &error;                                                         \
        CHECK((call) == PICO_E_NULL_POINTER);                                              \
        CHECK(pico_error_status(error) == PICO_E_NULL_POINTER);                            \
        CHECK(strstr(pico_error_message(error), " is NULL") != NULL);                      \
        pico_error_free(error);                                                            \
        E = NULL;                                                                          \
        CHECK((call) == PICO_E_NULL_POINTER);                                              \
    } while (0)

static void options_refuse_null(void) {
    pico_options_t *options = NULL;
    pico_token_provider_t empty = {NULL, NULL, NULL};

    REFUSED(pico_options_new(NULL, E));
    REFUSED(pico_options_set_endpoint(NULL, "x", E));
    REFUSED(pico_options_set_token(NULL, "x", E));
    REFUSED(pico_options_set_token_from_environment(NULL, "x", E));
    REFUSED(pico_options_set_token_provider(NULL, &empty, E));
    REFUSED(pico_options_set_generation(NULL, PICO_GENERATION_G2, E));
    REFUSED(pico_options_set_connect_timeout_ms(NULL, 1, E));
    REFUSED(pico_options_set_request_timeout_ms(NULL, 1, E));
    REFUSED(pico_options_set_retry_attempts(NULL, 1, E));
    REFUSED(pico_options_set_retry_backoff_ms(NULL, 1, 1, E));
    REFUSED(pico_options_set_retry_after_limit_ms(NULL, 1, E));
    REFUSED(pico_options_set_stream_idle_timeout_ms(NULL, 1, E));
    REFUSED(pico_options_set_stream_backoff_ms(NULL, 1, 1, E));
    REFUSED(pico_options_set_stream_retry_limit_ms(NULL, 1, E));
    REFUSED(pico_options_set_stream_stable_after_ms(NULL, 1, E));
    REFUSED(pico_options_set_stream_buffer(NULL, 1, E));
    REFUSED(pico_options_set_stream_overflow(NULL, PICO_OVERFLOW_WAIT, E));
    REFUSED(pico_options_set_stream_transport(NULL, PICO_TRANSPORT_AUTO, E));
    REFUSED(pico_options_set_stream_first_byte_timeout_ms(NULL, 1, E));
    REFUSED(pico_options_set_stream_ping_interval_ms(NULL, 1, E));
    REFUSED(pico_options_set_stream_poll_interval_ms(NULL, 1, E));
    REFUSED(pico_options_set_stream_poll_period_ms(NULL, 1, E));
    REFUSED(pico_options_set_size_limits(NULL, 1, 1, E));
    REFUSED(pico_options_set_proxy(NULL, "x", NULL, E));
    REFUSED(pico_options_set_no_proxy(NULL, E));
    REFUSED(pico_options_add_ca_pem(NULL, "x", 1, E));
    REFUSED(pico_options_set_client_certificate_pem(NULL, "x", 1, "x", 1, E));
    REFUSED(pico_options_add_header(NULL, "x", "x", E));
    REFUSED(pico_options_set_user_agent(NULL, "x", E));
    REFUSED(pico_options_set_trace_context(NULL, PICO_TRACE_GENERATE, E));

    OK(pico_options_new(&options, &error));
    REFUSED(pico_options_set_endpoint(options, NULL, E));
    REFUSED(pico_options_set_token(options, NULL, E));
    REFUSED(pico_options_set_token_from_environment(options, NULL, E));
    REFUSED(pico_options_set_token_provider(options, NULL, E));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_options_set_token_provider(options, &empty, &error));
    REFUSED(pico_options_set_proxy(options, NULL, NULL, E));
    REFUSED(pico_options_add_header(options, "x", NULL, E));
    REFUSED(pico_options_add_header(options, NULL, "x", E));
    REFUSED(pico_options_set_user_agent(options, NULL, E));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_options_add_ca_pem(options, NULL, 1, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_options_set_generation(options, 0, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_options_set_request_timeout_ms(options, -1, &error));
    REFUSED(pico_token_answer_set(NULL, "x", E));
    REFUSED(pico_token_answer_fail(NULL, "x", E));
    REFUSED(pico_client_new(options, NULL, E));
    pico_options_free(options);
    pico_options_free(NULL);
}

static void getters_and_frees_take_null(void) {
    size_t length = 77;
    CHECK(pico_error_status(NULL) == PICO_OK && pico_error_http_status(NULL) == 0);
    CHECK(pico_error_message(NULL) == NULL && pico_error_body_start(NULL) == NULL);
    CHECK(pico_error_graphql_errors_json(NULL) == NULL && pico_error_data_json(NULL) == NULL);
    CHECK(pico_error_trace_id(NULL) == NULL);
    CHECK(pico_error_retryable(NULL) == 0 && pico_error_retry_after_ms(NULL) == -1);
    pico_error_free(NULL);

    CHECK(pico_operations_count(NULL) == 0 && pico_operations_at(NULL, 0) == NULL);
    CHECK(pico_sub_operations_count(NULL) == 0 && pico_sub_operations_at(NULL, 0) == NULL);
    CHECK(pico_order_completes_count(NULL) == 0 && pico_order_completes_at(NULL, 0) == NULL);
    CHECK(pico_webhooks_count(NULL) == 0 && pico_webhooks_at(NULL, 0) == NULL);
    CHECK(pico_operations_json(NULL, &length) == NULL && pico_sub_operations_json(NULL, &length) == NULL);
    CHECK(pico_order_completes_json(NULL, &length) == NULL && pico_webhooks_json(NULL, &length) == NULL);
    pico_operations_free(NULL);
    pico_sub_operations_free(NULL);
    pico_order_completes_free(NULL);
    pico_webhooks_free(NULL);
    CHECK(pico_notes_count(NULL) == 0 && pico_notes_at(NULL, 0) == NULL);
    CHECK(pico_notes_json(NULL, &length) == NULL);
    pico_notes_free(NULL);

    CHECK(pico_reply_json(NULL, &length) == NULL && pico_reply_data_json(NULL, &length) == NULL);
    CHECK(pico_reply_errors_json(NULL, &length) == NULL && pico_reply_extensions_json(NULL, &length) == NULL);
    CHECK(pico_reply_http_status(NULL) == 0 && pico_text_string(NULL) == NULL);
    pico_reply_free(NULL);
    pico_text_free(NULL);

    CHECK(pico_event_kind(NULL) == 0 && pico_event_json(NULL, &length) == NULL);
    CHECK(pico_event_operation(NULL) == NULL && pico_event_sub_operation(NULL) == NULL);
    CHECK(pico_event_order_complete(NULL) == NULL && pico_event_note(NULL) == NULL);
    CHECK(pico_event_error(NULL) == NULL && pico_event_state(NULL) == 0 && pico_event_gap_ms(NULL) == -1);
    CHECK(pico_event_retry_delay_ms(NULL) == -1 && pico_event_failures(NULL) == 0);
    CHECK(pico_event_transport(NULL) == 0 && pico_event_dropped_count(NULL) == 0);
    CHECK(pico_event_retain(NULL) == NULL);
    pico_event_free(NULL);

    CHECK(pico_client_endpoint(NULL) == NULL);
    CHECK(length == 77);
    pico_client_free(NULL);
    pico_call_free(NULL);
    pico_subscription_free(NULL);
    CHECK(strcmp(pico_status_name(PICO_OK), "ok") == 0 && strcmp(pico_status_name(-1), "unknown") == 0);
    CHECK(pico_version()[0] != '\0' && pico_abi_version() == PICO_ABI_VERSION);
}

static void stores_and_feeds_refuse_null(pico_client_t *client) {
    pico_store_options_t *store_options = NULL;
    pico_feed_options_t *feed_options = NULL;
    pico_receiver_options_t *receiver_options = NULL;
    pico_webhook_subscribe_t webhook = {0};

    REFUSED(pico_store_options_new(NULL, E));
    REFUSED(pico_store_options_set_must_exist(NULL, 1, E));
    REFUSED(pico_store_options_set_max_size(NULL, 1, E));
    REFUSED(pico_store_options_set_keep_acked_ms(NULL, 1, E));
    REFUSED(pico_store_options_set_keep_sent_ms(NULL, 1, E));
    REFUSED(pico_store_options_set_node_lease_ms(NULL, 1000, E));
    REFUSED(pico_store_options_set_connections(NULL, 1, E));
    REFUSED(pico_store_open(NULL, NULL, NULL, E));
    REFUSED(pico_store_open("never", NULL, NULL, E));
    REFUSED(pico_store_set_aside(NULL, NULL, E));
    REFUSED(pico_store_close(NULL, 0, E));
    REFUSED(pico_store_plant(NULL, NULL, NULL, E));
    REFUSED(pico_store_notes(NULL, NULL, E));
    REFUSED(pico_store_plants(NULL, NULL, E));
    REFUSED(pico_store_rebind(NULL, client, E));
    REFUSED(pico_plants_start(NULL, NULL, E));
    REFUSED(pico_plants_next(NULL, NULL, NULL, E));
    REFUSED(pico_plants_deliver(NULL, NULL, E));
    REFUSED(pico_plants_store(NULL, "berlin", NULL, E));
    REFUSED(pico_plants_names(NULL, NULL, E));
    REFUSED(pico_plants_reload(NULL, "never", NULL, E));
    REFUSED(pico_plants_status_json(NULL, NULL, E));
    REFUSED(pico_plants_close(NULL, 0, E));
    pico_plants_free(NULL);
    CHECK(pico_delivery_plant(NULL) == NULL);
    OK(pico_store_options_new(&store_options, &error));
    pico_store_options_free(store_options);
    pico_store_options_free(NULL);
    REFUSED(pico_store_metrics_json(NULL, NULL, NULL, E));
    REFUSED(pico_store_metrics_prometheus(NULL, NULL, NULL, E));
    REFUSED(pico_metrics_server_start(NULL, NULL, NULL, E));
    REFUSED(pico_metrics_server_close(NULL, E));
    CHECK(pico_metrics_server_address(NULL) == NULL && pico_metrics_server_port(NULL) == 0);
    pico_metrics_server_free(NULL);
    CHECK(pico_store_location(NULL) == NULL && pico_store_plant_name(NULL) == NULL);
    CHECK(pico_names_count(NULL) == 0 && pico_names_at(NULL, 0) == NULL);
    pico_names_free(NULL);
    pico_store_free(NULL);
    REFUSED(pico_inbox_counts(NULL, NULL, E));
    REFUSED(pico_inbox_list_json(NULL, PICO_INBOX_ANY, 0, 1, NULL, E));
    REFUSED(pico_inbox_replay(NULL, 1, E));
    REFUSED(pico_inbox_replay_dead(NULL, NULL, E));
    REFUSED(pico_inbox_drop(NULL, 1, E));

    REFUSED(pico_feed_options_new(NULL, E));
    REFUSED(pico_feed_options_set_filter(NULL, NULL, E));
    REFUSED(pico_feed_options_set_start(NULL, PICO_START_NOW, NULL, E));
    REFUSED(pico_feed_options_set_live(NULL, 1, E));
    REFUSED(pico_feed_options_set_catch_up_every_ms(NULL, 1, E));
    REFUSED(pico_feed_options_set_catch_up_overlap_ms(NULL, 1, E));
    REFUSED(pico_feed_options_set_backoff_ms(NULL, 1, 1, E));
    REFUSED(pico_feed_options_set_visible_ms(NULL, 1000, E));
    REFUSED(pico_feed_options_set_max_attempts(NULL, 1, E));
    OK(pico_feed_options_new(&feed_options, &error));
    OK(pico_feed_options_set_filter(feed_options, NULL, &error));
    pico_feed_options_free(feed_options);
    pico_feed_options_free(NULL);
    REFUSED(pico_feed_start(NULL, NULL, NULL, NULL, E));
    REFUSED(pico_feed_start(client, NULL, NULL, NULL, E));
    REFUSED(pico_feed_start_notes(NULL, NULL, NULL, NULL, NULL, E));
    REFUSED(pico_feed_start_notes(client, NULL, NULL, NULL, NULL, E));
    REFUSED(pico_feed_opened(NULL, NULL, E));
    REFUSED(pico_feed_next(NULL, NULL, NULL, E));
    REFUSED(pico_feed_deliver(NULL, NULL, E));
    REFUSED(pico_feed_on_notice(NULL, NULL, E));
    REFUSED(pico_feed_catch_up(NULL, E));
    REFUSED(pico_feed_status_json(NULL, NULL, E));
    REFUSED(pico_feed_close(NULL, 0, E));
    pico_feed_free(NULL);

    REFUSED(pico_delivery_ack(NULL, NULL, E));
    REFUSED(pico_delivery_retry(NULL, 0, NULL, NULL, E));
    REFUSED(pico_delivery_reject(NULL, NULL, NULL, E));
    REFUSED(pico_delivery_extend(NULL, 1000, NULL, E));
    REFUSED(pico_delivery_retry_after(NULL, 0, NULL, E));
    REFUSED(pico_delivery_set_reason(NULL, NULL, E));
    CHECK(pico_delivery_completion(NULL) == NULL && pico_delivery_json(NULL, NULL) == NULL);
    CHECK(pico_delivery_note(NULL) == NULL);
    CHECK(pico_delivery_key(NULL) == NULL && pico_delivery_id(NULL) == 0 && pico_delivery_attempt(NULL) == 0);
    CHECK(pico_delivery_source(NULL) == 0 && pico_delivery_arrived(NULL) == NULL);
    CHECK(pico_delivery_arrived_ms(NULL) == PICO_NO_TIME && pico_delivery_retain(NULL) == NULL);
    pico_delivery_free(NULL);

    REFUSED(pico_receiver_options_new(NULL, E));
    REFUSED(pico_receiver_options_set_bind(NULL, "x", E));
    REFUSED(pico_receiver_options_set_path(NULL, "x", E));
    REFUSED(pico_receiver_options_add_secret_header(NULL, "x", "x", E));
    REFUSED(pico_receiver_options_set_tls_pem(NULL, "x", 1, "x", 1, E));
    REFUSED(pico_receiver_options_set_tls_files(NULL, "x", "x", E));
    REFUSED(pico_receiver_options_set_any_content_type(NULL, E));
    REFUSED(pico_receiver_options_set_health_path(NULL, "x", E));
    REFUSED(pico_receiver_options_set_metrics_bind(NULL, "x", E));
    REFUSED(pico_receiver_options_set_limits(NULL, 1, 1, E));
    REFUSED(pico_receiver_options_set_timeouts_ms(NULL, 1, 1, 1, E));
    OK(pico_receiver_options_new(&receiver_options, &error));
    REFUSED(pico_receiver_options_set_bind(receiver_options, NULL, E));
    REFUSED(pico_receiver_options_set_path(receiver_options, NULL, E));
    REFUSED(pico_receiver_options_add_secret_header(receiver_options, "x", NULL, E));
    REFUSED(pico_receiver_options_set_tls_files(receiver_options, "x", NULL, E));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_receiver_options_set_tls_pem(receiver_options, NULL, 1, "x", 1, &error));
    pico_receiver_options_free(receiver_options);
    pico_receiver_options_free(NULL);
    REFUSED(pico_receiver_start(NULL, NULL, NULL, E));
    REFUSED(pico_receiver_counts(NULL, NULL, E));
    REFUSED(pico_receiver_close(NULL, 0, E));
    CHECK(pico_receiver_metrics_address(NULL) == NULL);
    CHECK(pico_receiver_address(NULL) == NULL && pico_receiver_path(NULL) == NULL && pico_receiver_port(NULL) == 0);
    pico_receiver_free(NULL);

    REFUSED(pico_feed_keep_webhook(NULL, NULL, 0, NULL, E));
    REFUSED(pico_webhook_keeper_check_now(NULL, NULL, E));
    REFUSED(pico_webhook_keeper_close(NULL, 0, E));
    pico_webhook_keeper_free(NULL);
    REFUSED(pico_client_webhook_ensure(NULL, NULL, NULL, NULL, NULL, NULL, E));
    REFUSED(pico_client_webhook_ensure(client, NULL, NULL, NULL, NULL, NULL, E));
    webhook.struct_size = sizeof webhook;
    REFUSED(pico_client_webhook_ensure(client, &webhook, NULL, NULL, NULL, NULL, E));
}

static void outboxes_and_catalogues_refuse_null(pico_client_t *client) {
    pico_order_save_t save = {0};
    pico_order_cancel_t cancel = {0};

    REFUSED(pico_outbox_save(NULL, &save, NULL, NULL, E));
    REFUSED(pico_outbox_cancel(NULL, &cancel, NULL, NULL, E));
    REFUSED(pico_outbox_counts(NULL, NULL, E));
    REFUSED(pico_outbox_list_json(NULL, PICO_OUTBOX_ANY, 0, 1, NULL, E));
    REFUSED(pico_outbox_find_json(NULL, NULL, NULL, E));
    REFUSED(pico_outbox_retry(NULL, 1, E));
    REFUSED(pico_outbox_retry_failed(NULL, NULL, E));
    REFUSED(pico_outbox_drop(NULL, 1, E));
    REFUSED(pico_outbox_wait(NULL, 1, NULL, NULL, E));
    REFUSED(pico_outbox_import(NULL, NULL, NULL, NULL, NULL, NULL, E));
    REFUSED(pico_outbox_import_results(NULL, NULL, NULL, E));
    REFUSED(pico_outbox_save_by_part(NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, NULL, NULL, E));

    REFUSED(pico_sender_start(NULL, NULL, NULL, NULL, NULL, E));
    REFUSED(pico_sender_start(client, NULL, NULL, NULL, NULL, E));
    REFUSED(pico_sender_status_json(NULL, NULL, E));
    REFUSED(pico_sender_drained(NULL, NULL, E));
    REFUSED(pico_sender_close(NULL, 0, E));
    pico_sender_free(NULL);

    REFUSED(pico_catalogue_start(NULL, NULL, 0, NULL, E));
    REFUSED(pico_catalogue_start(client, NULL, 0, NULL, E));
    REFUSED(pico_catalogue_offline(NULL, NULL, E));
    REFUSED(pico_catalogue_ready(NULL, NULL, E));
    REFUSED(pico_catalogue_by_id_json(NULL, NULL, NULL, E));
    REFUSED(pico_catalogue_by_part(NULL, NULL, NULL, NULL, E));
    REFUSED(pico_catalogue_by_code(NULL, NULL, NULL, E));
    REFUSED(pico_catalogue_status_json(NULL, NULL, E));
    REFUSED(pico_catalogue_operation_id(NULL, NULL, NULL, NULL, E));
    REFUSED(pico_catalogue_close(NULL, E));
    pico_catalogue_free(NULL);
}

static void alpha_refuses_null(pico_client_t *client) {
    pico_alpha_upload_t upload = {0};
    pico_alpha_progress_callback_t progress = {NULL, NULL, NULL};
    pico_text_t *path = NULL;

    REFUSED(pico_alpha_upload(NULL, NULL, NULL, NULL, NULL, E));
    REFUSED(pico_alpha_upload(client, NULL, NULL, NULL, &path, E));
    upload.struct_size = sizeof upload;
    REFUSED(pico_alpha_upload(client, &upload, NULL, NULL, &path, E));
    upload.path = "none.png";
    REFUSED(pico_alpha_upload(client, &upload, NULL, NULL, &path, E));
    upload.destination = "stepImage";
    REFUSED(pico_alpha_upload(client, &upload, NULL, NULL, NULL, E));
    REFUSED(pico_alpha_upload(client, &upload, &progress, NULL, &path, E));
    REFUSED(pico_alpha_process_create(NULL, NULL, 0, NULL, NULL, E));
    REFUSED(pico_alpha_process_create(client, NULL, 0, NULL, NULL, E));
    REFUSED(pico_alpha_product_create(client, NULL, 0, NULL, NULL, E));
    REFUSED(pico_alpha_station_create(client, NULL, 9, NULL, NULL, E));
    CHECK(path == NULL);
}

static void functions_refuse_null_where_something_is_needed(pico_client_t *client) {
    pico_order_save_t save = {0};
    pico_order_cancel_t cancel = {0};
    pico_webhook_subscribe_t webhook = {0};
    pico_reply_callback_t callback = {NULL, NULL, NULL};
    pico_events_callback_t batches = {NULL, NULL, NULL};
    pico_subscription_t *subscription = NULL;
    pico_event_t *event = NULL;
    size_t count = 0;
    pico_reply_t *reply = NULL;
    int32_t number = 0;

    REFUSED(pico_client_new(NULL, NULL, E));
    REFUSED(pico_client_from_environment(NULL, E));
    REFUSED(pico_client_close(NULL, 0, E));
    REFUSED(pico_call_new(NULL, E));
    REFUSED(pico_call_set_timeout_ms(NULL, 0, E));
    REFUSED(pico_call_cancel(NULL, E));
    REFUSED(pico_client_operations(NULL, NULL, NULL, NULL, E));
    REFUSED(pico_client_operations(client, NULL, NULL, NULL, E));
    REFUSED(pico_client_sub_operations(NULL, NULL, NULL, NULL, E));
    REFUSED(pico_client_sub_operations(client, NULL, NULL, NULL, E));
    REFUSED(pico_client_order_completes(NULL, NULL, NULL, NULL, E));
    REFUSED(pico_client_order_completes(client, NULL, NULL, NULL, E));
    REFUSED(pico_client_note_events(NULL, NULL, NULL, NULL, E));
    REFUSED(pico_client_note_events(client, NULL, NULL, NULL, E));
    REFUSED(pico_client_generation(NULL, NULL, NULL, E));
    REFUSED(pico_client_generation(client, NULL, NULL, E));
    REFUSED(pico_client_webhooks(NULL, NULL, NULL, E));
    REFUSED(pico_client_webhooks(client, NULL, NULL, E));
    REFUSED(pico_client_webhook_unsubscribe(NULL, NULL, NULL, NULL, E));
    REFUSED(pico_client_webhook_unsubscribe(client, NULL, NULL, NULL, E));
    REFUSED(pico_client_execute(NULL, NULL, 0, NULL, 0, NULL, NULL, NULL, E));
    REFUSED(pico_client_execute(client, NULL, 9, NULL, 0, NULL, NULL, &reply, E));
    REFUSED(pico_client_execute(client, "{a}", 3, NULL, 9, NULL, NULL, &reply, E));
    REFUSED(pico_client_execute_async(NULL, NULL, 0, NULL, 0, NULL, NULL, NULL, E));
    REFUSED(pico_client_execute_async(client, "{a}", 3, NULL, 0, NULL, NULL, NULL, E));
    REFUSED(pico_client_execute_async(client, "{a}", 3, NULL, 0, NULL, NULL, &callback, E));
    REFUSED(pico_client_operations_stream(NULL, NULL, NULL, NULL, E));
    REFUSED(pico_client_operations_stream(client, NULL, NULL, NULL, E));
    REFUSED(pico_client_sub_operations_stream(NULL, NULL, NULL, NULL, E));
    REFUSED(pico_client_order_completes_stream(NULL, NULL, NULL, NULL, E));
    REFUSED(pico_client_note_events_stream(NULL, NULL, NULL, NULL, E));
    REFUSED(pico_client_subscribe(NULL, NULL, 0, NULL, 0, NULL, NULL, NULL, E));
    REFUSED(pico_subscription_next(NULL, 0, NULL, E));
    REFUSED(pico_subscription_next_batch(NULL, 0, NULL, 0, NULL, E));
    REFUSED(pico_subscription_descriptor(NULL, NULL, E));
    REFUSED(pico_subscription_deliver_batches(NULL, 0, NULL, E));
    REFUSED(pico_subscription_cancel(NULL, E));
    REFUSED(pico_subscription_close(NULL, 0, E));
    REFUSED(pico_subscription_wait_open(NULL, 0, E));
    OK(pico_client_operations_stream(client, NULL, NULL, &subscription, &error));
    REFUSED(pico_subscription_next(subscription, 0, NULL, E));
    REFUSED(pico_subscription_next_batch(subscription, 0, NULL, 1, &count, E));
    REFUSED(pico_subscription_next_batch(subscription, 0, &event, 1, NULL, E));
    REFUSED(pico_subscription_descriptor(subscription, NULL, E));
    REFUSED(pico_subscription_deliver_batches(subscription, 1, NULL, E));
    REFUSED(pico_subscription_deliver_batches(subscription, 1, &batches, E));
    CHECK(event == NULL && count == 0);
    pico_subscription_free(subscription);
    OK(pico_log_set(0, NULL, &error));
    OK(pico_log_set_format(PICO_LOG_FORMAT_TEXT, NULL));

    REFUSED(pico_client_save_order(NULL, NULL, NULL, NULL, E));
    REFUSED(pico_client_save_order(client, NULL, NULL, NULL, E));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_client_save_order(client, &save, NULL, NULL, &error));
    save.struct_size = sizeof save;
    REFUSED(pico_client_save_order(client, &save, NULL, &number, E));
    save.operation_id = "x";
    save.select_optional_operation_ids_count = 1;
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_client_save_order(client, &save, NULL, NULL, &error));

    REFUSED(pico_client_cancel_order(NULL, NULL, NULL, NULL, E));
    REFUSED(pico_client_cancel_order(client, NULL, NULL, NULL, E));
    cancel.struct_size = sizeof cancel;
    REFUSED(pico_client_cancel_order(client, &cancel, NULL, NULL, E));

    REFUSED(pico_client_webhook_subscribe(NULL, NULL, NULL, NULL, E));
    REFUSED(pico_client_webhook_subscribe(client, NULL, NULL, NULL, E));
    webhook.struct_size = sizeof webhook;
    REFUSED(pico_client_webhook_subscribe(client, &webhook, NULL, NULL, E));
    CHECK(reply == NULL && number == 0);
}

int main(void) {
    pico_options_t *options = NULL;
    pico_client_t *client = NULL;

    options_refuse_null();
    getters_and_frees_take_null();
    OK(pico_options_new(&options, &error));
    OK(pico_options_set_endpoint(options, "http://127.0.0.1:1/graphql", &error));
    OK(pico_client_new(options, &client, &error));
    pico_options_free(options);
    functions_refuse_null_where_something_is_needed(client);
    stores_and_feeds_refuse_null(client);
    outboxes_and_catalogues_refuse_null(client);
    alpha_refuses_null(client);
    pico_client_free(client);
    puts("passed");
    return 0;
}
