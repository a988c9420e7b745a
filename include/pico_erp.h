/*
 * pico_erp.h - connects an ERP to a Pico MES: operations, orders, completions, webhooks.
 *
 * Conventions, which hold for every function unless its comment says otherwise:
 *
 * Results    A function that can fail returns a pico_status_t: PICO_OK (0), or one of PICO_E_*. Its last
 *            argument, `error`, may be NULL; on failure, and only then, *error is set to an object that says
 *            more and is freed with pico_error_free(). Other outputs are written on PICO_OK only.
 * Texts      are UTF-8 and NUL-terminated in both directions; JSON and PEM come in with a length. What is
 *            passed in is borrowed for the call and copied where it is needed longer. A NUL inside a text of
 *            the server's shows as U+FFFD in typed fields; the JSON has it as it was sent.
 * Ownership  What pico_x_new() and outputs `pico_x_t **` give is yours, until pico_x_free(). Freeing NULL
 *            does nothing. Pointers that getters return live as long as the object they were asked of.
 *            Objects may be freed in any order: children keep what they need of their parents.
 * Structs    A struct that you fill in starts with struct_size. Set it to zero as a whole, then set
 *            struct_size to sizeof the struct: older and newer callers then stay compatible.
 * Threads    All objects may be used from any thread, and from several at once; options from one at a time. An object must not be freed while another
 *            function is still using it in another thread.
 * Callbacks  are {call, drop, user_data}. They run on threads of the library, one at a time for each
 *            subscription, feed or sender, with no lock held, and must not throw. `drop` (may be NULL) is called exactly
 *            once, after the last call has returned, and nothing is called after it; free user_data there.
 *            If the function that takes the callback fails, nothing is called, drop included. Inside a
 *            callback every function may be used that does not wait; those that wait say so in their comment
 *            and return PICO_E_REENTRANT there.
 * Processes  After fork() the child may read and free what it inherited, but not use a client, a subscription, a
 *            store, a feed, a sender or a catalogue: PICO_E_FORKED. The library starts its threads with the first client or store, so
 *            fork before.
 * Alpha      Names with pico_alpha_ are for APIs that Pico itself calls alpha: media upload and work instructions. They may
 *            change or go in any version, and are outside of what pico_abi_version() promises. A library that was built
 *            without the feature `alpha` does not have them.
 * Unloading  The library stays mapped after dlclose(). Close clients before the process ends.
 */

#ifndef PICO_ERP_H
#define PICO_ERP_H

/* Generated from crates/pico-erp-ffi by `cargo xtask header`. Do not edit. */

#include <stddef.h>
#include <stdint.h>

/* PICO_API: how symbols are imported. Define PICO_STATIC when linking the static library on Windows. */
#if defined(_WIN32)
#  if defined(PICO_STATIC)
#    define PICO_API
#  else
#    define PICO_API __declspec(dllimport)
#  endif
#  define PICO_CALL __cdecl
#else
#  if defined(__GNUC__)
#    define PICO_API __attribute__((visibility("default")))
#  else
#    define PICO_API
#  endif
#  define PICO_CALL
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct pico_delivery_t;
struct pico_error_t;
struct pico_event_t;
struct pico_reply_t;
struct pico_token_answer_t;

/* Ends a callback: called exactly once, after the last call has returned. Frees user_data, typically. */
typedef void (PICO_CALL *pico_drop_fn)(void *user_data);

/* Receives an event, which lives until the function returns (pico_event_retain() keeps it). Returns
 * PICO_CONTINUE, or PICO_STOP to end the subscription. */
typedef int32_t (PICO_CALL *pico_event_fn)(void *user_data, const struct pico_event_t *event);

/* Receives `count` events, 1 or more, in order. They and the array live until the function returns
 * (pico_event_retain() keeps an event). Returns PICO_CONTINUE, or PICO_STOP to end the subscription. */
typedef int32_t (PICO_CALL *pico_events_fn)(void *user_data, const struct pico_event_t *const *events,
                                            size_t count);

/* Receives a completion of a feed, which lives until the function returns (pico_delivery_retain() keeps it). Returns the
 * answer: PICO_ACK, PICO_RETRY, PICO_REJECT or PICO_LATER. */
typedef int32_t (PICO_CALL *pico_delivery_fn)(void *user_data, const struct pico_delivery_t *delivery);

/* Receives a notice of a feed, for people and as JSON. Both texts live until the function returns. */
typedef void (PICO_CALL *pico_notice_fn)(void *user_data, const char *text, const char *json);

/* Receives an order that a sender has settled, as an object as of pico_outbox_list_json(). The text lives until the
 * function returns. */
typedef void (PICO_CALL *pico_settled_fn)(void *user_data, const char *json);

/* Alpha. Receives how far an upload has come: bytes sent, bytes of the file, and for an upload in chunks the ticket to resume
 * it with, else NULL. The text lives until the function returns. */
typedef void (PICO_CALL *pico_alpha_progress_fn)(void *user_data, uint64_t sent, uint64_t total,
                                                 const char *ticket_json);

/* Receives the outcome of a call, exactly once: PICO_OK and the reply, or a status and the error; the other is
 * NULL. Both belong to the function, which frees them: pico_reply_free(), pico_error_free(). */
typedef void (PICO_CALL *pico_reply_fn)(void *user_data, int32_t status, struct pico_reply_t *reply,
                                        struct pico_error_t *error);

/* Gives the token for the next request, by pico_token_answer_set() or pico_token_answer_fail(). May block. May be
 * called from several threads at once. The answer lives until the function returns. */
typedef void (PICO_CALL *pico_token_fn)(void *user_data, struct pico_token_answer_t *answer);

/* Receives a line of the log: PICO_LOG_*, the part of the library it comes from, the text. Both texts live until
 * the function returns. */
typedef void (PICO_CALL *pico_log_fn)(void *user_data, int32_t level, const char *target, const char *message);

#ifdef __cplusplus
}
#endif


/**
 * In one request when the file is small enough for that (below 10,000,000 bytes), else in chunks.
 */
#define PICO_ALPHA_UPLOAD_AUTO 0

/**
 * In one request.
 */
#define PICO_ALPHA_UPLOAD_SINGLE 1

/**
 * In chunks, which can be resumed.
 */
#define PICO_ALPHA_UPLOAD_CHUNKED 2

/**
 * An event callback returns this to go on; so does any other value but PICO_STOP.
 */
#define PICO_CONTINUE 0

/**
 * An event callback returns this to end the subscription: no further call, then `drop`.
 */
#define PICO_STOP 1

/**
 * The completion is booked: never again.
 */
#define PICO_ACK 0

/**
 * Not booked: again, after a wait that grows with each attempt, or as pico_delivery_retry_after() has said.
 */
#define PICO_RETRY 1

/**
 * Trying again would be of no use: it becomes a dead letter.
 */
#define PICO_REJECT 2

/**
 * The callback has kept the delivery with pico_delivery_retain(), and it is answered later. Meanwhile the next one
 * comes.
 */
#define PICO_LATER 3

/**
 * By a live stream over Server-Sent Events.
 */
#define PICO_SOURCE_SSE 1

/**
 * By a live stream over WebSocket.
 */
#define PICO_SOURCE_WEBSOCKET 2

/**
 * By polling, where no stream gets through.
 */
#define PICO_SOURCE_POLL 3

/**
 * By a POST of Pico's to a receiver.
 */
#define PICO_SOURCE_WEBHOOK 4

/**
 * By the catch-up query: no live source had brought it.
 */
#define PICO_SOURCE_CATCH_UP 5

/**
 * An operation is new or was changed: pico_event_operation().
 */
#define PICO_EVENT_OPERATION 1

/**
 * An edge of the product structure is new or was changed: pico_event_sub_operation().
 */
#define PICO_EVENT_SUB_OPERATION 2

/**
 * An order was completed: pico_event_order_complete().
 */
#define PICO_EVENT_ORDER_COMPLETE 3

/**
 * A note is new or was changed: pico_event_note().
 */
#define PICO_EVENT_NOTE 4

/**
 * One result of a raw subscription; its "data" is pico_event_json().
 */
#define PICO_EVENT_DATA 5

/**
 * The stream's connection changed: pico_event_state().
 */
#define PICO_EVENT_STATE 6

/**
 * One event could not be used: pico_event_error(). The stream goes on.
 */
#define PICO_EVENT_PROBLEM 7

/**
 * The stream has ended: by the server, or by pico_event_error(). The last event.
 */
#define PICO_EVENT_CLOSED 8

/**
 * With PICO_OVERFLOW_DROP: events came while you were behind, and are lost: pico_event_dropped_count().
 */
#define PICO_EVENT_DROPPED 9

/**
 * A connection is being made.
 */
#define PICO_STATE_CONNECTING 1

/**
 * Events can arrive: pico_event_gap_ms() says what may have been missed.
 */
#define PICO_STATE_OPEN 2

/**
 * The connection was lost or could not be made: pico_event_error(). Another follows after
 * pico_event_retry_delay_ms().
 */
#define PICO_STATE_RETRYING 3

/**
 * With PICO_TRANSPORT_AUTO: the stream goes another way from now on, pico_event_transport();
 * pico_event_error() says why the last one did not do.
 */
#define PICO_STATE_SWITCHED 4

/**
 * All completions that Pico lists are handed out. The default.
 */
#define PICO_START_BEGINNING 1

/**
 * None of those that Pico lists when it is first asked.
 */
#define PICO_START_NOW 2

/**
 * Those completed at a time or later.
 */
#define PICO_START_SINCE 3

/**
 * In place of a state: completions in any state.
 */
#define PICO_INBOX_ANY 0

/**
 * The completion waits to be handed out.
 */
#define PICO_INBOX_READY 1

/**
 * It is with the consumer.
 */
#define PICO_INBOX_HANDED_OUT 2

/**
 * It waits until it is handed out again.
 */
#define PICO_INBOX_WAITING 3

/**
 * It was acknowledged.
 */
#define PICO_INBOX_ACKED 4

/**
 * It is a dead letter: rejected, unreadable, or tried too often. Kept until it is replayed or dropped.
 */
#define PICO_INBOX_DEAD 5

/**
 * It is never handed out: it was there before the feed, which was told to begin later, or is a dead letter that
 * was dropped.
 */
#define PICO_INBOX_SKIPPED 6

/**
 * Calls and streams that failed for good.
 */
#define PICO_LOG_ERROR 1

/**
 * What may need attention.
 */
#define PICO_LOG_WARN 2

/**
 * Connections lost and made again.
 */
#define PICO_LOG_INFO 3

/**
 * Retries of calls, and other detail.
 */
#define PICO_LOG_DEBUG 4

/**
 * Everything.
 */
#define PICO_LOG_TRACE 5

/**
 * Lines as text: the message, and name=value for each field. The default.
 */
#define PICO_LOG_FORMAT_TEXT 0

/**
 * Lines as JSON objects.
 */
#define PICO_LOG_FORMAT_JSON 1

/**
 * The generation is found out from the server with the first call; pico_client_generation() tells it.
 */
#define PICO_GENERATION_AUTO 1

/**
 * The API of Pico's "ERP Example Calls", at /graphql. The default: only what a newer one has too is asked for.
 */
#define PICO_GENERATION_G2 2

/**
 * The newer API, at /graph/v2.
 */
#define PICO_GENERATION_G3 3

/**
 * No traceparent. The default.
 */
#define PICO_TRACE_OFF 0

/**
 * A trace begins with each call, each connection of a stream and each batch of orders.
 */
#define PICO_TRACE_GENERATE 1

/**
 * Server-Sent Events, and what else works where those do not get through: WebSocket, then polling. The
 * default. No connection is ever of this kind.
 */
#define PICO_TRANSPORT_AUTO 1

/**
 * Server-Sent Events.
 */
#define PICO_TRANSPORT_SSE 2

/**
 * WebSocket, one connection for all streams of a client.
 */
#define PICO_TRANSPORT_WEBSOCKET 3

/**
 * Asking for the whole list again and again, and telling what is new in it.
 */
#define PICO_TRANSPORT_POLL 4

/**
 * The socket is not read, which slows the server down. Nothing is lost. The default.
 */
#define PICO_OVERFLOW_WAIT 1

/**
 * The newest events are dropped and counted: PICO_EVENT_DROPPED. For displays, not for bookings.
 */
#define PICO_OVERFLOW_DROP 2

/**
 * The order is new.
 */
#define PICO_SAVED_CREATED 1

/**
 * The order was known and has been updated.
 */
#define PICO_SAVED_UPDATED 2

/**
 * The server used another word; the order is saved, since there was no error.
 */
#define PICO_SAVED_OTHER 3

/**
 * In place of a state: orders in any state.
 */
#define PICO_OUTBOX_ANY 0

/**
 * The order waits for its turn.
 */
#define PICO_OUTBOX_QUEUED 1

/**
 * It is in a request that is under way.
 */
#define PICO_OUTBOX_SENDING 2

/**
 * It could not be sent, and is tried again.
 */
#define PICO_OUTBOX_WAITING 3

/**
 * Pico has it.
 */
#define PICO_OUTBOX_SENT 4

/**
 * Pico refused it. Kept, with the error, until it is sent again or dropped.
 */
#define PICO_OUTBOX_FAILED 5

/**
 * A later order for the same unit took its place before it was sent.
 */
#define PICO_OUTBOX_SUPERSEDED 6

/**
 * It was given up by pico_outbox_drop().
 */
#define PICO_OUTBOX_DROPPED 7

/**
 * The version of the C ABI that this header describes. It is raised with every addition, and starts anew
 * with the SONAME.
 */
#define PICO_ABI_VERSION 1

/**
 * In place of a time that is absent.
 */
#define PICO_NO_TIME INT64_MIN

/**
 * It was registered as it should be, and nothing was done.
 */
#define PICO_WEBHOOK_UNCHANGED 1

/**
 * It was registered differently, or possibly so: it was removed and registered anew.
 */
#define PICO_WEBHOOK_REPLACED 2

/**
 * It was not there, and has been registered.
 */
#define PICO_WEBHOOK_REGISTERED 3

/**
 * Controls calls: a time limit for the whole of each, and a way to cancel them from another thread. One
 * object may be passed to several calls.
 */
typedef struct pico_call_t pico_call_t;

/**
 * A copy of Pico's operations in a store. Thread-safe.
 */
typedef struct pico_catalogue_t pico_catalogue_t;

/**
 * The connection to one Pico. Thread-safe; one is enough for a program.
 */
typedef struct pico_client_t pico_client_t;

/**
 * A completion of a feed, which is handed out again until it is acknowledged; a note of a feed of notes, where these
 * functions say completion. Any thread.
 */
typedef struct pico_delivery_t pico_delivery_t;

/**
 * Why a function failed.
 */
typedef struct pico_error_t pico_error_t;

/**
 * One event of a subscription. Immutable; any thread.
 */
typedef struct pico_event_t pico_event_t;

/**
 * The settings of a feed. Used by one thread at a time.
 */
typedef struct pico_feed_options_t pico_feed_options_t;

/**
 * The completions of a Pico, or its notes, each until it is acknowledged. Thread-safe.
 */
typedef struct pico_feed_t pico_feed_t;

/**
 * An HTTP server for the metrics of a store. Thread-safe.
 */
typedef struct pico_metrics_server_t pico_metrics_server_t;

/**
 * A list of names. Immutable; any thread.
 */
typedef struct pico_names_t pico_names_t;

/**
 * A list of notes.
 */
typedef struct pico_notes_t pico_notes_t;

/**
 * A list of operations.
 */
typedef struct pico_operations_t pico_operations_t;

/**
 * The settings of a client. Used by one thread at a time.
 */
typedef struct pico_options_t pico_options_t;

/**
 * A list of completed orders.
 */
typedef struct pico_order_completes_t pico_order_completes_t;

/**
 * Many plants at work. Thread-safe.
 */
typedef struct pico_plants_t pico_plants_t;

