/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing by libward with a data key at hand: every way in and out. What the format itself refuses
 * is tested beside it, in tests/unit/proto; what needs a daemon in test_seal_calls.c. */
#include "tests/unit/client/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/stat.h>

#include "base/secret.h"
#include "client/include/ward/ward.h"

#define CHUNK 4096
#define CLOSED "ciphertext does not open"

static const uint8_t data_key[32] = {1, 2, 3}, other_key[32] = {9};
static const ward_seal_options given = {
    .chunk_size = CHUNK, .data_key = data_key, .wrapped = "a wrapped key", .wrapped_size = 13};

static ward_error error;

static struct ward_bytes sample(size_t size)
{
    static uint8_t bytes[16 * CHUNK];
    assert_true(size <= sizeof(bytes));
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(i * 7 % 253);
    }
    return WARD_BYTES(bytes, size);
}

static ward_blob *sealed(size_t size)
{
    ward_blob *blob = NULL;
    assert_int_equal(ward_seal(NULL, NULL, &given, sample(size).data, size, &blob, &error),
                     WARD_RC_OK);
    return blob;
}

/* Opening these bytes is refused, with the one answer. */
static void assert_closed(const void *bytes, size_t size)
{
    ward_blob *blob = NULL;
    assert_int_equal(ward_open(NULL, NULL, &given, bytes, size, &blob, &error),
                     WARD_RC_INVALID_ARGUMENT);
    assert_string_equal(error.message, CLOSED);
    assert_null(blob);
}

static void assert_sample(const void *data, size_t size, size_t expected)
{
    assert_int_equal(size, expected);
    if (size > 0) {
        assert_memory_equal(data, sample(expected).data, size);
    }
}

/* ---- buffers ---- */

static const size_t sizes[] = {0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 100};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void what_was_sealed_opens(void **state)
{
    (void)state;
    size_t before = ward_secret_pool_used();
    for (size_t i = 0; i < N_SIZES; i++) {
        ward_blob *blob = sealed(sizes[i]), *opened = NULL;
        assert_int_equal(ward_open(NULL, NULL, &given, blob->data, blob->size, &opened, &error),
                         WARD_RC_OK);
        assert_sample(opened->data, opened->size, sizes[i]);
        ward_blob_free(opened);
        ward_blob_free(blob);
    }
    assert_int_equal(ward_secret_pool_used(), before);
}

static void any_byte_flipped_is_one_error(void **state)
{
    (void)state;
    ward_blob *blob = sealed(CHUNK + 20);
    uint8_t *bytes = (uint8_t *)blob->data;
    for (size_t i = 0; i < blob->size; i += i < 200 || i > CHUNK + 80 ? 1 : 97) {
        if (i >= 11 && i < 24) {
            continue; /* the wrapped key: the daemon's to refuse; here the data key is given */
        }
        bytes[i] ^= 0x10;
        assert_closed(bytes, blob->size);
        bytes[i] ^= 0x10;
    }
    ward_blob_free(blob);
}

static void cut_anywhere_or_longer_is_one_error(void **state)
{
    (void)state;
    ward_blob *blob = sealed(CHUNK + 20);
    for (size_t size = 0; size < blob->size; size += size < 200 || size > CHUNK + 80 ? 1 : 61) {
        assert_closed(blob->data, size);
    }
    uint8_t *longer = malloc(blob->size + CHUNK);
    assert_non_null(longer);
    memcpy(longer, blob->data, blob->size);
    memset(longer + blob->size, 0, CHUNK);
    for (size_t more = 1; more <= CHUNK; more += more < 40 ? 1 : 211) {
        assert_closed(longer, blob->size + more);
    }
    free(longer);
    ward_blob_free(blob);
}

