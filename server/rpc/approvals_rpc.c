/* SPDX-License-Identifier: Apache-2.0 */
/* ward.v1.Approvals. What an officer's signature covers is the payload, which passes here
 * untouched. */
#include "server/rpc/fields.h"
#include "server/rpc/method.h"
#include "server/rpc/replay_digest.h"
#include "ward/v1/approvals.pb-c.h"

/* ---- list ---- */

ward_status ward_approval_list_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__ListApprovalsRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    struct ward_approval_list *in = WARD_ARENA_NEW(request->arena, struct ward_approval_list);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    in->all = from->all != 0;
    in->unreviewed = from->unreviewed != 0;
    request->in = in;
    return ward_fields_page(from->page_size, from->page_token, &in->page_size, &in->page_token);
}

ward_status ward_approval_list_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_approval_list *in = request->in;
    Ward__V1__ListApprovalsResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__ListApprovalsResponse);
    Ward__V1__Proposal **proposals = WARD_ARENA_ARRAY(request->arena, Ward__V1__Proposal *, in->n);
    WARD_ENSURE(response != NULL && proposals != NULL, WARD_E_EXHAUSTED);
    ward__v1__list_approvals_response__init(response);
    for (size_t i = 0; i < in->n; i++) {
        WARD_TRY(ward_fields_proposal(request->arena, &in->proposals[i], &proposals[i]));
    }
    response->proposals = proposals;
    response->n_proposals = in->n;
    *ret = &response->base;
    return ward_fields_text(request->arena, in->next_page_token, &response->next_page_token);
}

/* ---- show, and what is signed: one proposal each ---- */

static ward_status decode_id(struct ward_request *request, const char *id,
                             struct ward_approval **ret)
{
    struct ward_approval *in = WARD_ARENA_NEW(request->arena, struct ward_approval);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    WARD_REQUIRE(ward_id_parse(ward_bytes_str(id), &in->id), "id: not a UUID in lower case");
    request->in = in;
    *ret = in;
    return WARD_OK;
}

static ward_status decode_vote(struct ward_request *request, const Ward__V1__RequestHeader *header,
                               const char *id, const ProtobufCBinaryData *signature,
                               const ProtobufCMessage *message)
{
    struct ward_approval *in;
    WARD_TRY(ward_replay_header(request, header, message));
    WARD_TRY(decode_id(request, id, &in));
    in->signature = ward_fields_bytes(signature);
    WARD_REQUIRE(in->signature.size > 0, "signature: empty");
    WARD_REQUIRE(in->signature.size <= WARD_SIGNATURE_MAX, "signature: longer than 512 bytes");
    return WARD_OK;
}

static ward_status encode_one(struct ward_request *request, Ward__V1__Proposal **ret)
{
    const struct ward_approval *in = request->in;
    return ward_fields_proposal(request->arena, &in->proposal, ret);
}

ward_status ward_approval_show_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__ShowApprovalRequest *from = (const void *)message;
    struct ward_approval *in;
    WARD_TRY(ward_fields_header(request, from->header));
    return decode_id(request, from->id, &in);
}

ward_status ward_approval_show_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    Ward__V1__ShowApprovalResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__ShowApprovalResponse);
    WARD_ENSURE(response != NULL, WARD_E_EXHAUSTED);
    ward__v1__show_approval_response__init(response);
    *ret = &response->base;
    return encode_one(request, &response->proposal);
}

/* Requests with a signature, and their answers, have the same fields. Who stops what others want
 * says why: `reasoned`. */
#define SIGNED(name, reasoned, request_type, response_type, response_init)                 \
    ward_status ward_approval_##name##_decode(struct ward_request *request,                \
                                              const ProtobufCMessage *message)             \
    {                                                                                      \
        const request_type *from = (const void *)message;                                  \
        WARD_TRY(decode_vote(request, from->header, from->id, &from->signature, message)); \
        WARD_REQUIRE(!(reasoned) || request->reason.size > 0, "reason: empty");            \
        return WARD_OK;                                                                    \
    }                                                                                      \
    ward_status ward_approval_##name##_encode(struct ward_request *request,                \
                                              const ProtobufCMessage **ret)                \
    {                                                                                      \
        response_type *response = WARD_ARENA_NEW(request->arena, response_type);           \
        WARD_ENSURE(response != NULL, WARD_E_EXHAUSTED);                                   \
        response_init(response);                                                           \
        *ret = &response->base;                                                            \
        return encode_one(request, &response->proposal);                                   \
    }

SIGNED(submit, false, Ward__V1__SubmitApprovalRequest, Ward__V1__SubmitApprovalResponse,
       ward__v1__submit_approval_response__init)
SIGNED(approve, false, Ward__V1__ApproveRequest, Ward__V1__ApproveResponse,
       ward__v1__approve_response__init)
SIGNED(reject, true, Ward__V1__RejectRequest, Ward__V1__RejectResponse,
       ward__v1__reject_response__init)
SIGNED(withdraw, false, Ward__V1__WithdrawRequest, Ward__V1__WithdrawResponse,
       ward__v1__withdraw_response__init)
SIGNED(execute, false, Ward__V1__ExecuteRequest, Ward__V1__ExecuteResponse,
       ward__v1__execute_response__init)
SIGNED(review, false, Ward__V1__ReviewRequest, Ward__V1__ReviewResponse,
       ward__v1__review_response__init)
