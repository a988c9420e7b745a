/*
 * Books every completed order into a file, and misses none: whatever happens while this program, the network or the
 * machine is down is booked when it is up again, and nothing is booked twice. Kill it at any moment and start it again.
 *
 *     PICO_API_ENDPOINT=... PICO_API_TOKEN=... ./durable_completions STORE BOOKED [SECONDS]
 *
 * STORE keeps what is not booked yet. BOOKED gets one line for each completion: key, order, unit, serial. SECONDS
 * without a completion end the program; without them it goes on for ever.
 */

#define _POSIX_C_SOURCE 200809L

#include <pico_erp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether a line of the file begins with the key; an ERP has an index for this. What a crash cut short is no line,
 * and is taken away. */
static int is_booked(FILE *booked, const char *key) {
    char *line = NULL;
    size_t size = 0, length = strlen(key);
    ssize_t got;
    long end = 0;
    int found = 0;

    rewind(booked);
    while (!found && (got = getline(&line, &size, booked)) > 0 && line[got - 1] == '\n') {
        found = strncmp(line, key, length) == 0 && line[length] == '\t';
        end += got;
    }
    free(line);
    if (!found && ftruncate(fileno(booked), end) != 0) {
        perror("the cut line stays");
    }
    return found;
}

/* Books one completion, unless it is booked: what was booked but not acknowledged before a crash comes again. Returns
 * whether it is on disk. */
static int book(FILE *booked, const pico_delivery_t *delivery) {
    const pico_order_complete_t *done = pico_delivery_completion(delivery);
    const char *serial = done->produced_serial != NULL ? done->produced_serial : "-";

    if (is_booked(booked, pico_delivery_key(delivery))) {
        return 1;
    }
    fprintf(booked, "%s\t%s\t%d\t%s\n", pico_delivery_key(delivery), done->external_order_id, (int)done->order_index,
            serial);
    return fflush(booked) == 0 && fsync(fileno(booked)) == 0;
}

int main(int argc, char **argv) {
    pico_client_t *client = NULL;
    pico_store_t *store = NULL;
    pico_feed_t *feed = NULL;
    pico_call_t *call = NULL;
    pico_error_t *error = NULL;
    pico_status_t status;
    FILE *booked = NULL;

    if (argc < 3 || (booked = fopen(argv[2], "a+")) == NULL) {
        fprintf(stderr, "usage: %s STORE BOOKED [SECONDS]\n", argv[0]);
        return 2;
    }
    if ((status = pico_call_new(&call, &error)) != PICO_OK ||
        (status = pico_call_set_timeout_ms(call, argc > 3 ? 1000 * atoi(argv[3]) : -1, &error)) != PICO_OK ||
        (status = pico_client_from_environment(&client, &error)) != PICO_OK ||
        (status = pico_store_open(argv[1], NULL, &store, &error)) != PICO_OK ||
        (status = pico_feed_start(client, store, NULL, &feed, &error)) != PICO_OK) {
        goto done;
    }

    for (;;) {
        pico_delivery_t *delivery = NULL;
        if ((status = pico_feed_next(feed, call, &delivery, &error)) != PICO_OK) {
            break;
        }
        /* Acknowledge only what is on disk. What is not acknowledged comes again, also after a crash just here. */
        status = book(booked, delivery) ? pico_delivery_ack(delivery, NULL, &error)
                                        : pico_delivery_retry(delivery, -1, "not written", NULL, &error);
        pico_delivery_free(delivery);
        if (status != PICO_OK) {
            break;
        }
    }

done:
    if (status != PICO_OK && status != PICO_E_TIMEOUT) {
        fprintf(stderr, "%s: %s\n", pico_status_name(status), pico_error_message(error));
    }
    pico_error_free(error);
    if (feed != NULL) {
        pico_feed_close(feed, 5000, NULL);
    }
    if (store != NULL) {
        pico_store_close(store, 5000, NULL);
    }
    pico_feed_free(feed);
    pico_store_free(store);
    pico_client_free(client);
    pico_call_free(call);
    fclose(booked);
    return status == PICO_OK || status == PICO_E_TIMEOUT ? 0 : 1;
}
