/* SPDX-License-Identifier: Apache-2.0 */
/* Header, keys and chunks of sealed data; the layout is drawn in seal.h. Must not know where the
 * bytes come from or go to, nor how the data key came here. */
#include "proto/seal.h"

#include <openssl/crypto.h>

#include "base/cursor.h"
#include "base/secret.h"

#define MAGIC "WARDSEAL"
#define MAGIC_SIZE (sizeof(MAGIC) - 1)
#define FORMAT 1
#define LABEL "ward seal 1"
#define LABEL_SIZE (sizeof(LABEL) - 1)
#define SUITE "AES-256-GCM HKDF-SHA-256"
#define OKM_SIZE (WARD_AEAD_KEY_SIZE + WARD_SEAL_COMMITMENT_SIZE)
#define INFO_SIZE (LABEL_SIZE + 4 + sizeof(SUITE) - 1 + 4 + 4 + 4 + WARD_SHA256_SIZE)
#define LAST_CHUNK ((uint64_t)1 << 63)

_Static_assert(WARD_SEAL_PREFIX_SIZE == MAGIC_SIZE + 1 + 2, "the prefix as drawn");
_Static_assert(WARD_SEAL_AAD_SIZE == LABEL_SIZE + 4 + WARD_SHA256_SIZE, "the AAD as drawn");

/* ---- the header ---- */

static bool is_chunk_size(uint32_t size)
{
    return size >= WARD_SEAL_CHUNK_MIN && size <= WARD_SEAL_CHUNK_MAX && (size & (size - 1)) == 0;
}

ward_status ward_seal_check_chunk_size(uint32_t chunk_size)
{
    WARD_REQUIRE(is_chunk_size(chunk_size), "chunk size: not a power of two, 4096 to 1048576");
    return WARD_OK;
}

/* Takes the prefix off the cursor. */
static ward_status parse_prefix(struct ward_cursor *cursor, size_t *ret_wrapped_size)
{
    struct ward_bytes magic = ward_cursor_take(cursor, MAGIC_SIZE);
    uint8_t format = ward_cursor_u8(cursor);
    uint16_t wrapped_size = ward_cursor_u16(cursor);
    WARD_ENSURE(!cursor->failed, WARD_E_CIPHERTEXT);
    WARD_ENSURE(ward_bytes_eq(magic, WARD_BYTES_LITERAL(MAGIC)) && format == FORMAT,
                WARD_E_CIPHERTEXT);
    WARD_ENSURE(wrapped_size >= 1 && wrapped_size <= WARD_SEAL_WRAPPED_MAX, WARD_E_CIPHERTEXT);
    *ret_wrapped_size = wrapped_size;
    return WARD_OK;
}

ward_status ward_seal_header_measure(struct ward_bytes begin, size_t *ret)
{
    struct ward_cursor cursor;
    size_t wrapped_size = 0;
    if (begin.size < WARD_SEAL_PREFIX_SIZE) {
        *ret = WARD_SEAL_PREFIX_SIZE;
        return WARD_OK;
    }
    ward_cursor_init(&cursor, begin);
    WARD_TRY(parse_prefix(&cursor, &wrapped_size));
    *ret = WARD_SEAL_HEADER_SIZE(wrapped_size);
    return WARD_OK;
}

ward_status ward_seal_header_parse(struct ward_bytes bytes, struct ward_seal_header *ret)
{
    struct ward_cursor cursor;
    struct ward_seal_header header;
    size_t wrapped_size = 0;
    ward_cursor_init(&cursor, bytes);
    WARD_TRY(parse_prefix(&cursor, &wrapped_size));
    header.wrapped = ward_cursor_take(&cursor, wrapped_size);
    struct ward_bytes salt = ward_cursor_take(&cursor, WARD_SEAL_SALT_SIZE);
    struct ward_bytes commitment = ward_cursor_take(&cursor, WARD_SEAL_COMMITMENT_SIZE);
    header.chunk_size = ward_cursor_u32(&cursor);
    WARD_ENSURE(ward_cursor_done(&cursor) && is_chunk_size(header.chunk_size), WARD_E_CIPHERTEXT);
    memcpy(header.salt, salt.data, sizeof(header.salt));
    memcpy(header.commitment, commitment.data, sizeof(header.commitment));
    *ret = header;
    return WARD_OK;
}

