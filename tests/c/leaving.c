/*
 * Leaves main() with everything open: a client, a callback that may be called at any moment, a pulled stream, a
 * call on its way, a store with a feed, a receiver, and a completion that nobody has answered. The process must end by itself, at once and with the status that main() returned.
 */

#include "check.h"

/* Static, so that they are still reachable at the end, as in a program that simply leaves. */
static pico_client_t *client;
static pico_subscription_t *by_callback, *by_batches, *by_pull;
static pico_store_t *store;
static pico_feed_t *feed;
static pico_receiver_t *receiver;
static pico_delivery_t *kept;
static int opened, handed_out;

static int32_t PICO_CALL on_event(void *user_data, const pico_event_t *event) {
    (void)user_data;
    if (pico_event_state(event) == PICO_STATE_OPEN) {
        change(&opened, 1);
    }
    return PICO_CONTINUE;
}

static int32_t PICO_CALL on_events(void *user_data, const pico_event_t *const *events, size_t count) {
    (void)user_data;
    CHECK(count > 0 && pico_event_kind(events[0]) != 0);
    return PICO_CONTINUE;
}

static void PICO_CALL on_reply(void *user_data, int32_t status, pico_reply_t *reply, pico_error_t *error) {
    (void)user_data;
    (void)status;
    pico_reply_free(reply);
    pico_error_free(error);
}

static int32_t PICO_CALL on_delivery(void *user_data, const pico_delivery_t *delivery) {
    (void)user_data;
    pico_delivery_free(kept);
    kept = pico_delivery_retain(delivery);
    change(&handed_out, 1);
    return PICO_LATER;
}

static void PICO_CALL on_notice(void *user_data, const char *text, const char *json) {
    (void)user_data;
    CHECK(text[0] != '\0' && json[0] == '{');
}

int main(void) {
    static const char QUERY[] = "{ operations { id } }";
    pico_event_callback_t events = {on_event, NULL, NULL};
    pico_events_callback_t batches = {on_events, NULL, NULL};
    pico_delivery_callback_t deliveries = {on_delivery, NULL, NULL};
    pico_notice_callback_t notices = {on_notice, NULL, NULL};
    char path[4096];
    pico_reply_callback_t replies = {on_reply, NULL, NULL};
    pico_order_save_t order = {0};
    int descriptor = -1;

    OK(pico_client_from_environment(&client, &error));
    OK(pico_client_order_completes_stream(client, NULL, &events, &by_callback, &error));
    OK(pico_client_order_completes_stream(client, NULL, NULL, &by_pull, &error));
    OK(pico_subscription_descriptor(by_pull, &descriptor, &error));
    OK(pico_client_order_completes_stream(client, NULL, NULL, &by_batches, &error));
    OK(pico_subscription_deliver_batches(by_batches, 8, &batches, &error));
    snprintf(path, sizeof path, "%s/leaving", getenv("TEST_FOLDER"));
    OK(pico_store_open(path, NULL, &store, &error));
    OK(pico_feed_start(client, store, NULL, &feed, &error));
    OK(pico_receiver_start(feed, NULL, &receiver, &error));
    OK(pico_feed_on_notice(feed, &notices, &error));
    OK(pico_feed_deliver(feed, &deliveries, &error));
    WAIT(opened, 1);
    order.struct_size = sizeof order;
    order.operation_id = getenv("TEST_OPERATION");
    order.external_order_id = "LEAVING";
    OK(pico_client_save_order(client, &order, NULL, NULL, &error));
    WAIT(handed_out, 1);
    OK(pico_client_execute_async(client, QUERY, sizeof QUERY - 1, NULL, 0, NULL, NULL, &replies, &error));
    return 7;
}
