/* SPDX-License-Identifier: Apache-2.0 */
/* Places where a test may end the process or make a step fail: HSM and database share no
 * transaction, so what a crash between two steps leaves has to be tried at each. Only in builds
 * with -Dfailpoints=true; in every other build a failpoint is nothing, and a test says so. */
#ifndef WARD_BASE_FAILPOINT_H
#define WARD_BASE_FAILPOINT_H

#include "base/clock.h"
#include "base/status.h"

#ifdef WARD_FAILPOINTS
/* What the environment's WARD_FAILPOINT asks for at this place, "name=kill" or "name=error", each
 * perhaps with @N for the N-th time alone: SIGKILL to ourselves, or UNAVAILABLE. Several are
 * divided by commas. */
ward_status ward_failpoint(const char *name);
/* The system's clocks, the wall clock WARD_CLOCK_OFFSET_S seconds ahead. */
const struct ward_clock *ward_failpoint_clock(void);
/* By how much: what the database says of the time moves with it, as the hosts of a deployment do.
 */
int64_t ward_failpoint_offset_us(void);
#else
static inline ward_status ward_failpoint(const char *name)
{
    (void)name;
    return WARD_OK;
}
static inline const struct ward_clock *ward_failpoint_clock(void)
{
    return &ward_clock_system;
}
static inline int64_t ward_failpoint_offset_us(void)
{
    return 0;
}
#endif

#endif
