/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of time, from their text and against a moment. UTC alone: an hour that comes twice or
 * never, as daylight saving has it, would let a rule hold too long or not at all. Leap seconds are
 * not counted, as in POSIX time. It reads no clock. */
#include "policy/window.h"

static const char names[7][4] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

static bool day_of(struct ward_bytes text, unsigned *ret)
{
    for (unsigned day = 0; day < 7; day++) {
        if (ward_bytes_eq(text, ward_bytes_str(names[day]))) {
            *ret = day;
            return true;
        }
    }
    return false;
}

bool ward_window_days_parse(struct ward_bytes text, uint8_t *days)
{
    unsigned first, last;
    if (text.size == 3 && day_of(text, &first)) {
        *days |= (uint8_t)(1u << first);
        return true;
    }
    if (text.size != 8 || memcmp(text.data + 3, "..", 2) != 0 ||
        !day_of(WARD_BYTES(text.data, 3), &first) || !day_of(WARD_BYTES(text.data + 5, 3), &last)) {
        return false;
    }
    for (unsigned day = first;; day = (day + 1) % 7) {
        *days |= (uint8_t)(1u << day);
        if (day == last) {
            return true;
        }
    }
}

static bool digits(const uint8_t *at, unsigned *ret)
{
    if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9') {
        return false;
    }
    *ret = (unsigned)(at[0] - '0') * 10 + (unsigned)(at[1] - '0');
    return true;
}

bool ward_window_time_parse(struct ward_bytes text, uint16_t *ret)
{
    unsigned hour, minute;
    if (text.size != 5 || text.data[2] != ':' || !digits(text.data, &hour) ||
        !digits(text.data + 3, &minute) || minute > 59 || hour > 24 ||
        (hour == 24 && minute != 0)) {
        return false;
    }
    *ret = (uint16_t)(hour * 60 + minute);
    return true;
}

bool ward_window_has(const struct ward_window *window, int64_t now_us)
{
    int64_t minutes = now_us / 60000000;
    unsigned day =
        (unsigned)((minutes / WARD_WINDOW_DAY_MINUTES + 3) % 7); /* 1970 began Thursday */
    unsigned minute = (unsigned)(minutes % WARD_WINDOW_DAY_MINUTES);
    bool today = (window->days >> day & 1) != 0;
    if (window->from < window->to) {
        return today && minute >= window->from && minute < window->to;
    }
    bool since_yesterday = (window->days >> ((day + 6) % 7) & 1) != 0;
    return minute >= window->from ? today : since_yesterday && minute < window->to;
}
