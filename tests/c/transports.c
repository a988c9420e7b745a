/*
 * Each way that a stream can travel, how it tells which one it took, and what happens when its consumer is behind.
 *
 *     transports [held-back]
 *
 * Runs against a sandbox that completes every order by itself; with "held-back" through a proxy, so to speak, that
 * lets no event stream pass.
 */

#include "orders.h"

enum { UNITS = 50 };

/* Takes events until one unit of the order is complete; states in between must tell of that transport. */
static void take_one_over(pico_subscription_t *subscription, int32_t transport, const char *order_id) {
    int opened = 0;
    for (;;) {
        pico_event_t *event = NULL;
        int unit;
        OK(pico_subscription_next(subscription, 1000 * DEADLINE_SECONDS, &event, &error));
        if (pico_event_kind(event) == PICO_EVENT_STATE) {
            CHECK(pico_event_transport(event) == transport);
            opened += pico_event_state(event) == PICO_STATE_OPEN;
        } else {
            CHECK(pico_event_transport(event) == 0 && pico_event_state(event) == 0);
        }
        unit = unit_of(event, order_id);
        pico_event_free(event);
        if (unit == 0) {
            CHECK(opened == 1);
            return;
        }
    }
}

static void events_come_over(int32_t asked_for, int32_t transport, const char *order_id) {
    pico_options_t *options = options_for_the_sandbox();
    pico_client_t *client;
    pico_subscription_t *subscription;

    OK(pico_options_set_stream_transport(options, asked_for, &error));
    OK(pico_options_set_stream_ping_interval_ms(options, 5000, &error));
    OK(pico_options_set_stream_poll_interval_ms(options, 20, &error));
    client = client_of(options);
    subscription = completions_of(client, order_id);
    save(client, order_id, 1);
    take_one_over(subscription, transport, order_id);
    pico_subscription_free(subscription);
    pico_client_free(client);
}

