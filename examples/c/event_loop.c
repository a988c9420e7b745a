/*
 * A host with an event loop of its own: saves an order and takes its completion in a poll(2) loop that also has
 * something else to look after, here the signal that asks it to leave. No thread of its own, no callback, no lock.
 *
 *     PICO_API_ENDPOINT=... PICO_API_TOKEN=... ./event_loop [ORDER-ID [OPERATION-ID]]
 *
 * The last line it prints is: completed <order id> <serial>
 */

#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <pico_erp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OPEN_MS = 60000 };

/* What the loop watches. */
enum { LEAVING, COMPLETIONS, WATCHED };

/* A signal becomes a byte in a pipe, which poll() can wait for like anything else. */
static int leave[2];

static void on_signal(int number) {
    int saved = errno;
    (void)number;
    if (write(leave[1], "x", 1) < 0) {
        /* The pipe is full: the loop has been told already. */
    }
    errno = saved;
}

/* Looks at one event. Returns 1 when it is what the host waits for, -1 when nothing more will come. */
static int look_at(const pico_event_t *event, const char *order_id) {
    const pico_order_complete_t *completed = pico_event_order_complete(event);

    switch (pico_event_kind(event)) {
    case PICO_EVENT_ORDER_COMPLETE:
        if (strcmp(completed->external_order_id, order_id) != 0) {
            return 0;
        }
        printf("completed %s %s\n", completed->external_order_id,
               completed->produced_serial != NULL ? completed->produced_serial : "-");
        return 1;
    case PICO_EVENT_STATE:
        if (pico_event_state(event) == PICO_STATE_OPEN && pico_event_gap_ms(event) >= 0) {
            fprintf(stderr, "nothing was heard for %ld ms: query the completions of that time\n",
                    (long)pico_event_gap_ms(event));
        }
        return 0;
    case PICO_EVENT_PROBLEM:
        fprintf(stderr, "stream: %s\n", pico_error_message(pico_event_error(event)));
        return 0;
    case PICO_EVENT_CLOSED:
        fprintf(stderr, "the stream has ended\n");
        return -1;
    default:
        return 0;
    }
}

/* Takes all that is there. As look_at(). */
static int take(pico_subscription_t *subscription, const char *order_id) {
    pico_event_t *event = NULL;
    pico_status_t status;
    int result = 0;

    while (result == 0 && (status = pico_subscription_next(subscription, 0, &event, NULL)) == PICO_OK) {
        result = look_at(event, order_id);
        pico_event_free(event);
    }
    /* PICO_E_TIMEOUT says that nothing is left at present. */
    return result != 0 || status == PICO_E_TIMEOUT ? result : -1;
}

/* The loop of the host. Returns 1 when the order is complete. */
static int loop(pico_subscription_t *subscription, int descriptor, const char *order_id) {
    struct pollfd watched[WATCHED];
    int result = 0;

    watched[LEAVING].fd = leave[0];
    watched[COMPLETIONS].fd = descriptor;
    watched[LEAVING].events = watched[COMPLETIONS].events = POLLIN;
    while (result == 0) {
        if (poll(watched, WATCHED, -1) < 0) {
            if (errno == EINTR) {
                continue;
            }
            perror("poll");
            return -1;
        }
        if (watched[COMPLETIONS].revents != 0) {
            result = take(subscription, order_id);
        }
        if (watched[LEAVING].revents != 0) {
            return -1;
        }
    }
    return result;
}

int main(int argc, char **argv) {
    const char *order_id = argc > 1 ? argv[1] : "ERP-ORDER-1";
    const char *operation_id = argc > 2 ? argv[2] : NULL;
    struct sigaction action;
    pico_client_t *client = NULL;
    pico_operations_t *operations = NULL;
    pico_subscription_t *subscription = NULL;
    pico_order_complete_filter_t filter = {0};
    pico_order_save_t order = {0};
    pico_error_t *error = NULL;
    int descriptor, result = 1;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    if (pipe(leave) != 0 || sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0) {
        perror("signals");
        return 1;
    }

    if (pico_client_from_environment(&client, &error) != PICO_OK) {
        goto done;
    }

    /* The stream is opened without a callback, so that its events wait to be taken. */
    filter.struct_size = sizeof filter;
    filter.external_order_id = order_id;
    if (pico_client_order_completes_stream(client, &filter, NULL, &subscription, &error) != PICO_OK) {
        goto done;
    }
    if (pico_subscription_descriptor(subscription, &descriptor, &error) != PICO_OK) {
        goto done;
    }

    /* Listen before ordering: Pico does not repeat a completion that nobody heard. */
    if (pico_subscription_wait_open(subscription, OPEN_MS, &error) != PICO_OK) {
        goto done;
    }
    if (operation_id == NULL) {
        if (pico_client_operations(client, NULL, NULL, &operations, &error) != PICO_OK) {
            goto done;
        }
        if (pico_operations_count(operations) == 0) {
            fprintf(stderr, "there is no operation to order\n");
            goto done;
        }
        operation_id = pico_operations_at(operations, 0)->id;
    }
    order.struct_size = sizeof order;
    order.operation_id = operation_id;
    order.external_order_id = order_id;
    if (pico_client_save_order(client, &order, NULL, NULL, &error) != PICO_OK) {
        goto done;
    }
    printf("saved %s\n", order_id);
    fflush(stdout);

    result = loop(subscription, descriptor, order_id) == 1 ? 0 : 1;

done:
    if (error != NULL) {
        fprintf(stderr, "%s: %s\n", pico_status_name(pico_error_status(error)), pico_error_message(error));
        pico_error_free(error);
    }
    /* The descriptor goes with the subscription. */
    pico_subscription_free(subscription);
    pico_operations_free(operations);
    pico_client_free(client);
    return result;
}
