/*
 * Very many subscriptions in one process: half of them with a callback, half of them pulled. While nothing happens they
 * have no threads; when something does, each gets it.
 *
 *     thousand sse|websocket COUNT
 */

#include "orders.h"

#include <poll.h>

enum { MOST = 1000, THREADS = 8 };

static int opened, completed, dropped;

static int32_t PICO_CALL on_event(void *user_data, const pico_event_t *event) {
    (void)user_data;
    if (pico_event_state(event) == PICO_STATE_OPEN) {
        change(&opened, 1);
    }
    if (unit_of(event, "THOUSAND") == 0) {
        change(&completed, 1);
    }
    return PICO_CONTINUE;
}

static void PICO_CALL on_drop(void *user_data) {
    (void)user_data;
    change(&dropped, 1);
}

static int threads(void) {
    char line[256];
    int count = -1;
    FILE *file = fopen("/proc/self/status", "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "Threads:", 8) == 0) {
            count = atoi(line + 8);
        }
    }
    fclose(file);
    return count;
}

/* Threads that called back are kept for some seconds in case there is more to do. Nothing tells when they have gone. */
static void wait_for_idle_threads_to_go(void) {
    int tries;
    for (tries = 0; threads() > THREADS && tries < 10 * DEADLINE_SECONDS; tries++) {
        poll(NULL, 0, 100);
    }
    CHECK(threads() <= THREADS);
}

int main(int argc, char **argv) {
    static pico_subscription_t *subscriptions[MOST];
    pico_event_callback_t callback = {on_event, on_drop, NULL};
    pico_options_t *options = options_for_the_sandbox();
    pico_client_t *client, *other = client_of(options_for_the_sandbox());
    int count, delivered, i;

    CHECK(argc == 3);
    count = atoi(argv[2]);
    CHECK(count > 0 && count <= MOST);
    delivered = count / 2;
    OK(pico_options_set_stream_transport(
        options, strcmp(argv[1], "sse") == 0 ? PICO_TRANSPORT_SSE : PICO_TRANSPORT_WEBSOCKET, &error));
    client = client_of(options);
    for (i = 0; i < count; i++) {
        OK(pico_client_order_completes_stream(client, NULL, i < delivered ? &callback : NULL, &subscriptions[i],
                                              &error));
    }
    for (i = 0; i < count; i++) {
        OK(pico_subscription_wait_open(subscriptions[i], 1000 * DEADLINE_SECONDS, &error));
    }
    WAIT(opened, delivered);
    wait_for_idle_threads_to_go();

    save(other, "THOUSAND", 1);
    WAIT(completed, delivered);
    for (i = delivered; i < count; i++) {
        take_units(subscriptions[i], "THOUSAND", 1);
    }
    OK(pico_client_close(client, -1, &error));
    CHECK(dropped == delivered && completed == delivered);
    for (i = 0; i < count; i++) {
        pico_subscription_free(subscriptions[i]);
    }
    pico_client_free(client);
    pico_client_free(other);
    puts("passed");
    return 0;
}
