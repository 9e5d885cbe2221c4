/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's own word that a client certificate is in use in two places at once: an entry and an
 * alarm, a graver one where its owner may decide about keys or read the log. */
#include "server/op/op.h"
#include "server/op/system.h"
#include "server/state.h"

static ward_status decide(struct ward_request *request)
{
    const struct ward_shared_alarm *in = request->in;
    char hex[2 * 32 + 1];
    ward_hex_encode(WARD_BYTES(in->sha256, 32), hex);
    const char *object = ward_arena_printf(request->arena, "sha256:%s", hex);
    const struct ward_subject *subject =
        ward_policy_subject(request->state->policy, ward_bytes_str(in->identity));
    const char *role = subject == NULL ? "none" : ward_role_kind_name(ward_subject_kind(subject));
    bool grave = subject != NULL && ward_subject_kind(subject) != WARD_ROLE_APPLICATION;
    WARD_ENSURE(object != NULL, WARD_E_EXHAUSTED);
    request->alarm_text = ward_arena_printf(request->arena, "%s of %s, from %s and %s", object,
                                            in->identity, in->first, in->second);
    WARD_ENSURE(request->alarm_text != NULL, WARD_E_EXHAUSTED);
    request->alarm = grave ? WARD_ALARM_SHARED_OFFICER : WARD_ALARM_SHARED;
    request->object = ward_bytes_str(object);
    ward_request_detail_text(request, "alarm", ward_bytes_str(ward_alarm_kind(request->alarm)));
    ward_request_detail_text(request, "text", ward_bytes_str(ward_alarm_text(request->alarm)));
    ward_request_detail_text(request, "holder", ward_bytes_str(in->identity));
    ward_request_detail_text(request, "role", ward_bytes_str(role));
    ward_request_detail_text(request, "first_address", ward_bytes_str(in->first));
    ward_request_detail_text(request, "second_address", ward_bytes_str(in->second));
    return WARD_OK;
}

const struct ward_op ward_op_shared = {.action = WARD_ACTION_SYSTEM_ALARM, .decide = decide};