/**
 * The settings of a receiver. Used by one thread at a time.
 */
typedef struct pico_receiver_options_t pico_receiver_options_t;

/**
 * A running receiver of webhook posts. Thread-safe.
 */
typedef struct pico_receiver_t pico_receiver_t;

/**
 * A GraphQL reply as the server sent it. Both data and errors may be there: a reply can be partly good.
 */
typedef struct pico_reply_t pico_reply_t;

/**
 * Sends what is in the outbox of a store. Thread-safe.
 */
typedef struct pico_sender_t pico_sender_t;

/**
 * The settings of a store. Used by one thread at a time.
 */
typedef struct pico_store_options_t pico_store_options_t;

/**
 * A file, or a database that several nodes share, that keeps what must not be lost. Thread-safe; one is enough for a
 * program.
 */
typedef struct pico_store_t pico_store_t;

/**
 * A list of edges of the product structure.
 */
typedef struct pico_sub_operations_t pico_sub_operations_t;

/**
 * A live stream. It connects again by itself until it ends, is closed or is freed. Thread-safe.
 */
typedef struct pico_subscription_t pico_subscription_t;

/**
 * A text of its own. Immutable; any thread.
 */
typedef struct pico_text_t pico_text_t;

/**
 * What a token provider answers with.
 */
typedef struct pico_token_answer_t pico_token_answer_t;

/**
 * Keeps a webhook registered. Thread-safe.
 */
typedef struct pico_webhook_keeper_t pico_webhook_keeper_t;

/**
 * A list of webhook registrations.
 */
typedef struct pico_webhooks_t pico_webhooks_t;

/**
 * Alpha. A file to upload. 0 and NULL in a field mean the default, except where a field says that it must be there.
 */
typedef struct {
    /**
     * sizeof(pico_alpha_upload_t).
     */
    uint32_t struct_size;
    /**
     * PICO_ALPHA_UPLOAD_*.
     */
    int32_t mode;
    /**
     * The file's path; must be there. It must not change while it is sent.
     */
    const char *path;
    /**
     * What it is for: stepImage (JPEG or PNG, 8 MB at most), stepVideo (MP4, 500 MB), stepVideoGif (GIF, 150 MB), or a name that
     * this library does not know. Must be there, unless ticket_json is.
     */
    const char *destination;
    /**
     * The ticket of an interrupted upload, to go on with it. The file must be the same, by length and SHA-256.
     */
    const char *ticket_json;
    /**
     * The name that Pico is told. NULL: the file's own.
     */
    const char *file_name;
    /**
     * Where to upload to; the token is sent there. NULL: /uploads at scheme, host and port of the client's endpoint.
     */
    const char *uploads_url;
    /**
     * A JSON object laid over the body that opens an upload in chunks, which Pico does not document; null leaves a field out.
     */
    const char *open_fields_json;
    /**
     * Bytes of a chunk. 0: 5,000,000. Pico does not say what it takes.
     */
    uint64_t chunk_bytes;
    /**
     * The most bytes the file may have. 0: what Pico documents for the destination. UINT64_MAX leaves it to Pico.
     */
    uint64_t max_bytes;
} pico_alpha_upload_t;

/**
 * Alpha. A function for the progress of an upload. The struct is copied.
 */
typedef struct {
    /**
     * Called on the thread that uploads, one call at a time.
     */
    pico_alpha_progress_fn call;
    /**
     * Called once, before pico_alpha_upload() returns PICO_OK; may be NULL. When that fails, user_data stays yours.
     */
    pico_drop_fn drop;
    /**
     * Handed to both.
     */
    void *user_data;
} pico_alpha_progress_callback_t;

/**
 * A function for the outcome of a call. The struct is copied.
 */
typedef struct {
    /**
     * Called exactly once.
     */
    pico_reply_fn call;
    /**
     * Called once, after it; may be NULL.
     */
    pico_drop_fn drop;
    /**
     * Handed to both.
     */
    void *user_data;
} pico_reply_callback_t;

/**
 * Which notes; matched by the library. NULL in a field means any.
 */
typedef struct {
    /**
     * sizeof(pico_note_filter_t).
     */
    uint32_t struct_size;
    /**
     * The note with this id, with each of its changes.
     */
    const char *id;
    /**
     * With this id in an outside ticket system.
     */
    const char *external_id;
} pico_note_filter_t;

/**
 * A function for the completions of a feed. The struct is copied.
 */
typedef struct {
    /**
     * Called for each completion, one at a time; what it returns is the answer: PICO_ACK and its like.
     */
    pico_delivery_fn call;
    /**
     * Called once at the end; may be NULL.
     */
    pico_drop_fn drop;
    /**
     * Handed to both.
     */
    void *user_data;
} pico_delivery_callback_t;

/**
 * A function for the notices of a feed. The struct is copied.
 */
typedef struct {
    /**
     * Called for each notice, in order, one at a time.
     */
    pico_notice_fn call;
    /**
     * Called once at the end; may be NULL.
     */
    pico_drop_fn drop;
    /**
     * Handed to both.
     */
    void *user_data;
} pico_notice_callback_t;

/**
 * Which completed orders. NULL in a field means any.
 */
typedef struct {
    /**
     * sizeof(pico_order_complete_filter_t).
     */
    uint32_t struct_size;
    /**
     * The unit, where by_order_index is not 0; matched by the library.
     */
    uint32_t order_index;
    /**
     * Of the operation with this id; sent to the server.
     */
    const char *operation_id;
    /**
     * Of this ERP order; matched by the library.
     */
    const char *external_order_id;
    /**
     * Not 0: only the unit order_index. 0: all units.
     */
    int32_t by_order_index;
} pico_order_complete_filter_t;

/**
 * How many completions are in which state.
 */
typedef struct {
    /**
     * sizeof(pico_inbox_counts_t); set it before the call.
     */
    uint32_t struct_size;
    /**
     * PICO_INBOX_READY.
     */
    uint64_t ready;
    /**
     * PICO_INBOX_HANDED_OUT.
     */
    uint64_t handed_out;
    /**
     * PICO_INBOX_WAITING.
     */
    uint64_t waiting;
    /**
     * PICO_INBOX_ACKED.
     */
    uint64_t acked;
    /**
     * PICO_INBOX_DEAD.
     */
    uint64_t dead;
    /**
     * PICO_INBOX_SKIPPED.
     */
    uint64_t skipped;
} pico_inbox_counts_t;

/**
 * A function for the log. The struct is copied.
 */
typedef struct {
    /**
     * Called for each line, one at a time.
     */
    pico_log_fn call;
    /**
     * Called once, after it was replaced or removed; may be NULL.
     */
    pico_drop_fn drop;
    /**
     * Handed to both.
     */
    void *user_data;
} pico_log_callback_t;

/**
 * A function that gives the token. The struct is copied.
 */
typedef struct {
    /**
     * Called before every request, also from several threads at once.
     */
    pico_token_fn call;
    /**
     * Called once, when the options and every client made from them are gone; may be NULL.
     */
    pico_drop_fn drop;
    /**
     * Handed to both.
     */
    void *user_data;
} pico_token_provider_t;

/**
 * An order to save. Pico knows an order by external_order_id, operation_id and order_index together:
 * saving the same three again updates it. For several units, save one order for each, with order_index 0,
 * 1, 2...
 */
typedef struct {
    /**
     * sizeof(pico_order_save_t).
     */
    uint32_t struct_size;
    /**
     * Which unit of the order, from 0.
     */
    uint32_t order_index;
    /**
     * What to build: the id of an operation.
     */
    const char *operation_id;
    /**
     * The ERP's order id. NULL makes a new order with every save, which is never retried; prefer an id.
     */
    const char *external_order_id;
    /**
     * The optional operations to include, by id; may be NULL.
     */
    const char *const *select_optional_operation_ids;
    /**
     * How many there are.
     */
    size_t select_optional_operation_ids_count;
    /**
     * Further fields of Pico's input as a JSON object, under their names there; may be NULL. Newer Picos take a
     * reserved serial and a second order id so, but do not document the names.
     */
    const char *extra_json;
} pico_order_save_t;

/**
 * An order to cancel. Only units that have not been started are.
 */
typedef struct {
    /**
     * sizeof(pico_order_cancel_t).
     */
    uint32_t struct_size;
    /**
     * Which unit, from 0; unless cancel_all.
     */
    uint32_t order_index;
    /**
     * What was to be built.
     */
    const char *operation_id;
    /**
     * The ERP's order id.
     */
    const char *external_order_id;
    /**
     * Not 0: all units. 0: the unit order_index.
     */
    int32_t cancel_all;
} pico_order_cancel_t;

/**
 * How many orders are in which state.
 */
typedef struct {
    /**
     * sizeof(pico_outbox_counts_t); set it before the call.
     */
    uint32_t struct_size;
    /**
     * PICO_OUTBOX_QUEUED.
     */
    uint64_t queued;
    /**
     * PICO_OUTBOX_SENDING.
     */
    uint64_t sending;
    /**
     * PICO_OUTBOX_WAITING.
     */
    uint64_t waiting;
    /**
     * PICO_OUTBOX_SENT.
     */
    uint64_t sent;
    /**
     * PICO_OUTBOX_FAILED.
     */
    uint64_t failed;
    /**
     * PICO_OUTBOX_SUPERSEDED.
     */
    uint64_t superseded;
    /**
     * PICO_OUTBOX_DROPPED.
     */
    uint64_t dropped;
} pico_outbox_counts_t;

/**
 * Which operations. NULL in a field means any.
 */
typedef struct {
    /**
     * sizeof(pico_operation_filter_t).
     */
    uint32_t struct_size;
    /**
     * The operation with this id of Pico's; sent to the server.
     */
    const char *id;
    /**
     * With this part number; matched by the library.
     */
    const char *external_id;
    /**
     * With this revision; matched by the library.
     */
    const char *external_revision;
} pico_operation_filter_t;

/**
 * Which edges of the product structure; matched by the library. NULL in a field means any.
 */
typedef struct {
    /**
     * sizeof(pico_sub_operation_filter_t).
     */
    uint32_t struct_size;
    /**
     * Below the operation with this id.
     */
    const char *parent_id;
    /**
     * To the operation with this id.
     */
    const char *sub_id;
} pico_sub_operation_filter_t;

/**
 * How many posts a receiver has answered, by what became of them.
 */
typedef struct {
    /**
     * sizeof(pico_receiver_counts_t); set it before the call.
     */
    uint32_t struct_size;
    /**
     * Posts that were stored.
     */
    uint64_t accepted;
    /**
     * Posts without a right secret.
     */
    uint64_t refused_by_secret;
    /**
     * Requests that could not be right: path, method, type, size, form.
     */
    uint64_t refused;
    /**
     * Posts that the store had no room for or failed on.
     */
    uint64_t unavailable;
    /**
     * Posts on which storing broke off.
     */
    uint64_t failed;
} pico_receiver_counts_t;

/**
 * How a sender sends. 0 in a field means the default.
 */
typedef struct {
    /**
     * sizeof(pico_sender_options_t).
     */
    uint32_t struct_size;
    /**
     * How many saves go into one request at most, 1 to 1000. Default 50; 1 sends each by itself.
     */
    size_t batch;
    /**
     * How many requests may be under way at once, 1 to 64. Default 4.
     */
    size_t concurrency;
} pico_sender_options_t;

/**
 * A function for the orders that a sender settles. The struct is copied.
 */
typedef struct {
    /**
     * Called for each order, in the order of settling, one at a time.
     */
    pico_settled_fn call;
    /**
     * Called once at the end; may be NULL.
     */
    pico_drop_fn drop;
    /**
     * Handed to both.
     */
    void *user_data;
} pico_settled_callback_t;

/**
 * The outcome of a function: PICO_OK or one of PICO_E_*. Numbers are grouped by hundred and never reused.
 */
typedef int32_t pico_status_t;

/**
 * A function for events. The struct is copied; it need not outlive the call that takes it.
 */
typedef struct {
    /**
     * Called for each event, in order, one at a time.
     */
    pico_event_fn call;
    /**
     * Called once at the end; may be NULL.
     */
    pico_drop_fn drop;
    /**
     * Handed to both.
     */
    void *user_data;
} pico_event_callback_t;

/**
 * A function for events by the batch. The struct is copied.
 */
typedef struct {
    /**
     * Called with one event or more, in order, one call at a time.
     */
    pico_events_fn call;
    /**
     * Called once at the end; may be NULL.
     */
    pico_drop_fn drop;
    /**
     * Handed to both.
     */
    void *user_data;
} pico_events_callback_t;

/**
 * A header's name and value.
 */
typedef struct {
    /**
     * The name.
     */
    const char *name;
    /**
     * The value.
     */
    const char *value;
} pico_header_t;

/**
 * A webhook to register.
 */
typedef struct {
    /**
     * sizeof(pico_webhook_subscribe_t).
     */
    uint32_t struct_size;
    /**
     * Your id for it: letters, digits, '-', '.', '_' and '~'.
     */
    const char *subscription_id;
    /**
     * One GraphQL fragment, such as "fragment Done on OperationOrderComplete { externalOrderId at }". Its
     * type picks the stream, its fields are the payload. NULL for completed orders with all that a feed reads.
     */
    const char *response_fragment;
    /**
     * Where Pico is to post to, http or https.
     */
    const char *webhook_url;
    /**
     * Headers that Pico sends with each post, such as a secret to know it by; may be NULL.
     */
    const pico_header_t *headers;
    /**
     * How many there are.
     */
    size_t headers_count;
} pico_webhook_subscribe_t;

/**
 * A serial, or on an operation the slot for one. Every text may be NULL.
 */
typedef struct {
    /**
     * Pico's identifier of the attribute.
     */
    const char *id;
    /**
     * The component's part number.
     */
    const char *external_id;
    /**
     * The serial; NULL on an operation, where it is not captured yet.
     */
    const char *value;
} pico_attribute_t;

/**
 * A product, a subassembly or a process: anything that can be ordered. What Pico did not send is NULL.
 * Newer versions of the library add fields at the end and say so in struct_size.
 */
typedef struct {
    /**
     * Size of this struct as the library knows it.
     */
    uint32_t struct_size;
    /**
     * Pico's identifier; what orders are saved with.
     */
    const char *id;
    /**
     * The part number.
     */
    const char *external_id;
    /**
     * The revision.
     */
    const char *external_revision;
    /**
     * The display name; never NULL.
     */
    const char *name;
    /**
     * The template it was made from.
     */
    const char *template_id;
    /**
     * The variant of the template.
     */
    const char *variant_name;
    /**
     * The serialised parts that the build needs.
     */
    const pico_attribute_t *consumed_serials;
    /**
     * How many there are.
     */
    size_t consumed_serials_count;
    /**
     * When it was last changed, RFC 3339 in UTC; never NULL.
     */
    const char *updated_at;
    /**
     * The same in milliseconds since 1970.
     */
    int64_t updated_at_ms;
    /**
     * When it was archived; NULL while it is in use.
     */
    const char *archived_at;
    /**
     * The same in milliseconds since 1970, or PICO_NO_TIME.
     */
    int64_t archived_at_ms;
    /**
     * The object as the server sent it; NUL-terminated.
     */
    const char *json;
    /**
     * Its length without the NUL.
     */
    size_t json_len;
    /**
     * The part number split at the bar character, where a newer Pico (generation G3) sent it; none of them is
     * NULL.
     */
    const char *const *external_codes;
    /**
     * How many there are; 0 also where Pico did not send it.
     */
    size_t external_codes_count;
} pico_operation_t;

/**
 * One edge of the product structure, from a parent operation to a child operation. What Pico did not send
 * is NULL.
 */
