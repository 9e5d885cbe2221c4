/* SPDX-License-Identifier: Apache-2.0 */
/* How much ran on one signature, or on none, and waits for an officer's review. */
#ifndef WARD_SERVER_JOBS_REVIEWS_H
#define WARD_SERVER_JOBS_REVIEWS_H

#include "server/rpc/pipeline.h"

/* Counts anew when the epoch has moved since, which every such act and every review does.
 * counted_epoch is the caller's, 0 at first; *count is left alone when it cannot be counted. */
void ward_reviews_tick(struct ward_pipeline *pipeline, struct ward_store_reader *reader,
                       uint64_t *counted_epoch, atomic_uint_fast64_t *count);

#endif
