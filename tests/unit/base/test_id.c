/* SPDX-License-Identifier: Apache-2.0 */
/* Ids and times: the one text of each, and all the others that are refused. */
#include "tests/unit/base/check.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/id.h"

static void ids_are_version_4_and_differ(void **state)
{
    (void)state;
    struct ward_id last = {0};
    for (int i = 0; i < 2000; i++) {
        struct ward_id id;
        assert_ok(ward_id_random(&id));
        assert_int_equal(id.bytes[6] >> 4, 4);
        assert_int_equal(id.bytes[8] >> 6, 2);
        assert_false(ward_id_eq(&id, &last));
        last = id;
    }
}

static void ids_made_one_after_the_other_are_neighbours(void **state)
{
    (void)state;
    struct ward_id_run run = {0};
    struct ward_id last = {0};
    for (int i = 0; i < 128 * 256; i++) {
        struct ward_id id;
        assert_ok(ward_id_next(&run, 1795306762123456 + 4096LL * i, &id));
        assert_int_equal(id.bytes[6] >> 4, 8);
        assert_int_equal(id.bytes[8] >> 6, 2);
        assert_true(i % 128 == 0 || memcmp(last.bytes, id.bytes, sizeof(id.bytes)) < 0);
        last = id;
    }
}

static void runs_of_ids_fill_every_part_of_the_range_alike(void **state)
{
    (void)state;
    for (unsigned parts = 2; parts <= 256; parts *= 2) {
        struct ward_id_run run = {0};
        unsigned ids[256] = {0};
        for (unsigned i = 0; i < WARD_ID_RUN * parts; i++) {
            struct ward_id id;
            assert_ok(ward_id_next(&run, 7, &id));
            ids[id.bytes[0] * parts / 256]++;
        }
        for (unsigned i = 0; i < parts; i++) {
            assert_int_equal(ids[i], WARD_ID_RUN);
        }
    }
}

static void ids_of_one_moment_differ(void **state)
{
    (void)state;
    struct ward_id_run runs[2] = {{.begun = true}, {.begun = true}};
    struct ward_id ids[2000];
    for (size_t i = 0; i < 2000; i++) {
        assert_ok(ward_id_next(&runs[i % 2], 7, &ids[i]));
        for (size_t k = 0; k < i; k++) {
            assert_false(ward_id_eq(&ids[k], &ids[i]));
        }
    }
}

static void id_text_is_canonical_and_comes_back(void **state)
{
    (void)state;
    struct ward_id id = {{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x46, 0x77, 0x88, 0x99, 0xaa, 0xbb,
                          0xcc, 0xdd, 0xee, 0xff}};
    struct ward_id back;
    char text[WARD_ID_TEXT_SIZE];
    ward_id_print(&id, text);
    assert_string_equal(text, "00112233-4455-4677-8899-aabbccddeeff");
    assert_true(ward_id_parse(ward_bytes_str(text), &back));
    assert_true(ward_id_eq(&id, &back));
    assert_true(ward_bytes_eq(ward_id_view(&back), WARD_BYTES_ARRAY(id.bytes)));
}

static void any_other_id_text_is_refused(void **state)
{
    (void)state;
    const char *bad[] = {
        "",
        "00112233-4455-4677-8899-aabbccddeef",
        "00112233-4455-4677-8899-aabbccddeefff",
        "00112233-4455-4677-8899-AABBCCDDEEFF",
        "00112233445546778899aabbccddeeff",
        "00112233-44554-677-8899-aabbccddeeff",
        "00112233-4455-4677-8899-aabbccddeefg",
        "{0112233-4455-4677-8899-aabbccddeef}",
        " 0112233-4455-4677-8899-aabbccddeeff",
        "00112233_4455_4677_8899_aabbccddeeff",
        "0011223--4455-4677-8899-aabbccddeeff",
    };
    struct ward_id id = {{7}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(ward_id_parse(ward_bytes_str(bad[i]), &id));
    }
    char text[] = "00112233-4455-4677-8899-aabbccddeeff";
    text[20] = '\0';
    assert_false(ward_id_parse(WARD_BYTES(text, 36), &id));
    assert_false(ward_id_parse((struct ward_bytes){0}, &id));
    assert_int_equal(id.bytes[0], 7);
}

static void random_fills_every_size_to_its_last_byte(void **state)
{
    (void)state;
    static uint8_t out[70001];
    const size_t sizes[] = {0, 1, 12, 16, 1000, 1023, 1024, 4095, 4096, 4097, 70000};
    for (size_t i = 0; i < 11; i++) {
        uint8_t seen = 0;
        memset(out, 0, sizeof(out));
        for (int k = 0; k < 40 && seen == 0 && sizes[i] > 0; k++) {
            assert_ok(ward_random(out, sizes[i]));
            seen = out[sizes[i] - 1];
        }
        assert_true(sizes[i] == 0 || seen != 0);
        assert_int_equal(out[sizes[i]], 0);
    }
    assert_ok(ward_random(NULL, 0));
}

static void *draw_in_thread(void *out)
{
    return ward_ok(ward_random(out, 16)) ? out : NULL;
}

static void threads_draw_different_bytes(void **state)
{
    (void)state;
    uint8_t out[8][16];
    for (size_t i = 0; i < 8; i++) { /* one after the other: thread exits are exercised too */
        pthread_t thread;
        void *result = NULL;
        assert_int_equal(pthread_create(&thread, NULL, draw_in_thread, out[i]), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, out[i]);
        for (size_t k = 0; k < i; k++) {
            assert_memory_not_equal(out[k], out[i], 16);
        }
    }
}

