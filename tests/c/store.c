/*
 * What the header promises about stores: what can be opened and what not, setting aside, settings, counts and pages
 * of the inbox, closing and freeing.
 */

#include "feeds.h"

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void a_damaged_file_is_told_left_alone_and_set_aside(void) {
    static const char GARBAGE[] = "this is the shopping list of somebody else, and no store at all";
    char path[4096], text[sizeof GARBAGE] = "";
    pico_store_t *store = NULL;
    pico_text_t *moved = NULL;
    FILE *file;

    strcpy(path, path_of("damaged"));
    write_file(path, GARBAGE);
    CHECK_STATUS(PICO_E_STORE_DAMAGED, pico_store_open(path, NULL, &store, &error));
    CHECK(store == NULL);
    OK(pico_store_set_aside(path, &moved, &error));
    CHECK(strstr(pico_text_string(moved), "damaged.set-aside-") != NULL);
    file = fopen(pico_text_string(moved), "rb");
    CHECK(file != NULL && fread(text, 1, sizeof text - 1, file) == sizeof text - 1 && strcmp(text, GARBAGE) == 0);
    fclose(file);
    pico_text_free(moved);
    OK(pico_store_open(path, NULL, &store, &error));
    CHECK(strcmp(pico_store_location(store), path) == 0);
    CHECK(counts_of(store).ready == 0);
    OK(pico_store_close(store, -1, &error));
    pico_store_free(store);
}