static void a_document_cannot_be_polled(void) {
    static const char RAW[] = "subscription { operationOrderCompletesStream { externalOrderId } }";
    pico_options_t *options = options_for_the_sandbox();
    pico_client_t *client;
    pico_subscription_t *subscription = NULL;
    OK(pico_options_set_stream_transport(options, PICO_TRANSPORT_POLL, &error));
    client = client_of(options);
    OK(pico_client_subscribe(client, RAW, sizeof RAW - 1, NULL, 0, NULL, NULL, &subscription, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT,
                 pico_subscription_wait_open(subscription, 1000 * DEADLINE_SECONDS, &error));
    pico_subscription_free(subscription);
    pico_client_free(client);
}

static void settings_that_cannot_be_right_are_refused(void) {
    pico_options_t *options = options_for_the_sandbox();
    pico_client_t *client = NULL;
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_options_set_stream_transport(options, 0, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_options_set_stream_transport(options, 5, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_options_set_stream_overflow(options, 0, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_options_set_stream_overflow(options, 3, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_options_set_stream_ping_interval_ms(options, -1, &error));
    OK(pico_options_set_stream_poll_period_ms(options, 1000, &error));
    OK(pico_options_set_stream_poll_interval_ms(options, 0, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_client_new(options, &client, &error));
    CHECK(client == NULL);
    pico_options_free(options);
}

/* Every event is either there or counted. */
static void what_a_slow_consumer_loses_is_counted(void) {
    pico_options_t *options = options_for_the_sandbox();
    pico_client_t *client, *other;
    pico_subscription_t *slow, *witness;
    uint64_t dropped = 0;
    int taken = 0, next_unit = 0;

    OK(pico_options_set_stream_buffer(options, 4, &error));
    OK(pico_options_set_stream_overflow(options, PICO_OVERFLOW_DROP, &error));
    client = client_of(options);
    other = client_of(options_for_the_sandbox());
    slow = completions_of(client, "OVERFLOW");
    witness = completions_of(other, "OVERFLOW");
    save(other, "OVERFLOW", UNITS);
    take_units(witness, "OVERFLOW", UNITS);
    while (taken + dropped < UNITS) {
        pico_event_t *event = NULL;
        int unit;
        OK(pico_subscription_next(slow, 1000 * DEADLINE_SECONDS, &event, &error));
        unit = unit_of(event, "OVERFLOW");
        if (unit >= 0) {
            /* What was lost is told before what came after it. */
            CHECK(unit == next_unit);
            next_unit++;
            taken++;
        }
        if (pico_event_kind(event) == PICO_EVENT_DROPPED) {
            CHECK(pico_event_dropped_count(event) > 0 && pico_event_json(event, NULL) == NULL);
            dropped += pico_event_dropped_count(event);
            next_unit += (int)pico_event_dropped_count(event);
        } else {
            CHECK(pico_event_dropped_count(event) == 0);
        }
        pico_event_free(event);
    }
    CHECK(dropped > 0 && taken > 0 && next_unit == UNITS);
    pico_subscription_free(slow);
    pico_subscription_free(witness);
    pico_client_free(client);
    pico_client_free(other);
}

/* Where nothing of an event stream gets through, the stream says that it goes another way, and why. */
static void a_stream_that_is_held_back_goes_another_way(void) {
    static const int32_t STATES[][2] = {
        {PICO_STATE_CONNECTING, PICO_TRANSPORT_SSE},
        {PICO_STATE_SWITCHED, PICO_TRANSPORT_WEBSOCKET},
        {PICO_STATE_CONNECTING, PICO_TRANSPORT_WEBSOCKET},
        {PICO_STATE_OPEN, PICO_TRANSPORT_WEBSOCKET},
    };
    pico_options_t *options = options_for_the_sandbox();
    pico_client_t *client;
    pico_subscription_t *subscription;
    pico_event_t *event = NULL;
    size_t i;

    OK(pico_options_set_stream_transport(options, PICO_TRANSPORT_AUTO, &error));
    OK(pico_options_set_stream_first_byte_timeout_ms(options, 200, &error));
    client = client_of(options);
    subscription = completions_of(client, "HELD-BACK");
    for (i = 0; i < sizeof STATES / sizeof STATES[0]; i++) {
        OK(pico_subscription_next(subscription, 1000 * DEADLINE_SECONDS, &event, &error));
        CHECK(pico_event_kind(event) == PICO_EVENT_STATE);
        CHECK(pico_event_state(event) == STATES[i][0] && pico_event_transport(event) == STATES[i][1]);
        CHECK((pico_event_error(event) != NULL) == (STATES[i][0] == PICO_STATE_SWITCHED));
        if (STATES[i][0] == PICO_STATE_SWITCHED) {
            CHECK(pico_error_status(pico_event_error(event)) == PICO_E_TIMEOUT);
        }
        pico_event_free(event);
    }
    save(client, "HELD-BACK", 1);
    take_units(subscription, "HELD-BACK", 1);
    pico_subscription_free(subscription);
    pico_client_free(client);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "held-back") == 0) {
        a_stream_that_is_held_back_goes_another_way();
    } else {
        events_come_over(PICO_TRANSPORT_AUTO, PICO_TRANSPORT_SSE, "OVER-AUTO");
        events_come_over(PICO_TRANSPORT_SSE, PICO_TRANSPORT_SSE, "OVER-SSE");
        events_come_over(PICO_TRANSPORT_WEBSOCKET, PICO_TRANSPORT_WEBSOCKET, "OVER-WEBSOCKET");
        events_come_over(PICO_TRANSPORT_POLL, PICO_TRANSPORT_POLL, "OVER-POLL");
        a_document_cannot_be_polled();
        settings_that_cannot_be_right_are_refused();
        what_a_slow_consumer_loses_is_counted();
    }
    puts("passed");
    return 0;
}
