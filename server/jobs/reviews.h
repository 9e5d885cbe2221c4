/* SPDX-License-Identifier: Apache-2.0 */
/* How much ran on one signature, or on none, and waits for an officer's review. */
#ifndef WARD_SERVER_JOBS_REVIEWS_H
#define WARD_SERVER_JOBS_REVIEWS_H

#include "server/rpc/pipeline.h"

/* Proposals that one turn looks at: verifying a review of each takes a tenth of a second at most,
 * and the thread has heartbeats and checkpoints to send besides. */
#define WARD_REVIEWS_TURN 100u

/* Zeroed at first. */
struct ward_reviews {
    atomic_uint_fast64_t unreviewed; /* by the last count that came to its end; any thread */
    uint64_t counted_epoch;          /* when that began */
    /* The count under way: how far it is, newest first. */
    bool counting;
    uint64_t epoch, found;
    int64_t before_us;
    struct ward_id before_id;
};

/* One turn of a count, which begins when the epoch has moved since the last one began: every such
 * act and every review moves it. True while there is more to count; a database that is away leaves
 * the count where it is. */
bool ward_reviews_tick(struct ward_pipeline *pipeline, struct ward_store_reader *reader,
                       struct ward_reviews *reviews);

#endif
