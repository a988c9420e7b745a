/*
 * Events by the batch, delivered and pulled: their order, their size, and that delivery keeps what holds for every
 * callback. Runs against a sandbox that completes every order by itself.
 */

#include "orders.h"

enum { MOST = 4, UNITS = 12, ROUNDS = 50 };

static pico_client_t *client;

/* What a callback saw, and how it is to behave. All under test_lock. */
struct probe {
    const char *order_id;    /* which completions to look at */
    int units;               /* completions of it seen */
    int next_unit;           /* the one that comes next */
    int out_of_order;        /* completions that came before their turn */
    int largest;             /* the most events in one call */
    int inside, overlapped;  /* calls under way, and whether two ever were */
    int dropped, after_drop; /* calls of drop, and calls after it */
    int stop;                /* returns PICO_STOP at the first completion */
    int hold, held;          /* holds calls back while not 0; calls that were */
    void (*inside_call)(struct probe *, const pico_event_t *const *, size_t);
    pico_subscription_t *subscription;
    pico_event_t *kept;
};

static int32_t PICO_CALL on_events(void *user_data, const pico_event_t *const *events, size_t count) {
    struct probe *probe = user_data;
    int32_t answer = PICO_CONTINUE;
    int units = 0;
    size_t i;

    pthread_mutex_lock(&test_lock);
    probe->overlapped += probe->inside++ > 0;
    probe->after_drop += probe->dropped > 0;
    probe->largest = probe->largest > (int)count ? probe->largest : (int)count;
    CHECK(count >= 1 && count <= MOST);
    for (i = 0; i < count; i++) {
        int unit = unit_of(events[i], probe->order_id);
        if (unit >= 0) {
            probe->out_of_order += unit != probe->next_unit;
            probe->next_unit = unit + 1;
            units++;
        }
    }
    if (units > 0) {
        probe->held += probe->hold;
        pthread_cond_broadcast(&test_changed);
        while (probe->hold) {
            pthread_cond_wait(&test_changed, &test_lock);
        }
        if (probe->inside_call != NULL) {
            pthread_mutex_unlock(&test_lock);
            probe->inside_call(probe, events, count);
            pthread_mutex_lock(&test_lock);
        }
        answer = probe->stop ? PICO_STOP : PICO_CONTINUE;
    }
    probe->units += units;
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
    return probe;
}

static pico_events_callback_t callback_to(struct probe *probe) {
    pico_events_callback_t callback = {on_events, on_drop, NULL};
    callback.user_data = probe;
    return callback;
}

static void listen_with(struct probe *probe) {
    pico_events_callback_t callback = callback_to(probe);
    probe->subscription = completions_of(client, probe->order_id);
    OK(pico_subscription_deliver_batches(probe->subscription, MOST, &callback, &error));
}

static void what_piles_up_behind_a_slow_callback_comes_in_batches_and_in_order(void) {
    struct probe probe = probe_for("PILE");
    pico_subscription_t *witness = completions_of(client, "PILE");
    int rounds = 0;
    listen_with(&probe);
    /* The witness has its own connection, so the pile is not certain to be there when it has seen everything. */
    while (now(&probe.largest) < 2) {
        int before = now(&probe.units);
        change(&probe.hold, 1);
        save_from(client, "PILE", (uint32_t)before, UNITS);
        take_units(witness, "PILE", UNITS);
        WAIT(probe.held, ++rounds);
        change(&probe.hold, -1);
        WAIT(probe.units, before + UNITS);
    }
    OK(pico_subscription_close(probe.subscription, -1, &error));
    CHECK(probe.out_of_order == 0 && probe.overlapped == 0 && probe.dropped == 1 && probe.after_drop == 0);
    pico_subscription_free(probe.subscription);
    pico_subscription_free(witness);
}

