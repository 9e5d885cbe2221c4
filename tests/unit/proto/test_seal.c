/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed data: the vectors, and every way of bending what is sealed. */
#include "tests/unit/proto/vectors.h"

#include "proto/seal.h"

#define CHUNK WARD_SEAL_CHUNK_MIN
#define SEALED_CHUNK (CHUNK + WARD_AEAD_TAG_SIZE)

static const uint8_t key_one[32] = {1}, key_two[32] = {2};

static void hash_associated(struct ward_bytes associated, uint8_t out[static WARD_SHA256_SIZE])
{
    ward_auto(ward_digest_freep) struct ward_digest *digest = NULL;
    assert_ok(ward_digest_new(&digest));
    assert_ok(ward_sha256(digest, &associated, 1, out));
}

/* Seals the whole as an application of the format does. */
static struct ward_bytes seal_all(struct ward_arena *arena, const uint8_t *data_key,
                                  struct ward_bytes associated, struct ward_seal_header *header,
                                  struct ward_bytes plain)
{
    uint8_t hash[WARD_SHA256_SIZE];
    struct ward_seal_chunks chunks;
    hash_associated(associated, hash);
    assert_ok(ward_seal_begin(&chunks, data_key, hash, header));
    size_t at = WARD_SEAL_HEADER_SIZE(header->wrapped.size);
    uint8_t *out = ward_arena_alloc(arena, at + plain.size + 16 * (plain.size / CHUNK + 1));
    ward_seal_header_print(header, out);
    while (!chunks.ended) {
        bool last = plain.size <= header->chunk_size;
        size_t size = last ? plain.size : header->chunk_size;
        assert_ok(ward_seal_chunk(&chunks, WARD_BYTES(plain.data, size), last, out + at));
        at += size + WARD_AEAD_TAG_SIZE;
        plain = WARD_BYTES(plain.data + size, plain.size - size);
    }
    ward_seal_chunks_fini(&chunks);
    return WARD_BYTES(out, at);
}

static ward_status open_chunks(struct ward_seal_chunks *chunks, struct ward_bytes sealed,
                               uint8_t *out, size_t *ret_size)
{
    size_t full = chunks->chunk_size + WARD_AEAD_TAG_SIZE;
    *ret_size = 0;
    while (!chunks->ended) {
        bool last = sealed.size <= full;
        size_t size = last ? sealed.size : full;
        WARD_TRY(
            ward_seal_open_chunk(chunks, WARD_BYTES(sealed.data, size), last, out + *ret_size));
        *ret_size += size - WARD_AEAD_TAG_SIZE;
        sealed = WARD_BYTES(sealed.data + size, sealed.size - size);
    }
    return WARD_OK;
}

/* Opens the whole; the data key is found by the wrapped one, as the daemon does it. */
static ward_status open_all(struct ward_arena *arena, const uint8_t *data_key,
                            struct ward_bytes wrapped, struct ward_bytes associated,
                            struct ward_bytes sealed, struct ward_bytes *ret)
{
    uint8_t hash[WARD_SHA256_SIZE];
    struct ward_seal_header header;
    struct ward_seal_chunks chunks;
    size_t size = 0;
    hash_associated(associated, hash);
    WARD_TRY(ward_seal_header_measure(sealed, &size));
    WARD_ENSURE(size <= sealed.size, WARD_E_CIPHERTEXT);
    WARD_TRY(ward_seal_header_parse(WARD_BYTES(sealed.data, size), &header));
    WARD_ENSURE(ward_bytes_eq(header.wrapped, wrapped), WARD_E_CIPHERTEXT);
    uint8_t *out = ward_arena_alloc(arena, sealed.size);
    ward_status status = ward_seal_resume(&chunks, data_key, hash, &header);
    if (ward_ok(status)) {
        struct ward_bytes rest = WARD_BYTES(sealed.data + size, sealed.size - size);
        status = open_chunks(&chunks, rest, out, &size);
        *ret = WARD_BYTES(out, size);
    }
    ward_seal_chunks_fini(&chunks);
    return status;
}

static struct ward_seal_header header_of(uint32_t chunk_size)
{
    struct ward_seal_header header = {.wrapped = WARD_BYTES_LITERAL("a wrapped key"),
                                      .chunk_size = chunk_size};
    memset(header.salt, 7, sizeof(header.salt));
    return header;
}

static const struct ward_bytes none = {0};

static struct ward_bytes small(struct ward_arena *arena, struct ward_seal_header *header)
{
    *header = header_of(CHUNK);
    return seal_all(arena, key_one, none, header, WARD_BYTES_LITERAL("sixteen bytes ..."));
}

