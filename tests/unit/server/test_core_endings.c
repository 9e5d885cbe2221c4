/* SPDX-License-Identifier: Apache-2.0 */
/* What ends is told at each step, once, and again where there is news. */
#include "server/jobs/endings.h"

#include <string.h>

#include "tests/unit/server/core_log.h"

#define HOUR_US (3600LL * 1000000)
#define DAY_US (24 * HOUR_US)

static struct core_world world;
static struct core_node node;
static struct ward_endings endings;
static struct ward_endings_told told;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    memset(&endings, 0, sizeof(endings));
    memset(&told, 0, sizeof(told));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

static int64_t now_us(void)
{
    return ward_wall_us(&world.clock.base);
}

/* One more, which has begun long ago. */
static struct ward_ending *add(enum ward_ending_of of, uint8_t name, int64_t end_us)
{
    struct ward_ending *ending = &endings.of[of][endings.n[of]++];
    memset(ending->sha256, name, sizeof(ending->sha256));
    ending->begin_us = now_us() - 400 * DAY_US;
    ending->end_us = end_us;
    return ending;
}

static size_t alarms(const char *kind)
{
    struct core_log log;
    size_t n = 0;
    core_log_open(&log, &world);
    for (size_t i = 0; i < log.n; i++) {
        n += strcmp(core_text(log.leaves[i], "action"), "system.alarm") == 0 &&
             strcmp(core_detail(log.leaves[i], "alarm"), kind) == 0;
    }
    core_log_close(&log);
    return n;
}

/* How many alarms of this kind there are after another look, in the log and in the metric. */
static size_t looked(enum ward_alarm alarm)
{
    ward_endings_tick(&node.pipeline, &endings, &told);
    size_t n = alarms(ward_alarm_kind(alarm));
    assert_int_equal(node.pipeline.alarms.raised[alarm], n);
    return n;
}

static void pass_days(int days)
{
    world.clock.ahead_us += days * DAY_US;
}

static void a_date_that_is_none_is_told_once_as_over(void **state)
{
    (void)state;
    add(WARD_ENDING_OF_CLIENT_CRL, 1, 0)->begin_us = 0;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(looked(WARD_ALARM_CLIENT_CRL), 1);
        pass_days(100);
    }
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = log.leaves[log.n - 1];
    assert_string_equal(core_detail(leaf, "not_after"), "");
    assert_int_equal(core_detail_number(leaf, "seconds_left"), -1);
    core_log_close(&log);
}

static void the_year_9999_is_not_told(void **state)
{
    (void)state;
    add(WARD_ENDING_OF_CERTIFICATE, 1, 253402300799000000LL);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 0);
    pass_days(10000);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 0);
}

static void what_has_ended_is_told_once(void **state)
{
    (void)state;
    add(WARD_ENDING_OF_CERTIFICATE, 1, now_us() - DAY_US);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 1);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 1);
}

static void each_step_is_told_once(void **state)
{
    (void)state;
    add(WARD_ENDING_OF_CLIENT_CA, 7, now_us() + 31 * DAY_US);
    static const struct {
        int days;
        size_t alarms;
    } steps[] = {{0, 0}, {2, 1}, {10, 1}, {12, 2}, {5, 2}, {1, 3}, {2, 4}, {100, 4}};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        pass_days(steps[i].days);
        assert_int_equal(looked(WARD_ALARM_CLIENT_CA), steps[i].alarms);
        assert_int_equal(looked(WARD_ALARM_CLIENT_CA), steps[i].alarms);
    }
}

static void steps_that_were_slept_through_are_one_alarm(void **state)
{
    (void)state;
    add(WARD_ENDING_OF_CERTIFICATE, 1, now_us() + 100 * DAY_US);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 0);
    pass_days(95);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 1);
}