static void use_everything(struct probe *probe, const pico_event_t *const *events, size_t count) {
    pico_event_t *taken[2] = {NULL, NULL};
    size_t taken_count = 77;
    int descriptor = -1;
    CHECK_STATUS(PICO_E_REENTRANT,
                 pico_subscription_next_batch(probe->subscription, 0, taken, 2, &taken_count, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_subscription_next(probe->subscription, 0, taken, &error));
    CHECK_STATUS(PICO_E_REENTRANT, pico_subscription_close(probe->subscription, 0, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT,
                 pico_subscription_descriptor(probe->subscription, &descriptor, &error));
    CHECK(taken[0] == NULL && taken_count == 77 && descriptor == -1);
    pico_event_free(probe->kept);
    probe->kept = pico_event_retain(events[count - 1]);
    /* And the end: free never waits. */
    pico_subscription_free(probe->subscription);
    probe->subscription = NULL;
}

static void inside_a_batch_nothing_waits_and_the_subscription_can_be_freed(void) {
    struct probe probe = probe_for("INSIDE");
    probe.inside_call = use_everything;
    listen_with(&probe);
    save(client, "INSIDE", 3);
    WAIT(probe.dropped, 1);
    CHECK(probe.after_drop == 0 && unit_of(probe.kept, "INSIDE") >= 0);
    pico_event_free(probe.kept);
}

static void stop_ends_the_delivery(void) {
    struct probe probe = probe_for("STOP");
    probe.stop = 1;
    listen_with(&probe);
    save(client, "STOP", 2);
    WAIT(probe.dropped, 1);
    OK(pico_subscription_close(probe.subscription, -1, &error));
    CHECK(probe.dropped == 1 && probe.after_drop == 0);
    pico_subscription_free(probe.subscription);
}

static void closing_waits_for_a_batch_that_is_under_way(void) {
    struct probe probe = probe_for("SLOW");
    probe.hold = 1;
    listen_with(&probe);
    save(client, "SLOW", 1);
    WAIT(probe.held, 1);
    CHECK_STATUS(PICO_E_TIMEOUT, pico_subscription_close(probe.subscription, 20, &error));
    CHECK(now(&probe.dropped) == 0);
    change(&probe.hold, -1);
    OK(pico_subscription_close(probe.subscription, -1, &error));
    CHECK(probe.dropped == 1 && probe.after_drop == 0);
    pico_subscription_free(probe.subscription);
}

static int32_t PICO_CALL on_event(void *user_data, const pico_event_t *event) {
    (void)user_data;
    (void)event;
    return PICO_CONTINUE;
}

static void what_cannot_be_delivered_keeps_its_user_data(void) {
    struct probe probe = probe_for("NEVER"), refused = probe_for("NEVER");
    pico_events_callback_t callback = callback_to(&refused), empty = {NULL, on_drop, NULL};
    pico_event_callback_t one = {on_event, NULL, NULL};
    pico_subscription_t *subscription = NULL;
    pico_event_t *event = NULL;
    size_t count = 0;

    listen_with(&probe);
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT,
                 pico_subscription_deliver_batches(probe.subscription, 1, &callback, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_subscription_next(probe.subscription, 0, &event, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT,
                 pico_subscription_next_batch(probe.subscription, 0, &event, 1, &count, &error));
    pico_subscription_free(probe.subscription);
    WAIT(probe.dropped, 1);

    OK(pico_client_order_completes_stream(client, NULL, &one, &subscription, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_subscription_deliver_batches(subscription, 1, &callback, &error));
    pico_subscription_free(subscription);

    OK(pico_client_order_completes_stream(client, NULL, NULL, &subscription, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_subscription_deliver_batches(subscription, 0, &callback, &error));
    CHECK_STATUS(PICO_E_NULL_POINTER, pico_subscription_deliver_batches(subscription, 1, &empty, &error));
    OK(pico_subscription_cancel(subscription, &error));
    CHECK_STATUS(PICO_E_CLOSED, pico_subscription_deliver_batches(subscription, 1, &callback, &error));
    CHECK_STATUS(PICO_E_CLOSED, pico_subscription_next(subscription, -1, &event, &error));
    OK(pico_subscription_close(subscription, -1, &error));
    pico_subscription_free(subscription);
    CHECK(event == NULL && count == 0 && now(&refused.dropped) == 0);
}

static void *cancel(void *subscription) {
    OK(pico_subscription_cancel(subscription, &error));
    return NULL;
}

static void drop_comes_once_also_when_the_end_races_with_the_beginning(void) {
    int round;
    for (round = 0; round < ROUNDS; round++) {
        struct probe probe = probe_for("RACE");
        pico_events_callback_t callback = callback_to(&probe);
        pico_subscription_t *subscription = NULL;
        pico_status_t status;
        pthread_t thread;

        OK(pico_client_order_completes_stream(client, NULL, NULL, &subscription, &error));
        CHECK(pthread_create(&thread, NULL, cancel, subscription) == 0);
        status = pico_subscription_deliver_batches(subscription, MOST, &callback, NULL);
        CHECK(status == PICO_OK || status == PICO_E_CLOSED);
        CHECK(pthread_join(thread, NULL) == 0);
        OK(pico_subscription_close(subscription, -1, &error));
        CHECK(probe.dropped == (status == PICO_OK) && probe.after_drop == 0);
        pico_subscription_free(subscription);
    }
}

static void batches_are_pulled_in_order_and_fill_the_room_at_most(void) {
    pico_subscription_t *subscription = completions_of(client, "PULLED"), *witness = completions_of(client, "PULLED");
    pico_event_t *events[5] = {NULL, NULL, NULL, NULL, NULL};
    size_t count = 0, largest = 0, i;
    int unit = 0, all = 0;

    while (largest < 2) {
        save_from(client, "PULLED", (uint32_t)all, UNITS);
        take_units(witness, "PULLED", UNITS);
        for (all += UNITS; unit < all;) {
            OK(pico_subscription_next_batch(subscription, -1, events, 4, &count, &error));
            CHECK(count >= 1 && count <= 4 && events[4] == NULL);
            for (i = 0; i < count; i++) {
                int found = unit_of(events[i], "PULLED");
                CHECK(found < 0 || found == unit);
                unit += found >= 0;
                pico_event_free(events[i]);
            }
            largest = count > largest ? count : largest;
        }
    }
    events[0] = NULL;
    count = 77;
    CHECK_STATUS(PICO_E_TIMEOUT, pico_subscription_next_batch(subscription, 0, events, 4, &count, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_subscription_next_batch(subscription, 0, events, 0, &count, &error));
    OK(pico_subscription_cancel(subscription, &error));
    CHECK_STATUS(PICO_E_CLOSED, pico_subscription_next_batch(subscription, -1, events, 4, &count, &error));
    CHECK(events[0] == NULL && count == 77);
    pico_subscription_free(subscription);
    pico_subscription_free(witness);
}

int main(void) {
    OK(pico_client_from_environment(&client, &error));
    what_piles_up_behind_a_slow_callback_comes_in_batches_and_in_order();
    inside_a_batch_nothing_waits_and_the_subscription_can_be_freed();
    stop_ends_the_delivery();
    closing_waits_for_a_batch_that_is_under_way();
    what_cannot_be_delivered_keeps_its_user_data();
    drop_comes_once_also_when_the_end_races_with_the_beginning();
    batches_are_pulled_in_order_and_fill_the_room_at_most();
    OK(pico_client_close(client, -1, &error));
    pico_client_free(client);
    puts("passed");
    return 0;
}