typedef struct {
    /**
     * Size of this struct as the library knows it.
     */
    uint32_t struct_size;
    /**
     * The id of the parent operation.
     */
    const char *parent_id;
    /**
     * The id of the child operation.
     */
    const char *sub_id;
    /**
     * The routing group. Pico does not say what it means; compare it, and no more.
     */
    const char *sub_group;
    /**
     * When the edge was last changed, RFC 3339 in UTC.
     */
    const char *updated_at;
    /**
     * The same in milliseconds since 1970, or PICO_NO_TIME.
     */
    int64_t updated_at_ms;
    /**
     * The object as the server sent it; NUL-terminated.
     */
    const char *json;
    /**
     * Its length without the NUL.
     */
    size_t json_len;
} pico_sub_operation_t;

/**
 * A completed order. What Pico did not send is NULL.
 */
typedef struct {
    /**
     * Size of this struct as the library knows it.
     */
    uint32_t struct_size;
    /**
     * Which unit of the order, from 0; -1 when Pico did not say.
     */
    int32_t order_index;
    /**
     * The ERP's order id; never NULL.
     */
    const char *external_order_id;
    /**
     * The id of the operation that was completed. With child orders this may be a part of what was ordered.
     */
    const char *operation_id;
    /**
     * Its part number.
     */
    const char *operation_external_id;
    /**
     * Its revision.
     */
    const char *operation_external_revision;
    /**
     * Its display name.
     */
    const char *operation_name;
    /**
     * When it was completed, RFC 3339 in UTC; never NULL.
     */
    const char *at;
    /**
     * The same in milliseconds since 1970.
     */
    int64_t at_ms;
    /**
     * When the first process was started.
     */
    const char *started_at;
    /**
     * The same in milliseconds since 1970, or PICO_NO_TIME.
     */
    int64_t started_at_ms;
    /**
     * The serials of the parts that were built in.
     */
    const pico_attribute_t *consumed_serials;
    /**
     * How many there are.
     */
    size_t consumed_serials_count;
    /**
     * The serial of the finished unit, when one was captured.
     */
    const char *produced_serial;
    /**
     * The object as the server sent it; NUL-terminated.
     */
    const char *json;
    /**
     * Its length without the NUL.
     */
    size_t json_len;
    /**
     * The serial that was reserved when ordering, where a newer Pico (generation G3) sent it.
     */
    const char *reserved_serial_number;
    /**
     * The second order id that was given when ordering, where a newer Pico (generation G3) sent it.
     */
    const char *secondary_external_order_id;
} pico_order_complete_t;

/**
 * An operator's note that is new or was changed. What Pico did not send is NULL.
 */
typedef struct {
    /**
     * Size of this struct as the library knows it.
     */
    uint32_t struct_size;
    /**
     * A running number.
     */
    int64_t seq;
    /**
     * When the note was made, RFC 3339 in UTC; never NULL.
     */
    const char *at;
    /**
     * The same in milliseconds since 1970.
     */
    int64_t at_ms;
    /**
     * The note's id.
     */
    const char *id;
    /**
     * The note's id in an outside ticket system.
     */
    const char *external_id;
    /**
     * What the operator wrote.
     */
    const char *text;
    /**
     * Whether it is new or changed; Pico does not list the values.
     */
    const char *event_type;
    /**
     * Further detail, as JSON, in a form Pico does not describe.
     */
    const char *metadata_json;
    /**
     * URL paths of pictures; none of them is NULL.
     */
    const char *const *images;
    /**
     * How many there are.
     */
    size_t images_count;
    /**
     * The object as the server sent it; NUL-terminated.
     */
    const char *json;
    /**
     * Its length without the NUL.
     */
    size_t json_len;
} pico_note_t;

/**
 * One webhook registration. Pico never gives back the headers. What it did not send is NULL.
 */
typedef struct {
    /**
     * Size of this struct as the library knows it.
     */
    uint32_t struct_size;
    /**
     * The id the caller chose.
     */
    const char *subscription_id;
    /**
     * The fragment that picks the stream and the payload's fields.
     */
    const char *response_fragment;
    /**
     * Where Pico posts to.
     */
    const char *webhook_url;
    /**
     * When it was registered, RFC 3339 in UTC.
     */
    const char *created_at;
    /**
     * The same in milliseconds since 1970, or PICO_NO_TIME.
     */
    int64_t created_at_ms;
    /**
     * When Pico last had an event for it.
     */
    const char *last_event_at;
    /**
     * The same in milliseconds since 1970, or PICO_NO_TIME.
     */
    int64_t last_event_at_ms;
    /**
     * The object as the server sent it; NUL-terminated.
     */
    const char *json;
    /**
     * Its length without the NUL.
     */
    size_t json_len;
} pico_webhook_t;

/**
 * Success.
 */
#define PICO_OK 0

/**
 * A setting or an argument is wrong; the message names it. Nothing was sent.
 */
#define PICO_E_INVALID_ARGUMENT 100

/**
 * A pointer that must not be NULL was NULL; the message names it.
 */
#define PICO_E_NULL_POINTER 101

/**
 * A text that must be UTF-8 was not.
 */
#define PICO_E_INVALID_UTF8 102

/**
 * A function that waits was called from inside a callback.
 */
#define PICO_E_REENTRANT 103

/**
 * The process was forked after the library was first used.
 */
#define PICO_E_FORKED 104

/**
 * The client, the subscription, the store or the feed is closed.
 */
#define PICO_E_CLOSED 105

/**
 * Not done in time.
 */
#define PICO_E_TIMEOUT 200

/**
 * Cancelled by pico_call_cancel().
 */
#define PICO_E_CANCELLED 201

/**
 * No connection: refused, unreachable, or reset before it was up.
 */
#define PICO_E_CONNECT 300

/**
 * The host name could not be resolved.
 */
#define PICO_E_DNS 301

/**
 * The TLS handshake failed, most often because the certificate is not trusted.
 */
#define PICO_E_TLS 302

/**
 * The proxy could not be reached or refused the connection.
 */
#define PICO_E_PROXY 303

/**
 * The connection broke before the reply was whole.
 */
#define PICO_E_CONNECTION_LOST 304

/**
 * An HTTP status that is neither a success nor a GraphQL reply.
 */
#define PICO_E_HTTP_STATUS 400

/**
 * The server refused the token.
 */
#define PICO_E_UNAUTHORIZED 401

/**
 * The server asks to slow down (HTTP 429).
 */
#define PICO_E_RATE_LIMITED 402

/**
 * The reply is not JSON; pico_error_body_start() has its first bytes.
 */
#define PICO_E_NOT_JSON 403

/**
 * The reply, or one event, is larger than the limit.
 */
#define PICO_E_TOO_LARGE 404

/**
 * The reply is JSON, but not of the form that was expected.
 */
#define PICO_E_DECODE 405

/**
 * The server answered with GraphQL errors; see pico_error_graphql_errors_json().
 */
#define PICO_E_GRAPHQL 500

/**
 * The store could not be opened, read or written; the message has the path and the reason.
 */
#define PICO_E_STORE 600

/**
 * The disk of the store is full. Nothing that was confirmed is lost; what was not is not in the store.
 */
#define PICO_E_STORE_FULL 601

/**
 * The store, or the folder it lies in, may not be written.
 */
#define PICO_E_STORE_READ_ONLY 602

/**
 * Another process, or another feed of this one, works on the store already.
 */
#define PICO_E_STORE_IN_USE 603

/**
 * The file of the store is damaged, or is no store. It is left as it is: pico_store_set_aside().
 */
#define PICO_E_STORE_DAMAGED 604

/**
 * The store was written by a newer version of this library.
 */
#define PICO_E_STORE_VERSION 605

/**
 * What was handed out to this process was handed out to another since: it was not heard of for too long, or did not
 * answer in time. What the other does counts.
 */
#define PICO_E_LEASE_LOST 606

/**
 * Something failed inside the library or the operating system.
 */
#define PICO_E_INTERNAL 900

/**
 * A bug in the library that was caught at its border; please report the message.
 */
#define PICO_E_PANIC 901

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Alpha: Pico may change this API. Uploads a file for a step of a work instruction; *path receives where it is, a path of the
 * Pico instance, as a text of your own. Size and format (by the first bytes) are checked before anything is sent, and
 * PICO_E_INVALID_ARGUMENT names what is wrong. The file is read as it is sent. An upload in one request is tried again only
 * when it certainly never reached Pico, a chunk by the client's settings: that a chunk may be sent twice is an assumption.
 * `progress` (may be NULL) is called on this thread with the bytes sent, which go back when something is sent again, and for
 * an upload in chunks with the ticket as of what Pico has confirmed: keep the newest, and pass it as ticket_json to go on
 * after a failure, pico_call_cancel() or a crash, in any process. `call` may be NULL. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_alpha_upload(const pico_client_t *client,
                                          const pico_alpha_upload_t *upload,
                                          const pico_alpha_progress_callback_t *progress,
                                          const pico_call_t *call,
                                          pico_text_t **path,
                                          pico_error_t **error);

/**
 * Alpha: Pico may change this API. Creates a process with its steps, or OVERWRITES it, edits made in Pico's own user interface
 * included. `input_json` is the input, `json_length` bytes of an object such as {"process": {"id": "assembly_step_1", "name":
 * "Main assembly", "steps": [{"id": "step_1", "name": "Cover", "instructionText": {"text": "Fit it."}, "actions": [{"id":
 * "action_1", "description": {"text": "fitted"}}]}]}}; fields that Pico takes and does not document are sent as they are. Every
 * id must have 3 to 50 letters a to z (in any case), digits and underscores: PICO_E_INVALID_ARGUMENT names the place of one
 * that has not, such as process.steps[2].actions[0].id, and nothing is sent. *result (may be NULL) receives what the server
 * gave, a JSON value that Pico does not document, as a text of your own. Retried, since doing it twice is the same. `call` may
 * be NULL. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_alpha_process_create(const pico_client_t *client,
                                                  const char *input_json,
                                                  size_t json_length,
                                                  const pico_call_t *call,
                                                  pico_text_t **result,
                                                  pico_error_t **error);

/**
 * Alpha: Pico may change this API. As pico_alpha_process_create(), for a product; it OVERWRITES as that does. Pico documents
 * nothing of the input, which is sent as it is. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_alpha_product_create(const pico_client_t *client,
                                                  const char *input_json,
                                                  size_t json_length,
                                                  const pico_call_t *call,
                                                  pico_text_t **result,
                                                  pico_error_t **error);

/**
 * Alpha: Pico may change this API. As pico_alpha_process_create(), for a station; it OVERWRITES as that does. Pico documents
 * nothing of the input, which is sent as it is. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_alpha_station_create(const pico_client_t *client,
                                                  const char *input_json,
                                                  size_t json_length,
                                                  const pico_call_t *call,
                                                  pico_text_t **result,
                                                  pico_error_t **error);

/**
 * Makes a control without a time limit.
 */
PICO_API pico_status_t PICO_CALL pico_call_new(pico_call_t **call, pico_error_t **error);

/**
 * Limits the whole of each call that begins from now on, its retries included: PICO_E_TIMEOUT after that.
 * Negative means no limit.
 */
PICO_API
pico_status_t PICO_CALL pico_call_set_timeout_ms(const pico_call_t *call,
                                                 int64_t timeout_ms,
                                                 pico_error_t **error);

/**
 * Cancels the calls that were given this control, those that wait now and all later ones:
 * PICO_E_CANCELLED. Whether the server has carried out what was sent is not known then. Does not wait; any
 * thread, callbacks included.
 */
PICO_API pico_status_t PICO_CALL pico_call_cancel(const pico_call_t *call, pico_error_t **error);

/**
 * Frees the control. Asynchronous calls that were given it go on.
 */
PICO_API void PICO_CALL pico_call_free(pico_call_t *call);

/**
 * Starts to keep a copy of Pico's operations in the store: by the stream of operations, and by the whole list, which is
 * read now, after each interruption of the stream, and every refresh_every_ms; 0 means the default of 10 minutes. It
 * does not wait for Pico: see pico_catalogue_ready(). Lookups ask the copy only, so they are quick, and work while Pico is
 * away. PICO_E_STORE_IN_USE while another catalogue is kept on the store, in this process or another. Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_catalogue_start(const pico_client_t *client,
                                             const pico_store_t *store,
                                             int64_t refresh_every_ms,
                                             pico_catalogue_t **catalogue,
                                             pico_error_t **error);

/**
 * Makes a catalogue that is only read: another process keeps it, or none does. Never waits.
 */
PICO_API
pico_status_t PICO_CALL pico_catalogue_offline(const pico_store_t *store,
                                               pico_catalogue_t **catalogue,
                                               pico_error_t **error);

/**
 * Waits until the store holds a whole list of operations, one from an earlier run or the first of this, as long as
 * `call` (may be NULL) allows. PICO_E_CLOSED when there is none and nobody here will read one. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_catalogue_ready(const pico_catalogue_t *catalogue,
                                             const pico_call_t *call,
                                             pico_error_t **error);

/**
 * Finds the operation with an id as a JSON object with "operation" (as Pico sent it), "codes" (what
 * pico_catalogue_by_code() finds it by), "unlisted" (since when Pico does not list it any more; null while it does) and
 * "usable" (whether it can be ordered: listed, and not archived); null when there is none. Free the text with
 * pico_text_free(). Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_catalogue_by_id_json(const pico_catalogue_t *catalogue,
                                                  const char *id,
                                                  pico_text_t **json,
                                                  pico_error_t **error);

/**
 * Finds all operations with a part number, and with a revision where that is not NULL, those that are archived or no
 * longer listed included (pico_catalogue_by_id_json() tells which). Blanks around either do not count. Free the list with
 * pico_operations_free(). Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_catalogue_by_part(const pico_catalogue_t *catalogue,
                                               const char *part_number,
                                               const char *revision,
                                               pico_operations_t **list,
                                               pico_error_t **error);

/**
 * Finds all operations with a code: one of those that Pico sends, or else one of the pieces of the part number between
 * bars (|). All else as pico_catalogue_by_part(). Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_catalogue_by_code(const pico_catalogue_t *catalogue,
                                               const char *code,
                                               pico_operations_t **list,
                                               pico_error_t **error);

/**
 * Tells how current the catalogue is, as a JSON object with "lastList" (the last whole list: "at", "count",
 * "unreadable"; null before the first), "stream" (an object with "state"), "lastError" (what failed since the last list)
 * and "revision" (grows with each change in this process); what is absent is null. Free the text with pico_text_free().
 * Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_catalogue_status_json(const pico_catalogue_t *catalogue,
                                                   pico_text_t **json,
                                                   pico_error_t **error);

/**
 * Gives the id of the one operation that a part number means, and a revision where that is not NULL, for
 * pico_order_save_t. PICO_E_INVALID_ARGUMENT when none, several, or only ones that are archived or no longer listed are
 * meant; the message says which, and names part_number or revision. Free the text with pico_text_free(). Waits for the
 * disk.
 */
PICO_API
pico_status_t PICO_CALL pico_catalogue_operation_id(const pico_catalogue_t *catalogue,
                                                    const char *part_number,
                                                    const char *revision,
                                                    pico_text_t **operation_id,
                                                    pico_error_t **error);

/**
 * Queues an order to be saved for the operation that a part number means, and a revision where that is not NULL: as
 * pico_catalogue_operation_id() and then pico_outbox_save(), whose failures it has. Asks the copy only, so it works while
 * Pico is away; what is queued keeps the operation that was found now. `select_optional_operation_ids` are so many ids
 * of optional operations to include, or NULL; `request_id` and `id` may be NULL. Waits for the disk, not for Pico.
 */
PICO_API
pico_status_t PICO_CALL pico_outbox_save_by_part(const pico_store_t *store,
                                                 const pico_catalogue_t *catalogue,
                                                 const char *external_order_id,
                                                 const char *part_number,
                                                 const char *revision,
                                                 uint32_t order_index,
                                                 const char *const *select_optional_operation_ids,
                                                 size_t select_optional_operation_ids_count,
                                                 const char *request_id,
                                                 int64_t *id,
                                                 pico_error_t **error);