static ward_status open_small(struct ward_arena *arena, struct ward_bytes sealed)
{
    struct ward_bytes plain;
    return open_all(arena, key_one, WARD_BYTES_LITERAL("a wrapped key"), none, sealed, &plain);
}

static struct ward_bytes pattern(struct ward_arena *arena, size_t size)
{
    uint8_t *out = ward_arena_alloc(arena, size);
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)(i % 251);
    }
    return WARD_BYTES(out, size);
}

static struct ward_bytes copy(struct ward_arena *arena, struct ward_bytes from)
{
    struct ward_bytes ret;
    assert_ok(ward_arena_copy(arena, from, &ret));
    return ret;
}

/* ---- vectors ---- */

static void vector_holds(struct ward_arena *arena, const json_t *json)
{
    struct ward_bytes data_key = vector_hex(arena, json, "data_key");
    struct ward_bytes associated = vector_text(arena, json, "associated_data");
    struct ward_bytes salt = vector_hex(arena, json, "salt");
    struct ward_bytes plain = vector_str(json, "plaintext") != NULL
                                  ? vector_hex(arena, json, "plaintext")
                                  : pattern(arena, (size_t)vector_int(json, "pattern"));
    struct ward_seal_header header = {.wrapped = vector_hex(arena, json, "wrapped"),
                                      .chunk_size = (uint32_t)vector_int(json, "chunk_size")};
    memcpy(header.salt, salt.data, sizeof(header.salt));
    struct ward_bytes sealed = seal_all(arena, data_key.data, associated, &header, plain), opened;
    struct ward_bytes okm = vector_hex(arena, json, "okm");
    assert_bytes(WARD_BYTES_ARRAY(header.commitment), WARD_BYTES(okm.data + 32, 32));
    assert_int_equal(sealed.size, vector_int(json, "sealed_size"));
    uint8_t digest[WARD_SHA256_SIZE];
    hash_associated(sealed, digest);
    assert_bytes(WARD_BYTES_ARRAY(digest), vector_hex(arena, json, "sealed_sha256"));
    if (vector_str(json, "sealed") != NULL) {
        assert_bytes(sealed, vector_hex(arena, json, "sealed"));
    }
    assert_ok(open_all(arena, data_key.data, header.wrapped, associated, sealed, &opened));
    assert_bytes(opened, plain);
}

static void vectors_hold(void **state)
{
    json_t *vectors = vectors_load("seal.json"), *json;
    size_t i;
    json_array_foreach(vectors, i, json)
    {
        vector_holds(*state, json);
    }
    assert_true(i > 3);
}

/* ---- what does not open ---- */

static void opening_fails_when_any_bit_is_flipped(void **state)
{
    struct ward_seal_header header;
    struct ward_bytes sealed = small(*state, &header), bent = copy(*state, sealed);
    assert_ok(open_small(*state, sealed));
    for (size_t bit = 0; bit < sealed.size * 8; bit++) {
        uint8_t *at = (uint8_t *)bent.data + bit / 8;
        *at ^= (uint8_t)(1 << bit % 8);
        assert_code(open_small(*state, bent), WARD_E_CIPHERTEXT);
        *at ^= (uint8_t)(1 << bit % 8);
    }
}

static void opening_fails_when_cut_anywhere_or_longer(void **state)
{
    struct ward_seal_header header;
    struct ward_bytes sealed = small(*state, &header);
    for (size_t size = 0; size < sealed.size; size++) {
        assert_code(open_small(*state, WARD_BYTES(sealed.data, size)), WARD_E_CIPHERTEXT);
    }
    uint8_t *longer = ward_arena_alloc(*state, sealed.size + 2 * SEALED_CHUNK);
    memcpy(longer, sealed.data, sealed.size);
    for (size_t more = 1; more <= 2 * SEALED_CHUNK; more += more < 20 ? 1 : 509) {
        assert_code(open_small(*state, WARD_BYTES(longer, sealed.size + more)), WARD_E_CIPHERTEXT);
    }
}

