/*
 * Registers a webhook, lists the registered ones, and removes it again.
 *
 *     PICO_API_ENDPOINT=... PICO_API_TOKEN=... ./manage_webhooks https://erp.example/pico SECRET
 */

#include <pico_erp.h>
#include <stdio.h>

static const char SUBSCRIPTION[] = "erp-order-completions";

/* The fragment's type picks the stream, its fields are what Pico posts. */
static const char FRAGMENT[] = "fragment Done on OperationOrderComplete {"
                               " externalOrderId orderIndex at endState { producedSerial } }";

int main(int argc, char **argv) {
    pico_client_t *client = NULL;
    pico_webhooks_t *webhooks = NULL;
    pico_error_t *error = NULL;
    int32_t removed;
    size_t i;

    if (argc != 3) {
        fprintf(stderr, "usage: %s URL SECRET\n", argv[0]);
        return 2;
    }
    if (pico_client_from_environment(&client, &error) != PICO_OK) {
        goto failed;
    }

    /* Pico sends the header with every post: the receiver can tell Pico's posts from anybody else's. */
    pico_header_t headers[] = {{"X-API-Key", argv[2]}};
    pico_webhook_subscribe_t webhook = {0};
    webhook.struct_size = sizeof webhook;
    webhook.subscription_id = SUBSCRIPTION;
    webhook.response_fragment = FRAGMENT;
    webhook.webhook_url = argv[1];
    webhook.headers = headers;
    webhook.headers_count = 1;
    if (pico_client_webhook_subscribe(client, &webhook, NULL, NULL, &error) != PICO_OK) {
        goto failed;
    }

    if (pico_client_webhooks(client, NULL, &webhooks, &error) != PICO_OK) {
        goto failed;
    }
    for (i = 0; i < pico_webhooks_count(webhooks); i++) {
        const pico_webhook_t *one = pico_webhooks_at(webhooks, i);
        printf("%s -> %s\n", one->subscription_id != NULL ? one->subscription_id : "-",
               one->webhook_url != NULL ? one->webhook_url : "-");
    }

    if (pico_client_webhook_unsubscribe(client, SUBSCRIPTION, NULL, &removed, &error) != PICO_OK) {
        goto failed;
    }
    printf("removed %ld\n", (long)removed);

    pico_webhooks_free(webhooks);
    pico_client_free(client);
    return 0;

failed:
    fprintf(stderr, "%s: %s\n", pico_status_name(pico_error_status(error)), pico_error_message(error));
    pico_error_free(error);
    pico_webhooks_free(webhooks);
    pico_client_free(client);
    return 1;
}
