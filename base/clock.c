/* SPDX-License-Identifier: Apache-2.0 */
/* The system's two clocks, one for tests, and the one text form of a time. Every audit leaf carries
 * such a text, so it is made by arithmetic, without libc's calendar or printf. */
#include "base/clock.h"

#include <stdbool.h>
#include <time.h>

#define US_PER_SECOND 1000000
#define SECONDS_PER_DAY 86400
#define WALL_US_MAX 253402300799999999 /* the last microsecond of the year 9999 */

static int64_t read_clock(clockid_t id)
{
    struct timespec now = {0};
    (void)clock_gettime(id, &now); /* fails only for a bad id */
    return (int64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

static int64_t system_wall_us(const struct ward_clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic_us(const struct ward_clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_MONOTONIC);
}

const struct ward_clock ward_clock_system = {.wall_us = system_wall_us,
                                             .monotonic_us = system_monotonic_us};

static int64_t fake_wall_us(const struct ward_clock *clock)
{
    return clock->fake_wall_us;
}

static int64_t fake_monotonic_us(const struct ward_clock *clock)
{
    return clock->fake_monotonic_us;
}

void ward_clock_fake(struct ward_clock *clock, int64_t wall_us)
{
    *clock = (struct ward_clock){
        .wall_us = fake_wall_us, .monotonic_us = fake_monotonic_us, .fake_wall_us = wall_us};
}

struct date {
    unsigned year, month, day;
};

static bool leap_year(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && leap_year(year) ? 29 : days[month - 1];
}

/* Days of the years 1 to year - 1 of the Gregorian calendar. */
static unsigned days_before_year(unsigned year)
{
    unsigned past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400;
}

#define DAYS_BEFORE_1970 719162u

static struct date date_of_day(unsigned day)
{
    /* Guessed from the average year, which is off by one at most. */
    unsigned year = 1970 + (unsigned)((uint64_t)day * 400 / 146097);
    while (days_before_year(year) - DAYS_BEFORE_1970 > day) {
        year--;
    }
    while (days_before_year(year + 1) - DAYS_BEFORE_1970 <= day) {
        year++;
    }
    unsigned rest = day - (days_before_year(year) - DAYS_BEFORE_1970), month = 1;
    while (rest >= days_of_month(year, month)) {
        rest -= days_of_month(year, month);
        month++;
    }
    return (struct date){year, month, rest + 1};
}

static void put_digits(char *out, unsigned v, int n)
{
    while (n-- > 0) {
        out[n] = (char)('0' + v % 10);
        v /= 10;
    }
}

void ward_time_print(int64_t wall_us, char out[static WARD_TIME_TEXT_SIZE])
{
    static const char form[WARD_TIME_TEXT_SIZE] = "0000-00-00T00:00:00.000000Z";
    /* A clock that is off by millennia must not make a text of another size. */
    if (wall_us < 0) {
        wall_us = 0;
    } else if (wall_us > WALL_US_MAX) {
        wall_us = WALL_US_MAX;
    }
    uint64_t seconds = (uint64_t)wall_us / US_PER_SECOND;
    unsigned second = (unsigned)(seconds % SECONDS_PER_DAY);
    struct date date = date_of_day((unsigned)(seconds / SECONDS_PER_DAY));
    __builtin_memcpy(out, form, sizeof(form));
    put_digits(out, date.year, 4);
    put_digits(out + 5, date.month, 2);
    put_digits(out + 8, date.day, 2);
    put_digits(out + 11, second / 3600, 2);
    put_digits(out + 14, second / 60 % 60, 2);
    put_digits(out + 17, second % 60, 2);
    put_digits(out + 20, (unsigned)((uint64_t)wall_us % US_PER_SECOND), 6);
}

/* The number of n digits at text, or -1. */
static int get_digits(const char *text, int n)
{
    int v = 0;
    for (int i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        v = v * 10 + (text[i] - '0');
    }
    return v;
}

int ward_time_parse(const char *text, size_t size, int64_t *ret_wall_us)
{
    if (size != WARD_TIME_TEXT_SIZE - 1 || text[4] != '-' || text[7] != '-' || text[10] != 'T' ||
        text[13] != ':' || text[16] != ':' || text[19] != '.' || text[26] != 'Z') {
        return false;
    }
    int year = get_digits(text, 4), month = get_digits(text + 5, 2), day = get_digits(text + 8, 2);
    int hour = get_digits(text + 11, 2), minute = get_digits(text + 14, 2);
    int second = get_digits(text + 17, 2), us = get_digits(text + 20, 6);
    if (year < 1970 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 59 || us < 0 ||
        (unsigned)day > days_of_month((unsigned)year, (unsigned)month)) {
        return false;
    }
    unsigned days = days_before_year((unsigned)year) - DAYS_BEFORE_1970 + (unsigned)day - 1;
    for (int m = 1; m < month; m++) {
        days += days_of_month((unsigned)year, (unsigned)m);
    }
    int64_t seconds = (int64_t)days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    *ret_wall_us = seconds * US_PER_SECOND + us;
    return true;
}
