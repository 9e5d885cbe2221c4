/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ending.h"
#include "tests/unit/base/check.h"

#define SECOND 1000000LL
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define NOW 1700000000000000LL
#define YEAR_9999 253402300799000000LL
#define EXPECT(begin, end, now, step) \
    assert_int_equal(ward_ending_step(begin, end, now), WARD_ENDING_##step)

static void dates_that_are_none_count_as_over(void **state)
{
    (void)state;
    EXPECT(0, 0, NOW, OVER);
    EXPECT(NOW - DAY, 0, NOW, OVER);
    EXPECT(INT64_MIN, INT64_MIN, NOW, OVER);
    EXPECT(INT64_MAX, -1, NOW, OVER);
    EXPECT(0, 0, 0, OVER);
    EXPECT(0, 0, INT64_MIN, OVER);
}

static void the_far_future_is_far_for_every_clock(void **state)
{
    (void)state;
    EXPECT(NOW, YEAR_9999, NOW, FAR);
    EXPECT(0, YEAR_9999, 0, FAR);
    EXPECT(0, INT64_MAX, INT64_MIN, FAR);
    EXPECT(INT64_MIN, INT64_MAX, 1, FAR);
    EXPECT(0, INT64_MAX, INT64_MAX, OVER);
}

static void a_begin_behind_the_end_says_nothing(void **state)
{
    (void)state;
    EXPECT(NOW + 40 * DAY, NOW + 29 * DAY, NOW, MONTH);
    EXPECT(INT64_MAX, NOW + 12 * HOUR, NOW, DAY);
    EXPECT(-5, NOW + 6 * DAY, NOW, WEEK);
}

static void each_step_begins_on_its_second(void **state)
{
    (void)state;
    const int64_t begin = NOW - 300 * DAY;
    EXPECT(begin, NOW + 30 * DAY + 1, NOW, FAR);
    EXPECT(begin, NOW + 30 * DAY, NOW, MONTH);
    EXPECT(begin, NOW + 7 * DAY + 1, NOW, MONTH);
    EXPECT(begin, NOW + 7 * DAY, NOW, WEEK);
    EXPECT(begin, NOW + DAY + 1, NOW, WEEK);
    EXPECT(begin, NOW + DAY, NOW, DAY);
    EXPECT(begin, NOW + 1, NOW, DAY);
    EXPECT(begin, NOW, NOW, OVER);
    EXPECT(begin, NOW - 1000 * DAY, NOW, OVER);
}

static void no_step_begins_before_the_last_third_of_a_life(void **state)
{
    (void)state;
    EXPECT(NOW - 60 * DAY, NOW + 30 * DAY, NOW, MONTH); /* 90 days: as everything longer */
    EXPECT(NOW - 30 * DAY, NOW + 30 * DAY, NOW, FAR);
    EXPECT(NOW - 40 * DAY, NOW + 20 * DAY, NOW, MONTH);
    EXPECT(NOW, NOW + 7 * DAY, NOW, FAR); /* a list that is renewed every day */
    EXPECT(NOW - DAY, NOW + 6 * DAY, NOW, FAR);
    EXPECT(NOW - 5 * DAY, NOW + 2 * DAY, NOW, WEEK);
    EXPECT(NOW - 6 * DAY, NOW + DAY, NOW, DAY);
    EXPECT(NOW - HOUR, NOW + 24 * HOUR, NOW, FAR);
    EXPECT(NOW, NOW + 12 * HOUR, NOW, FAR);
    EXPECT(NOW - 8 * HOUR, NOW + 4 * HOUR, NOW, DAY);
    EXPECT(NOW, NOW + 1, NOW, FAR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_that_are_none_count_as_over),
        cmocka_unit_test(the_far_future_is_far_for_every_clock),
        cmocka_unit_test(a_begin_behind_the_end_says_nothing),
        cmocka_unit_test(each_step_begins_on_its_second),
        cmocka_unit_test(no_step_begins_before_the_last_third_of_a_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
