/* SPDX-License-Identifier: Apache-2.0 */
/* grpc-status-details-bin as a daemon sends it, and as an attacker might. */
#include "tests/unit/client/check.h"

#include <stdlib.h>

#include "client/error_details.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

struct detail {
    const char *type;
    const ProtobufCMessage *message;
};

static char *text_of(const struct detail *details, size_t n)
{
    Google__Protobuf__Any any[8], *pointers[8];
    uint8_t packed[8][512], outer[4096];
    for (size_t i = 0; i < n; i++) {
        any[i] = (Google__Protobuf__Any)GOOGLE__PROTOBUF__ANY__INIT;
        any[i].type_url = (char *)details[i].type;
        any[i].value.len = protobuf_c_message_pack(details[i].message, packed[i]);
        any[i].value.data = packed[i];
        pointers[i] = &any[i];
    }
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    status.details = pointers;
    status.n_details = n;
    size_t size = google__rpc__status__pack(&status, outer);
    char *text = malloc(WARD_BASE64_SIZE(size) + 1);
    ward_base64_encode(WARD_BYTES(outer, size), text);
    return text;
}

static ward_error read_text(const char *text)
{
    ward_error error = {0};
    ward_error_details(ward_bytes_str(text), &error);
    return error;
}

static void the_numbers_behind_a_refusal_end_its_sentence(void **state)
{
    (void)state;
    char names[][24] = {"rows", "days_since_last_opened"}, values[][24] = {"1204", "3\x1b[2J"};
    Google__Rpc__ErrorInfo__MetadataEntry entries[2], *pointers[] = {&entries[0], &entries[1]};
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    for (size_t i = 0; i < 2; i++) {
        google__rpc__error_info__metadata_entry__init(&entries[i]);
        entries[i].key = names[i];
        entries[i].value = values[i];
    }
    info.metadata = pointers;
    info.n_metadata = 2;
    struct detail details[] = {{"type.googleapis.com/google.rpc.ErrorInfo", &info.base}};
    char *text = text_of(details, 1);
    ward_error error = {.message = "version: it is needed"};
    ward_error_details(ward_bytes_str(text), &error);
    assert_string_equal(error.message,
                        "version: it is needed (rows 1204, days since last opened 3 [2J)");
    memset(error.message, 'x', sizeof(error.message) - 1);
    error.message[sizeof(error.message) - 1] = 0;
    error.message[490] = 0; /* no room for more than the first */
    ward_error_details(ward_bytes_str(text), &error);
    assert_int_equal(strlen(error.message), 502);
    error = read_text(text); /* no sentence yet */
    assert_string_equal(error.message, "");
    free(text);
}

static void field_reason_and_delay_are_taken(void **state)
{
    (void)state;
    char reason[] = "INVALID", domain[] = "ward", field[] = "context", rule[] = "too long";
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    info.reason = reason;
    info.domain = domain;
    Google__Rpc__BadRequest__FieldViolation violation =
                                                GOOGLE__RPC__BAD_REQUEST__FIELD_VIOLATION__INIT,
                                            *violations = &violation;
    violation.field = field;
    violation.description = rule;
    Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
    bad.field_violations = &violations;
    bad.n_field_violations = 1;
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    delay.seconds = 2;
    delay.nanos = 1;
    Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
    retry.retry_delay = &delay;
    const struct detail details[] = {
        {"type.googleapis.com/google.rpc.ErrorInfo", &info.base},
        {"type.googleapis.com/some.other.Type", &info.base},
        {"type.googleapis.com/google.rpc.BadRequest", &bad.base},
        {"type.googleapis.com/google.rpc.RetryInfo", &retry.base},
    };
    char *text = text_of(details, 4);
    ward_error error = read_text(text);
    assert_string_equal(error.reason, "INVALID");
    assert_string_equal(error.field, "context");
    assert_int_equal(error.retry_after_ms, 2001);
    text[strcspn(text, "=")] = 0; /* unpadded is the same */
    error = read_text(text);
    assert_string_equal(error.field, "context");
    free(text);
}

