/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the ticks that looks after how often keys have wrapped. */
#ifndef WARD_SERVER_JOBS_ROTATION_H
#define WARD_SERVER_JOBS_ROTATION_H

#include "server/rpc/pipeline.h"

/* Rotates what has reached the soft limit, one after the other, and forgets versions that wrap no
 * more. Does nothing where wraps are not counted. trimmed_epoch: the caller keeps it, 0 at first.
 */
void ward_rotation_tick(struct ward_pipeline *pipeline, struct ward_store_reader *reader,
                        uint64_t *trimmed_epoch);

#endif