/* Four chunks of which the last is shorter, put together anew as the list says; -1 ends it. */
static ward_status open_chunks_as(struct ward_arena *arena, const int *list)
{
    struct ward_seal_header header = header_of(CHUNK);
    struct ward_bytes sealed =
        seal_all(arena, key_one, none, &header, pattern(arena, 3 * CHUNK + 100));
    size_t head = WARD_SEAL_HEADER_SIZE(header.wrapped.size), at = head;
    uint8_t *made = ward_arena_alloc(arena, head + 8 * SEALED_CHUNK);
    memcpy(made, sealed.data, head);
    for (; *list >= 0; list++) {
        size_t from = head + (size_t)*list * SEALED_CHUNK;
        size_t size = *list == 3 ? sealed.size - from : SEALED_CHUNK;
        memcpy(made + at, sealed.data + from, size);
        at += size;
    }
    struct ward_bytes plain;
    return open_all(arena, key_one, header.wrapped, none, WARD_BYTES(made, at), &plain);
}

static void opening_fails_when_chunks_move(void **state)
{
    assert_ok(open_chunks_as(*state, (const int[]){0, 1, 2, 3, -1}));
    static const int bad[][7] = {
        {1, 0, 2, 3, -1},    /* exchanged */
        {0, 2, 1, 3, -1},    /* exchanged */
        {0, 1, 1, 2, 3, -1}, /* doubled */
        {0, 1, 2, 3, 3, -1}, /* doubled last */
        {0, 1, 2, 2, -1},    /* another as the last */
        {0, 2, 3, -1},       /* left out */
        {1, 2, 3, -1},       /* the first left out */
        {0, 1, 2, -1},       /* cut at a border */
        {0, -1},
        {3, -1},
        {3, 0, 1, 2, -1},
        {-1},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_code(open_chunks_as(*state, bad[i]), WARD_E_CIPHERTEXT);
    }
}

static void opening_fails_with_the_header_of_another_seal(void **state)
{
    struct ward_seal_header one = header_of(CHUNK), two = header_of(CHUNK);
    two.salt[0] = 9;
    struct ward_bytes text = WARD_BYTES_LITERAL("the same text"), plain;
    struct ward_bytes first = seal_all(*state, key_one, none, &one, text);
    struct ward_bytes second = seal_all(*state, key_one, none, &two, text);
    size_t head = WARD_SEAL_HEADER_SIZE(one.wrapped.size);
    struct ward_bytes mixed = copy(*state, first);
    memcpy((uint8_t *)mixed.data + head, second.data + head, second.size - head);
    assert_code(open_all(*state, key_one, one.wrapped, none, mixed, &plain), WARD_E_CIPHERTEXT);
    /* The commitment of one under the salt of the other. */
    mixed = copy(*state, first);
    memcpy((uint8_t *)mixed.data + head - 68, two.salt, 32);
    assert_code(open_all(*state, key_one, one.wrapped, none, mixed, &plain), WARD_E_CIPHERTEXT);
    mixed = copy(*state, first);
    memcpy((uint8_t *)mixed.data + head - 36, two.commitment, 32);
    assert_code(open_all(*state, key_one, one.wrapped, none, mixed, &plain), WARD_E_CIPHERTEXT);
}

static void another_key_is_told_by_the_commitment_before_any_chunk(void **state)
{
    struct ward_seal_header header = header_of(CHUNK);
    struct ward_seal_chunks chunks;
    uint8_t hash[WARD_SHA256_SIZE], other[WARD_SHA256_SIZE];
    (void)seal_all(*state, key_one, none, &header, none);
    hash_associated(none, hash);
    hash_associated(WARD_BYTES_LITERAL("x"), other);
    assert_code(ward_seal_resume(&chunks, key_two, hash, &header), WARD_E_CIPHERTEXT);
    assert_null(chunks.aead);
    assert_code(ward_seal_resume(&chunks, key_one, other, &header), WARD_E_CIPHERTEXT);
    header.chunk_size *= 2;
    assert_code(ward_seal_resume(&chunks, key_one, hash, &header), WARD_E_CIPHERTEXT);
    ward_seal_chunks_fini(&chunks);
}

static void associated_data_is_bound(void **state)
{
    struct ward_seal_header header = header_of(CHUNK);
    struct ward_bytes plain, text = WARD_BYTES_LITERAL("text");
    struct ward_bytes sealed =
        seal_all(*state, key_one, WARD_BYTES_LITERAL("ward 7"), &header, text);
    assert_ok(
        open_all(*state, key_one, header.wrapped, WARD_BYTES_LITERAL("ward 7"), sealed, &plain));
    assert_code(
        open_all(*state, key_one, header.wrapped, WARD_BYTES_LITERAL("ward 8"), sealed, &plain),
        WARD_E_CIPHERTEXT);
    assert_code(open_all(*state, key_one, header.wrapped, none, sealed, &plain), WARD_E_CIPHERTEXT);
}

