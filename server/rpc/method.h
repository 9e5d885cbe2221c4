/* SPDX-License-Identifier: Apache-2.0 */
/* The method table: one row for each method that we answer. What is not in it does not exist. */
#ifndef WARD_SERVER_RPC_METHOD_H
#define WARD_SERVER_RPC_METHOD_H

#include <protobuf-c/protobuf-c.h>

#include "server/op/op.h"

struct ward_method {
    struct ward_bytes path; /* "/ward.v1.Keys/CreateKey": exact bytes */
    const struct ward_op *op;
    const ProtobufCMessageDescriptor *input;
    /* Fills the request from the parsed message, which lies in the request's arena. */
    ward_status (*decode)(struct ward_request *request, const ProtobufCMessage *message);
    /* Builds the response message in the request's arena. */
    ward_status (*encode)(struct ward_request *request, const ProtobufCMessage **ret);
    size_t message_max;
    size_t work_max; /* bytes of memory for operation and answer, besides what the message takes */
    bool audited;    /* false: health, answered on the loop */
    bool watch;      /* a stream of answers */
    bool reflect;    /* a stream of questions and answers */
};

#define WARD_METHODS_MAX 64
/* NULL: no such method. */
const struct ward_method *ward_method_find(struct ward_bytes path);
size_t ward_methods(const struct ward_method **ret);
/* "ward.v1.Keys" and the like, or empty: the whole server. */
bool ward_method_service_known(struct ward_bytes service, bool reflection);

/* Rows' own functions, in the service's file. */
#define WARD_METHOD(name)                                              \
    ward_status ward_##name##_decode(struct ward_request *request,     \
                                     const ProtobufCMessage *message); \
    ward_status ward_##name##_encode(struct ward_request *request, const ProtobufCMessage **ret);
WARD_METHOD(generate)
WARD_METHOD(unwrap)
WARD_METHOD(data_key_rewrap)
WARD_METHOD(key_create)
WARD_METHOD(key_rotate)
WARD_METHOD(key_change)
WARD_METHOD(key_disable)
WARD_METHOD(key_enable)
WARD_METHOD(key_suspend)
WARD_METHOD(key_resume)
WARD_METHOD(key_deactivate)
WARD_METHOD(key_compromise)
WARD_METHOD(key_schedule_destroy)
WARD_METHOD(key_cancel_destroy)
WARD_METHOD(key_describe)
WARD_METHOD(key_list)
WARD_METHOD(key_rewrap)
WARD_METHOD(rewrap_progress)
WARD_METHOD(key_rekey)
WARD_METHOD(rekey_progress)
WARD_METHOD(key_usage)
WARD_METHOD(record_put)
WARD_METHOD(record_get)
WARD_METHOD(approval_list)
WARD_METHOD(approval_show)
WARD_METHOD(approval_submit)
WARD_METHOD(approval_approve)
WARD_METHOD(approval_reject)
WARD_METHOD(approval_withdraw)
WARD_METHOD(approval_execute)
WARD_METHOD(approval_review)
WARD_METHOD(identity_revoke)
WARD_METHOD(identity_unrevoke)
WARD_METHOD(revocation_list)
WARD_METHOD(diagnose)
WARD_METHOD(emergency_open)
WARD_METHOD(emergency_close)
WARD_METHOD(emergency_list)
WARD_METHOD(policy_show)
WARD_METHOD(policy_list)
WARD_METHOD(policy_apply)
WARD_METHOD(audit_export)
WARD_METHOD(audit_checkpoint)
WARD_METHOD(log_key_rotate)
#undef WARD_METHOD

#endif
