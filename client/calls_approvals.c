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
        .reason = vote->reason,
    };
}

ward_proposal_info *ward_proposal_view(struct ward_arena *arena, const Ward__V1__Proposal *proposal)
{
    size_t n = proposal->n_approvals;
    ward_proposal_info *info = WARD_ARENA_NEW(arena, ward_proposal_info);
    ward_vote_info *votes = WARD_ARENA_ARRAY(arena, ward_vote_info, n);
    const ward_vote_info **pointers = WARD_ARENA_ARRAY(arena, const ward_vote_info *, n);
    ward_missing_info *missing = WARD_ARENA_ARRAY(arena, ward_missing_info, proposal->n_missing);
    if (info == NULL || votes == NULL || pointers == NULL || missing == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < proposal->n_missing; i++) {
        missing[i] =
            (ward_missing_info){proposal->missing[i]->role, proposal->missing[i]->approvals};
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
        .review = proposal->review,
        .approvals_missing = proposal->approvals_missing,
        .missing_of = missing,
        .n_missing_of = proposal->n_missing,
        .may_approve = (const char *const *)proposal->may_approve,
        .n_may_approve = proposal->n_may_approve,
        .waits_for_you = proposal->waits_for_you,
        .cannot_run = proposal->cannot_run,
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

static ward_rc list(ward_client *client, const ward_call *call, bool all, bool unreviewed,
                    uint32_t page_size, const char *page, ward_proposals **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Approvals/List", true};
    ward_auto(free_proposals) struct proposals *proposals = NULL;
    WARD_CLIENT_TRY(new_proposals(&proposals, error));
    Ward__V1__ListApprovalsRequest request = WARD__V1__LIST_APPROVALS_REQUEST__INIT;
    request.header = ward_message_header(proposals->arena, call);
    request.all = all;
    request.unreviewed = unreviewed;
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

ward_rc ward_list_proposals(ward_client *client, const ward_call *call, int all, uint32_t page_size,
                            const char *page, ward_proposals **ret, ward_error *error)
{
    return list(client, call, all != 0, false, page_size, page, ret, error);
}

ward_rc ward_list_unreviewed(ward_client *client, const ward_call *call, uint32_t page_size,
                             const char *page, ward_proposals **ret, ward_error *error)
{
    return list(client, call, true, true, page_size, page, ret, error);
}

/* The requests about one proposal, and their answers, have the same fields in the same order but
 * for the signature, which Show has not. */
enum act { SHOW, SUBMIT, APPROVE, REJECT, WITHDRAW, EXECUTE, REVIEW };

static const struct ward_method methods[] = {
    [SHOW] = {"/ward.v1.Approvals/Show", true},
    [SUBMIT] = {"/ward.v1.Approvals/Submit", false},
    [APPROVE] = {"/ward.v1.Approvals/Approve", false},
    [REJECT] = {"/ward.v1.Approvals/Reject", false},
    [WITHDRAW] = {"/ward.v1.Approvals/Withdraw", false},
    [EXECUTE] = {"/ward.v1.Approvals/Execute", false},
    [REVIEW] = {"/ward.v1.Approvals/Review", false},
};

#define LIKE_SUBMIT(type) (sizeof(Ward__V1__SubmitApprovalRequest) == sizeof(type))
_Static_assert(LIKE_SUBMIT(Ward__V1__ApproveRequest) && LIKE_SUBMIT(Ward__V1__RejectRequest) &&
                   LIKE_SUBMIT(Ward__V1__WithdrawRequest) &&
                   LIKE_SUBMIT(Ward__V1__ExecuteRequest) && LIKE_SUBMIT(Ward__V1__ReviewRequest),
               "requests with a signature are alike");

/* What tells them apart in memory is the descriptor alone. */
static const struct {
    const ProtobufCMessageDescriptor *request, *answer;
} types[] = {
    [SHOW] = {&ward__v1__show_approval_request__descriptor,
              &ward__v1__show_approval_response__descriptor},
    [SUBMIT] = {&ward__v1__submit_approval_request__descriptor,
                &ward__v1__submit_approval_response__descriptor},
    [APPROVE] = {&ward__v1__approve_request__descriptor, &ward__v1__approve_response__descriptor},
    [REJECT] = {&ward__v1__reject_request__descriptor, &ward__v1__reject_response__descriptor},
    [WITHDRAW] = {&ward__v1__withdraw_request__descriptor,
                  &ward__v1__withdraw_response__descriptor},
    [EXECUTE] = {&ward__v1__execute_request__descriptor, &ward__v1__execute_response__descriptor},
    [REVIEW] = {&ward__v1__review_request__descriptor, &ward__v1__review_response__descriptor},
};

static ward_rc act_on(ward_client *client, const ward_call *call, enum act act,
                      ProtobufCMessage *request, struct proposals *proposals, ward_error *error)
{
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &methods[act], call, request, types[act].answer,
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
    WARD_CLIENT_TRY(act_on(client, call, SHOW, &request.base, proposals, error));
    *ret = &WARD_TAKE(proposals)->view;
    return WARD_RC_OK;
}

static ward_rc sign_off(ward_client *client, const ward_call *call, enum act act, const char *id,
                        const void *signature, size_t size, ward_proposals **ret, ward_error *error)
{
    ward_auto(free_proposals) struct proposals *proposals = NULL;
    WARD_CLIENT_TRY(new_proposals(&proposals, error));
    Ward__V1__SubmitApprovalRequest request = WARD__V1__SUBMIT_APPROVAL_REQUEST__INIT;
    request.base.descriptor = types[act].request;
    request.header = ward_message_header(proposals->arena, call);
    request.id = ward_message_text(id);
    request.signature = (ProtobufCBinaryData){size, (uint8_t *)signature}; /* only read */
    WARD_CLIENT_TRY(act_on(client, call, act, &request.base, proposals, error));
    *ret = &WARD_TAKE(proposals)->view;
    return WARD_RC_OK;
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

ward_rc ward_withdraw_proposal(ward_client *client, const ward_call *call, const char *id,
                               const void *signature, size_t size, ward_proposals **ret,
                               ward_error *error)
{
    return sign_off(client, call, WITHDRAW, id, signature, size, ret, error);
}

ward_rc ward_execute_proposal(ward_client *client, const ward_call *call, const char *id,
                              const void *signature, size_t size, ward_proposals **ret,
                              ward_error *error)
{
    return sign_off(client, call, EXECUTE, id, signature, size, ret, error);
}

ward_rc ward_review_proposal(ward_client *client, const ward_call *call, const char *id,
                             const void *signature, size_t size, ward_proposals **ret,
                             ward_error *error)
{
    return sign_off(client, call, REVIEW, id, signature, size, ret, error);
}
