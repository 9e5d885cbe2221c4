/* SPDX-License-Identifier: Apache-2.0 */
/* One stream that seals or opens: bytes come in as they come, whole chunks go out. It is always one
 * chunk behind, since whether a chunk is the last one shows only when nothing follows. Must not
 * know where bytes come from or go to.
 *
 *   seal:  start (data key, header out) -> update: chunk, chunk, ... -> finish: last chunk
 *   open:  start -> update: header in, unwrap -> chunk, chunk, ... -> finish: last chunk */
#include "base/id.h"
#include "base/secret.h"
#include "base/wipe_alloc.h"
#include "client/error.h"
#include "client/fork.h"
#include "client/seal_key.h"
#include "proto/seal.h"

#define COPIES_MAX \
    ((size_t)64 * 1024) /* context, call: what opening keeps until the header is in */

struct ward_stream {
    bool opening, begun, ended;
    struct ward_seal_source source; /* when opening, what it points to is in the arena */
    struct ward_arena *arena;
    struct ward_secret *data_key; /* opening, when it was given: until the header is in */
    uint8_t associated[WARD_SHA256_SIZE];
    int (*progress)(void *, uint64_t);
    void *progress_context;
    ward_write write;
    void *write_context;

    struct ward_seal_chunks chunks;
    uint8_t *held, *out; /* a chunk as it comes in, not yet known to be the last; as it goes out */
    size_t held_size, unit; /* unit: of a full chunk as it comes in */
    uint8_t head[WARD_SEAL_HEADER_MAX];
    size_t head_size;
    ward_sizes sizes;
};

static ward_rc fail(ward_stream *stream, ward_error *error, ward_status status)
{
    stream->ended = true;
    return ward_error_status(error, status);
}

static ward_rc stopped(ward_stream *stream, ward_error *error)
{
    stream->ended = true;
    return ward_error_set(error, WARD_RC_CANCELLED, "stopped by the caller");
}

static ward_rc give_out(ward_stream *stream, const uint8_t *data, size_t size, ward_error *error)
{
    return size == 0 || stream->write(stream->write_context, data, size) == 0
               ? WARD_RC_OK
               : stopped(stream, error);
}

/* ---- the data key ---- */

static ward_rc check_options(const ward_client *client, const ward_seal_options *options,
                             bool opening, ward_error *error)
{
    bool given = options->data_key != NULL;
    if (!given && client == NULL && options->cache == NULL) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "client: none, and no data key");
    }
    if (opening) {
        return WARD_RC_OK;
    }
    if (!given && (options->key == NULL || options->key[0] == 0)) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "key: none given");
    }
    if (given && (options->wrapped == NULL || options->wrapped_size == 0 ||
                  options->wrapped_size > WARD_SEAL_WRAPPED_MAX)) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "wrapped: not 1 to %u bytes",
                              WARD_SEAL_WRAPPED_MAX);
    }
    ward_status status =
        options->chunk_size == 0 ? WARD_OK : ward_seal_check_chunk_size(options->chunk_size);
    return ward_ok(status) ? WARD_RC_OK : ward_error_status(error, status);
}

/* Room for chunks; 0 from a failed start is fine, the stream is freed then. */
static ward_rc make_room(ward_stream *stream, uint32_t chunk_size, ward_error *error)
{
    size_t in = chunk_size + (stream->opening ? WARD_AEAD_TAG_SIZE : 0);
    size_t out = chunk_size + (stream->opening ? 0 : WARD_AEAD_TAG_SIZE);
    stream->unit = in;
    stream->held = ward_wipe_malloc(in);
    stream->out = ward_wipe_malloc(out);
    return stream->held != NULL && stream->out != NULL ? WARD_RC_OK : ward_error_memory(error);
}

