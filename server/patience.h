/* SPDX-License-Identifier: Apache-2.0 */
/* What a start does about a database or an HSM that is away: it waits, for a while. After a crash
 * of the machine all three start at once, and a machine that is busy with that is slow. */
#ifndef WARD_SERVER_PATIENCE_H
#define WARD_SERVER_PATIENCE_H

#include "base/clock.h"
#include "base/status.h"

struct ward_patience {
    const struct ward_clock *clock;
    int64_t until_us; /* monotonic */
    unsigned pause_ms;
    bool told;
};

/* True, after a pause, when what was tried is to be tried again: it was UNAVAILABLE, there is time
 * left, and nobody has asked the process to end (by a SIGTERM or SIGINT that is blocked and waits).
 * The first time is logged. */
bool ward_patience_again(struct ward_patience *patience, ward_status status);
/* Has somebody asked for the end, by a signal that is blocked? */
bool ward_asked_to_end(void);

#endif
