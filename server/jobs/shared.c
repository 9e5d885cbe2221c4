/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. How it was noticed, and how often it is told, server/net/sharing.h knows. */
#include "server/jobs/shared.h"

#include "base/log.h"
#include "server/jobs/internal.h"
#include "server/op/system.h"

#define ALARM_ARENA (1u << 20)

static ward_status tell(struct ward_pipeline *pipeline, const struct ward_shared *shared)
{
    struct ward_request *request;
    WARD_TRY(ward_internal_new(&ward_op_shared, sizeof(struct ward_shared_alarm), ALARM_ARENA,
                               &request));
    *(struct ward_shared_alarm *)request->in =
        (struct ward_shared_alarm){.sha256 = shared->certificate,
                                   .identity = shared->identity,
                                   .first = shared->first,
                                   .second = shared->second};
    ward_status status = ward_internal_run(pipeline, request);
    ward_request_free(request);
    return status;
}

bool ward_shared_tell(struct ward_pipeline *pipeline, const struct ward_shared *shared)
{
    ward_status status = tell(pipeline, shared);
    if (!ward_ok(status)) {
        ward_log_status(WARD_LOG_WARN,
                        "an alarm of a shared certificate could not be written; it is tried again",
                        status);
    }
    return ward_ok(status);
}
