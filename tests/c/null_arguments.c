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
    REFUSED(pico_client_note_events_stream(NULL, NULL, NULL, E));
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
    pico_client_free(client);
    puts("passed");
    return 0;
}
