/* SPDX-License-Identifier: Apache-2.0 */
/* Time as a parameter: code asks the clock that it was given, tests give one that they turn. */
#ifndef WARD_BASE_CLOCK_H
#define WARD_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define WARD_TIME_TEXT_SIZE 28 /* 2026-11-22T00:19:22.123456Z and NUL */

struct ward_clock {
    int64_t (*wall_us)(const struct ward_clock *clock);      /* UTC since 1970, microseconds */
    int64_t (*monotonic_us)(const struct ward_clock *clock); /* never goes back */
    int64_t fake_wall_us, fake_monotonic_us;                 /* used by ward_clock_fake alone */
};

extern const struct ward_clock ward_clock_system;
/* A clock that stands still until its two fields are set. */
void ward_clock_fake(struct ward_clock *clock, int64_t wall_us);

static inline int64_t ward_wall_us(const struct ward_clock *clock)
{
    return clock->wall_us(clock);
}
static inline int64_t ward_monotonic_us(const struct ward_clock *clock)
{
    return clock->monotonic_us(clock);
}

/* RFC 3339, UTC, microseconds, always 27 characters. Years 1970..9999. */
void ward_time_print(int64_t wall_us, char out[static WARD_TIME_TEXT_SIZE]);
/* Exactly that form; false on anything else. */
int ward_time_parse(const char *text, size_t size, int64_t *ret_wall_us);

#endif
