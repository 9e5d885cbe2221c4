/* SPDX-License-Identifier: Apache-2.0 */
/* What programs are told of a refusal: as much as people, and no more. */
#include "server/rpc/details.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "proto/grpc.h"

#define TYPE(name) "type.googleapis.com/google.rpc." name

static size_t details_text(ward_status status, uint32_t retry_after_ms, char *out)
{
    return ward_details_text(status, &(struct ward_details){.retry_after_ms = retry_after_ms}, out);
}

static Google__Rpc__Status *read_with(ward_status status, const struct ward_details *with)
{
    char text[WARD_DETAILS_TEXT_MAX], padded[WARD_DETAILS_TEXT_MAX + 4];
    uint8_t bytes[WARD_DETAILS_TEXT_MAX];
    size_t size = ward_details_text(status, with, text);
    assert_int_equal(size, strlen(text));
    assert_null(strchr(text, '='));
    memcpy(padded, text, size);
    while (size % 4 != 0) {
        padded[size++] = '=';
    }
    size_t n = 0;
    assert_true(ward_base64_decode(padded, size, bytes, &n));
    Google__Rpc__Status *whole = google__rpc__status__unpack(NULL, n, bytes);
    assert_non_null(whole);
    assert_int_equal(whole->code, ward_grpc_code_of(status));
    assert_string_equal(whole->message, ward_grpc_message_of(status));
    return whole;
}

static Google__Rpc__Status *read_details(ward_status status, uint32_t retry_after_ms)
{
    return read_with(status, &(struct ward_details){.retry_after_ms = retry_after_ms});
}

/* NULL: there is none. */
static const Google__Protobuf__Any *detail(const Google__Rpc__Status *whole, const char *type)
{
    for (size_t i = 0; i < whole->n_details; i++) {
        if (strcmp(whole->details[i]->type_url, type) == 0) {
            return whole->details[i];
        }
    }
    return NULL;
}

static void expect_reason(const Google__Rpc__Status *whole, const char *reason)
{
    const Google__Protobuf__Any *any = detail(whole, TYPE("ErrorInfo"));
    assert_non_null(any);
    Google__Rpc__ErrorInfo *info =
        google__rpc__error_info__unpack(NULL, any->value.len, any->value.data);
    assert_non_null(info);
    assert_string_equal(info->reason, reason);
    assert_string_equal(info->domain, "ward");
    google__rpc__error_info__free_unpacked(info, NULL);
}

static void expect_violation(ward_status status, const char *field, const char *description)
{
    Google__Rpc__Status *whole = read_details(status, 0);
    const Google__Protobuf__Any *any = detail(whole, TYPE("BadRequest"));
    if (field == NULL) {
        assert_null(any);
    } else {
        assert_non_null(any);
        Google__Rpc__BadRequest *bad =
            google__rpc__bad_request__unpack(NULL, any->value.len, any->value.data);
        assert_non_null(bad);
        assert_int_equal(bad->n_field_violations, 1);
        assert_string_equal(bad->field_violations[0]->field, field);
        assert_string_equal(bad->field_violations[0]->description, description);
        google__rpc__bad_request__free_unpacked(bad, NULL);
    }
    google__rpc__status__free_unpacked(whole, NULL);
}

static int64_t retry_ms(ward_status status, uint32_t retry_after_ms)
{
    Google__Rpc__Status *whole = read_details(status, retry_after_ms);
    const Google__Protobuf__Any *any = detail(whole, TYPE("RetryInfo"));
    int64_t ms = -1;
    if (any != NULL) {
        Google__Rpc__RetryInfo *retry =
            google__rpc__retry_info__unpack(NULL, any->value.len, any->value.data);
        assert_non_null(retry);
        ms = retry->retry_delay->seconds * 1000 + retry->retry_delay->nanos / 1000000;
        google__rpc__retry_info__free_unpacked(retry, NULL);
    }
    google__rpc__status__free_unpacked(whole, NULL);
    return ms;
}

static void success_has_no_details(void **state)
{
    (void)state;
    char text[WARD_DETAILS_TEXT_MAX];
    assert_int_equal(details_text(WARD_OK, 5, text), 0);
    assert_string_equal(text, "");
}

static void every_code_has_a_reason_in_capitals(void **state)
{
    (void)state;
    for (uint16_t code = WARD_E_INVALID; code <= WARD_E_INTERNAL; code++) {
        Google__Rpc__Status *whole = read_details((ward_status){.code = code}, 0);
        expect_reason(
            whole, ward_code_name(code == WARD_E_STALE ? WARD_E_CONFLICT : (enum ward_code)code));
        google__rpc__status__free_unpacked(whole, NULL);
    }
}

