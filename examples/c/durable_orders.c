/*
 * Brings every order of a list to Pico, once: what is queued is on disk, and is sent when Pico can be reached, whatever
 * happens to this program, the network or the machine meanwhile. Kill it at any moment and start it again.
 *
 *     PICO_API_ENDPOINT=... PICO_API_TOKEN=... ./durable_orders STORE ORDERS
 *
 * STORE keeps the orders on their way. ORDERS has one on each line, ORDER OPERATION; an ERP has a table for this.
 */

#include <pico_erp.h>
#include <stdio.h>

/* Tells what became of an order. Called on a thread of the library; a crash can skip it, so an ERP that wants to know
 * for certain asks pico_outbox_find_json(). */
static void PICO_CALL on_settled(void *user_data, const char *json) {
    (void)user_data;
    printf("%s\n", json);
}

/* Queues the orders of the list. The ERP's own id is the id of the request too: an order that was queued before a crash
 * is known after it, and not queued again. */
static pico_status_t queue(pico_store_t *store, FILE *orders, pico_error_t **error) {
    char id[128], operation[128];
    pico_status_t status = PICO_OK;

    while (status == PICO_OK && fscanf(orders, "%127s %127s", id, operation) == 2) {
        pico_order_save_t order = {0};
        order.struct_size = sizeof order;
        order.external_order_id = id;
        order.operation_id = operation;
        /* On disk when this returns: the ERP commits its own transaction after it. */
        status = pico_outbox_save(store, &order, id, NULL, error);
    }
    return status;
}

int main(int argc, char **argv) {
    const pico_settled_callback_t callback = {on_settled, NULL, NULL};
    pico_client_t *client = NULL;
    pico_store_t *store = NULL;
    pico_sender_t *sender = NULL;
    pico_error_t *error = NULL;
    pico_status_t status;
    FILE *orders = NULL;

    if (argc != 3 || (orders = fopen(argv[2], "r")) == NULL) {
        fprintf(stderr, "usage: %s STORE ORDERS\n", argv[0]);
        return 2;
    }
    /* The sender first: it goes on with what an earlier run left, while this one queues. */
    if ((status = pico_client_from_environment(&client, &error)) != PICO_OK ||
        (status = pico_store_open(argv[1], NULL, &store, &error)) != PICO_OK ||
        (status = pico_sender_start(client, store, NULL, &callback, &sender, &error)) != PICO_OK ||
        (status = queue(store, orders, &error)) != PICO_OK ||
        (status = pico_sender_drained(sender, NULL, &error)) != PICO_OK) {
        fprintf(stderr, "%s: %s\n", pico_status_name(status), pico_error_message(error));
    }

    pico_error_free(error);
    if (sender != NULL) {
        pico_sender_close(sender, 5000, NULL);
    }
    if (store != NULL) {
        pico_store_close(store, 5000, NULL);
    }
    pico_sender_free(sender);
    pico_store_free(store);
    pico_client_free(client);
    fclose(orders);
    return status == PICO_OK ? 0 : 1;
}