static void another_key_or_associated_data_is_one_error(void **state)
{
    (void)state;
    ward_blob *blob = sealed(10), *opened = NULL;
    ward_seal_options bad = given;
    bad.data_key = other_key;
    assert_int_equal(ward_open(NULL, NULL, &bad, blob->data, blob->size, &opened, &error),
                     WARD_RC_INVALID_ARGUMENT);
    assert_string_equal(error.message, CLOSED);
    bad = given;
    bad.associated_data = "x";
    bad.associated_data_size = 1;
    assert_int_equal(ward_open(NULL, NULL, &bad, blob->data, blob->size, &opened, &error),
                     WARD_RC_INVALID_ARGUMENT);
    assert_string_equal(error.message, CLOSED);
    assert_null(opened);
    ward_blob_free(blob);
    assert_int_equal(ward_seal(NULL, NULL, &bad, "abc", 3, &blob, &error), WARD_RC_OK);
    assert_closed(blob->data, blob->size);
    assert_int_equal(ward_open(NULL, NULL, &bad, blob->data, blob->size, &opened, &error),
                     WARD_RC_OK);
    assert_memory_equal(opened->data, "abc", 3);
    ward_blob_free(opened);
    ward_blob_free(blob);
}

static void the_wrapped_key_is_found(void **state)
{
    (void)state;
    ward_blob *blob = sealed(10);
    const void *wrapped = NULL;
    size_t size = 0;
    for (size_t there = 0; there < blob->size; there++) {
        assert_int_equal(ward_sealed_key(blob->data, there, &wrapped, &size, &error), WARD_RC_OK);
        assert_int_equal(size, there < 24 ? 0 : 13);
        if (size > 0) {
            assert_memory_equal(wrapped, "a wrapped key", size);
        }
    }
    assert_int_equal(ward_sealed_key("not sealed, this", 16, &wrapped, &size, &error),
                     WARD_RC_INVALID_ARGUMENT);
    ward_blob_free(blob);
}

static void bad_options_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        ward_seal_options options;
        const char *text;
    } bad[] = {
        {{.key = "app/demo"}, "client: none, and no data key"},
        {{.data_key = data_key, .wrapped = "x"}, "wrapped: not 1 to 1024 bytes"},
        {{.data_key = data_key, .wrapped_size = 3}, "wrapped: not 1 to 1024 bytes"},
        {{.data_key = data_key, .wrapped = "x", .wrapped_size = 1025},
         "wrapped: not 1 to 1024 bytes"},
        {{.data_key = data_key, .wrapped = "x", .wrapped_size = 1, .chunk_size = 5000},
         "chunk size: not a power of two, 4096 to 1048576"},
        {{.data_key = data_key, .wrapped = "x", .wrapped_size = 1, .chunk_size = 2048},
         "chunk size: not a power of two, 4096 to 1048576"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ward_blob *blob = NULL;
        assert_int_equal(ward_seal(NULL, NULL, &bad[i].options, "abc", 3, &blob, &error),
                         WARD_RC_INVALID_ARGUMENT);
        assert_string_equal(error.message, bad[i].text);
        assert_null(blob);
    }
}

/* ---- streams ---- */

struct gathered {
    uint8_t bytes[20 * CHUNK];
    size_t size, stop_at; /* stop_at 0: never */
};

static int gather(void *context, const void *data, size_t size)
{
    struct gathered *to = context;
    if (to->stop_at > 0 && to->size >= to->stop_at) {
        return 1;
    }
    assert_true(size <= sizeof(to->bytes) - to->size);
    memcpy(to->bytes + to->size, data, size);
    to->size += size;
    return 0;
}

static ward_rc run_in_pieces(bool opening, struct ward_bytes in, size_t piece, struct gathered *out)
{
    ward_stream *stream = NULL;
    ward_rc rc = (opening ? ward_stream_open : ward_stream_seal)(NULL, NULL, &given, gather, out,
                                                                 &stream, &error);
    for (size_t at = 0; rc == WARD_RC_OK && at < in.size; at += piece) {
        size_t size = in.size - at < piece ? in.size - at : piece;
        rc = ward_stream_update(stream, in.data + at, size, &error);
    }
    if (rc == WARD_RC_OK) {
        rc = ward_stream_finish(stream, &error);
    }
    ward_stream_free(stream);
    return rc;
}

