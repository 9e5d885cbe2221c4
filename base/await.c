/* SPDX-License-Identifier: Apache-2.0 */
/* Waits awake as long as the peer has answered in time before, asleep otherwise. */
#include "base/await.h"

#include <sched.h>

#include "base/clock.h"

#define LATE_MAX 63
#define SHARED_US 20 /* since the last look: then somebody else ran */

int ward_await(struct ward_await *await, struct pollfd *what, int timeout_ms)
{
    if (await == NULL || await->many) {
        return poll(what, 1, timeout_ms);
    }
    if (await->asleep > 0) {
        await->asleep--;
        return poll(what, 1, timeout_ms);
    }
    int64_t now_us = ward_monotonic_us(&ward_clock_system), until_us = now_us + WARD_AWAKE_US;
    while (now_us < until_us) {
        int ready = poll(what, 1, 0);
        if (ready != 0 || timeout_ms == 0) {
            await->late = 0;
            return ready;
        }
        int64_t before_us = now_us;
        (void)sched_yield(); /* cannot fail on Linux */
        now_us = ward_monotonic_us(&ward_clock_system);
        if (now_us - before_us > SHARED_US) {
            return poll(what, 1, timeout_ms); /* the core is not idle: it need not be woken */
        }
    }
    await->late = (uint8_t)(await->late < LATE_MAX ? 2 * await->late + 1 : LATE_MAX);
    await->asleep = await->late;
    return poll(what, 1, timeout_ms);
}
