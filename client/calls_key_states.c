/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the Keys service on a key that exists. Each gives back a draft: it is the caller
 * who reads and signs it, with ward_submit_proposal. Nothing here signs. */
#include "client/client.h"
#include "client/proposal_view.h"
#include "ward/v1/keys.pb-c.h"

static ward_rc propose(ward_client *client, const ward_call *call, const struct ward_method *method,
                       ProtobufCMessage *request, const ProtobufCMessageDescriptor *type,
                       struct ward_arena **take_arena, ward_proposals **ret, ward_error *error)
{
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(
        ward_client_call(client, method, call, request, type, *take_arena, &message, error));
    /* All the answers have the same one field. */
    Ward__V1__Proposal *proposal = ((const Ward__V1__ChangeKeyResponse *)message)->proposal;
    return ward_proposals_of(WARD_TAKE(*take_arena), proposal, ret, error);
}

/* The function's frame: `fill` sets what the request has besides the key's name. */
#define COMMAND(Message, MESSAGE, message, fill)                                                 \
    _Static_assert(sizeof(Ward__V1__##Message##Response) == sizeof(Ward__V1__ChangeKeyResponse), \
                   "answers are alike");                                                         \
    static const struct ward_method method = {"/ward.v1.Keys/" #Message, false};                 \
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;                                 \
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));                                          \
    Ward__V1__##Message##Request request = WARD__V1__##MESSAGE##_REQUEST__INIT;                  \
    request.header = ward_message_header(arena, call);                                           \
    request.name = ward_message_text(name);                                                      \
    fill;                                                                                        \
    return propose(client, call, &method, &request.base,                                         \
                   &ward__v1__##message##_response__descriptor, &arena, ret, error)

/* ---- of the key as a whole ---- */

ward_rc ward_change_key(ward_client *client, const ward_call *call, const char *name,
                        uint32_t rotation_period_days, ward_proposals **ret, ward_error *error)
{
    COMMAND(ChangeKey, CHANGE_KEY, change_key, request.rotation_period_days = rotation_period_days);
}

ward_rc ward_disable_key(ward_client *client, const ward_call *call, const char *name,
                         ward_proposals **ret, ward_error *error)
{
    COMMAND(DisableKey, DISABLE_KEY, disable_key, (void)0);
}

ward_rc ward_enable_key(ward_client *client, const ward_call *call, const char *name,
                        ward_proposals **ret, ward_error *error)
{
    COMMAND(EnableKey, ENABLE_KEY, enable_key, (void)0);
}

/* ---- of one version ---- */

ward_rc ward_suspend_key(ward_client *client, const ward_call *call, const char *name,
                         uint32_t version, ward_proposals **ret, ward_error *error)
{
    COMMAND(SuspendKey, SUSPEND_KEY, suspend_key, request.version = version);
}

ward_rc ward_resume_key(ward_client *client, const ward_call *call, const char *name,
                        uint32_t version, ward_proposals **ret, ward_error *error)
{
    COMMAND(ResumeKey, RESUME_KEY, resume_key, request.version = version);
}

ward_rc ward_deactivate_key(ward_client *client, const ward_call *call, const char *name,
                            uint32_t version, ward_proposals **ret, ward_error *error)
{
    COMMAND(DeactivateKey, DEACTIVATE_KEY, deactivate_key, request.version = version);
}

ward_rc ward_compromise_key(ward_client *client, const ward_call *call, const char *name,
                            uint32_t version, ward_proposals **ret, ward_error *error)
{
    COMMAND(CompromiseKey, COMPROMISE_KEY, compromise_key, request.version = version);
}

ward_rc ward_schedule_key_destruction(ward_client *client, const ward_call *call, const char *name,
                                      uint32_t version, uint32_t waiting_days, ward_proposals **ret,
                                      ward_error *error)
{
    COMMAND(ScheduleKeyDestruction, SCHEDULE_KEY_DESTRUCTION, schedule_key_destruction,
            (request.version = version, request.waiting_days = waiting_days));
}

ward_rc ward_cancel_key_destruction(ward_client *client, const ward_call *call, const char *name,
                                    uint32_t version, ward_proposals **ret, ward_error *error)
{
    COMMAND(CancelKeyDestruction, CANCEL_KEY_DESTRUCTION, cancel_key_destruction,
            request.version = version);
}
