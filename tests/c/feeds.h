/*
 * What the C tests of feeds share: a store in TEST_FOLDER, a feed of one order's completions, and calls with a limit.
 */

#ifndef PICO_TEST_FEEDS_H
#define PICO_TEST_FEEDS_H

#include "orders.h"

static pico_client_t *client;

/* A path in the folder for this run. */
static inline const char *path_of(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("TEST_FOLDER"), name);
    return path;
}

static inline pico_store_t *store_of(const char *name) {
    pico_store_t *store = NULL;
    OK(pico_store_open(path_of(name), NULL, &store, &error));
    return store;
}

/* Options for the completions of one order: handed out again after a millisecond, thrice. */
static inline pico_feed_options_t *options_for(const char *order_id) {
    pico_feed_options_t *options = NULL;
    pico_order_complete_filter_t filter = {0};
    filter.struct_size = sizeof filter;
    filter.external_order_id = order_id;
    OK(pico_feed_options_new(&options, &error));
    OK(pico_feed_options_set_filter(options, &filter, &error));
    OK(pico_feed_options_set_backoff_ms(options, 1, 1, &error));
    OK(pico_feed_options_set_max_attempts(options, 3, &error));
    return options;
}

static inline pico_feed_t *feed_of(pico_store_t *store, const char *order_id) {
    pico_feed_t *feed = NULL;
    pico_feed_options_t *options = options_for(order_id);
    OK(pico_feed_start(client, store, options, &feed, &error));
    pico_feed_options_free(options);
    return feed;
}

static inline pico_call_t *call_of(int64_t timeout_ms) {
    pico_call_t *call = NULL;
    OK(pico_call_new(&call, &error));
    OK(pico_call_set_timeout_ms(call, timeout_ms, &error));
    return call;
}

/* Takes the next completion, which must come. */
static inline pico_delivery_t *next_of(pico_feed_t *feed) {
    pico_call_t *call = call_of(1000 * DEADLINE_SECONDS);
    pico_delivery_t *delivery = NULL;
    OK(pico_feed_next(feed, call, &delivery, &error));
    pico_call_free(call);
    return delivery;
}

/* Takes, acknowledges and frees the next one, which must be this unit. */
static inline void ack_unit(pico_feed_t *feed, int unit) {
    pico_delivery_t *delivery = next_of(feed);
    CHECK(pico_delivery_completion(delivery)->order_index == unit);
    OK(pico_delivery_ack(delivery, NULL, &error));
    pico_delivery_free(delivery);
}

static inline pico_inbox_counts_t counts_of(pico_store_t *store) {
    pico_inbox_counts_t counts = {0};
    counts.struct_size = sizeof counts;
    OK(pico_inbox_counts(store, &counts, &error));
    CHECK(counts.struct_size == sizeof counts);
    return counts;
}

static inline void close_all(pico_feed_t *feed, pico_store_t *store) {
    OK(pico_feed_close(feed, -1, &error));
    OK(pico_store_close(store, -1, &error));
    pico_feed_free(feed);
    pico_store_free(store);
}

#endif
