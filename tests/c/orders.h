/*
 * What the C tests that place orders share: clients with settings, orders, and a stream that tells when the floor has
 * built them. The harness sets PICO_API_ENDPOINT, PICO_API_TOKEN and TEST_OPERATION.
 */

#ifndef PICO_TEST_ORDERS_H
#define PICO_TEST_ORDERS_H

#include "check.h"

/* Options for the sandbox; the caller adds what it is about, and hands them to client_of(). */
static inline pico_options_t *options_for_the_sandbox(void) {
    pico_options_t *options = NULL;
    OK(pico_options_new(&options, &error));
    OK(pico_options_set_endpoint(options, getenv("PICO_API_ENDPOINT"), &error));
    OK(pico_options_set_token(options, getenv("PICO_API_TOKEN"), &error));
    return options;
}

static inline pico_client_t *client_of(pico_options_t *options) {
    pico_client_t *client = NULL;
    OK(pico_client_new(options, &client, &error));
    pico_options_free(options);
    return client;
}

/* Saves so many units of an order, from that index on, each of which the sandbox then builds. Once: a unit that is
 * complete and saved again is not built again. */
static inline void save_from(pico_client_t *client, const char *order_id, uint32_t first, uint32_t units) {
    pico_order_save_t order = {0};
    order.struct_size = sizeof order;
    order.operation_id = getenv("TEST_OPERATION");
    order.external_order_id = order_id;
    for (order.order_index = first; order.order_index < first + units; order.order_index++) {
        OK(pico_client_save_order(client, &order, NULL, NULL, &error));
    }
}

static inline void save(pico_client_t *client, const char *order_id, uint32_t units) {
    save_from(client, order_id, 0, units);
}

/* The index of the completed unit, or -1 when the event is not a completion of that order. */
static inline int unit_of(const pico_event_t *event, const char *order_id) {
    const pico_order_complete_t *done = pico_event_order_complete(event);
    return done != NULL && strcmp(done->external_order_id, order_id) == 0 ? done->order_index : -1;
}

/* Opens the stream of an order's completions, to be pulled, and waits until nothing is missed. */
static inline pico_subscription_t *completions_of(pico_client_t *client, const char *order_id) {
    pico_subscription_t *subscription = NULL;
    pico_order_complete_filter_t filter = {0};
    filter.struct_size = sizeof filter;
    filter.external_order_id = order_id;
    OK(pico_client_order_completes_stream(client, &filter, NULL, &subscription, &error));
    OK(pico_subscription_wait_open(subscription, 1000 * DEADLINE_SECONDS, &error));
    return subscription;
}

/* Takes events until so many units of the order have been seen to be complete. */
static inline void take_units(pico_subscription_t *subscription, const char *order_id, int units) {
    while (units > 0) {
        pico_event_t *event = NULL;
        OK(pico_subscription_next(subscription, 1000 * DEADLINE_SECONDS, &event, &error));
        units -= unit_of(event, order_id) >= 0;
        pico_event_free(event);
    }
}

#endif
