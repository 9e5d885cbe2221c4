/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Dates come out of files: any of them may be nonsense. */
#include "base/ending.h"

#define DAY_US (24LL * 3600 * 1000000)

static int64_t begins_with(int64_t step_us, int64_t life_us)
{
    return life_us / 3 > step_us ? step_us : life_us / 3;
}

enum ward_ending_step ward_ending_step(int64_t begin_us, int64_t end_us, int64_t now_us)
{
    int64_t now = now_us > 0 ? now_us : 0;
    if (end_us <= now) {
        return WARD_ENDING_OVER;
    }
    int64_t life_us = begin_us > 0 && begin_us < end_us ? end_us - begin_us : INT64_MAX;
    int64_t left_us = end_us - now;
    if (left_us <= begins_with(DAY_US, life_us)) {
        return WARD_ENDING_DAY;
    }
    if (left_us <= begins_with(7 * DAY_US, life_us)) {
        return WARD_ENDING_WEEK;
    }
    return left_us <= begins_with(30 * DAY_US, life_us) ? WARD_ENDING_MONTH : WARD_ENDING_FAR;
}