/**
 * Stops keeping the catalogue, and waits until another may, which is at once. Lookups go on to work. It must still be
 * freed. Waits: it must not be called from a callback.
 */
PICO_API
pico_status_t PICO_CALL pico_catalogue_close(const pico_catalogue_t *catalogue,
                                             pico_error_t **error);

/**
 * Frees the catalogue, which is not kept any more then; the copy stays in the store. Never waits; any thread.
 */
PICO_API void PICO_CALL pico_catalogue_free(pico_catalogue_t *catalogue);

/**
 * Makes a client. Nothing is sent; the settings are checked, and PICO_E_INVALID_ARGUMENT names the one
 * that is wrong. The options stay yours and may be used again.
 */
PICO_API
pico_status_t PICO_CALL pico_client_new(const pico_options_t *options,
                                        pico_client_t **client,
                                        pico_error_t **error);

/**
 * Makes a client with the endpoint of PICO_API_ENDPOINT, the token of PICO_API_TOKEN, and defaults.
 */
PICO_API pico_status_t PICO_CALL pico_client_from_environment(pico_client_t **client, pico_error_t **error);

/**
 * The URL that requests go to; with PICO_GENERATION_AUTO and an endpoint without a path, the one that is
 * tried first. Lives as long as the client. NULL for NULL.
 */
PICO_API const char *PICO_CALL pico_client_endpoint(const pico_client_t *client);

/**
 * Closes the client for good: calls that wait in other threads end with PICO_E_CLOSED, its subscriptions,
 * feeds, senders and asynchronous calls end, its catalogues are not kept any more, and this function waits, timeout_ms at most (negative: for ever), until
 * their callbacks and drops have returned. PICO_E_TIMEOUT when one has not; it may be called again to wait
 * on. The client must still be freed. This function waits: it must not be called from a callback.
 */
PICO_API
pico_status_t PICO_CALL pico_client_close(const pico_client_t *client,
                                          int64_t timeout_ms,
                                          pico_error_t **error);

/**
 * Frees the client. Never waits. Subscriptions, feeds, senders, catalogues and asynchronous calls go on by themselves;
 * pico_client_close() first ends them.
 */
PICO_API
void PICO_CALL pico_client_free(pico_client_t *client);

/**
 * The completed order. Lives as long as the delivery. NULL for NULL, and for a delivery of a note.
 */
PICO_API const pico_order_complete_t *PICO_CALL pico_delivery_completion(const pico_delivery_t *delivery);

/**
 * The note, as it was at this event, of a feed of notes. Lives as long as the delivery. NULL for NULL, and for a delivery of
 * a completion.
 */
PICO_API
const pico_note_t *PICO_CALL pico_delivery_note(const pico_delivery_t *delivery);

/**
 * The completed order, or the note, as Pico sent it. `length` (may be NULL) receives the length without the NUL. Lives as
 * long as the delivery. NULL for NULL.
 */
PICO_API
const char *PICO_CALL pico_delivery_json(const pico_delivery_t *delivery,
                                         size_t *length);

/**
 * A text that stands for this completion in this and every other store, the same however often it is handed out:
 * book by it, so that booking twice does no harm. Lives as long as the delivery. NULL for NULL.
 */
PICO_API
const char *PICO_CALL pico_delivery_key(const pico_delivery_t *delivery);

/**
 * The name of the plant that it is of; "" where the store is used without plants. Lives as long as the delivery. NULL for
 * NULL.
 */
PICO_API
const char *PICO_CALL pico_delivery_plant(const pico_delivery_t *delivery);

/**
 * Its number in the store's inbox, 1 or more; 0 for NULL.
 */
PICO_API int64_t PICO_CALL pico_delivery_id(const pico_delivery_t *delivery);

/**
 * How often it has been handed out, this time included. Above 1, an earlier time may have booked it. 0 for NULL.
 */
PICO_API
uint32_t PICO_CALL pico_delivery_attempt(const pico_delivery_t *delivery);

/**
 * How it came in first: PICO_SOURCE_*. 0 for NULL.
 */
PICO_API int32_t PICO_CALL pico_delivery_source(const pico_delivery_t *delivery);

/**
 * When it came in, RFC 3339 in UTC. Lives as long as the delivery. NULL for NULL.
 */
PICO_API const char *PICO_CALL pico_delivery_arrived(const pico_delivery_t *delivery);

/**
 * The same in milliseconds since 1970. PICO_NO_TIME for NULL.
 */
PICO_API int64_t PICO_CALL pico_delivery_arrived_ms(const pico_delivery_t *delivery);

/**
 * Says that the completion is booked. On PICO_OK that is on disk, and it is never handed out again. `call` may be
 * NULL; PICO_E_TIMEOUT and PICO_E_CANCELLED end the wait only: the answer is still stored. A delivery is answered
 * once: PICO_E_INVALID_ARGUMENT after that. When the store refuses it is handed out again. PICO_E_LEASE_LOST when it was
 * handed out to somebody else meanwhile, whose answer counts: the feed was closed, the node was not heard of for too
 * long, or the time of pico_feed_options_set_visible_ms() was over. Frees nothing. Waits: inside a callback, return PICO_ACK instead.
 */
PICO_API
pico_status_t PICO_CALL pico_delivery_ack(const pico_delivery_t *delivery,
                                          const pico_call_t *call,
                                          pico_error_t **error);

/**
 * Asks for the completion again: after wait_ms, or, when that is negative, after a wait that grows with each
 * attempt. `reason` (may be NULL) is kept for whoever looks at the inbox. At the feed's limit of attempts it
 * becomes a dead letter. All else as pico_delivery_ack(). Waits: inside a callback, return PICO_RETRY instead.
 */
PICO_API
pico_status_t PICO_CALL pico_delivery_retry(const pico_delivery_t *delivery,
                                            int64_t wait_ms,
                                            const char *reason,
                                            const pico_call_t *call,
                                            pico_error_t **error);

/**
 * Says that trying again would be of no use: the completion becomes a dead letter, kept with the reason (may be
 * NULL), and can be replayed by pico_inbox_replay(). All else as pico_delivery_ack(). Waits: inside a callback,
 * return PICO_REJECT instead.
 */
PICO_API
pico_status_t PICO_CALL pico_delivery_reject(const pico_delivery_t *delivery,
                                             const char *reason,
                                             const pico_call_t *call,
                                             pico_error_t **error);

/**
 * Asks for more time, where several nodes share the store: the completion is not handed out to another for visible_ms
 * from now on. `call` may be NULL. PICO_E_LEASE_LOST when another has it already; PICO_E_INVALID_ARGUMENT when it has been
 * answered. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_delivery_extend(const pico_delivery_t *delivery,
                                             int64_t visible_ms,
                                             const pico_call_t *call,
                                             pico_error_t **error);

/**
 * Inside a callback: chooses after how many milliseconds the completion comes again, and why (may be NULL), when
 * the callback then returns PICO_RETRY. Returns at once.
 */
PICO_API
pico_status_t PICO_CALL pico_delivery_retry_after(const pico_delivery_t *delivery,
                                                  int64_t wait_ms,
                                                  const char *reason,
                                                  pico_error_t **error);

/**
 * Inside a callback: says why, for whoever looks at the inbox, when the callback then returns PICO_RETRY or
 * PICO_REJECT. Returns at once.
 */
PICO_API
pico_status_t PICO_CALL pico_delivery_set_reason(const pico_delivery_t *delivery,
                                                 const char *reason,
                                                 pico_error_t **error);

/**
 * Keeps a delivery beyond the callback, which then returns PICO_LATER: returns another handle of it, which is
 * yours to answer and to free. NULL for NULL.
 */
PICO_API pico_delivery_t *PICO_CALL pico_delivery_retain(const pico_delivery_t *delivery);

/**
 * Frees a delivery that pico_feed_next(), pico_plants_next() or pico_delivery_retain() gave; not one that a callback was lent. When its
 * last handle is gone without an answer, the completion is handed out again. Never waits; any thread.
 */
PICO_API
void PICO_CALL pico_delivery_free(pico_delivery_t *delivery);

/**
 * The status that the function returned; PICO_OK for NULL.
 */
PICO_API pico_status_t PICO_CALL pico_error_status(const pico_error_t *error);

/**
 * What went wrong and why, for a person, in lower case. It never holds a token or a secret. NULL for NULL.
 */
PICO_API const char *PICO_CALL pico_error_message(const pico_error_t *error);

/**
 * The HTTP status of the reply, 0 when there was none.
 */
PICO_API int32_t PICO_CALL pico_error_http_status(const pico_error_t *error);

/**
 * The entries of a GraphQL reply's "errors" as a JSON list, as the server sent them. NULL when there were
 * none.
 */
PICO_API const char *PICO_CALL pico_error_graphql_errors_json(const pico_error_t *error);

/**
 * The "data" that came with GraphQL errors, as JSON. NULL when there was none.
 */
PICO_API const char *PICO_CALL pico_error_data_json(const pico_error_t *error);

/**
 * The first bytes, 512 at most, of a body that was not what it should be, with what is not UTF-8 replaced.
 * NULL when there was none.
 */
PICO_API const char *PICO_CALL pico_error_body_start(const pico_error_t *error);

/**
 * The id of the trace that the failed request was sent under, 32 hexadecimal digits, where
 * pico_options_set_trace_context() asked for one; otherwise NULL.
 */
PICO_API const char *PICO_CALL pico_error_trace_id(const pico_error_t *error);

/**
 * 1 when the cause may pass, so that the same call may succeed later, else 0. That says nothing of whether
 * the server has carried it out already: repeat a mutation only where repeating does no harm.
 */
PICO_API int32_t PICO_CALL pico_error_retryable(const pico_error_t *error);

/**
 * How many milliseconds the server asked to wait (Retry-After), -1 when it did not.
 */
PICO_API int64_t PICO_CALL pico_error_retry_after_ms(const pico_error_t *error);

/**
 * Frees an error that a function gave. Not for those of pico_event_error(), which belong to their event.
 */
PICO_API void PICO_CALL pico_error_free(pico_error_t *error);

/**
 * What the event is: PICO_EVENT_*. 0 for NULL.
 */
PICO_API int32_t PICO_CALL pico_event_kind(const pico_event_t *event);

/**
 * The event's object as the server sent it; NULL where the event is not about one. `length` (may be NULL)
 * receives the length without the NUL. Lives as long as the event.
 */
PICO_API const char *PICO_CALL pico_event_json(const pico_event_t *event, size_t *length);

/**
 * The operation; NULL when the event is something else. Lives as long as the event.
 */
PICO_API const pico_operation_t *PICO_CALL pico_event_operation(const pico_event_t *event);

/**
 * The edge of the product structure; NULL when the event is something else. Lives as long as the event.
 */
PICO_API const pico_sub_operation_t *PICO_CALL pico_event_sub_operation(const pico_event_t *event);

/**
 * The completed order; NULL when the event is something else. Lives as long as the event.
 */
PICO_API const pico_order_complete_t *PICO_CALL pico_event_order_complete(const pico_event_t *event);

/**
 * The note; NULL when the event is something else. Lives as long as the event.
 */
PICO_API const pico_note_t *PICO_CALL pico_event_note(const pico_event_t *event);

/**
 * The error of a problem, of an end that was not the server's own, of a lost connection, or of a way that did
 * not do; else NULL. It belongs to the event and lives as long.
 */
PICO_API const pico_error_t *PICO_CALL pico_event_error(const pico_event_t *event);

/**
 * The state of the connection: PICO_STATE_*; 0 when the event is something else.
 */
PICO_API int32_t PICO_CALL pico_event_state(const pico_event_t *event);

/**
 * Which way the stream goes, with PICO_STATE_CONNECTING, PICO_STATE_OPEN and PICO_STATE_SWITCHED:
 * PICO_TRANSPORT_*, never PICO_TRANSPORT_AUTO. Else 0.
 */
PICO_API int32_t PICO_CALL pico_event_transport(const pico_event_t *event);

/**
 * With PICO_STATE_OPEN after a lost connection: for how many milliseconds nothing was heard. Events of
 * that time are lost to the stream, since Pico does not send them again; the queries still list them. Else
 * -1.
 */
PICO_API int64_t PICO_CALL pico_event_gap_ms(const pico_event_t *event);

/**
 * With PICO_STATE_RETRYING: how many milliseconds until the next try. Else -1.
 */
PICO_API int64_t PICO_CALL pico_event_retry_delay_ms(const pico_event_t *event);

/**
 * With PICO_STATE_RETRYING: how many times in a row the connection has failed. Else 0.
 */
PICO_API uint32_t PICO_CALL pico_event_failures(const pico_event_t *event);

/**
 * With PICO_EVENT_DROPPED: how many events were lost. Else 0.
 */
PICO_API uint64_t PICO_CALL pico_event_dropped_count(const pico_event_t *event);

/**
 * Keeps an event beyond the callback: returns another handle of it, which is yours to free. NULL for NULL.
 */
PICO_API pico_event_t *PICO_CALL pico_event_retain(const pico_event_t *event);

/**
 * Frees an event that pico_subscription_next(), pico_subscription_next_batch() or pico_event_retain() gave;
 * not one that a callback was lent.
 */
PICO_API void PICO_CALL pico_event_free(pico_event_t *event);

/**
 * Sends any query or mutation and gives the reply as it is; GraphQL errors are part of it, and no failure,
 * unless they say that the token was refused. `variables_json` is a JSON object, or NULL with length 0;
 * `operation_name` may be NULL where the document holds one operation; `call` may be NULL. Queries are
 * retried, mutations are not. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_client_execute(const pico_client_t *client,
                                            const char *query,
                                            size_t query_len,
                                            const char *variables_json,
                                            size_t variables_json_len,
                                            const char *operation_name,
                                            const pico_call_t *call,
                                            pico_reply_t **reply,
                                            pico_error_t **error);

/**
 * The same without waiting: on PICO_OK the library owns user_data, and calls the function once with the
 * outcome, also when the call is cancelled or the client is closed. May be called from a callback.
 */
PICO_API
pico_status_t PICO_CALL pico_client_execute_async(const pico_client_t *client,
                                                  const char *query,
                                                  size_t query_len,
                                                  const char *variables_json,
                                                  size_t variables_json_len,
                                                  const char *operation_name,
                                                  const pico_call_t *call,
                                                  const pico_reply_callback_t *callback,
                                                  pico_error_t **error);

