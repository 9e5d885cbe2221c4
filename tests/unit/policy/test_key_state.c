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

/* ---- what may be done with each ---- */

/* As a refusal names it. */
static const char *state_word(unsigned state)
{
    return state == WARD_KEY_PENDING_DESTRUCTION ? "pending destruction"
           : ward_key_state_valid(state)         ? ward_key_state_name(state)
                                                 : "no known state";
}

static void a_use_is_refused_with_the_state_that_forbids_it(void **state)
{
    (void)state;
    for (unsigned s = 0; s <= 9; s++) {
        const bool may[] = {ward_key_state_may_wrap(s), ward_key_state_may_unwrap(s),
                            ward_key_state_may_rewrap(s)};
        for (unsigned verb = WARD_KEY_WRAP; verb <= WARD_KEY_REWRAP; verb++) {
            ward_status status = ward_key_state_check(s, verb);
            assert_int_equal(ward_ok(status), may[verb]);
            if (!ward_ok(status)) {
                assert_int_equal(status.code, WARD_E_STATE);
                assert_non_null(strstr(ward_status_refusal(status), state_word(s)));
            }
        }
    }
}

/* ---- commands ---- */

/* Each command from each state, of the newest version and of one with a newer one. What was before
 * a pending destruction is deactivated here. */
static const struct {
    enum ward_key_command command;
    enum ward_action action;
    bool at_once, on_version;
    enum ward_key_hsm hsm;
    const char *newest, *older; /* from P A S D C W X to; '.' refused */
} walks[] = {
    {WARD_KEY_COMMAND_CREATE, WARD_ACTION_KEY_CREATE, false, false, WARD_KEY_HSM_MAKES, ".......",
     "......."},
    {WARD_KEY_COMMAND_ROTATE, WARD_ACTION_KEY_ROTATE, false, false, WARD_KEY_HSM_MAKES, ".D.....",
     ".D....."},
    {WARD_KEY_COMMAND_CHANGE, WARD_ACTION_KEY_CHANGE, false, false, WARD_KEY_HSM_NOTHING, ".......",
     "......."},
    {WARD_KEY_COMMAND_DISABLE, WARD_ACTION_KEY_DISABLE, true, false, WARD_KEY_HSM_NOTHING,
     ".......", "......."},
    {WARD_KEY_COMMAND_ENABLE, WARD_ACTION_KEY_ENABLE, false, false, WARD_KEY_HSM_NOTHING, ".......",
     "......."},
    {WARD_KEY_COMMAND_SUSPEND, WARD_ACTION_KEY_SUSPEND, true, true, WARD_KEY_HSM_NOTHING, ".S.....",
     ".S....."},
    {WARD_KEY_COMMAND_RESUME, WARD_ACTION_KEY_RESUME, false, true, WARD_KEY_HSM_NOTHING, "..A....",
     "..D...."},
    {WARD_KEY_COMMAND_DEACTIVATE, WARD_ACTION_KEY_DEACTIVATE, false, true, WARD_KEY_HSM_NOTHING,
     ".DD....", ".DD...."},
    {WARD_KEY_COMMAND_COMPROMISE, WARD_ACTION_KEY_COMPROMISE, true, true, WARD_KEY_HSM_NOTHING,
     "CCCC.C.", "CCCC.C."},
    {WARD_KEY_COMMAND_SCHEDULE_DESTROY, WARD_ACTION_KEY_DESTROY, false, true, WARD_KEY_HSM_NOTHING,
     "W..WW..", "W..WW.."},
    {WARD_KEY_COMMAND_CANCEL_DESTROY, WARD_ACTION_KEY_CANCEL_DESTROY, true, true,
     WARD_KEY_HSM_NOTHING, ".....D.", ".....D."},
    {WARD_KEY_COMMAND_DESTROY, WARD_ACTION_SYSTEM_DESTROY, false, true, WARD_KEY_HSM_DESTROYS,
     ".....X.", ".....X."},
};
_Static_assert(sizeof(walks) / sizeof(walks[0]) == WARD_KEY_COMMAND_COUNT, "a row for each");

