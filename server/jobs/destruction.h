/* SPDX-License-Identifier: Apache-2.0 */
/* Destroys versions whose waiting is over, in a thread of its own: before each, a ward-hsm that was
 * started for it alone opens every row of the key. */
#ifndef WARD_SERVER_JOBS_DESTRUCTION_H
#define WARD_SERVER_JOBS_DESTRUCTION_H

#include "server/jobs/jobs.h"

struct ward_destroyer;

ward_status ward_destroyer_start(const struct ward_jobs_config *config,
                                 struct ward_destroyer **ret);
void ward_destroyer_stop(struct ward_destroyer *destroyer); /* joins; NULL is fine */

/* Which versions were tried lately, so that one that cannot be destroyed is looked at again in a
 * minute and not at once. */
#define WARD_DESTRUCTIONS_REMEMBERED 64
struct ward_destruction_memory {
    struct {
        struct ward_kek_ref ref;
        int64_t not_before_us; /* monotonic */
    } tried[WARD_DESTRUCTIONS_REMEMBERED];
    size_t next;
    bool told_of_clock; /* since the clocks agreed last */
};

/* One look at all versions. `stopping` may become true meanwhile. */
void ward_destruction_tick(struct ward_pipeline *pipeline, struct ward_kek *kek,
                           struct ward_store_reader *reader, const atomic_bool *stopping,
                           struct ward_destruction_memory *memory);

#endif