void ward_seal_header_print(const struct ward_seal_header *header, uint8_t *out)
{
    memcpy(out, MAGIC, MAGIC_SIZE);
    out += MAGIC_SIZE;
    *out++ = FORMAT;
    ward_put_u16(out, (uint16_t)header->wrapped.size);
    out += 2;
    memcpy(out, header->wrapped.data, header->wrapped.size);
    out += header->wrapped.size;
    memcpy(out, header->salt, sizeof(header->salt));
    out += sizeof(header->salt);
    memcpy(out, header->commitment, sizeof(header->commitment));
    ward_put_u32(out + sizeof(header->commitment), header->chunk_size);
}

/* ---- the key ---- */

static uint8_t *put(uint8_t *p, struct ward_bytes bytes)
{
    memcpy(p, bytes.data, bytes.size);
    return p + bytes.size;
}

static uint8_t *put_sized(uint8_t *p, struct ward_bytes bytes)
{
    ward_put_u32(p, (uint32_t)bytes.size);
    return put(p + 4, bytes);
}

/* The chunk key and the commitment to it. */
static ward_status derive(const uint8_t *data_key, const uint8_t *associated,
                          const struct ward_seal_header *header, uint8_t okm[static OKM_SIZE])
{
    uint8_t info[INFO_SIZE], chunk_size[4];
    ward_put_u32(chunk_size, header->chunk_size);
    uint8_t *p = put(info, WARD_BYTES_LITERAL(LABEL));
    p = put_sized(p, WARD_BYTES_LITERAL(SUITE));
    p = put_sized(p, WARD_BYTES_ARRAY(chunk_size));
    p = put_sized(p, WARD_BYTES(associated, WARD_SHA256_SIZE));
    ward_auto(ward_digest_freep) struct ward_digest *digest = NULL;
    WARD_TRY(ward_digest_new(&digest));
    return ward_hkdf_sha256(digest, WARD_BYTES(data_key, WARD_SEAL_KEY_SIZE),
                            WARD_BYTES_ARRAY(header->salt), WARD_BYTES(info, (size_t)(p - info)),
                            okm, OKM_SIZE);
}

static void write_aad(uint8_t *out, const uint8_t *associated, uint32_t chunk_size)
{
    uint8_t *p = put(out, WARD_BYTES_LITERAL(LABEL));
    ward_put_u32(p, chunk_size);
    memcpy(p + 4, associated, WARD_SHA256_SIZE);
}

/* Derives the key and gives it to a fresh AEAD when the commitment is as expected; with NULL for
 * `expected` it is only told. */
static ward_status set_up(struct ward_seal_chunks *chunks, const uint8_t *data_key,
                          const uint8_t *associated, const struct ward_seal_header *header,
                          const uint8_t *expected, uint8_t *ret_commitment)
{
    *chunks = (struct ward_seal_chunks){.chunk_size = header->chunk_size, .ended = true};
    ward_auto(ward_secret_freep) struct ward_secret *okm = NULL;
    WARD_TRY(ward_secret_zero(OKM_SIZE, &okm));
    WARD_TRY(derive(data_key, associated, header, ward_secret_fill(okm)));
    const uint8_t *key = ward_secret_view(okm).data, *commitment = key + WARD_AEAD_KEY_SIZE;
    if (expected != NULL) {
        WARD_ENSURE(CRYPTO_memcmp(commitment, expected, WARD_SEAL_COMMITMENT_SIZE) == 0,
                    WARD_E_CIPHERTEXT);
    }
    WARD_TRY(ward_aead_new(&chunks->aead));
    WARD_TRY(ward_aead_key(chunks->aead, key));
    write_aad(chunks->aad, associated, header->chunk_size);
    if (ret_commitment != NULL) {
        memcpy(ret_commitment, commitment, WARD_SEAL_COMMITMENT_SIZE);
    }
    chunks->ended = false;
    return WARD_OK;
}

