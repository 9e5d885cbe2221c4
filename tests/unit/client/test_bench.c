/* SPDX-License-Identifier: Apache-2.0 */
/* What bench makes of what it measured. */
#include "tests/unit/client/check.h"

#include "client/cli/bench.h"

static void percentiles_are_within_three_percent(void **state)
{
    (void)state;
    static struct bench_histogram histogram;
    assert_true(bench_histogram_ms(&histogram, 0.5) < 1e-9);
    for (uint64_t us = 1; us <= 100000; us++) {
        bench_histogram_add(&histogram, us);
    }
    double p50 = bench_histogram_ms(&histogram, 0.50), p99 = bench_histogram_ms(&histogram, 0.99);
    assert_true(p50 > 48.5 && p50 < 51.5);
    assert_true(p99 > 96.0 && p99 < 102.0);
    bench_histogram_add(&histogram, UINT64_MAX); /* lands in the last bucket */
    assert_true(bench_histogram_ms(&histogram, 1.0) > 1e6);
}

static bool fine(const char *answer, size_t size, uint32_t results)
{
    struct ward_bytes text;
    return bench_answer_fine(WARD_BYTES(answer, size), results, &text);
}
#define FINE(literal, results) fine("" literal, sizeof(literal) - 1, (results))

static void an_item_that_is_an_error_is_seen_without_unpacking(void **state)
{
    (void)state;
    assert_true(FINE("\x0a\x02\x10\x01\x0a\x00", 2));
    assert_false(FINE("\x0a\x02\x10\x01\x0a\x00", 1));
    assert_false(FINE("\x0a\x02\x0a\x00", 1)); /* results[0].error */
    assert_false(FINE("\x0a\x05\x10\x01", 1)); /* cut */
    assert_false(FINE("\x0a", 1));
    assert_false(FINE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0));
    assert_false(FINE("", 1));
    struct ward_bytes text;
    assert_false(
        bench_answer_fine(WARD_BYTES_LITERAL("\x0a\x08\x0a\x06\x08\x05\x12\x02no"), 1, &text));
    assert_true(ward_bytes_eq(text, WARD_BYTES_LITERAL("no")));
}

/* ---- what the host stole ---- */

static struct bench_jiffies jiffies(const char *text)
{
    struct bench_jiffies ret;
    assert_true(bench_jiffies_parse(ward_bytes_str(text), &ret));
    return ret;
}

static void stolen_is_told_in_percent_of_all_that_passed(void **state)
{
    (void)state;
    struct bench_jiffies before =
        jiffies("cpu  100 20 30 400 5 6 7 50 90 9\ncpu0 1 1 1 1 1 1 1 1\n");
    assert_int_equal(before.stolen, 50);
    assert_int_equal(before.all, 618); /* guests are in the first two */
    struct bench_jiffies after = jiffies("cpu  160 20 40 410 5 6 7 70\n");
    double stolen = bench_stolen_percent(&before, &after);
    assert_true(stolen > 19.99 && stolen < 20.01);
    assert_true(bench_stolen_percent(&before, &before) < 0);
    assert_true(bench_stolen_percent(&after, &before) < 0);
    const struct bench_jiffies none = {0};
    assert_true(bench_stolen_percent(&none, &after) < 0);
    before.stolen = after.stolen;
    assert_true(bench_stolen_percent(&before, &after) > -0.01);
    assert_true(bench_stolen_percent(&before, &after) < 0.01);
}

static void what_is_no_such_list_says_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "cpu",
                                      "cpu  1 2 3 4 5 6 7\ncpu0 1 2 3 4 5 6 7 8\n",
                                      "cpu0 1 2 3 4 5 6 7 8",
                                      "cpu  1 2 3 x 5 6 7 8",
                                      "intr 1 2 3 4 5 6 7 8"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bench_jiffies ret = {1, 1};
        if (bench_jiffies_parse(ward_bytes_str(bad[i]), &ret) || ret.stolen + ret.all != 0) {
            fail_msg("%s", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_within_three_percent),
        cmocka_unit_test(an_item_that_is_an_error_is_seen_without_unpacking),
        cmocka_unit_test(stolen_is_told_in_percent_of_all_that_passed),
        cmocka_unit_test(what_is_no_such_list_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
