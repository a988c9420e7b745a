/*
 * A host that loads the library at run time, uses it and unloads it, again and again: the library stays mapped and its
 * threads stay, and neither they nor its memory grow.
 *
 *     loading LIBRARY ROUNDS MOST-KIB
 *
 * MOST-KIB is how much the resident memory may grow after the first rounds; 0 for not looking at it.
 */

#include "check.h"

#include <dlfcn.h>

enum { WARMING_UP = 5, MORE_THREADS = 8 };

/* A function of the library's, by its name. A data pointer is not a function pointer in C: hence the copy. */
#define LOAD(name)                                             \
    do {                                                       \
        void *symbol = dlsym(library, #name);                  \
        CHECK(symbol != NULL && sizeof name##_ == sizeof symbol); \
        memcpy(&name##_, &symbol, sizeof symbol);              \
    } while (0)

#define DECLARE(name) static __typeof__(name) *name##_

DECLARE(pico_abi_version);
DECLARE(pico_client_from_environment);
DECLARE(pico_client_operations);
DECLARE(pico_operations_count);
DECLARE(pico_operations_free);
DECLARE(pico_client_order_completes_stream);
DECLARE(pico_subscription_wait_open);
DECLARE(pico_subscription_descriptor);
DECLARE(pico_subscription_free);
DECLARE(pico_client_close);
DECLARE(pico_client_free);

static int32_t PICO_CALL on_event(void *user_data, const pico_event_t *event) {
    (void)event;
    change(user_data, 1);
    return PICO_CONTINUE;
}

static void PICO_CALL on_drop(void *user_data) {
    change(user_data, 1000);
}

/* A number of /proc/self/status. */
static long status_of_process(const char *name) {
    char line[256];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            value = atol(line + strlen(name));
        }
    }
    fclose(file);
    CHECK(value >= 0);
    return value;
}

static void load_use_and_unload(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    pico_client_t *client = NULL;
    pico_operations_t *operations = NULL;
    pico_subscription_t *delivered = NULL, *pulled = NULL;
    pico_event_callback_t callback = {on_event, on_drop, NULL};
    int calls = 0, descriptor = -1;

    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    LOAD(pico_abi_version);
    LOAD(pico_client_from_environment);
    LOAD(pico_client_operations);
    LOAD(pico_operations_count);
    LOAD(pico_operations_free);
    LOAD(pico_client_order_completes_stream);
    LOAD(pico_subscription_wait_open);
    LOAD(pico_subscription_descriptor);
    LOAD(pico_subscription_free);
    LOAD(pico_client_close);
    LOAD(pico_client_free);

    CHECK(pico_abi_version_() == PICO_ABI_VERSION);
    CHECK(pico_client_from_environment_(&client, NULL) == PICO_OK);
    CHECK(pico_client_operations_(client, NULL, NULL, &operations, NULL) == PICO_OK);
    CHECK(pico_operations_count_(operations) > 0);
    pico_operations_free_(operations);
    callback.user_data = &calls;
    CHECK(pico_client_order_completes_stream_(client, NULL, &callback, &delivered, NULL) == PICO_OK);
    CHECK(pico_client_order_completes_stream_(client, NULL, NULL, &pulled, NULL) == PICO_OK);
    CHECK(pico_subscription_descriptor_(pulled, &descriptor, NULL) == PICO_OK && descriptor >= 0);
    CHECK(pico_subscription_wait_open_(delivered, 1000 * DEADLINE_SECONDS, NULL) == PICO_OK);
    CHECK(pico_subscription_wait_open_(pulled, 1000 * DEADLINE_SECONDS, NULL) == PICO_OK);
    CHECK(pico_client_close_(client, -1, NULL) == PICO_OK);
    CHECK(calls >= 1000);
    pico_subscription_free_(pulled);
    pico_subscription_free_(delivered);
    pico_client_free_(client);
    CHECK(dlclose(library) == 0);
}

int main(int argc, char **argv) {
    long threads = 0, kib = 0, most_kib;
    int round, rounds;

    CHECK(argc == 4);
    rounds = atoi(argv[2]);
    most_kib = atol(argv[3]);
    for (round = 0; round < rounds; round++) {
        load_use_and_unload(argv[1]);
        if (round < WARMING_UP) {
            threads = status_of_process("Threads:");
            kib = status_of_process("VmRSS:");
        }
    }
    fprintf(stderr, "threads %ld, then %ld; KiB %ld, then %ld\n", threads, status_of_process("Threads:"), kib,
            status_of_process("VmRSS:"));
    CHECK(status_of_process("Threads:") <= threads + MORE_THREADS);
    CHECK(most_kib == 0 || status_of_process("VmRSS:") <= kib + most_kib);
    puts("passed");
    return 0;
}
