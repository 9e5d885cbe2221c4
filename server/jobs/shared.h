/* SPDX-License-Identifier: Apache-2.0 */
/* A client certificate that is in use in two places at once is told: an entry and an alarm. */
#ifndef WARD_SERVER_JOBS_SHARED_H
#define WARD_SERVER_JOBS_SHARED_H

#include "server/net/shared.h"
#include "server/rpc/pipeline.h"

/* False where it could not be written: to be tried again. */
bool ward_shared_tell(struct ward_pipeline *pipeline, const struct ward_shared *shared);

#endif
