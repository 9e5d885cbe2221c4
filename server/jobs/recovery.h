/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the ticks that takes up what a crash left between an intent and its outcome. */
#ifndef WARD_SERVER_JOBS_RECOVERY_H
#define WARD_SERVER_JOBS_RECOVERY_H

#include "server/rpc/pipeline.h"

/* started_us: at the start of the daemon alone, when it was. NULL: any time later. */
void ward_recovery_tick(struct ward_pipeline *pipeline, struct ward_store_reader *reader,
                        const int64_t *started_us);
/* One intent of the snapshot. */
ward_status ward_recovery_take_up(struct ward_pipeline *pipeline,
                                  const struct ward_store_snapshot *snapshot,
                                  const struct ward_store_intent *intent);

#endif
