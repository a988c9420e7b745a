/*
 * Waiting and not waiting: time limits, cancelling, closing and pulling from several threads, tokens, the log,
 * forking, and freeing in any order. Runs against a sandbox that completes every order by itself; calls that are
 * to hang go to a socket of this program's own that never answers.
 */

#include "orders.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static pico_client_t *client;

/* A client of a server that takes the connection and never answers. */
static pico_client_t *client_of_a_silent_server(void) {
    static int listener = -1;
    static char endpoint[64];
    pico_options_t *options = NULL;
    pico_client_t *silent = NULL;

    if (listener < 0) {
        struct sockaddr_in address;
        socklen_t length = sizeof address;
        memset(&address, 0, sizeof address);
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        listener = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
        CHECK(listen(listener, 16) == 0);
        CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
        sprintf(endpoint, "http://127.0.0.1:%d/graphql", ntohs(address.sin_port));
    }
    OK(pico_options_new(&options, &error));
    OK(pico_options_set_endpoint(options, endpoint, &error));
    OK(pico_options_set_token(options, "token", &error));
    OK(pico_options_set_no_proxy(options, &error));
    OK(pico_client_new(options, &silent, &error));
    pico_options_free(options);
    CHECK(strcmp(pico_client_endpoint(silent), endpoint) == 0);
    return silent;
}

/* A call or a pull in a thread of its own. */
struct waiter {
    pthread_t thread;
    pico_client_t *client;
    pico_call_t *call;
    pico_subscription_t *subscription;
    pico_status_t status;
    int *taken;
    int began;
};

static void *call_and_wait(void *argument) {
    struct waiter *waiter = argument;
    pico_operations_t *operations = NULL;
    change(&waiter->began, 1);
    waiter->status = pico_client_operations(waiter->client, NULL, waiter->call, &operations, NULL);
    return NULL;
}

static void *pull_to_the_end(void *argument) {
    struct waiter *waiter = argument;
    pico_event_t *event = NULL;
    change(&waiter->began, 1);
    while ((waiter->status = pico_subscription_next(waiter->subscription, -1, &event, NULL)) == PICO_OK) {
        if (pico_event_kind(event) == PICO_EVENT_ORDER_COMPLETE && waiter->taken != NULL) {
            int index = pico_event_order_complete(event)->order_index;
            CHECK(index >= 0 && index < 30);
            change(&waiter->taken[index], 1);
            change(&waiter->taken[30], 1);
        }
        pico_event_free(event);
    }
    return NULL;
}

static void start(struct waiter *waiter, void *(*run)(void *)) {
    waiter->began = 0;
    CHECK(pthread_create(&waiter->thread, NULL, run, waiter) == 0);
    WAIT(waiter->began, 1);
}

static void a_call_is_limited_and_cancelled_and_closed(void) {
    struct waiter waiter = {0};
    pico_client_t *silent = client_of_a_silent_server();
    pico_operations_t *operations = NULL;
    pico_call_t *call = NULL;

    OK(pico_call_new(&call, &error));
    OK(pico_call_set_timeout_ms(call, 50, &error));
    CHECK_STATUS(PICO_E_TIMEOUT, pico_client_operations(silent, NULL, call, &operations, &error));

    OK(pico_call_set_timeout_ms(call, -1, &error));
    waiter.client = silent;
    waiter.call = call;
    start(&waiter, call_and_wait);
    OK(pico_call_cancel(call, &error));
    CHECK(pthread_join(waiter.thread, NULL) == 0 && waiter.status == PICO_E_CANCELLED);
    CHECK_STATUS(PICO_E_CANCELLED, pico_client_operations(silent, NULL, call, &operations, &error));

    waiter.call = NULL;
    start(&waiter, call_and_wait);
    OK(pico_client_close(silent, -1, &error));
    CHECK(pthread_join(waiter.thread, NULL) == 0 && waiter.status == PICO_E_CLOSED);
    CHECK_STATUS(PICO_E_CLOSED, pico_client_operations(silent, NULL, NULL, &operations, &error));
    OK(pico_client_close(silent, 0, &error));
    CHECK(operations == NULL);
    pico_call_free(call);
    pico_client_free(silent);
}

