/* SPDX-License-Identifier: Apache-2.0 */
/* When two messages ask for the same, and when they do not; and who is named in ward.v1.Admin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/op/messages.h"
#include "server/rpc/message.h"
#include "server/rpc/method.h"
#include "server/rpc/replay_digest.h"
#include "tests/unit/server/rpc_support.h"
#include "ward/v1/admin.pb-c.h"
#include "ward/v1/records.pb-c.h"

#define PUT "/ward.v1.Records/PutRecords"

/* ---- messages, byte by byte ---- */

struct bytes {
    uint8_t data[512];
    size_t size;
};

static void add(struct bytes *to, unsigned field, const void *data, size_t size)
{
    assert_true(size < 128 && to->size + size + 2 <= sizeof(to->data));
    to->data[to->size++] = (uint8_t)(field << 3 | 2);
    to->data[to->size++] = (uint8_t)size;
    memcpy(to->data + to->size, data, size);
    to->size += size;
}

static void add_text(struct bytes *to, unsigned field, const char *text)
{
    add(to, field, text, strlen(text));
}

static void add_pair(struct bytes *to, const char *key, const char *value, bool value_first)
{
    struct bytes pair = {.size = 0};
    add_text(&pair, value_first ? 2 : 1, value_first ? value : key);
    add_text(&pair, value_first ? 1 : 2, value_first ? key : value);
    add(to, 2, pair.data, pair.size);
}

static void add_header(struct bytes *to, const char *id, const char *user, const char *reason)
{
    struct bytes header = {.size = 0};
    add_text(&header, 1, id);
    if (user != NULL) {
        add_text(&header, 2, user);
    }
    if (reason != NULL) {
        add_text(&header, 3, reason);
    }
    add(to, 1, header.data, header.size);
}

static void add_item(struct bytes *to, const char *collection, const char *subject, const char *id,
                     const char *json)
{
    struct bytes item = {.size = 0};
    add_text(&item, 1, collection);
    add_text(&item, 2, subject);
    add_text(&item, 3, id);
    add_text(&item, 4, json);
    add(to, 3, item.data, item.size);
}

struct hash {
    uint8_t bytes[32];
};

static struct hash digest_as(const char *path, const struct bytes *message)
{
    const struct ward_method *method = ward_method_find(ward_bytes_str(PUT));
    struct ward_arena *arena = NULL;
    struct ward_digest *digest = NULL;
    const ProtobufCMessage *parsed = NULL;
    struct hash hash;
    assert_true(ward_ok(ward_arena_new(1u << 20, &arena)));
    assert_true(ward_ok(ward_digest_new(&digest)));
    assert_true(ward_ok(ward_message_unpack(arena, method->input,
                                            WARD_BYTES(message->data, message->size), &parsed)));
    assert_true(
        ward_ok(ward_replay_digest(digest, arena, ward_bytes_str(path), parsed, hash.bytes)));
    ward_digest_free(digest);
    ward_arena_free(arena);
    return hash;
}

static bool same(const struct bytes *a, const struct bytes *b)
{
    struct hash x = digest_as(PUT, a), y = digest_as(PUT, b);
    return memcmp(&x, &y, sizeof(x)) == 0;
}

static struct bytes usual(void)
{
    struct bytes message = {.size = 0};
    add_header(&message, "r-1", "u-1", "why");
    add_pair(&message, "purpose", "TREAT", false);
    add_pair(&message, "tenant", "north", false);
    add_item(&message, "fhir", "s", "1", "{}");
    add_item(&message, "fhir", "s", "2", "{}");
    return message;
}

static void the_order_of_fields_and_of_a_map_does_not_matter(void **state)
{
    (void)state;
    struct bytes first = usual(), other = {.size = 0};
    add_item(&other, "fhir", "s", "1", "{}");
    add_pair(&other, "tenant", "north", true);
    add_item(&other, "fhir", "s", "2", "{}");
    add_pair(&other, "purpose", "TREAT", false);
    add_header(&other, "r-1", "u-1", "why");
    assert_true(same(&first, &other));
}

static void the_name_of_the_call_does_not_matter(void **state)
{
    (void)state;
    struct bytes first = {.size = 0}, other = {.size = 0};
    add_header(&first, "r-1", "u-1", NULL);
    add_header(&other, "r-2", "u-1", NULL);
    assert_true(same(&first, &other));
}