static void streams_take_bytes_as_they_come(void **state)
{
    (void)state;
    static const size_t pieces[] = {1,          7,          CHUNK - 1,     CHUNK,     CHUNK + 1,
                                    CHUNK + 16, CHUNK + 17, 2 * CHUNK + 5, 16 * CHUNK};
    static struct gathered shut, opened;
    for (size_t i = 0; i < N_SIZES; i++) {
        for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
            shut.size = opened.size = 0;
            assert_int_equal(run_in_pieces(false, sample(sizes[i]), pieces[p], &shut), WARD_RC_OK);
            assert_int_equal(
                run_in_pieces(true, WARD_BYTES(shut.bytes, shut.size), pieces[p], &opened),
                WARD_RC_OK);
            assert_sample(opened.bytes, opened.size, sizes[i]);
        }
    }
}

static void nothing_is_given_out_unverified(void **state)
{
    (void)state;
    static struct gathered opened;
    ward_blob *blob = sealed(4 * CHUNK);
    const size_t head = blob->size - (size_t)4 * (CHUNK + 16);
    for (size_t bad = 0; bad < 4; bad++) {
        uint8_t *byte = (uint8_t *)blob->data + head + bad * (CHUNK + 16) + 5;
        *byte ^= 1;
        opened.size = 0;
        assert_int_equal(
            run_in_pieces(true, WARD_BYTES(blob->data, blob->size), blob->size, &opened),
            WARD_RC_INVALID_ARGUMENT);
        assert_sample(opened.bytes, opened.size, bad * CHUNK);
        *byte ^= 1;
    }
    ward_blob_free(blob);
}

static void a_writer_that_fails_stops_the_work(void **state)
{
    (void)state;
    static struct gathered out = {.stop_at = 1}; /* takes the header only */
    ward_stream *stream = NULL;
    assert_int_equal(ward_stream_seal(NULL, NULL, &given, gather, &out, &stream, &error),
                     WARD_RC_OK);
    struct ward_bytes in = sample(2 * CHUNK);
    assert_int_equal(ward_stream_update(stream, in.data, in.size, &error), WARD_RC_CANCELLED);
    assert_int_equal(ward_stream_update(stream, in.data, 1, &error), WARD_RC_FAILED_PRECONDITION);
    assert_int_equal(ward_stream_finish(stream, &error), WARD_RC_FAILED_PRECONDITION);
    ward_stream_free(stream);
}

static int stop_after_two(void *context, uint64_t bytes)
{
    *(uint64_t *)context = bytes;
    return bytes >= 2 * CHUNK;
}

static void progress_is_told_and_may_stop_the_work(void **state)
{
    (void)state;
    ward_seal_options options = given;
    uint64_t seen = 0;
    options.progress = stop_after_two;
    options.progress_context = &seen;
    ward_blob *blob = NULL;
    assert_int_equal(ward_seal(NULL, NULL, &options, sample(CHUNK).data, CHUNK, &blob, &error),
                     WARD_RC_OK);
    assert_int_equal(seen, CHUNK);
    ward_blob_free(blob);
    blob = NULL;
    assert_int_equal(
        ward_seal(NULL, NULL, &options, sample(9 * CHUNK).data, 9 * CHUNK, &blob, &error),
        WARD_RC_CANCELLED);
    assert_int_equal(seen, 2 * CHUNK);
    assert_null(blob);
}

static void a_stream_that_ended_takes_no_more(void **state)
{
    (void)state;
    static struct gathered out;
    ward_stream *stream = NULL;
    assert_int_equal(ward_stream_open(NULL, NULL, &given, gather, &out, &stream, &error),
                     WARD_RC_OK);
    assert_int_equal(ward_stream_finish(stream, &error), WARD_RC_INVALID_ARGUMENT);
    assert_string_equal(error.message, CLOSED);
    assert_int_equal(ward_stream_update(stream, "x", 1, &error), WARD_RC_FAILED_PRECONDITION);
    ward_stream_free(stream);
    ward_stream_free(NULL);
    assert_int_equal(out.size, 0);
}

/* ---- descriptors and files ---- */

