/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. A vote is a signature over the payload by the key of the certificate on which it
 * came; nothing that is stored beside the payload is believed. */
#include "server/op/voting.h"

#include "server/op/standing.h"
#include "server/op/terms.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

ward_status ward_voting_decide(struct ward_request *request)
{
    const struct ward_approval *in = request->in;
    struct ward_decision decision =
        ward_request_ask(request, request->op->action, (struct ward_bytes){0}, NULL);
    request->rule = decision.rule;
    char id[WARD_ID_TEXT_SIZE];
    ward_id_print(&in->id, id);
    char *object = ward_arena_printf(request->arena, "proposal:%s", id);
    WARD_ENSURE(object != NULL, WARD_E_EXHAUSTED);
    request->object = ward_bytes_str(object);
    WARD_TRY(decision.status);
    if (request->work == NULL) {
        request->work = WARD_ARENA_NEW(request->arena, struct ward_voting);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    return WARD_OK;
}

ward_status ward_voting_read(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_approval *in = request->in;
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_PROPOSAL, &read));
    read->proposal.id = in->id;
    return WARD_OK;
}

/* A proposal that cannot be read is told of when it is loaded. */
ward_status ward_voting_read_more(struct ward_request *request)
{
    const struct ward_read *read = request->reads[0];
    struct ward_proposal proposal;
    const struct ward_execution *execution;
    bool known =
        ward_ok(read->status) &&
        ward_ok(ward_proposal_parse(read->proposal.proposal.payload, request->arena, &proposal)) &&
        ward_ok(ward_execution_find(proposal.action, &execution));
    return known && execution->read != NULL ? execution->read(request, &proposal) : WARD_OK;
}

ward_status ward_voting_load(struct ward_request *request, struct ward_voting *voting)
{
    const struct ward_read *read = request->reads[0];
    if (read->status.code == WARD_E_NOT_FOUND) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "proposal: no such proposal");
    }
    WARD_TRY(read->status);
    voting->stored = read->proposal.proposal;
    voting->runs = false;
    WARD_TRY(ward_proposal_parse(voting->stored.payload, request->arena, &voting->proposal));
    const struct ward_proposal *proposal = &voting->proposal;
    bool ours = ward_id_eq(&proposal->deployment, &request->state->deployment) &&
                ward_id_eq(&proposal->id, &voting->stored.id);
    if (!ours) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: it was not made by this deployment");
    }
    return WARD_OK;
}

ward_status ward_voting_check_open(const struct ward_voting *voting, int64_t now_us)
{
    switch (voting->stored.state) {
    case WARD_PROPOSAL_DRAFT:
    case WARD_PROPOSAL_OPEN:
    case WARD_PROPOSAL_APPROVED:
        break;
    case WARD_PROPOSAL_EXECUTED:
        return WARD_REFUSAL(WARD_E_STATE, "proposal: it has been decided already: it was executed");
    case WARD_PROPOSAL_EXECUTING:
        return WARD_REFUSAL(WARD_E_STATE,
                            "proposal: it has been decided already: it is being executed");
    case WARD_PROPOSAL_REJECTED:
        return WARD_REFUSAL(WARD_E_STATE, "proposal: it has been decided already: it was rejected");
    case WARD_PROPOSAL_WITHDRAWN:
        return WARD_REFUSAL(WARD_E_STATE,
                            "proposal: it has been decided already: it was withdrawn");
    default: /* a byte that somebody else wrote */
        return WARD_REFUSAL(WARD_E_STATE, "proposal: it has been decided already");
    }
    if (voting->proposal.expires_us <= now_us) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: it has expired; propose again");
    }
    return WARD_OK;
}

ward_status ward_voting_check_current(const struct ward_request *request,
                                      const struct ward_voting *voting, int64_t now_us)
{
    WARD_TRY(ward_voting_check_open(voting, now_us));
    if (memcmp(voting->proposal.policy, ward_policy_hash(request->state->policy),
               sizeof(voting->proposal.policy)) != 0) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "proposal: policy has changed since it was made; propose again");
    }
    return WARD_OK;
}

/* ---- casting ---- */

static ward_status tell_digest(struct ward_request *request, const char *name,
                               const uint8_t hash[static 32])
{
    char *hex = ward_arena_alloc(request->arena, 65);
    WARD_ENSURE(hex != NULL, WARD_E_EXHAUSTED);
    ward_hex_encode(WARD_BYTES(hash, 32), hex);
    ward_request_detail_text(request, name, ward_bytes_str(hex));
    return WARD_OK;
}

ward_status ward_voting_cast(struct ward_request *request, struct ward_voting *voting,
                             struct ward_worker *worker, enum ward_decision_kind kind)
{
    const struct ward_approval *in = request->in;
    WARD_REQUIRE(in->signature.size > 0, "signature: missing");
    voting->vote = (struct ward_store_vote){.identity = ward_bytes_str(request->peer->identity),
                                            .signature = in->signature,
                                            .certificate = request->peer->certificate,
                                            .decision = (uint8_t)kind,
                                            .created_us = ward_wall_us(worker->pipeline->clock)};
    if (ward_decision_kind_reasoned(kind)) {
        voting->vote.reason = request->reason;
    }
    WARD_TRY(ward_votes_verify(&voting->stored, &voting->vote));
    struct ward_guard terms;
    WARD_TRY(ward_terms_find(request->state->policy, &voting->proposal, &terms));
    WARD_TRY(ward_terms_check_key(request->state->policy, &terms, request->peer, kind));
    uint8_t hash[32];
    WARD_TRY(ward_sha256(worker->crypto.digest, &in->signature, 1, hash));
    WARD_TRY(tell_digest(request, "signature_digest", hash));
    WARD_TRY(ward_proposal_digest(voting->stored.payload, hash));
    return tell_digest(request, "proposal_digest", hash);
}

