/* SPDX-License-Identifier: Apache-2.0 */
/* ApplyPolicy: ends in a draft that names the text by its hash, and keeps the text beside it, so
 * that officers read what they sign. The text is parsed on a worker: the largest takes longer than
 * the thread of all connections may. */
#include "base/failpoint.h"
#include "policy/compare.h"
#include "server/op/drafting.h"
#include "server/op/policy_changing.h"
#include "server/work/worker.h"

#define COMPARE_MEMORY (64u << 20)

struct change_notes {
    struct ward_draft draft;
    char object[WARD_POLICY_OBJECT_SIZE], from_hash[65], to_hash[65];
};

static ward_status decide(struct ward_request *request)
{
    const struct ward_policy_apply *in = request->in;
    WARD_TRY(ward_drafting_ask(request, (struct ward_bytes){0}));
    struct change_notes *notes = request->work =
        WARD_ARENA_NEW(request->arena, struct change_notes);
    WARD_ENSURE(notes != NULL, WARD_E_EXHAUSTED);
    ward_policy_object(in->base_version + 1, notes->object);
    request->object = ward_bytes_str(notes->object);
    if (in->base_version != request->state->policy_version) {
        return WARD_REFUSAL(WARD_E_STATE, "base_version: not the version in force");
    }
    return ward_drafting_guard(request, request->object, &notes->draft);
}

/* "text: <line>:<column>: <what is wrong>", with the caller's own words in it: shown to him alone,
 * and in the arena of his request. */
static ward_status refuse_text(const struct ward_request *request,
                               const struct ward_policy_error *error)
{
    const char *text = error->line > 0 ? ward_arena_printf(request->arena, "text: %u:%u: %s",
                                                           error->line, error->column, error->text)
                                       : ward_arena_printf(request->arena, "text: %s", error->text);
    WARD_ENSURE(text != NULL, WARD_E_EXHAUSTED);
    return (ward_status){.code = WARD_E_INVALID, .domain = WARD_DOMAIN_REFUSAL, .at = text};
}

static ward_status check(const struct ward_request *request, const struct ward_policy *to)
{
    const struct ward_policy *from = request->state->policy;
    WARD_REQUIRE(strcmp(ward_policy_deployment(to), ward_policy_deployment(from)) == 0,
                 "text: its deployment is not this one's");
    WARD_REQUIRE(memcmp(ward_policy_hash(to), ward_policy_hash(from), 32) != 0,
                 "text: the same as the policy in force");
    return ward_policy_change_undoable(request->state, to);
}

static bool is_revoked(void *context, struct ward_bytes identity)
{
    return ward_state_revocation(context, WARD_REVOKED_IDENTITY, identity) != NULL;
}

static ward_status add_consequences(const struct ward_request *request,
                                    const struct ward_policy *to, struct ward_draft *draft)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_comparison told;
    struct ward_state *state = request->state;
    WARD_TRY(ward_arena_new(COMPARE_MEMORY, &arena));
    WARD_TRY(ward_policy_compare(state->policy, to, arena, &told));
    ward_drafting_consequence(draft, "rules_added", told.rules_added);
    ward_drafting_consequence(draft, "rules_removed", told.rules_removed);
    ward_drafting_consequence(draft, "roles_added", told.roles_added);
    ward_drafting_consequence(draft, "roles_removed", told.roles_removed);
    ward_drafting_consequence(draft, "identities_that_gain_rights", told.identities_gaining);
    ward_drafting_consequence(draft, "identities_that_lose_rights", told.identities_losing);
    ward_drafting_consequence(draft, "persons_changed", told.persons_changed);
    ward_drafting_consequence(draft, "guards_weakened", told.guards_weakened);
    ward_drafting_consequence(draft, "other_parts_changed", told.others_changed);
    ward_drafting_consequence(draft, "officers_who_may_approve_now",
                              ward_policy_approvers(state->policy, is_revoked, state));
    ward_drafting_consequence(draft, "officers_who_may_approve_after",
                              ward_policy_approvers(to, is_revoked, state));
    ward_drafting_consequence(draft, "approvals_of_the_largest_quorum",
                              ward_policy_largest_quorum(to));
    return WARD_OK;
}

static ward_status draft(struct ward_request *request, struct ward_worker *worker,
                         const struct ward_policy *to)
{
    struct ward_policy_apply *in = request->in;
    struct change_notes *notes = request->work;
    struct ward_draft *draft = &notes->draft;
    const struct ward_policy *from = request->state->policy;
    WARD_TRY(check(request, to));
    ward_hex_encode(WARD_BYTES(ward_policy_hash(from), 32), notes->from_hash);
    ward_hex_encode(WARD_BYTES(ward_policy_hash(to), 32), notes->to_hash);
    draft->guard = ward_policy_change_guard(from, to);
    ward_drafting_begin(request, ward_bytes_str(notes->object), draft);
    ward_drafting_number(draft, "from_version", in->base_version);
    ward_drafting_text(draft, "from_hash", ward_bytes_str(notes->from_hash));
    ward_drafting_text(draft, "to_hash", ward_bytes_str(notes->to_hash));
    WARD_TRY(add_consequences(request, to, draft));
    WARD_TRY(ward_drafting_make(request, worker, draft, &in->proposal));
    draft->row.attachment = in->text;
    ward_request_detail_text(request, "to_hash", ward_bytes_str(notes->to_hash));
    return WARD_OK;
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    const struct ward_policy_apply *in = request->in;
    struct ward_policy *to = NULL;
    struct ward_policy_error error = {0};
    ward_status status = ward_policy_parse(in->text, &to, &error);
    if (!ward_ok(status)) {
        return status.code == WARD_E_INVALID ? refuse_text(request, &error) : status;
    }
    status = draft(request, worker, to);
    ward_policy_unref(to);
    WARD_TRY(status);
    return ward_failpoint("applying.drafted");
}

static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct change_notes *notes = request->work;
    WARD_TRY(ward_failpoint("applying.before-draft"));
    return ward_drafting_commit(&notes->draft, batch);
}

const struct ward_op ward_op_policy_apply = {
    .action = WARD_ACTION_POLICY_APPLY,
    .alone = true,
    .decide = decide,
    .steps = {{.finish = finish, .commit = commit}},
    .n_steps = 1,
};
