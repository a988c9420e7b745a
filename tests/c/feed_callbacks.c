/*
 * What the header promises about feeds that deliver to a callback: every answer, answers given later, one call at a
 * time, `drop`, and freeing and closing from inside and outside.
 */

#include "feeds.h"

/* What a callback saw, and how it is to behave. All under test_lock. */
struct probe {
    int calls;
    int inside, overlapped;  /* calls under way, and whether two ever were */
    int dropped, after_drop; /* calls of drop, and of call after it */
    int hold, held;          /* holds calls back while not 0; how many */
    int units[8];            /* calls for each unit */
    int32_t (*answer)(struct probe *, const pico_delivery_t *, int unit);
    pico_store_t *store;
    pico_feed_t *feed;
    pico_delivery_t *kept;
};

static int32_t PICO_CALL on_delivery(void *user_data, const pico_delivery_t *delivery) {
    struct probe *probe = user_data;
    int unit = pico_delivery_completion(delivery)->order_index;
    int32_t answer = PICO_ACK;

    pthread_mutex_lock(&test_lock);
    probe->overlapped += probe->inside++ > 0;
    probe->after_drop += probe->dropped > 0;
    probe->units[unit]++;
    probe->held += probe->hold != 0;
    pthread_cond_broadcast(&test_changed);
    while (probe->hold) {
        pthread_cond_wait(&test_changed, &test_lock);
    }
    pthread_mutex_unlock(&test_lock);
    if (probe->answer != NULL) {
        answer = probe->answer(probe, delivery, unit);
    }
    pthread_mutex_lock(&test_lock);
    probe->inside--;
    probe->calls++;
    pthread_cond_broadcast(&test_changed);
    pthread_mutex_unlock(&test_lock);
    return answer;
}

static void PICO_CALL on_drop(void *user_data) {
    struct probe *probe = user_data;
    CHECK(now(&probe->inside) == 0);
    change(&probe->dropped, 1);
}

/* Opens a store and a feed of the order's completions, and delivers them to the probe. */
static void deliver_to(struct probe *probe, const char *order_id) {
    pico_delivery_callback_t callback = {on_delivery, on_drop, NULL};
    callback.user_data = probe;
    probe->store = store_of(order_id);
    probe->feed = feed_of(probe->store, order_id);
    OK(pico_feed_deliver(probe->feed, &callback, &error));
}

static int32_t each_answer(struct probe *probe, const pico_delivery_t *delivery, int unit) {
    int first = pico_delivery_attempt(delivery) == 1;
    switch (unit) {
    case 0:
        return PICO_ACK;
    case 1:
        OK(pico_delivery_retry_after(delivery, 0, "period closed", &error));
        return first ? PICO_RETRY : PICO_ACK;
    case 2:
        OK(pico_delivery_set_reason(delivery, "no such item", &error));
        return PICO_REJECT;
    case 3:
        probe->kept = pico_delivery_retain(delivery);
        return PICO_LATER;
    case 4:
        /* No answer at all: the same as to ask for it again. */
        return first ? 77 : PICO_ACK;
    default:
        /* Later, but not kept: nobody can answer any more, so it comes again. */
        return first ? PICO_LATER : PICO_ACK;
    }
}

static void *ack_later(void *delivery) {
    OK(pico_delivery_ack(delivery, NULL, &error));
    pico_delivery_free(delivery);
    return NULL;
}

