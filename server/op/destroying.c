/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Whether it is time to look at a version at all is for the jobs. */
#include "server/op/destroying.h"

#include "base/failpoint.h"
#include "policy/key_state.h"
#include "server/limits.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

#define DAY_US (24LL * 3600 * 1000000)
#define WAITING_DAYS_MIN 7

ward_status ward_destroying_begin(const struct ward_state *state, const struct ward_kek_ref *ref,
                                  int64_t now_us, struct ward_destroying *ret)
{
    const struct ward_key *key = ward_state_key_by_id(state, &ref->id);
    const struct ward_key_version *version =
        key == NULL ? NULL : ward_key_version_find(key, ref->version);
    WARD_ENSURE(version != NULL, WARD_E_NOT_FOUND);
    if (version->state != WARD_KEY_PENDING_DESTRUCTION) {
        return WARD_REFUSAL(WARD_E_STATE, "key: the version is not pending destruction any more");
    }
    *ret = (struct ward_destroying){
        .ref = *ref,
        .name = key->name,
        .prior = (uint8_t)version->prior,
        .due_us = version->due_us,
        .changed_us = version->changed_us,
        .now_us = now_us,
        .intent = {.kek = ref->id,
                   .version = ref->version,
                   .effect = (uint8_t)(WARD_INTENT_DESTROY | (unsigned)version->prior << 4),
                   .node = state->node,
                   .created_us = now_us}};
    return ward_id_random(&ret->intent.id);
}

ward_status ward_destroying_check_due(const struct ward_destroying *destroying)
{
    if (destroying->due_us == 0 || destroying->due_us > destroying->now_us) {
        return WARD_REFUSAL(WARD_E_STATE, "key: the version's waiting is not over");
    }
    return WARD_OK;
}

bool ward_destroying_clocks_agree(int64_t now_us, int64_t database_us)
{
    return now_us - database_us <= WARD_CLOCKS_APART_US &&
           database_us - now_us <= WARD_CLOCKS_APART_US;
}

ward_status ward_destroying_check_clocks(const struct ward_read *nodes, int64_t now_us,
                                         struct ward_destroying *destroying)
{
    WARD_TRY(nodes->status);
    if (!ward_destroying_clocks_agree(now_us, nodes->nodes.now_us)) {
        return WARD_REFUSAL(
            WARD_E_STATE, "key: this daemon's clock differs from the database's by over a minute");
    }
    if (nodes->nodes.now_us < destroying->now_us) {
        destroying->now_us = nodes->nodes.now_us;
    }
    return ward_destroying_check_due(destroying);
}

bool ward_destroying_all_let_go(const struct ward_read *nodes, uint64_t epoch)
{
    for (size_t i = 0; i < nodes->nodes.n; i++) {
        const struct ward_store_node *node = &nodes->nodes.nodes[i];
        if (node->seen_us > nodes->nodes.now_us - WARD_NODE_LIVES_US && node->epoch < epoch) {
            return false;
        }
    }
    return true;
}

/* ---- what officers agreed to ---- */

/* Of this key and version, and due by what was signed, whatever the version's row says. */
static ward_status check_payload(const struct ward_proposal *proposal,
                                 const struct ward_destroying *destroying)
{
    enum ward_action action;
    char id[WARD_ID_TEXT_SIZE];
    int64_t version = 0, days = 0;
    ward_id_print(&destroying->ref.id, id);
    struct ward_bytes said =
        ward_proposal_text(proposal->parameters, proposal->n_parameters, "key_id");
    bool numbers =
        ward_proposal_number(proposal->parameters, proposal->n_parameters, "version", &version) &&
        ward_proposal_number(proposal->parameters, proposal->n_parameters, "waiting_days", &days);
    bool this_one = ward_action_find(proposal->action, &action) &&
                    action == WARD_ACTION_KEY_DESTROY && numbers &&
                    version == destroying->ref.version && ward_bytes_eq(said, ward_bytes_str(id)) &&
                    ward_bytes_eq(proposal->object, destroying->name);
    if (!this_one) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: it is not of this version's destruction");
    }
    bool waited = days >= WAITING_DAYS_MIN && days <= INT32_MAX &&
                  proposal->created_us + days * DAY_US <= destroying->now_us;
    if (!waited) {
        return WARD_REFUSAL(WARD_E_STATE, "key: its waiting is not over by what officers signed");
    }
    return WARD_OK;
}

static ward_status weigh(struct ward_request *request, struct ward_worker *worker,
                         const struct ward_store_proposal *stored,
                         struct ward_destroying *destroying)
{
    const struct ward_policy *policy = request->state->policy;
    struct ward_votes votes;
    bool enough = false;
    ward_status status = ward_votes_load(request->state, request->arena, worker->pipeline->trust,
                                         stored, &destroying->proposal, &votes);
    if (ward_ok(status)) {
        status = ward_votes_weigh(policy, &votes, &destroying->proposal, &enough);
    }
    if (ward_ok(status) && !enough) {
        status = WARD_REFUSAL(WARD_E_DENIED,
                              "proposal: too few of those who signed it may still sign it");
    }
    if (ward_ok(status)) {
        status = ward_votes_name(policy, &votes, request->arena, &destroying->approvers);
    }
    ward_votes_release(&votes);
    return status;
}

