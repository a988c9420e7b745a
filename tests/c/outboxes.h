/*
 * What the C tests of the outbox share: orders that are queued, waited for and looked at as JSON, and files.
 */

#ifndef PICO_TEST_OUTBOXES_H
#define PICO_TEST_OUTBOXES_H

#include "feeds.h"

static inline pico_order_save_t order_of(const char *order_id, const char *operation) {
    pico_order_save_t order = {0};
    order.struct_size = sizeof order;
    order.operation_id = operation;
    order.external_order_id = order_id;
    return order;
}

/* Queues an order, and gives its number. */
static inline int64_t queue(pico_store_t *store, const char *order_id, const char *operation) {
    pico_order_save_t order = order_of(order_id, operation);
    int64_t id = 0;
    OK(pico_outbox_save(store, &order, NULL, &id, &error));
    CHECK(id > 0);
    return id;
}

/* Checks that a text holds another, and frees it. */
static inline void expect(pico_text_t *text, const char *part) {
    if (strstr(pico_text_string(text), part) == NULL) {
        fprintf(stderr, "not in it: %s\n%s\n", part, pico_text_string(text));
        exit(1);
    }
    pico_text_free(text);
}

/* Waits until an order is settled, as `part` of its JSON says. */
static inline void settles(pico_store_t *store, int64_t id, const char *part) {
    pico_call_t *call = call_of(1000 * DEADLINE_SECONDS);
    pico_text_t *json = NULL;
    OK(pico_outbox_wait(store, id, call, &json, &error));
    pico_call_free(call);
    expect(json, part);
}

static inline pico_outbox_counts_t outbox_counts_of(pico_store_t *store) {
    pico_outbox_counts_t counts = {0};
    counts.struct_size = sizeof counts;
    OK(pico_outbox_counts(store, &counts, &error));
    return counts;
}

static inline pico_sender_t *sender_of(pico_store_t *store, const pico_settled_callback_t *callback) {
    pico_sender_t *sender = NULL;
    OK(pico_sender_start(client, store, NULL, callback, &sender, &error));
    return sender;
}

static inline void close_sender(pico_sender_t *sender, pico_store_t *store) {
    OK(pico_sender_close(sender, -1, &error));
    OK(pico_store_close(store, -1, &error));
    pico_sender_free(sender);
    pico_store_free(store);
}

static inline void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static inline void expect_file(const char *path, const char *part) {
    char text[8192] = "";
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL && fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    if (strstr(text, part) == NULL) {
        fprintf(stderr, "not in it: %s\n%s\n", part, text);
        exit(1);
    }
}

/* Imports a file, checks its report, and gives the digest, which lives until the next call. */
static inline const char *import(pico_store_t *store, pico_catalogue_t *catalogue, const char *path, const char *part) {
    static char digest[65];
    pico_text_t *report = NULL;
    pico_call_t *call = call_of(1000 * DEADLINE_SECONDS);
    OK(pico_outbox_import(store, path, NULL, catalogue, call, &report, &error));
    pico_call_free(call);
    CHECK(sscanf(pico_text_string(report), "{\"digest\":\"%64[0-9a-f]\"", digest) == 1);
    expect(report, part);
    return digest;
}

#endif
