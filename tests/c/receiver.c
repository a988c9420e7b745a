/*
 * What the header promises about receivers and keepers: the sandbox posts to this program, and what it posts is in the
 * store before it is answered.
 */

#include "feeds.h"

/* A feed that hears of completions by webhooks only. */
static pico_feed_t *feed_without_stream(pico_store_t *store, const char *order_id) {
    pico_feed_options_t *options = options_for(order_id);
    pico_feed_t *feed = NULL;
    OK(pico_feed_options_set_live(options, 0, &error));
    OK(pico_feed_start(client, store, options, &feed, &error));
    pico_feed_options_free(options);
    OK(pico_feed_opened(feed, NULL, &error));
    return feed;
}

static pico_receiver_counts_t answers_of(pico_receiver_t *receiver) {
    pico_receiver_counts_t counts = {0};
    counts.struct_size = sizeof counts;
    OK(pico_receiver_counts(receiver, &counts, &error));
    return counts;
}

static void a_post_is_in_the_store_before_it_is_answered(void) {
    pico_store_t *store = store_of("posted");
    pico_feed_t *feed = feed_without_stream(store, "POSTED");
    pico_receiver_options_t *options = NULL;
    pico_receiver_t *receiver = NULL;
    pico_webhook_keeper_t *keeper = NULL, *intruder = NULL;
    pico_delivery_t *delivery;
    pico_receiver_counts_t counts = {0};
    pico_webhook_subscribe_t webhook = {0};
    pico_header_t header = {"x-pico-secret", "s3cret"}, wrong = {"x-pico-secret", "guessed"};
    char url[128];

    OK(pico_receiver_options_new(&options, &error));
    OK(pico_receiver_options_set_bind(options, "127.0.0.1:0", &error));
    OK(pico_receiver_options_set_path(options, "/erp", &error));
    OK(pico_receiver_options_add_secret_header(options, header.name, header.value, &error));
    OK(pico_receiver_options_set_any_content_type(options, &error));
    OK(pico_receiver_options_set_health_path(options, "/alive", &error));
    OK(pico_receiver_options_set_health_path(options, NULL, &error));
    OK(pico_receiver_options_set_limits(options, 1 << 20, 16, &error));
    OK(pico_receiver_options_set_timeouts_ms(options, 5000, 5000, 5000, &error));
    OK(pico_receiver_start(feed, options, &receiver, &error));
    CHECK(pico_receiver_port(receiver) > 0 && strcmp(pico_receiver_path(receiver), "/erp") == 0);
    CHECK(strncmp(pico_receiver_address(receiver), "127.0.0.1:", 10) == 0);
    sprintf(url, "http://%s%s", pico_receiver_address(receiver), pico_receiver_path(receiver));

    webhook.struct_size = sizeof webhook;
    webhook.subscription_id = "erp";
    webhook.webhook_url = url;
    webhook.headers = &header;
    webhook.headers_count = 1;
    OK(pico_feed_keep_webhook(feed, &webhook, 0, &keeper, &error));
    OK(pico_webhook_keeper_check_now(keeper, NULL, &error));
    webhook.subscription_id = "intruder";
    webhook.headers = &wrong;
    OK(pico_feed_keep_webhook(feed, &webhook, 60000, &intruder, &error));
    OK(pico_webhook_keeper_check_now(intruder, NULL, &error));

    save(client, "POSTED", 1);
    delivery = next_of(feed);
    CHECK(pico_delivery_source(delivery) == PICO_SOURCE_WEBHOOK);
    OK(pico_delivery_ack(delivery, NULL, &error));
    pico_delivery_free(delivery);
    OK(pico_webhook_keeper_close(intruder, -1, &error));
    OK(pico_webhook_keeper_close(intruder, 0, &error));
    OK(pico_webhook_keeper_check_now(intruder, NULL, &error));
    pico_webhook_keeper_free(intruder);
    pico_webhook_keeper_free(keeper);
    OK(pico_client_webhook_unsubscribe(client, "erp", NULL, NULL, &error));
    OK(pico_client_webhook_unsubscribe(client, "intruder", NULL, NULL, &error));

    while (answers_of(receiver).accepted < 1 || answers_of(receiver).refused_by_secret < 1) {
        const struct timespec pause = {0, 20 * 1000000};
        nanosleep(&pause, NULL);
    }
    CHECK(answers_of(receiver).unavailable == 0 && answers_of(receiver).failed == 0);
    OK(pico_receiver_close(receiver, -1, &error));
    OK(pico_receiver_close(receiver, 0, &error));
    counts.struct_size = sizeof counts;
    CHECK_STATUS(PICO_E_CLOSED, pico_receiver_counts(receiver, &counts, &error));
    pico_receiver_free(receiver);
    pico_receiver_options_free(options);
    close_all(feed, store);
}

