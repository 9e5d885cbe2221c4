/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing, opening and wrapping anew by libward, with a daemon that answers as it is told. */
#include "tests/unit/client/check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/stat.h>

#include "base/secret.h"
#include "client/include/ward/ward.h"
#include "tests/unit/client/stub_server.h"
#include "ward/v1/data_keys.pb-c.h"

#define CLOSED "ciphertext does not open"

static const uint8_t data_key[32] = {1, 2, 3};
static ward_error error;

struct rig {
    char *folder;
    struct pki pki;
    struct stub_server *server;
    ward_client *client;
    /* What it answers, and what it was asked. */
    size_t key_size, wrapped_size;
    int grpc_status;
    bool unchanged, purpose_was_named;
    unsigned calls;
};

static void answer(const void *message, struct ward_buffer *out)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *to = ward_buffer_reserve(out, size);
    assert_non_null(to);
    out->size += protobuf_c_message_pack(message, to);
}

static void answer_generate(const struct rig *rig, struct ward_buffer *out)
{
    static uint8_t wrapped[2000] = "a wrapped key";
    Ward__V1__DataKey key = WARD__V1__DATA_KEY__INIT, *keys = &key;
    key.plaintext = (ProtobufCBinaryData){rig->key_size, (uint8_t *)data_key};
    key.wrapped = (ProtobufCBinaryData){rig->wrapped_size, wrapped};
    Ward__V1__GenerateDataKeysResult result = WARD__V1__GENERATE_DATA_KEYS_RESULT__INIT,
                                     *results = &result;
    result.keys = &keys;
    result.n_keys = 1;
    Ward__V1__GenerateDataKeysResponse response = WARD__V1__GENERATE_DATA_KEYS_RESPONSE__INIT;
    response.results = &results;
    response.n_results = 1;
    answer(&response, out);
}

static void answer_unwrap(const struct rig *rig, struct ward_buffer *out)
{
    char name[] = "app/demo";
    Ward__V1__UnwrapDataKeysResult result = WARD__V1__UNWRAP_DATA_KEYS_RESULT__INIT,
                                   *results = &result;
    result.plaintext = (ProtobufCBinaryData){rig->key_size, (uint8_t *)data_key};
    result.key = name;
    Ward__V1__UnwrapDataKeysResponse response = WARD__V1__UNWRAP_DATA_KEYS_RESPONSE__INIT;
    response.results = &results;
    response.n_results = 1;
    answer(&response, out);
}

/* The key that was asked for, wrapped as text of the wanted size; or what was sent. */
static void answer_rewrap(const struct rig *rig, struct ward_bytes sent, struct ward_buffer *out)
{
    static uint8_t wrapped[2000] = "wrapped anew!";
    char name[] = "app/other";
    Ward__V1__RewrapDataKeysRequest *request =
        ward__v1__rewrap_data_keys_request__unpack(NULL, sent.size, sent.data);
    assert_non_null(request);
    assert_int_equal(request->n_items, 1);
    Ward__V1__RewrapDataKeysResult result = WARD__V1__REWRAP_DATA_KEYS_RESULT__INIT,
                                   *results = &result;
    wrapped[13] = (uint8_t)rig->calls; /* a larger one is another each time */
    result.wrapped = rig->unchanged ? request->items[0]->wrapped
                                    : (ProtobufCBinaryData){rig->wrapped_size, wrapped};
    result.key = name;
    result.version = 7;
    result.unchanged = rig->unchanged;
    Ward__V1__RewrapDataKeysResponse response = WARD__V1__REWRAP_DATA_KEYS_RESPONSE__INIT;
    response.results = &results;
    response.n_results = 1;
    answer(&response, out);
    ward__v1__rewrap_data_keys_request__free_unpacked(request, NULL);
}

static void handle(void *context, const struct stub_call *call, struct stub_reply *reply)
{
    struct rig *rig = context;
    rig->purpose_was_named = memmem(call->message.data, call->message.size, "TREAT", 5) != NULL;
    rig->calls++;
    reply->behaviour = STUB_ANSWER;
    reply->grpc_status = rig->grpc_status;
    reply->grpc_message = rig->grpc_status == 0 ? NULL : "no";
    if (strstr(call->path, "Generate") != NULL) {
        answer_generate(rig, &reply->answer);
    } else if (strstr(call->path, "Rewrap") != NULL) {
        answer_rewrap(rig, call->message, &reply->answer);
    } else {
        answer_unwrap(rig, &reply->answer);
    }
}

