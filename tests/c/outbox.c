/*
 * What the header promises about orders that are queued and sent: on disk first, settled later, once for each request id,
 * refused, sent again and dropped; about the sender's callback and its end; and about files of orders.
 */

#include "outboxes.h"

#define REFUSED_OPERATION "no-such-operation"

static const char *operation;

static void an_order_is_on_disk_first_and_settles_when_it_is_sent(void) {
    pico_store_t *store = store_of("settles");
    pico_sender_t *sender = NULL;
    pico_sender_options_t options = {0};
    pico_call_t *call = call_of(20);
    pico_text_t *json = NULL;
    pico_outbox_counts_t counts;
    int64_t id = queue(store, "FIRST", operation);

    counts = outbox_counts_of(store);
    CHECK(counts.queued == 1 && counts.sent == 0);
    counts.struct_size = 0;
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_outbox_counts(store, &counts, &error));
    OK(pico_outbox_list_json(store, PICO_OUTBOX_QUEUED, 0, 10, &json, &error));
    expect(json, "[{\"id\":1,\"kind\":\"save\",\"externalOrderId\":\"FIRST\"");
    OK(pico_outbox_list_json(store, PICO_OUTBOX_ANY, id, 10, &json, &error));
    CHECK(strcmp(pico_text_string(json), "[]") == 0);
    pico_text_free(json);
    json = NULL;
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_outbox_list_json(store, 77, 0, 10, &json, &error));
    /* Without a sender there is nothing to wait for. */
    CHECK_STATUS(PICO_E_TIMEOUT, pico_outbox_wait(store, id, call, &json, &error));
    OK(pico_call_cancel(call, &error));
    CHECK_STATUS(PICO_E_CANCELLED, pico_outbox_wait(store, id, call, &json, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_outbox_wait(store, 77, NULL, &json, &error));
    CHECK(json == NULL);
    pico_call_free(call);

    options.struct_size = sizeof options;
    options.batch = 1001;
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_sender_start(client, store, &options, NULL, &sender, &error));
    options.batch = 1;
    OK(pico_sender_start(client, store, &options, NULL, &sender, &error));
    settles(store, id, "\"state\":\"sent\"");
    OK(pico_outbox_find_json(store, "FIRST", &json, &error));
    expect(json, "\"state\":\"sent\"");
    OK(pico_outbox_find_json(store, "UNKNOWN", &json, &error));
    expect(json, "[]");
    OK(pico_sender_drained(sender, NULL, &error));
    OK(pico_sender_status_json(sender, &json, &error));
    expect(json, "\"lastError\":null,\"pausedUntil\":null,\"batching\":false}");
    OK(pico_sender_close(sender, -1, &error));
    queue(store, "SECOND", operation);
    CHECK_STATUS(PICO_E_CLOSED, pico_sender_drained(sender, NULL, &error));
    OK(pico_sender_close(sender, 0, &error));
    close_sender(sender, store);
}

