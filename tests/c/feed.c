/*
 * What the header promises about feeds whose completions are taken: answers, what is handed out again, freeing and
 * closing in any order, one feed on a store.
 */

#include "feeds.h"

#include <sys/wait.h>
#include <unistd.h>

static void a_delivery_tells_all_of_a_completion(void) {
    pico_store_t *store = store_of("tells");
    pico_feed_t *feed = feed_of(store, "TELLS");
    pico_delivery_t *delivery, *again;
    const pico_order_complete_t *done;
    size_t length = 0;

    OK(pico_feed_opened(feed, NULL, &error));
    save(client, "TELLS", 1);
    delivery = next_of(feed);
    done = pico_delivery_completion(delivery);
    CHECK(strcmp(done->external_order_id, "TELLS") == 0 && done->order_index == 0);
    CHECK(strcmp(done->operation_id, getenv("TEST_OPERATION")) == 0);
    CHECK(strstr(pico_delivery_json(delivery, &length), "\"TELLS\"") != NULL);
    CHECK(length == strlen(pico_delivery_json(delivery, NULL)));
    CHECK(strncmp(pico_delivery_key(delivery), "TELLS/", 6) == 0 && strstr(pico_delivery_key(delivery), done->at));
    CHECK(pico_delivery_id(delivery) > 0 && pico_delivery_attempt(delivery) == 1);
    CHECK(pico_delivery_source(delivery) == PICO_SOURCE_SSE || pico_delivery_source(delivery) == PICO_SOURCE_CATCH_UP);
    CHECK(strlen(pico_delivery_arrived(delivery)) >= 20 && pico_delivery_arrived_ms(delivery) > done->at_ms - 60000);
    /* Another handle of the same: one answer, and what it tells outlives that and the first handle. */
    again = pico_delivery_retain(delivery);
    OK(pico_delivery_ack(delivery, NULL, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_delivery_ack(delivery, NULL, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_delivery_reject(again, NULL, NULL, &error));
    pico_delivery_free(delivery);
    CHECK(strcmp(pico_delivery_completion(again)->external_order_id, "TELLS") == 0);
    pico_delivery_free(again);
    CHECK(counts_of(store).acked == 1);
    close_all(feed, store);
}

static void what_is_not_acknowledged_comes_again_and_in_the_end_is_a_dead_letter(void) {
    pico_store_t *store = store_of("again");
    pico_feed_t *feed = feed_of(store, "AGAIN");
    pico_delivery_t *delivery;
    pico_text_t *json = NULL;
    int64_t id;
    uint64_t replayed = 0;

    save(client, "AGAIN", 1);
    delivery = next_of(feed);
    id = pico_delivery_id(delivery);
    OK(pico_delivery_retry(delivery, 0, "period closed", NULL, &error));
    pico_delivery_free(delivery);
    delivery = next_of(feed);
    CHECK(pico_delivery_id(delivery) == id && pico_delivery_attempt(delivery) == 2);
    /* Without an answer. */
    pico_delivery_free(delivery);
    delivery = next_of(feed);
    CHECK(pico_delivery_id(delivery) == id && pico_delivery_attempt(delivery) == 3);
    OK(pico_delivery_retry(delivery, -1, "period \"still\" closed", NULL, &error));
    pico_delivery_free(delivery);

    OK(pico_inbox_list_json(store, PICO_INBOX_DEAD, 0, 10, &json, &error));
    CHECK(strstr(pico_text_string(json), "[{\"id\":") == pico_text_string(json));
    CHECK(strstr(pico_text_string(json), "\"state\":\"dead\",\"attempts\":3,") != NULL);
    CHECK(strstr(pico_text_string(json), "period \\\"still\\\" closed\",\"raw\":{") != NULL);
    pico_text_free(json);
    OK(pico_inbox_list_json(store, PICO_INBOX_READY, 0, 10, &json, &error));
    CHECK(strcmp(pico_text_string(json), "[]") == 0);
    pico_text_free(json);
    OK(pico_inbox_replay(store, id, &error));
    delivery = next_of(feed);
    CHECK(pico_delivery_id(delivery) == id && pico_delivery_attempt(delivery) == 1);
    OK(pico_delivery_reject(delivery, "no such item", NULL, &error));
    pico_delivery_free(delivery);
    OK(pico_inbox_replay_dead(store, &replayed, &error));
    CHECK(replayed == 1);
    delivery = next_of(feed);
    OK(pico_delivery_reject(delivery, NULL, NULL, &error));
    pico_delivery_free(delivery);
    CHECK(counts_of(store).dead == 1);
    OK(pico_inbox_drop(store, id, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_inbox_drop(store, id, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_inbox_replay(store, 9999, &error));
    CHECK(counts_of(store).dead == 0 && counts_of(store).skipped == 1);
    close_all(feed, store);
}

static void waiting_ends_by_time_by_cancelling_and_by_closing(void) {
    pico_store_t *store = store_of("waiting");
    pico_feed_t *feed = feed_of(store, "NOTHING");
    pico_call_t *call = call_of(50);
    pico_delivery_t *delivery = NULL;
    pico_text_t *json = NULL;
    pid_t child;
    int status = 0;

    CHECK_STATUS(PICO_E_TIMEOUT, pico_feed_next(feed, call, &delivery, &error));
    OK(pico_call_cancel(call, &error));
    CHECK_STATUS(PICO_E_CANCELLED, pico_feed_next(feed, call, &delivery, &error));
    CHECK_STATUS(PICO_E_CANCELLED, pico_feed_opened(feed, call, &error));
    pico_call_free(call);
    OK(pico_feed_catch_up(feed, &error));
    OK(pico_feed_status_json(feed, &json, &error));
    CHECK(strstr(pico_text_string(json), "{\"inbox\":{\"ready\":0,") == pico_text_string(json));
    CHECK(strstr(pico_text_string(json), "\"storeError\":null}") != NULL);
    pico_text_free(json);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        int ok = pico_feed_next(feed, NULL, &delivery, NULL) == PICO_E_FORKED &&
                 pico_inbox_replay(store, 1, NULL) == PICO_E_FORKED;
        pico_feed_free(feed);
        pico_store_free(store);
        /* As another program: what the threads that a child does not have held is lost to it, a leak to valgrind. */
        execl("/bin/sh", "sh", "-c", ok ? "exit 7" : "exit 1", (char *)NULL);
        _exit(2);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    OK(pico_feed_close(feed, -1, &error));
    OK(pico_feed_close(feed, 0, &error));
    CHECK_STATUS(PICO_E_CLOSED, pico_feed_next(feed, NULL, &delivery, &error));
    CHECK_STATUS(PICO_E_CLOSED, pico_feed_opened(feed, NULL, &error));
    CHECK_STATUS(PICO_E_CLOSED, pico_feed_catch_up(feed, &error));
    CHECK(delivery == NULL);
    pico_feed_free(feed);
    pico_store_free(store);
}

static void a_delivery_outlives_its_feed_and_the_next_feed_brings_what_was_not_answered(void) {
    pico_store_t *store = store_of("outlives");
    pico_feed_t *feed = feed_of(store, "OUTLIVES"), *second = NULL;
    pico_delivery_t *booked, *open, *late, *again;
    int64_t booked_id;
    int i;

    save(client, "OUTLIVES", 3);
    booked = next_of(feed);
    booked_id = pico_delivery_id(booked);
    open = next_of(feed);
    late = next_of(feed);
    CHECK_STATUS(PICO_E_STORE_IN_USE, pico_feed_start(client, store, NULL, &second, &error));
    CHECK(second == NULL);
    pico_feed_free(feed);
    OK(pico_delivery_ack(booked, NULL, &error));
    pico_delivery_free(booked);
    pico_delivery_free(open);
    feed = feed_of(store, "OUTLIVES");
    for (i = 0; i < 2; i++) {
        again = next_of(feed);
        CHECK(pico_delivery_id(again) != booked_id && pico_delivery_attempt(again) == 2);
        OK(pico_delivery_ack(again, NULL, &error));
        pico_delivery_free(again);
    }
    /* Somebody else has answered it, and that counts. */
    CHECK_STATUS(PICO_E_LEASE_LOST, pico_delivery_ack(late, NULL, &error));
    pico_delivery_free(late);
    CHECK(counts_of(store).acked == 3);
    close_all(feed, store);
}

static void a_feed_starts_where_it_is_told_to(void) {
    pico_store_t *store = store_of("starts");
    pico_feed_options_t *options = options_for("STARTS");
    pico_feed_t *feed = feed_of(store, "STARTS");
    pico_delivery_t *delivery;

    save(client, "STARTS", 1);
    ack_unit(feed, 0);
    close_all(feed, store);
    store = store_of("starts-now");
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_feed_options_set_start(options, 77, NULL, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_feed_options_set_start(options, PICO_START_SINCE, "now", &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_feed_options_set_start(options, PICO_START_NOW, "now", &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_feed_options_set_start(options, PICO_START_SINCE, NULL, &error));
    OK(pico_feed_options_set_start(options, PICO_START_SINCE, "2025-01-15T14:22:00Z", &error));
    OK(pico_feed_options_set_start(options, PICO_START_NOW, NULL, &error));
    OK(pico_feed_options_set_live(options, 1, &error));
    OK(pico_feed_options_set_catch_up_every_ms(options, 1000, &error));
    OK(pico_feed_options_set_catch_up_overlap_ms(options, 0, &error));
    OK(pico_feed_start(client, store, options, &feed, &error));
    OK(pico_feed_opened(feed, NULL, &error));
    save_from(client, "STARTS", 1, 1);
    delivery = next_of(feed);
    CHECK(pico_delivery_completion(delivery)->order_index == 1);
    OK(pico_delivery_ack(delivery, NULL, &error));
    pico_delivery_free(delivery);
    CHECK(counts_of(store).skipped == 1 && counts_of(store).acked == 1);
    close_all(feed, store);
    OK(pico_feed_options_set_max_attempts(options, 0, &error));
    store = store_of("starts-never");
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_feed_start(client, store, options, &feed, &error));
    pico_store_free(store);
    pico_feed_options_free(options);
}

/* Last: it closes the client that all tests share. */
static void closing_the_client_ends_its_feeds(void) {
    pico_store_t *store = store_of("client");
    pico_feed_t *feed = feed_of(store, "NOTHING");
    pico_delivery_t *delivery = NULL;

    OK(pico_client_close(client, -1, &error));
    CHECK_STATUS(PICO_E_CLOSED, pico_feed_next(feed, NULL, &delivery, &error));
    CHECK_STATUS(PICO_E_CLOSED, pico_feed_start(client, store, NULL, &feed, &error));
    /* Parents first: children keep what they need. */
    pico_client_free(client);
    pico_store_free(store);
    OK(pico_feed_close(feed, -1, &error));
    pico_feed_free(feed);
}

int main(void) {
    OK(pico_client_from_environment(&client, &error));
    a_delivery_tells_all_of_a_completion();
    what_is_not_acknowledged_comes_again_and_in_the_end_is_a_dead_letter();
    waiting_ends_by_time_by_cancelling_and_by_closing();
    a_delivery_outlives_its_feed_and_the_next_feed_brings_what_was_not_answered();
    a_feed_starts_where_it_is_told_to();
    closing_the_client_ends_its_feeds();
    puts("passed");
    return 0;
}
