/* SPDX-License-Identifier: Apache-2.0 */
/* A client certificate that is in use in two places at once is told: an entry and an alarm.
 * Daemons tell each other where certificates are in use, so that two places are seen though each
 * has its own. */
#ifndef WARD_SERVER_JOBS_SHARED_H
#define WARD_SERVER_JOBS_SHARED_H

#include "server/jobs/jobs.h"

/* False where it could not be written: to be tried again. */
bool ward_shared_tell(struct ward_pipeline *pipeline, const struct ward_shared *shared);
/* Tells other daemons what was heard here, and hands on what they heard at the same time. What
 * cannot be told now is not told later. */
void ward_shared_exchange(const struct ward_jobs_config *config, struct ward_store_reader *reader,
                          const struct ward_sighting *heard, size_t n);

#endif
