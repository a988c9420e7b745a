/*
 * What the header promises about the alpha APIs: uploads in one request and in chunks, their progress, cancelling and
 * resuming; work instructions from JSON. The harness has the sandbox refuse chunk 3 of an upload, once.
 */

#include "check.h"

#define IMAGE_BYTES 300000
#define VIDEO_BYTES 45000
#define CHUNK_BYTES 10000

static pico_client_t *client;
static char image[512];
static char video[512];

/* What the progress function saw, and what it is to do. */
struct progress {
    int calls, dropped;
    uint64_t sent, total;
    char ticket[1024];
    pico_call_t *call;
    uint64_t cancel_at;
};

static void PICO_CALL on_progress(void *user_data, uint64_t sent, uint64_t total, const char *ticket) {
    struct progress *progress = user_data;
    pico_text_t *path = NULL;
    CHECK(progress->dropped == 0 && sent <= total);
    progress->calls++;
    progress->sent = sent;
    progress->total = total;
    if (ticket != NULL) {
        CHECK(strlen(ticket) < sizeof progress->ticket);
        strcpy(progress->ticket, ticket);
    }
    CHECK_STATUS(PICO_E_REENTRANT, pico_alpha_upload(client, NULL, NULL, NULL, &path, &error));
    if (progress->cancel_at > 0 && sent >= progress->cancel_at) {
        OK(pico_call_cancel(progress->call, &error));
    }
}

static void PICO_CALL on_drop(void *user_data) {
    ((struct progress *)user_data)->dropped++;
}

static void write_file(char *path, const char *name, const void *start, size_t length, size_t bytes) {
    FILE *file;
    size_t at;
    snprintf(path, 512, "%s/%s", getenv("TEST_FOLDER"), name);
    file = fopen(path, "wb");
    CHECK(file != NULL);
    CHECK(fwrite(start, 1, length, file) == length);
    for (at = length; at < bytes; at++) {
        CHECK(fputc((int)(at & 0xff) ^ (int)(at >> 8 & 0xff), file) != EOF);
    }
    CHECK(fclose(file) == 0);
}

static pico_alpha_upload_t upload_of(const char *path, const char *destination) {
    pico_alpha_upload_t upload;
    memset(&upload, 0, sizeof upload);
    upload.struct_size = sizeof upload;
    upload.path = path;
    upload.destination = destination;
    return upload;
}

static pico_alpha_upload_t chunks_of_the_video(void) {
    pico_alpha_upload_t upload = upload_of(video, "stepVideo");
    upload.mode = PICO_ALPHA_UPLOAD_CHUNKED;
    upload.chunk_bytes = CHUNK_BYTES;
    return upload;
}

static void expect_path(pico_text_t *path, const char *start) {
    CHECK(strncmp(pico_text_string(path), start, strlen(start)) == 0);
    pico_text_free(path);
}

static void a_small_file_travels_in_one_request(void) {
    pico_alpha_upload_t upload = upload_of(image, "stepImage");
    struct progress progress = {0};
    pico_alpha_progress_callback_t callback = {on_progress, on_drop, NULL};
    pico_text_t *path = NULL;
    callback.user_data = &progress;
    OK(pico_alpha_upload(client, &upload, &callback, NULL, &path, &error));
    expect_path(path, "/api/v1/images/");
    CHECK(progress.sent == IMAGE_BYTES && progress.total == IMAGE_BYTES && progress.calls > 1);
    CHECK(progress.ticket[0] == '\0' && progress.dropped == 1);
    OK(pico_alpha_upload(client, &upload, NULL, NULL, &path, &error));
    expect_path(path, "/api/v1/images/");
}

static void wrong_files_and_settings_are_named(void) {
    pico_alpha_upload_t upload = upload_of(image, "stepVideo");
    pico_text_t *path = NULL;
    pico_error_t *error = NULL;
    CHECK(pico_alpha_upload(client, &upload, NULL, NULL, &path, &error) == PICO_E_INVALID_ARGUMENT);
    CHECK(strcmp(pico_error_message(error), "file: is a PNG, but stepVideo takes MP4") == 0);
    pico_error_free(error);
    upload = upload_of(image, "stepImage");
    upload.max_bytes = 1000;
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_alpha_upload(client, &upload, NULL, NULL, &path, &error));
    upload.max_bytes = 0;
    upload.mode = 77;
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_alpha_upload(client, &upload, NULL, NULL, &path, &error));
    upload.mode = PICO_ALPHA_UPLOAD_AUTO;
    upload.ticket_json = "{}";
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_alpha_upload(client, &upload, NULL, NULL, &path, &error));
    upload.ticket_json = NULL;
    upload.open_fields_json = "[]";
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_alpha_upload(client, &upload, NULL, NULL, &path, &error));
    upload.open_fields_json = NULL;
    upload.uploads_url = "https://127.0.0.1:9/uploads";
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_alpha_upload(client, &upload, NULL, NULL, &path, &error));
    CHECK(path == NULL);
}

