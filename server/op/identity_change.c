/* SPDX-License-Identifier: Apache-2.0 */
/* RevokeIdentity and UnrevokeIdentity: both end in a draft and change nothing. A revocation needs
 * no approval, so that its proposer's Submit runs it at once; but one that would leave too few
 * officers for the largest quorum is refused, or, where it is asked for with force, waits for
 * approval: one officer alone can take nobody's say away for good. */
#include "server/op/proposing.h"
#include "server/op/revoking.h"
#include "server/op/messages.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

#define DRAFT_HOURS 1u /* a revocation that nobody signs within the hour was not meant */

struct change_notes {
    struct ward_revoking revoking;
    struct ward_guard guard;
    struct ward_proposal proposal;
    struct ward_store_proposal row;
};

/* As many as undoing it would need. */
static ward_status guard_revocation(const struct ward_request *request, struct change_notes *notes)
{
    const struct ward_identity_change *in = request->in;
    notes->guard = (struct ward_guard){.approvals = 0, .expires_hours = DRAFT_HOURS};
    ward_status status = ward_revoking_leaves_enough(&notes->revoking);
    if (status.code == WARD_E_STATE && in->force) {
        notes->guard = ward_policy_guard(request->state->policy, WARD_ACTION_IDENTITY_UNREVOKE,
                                         notes->revoking.object);
        return WARD_OK;
    }
    return status;
}

static ward_status decide(struct ward_request *request)
{
    const struct ward_identity_change *in = request->in;
    struct ward_decision decision =
        ward_request_ask(request, request->op->action, (struct ward_bytes){0}, NULL);
    request->rule = decision.rule;
    WARD_TRY(decision.status);
    struct change_notes *notes = request->work =
        WARD_ARENA_NEW(request->arena, struct change_notes);
    WARD_ENSURE(notes != NULL, WARD_E_EXHAUSTED);
    bool undo = request->op->action == WARD_ACTION_IDENTITY_UNREVOKE;
    WARD_TRY(ward_revoking_make(request, undo, in->kind, in->value, &notes->revoking));
    request->object = notes->revoking.object;
    if (!undo) {
        return guard_revocation(request, notes);
    }
    notes->guard = ward_policy_guard(request->state->policy, WARD_ACTION_IDENTITY_UNREVOKE,
                                     notes->revoking.object);
    WARD_ENSURE(notes->guard.approvals > 0, WARD_E_INTERNAL); /* policy never leaves it unguarded */
    return WARD_OK;
}

static void add_consequence(struct ward_proposal *proposal, const char *name, uint64_t number)
{
    proposal->consequences[proposal->n_consequences++] =
        (struct ward_proposal_param){.name = ward_bytes_str(name), .number = (int64_t)number};
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_identity_change *in = request->in;
    struct change_notes *notes = request->work;
    struct ward_proposal *proposal = &notes->proposal;
    *proposal = (struct ward_proposal){.action = ward_bytes_str(ward_action_name(request->action)),
                                       .object = notes->revoking.object};
    add_consequence(proposal, "officers_who_may_approve_now", notes->revoking.approvers_before);
    add_consequence(proposal, "officers_who_may_approve_after", notes->revoking.approvers_after);
    add_consequence(proposal, "approvals_of_the_largest_quorum", notes->revoking.largest_quorum);
    WARD_TRY(ward_proposing_make(request, ward_wall_us(worker->pipeline->clock), &notes->guard,
                                 proposal, &notes->row, &in->proposal));
    char id[WARD_ID_TEXT_SIZE];
    struct ward_bytes text;
    ward_id_print(&notes->row.id, id);
    WARD_TRY(ward_arena_copy(request->arena, ward_bytes_str(id), &text));
    ward_request_detail_text(request, "proposal", text);
    return WARD_OK;
}

static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct change_notes *notes = request->work;
    struct ward_effect effect = {.kind = WARD_EFFECT_PROPOSAL, .proposal = notes->row};
    return ward_batch_effect(batch, &effect);
}

const struct ward_op ward_op_identity_revoke = {
    .action = WARD_ACTION_IDENTITY_REVOKE,
    .alone = true,
    .decide = decide,
    .steps = {{.finish = finish, .commit = commit}},
    .n_steps = 1,
};

const struct ward_op ward_op_identity_unrevoke = {
    .action = WARD_ACTION_IDENTITY_UNREVOKE,
    .alone = true,
    .decide = decide,
    .steps = {{.finish = finish, .commit = commit}},
    .n_steps = 1,
};
