/* SPDX-License-Identifier: Apache-2.0 */
/* The audit leaf: exact bytes, and texts that try to be something else than text. */
#include "tests/unit/proto/vectors.h"

#include <string.h>

#include "base/digest.h"
#include "base/merkle.h"
#include "proto/canonical.h"
#include "proto/leaf.h"
#include "proto/wire_limits.h"

static const char *str_of(struct ward_arena *arena, const json_t *object, const char *name)
{
    struct ward_bytes text = vector_text(arena, object, name), copy;
    if (text.data == NULL) {
        return NULL;
    }
    assert_ok(ward_arena_copy(arena, text, &copy));
    return (const char *)copy.data;
}

static size_t load_context(struct ward_arena *arena, const json_t *array,
                           struct ward_leaf_context *out)
{
    size_t i;
    json_t *entry;
    json_array_foreach(array, i, entry)
    {
        out[i] = (struct ward_leaf_context){.key = vector_text(arena, entry, "key"),
                                            .value = vector_text(arena, entry, "value"),
                                            .hash = vector_hex(arena, entry, "hash").data};
    }
    return json_array_size(array);
}

static size_t load_items(struct ward_arena *arena, const json_t *array, struct ward_leaf_item *out)
{
    size_t i;
    json_t *entry;
    json_array_foreach(array, i, entry)
    {
        out[i] = (struct ward_leaf_item){.object = vector_text(arena, entry, "object"),
                                         .outcome = str_of(arena, entry, "outcome"),
                                         .code = str_of(arena, entry, "code"),
                                         .rule = str_of(arena, entry, "rule"),
                                         .digest = vector_hex(arena, entry, "digest"),
                                         .count = (uint32_t)vector_int(entry, "count")};
    }
    return json_array_size(array);
}

static size_t load_detail(struct ward_arena *arena, const json_t *array, struct ward_leaf_pair *out)
{
    size_t i;
    json_t *entry;
    json_array_foreach(array, i, entry)
    {
        const json_t *value = json_array_get(entry, 1);
        out[i] = (struct ward_leaf_pair){.name = json_string_value(json_array_get(entry, 0)),
                                         .number = json_integer_value(value)};
        out[i].text = json_is_integer(value) ? (struct ward_bytes){NULL, 0} : text_of(arena, value);
    }
    return json_array_size(array);
}

static void vectors_hold(void **state)
{
    struct ward_arena *arena = *state;
    json_t *vectors = vectors_load("leaf.json"), *json;
    ward_auto(ward_digest_freep) struct ward_digest *digest = NULL;
    assert_ok(ward_digest_new(&digest));
    size_t i;
    json_array_foreach(vectors, i, json)
    {
        const json_t *in = json_object_get(json, "leaf");
        struct ward_leaf_context context[16];
        struct ward_leaf_item items[16];
        struct ward_leaf_pair detail[16];
        struct ward_leaf leaf = {
            .request_id = vector_text(arena, in, "request"),
            .identity = vector_text(arena, in, "identity"),
            .certificate = vector_hex(arena, in, "cert").data,
            .end_user = vector_text(arena, in, "end_user"),
            .address = vector_text(arena, in, "address"),
            .action = str_of(arena, in, "action"),
            .object = vector_text(arena, in, "object"),
            .context = context,
            .n_context = load_context(arena, json_object_get(in, "context"), context),
            .outcome = str_of(arena, in, "outcome"),
            .code = str_of(arena, in, "code"),
            .rule = str_of(arena, in, "rule"),
            .policy = vector_hex(arena, in, "policy").data,
            .epoch = (uint64_t)vector_int(in, "epoch"),
            .reason = vector_hex(arena, in, "reason").data,
            .items = items,
            .n_items = load_items(arena, json_object_get(in, "items"), items),
            .detail = detail,
            .n_detail = load_detail(arena, json_object_get(in, "detail"), detail),
        };
        ward_auto(ward_buffer_fini) struct ward_buffer body, out;
        ward_buffer_init(&body, WARD_LEAF_MAX);
        ward_buffer_init(&out, WARD_LEAF_MAX);
        ward_leaf_body(&leaf, &body);
        int64_t time = 0;
        assert_true(ward_time_parse(vector_str(json, "time"), 27, &time));
        ward_leaf_finish((uint64_t)vector_int(json, "seq"), time, vector_text(arena, json, "node"),
                         ward_buffer_view(&body), &out);
        assert_false(out.failed);
        assert_text(ward_buffer_view(&out), vector_str(json, "text"));
        uint8_t hash[32];
        assert_ok(ward_merkle_leaf(digest, ward_buffer_view(&out), hash));
        assert_bytes(WARD_BYTES_ARRAY(hash), vector_hex(arena, json, "hash"));
    }
}