static int start(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig->folder = folder_make();
    pki_make(rig->folder, &rig->pki);
    rig->key_size = 32;
    rig->wrapped_size = 13;
    rig->server = stub_start(&rig->pki, handle, rig);
    ward_config *config = ward_config_new();
    assert_int_equal(
        ward_config_set_server(config, stub_address(rig->server)) |
            ward_config_set_ca_file(config, in_folder(rig->folder, "ca.pem")) |
            ward_config_set_certificate_file(config, in_folder(rig->folder, "alice.pem")) |
            ward_config_set_key_file(config, in_folder(rig->folder, "alice.key")),
        WARD_RC_OK);
    assert_int_equal(ward_client_new(config, &rig->client, &error), WARD_RC_OK);
    ward_config_free(config);
    *state = rig;
    return 0;
}

static int stop(void **state)
{
    struct rig *rig = *state;
    ward_client_free(rig->client);
    stub_stop(rig->server);
    pki_free(&rig->pki);
    folder_remove(rig->folder);
    free(rig);
    return 0;
}

static void the_daemon_gives_the_data_key_and_opens_it(void **state)
{
    struct rig *rig = *state;
    size_t before = ward_secret_pool_used();
    const ward_pair context[] = {{"purpose", "TREAT"}};
    const ward_seal_options options = {.key = "app/demo", .context = context, .n_context = 1};
    ward_blob *shut = NULL, *back = NULL;
    assert_int_equal(ward_seal(rig->client, NULL, &options, "abc", 3, &shut, &error), WARD_RC_OK);
    assert_true(rig->purpose_was_named);
    rig->purpose_was_named = false;
    assert_int_equal(ward_open(rig->client, NULL, &options, shut->data, shut->size, &back, &error),
                     WARD_RC_OK);
    assert_true(rig->purpose_was_named);
    assert_memory_equal(back->data, "abc", 3);
    ward_blob_free(back);
    ward_blob_free(shut);
    assert_int_equal(ward_secret_pool_used(), before);
}

struct gathered {
    uint8_t bytes[64];
    size_t size;
};

static int gather(void *context, const void *data, size_t size)
{
    struct gathered *to = context;
    assert_true(size <= sizeof(to->bytes) - to->size);
    memcpy(to->bytes + to->size, data, size);
    to->size += size;
    return 0;
}

static ward_blob *sealed(const char *text)
{
    const ward_seal_options given = {
        .data_key = data_key, .wrapped = "a wrapped key", .wrapped_size = 13};
    ward_blob *blob = NULL;
    assert_int_equal(ward_seal(NULL, NULL, &given, text, strlen(text), &blob, &error), WARD_RC_OK);
    return blob;
}

static void a_stream_keeps_what_it_asks_with(void **state)
{
    struct rig *rig = *state;
    static struct gathered out;
    char value[] = "TREAT", user[] = "u-1";
    ward_pair context[] = {{"purpose", value}};
    ward_call call = {.on_behalf_of = user};
    ward_seal_options options = {.context = context, .n_context = 1};
    ward_blob *blob = sealed("ten bytes.");
    ward_stream *stream = NULL;
    assert_int_equal(ward_stream_open(rig->client, &call, &options, gather, &out, &stream, &error),
                     WARD_RC_OK);
    memset(value, 'x', sizeof(value) - 1);
    memset(context, 0, sizeof(context));
    memset(&call, 0, sizeof(call));
    memset(&options, 0, sizeof(options));
    assert_int_equal(ward_stream_update(stream, blob->data, blob->size, &error), WARD_RC_OK);
    assert_int_equal(ward_stream_finish(stream, &error), WARD_RC_OK);
    assert_true(rig->purpose_was_named);
    assert_int_equal(out.size, 10);
    assert_memory_equal(out.bytes, "ten bytes.", 10);
    ward_stream_free(stream);
    ward_blob_free(blob);
}

