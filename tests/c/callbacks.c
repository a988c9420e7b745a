/*
 * What the header promises about callbacks: order, one at a time, what may be called inside, when `drop` is
 * called, how closing waits. Runs against a sandbox that completes every order by itself; the harness sets
 * PICO_API_ENDPOINT, PICO_API_TOKEN and TEST_OPERATION.
 */

#include "orders.h"

static pico_client_t *client;

/* What a callback saw, and how it is to behave. All under test_lock. */
struct probe {
    const char *order_id;    /* which completions to look at */
    int opened;              /* states PICO_STATE_OPEN seen */
    int completions;         /* completions of order_id seen */
    int last_index;          /* order_index of the last one */
    int out_of_order;        /* completions that came before their turn */
    int inside, overlapped;  /* calls under way, and whether two ever were */
    int dropped;             /* calls of drop */
    int after_drop;          /* calls after drop */
    int stop_at;             /* returns PICO_STOP at this many completions; 0 never */
    int hold;                /* holds completions back while not 0 */
    int held;                /* calls that were held back */
    void (*inside_call)(struct probe *, const pico_event_t *); /* called for each completion */
    pico_subscription_t *subscription;
    pico_event_t *kept;
};

static int32_t PICO_CALL on_event(void *user_data, const pico_event_t *event) {
    struct probe *probe = user_data;
    const pico_order_complete_t *completed = pico_event_order_complete(event);
    int32_t answer = PICO_CONTINUE;

    pthread_mutex_lock(&test_lock);
    probe->overlapped += probe->inside++ > 0;
    probe->after_drop += probe->dropped > 0;
    if (pico_event_state(event) == PICO_STATE_OPEN) {
        probe->opened++;
    }
    if (completed != NULL && strcmp(completed->external_order_id, probe->order_id) == 0) {
        if (probe->hold) {
            probe->held++;
            pthread_cond_broadcast(&test_changed);
            while (probe->hold) {
                pthread_cond_wait(&test_changed, &test_lock);
            }
        }
        probe->out_of_order += completed->order_index <= probe->last_index;
        probe->last_index = completed->order_index;
        if (probe->inside_call != NULL) {
            pthread_mutex_unlock(&test_lock);
            probe->inside_call(probe, event);
            pthread_mutex_lock(&test_lock);
        }
        if (++probe->completions == probe->stop_at) {
            answer = PICO_STOP;
        }
    }
    probe->inside--;
    pthread_cond_broadcast(&test_changed);
    pthread_mutex_unlock(&test_lock);
    return answer;
}

static void PICO_CALL on_drop(void *user_data) {
    struct probe *probe = user_data;
    CHECK(now(&probe->inside) == 0);
    change(&probe->dropped, 1);
}

static struct probe probe_for(const char *order_id) {
    struct probe probe;
    memset(&probe, 0, sizeof probe);
    probe.order_id = order_id;
    probe.last_index = -1;
    return probe;
}

/* Opens the stream of completions and waits until it is connected. */
static void listen_with(struct probe *probe) {
    pico_event_callback_t callback = {on_event, on_drop, NULL};
    callback.user_data = probe;
    OK(pico_client_order_completes_stream(client, NULL, &callback, &probe->subscription, &error));
    WAIT(probe->opened, 1);
}

static void events_come_one_at_a_time_and_in_order(void) {
    struct probe probe = probe_for("IN-ORDER");
    listen_with(&probe);
    save(client, "IN-ORDER", 25);
    WAIT(probe.completions, 25);
    OK(pico_subscription_close(probe.subscription, -1, &error));
    pico_subscription_free(probe.subscription);
    CHECK(probe.completions == 25 && probe.out_of_order == 0 && probe.overlapped == 0);
    CHECK(probe.dropped == 1 && probe.after_drop == 0);
}

/* Those that wait for a store, a feed, a receiver or a keeper. That they wait is refused before anything else, so that
 * nothing has to be there. */