ward_status ward_destroying_check_votes(struct ward_request *request, struct ward_worker *worker,
                                        const struct ward_store_proposal *stored,
                                        struct ward_destroying *destroying)
{
    struct ward_proposal *proposal = &destroying->proposal;
    WARD_TRY(ward_proposal_parse(stored->payload, request->arena, proposal));
    bool ours = ward_id_eq(&proposal->deployment, &request->state->deployment) &&
                ward_id_eq(&proposal->id, &stored->id);
    if (!ours || stored->state != WARD_PROPOSAL_EXECUTED) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: it was not executed here");
    }
    WARD_TRY(check_payload(proposal, destroying));
    return weigh(request, worker, stored, destroying);
}

ward_status ward_destroying_check_rows(const struct ward_read *rows,
                                       const struct ward_destroying *destroying)
{
    WARD_TRY(rows->status);
    for (size_t i = 0; i < rows->rows.n; i++) {
        if (rows->rows.versions[i] == destroying->ref.version && rows->rows.counts[i] > 0) {
            return WARD_REFUSAL(WARD_E_STATE, "key: rows need this version");
        }
    }
    return WARD_OK;
}

/* ---- the three steps ---- */

static ward_status move(const struct ward_destroying *destroying, uint8_t from_prior, uint8_t to,
                        uint8_t prior, struct ward_batch *batch)
{
    bool stays = to == WARD_KEY_PENDING_DESTRUCTION;
    struct ward_effect effect = {.kind = WARD_EFFECT_KEK_STATE};
    effect.kek_state.kek = destroying->ref.id;
    effect.kek_state.version = destroying->ref.version;
    effect.kek_state.from = WARD_KEY_PENDING_DESTRUCTION;
    effect.kek_state.from_prior = from_prior;
    effect.kek_state.from_due_us = destroying->due_us;
    effect.kek_state.from_changed_us = destroying->changed_us;
    effect.kek_state.to = to;
    effect.kek_state.prior = prior;
    effect.kek_state.due_us = stays ? destroying->due_us : 0;
    effect.kek_state.changed_us = stays ? destroying->changed_us : destroying->now_us;
    return ward_batch_effect(batch, &effect);
}

static ward_status end_intent(const struct ward_destroying *destroying, struct ward_batch *batch)
{
    batch->bump_epoch = true;
    return ward_intent_end(&destroying->intent, batch);
}

ward_status ward_destroying_intent(struct ward_destroying *destroying, struct ward_batch *batch)
{
    WARD_TRY(ward_failpoint("destroying.before-intent"));
    destroying->intent.proposal = destroying->proposal.id;
    const struct ward_effect effect = {.kind = WARD_EFFECT_INTENT, .intent = destroying->intent};
    WARD_TRY(ward_batch_effect(batch, &effect));
    return move(destroying, destroying->prior, WARD_KEY_PENDING_DESTRUCTION, 0, batch);
}

ward_status ward_destroying_effect(struct ward_destroying *destroying, struct ward_worker *worker)
{
    WARD_TRY(ward_failpoint("destroying.after-intent"));
    WARD_TRY(ward_intent_check_held(worker, destroying->intent.created_us));
    ward_status status = ward_kek_destroy(worker->session, &destroying->ref);
    destroying->was_gone = status.code == WARD_E_NOT_FOUND;
    if (!ward_ok(status) && !destroying->was_gone) {
        return status;
    }
    WARD_TRY(ward_failpoint("destroying.object-destroyed"));
    struct ward_kek_attest attest;
    status = ward_kek_attest(worker->session, &destroying->ref, &attest);
    if (status.code != WARD_E_NOT_FOUND) {
        WARD_TRY(status);
        WARD_ENSURE(!attest.present, WARD_E_INTERNAL);
    }
    return ward_failpoint("destroying.gone");
}

ward_status ward_destroying_outcome(const struct ward_destroying *destroying,
                                    struct ward_batch *batch)
{
    WARD_TRY(ward_failpoint("destroying.before-outcome"));
    WARD_TRY(move(destroying, 0, WARD_KEY_DESTROYED, 0, batch));
    return end_intent(destroying, batch);
}

ward_status ward_destroying_undo(const struct ward_destroying *destroying, struct ward_batch *batch)
{
    WARD_TRY(move(destroying, 0, WARD_KEY_PENDING_DESTRUCTION, destroying->prior, batch));
    return end_intent(destroying, batch);
}

ward_status ward_destroying_tell(const struct ward_destroying *destroying,
                                 struct ward_request *request)
{
    char id[WARD_ID_TEXT_SIZE];
    struct ward_bytes key_id, proposal;
    ward_id_print(&destroying->ref.id, id);
    WARD_TRY(ward_arena_copy(request->arena, ward_bytes_str(id), &key_id));
    ward_id_print(&destroying->proposal.id, id);
    WARD_TRY(ward_arena_copy(request->arena, ward_bytes_str(id), &proposal));
    ward_request_detail_text(request, "key", destroying->name);
    ward_request_detail_text(request, "key_id", key_id);
    ward_request_detail(request, "version", destroying->ref.version);
    ward_request_detail(request, "keys_issued", (int64_t)destroying->issued);
    ward_request_detail_text(request, "proposal", proposal);
    ward_request_detail_text(request, "approvers", destroying->approvers);
    if (destroying->was_gone) {
        ward_request_detail_text(request, "object", WARD_BYTES_LITERAL("was gone"));
    }
    return WARD_OK;
}
