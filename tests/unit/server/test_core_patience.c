/* SPDX-License-Identifier: Apache-2.0 */
/* What a start waits for, and what it does not. */
#include "server/patience.h"

#include <signal.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

static struct ward_clock now;
static struct ward_patience patience;

static int start(void **state)
{
    (void)state;
    ward_clock_fake(&now, 0);
    patience = (struct ward_patience){.clock = &now, .until_us = 1000};
    return 0;
}

static bool again(enum ward_code code)
{
    return ward_patience_again(&patience, WARD_STATUS((uint16_t)code));
}

static void what_is_away_is_tried_again_until_the_time_is_over(void **state)
{
    (void)state;
    assert_true(again(WARD_E_UNAVAILABLE));
    now.fake_monotonic_us = 999;
    assert_true(again(WARD_E_UNAVAILABLE));
    now.fake_monotonic_us = 1000;
    assert_false(again(WARD_E_UNAVAILABLE));
}

static void what_is_wrong_or_well_is_not_tried_again(void **state)
{
    (void)state;
    assert_false(ward_patience_again(&patience, WARD_OK));
    static const enum ward_code codes[] = {WARD_E_STATE, WARD_E_INVALID, WARD_E_EXHAUSTED,
                                           WARD_E_INTERNAL, WARD_E_NOT_FOUND};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_false(again(codes[i]));
    }
}

static void nothing_is_tried_again_when_the_end_was_asked_for(void **state)
{
    (void)state;
    sigset_t end, before;
    (void)sigemptyset(&end);
    (void)sigaddset(&end, SIGTERM);
    assert_int_equal(sigprocmask(SIG_BLOCK, &end, &before), 0);
    assert_false(ward_asked_to_end());
    assert_int_equal(raise(SIGTERM), 0);
    assert_true(ward_asked_to_end());
    assert_false(again(WARD_E_UNAVAILABLE));
    int taken = 0;
    assert_int_equal(sigwait(&end, &taken), 0);
    assert_true(again(WARD_E_UNAVAILABLE));
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_away_is_tried_again_until_the_time_is_over, start),
        cmocka_unit_test_setup(what_is_wrong_or_well_is_not_tried_again, start),
        cmocka_unit_test_setup(nothing_is_tried_again_when_the_end_was_asked_for, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
