/* SPDX-License-Identifier: Apache-2.0 */
/* Submit, Approve and Reject. A vote is a signature over the payload by the key of the certificate
 * on which it came; every stored vote is verified again before it counts, and its certificate is
 * held against our CAs again, so that a row written into the database by hand counts for nothing.
 * The last signature needed runs the operation at once; what that means for each kind of it is in
 * execution.h. */
#include "server/op/execution.h"
#include "server/op/proposing.h"
#include "server/op/votes.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

struct approval_notes {
    struct ward_proposal proposal;
    struct ward_store_proposal stored;
    struct ward_store_vote vote; /* the one that this request casts */
    uint8_t from, to;            /* the proposal's state */
    bool runs;
    const struct ward_execution *execution; /* when it runs; so with the rest */
    void *execution_work;
    struct ward_bytes approvers; /* identities; empty when it needed none */
};

static ward_status decide_vote(struct ward_request *request)
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
        request->work = WARD_ARENA_NEW(request->arena, struct approval_notes);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    return WARD_OK;
}

static ward_status read_proposal(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_approval *in = request->in;
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_PROPOSAL, &read));
    read->proposal.id = in->id;
    return WARD_OK;
}

/* What running it would look at. A proposal that cannot be read is told of when it is loaded. */
static ward_status read_more(struct ward_request *request)
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

static ward_status load(struct ward_request *request, struct approval_notes *notes)
{
    const struct ward_read *read = request->reads[0];
    if (read->status.code == WARD_E_NOT_FOUND) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "proposal: no such proposal");
    }
    WARD_TRY(read->status);
    notes->stored = read->proposal.proposal;
    return ward_proposal_parse(notes->stored.payload, request->arena, &notes->proposal);
}

static ward_status check_current(const struct ward_request *request,
                                 const struct approval_notes *notes, int64_t now_us)
{
    const struct ward_proposal *proposal = &notes->proposal;
    bool ours = ward_id_eq(&proposal->deployment, &request->state->deployment) &&
                ward_id_eq(&proposal->id, &notes->stored.id);
    if (!ours) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: it was not made by this deployment");
    }
    if (notes->stored.state != WARD_PROPOSAL_DRAFT && notes->stored.state != WARD_PROPOSAL_OPEN) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: it has been decided already");
    }
    if (proposal->expires_us <= now_us) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: it has expired; propose again");
    }
    if (memcmp(proposal->policy, ward_policy_hash(request->state->policy),
               sizeof(proposal->policy)) != 0) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "proposal: policy has changed since it was made; propose again");
    }
    return WARD_OK;
}

static ward_status cast_vote(struct ward_request *request, struct approval_notes *notes,
                             struct ward_worker *worker, enum ward_decision_kind kind)
{
    const struct ward_approval *in = request->in;
    WARD_REQUIRE(in->signature.size > 0, "signature: missing");
    WARD_TRY(ward_proposal_verify(notes->stored.payload, kind, request->peer->certificate,
                                  in->signature));
    notes->vote = (struct ward_store_vote){.identity = ward_bytes_str(request->peer->identity),
                                           .signature = in->signature,
                                           .certificate = request->peer->certificate,
                                           .decision = (uint8_t)kind,
                                           .created_us = ward_wall_us(worker->pipeline->clock)};
    uint8_t hash[32];
    WARD_TRY(ward_sha256(worker->crypto.digest, &in->signature, 1, hash));
    char *hex = ward_arena_alloc(request->arena, 65);
    WARD_ENSURE(hex != NULL, WARD_E_EXHAUSTED);
    ward_hex_encode(WARD_BYTES_ARRAY(hash), hex);
    ward_request_detail_text(request, "signature_digest", ward_bytes_str(hex));
    WARD_TRY(ward_proposal_digest(notes->stored.payload, hash));
    char *digest = ward_arena_alloc(request->arena, 65);
    WARD_ENSURE(digest != NULL, WARD_E_EXHAUSTED);
    ward_hex_encode(WARD_BYTES_ARRAY(hash), digest);
    ward_request_detail_text(request, "proposal_digest", ward_bytes_str(digest));
    return WARD_OK;
}

