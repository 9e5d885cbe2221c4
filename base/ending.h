/* SPDX-License-Identifier: Apache-2.0 */
/* How near its end something dated is: a certificate, a revocation list. */
#ifndef WARD_BASE_ENDING_H
#define WARD_BASE_ENDING_H

#include <stdint.h>

enum ward_ending_step { /* each is nearer than the one before */
                        WARD_ENDING_FAR,
                        WARD_ENDING_MONTH, /* 30 days */
                        WARD_ENDING_WEEK,
                        WARD_ENDING_DAY,
                        WARD_ENDING_OVER,
};

/* Wall times, microseconds. What lives for days only would be in a step all its life: none begins
 * before the last third of it. begin_us 0, or behind the end: how long it
 * lives is not known. end_us 0: no date that can be read, which counts as over. */
enum ward_ending_step ward_ending_step(int64_t begin_us, int64_t end_us, int64_t now_us);

#endif