static const struct {
    int64_t us;
    const char *text;
} times[] = {
    {0, "1970-01-01T00:00:00.000000Z"},
    {1, "1970-01-01T00:00:00.000001Z"},
    {951782399999999, "2000-02-28T23:59:59.999999Z"},
    {951782400000000, "2000-02-29T00:00:00.000000Z"},
    {951868800000000, "2000-03-01T00:00:00.000000Z"},
    {1795306762123456, "2026-11-22T00:19:22.123456Z"},
    {4107542399000000, "2100-02-28T23:59:59.000000Z"},
    {4107542400000000, "2100-03-01T00:00:00.000000Z"},
    {253402300799999999, "9999-12-31T23:59:59.999999Z"},
};

static void times_print_and_parse_as_rfc_3339(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        char text[WARD_TIME_TEXT_SIZE];
        int64_t back = -1;
        ward_time_print(times[i].us, text);
        assert_string_equal(text, times[i].text);
        assert_true(ward_time_parse(text, 27, &back));
        assert_true(back == times[i].us);
    }
}

/* Against libc's calendar, one moment a day and a bit, to the year 9999. */
static void times_agree_with_libc(void **state)
{
    (void)state;
    for (int64_t second = 0; second < 253402300800; second += 86400 * 3 + 12345) {
        char text[WARD_TIME_TEXT_SIZE], expected[64];
        time_t t = (time_t)second;
        struct tm tm;
        int64_t back = -1;
        assert_non_null(gmtime_r(&t, &tm));
        assert_int_equal(strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.000000Z", &tm),
                         27);
        ward_time_print(second * 1000000, text);
        if (strcmp(text, expected) != 0) {
            fail_msg("%s is printed as %s", expected, text);
        }
        assert_true(ward_time_parse(text, 27, &back) && back == second * 1000000);
    }
}

static void times_out_of_range_keep_their_form(void **state)
{
    (void)state;
    char text[WARD_TIME_TEXT_SIZE];
    ward_time_print(-1, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
    ward_time_print(INT64_MIN, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
    ward_time_print(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
}

static void any_other_time_text_is_refused(void **state)
{
    (void)state;
    const char *bad[] = {
        "",
        "2026-11-22T00:19:22.123456",
        "2026-11-22T00:19:22.123456z",
        "2026-11-22t00:19:22.123456Z",
        "2026-11-22 00:19:22.123456Z",
        "2026-11-22T00:19:22.12345Z",
        "2026-11-22T00:19:22.1234567Z",
        "2026-11-22T00:19:22,123456Z",
        "2026-11-22T00:19:22.12345+0",
        "1969-12-31T23:59:59.999999Z",
        "0000-01-01T00:00:00.000000Z",
        "2026-00-22T00:19:22.123456Z",
        "2026-13-22T00:19:22.123456Z",
        "2026-11-00T00:19:22.123456Z",
        "2026-11-31T00:19:22.123456Z",
        "2026-02-29T00:19:22.123456Z",
        "2100-02-29T00:19:22.123456Z",
        "2026-11-22T24:00:00.000000Z",
        "2026-11-22T23:60:00.000000Z",
        "2026-11-22T23:59:60.000000Z",
        "+026-11-22T00:19:22.123456Z",
        "2026-1 -22T00:19:22.123456Z",
        "2026-11-22T00:19:22.-23456Z",
        "2026/11/22T00:19:22.123456Z",
    };
    int64_t us = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(ward_time_parse(bad[i], strlen(bad[i]), &us));
    }
    assert_false(ward_time_parse(times[0].text, 28, &us));
    assert_false(ward_time_parse(times[0].text, 26, &us));
    assert_false(ward_time_parse(NULL, 0, &us));
    assert_true(us == 7);
}

static void clocks_give_what_they_are_asked_for(void **state)
{
    (void)state;
    struct ward_clock clock;
    ward_clock_fake(&clock, 42);
    assert_true(ward_wall_us(&clock) == 42 && ward_monotonic_us(&clock) == 0);
    clock.fake_wall_us = 43;
    clock.fake_monotonic_us = 1;
    assert_true(ward_wall_us(&clock) == 43 && ward_monotonic_us(&clock) == 1);
    int64_t before = ward_monotonic_us(&ward_clock_system);
    assert_true(ward_wall_us(&ward_clock_system) > 1600000000000000);
    assert_true(ward_monotonic_us(&ward_clock_system) >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_version_4_and_differ),
        cmocka_unit_test(ids_made_one_after_the_other_are_neighbours),
        cmocka_unit_test(runs_of_ids_fill_every_part_of_the_range_alike),
        cmocka_unit_test(ids_of_one_moment_differ),
        cmocka_unit_test(id_text_is_canonical_and_comes_back),
        cmocka_unit_test(any_other_id_text_is_refused),
        cmocka_unit_test(random_fills_every_size_to_its_last_byte),
        cmocka_unit_test(threads_draw_different_bytes),
        cmocka_unit_test(times_print_and_parse_as_rfc_3339),
        cmocka_unit_test(times_agree_with_libc),
        cmocka_unit_test(times_out_of_range_keep_their_form),
        cmocka_unit_test(any_other_time_text_is_refused),
        cmocka_unit_test(clocks_give_what_they_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