/* The caller sees the proposal as it will stand once this vote is durable. */
static ward_status show_after(struct ward_request *request, struct approval_notes *notes,
                              int64_t now_us)
{
    struct ward_approval *in = request->in;
    struct ward_store_proposal after = notes->stored;
    struct ward_store_vote *votes =
        WARD_ARENA_ARRAY(request->arena, struct ward_store_vote, after.n_votes + 1);
    WARD_ENSURE(votes != NULL, WARD_E_EXHAUSTED);
    if (after.n_votes > 0) {
        memcpy(votes, after.votes, after.n_votes * sizeof(*votes));
    }
    votes[after.n_votes++] = notes->vote;
    after.votes = votes;
    after.state = notes->runs ? WARD_PROPOSAL_EXECUTED : notes->to;
    return ward_proposing_view(request->arena, now_us, &after, &in->proposal);
}

/* ---- running it ---- */

/* Told only once it is done: the entry of one that failed must not read like one that ran. */
static ward_status tell_run(struct ward_request *request, const struct approval_notes *notes)
{
    char id[WARD_ID_TEXT_SIZE];
    ward_id_print(&notes->proposal.id, id);
    struct ward_bytes text;
    WARD_TRY(ward_arena_copy(request->arena, ward_bytes_str(id), &text));
    ward_request_detail_text(request, "executed", notes->proposal.action);
    WARD_TRY(notes->execution->tell(notes->execution_work, request));
    ward_request_detail_text(request, "proposal", text);
    ward_request_detail_text(request, "proposer", notes->proposal.proposer);
    if (notes->approvers.size > 0) {
        ward_request_detail_text(request, "approvers", notes->approvers);
    }
    return WARD_OK;
}

/* Are the votes enough, this one among them? Then what is left to do is prepared: rows alone go in
 * with this vote, a change of the HSM takes another step. */
static ward_status weigh(struct ward_request *request, struct approval_notes *notes,
                         const struct ward_votes *votes, int64_t now_us)
{
    const struct ward_policy *policy = request->state->policy;
    WARD_TRY(ward_votes_weigh(policy, votes, &notes->proposal, &notes->runs));
    notes->to = WARD_PROPOSAL_OPEN;
    request->last = true;
    if (!notes->runs) {
        return WARD_OK;
    }
    WARD_TRY(ward_execution_find(notes->proposal.action, &notes->execution));
    WARD_TRY(notes->execution->prepare(request, &notes->proposal, now_us, &notes->execution_work));
    WARD_TRY(ward_votes_name(policy, votes, request->arena, &notes->approvers));
    request->last = notes->execution->effect == NULL;
    notes->to = request->last ? WARD_PROPOSAL_EXECUTED : WARD_PROPOSAL_EXECUTING;
    return request->last ? tell_run(request, notes) : WARD_OK;
}

static ward_status finish_run(struct ward_request *request, struct ward_worker *worker)
{
    struct approval_notes *notes = request->work;
    WARD_TRY(notes->execution->effect(notes->execution_work, worker));
    return tell_run(request, notes);
}

static ward_status commit_run(struct ward_request *request, struct ward_batch *batch)
{
    struct approval_notes *notes = request->work;
    struct ward_effect state = {.kind = WARD_EFFECT_PROPOSAL_STATE};
    state.proposal_state.id = notes->stored.id;
    state.proposal_state.from = WARD_PROPOSAL_EXECUTING;
    state.proposal_state.to = WARD_PROPOSAL_EXECUTED;
    WARD_TRY(ward_batch_effect(batch, &state));
    return notes->execution->outcome(notes->execution_work, batch);
}

/* Votes move the epoch, so that two that are cast at once are counted one after the other. The last
 * one before a change of the HSM need not: it moves the proposal out of the state that every other
 * vote starts from, and the epoch moves with its outcome. */
static ward_status commit_vote(struct ward_request *request, struct ward_batch *batch)
{
    struct approval_notes *notes = request->work;
    struct ward_effect vote = {.kind = WARD_EFFECT_VOTE};
    vote.vote.proposal = notes->stored.id;
    vote.vote.vote = notes->vote;
    WARD_TRY(ward_batch_effect(batch, &vote));
    struct ward_effect state = {.kind = WARD_EFFECT_PROPOSAL_STATE};
    state.proposal_state.id = notes->stored.id;
    state.proposal_state.from = notes->from;
    state.proposal_state.to = notes->to;
    WARD_TRY(ward_batch_effect(batch, &state));
    if (notes->to == WARD_PROPOSAL_EXECUTING) {
        return notes->execution->intent(notes->execution_work, request->state, batch);
    }
    batch->bump_epoch = true;
    return notes->runs ? notes->execution->outcome(notes->execution_work, batch) : WARD_OK;
}

