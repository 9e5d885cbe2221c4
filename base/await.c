/* SPDX-License-Identifier: Apache-2.0 */
/* Waits awake as long as the peer has answered in time before, asleep otherwise. */
#include "base/await.h"

#include <sched.h>

#include "base/clock.h"

#define LATE_MAX 63

int ward_await(struct ward_await *await, struct pollfd *what, int timeout_ms)
{
    if (await == NULL || await->asleep > 0) {
        if (await != NULL) {
            await->asleep--;
        }
        return poll(what, 1, timeout_ms);
    }
    int64_t until_us = ward_monotonic_us(&ward_clock_system) + WARD_AWAKE_US;
    do {
        int ready = poll(what, 1, 0);
        if (ready != 0 || timeout_ms == 0) {
            await->late = 0;
            return ready;
        }
        (void)sched_yield(); /* cannot fail on Linux */
    } while (ward_monotonic_us(&ward_clock_system) < until_us);
    await->late = (uint8_t)(await->late < LATE_MAX ? 2 * await->late + 1 : LATE_MAX);
    await->asleep = await->late;
    return poll(what, 1, timeout_ms);
}
