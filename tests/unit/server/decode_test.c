/* SPDX-License-Identifier: Apache-2.0 */
/* Messages into inputs: what may be on the wire at all, the header of every request, bounded damage
 * to bytes that were once good, and answers. What each field may be is in decode_fields_test.c. */
#include "proto/wire_limits.h"
#include "server/op/messages.h"
#include "server/rpc/fields.h"
#include "tests/unit/server/decode_support.h"
#include "ward/v1/data_keys.pb-c.h"
#include "ward/v1/keys.pb-c.h"

/* ---- the wire ---- */

static void what_does_not_parse_is_internal(void **state)
{
    (void)state;
    const struct ward_bytes cases[] = {
        L("\x0a"),
        L("\x0a\x05"),
        L("\x80"),
        L("\x00\x01"),
        L("\x10"),
        L("\x10\x80"),
        L("\x12\x01"),
        L("\xff\xff\xff\xff\xff"),
        L("\x0b"),
        L("\x0c"),
        L("\x0d\0\0\0\0"),
        L("\x09\0\0\0\0\0\0\0\0"),
        L("\x0e"),
        L("\x0f"),
        L("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        L("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        L("\x0a\xff\xff\xff\xff\x0f"),
        L("\x08\x01"),
        L("\x12\x00\x0a\x01\xff"),
        L("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        decode_raw_is_refused(LIST, cases[i], WARD_E_INTERNAL, "message: does not parse");
    }
}

static void unknown_fields_are_refused_at_every_level(void **state)
{
    (void)state;
    decode_raw_is_refused(LIST, L("\x20\x01"), WARD_E_INVALID, "message: unknown field");
    decode_raw_is_refused(LIST, L("\x0a\x02\x20\x01"), WARD_E_INVALID, "message: unknown field");
    decode_raw_is_refused(GENERATE, L("\x12\x02\x78\x01"), WARD_E_INVALID,
                          "message: unknown field");
    decode_raw_is_refused(GENERATE, L("\x12\x04\x12\x02\x18\x01"), WARD_E_INVALID,
                          "message: unknown field");
    decode_raw_is_refused(PUT, L("\x22\x00"), WARD_E_INVALID, "message: unknown field");
}

static void nothing_may_be_said_twice(void **state)
{
    (void)state;
    decode_raw_is_refused(LIST, L("\x10\x01\x10\x01"), WARD_E_INVALID,
                          "message: field given twice");
    decode_raw_is_refused(LIST, L("\x0a\x00\x0a\x00"), WARD_E_INVALID,
                          "message: field given twice");
    decode_raw_is_refused(LIST, L("\x0a\x04\x0a\x00\x0a\x00"), WARD_E_INVALID,
                          "message: field given twice");
    decode_raw_is_refused(GENERATE,
                          L("\x12\x08\x12\x06\x0a\x01"
                            "a\x0a\x01"
                            "b"),
                          WARD_E_INVALID, "message: field given twice");
}

static void numbers_must_fit(void **state)
{
    (void)state;
    decode_raw_is_refused(LIST, L("\x10\x80\x80\x80\x80\x10"), WARD_E_INVALID,
                          "message: number out of range");
    decode_raw_is_refused(GENERATE, L("\x12\x02\x28\x02"), WARD_E_INVALID,
                          "message: number out of range");
    decode_raw_is_refused("/ward.v1.Keys/CreateKey", L("\x18\x80\x80\x80\x80\x08"), WARD_E_INVALID,
                          "message: number out of range");
}

/* A million levels in a field that we know, and in one that we do not. */
static void depth_costs_nothing(void **state)
{
    (void)state;
    const size_t size = 1u << 20;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, 0x0a, size);
    decode_is_refused(decode_message(decode_method(LIST), WARD_BYTES(bytes, size)), WARD_E_INTERNAL,
                      "message: does not parse");
    memset(bytes, 0x2b, size); /* start of group 5 */
    decode_is_refused(decode_message(decode_method(LIST), WARD_BYTES(bytes, size)), WARD_E_INVALID,
                      "message: unknown field");
    free(bytes);
}

static void a_flood_of_items_is_refused_before_memory_is_taken(void **state)
{
    (void)state;
    const size_t size = 1u << 20;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i += 2) {
        bytes[i] = 0x12;
        bytes[i + 1] = 0;
    }
    struct ward_request *request = decode_message(decode_method(GENERATE), WARD_BYTES(bytes, size));
    assert_true(ward_arena_used(request->arena) < 4096);
    decode_is_refused(request, WARD_E_INVALID, "items: more than 1000");
    free(bytes);
}