static void settings_are_kept_to(void) {
    pico_store_options_t *options = NULL;
    pico_store_t *store = NULL;
    pico_feed_t *feed;

    OK(pico_store_options_new(&options, &error));
    OK(pico_store_options_set_must_exist(options, 1, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_store_open(path_of("mistyped"), options, &store, &error));
    CHECK(store == NULL);
    OK(pico_store_options_set_must_exist(options, 0, &error));
    OK(pico_store_options_set_max_size(options, 64 << 20, &error));
    OK(pico_store_options_set_keep_acked_ms(options, 1000, &error));
    OK(pico_store_options_set_keep_sent_ms(options, 1000, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_store_options_set_keep_acked_ms(options, -1, &error));
    OK(pico_store_open(path_of("settings"), options, &store, &error));
    pico_store_options_free(options);
    feed = feed_of(store, "SETTINGS");
    CHECK_STATUS(PICO_E_STORE_IN_USE, pico_store_set_aside(path_of("settings"), NULL, &error));
    close_all(feed, store);
}

static void an_inbox_is_counted_and_listed_in_pages(void) {
    pico_store_t *store = store_of("pages");
    pico_feed_t *feed = feed_of(store, "PAGES");
    pico_inbox_counts_t counts = counts_of(store);
    pico_text_t *json = NULL;
    struct { uint32_t struct_size; uint64_t ready; uint64_t not_there; } older = {16, 77, 77};

    save(client, "PAGES", 3);
    while (counts.ready < 3) {
        const struct timespec pause = {0, 20 * 1000000};
        nanosleep(&pause, NULL);
        counts = counts_of(store);
    }
    CHECK(counts.handed_out == 0 && counts.acked == 0);
    /* A caller that knows the first number only. */
    OK(pico_inbox_counts(store, (pico_inbox_counts_t *)(void *)&older, &error));
    CHECK(older.struct_size == 16 && older.ready == 3 && older.not_there == 77);
    counts.struct_size = 0;
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_inbox_counts(store, &counts, &error));
    OK(pico_inbox_list_json(store, PICO_INBOX_ANY, 1, 1, &json, &error));
    CHECK(strstr(pico_text_string(json), "[{\"id\":2,") == pico_text_string(json));
    CHECK(strstr(pico_text_string(json), "\"id\":3,") == NULL);
    pico_text_free(json);
    json = NULL;
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_inbox_list_json(store, 77, 0, 1, &json, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_inbox_replay(store, 1, &error));
    CHECK(json == NULL);
    close_all(feed, store);
}

static void a_store_that_is_closed_says_so_and_can_be_freed_at_any_time(void) {
    pico_store_t *store = store_of("closed"), *second = store_of("closed");
    pico_feed_t *feed = feed_of(store, "CLOSED");
    pico_inbox_counts_t counts = {0};

    counts.struct_size = sizeof counts;
    /* Freed first: the feed keeps the file. */
    pico_store_free(store);
    OK(pico_feed_opened(feed, NULL, &error));
    OK(pico_store_close(second, -1, &error));
    OK(pico_store_close(second, 0, &error));
    CHECK_STATUS(PICO_E_CLOSED, pico_inbox_counts(second, &counts, &error));
    pico_store_free(second);
    OK(pico_feed_close(feed, -1, &error));
    pico_feed_free(feed);
}

static void a_store_is_parted_into_plants(void) {
    pico_store_t *store = store_of("plants"), *berlin = NULL;
    pico_names_t *names = NULL;
    pico_feed_t *feed;
    pico_delivery_t *delivery;
    pico_text_t *json = NULL;

    CHECK(strcmp(pico_store_plant_name(store), "") == 0);
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_store_plant(store, "two words", &berlin, &error));
    CHECK(berlin == NULL);
    OK(pico_store_plant(store, "berlin", &berlin, &error));
    CHECK(strcmp(pico_store_plant_name(berlin), "berlin") == 0);
    CHECK(strcmp(pico_store_location(berlin), pico_store_location(store)) == 0);
    feed = feed_of(berlin, "PLANTS");
    save(client, "PLANTS", 1);
    delivery = next_of(feed);
    OK(pico_delivery_extend(delivery, 60000, NULL, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_delivery_extend(delivery, -1, NULL, &error));
    OK(pico_delivery_ack(delivery, NULL, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_delivery_extend(delivery, 60000, NULL, &error));
    pico_delivery_free(delivery);
    CHECK(counts_of(berlin).acked == 1 && counts_of(store).acked == 0);
    OK(pico_store_plants(store, &names, &error));
    CHECK(pico_names_count(names) >= 1 && pico_names_at(names, pico_names_count(names)) == NULL);
    CHECK(strcmp(pico_names_at(names, pico_names_count(names) - 1), "berlin") == 0);
    pico_names_free(names);
    OK(pico_feed_status_json(feed, &json, &error));
    CHECK(strstr(pico_text_string(json), "\"part\":\"live\",\"liveNode\":null") != NULL);
    pico_text_free(json);
    OK(pico_store_rebind(berlin, client, &error));
    OK(pico_feed_close(feed, -1, &error));
    pico_feed_free(feed);
    /* One for all. */
    OK(pico_store_close(berlin, -1, &error));
    CHECK_STATUS(PICO_E_CLOSED, pico_store_plants(store, &names, &error));
    pico_store_free(store);
    pico_store_free(berlin);
}

static void a_place_that_is_no_store_is_refused_by_name(void) {
    pico_store_options_t *options = NULL;
    pico_store_t *store = NULL;

    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_store_open("mysql://host/erp", NULL, &store, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_store_set_aside("postgres://host/erp", NULL, &error));
    OK(pico_store_options_new(&options, &error));
    OK(pico_store_options_set_connections(options, 65, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_store_open(path_of("never"), options, &store, &error));
    OK(pico_store_options_set_connections(options, 8, &error));
    OK(pico_store_options_set_node_lease_ms(options, 999, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_store_open(path_of("never"), options, &store, &error));
    CHECK(store == NULL);
    pico_store_options_free(options);
}

int main(void) {
    OK(pico_client_from_environment(&client, &error));
    a_damaged_file_is_told_left_alone_and_set_aside();
    settings_are_kept_to();
    an_inbox_is_counted_and_listed_in_pages();
    a_store_that_is_closed_says_so_and_can_be_freed_at_any_time();
    a_store_is_parted_into_plants();
    a_place_that_is_no_store_is_refused_by_name();
    OK(pico_client_close(client, -1, &error));
    pico_client_free(client);
    puts("passed");
    return 0;
}
