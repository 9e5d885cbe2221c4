/* SPDX-License-Identifier: Apache-2.0 */
/* Messages into inputs: what each field may be, which faults are the item's own and which are the
 * whole message's, and bounded damage to bytes that were once good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/wire_limits.h"
#include "server/op/messages.h"
#include "server/rpc/message.h"
#include "server/rpc/method.h"
#include "server/rpc/wire_check.h"
#include "tests/unit/server/rpc_support.h"
#include "ward/v1/approvals.pb-c.h"
#include "ward/v1/audit.pb-c.h"
#include "ward/v1/data_keys.pb-c.h"
#include "ward/v1/keys.pb-c.h"
#include "ward/v1/records.pb-c.h"

#define L(s) WARD_BYTES_LITERAL(s)
#define UUID "01234567-89ab-4def-8123-456789abcdef"

static const struct ward_method *method_of(const char *path)
{
    const struct ward_method *method = ward_method_find(ward_bytes_str(path));
    assert_non_null(method);
    return method;
}

/* The request as it would be submitted. */
static struct ward_request *decode(const struct ward_method *method, struct ward_bytes message)
{
    struct ward_request *request = NULL;
    assert_true(
        ward_ok(ward_request_new(ward_message_budget(message.size) + method->work_max, &request)));
    const ProtobufCMessage *parsed = NULL;
    request->status = ward_message_unpack(request->arena, method->input, message, &parsed);
    if (ward_ok(request->status)) {
        request->status = method->decode(request, parsed);
    }
    request->op = method->op;
    return request;
}

static struct ward_request *decode_packed(const char *path, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(size + 1);
    assert_non_null(bytes);
    (void)protobuf_c_message_pack(message, bytes);
    struct ward_request *request = decode(method_of(path), WARD_BYTES(bytes, size));
    free(bytes);
    return request;
}

static void is_refused(struct ward_request *request, enum ward_code code, const char *text)
{
    assert_int_equal(request->status.code, code);
    assert_string_equal(ward_status_refusal(request->status), text);
    ward_request_free(request);
}

static void raw_is_refused(const char *path, struct ward_bytes bytes, enum ward_code code,
                           const char *text)
{
    is_refused(decode(method_of(path), bytes), code, text);
}

static void item_is(ward_status status, const char *text)
{
    assert_int_equal(status.code, text == NULL ? WARD_E_OK : WARD_E_INVALID);
    if (text != NULL) {
        assert_string_equal(ward_status_refusal(status), text);
    }
}

#define GENERATE "/ward.v1.DataKeys/GenerateDataKeys"
#define UNWRAP "/ward.v1.DataKeys/UnwrapDataKeys"
#define REWRAP "/ward.v1.DataKeys/RewrapDataKeys"
#define LIST "/ward.v1.Keys/ListKeys"
#define GET "/ward.v1.Records/GetRecords"
#define PUT "/ward.v1.Records/PutRecords"

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
        raw_is_refused(LIST, cases[i], WARD_E_INTERNAL, "message: does not parse");
    }
}

static void unknown_fields_are_refused_at_every_level(void **state)
{
    (void)state;
    raw_is_refused(LIST, L("\x20\x01"), WARD_E_INVALID, "message: unknown field");
    raw_is_refused(LIST, L("\x0a\x02\x20\x01"), WARD_E_INVALID, "message: unknown field");
    raw_is_refused(GENERATE, L("\x12\x02\x78\x01"), WARD_E_INVALID, "message: unknown field");
    raw_is_refused(GENERATE, L("\x12\x04\x12\x02\x18\x01"), WARD_E_INVALID,
                   "message: unknown field");
    raw_is_refused(PUT, L("\x22\x00"), WARD_E_INVALID, "message: unknown field");
}

static void nothing_may_be_said_twice(void **state)
{
    (void)state;
    raw_is_refused(LIST, L("\x10\x01\x10\x01"), WARD_E_INVALID, "message: field given twice");
    raw_is_refused(LIST, L("\x0a\x00\x0a\x00"), WARD_E_INVALID, "message: field given twice");
    raw_is_refused(LIST, L("\x0a\x04\x0a\x00\x0a\x00"), WARD_E_INVALID,
                   "message: field given twice");
    raw_is_refused(GENERATE,
                   L("\x12\x08\x12\x06\x0a\x01"
                     "a\x0a\x01"
                     "b"),
                   WARD_E_INVALID, "message: field given twice");
}

