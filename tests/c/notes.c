/*
 * What the header promises about generations of Pico's API and about notes. The harness says by the first argument which
 * one the sandbox speaks, "G2" or "G3", and has let two notes be written, and unit 0 of the order "GENERATIONS" be
 * completed.
 */

#include "orders.h"

#include <unistd.h>

static pico_client_t *client_with(int32_t generation) {
    pico_options_t *options = options_for_the_sandbox();
    OK(pico_options_set_generation(options, generation, &error));
    return client_of(options);
}

static void the_generation_is_found_out_or_the_one_that_was_set(int32_t expected) {
    pico_client_t *client = client_with(PICO_GENERATION_AUTO);
    pico_options_t *options = options_for_the_sandbox();
    int32_t generation = 0;

    OK(pico_client_generation(client, NULL, &generation, &error));
    CHECK(generation == expected);
    pico_client_free(client);
    client = client_with(PICO_GENERATION_G3);
    OK(pico_client_generation(client, NULL, &generation, &error));
    CHECK(generation == PICO_GENERATION_G3);
    pico_client_free(client);
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_options_set_generation(options, 9, &error));
    pico_options_free(options);
}

static void completions_have_the_newer_fields(int is_g3) {
    pico_client_t *client = client_with(PICO_GENERATION_AUTO);
    pico_order_completes_t *list = NULL;
    pico_operations_t *operations = NULL;
    const pico_order_complete_t *done;
    const pico_operation_t *operation;

    OK(pico_client_order_completes(client, NULL, NULL, &list, &error));
    done = pico_order_completes_at(list, 0);
    CHECK(done != NULL && done->struct_size == sizeof *done);
    OK(pico_client_operations(client, NULL, NULL, &operations, &error));
    operation = pico_operations_at(operations, 0);
    CHECK(operation != NULL && operation->struct_size == sizeof *operation);
    if (is_g3) {
        CHECK(strcmp(done->reserved_serial_number, "RES-1") == 0);
        CHECK(strcmp(done->secondary_external_order_id, "SALES-1") == 0);
        CHECK(operation->external_codes_count > 0 && strlen(operation->external_codes[0]) > 0);
    } else {
        CHECK(done->reserved_serial_number == NULL && done->secondary_external_order_id == NULL);
        CHECK(operation->external_codes == NULL && operation->external_codes_count == 0);
    }
    pico_operations_free(operations);
    pico_order_completes_free(list);
    pico_client_free(client);
}

static void notes_are_listed_and_narrowed(void) {
    pico_client_t *client = client_with(PICO_GENERATION_AUTO);
    pico_note_filter_t filter = {0};
    pico_notes_t *notes = NULL;
    const pico_note_t *note;
    size_t length = 0;

    OK(pico_client_note_events(client, NULL, NULL, &notes, &error));
    CHECK(pico_notes_count(notes) == 2 && pico_notes_at(notes, 2) == NULL);
    CHECK(pico_notes_json(notes, &length)[0] == '[' && length == strlen(pico_notes_json(notes, NULL)));
    pico_notes_free(notes);

    filter.struct_size = sizeof filter;
    filter.external_id = "T-1";
    OK(pico_client_note_events(client, &filter, NULL, &notes, &error));
    note = pico_notes_at(notes, 0);
    CHECK(pico_notes_count(notes) == 1 && note->struct_size == sizeof *note);
    CHECK(strcmp(note->text, "worn") == 0 && strcmp(note->external_id, "T-1") == 0 && note->seq == 2);
    CHECK(note->id != NULL && note->at_ms > 0 && strlen(note->json) == note->json_len);
    pico_notes_free(notes);

    filter.external_id = "";
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_client_note_events(client, &filter, NULL, &notes, &error));
    pico_client_free(client);
}

