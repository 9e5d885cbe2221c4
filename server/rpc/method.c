/* SPDX-License-Identifier: Apache-2.0 */
/* The table itself. A method exists by standing here, and nowhere else is a path looked at. */
#include "server/rpc/method.h"

#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "proto/wire_limits.h"
#include "ward/v1/admin.pb-c.h"
#include "ward/v1/approvals.pb-c.h"
#include "ward/v1/audit.pb-c.h"
#include "ward/v1/data_keys.pb-c.h"
#include "ward/v1/emergencies.pb-c.h"
#include "ward/v1/keys.pb-c.h"
#include "ward/v1/records.pb-c.h"

#define MIB (1024u * 1024)

#define ROW(service, method, operation, type, max, work)                                        \
    {                                                                                           \
        .path = WARD_BYTES_LITERAL("/ward.v1." service "/" method), .op = &ward_op_##operation, \
        .input = &ward__v1__##type##__descriptor, .decode = ward_##operation##_decode,          \
        .encode = ward_##operation##_encode, .message_max = (max), .work_max = (work),          \
        .audited = true                                                                         \
    }
#define HEALTH(method, streaming)                                                          \
    {                                                                                      \
        .path = WARD_BYTES_LITERAL("/grpc.health.v1.Health/" method),                      \
        .input = &grpc__health__v1__health_check_request__descriptor, .message_max = 4096, \
        .work_max = 4096, .watch = (streaming)                                             \
    }
#define REFLECTION(version)                                                                    \
    {                                                                                          \
        .path = WARD_BYTES_LITERAL("/grpc.reflection." version                                 \
                                   ".ServerReflection/ServerReflectionInfo"),                  \
        .input = &grpc__reflection__v1__server_reflection_request__descriptor, .reflect = true \
    }

