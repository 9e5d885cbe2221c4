/* SPDX-License-Identifier: Apache-2.0 */
/* A request by identity "system", sent down the one path and waited for. */
#ifndef WARD_SERVER_JOBS_INTERNAL_H
#define WARD_SERVER_JOBS_INTERNAL_H

#include "server/rpc/pipeline.h"

/* Makes a request for op with a zeroed input of `in_size` bytes in its arena. */
ward_status ward_internal_new(const struct ward_op *op, size_t in_size, size_t budget,
                              struct ward_request **ret);
/* Submits it and waits for its end; returns its outcome. The request is still the caller's, to read
 * and free. */
ward_status ward_internal_run(struct ward_pipeline *pipeline, struct ward_request *request);

#endif
