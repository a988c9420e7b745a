/*
 * The descriptor of a subscription in poll(2) and epoll: readable exactly while there is something to take, the end
 * included. Runs against a sandbox that completes every order by itself.
 */

#include "orders.h"

#include <dirent.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { STREAMS = 3, ROUNDS = 100, SPARE = 4 };

static pico_client_t *client;

static int descriptor_of(pico_subscription_t *subscription) {
    int descriptor = -1, again = -2;
    OK(pico_subscription_descriptor(subscription, &descriptor, &error));
    OK(pico_subscription_descriptor(subscription, &again, &error));
    CHECK(descriptor >= 0 && again == descriptor);
    return descriptor;
}

/* Whether the descriptor is readable, or becomes so in time. */
static int readable(int descriptor, int timeout_ms) {
    struct pollfd polled = {0, POLLIN, 0};
    polled.fd = descriptor;
    CHECK(poll(&polled, 1, timeout_ms) >= 0);
    CHECK((polled.revents & ~POLLIN) == 0);
    return polled.revents != 0;
}

/* Takes all that is there, checking at each step that what the descriptor says is so. Returns the last status. */
static pico_status_t drain(pico_subscription_t *subscription, int descriptor, const char *order_id, int *units) {
    pico_status_t status = PICO_OK;
    while (status == PICO_OK) {
        pico_event_t *event = NULL;
        int promised = readable(descriptor, 0);
        status = pico_subscription_next(subscription, 0, &event, NULL);
        CHECK(!promised || status != PICO_E_TIMEOUT);
        *units += unit_of(event, order_id) >= 0;
        pico_event_free(event);
    }
    return status;
}

static void it_is_readable_exactly_while_there_is_something_to_take(void) {
    pico_subscription_t *subscription = completions_of(client, "POLLED");
    int descriptor = descriptor_of(subscription), units = 0;
    pico_event_t *event = NULL, *events[2];
    size_t count = 0;

    /* The states that told of the connection are there. */
    CHECK(readable(descriptor, 1000 * DEADLINE_SECONDS));
    while (units == 0) {
        OK(pico_subscription_next(subscription, -1, &event, &error));
        units = pico_event_state(event) == PICO_STATE_OPEN;
        pico_event_free(event);
    }
    CHECK(!readable(descriptor, 0));
    CHECK_STATUS(PICO_E_TIMEOUT, pico_subscription_next(subscription, 0, &event, &error));
    CHECK(!readable(descriptor, 0));

    units = 0;
    save(client, "POLLED", 10);
    while (units < 10) {
        CHECK(readable(descriptor, 1000 * DEADLINE_SECONDS));
        CHECK(drain(subscription, descriptor, "POLLED", &units) == PICO_E_TIMEOUT);
    }
    /* What waits and what takes batches sees the same queue. */
    save_from(client, "POLLED", 10, 2);
    for (units = 10; units < 12; units += (int)count) {
        OK(pico_subscription_next_batch(subscription, -1, events, 2, &count, &error));
        CHECK(unit_of(events[0], "POLLED") == units);
        pico_event_free(events[0]);
        if (count == 2) {
            CHECK(unit_of(events[1], "POLLED") == units + 1);
            pico_event_free(events[1]);
        }
    }
    CHECK(!readable(descriptor, 0));

    OK(pico_subscription_cancel(subscription, &error));
    CHECK(readable(descriptor, 1000 * DEADLINE_SECONDS));
    CHECK(drain(subscription, descriptor, "POLLED", &units) == PICO_E_CLOSED);
    CHECK(readable(descriptor, 0));
    CHECK_STATUS(PICO_E_CLOSED, pico_subscription_next(subscription, -1, &event, &error));
    CHECK(readable(descriptor, 0) && units == 12);
    pico_subscription_free(subscription);
}