static int in_temporary_folder(void **state)
{
    *state = folder_make();
    return 0;
}

static int remove_temporary_folder(void **state)
{
    folder_remove(*state);
    return 0;
}

static size_t files_in(const char *folder)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        n += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    }
    assert_int_equal(closedir(dir), 0);
    return n;
}

static int open_to_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static mode_t mode_of(const char *path)
{
    struct stat is;
    assert_int_equal(stat(path, &is), 0);
    return is.st_mode & 07777;
}

static ward_rc file_to_file(bool opening, const char *from, const char *to, int replace)
{
    ward_sizes through;
    int in = open_to_read(from);
    ward_rc rc = (opening ? ward_open_file : ward_seal_file)(NULL, NULL, &given, in, to, replace,
                                                             &through, &error);
    assert_int_equal(close(in), 0);
    return rc;
}

static void files_come_back_and_are_for_their_owner(void **state)
{
    const char *plain = in_folder(*state, "plain"), *shut = in_folder(*state, "shut"),
               *back = in_folder(*state, "back");
    file_write(plain, sample(3 * CHUNK));
    static const struct {
        mode_t plain, shut;
    } modes[] = {{0600, 0600}, {0640, 0640}, {0777, 0644}, {0400, 0600}};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        assert_int_equal(chmod(plain, modes[i].plain), 0);
        assert_int_equal(file_to_file(false, plain, shut, 1), WARD_RC_OK);
        assert_int_equal(file_to_file(true, shut, back, 1), WARD_RC_OK);
        assert_int_equal(mode_of(shut), modes[i].shut);
        assert_int_equal(mode_of(back), 0600);
    }
    struct ward_buffer content;
    file_read(back, &content);
    assert_sample(content.data, content.size, 3 * CHUNK);
    ward_buffer_fini(&content);
    assert_int_equal(files_in(*state), 3);
}

static void nothing_is_left_of_a_file_that_did_not_open(void **state)
{
    const char *shut = in_folder(*state, "shut"), *back = in_folder(*state, "back");
    ward_blob *blob = sealed(5 * CHUNK);
    file_write(shut, WARD_BYTES(blob->data, blob->size - 1));
    assert_int_equal(file_to_file(true, shut, back, 0), WARD_RC_INVALID_ARGUMENT);
    assert_int_equal(files_in(*state), 1);
    file_write(back, WARD_BYTES_LITERAL("before"));
    assert_int_equal(file_to_file(true, shut, back, 1), WARD_RC_INVALID_ARGUMENT);
    assert_int_equal(files_in(*state), 2);
    struct ward_buffer content;
    file_read(back, &content);
    assert_int_equal(content.size, 6);
    ward_buffer_fini(&content);
    ward_blob_free(blob);
}

static void a_file_is_replaced_only_when_asked(void **state)
{
    const char *plain = in_folder(*state, "plain"), *to = in_folder(*state, "to"),
               *link = in_folder(*state, "link");
    file_write(plain, sample(10));
    file_write(to, WARD_BYTES_LITERAL("before"));
    assert_int_equal(file_to_file(false, plain, to, 0), WARD_RC_ALREADY_EXISTS);
    assert_string_equal(error.message, "output: to exists");
    assert_int_equal(file_to_file(false, plain, to, 1), WARD_RC_OK);
    assert_int_equal(symlink("to", link), 0);
    assert_int_equal(file_to_file(false, plain, link, 1), WARD_RC_ABORTED);
    assert_string_equal(error.message, "output: link is not a regular file");
    assert_int_equal(file_to_file(false, plain, "/dev/null", 1), WARD_RC_ABORTED);
    assert_int_equal(file_to_file(false, plain, *state, 1), WARD_RC_ABORTED);
    assert_int_equal(file_to_file(false, plain, "/nowhere/at/all", 1), WARD_RC_ABORTED);
    assert_int_equal(file_to_file(false, plain, "/tmp/", 1), WARD_RC_INVALID_ARGUMENT);
    assert_int_equal(files_in(*state), 3);
}

