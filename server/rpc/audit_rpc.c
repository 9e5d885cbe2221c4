/* SPDX-License-Identifier: Apache-2.0 */
/* ward.v1.Audit: leaves and checkpoints go out as they stand in the log, byte by byte. */
#include "server/rpc/fields.h"
#include "server/rpc/method.h"
#include "server/rpc/replay_digest.h"
#include "ward/v1/audit.pb-c.h"

ward_status ward_audit_export_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__ExportRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    struct ward_audit_export *in = WARD_ARENA_NEW(request->arena, struct ward_audit_export);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    in->start = from->start;
    in->end = from->end;
    WARD_REQUIRE(in->start <= in->end, "start: after end");
    WARD_REQUIRE(in->end <= INT64_MAX, "end: larger than a log can be");
    request->in = in;
    return WARD_OK;
}

ward_status ward_audit_export_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_audit_export *in = request->in;
    Ward__V1__ExportResponse *response = WARD_ARENA_NEW(request->arena, Ward__V1__ExportResponse);
    ProtobufCBinaryData *leaves = WARD_ARENA_ARRAY(request->arena, ProtobufCBinaryData, in->n);
    WARD_ENSURE(response != NULL && leaves != NULL, WARD_E_EXHAUSTED);
    ward__v1__export_response__init(response);
    for (size_t i = 0; i < in->n; i++) {
        ward_fields_put(&leaves[i], in->leaves[i]);
    }
    response->leaves = leaves;
    response->n_leaves = in->n;
    *ret = &response->base;
    return WARD_OK;
}

ward_status ward_audit_checkpoint_decode(struct ward_request *request,
                                         const ProtobufCMessage *message)
{
    const Ward__V1__CheckpointRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    struct ward_audit_checkpoint *in = WARD_ARENA_NEW(request->arena, struct ward_audit_checkpoint);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    request->in = in;
    return WARD_OK;
}

ward_status ward_log_key_rotate_decode(struct ward_request *request,
                                       const ProtobufCMessage *message)
{
    const Ward__V1__RotateLogKeyRequest *from = (const void *)message;
    WARD_TRY(ward_replay_header(request, from->header, message));
    WARD_REQUIRE(request->reason.size > 0, "reason: empty");
    struct ward_log_key_rotate *in = WARD_ARENA_NEW(request->arena, struct ward_log_key_rotate);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    request->in = in;
    return WARD_OK;
}

ward_status ward_log_key_rotate_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_log_key_rotate *in = request->in;
    Ward__V1__RotateLogKeyResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__RotateLogKeyResponse);
    WARD_ENSURE(response != NULL && in->proposal != NULL, WARD_E_EXHAUSTED);
    ward__v1__rotate_log_key_response__init(response);
    *ret = &response->base;
    return ward_fields_proposal(request->arena, in->proposal, &response->proposal);
}

ward_status ward_audit_checkpoint_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_audit_checkpoint *in = request->in;
    Ward__V1__CheckpointResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__CheckpointResponse);
    WARD_ENSURE(response != NULL, WARD_E_EXHAUSTED);
    ward__v1__checkpoint_response__init(response);
    response->vkey = (char *)(in->vkey == NULL ? "" : in->vkey);
    response->handovers = WARD_ARENA_ARRAY(request->arena, char *, in->n_handovers);
    WARD_ENSURE(response->handovers != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < in->n_handovers; i++) {
        WARD_TRY(ward_fields_text(request->arena, in->handovers[i], &response->handovers[i]));
    }
    response->n_handovers = in->n_handovers;
    response->passed_over = (uint64_t *)in->passed_over; /* only read */
    response->n_passed_over = in->n_passed_over;
    *ret = &response->base;
    return ward_fields_text(request->arena, in->note, &response->note);
}
