/*
 * Every kind of event, pulled, with every field of its view. The harness plays the floor and watches standard
 * output: after "open" it cuts all connections, after "open again" it deploys an operation whose event is spoilt,
 * and after "problem" it deploys, links, completes and notes.
 */

#include "check.h"

enum { STREAMS = 5 };

static pico_event_t *next_of(pico_subscription_t *subscription) {
    pico_event_t *event = NULL;
    OK(pico_subscription_next(subscription, 1000 * DEADLINE_SECONDS, &event, &error));
    return event;
}

/* Takes states until the stream is open, checking that each tells what it should. Returns the number of retries. */
static int until_open(pico_subscription_t *subscription, int first) {
    int state = 0, retries = 0;
    while (state != PICO_STATE_OPEN) {
        pico_event_t *event = next_of(subscription);
        CHECK(pico_event_kind(event) == PICO_EVENT_STATE && pico_event_json(event, NULL) == NULL);
        state = pico_event_state(event);
        if (state == PICO_STATE_RETRYING) {
            retries++;
            CHECK(pico_event_failures(event) > 0 && pico_event_retry_delay_ms(event) >= 0);
            CHECK(pico_error_status(pico_event_error(event)) != PICO_OK);
            CHECK(pico_error_retryable(pico_event_error(event)) == 1);
        } else {
            CHECK(pico_event_failures(event) == 0 && pico_event_retry_delay_ms(event) == -1);
            CHECK(pico_event_error(event) == NULL);
        }
        CHECK(state != PICO_STATE_OPEN || (pico_event_gap_ms(event) == -1) == first);
        pico_event_free(event);
    }
    return retries;
}

static const char *shown(const char *text) {
    return text != NULL ? text : "-";
}

static void say(const char *text) {
    puts(text);
    fflush(stdout);
}

static void a_problem(pico_subscription_t *subscription) {
    pico_event_t *event = next_of(subscription);
    CHECK(pico_event_kind(event) == PICO_EVENT_PROBLEM && pico_event_operation(event) == NULL);
    CHECK(pico_error_message(pico_event_error(event))[0] != '\0');
    pico_event_free(event);
}

static void an_operation(pico_subscription_t *subscription) {
    pico_event_t *event = next_of(subscription);
    const pico_operation_t *operation = pico_event_operation(event);
    size_t length = 0;

    CHECK(pico_event_kind(event) == PICO_EVENT_OPERATION);
    CHECK(operation == pico_event_operation(event) && operation->struct_size == sizeof *operation);
    CHECK(operation->updated_at_ms > 0 && operation->updated_at != NULL);
    CHECK(operation->archived_at == NULL && operation->archived_at_ms == PICO_NO_TIME);
    CHECK(strcmp(pico_event_json(event, &length), operation->json) == 0 && length == operation->json_len);
    printf("operation %s %s %s %s %s %s %lu %s\n", shown(operation->id), shown(operation->external_id),
           shown(operation->external_revision), operation->name, shown(operation->template_id),
           shown(operation->variant_name), (unsigned long)operation->consumed_serials_count,
           shown(operation->consumed_serials->external_id));
    pico_event_free(event);
}

static void a_sub_operation(pico_subscription_t *subscription) {
    pico_event_t *event = next_of(subscription);
    const pico_sub_operation_t *edge = pico_event_sub_operation(event);
    CHECK(pico_event_kind(event) == PICO_EVENT_SUB_OPERATION && edge->struct_size == sizeof *edge);
    CHECK(edge->updated_at != NULL && edge->updated_at_ms > 0 && strlen(edge->json) == edge->json_len);
    printf("sub_operation %s %s %s\n", shown(edge->parent_id), shown(edge->sub_id), shown(edge->sub_group));
    pico_event_free(event);
}

static void a_completion(pico_subscription_t *subscription) {
    pico_event_t *event = next_of(subscription);
    const pico_order_complete_t *done = pico_event_order_complete(event);
    CHECK(pico_event_kind(event) == PICO_EVENT_ORDER_COMPLETE && done->struct_size == sizeof *done);
    CHECK(done->at != NULL && done->at_ms >= done->started_at_ms && strlen(done->json) == done->json_len);
    printf("order_complete %s %ld %s %s %s %s %s", done->external_order_id, (long)done->order_index,
           shown(done->operation_id), shown(done->operation_external_id),
           shown(done->operation_external_revision), shown(done->operation_name),
           shown(done->produced_serial));
    CHECK(done->consumed_serials_count == 1);
    printf(" %s=%s\n", shown(done->consumed_serials[0].external_id), shown(done->consumed_serials[0].value));
    pico_event_free(event);
}

