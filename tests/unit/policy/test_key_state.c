/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a key version: every pair of states, and what each state is good for. */
#include "policy_support.h"

#include "policy/key_state.h"

/* Rows from, columns to, in the order of the enum: what is not marked is refused. */
static const char *const allowed[] = {
    /* to:                 P A S D C W X */
    /* pre-active */ ".A..CW.",
    /* active */ "..SDC..",
    /* suspended */ ".A.DC..",
    /* deactivated */ "....CW.",
    /* compromised */ ".....W.",
    /* pending-destruction */ "P..DC.X",
    /* destroyed */ ".......",
};

static void only_the_drawn_transitions_are_allowed(void **state)
{
    (void)state;
    for (unsigned from = 1; from <= 7; from++) {
        for (unsigned to = 1; to <= 7; to++) {
            assert_int_equal(ward_key_state_may_move(from, to), allowed[from - 1][to - 1] != '.');
        }
    }
}

static void a_state_never_follows_itself(void **state)
{
    (void)state;
    for (unsigned from = 1; from <= 7; from++) {
        assert_false(ward_key_state_may_move(from, from));
    }
}

static void nothing_leaves_destroyed(void **state)
{
    (void)state;
    for (unsigned to = 0; to <= 64; to++) {
        assert_false(ward_key_state_may_move(WARD_KEY_DESTROYED, to));
    }
    assert_false(ward_key_state_may_wrap(WARD_KEY_DESTROYED));
    assert_false(ward_key_state_may_unwrap(WARD_KEY_DESTROYED));
    assert_false(ward_key_state_may_rewrap(WARD_KEY_DESTROYED));
}

static void only_an_active_version_wraps(void **state)
{
    (void)state;
    for (unsigned s = 0; s <= 64; s++) {
        assert_int_equal(ward_key_state_may_wrap(s), s == WARD_KEY_ACTIVE);
    }
}

static void old_and_compromised_versions_still_open_and_rewrap(void **state)
{
    (void)state;
    for (unsigned s = 0; s <= 64; s++) {
        bool open = s == WARD_KEY_ACTIVE || s == WARD_KEY_DEACTIVATED || s == WARD_KEY_COMPROMISED;
        assert_int_equal(ward_key_state_may_unwrap(s), open);
        assert_int_equal(ward_key_state_may_rewrap(s), open);
    }
}

static void a_number_that_is_no_state_is_good_for_nothing(void **state)
{
    (void)state;
    static const unsigned numbers[] = {0, 8, 31, 32, 33, 255, 0x80000000u, UINT32_MAX};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_false(ward_key_state_valid(numbers[i]));
        assert_string_equal(ward_key_state_name(numbers[i]), "unknown");
        for (unsigned s = 1; s <= 7; s++) {
            assert_false(ward_key_state_may_move(numbers[i], s));
            assert_false(ward_key_state_may_move(s, numbers[i]));
        }
    }
}

static void states_have_the_names_of_sp_800_57(void **state)
{
    (void)state;
    assert_string_equal(ward_key_state_name(WARD_KEY_PRE_ACTIVE), "pre-active");
    assert_string_equal(ward_key_state_name(WARD_KEY_ACTIVE), "active");
    assert_string_equal(ward_key_state_name(WARD_KEY_SUSPENDED), "suspended");
    assert_string_equal(ward_key_state_name(WARD_KEY_DEACTIVATED), "deactivated");
    assert_string_equal(ward_key_state_name(WARD_KEY_COMPROMISED), "compromised");
    assert_string_equal(ward_key_state_name(WARD_KEY_PENDING_DESTRUCTION), "pending-destruction");
    assert_string_equal(ward_key_state_name(WARD_KEY_DESTROYED), "destroyed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_drawn_transitions_are_allowed),
        cmocka_unit_test(a_state_never_follows_itself),
        cmocka_unit_test(nothing_leaves_destroyed),
        cmocka_unit_test(only_an_active_version_wraps),
        cmocka_unit_test(old_and_compromised_versions_still_open_and_rewrap),
        cmocka_unit_test(a_number_that_is_no_state_is_good_for_nothing),
        cmocka_unit_test(states_have_the_names_of_sp_800_57),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