static void call_all_that_waits_for_a_store(void) {
    CHECK_STATUS(PICO_E_REENTRANT, pico_store_open("never", NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_store_set_aside("never", NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_store_close(NULL, 0, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_store_metrics_json(NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_store_metrics_prometheus(NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_metrics_server_start(NULL, "never", NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_metrics_server_close(NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_store_plants(NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_store_rebind(NULL, client, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_plants_start("never", NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_plants_next(NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_plants_reload(NULL, "never", NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_plants_status_json(NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_plants_close(NULL, 0, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_inbox_counts(NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_inbox_list_json(NULL, PICO_INBOX_ANY, 0, 1, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_inbox_replay(NULL, 1, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_inbox_replay_dead(NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_inbox_drop(NULL, 1, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_feed_start(client, NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_feed_start_notes(client, NULL, NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_feed_opened(NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_feed_next(NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_feed_status_json(NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_feed_close(NULL, 0, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_delivery_ack(NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_delivery_retry(NULL, 0, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_delivery_reject(NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_delivery_extend(NULL, 1000, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_receiver_start(NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_receiver_close(NULL, 0, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_webhook_keeper_check_now(NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_webhook_keeper_close(NULL, 0, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_client_webhook_ensure(client, NULL, NULL, NULL, NULL, NULL, &error));
}

static void call_all_that_waits_for_an_outbox(void) {
    CHECK_STATUS(PICO_E_REENTRANT, pico_outbox_save(NULL, NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_outbox_cancel(NULL, NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_outbox_counts(NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_outbox_list_json(NULL, PICO_OUTBOX_ANY, 0, 1, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_outbox_find_json(NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_outbox_retry(NULL, 1, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_outbox_retry_failed(NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_outbox_drop(NULL, 1, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_outbox_wait(NULL, 1, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_outbox_import(NULL, NULL, NULL, NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_outbox_import_results(NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT,
                 pico_outbox_save_by_part(NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_sender_start(client, NULL, NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_sender_status_json(NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_sender_drained(NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_sender_close(NULL, 0, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_catalogue_start(client, NULL, 0, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_catalogue_ready(NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_catalogue_by_id_json(NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_catalogue_by_part(NULL, NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_catalogue_by_code(NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_catalogue_status_json(NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_catalogue_operation_id(NULL, NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_catalogue_close(NULL, &error));
}

static void call_all_that_waits_for_alpha(void) {
    CHECK_STATUS(PICO_E_REENTRANT, pico_alpha_upload(client, NULL, NULL, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_alpha_process_create(client, NULL, 0, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_alpha_product_create(client, NULL, 0, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_alpha_station_create(client, NULL, 0, NULL, NULL, &error));
}

/* Every function that waits; the harness checks that none is missing. */
static void call_all_that_waits(pico_subscription_t *subscription) {
    static const char QUERY[] = "{ __typename }";
    pico_operations_t *operations = NULL;
    pico_sub_operations_t *edges = NULL;
    pico_order_completes_t *completions = NULL;
    pico_webhooks_t *webhooks = NULL;
    pico_notes_t *notes = NULL;
    int32_t generation = 0;
    pico_event_t *taken = NULL;
    pico_reply_t *reply = NULL;
    pico_order_save_t order = {0};
    pico_order_cancel_t cancel = {0};
    pico_webhook_subscribe_t webhook = {0};
    size_t count = 0;

    order.struct_size = sizeof order;
    cancel.struct_size = sizeof cancel;
    webhook.struct_size = sizeof webhook;
    CHECK_STATUS(PICO_E_REENTRANT, pico_client_operations(client, NULL, NULL, &operations, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_client_sub_operations(client, NULL, NULL, &edges, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_client_order_completes(client, NULL, NULL, &completions, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_client_note_events(client, NULL, NULL, &notes, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_client_generation(client, NULL, &generation, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_client_save_order(client, &order, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_client_cancel_order(client, &cancel, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_client_webhooks(client, NULL, &webhooks, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_client_webhook_subscribe(client, &webhook, NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_client_webhook_unsubscribe(client, "id", NULL, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT,
                 pico_client_execute(client, QUERY, sizeof QUERY - 1, NULL, 0, NULL, NULL, &reply, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_subscription_next(subscription, 0, &taken, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_subscription_next_batch(subscription, 0, &taken, 1, &count, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_subscription_wait_open(subscription, 0, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_subscription_close(subscription, 0, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_client_close(client, 0, &error));
    call_all_that_waits_for_a_store();
    call_all_that_waits_for_an_outbox();
    call_all_that_waits_for_alpha();
    CHECK(operations == NULL && edges == NULL && completions == NULL && webhooks == NULL);
    CHECK(taken == NULL && reply == NULL && count == 0);
}

static void use_everything(struct probe *probe, const pico_event_t *event) {
    pico_call_t *call = NULL;
    size_t length = 0;

    call_all_that_waits(probe->subscription);
    OK(pico_call_new(&call, &error));
    OK(pico_call_cancel(call, &error));
    pico_call_free(call);
    CHECK(strstr(pico_event_json(event, &length), "externalOrderId") != NULL && length > 0);
    CHECK(pico_event_operation(event) == NULL && pico_event_state(event) == 0);
    pico_event_free(probe->kept);
    probe->kept = pico_event_retain(event);
}

static void inside_a_callback_nothing_waits_and_all_else_works(void) {
    struct probe probe = probe_for("REENTRANT");
    probe.inside_call = use_everything;
    listen_with(&probe);
    save(client, "REENTRANT", 1);
    WAIT(probe.completions, 1);
    pico_subscription_free(probe.subscription);
    WAIT(probe.dropped, 1);
    /* The event that was kept outlives its subscription. */
    CHECK(strcmp(pico_event_order_complete(probe.kept)->external_order_id, "REENTRANT") == 0);
    pico_event_free(probe.kept);
}

static void free_itself(struct probe *probe, const pico_event_t *event) {
    (void)event;
    pico_subscription_free(probe->subscription);
    probe->subscription = NULL;
}

static void a_subscription_can_be_freed_by_its_own_callback(void) {
    struct probe probe = probe_for("FREED-INSIDE");
    probe.inside_call = free_itself;
    listen_with(&probe);
    save(client, "FREED-INSIDE", 3);
    WAIT(probe.dropped, 1);
    CHECK(probe.completions == 1 && probe.after_drop == 0);
}

/* A client of its own, which its callback closes as far as it may, and frees. */
static pico_client_t *freed_inside;

static void free_the_client(struct probe *probe, const pico_event_t *event) {
    (void)probe;
    (void)event;
    if (freed_inside != NULL) {
        CHECK_STATUS(PICO_E_REENTRANT, pico_client_close(freed_inside, -1, &error));
        pico_client_free(freed_inside);
        freed_inside = NULL;
    }
}

static void a_client_can_be_freed_by_a_callback_and_the_subscription_goes_on(void) {
    struct probe probe = probe_for("CLIENT-FREED-INSIDE");
    pico_event_callback_t callback = {on_event, on_drop, NULL};
    callback.user_data = &probe;
    probe.inside_call = free_the_client;
    OK(pico_client_from_environment(&freed_inside, &error));
    OK(pico_client_order_completes_stream(freed_inside, NULL, &callback, &probe.subscription, &error));
    WAIT(probe.opened, 1);
    save(client, "CLIENT-FREED-INSIDE", 2);
    WAIT(probe.completions, 2);
    OK(pico_subscription_close(probe.subscription, -1, &error));
    pico_subscription_free(probe.subscription);
    CHECK(freed_inside == NULL && probe.dropped == 1 && probe.after_drop == 0);
}

static void stop_ends_the_subscription(void) {
    struct probe probe = probe_for("STOP");
    probe.stop_at = 2;
    listen_with(&probe);
    save(client, "STOP", 4);
    WAIT(probe.dropped, 1);
    CHECK(probe.completions == 2);
    /* Closing and freeing what has ended is allowed, and drop is not called again. */
    OK(pico_subscription_close(probe.subscription, -1, &error));
    OK(pico_subscription_cancel(probe.subscription, &error));
    pico_subscription_free(probe.subscription);
    CHECK(now(&probe.dropped) == 1 && probe.after_drop == 0);
}

static void closing_is_bounded_while_a_callback_is_slow(void) {
    struct probe probe = probe_for("SLOW");
    probe.hold = 1;
    listen_with(&probe);
    save(client, "SLOW", 2);
    WAIT(probe.held, 1);
    CHECK_STATUS(PICO_E_TIMEOUT, pico_subscription_close(probe.subscription, 50, &error));
    CHECK_STATUS(PICO_E_TIMEOUT, pico_subscription_close(probe.subscription, 0, &error));
    CHECK(now(&probe.dropped) == 0);
    change(&probe.hold, -1);
    OK(pico_subscription_close(probe.subscription, -1, &error));
    /* The second completion was waiting behind the slow call: it is not delivered after the end. */
    CHECK(probe.completions == 1 && probe.dropped == 1 && probe.after_drop == 0);
    pico_subscription_free(probe.subscription);
}

static void a_slow_callback_holds_up_no_other_subscription(void) {
    struct probe slow = probe_for("HELD-UP"), other = probe_for("HELD-UP");
    slow.hold = 1;
    listen_with(&slow);
    listen_with(&other);
    save(client, "HELD-UP", 2);
    WAIT(slow.held, 1);
    WAIT(other.completions, 2);
    CHECK(now(&slow.completions) == 0);
    change(&slow.hold, -1);
    WAIT(slow.completions, 2);
    pico_subscription_free(slow.subscription);
    pico_subscription_free(other.subscription);
    WAIT(slow.dropped, 1);
    WAIT(other.dropped, 1);
}

static void what_could_not_be_opened_keeps_its_user_data(void) {
    struct probe probe = probe_for("NEVER");
    pico_event_callback_t callback = {on_event, on_drop, NULL}, empty = {NULL, on_drop, NULL};
    pico_order_complete_filter_t filter = {0};
    callback.user_data = empty.user_data = &probe;
    filter.struct_size = sizeof filter;
    filter.operation_id = "";
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT,
                 pico_client_order_completes_stream(client, &filter, &callback, &probe.subscription, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER,
                 pico_client_order_completes_stream(client, NULL, &empty, &probe.subscription, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT,
                 pico_client_subscribe(client, "{ a }", 5, NULL, 0, NULL, &callback, &probe.subscription, &error));
    CHECK(probe.subscription == NULL && now(&probe.dropped) == 0);
}

/* One asynchronous call. */
struct outcome {
    int called, dropped;
    int32_t status;
    char data[64];
};

static void PICO_CALL on_reply(void *user_data, int32_t status, pico_reply_t *reply, pico_error_t *error) {
    struct outcome *outcome = user_data;
    CHECK((reply != NULL) == (status == PICO_OK) && (error != NULL) == (status != PICO_OK));
    CHECK(pico_error_status(error) == status);
    outcome->status = status;
    if (reply != NULL) {
        CHECK(pico_reply_data_json(reply, NULL) != NULL);
        strncpy(outcome->data, pico_reply_data_json(reply, NULL), sizeof outcome->data - 1);
        CHECK(pico_reply_http_status(reply) == 200 && pico_reply_errors_json(reply, NULL) == NULL);
        CHECK(strstr(pico_reply_json(reply, NULL), outcome->data) != NULL);
    }
    pico_reply_free(reply);
    pico_error_free(error);
    change(&outcome->called, 1);
}

static void PICO_CALL on_outcome_drop(void *user_data) {
    struct outcome *outcome = user_data;
    CHECK(now(&outcome->called) == 1);
    change(&outcome->dropped, 1);
}

static void an_asynchronous_call_calls_back_once(void) {
    static const char QUERY[] = "query Q($a: Boolean!) { operations @include(if: $a) { id } }";
    static const char VARIABLES[] = "{\"a\": true}";
    struct outcome done = {0, 0, -1, ""}, cancelled = {0, 0, -1, ""};
    pico_reply_callback_t callback = {on_reply, on_outcome_drop, NULL};
    pico_call_t *call = NULL;

    callback.user_data = &done;
    OK(pico_client_execute_async(client, QUERY, sizeof QUERY - 1, VARIABLES, sizeof VARIABLES - 1, "Q", NULL,
                                 &callback, &error));
    WAIT(done.dropped, 1);
    CHECK(done.called == 1 && done.status == PICO_OK);
    CHECK(strstr(done.data, "{\"operations\":[") == done.data);

    OK(pico_call_new(&call, &error));
    OK(pico_call_cancel(call, &error));
    callback.user_data = &cancelled;
    OK(pico_client_execute_async(client, QUERY, sizeof QUERY - 1, VARIABLES, sizeof VARIABLES - 1, NULL, call,
                                 &callback, &error));
    pico_call_free(call);
    WAIT(cancelled.dropped, 1);
    CHECK(cancelled.called == 1 && cancelled.status == PICO_E_CANCELLED);

    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_client_execute_async(client, QUERY, sizeof QUERY - 1, "[", 1, NULL,
                                                                    NULL, &callback, &error));
    CHECK(now(&cancelled.called) == 1 && now(&cancelled.dropped) == 1);
}

/* Last: it closes the client that all tests share. */
static void closing_the_client_ends_everything_that_calls_back(void) {
    static const char QUERY[] = "{ __typename }";
    struct probe slow = probe_for("CLOSING"), idle = probe_for("NOTHING");
    struct outcome outcome = {0, 0, -1, ""};
    pico_reply_callback_t callback = {on_reply, on_outcome_drop, NULL};
    pico_subscription_t *pulled = NULL;
    pico_event_t *event = NULL;

    slow.hold = 1;
    listen_with(&slow);
    listen_with(&idle);
    OK(pico_client_order_completes_stream(client, NULL, NULL, &pulled, &error));
    save(client, "CLOSING", 1);
    WAIT(slow.held, 1);
    CHECK_STATUS(PICO_E_TIMEOUT, pico_client_close(client, 50, &error));
    WAIT(idle.dropped, 1);
    change(&slow.hold, -1);
    OK(pico_client_close(client, -1, &error));
    CHECK(slow.dropped == 1 && slow.after_drop == 0 && idle.dropped == 1);
    CHECK_STATUS(PICO_E_CLOSED, pico_subscription_next(pulled, -1, &event, &error));
    callback.user_data = &outcome;
    CHECK_STATUS(PICO_E_CLOSED, pico_client_execute_async(client, QUERY, sizeof QUERY - 1, NULL, 0, NULL, NULL,
                                                          &callback, &error));
    CHECK(outcome.called == 0 && outcome.dropped == 0);
    /* Parents first: children keep what they need. */
    pico_client_free(client);
    pico_subscription_free(slow.subscription);
    pico_subscription_free(idle.subscription);
    pico_subscription_free(pulled);
}

int main(void) {
    OK(pico_client_from_environment(&client, &error));
    events_come_one_at_a_time_and_in_order();
    inside_a_callback_nothing_waits_and_all_else_works();
    a_subscription_can_be_freed_by_its_own_callback();
    a_client_can_be_freed_by_a_callback_and_the_subscription_goes_on();
    stop_ends_the_subscription();
    closing_is_bounded_while_a_callback_is_slow();
    a_slow_callback_holds_up_no_other_subscription();
    what_could_not_be_opened_keeps_its_user_data();
    an_asynchronous_call_calls_back_once();
    closing_the_client_ends_everything_that_calls_back();
    puts("passed");
    return 0;
}