static void a_note(pico_subscription_t *subscription) {
    pico_event_t *event = next_of(subscription);
    const pico_note_t *note = pico_event_note(event);
    CHECK(pico_event_kind(event) == PICO_EVENT_NOTE && note->struct_size == sizeof *note);
    CHECK(note->at != NULL && note->at_ms > 0 && note->id != NULL && strlen(note->json) == note->json_len);
    CHECK(note->images_count == 1);
    printf("note %s %s %s\n", shown(note->text), shown(note->metadata_json), note->images[0]);
    pico_event_free(event);
}

static void raw_data(pico_subscription_t *subscription) {
    pico_event_t *event = next_of(subscription);
    CHECK(pico_event_kind(event) == PICO_EVENT_DATA && pico_event_order_complete(event) == NULL);
    printf("data %s\n", pico_event_json(event, NULL));
    pico_event_free(event);
}

static pico_client_t *client_with(const char *token) {
    pico_options_t *options = NULL;
    pico_client_t *client = NULL;
    OK(pico_options_new(&options, &error));
    OK(pico_options_set_endpoint(options, getenv("PICO_API_ENDPOINT"), &error));
    OK(pico_options_set_token(options, token, &error));
    OK(pico_options_set_stream_backoff_ms(options, 1, 50, &error));
    OK(pico_client_new(options, &client, &error));
    pico_options_free(options);
    return client;
}

static void a_stream_that_is_refused_ends_with_the_reason(void) {
    pico_client_t *client = client_with("wrong");
    pico_subscription_t *subscription = NULL;
    pico_event_t *event = NULL;
    OK(pico_client_operations_stream(client, NULL, NULL, &subscription, &error));
    event = next_of(subscription);
    CHECK(pico_event_state(event) == PICO_STATE_CONNECTING);
    pico_event_free(event);
    event = next_of(subscription);
    CHECK(pico_event_kind(event) == PICO_EVENT_CLOSED);
    CHECK(pico_error_status(pico_event_error(event)) == PICO_E_UNAUTHORIZED);
    pico_event_free(event);
    event = NULL;
    CHECK_STATUS(PICO_E_CLOSED, pico_subscription_next(subscription, -1, &event, &error));
    CHECK(event == NULL);
    pico_subscription_free(subscription);
    pico_client_free(client);
}

int main(void) {
    static const char RAW[] = "subscription { operationOrderCompletesStream { externalOrderId } }";
    pico_client_t *client = client_with(getenv("PICO_API_TOKEN"));
    pico_subscription_t *streams[STREAMS] = {NULL, NULL, NULL, NULL, NULL};
    int i;

    OK(pico_client_operations_stream(client, NULL, NULL, &streams[0], &error));
    OK(pico_client_sub_operations_stream(client, NULL, NULL, &streams[1], &error));
    OK(pico_client_order_completes_stream(client, NULL, NULL, &streams[2], &error));
    OK(pico_client_note_events_stream(client, NULL, NULL, &streams[3], &error));
    OK(pico_client_subscribe(client, RAW, sizeof RAW - 1, NULL, 0, NULL, NULL, &streams[4], &error));
    for (i = 0; i < STREAMS; i++) {
        CHECK(until_open(streams[i], 1) == 0);
    }
    say("open");
    for (i = 0; i < STREAMS; i++) {
        CHECK(until_open(streams[i], 0) > 0);
    }
    say("open again");

    a_problem(streams[0]);
    say("problem");
    an_operation(streams[0]);
    a_sub_operation(streams[1]);
    a_completion(streams[2]);
    a_note(streams[3]);
    raw_data(streams[4]);
    for (i = 0; i < STREAMS; i++) {
        pico_subscription_free(streams[i]);
    }
    pico_client_free(client);
    a_stream_that_is_refused_ends_with_the_reason();
    say("passed");
    return 0;
}
