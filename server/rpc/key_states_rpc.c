/* SPDX-License-Identifier: Apache-2.0 */
/* ward.v1.Keys, the commands that move a key or a version of it: each has a reason, and answers
 * with a draft. Which versions and days are meant where none is given is the operations' business.
 */
#include "server/rpc/fields.h"
#include "server/rpc/method.h"
#include "server/rpc/replay_digest.h"

#define ROTATION_DAYS_MAX 36500

static ward_status decode(struct ward_request *request, const Ward__V1__RequestHeader *header,
                          const ProtobufCMessage *message, const char *name, uint32_t version,
                          struct ward_key_state_change **ret)
{
    WARD_TRY(ward_replay_header(request, header, message));
    WARD_REQUIRE(request->reason.size > 0, "reason: empty");
    struct ward_key_state_change *in = WARD_ARENA_NEW(request->arena, struct ward_key_state_change);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    in->name = ward_bytes_str(name);
    WARD_REQUIRE_TEXT(in->name, "name", 128);
    in->version = version;
    request->in = in;
    *ret = in;
    return WARD_OK;
}

#define DECODE(op, Message, version)                                             \
    ward_status ward_key_##op##_decode(struct ward_request *request,             \
                                       const ProtobufCMessage *message)          \
    {                                                                            \
        const Ward__V1__##Message##Request *from = (const void *)message;        \
        struct ward_key_state_change *in;                                        \
        return decode(request, from->header, message, from->name, version, &in); \
    }

#define ENCODE(op, Message, message)                                                               \
    ward_status ward_key_##op##_encode(struct ward_request *request, const ProtobufCMessage **ret) \
    {                                                                                              \
        const struct ward_key_state_change *in = request->in;                                      \
        Ward__V1__##Message##Response *response =                                                  \
            WARD_ARENA_NEW(request->arena, Ward__V1__##Message##Response);                         \
        WARD_ENSURE(response != NULL && in->proposal != NULL, WARD_E_EXHAUSTED);                   \
        ward__v1__##message##_response__init(response);                                            \
        *ret = &response->base;                                                                    \
        return ward_fields_proposal(request->arena, in->proposal, &response->proposal);            \
    }

/* ---- of the key as a whole ---- */

ward_status ward_key_change_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__ChangeKeyRequest *from = (const void *)message;
    struct ward_key_state_change *in;
    WARD_TRY(decode(request, from->header, message, from->name, 0, &in));
    WARD_REQUIRE(from->rotation_period_days > 0, "rotation_period_days: zero");
    WARD_REQUIRE(from->rotation_period_days <= ROTATION_DAYS_MAX,
                 "rotation_period_days: more than 36500");
    in->rotation_period_days = from->rotation_period_days;
    return WARD_OK;
}
ENCODE(change, ChangeKey, change_key)

DECODE(disable, DisableKey, 0)
ENCODE(disable, DisableKey, disable_key)

DECODE(enable, EnableKey, 0)
ENCODE(enable, EnableKey, enable_key)

/* ---- of one version ---- */

DECODE(suspend, SuspendKey, from->version)
ENCODE(suspend, SuspendKey, suspend_key)

DECODE(resume, ResumeKey, from->version)
ENCODE(resume, ResumeKey, resume_key)

DECODE(deactivate, DeactivateKey, from->version)
ENCODE(deactivate, DeactivateKey, deactivate_key)

DECODE(compromise, CompromiseKey, from->version)
ENCODE(compromise, CompromiseKey, compromise_key)

ward_status ward_key_schedule_destroy_decode(struct ward_request *request,
                                             const ProtobufCMessage *message)
{
    const Ward__V1__ScheduleKeyDestructionRequest *from = (const void *)message;
    struct ward_key_state_change *in;
    WARD_TRY(decode(request, from->header, message, from->name, from->version, &in));
    WARD_REQUIRE(from->waiting_days == 0 || (from->waiting_days >= WARD_DESTROY_WAITING_DAYS_MIN &&
                                             from->waiting_days <= WARD_DESTROY_WAITING_DAYS_MAX),
                 "waiting_days: not from 7 to 30");
    in->waiting_days = from->waiting_days;
    return WARD_OK;
}
ENCODE(schedule_destroy, ScheduleKeyDestruction, schedule_key_destruction)

DECODE(cancel_destroy, CancelKeyDestruction, from->version)
ENCODE(cancel_destroy, CancelKeyDestruction, cancel_key_destruction)
