/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/postgres/sqlstate.h"

static void every_sqlstate_survives_packing(void **state)
{
    static const char *const states[] = {"23505", "WD001", "40P01", "ZZZZZ", "XX000", "0A000"};
    (void)state;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        char text[6];
        uint32_t packed = ward_sqlstate_pack(states[i]);
        assert_int_not_equal(packed, 0);
        ward_sqlstate_unpack(packed, text);
        assert_string_equal(text, states[i]);
    }
}

static void what_is_no_sqlstate_packs_to_nothing(void **state)
{
    static const char *const texts[] = {NULL, "", "2350", "235055", "23 05", "2350x", "2350\xff"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(ward_sqlstate_pack(texts[i]), 0);
    }
}

static void outcomes_follow_the_table(void **state)
{
    static const struct {
        const char *text;
        enum ward_code code;
        enum ward_commit_outcome outcome;
    } cases[] = {
        {"WD001", WARD_E_CONFLICT, WARD_COMMIT_HEAD_MOVED},
        {"WD002", WARD_E_STALE, WARD_COMMIT_STALE},
        {"WD003", WARD_E_CONFLICT, WARD_COMMIT_CONFLICT},
        {"WD004", WARD_E_STATE, WARD_COMMIT_UNAVAILABLE},
        {"23505", WARD_E_CONFLICT, WARD_COMMIT_CONFLICT},
        {"23503", WARD_E_CONFLICT, WARD_COMMIT_CONFLICT},
        {"23514", WARD_E_INTERNAL, WARD_COMMIT_FAILED}, /* check_violation: not the class's */
        {"40001", WARD_E_CONFLICT, WARD_COMMIT_RETRY},
        {"40P01", WARD_E_CONFLICT, WARD_COMMIT_RETRY},
        {"40003", WARD_E_UNKNOWN_COMMIT, WARD_COMMIT_UNKNOWN}, /* exact before its class */
        {"55P03", WARD_E_CONFLICT, WARD_COMMIT_RETRY},
        {"57014", WARD_E_CONFLICT, WARD_COMMIT_RETRY},
        {"57P01", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE},
        {"57P03", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE},
        {"53100", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE},
        {"25006", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE},
        {"08006", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE},
        {"42501", WARD_E_STATE, WARD_COMMIT_FAILED},
        {"42703", WARD_E_UNAVAILABLE, WARD_COMMIT_UNAVAILABLE}, /* migrated by another program */
        {"22021", WARD_E_INTERNAL, WARD_COMMIT_FAILED},
        {"XX001", WARD_E_INTERNAL, WARD_COMMIT_FAILED},
        {"WD999", WARD_E_INTERNAL, WARD_COMMIT_FAILED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t packed = ward_sqlstate_pack(cases[i].text);
        ward_status status = ward_sqlstate_status(packed);
        assert_int_equal(status.code, cases[i].code);
        assert_int_equal(status.domain, WARD_DOMAIN_SQLSTATE);
        assert_int_equal(status.foreign, packed);
        assert_int_equal(ward_sqlstate_outcome(packed), cases[i].outcome);
    }
}

static void an_error_without_a_sqlstate_is_a_lost_connection(void **state)
{
    (void)state;
    ward_status status = ward_sqlstate_status(0);
    assert_int_equal(status.code, WARD_E_UNAVAILABLE);
    assert_int_equal(status.domain, WARD_DOMAIN_NONE);
    assert_int_equal(ward_sqlstate_outcome(0), WARD_COMMIT_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sqlstate_survives_packing),
        cmocka_unit_test(what_is_no_sqlstate_packs_to_nothing),
        cmocka_unit_test(outcomes_follow_the_table),
        cmocka_unit_test(an_error_without_a_sqlstate_is_a_lost_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