ward_status ward_seal_begin(struct ward_seal_chunks *chunks,
                            const uint8_t data_key[static WARD_SEAL_KEY_SIZE],
                            const uint8_t associated[static WARD_SHA256_SIZE],
                            struct ward_seal_header *header)
{
    return set_up(chunks, data_key, associated, header, NULL, header->commitment);
}

ward_status ward_seal_resume(struct ward_seal_chunks *chunks,
                             const uint8_t data_key[static WARD_SEAL_KEY_SIZE],
                             const uint8_t associated[static WARD_SHA256_SIZE],
                             const struct ward_seal_header *header)
{
    return set_up(chunks, data_key, associated, header, header->commitment, NULL);
}

void ward_seal_chunks_fini(struct ward_seal_chunks *chunks)
{
    if (chunks->aead != NULL) {
        (void)ward_aead_forget(chunks->aead); /* OpenSSL wipes what it frees, too */
        ward_aead_free(chunks->aead);
    }
    *chunks = (struct ward_seal_chunks){.ended = true};
}

/* ---- the chunks ---- */

static void nonce(uint64_t number, bool last, uint8_t out[static WARD_AEAD_IV_SIZE])
{
    ward_put_u32(out, 0);
    ward_put_u64(out + 4, number | (last ? LAST_CHUNK : 0));
}

/* There is one way to cut. */
static bool is_cut_right(const struct ward_seal_chunks *chunks, size_t plain_size, bool last)
{
    return last ? plain_size <= chunks->chunk_size && (plain_size > 0 || chunks->number == 0)
                : plain_size == chunks->chunk_size;
}

static void advance(struct ward_seal_chunks *chunks, size_t plain_size, bool last)
{
    chunks->number++; /* far from bit 63: the total is bounded, and a chunk is 4 KiB or more */
    chunks->total += plain_size;
    chunks->ended = last;
}

ward_status ward_seal_chunk(struct ward_seal_chunks *chunks, struct ward_bytes plain, bool last,
                            uint8_t *out)
{
    WARD_ENSURE(!chunks->ended && is_cut_right(chunks, plain.size, last), WARD_E_INTERNAL);
    WARD_REQUIRE(plain.size <= WARD_SEAL_PLAIN_MAX - chunks->total,
                 "input: larger than 2^39 bytes");
    uint8_t iv[WARD_AEAD_IV_SIZE];
    nonce(chunks->number, last, iv);
    chunks->ended = true; /* should it fail, this nonce is not used again */
    WARD_TRY(ward_aead_seal_next(chunks->aead, iv, WARD_BYTES_ARRAY(chunks->aad), plain, out));
    advance(chunks, plain.size, last);
    return WARD_OK;
}

ward_status ward_seal_open_chunk(struct ward_seal_chunks *chunks, struct ward_bytes sealed,
                                 bool last, uint8_t *out)
{
    WARD_ENSURE(!chunks->ended, WARD_E_INTERNAL);
    chunks->ended = true;
    WARD_ENSURE(sealed.size >= WARD_AEAD_TAG_SIZE, WARD_E_CIPHERTEXT);
    size_t plain_size = sealed.size - WARD_AEAD_TAG_SIZE;
    WARD_ENSURE(is_cut_right(chunks, plain_size, last) &&
                    plain_size <= WARD_SEAL_PLAIN_MAX - chunks->total,
                WARD_E_CIPHERTEXT);
    uint8_t iv[WARD_AEAD_IV_SIZE];
    nonce(chunks->number, last, iv);
    WARD_TRY(ward_aead_open_next(chunks->aead, iv, WARD_BYTES_ARRAY(chunks->aad), sealed, out));
    advance(chunks, plain_size, last);
    return WARD_OK;
}