static void numbers_must_fit(void **state)
{
    (void)state;
    raw_is_refused(LIST, L("\x10\x80\x80\x80\x80\x10"), WARD_E_INVALID,
                   "message: number out of range");
    raw_is_refused(GENERATE, L("\x12\x02\x28\x02"), WARD_E_INVALID, "message: number out of range");
    raw_is_refused("/ward.v1.Keys/CreateKey", L("\x18\x80\x80\x80\x80\x08"), WARD_E_INVALID,
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
    is_refused(decode(method_of(LIST), WARD_BYTES(bytes, size)), WARD_E_INTERNAL,
               "message: does not parse");
    memset(bytes, 0x2b, size); /* start of group 5 */
    is_refused(decode(method_of(LIST), WARD_BYTES(bytes, size)), WARD_E_INVALID,
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
    struct ward_request *request = decode(method_of(GENERATE), WARD_BYTES(bytes, size));
    assert_true(ward_arena_used(request->arena) < 4096);
    is_refused(request, WARD_E_INVALID, "items: more than 1000");
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
            struct ward_request *request = decode(method_of(path), WARD_BYTES(inner, size));
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
    is_refused(with_header(text, "", ""), WARD_E_INVALID, "request_id: longer than 64 bytes");
    text[65] = 'x';
    text[129] = '\0';
    is_refused(with_header("", text, ""), WARD_E_INVALID, "on_behalf_of: longer than 128 bytes");
    text[129] = 'x';
    text[257] = '\0';
    is_refused(with_header("", "", text), WARD_E_INVALID, "reason: longer than 256 bytes");
    const char *ids[] = {"a b", "a/b", "a\nb", "\xc3\xa9", "a:b"};
    for (size_t i = 0; i < 5; i++) {
        is_refused(with_header(ids[i], "", ""), WARD_E_INVALID,
                   "request_id: a character outside A-Z a-z 0-9 . _ -");
    }
}

/* ---- data keys ---- */

static struct ward_request *generate_of(Ward__V1__GenerateDataKeysItem *items, size_t n)
{
    Ward__V1__GenerateDataKeysRequest message = WARD__V1__GENERATE_DATA_KEYS_REQUEST__INIT;
    Ward__V1__GenerateDataKeysItem *pointers[16];
    for (size_t i = 0; i < n; i++) {
        pointers[i] = &items[i];
    }
    message.items = pointers;
    message.n_items = n;
    return decode_packed(GENERATE, &message.base);
}

static void an_item_that_is_bad_carries_its_own_refusal(void **state)
{
    (void)state;
    char long_name[130];
    memset(long_name, 'a', 129);
    long_name[129] = '\0';
    Ward__V1__GenerateDataKeysItem items[6];
    for (size_t i = 0; i < 6; i++) {
        ward__v1__generate_data_keys_item__init(&items[i]);
        items[i].key = (char *)"app/x";
    }
    items[1].key = (char *)"";
    items[2].key = long_name;
    items[3].size = 33;
    items[4].count = 1001;
    items[5].size = 64;
    items[5].count = 2;
    struct ward_request *request = generate_of(items, 6);
    assert_true(ward_ok(request->status));
    const struct ward_generate *in = request->in;
    item_is(in->items[0].status, NULL);
    assert_int_equal(in->items[0].size, 32);
    assert_int_equal(in->items[0].count, 1);
    assert_true(in->items[0].context.canonical.size > 0);
    item_is(in->items[1].status, "key: empty");
    item_is(in->items[2].status, "key: longer than 128 bytes");
    item_is(in->items[3].status, "size: not 16, 24, 32 or 64");
    item_is(in->items[4].status, "count: more than 1000");
    item_is(in->items[5].status, NULL);
    ward_request_free(request);
}

static void all_items_together_may_ask_for_1000_keys(void **state)
{
    (void)state;
    Ward__V1__GenerateDataKeysItem items[2];
    for (size_t i = 0; i < 2; i++) {
        ward__v1__generate_data_keys_item__init(&items[i]);
        items[i].key = (char *)"app/x";
        items[i].count = 500;
    }
    struct ward_request *request = generate_of(items, 2);
    assert_true(ward_ok(request->status));
    ward_request_free(request);
    items[1].count = 501;
    is_refused(generate_of(items, 2), WARD_E_INVALID, "count: more than 1000 in the request");
    is_refused(generate_of(items, 0), WARD_E_INVALID, "items: none");
}

static struct ward_request *with_context(size_t n, size_t value_size, bool same)
{
    static char keys[64][8];
    char *value = calloc(1, value_size + 1);
    assert_non_null(value);
    memset(value, 'v', value_size);
    Ward__V1__GenerateDataKeysItem item = WARD__V1__GENERATE_DATA_KEYS_ITEM__INIT;
    Ward__V1__GenerateDataKeysItem__ContextEntry entries[64], *pointers[64];
    for (size_t i = 0; i < n; i++) {
        ward__v1__generate_data_keys_item__context_entry__init(&entries[i]);
        (void)snprintf(keys[i], sizeof(keys[i]), "k%zu", same ? 0 : i);
        entries[i].key = keys[i];
        entries[i].value = value;
        pointers[i] = &entries[i];
    }
    item.key = (char *)"app/x";
    item.context = pointers;
    item.n_context = n;
    struct ward_request *request = generate_of(&item, 1);
    free(value);
    return request;
}

static void context_is(size_t n, size_t value_size, bool same, const char *text)
{
    struct ward_request *request = with_context(n, value_size, same);
    assert_true(ward_ok(request->status));
    item_is(((const struct ward_generate *)request->in)->items[0].status, text);
    ward_request_free(request);
}

static void contexts_have_limits(void **state)
{
    (void)state;
    context_is(32, 8, false, NULL);
    context_is(33, 8, false, "context: more than 32 pairs");
    context_is(2, 8, true, "context: duplicate key");
    context_is(1, 8192, false, "context: larger than 8192 bytes");
    context_is(1, 0, false, NULL);
}

static void an_unwrap_item_may_be_any_bytes(void **state)
{
    (void)state;
    struct ward_request *request =
        decode(method_of(UNWRAP), L("\x12\x05\x0a\x03\0\xff\x01\x12\x00"));
    assert_true(ward_ok(request->status));
    const struct ward_unwrap *in = request->in;
    assert_int_equal(in->n, 2);
    assert_int_equal(in->items[0].wrapped.size, 3);
    assert_int_equal(in->items[1].wrapped.size, 0);
    ward_request_free(request);
}

/* One item to be rewrapped, with a new context of n pairs; n 0: an empty one. */
static struct ward_request *rewrap_with(size_t n, const char *first_key, const char *key)
{
    Ward__V1__Context__PairsEntry entries[33];
    Ward__V1__Context__PairsEntry *pointers[33];
    char keys[33][16];
    Ward__V1__Context context = WARD__V1__CONTEXT__INIT;
    Ward__V1__RewrapDataKeysItem item = WARD__V1__REWRAP_DATA_KEYS_ITEM__INIT, *items = &item;
    Ward__V1__RewrapDataKeysRequest message = WARD__V1__REWRAP_DATA_KEYS_REQUEST__INIT;
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), i == 0 ? "%s" : "%s%zu", first_key, i);
        entries[i] = (Ward__V1__Context__PairsEntry)WARD__V1__CONTEXT__PAIRS_ENTRY__INIT;
        entries[i].key = keys[i];
        entries[i].value = (char *)"v";
        pointers[i] = &entries[i];
    }
    context.pairs = pointers;
    context.n_pairs = n;
    item.wrapped = (ProtobufCBinaryData){1, (uint8_t *)"w"};
    item.key = (char *)key;
    item.version = 7;
    item.new_context = &context;
    message.items = &items;
    message.n_items = 1;
    return decode_packed(REWRAP, &message.base);
}