static void the_wrapped_key_may_be_replaced(void **state)
{
    struct ward_seal_header header = header_of(CHUNK);
    struct ward_bytes plain, text = WARD_BYTES_LITERAL("text");
    struct ward_bytes sealed = seal_all(*state, key_one, none, &header, text);
    size_t head = WARD_SEAL_HEADER_SIZE(header.wrapped.size);
    header.wrapped = WARD_BYTES_LITERAL("wrapped again, longer");
    size_t new_head = WARD_SEAL_HEADER_SIZE(header.wrapped.size);
    uint8_t *again = ward_arena_alloc(*state, new_head + sealed.size - head);
    ward_seal_header_print(&header, again);
    memcpy(again + new_head, sealed.data + head, sealed.size - head);
    assert_ok(open_all(*state, key_one, header.wrapped, none,
                       WARD_BYTES(again, new_head + sealed.size - head), &plain));
    assert_bytes(plain, text);
}

/* ---- headers ---- */

static void header_bounds_are_kept(void **state)
{
    struct ward_seal_header header = header_of(CHUNK), back;
    static const uint8_t wrapped[WARD_SEAL_WRAPPED_MAX + 1];
    uint8_t *out = ward_arena_alloc(*state, WARD_SEAL_HEADER_MAX + 1);
    static const uint32_t bad[] = {0, 1, 4095, 4097, 2048, 65537, 3 << 12, 2 << 20, UINT32_MAX};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        header.chunk_size = bad[i];
        ward_seal_header_print(&header, out);
        size_t size = WARD_SEAL_HEADER_SIZE(header.wrapped.size);
        assert_code(ward_seal_header_parse(WARD_BYTES(out, size), &back), WARD_E_CIPHERTEXT);
        assert_refusal(ward_seal_check_chunk_size(bad[i]), WARD_E_INVALID,
                       "chunk size: not a power of two, 4096 to 1048576");
    }
    header.chunk_size = WARD_SEAL_CHUNK_MAX;
    static const size_t sizes[] = {0, 1, WARD_SEAL_WRAPPED_MAX, WARD_SEAL_WRAPPED_MAX + 1};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        header.wrapped = WARD_BYTES(wrapped, sizes[i]);
        ward_seal_header_print(&header, out);
        ward_status status =
            ward_seal_header_parse(WARD_BYTES(out, WARD_SEAL_HEADER_SIZE(sizes[i])), &back);
        bool fine = sizes[i] >= 1 && sizes[i] <= WARD_SEAL_WRAPPED_MAX;
        assert_code(status, fine ? WARD_E_OK : WARD_E_CIPHERTEXT);
    }
}

static void header_is_measured_before_it_is_whole(void **state)
{
    struct ward_seal_header header;
    struct ward_bytes sealed = small(*state, &header);
    for (size_t size = 0; size <= sealed.size; size++) {
        size_t need = 0;
        assert_ok(ward_seal_header_measure(WARD_BYTES(sealed.data, size), &need));
        assert_int_equal(need, size < WARD_SEAL_PREFIX_SIZE
                                   ? WARD_SEAL_PREFIX_SIZE
                                   : WARD_SEAL_HEADER_SIZE(header.wrapped.size));
    }
}

/* ---- misuse ---- */

static void chunks_are_cut_in_one_way_only(void **state)
{
    struct ward_seal_header header = header_of(CHUNK);
    struct ward_seal_chunks chunks;
    uint8_t hash[WARD_SHA256_SIZE] = {0}, *out = ward_arena_alloc(*state, 2 * SEALED_CHUNK);
    struct ward_bytes full = pattern(*state, CHUNK);
    assert_ok(ward_seal_begin(&chunks, key_one, hash, &header));
    assert_code(ward_seal_chunk(&chunks, WARD_BYTES(full.data, CHUNK - 1), false, out),
                WARD_E_INTERNAL);
    assert_code(ward_seal_chunk(&chunks, none, false, out), WARD_E_INTERNAL);
    assert_ok(ward_seal_chunk(&chunks, full, false, out));
    assert_code(ward_seal_chunk(&chunks, none, true, out), WARD_E_INTERNAL);
    assert_ok(ward_seal_chunk(&chunks, full, true, out));
    assert_code(ward_seal_chunk(&chunks, full, true, out), WARD_E_INTERNAL);
    ward_seal_chunks_fini(&chunks);
    assert_code(ward_seal_chunk(&chunks, full, true, out), WARD_E_INTERNAL);
    ward_seal_chunks_fini(&chunks);
}