static void pulling_times_out_and_is_cancelled(void) {
    struct waiter waiter = {0};
    pico_client_t *silent = client_of_a_silent_server();
    pico_event_t *event = NULL;

    OK(pico_client_operations_stream(silent, NULL, NULL, &waiter.subscription, &error));
    OK(pico_subscription_next(waiter.subscription, -1, &event, &error));
    CHECK(pico_event_kind(event) == PICO_EVENT_STATE && pico_event_state(event) == PICO_STATE_CONNECTING);
    CHECK(pico_event_gap_ms(event) == -1 && pico_event_retry_delay_ms(event) == -1);
    pico_event_free(event);
    event = NULL;
    CHECK_STATUS(PICO_E_TIMEOUT, pico_subscription_next(waiter.subscription, 0, &event, &error));
    CHECK_STATUS(PICO_E_TIMEOUT, pico_subscription_next(waiter.subscription, 20, &event, &error));
    CHECK_STATUS(PICO_E_TIMEOUT, pico_subscription_wait_open(waiter.subscription, 20, &error));
    CHECK(event == NULL);

    start(&waiter, pull_to_the_end);
    OK(pico_subscription_cancel(waiter.subscription, &error));
    CHECK(pthread_join(waiter.thread, NULL) == 0 && waiter.status == PICO_E_CLOSED);
    OK(pico_subscription_close(waiter.subscription, 0, &error));
    pico_subscription_free(waiter.subscription);
    pico_client_free(silent);
}

static void several_threads_pull_and_each_event_goes_to_one(void) {
    struct waiter waiters[3];
    int taken[31] = {0};
    pico_subscription_t *subscription = NULL;
    pico_event_t *event = NULL;
    pico_order_complete_filter_t filter = {0};
    int state = 0, i;

    filter.struct_size = sizeof filter;
    filter.external_order_id = "SHARED";
    OK(pico_client_order_completes_stream(client, &filter, NULL, &subscription, &error));
    while (state != PICO_STATE_OPEN) {
        OK(pico_subscription_next(subscription, 1000 * DEADLINE_SECONDS, &event, &error));
        state = pico_event_state(event);
        pico_event_free(event);
    }
    memset(waiters, 0, sizeof waiters);
    for (i = 0; i < 3; i++) {
        waiters[i].subscription = subscription;
        waiters[i].taken = taken;
        start(&waiters[i], pull_to_the_end);
    }
    save(client, "SHARED", 30);
    WAIT(taken[30], 30);
    OK(pico_subscription_close(subscription, -1, &error));
    for (i = 0; i < 3; i++) {
        CHECK(pthread_join(waiters[i].thread, NULL) == 0 && waiters[i].status == PICO_E_CLOSED);
    }
    for (i = 0; i < 30; i++) {
        CHECK(taken[i] == 1);
    }
    pico_subscription_free(subscription);
}

static void objects_are_freed_in_any_order(void) {
    pico_options_t *options = NULL;
    pico_client_t *own = NULL;
    pico_operations_t *operations = NULL;
    pico_subscription_t *subscription = NULL;
    pico_event_t *event = NULL, *kept;
    pico_call_t *call = NULL;
    int state = 0;

    OK(pico_options_new(&options, &error));
    OK(pico_options_set_endpoint(options, getenv("PICO_API_ENDPOINT"), &error));
    OK(pico_options_set_token_from_environment(options, "PICO_API_TOKEN", &error));
    OK(pico_client_new(options, &own, &error));
    OK(pico_call_new(&call, &error));
    OK(pico_client_operations(own, NULL, call, &operations, &error));
    OK(pico_client_operations_stream(own, NULL, NULL, &subscription, &error));
    pico_client_free(own);
    pico_options_free(options);

    /* The stream goes on without its client. */
    while (state != PICO_STATE_OPEN) {
        OK(pico_subscription_next(subscription, 1000 * DEADLINE_SECONDS, &event, &error));
        state = pico_event_state(event);
        kept = pico_event_retain(event);
        pico_event_free(event);
        CHECK(pico_event_state(kept) == state);
        pico_event_free(kept);
    }
    pico_subscription_free(subscription);
    CHECK(pico_operations_count(operations) > 0 && pico_operations_at(operations, 0)->name[0] != '\0');
    pico_operations_free(operations);
    pico_call_free(call);
}

