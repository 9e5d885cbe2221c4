/* SPDX-License-Identifier: Apache-2.0 */
/* Messages into inputs: what each field may be, and which faults are the item's own and which are
 * the whole message's. */
#include "proto/wire_limits.h"
#include "server/op/messages.h"
#include "tests/unit/server/decode_support.h"
#include "ward/v1/data_keys.pb-c.h"
#include "ward/v1/keys.pb-c.h"
#include "ward/v1/records.pb-c.h"

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
    decode_item_is(in->items[0].status, NULL);
    assert_int_equal(in->items[0].size, 32);
    assert_int_equal(in->items[0].count, 1);
    assert_true(in->items[0].context.canonical.size > 0);
    decode_item_is(in->items[1].status, "key: empty");
    decode_item_is(in->items[2].status, "key: longer than 128 bytes");
    decode_item_is(in->items[3].status, "size: not 16, 24, 32 or 64");
    decode_item_is(in->items[4].status, "count: more than 1000");
    decode_item_is(in->items[5].status, NULL);
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
    decode_is_refused(generate_of(items, 2), WARD_E_INVALID,
                      "count: more than 1000 in the request");
    decode_is_refused(generate_of(items, 0), WARD_E_INVALID, "items: none");
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
    decode_item_is(((const struct ward_generate *)request->in)->items[0].status, text);
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
        decode_message(decode_method(UNWRAP), L("\x12\x05\x0a\x03\0\xff\x01\x12\x00"));
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
    struct ward_request *request = decode_message(
        decode_method(REWRAP), L("\x12\x0b\x0a\x01w\x12\x06\x0a\x01k\x12\x01v"
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
    decode_item_is(((struct ward_data_key_rewrap *)request->in)->items[0].status,
                   "key: longer than 128 bytes");
    ward_request_free(request);
    request = rewrap_with(33, "a", "");
    decode_item_is(((struct ward_data_key_rewrap *)request->in)->items[0].status,
                   "context: more than 32 pairs");
    ward_request_free(request);
    request = rewrap_with(1, "", "");
    decode_item_is(((struct ward_data_key_rewrap *)request->in)->items[0].status,
                   "context: empty key");
    ward_request_free(request);
    /* The same key twice in the new context; a field that a context does not have; two contexts. */
    request = decode_message(decode_method(REWRAP), L("\x12\x12\x2a\x10\x0a\x06\x0a\x01k\x12\x01v"
                                                      "\x0a\x06\x0a\x01k\x12\x01v"));
    decode_item_is(((struct ward_data_key_rewrap *)request->in)->items[0].status,
                   "context: duplicate key");
    ward_request_free(request);
    decode_raw_is_refused(REWRAP, L("\x12\x04\x2a\x02\x10\x01"), WARD_E_INVALID,
                          "message: unknown field");
    decode_raw_is_refused(REWRAP, L("\x12\x04\x2a\x00\x2a\x00"), WARD_E_INVALID,
                          "message: field given twice");
    decode_raw_is_refused(REWRAP, L("\x12\x06\x20\x80\x80\x80\x80\x10"), WARD_E_INVALID,
                          "message: number out of range");
    decode_raw_is_refused(REWRAP, L("\x0a\x00"), WARD_E_INVALID, "items: none");
}

/* ---- keys, approvals, audit ---- */

static void keys_have_shapes(void **state)
{
    (void)state;
    Ward__V1__CreateKeyRequest create = WARD__V1__CREATE_KEY_REQUEST__INIT;
    create.purpose = WARD__V1__KEY_PURPOSE__KEY_PURPOSE_RECORDS;
    decode_is_refused(decode_packed("/ward.v1.Keys/CreateKey", &create.base), WARD_E_INVALID,
                      "name: empty");
    create.name = (char *)"phi/x";
    struct ward_request *request = decode_packed("/ward.v1.Keys/CreateKey", &create.base);
    assert_true(ward_ok(request->status));
    assert_int_equal(((const struct ward_key_create *)request->in)->rotation_period_days, 365);
    ward_request_free(request);
    create.rotation_period_days = 36501;
    decode_is_refused(decode_packed("/ward.v1.Keys/CreateKey", &create.base), WARD_E_INVALID,
                      "rotation_period_days: more than 36500");
    create.rotation_period_days = 1;
    const int purposes[] = {0, WARD__V1__KEY_PURPOSE__KEY_PURPOSE_SYSTEM, 4, -1};
    for (size_t i = 0; i < 4; i++) {
        create.purpose = (Ward__V1__KeyPurpose)purposes[i];
        decode_is_refused(decode_packed("/ward.v1.Keys/CreateKey", &create.base), WARD_E_INVALID,
                          "purpose: not data keys or records");
    }
    decode_raw_is_refused("/ward.v1.Keys/RotateKey", L(""), WARD_E_INVALID, "name: empty");
    decode_raw_is_refused("/ward.v1.Keys/DescribeKey", L(""), WARD_E_INVALID, "name: empty");
    decode_raw_is_refused(LIST, L("\x10\xe9\x07"), WARD_E_INVALID, "page_size: more than 1000");
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
        decode_raw_is_refused(paths[i], L(""), WARD_E_INVALID, "id: not a UUID in lower case");
        decode_raw_is_refused(paths[i],
                              L("\x12\x24"
                                "01234567-89AB-4def-8123-456789abcdef"),
                              WARD_E_INVALID, "id: not a UUID in lower case");
        decode_raw_is_refused(paths[i], L("\x12\x24" UUID), WARD_E_INVALID, "signature: empty");
        decode_raw_is_refused(paths[i], WARD_BYTES(long_signature, 41 + 513), WARD_E_INVALID,
                              "signature: longer than 512 bytes");
        struct ward_request *request = decode_message(
            decode_method(paths[i]), L("\x0a\x03\x1a\x01w\x12\x24" UUID "\x1a\x01s"));
        assert_true(ward_ok(request->status));
        ward_request_free(request);
    }
    decode_raw_is_refused(paths[2], L("\x12\x24" UUID "\x1a\x01s"), WARD_E_INVALID,
                          "reason: empty");
    decode_raw_is_refused("/ward.v1.Approvals/Show", L("\x12\x01x"), WARD_E_INVALID,
                          "id: not a UUID in lower case");
    decode_raw_is_refused("/ward.v1.Approvals/List", L("\x18\xe9\x07"), WARD_E_INVALID,
                          "page_size: more than 1000");
}