/**
 * Starts a feed: from now on every completion of the client's Pico goes into the store, from a live stream, from
 * webhooks (pico_receiver_start()), and from a query that asks for what these missed; and each is handed out until
 * it is acknowledged, by pico_feed_deliver() or pico_feed_next(). Completions of one unit come in the order of
 * their times, one after the other is answered. `options` may be NULL for defaults; they stay yours.
 * PICO_E_STORE_IN_USE while another feed runs on the store, in this process or another. Failures to connect are
 * notices, not failures of this function. Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_start(const pico_client_t *client,
                                        const pico_store_t *store,
                                        const pico_feed_options_t *options,
                                        pico_feed_t **feed,
                                        pico_error_t **error);

/**
 * Starts a feed of operators' notes (generation G3), each change of one by itself. It is as one of completions, which may
 * run beside it on the same store, but that notes come by the stream and the query only: there are no webhooks of them.
 * Changes of one note come in the order of their times. pico_delivery_note() is the note, and pico_store_notes() gives
 * what the inbox functions take. `filter` may be NULL for all notes, and `options` for defaults;
 * PICO_E_INVALID_ARGUMENT when these narrow completions by pico_feed_options_set_filter(). All else as
 * pico_feed_start(). Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_start_notes(const pico_client_t *client,
                                              const pico_store_t *store,
                                              const pico_note_filter_t *filter,
                                              const pico_feed_options_t *options,
                                              pico_feed_t **feed,
                                              pico_error_t **error);

/**
 * Waits until nothing that happens from now on can be missed: the live stream is open, and the catch-up query is
 * through for the first time. Failures that may pass are waited out; `call` (may be NULL) limits the wait.
 * PICO_E_CLOSED when the feed is closed. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_opened(const pico_feed_t *feed,
                                         const pico_call_t *call,
                                         pico_error_t **error);

/**
 * Takes the next completion of a feed without a callback; answer it by pico_delivery_ack() and its like, then free it
 * with pico_delivery_free(). Waits for one, as long as `call` (may be NULL) allows: PICO_E_TIMEOUT when there was
 * none; give it some milliseconds at least, since even one that is there is read from the disk. PICO_E_CLOSED after
 * the end; what no waiting mends, such as PICO_E_STORE_DAMAGED. Several threads may take; each completion goes
 * to one of them. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_next(const pico_feed_t *feed,
                                       const pico_call_t *call,
                                       pico_delivery_t **delivery,
                                       pico_error_t **error);

/**
 * Delivers the completions of a feed to a function, whose return value answers: PICO_ACK, PICO_RETRY, PICO_REJECT
 * or PICO_LATER; anything else counts as PICO_RETRY. The answer is on disk before the next call. On PICO_OK the
 * library owns user_data; calls come one at a time and in order, on threads that may block, and `drop` is called
 * once, after the last: when the feed is closed or freed, or when the store fails for good, which a notice tells.
 * Never waits; any thread.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_deliver(const pico_feed_t *feed,
                                          const pico_delivery_callback_t *callback,
                                          pico_error_t **error);

/**
 * Tells what happens to the feed from now on to a function, as a text for people and as JSON: an object with "notice",
 * which is part, stream, problem, caught_up, catch_up_failed, dead_letter, store or webhook, with "text", and with what
 * belongs to it. None of it loses a completion. Once for each feed. A function that is far behind misses the oldest.
 * On PICO_OK the library owns user_data; `drop` is called once, after the feed has ended. Never waits; any thread.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_on_notice(const pico_feed_t *feed,
                                            const pico_notice_callback_t *callback,
                                            pico_error_t **error);

/**
 * Asks Pico now for what the live sources missed. Returns at once; a notice tells when it is through.
 */
PICO_API pico_status_t PICO_CALL pico_feed_catch_up(const pico_feed_t *feed, pico_error_t **error);

/**
 * Tells where the feed stands, as a JSON object with "inbox" (counts by state), "watermarks" (by source), "part" ("live"
 * or "standby") and "liveNode" (the node that has the live source when another has), "stream" (the connection), "caughtUp" (the last query that was through), "catchUpError" and "storeError"; what is absent is
 * null. Free the text with pico_text_free(). Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_status_json(const pico_feed_t *feed,
                                              pico_text_t **json,
                                              pico_error_t **error);

/**
 * Ends the feed: nothing more is taken in or handed out. Waits, grace_ms at most (negative: for ever), until the
 * completions that were handed out are answered or freed, and until calls that are under way and every `drop` have
 * returned. PICO_E_TIMEOUT when a callback or its drop had not by then; it may be called again to wait on. What is
 * not answered is handed out by the next feed on this store. The feed must still be freed. Waits: it must not be
 * called from a callback.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_close(const pico_feed_t *feed,
                                        int64_t grace_ms,
                                        pico_error_t **error);

/**
 * Frees the feed, ending it without waiting: a call that is under way is finished and its answer stored, `drop`
 * follows; deliveries that are out can still be answered. Another feed may be started on the store at once. Never
 * waits; any thread, its own callbacks included.
 */
PICO_API
void PICO_CALL pico_feed_free(pico_feed_t *feed);

/**
 * Makes settings with nothing but defaults in *options.
 */
PICO_API pico_status_t PICO_CALL pico_feed_options_new(pico_feed_options_t **options, pico_error_t **error);

/**
 * Frees the settings. Feeds started with them are not touched.
 */
PICO_API void PICO_CALL pico_feed_options_free(pico_feed_options_t *options);

/**
 * Narrows the feed to some completions; what does not fit is not stored. NULL for all, the default.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_options_set_filter(pico_feed_options_t *options,
                                                     const pico_order_complete_filter_t *filter,
                                                     pico_error_t **error);

/**
 * Which of the completions from before the feed are handed out: PICO_START_*. It counts only until the first
 * catch-up of a store is through. `since`, RFC 3339, is for PICO_START_SINCE, else NULL.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_options_set_start(pico_feed_options_t *options,
                                                    int32_t start,
                                                    const char *since,
                                                    pico_error_t **error);

/**
 * Not 0: holds a live stream, as the client's options say; the default. 0: webhooks and the catch-up query only.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_options_set_live(pico_feed_options_t *options,
                                                   int32_t live,
                                                   pico_error_t **error);

/**
 * How often to ask Pico for what the live sources missed, besides at the start and after each reconnect; 1000
 * or more. Default 10 minutes.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_options_set_catch_up_every_ms(pico_feed_options_t *options,
                                                                int64_t every_ms,
                                                                pico_error_t **error);

/**
 * Where Pico can list by time: how far before the last catch-up to begin, for completions that Pico gets to know
 * late or dates back. Default 24 hours.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_options_set_catch_up_overlap_ms(pico_feed_options_t *options,
                                                                  int64_t overlap_ms,
                                                                  pico_error_t **error);

/**
 * The wait before a completion is handed out again, where the consumer names none: from base_ms, doubled with each
 * time, to cap_ms. Default 1 s to 1 hour.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_options_set_backoff_ms(pico_feed_options_t *options,
                                                         int64_t base_ms,
                                                         int64_t cap_ms,
                                                         pico_error_t **error);

/**
 * Where several nodes share the store: how long a completion may be in a consumer's hands before it is handed out to
 * another, because this one seems to hang; 1000 or more. pico_delivery_extend() asks for more. Default 15 minutes. No
 * meaning for a file: there nothing is handed out again while its consumer lives.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_options_set_visible_ms(pico_feed_options_t *options,
                                                         int64_t visible_ms,
                                                         pico_error_t **error);

/**
 * How often a completion is handed out before it becomes a dead letter, 1 or more. Default 50, which with the
 * default waits is more than a day.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_options_set_max_attempts(pico_feed_options_t *options,
                                                           uint32_t attempts,
                                                           pico_error_t **error);

/**
 * The generation that this client speaks: PICO_GENERATION_G2 or PICO_GENERATION_G3. With
 * PICO_GENERATION_AUTO it is found out from the server, once, and this function waits for that; else it is
 * the one that was set. Where the server cannot be made out it is PICO_GENERATION_G2, with which a newer
 * server works too. `call` may be NULL for no control.
 */
PICO_API
pico_status_t PICO_CALL pico_client_generation(const pico_client_t *client,
                                               const pico_call_t *call,
                                               int32_t *generation,
                                               pico_error_t **error);

/**
 * Queues all orders of a file: CSV with a header, separated by commas, semicolons or tabs, or one JSON object on each
 * line. The columns are externalOrderId, operationId or partNumber and revision, orderIndex, quantity (one order for
 * each unit), and selectOptionalOperationIds with ; between ids. When it ends early, by an error, a crash or `call` (may
 * be NULL), run it again: what was queued is known by the file's content, the name, the line and the unit, and is not
 * queued twice. `name` tells imports of the same content apart; NULL for the file's name. `catalogue` finds operations by
 * part; with NULL lines that name a part are refused. It is waited for until it has a list. A bad line is no failure:
 * *report receives a JSON object with "digest" (for pico_outbox_import_results()), "lines", "queued", "known" (queued by
 * an earlier run), "refused", and "refusedLines", the first hundred, each with "line" and "message"; free it with
 * pico_text_free(). PICO_E_INVALID_ARGUMENT when the file or its header cannot be read. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_outbox_import(const pico_store_t *store,
                                           const char *path,
                                           const char *name,
                                           const pico_catalogue_t *catalogue,
                                           const pico_call_t *call,
                                           pico_text_t **report,
                                           pico_error_t **error);

/**
 * Writes what became of each order and each refused line of an import to a CSV file, in the order of the file, as it is
 * now: line, external_order_id, operation_id, order_index, result (the state, or refused), message and error. `digest`
 * is of the report. A file that is there is replaced. PICO_E_INVALID_ARGUMENT when nothing is known of such an import,
 * or the file cannot be written. Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_outbox_import_results(const pico_store_t *store,
                                                   const char *digest,
                                                   const char *csv_path,
                                                   pico_error_t **error);

/**
 * Counts the completions in the store by state. `counts` has its struct_size set. Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_inbox_counts(const pico_store_t *store,
                                          pico_inbox_counts_t *counts,
                                          pico_error_t **error);

/**
 * Lists completions in the order of their arrival as a JSON list: those in a state PICO_INBOX_*, or all with
 * PICO_INBOX_ANY; `limit` at most, after the one with the number `after`, which is 0 for the first page and then
 * the last one's "id". Each is an object with "id", "externalOrderId", "operationId", "orderIndex", "at",
 * "producedSerial", "state", "attempts", "source", "arrived", "due", "settled", "reason" and, as Pico sent
 * it, "raw"; what is absent is null. Free the text with pico_text_free(). Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_inbox_list_json(const pico_store_t *store,
                                             int32_t state,
                                             int64_t after,
                                             size_t limit,
                                             pico_text_t **json,
                                             pico_error_t **error);

/**
 * Hands a completion out again, by its number, that is a dead letter or was acknowledged, as if it were new.
 * PICO_E_INVALID_ARGUMENT when there is none, it is still on its way, or its text is not kept any more. Waits
 * for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_inbox_replay(const pico_store_t *store,
                                          int64_t id,
                                          pico_error_t **error);

/**
 * Hands all dead letters out again. `count` (may be NULL) receives how many there were. Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_inbox_replay_dead(const pico_store_t *store,
                                               uint64_t *count,
                                               pico_error_t **error);

/**
 * Gives a dead letter up for good, by its number: it is never handed out, and stays known.
 * PICO_E_INVALID_ARGUMENT when there is no such dead letter. Waits for the disk.
 */
PICO_API pico_status_t PICO_CALL pico_inbox_drop(const pico_store_t *store, int64_t id, pico_error_t **error);

/**
 * How many operations there are; 0 for NULL.
 */
PICO_API size_t PICO_CALL pico_operations_count(const pico_operations_t *list);

/**
 * The operation at an index from 0; NULL past the end. Lives as long as the list.
 */
PICO_API const pico_operation_t *PICO_CALL pico_operations_at(const pico_operations_t *list, size_t index);

/**
 * The list as JSON, each element as the server sent it. `length` (may be NULL) receives the length without
 * the NUL. Lives as long as the list.
 */
PICO_API const char *PICO_CALL pico_operations_json(const pico_operations_t *list, size_t *length);

/**
 * Frees the list and all it gave.
 */
PICO_API void PICO_CALL pico_operations_free(pico_operations_t *list);

/**
 * How many edges there are; 0 for NULL.
 */
PICO_API size_t PICO_CALL pico_sub_operations_count(const pico_sub_operations_t *list);

/**
 * The edge at an index from 0; NULL past the end. Lives as long as the list.
 */
PICO_API
const pico_sub_operation_t *PICO_CALL pico_sub_operations_at(const pico_sub_operations_t *list,
                                                             size_t index);

/**
 * The list as JSON, each element as the server sent it. `length` (may be NULL) receives the length without
 * the NUL. Lives as long as the list.
 */
PICO_API const char *PICO_CALL pico_sub_operations_json(const pico_sub_operations_t *list, size_t *length);

/**
 * Frees the list and all it gave.
 */
PICO_API void PICO_CALL pico_sub_operations_free(pico_sub_operations_t *list);

/**
 * How many completed orders there are; 0 for NULL.
 */
PICO_API size_t PICO_CALL pico_order_completes_count(const pico_order_completes_t *list);

/**
 * The completed order at an index from 0; NULL past the end. Lives as long as the list.
 */
PICO_API
const pico_order_complete_t *PICO_CALL pico_order_completes_at(const pico_order_completes_t *list,
                                                               size_t index);

/**
 * The list as JSON, each element as the server sent it. `length` (may be NULL) receives the length without
 * the NUL. Lives as long as the list.
 */
PICO_API const char *PICO_CALL pico_order_completes_json(const pico_order_completes_t *list, size_t *length);

/**
 * Frees the list and all it gave.
 */
PICO_API void PICO_CALL pico_order_completes_free(pico_order_completes_t *list);

/**
 * How many registrations there are; 0 for NULL.
 */
PICO_API size_t PICO_CALL pico_webhooks_count(const pico_webhooks_t *list);

/**
 * The registration at an index from 0; NULL past the end. Lives as long as the list.
 */
PICO_API const pico_webhook_t *PICO_CALL pico_webhooks_at(const pico_webhooks_t *list, size_t index);

/**
 * The list as JSON, each element as the server sent it. `length` (may be NULL) receives the length without
 * the NUL. Lives as long as the list.
 */
PICO_API const char *PICO_CALL pico_webhooks_json(const pico_webhooks_t *list, size_t *length);

/**
 * Frees the list and all it gave.
 */
PICO_API void PICO_CALL pico_webhooks_free(pico_webhooks_t *list);

/**
 * Gives the lines of the log, from the next one told on, as text, the default, or as JSON objects on one line each:
 * {"timestamp","level","target","message", ...}, where what the line is about has a field each, such as "error",
 * "transport", "attempt", "trace_id". Never waits; any thread.
 */
PICO_API
pico_status_t PICO_CALL pico_log_set_format(int32_t format,
                                            pico_error_t **error);

/**
 * Hands the library's log to a function, from this level (PICO_LOG_*) up, in place of the one before; NULL
 * removes it. The function is called on a thread of the library, one line at a time, and must be quick: at
 * most 1,024 lines wait, those beyond are counted and the count is logged. On PICO_OK the library owns
 * user_data; `drop` is called when the function was replaced or removed and the lines that wait are told.
 * Never waits; any thread.
 */
PICO_API
pico_status_t PICO_CALL pico_log_set(int32_t level,
                                     const pico_log_callback_t *callback,
                                     pico_error_t **error);

/**
 * Gives the metrics of the store, and of what runs on it in this process, as JSON in *json, to be freed with
 * pico_text_free(): {"at","version","store","plants"}, where each plant has {"plant","kept","feed","webhooks","sender",
 * "requests"}; what did not run in this process is null. docs/observability.md tells what each number means. A store
 * that does not answer is no failure: "store" has "up" false then, and the error. `call` may be NULL. Waits for
 * the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_store_metrics_json(const pico_store_t *store,
                                                const pico_call_t *call,
                                                pico_text_t **json,
                                                pico_error_t **error);

/**
 * The same in Prometheus' text format, version 0.0.4, for a program that has an HTTP server of its own. Serve it as
 * "text/plain; version=0.0.4; charset=utf-8". Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_store_metrics_prometheus(const pico_store_t *store,
                                                      const pico_call_t *call,
                                                      pico_text_t **page,
                                                      pico_error_t **error);

/**
 * Serves the metrics of the store over HTTP at `address`, such as "127.0.0.1:9464"; port 0 takes a free one. GET
 * /metrics answers in Prometheus' text format, GET /healthz with 200 while the store answers and 503 while not. It asks
 * for no secret: listen where only those come who may know how much a plant produces. PICO_E_INVALID_ARGUMENT for an
 * address that cannot be listened on. Waits until it listens.
 */
PICO_API
pico_status_t PICO_CALL pico_metrics_server_start(const pico_store_t *store,
                                                  const char *address,
                                                  pico_metrics_server_t **server,
                                                  pico_error_t **error);

/**
 * The address that it listens on, such as "127.0.0.1:9464". Lives as long as the server. NULL for NULL.
 */
PICO_API const char *PICO_CALL pico_metrics_server_address(const pico_metrics_server_t *server);

/**
 * The port that it listens on, also where 0 was asked for. 0 for NULL.
 */
PICO_API int32_t PICO_CALL pico_metrics_server_port(const pico_metrics_server_t *server);

