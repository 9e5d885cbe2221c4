/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Signatures are verified here too: what a database writer put beside a proposal
 * neither hides it from anybody nor makes it look further than it is. */
#include "server/op/standing.h"

#include "server/op/execution.h"
#include "server/work/worker.h"

static bool may(const struct ward_request *request, enum ward_action action)
{
    return ward_ok(ward_request_ask(request, action, (struct ward_bytes){0}, NULL).status);
}

static struct ward_vote vote_of(const struct ward_peer *peer)
{
    return (struct ward_vote){.identity = ward_bytes_str(peer->identity),
                              .public_key_hash = peer->public_key_hash};
}

/* ---- who may still approve ---- */

static bool revoked(const struct ward_request *request, const struct ward_subject *subject)
{
    return ward_state_revocation(request->state, WARD_REVOKED_IDENTITY,
                                 ward_subject_identity(subject)) != NULL;
}

static bool has_signed(const struct ward_policy *policy, const struct ward_votes *votes,
                       struct ward_bytes person)
{
    for (size_t i = 0; i <= votes->n; i++) {
        const struct ward_vote *vote = i == votes->n ? &votes->proposer : &votes->approvals[i];
        const struct ward_subject *subject = ward_policy_subject(policy, vote->identity);
        if (subject != NULL && ward_bytes_eq(ward_subject_person(subject), person)) {
            return true;
        }
    }
    return false;
}

static ward_status name_approvers(const struct ward_request *request,
                                  const struct ward_votes *votes,
                                  struct ward_proposal_standing *ret)
{
    const struct ward_policy *policy = request->state->policy;
    const struct ward_subject *const *approving;
    size_t n = ward_policy_approving(policy, &approving);
    struct ward_bytes *persons = WARD_ARENA_ARRAY(request->arena, struct ward_bytes, n);
    WARD_ENSURE(persons != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < n; i++) {
        struct ward_bytes person = ward_subject_person(approving[i]);
        bool again =
            ret->n_may_approve > 0 && ward_bytes_eq(persons[ret->n_may_approve - 1], person);
        if (!again && !revoked(request, approving[i]) && !has_signed(policy, votes, person)) {
            persons[ret->n_may_approve++] = person;
        }
    }
    ret->may_approve = persons;
    return WARD_OK;
}

/* ---- what is missing ---- */

static ward_status weigh(const struct ward_request *request, const struct ward_proposal *proposal,
                         const struct ward_store_proposal *row, const struct ward_votes *votes,
                         struct ward_proposal_standing *ret)
{
    const struct ward_vote mine = vote_of(request->peer);
    WARD_TRY(ward_votes_missing(request, votes, proposal, ret));
    bool enough = ret->missing == 0;
    if (!enough && may(request, WARD_ACTION_APPROVAL_APPROVE) &&
        ward_ok(ward_quorum_may_vote(request->state->policy, &votes->proposer, votes->approvals,
                                     votes->n, &mine))) {
        ret->waits_for_you = "approve";
    } else if (enough && row->state == WARD_PROPOSAL_APPROVED &&
               may(request, WARD_ACTION_APPROVAL_EXECUTE)) {
        ret->waits_for_you = "execute";
    }
    return enough ? WARD_OK : name_approvers(request, votes, ret);
}

/* A draft of mine waits for me; what its proposer has not signed, or no more, for nobody else. */
static ward_status stand_open(struct ward_request *request, struct ward_worker *worker,
                              const struct ward_store_proposal *row,
                              const struct ward_proposal *proposal,
                              struct ward_proposal_standing *ret)
{
    if (row->state == WARD_PROPOSAL_DRAFT) {
        ret->missing = proposal->approvals;
        bool mine = ward_bytes_eq(proposal->proposer, ward_bytes_str(request->peer->identity));
        ret->waits_for_you = mine ? "submit" : NULL;
        return WARD_OK;
    }
    struct ward_votes votes;
    ward_status status = ward_votes_load(request->state, request->arena, worker->pipeline->trust,
                                         row, proposal, &votes);
    if (ward_ok(status)) {
        status = weigh(request, proposal, row, &votes, ret);
    } else if (status.code == WARD_E_STATE) {
        ret->missing = proposal->approvals;
        status = WARD_OK;
    }
    ward_votes_release(&votes);
    return status;
}

static bool is_open(const struct ward_store_proposal *row, const struct ward_proposal *proposal,
                    int64_t now_us)
{
    bool open = row->state == WARD_PROPOSAL_DRAFT || row->state == WARD_PROPOSAL_OPEN ||
                row->state == WARD_PROPOSAL_APPROVED;
    return open && proposal->expires_us > now_us;
}

/* Under a policy that is no more, and on a key that is otherwise than it was, nothing waits: it
 * will never run. A refusal that does not speak of the proposal may pass, and says nothing here. */
static const char *why_not(struct ward_request *request, const struct ward_proposal *proposal)
{
    static const char field[] = "proposal: ";
    const struct ward_execution *execution;
    if (memcmp(proposal->policy, ward_policy_hash(request->state->policy),
               sizeof(proposal->policy)) != 0) {
        return "policy has changed since it was made; propose again";
    }
    if (!ward_ok(ward_execution_find(proposal->action, &execution)) || execution->stands == NULL) {
        return NULL;
    }
    ward_status status = execution->stands(request, proposal);
    const char *text = status.code == WARD_E_STATE ? ward_status_refusal(status) : NULL;
    return text != NULL && strncmp(text, field, sizeof(field) - 1) == 0 ? text + sizeof(field) - 1
                                                                        : NULL;
}

ward_status ward_standing_read(struct ward_request *request, const struct ward_store_proposal *row)
{
    struct ward_proposal proposal;
    const struct ward_execution *execution;
    WARD_TRY(ward_proposal_parse(row->payload, request->arena, &proposal));
    bool looks = is_open(row, &proposal, request->received_wall_us) &&
                 ward_ok(ward_execution_find(proposal.action, &execution)) &&
                 execution->look != NULL;
    return looks ? execution->look(request, &proposal) : WARD_OK;
}

static void stand_reviewed(struct ward_request *request, struct ward_worker *worker,
                           const struct ward_store_proposal *row,
                           const struct ward_proposal *proposal, struct ward_proposal_standing *ret)
{
    const struct ward_policy *policy = request->state->policy;
    const struct ward_vote mine = vote_of(request->peer);
    bool done = ward_votes_reviewed(policy, worker->pipeline->trust, row, proposal);
    ret->review = done ? "done" : "pending";
    if (!done && may(request, WARD_ACTION_APPROVAL_REVIEW) &&
        ward_ok(ward_votes_may_review(policy, row, proposal, &mine))) {
        ret->waits_for_you = "review";
    }
}

ward_status ward_standing_find(struct ward_request *request, struct ward_worker *worker,
                               const struct ward_store_proposal *row,
                               struct ward_proposal_standing *ret)
{
    *ret = (struct ward_proposal_standing){0};
    struct ward_proposal proposal;
    WARD_TRY(ward_proposal_parse(row->payload, request->arena, &proposal));
    if (ward_votes_need_review(row, &proposal)) {
        stand_reviewed(request, worker, row, &proposal, ret);
    }
    int64_t now = ward_wall_us(worker->pipeline->clock);
    if (!is_open(row, &proposal, now)) {
        return WARD_OK;
    }
    ret->cannot_run = why_not(request, &proposal);
    return ret->cannot_run == NULL ? stand_open(request, worker, row, &proposal, ret) : WARD_OK;
}
