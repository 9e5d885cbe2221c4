/* SPDX-License-Identifier: Apache-2.0 */
/* Times of the week in UTC at which a rule holds. */
#ifndef WARD_POLICY_WINDOW_H
#define WARD_POLICY_WINDOW_H

#include "base/bytes.h"

/* From inclusive, to exclusive, in minutes of the day. Where to is not after from, the window goes
 * over midnight and belongs to the day on which it begins. */
struct ward_window {
    uint8_t days; /* bit 0 is Monday */
    uint16_t from, to;
};

#define WARD_WINDOW_ALL_DAYS 0x7fu
#define WARD_WINDOW_DAY_MINUTES 1440u

/* "mon", or "mon..fri", which may go over Sunday; adds its days. False when it is neither. */
bool ward_window_days_parse(struct ward_bytes text, uint8_t *days);
/* "07:00", two digits each; "24:00" too. */
bool ward_window_time_parse(struct ward_bytes text, uint16_t *ret);
/* now_us: UTC, after 1970. */
bool ward_window_has(const struct ward_window *window, int64_t now_us);

#endif