static void a_rewrap_item_says_where_to(void **state)
{
    (void)state;
    struct ward_request *request =
        decode(method_of(REWRAP), L("\x12\x0b\x0a\x01w\x12\x06\x0a\x01k\x12\x01v"
                                    "\x12\x0d\x0a\x01w\x12\x06\x0a\x01k\x12\x01v\x2a\x00"));
    assert_true(ward_ok(request->status));
    const struct ward_data_key_rewrap *in = request->in;
    assert_int_equal(in->n, 2);
    assert_int_equal(in->items[0].to_context.n, 1); /* absent: as before */
    assert_int_equal(in->items[1].to_context.n, 0); /* empty: none any more */
    assert_int_equal(in->items[1].context.n, 1);
    ward_request_free(request);
    request = rewrap_with(2, "a", "app/x");
    in = request->in;
    assert_true(ward_ok(in->items[0].status));
    assert_int_equal(in->items[0].to_context.n, 2);
    assert_int_equal(in->items[0].context.n, 0);
    assert_int_equal(in->items[0].to_version, 7);
    assert_true(ward_bytes_eq(in->items[0].to_key, L("app/x")));
    ward_request_free(request);
}

static void a_rewrap_item_is_checked_at_both_ends(void **state)
{
    (void)state;
    char long_name[WARD_NAME_MAX + 2];
    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = 0;
    struct ward_request *request = rewrap_with(1, "a", long_name);
    item_is(((struct ward_data_key_rewrap *)request->in)->items[0].status,
            "key: longer than 128 bytes");
    ward_request_free(request);
    request = rewrap_with(33, "a", "");
    item_is(((struct ward_data_key_rewrap *)request->in)->items[0].status,
            "context: more than 32 pairs");
    ward_request_free(request);
    request = rewrap_with(1, "", "");
    item_is(((struct ward_data_key_rewrap *)request->in)->items[0].status, "context: empty key");
    ward_request_free(request);
    /* The same key twice in the new context; a field that a context does not have; two contexts. */
    request = decode(method_of(REWRAP), L("\x12\x12\x2a\x10\x0a\x06\x0a\x01k\x12\x01v"
                                          "\x0a\x06\x0a\x01k\x12\x01v"));
    item_is(((struct ward_data_key_rewrap *)request->in)->items[0].status,
            "context: duplicate key");
    ward_request_free(request);
    raw_is_refused(REWRAP, L("\x12\x04\x2a\x02\x10\x01"), WARD_E_INVALID, "message: unknown field");
    raw_is_refused(REWRAP, L("\x12\x04\x2a\x00\x2a\x00"), WARD_E_INVALID,
                   "message: field given twice");
    raw_is_refused(REWRAP, L("\x12\x06\x20\x80\x80\x80\x80\x10"), WARD_E_INVALID,
                   "message: number out of range");
    raw_is_refused(REWRAP, L("\x0a\x00"), WARD_E_INVALID, "items: none");
}