static void zero_is_as_good_as_absent(void **state)
{
    (void)state;
    struct bytes first = {.size = 0}, other = {.size = 0};
    add_header(&first, "r-1", NULL, NULL);
    add_header(&other, "r-1", "", "");
    assert_true(same(&first, &other));
}

static void whatever_else_differs_matters(void **state)
{
    (void)state;
    struct bytes first = usual(), others[11] = {{.size = 0}};
    size_t n = 0;
    add_header(&others[n++], "r-1", "u-1", "why"); /* no more than that */
    for (size_t i = 0; i < 10; i++) {
        struct bytes *other = &others[n++];
        add_header(other, "r-1", i == 0 ? "u-2" : "u-1", i == 1 ? "why not" : "why");
        add_pair(other, "purpose", i == 2 ? "ETREAT" : "TREAT", false);
        if (i != 3) {
            add_pair(other, i == 4 ? "unit" : "tenant", "north", false);
        }
        add_item(other, i == 5 ? "labs" : "fhir", i == 6 ? "t" : "s", i == 7 ? "2" : "1",
                 i == 8 ? "{ }" : "{}");
        add_item(other, "fhir", "s", i == 7 ? "1" : "2", "{}");
        if (i == 9) {
            add_item(other, "fhir", "s", "3", "{}");
        }
    }
    for (size_t i = 0; i < n; i++) {
        assert_false(same(&first, &others[i]));
        for (size_t j = 0; j < i; j++) {
            assert_false(same(&others[i], &others[j]));
        }
    }
}

/* Bytes that move over the border of two texts are other texts. */
static void texts_do_not_run_together(void **state)
{
    (void)state;
    struct bytes first = {.size = 0}, other = {.size = 0};
    add_item(&first, "fhir", "ab", "c", "{}");
    add_item(&other, "fhir", "a", "bc", "{}");
    assert_false(same(&first, &other));
    first.size = other.size = 0;
    add_pair(&first, "a", "bc", false);
    add_pair(&other, "ab", "c", false);
    assert_false(same(&first, &other));
}

static void the_method_matters(void **state)
{
    (void)state;
    struct bytes message = usual();
    struct hash x = digest_as(PUT, &message), y = digest_as("/ward.v1.Records/Put", &message);
    assert_memory_not_equal(&x, &y, sizeof(x));
}

/* ---- ward.v1.Admin ---- */

static struct ward_request *decode(const char *path, const ProtobufCMessage *message)
{
    const struct ward_method *method = ward_method_find(ward_bytes_str(path));
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(size + 1);
    struct ward_request *request = NULL;
    const ProtobufCMessage *parsed = NULL;
    assert_true(method != NULL && bytes != NULL);
    (void)protobuf_c_message_pack(message, bytes);
    assert_true(ward_ok(ward_request_new(1u << 20, &request)));
    request->status =
        ward_message_unpack(request->arena, method->input, WARD_BYTES(bytes, size), &parsed);
    if (ward_ok(request->status)) {
        request->status = method->decode(request, parsed);
    }
    free(bytes);
    return request;
}

static void revoke(const char *identity, size_t certificate, const char *reason, const char *text)
{
    static uint8_t hash[64] = {0xab, 0xcd};
    Ward__V1__RequestHeader header = WARD__V1__REQUEST_HEADER__INIT;
    Ward__V1__RevokeIdentityRequest revoke = WARD__V1__REVOKE_IDENTITY_REQUEST__INIT;
    Ward__V1__UnrevokeIdentityRequest undo = WARD__V1__UNREVOKE_IDENTITY_REQUEST__INIT;
    header.reason = (char *)(uintptr_t)reason;
    revoke.header = undo.header = &header;
    revoke.identity = undo.identity = (char *)(uintptr_t)identity;
    revoke.certificate_sha256 = undo.certificate_sha256 = (ProtobufCBinaryData){certificate, hash};
    struct ward_request *requests[] = {decode("/ward.v1.Admin/RevokeIdentity", &revoke.base),
                                       decode("/ward.v1.Admin/UnrevokeIdentity", &undo.base)};
    for (size_t i = 0; i < 2; i++) {
        const struct ward_identity_change *in = requests[i]->in;
        if (text != NULL) {
            assert_int_equal(requests[i]->status.code, WARD_E_INVALID);
            assert_string_equal(ward_status_refusal(requests[i]->status), text);
        } else if (certificate > 0) {
            assert_int_equal(in->kind, WARD_REVOKED_CERTIFICATE);
            assert_int_equal(in->value.size, 64);
            assert_memory_equal(in->value.data, "abcd0000", 8);
        } else {
            assert_int_equal(in->kind, WARD_REVOKED_IDENTITY);
            assert_true(ward_bytes_eq(in->value, ward_bytes_str(identity)));
        }
        ward_request_free(requests[i]);
    }
}