/**
 * Ends it, with what it is answering; the port is free when this returns. It must still be freed. Waits: it must not
 * be called from a callback.
 */
PICO_API
pico_status_t PICO_CALL pico_metrics_server_close(const pico_metrics_server_t *server,
                                                  pico_error_t **error);

/**
 * Frees the server, ending it. Never waits; any thread.
 */
PICO_API void PICO_CALL pico_metrics_server_free(pico_metrics_server_t *server);

/**
 * How many names there are; 0 for NULL.
 */
PICO_API size_t PICO_CALL pico_names_count(const pico_names_t *names);

/**
 * The name at an index from 0; NULL past the end. Lives as long as the list.
 */
PICO_API const char *PICO_CALL pico_names_at(const pico_names_t *names, size_t index);

/**
 * Frees the list and all it gave.
 */
PICO_API void PICO_CALL pico_names_free(pico_names_t *names);

/**
 * Lists operators' notes, each change of one as a note of its own. Older Picos do not have them and refuse
 * it with PICO_E_GRAPHQL. `filter` may be NULL for all, `call` for no control. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_client_note_events(const pico_client_t *client,
                                                const pico_note_filter_t *filter,
                                                const pico_call_t *call,
                                                pico_notes_t **notes,
                                                pico_error_t **error);

/**
 * How many notes there are; 0 for NULL.
 */
PICO_API size_t PICO_CALL pico_notes_count(const pico_notes_t *list);

/**
 * The note at an index from 0; NULL past the end. Lives as long as the list.
 */
PICO_API const pico_note_t *PICO_CALL pico_notes_at(const pico_notes_t *list, size_t index);

/**
 * The list as JSON, each element as the server sent it. `length` (may be NULL) receives the length without
 * the NUL. Lives as long as the list.
 */
PICO_API const char *PICO_CALL pico_notes_json(const pico_notes_t *list, size_t *length);

/**
 * Frees the list and all it gave.
 */
PICO_API void PICO_CALL pico_notes_free(pico_notes_t *list);

/**
 * Makes settings with nothing but defaults in *options. Only the endpoint has none; set it.
 */
PICO_API pico_status_t PICO_CALL pico_options_new(pico_options_t **options, pico_error_t **error);

/**
 * Frees the settings. Clients made from them are not touched.
 */
PICO_API void PICO_CALL pico_options_free(pico_options_t *options);

/**
 * Sets Pico's address, such as "https://yourcompany.picomes.com". Without a path it gets that of the
 * generation.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_endpoint(pico_options_t *options,
                                                  const char *endpoint,
                                                  pico_error_t **error);

/**
 * Sets the token that Pico issued.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_token(pico_options_t *options,
                                               const char *token,
                                               pico_error_t **error);

/**
 * Takes the token from an environment variable, read when the client is made.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_token_from_environment(pico_options_t *options,
                                                                const char *variable,
                                                                pico_error_t **error);

/**
 * Asks a function for the token before every request; one that is dear should keep its answer. On PICO_OK
 * the library owns user_data.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_token_provider(pico_options_t *options,
                                                        const pico_token_provider_t *provider,
                                                        pico_error_t **error);

/**
 * Answers with a token, which is copied. For use inside a token provider.
 */
PICO_API
pico_status_t PICO_CALL pico_token_answer_set(pico_token_answer_t *answer,
                                              const char *token,
                                              pico_error_t **error);

/**
 * Answers that there is no token; the message goes into the error of the request. For use inside a token
 * provider.
 */
PICO_API
pico_status_t PICO_CALL pico_token_answer_fail(pico_token_answer_t *answer,
                                               const char *message,
                                               pico_error_t **error);

/**
 * Chooses the generation of the API: PICO_GENERATION_G2 (the default), PICO_GENERATION_G3 or
 * PICO_GENERATION_AUTO. It decides what is asked for, and the path where the endpoint has none.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_generation(pico_options_t *options,
                                                    int32_t generation,
                                                    pico_error_t **error);

/**
 * How long a connection may take to be made, TLS included. Default 10 s.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_connect_timeout_ms(pico_options_t *options,
                                                            int64_t timeout_ms,
                                                            pico_error_t **error);

/**
 * How long one try of a call may take. Default 30 s. What the tries and the waits between them may take
 * together is set by pico_call_set_timeout_ms().
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_request_timeout_ms(pico_options_t *options,
                                                            int64_t timeout_ms,
                                                            pico_error_t **error);

/**
 * How many times a call that is safe to repeat is tried in all. 1 means no retry. Default 4.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_retry_attempts(pico_options_t *options,
                                                        uint32_t attempts,
                                                        pico_error_t **error);

/**
 * The waits between tries of a call: up to first_ms, doubling up to most_ms. Default 200 ms and 10 s.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_retry_backoff_ms(pico_options_t *options,
                                                          int64_t first_ms,
                                                          int64_t most_ms,
                                                          pico_error_t **error);

/**
 * How much of a server's Retry-After a call honours at most. Default 60 s.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_retry_after_limit_ms(pico_options_t *options,
                                                              int64_t limit_ms,
                                                              pico_error_t **error);

/**
 * Limits the bytes of one reply, after decompression, and of one event. Default 64 MiB and 8 MiB.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_size_limits(pico_options_t *options,
                                                     size_t reply_bytes,
                                                     size_t event_bytes,
                                                     pico_error_t **error);

/**
 * Goes through this proxy: an http, https, socks4, socks5 or socks5h URL, with user and password where
 * needed. no_proxy (may be NULL) lists hosts to reach directly, in the form of NO_PROXY. The default is
 * what the environment says.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_proxy(pico_options_t *options,
                                               const char *url,
                                               const char *no_proxy,
                                               pico_error_t **error);

/**
 * Goes directly, whatever the environment says.
 */
PICO_API pico_status_t PICO_CALL pico_options_set_no_proxy(pico_options_t *options, pico_error_t **error);

/**
 * Trusts these certificates (PEM, one or more) as well as the platform's. May be called again for more.
 */
PICO_API
pico_status_t PICO_CALL pico_options_add_ca_pem(pico_options_t *options,
                                                const char *pem,
                                                size_t pem_len,
                                                pico_error_t **error);

/**
 * Presents this certificate chain with its private key (both PEM) to the server.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_client_certificate_pem(pico_options_t *options,
                                                                const char *chain,
                                                                size_t chain_len,
                                                                const char *key,
                                                                size_t key_len,
                                                                pico_error_t **error);

/**
 * Sends this header with every request. May be called again for more.
 */
PICO_API
pico_status_t PICO_CALL pico_options_add_header(pico_options_t *options,
                                                const char *name,
                                                const char *value,
                                                pico_error_t **error);

/**
 * Sets the User-Agent. Default "pico-erp/" and the version.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_user_agent(pico_options_t *options,
                                                    const char *user_agent,
                                                    pico_error_t **error);

/**
 * Whether requests carry a traceparent of W3C Trace Context, by which the logs of proxies and of Pico can be put beside this
 * library's: PICO_TRACE_OFF, the default, or PICO_TRACE_GENERATE. pico_error_trace_id() and the log name the trace.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_trace_context(pico_options_t *options,
                                                       int32_t mode,
                                                       pico_error_t **error);

/**
 * How streams travel: PICO_TRANSPORT_*. PICO_TRANSPORT_POLL is only for Pico's own streams, not for
 * pico_client_subscribe(). Default PICO_TRANSPORT_AUTO.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_stream_transport(pico_options_t *options,
                                                          int32_t transport,
                                                          pico_error_t **error);

/**
 * With PICO_TRANSPORT_AUTO, Server-Sent Events without a byte for this long after the request count as held
 * back by a proxy, and the stream goes another way. Default 15 s.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_stream_first_byte_timeout_ms(pico_options_t *options,
                                                                      int64_t timeout_ms,
                                                                      pico_error_t **error);

/**
 * On a WebSocket the server is asked for a sign of life after this much silence. Default 20 s.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_stream_ping_interval_ms(pico_options_t *options,
                                                                 int64_t interval_ms,
                                                                 pico_error_t **error);

/**
 * How long between two questions when polling. Default 30 s.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_stream_poll_interval_ms(pico_options_t *options,
                                                                 int64_t interval_ms,
                                                                 pico_error_t **error);

/**
 * With PICO_TRANSPORT_AUTO, how long to poll before a stream is tried again. Default 10 minutes.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_stream_poll_period_ms(pico_options_t *options,
                                                               int64_t period_ms,
                                                               pico_error_t **error);

/**
 * With no byte for this long, comments included, a stream's connection counts as dead. Default 5 minutes.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_stream_idle_timeout_ms(pico_options_t *options,
                                                                int64_t timeout_ms,
                                                                pico_error_t **error);

/**
 * The waits between a stream's connections: up to first_ms, doubling up to most_ms. Default 1 s and 60 s.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_stream_backoff_ms(pico_options_t *options,
                                                           int64_t first_ms,
                                                           int64_t most_ms,
                                                           pico_error_t **error);

/**
 * How much of a server's wish to wait a stream honours at most. Default 5 minutes.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_stream_retry_limit_ms(pico_options_t *options,
                                                               int64_t limit_ms,
                                                               pico_error_t **error);

/**
 * After a connection has held this long, a stream's waits start anew from the shortest. Default 60 s.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_stream_stable_after_ms(pico_options_t *options,
                                                                int64_t stable_after_ms,
                                                                pico_error_t **error);

/**
 * How many events of a stream may wait to be taken before pico_options_set_stream_overflow() says what
 * happens. Default 256.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_stream_buffer(pico_options_t *options,
                                                       size_t events,
                                                       pico_error_t **error);

/**
 * What happens to events that come while the buffer is full: PICO_OVERFLOW_*. Default PICO_OVERFLOW_WAIT.
 */
PICO_API
pico_status_t PICO_CALL pico_options_set_stream_overflow(pico_options_t *options,
                                                         int32_t overflow,
                                                         pico_error_t **error);

/**
 * Saves an order: creates it, or updates it when Pico knows it. `outcome` (may be NULL) receives
 * PICO_SAVED_*. A save with an external_order_id is retried, since repeating it does no harm; after a
 * retry the outcome may be PICO_SAVED_UPDATED for an order that this very call created. `call` may be
 * NULL. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_client_save_order(const pico_client_t *client,
                                               const pico_order_save_t *order,
                                               const pico_call_t *call,
                                               int32_t *outcome,
                                               pico_error_t **error);

/**
 * Cancels units of an order that have not been started. `message` (may be NULL) receives what the server
 * said; Pico does not document its answer when nothing can be cancelled. Never retried after it may have
 * reached the server. `call` may be NULL. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_client_cancel_order(const pico_client_t *client,
                                                 const pico_order_cancel_t *order,
                                                 const pico_call_t *call,
                                                 pico_text_t **message,
                                                 pico_error_t **error);

/**
 * Queues an order to be saved. On PICO_OK it is on disk, and a sender (pico_sender_start()) brings it to Pico, now or
 * when Pico can be reached again: commit your own transaction after this. It needs an external_order_id. A later save
 * of the same external_order_id, operation_id and order_index takes the place of one that was not sent yet.
 * `request_id` (may be NULL) is your own id for this call, such as a job's: queued again under it, after a crash for
 * example, the order is still queued once; PICO_E_INVALID_ARGUMENT when another order was queued under it. `id` (may be
 * NULL) receives the number in the outbox, of the known order where it was known. Waits for the disk, not for Pico.
 */
PICO_API
pico_status_t PICO_CALL pico_outbox_save(const pico_store_t *store,
                                         const pico_order_save_t *order,
                                         const char *request_id,
                                         int64_t *id,
                                         pico_error_t **error);

/**
 * Queues a cancel. It takes the place of the saves that it covers and that were not sent yet, and is sent after those
 * that may have been. All else as pico_outbox_save(). Waits for the disk, not for Pico.
 */
PICO_API
pico_status_t PICO_CALL pico_outbox_cancel(const pico_store_t *store,
                                           const pico_order_cancel_t *order,
                                           const char *request_id,
                                           int64_t *id,
                                           pico_error_t **error);

/**
 * Counts the orders in the outbox by state. `counts` has its struct_size set. Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_outbox_counts(const pico_store_t *store,
                                           pico_outbox_counts_t *counts,
                                           pico_error_t **error);

/**
 * Lists orders in the order of queueing as a JSON list: those in a state PICO_OUTBOX_*, or all with
 * PICO_OUTBOX_ANY; `limit` at most, after the one with the number `after`, which is 0 for the first page and then
 * the last one's "id". Each is an object with "id", "kind" (save or cancel), "externalOrderId", "operationId",
 * "orderIndex", "cancelAll", "state", "attempts", "queued", "due", "settled", "supersededBy", "message" (Pico's answer),
 * "error" (with "code", a PICO_E_*, "message" and "graphqlErrors"), "requestId" and "input"; what is absent is null. Free
 * the text with pico_text_free(). Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_outbox_list_json(const pico_store_t *store,
                                              int32_t state,
                                              int64_t after,
                                              size_t limit,
                                              pico_text_t **json,
                                              pico_error_t **error);

/**
 * Finds all that was queued for one order of the ERP's, oldest first, as a JSON list as of pico_outbox_list_json(); an
 * empty one when nothing was. Free the text with pico_text_free(). Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_outbox_find_json(const pico_store_t *store,
                                              const char *external_order_id,
                                              pico_text_t **json,
                                              pico_error_t **error);

/**
 * Queues an order again, by its number, that Pico refused. PICO_E_INVALID_ARGUMENT when there is none, it has not
 * failed, or a later one for the same unit was queued since, which it would undo. Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_outbox_retry(const pico_store_t *store,
                                          int64_t id,
                                          pico_error_t **error);

/**
 * Queues all orders again that Pico refused, but those that were followed by a later one for the same unit. `count`
 * (may be NULL) receives how many. Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_outbox_retry_failed(const pico_store_t *store,
                                                 uint64_t *count,
                                                 pico_error_t **error);

/**
 * Gives an order up, by its number: one that is queued, waiting or failed. PICO_E_INVALID_ARGUMENT when there is none,
 * or it is being sent or settled. Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_outbox_drop(const pico_store_t *store,
                                         int64_t id,
                                         pico_error_t **error);

/**
 * Waits until an order is settled, by its number: sent, failed, superseded or dropped. It is PICO_OK in each case: look
 * at "state". *json receives the order as an object as of pico_outbox_list_json(); free it with pico_text_free().
 * Waits as long as `call` (may be NULL) allows; when no sender runs, in this process or another, that is for ever.
 * PICO_E_INVALID_ARGUMENT when there is no such order.
 */
PICO_API
pico_status_t PICO_CALL pico_outbox_wait(const pico_store_t *store,
                                         int64_t id,
                                         const pico_call_t *call,
                                         pico_text_t **json,
                                         pico_error_t **error);

/**
 * The text. Lives as long as the object. NULL for NULL.
 */
PICO_API const char *PICO_CALL pico_text_string(const pico_text_t *text);

/**
 * Frees the text.
 */
PICO_API void PICO_CALL pico_text_free(pico_text_t *text);

/**
 * Starts the plants of a file, whose form docs/plants.md tells: opens the store, and runs for each plant the feed, the sender,
 * the catalogue and the webhook that the file asks for. PICO_E_INVALID_ARGUMENT with the line and the key of a file that
 * cannot be right; otherwise as pico_store_open(). A plant that cannot be started, because its token or its address is
 * wrong, keeps no other from its work: pico_plants_status_json() says why, and it is started again. Waits for the disk or
 * the network, not for any Pico.
 */
PICO_API
pico_status_t PICO_CALL pico_plants_start(const char *config_path,
                                          pico_plants_t **plants,
                                          pico_error_t **error);

