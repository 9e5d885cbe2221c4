/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the ticks that looks after how often keys have wrapped. */
#ifndef WARD_SERVER_JOBS_ROTATION_H
#define WARD_SERVER_JOBS_ROTATION_H

#include "server/rpc/pipeline.h"

struct ward_wraps_left {
    const struct ward_key *key; /* of the state */
    uint32_t version;
    uint64_t left;
};

/* Rotates what has reached the soft limit, one after the other, and forgets versions that wrap no
 * more. Does nothing where wraps are not counted. trimmed_epoch is the caller's, 0 at first. */
void ward_rotation_tick(struct ward_pipeline *pipeline, struct ward_store_reader *reader,
                        uint64_t *trimmed_epoch);
/* The active versions with the fewest wraps left as far as this node knows, fewest first, at most
 * `max`. ret_due: how many are past the soft limit. */
size_t ward_rotation_fewest_left(const struct ward_pipeline *pipeline,
                                 const struct ward_state *state, struct ward_wraps_left *ret,
                                 size_t max, size_t *ret_due);

#endif
