/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's own word that a certificate or a revocation list ends: an entry and an alarm. When
 * it is to be said, and how often, others know. */
#include "base/clock.h"
#include "server/op/op.h"
#include "server/op/system.h"

#define SECOND_US 1000000LL
#define DAY_S (24LL * 3600)

static char *when(const struct ward_request *request, const char *end, int64_t left_s)
{
    if (left_s < 0) {
        return ward_arena_printf(request->arena, "ended at %s", end);
    }
    return ward_arena_printf(request->arena, "ends at %s, in %lld days and %lld hours", end,
                             (long long)(left_s / DAY_S), (long long)(left_s % DAY_S / 3600));
}

static ward_status decide(struct ward_request *request)
{
    const struct ward_ending_alarm *in = request->in;
    int64_t left_s = (in->end_us - request->received_wall_us) / SECOND_US;
    char hex[2 * sizeof(in->sha256) + 1], end[WARD_TIME_TEXT_SIZE];
    ward_hex_encode(WARD_BYTES_ARRAY(in->sha256), hex);
    ward_time_print(in->end_us, end);
    const bool dated = in->end_us > 0;
    const char *object = ward_arena_printf(request->arena, "sha256:%s", hex);
    const char *said = dated ? when(request, end, left_s) : "has no end that can be read";
    const char *not_after = ward_arena_printf(request->arena, "%s", end);
    WARD_ENSURE(object != NULL && said != NULL && not_after != NULL, WARD_E_EXHAUSTED);
    request->alarm_text = ward_arena_printf(request->arena, "%s %s", object, said);
    WARD_ENSURE(request->alarm_text != NULL, WARD_E_EXHAUSTED);
    request->alarm = in->alarm;
    request->object = ward_bytes_str(object);
    ward_request_detail_text(request, "alarm", ward_bytes_str(ward_alarm_kind(in->alarm)));
    ward_request_detail_text(request, "text", ward_bytes_str(ward_alarm_text(in->alarm)));
    if (dated) {
        ward_request_detail_text(request, "not_after", ward_bytes_str(not_after));
        ward_request_detail(request, "seconds_left", left_s);
    }
    return WARD_OK;
}

const struct ward_op ward_op_ending = {.action = WARD_ACTION_SYSTEM_ALARM, .decide = decide};
