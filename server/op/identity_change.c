/* SPDX-License-Identifier: Apache-2.0 */
/* RevokeIdentity and UnrevokeIdentity: both end in a draft and change nothing. A revocation needs
 * no approval, so that its proposer's Submit runs it at once; but one that would leave too few
 * officers for the largest quorum is refused, or, where it is asked for with force, waits for
 * approval: one officer alone can take nobody's say away for good. */
#include "server/op/drafting.h"
#include "server/op/revoking.h"

struct change_notes {
    struct ward_revoking revoking;
    struct ward_draft draft;
};

/* A revocation that leaves too few: as many as undoing it would need. */
static ward_status guard(const struct ward_request *request, struct change_notes *notes)
{
    const struct ward_identity_change *in = request->in;
    WARD_TRY(ward_drafting_guard(request, notes->revoking.object, &notes->draft));
    if (notes->revoking.undo) {
        return WARD_OK;
    }
    ward_status status = ward_revoking_leaves_enough(&notes->revoking);
    if (status.code == WARD_E_STATE && in->force) {
        notes->draft.guard = ward_policy_guard(
            request->state->policy, WARD_ACTION_IDENTITY_UNREVOKE, notes->revoking.object);
        return WARD_OK;
    }
    return status;
}

static ward_status decide(struct ward_request *request)
{
    const struct ward_identity_change *in = request->in;
    WARD_TRY(ward_drafting_ask(request, (struct ward_bytes){0}));
    struct change_notes *notes = request->work =
        WARD_ARENA_NEW(request->arena, struct change_notes);
    WARD_ENSURE(notes != NULL, WARD_E_EXHAUSTED);
    bool undo = request->op->action == WARD_ACTION_IDENTITY_UNREVOKE;
    WARD_TRY(ward_revoking_make(request, undo, in->kind, in->value, &notes->revoking));
    request->object = notes->revoking.object;
    return guard(request, notes);
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_identity_change *in = request->in;
    struct change_notes *notes = request->work;
    const struct ward_revoking *revoking = &notes->revoking;
    struct ward_draft *draft = &notes->draft;
    ward_drafting_begin(request, revoking->object, draft);
    ward_drafting_consequence(draft, "officers_who_may_approve_now", revoking->approvers_before);
    ward_drafting_consequence(draft, "officers_who_may_approve_after", revoking->approvers_after);
    ward_drafting_consequence(draft, "approvals_of_the_largest_quorum", revoking->largest_quorum);
    return ward_drafting_make(request, worker, draft, &in->proposal);
}

static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct change_notes *notes = request->work;
    return ward_drafting_commit(&notes->draft, batch);
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