static void a_forked_child_is_refused_and_not_hung(void) {
    pico_client_t *before_fork = NULL;
    pico_subscription_t *stream_before_fork = NULL;
    pid_t child;
    int told[2], status = 0;
    char word = 0;

    CHECK(pipe(told) == 0);
    OK(pico_client_from_environment(&before_fork, &error));
    OK(pico_client_operations_stream(before_fork, NULL, NULL, &stream_before_fork, &error));
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        pico_operations_t *operations = NULL;
        pico_client_t *another = NULL;
        pico_subscription_t *stream = NULL;
        pico_event_t *event = NULL;
        pico_events_callback_t batches = {NULL, NULL, NULL};
        pico_reply_callback_t replies = {NULL, NULL, NULL};
        pico_call_t *call = NULL;
        size_t count = 0;
        int descriptor = -1;
        CHECK_STATUS(PICO_E_FORKED, pico_client_operations_stream(before_fork, NULL, NULL, &stream, &error));
        CHECK_STATUS(PICO_E_FORKED,
                     pico_client_execute_async(before_fork, "{a}", 3, NULL, 0, NULL, NULL, &replies, &error));
        CHECK_STATUS(PICO_E_FORKED,
                     pico_subscription_next_batch(stream_before_fork, -1, &event, 1, &count, &error));
        CHECK_STATUS(PICO_E_FORKED, pico_subscription_descriptor(stream_before_fork, &descriptor, &error));
        CHECK_STATUS(PICO_E_FORKED, pico_subscription_deliver_batches(stream_before_fork, 1, &batches, &error));
        CHECK_STATUS(PICO_E_FORKED, pico_subscription_wait_open(stream_before_fork, -1, &error));
        CHECK_STATUS(PICO_E_FORKED, pico_subscription_cancel(stream_before_fork, &error));
        CHECK_STATUS(PICO_E_FORKED, pico_call_new(&call, &error));
        CHECK_STATUS(PICO_E_FORKED, pico_client_operations(before_fork, NULL, NULL, &operations, &error));
        CHECK_STATUS(PICO_E_FORKED, pico_subscription_next(stream_before_fork, -1, &event, &error));
        CHECK_STATUS(PICO_E_FORKED, pico_subscription_close(stream_before_fork, -1, &error));
        CHECK_STATUS(PICO_E_FORKED, pico_client_close(before_fork, -1, &error));
        CHECK_STATUS(PICO_E_FORKED, pico_client_from_environment(&another, &error));
        pico_subscription_free(stream_before_fork);
        pico_client_free(before_fork);
        /* It ends by a signal: a leak check has no meaning in a process that lost its threads. */
        CHECK(write(told[1], "k", 1) == 1);
        kill(getpid(), SIGKILL);
    }
    close(told[1]);
    CHECK(read(told[0], &word, 1) == 1 && word == 'k');
    close(told[0]);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    /* The parent is as it was. */
    OK(pico_subscription_close(stream_before_fork, -1, &error));
    pico_subscription_free(stream_before_fork);
    pico_client_free(before_fork);
}

/* A provider of tokens, as a host with a vault would have. */
struct vault {
    const char *token;
    int asked, dropped, refused_to_wait;
};

static void PICO_CALL give_token(void *user_data, pico_token_answer_t *answer) {
    struct vault *vault = user_data;
    pico_operations_t *operations = NULL;
    change(&vault->asked, 1);
    if (pico_client_operations(client, NULL, NULL, &operations, NULL) == PICO_E_REENTRANT) {
        change(&vault->refused_to_wait, 1);
    }
    if (vault->token == NULL) {
        OK(pico_token_answer_fail(answer, "the vault is locked", &error));
    } else if (vault->token[0] != '\0') {
        OK(pico_token_answer_set(answer, vault->token, &error));
    }
}

static void PICO_CALL drop_vault(void *user_data) {
    change(&((struct vault *)user_data)->dropped, 1);
}