static uint32_t delay_of(int64_t seconds, int32_t nanos)
{
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    delay.seconds = seconds;
    delay.nanos = nanos;
    Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
    retry.retry_delay = &delay;
    const struct detail detail = {"type.googleapis.com/google.rpc.RetryInfo", &retry.base};
    char *text = text_of(&detail, 1);
    ward_error error = read_text(text);
    free(text);
    return error.retry_after_ms;
}

static void a_delay_is_a_sane_one_or_none(void **state)
{
    (void)state;
    assert_int_equal(delay_of(0, 0), 0);
    assert_int_equal(delay_of(0, 250000000), 250);
    assert_int_equal(delay_of(-1, 0), 0);
    assert_int_equal(delay_of(1, -1), 0);
    assert_int_equal(delay_of(1, 1000000000), 0);
    assert_int_equal(delay_of(INT64_MAX, 0), 3600000);
}

static void control_characters_and_long_texts_are_tamed(void **state)
{
    (void)state;
    char reason[200];
    memset(reason, 'A', sizeof(reason));
    reason[199] = 0;
    reason[1] = '\x1b';
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    info.reason = reason;
    const struct detail detail = {"type.googleapis.com/google.rpc.ErrorInfo", &info.base};
    char *text = text_of(&detail, 1);
    ward_error error = read_text(text);
    assert_int_equal(strlen(error.reason), sizeof(error.reason) - 1);
    assert_int_equal(error.reason[1], ' ');
    free(text);
}

static void what_is_no_status_is_passed_over(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "=", "A", "????", "AAAAA", "CAgS", "GgA=", "////"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ward_error error = read_text(bad[i]);
        assert_int_equal(error.retry_after_ms, 0);
        assert_string_equal(error.field, "");
        assert_string_equal(error.reason, "");
    }
    char *large = malloc(20001);
    memset(large, 'A', 20000);
    large[20000] = 0;
    ward_error error = read_text(large);
    assert_string_equal(error.reason, "");
    free(large);
}

static void every_cut_and_flip_is_survived(void **state)
{
    (void)state;
    char reason[] = "STATE";
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    info.reason = reason;
    const struct detail detail = {"type.googleapis.com/google.rpc.ErrorInfo", &info.base};
    char *text = text_of(&detail, 1);
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        ward_error error = {0};
        ward_error_details(WARD_BYTES(text, i), &error);
        char kept = text[i];
        text[i] = kept == 'A' ? 'x' : 'A';
        ward_error_details(WARD_BYTES(text, size), &error);
        text[i] = kept;
    }
    free(text);
}

static void the_fallback_is_the_text(void **state)
{
    (void)state;
    static const struct {
        ward_rc code;
        const char *text, *field;
    } cases[] = {
        {WARD_RC_INVALID_ARGUMENT, "context: more than 32 pairs", "context"},
        {WARD_RC_INVALID_ARGUMENT, "items[3].key: no such", "items[3].key"},
        {WARD_RC_INVALID_ARGUMENT, "ciphertext does not open", ""},
        {WARD_RC_INVALID_ARGUMENT, ": odd", ""},
        {WARD_RC_INVALID_ARGUMENT, "key:none", ""},
        {WARD_RC_UNAVAILABLE, "localhost: cannot connect", ""},
        {WARD_RC_FAILED_PRECONDITION, "key: this version rests", "key"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ward_error error;
        assert_int_equal(ward_error_answer(&error, cases[i].code, cases[i].text), cases[i].code);
        assert_string_equal(error.field, cases[i].field);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(field_reason_and_delay_are_taken),
        cmocka_unit_test(the_numbers_behind_a_refusal_end_its_sentence),
        cmocka_unit_test(a_delay_is_a_sane_one_or_none),
        cmocka_unit_test(control_characters_and_long_texts_are_tamed),
        cmocka_unit_test(what_is_no_status_is_passed_over),
        cmocka_unit_test(every_cut_and_flip_is_survived),
        cmocka_unit_test(the_fallback_is_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
