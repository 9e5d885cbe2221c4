/* SPDX-License-Identifier: Apache-2.0 */
/* The execution of a policy's change: one row and a moved epoch, so that it is in force on every
 * daemon with its own commit. What runs is read from the text that was stored with the proposal,
 * and that text's hash is what was signed. */
#include "server/op/policy_changing.h"

#include <stdio.h>

#include "base/failpoint.h"
#include "policy/compare.h"
#include "server/op/execution.h"
#include "server/work/batch.h"

void ward_policy_object(uint32_t version, char out[static WARD_POLICY_OBJECT_SIZE])
{
    (void)snprintf(out, WARD_POLICY_OBJECT_SIZE, "policy#%u", version); /* 7 and 10 characters */
}

static bool read_hash(const struct ward_proposal *proposal, const char *name,
                      uint8_t out[static 32])
{
    struct ward_bytes hex = ward_proposal_text(proposal->parameters, proposal->n_parameters, name);
    return hex.size == 64 && ward_hex_decode((const char *)hex.data, hex.size, out, 32);
}

bool ward_policy_step_read(const struct ward_proposal *proposal, struct ward_policy_step *ret)
{
    int64_t from = 0;
    char object[WARD_POLICY_OBJECT_SIZE];
    bool good =
        ward_bytes_eq(proposal->action,
                      ward_bytes_str(ward_action_name(WARD_ACTION_POLICY_APPLY))) &&
        ward_proposal_number(proposal->parameters, proposal->n_parameters, "from_version", &from) &&
        from > 0 && from < INT32_MAX && read_hash(proposal, "from_hash", ret->from_hash) &&
        read_hash(proposal, "to_hash", ret->to_hash);
    if (!good) {
        return false;
    }
    ret->from_version = (uint32_t)from;
    ward_policy_object(ret->from_version + 1, object);
    return ward_bytes_eq(proposal->object, ward_bytes_str(object));
}

struct ward_guard ward_policy_change_guard(const struct ward_policy *from,
                                           const struct ward_policy *to)
{
    struct ward_guard guard =
        ward_policy_guard(from, WARD_ACTION_POLICY_APPLY, (struct ward_bytes){0});
    const struct ward_guard other =
        ward_policy_guard(to, WARD_ACTION_POLICY_APPLY, (struct ward_bytes){0});
    guard.approvals = other.approvals > guard.approvals ? other.approvals : guard.approvals;
    guard.expires_hours =
        other.expires_hours < guard.expires_hours ? other.expires_hours : guard.expires_hours;
    guard.manual |= other.manual;
    guard.hardware |= other.hardware;
    return guard;
}

static bool is_revoked(void *context, struct ward_bytes identity)
{
    return ward_state_revocation(context, WARD_REVOKED_IDENTITY, identity) != NULL;
}

ward_status ward_policy_change_undoable(const struct ward_state *state,
                                        const struct ward_policy *to)
{
    return ward_policy_changeable(to, is_revoked, (void *)(uintptr_t)state);
}

/* ---- execution ---- */

struct changing {
    struct ward_policy_step step;
    struct ward_bytes text;
    struct ward_id proposal;
    int64_t created_us;
    char object[WARD_POLICY_OBJECT_SIZE], hash[65];
};

/* As it came with the proposal's row. */
static struct ward_bytes text_of(const struct ward_request *request, const struct ward_id *proposal)
{
    for (size_t i = 0; i < request->n_reads; i++) {
        const struct ward_read *read = request->reads[i];
        if (read->kind == WARD_READ_PROPOSAL && ward_ok(read->status) &&
            ward_id_eq(&read->proposal.proposal.id, proposal)) {
            return read->proposal.proposal.attachment;
        }
    }
    return (struct ward_bytes){0};
}

/* The new policy again, under the state of now: others may have been revoked since the draft. */
static ward_status check(const struct ward_request *request, const struct ward_proposal *proposal,
                         const struct changing *changing)
{
    const struct ward_policy *from = request->state->policy;
    struct ward_policy *to = NULL;
    ward_status status = ward_policy_parse(changing->text, &to, NULL);
    if (status.code == WARD_E_INVALID) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: its policy is none that this daemon knows");
    }
    WARD_TRY(status);
    bool same = memcmp(ward_policy_hash(to), changing->step.to_hash, 32) == 0;
    bool enough = proposal->approvals >= ward_policy_change_guard(from, to).approvals;
    status = ward_policy_change_undoable(request->state, to);
    ward_policy_unref(to);
    if (!same) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: its text is not the one that was signed");
    }
    WARD_ENSURE(enough, WARD_E_STATE);
    return status;
}

static ward_status prepare(struct ward_request *request, const struct ward_proposal *proposal,
                           int64_t now_us, void **ret)
{
    const struct ward_state *state = request->state;
    struct changing *changing = WARD_ARENA_NEW(request->arena, struct changing);
    WARD_ENSURE(changing != NULL, WARD_E_EXHAUSTED);
    WARD_ENSURE(ward_policy_step_read(proposal, &changing->step), WARD_E_STATE);
    if (changing->step.from_version != state->policy_version ||
        memcmp(changing->step.from_hash, ward_policy_hash(state->policy), 32) != 0) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "proposal: policy has changed since it was made; propose again");
    }
    changing->text = text_of(request, &proposal->id);
    WARD_TRY(check(request, proposal, changing));
    changing->proposal = proposal->id;
    changing->created_us = now_us;
    ward_policy_object(changing->step.from_version + 1, changing->object);
    ward_hex_encode(WARD_BYTES_ARRAY(changing->step.to_hash), changing->hash);
    *ret = changing;
    return ward_failpoint("applying.checked");
}

static ward_status outcome(const void *work, struct ward_batch *batch)
{
    const struct changing *changing = work;
    WARD_TRY(ward_failpoint("applying.before-outcome"));
    struct ward_effect effect = {.kind = WARD_EFFECT_POLICY};
    effect.policy.version = changing->step.from_version + 1;
    effect.policy.follows = true;
    effect.policy.text = changing->text;
    memcpy(effect.policy.hash, changing->step.to_hash, WARD_HASH_SIZE);
    effect.policy.proposal = changing->proposal;
    effect.policy.created_us = changing->created_us;
    batch->bump_epoch = true;
    return ward_batch_effect(batch, &effect);
}

static ward_status tell(const void *work, struct ward_request *request)
{
    const struct changing *changing = work;
    ward_request_detail_text(request, "whom", ward_bytes_str(changing->object));
    ward_request_detail_text(request, "to_hash", ward_bytes_str(changing->hash));
    return WARD_OK;
}

const struct ward_execution ward_execution_policy = {
    .prepare = prepare, .outcome = outcome, .tell = tell};
