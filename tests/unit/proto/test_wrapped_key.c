/* SPDX-License-Identifier: Apache-2.0 */
/* The wrapped data key: vectors opened with the KEK's known value in the HSM's place, and every way
 * of bending one. */
#include "tests/unit/proto/vectors.h"

#include "base/aead.h"
#include "proto/wrapped_key.h"

struct vector {
    struct ward_bytes kek, plaintext, wrapped;
    struct ward_context context;
};

static struct vector load(struct ward_arena *arena, const json_t *json)
{
    struct vector v = {.kek = vector_hex(arena, json, "kek"),
                       .plaintext = vector_hex(arena, json, "plaintext"),
                       .wrapped = vector_hex(arena, json, "wrapped")};
    struct ward_context_pair pairs[32];
    size_t n = 0, k;
    json_t *pair;
    json_array_foreach(json_object_get(json, "context"), k, pair)
    {
        pairs[n].key = text_of(arena, json_array_get(pair, 0));
        pairs[n++].value = text_of(arena, json_array_get(pair, 1));
    }
    assert_ok(ward_context_build(arena, pairs, n, &v.context));
    return v;
}

static struct vector first(struct ward_arena *arena)
{
    return load(arena, json_array_get(vectors_load("wrapped_key.json"), 0));
}

/* As the HSM does it: parse, rebuild the AAD from what was parsed, decrypt. */
static ward_status unwrap(struct ward_arena *arena, struct ward_bytes kek,
                          const struct ward_context *context, struct ward_bytes wrapped,
                          struct ward_bytes *ret)
{
    struct ward_wrapped_key key;
    struct ward_bytes aad;
    WARD_TRY(ward_wrapped_key_parse(wrapped, &key));
    WARD_TRY(ward_wrapped_key_aad(&key, context, arena, &aad));
    ward_auto(ward_aead_freep) struct ward_aead *aead = NULL;
    WARD_TRY(ward_aead_new(&aead));
    struct ward_bytes sealed = WARD_BYTES(key.blob.data + 12, key.blob.size - 12);
    uint8_t *out = ward_arena_alloc(arena, sealed.size);
    WARD_TRY(ward_aead_open(aead, kek.data, key.blob.data, aad, sealed, out));
    *ret = WARD_BYTES(out, sealed.size - 16);
    return WARD_OK;
}

static void vectors_hold(void **state)
{
    json_t *vectors = vectors_load("wrapped_key.json"), *json;
    size_t i;
    json_array_foreach(vectors, i, json)
    {
        struct vector v = load(*state, json);
        struct ward_wrapped_key key;
        assert_ok(ward_wrapped_key_parse(v.wrapped, &key));
        assert_int_equal(key.use, vector_int(json, "use"));
        assert_int_equal(key.version, vector_int(json, "version"));
        assert_int_equal(key.algorithm, vector_int(json, "algorithm"));
        char id[WARD_ID_TEXT_SIZE];
        ward_id_print(&key.key_id, id);
        assert_string_equal(id, vector_str(json, "key_id"));

        uint8_t header[WARD_WRAPPED_HEADER_SIZE];
        ward_wrapped_key_header(&key, header);
        assert_bytes(WARD_BYTES_ARRAY(header), vector_hex(*state, json, "header"));
        struct ward_bytes aad, again, plain;
        assert_ok(ward_wrapped_key_aad(&key, &v.context, *state, &aad));
        assert_bytes(aad, vector_hex(*state, json, "aad"));
        assert_ok(ward_wrapped_key_print(&key, *state, &again));
        assert_bytes(again, v.wrapped);
        assert_ok(unwrap(*state, v.kek, &v.context, v.wrapped, &plain));
        assert_bytes(plain, v.plaintext);

        char text[WARD_WRAPPED_TEXT_MAX];
        uint8_t back[WARD_WRAPPED_MAX];
        size_t size = 0;
        ward_wrapped_key_to_text(v.wrapped, text);
        assert_string_equal(text, vector_str(json, "text"));
        assert_ok(ward_wrapped_key_from_text(ward_bytes_str(text), back, &size));
        assert_bytes(WARD_BYTES(back, size), v.wrapped);
    }
}

