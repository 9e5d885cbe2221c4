/* SPDX-License-Identifier: Apache-2.0 */
/* What entries say: of many items, of hostile texts, of what was refused before anything was known
 * of it; and what they must never say. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

static const char patient[] = "{\"resourceType\":\"Patient\",\"id\":\"p1\",\"name\":\"Zanzibar\"}";

static struct core_world world;
static struct core_node node;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "phi/records", WARD_PURPOSE_RECORDS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

static const char *item_text(const json_t *leaf, size_t i, const char *name)
{
    return core_text(json_array_get(json_object_get(leaf, "items"), i), name);
}

/* All items of a request over all its parts, which must be numbered. */
static size_t count_items(const struct ward_request *request, size_t parts)
{
    struct core_log log;
    size_t items = 0, seen = 0;
    core_log_open(&log, &world);
    for (size_t i = 0; i < log.n; i++) {
        const char *id = core_text(log.leaves[i], "request");
        if (!ward_bytes_eq(ward_bytes_str(id), request->request_id)) {
            continue;
        }
        seen++;
        if (parts > 1) {
            assert_int_equal(core_detail_number(log.leaves[i], "part"), seen);
            assert_int_equal(core_detail_number(log.leaves[i], "parts"), parts);
        }
        const json_t *list = json_object_get(log.leaves[i], "items");
        for (size_t k = 0; k < json_array_size(list); k++) {
            const json_t *count = json_object_get(json_array_get(list, k), "count");
            items += count == NULL ? 1 : (size_t)json_integer_value(count);
        }
    }
    assert_int_equal(seen, parts);
    core_log_close(&log);
    return items;
}

static void a_thousand_records_are_told_in_parts(void **state)
{
    (void)state;
    struct ward_request *put = core_put(&world, &world.app, "fhir", "alpha", 1000, patient);
    assert_ok(core_run(&node, put));
    assert_int_equal(count_items(put, 10), 1000);
    ward_request_free(put);
}

static void a_thousand_keys_alike_are_one_item(void **state)
{
    (void)state;
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 1, 1000);
    assert_ok(core_run(&node, made));
    assert_int_equal(count_items(made, 1), 1000);
    ward_request_free(made);
}

static void one_key_too_many_is_refused(void **state)
{
    (void)state;
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 2, 501);
    assert_refused(core_run(&node, made), "items: more than 1000 keys in one request");
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, made->request_id);
    assert_string_equal(core_text(leaf, "outcome"), "refused");
    assert_string_equal(item_text(leaf, 0, "outcome"), "refused");
    core_log_close(&log);
    ward_request_free(made);
}

/* The largest context that is allowed, of the characters that grow most when they are written. */
static struct ward_context hostile_context(struct ward_request *request)
{
    struct ward_context_pair pairs[32];
    struct ward_context context;
    for (size_t i = 0; i < 32; i++) {
        uint8_t *key = ward_arena_alloc(request->arena, 245);
        assert_non_null(key);
        memset(key, 0x1b, 245);
        key[0] = (uint8_t)(i + 1);
        pairs[i] = (struct ward_context_pair){WARD_BYTES(key, 245), WARD_BYTES_LITERAL("\x01")};
    }
    pairs[31].key = WARD_BYTES_LITERAL("purpose");
    assert_ok(ward_context_build(request->arena, pairs, 32, &context));
    return context;
}

static void make_hostile(struct ward_request *request)
{
    static uint8_t control[128], quotes[64];
    memset(control, 0x02, sizeof(control));
    memset(quotes, '"', sizeof(quotes));
    (void)snprintf((char *)quotes, sizeof(quotes), "%s", (const char *)request->request_id.data);
    request->on_behalf_of = WARD_BYTES_ARRAY(control);
    request->reason = WARD_BYTES_LITERAL("\xff\xfe not text \x01");
}

