/* SPDX-License-Identifier: Apache-2.0 */
/* Reject and Withdraw, which close a proposal for good, and Review, by which another officer looks
 * back at what ran on one signature. A refusal to go on is good under any policy: only what lets
 * something run asks whether policy has changed. */
#include "server/op/voting.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

static ward_status close_it(struct ward_request *request, struct ward_voting *voting,
                            struct ward_worker *worker, enum ward_decision_kind kind,
                            enum ward_proposal_state to)
{
    WARD_TRY(ward_voting_cast(request, voting, worker, kind));
    voting->from = voting->stored.state;
    voting->to = (uint8_t)to;
    return ward_voting_show(request, voting, worker);
}

static ward_status finish_reject(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_voting *voting = request->work;
    WARD_TRY(ward_voting_load(request, voting));
    WARD_TRY(ward_voting_check_open(voting, ward_wall_us(worker->pipeline->clock)));
    return close_it(request, voting, worker, WARD_DECISION_REJECT, WARD_PROPOSAL_REJECTED);
}

static ward_status finish_withdraw(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_voting *voting = request->work;
    WARD_TRY(ward_voting_load(request, voting));
    WARD_TRY(ward_voting_check_open(voting, ward_wall_us(worker->pipeline->clock)));
    if (!ward_bytes_eq(voting->proposal.proposer, ward_bytes_str(request->peer->identity))) {
        return WARD_REFUSAL(WARD_E_DENIED, "proposal: only its proposer may withdraw it");
    }
    return close_it(request, voting, worker, WARD_DECISION_WITHDRAW, WARD_PROPOSAL_WITHDRAWN);
}

static ward_status finish_review(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_voting *voting = request->work;
    WARD_TRY(ward_voting_load(request, voting));
    const struct ward_vote mine = {.identity = ward_bytes_str(request->peer->identity),
                                   .public_key_hash = request->peer->public_key_hash};
    WARD_TRY(
        ward_votes_may_review(request->state->policy, &voting->stored, &voting->proposal, &mine));
    if (ward_votes_reviewed(request->state->policy, worker->pipeline->trust, &voting->stored,
                            &voting->proposal)) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: it has been reviewed already");
    }
    WARD_TRY(ward_voting_cast(request, voting, worker, WARD_DECISION_REVIEW));
    ward_request_detail_text(request, "reviewed", voting->proposal.action);
    ward_request_detail_text(request, "proposer", voting->proposal.proposer);
    voting->from = voting->to = WARD_PROPOSAL_EXECUTED;
    return ward_voting_show(request, voting, worker);
}

#define OP(name, action_name)                         \
    const struct ward_op ward_op_approval_##name = {  \
        .action = WARD_ACTION_APPROVAL_##action_name, \
        .alone = true,                                \
        .decide = ward_voting_decide,                 \
        .steps = {{.read = ward_voting_read,          \
                   .finish = finish_##name,           \
                   .commit = ward_voting_commit}},    \
        .n_steps = 1,                                 \
    }

OP(reject, REJECT);
OP(withdraw, WITHDRAW);
OP(review, REVIEW);