/* Every text of every message: one bad byte, and one NUL, is refused with the field's name. */
static void check_texts(const char *path, const ProtobufCMessageDescriptor *type,
                        struct ward_bytes before, unsigned depth)
{
    assert_true(depth < 4);
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        for (int nul = 0; nul < 2 && field->type == PROTOBUF_C_TYPE_STRING; nul++) {
            uint8_t inner[64] = {(uint8_t)(field->id << 3 | 2), 2, 'a', nul ? 0 : 0xff};
            size_t size = 4;
            for (size_t k = before.size; k-- > 0;) { /* wrapped into the messages around it */
                memmove(inner + 2, inner, size);
                inner[0] = (uint8_t)(before.data[k] << 3 | 2);
                inner[1] = (uint8_t)size;
                size += 2;
            }
            struct ward_request *request =
                decode_message(decode_method(path), WARD_BYTES(inner, size));
            const char *text = ward_status_refusal(request->status);
            assert_int_equal(request->status.code, WARD_E_INVALID);
            assert_non_null(strstr(text, ": not UTF-8"));
            assert_true(strncmp(text, field->name, strlen(field->name)) == 0 ||
                        strncmp(text, "context", 7) == 0);
            ward_request_free(request);
        }
        if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            uint8_t path_there[4];
            if (before.size > 0) {
                memcpy(path_there, before.data, before.size);
            }
            path_there[before.size] = (uint8_t)field->id;
            check_texts(path, field->descriptor, WARD_BYTES(path_there, before.size + 1),
                        depth + 1);
        }
    }
}

static void bad_utf8_and_nul_are_refused_in_every_text(void **state)
{
    (void)state;
    const struct ward_method *methods = NULL;
    size_t n = ward_methods(&methods);
    for (size_t i = 0; i < n; i++) {
        if (methods[i].audited) {
            check_texts((const char *)methods[i].path.data, methods[i].input,
                        (struct ward_bytes){0}, 0);
        }
    }
}

/* ---- the header ---- */

static struct ward_request *with_header(const char *id, const char *user, const char *reason)
{
    Ward__V1__RequestHeader header = WARD__V1__REQUEST_HEADER__INIT;
    Ward__V1__ListKeysRequest message = WARD__V1__LIST_KEYS_REQUEST__INIT;
    header.request_id = (char *)id;
    header.on_behalf_of = (char *)user;
    header.reason = (char *)reason;
    message.header = &header;
    return decode_packed(LIST, &message.base);
}

static void the_header_is_carried_over(void **state)
{
    (void)state;
    struct ward_request *request = with_header("A-z_0.9", "nurse:7", "because");
    assert_true(ward_ok(request->status));
    assert_true(ward_bytes_eq(request->request_id, L("A-z_0.9")));
    assert_true(ward_bytes_eq(request->on_behalf_of, L("nurse:7")));
    assert_true(ward_bytes_eq(request->reason, L("because")));
    ward_request_free(request);
}

static void the_header_has_limits(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'x', sizeof(text));
    text[64] = '\0';
    struct ward_request *request = with_header(text, "", "");
    assert_true(ward_ok(request->status));
    ward_request_free(request);
    text[64] = 'x';
    text[65] = '\0';
    decode_is_refused(with_header(text, "", ""), WARD_E_INVALID,
                      "request_id: longer than 64 bytes");
    text[65] = 'x';
    text[129] = '\0';
    decode_is_refused(with_header("", text, ""), WARD_E_INVALID,
                      "on_behalf_of: longer than 128 bytes");
    text[129] = 'x';
    text[257] = '\0';
    decode_is_refused(with_header("", "", text), WARD_E_INVALID, "reason: longer than 256 bytes");
    const char *ids[] = {"a b", "a/b", "a\nb", "\xc3\xa9", "a:b"};
    for (size_t i = 0; i < 5; i++) {
        decode_is_refused(with_header(ids[i], "", ""), WARD_E_INVALID,
                          "request_id: a character outside A-Z a-z 0-9 . _ -");
    }
}

/* ---- damage ---- */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Whatever comes in is decoded and answered, or refused with a text; never a crash, never without
 * reason. */
