/* SPDX-License-Identifier: Apache-2.0 */
/* The names inside a sealed record: they come back, others do not open it, and they stay with their
 * record. */
#include "tests/unit/proto/vectors.h"

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

static void names_come_back_and_others_do_not_open(void **state)
{
    struct ward_bytes sealed, back;
    assert_ok(seal(state, "{\"a\":1}", &sealed));
    struct ward_record_binding as = binding;
    as.names = (struct ward_record_names){0};
    struct ward_record_names names;
    assert_ok(ward_record_open(&crypto, WARD_BYTES_ARRAY(subject_key), &as, sealed, *state, &names,
                               &back));
    assert_text(back, "{\"a\":1}");
    assert_bytes(names.subject, binding.names.subject);
    assert_bytes(names.id, binding.names.id);

    const struct ward_record_names others[] = {
        {WARD_BYTES_LITERAL("p-18"), binding.names.id},
        {binding.names.subject, WARD_BYTES_LITERAL("visit 4")},
        {WARD_BYTES_LITERAL("p-1"), WARD_BYTES_LITERAL("7visit 3")}, /* moved over the border */
        {binding.names.id, binding.names.subject},                   /* changed places */
        {WARD_BYTES_LITERAL("p-18"), {0}},
        {{0}, WARD_BYTES_LITERAL("visit")},
    };
    const struct ward_bytes field = WARD_BYTES_LITERAL("a");
    struct ward_record_field value;
    size_t n = 0;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        as.names = others[i];
        assert_code(open_as(state, &as, sealed, &back), WARD_E_CIPHERTEXT);
        assert_code(ward_record_open_fields(&crypto, WARD_BYTES_ARRAY(subject_key), &as, sealed,
                                            &field, 1, *state, &value, &n),
                    WARD_E_CIPHERTEXT);
        assert_code(ward_record_open_names(&crypto, WARD_BYTES_ARRAY(subject_key), &as, sealed,
                                           *state, &names),
                    WARD_E_CIPHERTEXT);
    }
}

/* The sealed legend of one record in another of the same binding and sizes, but of other names. */
static void names_cannot_be_moved_to_another_record(void **state)
{
    struct ward_bytes sealed, other, back;
    struct ward_record_binding as = binding;
    as.names.subject = WARD_BYTES_LITERAL("p-18");
    assert_ok(seal(state, "{\"a\":1}", &sealed));
    assert_ok(ward_record_seal(&crypto, WARD_BYTES_ARRAY(subject_key), &as,
                               WARD_BYTES_LITERAL("{\"a\":1}"), *state, &other));
    assert_int_equal(sealed.size, other.size);
    as.names = (struct ward_record_names){0};
    struct ward_record_names names;
    struct ward_bytes bent = copy(state, sealed);
    memcpy((uint8_t *)bent.data + HEAD, other.data + HEAD, ward_get_u32(other.data + HEAD - 4));
    assert_code(open_as(state, &as, bent, &back), WARD_E_CIPHERTEXT);
    assert_code(
        ward_record_open_names(&crypto, WARD_BYTES_ARRAY(subject_key), &as, bent, *state, &names),
        WARD_E_CIPHERTEXT);
    /* With its head the legend opens, but then no field does. */
    memcpy((uint8_t *)bent.data, other.data, HEAD);
    assert_code(open_as(state, &as, bent, &back), WARD_E_CIPHERTEXT);
}

static void names_have_limits(void **state)
{
    static char text[WARD_NAME_MAX + 1];
    memset(text, 'n', sizeof(text));
    const struct ward_bytes longest = WARD_BYTES(text, WARD_NAME_MAX);
    const struct ward_bytes bad[] = {
        {0},
        WARD_BYTES(text, sizeof(text)),
        WARD_BYTES_LITERAL("\xff"),
        WARD_BYTES_LITERAL("\xc3"),
        {(const uint8_t *)"a\0b", 3},
    };
    struct ward_bytes sealed;
    struct ward_record_binding as = binding;
    as.names = (struct ward_record_names){longest, longest};
    assert_ok(ward_record_seal(&crypto, WARD_BYTES_ARRAY(subject_key), &as,
                               WARD_BYTES_LITERAL("{}"), *state, &sealed));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        as.names = (struct ward_record_names){bad[i], longest};
        assert_refusal(ward_record_seal(&crypto, WARD_BYTES_ARRAY(subject_key), &as,
                                        WARD_BYTES_LITERAL("{}"), *state, &sealed),
                       WARD_E_INVALID, "record: subject must be 1 to 128 bytes of UTF-8");
        as.names = (struct ward_record_names){longest, bad[i]};
        assert_refusal(ward_record_seal(&crypto, WARD_BYTES_ARRAY(subject_key), &as,
                                        WARD_BYTES_LITERAL("{}"), *state, &sealed),
                       WARD_E_INVALID, "record: id must be 1 to 128 bytes of UTF-8");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_come_back_and_others_do_not_open),
        TEST(names_cannot_be_moved_to_another_record),
        TEST(names_have_limits),
    };
    return cmocka_run_group_tests(tests, crypto_setup, crypto_teardown);
}
