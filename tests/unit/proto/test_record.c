/* SPDX-License-Identifier: Apache-2.0 */
/* The sealed record: comes back byte by byte, and nothing in it can be bent, moved or cut. */
#include "tests/unit/proto/vectors.h"

#include <stdio.h>

#include "proto/record.h"
#include "proto/wire_limits.h"

#define HEAD 69

static const uint8_t subject_key[32] = {1, 2, 3};
static const struct ward_record_binding binding = {
    .collection = {(const uint8_t *)"fhir", 4},
    .id_hash = {9, 9, 9},
    .version = 2,
    .schema_version = 1,
    .names = {{(const uint8_t *)"p-17", 4}, {(const uint8_t *)"visit 3", 7}}};
static struct ward_record_crypto crypto;

static int crypto_setup(void **state)
{
    (void)state;
    assert_ok(ward_aead_new(&crypto.aead));
    assert_ok(ward_digest_new(&crypto.digest));
    return 0;
}

static int crypto_teardown(void **state)
{
    (void)state;
    ward_aead_free(crypto.aead);
    ward_digest_free(crypto.digest);
    return 0;
}

static ward_status seal(void **state, const char *json, struct ward_bytes *ret)
{
    return ward_record_seal(&crypto, WARD_BYTES_ARRAY(subject_key), &binding, ward_bytes_str(json),
                            *state, ret);
}

static ward_status open_as(void **state, const struct ward_record_binding *as,
                           struct ward_bytes sealed, struct ward_bytes *ret)
{
    return ward_record_open(&crypto, WARD_BYTES_ARRAY(subject_key), as, sealed, *state, NULL, ret);
}

static struct ward_bytes copy(void **state, struct ward_bytes bytes)
{
    struct ward_bytes out;
    assert_ok(ward_arena_copy(*state, bytes, &out));
    return out;
}

static void vectors_hold(void **state)
{
    json_t *vectors = vectors_load("record.json"), *json;
    size_t i;
    json_array_foreach(vectors, i, json)
    {
        struct ward_record_binding as = {
            .collection = vector_text(*state, json, "collection"),
            .version = (uint32_t)vector_int(json, "version"),
            .schema_version = (uint32_t)vector_int(json, "schema_version"),
            .names = {vector_text(*state, json, "subject"), vector_text(*state, json, "id")}};
        memcpy(as.id_hash, vector_hex(*state, json, "id_hash").data, sizeof(as.id_hash));
        struct ward_bytes key = vector_hex(*state, json, "subject_key"), text;
        struct ward_bytes sealed = vector_hex(*state, json, "sealed");
        assert_ok(ward_record_open(&crypto, key, &as, sealed, *state, NULL, &text));
        assert_text(text, vector_str(json, "json"));
        struct ward_record_names names;
        as.names = (struct ward_record_names){0};
        assert_ok(ward_record_open_names(&crypto, key, &as, sealed, *state, &names));
        assert_text(names.subject, vector_str(json, "subject"));
        assert_text(names.id, vector_str(json, "id"));
        uint8_t digest[32];
        assert_ok(ward_record_digest(&crypto, sealed, digest));
        assert_bytes(WARD_BYTES_ARRAY(digest), vector_hex(*state, json, "digest"));
    }
}

static void records_come_back_byte_by_byte(void **state)
{
    const char *texts[] = {
        "{}",
        " { } \n",
        "{\"a\":1.10}",
        "\t{ \"b\" : [1 , {\"x\":\"}\"}] ,\r\n\"a\":\"\\u0041\\\"\", \"\":null}\n\n",
        "{\"z\":\"\xc3\xa4\",\"\xc3\xa4\":true,\"long\":123456789012345678901234567890e-5}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct ward_bytes sealed, back;
        assert_ok(seal(state, texts[i], &sealed));
        assert_ok(open_as(state, &binding, sealed, &back));
        assert_text(back, texts[i]);
    }
}

static void the_same_record_never_seals_to_the_same_bytes(void **state)
{
    struct ward_bytes one, other;
    assert_ok(seal(state, "{\"a\":1}", &one));
    assert_ok(seal(state, "{\"a\":1}", &other));
    assert_int_equal(one.size, other.size);
    for (size_t at = 1; at < one.size; at += 32) { /* salt, commitment and all behind it differ */
        size_t size = at + 16 <= one.size ? 16 : one.size - at;
        if (at < 65 || at >= HEAD) {
            assert_memory_not_equal(one.data + at, other.data + at, size);
        }
    }
}