/* ---- submit: the proposer's own signature, which may be all that is needed ---- */

static ward_status finish_submit(struct ward_request *request, struct ward_worker *worker)
{
    struct approval_notes *notes = request->work;
    int64_t now = ward_wall_us(worker->pipeline->clock);
    WARD_TRY(load(request, notes));
    WARD_TRY(check_current(request, notes, now));
    if (!ward_bytes_eq(notes->proposal.proposer, ward_bytes_str(request->peer->identity))) {
        return WARD_REFUSAL(WARD_E_DENIED, "proposal: only its proposer may submit it");
    }
    if (notes->stored.state != WARD_PROPOSAL_DRAFT) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: it is open already");
    }
    WARD_TRY(cast_vote(request, notes, worker, WARD_DECISION_PROPOSE));
    const struct ward_votes mine = {
        .has_proposer = true,
        .proposer = {.identity = ward_bytes_str(request->peer->identity),
                     .public_key_hash = request->peer->public_key_hash}};
    notes->from = WARD_PROPOSAL_DRAFT;
    WARD_TRY(weigh(request, notes, &mine, now));
    return show_after(request, notes, now);
}

/* ---- approve ---- */

static ward_status add_approval(struct ward_request *request, struct approval_notes *notes,
                                struct ward_votes *votes, int64_t now_us)
{
    const struct ward_vote mine = {.identity = ward_bytes_str(request->peer->identity),
                                   .public_key_hash = request->peer->public_key_hash};
    WARD_TRY(ward_quorum_may_vote(request->state->policy, &votes->proposer, votes->approvals,
                                  votes->n, &mine));
    votes->approvals[votes->n++] = mine;
    notes->from = WARD_PROPOSAL_OPEN;
    return weigh(request, notes, votes, now_us);
}

static ward_status finish_approve(struct ward_request *request, struct ward_worker *worker)
{
    struct approval_notes *notes = request->work;
    int64_t now = ward_wall_us(worker->pipeline->clock);
    WARD_TRY(load(request, notes));
    WARD_TRY(check_current(request, notes, now));
    if (notes->stored.state != WARD_PROPOSAL_OPEN) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: its proposer has not signed it");
    }
    WARD_TRY(cast_vote(request, notes, worker, WARD_DECISION_APPROVE));
    struct ward_votes votes;
    ward_status status = ward_votes_load(request->state, request->arena, worker->pipeline->trust,
                                         &notes->stored, &notes->proposal, &votes);
    if (ward_ok(status)) {
        status = add_approval(request, notes, &votes, now);
    }
    ward_votes_release(&votes);
    WARD_TRY(status);
    return show_after(request, notes, now);
}

/* ---- reject ---- */

static ward_status finish_reject(struct ward_request *request, struct ward_worker *worker)
{
    struct approval_notes *notes = request->work;
    int64_t now = ward_wall_us(worker->pipeline->clock);
    WARD_TRY(load(request, notes));
    WARD_TRY(check_current(request, notes, now));
    WARD_TRY(cast_vote(request, notes, worker, WARD_DECISION_REJECT));
    notes->from = notes->stored.state;
    notes->to = WARD_PROPOSAL_REJECTED;
    return show_after(request, notes, now);
}

const struct ward_op ward_op_approval_submit = {
    .action = WARD_ACTION_APPROVAL_SUBMIT,
    .alone = true,
    .decide = decide_vote,
    .steps = {{.read = read_proposal,
               .read_more = read_more,
               .finish = finish_submit,
               .commit = commit_vote},
              {.finish = finish_run, .commit = commit_run}},
    .n_steps = 2,
};

const struct ward_op ward_op_approval_approve = {
    .action = WARD_ACTION_APPROVAL_APPROVE,
    .alone = true,
    .decide = decide_vote,
    .steps = {{.read = read_proposal,
               .read_more = read_more,
               .finish = finish_approve,
               .commit = commit_vote},
              {.finish = finish_run, .commit = commit_run}},
    .n_steps = 2,
};

const struct ward_op ward_op_approval_reject = {
    .action = WARD_ACTION_APPROVAL_REJECT,
    .alone = true,
    .decide = decide_vote,
    .steps = {{.read = read_proposal, .finish = finish_reject, .commit = commit_vote}},
    .n_steps = 1,
};