static void a_request_is_queued_once(void) {
    pico_store_t *store = store_of("requests");
    pico_order_save_t order = order_of("REQUESTED", operation), anonymous = order_of(NULL, operation);
    pico_order_cancel_t cancel = {0};
    int64_t first = 0, again = 0, none = 0;

    OK(pico_outbox_save(store, &order, "job 1", &first, &error));
    OK(pico_outbox_save(store, &order, "job 1", &again, &error));
    CHECK(first == again && outbox_counts_of(store).queued == 1);
    order.order_index = 1;
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_outbox_save(store, &order, "job 1", &none, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_outbox_save(store, &order, " ", &none, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_outbox_save(store, &anonymous, NULL, &none, &error));
    /* A cancel takes the place of what was not sent. */
    cancel.struct_size = sizeof cancel;
    cancel.operation_id = operation;
    cancel.external_order_id = "REQUESTED";
    cancel.cancel_all = 1;
    OK(pico_outbox_cancel(store, &cancel, "job 2", &again, &error));
    OK(pico_outbox_cancel(store, &cancel, "job 2", &none, &error));
    CHECK(none == again && again != first);
    settles(store, first, "\"state\":\"superseded\"");
    CHECK(outbox_counts_of(store).superseded == 1 && outbox_counts_of(store).queued == 1);
    OK(pico_store_close(store, -1, &error));
    CHECK_STATUS(PICO_E_CLOSED, pico_outbox_save(store, &order, NULL, NULL, &error));
    pico_store_free(store);
}

static void what_is_missing_is_named(void) {
    pico_store_t *store = store_of("missing");
    pico_sender_t *sender = sender_of(store, NULL);
    pico_catalogue_t *catalogue = NULL;
    pico_order_save_t order = {0};
    pico_text_t *json = NULL;

    CHECK_STATUS(PICO_E_NULL_POINTER, pico_outbox_save(store, NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_outbox_save(store, &order, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_outbox_cancel(store, NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_outbox_counts(store, NULL, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_outbox_list_json(store, PICO_OUTBOX_ANY, 0, 1, NULL, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_outbox_find_json(store, NULL, &json, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_outbox_find_json(store, "x", NULL, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_outbox_wait(store, 1, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_outbox_import(store, NULL, NULL, NULL, NULL, &json, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_outbox_import(store, "x", NULL, NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_outbox_import_results(store, NULL, "x", &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_outbox_import_results(store, "x", NULL, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_sender_start(client, store, NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_sender_status_json(sender, NULL, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_catalogue_start(client, store, 0, NULL, &error));
    OK(pico_catalogue_offline(store, &catalogue, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_catalogue_by_id_json(catalogue, NULL, &json, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_catalogue_by_part(catalogue, "x", NULL, NULL, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_catalogue_by_code(catalogue, "x", NULL, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_catalogue_status_json(catalogue, NULL, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_catalogue_operation_id(catalogue, NULL, NULL, &json, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_catalogue_operation_id(catalogue, "x", NULL, NULL, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER,
                 pico_outbox_save_by_part(store, NULL, "x", "x", NULL, 0, NULL, 0, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER,
                 pico_outbox_save_by_part(store, catalogue, "x", "x", NULL, 0, NULL, 1, NULL, NULL, &error));
    CHECK(json == NULL && outbox_counts_of(store).queued == 0);
    pico_catalogue_free(catalogue);
    close_sender(sender, store);
}

/* What a callback saw, and how it is to behave. All under test_lock. */
struct probe {
    int calls, sent, failed;
    int inside, overlapped;  /* calls under way, and whether two ever were */
    int dropped, after_drop; /* calls of drop, and of call after it */
    int hold, held;          /* holds calls back while not 0; how many */
    int free_itself;
    pico_store_t *store;
    pico_sender_t *sender;
};

static void PICO_CALL on_settled(void *user_data, const char *json) {
    struct probe *probe = user_data;
    pico_text_t *text = NULL;

    pthread_mutex_lock(&test_lock);
    probe->overlapped += probe->inside++ > 0;
    probe->after_drop += probe->dropped > 0;
    probe->sent += strstr(json, "\"state\":\"sent\"") != NULL;
    probe->failed += strstr(json, "\"state\":\"failed\"") != NULL;
    probe->held += probe->hold != 0;
    pthread_cond_broadcast(&test_changed);
    while (probe->hold) {
        pthread_cond_wait(&test_changed, &test_lock);
    }
    pthread_mutex_unlock(&test_lock);
    if (probe->free_itself) {
        CHECK_STATUS(PICO_E_REENTRANT, pico_sender_close(probe->sender, 0, &error));
        CHECK_STATUS(PICO_E_REENTRANT, pico_outbox_find_json(probe->store, "x", &text, &error));
        pico_sender_free(probe->sender);
    }
    pthread_mutex_lock(&test_lock);
    probe->inside--;
    probe->calls++;
    pthread_cond_broadcast(&test_changed);
    pthread_mutex_unlock(&test_lock);
}

static void PICO_CALL on_drop(void *user_data) {
    struct probe *probe = user_data;
    CHECK(now(&probe->inside) == 0);
    change(&probe->dropped, 1);
}

static pico_settled_callback_t callback_of(struct probe *probe) {
    pico_settled_callback_t callback = {on_settled, on_drop, NULL};
    callback.user_data = probe;
    return callback;
}

static void what_pico_refuses_is_told_sent_again_and_dropped(void) {
    struct probe probe = {0}, other = {0};
    pico_settled_callback_t callback = callback_of(&probe), of_other = callback_of(&other), empty = {0};
    pico_store_t *store = store_of("refused");
    pico_sender_t *sender = sender_of(store, &callback), *second = NULL;
    pico_text_t *json = NULL;
    int64_t refused = queue(store, "REFUSED", REFUSED_OPERATION), good = queue(store, "GOOD", operation);
    uint64_t count = 0;

    CHECK_STATUS(PICO_E_STORE_IN_USE, pico_sender_start(client, store, NULL, &of_other, &second, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_sender_start(client, store, NULL, &empty, &second, &error));
    CHECK(second == NULL && other.dropped == 0);
    settles(store, refused, "\"state\":\"failed\"");
    settles(store, good, "\"state\":\"sent\"");
    WAIT(probe.calls, 2);
    CHECK(probe.sent == 1 && probe.failed == 1);
    OK(pico_outbox_list_json(store, PICO_OUTBOX_FAILED, 0, 10, &json, &error));
    expect(json, "\"error\":{\"code\":");
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_outbox_retry(store, good, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_outbox_retry(store, 77, &error));
    OK(pico_outbox_retry(store, refused, &error));
    WAIT(probe.failed, 2);
    OK(pico_outbox_retry_failed(store, &count, &error));
    CHECK(count == 1);
    WAIT(probe.failed, 3);
    OK(pico_outbox_drop(store, refused, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_outbox_drop(store, refused, &error));
    CHECK(outbox_counts_of(store).dropped == 1 && outbox_counts_of(store).failed == 0);
    close_sender(sender, store);
    CHECK(probe.dropped == 1 && probe.after_drop == 0 && probe.overlapped == 0 && probe.calls == 4);
}

static void a_sender_can_be_freed_by_its_own_callback(void) {
    struct probe probe = {0};
    pico_settled_callback_t callback = callback_of(&probe);
    pico_store_t *store = store_of("freed-inside");
    probe.free_itself = 1;
    probe.hold = 1;
    probe.store = store;
    queue(store, "INSIDE-1", operation);
    queue(store, "INSIDE-2", operation);
    probe.sender = sender_of(store, &callback);
    WAIT(probe.held, 1);
    change(&probe.hold, -1);
    WAIT(probe.dropped, 1);
    /* Both were settled together: the second is not told any more. */
    CHECK(probe.calls == 1 && probe.after_drop == 0);
    OK(pico_store_close(store, -1, &error));
    pico_store_free(store);
}

static void closing_is_bounded_while_a_callback_is_slow(void) {
    struct probe probe = {0};
    pico_settled_callback_t callback = callback_of(&probe);
    pico_store_t *store = store_of("slow");
    pico_sender_t *sender = sender_of(store, &callback), *next;
    probe.hold = 1;
    queue(store, "SLOW", operation);
    WAIT(probe.held, 1);
    CHECK_STATUS(PICO_E_TIMEOUT, pico_sender_close(sender, 50, &error));
    CHECK_STATUS(PICO_E_TIMEOUT, pico_sender_close(sender, 0, &error));
    CHECK(now(&probe.dropped) == 0);
    change(&probe.hold, -1);
    OK(pico_sender_close(sender, -1, &error));
    CHECK(probe.calls == 1 && probe.dropped == 1);
    pico_sender_free(sender);
    next = sender_of(store, NULL);
    close_sender(next, store);
}

static void a_client_that_is_closed_ends_its_senders_and_one_that_is_freed_does_not(void) {
    struct probe probe = {0};
    pico_settled_callback_t callback = callback_of(&probe);
    pico_store_t *store = store_of("clients");
    pico_client_t *own = NULL;
    pico_sender_t *sender = NULL;

    OK(pico_client_from_environment(&own, &error));
    OK(pico_sender_start(own, store, NULL, &callback, &sender, &error));
    pico_client_free(own);
    settles(store, queue(store, "FREED-CLIENT", operation), "\"state\":\"sent\"");
    WAIT(probe.calls, 1);
    OK(pico_sender_close(sender, -1, &error));
    pico_sender_free(sender);
    CHECK(probe.dropped == 1);

    OK(pico_client_from_environment(&own, &error));
    OK(pico_sender_start(own, store, NULL, &callback, &sender, &error));
    OK(pico_client_close(own, -1, &error));
    CHECK(probe.dropped == 2);
    queue(store, "CLOSED-CLIENT", operation);
    CHECK_STATUS(PICO_E_CLOSED, pico_sender_drained(sender, NULL, &error));
    CHECK_STATUS(PICO_E_CLOSED, pico_sender_start(own, store, NULL, &callback, &sender, &error));
    CHECK(probe.dropped == 2 && probe.calls == 1);
    pico_client_free(own);
    close_sender(sender, store);
}

static void a_file_is_imported_once_however_often_it_is_run(void) {
    pico_store_t *store = store_of("imports");
    pico_sender_t *sender;
    pico_text_t *report = NULL;
    char csv[4096], results[4096];
    const char *digest;

    strcpy(csv, path_of("orders.csv"));
    strcpy(results, path_of("results.csv"));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_outbox_import(store, csv, NULL, NULL, NULL, &report, &error));
    write_text(csv, "externalOrderId,operationId,quantity,partNumber\n"
                    "CSV-1,op-of-the-tests,2,\n"
                    "CSV-2,op-of-the-tests,none,\n"
                    "CSV-3,,1,P-1\n"
                    "CSV-4," REFUSED_OPERATION ",1,\n");
    import(store, NULL, csv,
           "\"lines\":4,\"queued\":3,\"known\":0,\"refused\":2,\"refusedLines\":[{\"line\":3,\"message\":\"");
    digest = import(store, NULL, csv, "\"lines\":4,\"queued\":0,\"known\":3,\"refused\":2,");
    sender = sender_of(store, NULL);
    OK(pico_sender_drained(sender, NULL, &error));
    OK(pico_outbox_import_results(store, digest, results, &error));
    expect_file(results, "line,external_order_id,operation_id,order_index,result,message,error\n"
                         "2,CSV-1,op-of-the-tests,0,sent,");
    expect_file(results, "\n2,CSV-1,op-of-the-tests,1,sent,");
    expect_file(results, "\n3,,,,refused,");
    expect_file(results, "\n5,CSV-4," REFUSED_OPERATION ",0,failed,");
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_outbox_import_results(store, "unknown", results, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_outbox_import_results(store, digest, path_of("no/folder"), &error));
    CHECK(report == NULL);
    /* The same content under another name is another import, which brings the orders anew. */
    OK(pico_outbox_import(store, csv, "tomorrow", NULL, NULL, &report, &error));
    expect(report, "\"queued\":3,\"known\":0");
    close_sender(sender, store);
}

int main(void) {
    operation = getenv("TEST_OPERATION");
    OK(pico_client_from_environment(&client, &error));
    an_order_is_on_disk_first_and_settles_when_it_is_sent();
    a_request_is_queued_once();
    what_is_missing_is_named();
    what_pico_refuses_is_told_sent_again_and_dropped();
    a_sender_can_be_freed_by_its_own_callback();
    closing_is_bounded_while_a_callback_is_slow();
    a_client_that_is_closed_ends_its_senders_and_one_that_is_freed_does_not();
    a_file_is_imported_once_however_often_it_is_run();
    OK(pico_client_close(client, -1, &error));
    pico_client_free(client);
    puts("passed");
    return 0;
}