static void what_the_daemon_refuses_is_told(void **state)
{
    struct rig *rig = *state;
    const ward_seal_options options = {.key = "app/demo"}, nameless = {.chunk_size = 0};
    ward_blob *shut = sealed("ten bytes."), *blob = NULL;
    assert_int_equal(ward_seal(rig->client, NULL, &nameless, "abc", 3, &blob, &error),
                     WARD_RC_INVALID_ARGUMENT);
    assert_string_equal(error.message, "key: none given");
    rig->grpc_status = WARD_RC_PERMISSION_DENIED;
    assert_int_equal(ward_seal(rig->client, NULL, &options, "abc", 3, &blob, &error),
                     WARD_RC_PERMISSION_DENIED);
    assert_int_equal(ward_open(rig->client, NULL, &options, shut->data, shut->size, &blob, &error),
                     WARD_RC_PERMISSION_DENIED);
    rig->grpc_status = 0;
    rig->key_size = 16;
    assert_int_equal(ward_seal(rig->client, NULL, &options, "abc", 3, &blob, &error),
                     WARD_RC_INTERNAL);
    assert_int_equal(ward_open(rig->client, NULL, &options, shut->data, shut->size, &blob, &error),
                     WARD_RC_INVALID_ARGUMENT);
    assert_string_equal(error.message, CLOSED);
    rig->key_size = 32;
    rig->wrapped_size = 1025;
    assert_int_equal(ward_seal(rig->client, NULL, &options, "abc", 3, &blob, &error),
                     WARD_RC_INTERNAL);
    assert_null(blob);
    ward_blob_free(shut);
}

static void a_cache_saves_calls(void **state)
{
    struct rig *rig = *state;
    const ward_cache_limits limits = {.max_age_ms = 60000, .max_uses = 2};
    ward_seal_options options = {.key = "app/demo"};
    ward_blob *shut[3] = {NULL}, *back = NULL;
    assert_int_equal(ward_cache_new(rig->client, &limits, &options.cache, &error), WARD_RC_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(ward_seal(NULL, NULL, &options, "abc", 3, &shut[i], &error), WARD_RC_OK);
    }
    assert_int_equal(rig->calls, 2); /* two uses each */
    for (size_t i = 0; i < 3; i++) { /* the rig's wrapped keys are all the same */
        assert_int_equal(
            ward_open(NULL, NULL, &options, shut[i]->data, shut[i]->size, &back, &error),
            WARD_RC_OK);
        assert_memory_equal(back->data, "abc", 3);
        ward_blob_free(back);
    }
    assert_true(rig->calls <= 3);
    assert_memory_not_equal((const uint8_t *)shut[0]->data + 24,
                            (const uint8_t *)shut[1]->data + 24,
                            64); /* another salt and commitment: another key */
    for (size_t i = 0; i < 3; i++) {
        ward_blob_free(shut[i]);
    }
    ward_cache_free(options.cache);
}

/* ---- wrapping anew ---- */

/* Opens with the data key that it was sealed with. */
static void assert_opens(const void *data, size_t size, const char *text)
{
    const ward_seal_options given = {.data_key = data_key};
    ward_blob *back = NULL;
    assert_int_equal(ward_open(NULL, NULL, &given, data, size, &back, &error), WARD_RC_OK);
    assert_int_equal(back->size, strlen(text));
    assert_memory_equal(back->data, text, back->size);
    ward_blob_free(back);
}

static void wrapping_anew_changes_the_wrapped_key_alone(void **state)
{
    struct rig *rig = *state;
    const ward_rewrap_request how = {.version = 7};
    static const size_t sizes[] = {13, 1, 20, 1024};
    ward_blob *old = sealed("some text"), *new = NULL;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ward_resealed done;
        const void *wrapped = NULL;
        size_t size = 0;
        rig->wrapped_size = sizes[i];
        assert_int_equal(
            ward_reseal(rig->client, NULL, &how, old->data, old->size, &new, &done, &error),
            WARD_RC_OK);
        assert_string_equal(done.key, "app/other");
        assert_int_equal(done.version, 7);
        assert_false(done.unchanged);
        assert_int_equal(new->size, old->size - 13 + sizes[i]);
        assert_int_equal(ward_sealed_key(new->data, new->size, &wrapped, &size, &error),
                         WARD_RC_OK);
        assert_int_equal(size, sizes[i]);
        assert_memory_equal(wrapped, "wrapped anew!", size < 13 ? size : 13);
        assert_opens(new->data, new->size, "some text");
        ward_blob_free(new);
    }
    ward_blob_free(old);
}

static size_t files_in(const char *folder)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        n++;
    }
    assert_int_equal(closedir(dir), 0);
    return n;
}