static void a_token_provider_is_asked_for_each_request(void) {
    struct vault vault = {NULL, 0, 0, 0};
    pico_token_provider_t provider = {give_token, drop_vault, NULL};
    pico_options_t *options = NULL;
    pico_client_t *own = NULL;
    pico_operations_t *operations = NULL;
    pico_error_t *error = NULL;

    provider.user_data = &vault;
    OK(pico_options_new(&options, &error));
    OK(pico_options_set_endpoint(options, getenv("PICO_API_ENDPOINT"), &error));
    OK(pico_options_set_token_provider(options, &provider, &error));
    OK(pico_client_new(options, &own, &error));
    pico_options_free(options);

    CHECK(pico_client_operations(own, NULL, NULL, &operations, &error) == PICO_E_INVALID_ARGUMENT);
    CHECK(strstr(pico_error_message(error), "the vault is locked") != NULL);
    pico_error_free(error);
    vault.token = "";
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_client_operations(own, NULL, NULL, &operations, &error));
    vault.token = "wrong";
    CHECK_STATUS(PICO_E_UNAUTHORIZED, pico_client_operations(own, NULL, NULL, &operations, &error));
    vault.token = getenv("PICO_API_TOKEN");
    OK(pico_client_operations(own, NULL, NULL, &operations, &error));
    CHECK(now(&vault.asked) == 4 && now(&vault.refused_to_wait) == 4 && now(&vault.dropped) == 0);
    pico_operations_free(operations);
    pico_client_free(own);
    WAIT(vault.dropped, 1);
}

static void a_reply_with_errors_is_no_failure_of_the_call(void) {
    static const char QUERY[] = "mutation { operationOrderSave(input: {operationId: \"no-such\"}) { message } }";
    pico_reply_t *reply = NULL;
    size_t length = 0;
    OK(pico_client_execute(client, QUERY, sizeof QUERY - 1, NULL, 0, NULL, NULL, &reply, &error));
    CHECK(pico_reply_errors_json(reply, &length) != NULL && length > 2);
    CHECK(pico_reply_errors_json(reply, NULL)[0] == '[' && pico_reply_http_status(reply) != 0);
    pico_reply_free(reply);
}

/* What the log function was told. */
struct journal {
    int lines, dropped, foreign;
};

static void PICO_CALL on_line(void *user_data, int32_t level, const char *target, const char *message) {
    struct journal *journal = user_data;
    CHECK(level >= PICO_LOG_ERROR && level <= PICO_LOG_DEBUG && message[0] != '\0');
    CHECK(strstr(message, getenv("PICO_API_TOKEN")) == NULL);
    if (strncmp(target, "pico_erp", 8) != 0) {
        change(&journal->foreign, 1);
    }
    CHECK(pico_client_operations(client, NULL, NULL, NULL, NULL) == PICO_E_REENTRANT);
    change(&journal->lines, 1);
}

static void PICO_CALL drop_journal(void *user_data) {
    change(&((struct journal *)user_data)->dropped, 1);
}

static void retries_are_told_to_the_log(void) {
    struct journal journal = {0, 0, 0};
    pico_log_callback_t callback = {on_line, drop_journal, NULL};
    pico_options_t *options = NULL;
    pico_client_t *refused = NULL;
    pico_operations_t *operations = NULL;

    callback.user_data = &journal;
    OK(pico_log_set(PICO_LOG_DEBUG, &callback, &error));
    OK(pico_options_new(&options, &error));
    OK(pico_options_set_endpoint(options, "http://127.0.0.1:1/graphql", &error));
    OK(pico_options_set_token(options, getenv("PICO_API_TOKEN"), &error));
    OK(pico_options_set_retry_attempts(options, 3, &error));
    OK(pico_options_set_retry_backoff_ms(options, 1, 1, &error));
    OK(pico_client_new(options, &refused, &error));
    pico_options_free(options);
    CHECK_STATUS(PICO_E_CONNECT, pico_client_operations(refused, NULL, NULL, &operations, &error));
    pico_client_free(refused);
    OK(pico_log_set(0, NULL, &error));
    WAIT(journal.dropped, 1);
    CHECK(journal.lines >= 2 && journal.foreign == 0);
}

int main(void) {
    OK(pico_client_from_environment(&client, &error));
    a_call_is_limited_and_cancelled_and_closed();
    pulling_times_out_and_is_cancelled();
    several_threads_pull_and_each_event_goes_to_one();
    objects_are_freed_in_any_order();
    a_token_provider_is_asked_for_each_request();
    a_reply_with_errors_is_no_failure_of_the_call();
    retries_are_told_to_the_log();
    a_forked_child_is_refused_and_not_hung();
    OK(pico_client_close(client, -1, &error));
    pico_client_free(client);
    puts("passed");
    return 0;
}