static void unwrap_fails_when_any_bit_is_flipped(void **state)
{
    struct vector v = first(*state);
    uint8_t bent[WARD_WRAPPED_MAX];
    for (size_t bit = 0; bit < v.wrapped.size * 8; bit++) {
        memcpy(bent, v.wrapped.data, v.wrapped.size);
        bent[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct ward_bytes plain;
        assert_code(unwrap(*state, v.kek, &v.context, WARD_BYTES(bent, v.wrapped.size), &plain),
                    WARD_E_CIPHERTEXT);
    }
}

static void unwrap_fails_when_any_bit_of_the_context_is_flipped(void **state)
{
    struct vector v = first(*state);
    uint8_t *canonical = ward_arena_alloc(*state, v.context.canonical.size);
    for (size_t bit = 0; bit < v.context.canonical.size * 8; bit++) {
        memcpy(canonical, v.context.canonical.data, v.context.canonical.size);
        canonical[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct ward_context other = {.canonical = WARD_BYTES(canonical, v.context.canonical.size)};
        struct ward_bytes plain;
        assert_code(unwrap(*state, v.kek, &other, v.wrapped, &plain), WARD_E_CIPHERTEXT);
    }
}

static void unwrap_fails_when_context_differs(void **state)
{
    struct vector v = first(*state);
    struct ward_context empty;
    struct ward_bytes plain;
    assert_ok(ward_context_build(*state, NULL, 0, &empty));
    assert_code(unwrap(*state, v.kek, &empty, v.wrapped, &plain), WARD_E_CIPHERTEXT);
}

static void unwrap_fails_when_the_key_is_cut_or_longer(void **state)
{
    struct vector v = first(*state);
    struct ward_bytes plain;
    uint8_t longer[WARD_WRAPPED_MAX + 1] = {0};
    memcpy(longer, v.wrapped.data, v.wrapped.size);
    for (size_t size = 0; size <= sizeof(longer); size++) {
        if (size != v.wrapped.size) {
            assert_code(unwrap(*state, v.kek, &v.context, WARD_BYTES(longer, size), &plain),
                        WARD_E_CIPHERTEXT);
        }
    }
}

static void parse_refuses_what_is_not_such_a_key_without_saying_why(void **state)
{
    struct vector v = first(*state);
    static const struct {
        size_t at;
        uint8_t value;
    } bad[] = {{0, 0}, {0, 2}, {1, 0}, {1, 6}, {1, 255}, {21, 0}, {22, 0}, {22, 2}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t bent[WARD_WRAPPED_MAX];
        memcpy(bent, v.wrapped.data, v.wrapped.size);
        bent[bad[i].at] = bad[i].value;
        struct ward_wrapped_key key;
        ward_status status = ward_wrapped_key_parse(WARD_BYTES(bent, v.wrapped.size), &key);
        assert_code(status, WARD_E_CIPHERTEXT);
        assert_null(ward_status_refusal(status));
    }
}

static void what_could_not_be_read_is_not_written(void **state)
{
    static const uint8_t blob[WARD_WRAPPED_BLOB_MAX + 1];
    struct ward_wrapped_key key = {.use = 1, .algorithm = 1, .version = 1};
    struct ward_bytes out;
    key.blob = WARD_BYTES(blob, 28);
    assert_code(ward_wrapped_key_print(&key, *state, &out), WARD_E_INTERNAL);
    key.blob = WARD_BYTES(blob, sizeof(blob));
    assert_code(ward_wrapped_key_print(&key, *state, &out), WARD_E_INTERNAL);
    struct ward_context unbuilt = {0};
    assert_code(ward_wrapped_key_aad(&key, &unbuilt, *state, &out), WARD_E_INTERNAL);
}

static void the_largest_key_survives_its_text(void **state)
{
    (void)state;
    uint8_t wrapped[WARD_WRAPPED_MAX], back[WARD_WRAPPED_MAX];
    memset(wrapped, 0xa5, sizeof(wrapped));
    char text[WARD_WRAPPED_TEXT_MAX];
    size_t size = 0;
    ward_wrapped_key_to_text(WARD_BYTES_ARRAY(wrapped), text);
    assert_int_equal(strlen(text) + 1, WARD_WRAPPED_TEXT_MAX);
    assert_ok(ward_wrapped_key_from_text(ward_bytes_str(text), back, &size));
    assert_bytes(WARD_BYTES(back, size), WARD_BYTES_ARRAY(wrapped));
}

static void text_of_another_form_is_refused(void **state)
{
    (void)state;
    static char large[7 + WARD_BASE64_SIZE(WARD_WRAPPED_MAX + 3) + 1];
    memset(large, 'A', sizeof(large) - 1);
    memcpy(large, "ward:1:", 7);
    static char two_over[7 + 716 + 1]; /* 537 bytes: one base64 group has room that a key has not */
    memset(two_over, 'A', sizeof(two_over) - 1);
    memcpy(two_over, "ward:1:", 7);
    const char *bad[] = {"",         "ward:1:",      "ward:2:AQID", "WARD:1:AQID",  "ward:1:AQI",
                         "ward:1:*", "ward:1:AQ ID", "AQID",        " ward:1:AQID", "ward:1:AQID\n",
                         large,      two_over};
    uint8_t out[WARD_WRAPPED_MAX];
    size_t size = 0;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_refusal(ward_wrapped_key_from_text(ward_bytes_str(bad[i]), out, &size),
                       WARD_E_INVALID, "wrapped key: not ward:1:<base64>");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_hold),
        TEST(unwrap_fails_when_any_bit_is_flipped),
        TEST(unwrap_fails_when_any_bit_of_the_context_is_flipped),
        TEST(unwrap_fails_when_context_differs),
        TEST(unwrap_fails_when_the_key_is_cut_or_longer),
        TEST(parse_refuses_what_is_not_such_a_key_without_saying_why),
        TEST(what_could_not_be_read_is_not_written),
        TEST(the_largest_key_survives_its_text),
        TEST(text_of_another_form_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