static void an_upload_that_is_cancelled_or_fails_goes_on_with_its_ticket(void) {
    pico_alpha_upload_t upload = chunks_of_the_video();
    struct progress progress = {0};
    pico_alpha_progress_callback_t callback = {on_progress, on_drop, NULL};
    pico_text_t *path = NULL;
    char ticket[1024];
    callback.user_data = &progress;

    OK(pico_call_new(&progress.call, &error));
    progress.cancel_at = CHUNK_BYTES;
    CHECK_STATUS(PICO_E_CANCELLED, pico_alpha_upload(client, &upload, &callback, progress.call, &path, &error));
    CHECK(path == NULL && progress.dropped == 0 && strstr(progress.ticket, "\"streamId\"") != NULL);
    pico_call_free(progress.call);
    progress.call = NULL;
    progress.cancel_at = 0;

    strcpy(ticket, progress.ticket);
    upload = upload_of(video, NULL);
    upload.ticket_json = ticket;
    CHECK_STATUS(PICO_E_HTTP_STATUS, pico_alpha_upload(client, &upload, &callback, NULL, &path, &error));
    CHECK(path == NULL && progress.dropped == 0 && strstr(progress.ticket, "\"nextChunk\":3") != NULL);

    strcpy(ticket, progress.ticket);
    upload.destination = "stepImage";
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_alpha_upload(client, &upload, &callback, NULL, &path, &error));
    upload.destination = "stepVideo";
    OK(pico_alpha_upload(client, &upload, &callback, NULL, &path, &error));
    expect_path(path, "/api/v1/videos/");
    CHECK(progress.sent == VIDEO_BYTES && progress.dropped == 1);
}

static void work_instructions_are_created_from_json(void) {
    static const char PROCESS[] =
        "{\"process\":{\"id\":\"Assembly_1\",\"name\":\"n\",\"steps\":[{\"id\":\"step_1\",\"name\":\"s\"}]}}";
    static const char WRONG[] = "{\"process\":{\"id\":\"abc\",\"steps\":[{\"id\":\"x\"}]}}";
    static const char ANY[] = "{\"id\":\"any_1\"}";
    pico_text_t *result = NULL;
    pico_error_t *error = NULL;
    OK(pico_alpha_process_create(client, PROCESS, sizeof PROCESS - 1, NULL, &result, &error));
    CHECK(strcmp(pico_text_string(result), "\"assembly_1\"") == 0);
    pico_text_free(result);
    OK(pico_alpha_process_create(client, PROCESS, sizeof PROCESS - 1, NULL, NULL, &error));
    OK(pico_alpha_product_create(client, ANY, sizeof ANY - 1, NULL, NULL, &error));
    OK(pico_alpha_station_create(client, ANY, sizeof ANY - 1, NULL, NULL, &error));
    CHECK(pico_alpha_process_create(client, WRONG, sizeof WRONG - 1, NULL, NULL, &error) == PICO_E_INVALID_ARGUMENT);
    CHECK(strncmp(pico_error_message(error), "process.steps[0].id: ", 21) == 0);
    pico_error_free(error);
    CHECK_STATUS(PICO_E_INVALID_ARGUMENT, pico_alpha_process_create(client, "{", 1, NULL, NULL, &error));
}

int main(void) {
    static const unsigned char PNG[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    static const unsigned char MP4[] = {0, 0, 0, 0x18, 'f', 't', 'y', 'p', 'm', 'p', '4', '2'};
    write_file(image, "step1.png", PNG, sizeof PNG, IMAGE_BYTES);
    write_file(video, "step1.mp4", MP4, sizeof MP4, VIDEO_BYTES);
    OK(pico_client_from_environment(&client, &error));
    a_small_file_travels_in_one_request();
    wrong_files_and_settings_are_named();
    an_upload_that_is_cancelled_or_fails_goes_on_with_its_ticket();
    work_instructions_are_created_from_json();
    OK(pico_client_close(client, -1, &error));
    pico_client_free(client);
    puts("passed");
    return 0;
}