static void try_bytes(const struct ward_method *method, struct ward_bytes bytes)
{
    struct ward_request *request = decode_message(method, bytes);
    if (ward_ok(request->status)) {
        const ProtobufCMessage *answer = NULL;
        struct ward_bytes packed;
        canned_answer(request);
        ward_status status = method->encode(request, &answer);
        if (ward_ok(status)) {
            status = ward_message_pack(request->arena, answer, &packed);
        }
        assert_true(ward_ok(status) || status.code == WARD_E_EXHAUSTED);
    } else {
        assert_true(request->status.code == WARD_E_INVALID ||
                    request->status.code == WARD_E_INTERNAL ||
                    request->status.code == WARD_E_EXHAUSTED);
        assert_non_null(ward_status_refusal(request->status));
    }
    ward_request_free(request);
}

static const struct {
    const char *path;
    struct ward_bytes bytes;
} seeds[] = {
    {GENERATE, L("\x0a\x0a\x0a\x02r1\x12\x01u\x1a\x01w\x12\x15\x0a\x05"
                 "app/x\x12\x08\x0a\x01k\x12\x03val\x18\x20\x20\x02")},
    {UNWRAP, L("\x0a\x00\x12\x0d\x0a\x03www\x12\x06\x0a\x01k\x12\x01v")},
    {REWRAP, L("\x0a\x00\x12\x1c\x0a\x03www\x12\x06\x0a\x01k\x12\x01v\x1a\x01"
               "b\x20\x02\x2a\x08\x0a\x06\x0a\x01k\x12\x01v")},
    {PUT, L("\x0a\x00\x12\x06\x0a\x01k\x12\x01v\x1a\x0d\x0a\1c\x12\1s\x1a\1i\x22\2{}")},
    {GET, L("\x0a\x00\x12\x06\x0a\x01k\x12\x01v\x1a\x0e\x0a\1c\x12\1s\x1a\1i\x20\1\x2a\1*")},
    {"/ward.v1.Keys/CreateKey", L("\x0a\x00\x12\x01k\x18\x01\x20\x05")},
    {"/ward.v1.Keys/RotateKey", L("\x0a\x00\x12\x01k")},
    {"/ward.v1.Keys/DescribeKey", L("\x0a\x00\x12\x01k")},
    {LIST, L("\x0a\x00\x10\x05\x1a\x01t")},
    {"/ward.v1.Approvals/List", L("\x0a\x00\x10\x01\x18\x05\x22\x01t")},
    {"/ward.v1.Approvals/Approve", L("\x12\x24" UUID "\x1a\x01s")},
    {"/ward.v1.Audit/Export", L("\x10\x01\x18\x05")},
    {"/ward.v1.Audit/Checkpoint", L("\x0a\x00")},
};

static void damaged_messages_are_refused_or_answered(void **state)
{
    (void)state;
    uint32_t random = 1;
    for (size_t s = 0; s < sizeof(seeds) / sizeof(seeds[0]); s++) {
        const struct ward_method *method = decode_method(seeds[s].path);
        struct ward_request *good = decode_message(method, seeds[s].bytes);
        assert_true(ward_ok(good->status));
        ward_request_free(good);
        for (size_t cut = 0; cut <= seeds[s].bytes.size; cut++) {
            try_bytes(method, WARD_BYTES(seeds[s].bytes.data, cut));
        }
        for (unsigned round = 0; round < 3000; round++) {
            uint8_t bytes[256];
            size_t size = seeds[s].bytes.size;
            memcpy(bytes, seeds[s].bytes.data, size);
            for (unsigned change = next_random(&random) % 4 + 1; change > 0; change--) {
                bytes[next_random(&random) % size] = (uint8_t)next_random(&random);
            }
            if (next_random(&random) % 4 == 0) { /* and a piece of it again */
                size_t from = next_random(&random) % size, more = size - from;
                memcpy(bytes + size, bytes + from, more);
                size += more;
            }
            try_bytes(method, WARD_BYTES(bytes, size));
        }
    }
}

/* ---- answers ---- */