static void open_fails_when_any_bit_is_flipped(void **state)
{
    struct ward_bytes sealed, back;
    assert_ok(seal(state, "{\"a\":1,\"b\":\"two\"}", &sealed));
    uint8_t *bent = (uint8_t *)copy(state, sealed).data;
    for (size_t bit = 0; bit < sealed.size * 8; bit++) {
        bent[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_code(open_as(state, &binding, WARD_BYTES(bent, sealed.size), &back),
                    WARD_E_CIPHERTEXT);
        bent[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_ok(open_as(state, &binding, WARD_BYTES(bent, sealed.size), &back));
}

static void open_fails_when_the_record_is_cut_or_longer(void **state)
{
    struct ward_bytes sealed, back;
    assert_ok(seal(state, "{\"a\":1,\"b\":\"two\"}", &sealed));
    uint8_t *longer = ward_arena_alloc(*state, sealed.size + 64);
    memcpy(longer, sealed.data, sealed.size);
    for (size_t size = 0; size <= sealed.size + 64; size++) {
        if (size != sealed.size) {
            assert_code(open_as(state, &binding, WARD_BYTES(longer, size), &back),
                        WARD_E_CIPHERTEXT);
        }
    }
}

static void open_fails_under_any_other_binding(void **state)
{
    struct ward_bytes sealed, back;
    assert_ok(seal(state, "{\"a\":1}", &sealed));
    struct ward_record_binding other = binding;
    other.collection = WARD_BYTES_LITERAL("fhi");
    assert_code(open_as(state, &other, sealed, &back), WARD_E_CIPHERTEXT);
    other = binding;
    other.id_hash[31] ^= 1;
    assert_code(open_as(state, &other, sealed, &back), WARD_E_CIPHERTEXT);
    other = binding;
    other.version++;
    assert_code(open_as(state, &other, sealed, &back), WARD_E_CIPHERTEXT);
    other = binding;
    other.schema_version++;
    assert_code(open_as(state, &other, sealed, &back), WARD_E_CIPHERTEXT);
    uint8_t key[32] = {1, 2, 4};
    assert_code(
        ward_record_open(&crypto, WARD_BYTES_ARRAY(key), &binding, sealed, *state, NULL, &back),
        WARD_E_CIPHERTEXT);
    assert_ok(open_as(state, &binding, sealed, &back));
}

static size_t fields_at(struct ward_bytes sealed)
{
    return HEAD + ward_get_u32(sealed.data + HEAD - 4);
}

static void open_fails_when_two_fields_change_places(void **state)
{
    struct ward_bytes sealed, back;
    assert_ok(seal(state, "{\"a\":111,\"b\":222}", &sealed));
    struct ward_bytes bent = copy(state, sealed);
    uint8_t *a = (uint8_t *)bent.data + fields_at(sealed), *b = a + 3 + 16;
    memcpy(b, sealed.data + fields_at(sealed), 19);
    assert_code(open_as(state, &binding, bent, &back), WARD_E_CIPHERTEXT);
    memcpy(a, sealed.data + fields_at(sealed) + 19, 19);
    assert_code(open_as(state, &binding, bent, &back), WARD_E_CIPHERTEXT);
}

static void open_fails_with_a_field_of_another_record(void **state)
{
    struct ward_bytes sealed, other, back;
    assert_ok(seal(state, "{\"a\":111}", &sealed));
    assert_ok(seal(state, "{\"a\":222}", &other));
    struct ward_bytes bent = copy(state, sealed);
    memcpy((uint8_t *)bent.data + fields_at(sealed), other.data + fields_at(other), 19);
    assert_code(open_as(state, &binding, bent, &back), WARD_E_CIPHERTEXT);
    /* Nor with the other's salt and commitment in front. */
    memcpy((uint8_t *)bent.data, other.data, HEAD);
    assert_code(open_as(state, &binding, bent, &back), WARD_E_CIPHERTEXT);
}

static void only_the_fields_asked_for_are_opened(void **state)
{
    struct ward_bytes sealed;
    assert_ok(seal(state, "{\"a\":1, \"b\":{\"x\":[2]}, \"c\\n\":\"3\"}", &sealed));
    /* The last field is spoilt: who does not ask for it does not notice, who does is refused. */
    struct ward_bytes bent = copy(state, sealed);
    ((uint8_t *)bent.data)[bent.size - 1] ^= 1;
    const struct ward_bytes names[] = {WARD_BYTES_LITERAL("b"), WARD_BYTES_LITERAL("none"),
                                       WARD_BYTES_LITERAL("a"), WARD_BYTES_LITERAL("c\\n")};
    struct ward_record_field fields[4];
    size_t n = 0;
    assert_ok(ward_record_open_fields(&crypto, WARD_BYTES_ARRAY(subject_key), &binding, bent, names,
                                      3, *state, fields, &n));
    assert_int_equal(n, 2);
    assert_text(fields[0].name, "b");
    assert_text(fields[0].value, "{\"x\":[2]}");
    assert_text(fields[1].name, "a");
    assert_text(fields[1].value, "1");
    assert_code(ward_record_open_fields(&crypto, WARD_BYTES_ARRAY(subject_key), &binding, bent,
                                        names, 4, *state, fields, &n),
                WARD_E_CIPHERTEXT);
    assert_ok(ward_record_open_fields(&crypto, WARD_BYTES_ARRAY(subject_key), &binding, sealed,
                                      names, 4, *state, fields, &n));
    assert_int_equal(n, 3);
    assert_text(fields[2].value, "\"3\"");
}

/* {"a":"xxx...","b":1} with a value of that size. */
static struct ward_bytes large_json(void **state, size_t value_size)
{
    size_t size = value_size + 5 + 7;
    uint8_t *json = ward_arena_alloc(*state, size);
    assert_non_null(json);
    memset(json, 'x', size);
    memcpy(json, "{\"a\":\"", 6);
    memcpy(json + 5 + value_size - 1, "\",\"b\":1}", 8);
    for (size_t i = 6; i < 5 + value_size - 1; i++) {
        json[i] = (uint8_t)('a' + i / 1000 % 26);
    }
    return WARD_BYTES(json, size);
}

static void large_fields_are_chunked_and_come_back(void **state)
{
    const size_t sizes[] = {WARD_RECORD_CHUNK_SIZE - 1, WARD_RECORD_CHUNK_SIZE,
                            WARD_RECORD_CHUNK_SIZE + 1, 2 * WARD_RECORD_CHUNK_SIZE,
                            2 * WARD_RECORD_CHUNK_SIZE + 12345};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct ward_bytes json = large_json(state, sizes[i]), sealed, back;
        assert_ok(ward_record_seal(&crypto, WARD_BYTES_ARRAY(subject_key), &binding, json, *state,
                                   &sealed));
        size_t chunks = (sizes[i] + WARD_RECORD_CHUNK_SIZE - 1) / WARD_RECORD_CHUNK_SIZE;
        assert_int_equal(sealed.size, fields_at(sealed) + sizes[i] + 16 * chunks + 17);
        assert_ok(open_as(state, &binding, sealed, &back));
        assert_bytes(back, json);
    }
}

static void chunks_cannot_change_places_nor_be_cut(void **state)
{
    struct ward_bytes json = large_json(state, 3 * (size_t)WARD_RECORD_CHUNK_SIZE), sealed, back;
    assert_ok(
        ward_record_seal(&crypto, WARD_BYTES_ARRAY(subject_key), &binding, json, *state, &sealed));
    const size_t step = WARD_RECORD_CHUNK_SIZE + 16, at = fields_at(sealed);
    uint8_t *bent = (uint8_t *)copy(state, sealed).data;
    memcpy(bent + at, sealed.data + at + step, step);
    assert_code(open_as(state, &binding, WARD_BYTES(bent, sealed.size), &back), WARD_E_CIPHERTEXT);
    memcpy(bent + at + step, sealed.data + at, step);
    assert_code(open_as(state, &binding, WARD_BYTES(bent, sealed.size), &back), WARD_E_CIPHERTEXT);
    memcpy(bent, sealed.data, sealed.size);
    memmove(bent + at + step, bent + at + 2 * step, sealed.size - at - 2 * step);
    assert_code(open_as(state, &binding, WARD_BYTES(bent, sealed.size - step), &back),
                WARD_E_CIPHERTEXT);
}

/* A record that holds this legend, rightly sealed by somebody who has the key, then `fields`. */
static struct ward_bytes forge(void **state, struct ward_bytes legend, struct ward_bytes fields)
{
    uint8_t bound[3 * 4 + 4 + 32 + 4], info[256], okm[64];
    uint8_t *p = bound;
    ward_put_u32(p, 4);
    memcpy(p + 4, "fhir", 4);
    ward_put_u32(p + 8, 32);
    memcpy(p + 12, binding.id_hash, 32);
    ward_put_u32(p + 44, 4);
    ward_put_u32(p + 48, binding.version);
    size_t size = 0;
    memcpy(info,
           "ward record 1\0\0\0\x18"
           "AES-256-GCM HKDF-SHA-256",
           41);
    size = 41;
    memcpy(info + size, bound, sizeof(bound));
    size += sizeof(bound);
    static const uint8_t salt[32] = {5};
    assert_ok(ward_hkdf_sha256(crypto.digest, WARD_BYTES_ARRAY(subject_key), WARD_BYTES_ARRAY(salt),
                               WARD_BYTES(info, size), okm, sizeof(okm)));
    uint8_t aad[sizeof(bound) + 12] = {0}, iv[12] = {0, 0, 0, 0, 0x80};
    memcpy(aad, bound, sizeof(bound));
    ward_put_u32(aad + sizeof(bound), 4);
    ward_put_u32(aad + sizeof(bound) + 4, binding.schema_version);
    uint8_t *out = ward_arena_alloc(*state, HEAD + legend.size + 16 + fields.size);
    out[0] = 1;
    memcpy(out + 1, salt, 32);
    memcpy(out + 33, okm + 32, 32);
    ward_put_u32(out + 65, (uint32_t)legend.size + 16);
    assert_ok(ward_aead_seal(crypto.aead, okm, iv, WARD_BYTES_ARRAY(aad), legend, out + HEAD));
    memcpy(out + HEAD + legend.size + 16, fields.data, fields.size);
    return WARD_BYTES(out, HEAD + legend.size + 16 + fields.size);
}

/* The binding's names as a legend begins. */
#define NAMES 0, 4, 'p', '-', '1', '7', 0, 7, 'v', 'i', 's', 'i', 't', ' ', '3'
#define NAMES_SIZE 15

static void a_legend_that_lies_is_refused(void **state)
{
    /* n=0 and skeleton "{}": the form is right, so that what follows fails for its own reason. */
    static const uint8_t good[] = {NAMES, 0, 0, 0, 0, 0, 2, '{', '}'};
    struct ward_bytes back, none = WARD_BYTES_LITERAL("");
    assert_ok(open_as(state, &binding, forge(state, WARD_BYTES_ARRAY(good), none), &back));
    assert_text(back, "{}");
    for (size_t size = 0; size < sizeof(good); size++) {
        assert_code(open_as(state, &binding, forge(state, WARD_BYTES(good, size), none), &back),
                    WARD_E_CIPHERTEXT);
    }
    static const struct {
        uint8_t bytes[48];
        size_t size; /* behind the names */
    } bad[] = {
        {{NAMES, 0, 0, 0, 0, 0, 2, '{', '}', 0}, 9},                      /* longer */
        {{NAMES, 0, 0, 0, 0, 0, 3, '{', '}'}, 8},                         /* cut */
        {{NAMES, 1, 1, 0, 0, 0, 2, '{', '}'}, 8},                         /* 257 fields */
        {{NAMES, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 17}, /* type 2 */
        {{NAMES, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}, 17}, /* cut behind */
        {{NAMES, 0, 1, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0},
         17},                                                                   /* not there */
        {{NAMES, 0, 1, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 17}, /* name cut */
        {{NAMES, 0, 2, 0, 0,   1,  0, 0, 0, 0, 0, 0, 0,
          1,     0, 0, 1, 0,   0,  0, 0, 0, 0, 0, 0, /* cuts */
          0,     0, 0, 2, '{', '}'},
         30}, /* go back */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        static const uint8_t fields[64];
        for (size_t size = 0; size <= 64; size += 16) {
            struct ward_bytes forged =
                forge(state, WARD_BYTES(bad[i].bytes, NAMES_SIZE + bad[i].size),
                      WARD_BYTES(fields, size));
            assert_code(open_as(state, &binding, forged, &back), WARD_E_CIPHERTEXT);
        }
    }
}

static void names_in_a_legend_that_lie_are_refused(void **state)
{
    /* Rightly sealed, and opened by one who does not know the names. */
    struct ward_record_binding any = binding;
    any.names = (struct ward_record_names){0};
    static const uint8_t rest[] = {0, 0, 0, 0, 0, 2, '{', '}'};
    static const struct {
        uint8_t bytes[8];
        size_t size;
        bool fits;
    } names[] = {
        {{0, 1, 'a', 0, 1, 'b'}, 6, true},
        {{0, 0, 0, 1, 'b'}, 5, false}, /* no subject */
        {{0, 1, 'a', 0, 0}, 5, false}, /* no id */
        {{0, 1, 'a', 0xff, 0xff, 'b'}, 6, false} /* cut */,
        {{0xff, 0xff, 'a', 0, 1, 'b'}, 6, false},
        {{0, 1, 0xff, 0, 1, 'b'}, 6, false}, /* not UTF-8 */
        {{0, 1, 'a', 0, 1, 0}, 6, false},
    };
    struct ward_bytes back, none = WARD_BYTES_LITERAL("");
    uint8_t legend[2 * (2 + 129) + sizeof(rest)];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        memcpy(legend, names[i].bytes, names[i].size);
        memcpy(legend + names[i].size, rest, sizeof(rest));
        struct ward_bytes forged =
            forge(state, WARD_BYTES(legend, names[i].size + sizeof(rest)), none);
        assert_code(open_as(state, &any, forged, &back),
                    names[i].fits ? WARD_E_OK : WARD_E_CIPHERTEXT);
    }
    for (size_t size = 128; size <= 129; size++) {
        memset(legend, 'n', sizeof(legend));
        ward_put_u16(legend, (uint16_t)size);
        ward_put_u16(legend + 2 + size, 128);
        memcpy(legend + 2 + size + 2 + 128, rest, sizeof(rest));
        struct ward_bytes forged =
            forge(state, WARD_BYTES(legend, 2 + size + 2 + 128 + sizeof(rest)), none);
        assert_code(open_as(state, &any, forged, &back),
                    size == 128 ? WARD_E_OK : WARD_E_CIPHERTEXT);
    }
}

static void what_is_not_one_object_is_refused(void **state)
{
    const char *bad[] = {"",           "[]",         "1",     "{",         "{\"a\":1",
                         "{\"a\":1}x", "{\"a\":01}", "{a:1}", "{\"a\":1,}"};
    struct ward_bytes sealed;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_code(seal(state, bad[i], &sealed), WARD_E_INVALID);
    }
    assert_refusal(seal(state, "{\"a\":1,\"\\u0061\":2}", &sealed), WARD_E_INVALID,
                   "json: duplicate member");
}

static void names_and_members_have_limits(void **state)
{
    static char text[16384];
    struct ward_bytes sealed, back;
    size_t size = 0;
    for (unsigned i = 0; i <= WARD_RECORD_FIELDS_MAX; i++) {
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%s\"%u\":%u",
                                 i == 0 ? "{" : ",", i, i);
        if (i == WARD_RECORD_FIELDS_MAX - 1) {
            text[size] = '}';
            text[size + 1] = '\0';
            assert_ok(seal(state, text, &sealed));
            assert_ok(open_as(state, &binding, sealed, &back));
            assert_text(back, text);
        }
    }
    text[size] = '}';
    assert_code(seal(state, text, &sealed), WARD_E_INVALID);

    memset(text, 'n', sizeof(text));
    memcpy(text, "{\"", 2);
    memcpy(text + 2 + 1024, "\":1}", 5);
    assert_ok(seal(state, text, &sealed));
    memcpy(text + 2 + 1024, "n\":1}", 6);
    assert_refusal(seal(state, text, &sealed), WARD_E_INVALID,
                   "record: member name longer than 1024 bytes");

    struct ward_record_binding other = binding;
    other.collection = WARD_BYTES(text, WARD_NAME_MAX + 1);
    assert_refusal(ward_record_seal(&crypto, WARD_BYTES_ARRAY(subject_key), &other,
                                    WARD_BYTES_LITERAL("{}"), *state, &sealed),
                   WARD_E_INVALID, "record: collection name longer than 128 bytes");
}

static void a_spent_budget_is_an_error(void **state)
{
    struct ward_bytes sealed, out;
    assert_ok(seal(state, "{\"a\":\"0123456789012345678901234567890123456789\"}", &sealed));
    for (size_t budget = 1; budget < 400; budget += 16) {
        struct ward_arena *small = NULL;
        assert_ok(ward_arena_new(budget, &small));
        ward_status status = ward_record_open(&crypto, WARD_BYTES_ARRAY(subject_key), &binding,
                                              sealed, small, NULL, &out);
        assert_true(ward_ok(status) || status.code == WARD_E_EXHAUSTED);
        ward_arena_free(small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_hold),
        TEST(records_come_back_byte_by_byte),
        TEST(the_same_record_never_seals_to_the_same_bytes),
        TEST(open_fails_when_any_bit_is_flipped),
        TEST(open_fails_when_the_record_is_cut_or_longer),
        TEST(open_fails_under_any_other_binding),
        TEST(open_fails_when_two_fields_change_places),
        TEST(open_fails_with_a_field_of_another_record),
        TEST(only_the_fields_asked_for_are_opened),
        TEST(large_fields_are_chunked_and_come_back),
        TEST(chunks_cannot_change_places_nor_be_cut),
        TEST(a_legend_that_lies_is_refused),
        TEST(names_in_a_legend_that_lie_are_refused),
        TEST(what_is_not_one_object_is_refused),
        TEST(names_and_members_have_limits),
        TEST(a_spent_budget_is_an_error),
    };
    return cmocka_run_group_tests(tests, crypto_setup, crypto_teardown);
}
