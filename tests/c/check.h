/*
 * What the C tests share: a check that says where it failed, and a condition to wait for with a deadline.
 *
 * Include it first: it asks for POSIX.
 */

#ifndef PICO_TEST_CHECK_H
#define PICO_TEST_CHECK_H

#define _POSIX_C_SOURCE 200809L

#include <pico_erp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Generous: valgrind runs everything some thirty times slower. */
#define DEADLINE_SECONDS 120

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);        \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)

/* Checks a status; when it is another one, shows the error that came with it. */
#define CHECK_STATUS(expected, call)                                                       \
    do {                                                                                   \
        pico_error_t *error = NULL;                                                        \
        pico_status_t status = (call);                                                     \
        if (status != (expected)) {                                                        \
            fprintf(stderr, "%s:%d: %s gave %s (%s)\n", __FILE__, __LINE__, #call,         \
                    pico_status_name(status), error ? pico_error_message(error) : "");     \
            exit(1);                                                                       \
        }                                                                                  \
        CHECK((error != NULL) == (status != PICO_OK));                                     \
        CHECK(pico_error_status(error) == status);                                         \
        pico_error_free(error);                                                            \
    } while (0)

#define OK(call) CHECK_STATUS(PICO_OK, call)

/* One lock for all the counters of a test. */
static pthread_mutex_t test_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t test_changed = PTHREAD_COND_INITIALIZER;

static inline void change(int *counter, int by) {
    pthread_mutex_lock(&test_lock);
    *counter += by;
    pthread_cond_broadcast(&test_changed);
    pthread_mutex_unlock(&test_lock);
}

static inline int now(const int *counter) {
    int value;
    pthread_mutex_lock(&test_lock);
    value = *counter;
    pthread_mutex_unlock(&test_lock);
    return value;
}

/* Waits until a counter is at least `value`, and fails after the deadline. */
static inline void wait_at_least(const int *counter, int value, const char *what) {
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += DEADLINE_SECONDS;
    pthread_mutex_lock(&test_lock);
    while (*counter < value) {
        if (pthread_cond_timedwait(&test_changed, &test_lock, &deadline) != 0) {
            fprintf(stderr, "waited in vain for %s\n", what);
            exit(1);
        }
    }
    pthread_mutex_unlock(&test_lock);
}

#define WAIT(counter, value) wait_at_least(&(counter), (value), #counter " >= " #value)

#endif