static void hostile_texts_are_still_json(void **state)
{
    (void)state;
    struct ward_request *put = core_put(&world, &world.app, "fhir", "alpha", 1000, patient);
    make_hostile(put);
    ((struct ward_put *)put->in)->context = hostile_context(put);
    assert_ok(core_run(&node, put));
    assert_int_equal(count_items(put, 125), 1000);
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = log.leaves[log.n - 1];
    assert_int_equal(strlen(core_detail(leaf, "context_digest")), 64);
    assert_int_equal(strlen(core_text(leaf, "end_user")), 128);
    assert_int_equal(strlen(core_text(leaf, "reason")), 64);
    core_log_close(&log);
    ward_request_free(put);
}

static void a_hostile_request_id_is_still_json(void **state)
{
    (void)state;
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 1, 1);
    made->request_id = WARD_BYTES_LITERAL("\"},{\"seq\":0,\\\x80\xff\x01");
    made->on_behalf_of = WARD_BYTES_LITERAL("\xc0\x80\xed\xa0\x80");
    assert_ok(core_run(&node, made));
    struct core_log log;
    core_log_open(&log, &world); /* which checks that each leaf is one object of its own number */
    assert_string_equal(core_text(log.leaves[log.n - 1], "request"),
                        "\"},{\"seq\":0,\\\xef\xbf\xbd\xef\xbf\xbd\x01");
    core_log_close(&log);
    ward_request_free(made);
}

static void a_context_is_told_in_clear_only_where_policy_says(void **state)
{
    (void)state;
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 1, 1);
    const struct ward_context_pair pairs[] = {
        {WARD_BYTES_LITERAL("purpose"), WARD_BYTES_LITERAL("TREAT")},
        {WARD_BYTES_LITERAL("subject"), WARD_BYTES_LITERAL("Zanzibar")}};
    assert_ok(ward_context_build(made->arena, pairs, 2,
                                 &((struct ward_generate *)made->in)->items[0].context));
    assert_ok(core_run(&node, made));
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *context = json_object_get(core_log_one(&log, made->request_id), "context");
    assert_string_equal(core_text(context, "purpose"), "TREAT");
    assert_int_equal(strlen(core_text(context, "subject")), 18);
    assert_memory_equal(core_text(context, "subject"), "h:", 2);
    core_log_close(&log);
    ward_request_free(made);
}

/* Items of one request with different contexts: each is known by the keyed hash of its own. */
static void different_contexts_are_told_item_by_item(void **state)
{
    (void)state;
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 2, 1);
    const struct ward_context_pair other = {WARD_BYTES_LITERAL("purpose"),
                                            WARD_BYTES_LITERAL("ETREAT")};
    assert_ok(ward_context_build(made->arena, &other, 1,
                                 &((struct ward_generate *)made->in)->items[1].context));
    assert_ok(core_run(&node, made));
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, made->request_id);
    assert_null(json_object_get(leaf, "context"));
    assert_int_equal(strlen(item_text(leaf, 0, "digest")), 64);
    assert_string_not_equal(item_text(leaf, 0, "digest"), item_text(leaf, 1, "digest"));
    core_log_close(&log);
    ward_request_free(made);
}

static void expect_item(struct ward_request *request, const char *object_prefix,
                        const char *outcome, const char *code)
{
    assert_ok(core_run(&node, request));
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, request->request_id);
    assert_memory_equal(item_text(leaf, 0, "object"), object_prefix, strlen(object_prefix));
    assert_string_equal(item_text(leaf, 0, "outcome"), outcome);
    assert_string_equal(item_text(leaf, 0, "code"), code);
    assert_string_equal(core_text(leaf, "outcome"), outcome);
    assert_string_equal(core_text(leaf, "code"), code);
    core_log_close(&log);
    ward_request_free(request);
}

static void what_was_refused_is_named(void **state)
{
    (void)state;
    expect_item(core_generate(&world, &world.app, "phi/records", 1, 1), "key:phi/records",
                "refused", "PERMISSION_DENIED");
    expect_item(core_generate(&world, &world.stranger, "app/keys", 1, 1), "key:app/keys", "refused",
                "PERMISSION_DENIED");
    expect_item(core_put(&world, &world.officer_a, "fhir", "alpha", 1, patient), "record:fhir",
                "refused", "PERMISSION_DENIED");
    expect_item(core_get(&world, &world.auditor, "fhir", "alpha"), "record:fhir", "refused",
                "PERMISSION_DENIED");
}