static void a_field_and_its_rule_are_told_apart(void **state)
{
    (void)state;
    expect_violation(WARD_REFUSAL(WARD_E_INVALID, "context: more than 32 pairs"), "context",
                     "more than 32 pairs");
    expect_violation(WARD_REFUSAL(WARD_E_INVALID, "key: not a name: a: b"), "key",
                     "not a name: a: b");
    expect_violation(WARD_REFUSAL(WARD_E_INVALID, "request_id: longer than 64 bytes"), "request_id",
                     "longer than 64 bytes");
}

static void what_names_no_field_is_no_violation(void **state)
{
    (void)state;
    expect_violation(WARD_STATUS(WARD_E_INVALID), NULL, NULL);
    expect_violation(WARD_REFUSAL(WARD_E_INVALID, ":method: not POST"), NULL, NULL);
    expect_violation(WARD_REFUSAL(WARD_E_INVALID, ": nothing"), NULL, NULL);
    expect_violation(WARD_REFUSAL(WARD_E_INVALID, "no colon at all"), NULL, NULL);
    expect_violation(WARD_REFUSAL(WARD_E_INVALID, "colon:without a space"), NULL, NULL);
    expect_violation(WARD_REFUSAL(WARD_E_INVALID, ""), NULL, NULL);
}

static void only_invalid_arguments_have_violations(void **state)
{
    (void)state;
    expect_violation(WARD_REFUSAL(WARD_E_NOT_FOUND, "key: no such key"), NULL, NULL);
    expect_violation(WARD_REFUSAL(WARD_E_DENIED, "identity: revoked"), NULL, NULL);
    expect_violation(WARD_REFUSAL(WARD_E_STATE, "key: not for data keys"), NULL, NULL);
}

static void a_ciphertext_that_stays_closed_says_nothing_else(void **state)
{
    (void)state;
    expect_violation(WARD_REFUSAL(WARD_E_CIPHERTEXT, "wrapped: wrong context"), NULL, NULL);
    char one[WARD_DETAILS_TEXT_MAX], two[WARD_DETAILS_TEXT_MAX];
    (void)details_text(WARD_REFUSAL(WARD_E_CIPHERTEXT, "wrapped: wrong context"), 0, one);
    (void)details_text(WARD_STATUS(WARD_E_CIPHERTEXT), 0, two);
    assert_string_equal(one, two);
}

static void the_place_and_the_foreign_number_stay_inside(void **state)
{
    (void)state;
    char one[WARD_DETAILS_TEXT_MAX], two[WARD_DETAILS_TEXT_MAX];
    (void)details_text(WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_PKCS11, 0x30), 0, one);
    (void)details_text((ward_status){.code = WARD_E_UNAVAILABLE}, 0, two);
    assert_string_equal(one, two);
}

static void retries_are_told_where_they_help(void **state)
{
    (void)state;
    assert_int_equal(retry_ms(WARD_STATUS(WARD_E_EXHAUSTED), 1234), 1234);
    assert_int_equal(retry_ms(WARD_STATUS(WARD_E_EXHAUSTED), 0), -1);
    assert_int_equal(retry_ms(WARD_STATUS(WARD_E_UNAVAILABLE), 0), 1000);
    assert_int_equal(retry_ms(WARD_STATUS(WARD_E_UNAVAILABLE), 50), 50);
    assert_int_equal(retry_ms(WARD_STATUS(WARD_E_UNKNOWN_COMMIT), 0), 1000);
    assert_int_equal(retry_ms(WARD_STATUS(WARD_E_UNAVAILABLE), UINT32_MAX), UINT32_MAX);
    assert_int_equal(retry_ms(WARD_STATUS(WARD_E_INVALID), 77), -1);
    assert_int_equal(retry_ms(WARD_STATUS(WARD_E_DENIED), 77), -1);
}

static void what_would_be_too_large_is_left_out(void **state)
{
    (void)state;
    static char text[4096];
    memset(text, 'a', sizeof(text) - 1);
    memcpy(text, "field: ", 7);
    char out[WARD_DETAILS_TEXT_MAX];
    ward_status status = {.code = WARD_E_INVALID, .domain = WARD_DOMAIN_REFUSAL, .at = text};
    assert_int_equal(details_text(status, 0, out), 0);
    text[600] = '\0'; /* the whole fits, the violation does not */
    expect_violation(status, NULL, NULL);
    text[200] = '\0';
    expect_violation(status, "field", text + 7);
}

