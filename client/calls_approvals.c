/* SPDX-License-Identifier: Apache-2.0 */
/* The Approvals service. Signatures are made by the caller, who alone knows what was read: nothing
 * here signs. */
#include "client/client.h"
#include "client/proposal_view.h"
#include "ward/v1/approvals.pb-c.h"

struct proposals {
    ward_proposals view; /* first: what the caller holds */
    struct ward_arena *arena;
};

void ward_proposals_free(ward_proposals *proposals)
{
    if (proposals != NULL) {
        ward_arena_free(((struct proposals *)proposals)->arena); /* proposals lies in it */
    }
}

static void free_proposals(struct proposals **proposals)
{
    if (*proposals != NULL) {
        ward_proposals_free(&(*proposals)->view);
    }
}

static ward_rc new_proposals(struct proposals **ret, ward_error *error)
{
    struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    struct proposals *proposals = WARD_ARENA_NEW(arena, struct proposals);
    if (proposals == NULL) {
        ward_arena_free(arena);
        return ward_error_memory(error);
    }
    proposals->arena = arena;
    proposals->view.next_page = "";
    *ret = proposals;
    return WARD_RC_OK;
}

static ward_vote_info view_vote(const Ward__V1__Approval *vote)
{
    return (ward_vote_info){
        .identity = vote->identity,
        .decision = vote->decision,
        .signature = vote->signature.data,
        .signature_size = vote->signature.len,
        .certificate = vote->certificate.data,
        .certificate_size = vote->certificate.len,
        .time = vote->time,
    };
}

ward_proposal_info *ward_proposal_view(struct ward_arena *arena, const Ward__V1__Proposal *proposal)
{
    size_t n = proposal->n_approvals;
    ward_proposal_info *info = WARD_ARENA_NEW(arena, ward_proposal_info);
    ward_vote_info *votes = WARD_ARENA_ARRAY(arena, ward_vote_info, n);
    const ward_vote_info **pointers = WARD_ARENA_ARRAY(arena, const ward_vote_info *, n);
    if (info == NULL || votes == NULL || pointers == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        votes[i] = view_vote(proposal->approvals[i]);
        pointers[i] = &votes[i];
    }
    *info = (ward_proposal_info){
        .id = proposal->id,
        .payload = proposal->payload.data,
        .payload_size = proposal->payload.len,
        .state = proposal->state,
        .proposer = proposal->proposer,
        .approvals_needed = proposal->approvals_needed,
        .votes = pointers,
        .n_votes = n,
    };
    return info;
}

static ward_rc take_proposals(Ward__V1__Proposal *const *from, size_t n,
                              struct proposals *proposals, ward_error *error)
{
    const ward_proposal_info **items =
        WARD_ARENA_ARRAY(proposals->arena, const ward_proposal_info *, n);
    if (items == NULL) {
        return ward_error_memory(error);
    }
    for (size_t i = 0; i < n; i++) {
        items[i] = ward_proposal_view(proposals->arena, from[i]);
        if (items[i] == NULL) {
            return ward_error_memory(error);
        }
    }
    proposals->view.items = items;
    proposals->view.n = n;
    return WARD_RC_OK;
}

ward_rc ward_proposals_of(struct ward_arena *take_arena, Ward__V1__Proposal *proposal,
                          ward_proposals **ret, ward_error *error)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = take_arena;
    if (proposal == NULL) {
        return ward_error_set(error, WARD_RC_INTERNAL, "the daemon's answer holds no proposal");
    }
    struct proposals *proposals = WARD_ARENA_NEW(arena, struct proposals);
    if (proposals == NULL) {
        return ward_error_memory(error);
    }
    proposals->arena = arena;
    proposals->view.next_page = "";
    WARD_CLIENT_TRY(take_proposals(&proposal, 1, proposals, error));
    (void)WARD_TAKE(arena);
    *ret = &proposals->view;
    return WARD_RC_OK;
}

ward_rc ward_list_proposals(ward_client *client, const ward_call *call, int all, uint32_t page_size,
                            const char *page, ward_proposals **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Approvals/List", true};
    ward_auto(free_proposals) struct proposals *proposals = NULL;
    WARD_CLIENT_TRY(new_proposals(&proposals, error));
    Ward__V1__ListApprovalsRequest request = WARD__V1__LIST_APPROVALS_REQUEST__INIT;
    request.header = ward_message_header(proposals->arena, call);
    request.all = all != 0;
    request.page_size = page_size;
    request.page_token = ward_message_text(page);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__list_approvals_response__descriptor,
                                     proposals->arena, &message, error));
    const Ward__V1__ListApprovalsResponse *answer =
        (const Ward__V1__ListApprovalsResponse *)message;
    WARD_CLIENT_TRY(take_proposals(answer->proposals, answer->n_proposals, proposals, error));
    proposals->view.next_page = answer->next_page_token;
    *ret = &WARD_TAKE(proposals)->view;
    return WARD_RC_OK;
}