static void every_answer_does_what_it_says(void) {
    struct probe probe = {0};
    pthread_t thread;
    pico_text_t *json = NULL;
    pico_delivery_callback_t callback = {on_delivery, on_drop, NULL}, empty = {NULL, on_drop, NULL};
    pico_delivery_t *taken = NULL;

    probe.answer = each_answer;
    deliver_to(&probe, "ANSWERS");
    callback.user_data = &probe;
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_feed_deliver(probe.feed, &callback, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_feed_deliver(probe.feed, &empty, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_feed_next(probe.feed, NULL, &taken, &error));
    CHECK(taken == NULL);
    save(client, "ANSWERS", 6);
    WAIT(probe.calls, 9);
    CHECK(counts_of(probe.store).handed_out <= 2);
    CHECK(pthread_create(&thread, NULL, ack_later, probe.kept) == 0 && pthread_join(thread, NULL) == 0);
    OK(pico_feed_close(probe.feed, -1, &error));
    CHECK(probe.dropped == 1 && probe.after_drop == 0 && probe.overlapped == 0 && probe.calls == 9);
    CHECK(probe.units[0] == 1 && probe.units[1] == 2 && probe.units[2] == 1 && probe.units[3] == 1);
    CHECK(probe.units[4] == 2 && probe.units[5] == 2);
    CHECK(counts_of(probe.store).acked == 5 && counts_of(probe.store).dead == 1);
    OK(pico_inbox_list_json(probe.store, PICO_INBOX_ANY, 0, 100, &json, &error));
    CHECK(strstr(pico_text_string(json), "\"reason\":\"no such item\"") != NULL);
    pico_text_free(json);
    pico_feed_free(probe.feed);
    pico_store_free(probe.store);
}

static int32_t free_itself(struct probe *probe, const pico_delivery_t *delivery, int unit) {
    pico_text_t *json = NULL;
    (void)unit;
    CHECK_STATUS(PICO_E_REENTRANT, pico_feed_close(probe->feed, -1, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_delivery_ack(delivery, NULL, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_feed_status_json(probe->feed, &json, &error));
    OK(pico_feed_catch_up(probe->feed, &error));
    pico_feed_free(probe->feed);
    pico_store_free(probe->store);
    return PICO_ACK;
}

static void a_feed_can_be_freed_by_its_own_callback_whose_answer_still_counts(void) {
    struct probe probe = {0};
    pico_store_t *store;
    pico_feed_t *feed;
    probe.answer = free_itself;
    deliver_to(&probe, "FREED-INSIDE");
    save(client, "FREED-INSIDE", 2);
    WAIT(probe.dropped, 1);
    CHECK(probe.calls == 1 && probe.after_drop == 0);
    store = store_of("FREED-INSIDE");
    CHECK(counts_of(store).acked == 1);
    feed = feed_of(store, "FREED-INSIDE");
    ack_unit(feed, probe.units[0] ? 1 : 0);
    close_all(feed, store);
}

static void closing_is_bounded_while_a_callback_is_slow(void) {
    struct probe probe = {0};
    probe.hold = 1;
    deliver_to(&probe, "SLOW");
    save(client, "SLOW", 2);
    WAIT(probe.held, 1);
    CHECK_STATUS(PICO_E_TIMEOUT, pico_feed_close(probe.feed, 50, &error));
    CHECK_STATUS(PICO_E_TIMEOUT, pico_feed_close(probe.feed, 0, &error));
    CHECK(now(&probe.dropped) == 0);
    change(&probe.hold, -1);
    OK(pico_feed_close(probe.feed, -1, &error));
    CHECK(probe.calls == 1 && probe.dropped == 1 && probe.after_drop == 0);
    CHECK(counts_of(probe.store).acked == 1);
    pico_store_free(probe.store);
    pico_feed_free(probe.feed);
}

static void a_delivery_that_is_kept_is_waited_for_and_else_comes_from_the_next_feed(void) {
    struct probe probe = {0};
    pico_feed_t *feed;
    probe.answer = each_answer;
    deliver_to(&probe, "KEPT");
    save_from(client, "KEPT", 3, 1);
    WAIT(probe.calls, 1);
    OK(pico_feed_close(probe.feed, 50, &error));
    CHECK(probe.dropped == 1);
    pico_feed_free(probe.feed);
    pico_delivery_free(probe.kept);
    feed = feed_of(probe.store, "KEPT");
    ack_unit(feed, 3);
    close_all(feed, probe.store);
}

/* Notices: how many of which kind, and drop. */
static struct notices {
    int caught_up, dead_letter, other, dropped, after_drop;
} heard;

static void PICO_CALL on_notice(void *user_data, const char *text, const char *json) {
    struct notices *notices = user_data;
    CHECK(strlen(text) > 0 && strstr(json, text) != NULL);
    pthread_mutex_lock(&test_lock);
    notices->after_drop += notices->dropped;
    pthread_mutex_unlock(&test_lock);
    if (strstr(json, "{\"notice\":\"caught_up\",") == json) {
        change(&notices->caught_up, 1);
    } else if (strstr(json, "{\"notice\":\"dead_letter\",") == json) {
        change(&notices->dead_letter, 1);
    } else {
        change(&notices->other, 1);
    }
}

static void PICO_CALL on_notice_drop(void *user_data) {
    change(&((struct notices *)user_data)->dropped, 1);
}

static void notices_tell_what_happens_to_a_feed(void) {
    struct probe probe = {0};
    pico_notice_callback_t callback = {on_notice, on_notice_drop, NULL}, empty = {NULL, NULL, NULL};
    callback.user_data = &heard;
    probe.answer = each_answer;
    deliver_to(&probe, "NOTICES");
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_feed_on_notice(probe.feed, &empty, &error));
    OK(pico_feed_on_notice(probe.feed, &callback, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_feed_on_notice(probe.feed, &callback, &error));
    OK(pico_feed_opened(probe.feed, NULL, &error));
    OK(pico_feed_catch_up(probe.feed, &error));
    WAIT(heard.caught_up, 1);
    save_from(client, "NOTICES", 2, 1);
    WAIT(heard.dead_letter, 1);
    OK(pico_feed_close(probe.feed, -1, &error));
    CHECK(heard.dropped == 1 && heard.after_drop == 0 && probe.dropped == 1);
    CHECK_STATUS(PICO_E_CLOSED, pico_feed_on_notice(probe.feed, &callback, &error));
    CHECK(heard.dropped == 1);
    pico_feed_free(probe.feed);
    pico_store_free(probe.store);
}

/* Last: it closes the client that all tests share. */
static void closing_the_client_waits_for_the_callbacks_of_its_feeds(void) {
    struct probe slow = {0}, idle = {0};
    slow.hold = 1;
    deliver_to(&slow, "CLOSING");
    deliver_to(&idle, "NOTHING");
    save(client, "CLOSING", 1);
    WAIT(slow.held, 1);
    CHECK_STATUS(PICO_E_TIMEOUT, pico_client_close(client, 50, &error));
    WAIT(idle.dropped, 1);
    change(&slow.hold, -1);
    OK(pico_client_close(client, -1, &error));
    CHECK(slow.dropped == 1 && slow.after_drop == 0);
    CHECK(counts_of(slow.store).acked == 1);
    pico_client_free(client);
    close_all(slow.feed, slow.store);
    close_all(idle.feed, idle.store);
}

int main(void) {
    OK(pico_client_from_environment(&client, &error));
    every_answer_does_what_it_says();
    a_feed_can_be_freed_by_its_own_callback_whose_answer_still_counts();
    closing_is_bounded_while_a_callback_is_slow();
    a_delivery_that_is_kept_is_waited_for_and_else_comes_from_the_next_feed();
    notices_tell_what_happens_to_a_feed();
    closing_the_client_waits_for_the_callbacks_of_its_feeds();
    puts("passed");
    return 0;
}
