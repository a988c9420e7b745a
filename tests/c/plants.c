/*
 * What the header promises about plants: run from a file, handed out with their names, by call and by callback, reloaded,
 * looked at, closed.
 */

#include "feeds.h"

static const char *write_plants(const char *plants, const char *more) {
    const char *path = path_of("plants.toml");
    FILE *file = fopen(path, "wb");
    char names[256], *name;

    CHECK(file != NULL);
    fprintf(file, "store = \"plants.pico\"\n[defaults]\ntoken_env = \"PICO_API_TOKEN\"\nproxy = \"none\"\n");
    strcpy(names, plants);
    for (name = strtok(names, " "); name != NULL; name = strtok(NULL, " ")) {
        fprintf(file, "[plants.%s]\nendpoint = \"%s\"\n", name, getenv("PICO_API_ENDPOINT"));
    }
    fprintf(file, "%s", more);
    CHECK(fclose(file) == 0);
    return path;
}

static int32_t PICO_CALL book(void *user_data, const pico_delivery_t *delivery) {
    int *booked = user_data;
    (void)booked;
    return strcmp(pico_delivery_plant(delivery), "munich") == 0 ? PICO_ACK : PICO_REJECT;
}

static void PICO_CALL ended(void *user_data) {
    *(int *)user_data = 1;
}

static void wait_for_acked(pico_store_t *store, uint64_t count) {
    while (counts_of(store).acked < count) {
        const struct timespec pause = {0, 20 * 1000000};
        nanosleep(&pause, NULL);
    }
}

int main(void) {
    pico_plants_t *plants = NULL;
    pico_store_t *berlin = NULL, *munich = NULL, *nobody = NULL;
    pico_names_t *names = NULL;
    pico_text_t *json = NULL;
    pico_delivery_t *delivery = NULL;
    pico_call_t *call = call_of(1000 * DEADLINE_SECONDS), *short_call = call_of(100);
    pico_delivery_callback_t callback = {book, ended, NULL};
    int over = 0;

    OK(pico_client_from_environment(&client, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_plants_start(path_of("not-there.toml"), &plants, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_plants_start(write_plants("berlin", "colour = 1\n"), &plants, &error));
    CHECK(plants == NULL);
    OK(pico_plants_start(write_plants("berlin", ""), &plants, &error));
    OK(pico_plants_names(plants, &names, &error));
    CHECK(pico_names_count(names) == 1 && strcmp(pico_names_at(names, 0), "berlin") == 0);
    pico_names_free(names);
    OK(pico_plants_store(plants, "berlin", &berlin, &error));
    CHECK(strcmp(pico_store_plant_name(berlin), "berlin") == 0);
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_plants_store(plants, "nowhere", &nobody, &error));
    CHECK(nobody == NULL);

    /* Two of berlin, one after the other. */
    save(client, "PLANTS", 2);
    OK(pico_plants_next(plants, call, &delivery, &error));
    CHECK(strcmp(pico_delivery_plant(delivery), "berlin") == 0);
    OK(pico_delivery_ack(delivery, NULL, &error));
    pico_delivery_free(delivery);
    OK(pico_plants_next(plants, call, &delivery, &error));
    OK(pico_delivery_ack(delivery, NULL, &error));
    pico_delivery_free(delivery);
    CHECK_STATUS(PICO_E_TIMEOUT, pico_plants_next(plants, short_call, &delivery, &error));
    CHECK(counts_of(berlin).acked == 2);

    /* Munich comes in place of berlin; a bad file changes nothing. It is the same Pico, so the same two come. */
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT,
                 pico_plants_reload(plants, write_plants("munich", "colour = 1\n"), &json, &error));
    CHECK(json == NULL);
    OK(pico_plants_reload(plants, write_plants("munich", ""), &json, &error));
    CHECK(strstr(pico_text_string(json), "\"added\":[\"munich\"]") != NULL);
    CHECK(strstr(pico_text_string(json), "\"removed\":[\"berlin\"]") != NULL);
    pico_text_free(json);
    OK(pico_plants_store(plants, "munich", &munich, &error));
    callback.user_data = &over;
    OK(pico_plants_deliver(plants, &callback, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_plants_deliver(plants, &callback, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_plants_next(plants, call, &delivery, &error));
    wait_for_acked(munich, 2);
    json = NULL;
    OK(pico_plants_status_json(plants, &json, &error));
    CHECK(strstr(pico_text_string(json), "[{\"plant\":\"munich\"") == pico_text_string(json));
    CHECK(strstr(pico_text_string(json), "\"state\":\"running\"") != NULL);
    pico_text_free(json);

    OK(pico_plants_close(plants, 1000 * DEADLINE_SECONDS, &error));
    CHECK(over == 1);
    CHECK_STATUS(PICO_E_CLOSED, pico_plants_next(plants, call, &delivery, &error));
    pico_plants_free(plants);
    pico_store_free(berlin);
    pico_store_free(munich);
    pico_call_free(call);
    pico_call_free(short_call);
    OK(pico_client_close(client, -1, &error));
    pico_client_free(client);
    puts("passed");
    return 0;
}