static void a_receiver_names_what_is_wrong_and_may_outlive_its_feed(void) {
    pico_store_t *store = store_of("wrong");
    pico_feed_t *feed = feed_without_stream(store, "WRONG");
    pico_receiver_options_t *options = NULL;
    pico_receiver_t *receiver = NULL;
    pico_error_t *wrong = NULL;

    OK(pico_receiver_options_new(&options, &error));
    OK(pico_receiver_options_set_bind(options, "127.0.0.1", &error));
    CHECK(pico_receiver_start(feed, options, &receiver, &wrong) == PICO_E_INVALID_ARGUMENT);
    CHECK(strstr(pico_error_message(wrong), "bind: ") == pico_error_message(wrong) && receiver == NULL);
    pico_error_free(wrong);
    OK(pico_receiver_options_set_bind(options, "127.0.0.1:0", &error));
    OK(pico_receiver_options_set_tls_pem(options, "no PEM", 6, "no PEM", 6, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_receiver_start(feed, options, &receiver, &error));
    OK(pico_receiver_options_set_tls_files(options, "/nowhere.crt", "/nowhere.key", &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_receiver_start(feed, options, &receiver, &error));
    pico_receiver_options_free(options);
    OK(pico_receiver_start(feed, NULL, &receiver, &error));
    CHECK(strcmp(pico_receiver_path(receiver), "/pico") == 0);
    close_all(feed, store);
    CHECK(answers_of(receiver).accepted == 0);
    pico_receiver_free(receiver);
}

static void ensuring_a_webhook_again_and_again_does_it_once(void) {
    pico_webhook_subscribe_t webhook = {0};
    pico_text_t *fingerprint = NULL, *same = NULL;
    int32_t outcome = 0;

    webhook.struct_size = sizeof webhook;
    webhook.subscription_id = "ensured";
    webhook.webhook_url = "http://127.0.0.1:9/pico";
    OK(pico_client_webhook_ensure(client, &webhook, NULL, NULL, &outcome, &fingerprint, &error));
    CHECK(outcome == PICO_WEBHOOK_REGISTERED);
    OK(pico_client_webhook_ensure(client, &webhook, pico_text_string(fingerprint), NULL, &outcome, &same, &error));
    CHECK(outcome == PICO_WEBHOOK_UNCHANGED && strcmp(pico_text_string(same), pico_text_string(fingerprint)) == 0);
    OK(pico_client_webhook_ensure(client, &webhook, "of another version", NULL, &outcome, NULL, &error));
    CHECK(outcome == PICO_WEBHOOK_REPLACED);
    OK(pico_client_webhook_unsubscribe(client, "ensured", NULL, NULL, &error));
    pico_text_free(fingerprint);
    pico_text_free(same);
}

int main(void) {
    OK(pico_client_from_environment(&client, &error));
    a_post_is_in_the_store_before_it_is_answered();
    a_receiver_names_what_is_wrong_and_may_outlive_its_feed();
    ensuring_a_webhook_again_and_again_does_it_once();
    OK(pico_client_close(client, -1, &error));
    pico_client_free(client);
    puts("passed");
    return 0;
}