static void what_was_not_found_is_named(void **state)
{
    (void)state;
    expect_item(core_generate(&world, &world.app, "app/none", 1, 1), "key:app/none", "failed",
                "NOT_FOUND");
    expect_item(core_get(&world, &world.app, "fhir", "nobody"), "record:fhir/", "failed",
                "NOT_FOUND");
    expect_item(core_put(&world, &world.app, "notes", "alpha", 1, patient), "record:notes",
                "failed", "FAILED_PRECONDITION");
    expect_item(core_put(&world, &world.app, "fhir", "alpha", 1, "{\"a\":1,\"a\":2}"),
                "record:fhir/", "refused", "INVALID_ARGUMENT");
}

static void a_request_refused_by_decode_has_its_entry(void **state)
{
    (void)state;
    struct ward_request *bad = core_generate(&world, &world.app, "app/keys", 1, 1);
    bad->status = WARD_REFUSAL(WARD_E_INVALID, "items: none");
    bad->refused = true;
    assert_code(core_run(&node, bad), WARD_E_INVALID);
    core_expect_entry(&world, bad, "refused", "INVALID_ARGUMENT");
    ward_request_free(bad);
    struct ward_request *unknown = core_request(&world, &world.app, NULL, 1);
    unknown->status = WARD_STATUS(WARD_E_UNIMPLEMENTED);
    unknown->refused = true;
    assert_code(core_run(&node, unknown), WARD_E_UNIMPLEMENTED);
    core_expect_entry(&world, unknown, "refused", "UNIMPLEMENTED");
    ward_request_free(unknown);
}

static void a_deadline_that_has_passed_ends_before_the_hsm(void **state)
{
    (void)state;
    struct ward_request *late = core_generate(&world, &world.app, "app/keys", 1, 1);
    late->deadline_us = 1;
    unsigned before = fake_kek_crossings(world.kek);
    assert_code(core_run(&node, late), WARD_E_DEADLINE);
    assert_int_equal(fake_kek_crossings(world.kek), before);
    core_expect_entry(&world, late, "failed", "DEADLINE_EXCEEDED");
    ward_request_free(late);
}

/* Names, values, ids of patients and keys: in no leaf, in no form that we would have made. */
static void content_is_in_no_entry(void **state)
{
    (void)state;
    struct ward_request *put = core_put(&world, &world.app, "fhir", "Zanzibar", 2, patient);
    assert_ok(core_run(&node, put));
    ward_request_free(put);
    struct ward_request *got = core_get(&world, &world.app, "fhir", "Zanzibar");
    assert_ok(core_run(&node, got));
    ward_request_free(got);
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 1, 1);
    made->reason = WARD_BYTES_LITERAL("for Zanzibar");
    assert_ok(core_run(&node, made));
    struct ward_bytes key = ((struct ward_generate *)made->in)->items[0].keys[0].plaintext;
    char hex[65];
    ward_hex_encode(key, hex);
    struct core_log log;
    core_log_open(&log, &world);
    for (size_t i = 0; i < log.n; i++) {
        char *text = json_dumps(log.leaves[i], 0);
        assert_non_null(text);
        assert_null(strstr(text, "Zanzibar"));
        assert_null(strstr(text, "Patient"));
        assert_null(strstr(text, hex));
        free(text);
    }
    core_log_close(&log);
    ward_request_free(made);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(a_thousand_records_are_told_in_parts),
        T(a_thousand_keys_alike_are_one_item),
        T(one_key_too_many_is_refused),
        T(hostile_texts_are_still_json),
        T(a_hostile_request_id_is_still_json),
        T(a_context_is_told_in_clear_only_where_policy_says),
        T(different_contexts_are_told_item_by_item),
        T(what_was_refused_is_named),
        T(what_was_not_found_is_named),
        T(a_request_refused_by_decode_has_its_entry),
        T(a_deadline_that_has_passed_ends_before_the_hsm),
        T(content_is_in_no_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