static void export_goes_forward(void **state)
{
    (void)state;
    decode_raw_is_refused("/ward.v1.Audit/Export", L("\x10\x02\x18\x01"), WARD_E_INVALID,
                          "start: after end");
    decode_raw_is_refused("/ward.v1.Audit/Export",
                          L("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), WARD_E_INVALID,
                          "end: larger than a log can be");
}

/* ---- records ---- */

static void put_items_have_shapes(void **state)
{
    (void)state;
    struct ward_request *request =
        decode_message(decode_method(PUT), L("\x1a\x0d\x0a\1c\x12\1s\x1a\1i\x22\2{}"
                                             "\x1a\x0a\x12\1s\x1a\1i\x22\2{}"
                                             "\x1a\x0a\x0a\1c\x1a\1i\x22\2{}"
                                             "\x1a\x0a\x0a\1c\x12\1s\x22\2{}"
                                             "\x1a\x09\x0a\1c\x12\1s\x1a\1i"));
    assert_true(ward_ok(request->status));
    const struct ward_put *in = request->in;
    assert_int_equal(in->n, 5);
    decode_item_is(in->items[0].status, NULL);
    decode_item_is(in->items[1].status, "collection: empty");
    decode_item_is(in->items[2].status, "subject: empty");
    decode_item_is(in->items[3].status, "id: empty");
    decode_item_is(in->items[4].status, "json: empty");
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
    decode_item_is(((const struct ward_put *)request->in)->items[0].status,
                   "json: larger than 1 MiB");
    ward_request_free(request);
    item.json.len--;
    request = decode_packed(PUT, &message.base);
    decode_item_is(((const struct ward_put *)request->in)->items[0].status, NULL);
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
        decode_item_is(item->status, cases[i].text);
        if (cases[i].text == NULL) {
            assert_int_equal(item->whole, cases[i].whole);
            assert_int_equal(item->n_fields, cases[i].n_fields);
        }
        ward_request_free(request);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
