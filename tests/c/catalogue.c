/*
 * What the header promises about catalogues: lookups by id, part and code, what a part number means, orders and files of
 * orders by part, and the end. The harness deploys the operations.
 */

#include "outboxes.h"

static pico_store_t *store;

/* Checks that a part means no operation, for a reason. */
static void refused(pico_catalogue_t *catalogue, const char *part, const char *revision, const char *reason) {
    pico_error_t *error = NULL;
    pico_text_t *id = NULL;
    CHECK(pico_catalogue_operation_id(catalogue, part, revision, &id, &error) == PICO_E_INVALID_ARGUMENT);
    if (strstr(pico_error_message(error), reason) == NULL) {
        fprintf(stderr, "not in it: %s\n%s\n", reason, pico_error_message(error));
        exit(1);
    }
    CHECK(id == NULL);
    pico_error_free(error);
}

static void means(pico_catalogue_t *catalogue, const char *part, const char *revision, const char *operation) {
    pico_text_t *id = NULL;
    OK(pico_catalogue_operation_id(catalogue, part, revision, &id, &error));
    CHECK(strcmp(pico_text_string(id), operation) == 0);
    pico_text_free(id);
}

static size_t count_by_part(pico_catalogue_t *catalogue, const char *part, const char *revision) {
    pico_operations_t *list = NULL;
    size_t count;
    OK(pico_catalogue_by_part(catalogue, part, revision, &list, &error));
    count = pico_operations_count(list);
    CHECK(count == 0 || strcmp(pico_operations_at(list, 0)->external_id, part) == 0);
    pico_operations_free(list);
    return count;
}

static void one_that_is_only_read_says_that_there_is_nothing_yet(void) {
    pico_catalogue_t *catalogue = NULL;
    pico_text_t *json = NULL;
    OK(pico_catalogue_offline(store, &catalogue, &error));
    CHECK_STATUS(PICO_E_CLOSED, pico_catalogue_ready(catalogue, NULL, &error));
    refused(catalogue, "P-100", NULL, "the catalogue has not yet read Pico's list");
    OK(pico_catalogue_status_json(catalogue, &json, &error));
    expect(json, "{\"lastList\":null,\"stream\":{\"state\":\"offline\"},\"lastError\":null,\"revision\":0}");
    OK(pico_catalogue_close(catalogue, &error));
    pico_catalogue_free(catalogue);
}