static Google__Rpc__ErrorInfo *info_with(const struct ward_leaf_pair *facts, size_t n)
{
    Google__Rpc__Status *whole =
        read_with(WARD_REFUSAL(WARD_E_STATE, "version: stored rows still need it"),
                  &(struct ward_details){.facts = facts, .n_facts = n});
    const Google__Protobuf__Any *any = detail(whole, TYPE("ErrorInfo"));
    assert_non_null(any);
    Google__Rpc__ErrorInfo *info =
        google__rpc__error_info__unpack(NULL, any->value.len, any->value.data);
    assert_non_null(info);
    google__rpc__status__free_unpacked(whole, NULL);
    return info;
}

static void the_numbers_behind_a_refusal_are_told_by_name(void **state)
{
    (void)state;
    const struct ward_leaf_pair facts[] = {
        {.name = "rows", .number = 1204},
        {.name = "collections", .text = WARD_BYTES_LITERAL("fhir notes")}};
    Google__Rpc__ErrorInfo *info = info_with(facts, 2);
    assert_string_equal(info->reason, "STATE");
    assert_int_equal(info->n_metadata, 2);
    assert_string_equal(info->metadata[0]->key, "rows");
    assert_string_equal(info->metadata[0]->value, "1204");
    assert_string_equal(info->metadata[1]->key, "collections");
    assert_string_equal(info->metadata[1]->value, "fhir notes");
    google__rpc__error_info__free_unpacked(info, NULL);
}

static void numbers_are_told_only_as_many_as_fit(void **state)
{
    (void)state;
    struct ward_leaf_pair facts[WARD_DETAILS_FACTS_MAX + 4];
    for (size_t i = 0; i < WARD_DETAILS_FACTS_MAX + 4; i++) {
        facts[i] = (struct ward_leaf_pair){.name = "n", .number = INT64_MIN};
    }
    Google__Rpc__ErrorInfo *info = info_with(facts, WARD_DETAILS_FACTS_MAX + 4);
    assert_int_equal(info->n_metadata, WARD_DETAILS_FACTS_MAX);
    google__rpc__error_info__free_unpacked(info, NULL);
}

static void only_what_policy_refused_has_a_rule(void **state)
{
    (void)state;
    struct ward_leaf_pair told[2];
    ward_status denied = WARD_REFUSAL(WARD_E_DENIED, "policy: not allowed");
    assert_int_equal(ward_details_rule(denied, WARD_ACTION_RECORD_GET, "desk/names", told), 2);
    assert_string_equal(told[0].name, "action");
    assert_true(ward_bytes_eq(told[0].text, WARD_BYTES_LITERAL("record.get")));
    assert_string_equal(told[1].name, "rule");
    assert_true(ward_bytes_eq(told[1].text, WARD_BYTES_LITERAL("desk/names")));
    const ward_status others[] = {
        WARD_OK,
        WARD_STATUS(WARD_E_DENIED),
        WARD_REFUSAL(WARD_E_DENIED, "identity: revoked"),
        WARD_STATUS(WARD_E_CIPHERTEXT),
        WARD_REFUSAL(WARD_E_CIPHERTEXT, "policy: not allowed"),
        WARD_REFUSAL(WARD_E_STATE, "policy: the database has none"),
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(ward_details_rule(others[i], WARD_ACTION_RECORD_GET, "desk/names", told),
                         0);
    }
    assert_int_equal(ward_details_rule(denied, WARD_ACTION_RECORD_GET, NULL, told), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_has_no_details),
        cmocka_unit_test(every_code_has_a_reason_in_capitals),
        cmocka_unit_test(a_field_and_its_rule_are_told_apart),
        cmocka_unit_test(what_names_no_field_is_no_violation),
        cmocka_unit_test(only_invalid_arguments_have_violations),
        cmocka_unit_test(a_ciphertext_that_stays_closed_says_nothing_else),
        cmocka_unit_test(the_place_and_the_foreign_number_stay_inside),
        cmocka_unit_test(retries_are_told_where_they_help),
        cmocka_unit_test(what_would_be_too_large_is_left_out),
        cmocka_unit_test(the_numbers_behind_a_refusal_are_told_by_name),
        cmocka_unit_test(numbers_are_told_only_as_many_as_fit),
        cmocka_unit_test(only_what_policy_refused_has_a_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
