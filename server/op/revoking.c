/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. A revocation is one row and a moved epoch: every daemon decides again whatever it
 * had decided before, so that it is in force with its own commit. Connections are cut by whoever
 * holds them, when the new state is in force. */
#include "server/op/revoking.h"

#include "server/work/batch.h"

static const struct ward_bytes prefixes[] = {
    [WARD_REVOKED_IDENTITY] = {(const uint8_t *)"identity:", 9},
    [WARD_REVOKED_CERTIFICATE] = {(const uint8_t *)"certificate:", 12},
};

ward_status ward_revoked_object(struct ward_arena *arena, uint8_t kind, struct ward_bytes value,
                                struct ward_bytes *ret)
{
    WARD_ENSURE(kind == WARD_REVOKED_IDENTITY || kind == WARD_REVOKED_CERTIFICATE, WARD_E_INTERNAL);
    char *text = ward_arena_printf(arena, "%s%.*s", (const char *)prefixes[kind].data,
                                   (int)value.size, (const char *)value.data);
    WARD_ENSURE(text != NULL, WARD_E_EXHAUSTED);
    *ret = ward_bytes_str(text);
    return WARD_OK;
}

bool ward_revoked_parse(struct ward_bytes object, uint8_t *ret_kind, struct ward_bytes *ret_value)
{
    for (uint8_t kind = WARD_REVOKED_IDENTITY; kind <= WARD_REVOKED_CERTIFICATE; kind++) {
        struct ward_bytes prefix = prefixes[kind];
        if (object.size > prefix.size && object.size <= WARD_REVOKED_OBJECT_MAX &&
            memcmp(object.data, prefix.data, prefix.size) == 0) {
            *ret_kind = kind;
            *ret_value = WARD_BYTES(object.data + prefix.size, object.size - prefix.size);
            return true;
        }
    }
    return false;
}

/* ---- consequences ---- */

struct gone {
    const struct ward_state *state;
    const struct ward_revoking *revoking; /* NULL: as it is now */
};

static bool is_gone(void *context, struct ward_bytes identity)
{
    const struct gone *gone = context;
    const struct ward_revoking *revoking = gone->revoking;
    if (revoking != NULL && revoking->kind == WARD_REVOKED_IDENTITY &&
        ward_bytes_eq(identity, revoking->value)) {
        return !revoking->undo;
    }
    return ward_state_revocation(gone->state, WARD_REVOKED_IDENTITY, identity) != NULL;
}

static void count(const struct ward_state *state, struct ward_revoking *revoking)
{
    struct gone now = {state, NULL}, then = {state, revoking};
    revoking->approvers_before = ward_policy_approvers(state->policy, is_gone, &now);
    revoking->approvers_after = ward_policy_approvers(state->policy, is_gone, &then);
    revoking->largest_quorum = ward_policy_largest_quorum(state->policy);
}

ward_status ward_revoking_leaves_enough(const struct ward_revoking *revoking)
{
    bool fewer = revoking->approvers_after < revoking->approvers_before;
    if (fewer && revoking->approvers_after < (size_t)revoking->largest_quorum + 1) {
        return WARD_REFUSAL(
            WARD_E_STATE,
            "identity: fewer officers would be left than the largest quorum needs; revoke the "
            "certificate alone, or ask with force, which needs approval");
    }
    return WARD_OK;
}

ward_status ward_revoking_make(const struct ward_request *request, bool undo, uint8_t kind,
                               struct ward_bytes value, struct ward_revoking *ret)
{
    const struct ward_state *state = request->state;
    const struct ward_store_revocation *row = ward_state_revocation(state, kind, value);
    bool revoked = row != NULL;
    if (undo && !revoked) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "identity: it is not revoked");
    }
    if (!undo && kind == WARD_REVOKED_IDENTITY &&
        ward_policy_subject(state->policy, value) == NULL) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "identity: policy names no such identity");
    }
    if (!undo && revoked) {
        return WARD_REFUSAL(WARD_E_EXISTS, "identity: it is revoked already");
    }
    *ret = (struct ward_revoking){.undo = undo, .kind = kind, .value = value};
    if (undo) {
        ret->proposal_before = row->proposal;
        ret->created_before_us = row->created_us;
    }
    WARD_TRY(ward_revoked_object(request->arena, kind, value, &ret->object));
    count(state, ret);
    return WARD_OK;
}

/* ---- execution ---- */

static ward_status prepare(struct ward_request *request, const struct ward_proposal *proposal,
                           int64_t now_us, void **ret)
{
    enum ward_action action;
    uint8_t kind;
    struct ward_bytes value;
    WARD_ENSURE(ward_action_find(proposal->action, &action), WARD_E_STATE);
    WARD_ENSURE(ward_revoked_parse(proposal->object, &kind, &value), WARD_E_STATE);
    struct ward_revoking *revoking = WARD_ARENA_NEW(request->arena, struct ward_revoking);
    WARD_ENSURE(revoking != NULL, WARD_E_EXHAUSTED);
    ward_status status =
        ward_revoking_make(request, action == WARD_ACTION_IDENTITY_UNREVOKE, kind, value, revoking);
    /* What was signed undoes the revocation that was there, and no later one. */
    bool later = ward_ok(status) && revoking->created_before_us > proposal->created_us;
    if (later || status.code == WARD_E_NOT_FOUND || status.code == WARD_E_EXISTS) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "proposal: others have revoked or unrevoked it since; propose again");
    }
    WARD_TRY(status);
    /* Others may have been revoked since the draft was made, so it is counted again. */
    struct ward_guard forced =
        ward_policy_guard(request->state->policy, WARD_ACTION_IDENTITY_UNREVOKE, revoking->object);
    if (proposal->approvals < forced.approvals) {
        WARD_TRY(ward_revoking_leaves_enough(revoking));
    }
    revoking->proposal = proposal->id;
    revoking->created_us = now_us;
    *ret = revoking;
    return WARD_OK;
}

static ward_status stands(struct ward_request *request, const struct ward_proposal *proposal)
{
    void *work;
    return prepare(request, proposal, 0, &work);
}

static ward_status outcome(const void *work, struct ward_batch *batch)
{
    const struct ward_revoking *revoking = work;
    struct ward_effect effect = {.kind = WARD_EFFECT_REVOCATION};
    if (revoking->undo) {
        effect.kind = WARD_EFFECT_UNREVOCATION;
        effect.unrevocation.kind = revoking->kind;
        effect.unrevocation.value = revoking->value;
        effect.unrevocation.proposal = revoking->proposal_before;
        effect.unrevocation.created_us = revoking->created_before_us;
    } else {
        effect.revocation = (struct ward_store_revocation){.kind = revoking->kind,
                                                           .value = revoking->value,
                                                           .proposal = revoking->proposal,
                                                           .created_us = revoking->created_us};
    }
    batch->bump_epoch = true;
    return ward_batch_effect(batch, &effect);
}

static ward_status tell(const void *work, struct ward_request *request)
{
    const struct ward_revoking *revoking = work;
    ward_request_detail_text(request, "whom", revoking->object);
    ward_request_detail(request, "officers_left", (int64_t)revoking->approvers_after);
    return WARD_OK;
}

const struct ward_execution ward_execution_revocation = {
    .prepare = prepare, .stands = stands, .outcome = outcome, .tell = tell};
