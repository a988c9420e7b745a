/* The stream of completions, told line by line: the probe in C. What it prints is in README.md. */

#include <pico_erp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pico_error_t *error = NULL;

/* Ends the program when a call has failed. */
static void check(pico_status_t status) {
    if (status != PICO_OK) {
        fprintf(stderr, "%s: %s\n", pico_status_name(status), pico_error_message(error));
        exit(1);
    }
}

static const struct {
    const char *name;
    int32_t transport;
} TRANSPORTS[] = {
    {"auto", PICO_TRANSPORT_AUTO},
    {"sse", PICO_TRANSPORT_SSE},
    {"websocket", PICO_TRANSPORT_WEBSOCKET},
    {"poll", PICO_TRANSPORT_POLL},
};

enum { TRANSPORT_COUNT = sizeof TRANSPORTS / sizeof TRANSPORTS[0] };

static int32_t transport_named(const char *name) {
    int i;
    for (i = 0; i < TRANSPORT_COUNT; i++) {
        if (strcmp(TRANSPORTS[i].name, name) == 0) {
            return TRANSPORTS[i].transport;
        }
    }
    fprintf(stderr, "no transport %s\n", name);
    exit(2);
}

static const char *transport_of(const pico_event_t *event) {
    int i;
    for (i = 0; i < TRANSPORT_COUNT; i++) {
        if (TRANSPORTS[i].transport == pico_event_transport(event)) {
            return TRANSPORTS[i].name;
        }
    }
    return "none";
}

static const char *cause_of(const pico_event_t *event) {
    return pico_status_name(pico_error_status(pico_event_error(event)));
}

static void tell_state(const pico_event_t *event) {
    switch (pico_event_state(event)) {
    case PICO_STATE_CONNECTING:
        printf("{\"state\":\"connecting\",\"transport\":\"%s\"}\n", transport_of(event));
        break;
    case PICO_STATE_OPEN:
        printf("{\"state\":\"open\",\"transport\":\"%s\"}\n", transport_of(event));
        break;
    case PICO_STATE_SWITCHED:
        printf("{\"state\":\"switched\",\"transport\":\"%s\",\"cause\":\"%s\"}\n", transport_of(event),
               cause_of(event));
        break;
    case PICO_STATE_RETRYING:
        printf("{\"state\":\"retrying\",\"cause\":\"%s\"}\n", cause_of(event));
        break;
    default:
        printf("{\"state\":%d}\n", (int)pico_event_state(event));
    }
}

static int32_t PICO_CALL on_event(void *user_data, const pico_event_t *event) {
    (void)user_data;
    switch (pico_event_kind(event)) {
    case PICO_EVENT_ORDER_COMPLETE:
        printf("{\"event\":\"%s\"}\n", pico_event_order_complete(event)->external_order_id);
        break;
    case PICO_EVENT_PROBLEM:
        printf("{\"problem\":\"%s\"}\n", cause_of(event));
        break;
    case PICO_EVENT_CLOSED:
        if (pico_event_error(event) == NULL) {
            printf("{\"closed\":null}\n");
        } else {
            printf("{\"closed\":\"%s\"}\n", cause_of(event));
        }
        break;
    case PICO_EVENT_STATE:
        tell_state(event);
        break;
    default:
        printf("{\"kind\":%d}\n", (int)pico_event_kind(event));
    }
    fflush(stdout);
    return PICO_CONTINUE;
}

static void add_ca(pico_options_t *options, const char *path) {
    static char pem[16384];
    FILE *file = fopen(path, "rb");
    size_t length;
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    length = fread(pem, 1, sizeof pem, file);
    fclose(file);
    check(pico_options_add_ca_pem(options, pem, length, &error));
}

/* What follows `name`, which ends with "=", or NULL when that is not how the setting starts. */
static const char *value_of(const char *setting, const char *name) {
    size_t length = strlen(name);
    return strncmp(setting, name, length) == 0 ? setting + length : NULL;
}

/* Applies one NAME=VALUE of the command line. */
static void set(pico_options_t *options, const char *setting) {
    const char *value;
    if ((value = value_of(setting, "idle_ms=")) != NULL) {
        check(pico_options_set_stream_idle_timeout_ms(options, atol(value), &error));
    } else if ((value = value_of(setting, "event_bytes=")) != NULL) {
        check(pico_options_set_size_limits(options, 64 << 20, (size_t)atol(value), &error));
    } else if ((value = value_of(setting, "ca=")) != NULL) {
        add_ca(options, value);
    } else if ((value = value_of(setting, "proxy=")) != NULL) {
        check(pico_options_set_proxy(options, value, NULL, &error));
    } else {
        fprintf(stderr, "no setting %s\n", setting);
        exit(2);
    }
}

int main(int argc, char **argv) {
    pico_event_callback_t callback = {on_event, NULL, NULL};
    pico_options_t *options = NULL;
    pico_client_t *client = NULL;
    pico_subscription_t *stream = NULL;
    int i;

    if (argc < 4) {
        fprintf(stderr, "usage: probe ENDPOINT TOKEN TRANSPORT [NAME=VALUE...]\n");
        return 2;
    }
    check(pico_options_new(&options, &error));
    check(pico_options_set_endpoint(options, argv[1], &error));
    check(pico_options_set_token(options, argv[2], &error));
    check(pico_options_set_stream_transport(options, transport_named(argv[3]), &error));
    check(pico_options_set_stream_backoff_ms(options, 1, 20, &error));
    check(pico_options_set_no_proxy(options, &error));
    for (i = 4; i < argc; i++) {
        set(options, argv[i]);
    }
    check(pico_client_new(options, &client, &error));
    pico_options_free(options);
    check(pico_client_order_completes_stream(client, NULL, &callback, &stream, &error));

    while (getchar() != EOF) {
    }
    check(pico_subscription_close(stream, -1, &error));
    pico_subscription_free(stream);
    pico_client_free(client);
    return 0;
}