static void the_entry_says_which_when_and_what_to_do(void **state)
{
    (void)state;
    add(WARD_ENDING_OF_CERTIFICATE, 0xab, now_us() + 6 * DAY_US);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 1);
    char end[WARD_TIME_TEXT_SIZE];
    ward_time_print(endings.of[WARD_ENDING_OF_CERTIFICATE][0].end_us, end);
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = log.leaves[log.n - 1];
    assert_string_equal(core_text(leaf, "action"), "system.alarm");
    assert_string_equal(core_text(leaf, "identity"), "system");
    assert_string_equal(core_text(leaf, "outcome"), "allowed");
    assert_string_equal(core_text(leaf, "object"), "sha256:abababababababababababababababab"
                                                   "abababababababababababababababab");
    assert_string_equal(core_detail(leaf, "not_after"), end);
    assert_non_null(strstr(core_detail(leaf, "text"), "send SIGHUP"));
    assert_in_range(core_detail_number(leaf, "seconds_left"), 5 * 86400, 6 * 86400);
    core_log_close(&log);
}

static void one_that_comes_in_its_place_is_told_for_itself(void **state)
{
    (void)state;
    struct ward_ending *ending = add(WARD_ENDING_OF_CERTIFICATE, 1, now_us() + 6 * DAY_US);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 1);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 1); /* the same file, read anew */
    memset(ending->sha256, 2, sizeof(ending->sha256));
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 2);
    ending->end_us += 400 * DAY_US;
    memset(ending->sha256, 3, sizeof(ending->sha256));
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 2);
    assert_int_equal(told.n, 1);
}

static void one_certificate_in_two_places_is_told_for_both(void **state)
{
    (void)state;
    add(WARD_ENDING_OF_CERTIFICATE, 1, now_us() + 6 * DAY_US);
    add(WARD_ENDING_OF_CLIENT_CA, 1, now_us() + 6 * DAY_US);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 1);
    assert_int_equal(looked(WARD_ALARM_CLIENT_CA), 1);
}

static void a_clock_that_swings_about_a_step_is_no_news(void **state)
{
    (void)state;
    add(WARD_ENDING_OF_CERTIFICATE, 1, now_us() + 7 * DAY_US - HOUR_US);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 1);
    for (unsigned i = 0; i < 3; i++) {
        world.clock.ahead_us -= 2 * HOUR_US;
        assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 1);
        world.clock.ahead_us += 2 * HOUR_US;
        assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 1);
    }
}

/* As one that was set a year ahead by mistake, and put right. */
static void a_clock_that_went_back_far_has_steps_told_anew(void **state)
{
    (void)state;
    add(WARD_ENDING_OF_CERTIFICATE, 1, now_us() + 31 * DAY_US);
    pass_days(365);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 1);
    pass_days(-365);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 1);
    pass_days(2);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 2);
    pass_days(30);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 3);
}

static enum ward_commit_outcome away(void *arg, const struct ward_commit *commit, bool *ret_happens)
{
    (void)arg;
    (void)commit;
    (void)ret_happens;
    return WARD_COMMIT_FAILED;
}

static void an_alarm_that_could_not_be_written_is_tried_again(void **state)
{
    (void)state;
    add(WARD_ENDING_OF_CERTIFICATE, 1, now_us() + DAY_US / 2);
    ward_store_memory_set_fault(world.store, away, NULL);
    ward_endings_tick(&node.pipeline, &endings, &told);
    ward_store_memory_set_fault(world.store, NULL, NULL);
    assert_int_equal(node.pipeline.alarms.raised[WARD_ALARM_CERTIFICATE], 0);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 1);
    assert_int_equal(looked(WARD_ALARM_CERTIFICATE), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(a_date_that_is_none_is_told_once_as_over),
        T(the_year_9999_is_not_told),
        T(what_has_ended_is_told_once),
        T(each_step_is_told_once),
        T(steps_that_were_slept_through_are_one_alarm),
        T(the_entry_says_which_when_and_what_to_do),
        T(one_that_comes_in_its_place_is_told_for_itself),
        T(one_certificate_in_two_places_is_told_for_both),
        T(a_clock_that_swings_about_a_step_is_no_news),
        T(a_clock_that_went_back_far_has_steps_told_anew),
        T(an_alarm_that_could_not_be_written_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