static void an_identity_or_a_certificate_is_named(void **state)
{
    (void)state;
    static char longest[512], longer[513];
    memset(longest, 'a', 511);
    memset(longer, 'a', 512);
    revoke("spiffe://a/b", 0, "why", NULL);
    revoke(longest, 0, "why", NULL);
    revoke("", 32, "why", NULL);
    revoke("", 0, "why", "identity: neither it nor certificate_sha256 is given");
    revoke("spiffe://a/b", 32, "why", "identity: both it and certificate_sha256 are given");
    revoke("", 31, "why", "certificate_sha256: not 32 bytes");
    revoke("", 33, "why", "certificate_sha256: not 32 bytes");
    revoke(longer, 0, "why", "identity: longer than 511 bytes");
    revoke("spiffe://a/b", 0, "", "reason: empty");
    revoke("\xff", 0, "why", "identity: not UTF-8");
}

static void a_page_of_revocations_has_its_limits(void **state)
{
    (void)state;
    const uint32_t sizes[] = {0, 1, 1000, 1001};
    for (size_t i = 0; i < 4; i++) {
        Ward__V1__ListRevocationsRequest list = WARD__V1__LIST_REVOCATIONS_REQUEST__INIT;
        list.page_size = sizes[i];
        struct ward_request *request = decode("/ward.v1.Admin/ListRevocations", &list.base);
        assert_int_equal(ward_ok(request->status), sizes[i] <= 1000);
        if (i == 0) {
            assert_int_equal(((struct ward_revocation_list *)request->in)->page_size, 100);
        }
        ward_request_free(request);
    }
}

static void revocations_are_told_by_kind(void **state)
{
    (void)state;
    char hex[65];
    memset(hex, '7', 64);
    hex[64] = 0;
    const struct ward_store_revocation rows[] = {
        {.kind = WARD_REVOKED_IDENTITY,
         .value = WARD_BYTES_LITERAL("spiffe://a/b"),
         .created_us = 1},
        {.kind = WARD_REVOKED_CERTIFICATE, .value = ward_bytes_str(hex), .created_us = 1}};
    const struct ward_method *method =
        ward_method_find(WARD_BYTES_LITERAL("/ward.v1.Admin/ListRevocations"));
    struct ward_revocation_list list = {
        .revocations = rows, .n = 2, .next_page_token = WARD_BYTES_LITERAL("identity:x")};
    struct ward_request *request = NULL;
    const ProtobufCMessage *message = NULL;
    assert_true(ward_ok(ward_request_new(1u << 20, &request)));
    request->in = &list;
    assert_true(ward_ok(method->encode(request, &message)));
    const Ward__V1__ListRevocationsResponse *answer = (const void *)message;
    assert_int_equal(answer->n_revocations, 2);
    assert_string_equal(answer->revocations[0]->identity, "spiffe://a/b");
    assert_int_equal(answer->revocations[0]->certificate_sha256.len, 0);
    assert_string_equal(answer->revocations[1]->identity, "");
    assert_int_equal(answer->revocations[1]->certificate_sha256.len, 32);
    assert_int_equal(answer->revocations[1]->certificate_sha256.data[31], 0x77);
    assert_string_equal(answer->next_page_token, "identity:x");
    ward_request_free(request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_fields_and_of_a_map_does_not_matter),
        cmocka_unit_test(the_name_of_the_call_does_not_matter),
        cmocka_unit_test(zero_is_as_good_as_absent),
        cmocka_unit_test(whatever_else_differs_matters),
        cmocka_unit_test(texts_do_not_run_together),
        cmocka_unit_test(the_method_matters),
        cmocka_unit_test(an_identity_or_a_certificate_is_named),
        cmocka_unit_test(a_page_of_revocations_has_its_limits),
        cmocka_unit_test(revocations_are_told_by_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
