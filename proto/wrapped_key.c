/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing the wrapped data key without opening it: which key, which version and for
 * what use can be told from the bytes alone. What is told here is not yet true; only the HSM's tag
 * makes it so, since the whole header is in the AAD. Must not know how a blob is made. */
#include "proto/wrapped_key.h"

#include "base/cursor.h"

#define FORMAT 1
/* IV (12), at least one byte of ciphertext, tag (16). */
#define BLOB_MIN 29
#define TEXT_PREFIX "ward:1:"

ward_status ward_wrapped_key_parse(struct ward_bytes bytes, struct ward_wrapped_key *ret)
{
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, bytes);
    struct ward_wrapped_key key = {0};
    uint8_t format = ward_cursor_u8(&cursor);
    key.use = ward_cursor_u8(&cursor);
    struct ward_bytes id = ward_cursor_take(&cursor, sizeof(key.key_id.bytes));
    key.version = ward_cursor_u32(&cursor);
    key.algorithm = ward_cursor_u8(&cursor);
    WARD_ENSURE(!cursor.failed, WARD_E_CIPHERTEXT);
    memcpy(key.key_id.bytes, id.data, sizeof(key.key_id.bytes));
    key.blob = ward_cursor_take(&cursor, ward_cursor_left(&cursor));
    WARD_ENSURE(format == FORMAT && key.use >= WARD_USE_ISSUED && key.use <= WARD_USE_BACKUP &&
                    key.version > 0 && key.algorithm == WARD_ALGORITHM_PKCS11_AES_GCM,
                WARD_E_CIPHERTEXT);
    WARD_ENSURE(key.blob.size >= BLOB_MIN && key.blob.size <= WARD_WRAPPED_BLOB_MAX,
                WARD_E_CIPHERTEXT);
    *ret = key;
    return WARD_OK;
}

void ward_wrapped_key_header(const struct ward_wrapped_key *key,
                             uint8_t out[static WARD_WRAPPED_HEADER_SIZE])
{
    out[0] = FORMAT;
    out[1] = key->use;
    memcpy(out + 2, key->key_id.bytes, sizeof(key->key_id.bytes));
    ward_put_u32(out + 18, key->version);
    out[22] = key->algorithm;
}

static ward_status header_and(const struct ward_wrapped_key *key, struct ward_bytes rest,
                              struct ward_arena *arena, struct ward_bytes *ret)
{
    uint8_t *out = ward_arena_alloc(arena, WARD_WRAPPED_HEADER_SIZE + rest.size);
    WARD_ENSURE(out != NULL, WARD_E_EXHAUSTED);
    ward_wrapped_key_header(key, out);
    memcpy(out + WARD_WRAPPED_HEADER_SIZE, rest.data, rest.size);
    *ret = WARD_BYTES(out, WARD_WRAPPED_HEADER_SIZE + rest.size);
    return WARD_OK;
}

ward_status ward_wrapped_key_print(const struct ward_wrapped_key *key, struct ward_arena *arena,
                                   struct ward_bytes *ret)
{
    /* What we could not read back must not be written. */
    WARD_ENSURE(key->blob.size >= BLOB_MIN && key->blob.size <= WARD_WRAPPED_BLOB_MAX,
                WARD_E_INTERNAL);
    return header_and(key, key->blob, arena, ret);
}

ward_status ward_wrapped_key_aad(const struct ward_wrapped_key *key,
                                 const struct ward_context *context, struct ward_arena *arena,
                                 struct ward_bytes *ret)
{
    /* Even the empty context has a form of two bytes: no form means that none was built. */
    WARD_ENSURE(context->canonical.size >= 2, WARD_E_INTERNAL);
    return header_and(key, context->canonical, arena, ret);
}

void ward_wrapped_key_to_text(struct ward_bytes wrapped, char *out)
{
    memcpy(out, TEXT_PREFIX, sizeof(TEXT_PREFIX) - 1);
    ward_base64_encode(wrapped, out + sizeof(TEXT_PREFIX) - 1);
}

ward_status ward_wrapped_key_from_text(struct ward_bytes text, uint8_t *out, size_t *ret_size)
{
    const size_t prefix = sizeof(TEXT_PREFIX) - 1;
    uint8_t decoded[WARD_BASE64_SIZE(WARD_WRAPPED_MAX) / 4 * 3];
    size_t size = 0;
    bool good =
        text.size > prefix && text.size - prefix <= WARD_BASE64_SIZE(WARD_WRAPPED_MAX) &&
        memcmp(text.data, TEXT_PREFIX, prefix) == 0 &&
        ward_base64_decode((const char *)text.data + prefix, text.size - prefix, decoded, &size) &&
        size <= WARD_WRAPPED_MAX;
    WARD_REQUIRE(good, "wrapped key: not ward:1:<base64>");
    memcpy(out, decoded, size);
    *ret_size = size;
    return WARD_OK;
}
