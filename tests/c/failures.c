/*
 * Makes one call and prints how it ended: status, its name, HTTP status, and the message, or how many operations
 * came.
 *
 *     failures ENDPOINT TOKEN REQUEST-TIMEOUT-MS
 *
 * The harness points it at a server that misbehaves, and checks that each failure is told apart.
 */

#include "check.h"

int main(int argc, char **argv) {
    pico_options_t *options = NULL;
    pico_client_t *client = NULL;
    pico_operations_t *operations = NULL;
    pico_error_t *error = NULL;
    pico_status_t status;

    CHECK(argc == 4);
    OK(pico_options_new(&options, &error));
    OK(pico_options_set_endpoint(options, argv[1], &error));
    OK(pico_options_set_token(options, argv[2], &error));
    OK(pico_options_set_request_timeout_ms(options, atol(argv[3]), &error));
    OK(pico_options_set_retry_attempts(options, 1, &error));
    OK(pico_client_new(options, &client, &error));
    pico_options_free(options);

    status = pico_client_operations(client, NULL, NULL, &operations, &error);
    CHECK(status == pico_error_status(error));
    printf("%ld %s %ld ", (long)status, pico_status_name(status), (long)pico_error_http_status(error));
    if (status == PICO_OK) {
        size_t length = 0;
        CHECK(strlen(pico_operations_json(operations, &length)) == length);
        printf("%lu operations\n", (unsigned long)pico_operations_count(operations));
    } else {
        CHECK(operations == NULL);
        printf("%s\n", pico_error_message(error));
    }
    pico_operations_free(operations);
    pico_error_free(error);
    pico_client_free(client);
    return 0;
}
