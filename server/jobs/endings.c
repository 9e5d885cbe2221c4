/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. It knows dates and digests; of X.509 it knows nothing. */
#include "server/jobs/endings.h"

#include <string.h>

#include "base/log.h"
#include "server/jobs/internal.h"
#include "server/op/system.h"

#define ALARM_ARENA (1u << 20)
#define DAY_US (24LL * 3600 * 1000000)

static const enum ward_alarm alarms[WARD_ENDING_OF_COUNT] = {
    [WARD_ENDING_OF_CERTIFICATE] = WARD_ALARM_CERTIFICATE,
    [WARD_ENDING_OF_CLIENT_CA] = WARD_ALARM_CLIENT_CA,
    [WARD_ENDING_OF_CLIENT_CRL] = WARD_ALARM_CLIENT_CRL,
};

static ward_status tell(struct ward_pipeline *pipeline, enum ward_ending_of of,
                        const struct ward_ending *ending)
{
    struct ward_request *request;
    WARD_TRY(ward_internal_new(&ward_op_ending, sizeof(struct ward_ending_alarm), ALARM_ARENA,
                               &request));
    struct ward_ending_alarm *in = request->in;
    in->alarm = alarms[of];
    in->end_us = ending->end_us;
    memcpy(in->sha256, ending->sha256, sizeof(in->sha256));
    ward_status status = ward_internal_run(pipeline, request);
    ward_request_free(request);
    return status;
}

static enum ward_ending_step told_of(const struct ward_endings_told *told, enum ward_ending_of of,
                                     const struct ward_ending *ending)
{
    for (size_t i = 0; i < told->n; i++) {
        if (told->told[i].of == of &&
            memcmp(told->told[i].sha256, ending->sha256, sizeof(ending->sha256)) == 0) {
            return told->told[i].step;
        }
    }
    return WARD_ENDING_FAR;
}

/* The step that has been told when this returns. A clock that swings about a step is no news. */
static enum ward_ending_step look(struct ward_pipeline *pipeline, enum ward_ending_of of,
                                  const struct ward_ending *ending, enum ward_ending_step told)
{
    int64_t now_us = ward_wall_us(pipeline->clock);
    enum ward_ending_step step = ward_ending_step(ending->begin_us, ending->end_us, now_us);
    if (step > told) {
        ward_status status = tell(pipeline, of, ending);
        if (!ward_ok(status)) {
            ward_log_status(WARD_LOG_WARN,
                            "an alarm of what ends could not be written; it is tried again",
                            status);
            return told;
        }
        return step;
    }
    bool went_back = ward_ending_step(ending->begin_us, ending->end_us, now_us + DAY_US) < told;
    return went_back ? step : told;
}

void ward_endings_tick(struct ward_pipeline *pipeline, const struct ward_endings *endings,
                       struct ward_endings_told *told)
{
    const struct ward_endings_told before = *told;
    told->n = 0;
    for (enum ward_ending_of of = 0; of < WARD_ENDING_OF_COUNT; of++) {
        for (size_t i = 0; i < endings->n[of]; i++) {
            const struct ward_ending *ending = &endings->of[of][i];
            struct ward_ending_told *entry = &told->told[told->n++];
            memcpy(entry->sha256, ending->sha256, sizeof(entry->sha256));
            entry->of = of;
            entry->step = look(pipeline, of, ending, told_of(&before, of, ending));
        }
    }
}