static void epoll_tells_which_of_several_has_something(uint32_t trigger, uint32_t first_unit) {
    static const char *const ORDERS[STREAMS] = {"EPOLL-0", "EPOLL-1", "EPOLL-2"};
    pico_subscription_t *subscriptions[STREAMS];
    int descriptors[STREAMS], units[STREAMS] = {0, 0, 0}, set = epoll_create1(0), i, found;
    struct epoll_event event, ready[STREAMS];

    CHECK(set >= 0);
    for (i = 0; i < STREAMS; i++) {
        subscriptions[i] = completions_of(client, ORDERS[i]);
        descriptors[i] = descriptor_of(subscriptions[i]);
        memset(&event, 0, sizeof event);
        event.events = EPOLLIN | trigger;
        event.data.u32 = (uint32_t)i;
        CHECK(epoll_ctl(set, EPOLL_CTL_ADD, descriptors[i], &event) == 0);
    }
    for (i = 0; i < STREAMS; i++) {
        save_from(client, ORDERS[i], first_unit, 3);
    }
    while (units[0] + units[1] + units[2] < 3 * STREAMS) {
        found = epoll_wait(set, ready, STREAMS, 1000 * DEADLINE_SECONDS);
        CHECK(found > 0);
        for (i = 0; i < found; i++) {
            uint32_t which = ready[i].data.u32;
            CHECK(ready[i].events == EPOLLIN);
            CHECK(drain(subscriptions[which], descriptors[which], ORDERS[which], &units[which]) == PICO_E_TIMEOUT);
        }
    }
    CHECK(epoll_wait(set, ready, STREAMS, 0) == 0);
    OK(pico_subscription_cancel(subscriptions[1], &error));
    CHECK(epoll_wait(set, ready, STREAMS, 1000 * DEADLINE_SECONDS) == 1 && ready[0].data.u32 == 1);
    for (i = 0; i < STREAMS; i++) {
        CHECK(units[i] == 3 && epoll_ctl(set, EPOLL_CTL_DEL, descriptors[i], NULL) == 0);
        pico_subscription_free(subscriptions[i]);
    }
    CHECK(epoll_wait(set, ready, STREAMS, 0) == 0 && close(set) == 0);
}

static void the_end_that_the_server_makes_is_there_to_take(void) {
    pico_options_t *options = options_for_the_sandbox();
    pico_client_t *refused;
    pico_subscription_t *subscription = NULL;
    pico_event_t *event = NULL;
    int descriptor, kind = 0;

    OK(pico_options_set_token(options, "wrong", &error));
    refused = client_of(options);
    OK(pico_client_order_completes_stream(refused, NULL, NULL, &subscription, &error));
    descriptor = descriptor_of(subscription);
    while (kind != PICO_EVENT_CLOSED) {
        CHECK(readable(descriptor, 1000 * DEADLINE_SECONDS));
        OK(pico_subscription_next(subscription, 0, &event, &error));
        kind = pico_event_kind(event);
        CHECK(kind != PICO_EVENT_CLOSED || pico_error_status(pico_event_error(event)) == PICO_E_UNAUTHORIZED);
        pico_event_free(event);
    }
    CHECK(readable(descriptor, 1000 * DEADLINE_SECONDS));
    CHECK_STATUS(PICO_E_CLOSED, pico_subscription_next(subscription, 0, &event, &error));
    pico_subscription_free(subscription);
    pico_client_free(refused);
}

static int32_t PICO_CALL on_event(void *user_data, const pico_event_t *event) {
    (void)user_data;
    (void)event;
    return PICO_CONTINUE;
}

static void there_is_none_where_events_are_delivered(void) {
    pico_event_callback_t callback = {on_event, NULL, NULL};
    pico_subscription_t *subscription = NULL;
    int descriptor = -1;
    OK(pico_client_order_completes_stream(client, NULL, &callback, &subscription, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_subscription_descriptor(subscription, &descriptor, &error));
    CHECK(descriptor == -1);
    pico_subscription_free(subscription);
}

static int open_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    CHECK(folder != NULL);
    while (readdir(folder) != NULL) {
        count++;
    }
    CHECK(closedir(folder) == 0);
    return count;
}

static void descriptors_are_closed_with_their_subscriptions(void) {
    int before = open_descriptors(), round, tries;
    for (round = 0; round < ROUNDS; round++) {
        pico_subscription_t *subscription = NULL;
        OK(pico_client_order_completes_stream(client, NULL, NULL, &subscription, &error));
        descriptor_of(subscription);
        pico_subscription_free(subscription);
    }
    /* The library's threads let go of their ends and of the connections a moment later. Nothing tells when. */
    for (tries = 0; open_descriptors() > before + SPARE && tries < 20 * DEADLINE_SECONDS; tries++) {
        poll(NULL, 0, 50);
    }
    CHECK(open_descriptors() <= before + SPARE);
}

int main(void) {
    OK(pico_client_from_environment(&client, &error));
    it_is_readable_exactly_while_there_is_something_to_take();
    epoll_tells_which_of_several_has_something(0, 0);
    epoll_tells_which_of_several_has_something(EPOLLET, 3);
    the_end_that_the_server_makes_is_there_to_take();
    there_is_none_where_events_are_delivered();
    descriptors_are_closed_with_their_subscriptions();
    OK(pico_client_close(client, -1, &error));
    pico_client_free(client);
    puts("passed");
    return 0;
}