static void files_are_wrapped_anew_in_place_or_by_a_copy(void **state)
{
    struct rig *rig = *state;
    const ward_rewrap_request how = {.key = "app/other"};
    const char *file = in_folder(rig->folder, "file");
    ward_blob *blob = sealed("some text");
    file_write(file, WARD_BYTES(blob->data, blob->size));
    ward_blob_free(blob);
    assert_int_equal(chmod(file, 0640), 0);
    size_t files = files_in(rig->folder);
    static const size_t sizes[] = {13, 30, 30, 5, 800, 800}; /* the last is more than a sector */
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct stat before, after;
        struct ward_buffer content;
        assert_int_equal(stat(file, &before), 0);
        rig->wrapped_size = sizes[i];
        assert_int_equal(ward_reseal_file(rig->client, NULL, &how, file, NULL, &error), WARD_RC_OK);
        assert_int_equal(stat(file, &after), 0);
        assert_int_equal(after.st_ino == before.st_ino, i == 0 || i == 2);
        assert_int_equal(after.st_mode & 07777, 0640);
        file_read(file, &content);
        assert_opens(content.data, content.size, "some text");
        ward_buffer_fini(&content);
    }
    assert_int_equal(files_in(rig->folder), files);
}

static void a_file_that_is_not_sealed_stays_as_it_is(void **state)
{
    struct rig *rig = *state;
    const ward_rewrap_request how = {.version = 0};
    const char *file = in_folder(rig->folder, "file"), *link = in_folder(rig->folder, "link");
    ward_blob *blob = sealed("some text");
    for (size_t size = 0; size < 92; size++) { /* up to the end of the header */
        file_write(file, WARD_BYTES(blob->data, size));
        assert_int_equal(ward_reseal_file(rig->client, NULL, &how, file, NULL, &error),
                         WARD_RC_INVALID_ARGUMENT);
        assert_string_equal(error.message, CLOSED);
    }
    file_write(file, WARD_BYTES(blob->data, blob->size));
    rig->grpc_status = WARD_RC_PERMISSION_DENIED;
    assert_int_equal(ward_reseal_file(rig->client, NULL, &how, file, NULL, &error),
                     WARD_RC_PERMISSION_DENIED);
    rig->grpc_status = 0;
    rig->wrapped_size = 1025;
    assert_int_equal(ward_reseal_file(rig->client, NULL, &how, file, NULL, &error),
                     WARD_RC_INTERNAL);
    assert_int_equal(symlink("file", link), 0);
    assert_int_equal(ward_reseal_file(rig->client, NULL, &how, link, NULL, &error),
                     WARD_RC_ABORTED);
    assert_int_equal(ward_reseal_file(rig->client, NULL, &how, rig->folder, NULL, &error),
                     WARD_RC_ABORTED);
    assert_int_equal(ward_reseal_file(rig->client, NULL, &how, "/dev/null", NULL, &error),
                     WARD_RC_ABORTED);
    struct ward_buffer content;
    file_read(file, &content);
    assert_int_equal(content.size, blob->size);
    assert_memory_equal(content.data, blob->data, blob->size);
    ward_buffer_fini(&content);
    ward_blob_free(blob);
}

static void what_was_there_already_is_not_written(void **state)
{
    struct rig *rig = *state;
    const ward_rewrap_request how = {.version = 0};
    const char *file = in_folder(rig->folder, "file");
    ward_resealed done;
    ward_blob *blob = sealed("some text");
    struct stat before, after;
    file_write(file, WARD_BYTES(blob->data, blob->size));
    assert_int_equal(stat(file, &before), 0);
    rig->unchanged = true;
    assert_int_equal(ward_reseal_file(rig->client, NULL, &how, file, &done, &error), WARD_RC_OK);
    assert_true(done.unchanged);
    assert_int_equal(stat(file, &after), 0);
    assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
    ward_blob_free(blob);
}

int main(void)
{
#define WITH_DAEMON(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        WITH_DAEMON(the_daemon_gives_the_data_key_and_opens_it),
        WITH_DAEMON(a_stream_keeps_what_it_asks_with),
        WITH_DAEMON(what_the_daemon_refuses_is_told),
        WITH_DAEMON(a_cache_saves_calls),
        WITH_DAEMON(wrapping_anew_changes_the_wrapped_key_alone),
        WITH_DAEMON(files_are_wrapped_anew_in_place_or_by_a_copy),
        WITH_DAEMON(a_file_that_is_not_sealed_stays_as_it_is),
        WITH_DAEMON(what_was_there_already_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