/* ---- keys, approvals, audit ---- */

static void keys_have_shapes(void **state)
{
    (void)state;
    Ward__V1__CreateKeyRequest create = WARD__V1__CREATE_KEY_REQUEST__INIT;
    create.purpose = WARD__V1__KEY_PURPOSE__KEY_PURPOSE_RECORDS;
    is_refused(decode_packed("/ward.v1.Keys/CreateKey", &create.base), WARD_E_INVALID,
               "name: empty");
    create.name = (char *)"phi/x";
    struct ward_request *request = decode_packed("/ward.v1.Keys/CreateKey", &create.base);
    assert_true(ward_ok(request->status));
    assert_int_equal(((const struct ward_key_create *)request->in)->rotation_period_days, 365);
    ward_request_free(request);
    create.rotation_period_days = 36501;
    is_refused(decode_packed("/ward.v1.Keys/CreateKey", &create.base), WARD_E_INVALID,
               "rotation_period_days: more than 36500");
    create.rotation_period_days = 1;
    const int purposes[] = {0, WARD__V1__KEY_PURPOSE__KEY_PURPOSE_SYSTEM, 4, -1};
    for (size_t i = 0; i < 4; i++) {
        create.purpose = (Ward__V1__KeyPurpose)purposes[i];
        is_refused(decode_packed("/ward.v1.Keys/CreateKey", &create.base), WARD_E_INVALID,
                   "purpose: not data keys or records");
    }
    raw_is_refused("/ward.v1.Keys/RotateKey", L(""), WARD_E_INVALID, "name: empty");
    raw_is_refused("/ward.v1.Keys/DescribeKey", L(""), WARD_E_INVALID, "name: empty");
    raw_is_refused(LIST, L("\x10\xe9\x07"), WARD_E_INVALID, "page_size: more than 1000");
}