ward_status ward_voting_show(struct ward_request *request, struct ward_voting *voting,
                             struct ward_worker *worker)
{
    struct ward_approval *in = request->in;
    struct ward_store_proposal after = voting->stored;
    struct ward_store_vote *votes =
        WARD_ARENA_ARRAY(request->arena, struct ward_store_vote, after.n_votes + 1);
    WARD_ENSURE(votes != NULL, WARD_E_EXHAUSTED);
    if (after.n_votes > 0) {
        memcpy(votes, after.votes, after.n_votes * sizeof(*votes));
    }
    votes[after.n_votes++] = voting->vote;
    after.votes = votes;
    after.state = voting->runs ? WARD_PROPOSAL_EXECUTED : voting->to;
    WARD_TRY(ward_proposing_view(request->arena, ward_wall_us(worker->pipeline->clock), &after,
                                 &in->proposal));
    return ward_standing_find(request, worker, &after, &in->proposal.standing);
}

/* ---- running it ---- */

/* Told only once it is done: the entry of one that failed must not read like one that ran. */
static ward_status tell_run(struct ward_request *request, const struct ward_voting *voting)
{
    char id[WARD_ID_TEXT_SIZE];
    ward_id_print(&voting->proposal.id, id);
    struct ward_bytes text;
    WARD_TRY(ward_arena_copy(request->arena, ward_bytes_str(id), &text));
    ward_request_detail_text(request, "executed", voting->proposal.action);
    WARD_TRY(voting->execution->tell(voting->execution_work, request));
    ward_request_detail_text(request, "proposal", text);
    ward_request_detail_text(request, "proposer", voting->proposal.proposer);
    if (voting->approvers.size > 0) {
        ward_request_detail_text(request, "approvers", voting->approvers);
    }
    return WARD_OK;
}

ward_status ward_voting_weigh(struct ward_request *request, struct ward_voting *voting,
                              const struct ward_votes *votes, int64_t now_us)
{
    const struct ward_policy *policy = request->state->policy;
    bool enough = false;
    WARD_TRY(ward_votes_enough(policy, votes, &voting->proposal, &enough));
    WARD_TRY(ward_votes_weigh(policy, votes, &voting->proposal, &voting->runs));
    voting->to = enough ? WARD_PROPOSAL_APPROVED : WARD_PROPOSAL_OPEN;
    request->last = true;
    if (!voting->runs) {
        return WARD_OK;
    }
    WARD_TRY(ward_execution_find(voting->proposal.action, &voting->execution));
    WARD_TRY(
        voting->execution->prepare(request, &voting->proposal, now_us, &voting->execution_work));
    WARD_TRY(ward_votes_name(policy, votes, request->arena, &voting->approvers));
    request->last = voting->execution->effect == NULL;
    voting->to = request->last ? WARD_PROPOSAL_EXECUTED : WARD_PROPOSAL_EXECUTING;
    return request->last ? tell_run(request, voting) : WARD_OK;
}

ward_status ward_voting_finish_run(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_voting *voting = request->work;
    WARD_TRY(voting->execution->effect(voting->execution_work, worker));
    return tell_run(request, voting);
}

ward_status ward_voting_commit_run(struct ward_request *request, struct ward_batch *batch)
{
    struct ward_voting *voting = request->work;
    struct ward_effect state = {.kind = WARD_EFFECT_PROPOSAL_STATE};
    state.proposal_state.id = voting->stored.id;
    state.proposal_state.from = WARD_PROPOSAL_EXECUTING;
    state.proposal_state.to = WARD_PROPOSAL_EXECUTED;
    WARD_TRY(ward_batch_effect(batch, &state));
    return voting->execution->outcome(voting->execution_work, batch);
}

/* Votes move the epoch, so that two that are cast at once are counted one after the other. The last
 * one before a change of the HSM need not: it moves the proposal out of the state that every other
 * vote starts from, and the epoch moves with its outcome. */
ward_status ward_voting_commit(struct ward_request *request, struct ward_batch *batch)
{
    struct ward_voting *voting = request->work;
    struct ward_effect vote = {.kind = WARD_EFFECT_VOTE};
    vote.vote.proposal = voting->stored.id;
    vote.vote.vote = voting->vote;
    WARD_TRY(ward_batch_effect(batch, &vote));
    struct ward_effect state = {.kind = WARD_EFFECT_PROPOSAL_STATE};
    state.proposal_state.id = voting->stored.id;
    state.proposal_state.from = voting->from;
    state.proposal_state.to = voting->to;
    WARD_TRY(ward_batch_effect(batch, &state));
    if (voting->to == WARD_PROPOSAL_EXECUTING) {
        return voting->execution->intent(voting->execution_work, batch);
    }
    batch->bump_epoch = true;
    return voting->runs ? voting->execution->outcome(voting->execution_work, batch) : WARD_OK;
}