/**
 * Takes the next completion of any plant without a callback; pico_delivery_plant() says of which, and plants take turns.
 * All else as pico_feed_next(), but that a plant whose store fails is started again: its error, which begins with its
 * name, is not the end. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_plants_next(const pico_plants_t *plants,
                                         const pico_call_t *call,
                                         pico_delivery_t **delivery,
                                         pico_error_t **error);

/**
 * Delivers the completions of all plants to a function, as pico_feed_deliver() does those of one feed: calls come one at a
 * time, whatever the plant. `drop` is called once, when the plants are closed or freed. Never waits; any thread.
 */
PICO_API
pico_status_t PICO_CALL pico_plants_deliver(const pico_plants_t *plants,
                                            const pico_delivery_callback_t *callback,
                                            pico_error_t **error);

/**
 * Gives a plant's part of the store: for pico_outbox_save() and its like, whose orders the plant's sender sends, and for its
 * inbox. *store is yours to free with pico_store_free(); do not close it. PICO_E_INVALID_ARGUMENT when there is no plant
 * of that name in the file. Does not wait.
 */
PICO_API
pico_status_t PICO_CALL pico_plants_store(const pico_plants_t *plants,
                                          const char *plant,
                                          pico_store_t **store,
                                          pico_error_t **error);

/**
 * Lists the names of the plants in the file. Free the list with pico_names_free(). Does not wait.
 */
PICO_API
pico_status_t PICO_CALL pico_plants_names(const pico_plants_t *plants,
                                          pico_names_t **names,
                                          pico_error_t **error);

/**
 * Reads a file of plants again, or another one, and goes on as it says: plants that are new are started, those that are
 * gone are closed, those that changed are started anew, and the others go on untouched. `json` (may be NULL) receives an
 * object with the lists "added", "removed", "changed" and "kept", to be freed with pico_text_free(). Waits up to 5
 * seconds for deliveries of closed plants that are out. PICO_E_INVALID_ARGUMENT when the file cannot be right, or names
 * another store: nothing has changed then. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_plants_reload(const pico_plants_t *plants,
                                           const char *config_path,
                                           pico_text_t **json,
                                           pico_error_t **error);

/**
 * Tells where every plant stands, as a JSON list of objects with "plant", "endpoint", "state" (starting, running, failed or
 * closed), "error", and with "feed", "sender" and "catalogue" in the forms of pico_feed_status_json() and its like. Free
 * the text with pico_text_free(). Waits for the disk or the network.
 */
PICO_API
pico_status_t PICO_CALL pico_plants_status_json(const pico_plants_t *plants,
                                                pico_text_t **json,
                                                pico_error_t **error);

/**
 * Ends all plants: nothing more is taken in, handed out or sent. Waits, grace_ms at most (negative: for ever), until the
 * completions that were handed out are answered or freed and requests under way are done, and until a call that is under
 * way and `drop` have returned; then the store is closed. PICO_E_TIMEOUT when a callback or its drop had not by then; it
 * may be called again to wait on. The plants must still be freed. Waits: it must not be called from a callback.
 */
PICO_API
pico_status_t PICO_CALL pico_plants_close(const pico_plants_t *plants,
                                          int64_t grace_ms,
                                          pico_error_t **error);

/**
 * Frees the plants, ending them without waiting: a call that is under way is finished and its answer stored, `drop`
 * follows; deliveries that are out can still be answered. Never waits; any thread, its own callback included.
 */
PICO_API
void PICO_CALL pico_plants_free(pico_plants_t *plants);

/**
 * Lists what can be built. Pico has no paging, so this is the whole list. `filter` may be NULL for all,
 * `call` for no control. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_client_operations(const pico_client_t *client,
                                               const pico_operation_filter_t *filter,
                                               const pico_call_t *call,
                                               pico_operations_t **operations,
                                               pico_error_t **error);

/**
 * Lists the edges of the product structure. `filter` may be NULL for all, `call` for no control. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_client_sub_operations(const pico_client_t *client,
                                                   const pico_sub_operation_filter_t *filter,
                                                   const pico_call_t *call,
                                                   pico_sub_operations_t **sub_operations,
                                                   pico_error_t **error);

/**
 * Lists completed orders. This is how a completion is found again that no stream delivered: Pico itself
 * never sends one twice. `filter` may be NULL for all, `call` for no control. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_client_order_completes(const pico_client_t *client,
                                                    const pico_order_complete_filter_t *filter,
                                                    const pico_call_t *call,
                                                    pico_order_completes_t **order_completes,
                                                    pico_error_t **error);

/**
 * Starts an HTTP server whose posts go into the feed: each is answered with 200 once its completion is on disk, so
 * that Pico never takes for delivered what is not kept. `options` may be NULL for defaults; they stay yours.
 * PICO_E_INVALID_ARGUMENT names the setting that is wrong, also an address that cannot be listened on. When the
 * feed ends first, posts are answered with 503. Waits until it listens.
 */
PICO_API
pico_status_t PICO_CALL pico_receiver_start(const pico_feed_t *feed,
                                            const pico_receiver_options_t *options,
                                            pico_receiver_t **receiver,
                                            pico_error_t **error);

/**
 * The address that it listens on, such as "127.0.0.1:8080". Lives as long as the receiver. NULL for NULL.
 */
PICO_API const char *PICO_CALL pico_receiver_address(const pico_receiver_t *receiver);

/**
 * The port that it listens on, also where 0 was asked for. 0 for NULL.
 */
PICO_API int32_t PICO_CALL pico_receiver_port(const pico_receiver_t *receiver);

/**
 * The path that it takes posts on. Lives as long as the receiver. NULL for NULL.
 */
PICO_API const char *PICO_CALL pico_receiver_path(const pico_receiver_t *receiver);

/**
 * The address that the metrics are served at, where that was asked for; otherwise NULL. Lives as long as the receiver.
 */
PICO_API
const char *PICO_CALL pico_receiver_metrics_address(const pico_receiver_t *receiver);

/**
 * Tells what it has answered since it was started. `counts` has its struct_size set. PICO_E_CLOSED after
 * pico_receiver_close(). Any thread, callbacks included.
 */
PICO_API
pico_status_t PICO_CALL pico_receiver_counts(const pico_receiver_t *receiver,
                                             pico_receiver_counts_t *counts,
                                             pico_error_t **error);

/**
 * Takes no more posts, lets those that are being received or stored finish, and ends; what is not done after
 * timeout_ms (negative: no limit) is broken off, and PICO_E_TIMEOUT says that something was still being stored.
 * Close it before its feed. It must still be freed. Waits: it must not be called from a callback.
 */
PICO_API
pico_status_t PICO_CALL pico_receiver_close(const pico_receiver_t *receiver,
                                            int64_t timeout_ms,
                                            pico_error_t **error);

/**
 * Frees the receiver, ending it at once, with what is being stored. Never waits; any thread.
 */
PICO_API void PICO_CALL pico_receiver_free(pico_receiver_t *receiver);

/**
 * Makes settings with nothing but defaults in *options.
 */
PICO_API
pico_status_t PICO_CALL pico_receiver_options_new(pico_receiver_options_t **options,
                                                  pico_error_t **error);

/**
 * Frees the settings. Receivers started with them are not touched.
 */
PICO_API void PICO_CALL pico_receiver_options_free(pico_receiver_options_t *options);

/**
 * The address to listen on, such as "0.0.0.0:8080", "[::]:8080" or "localhost:8080". Port 0 takes a free one.
 * Default "127.0.0.1:0", which only this machine reaches.
 */
PICO_API
pico_status_t PICO_CALL pico_receiver_options_set_bind(pico_receiver_options_t *options,
                                                       const char *address,
                                                       pico_error_t **error);

/**
 * The path of the URL that Pico posts to, exactly as it is written there. Default "/pico".
 */
PICO_API
pico_status_t PICO_CALL pico_receiver_options_set_path(pico_receiver_options_t *options,
                                                       const char *path,
                                                       pico_error_t **error);

/**
 * Lets in only posts with this header; register the webhook with the same one. Called again it lets in either, for
 * changing a secret. Without any, whoever reaches the port can post completions.
 */
PICO_API
pico_status_t PICO_CALL pico_receiver_options_add_secret_header(pico_receiver_options_t *options,
                                                                const char *name,
                                                                const char *secret,
                                                                pico_error_t **error);

/**
 * Speaks HTTPS with this certificate chain and its private key, both PEM.
 */
PICO_API
pico_status_t PICO_CALL pico_receiver_options_set_tls_pem(pico_receiver_options_t *options,
                                                          const char *chain,
                                                          size_t chain_len,
                                                          const char *key,
                                                          size_t key_len,
                                                          pico_error_t **error);

/**
 * The same from two files, which are read when the receiver starts.
 */
PICO_API
pico_status_t PICO_CALL pico_receiver_options_set_tls_files(pico_receiver_options_t *options,
                                                            const char *chain_path,
                                                            const char *key_path,
                                                            pico_error_t **error);

/**
 * Takes bodies whatever their Content-Type says: Pico does not document which it sends. For when the count
 * `refused` grows with each completion.
 */
PICO_API
pico_status_t PICO_CALL pico_receiver_options_set_any_content_type(pico_receiver_options_t *options,
                                                                   pico_error_t **error);

/**
 * The path that answers a GET with 200, or with 503 while nothing can be stored. NULL for none. Default "/health".
 */
PICO_API
pico_status_t PICO_CALL pico_receiver_options_set_health_path(pico_receiver_options_t *options,
                                                              const char *path,
                                                              pico_error_t **error);

/**
 * Serves the metrics of the feed's store as pico_metrics_server_start() does, at this address, such as "127.0.0.1:9464", for
 * as long as the receiver runs; never at the address that posts come to. NULL for none, the default.
 */
PICO_API
pico_status_t PICO_CALL pico_receiver_options_set_metrics_bind(pico_receiver_options_t *options,
                                                               const char *address,
                                                               pico_error_t **error);

/**
 * The largest body in bytes, and how many connections are served at a time. Default 8 MiB and 256.
 */
PICO_API
pico_status_t PICO_CALL pico_receiver_options_set_limits(pico_receiver_options_t *options,
                                                         size_t max_body,
                                                         size_t max_connections,
                                                         pico_error_t **error);

/**
 * How long a request's head may take, how long its body, and how long a connection is kept open for a next request.
 * Default 10, 30 and 60 s.
 */
PICO_API
pico_status_t PICO_CALL pico_receiver_options_set_timeouts_ms(pico_receiver_options_t *options,
                                                              int64_t header_ms,
                                                              int64_t body_ms,
                                                              int64_t idle_ms,
                                                              pico_error_t **error);

/**
 * "data" as JSON; NULL when it was missing or null, *length is untouched then. `length` (may be NULL)
 * receives the length without the NUL. Lives as long as the reply.
 */
PICO_API const char *PICO_CALL pico_reply_data_json(const pico_reply_t *reply, size_t *length);

/**
 * "errors" as a JSON list; NULL when there were none. `length` as above.
 */
PICO_API const char *PICO_CALL pico_reply_errors_json(const pico_reply_t *reply, size_t *length);

/**
 * "extensions" as JSON; NULL when it was missing or null. `length` as above.
 */
PICO_API const char *PICO_CALL pico_reply_extensions_json(const pico_reply_t *reply, size_t *length);

/**
 * The whole reply as JSON. `length` as above.
 */
PICO_API const char *PICO_CALL pico_reply_json(const pico_reply_t *reply, size_t *length);

/**
 * The HTTP status it came with; 0 for NULL.
 */
PICO_API int32_t PICO_CALL pico_reply_http_status(const pico_reply_t *reply);

/**
 * Frees the reply.
 */
PICO_API void PICO_CALL pico_reply_free(pico_reply_t *reply);

/**
 * Starts to send what is in the outbox of the store, now and from now on, by the client. Network, time-outs, busy or
 * restarting servers, login pages, a refused token and a wrong path are waited out, and pico_sender_status_json() tells
 * of them; only an order that Pico refuses fails. What a sender that is gone was sending is sent again: a save that Pico
 * has already is the same order. `options` may be NULL for defaults. `on_settled` (may be NULL) is called for each order
 * that this sender settles, once that is on disk: sent, failed, or superseded while it was being sent. On PICO_OK the
 * library owns its user_data; calls come one at a time, on threads that may block, and `drop` is called once, after
 * the last. A sender that ends early may not have told of the last orders; the outbox knows them. PICO_E_STORE_IN_USE
 * while another sender runs on the store, in this process or another. Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_sender_start(const pico_client_t *client,
                                          const pico_store_t *store,
                                          const pico_sender_options_t *options,
                                          const pico_settled_callback_t *on_settled,
                                          pico_sender_t **sender,
                                          pico_error_t **error);

/**
 * Tells how the sender is doing, as a JSON object with "counts" (orders by state), "lastError" (what went wrong last,
 * other than the refusal of an order; null once requests get through again), "pausedUntil" (nothing is sent before,
 * after a failure) and "batching" (not for ten minutes after the server refused a batch); what is absent is null. Free the text
 * with pico_text_free(). Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_sender_status_json(const pico_sender_t *sender,
                                                pico_text_t **json,
                                                pico_error_t **error);

/**
 * Waits until nothing is to be sent any more, as long as `call` (may be NULL) allows. Orders that failed are settled
 * too. PICO_E_CLOSED when the sender ends first. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_sender_drained(const pico_sender_t *sender,
                                            const pico_call_t *call,
                                            pico_error_t **error);

/**
 * Sends nothing new, and waits, grace_ms at most (negative: for ever), until the requests that are under way are
 * answered, what they settled was told, and `drop` has returned. PICO_E_TIMEOUT when that was not done by then: what
 * had no answer is sent again by the next sender; it may be called again to wait for the callback. What is queued stays
 * queued. Close it before its store. The sender must still be freed. Waits: it must not be called from a callback.
 */
PICO_API
pico_status_t PICO_CALL pico_sender_close(const pico_sender_t *sender,
                                          int64_t grace_ms,
                                          pico_error_t **error);

/**
 * Frees the sender, ending it without waiting: requests that are under way are broken off, and sent again by the next
 * sender, which can be started a moment later; a call that is under way is finished, `drop` follows. Never waits; any
 * thread, its own callback included.
 */
PICO_API
void PICO_CALL pico_sender_free(pico_sender_t *sender);

/**
 * The name of a status in snake case, such as "timeout", and "unknown" for a number that is none. Lives
 * for ever; any thread.
 */
PICO_API const char *PICO_CALL pico_status_name(pico_status_t status);

/**
 * Makes settings with nothing but defaults in *options.
 */
PICO_API pico_status_t PICO_CALL pico_store_options_new(pico_store_options_t **options, pico_error_t **error);

/**
 * Not 0: opens only a store that is there already, so that a mistyped path is PICO_E_INVALID_ARGUMENT and
 * not a new, empty store. In a database: makes and changes no tables, so a role that may not do so is enough. Default 0.
 */
PICO_API
pico_status_t PICO_CALL pico_store_options_set_must_exist(pico_store_options_t *options,
                                                          int32_t must_exist,
                                                          pico_error_t **error);

/**
 * How large the file may grow, in bytes, so that it does not fill a disk that others need; beyond that the
 * store refuses with PICO_E_STORE_FULL. The log beside it may grow by some 16 MB more. 0 means no limit, the
 * default. No meaning for a database.
 */
PICO_API
pico_status_t PICO_CALL pico_store_options_set_max_size(pico_store_options_t *options,
                                                        uint64_t bytes,
                                                        pico_error_t **error);

/**
 * How long the text of an acknowledged completion is kept; without it, it cannot be replayed any more. That it
 * was acknowledged is known for ever. Default 90 days.
 */
PICO_API
pico_status_t PICO_CALL pico_store_options_set_keep_acked_ms(pico_store_options_t *options,
                                                             int64_t keep_ms,
                                                             pico_error_t **error);

/**
 * How long an order is kept that was sent. Default 90 days.
 */
PICO_API
pico_status_t PICO_CALL pico_store_options_set_keep_sent_ms(pico_store_options_t *options,
                                                            int64_t keep_ms,
                                                            pico_error_t **error);

