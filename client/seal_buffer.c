/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing and opening what lies in memory whole, on top of a stream: an opened buffer is handed
 * over only when the last chunk was verified. */
#include <assert.h>

#include "base/wipe_alloc.h"
#include "client/error.h"
#include "client/seal_blob.h"
#include "proto/seal.h"

/* ---- buffers ---- */

struct ward_seal_blob *ward_seal_blob_new(size_t capacity)
{
    struct ward_seal_blob *blob =
        capacity > SIZE_MAX - sizeof(*blob) ? NULL : ward_wipe_malloc(sizeof(*blob) + capacity);
    if (blob != NULL) {
        blob->blob = (ward_blob){blob->bytes, 0};
        blob->capacity = capacity;
    }
    return blob;
}

void ward_blob_free(ward_blob *blob)
{
    ward_wipe_free(blob);
}

static int append(void *context, const void *data, size_t size)
{
    struct ward_seal_blob *blob = context;
    assert(size <= blob->capacity - blob->blob.size); /* it was measured before */
    memcpy(blob->bytes + blob->blob.size, data, size);
    blob->blob.size += size;
    return 0;
}

static ward_rc run(ward_stream *stream, const void *data, size_t size, ward_error *error)
{
    WARD_CLIENT_TRY(ward_stream_update(stream, data, size, error));
    return ward_stream_finish(stream, error);
}

/* capacity: at least what comes out. */
static ward_rc run_all(ward_client *client, const ward_call *call, const ward_seal_options *options,
                       bool opening, struct ward_bytes in, size_t capacity, ward_blob **ret,
                       ward_error *error)
{
    struct ward_seal_blob *blob = ward_seal_blob_new(capacity);
    ward_stream *stream = NULL;
    if (blob == NULL) {
        return ward_error_memory(error);
    }
    ward_rc rc = opening ? ward_stream_open(client, call, options, append, blob, &stream, error)
                         : ward_stream_seal(client, call, options, append, blob, &stream, error);
    if (rc == WARD_RC_OK) {
        rc = run(stream, in.data, in.size, error);
    }
    ward_stream_free(stream);
    if (rc != WARD_RC_OK) {
        ward_blob_free(&blob->blob);
        return rc;
    }
    *ret = &blob->blob;
    return WARD_RC_OK;
}

ward_rc ward_seal(ward_client *client, const ward_call *call, const ward_seal_options *options,
                  const void *plain, size_t size, ward_blob **ret, ward_error *error)
{
    if (size > WARD_SEAL_PLAIN_MAX) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "input: larger than 2^39 bytes");
    }
    uint32_t chunk =
        options->chunk_size < WARD_SEAL_CHUNK_MIN ? WARD_SEAL_CHUNK_MIN : options->chunk_size;
    size_t capacity = WARD_SEAL_HEADER_MAX + size + (size / chunk + 1) * WARD_AEAD_TAG_SIZE;
    return run_all(client, call, options, false, WARD_BYTES(plain, size), capacity, ret, error);
}

ward_rc ward_open(ward_client *client, const ward_call *call, const ward_seal_options *options,
                  const void *sealed, size_t size, ward_blob **ret, ward_error *error)
{
    return run_all(client, call, options, true, WARD_BYTES(sealed, size), size, ret, error);
}

ward_rc ward_sealed_key(const void *sealed, size_t size, const void **ret, size_t *ret_size,
                        ward_error *error)
{
    struct ward_bytes bytes = WARD_BYTES(sealed, size);
    size_t whole = 0;
    ward_status status = ward_seal_header_measure(bytes, &whole);
    if (!ward_ok(status)) {
        return ward_error_status(error, status);
    }
    size_t wrapped_size = whole - WARD_SEAL_HEADER_SIZE(0);
    bool there = size >= WARD_SEAL_PREFIX_SIZE && size - WARD_SEAL_PREFIX_SIZE >= wrapped_size;
    *ret = there ? bytes.data + WARD_SEAL_PREFIX_SIZE : NULL;
    *ret_size = there ? wrapped_size : 0;
    return WARD_RC_OK;
}
