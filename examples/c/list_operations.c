/*
 * Lists what Pico can build: one line per operation with id, part number, revision and name.
 *
 *     PICO_API_ENDPOINT=https://yourcompany.picomes.com PICO_API_TOKEN=... ./list_operations [PART-NUMBER]
 */

#include <pico_erp.h>
#include <stdio.h>

/* What Pico did not send is NULL in the views. */
static const char *shown(const char *text) {
    return text != NULL ? text : "-";
}

int main(int argc, char **argv) {
    pico_client_t *client = NULL;
    pico_operations_t *operations = NULL;
    pico_error_t *error = NULL;
    size_t i;

    if (pico_client_from_environment(&client, &error) != PICO_OK) {
        goto failed;
    }

    /* All zero means no condition; struct_size says which version of the struct this program knows. */
    pico_operation_filter_t filter = {0};
    filter.struct_size = sizeof filter;
    filter.external_id = argc > 1 ? argv[1] : NULL;
    if (pico_client_operations(client, &filter, NULL, &operations, &error) != PICO_OK) {
        goto failed;
    }

    for (i = 0; i < pico_operations_count(operations); i++) {
        const pico_operation_t *operation = pico_operations_at(operations, i);
        printf("%s\t%s\t%s\t%s\n", shown(operation->id), shown(operation->external_id),
               shown(operation->external_revision), operation->name);
    }

    pico_operations_free(operations);
    pico_client_free(client);
    return 0;

failed:
    fprintf(stderr, "%s: %s\n", pico_status_name(pico_error_status(error)), pico_error_message(error));
    pico_error_free(error);
    pico_client_free(client); /* NULL when it was never made, which is fine */
    return 1;
}