static void an_answer_over_four_megabytes_is_refused(void **state)
{
    (void)state;
    struct ward_request *request =
        decode_message(decode_method("/ward.v1.Audit/Export"), L("\x18\x01"));
    struct ward_audit_export *in = request->in;
    struct ward_bytes leaf = {calloc(1, WARD_RESPONSE_MAX), WARD_RESPONSE_MAX};
    in->leaves = &leaf;
    in->n = 1;
    const ProtobufCMessage *answer = NULL;
    struct ward_bytes packed;
    assert_true(ward_ok(ward_audit_export_encode(request, &answer)));
    ward_status status = ward_message_pack(request->arena, answer, &packed);
    assert_int_equal(status.code, WARD_E_EXHAUSTED);
    free((void *)leaf.data);
    ward_request_free(request);
}

static void secrets_that_were_not_asked_for_are_not_sent(void **state)
{
    (void)state;
    struct ward_request *request = decode_message(decode_method(GENERATE), L("\x12\x09\x0a\x05"
                                                                             "app/x\x28\x01"));
    canned_answer(request);
    const ProtobufCMessage *answer = NULL;
    assert_true(ward_ok(ward_generate_encode(request, &answer)));
    const Ward__V1__GenerateDataKeysResponse *response = (const void *)answer;
    assert_int_equal(response->results[0]->keys[0]->plaintext.len, 0);
    assert_true(response->results[0]->keys[0]->wrapped.len > 0);
    ward_request_free(request);
}

static void an_item_that_failed_shows_nothing_but_its_error(void **state)
{
    (void)state;
    struct ward_request *request = decode_message(decode_method(UNWRAP), L("\x12\x03\x0a\x01w"));
    canned_answer(request);
    struct ward_unwrap *in = request->in;
    in->items[0].status = WARD_FOREIGN(WARD_E_CIPHERTEXT, WARD_DOMAIN_PKCS11, 5);
    const ProtobufCMessage *answer = NULL;
    assert_true(ward_ok(ward_unwrap_encode(request, &answer)));
    const Ward__V1__UnwrapDataKeysResult *result =
        ((const Ward__V1__UnwrapDataKeysResponse *)(const void *)answer)->results[0];
    assert_int_equal(result->error->code, 3);
    assert_string_equal(result->error->message, "ciphertext does not open");
    assert_int_equal(result->plaintext.len, 0);
    assert_string_equal(result->key, "");
    assert_int_equal(result->version, 0);
    ward_request_free(request);
}

/* As the operations leave it: two items, of which each has its rule and what was asked for it. */
static struct ward_request *decided(const char *path, struct ward_bytes message,
                                    enum ward_action first, const char *rule)
{
    struct ward_request *request = decode_message(decode_method(path), message);
    assert_true(ward_ok(request->status));
    request->leaf_items = WARD_ARENA_ARRAY(request->arena, struct ward_leaf_item, 2);
    request->item_actions = WARD_ARENA_ARRAY(request->arena, enum ward_action, 2);
    assert_true(request->leaf_items != NULL && request->item_actions != NULL);
    request->n_leaf_items = 2;
    request->leaf_items[0].rule = request->leaf_items[1].rule = rule;
    request->item_actions[0] = first;
    request->item_actions[1] = WARD_ACTION_DATA_KEY_BATCH;
    return request;
}

static void deny_both(struct ward_request *request, enum ward_action action)
{
    ward_status denied = WARD_REFUSAL(WARD_E_DENIED, "policy: not allowed");
    for (size_t i = 0; i < 2; i++) {
        if (action == WARD_ACTION_DATA_KEY_GENERATE) {
            ((struct ward_generate *)request->in)->items[i].status = denied;
        } else if (action == WARD_ACTION_DATA_KEY_UNWRAP) {
            ((struct ward_unwrap *)request->in)->items[i].status = denied;
        } else if (action == WARD_ACTION_DATA_KEY_REWRAP) {
            ((struct ward_data_key_rewrap *)request->in)->items[i].status = denied;
        } else if (action == WARD_ACTION_RECORD_PUT) {
            ((struct ward_put *)request->in)->items[i].status = denied;
        } else {
            ((struct ward_get *)request->in)->items[i].status = denied;
        }
    }
}

