/* SPDX-License-Identifier: Apache-2.0 */
/* Proposals as they are made and shown. What is signed is the payload alone; nothing else that is
 * stored beside it is ever believed when it is executed. */
#include "server/op/proposing.h"

#include "server/op/terms.h"

#define PAYLOAD_MAX 16384

ward_status ward_proposing_make(struct ward_request *request, int64_t now_us,
                                const struct ward_guard *guard, struct ward_proposal *proposal,
                                struct ward_store_proposal *ret_row,
                                struct ward_proposal_view **ret_view)
{
    const struct ward_state *state = request->state;
    const struct ward_subject *subject =
        ward_policy_subject(state->policy, ward_bytes_str(request->peer->identity));
    WARD_ENSURE(subject != NULL, WARD_E_DENIED);
    proposal->deployment = state->deployment;
    WARD_TRY(ward_id_random(&proposal->id));
    memcpy(proposal->policy, ward_policy_hash(state->policy), sizeof(proposal->policy));
    proposal->epoch = state->epoch;
    proposal->proposer = ward_bytes_str(request->peer->identity);
    proposal->person = ward_subject_person(subject);
    proposal->created_us = now_us;
    if (proposal->expires_us == 0) {
        proposal->expires_us = now_us + (int64_t)guard->expires_hours * 3600 * 1000000;
    }
    WARD_TRY(ward_terms_put(guard, request->arena, proposal));
    proposal->reason = request->reason;
    struct ward_buffer buffer;
    ward_buffer_init(&buffer, PAYLOAD_MAX);
    ward_proposal_print(proposal, &buffer);
    struct ward_bytes payload;
    ward_status status = buffer.failed
                             ? WARD_STATUS(WARD_E_EXHAUSTED)
                             : ward_arena_copy(request->arena, ward_buffer_view(&buffer), &payload);
    ward_buffer_fini(&buffer);
    WARD_TRY(status);
    *ret_row = (struct ward_store_proposal){.id = proposal->id,
                                            .payload = payload,
                                            .proposer = proposal->proposer,
                                            .state = WARD_PROPOSAL_DRAFT,
                                            .created_us = proposal->created_us,
                                            .expires_us = proposal->expires_us};
    *ret_view = WARD_ARENA_NEW(request->arena, struct ward_proposal_view);
    WARD_ENSURE(*ret_view != NULL, WARD_E_EXHAUSTED);
    return ward_proposing_view(request->arena, now_us, ret_row, *ret_view);
}

static const char *state_name(const struct ward_store_proposal *row, int64_t now_us)
{
    bool open = row->state == WARD_PROPOSAL_DRAFT || row->state == WARD_PROPOSAL_OPEN ||
                row->state == WARD_PROPOSAL_APPROVED;
    if (open && row->expires_us <= now_us) {
        return "expired";
    }
    switch ((enum ward_proposal_state)row->state) {
    case WARD_PROPOSAL_DRAFT:
        return "draft";
    case WARD_PROPOSAL_OPEN:
        return "open";
    case WARD_PROPOSAL_EXECUTING:
        return "executing";
    case WARD_PROPOSAL_EXECUTED:
        return "executed";
    case WARD_PROPOSAL_REJECTED:
        return "rejected";
    case WARD_PROPOSAL_APPROVED:
        return "approved";
    case WARD_PROPOSAL_WITHDRAWN:
        return "withdrawn";
    }
    return "unknown";
}

ward_status ward_proposing_view(struct ward_arena *arena, int64_t now_us,
                                const struct ward_store_proposal *row,
                                struct ward_proposal_view *ret)
{
    struct ward_proposal parsed;
    WARD_TRY(ward_proposal_parse(row->payload, arena, &parsed));
    *ret = (struct ward_proposal_view){.id = row->id,
                                       .payload = row->payload,
                                       .proposer = parsed.proposer,
                                       .state = state_name(row, now_us),
                                       .approvals_needed = parsed.approvals,
                                       .n_votes = row->n_votes};
    ret->votes = WARD_ARENA_ARRAY(arena, struct ward_vote_view, row->n_votes);
    WARD_ENSURE(ret->votes != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < row->n_votes; i++) {
        const struct ward_store_vote *vote = &row->votes[i];
        ret->votes[i] = (struct ward_vote_view){.identity = vote->identity,
                                                .signature = vote->signature,
                                                .certificate = vote->certificate,
                                                .reason = vote->reason,
                                                .decision = vote->decision,
                                                .created_us = vote->created_us};
    }
    return WARD_OK;
}
