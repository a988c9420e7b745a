/*
 * What the header promises about metrics, traces and the form of the log: numbers as JSON and as a page, served over HTTP,
 * and closed at any time.
 */

#include "feeds.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static int contains(const char *text, const char *part) {
    return strstr(text, part) != NULL;
}

/* Asks a server on this machine, and gives the whole answer. */
static const char *get(int port, const char *path) {
    static char answer[65536];
    char request[256];
    struct sockaddr_in address = {0};
    size_t length = 0;
    ssize_t count;
    int connection = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(connection >= 0);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(connection, (struct sockaddr *)&address, sizeof address) == 0);
    sprintf(request, "GET %s HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", path);
    CHECK(write(connection, request, strlen(request)) == (ssize_t)strlen(request));
    while ((count = read(connection, answer + length, sizeof answer - 1 - length)) > 0)
        length += (size_t)count;
    answer[length] = '\0';
    close(connection);
    return answer;
}

static void numbers_are_told_as_json_and_as_a_page(void) {
    pico_store_t *store = store_of("metrics");
    pico_text_t *text = NULL;
    pico_call_t *call = NULL;
    pico_feed_t *feed;
    pico_delivery_t *delivery;

    OK(pico_call_new(&call, &error));
    OK(pico_call_set_timeout_ms(call, 20000, &error));
    OK(pico_store_metrics_json(store, call, &text, &error));
    CHECK(contains(pico_text_string(text), "\"store\":{\"up\":true,\"error\":null,"));
    CHECK(contains(pico_text_string(text), "\"plants\":[{\"plant\":\"\",\"kept\":{\"inbox\":{\"ready\":0,"));
    CHECK(contains(pico_text_string(text), "\"feed\":null,"));
    pico_text_free(text);

    feed = feed_of(store, "METRICS");
    OK(pico_feed_opened(feed, NULL, &error));
    save(client, "METRICS", 1);
    delivery = next_of(feed);
    OK(pico_delivery_ack(delivery, NULL, &error));
    pico_delivery_free(delivery);
    OK(pico_store_metrics_prometheus(store, NULL, &text, &error));
    CHECK(contains(pico_text_string(text), "# TYPE pico_erp_acks_total counter\npico_erp_acks_total{plant=\"\"} 1\n"));
    CHECK(contains(pico_text_string(text), "\npico_erp_ack_lag_seconds_count{plant=\"\"} 1\n"));
    CHECK(contains(pico_text_string(text), "\npico_erp_stream_open{plant=\"\"} 1\n"));
    pico_text_free(text);
    OK(pico_call_cancel(call, &error));
    text = NULL;
    CHECK_STATUS(PICO_E_CANCELLED, pico_store_metrics_prometheus(store, call, &text, &error));
    CHECK(text == NULL);
    pico_call_free(call);
    close_all(feed, store);
}

static void numbers_are_served(void) {
    pico_store_t *store = store_of("served");
    pico_feed_t *feed = feed_of(store, "SERVED");
    pico_receiver_options_t *options = NULL;
    pico_receiver_t *receiver = NULL;
    pico_metrics_server_t *server = NULL, *second = NULL;
    int port;

    OK(pico_metrics_server_start(store, "127.0.0.1:0", &server, &error));
    port = pico_metrics_server_port(server);
    CHECK(port > 0 && strncmp(pico_metrics_server_address(server), "127.0.0.1:", 10) == 0);
    CHECK(contains(get(port, "/metrics"), "\npico_erp_store_up 1\n"));
    CHECK(contains(get(port, "/healthz"), "{\"status\":\"ok\"}"));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_metrics_server_start(store, pico_metrics_server_address(server), &second, &error));
    CHECK(second == NULL);

    OK(pico_receiver_options_new(&options, &error));
    OK(pico_receiver_options_set_metrics_bind(options, "127.0.0.1:0", &error));
    OK(pico_receiver_start(feed, options, &receiver, &error));
    CHECK(contains(get(atoi(strrchr(pico_receiver_metrics_address(receiver), ':') + 1), "/metrics"),
                   "\npico_erp_webhook_posts_total{plant=\"\",outcome=\"accepted\",status=\"2xx\"} 0\n"));
    /* What the world can reach knows no metrics. */
    CHECK(contains(get(pico_receiver_port(receiver), "/metrics"), "HTTP/1.1 404 "));
    OK(pico_receiver_close(receiver, -1, &error));
    pico_receiver_free(receiver);
    OK(pico_receiver_options_set_metrics_bind(options, NULL, &error));
    OK(pico_receiver_start(feed, options, &receiver, &error));
    CHECK(pico_receiver_metrics_address(receiver) == NULL);
    pico_receiver_free(receiver);
    pico_receiver_options_free(options);

    OK(pico_store_close(store, -1, &error));
    CHECK(contains(get(port, "/metrics"), "\npico_erp_store_up 0\n"));
    CHECK(contains(get(port, "/healthz"), "HTTP/1.1 503 "));
    OK(pico_metrics_server_close(server, &error));
    OK(pico_metrics_server_close(server, &error));
    pico_metrics_server_free(server);
    close_all(feed, store);
}

static void a_failed_call_names_its_trace(void) {
    pico_options_t *options = NULL;
    pico_client_t *traced = NULL;
    pico_operations_t *operations = NULL;
    pico_error_t *failure = NULL;
    const char *id;
    char endpoint[64];
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    /* A port that is taken, and that nobody listens on. */
    int taken = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(taken >= 0 && bind(taken, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(getsockname(taken, (struct sockaddr *)&address, &size) == 0);
    sprintf(endpoint, "http://127.0.0.1:%d", (int)ntohs(address.sin_port));
    OK(pico_options_new(&options, &error));
    OK(pico_options_set_endpoint(options, endpoint, &error));
    OK(pico_options_set_no_proxy(options, &error));
    OK(pico_options_set_retry_attempts(options, 1, &error));
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_options_set_trace_context(options, 7, &error));
    OK(pico_options_set_trace_context(options, PICO_TRACE_GENERATE, &error));
    OK(pico_client_new(options, &traced, &error));
    CHECK(pico_client_operations(traced, NULL, NULL, &operations, &failure) == PICO_E_CONNECT);
    id = pico_error_trace_id(failure);
    CHECK(id != NULL && strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32);
    pico_error_free(failure);
    pico_client_free(traced);
    OK(pico_options_set_trace_context(options, PICO_TRACE_OFF, &error));
    OK(pico_client_new(options, &traced, &error));
    CHECK(pico_client_operations(traced, NULL, NULL, &operations, &failure) == PICO_E_CONNECT);
    CHECK(pico_error_trace_id(failure) == NULL);
    pico_error_free(failure);
    pico_client_free(traced);
    pico_options_free(options);
    close(taken);
}

int main(void) {
    OK(pico_client_from_environment(&client, &error));
    numbers_are_told_as_json_and_as_a_page();
    numbers_are_served();
    a_failed_call_names_its_trace();
    OK(pico_client_close(client, -1, &error));
    pico_client_free(client);
    puts("passed");
    return 0;
}