static void approvals_have_shapes(void **state)
{
    (void)state;
    const char *paths[] = {"/ward.v1.Approvals/Submit", "/ward.v1.Approvals/Approve",
                           "/ward.v1.Approvals/Reject"};
    uint8_t long_signature[600] = {0x12, 0x24};
    memcpy(long_signature + 2, UUID, 36);
    memcpy(long_signature + 38, "\x1a\x81\x04", 3); /* 513 bytes */
    for (size_t i = 0; i < 3; i++) {
        raw_is_refused(paths[i], L(""), WARD_E_INVALID, "id: not a UUID in lower case");
        raw_is_refused(paths[i],
                       L("\x12\x24"
                         "01234567-89AB-4def-8123-456789abcdef"),
                       WARD_E_INVALID, "id: not a UUID in lower case");
        raw_is_refused(paths[i], L("\x12\x24" UUID), WARD_E_INVALID, "signature: empty");
        raw_is_refused(paths[i], WARD_BYTES(long_signature, 41 + 513), WARD_E_INVALID,
                       "signature: longer than 512 bytes");
        struct ward_request *request = decode(method_of(paths[i]), L("\x12\x24" UUID "\x1a\x01s"));
        assert_true(ward_ok(request->status));
        ward_request_free(request);
    }
    raw_is_refused("/ward.v1.Approvals/Show", L("\x12\x01x"), WARD_E_INVALID,
                   "id: not a UUID in lower case");
    raw_is_refused("/ward.v1.Approvals/List", L("\x18\xe9\x07"), WARD_E_INVALID,
                   "page_size: more than 1000");
}