/* The four requests about one proposal, and their four answers, have the same fields in the same
 * order but for the signature, which Show has not. */
enum act { SHOW, SUBMIT, APPROVE, REJECT };

static const struct ward_method methods[] = {
    [SHOW] = {"/ward.v1.Approvals/Show", true},
    [SUBMIT] = {"/ward.v1.Approvals/Submit", false},
    [APPROVE] = {"/ward.v1.Approvals/Approve", false},
    [REJECT] = {"/ward.v1.Approvals/Reject", false},
};
_Static_assert(sizeof(Ward__V1__SubmitApprovalRequest) == sizeof(Ward__V1__ApproveRequest) &&
                   sizeof(Ward__V1__SubmitApprovalRequest) == sizeof(Ward__V1__RejectRequest),
               "requests with a signature are alike");

static ward_rc act_on(ward_client *client, const ward_call *call, enum act act,
                      ProtobufCMessage *request, const ProtobufCMessageDescriptor *answer_type,
                      struct proposals *proposals, ward_error *error)
{
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &methods[act], call, request, answer_type,
                                     proposals->arena, &message, error));
    Ward__V1__Proposal *proposal = ((const Ward__V1__ShowApprovalResponse *)message)->proposal;
    if (proposal == NULL) {
        return ward_error_set(error, WARD_RC_INTERNAL, "the daemon's answer holds no proposal");
    }
    return take_proposals(&proposal, 1, proposals, error);
}

ward_rc ward_show_proposal(ward_client *client, const ward_call *call, const char *id,
                           ward_proposals **ret, ward_error *error)
{
    ward_auto(free_proposals) struct proposals *proposals = NULL;
    WARD_CLIENT_TRY(new_proposals(&proposals, error));
    Ward__V1__ShowApprovalRequest request = WARD__V1__SHOW_APPROVAL_REQUEST__INIT;
    request.header = ward_message_header(proposals->arena, call);
    request.id = ward_message_text(id);
    WARD_CLIENT_TRY(act_on(client, call, SHOW, &request.base,
                           &ward__v1__show_approval_response__descriptor, proposals, error));
    *ret = &WARD_TAKE(proposals)->view;
    return WARD_RC_OK;
}

static ward_rc sign_off(ward_client *client, const ward_call *call, enum act act, const char *id,
                        const void *signature, size_t size, ward_proposals **ret, ward_error *error)
{
    ward_auto(free_proposals) struct proposals *proposals = NULL;
    WARD_CLIENT_TRY(new_proposals(&proposals, error));
    Ward__V1__RequestHeader *header = ward_message_header(proposals->arena, call);
    ProtobufCBinaryData bytes = {size, (uint8_t *)signature}; /* only read */
    Ward__V1__SubmitApprovalRequest submit = WARD__V1__SUBMIT_APPROVAL_REQUEST__INIT;
    Ward__V1__ApproveRequest approve = WARD__V1__APPROVE_REQUEST__INIT;
    Ward__V1__RejectRequest reject = WARD__V1__REJECT_REQUEST__INIT;
    submit.header = approve.header = reject.header = header;
    submit.id = approve.id = reject.id = ward_message_text(id);
    submit.signature = approve.signature = reject.signature = bytes;
    ward_rc rc = WARD_RC_INTERNAL;
    switch (act) {
    case SHOW:
        break;
    case SUBMIT:
        rc = act_on(client, call, act, &submit.base,
                    &ward__v1__submit_approval_response__descriptor, proposals, error);
        break;
    case APPROVE:
        rc = act_on(client, call, act, &approve.base, &ward__v1__approve_response__descriptor,
                    proposals, error);
        break;
    case REJECT:
        rc = act_on(client, call, act, &reject.base, &ward__v1__reject_response__descriptor,
                    proposals, error);
        break;
    }
    if (rc == WARD_RC_OK) {
        *ret = &WARD_TAKE(proposals)->view;
    }
    return rc;
}

ward_rc ward_submit_proposal(ward_client *client, const ward_call *call, const char *id,
                             const void *signature, size_t size, ward_proposals **ret,
                             ward_error *error)
{
    return sign_off(client, call, SUBMIT, id, signature, size, ret, error);
}

ward_rc ward_approve_proposal(ward_client *client, const ward_call *call, const char *id,
                              const void *signature, size_t size, ward_proposals **ret,
                              ward_error *error)
{
    return sign_off(client, call, APPROVE, id, signature, size, ret, error);
}

ward_rc ward_reject_proposal(ward_client *client, const ward_call *call, const char *id,
                             const void *signature, size_t size, ward_proposals **ret,
                             ward_error *error)
{
    return sign_off(client, call, REJECT, id, signature, size, ret, error);
}