static void walk(enum ward_key_command command, const char *expected, bool newest)
{
    static const char letters[] = "?PASDCWX";
    for (unsigned s = 0; s <= 9; s++) {
        const struct ward_key_move_from from = {
            .state = s,
            .prior = s == WARD_KEY_PENDING_DESTRUCTION ? WARD_KEY_DEACTIVATED : 0,
            .newest = newest};
        enum ward_key_state to = 0;
        ward_status status = ward_key_command_leads(command, &from, &to);
        if (s < 1 || s > 7 || expected[s - 1] == '.') {
            assert_int_equal(status.code, WARD_E_STATE);
            assert_non_null(strstr(ward_status_refusal(status), state_word(s)));
            assert_int_equal(to, 0);
        } else {
            assert_true(ward_ok(status));
            assert_int_equal(letters[to], expected[s - 1]);
            assert_true(ward_key_state_may_move(s, to));
        }
    }
}

static void every_command_leads_from_every_state_where_the_table_says(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WARD_KEY_COMMAND_COUNT; i++) {
        enum ward_key_command found = WARD_KEY_COMMAND_COUNT;
        assert_int_equal(walks[i].command, i);
        assert_int_equal(ward_key_command_action(i), walks[i].action);
        assert_int_equal(ward_key_command_hsm(i), walks[i].hsm);
        assert_int_equal(ward_key_command_on_version(i), walks[i].on_version);
        assert_int_equal(ward_action_at_once(walks[i].action), walks[i].at_once);
        assert_true(ward_key_command_find(walks[i].action, &found));
        assert_int_equal(found, i);
        walk(i, walks[i].newest, true);
        walk(i, walks[i].older, false);
    }
    enum ward_key_command found;
    assert_false(ward_key_command_find(WARD_ACTION_KEY_LIST, &found));
    assert_false(ward_key_command_find(WARD_ACTION_NONE, &found));
}

static void every_transition_is_some_commands(void **state)
{
    (void)state;
    for (unsigned s = 1; s <= 7; s++) {
        unsigned reached = s == WARD_KEY_PRE_ACTIVE ? 1u << WARD_KEY_ACTIVE : 0; /* being made */
        for (unsigned i = 0; i < WARD_KEY_COMMAND_COUNT; i++) {
            for (unsigned prior = 0; prior <= 14; prior++) {
                const struct ward_key_move_from from = {
                    .state = s, .prior = prior / 2, .newest = prior % 2};
                enum ward_key_state to = 0;
                if (ward_ok(ward_key_command_leads(i, &from, &to))) {
                    reached |= 1u << to;
                }
            }
        }
        for (unsigned to = 1; to <= 7; to++) {
            assert_int_equal((reached >> to) & 1, ward_key_state_may_move(s, to));
        }
    }
}

static void a_cancelled_destruction_goes_back_to_nothing_but_the_state_before(void **state)
{
    (void)state;
    for (unsigned prior = 0; prior <= 9; prior++) {
        const struct ward_key_move_from from = {.state = WARD_KEY_PENDING_DESTRUCTION,
                                                .prior = prior};
        enum ward_key_state to = 0;
        bool good = prior == WARD_KEY_PRE_ACTIVE || prior == WARD_KEY_DEACTIVATED ||
                    prior == WARD_KEY_COMPROMISED;
        assert_int_equal(
            ward_ok(ward_key_command_leads(WARD_KEY_COMMAND_CANCEL_DESTROY, &from, &to)), good);
        assert_int_equal(to, good ? prior : 0);
    }
}

static void nothing_stops_a_destruction_that_has_begun(void **state)
{
    (void)state;
    const struct ward_key_move_from from = {.state = WARD_KEY_PENDING_DESTRUCTION};
    for (unsigned i = 0; i < WARD_KEY_COMMAND_COUNT; i++) {
        enum ward_key_state to = 0;
        ward_status status = ward_key_command_leads(i, &from, &to);
        if (i == WARD_KEY_COMMAND_DESTROY) {
            assert_true(ward_ok(status));
            continue;
        }
        assert_int_equal(status.code, WARD_E_STATE);
        assert_string_equal(ward_status_refusal(status), "version: its destruction has begun");
    }
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
        cmocka_unit_test(a_use_is_refused_with_the_state_that_forbids_it),
        cmocka_unit_test(every_command_leads_from_every_state_where_the_table_says),
        cmocka_unit_test(every_transition_is_some_commands),
        cmocka_unit_test(a_cancelled_destruction_goes_back_to_nothing_but_the_state_before),
        cmocka_unit_test(nothing_stops_a_destruction_that_has_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