/* Every byte, alone and in pairs, gives one JSON string and no way out of it. */
static void any_bytes_stay_one_json_string(void **state)
{
    (void)state;
    for (unsigned pair = 0; pair < 65536; pair++) {
        const uint8_t text[] = {(uint8_t)(pair >> 8), (uint8_t)pair};
        ward_auto(ward_buffer_fini) struct ward_buffer out;
        ward_buffer_init(&out, 64);
        ward_canonical_text(&out, WARD_BYTES_ARRAY(text));
        assert_false(out.failed);
        json_error_t error;
        json_t *value =
            json_loadb((const char *)out.data, out.size,
                       JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
        if (!json_is_string(value)) {
            fail_msg("%02x %02x: %s", text[0], text[1], error.text);
        }
        json_decref(value);
    }
}

static void text_fills_its_buffer_to_the_last_byte(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "plain",
                                        "long enough to be copied by eights",
                                        "\n\x01\"",
                                        "\xc3\xa4\xf0\x9f\x94\x92\xff",
                                        "12345678\xe2\x82"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct ward_buffer whole;
        ward_buffer_init(&whole, 4096);
        ward_canonical_text_after(&whole, WARD_BYTES_LITERAL(",\"a\":\""),
                                  ward_bytes_str(texts[i]));
        for (size_t max = 0; max <= whole.size; max++) {
            struct ward_buffer out;
            ward_buffer_init(&out, max);
            ward_canonical_text_after(&out, WARD_BYTES_LITERAL(",\"a\":\""),
                                      ward_bytes_str(texts[i]));
            assert_int_equal(out.failed, max < whole.size);
            assert_true(out.size <= max);
            if (max == whole.size) {
                assert_bytes(ward_buffer_view(&out), ward_buffer_view(&whole));
            }
            ward_buffer_fini(&out);
        }
        ward_buffer_fini(&whole);
    }
}

static void canonical_texts_read_back_as_they_were(void **state)
{
    for (unsigned byte = 1; byte < 0x80; byte++) {
        for (size_t at = 0; at < 20; at++) { /* at every place of the eights it is copied by */
            uint8_t text[20];
            memset(text, 'a', sizeof(text));
            text[at] = (uint8_t)byte;
            struct ward_buffer out;
            ward_buffer_init(&out, 256);
            ward_canonical_text(&out, WARD_BYTES_ARRAY(text));
            struct ward_bytes back;
            assert_true(ward_canonical_read_text(ward_buffer_view(&out), *state, &back));
            assert_bytes(back, WARD_BYTES_ARRAY(text));
            ward_buffer_fini(&out);
        }
    }
}

static void integers_read_only_as_themselves(void **state)
{
    (void)state;
    const struct {
        const char *text;
        bool good;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"\"1\"", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = 0;
        assert_int_equal(ward_canonical_read_int(ward_bytes_str(cases[i].text), &value),
                         cases[i].good);
        assert_true(value == cases[i].value);
    }
}

static void texts_that_are_not_one_string_are_not_read(void **state)
{
    const char *bad[] = {
        "",        "\"",        "a",         "\"a",         "a\"",         "\"a\"b\"", "\"\\\"",
        "\"\\u\"", "\"\\u00\"", "\"\\x41\"", "\"\\u0041\"", "\"\\ud83d\"", "\"\n\"",   "\"\\/\""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ward_bytes text;
        assert_false(ward_canonical_read_text(ward_bytes_str(bad[i]), *state, &text));
    }
}

static void equal_items_fold_only_with_their_neighbours(void **state)
{
    (void)state;
    struct ward_leaf_item items[600];
    for (size_t i = 0; i < 600; i++) {
        items[i] = (struct ward_leaf_item){.object = WARD_BYTES_LITERAL("key:a#1"),
                                           .outcome = i < 300 ? "allowed" : "refused",
                                           .count = 1};
    }
    items[599].outcome = "allowed";
    struct ward_leaf leaf = {.items = items, .n_items = 600};
    ward_auto(ward_buffer_fini) struct ward_buffer out;
    ward_buffer_init(&out, WARD_LEAF_MAX);
    ward_leaf_body(&leaf, &out);
    assert_text(ward_buffer_view(&out),
                ",\"epoch\":0,\"items\":["
                "{\"object\":\"key:a#1\",\"outcome\":\"allowed\",\"count\":300},"
                "{\"object\":\"key:a#1\",\"outcome\":\"refused\",\"count\":299},"
                "{\"object\":\"key:a#1\",\"outcome\":\"allowed\"}]}");
}

static void a_leaf_over_its_limit_fails_the_buffer(void **state)
{
    (void)state;
    static const uint8_t text[WARD_LEAF_MAX / 6 + 1]; /* NULs: six bytes each when escaped */
    struct ward_leaf leaf = {.identity = WARD_BYTES_ARRAY(text)};
    ward_auto(ward_buffer_fini) struct ward_buffer out;
    ward_buffer_init(&out, WARD_LEAF_MAX);
    ward_leaf_body(&leaf, &out);
    assert_true(out.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_hold),
        TEST(any_bytes_stay_one_json_string),
        TEST(text_fills_its_buffer_to_the_last_byte),
        TEST(canonical_texts_read_back_as_they_were),
        TEST(integers_read_only_as_themselves),
        TEST(texts_that_are_not_one_string_are_not_read),
        TEST(equal_items_fold_only_with_their_neighbours),
        TEST(a_leaf_over_its_limit_fails_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
