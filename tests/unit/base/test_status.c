/* SPDX-License-Identifier: Apache-2.0 */
/* What a status says, and to whom. */
#include "tests/unit/base/check.h"

static ward_status refuse(bool fine)
{
    WARD_REQUIRE(fine, "context: more than 32 pairs");
    return WARD_OK;
}

static ward_status ensure(bool fine)
{
    WARD_ENSURE(fine, WARD_E_STATE);
    return WARD_OK;
}

static ward_status through(ward_status status, bool *passed)
{
    WARD_TRY(status);
    *passed = true;
    return WARD_OK;
}

static void status_fits_two_registers(void **state)
{
    (void)state;
    assert_int_equal(sizeof(ward_status), 16);
    assert_true(ward_ok(WARD_OK));
}

static void every_code_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int a = WARD_E_OK; a <= WARD_E_INTERNAL; a++) {
        assert_string_not_equal(ward_code_name((enum ward_code)a), "UNNAMED");
        for (int b = WARD_E_OK; b < a; b++) {
            assert_string_not_equal(ward_code_name((enum ward_code)a),
                                    ward_code_name((enum ward_code)b));
        }
    }
    assert_string_equal(ward_code_name((enum ward_code)999), "UNNAMED");
}

static void only_a_refusal_shows_its_text(void **state)
{
    (void)state;
    assert_refused(refuse(false), "context: more than 32 pairs");
    assert_ok(refuse(true));
    assert_null(ward_status_refusal(ensure(false)));
    assert_null(ward_status_refusal(WARD_OK));
    assert_null(ward_status_refusal(WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_ERRNO, 2)));
}

static void try_stops_at_the_first_failure_and_keeps_it(void **state)
{
    (void)state;
    bool passed = false;
    ward_status failed = WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_PKCS11, 0x30);
    ward_status seen = through(failed, &passed);
    assert_false(passed);
    assert_memory_equal(&seen, &failed, sizeof(seen));
    assert_ok(through(WARD_OK, &passed));
    assert_true(passed);
}

static void description_names_code_place_and_foreign_number(void **state)
{
    (void)state;
    char buf[128];
    ward_status status = WARD_STATUS(WARD_E_DENIED);
    status.at = "decide.c:12";
    assert_string_equal(ward_status_describe(status, buf, sizeof(buf)), "DENIED at decide.c:12");
    status.domain = WARD_DOMAIN_PKCS11;
    status.foreign = 5;
    assert_string_equal(ward_status_describe(status, buf, sizeof(buf)),
                        "DENIED at decide.c:12 (pkcs11 0x5)");
    assert_string_equal(ward_status_describe(refuse(false), buf, sizeof(buf)),
                        "INVALID (context: more than 32 pairs)");
    assert_string_equal(ward_status_describe(WARD_OK, buf, sizeof(buf)), "OK");
}

static void place_is_the_file_and_line_of_the_failure(void **state)
{
    (void)state;
    ward_status status = ensure(false);
    assert_non_null(strstr(status.at, "test_status.c:"));
    assert_null(strchr(status.at, '/'));
}

static void description_is_cut_to_its_buffer(void **state)
{
    (void)state;
    char buf[8];
    memset(buf, 'x', sizeof(buf));
    assert_string_equal(ward_status_describe(refuse(false), buf, sizeof(buf)), "INVALID");
    assert_string_equal(ward_status_describe(refuse(false), buf, 1), "");
    assert_string_equal(ward_status_describe(refuse(false), NULL, 0), "");
}

static void unknown_code_and_domain_are_still_described(void **state)
{
    (void)state;
    char buf[64];
    ward_status status = {.code = 999, .domain = 77, .foreign = 1};
    assert_string_equal(ward_status_describe(status, buf, sizeof(buf)), "UNNAMED (unnamed 0x1)");
    for (uint16_t d = WARD_DOMAIN_ERRNO; d <= WARD_DOMAIN_YAML; d++) {
        status.domain = d;
        assert_null(strstr(ward_status_describe(status, buf, sizeof(buf)), "unnamed"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_fits_two_registers),
        cmocka_unit_test(every_code_has_a_name_of_its_own),
        cmocka_unit_test(only_a_refusal_shows_its_text),
        cmocka_unit_test(try_stops_at_the_first_failure_and_keeps_it),
        cmocka_unit_test(description_names_code_place_and_foreign_number),
        cmocka_unit_test(place_is_the_file_and_line_of_the_failure),
        cmocka_unit_test(description_is_cut_to_its_buffer),
        cmocka_unit_test(unknown_code_and_domain_are_still_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