static const struct ward_method methods[] = {
    ROW("DataKeys", "GenerateDataKeys", generate, generate_data_keys_request, WARD_MESSAGE_MAX,
        8 * MIB),
    ROW("DataKeys", "UnwrapDataKeys", unwrap, unwrap_data_keys_request, WARD_MESSAGE_MAX, 8 * MIB),
    ROW("DataKeys", "RewrapDataKeys", data_key_rewrap, rewrap_data_keys_request, WARD_MESSAGE_MAX,
        8 * MIB),
    ROW("Keys", "CreateKey", key_create, create_key_request, WARD_MESSAGE_MAX, MIB),
    ROW("Keys", "DescribeKey", key_describe, describe_key_request, WARD_MESSAGE_MAX, 4 * MIB),
    ROW("Keys", "ListKeys", key_list, list_keys_request, WARD_MESSAGE_MAX, 16 * MIB),
    ROW("Keys", "RewrapKey", key_rewrap, rewrap_key_request, WARD_MESSAGE_MAX, MIB),
    ROW("Keys", "RewrapProgress", rewrap_progress, rewrap_progress_request, WARD_MESSAGE_MAX, MIB),
    ROW("Keys", "RekeyKey", key_rekey, rekey_key_request, WARD_MESSAGE_MAX, MIB),
    ROW("Keys", "RekeyProgress", rekey_progress, rekey_progress_request, WARD_MESSAGE_MAX, MIB),
    ROW("Keys", "KeyUsage", key_usage, key_usage_request, WARD_MESSAGE_MAX, 4 * MIB),
    ROW("Keys", "RotateKey", key_rotate, rotate_key_request, WARD_MESSAGE_MAX, 4 * MIB),
    ROW("Keys", "ChangeKey", key_change, change_key_request, WARD_MESSAGE_MAX, MIB),
    ROW("Keys", "DisableKey", key_disable, disable_key_request, WARD_MESSAGE_MAX, MIB),
    ROW("Keys", "EnableKey", key_enable, enable_key_request, WARD_MESSAGE_MAX, MIB),
    ROW("Keys", "SuspendKey", key_suspend, suspend_key_request, WARD_MESSAGE_MAX, MIB),
    ROW("Keys", "ResumeKey", key_resume, resume_key_request, WARD_MESSAGE_MAX, MIB),
    ROW("Keys", "DeactivateKey", key_deactivate, deactivate_key_request, WARD_MESSAGE_MAX, MIB),
    ROW("Keys", "CompromiseKey", key_compromise, compromise_key_request, WARD_MESSAGE_MAX, MIB),
    ROW("Keys", "ScheduleKeyDestruction", key_schedule_destroy, schedule_key_destruction_request,
        WARD_MESSAGE_MAX, MIB),
    ROW("Keys", "CancelKeyDestruction", key_cancel_destroy, cancel_key_destruction_request,
        WARD_MESSAGE_MAX, MIB),
    ROW("Records", "PutRecords", record_put, put_records_request, WARD_MESSAGE_RECORDS_MAX,
        32 * MIB),
    ROW("Records", "GetRecords", record_get, get_records_request, WARD_MESSAGE_MAX, 64 * MIB),
    ROW("Approvals", "List", approval_list, list_approvals_request, WARD_MESSAGE_MAX, 64 * MIB),
    ROW("Approvals", "Show", approval_show, show_approval_request, WARD_MESSAGE_MAX, 4 * MIB),
    ROW("Approvals", "Submit", approval_submit, submit_approval_request, WARD_MESSAGE_MAX, 4 * MIB),
    ROW("Approvals", "Approve", approval_approve, approve_request, WARD_MESSAGE_MAX, 4 * MIB),
    ROW("Approvals", "Reject", approval_reject, reject_request, WARD_MESSAGE_MAX, 4 * MIB),
    ROW("Approvals", "Withdraw", approval_withdraw, withdraw_request, WARD_MESSAGE_MAX, 4 * MIB),
    ROW("Approvals", "Execute", approval_execute, execute_request, WARD_MESSAGE_MAX, 4 * MIB),
    ROW("Approvals", "Review", approval_review, review_request, WARD_MESSAGE_MAX, 4 * MIB),
    ROW("Admin", "RevokeIdentity", identity_revoke, revoke_identity_request, WARD_MESSAGE_MAX, MIB),
    ROW("Admin", "UnrevokeIdentity", identity_unrevoke, unrevoke_identity_request, WARD_MESSAGE_MAX,
        MIB),
    ROW("Admin", "ListRevocations", revocation_list, list_revocations_request, WARD_MESSAGE_MAX,
        4 * MIB),
    ROW("Emergencies", "Open", emergency_open, open_emergency_request, WARD_MESSAGE_MAX, MIB),
    ROW("Emergencies", "Close", emergency_close, close_emergency_request, WARD_MESSAGE_MAX, MIB),
    ROW("Emergencies", "List", emergency_list, list_emergencies_request, WARD_MESSAGE_MAX, 4 * MIB),
    ROW("Admin", "ShowPolicy", policy_show, show_policy_request, WARD_MESSAGE_MAX, 8 * MIB),
    ROW("Admin", "ListPolicies", policy_list, list_policies_request, WARD_MESSAGE_MAX, 8 * MIB),
    ROW("Admin", "ApplyPolicy", policy_apply, apply_policy_request, WARD_MESSAGE_MAX, 32 * MIB),
    ROW("Admin", "Diagnose", diagnose, diagnose_request, WARD_MESSAGE_MAX, 4 * MIB),
    ROW("Audit", "Export", audit_export, export_request, WARD_MESSAGE_MAX, 32 * MIB),
    ROW("Audit", "RotateLogKey", log_key_rotate, rotate_log_key_request, WARD_MESSAGE_MAX, MIB),
    ROW("Audit", "Checkpoint", audit_checkpoint, checkpoint_request, WARD_MESSAGE_MAX, 8 * MIB),
    HEALTH("Check", false),
    HEALTH("Watch", true),
    REFLECTION("v1"),
    REFLECTION("v1alpha"), /* the same on the wire, and all that many tools know */
};

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

const struct ward_method *ward_method_find(struct ward_bytes path)
{
    for (size_t i = 0; i < N_METHODS;
         i++) { /* sizes differ: hardly ever more than one comparison */
        if (methods[i].path.size == path.size &&
            memcmp(methods[i].path.data, path.data, path.size) == 0) {
            return &methods[i];
        }
    }
    return NULL;
}

size_t ward_methods(const struct ward_method **ret)
{
    *ret = methods;
    return N_METHODS;
}

bool ward_method_service_known(struct ward_bytes service, bool reflection)
{
    for (size_t i = 0; i < N_METHODS; i++) {
        struct ward_bytes path = methods[i].path;
        if ((reflection || !methods[i].reflect) && path.size > service.size + 2 &&
            path.data[service.size + 1] == '/' &&
            memcmp(path.data + 1, service.data, service.size) == 0) {
            return true;
        }
    }
    return service.size == 0;
}
