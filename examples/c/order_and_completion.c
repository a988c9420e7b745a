/*
 * The first order: lists operations, listens for completions, saves an order and waits until it is built.
 *
 *     PICO_API_ENDPOINT=... PICO_API_TOKEN=... ./order_and_completion [ORDER-ID [OPERATION-ID]]
 *
 * The last line it prints is: completed <order id> <serial>
 */

#define _POSIX_C_SOURCE 200809L

#include <pico_erp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { DEADLINE_SECONDS = 60 };

/* What the callback tells the main thread. */
struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const char *order_id;
    int ended;               /* the stream has ended, or the callback is gone */
    pico_event_t *completed; /* the completion of our order */
};

/* Called on a thread of the library, one event at a time. The event is lent; retain keeps it. */
static int32_t PICO_CALL on_event(void *user_data, const pico_event_t *event) {
    struct waiter *waiter = user_data;
    int32_t answer = PICO_CONTINUE;

    pthread_mutex_lock(&waiter->lock);
    switch (pico_event_kind(event)) {
    case PICO_EVENT_ORDER_COMPLETE:
        if (strcmp(pico_event_order_complete(event)->external_order_id, waiter->order_id) == 0) {
            waiter->completed = pico_event_retain(event);
            answer = PICO_STOP;
        }
        break;
    case PICO_EVENT_PROBLEM:
    case PICO_EVENT_CLOSED:
        /* A problem concerns one event only; after the end there is nothing to wait for. */
        if (pico_event_error(event) != NULL) {
            fprintf(stderr, "stream: %s\n", pico_error_message(pico_event_error(event)));
        }
        waiter->ended = pico_event_kind(event) == PICO_EVENT_CLOSED;
        break;
    }
    pthread_cond_broadcast(&waiter->changed);
    pthread_mutex_unlock(&waiter->lock);
    return answer;
}

/* Waits for the completion. Returns 0 when the stream ended or DEADLINE_SECONDS passed first. */
static int wait_for_completion(struct waiter *waiter) {
    struct timespec deadline;
    int completed;
    int late = 0;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += DEADLINE_SECONDS;
    pthread_mutex_lock(&waiter->lock);
    while (waiter->completed == NULL && !waiter->ended && !late) {
        late = pthread_cond_timedwait(&waiter->changed, &waiter->lock, &deadline) != 0;
    }
    completed = waiter->completed != NULL;
    pthread_mutex_unlock(&waiter->lock);
    return completed;
}

int main(int argc, char **argv) {
    struct waiter waiter = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0, NULL};
    const char *operation_id = argc > 2 ? argv[2] : NULL;
    pico_client_t *client = NULL;
    pico_operations_t *operations = NULL;
    pico_subscription_t *subscription = NULL;
    pico_error_t *error = NULL;
    int32_t outcome;
    int result = 1;

    waiter.order_id = argc > 1 ? argv[1] : "ERP-ORDER-1";
    if (pico_client_from_environment(&client, &error) != PICO_OK) {
        goto done;
    }

    /* 1. What can be built? */
    if (pico_client_operations(client, NULL, NULL, &operations, &error) != PICO_OK) {
        goto done;
    }
    printf("%lu operations\n", (unsigned long)pico_operations_count(operations));
    if (operation_id == NULL && pico_operations_count(operations) > 0) {
        operation_id = pico_operations_at(operations, 0)->id;
    }
    if (operation_id == NULL) {
        fprintf(stderr, "there is no operation to order\n");
        goto done;
    }

    /* 2. Listen before ordering: Pico does not repeat a completion that nobody heard. */
    pico_event_callback_t callback = {on_event, NULL, &waiter};
    if (pico_client_order_completes_stream(client, NULL, &callback, &subscription, &error) != PICO_OK) {
        goto done;
    }
    if (pico_subscription_wait_open(subscription, 1000 * DEADLINE_SECONDS, &error) != PICO_OK) {
        goto done;
    }

    /* 3. Save the order. Saving the same one again would update it. */
    pico_order_save_t order = {0};
    order.struct_size = sizeof order;
    order.operation_id = operation_id;
    order.external_order_id = waiter.order_id;
    if (pico_client_save_order(client, &order, NULL, &outcome, &error) != PICO_OK) {
        goto done;
    }
    printf("%s %s of %s\n", outcome == PICO_SAVED_CREATED ? "created" : "updated", waiter.order_id, operation_id);

    /* 4. Wait until the floor has built it. */
    if (!wait_for_completion(&waiter)) {
        fprintf(stderr, "%s was not completed in %d seconds\n", waiter.order_id, DEADLINE_SECONDS);
        goto done;
    }
    const pico_order_complete_t *completed = pico_event_order_complete(waiter.completed);
    printf("completed %s %s\n", completed->external_order_id,
           completed->produced_serial != NULL ? completed->produced_serial : "-");
    result = 0;

done:
    if (error != NULL) {
        fprintf(stderr, "%s: %s\n", pico_status_name(pico_error_status(error)), pico_error_message(error));
        pico_error_free(error);
    }
    /* The callback uses `waiter`, which ends with this function: wait until no call is under way. */
    if (subscription != NULL && pico_subscription_close(subscription, -1, NULL) != PICO_OK) {
        result = 1;
    }
    pico_event_free(waiter.completed);
    pico_subscription_free(subscription);
    pico_operations_free(operations);
    pico_client_free(client);
    return result;
}