static ward_rc begin_seal(ward_stream *stream, const ward_seal_options *options,
                          const uint8_t *data_key, struct ward_bytes wrapped, ward_error *error)
{
    struct ward_seal_header header = {
        .wrapped = wrapped,
        .chunk_size = options->chunk_size == 0 ? WARD_SEAL_CHUNK_DEFAULT : options->chunk_size};
    ward_fork_enter();
    ward_status status = ward_random(header.salt, sizeof(header.salt));
    if (ward_ok(status)) {
        status = ward_seal_begin(&stream->chunks, data_key, stream->associated, &header);
    }
    ward_fork_leave();
    if (!ward_ok(status)) {
        return fail(stream, error, status);
    }
    WARD_CLIENT_TRY(make_room(stream, header.chunk_size, error));
    ward_seal_header_print(&header, stream->head);
    stream->head_size = WARD_SEAL_HEADER_SIZE(wrapped.size);
    stream->begun = true;
    stream->sizes.sealed = stream->head_size;
    return give_out(stream, stream->head, stream->head_size, error);
}

static ward_rc start_seal(ward_stream *stream, const ward_seal_options *options, ward_error *error)
{
    if (options->data_key != NULL) {
        return begin_seal(stream, options, options->data_key,
                          WARD_BYTES(options->wrapped, options->wrapped_size), error);
    }
    ward_auto(ward_seal_key_fini) struct ward_seal_key key = {.fetched = NULL};
    WARD_CLIENT_TRY(ward_seal_key_new(&stream->source, options->key, &key, error));
    if (key.plaintext.size != WARD_SEAL_KEY_SIZE || key.wrapped.size == 0 ||
        key.wrapped.size > WARD_SEAL_WRAPPED_MAX) {
        return ward_error_set(error, WARD_RC_INTERNAL,
                              "the daemon answered a data key of another size");
    }
    return begin_seal(stream, options, key.plaintext.data, key.wrapped, error);
}

static ward_rc resume(ward_stream *stream, const struct ward_seal_header *header,
                      struct ward_bytes data_key, ward_error *error)
{
    if (data_key.size != WARD_SEAL_KEY_SIZE) {
        return fail(stream, error, WARD_STATUS(WARD_E_CIPHERTEXT));
    }
    ward_fork_enter();
    ward_status status =
        ward_seal_resume(&stream->chunks, data_key.data, stream->associated, header);
    ward_fork_leave();
    if (!ward_ok(status)) {
        return fail(stream, error, status);
    }
    stream->begun = true;
    return make_room(stream, header->chunk_size, error);
}

/* The header is in. */
static ward_rc begin_open(ward_stream *stream, ward_error *error)
{
    struct ward_seal_header header;
    ward_status status =
        ward_seal_header_parse(WARD_BYTES(stream->head, stream->head_size), &header);
    if (!ward_ok(status)) {
        return fail(stream, error, status);
    }
    if (stream->data_key != NULL) {
        return resume(stream, &header, ward_secret_view(stream->data_key), error);
    }
    ward_auto(ward_seal_key_fini) struct ward_seal_key key = {.fetched = NULL};
    WARD_CLIENT_TRY(ward_seal_key_unwrap(&stream->source, header.wrapped, &key, error));
    return resume(stream, &header, key.plaintext, error);
}

/* ---- making one ---- */

static const char *keep_text(struct ward_arena *arena, const char *text)
{
    return text == NULL ? NULL : ward_arena_printf(arena, "%s", text);
}

/* Copies of what is asked later, when the caller's may be gone. */
static bool keep_source(ward_stream *stream, const ward_call *call,
                        const ward_seal_options *options)
{
    struct ward_seal_source *source = &stream->source;
    ward_pair *pairs = WARD_ARENA_ARRAY(stream->arena, ward_pair, options->n_context);
    bool kept = pairs != NULL;
    for (size_t i = 0; kept && i < options->n_context; i++) {
        pairs[i].key = ward_arena_printf(stream->arena, "%s", options->context[i].key);
        pairs[i].value = ward_arena_printf(stream->arena, "%s", options->context[i].value);
        kept = pairs[i].key != NULL && pairs[i].value != NULL;
    }
    source->context = pairs;
    source->n_context = options->n_context;
    if (call == NULL || !kept) {
        return kept;
    }
    ward_call *copy = WARD_ARENA_NEW(stream->arena, ward_call);
    if (copy == NULL) {
        return false;
    }
    *copy = *call;
    copy->request_id = keep_text(stream->arena, call->request_id);
    copy->on_behalf_of = keep_text(stream->arena, call->on_behalf_of);
    copy->reason = keep_text(stream->arena, call->reason);
    source->call = copy;
    return (call->request_id == NULL || copy->request_id != NULL) &&
           (call->on_behalf_of == NULL || copy->on_behalf_of != NULL) &&
           (call->reason == NULL || copy->reason != NULL);
}