/**
 * How long a node of a database counts as being there after it was last heard of; then the others take over what it was
 * doing. Shorter is a quicker failover, but a node that is only slow is then taken for dead. 1000 or more, default
 * 10 s. No meaning for a file.
 */
PICO_API
pico_status_t PICO_CALL pico_store_options_set_node_lease_ms(pico_store_options_t *options,
                                                             int64_t lease_ms,
                                                             pico_error_t **error);

/**
 * How many connections to a database are used for work, 1 to 64; one more is held for being woken. Default 4. No meaning
 * for a file.
 */
PICO_API
pico_status_t PICO_CALL pico_store_options_set_connections(pico_store_options_t *options,
                                                           uint32_t connections,
                                                           pico_error_t **error);

/**
 * Frees the settings. Stores opened with them are not touched.
 */
PICO_API void PICO_CALL pico_store_options_free(pico_store_options_t *options);

/**
 * Opens the store at `place`: the path of a file on a local disk, which is made when there is none, or the URL of a
 * PostgreSQL database, "postgres://user@host/database", whose tables are made when there are none. `options` may
 * be NULL for defaults; they stay yours. Several processes may open the same file, and a feed runs in one of them; several
 * nodes may open the same database, and share the work. What it gives is the store of the plant without a name: see
 * pico_store_plant(). PICO_E_INVALID_ARGUMENT for a URL that cannot be read. PICO_E_STORE_DAMAGED when the file is damaged or no store: it is left as it is, for you to look at and to move
 * away by pico_store_set_aside(). PICO_E_STORE_VERSION when a newer library wrote it; otherwise PICO_E_STORE,
 * PICO_E_STORE_FULL or PICO_E_STORE_READ_ONLY. Waits for the disk or the network.
 */
PICO_API
pico_status_t PICO_CALL pico_store_open(const char *place,
                                        const pico_store_options_t *options,
                                        pico_store_t **store,
                                        pico_error_t **error);

/**
 * Where it is: the absolute path of the file, or the URL of the database without the password. Lives as long as the
 * store. NULL for NULL.
 */
PICO_API
const char *PICO_CALL pico_store_location(const pico_store_t *store);

/**
 * The name of the plant that this is the store of; "" for the one without a name. Lives as long as the store. NULL for
 * NULL.
 */
PICO_API
const char *PICO_CALL pico_store_plant_name(const pico_store_t *store);

/**
 * Moves a store's files out of the way, to names that begin with `<path>.set-aside-`, for when somebody has
 * decided to go on without a damaged store: what was acknowledged is forgotten with it. `new_path` (may be NULL)
 * receives the new path of the file, to be freed with pico_text_free(). PICO_E_STORE_IN_USE while a feed runs
 * on it, PICO_E_INVALID_ARGUMENT for a database. Waits for the disk.
 */
PICO_API
pico_status_t PICO_CALL pico_store_set_aside(const char *path,
                                             pico_text_t **new_path,
                                             pico_error_t **error);

/**
 * Closes the store, for all its plants, when all that was asked of the store is on disk; close its feeds and senders first. Their functions and
 * those of this store give PICO_E_CLOSED from then on. Waits, timeout_ms at most (negative: for ever):
 * PICO_E_TIMEOUT when it was not done by then; it may be called again to wait on. The store must still be freed.
 */
PICO_API
pico_status_t PICO_CALL pico_store_close(const pico_store_t *store,
                                         int64_t timeout_ms,
                                         pico_error_t **error);

/**
 * Frees the store. Never waits: feeds and other plants of it keep it open until they are freed too, and what was asked of
 * it is still done.
 */
PICO_API
void PICO_CALL pico_store_free(pico_store_t *store);

/**
 * Gives the same store for one of several plants, each with a Pico of its own. Feeds, senders, catalogues and the inbox
 * functions that are given it know of nothing but that plant. `plant` is 1 to 64 ASCII letters, digits, '.', '-' and
 * '_', else PICO_E_INVALID_ARGUMENT. *out is yours to free with pico_store_free(); closing one closes the store for all.
 * Does not wait.
 */
PICO_API
pico_status_t PICO_CALL pico_store_plant(const pico_store_t *store,
                                         const char *plant,
                                         pico_store_t **out,
                                         pico_error_t **error);

/**
 * Gives the same store with its notes in place of its completions: the pico_inbox_ functions that are given it count, list,
 * hand out again and drop what pico_feed_start_notes() has taken in. An entry's "externalOrderId" is then the id of the
 * note and its "producedSerial" the number of the event. All other functions take it as the store that it was made of.
 * *out is yours to free with pico_store_free(); closing one closes the store for all. Does not wait.
 */
PICO_API
pico_status_t PICO_CALL pico_store_notes(const pico_store_t *store,
                                         pico_store_t **out,
                                         pico_error_t **error);

/**
 * Lists the plants that have been worked with in the store, by name, whether this process does or not. Free the list with
 * pico_names_free(). Waits for the disk or the network.
 */
PICO_API
pico_status_t PICO_CALL pico_store_plants(const pico_store_t *store,
                                          pico_names_t **names,
                                          pico_error_t **error);

/**
 * Says that the completions and orders of the store's plant belong to the Pico of `client` from now on, after it has moved
 * to another host. Feeds, senders and catalogues refuse to start with the client of another Pico than the one that
 * they were first started with. Waits for the disk or the network.
 */
PICO_API
pico_status_t PICO_CALL pico_store_rebind(const pico_store_t *store,
                                          const pico_client_t *client,
                                          pico_error_t **error);

/**
 * Streams operations as they are created or changed. `filter` may be NULL for all. With a `callback`
 * events are delivered to it, possibly before this function has returned, and on PICO_OK the library owns
 * its user_data; with NULL they are taken by pico_subscription_next() and its like, or delivered by
 * pico_subscription_deliver_batches(). Failures to connect are events, not failures of this function, which
 * never waits.
 */
PICO_API
pico_status_t PICO_CALL pico_client_operations_stream(const pico_client_t *client,
                                                      const pico_operation_filter_t *filter,
                                                      const pico_event_callback_t *callback,
                                                      pico_subscription_t **subscription,
                                                      pico_error_t **error);

/**
 * Streams changes of the product structure. As pico_client_operations_stream().
 */
PICO_API
pico_status_t PICO_CALL pico_client_sub_operations_stream(const pico_client_t *client,
                                                          const pico_sub_operation_filter_t *filter,
                                                          const pico_event_callback_t *callback,
                                                          pico_subscription_t **subscription,
                                                          pico_error_t **error);

/**
 * Streams completed orders. As pico_client_operations_stream().
 */
PICO_API
pico_status_t PICO_CALL pico_client_order_completes_stream(const pico_client_t *client,
                                                           const pico_order_complete_filter_t *filter,
                                                           const pico_event_callback_t *callback,
                                                           pico_subscription_t **subscription,
                                                           pico_error_t **error);

/**
 * Streams operators' notes. Older Picos do not have this stream and refuse it. As
 * pico_client_operations_stream().
 */
PICO_API
pico_status_t PICO_CALL pico_client_note_events_stream(const pico_client_t *client,
                                                       const pico_note_filter_t *filter,
                                                       const pico_event_callback_t *callback,
                                                       pico_subscription_t **subscription,
                                                       pico_error_t **error);

/**
 * Streams any subscription document; each event is PICO_EVENT_DATA, the "data" of one result. It ends when
 * the server completes it. The document's arguments are as in pico_client_execute(), all else as in
 * pico_client_operations_stream().
 */
PICO_API
pico_status_t PICO_CALL pico_client_subscribe(const pico_client_t *client,
                                              const char *query,
                                              size_t query_len,
                                              const char *variables_json,
                                              size_t variables_json_len,
                                              const char *operation_name,
                                              const pico_event_callback_t *callback,
                                              pico_subscription_t **subscription,
                                              pico_error_t **error);

/**
 * Delivers the events of a subscription that was opened without a callback to a function by the batch: each
 * call gets those that are there, `most` of them at most. For hosts to whom each call is dear. All that holds
 * for the callback of a stream holds here: on PICO_OK the library owns user_data, calls come one at a time
 * and in order, and `drop` is called once, after the last. Events cannot be pulled any more; one that another
 * thread is taking at this moment goes to that thread. PICO_E_CLOSED when the subscription was ended here.
 * Never waits; any thread.
 */
PICO_API
pico_status_t PICO_CALL pico_subscription_deliver_batches(const pico_subscription_t *subscription,
                                                          size_t most,
                                                          const pico_events_callback_t *callback,
                                                          pico_error_t **error);

/**
 * Waits, timeout_ms at most (negative: for ever), until the stream is open. From then on nothing that
 * happens is missed: call it before you save the order whose completion you want to see. Takes no event
 * away, from a callback as little as from pico_subscription_next(). Failures that may pass are waited out;
 * PICO_E_TIMEOUT when it was not open in time, PICO_E_CLOSED when it was closed here, otherwise what ended
 * it, such as PICO_E_UNAUTHORIZED. Waits: it must not be called from a callback.
 */
PICO_API
pico_status_t PICO_CALL pico_subscription_wait_open(const pico_subscription_t *subscription,
                                                    int64_t timeout_ms,
                                                    pico_error_t **error);

/**
 * Ends the subscription without waiting: pico_subscription_next() returns PICO_E_CLOSED in every thread,
 * events not yet taken are dropped; a callback is not called again, but for a call that is under way, and
 * `drop` follows. Any thread, callbacks included. The subscription must still be freed.
 */
PICO_API
pico_status_t PICO_CALL pico_subscription_cancel(const pico_subscription_t *subscription,
                                                 pico_error_t **error);

/**
 * Ends the subscription like pico_subscription_cancel() and waits, timeout_ms at most (negative: for
 * ever), until a call of the callback that is under way and `drop` have returned. PICO_E_TIMEOUT when they
 * have not; it may be called again to wait on. The subscription must still be freed. Waits: it must not be
 * called from a callback.
 */
PICO_API
pico_status_t PICO_CALL pico_subscription_close(const pico_subscription_t *subscription,
                                                int64_t timeout_ms,
                                                pico_error_t **error);

/**
 * Frees the subscription, ending it like pico_subscription_cancel(). Never waits; any thread, its own
 * callback included.
 */
PICO_API void PICO_CALL pico_subscription_free(pico_subscription_t *subscription);

/**
 * Takes the next event of a subscription without a callback; free it with pico_event_free(). Waits
 * timeout_ms at most, 0 not at all, negative for ever. PICO_E_TIMEOUT when there was none; PICO_E_CLOSED
 * after the end (the last event is PICO_EVENT_CLOSED, unless this side ended it). Several threads may
 * take; each event goes to one of them. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_subscription_next(const pico_subscription_t *subscription,
                                               int64_t timeout_ms,
                                               pico_event_t **event,
                                               pico_error_t **error);

/**
 * Takes the next events of a subscription without a callback: waits for the first as
 * pico_subscription_next() does, and takes with it what else is there, `capacity` in all at most. `events` has
 * room for that many; *count receives how many there are, 1 or more. Free each with pico_event_free().
 * Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_subscription_next_batch(const pico_subscription_t *subscription,
                                                     int64_t timeout_ms,
                                                     pico_event_t **events,
                                                     size_t capacity,
                                                     size_t *count,
                                                     pico_error_t **error);

/**
 * Gives a descriptor for poll(), select() or epoll, for a host with an event loop of its own: it is readable
 * exactly while pico_subscription_next() with a time limit of 0 would return an event or PICO_E_CLOSED. When it
 * is readable, take events until PICO_E_TIMEOUT. It belongs to the subscription, which always gives the same
 * one: do not read, write or close it, and take it out of an epoll set before the subscription is freed. Only
 * for a subscription without a callback. Unix only; PICO_E_INVALID_ARGUMENT elsewhere. Never waits; any thread.
 */
PICO_API
pico_status_t PICO_CALL pico_subscription_descriptor(const pico_subscription_t *subscription,
                                                     int *descriptor,
                                                     pico_error_t **error);

/**
 * The version of the library that is loaded, such as "0.1.0". Lives for ever.
 */
PICO_API const char *PICO_CALL pico_version(void);

/**
 * The version of the C ABI of the library that is loaded. A program works with it when this is at least the
 * PICO_ABI_VERSION that it was compiled with.
 */
PICO_API int32_t PICO_CALL pico_abi_version(void);

/**
 * Keeps a webhook registered with Pico for as long as the keeper is held: registers it now, makes it anew when it is
 * gone or changed, notices when posts do not arrive, and catches up after each. It looks every check_interval_ms;
 * 0 means the default of 60 s. The feed's notices tell what it does. The keeper must be freed; the webhook stays
 * registered then. Never waits.
 */
PICO_API
pico_status_t PICO_CALL pico_feed_keep_webhook(const pico_feed_t *feed,
                                               const pico_webhook_subscribe_t *webhook,
                                               int64_t check_interval_ms,
                                               pico_webhook_keeper_t **keeper,
                                               pico_error_t **error);

/**
 * Looks now, and waits until that is done, as long as `call` (may be NULL) allows. What it found and did the feed's
 * notices tell. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_webhook_keeper_check_now(const pico_webhook_keeper_t *keeper,
                                                      const pico_call_t *call,
                                                      pico_error_t **error);

/**
 * Ends it, after the check that is under way: one that takes longer than timeout_ms (negative: no limit) is broken
 * off, PICO_E_TIMEOUT, and the webhook may be unregistered then, which the next start mends. It must still be freed.
 * Waits: it must not be called from a callback.
 */
PICO_API
pico_status_t PICO_CALL pico_webhook_keeper_close(const pico_webhook_keeper_t *keeper,
                                                  int64_t timeout_ms,
                                                  pico_error_t **error);

/**
 * Frees the keeper, ending it at once, with a check that is under way. The webhook stays registered. Never waits;
 * any thread.
 */
PICO_API
void PICO_CALL pico_webhook_keeper_free(pico_webhook_keeper_t *keeper);

/**
 * Sees to it once that a webhook is registered just like this, and does nothing where it is. `known` is the fingerprint
 * that the last call gave, or NULL: without it a listed webhook is replaced, because Pico does not show the headers
 * that it posts with. `outcome` (may be NULL) receives PICO_WEBHOOK_*, `fingerprint` (may be NULL) the text to keep
 * for the next call, to be freed with pico_text_free(). After an error the webhook may be gone: repeat the call.
 * `call` may be NULL. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_client_webhook_ensure(const pico_client_t *client,
                                                   const pico_webhook_subscribe_t *webhook,
                                                   const char *known,
                                                   const pico_call_t *call,
                                                   int32_t *outcome,
                                                   pico_text_t **fingerprint,
                                                   pico_error_t **error);

/**
 * Lists the registered webhooks. `call` may be NULL. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_client_webhooks(const pico_client_t *client,
                                             const pico_call_t *call,
                                             pico_webhooks_t **webhooks,
                                             pico_error_t **error);

/**
 * Registers a webhook. Pico then posts the fragment's fields, as a bare object, for each event; it tries
 * once, and drops what is not answered with a 2xx. `webhooks` (may be NULL) receives the registration, a
 * list of one. What Pico does when the id is taken is not documented: unsubscribe first to be sure. `call`
 * may be NULL. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_client_webhook_subscribe(const pico_client_t *client,
                                                      const pico_webhook_subscribe_t *webhook,
                                                      const pico_call_t *call,
                                                      pico_webhooks_t **webhooks,
                                                      pico_error_t **error);

/**
 * Removes a webhook. `removed` (may be NULL) receives 1 when there was one with that id, else 0; a server
 * may also report an unknown id as an error. `call` may be NULL. Waits.
 */
PICO_API
pico_status_t PICO_CALL pico_client_webhook_unsubscribe(const pico_client_t *client,
                                                        const char *subscription_id,
                                                        const pico_call_t *call,
                                                        int32_t *removed,
                                                        pico_error_t **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PICO_ERP_H */