static void operations_are_found_by_id_part_and_code(pico_catalogue_t *catalogue) {
    pico_catalogue_t *second = NULL;
    pico_operations_t *list = NULL;
    pico_text_t *json = NULL;

    CHECK_STATUS(PICO_E_STORE_IN_USE, pico_catalogue_start(client, store, 0, &second, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_catalogue_start(client, store, -1, &second, &error));
    CHECK(second == NULL);
    OK(pico_catalogue_status_json(catalogue, &json, &error));
    expect(json, "\"unreadable\":0},\"stream\":{\"state\":\"");
    OK(pico_catalogue_by_id_json(catalogue, "part-b", &json, &error));
    expect(json, "\"codes\":[\"P-100\"],\"unlisted\":null,\"usable\":true}");
    OK(pico_catalogue_by_id_json(catalogue, "part-old", &json, &error));
    expect(json, "\"usable\":false}");
    OK(pico_catalogue_by_id_json(catalogue, "unknown", &json, &error));
    CHECK(strcmp(pico_text_string(json), "null") == 0);
    pico_text_free(json);
    CHECK(count_by_part(catalogue, "P-100", NULL) == 2 && count_by_part(catalogue, "P-100", "B") == 1);
    CHECK(count_by_part(catalogue, "P-200", NULL) == 1 && count_by_part(catalogue, "P-999", NULL) == 0);
    OK(pico_catalogue_by_code(catalogue, "ALT-300", &list, &error));
    CHECK(pico_operations_count(list) == 1 && strcmp(pico_operations_at(list, 0)->id, "part-codes") == 0);
    pico_operations_free(list);
}

static void a_part_means_one_operation_or_says_why_not(pico_catalogue_t *catalogue) {
    means(catalogue, "P-100", "B", "part-b");
    means(catalogue, " P-100 ", " A ", "part-a");
    refused(catalogue, "P-100", NULL, "means 2 operations; give a revision");
    refused(catalogue, "P-100", "C", "there is no part number \"P-100\" revision \"C\"");
    refused(catalogue, "P-200", NULL, "was archived at");
    refused(catalogue, "P-999", NULL, "no operation has the part number \"P-999\"");
    refused(catalogue, "ALT-300", NULL, "as one of several codes");
}

static void orders_are_queued_by_part(pico_catalogue_t *catalogue) {
    pico_sender_t *sender = sender_of(store, NULL);
    pico_text_t *json = NULL;
    const char *digest;
    char csv[4096], results[4096];
    int64_t id = 0, again = 0;

    OK(pico_outbox_save_by_part(store, catalogue, "BY-PART", "P-100", "B", 3, NULL, 0, "job", &id, &error));
    OK(pico_outbox_save_by_part(store, catalogue, "BY-PART", "P-100", "B", 3, NULL, 0, "job", &again, &error));
    CHECK(id == again);
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT,
                 pico_outbox_save_by_part(store, catalogue, "BY-PART", "P-100", NULL, 0, NULL, 0, NULL, &id, &error));
    settles(store, id, "\"operationId\":\"part-b\",\"orderIndex\":3,\"cancelAll\":false,\"state\":\"sent\"");

    strcpy(csv, path_of("parts.csv"));
    strcpy(results, path_of("results.csv"));
    write_text(csv, "externalOrderId;partNumber;revision;quantity\n"
                    "PARTS-1;P-100;A;2\n"
                    "PARTS-2;P-100;;1\n"
                    "PARTS-3;P-200;;1\n");
    import(store, catalogue, csv, "\"lines\":3,\"queued\":2,\"known\":0,\"refused\":2,\"refusedLines\":[{\"line\":3,");
    digest = import(store, catalogue, csv, "\"lines\":3,\"queued\":0,\"known\":2,\"refused\":2,");
    OK(pico_sender_drained(sender, NULL, &error));
    OK(pico_outbox_import_results(store, digest, results, &error));
    expect_file(results, "\n2,PARTS-1,part-a,1,sent,");
    expect_file(results, "means 2 operations");
    OK(pico_outbox_find_json(store, "PARTS-1", &json, &error));
    expect(json, "\"operationId\":\"part-a\"");
    OK(pico_sender_close(sender, -1, &error));
    pico_sender_free(sender);
}

static void the_copy_outlives_the_catalogue(pico_catalogue_t *catalogue) {
    pico_catalogue_t *next = NULL;
    pico_client_t *own = NULL;
    pico_text_t *json = NULL;

    OK(pico_catalogue_close(catalogue, &error));
    OK(pico_catalogue_close(catalogue, &error));
    means(catalogue, "P-100", "A", "part-a");
    OK(pico_catalogue_ready(catalogue, NULL, &error));
    pico_catalogue_free(catalogue);

    OK(pico_client_from_environment(&own, &error));
    OK(pico_catalogue_start(own, store, 1000, &next, &error));
    OK(pico_catalogue_ready(next, NULL, &error));
    OK(pico_client_close(own, -1, &error));
    CHECK_STATUS(PICO_E_CLOSED, pico_catalogue_start(own, store, 0, &catalogue, &error));
    pico_client_free(own);
    means(next, "P-100", "A", "part-a");
    OK(pico_catalogue_close(next, &error));
    OK(pico_catalogue_status_json(next, &json, &error));
    expect(json, "\"stream\":{\"state\":\"offline\"}");
    pico_catalogue_free(next);
}

int main(void) {
    pico_catalogue_t *catalogue = NULL;
    OK(pico_client_from_environment(&client, &error));
    store = store_of("catalogue");
    one_that_is_only_read_says_that_there_is_nothing_yet();
    OK(pico_catalogue_start(client, store, 0, &catalogue, &error));
    OK(pico_catalogue_ready(catalogue, NULL, &error));
    operations_are_found_by_id_part_and_code(catalogue);
    a_part_means_one_operation_or_says_why_not(catalogue);
    orders_are_queued_by_part(catalogue);
    the_copy_outlives_the_catalogue(catalogue);
    OK(pico_store_close(store, -1, &error));
    pico_store_free(store);
    OK(pico_client_close(client, -1, &error));
    pico_client_free(client);
    puts("passed");
    return 0;
}