static ward_rc start_open(ward_stream *stream, const ward_call *call,
                          const ward_seal_options *options, ward_error *error)
{
    if (!ward_ok(ward_arena_new(COPIES_MAX, &stream->arena)) ||
        !keep_source(stream, call, options)) {
        return ward_error_set(error, WARD_RC_RESOURCE_EXHAUSTED,
                              "context: larger than 8192 bytes, or there is no more memory");
    }
    if (options->data_key == NULL) {
        return WARD_RC_OK;
    }
    ward_status status =
        ward_secret_new(WARD_BYTES(options->data_key, WARD_SEAL_KEY_SIZE), &stream->data_key);
    return ward_ok(status) ? WARD_RC_OK : ward_error_status(error, status);
}

static ward_status hash_associated(const ward_seal_options *options, uint8_t *out)
{
    ward_auto(ward_digest_freep) struct ward_digest *digest = NULL;
    const struct ward_bytes data =
        WARD_BYTES(options->associated_data, options->associated_data_size);
    WARD_TRY(ward_digest_new(&digest));
    return ward_sha256(digest, &data, 1, out);
}

static void free_stream(ward_stream **stream)
{
    ward_stream_free(*stream);
}

static ward_rc start(ward_client *client, const ward_call *call, const ward_seal_options *options,
                     bool opening, ward_write write, void *write_context, ward_stream **ret,
                     ward_error *error)
{
    WARD_CLIENT_TRY(check_options(client, options, opening, error));
    ward_auto(free_stream) ward_stream *stream = ward_wipe_calloc(1, sizeof(*stream));
    if (stream == NULL) {
        return ward_error_memory(error);
    }
    stream->opening = opening;
    stream->source = (struct ward_seal_source){client, options->cache, call, options->context,
                                               options->n_context};
    stream->progress = options->progress;
    stream->progress_context = options->progress_context;
    stream->write = write;
    stream->write_context = write_context;
    ward_status status = hash_associated(options, stream->associated);
    if (!ward_ok(status)) {
        return ward_error_status(error, status);
    }
    WARD_CLIENT_TRY(opening ? start_open(stream, call, options, error)
                            : start_seal(stream, options, error));
    *ret = WARD_TAKE(stream);
    return WARD_RC_OK;
}

ward_rc ward_stream_seal(ward_client *client, const ward_call *call,
                         const ward_seal_options *options, ward_write write, void *write_context,
                         ward_stream **ret, ward_error *error)
{
    return start(client, call, options, false, write, write_context, ret, error);
}

ward_rc ward_stream_open(ward_client *client, const ward_call *call,
                         const ward_seal_options *options, ward_write write, void *write_context,
                         ward_stream **ret, ward_error *error)
{
    return start(client, call, options, true, write, write_context, ret, error);
}

void ward_stream_free(ward_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    ward_seal_chunks_fini(&stream->chunks);
    ward_secret_free(stream->data_key);
    ward_wipe_free(stream->held);
    ward_wipe_free(stream->out);
    ward_arena_free(stream->arena);
    ward_wipe_free(stream);
}

void ward_stream_sizes(const ward_stream *stream, ward_sizes *ret)
{
    *ret = stream->sizes;
}

/* ---- the bytes ---- */

