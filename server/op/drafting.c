/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. A draft changes nothing: until its proposer has signed it nobody can approve it,
 * and what it says is compared with the world again when it runs. */
#include "server/op/drafting.h"

#include <assert.h>

#include "policy/name.h"
#include "server/op/data_key.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

ward_status ward_drafting_ask(struct ward_request *request, struct ward_bytes object)
{
    struct ward_decision decision = ward_request_ask(request, request->op->action, object, NULL);
    request->rule = decision.rule;
    return decision.status;
}

ward_status ward_drafting_ask_key(struct ward_request *request, struct ward_bytes name,
                                  uint32_t version)
{
    if (ward_name_valid(name)) {
        WARD_TRY(ward_op_key_object(request->arena, name, version, &request->object));
    }
    return ward_drafting_ask(request, name);
}

ward_status ward_drafting_guard(const struct ward_request *request, struct ward_bytes object,
                                struct ward_draft *draft)
{
    enum ward_action action = request->op->action;
    draft->guard = ward_policy_guard(request->state->policy, action, object);
    if (ward_action_at_once(action)) {
        draft->guard = (struct ward_guard){.expires_hours = WARD_DRAFT_AT_ONCE_HOURS};
    }
    /* Policy never leaves it unguarded. */
    WARD_ENSURE(!ward_action_always_guarded(action) || draft->guard.approvals > 0, WARD_E_INTERNAL);
    return WARD_OK;
}

void ward_drafting_begin(const struct ward_request *request, struct ward_bytes object,
                         struct ward_draft *draft)
{
    draft->proposal = (struct ward_proposal){
        .action = ward_bytes_str(ward_action_name(request->op->action)), .object = object};
}

static struct ward_proposal_param *add(struct ward_proposal_param *params, size_t *n,
                                       const char *name)
{
    assert(*n < WARD_PROPOSAL_PARAMS_MAX);
    params[*n] = (struct ward_proposal_param){.name = ward_bytes_str(name)};
    return &params[(*n)++];
}

void ward_drafting_number(struct ward_draft *draft, const char *name, int64_t number)
{
    struct ward_proposal *proposal = &draft->proposal;
    add(proposal->parameters, &proposal->n_parameters, name)->number = number;
}

void ward_drafting_text(struct ward_draft *draft, const char *name, struct ward_bytes text)
{
    struct ward_proposal *proposal = &draft->proposal;
    add(proposal->parameters, &proposal->n_parameters, name)->text = text;
}

ward_status ward_drafting_id(struct ward_draft *draft, const char *name, const struct ward_id *id,
                             struct ward_arena *arena)
{
    char text[WARD_ID_TEXT_SIZE];
    struct ward_bytes kept;
    ward_id_print(id, text);
    WARD_TRY(ward_arena_copy(arena, ward_bytes_str(text), &kept));
    ward_drafting_text(draft, name, kept);
    return WARD_OK;
}

void ward_drafting_consequence(struct ward_draft *draft, const char *name, uint64_t number)
{
    struct ward_proposal *proposal = &draft->proposal;
    add(proposal->consequences, &proposal->n_consequences, name)->number = (int64_t)number;
}

ward_status ward_drafting_make(struct ward_request *request, struct ward_worker *worker,
                               struct ward_draft *draft, struct ward_proposal_view **ret_view)
{
    WARD_TRY(ward_proposing_make(request, ward_wall_us(worker->pipeline->clock), &draft->guard,
                                 &draft->proposal, &draft->row, ret_view));
    char id[WARD_ID_TEXT_SIZE];
    struct ward_bytes text;
    ward_id_print(&draft->row.id, id);
    WARD_TRY(ward_arena_copy(request->arena, ward_bytes_str(id), &text));
    ward_request_detail_text(request, "proposal", text);
    request->last = true;
    return WARD_OK;
}

ward_status ward_drafting_commit(const struct ward_draft *draft, struct ward_batch *batch)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_PROPOSAL, .proposal = draft->row};
    return ward_batch_effect(batch, &effect);
}