static void an_item_that_policy_refused_names_action_and_rule(void **state)
{
    (void)state;
    const struct {
        const char *path;
        struct ward_bytes message;
        enum ward_action action;
    } cases[] = {
        {GENERATE, L("\x12\x00\x12\x00"), WARD_ACTION_DATA_KEY_GENERATE},
        {UNWRAP, L("\x12\x00\x12\x00"), WARD_ACTION_DATA_KEY_UNWRAP},
        {REWRAP, L("\x12\x00\x12\x00"), WARD_ACTION_DATA_KEY_REWRAP},
        {PUT, L("\x1a\x00\x1a\x00"), WARD_ACTION_RECORD_PUT},
        {GET, L("\x1a\x00\x1a\x00"), WARD_ACTION_RECORD_GET},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ward_request *request =
            decided(cases[i].path, cases[i].message, cases[i].action, "desk/one");
        deny_both(request, cases[i].action);
        const ProtobufCMessage *answer = NULL;
        struct ward_bytes packed;
        assert_true(ward_ok(decode_method(cases[i].path)->encode(request, &answer)));
        assert_true(ward_ok(ward_message_pack(request->arena, answer, &packed)));
        for (size_t t = 0; t < 2; t++) {
            char text[128];
            int n = snprintf(text, sizeof(text), "policy: not allowed (action %s, rule desk/one)",
                             ward_action_name(request->item_actions[t]));
            assert_non_null(memmem(packed.data, packed.size, text, (size_t)n));
        }
        ward_request_free(request);
    }
}

static void what_refuses_an_item_has_its_text(void **state)
{
    (void)state;
    static const char longest[] =
        "an-officers-role-with-the-longest-name-that-a-policy-takes-64-cs/"
        "a-rule-with-the-longest-of-all-names-that-a-policy-takes-64-long";
    static const char field[] = "a-field-with-the-longest-name-that-is-shown-in-a-text-64-bytes-l";
    assert_int_equal(strlen(longest), 129);
    assert_int_equal(strlen(field), 64);
    const struct {
        ward_status status;
        struct ward_bytes refused;
        const char *rule, *text; /* NULL: any */
    } cases[] = {
        {WARD_REFUSAL(WARD_E_DENIED, "policy: field not allowed"), L("birthDate"), "desk/names",
         "policy: field not allowed: birthDate (action record.get, rule desk/names)"},
        {WARD_REFUSAL(WARD_E_DENIED, "policy: field not allowed"), L("a\nb"), "desk/names",
         "policy: field not allowed (action record.get, rule desk/names)"},
        {WARD_REFUSAL(WARD_E_DENIED, "policy: not allowed"), L(""), NULL, "policy: not allowed"},
        {WARD_REFUSAL(WARD_E_NOT_FOUND, "record: no such record"), L(""), "desk/names",
         "record: no such record"},
        {WARD_REFUSAL(WARD_E_CIPHERTEXT, "policy: not allowed"), L(""), "desk/names",
         "ciphertext does not open"},
        {WARD_REFUSAL(WARD_E_DENIED, "policy: more than one key in a request is not allowed"),
         ward_bytes_str(field), longest, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ward_request *request =
            decided(GET, L("\x1a\x00\x1a\x00"), WARD_ACTION_RECORD_GET, cases[i].rule);
        Ward__V1__ItemError *error, *none;
        assert_true(
            ward_ok(ward_fields_item_error(request, 0, cases[i].status, cases[i].refused, &error)));
        if (cases[i].text != NULL) {
            assert_string_equal(error->message, cases[i].text);
        }
        assert_in_range(protobuf_c_message_get_packed_size(&error->base), 1, WARD_ITEM_ERROR_MAX);
        assert_true(ward_ok(ward_fields_item_error(request, 1, WARD_OK, L(""), &none)));
        assert_null(none);
        ward_request_free(request);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_parse_is_internal),
        cmocka_unit_test(unknown_fields_are_refused_at_every_level),
        cmocka_unit_test(nothing_may_be_said_twice),
        cmocka_unit_test(numbers_must_fit),
        cmocka_unit_test(depth_costs_nothing),
        cmocka_unit_test(a_flood_of_items_is_refused_before_memory_is_taken),
        cmocka_unit_test(bad_utf8_and_nul_are_refused_in_every_text),
        cmocka_unit_test(the_header_is_carried_over),
        cmocka_unit_test(the_header_has_limits),
        cmocka_unit_test(damaged_messages_are_refused_or_answered),
        cmocka_unit_test(an_answer_over_four_megabytes_is_refused),
        cmocka_unit_test(secrets_that_were_not_asked_for_are_not_sent),
        cmocka_unit_test(an_item_that_failed_shows_nothing_but_its_error),
        cmocka_unit_test(an_item_that_policy_refused_names_action_and_rule),
        cmocka_unit_test(what_refuses_an_item_has_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