static void a_feed_of_notes_hands_each_out_until_it_is_acknowledged(void) {
    pico_client_t *client = client_with(PICO_GENERATION_AUTO);
    pico_note_filter_t filter = {0};
    pico_inbox_counts_t counts = {0};
    pico_store_t *store = NULL, *notes = NULL;
    pico_feed_t *feed = NULL;
    pico_call_t *call = NULL;
    pico_delivery_t *delivery = NULL;
    const pico_note_t *note;
    char path[4096];

    snprintf(path, sizeof path, "%s/notes-%ld.pico", getenv("TEST_FOLDER"), (long)getpid());
    OK(pico_store_open(path, NULL, &store, &error));
    filter.struct_size = sizeof filter;
    filter.external_id = "T-1";
    OK(pico_feed_start_notes(client, store, &filter, NULL, &feed, &error));
    OK(pico_call_new(&call, &error));
    OK(pico_call_set_timeout_ms(call, 1000 * DEADLINE_SECONDS, &error));
    OK(pico_feed_next(feed, call, &delivery, &error));
    note = pico_delivery_note(delivery);
    CHECK(note != NULL && strcmp(note->text, "worn") == 0);
    CHECK(pico_delivery_completion(delivery) == NULL);
    CHECK(strncmp(pico_delivery_key(delivery), note->id, strlen(note->id)) == 0);
    OK(pico_delivery_ack(delivery, NULL, &error));
    pico_delivery_free(delivery);

    OK(pico_store_notes(store, &notes, &error));
    counts.struct_size = sizeof counts;
    OK(pico_inbox_counts(notes, &counts, &error));
    CHECK(counts.acked == 1 && counts.ready == 0);
    OK(pico_inbox_counts(store, &counts, &error));
    CHECK(counts.acked == 0);
    pico_call_free(call);
    pico_store_free(notes);
    pico_feed_close(feed, 1000 * DEADLINE_SECONDS, NULL);
    pico_feed_free(feed);
    OK(pico_store_close(store, 1000 * DEADLINE_SECONDS, &error));
    pico_store_free(store);
    pico_client_free(client);
}

static void without_notes_both_ways_say_so(void) {
    pico_client_t *client = client_with(PICO_GENERATION_AUTO);
    pico_notes_t *notes = NULL;
    pico_subscription_t *subscription = NULL;
    pico_error_t *error = NULL;

    CHECK(pico_client_note_events(client, NULL, NULL, &notes, &error) == PICO_E_GRAPHQL);
    CHECK(notes == NULL && strstr(pico_error_message(error), "G3") != NULL);
    pico_error_free(error);
    OK(pico_client_note_events_stream(client, NULL, NULL, &subscription, &error));
    CHECK_STATUS(PICO_E_GRAPHQL, pico_subscription_wait_open(subscription, -1, &error));
    pico_subscription_free(subscription);
    pico_client_free(client);
}

static void further_fields_of_an_order_are_sent(void) {
    pico_client_t *client = client_with(PICO_GENERATION_AUTO);
    pico_order_save_t order = {0};
    pico_error_t *error = NULL;

    order.struct_size = sizeof order;
    order.operation_id = getenv("TEST_OPERATION");
    order.external_order_id = "EXTRA";
    order.extra_json = "{\"nameThatIsNotThere\": \"RES-2\"}";
    CHECK(pico_client_save_order(client, &order, NULL, NULL, &error) == PICO_E_GRAPHQL);
    CHECK(strstr(pico_error_message(error), "nameThatIsNotThere") != NULL);
    pico_error_free(error);
    order.extra_json = "[]";
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_client_save_order(client, &order, NULL, NULL, &error));
    pico_client_free(client);
}

int main(int argc, char **argv) {
    int is_g3 = argc > 1 && strcmp(argv[1], "G3") == 0;

    the_generation_is_found_out_or_the_one_that_was_set(is_g3 ? PICO_GENERATION_G3 : PICO_GENERATION_G2);
    completions_have_the_newer_fields(is_g3);
    if (is_g3) {
        notes_are_listed_and_narrowed();
        a_feed_of_notes_hands_each_out_until_it_is_acknowledged();
    } else {
        without_notes_both_ways_say_so();
    }
    further_fields_of_an_order_are_sent();
    puts("passed");
    return 0;
}