static void an_empty_last_chunk_after_others_does_not_open(void **state)
{
    struct ward_seal_header header = header_of(CHUNK);
    struct ward_seal_chunks chunks;
    uint8_t hash[WARD_SHA256_SIZE], *out = ward_arena_alloc(*state, 2 * SEALED_CHUNK);
    hash_associated(none, hash);
    assert_ok(ward_seal_begin(&chunks, key_one, hash, &header));
    assert_ok(ward_seal_chunk(&chunks, pattern(*state, CHUNK), false, out));
    /* What a sealer that holds the key could make: the tag is right, the form is not. */
    uint8_t iv[WARD_AEAD_IV_SIZE] = {[4] = 0x80, [11] = 1};
    assert_ok(ward_aead_seal_next(chunks.aead, iv, WARD_BYTES_ARRAY(chunks.aad), none,
                                  out + SEALED_CHUNK));
    ward_seal_chunks_fini(&chunks);
    assert_ok(ward_seal_resume(&chunks, key_one, hash, &header));
    uint8_t *plain = ward_arena_alloc(*state, CHUNK);
    assert_ok(ward_seal_open_chunk(&chunks, WARD_BYTES(out, SEALED_CHUNK), false, plain));
    assert_code(ward_seal_open_chunk(&chunks, WARD_BYTES(out + SEALED_CHUNK, 16), true, plain),
                WARD_E_CIPHERTEXT);
    ward_seal_chunks_fini(&chunks);
}

static void nothing_follows_a_chunk_that_did_not_open(void **state)
{
    struct ward_seal_header header;
    struct ward_seal_chunks chunks;
    uint8_t hash[WARD_SHA256_SIZE], out[64], zeros[64] = {0};
    struct ward_bytes sealed = small(*state, &header);
    size_t head = WARD_SEAL_HEADER_SIZE(header.wrapped.size);
    struct ward_bytes chunk = WARD_BYTES(sealed.data + head, sealed.size - head);
    hash_associated(none, hash);
    assert_ok(ward_seal_resume(&chunks, key_one, hash, &header));
    memset(out, 0xEE, sizeof(out));
    ((uint8_t *)chunk.data)[0] ^= 1;
    assert_code(ward_seal_open_chunk(&chunks, chunk, true, out), WARD_E_CIPHERTEXT);
    assert_memory_equal(out, zeros, chunk.size - WARD_AEAD_TAG_SIZE);
    ((uint8_t *)chunk.data)[0] ^= 1;
    assert_code(ward_seal_open_chunk(&chunks, chunk, true, out), WARD_E_INTERNAL);
    ward_seal_chunks_fini(&chunks);
}

static void more_than_2_to_the_39_bytes_are_refused(void **state)
{
    struct ward_seal_header header = header_of(CHUNK);
    struct ward_seal_chunks chunks;
    uint8_t hash[WARD_SHA256_SIZE] = {0}, *out = ward_arena_alloc(*state, SEALED_CHUNK);
    assert_ok(ward_seal_begin(&chunks, key_one, hash, &header));
    chunks.total = WARD_SEAL_PLAIN_MAX - CHUNK + 1;
    chunks.number = chunks.total / CHUNK;
    assert_refusal(ward_seal_chunk(&chunks, pattern(*state, CHUNK), true, out), WARD_E_INVALID,
                   "input: larger than 2^39 bytes");
    assert_ok(ward_seal_chunk(&chunks, pattern(*state, CHUNK - 1), true, out));
    ward_seal_chunks_fini(&chunks);
    assert_ok(ward_seal_resume(&chunks, key_one, hash, &header));
    chunks.total = WARD_SEAL_PLAIN_MAX - CHUNK + 1;
    assert_code(ward_seal_open_chunk(&chunks, WARD_BYTES(out, SEALED_CHUNK), true, out),
                WARD_E_CIPHERTEXT);
    ward_seal_chunks_fini(&chunks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_hold),
        TEST(opening_fails_when_any_bit_is_flipped),
        TEST(opening_fails_when_cut_anywhere_or_longer),
        TEST(opening_fails_when_chunks_move),
        TEST(opening_fails_with_the_header_of_another_seal),
        TEST(another_key_is_told_by_the_commitment_before_any_chunk),
        TEST(associated_data_is_bound),
        TEST(the_wrapped_key_may_be_replaced),
        TEST(header_bounds_are_kept),
        TEST(header_is_measured_before_it_is_whole),
        TEST(chunks_are_cut_in_one_way_only),
        TEST(an_empty_last_chunk_after_others_does_not_open),
        TEST(nothing_follows_a_chunk_that_did_not_open),
        TEST(more_than_2_to_the_39_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