/* One chunk, as it came in. */
static ward_rc process(ward_stream *stream, struct ward_bytes in, bool last, ward_error *error)
{
    ward_status status = stream->opening
                             ? ward_seal_open_chunk(&stream->chunks, in, last, stream->out)
                             : ward_seal_chunk(&stream->chunks, in, last, stream->out);
    if (!ward_ok(status)) {
        return fail(stream, error, status);
    }
    size_t size = stream->opening ? in.size - WARD_AEAD_TAG_SIZE : in.size + WARD_AEAD_TAG_SIZE;
    stream->sizes.plain += stream->opening ? size : in.size;
    stream->sizes.sealed += stream->opening ? in.size : size;
    WARD_CLIENT_TRY(give_out(stream, stream->out, size, error));
    if (stream->progress != NULL &&
        stream->progress(stream->progress_context, stream->sizes.plain) != 0) {
        return stopped(stream, error);
    }
    return WARD_RC_OK;
}

static struct ward_bytes take(struct ward_bytes *from, size_t size)
{
    struct ward_bytes taken = WARD_BYTES(from->data, size);
    *from = WARD_BYTES(from->data + size, from->size - size);
    return taken;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Collects the header out of *in; begins once it is whole. */
static ward_rc take_header(ward_stream *stream, struct ward_bytes *in, ward_error *error)
{
    while (!stream->begun && in->size > 0) {
        size_t need = 0;
        ward_status status =
            ward_seal_header_measure(WARD_BYTES(stream->head, stream->head_size), &need);
        if (!ward_ok(status)) {
            return fail(stream, error, status);
        }
        struct ward_bytes part = take(in, least(need - stream->head_size, in->size));
        memcpy(stream->head + stream->head_size, part.data, part.size);
        stream->head_size += part.size;
        if (stream->head_size > WARD_SEAL_PREFIX_SIZE && stream->head_size == need) {
            stream->sizes.sealed = stream->head_size;
            ward_rc rc = begin_open(stream, error);
            stream->ended = rc != WARD_RC_OK;
            return rc;
        }
    }
    return WARD_RC_OK;
}

/* A chunk goes on its way when more follows it: straight from the caller's memory where it lies
 * there whole. */
static ward_rc take_chunks(ward_stream *stream, struct ward_bytes in, ward_error *error)
{
    while (in.size > 0) {
        if (stream->held_size == stream->unit) {
            stream->held_size = 0;
            WARD_CLIENT_TRY(process(stream, WARD_BYTES(stream->held, stream->unit), false, error));
        }
        if (stream->held_size == 0 && in.size > stream->unit) {
            WARD_CLIENT_TRY(process(stream, take(&in, stream->unit), false, error));
            continue;
        }
        struct ward_bytes part = take(&in, least(stream->unit - stream->held_size, in.size));
        memcpy(stream->held + stream->held_size, part.data, part.size);
        stream->held_size += part.size;
    }
    return WARD_RC_OK;
}

static ward_rc check_open(const ward_stream *stream, ward_error *error)
{
    return stream->ended ? ward_error_set(error, WARD_RC_FAILED_PRECONDITION,
                                          "stream: it has ended, or failed before")
                         : WARD_RC_OK;
}

ward_rc ward_stream_update(ward_stream *stream, const void *data, size_t size, ward_error *error)
{
    struct ward_bytes in = WARD_BYTES(data, size);
    WARD_CLIENT_TRY(check_open(stream, error));
    WARD_CLIENT_TRY(take_header(stream, &in, error));
    return take_chunks(stream, in, error);
}

ward_rc ward_stream_finish(ward_stream *stream, ward_error *error)
{
    WARD_CLIENT_TRY(check_open(stream, error));
    if (!stream->begun) {
        return fail(stream, error, WARD_STATUS(WARD_E_CIPHERTEXT));
    }
    ward_rc rc = process(stream, WARD_BYTES(stream->held, stream->held_size), true, error);
    stream->ended = true;
    ward_seal_chunks_fini(&stream->chunks);
    return rc;
}