static void export_goes_forward(void **state)
{
    (void)state;
    raw_is_refused("/ward.v1.Audit/Export", L("\x10\x02\x18\x01"), WARD_E_INVALID,
                   "start: after end");
    raw_is_refused("/ward.v1.Audit/Export", L("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                   WARD_E_INVALID, "end: larger than a log can be");
}

/* ---- records ---- */

static void put_items_have_shapes(void **state)
{
    (void)state;
    struct ward_request *request = decode(method_of(PUT), L("\x1a\x0d\x0a\1c\x12\1s\x1a\1i\x22\2{}"
                                                            "\x1a\x0a\x12\1s\x1a\1i\x22\2{}"
                                                            "\x1a\x0a\x0a\1c\x1a\1i\x22\2{}"
                                                            "\x1a\x0a\x0a\1c\x12\1s\x22\2{}"
                                                            "\x1a\x09\x0a\1c\x12\1s\x1a\1i"));
    assert_true(ward_ok(request->status));
    const struct ward_put *in = request->in;
    assert_int_equal(in->n, 5);
    item_is(in->items[0].status, NULL);
    item_is(in->items[1].status, "collection: empty");
    item_is(in->items[2].status, "subject: empty");
    item_is(in->items[3].status, "id: empty");
    item_is(in->items[4].status, "json: empty");
    assert_ptr_equal(request->context, &in->context);
    ward_request_free(request);
}

static void a_record_has_at_most_a_megabyte(void **state)
{
    (void)state;
    Ward__V1__PutRecordsRequest message = WARD__V1__PUT_RECORDS_REQUEST__INIT;
    Ward__V1__PutRecordsItem item = WARD__V1__PUT_RECORDS_ITEM__INIT, *pointer = &item;
    item.collection = item.subject = item.id = (char *)"x";
    item.json.len = WARD_RECORD_JSON_MAX + 1;
    item.json.data = calloc(1, item.json.len);
    assert_non_null(item.json.data);
    message.items = &pointer;
    message.n_items = 1;
    struct ward_request *request = decode_packed(PUT, &message.base);
    item_is(((const struct ward_put *)request->in)->items[0].status, "json: larger than 1 MiB");
    ward_request_free(request);
    item.json.len--;
    request = decode_packed(PUT, &message.base);
    item_is(((const struct ward_put *)request->in)->items[0].status, NULL);
    ward_request_free(request);
    free(item.json.data);
}

static struct ward_request *get_fields(const char *const *names, size_t n)
{
    Ward__V1__GetRecordsRequest message = WARD__V1__GET_RECORDS_REQUEST__INIT;
    Ward__V1__GetRecordsItem item = WARD__V1__GET_RECORDS_ITEM__INIT, *pointer = &item;
    item.collection = item.subject = item.id = (char *)"x";
    item.fields = (char **)names;
    item.n_fields = n;
    message.items = &pointer;
    message.n_items = 1;
    return decode_packed(GET, &message.base);
}

static void fields_are_names_or_a_star_alone(void **state)
{
    (void)state;
    const char *many[257];
    for (size_t i = 0; i < 257; i++) {
        many[i] = "f";
    }
    const struct {
        const char *const *names;
        size_t n;
        const char *text;
        bool whole;
        size_t n_fields;
    } cases[] = {
        {NULL, 0, NULL, false, 0},
        {(const char *const[]){"*"}, 1, NULL, true, 0},
        {(const char *const[]){"a", "b"}, 2, NULL, false, 2},
        {(const char *const[]){"a", "*"}, 2, "fields: * with other names", false, 0},
        {(const char *const[]){"*", "*"}, 2, "fields: * with other names", false, 0},
        {(const char *const[]){"a", ""}, 2, "fields: an empty name", false, 0},
        {many, 256, NULL, false, 256},
        {many, 257, "fields: more than 256", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ward_request *request = get_fields(cases[i].names, cases[i].n);
        const struct ward_get_item *item = ((const struct ward_get *)request->in)->items;
        item_is(item->status, cases[i].text);
        if (cases[i].text == NULL) {
            assert_int_equal(item->whole, cases[i].whole);
            assert_int_equal(item->n_fields, cases[i].n_fields);
        }
        ward_request_free(request);
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
    struct ward_request *request = decode(method, bytes);
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
        const struct ward_method *method = method_of(seeds[s].path);
        struct ward_request *good = decode(method, seeds[s].bytes);
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
    struct ward_request *request = decode(method_of("/ward.v1.Audit/Export"), L("\x18\x01"));
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
    struct ward_request *request = decode(method_of(GENERATE), L("\x12\x09\x0a\x05"
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
    struct ward_request *request = decode(method_of(UNWRAP), L("\x12\x03\x0a\x01w"));
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
        cmocka_unit_test(an_item_that_is_bad_carries_its_own_refusal),
        cmocka_unit_test(all_items_together_may_ask_for_1000_keys),
        cmocka_unit_test(contexts_have_limits),
        cmocka_unit_test(an_unwrap_item_may_be_any_bytes),
        cmocka_unit_test(a_rewrap_item_says_where_to),
        cmocka_unit_test(a_rewrap_item_is_checked_at_both_ends),
        cmocka_unit_test(keys_have_shapes),
        cmocka_unit_test(approvals_have_shapes),
        cmocka_unit_test(export_goes_forward),
        cmocka_unit_test(put_items_have_shapes),
        cmocka_unit_test(a_record_has_at_most_a_megabyte),
        cmocka_unit_test(fields_are_names_or_a_star_alone),
        cmocka_unit_test(damaged_messages_are_refused_or_answered),
        cmocka_unit_test(an_answer_over_four_megabytes_is_refused),
        cmocka_unit_test(secrets_that_were_not_asked_for_are_not_sent),
        cmocka_unit_test(an_item_that_failed_shows_nothing_but_its_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
