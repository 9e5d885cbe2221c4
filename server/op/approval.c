/* SPDX-License-Identifier: Apache-2.0 */
/* Submit, Approve and Execute: what brings a proposal closer to running. Every stored vote is
 * verified again before it counts, and its certificate is held against our CAs again, so that a row
 * written into the database by hand counts for nothing. Who closes a proposal or looks back at one
 * is in approval_close.c. */
#include "server/op/voting.h"
#include "server/work/worker.h"

/* ---- submit: the proposer's own signature, which may be all that is needed ---- */

static ward_status finish_submit(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_voting *voting = request->work;
    int64_t now = ward_wall_us(worker->pipeline->clock);
    WARD_TRY(ward_voting_load(request, voting));
    WARD_TRY(ward_voting_check_current(request, voting, now));
    if (!ward_bytes_eq(voting->proposal.proposer, ward_bytes_str(request->peer->identity))) {
        return WARD_REFUSAL(WARD_E_DENIED, "proposal: only its proposer may submit it");
    }
    if (voting->stored.state != WARD_PROPOSAL_DRAFT) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: it is open already");
    }
    WARD_TRY(ward_voting_cast(request, voting, worker, WARD_DECISION_PROPOSE));
    const struct ward_votes mine = {
        .has_proposer = true,
        .proposer = {.identity = ward_bytes_str(request->peer->identity),
                     .public_key_hash = request->peer->public_key_hash}};
    voting->from = WARD_PROPOSAL_DRAFT;
    WARD_TRY(ward_voting_weigh(request, voting, &mine, now));
    return ward_voting_show(request, voting, worker);
}

/* ---- approve ---- */

static ward_status add_approval(struct ward_request *request, struct ward_voting *voting,
                                struct ward_votes *votes, int64_t now_us)
{
    const struct ward_vote mine = {.identity = ward_bytes_str(request->peer->identity),
                                   .public_key_hash = request->peer->public_key_hash};
    WARD_TRY(ward_quorum_may_vote(request->state->policy, &votes->proposer, votes->approvals,
                                  votes->n, &mine));
    votes->approvals[votes->n++] = mine;
    return ward_voting_weigh(request, voting, votes, now_us);
}

/* An identity signs a proposal once. Whose certificate was renewed, revoked or taken out of the CAs
 * since has to leave it to somebody else. */
static ward_status check_first(const struct ward_request *request, const struct ward_voting *voting)
{
    for (size_t i = 0; i < voting->stored.n_votes; i++) {
        const struct ward_store_vote *row = &voting->stored.votes[i];
        bool agreed =
            row->decision == WARD_DECISION_PROPOSE || row->decision == WARD_DECISION_APPROVE;
        if (agreed && ward_bytes_eq(row->identity, ward_bytes_str(request->peer->identity))) {
            return WARD_REFUSAL(WARD_E_STATE,
                                "approval: this identity gave one that counts no more; another "
                                "officer has to approve, or propose anew");
        }
    }
    return WARD_OK;
}

static ward_status finish_approve(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_voting *voting = request->work;
    int64_t now = ward_wall_us(worker->pipeline->clock);
    WARD_TRY(ward_voting_load(request, voting));
    WARD_TRY(ward_voting_check_current(request, voting, now));
    if (voting->stored.state == WARD_PROPOSAL_DRAFT) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: its proposer has not signed it");
    }
    WARD_TRY(ward_voting_cast(request, voting, worker, WARD_DECISION_APPROVE));
    voting->from = voting->stored.state; /* one that was approved may have lost a signer since */
    struct ward_votes votes;
    ward_status status = ward_votes_load(request->state, request->arena, worker->pipeline->trust,
                                         &voting->stored, &voting->proposal, &votes);
    if (ward_ok(status)) {
        status = add_approval(request, voting, &votes, now);
    }
    if (ward_ok(status)) {
        status = check_first(request, voting);
    }
    ward_votes_release(&votes);
    WARD_TRY(status);
    return ward_voting_show(request, voting, worker);
}

/* ---- execute ---- */

static ward_status run(struct ward_request *request, struct ward_voting *voting,
                       struct ward_votes *votes, int64_t now_us)
{
    votes->has_executor = true; /* by the signature that was cast just now */
    WARD_TRY(ward_voting_weigh(request, voting, votes, now_us));
    if (!voting->runs) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: not enough officers' signatures on it stand");
    }
    return WARD_OK;
}

static ward_status finish_execute(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_voting *voting = request->work;
    int64_t now = ward_wall_us(worker->pipeline->clock);
    WARD_TRY(ward_voting_load(request, voting));
    WARD_TRY(ward_voting_check_current(request, voting, now));
    if (voting->stored.state != WARD_PROPOSAL_APPROVED) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: not enough officers have approved it");
    }
    WARD_TRY(ward_voting_cast(request, voting, worker, WARD_DECISION_EXECUTE));
    voting->from = WARD_PROPOSAL_APPROVED;
    struct ward_votes votes;
    ward_status status = ward_votes_load(request->state, request->arena, worker->pipeline->trust,
                                         &voting->stored, &voting->proposal, &votes);
    if (ward_ok(status)) {
        status = run(request, voting, &votes, now);
    }
    ward_votes_release(&votes);
    WARD_TRY(status);
    return ward_voting_show(request, voting, worker);
}

#define OP(name, action_name, finish_name)                                               \
    const struct ward_op ward_op_approval_##name = {                                     \
        .action = WARD_ACTION_APPROVAL_##action_name,                                    \
        .alone = true,                                                                   \
        .decide = ward_voting_decide,                                                    \
        .steps = {{.read = ward_voting_read,                                             \
                   .read_more = ward_voting_read_more,                                   \
                   .finish = (finish_name),                                              \
                   .commit = ward_voting_commit},                                        \
                  {.finish = ward_voting_finish_run, .commit = ward_voting_commit_run}}, \
        .n_steps = 2,                                                                    \
    }

OP(submit, SUBMIT, finish_submit);
OP(approve, APPROVE, finish_approve);
OP(execute, EXECUTE, finish_execute);
