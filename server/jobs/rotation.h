/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the ticks that looks after how long and how often keys have wrapped. */
#ifndef WARD_SERVER_JOBS_ROTATION_H
#define WARD_SERVER_JOBS_ROTATION_H

#include "server/rpc/pipeline.h"

/* An active version and how much of what it may be is left. */
struct ward_key_left {
    const struct ward_key *key; /* of the state */
    uint32_t version;
    uint64_t wraps_left;
    double period_used; /* its age against the key's period; 0: the key has none */
};

/* Of the caller, all 0 at first. */
struct ward_rotation_memory {
    uint64_t trimmed_epoch, looked_epoch;
    size_t next; /* the key that the next tick begins with: each has its turn, whatever fails */
};

/* Has anything changed since the last tick? What a compromise leaves without a version that wraps
 * is then due at once. */
bool ward_rotation_news(const struct ward_pipeline *pipeline,
                        const struct ward_rotation_memory *memory);
/* Rotates what is due, one after the other and some at a time, and forgets versions that wrap no
 * more. Wraps are looked at where they are counted. */
void ward_rotation_tick(struct ward_pipeline *pipeline, struct ward_store_reader *reader,
                        struct ward_rotation_memory *memory);
/* The active versions with the fewest wraps left as far as this node knows, fewest first, at most
 * `max`; none where wraps are not counted. */
size_t ward_rotation_fewest_left(const struct ward_pipeline *pipeline,
                                 const struct ward_state *state, struct ward_key_left *ret,
                                 size_t max);
/* Those that have used most of their period, most first, at most `max`. */
size_t ward_rotation_oldest(const struct ward_pipeline *pipeline, const struct ward_state *state,
                            struct ward_key_left *ret, size_t max);
/* How many are due, for whatever reason. */
size_t ward_rotation_n_due(const struct ward_pipeline *pipeline, const struct ward_state *state);

#endif