static void a_file_may_be_sealed_onto_itself(void **state)
{
    const char *file = in_folder(*state, "file");
    struct ward_buffer content;
    file_write(file, sample(2 * CHUNK + 1));
    assert_int_equal(file_to_file(false, file, file, 1), WARD_RC_OK);
    assert_int_equal(file_to_file(true, file, file, 1), WARD_RC_OK);
    file_read(file, &content);
    assert_sample(content.data, content.size, 2 * CHUNK + 1);
    ward_buffer_fini(&content);
    assert_int_equal(files_in(*state), 1);
}

static void pipes_carry_it_and_say_why_they_do_not(void **state)
{
    (void)state;
    int first[2], second[2];
    ward_sizes through;
    uint8_t back[128];
    assert_int_equal(pipe2(first, O_CLOEXEC), 0);
    assert_int_equal(pipe2(second, O_CLOEXEC), 0);
    assert_int_equal(write(first[1], "some text", 9), 9);
    assert_int_equal(close(first[1]), 0);
    assert_int_equal(ward_seal_fd(NULL, NULL, &given, first[0], second[1], &through, &error),
                     WARD_RC_OK);
    assert_int_equal(through.plain, 9);
    assert_int_equal(through.sealed, 11 + 13 + 68 + 9 + 16);
    assert_int_equal(read(second[0], back, sizeof(back)), through.sealed);
    assert_int_equal(ward_seal_fd(NULL, NULL, &given, first[0], second[0], NULL, &error),
                     WARD_RC_ABORTED);
    assert_string_equal(error.message, "output: cannot write it: Bad file descriptor");
    assert_int_equal(ward_seal_fd(NULL, NULL, &given, second[1], second[1], NULL, &error),
                     WARD_RC_ABORTED);
    assert_string_equal(error.message, "input: cannot read it: Bad file descriptor");
    assert_int_equal(close(first[0]) | close(second[0]) | close(second[1]), 0);
}

static void *seal_and_open(void *context)
{
    bool *fine = context;
    for (int i = 0; i < 50; i++) {
        ward_blob *shut = NULL, *back = NULL;
        ward_error mine;
        uint8_t text[2 * CHUNK];
        memset(text, i, sizeof(text));
        *fine = ward_seal(NULL, NULL, &given, text, sizeof(text), &shut, &mine) == WARD_RC_OK &&
                ward_open(NULL, NULL, &given, shut->data, shut->size, &back, &mine) == WARD_RC_OK &&
                back->size == sizeof(text) && memcmp(back->data, text, sizeof(text)) == 0;
        ward_blob_free(shut);
        ward_blob_free(back);
        if (!*fine) {
            break;
        }
    }
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    pthread_t threads[4];
    bool fine[4] = {false};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, seal_and_open, &fine[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(fine[i]);
    }
}

int main(void)
{
#define WITH_FOLDER(name) \
    cmocka_unit_test_setup_teardown(name, in_temporary_folder, remove_temporary_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sealed_opens),
        cmocka_unit_test(any_byte_flipped_is_one_error),
        cmocka_unit_test(cut_anywhere_or_longer_is_one_error),
        cmocka_unit_test(another_key_or_associated_data_is_one_error),
        cmocka_unit_test(the_wrapped_key_is_found),
        cmocka_unit_test(bad_options_are_refused_by_name),
        cmocka_unit_test(streams_take_bytes_as_they_come),
        cmocka_unit_test(nothing_is_given_out_unverified),
        cmocka_unit_test(a_writer_that_fails_stops_the_work),
        cmocka_unit_test(progress_is_told_and_may_stop_the_work),
        cmocka_unit_test(a_stream_that_ended_takes_no_more),
        WITH_FOLDER(files_come_back_and_are_for_their_owner),
        WITH_FOLDER(nothing_is_left_of_a_file_that_did_not_open),
        WITH_FOLDER(a_file_is_replaced_only_when_asked),
        WITH_FOLDER(a_file_may_be_sealed_onto_itself),
        cmocka_unit_test(pipes_carry_it_and_say_why_they_do_not),
        cmocka_unit_test(threads_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
