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

/* Which versions were tried within the last minute: one that cannot be destroyed is looked at again
 * after that, and not at once, however many there are. All 0 at first. */
struct ward_destruction_memory {
    struct ward_destruction_tried {
        struct ward_kek_ref ref;
        int64_t again_us; /* monotonic */
    } * tried;            /* sorted by ref */
    size_t n, max;
    bool told_of_clock; /* since the clocks agreed last */
};

/* True: it was not tried lately, and counts as tried from now on. */
bool ward_destruction_may_try(struct ward_destruction_memory *memory,
                              const struct ward_kek_ref *ref, int64_t now_us);
void ward_destruction_forget(struct ward_destruction_memory *memory);

/* One look at all versions. `stopping` may become true meanwhile. */
void ward_destruction_tick(struct ward_pipeline *pipeline, struct ward_kek *kek,
                           struct ward_store_reader *reader, const atomic_bool *stopping,
                           struct ward_destruction_memory *memory);

#endif
