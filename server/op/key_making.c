/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Who may make a key is decided elsewhere; this file makes it. */
#include "server/op/key_making.h"

#include <stdio.h>

#include "base/failpoint.h"
#include "policy/key_state.h"
#include "proto/wire_limits.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

ward_status ward_key_making_create(const struct ward_state *state, struct ward_bytes name,
                                   uint8_t purpose, uint32_t rotation_period_days,
                                   struct ward_key_making *ret)
{
    if (ward_state_key(state, name) != NULL) {
        return WARD_REFUSAL(WARD_E_EXISTS,
                            "name: there is a key of this name; names are never used again");
    }
    *ret = (struct ward_key_making){.name = name,
                                    .purpose = purpose,
                                    .rotation_period_days = rotation_period_days,
                                    .ref.version = 1};
    WARD_TRY(ward_id_random(&ret->ref.id));
    return ward_id_random(&ret->intent.id);
}

/* The one that the next version follows: the one that wraps, or the newest where none does. */
static ward_status version_before(const struct ward_key *key, const struct ward_key_version **ret)
{
    if (!key->enabled) {
        return WARD_REFUSAL(WARD_E_STATE, "key: disabled");
    }
    WARD_ENSURE(key->n_versions > 0, WARD_E_STATE);
    *ret = key->active != NULL ? key->active : &key->versions[key->n_versions - 1];
    return WARD_OK;
}

ward_status ward_key_making_rotate(const struct ward_state *state, struct ward_bytes name,
                                   struct ward_key_making *ret)
{
    const struct ward_key *key = ward_state_key(state, name);
    if (key == NULL) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "key: no such key");
    }
    if (key->purpose == WARD_PURPOSE_SYSTEM) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "key: Ward's own key wraps one key alone and is not rotated: wardd(8), "
                            "WARD'S OWN KEY");
    }
    const struct ward_key_version *before;
    WARD_TRY(version_before(key, &before));
    *ret = (struct ward_key_making){.rotate = true,
                                    .before_stays = before->state != WARD_KEY_ACTIVE,
                                    .name = key->name,
                                    .purpose = key->purpose,
                                    .rotation_period_days = key->rotation_period_days,
                                    .from_version = before->version};
    ret->old = ward_key_version_move(key, before, WARD_KEY_DEACTIVATED, 0, 0);
    ret->ref = (struct ward_kek_ref){key->id, key->versions[key->n_versions - 1].version + 1};
    return ward_id_random(&ret->intent.id);
}

ward_status ward_key_making_of_proposal(const struct ward_state *state,
                                        const struct ward_proposal *proposal,
                                        struct ward_key_making *ret)
{
    enum ward_action action;
    WARD_ENSURE(ward_action_find(proposal->action, &action), WARD_E_STATE);
    int64_t purpose = 0, period = 0, from = 0;
    if (action == WARD_ACTION_KEY_CREATE) {
        bool whole = ward_proposal_number(proposal->parameters, proposal->n_parameters, "purpose",
                                          &purpose) &&
                     ward_proposal_number(proposal->parameters, proposal->n_parameters,
                                          "rotation_period_days", &period);
        WARD_ENSURE(whole, WARD_E_STATE);
        WARD_TRY(ward_key_making_create(state, proposal->object, (uint8_t)purpose, (uint32_t)period,
                                        ret));
    } else {
        WARD_ENSURE(action == WARD_ACTION_KEY_ROTATE, WARD_E_STATE);
        WARD_ENSURE(ward_proposal_number(proposal->parameters, proposal->n_parameters,
                                         "from_version", &from),
                    WARD_E_STATE);
        WARD_TRY(ward_key_making_rotate(state, proposal->object, ret));
        char id[WARD_ID_TEXT_SIZE];
        ward_id_print(&ret->ref.id, id);
        struct ward_bytes said =
            ward_proposal_text(proposal->parameters, proposal->n_parameters, "key_id");
        if (ret->from_version != from || !ward_bytes_eq(said, ward_bytes_str(id))) {
            return WARD_REFUSAL(WARD_E_STATE,
                                "proposal: the key has moved on since it was made; propose again");
        }
    }
    ret->proposal = proposal->id;
    return WARD_OK;
}

void ward_key_making_begin(struct ward_key_making *making, const struct ward_state *state,
                           int64_t now_us)
{
    making->created_us = now_us;
    making->intent = (struct ward_store_intent){.id = making->intent.id,
                                                .kek = making->ref.id,
                                                .proposal = making->proposal,
                                                .version = making->ref.version,
                                                .effect = WARD_INTENT_CREATE,
                                                .node = state->node,
                                                .created_us = now_us};
}

ward_status ward_key_making_intent(const struct ward_key_making *making, struct ward_batch *batch)
{
    WARD_TRY(ward_failpoint("making.before-intent"));
    const struct ward_effect effect = {.kind = WARD_EFFECT_INTENT, .intent = making->intent};
    return ward_batch_effect(batch, &effect);
}

static ward_status prove(const struct ward_key_making *making, struct ward_worker *worker)
{
    uint8_t plain[32], out[WARD_KEK_BLOB_MAX];
    WARD_TRY(ward_random(plain, sizeof(plain)));
    struct ward_kek_item item = {.verb = WARD_KEK_WRAP,
                                 .proof = true,
                                 .key = making->ref,
                                 .aad = WARD_BYTES_LITERAL("ward key proof"),
                                 .in = WARD_BYTES_ARRAY(plain),
                                 .out = out};
    WARD_TRY(ward_kek_run(worker->session, &item, 1));
    return item.status;
}

ward_status ward_key_making_effect(const struct ward_key_making *making, struct ward_worker *worker)
{
    WARD_TRY(ward_failpoint("making.after-intent"));
    WARD_TRY(ward_intent_check_held(worker, making->intent.created_us));
    char label[WARD_NAME_MAX + 32];
    (void)snprintf(label, sizeof(label), "ward %.*s v%u", (int)making->name.size,
                   (const char *)making->name.data,
                   making->ref.version); /* a cut label is still a label: objects are found by id */
    ward_status status = ward_kek_create(worker->session, &making->ref, label);
    if (!ward_ok(status) && status.code != WARD_E_EXISTS) {
        return status;
    }
    WARD_TRY(ward_failpoint("making.object-made"));
    struct ward_kek_attest attest;
    WARD_TRY(ward_kek_attest(worker->session, &making->ref, &attest));
    bool good = attest.present && attest.sensitive && attest.non_extractable &&
                attest.never_wrap_with_decrypt;
    if (!good) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "key: the HSM made it with attributes that Ward does not accept");
    }
    WARD_TRY(prove(making, worker));
    return ward_failpoint("making.proven");
}

ward_status ward_key_making_outcome(const struct ward_key_making *making, struct ward_batch *batch)
{
    WARD_TRY(ward_failpoint("making.before-outcome"));
    if (!making->rotate) {
        struct ward_effect kek = {.kind = WARD_EFFECT_KEK};
        kek.kek = (struct ward_store_kek){.id = making->ref.id,
                                          .name = making->name,
                                          .backend = WARD_BYTES_LITERAL("pkcs11"),
                                          .purpose = making->purpose,
                                          .enabled = true,
                                          .rotation_period_days = making->rotation_period_days,
                                          .created_us = making->created_us};
        WARD_TRY(ward_batch_effect(batch, &kek));
    } else if (!making->before_stays) {
        struct ward_effect old = making->old;
        old.kek_state.changed_us = making->created_us;
        WARD_TRY(ward_batch_effect(batch, &old));
    }
    struct ward_effect version = {.kind = WARD_EFFECT_KEK_VERSION};
    version.kek_version = (struct ward_store_kek_version){.kek = making->ref.id,
                                                          .version = making->ref.version,
                                                          .state = WARD_KEY_ACTIVE,
                                                          .created_us = making->created_us,
                                                          .changed_us = making->created_us,
                                                          .wraps = 1}; /* the proof's */
    WARD_TRY(ward_batch_effect(batch, &version));
    WARD_TRY(ward_intent_end(&making->intent, batch));
    batch->bump_epoch = true;
    return WARD_OK;
}

ward_status ward_key_making_tell(const struct ward_key_making *making, struct ward_request *request)
{
    char id[WARD_ID_TEXT_SIZE];
    struct ward_bytes text;
    ward_id_print(&making->ref.id, id);
    WARD_TRY(ward_arena_copy(request->arena, ward_bytes_str(id), &text));
    ward_request_detail_text(request, "key", making->name);
    ward_request_detail_text(request, "key_id", text);
    if (making->rotate) {
        ward_request_detail(request, "from_version", making->from_version);
    }
    ward_request_detail(request, "to_version", making->ref.version);
    if (!making->rotate) { /* for whoever reckons later what was due when */
        bool records = making->purpose == WARD_PURPOSE_RECORDS;
        ward_request_detail(request, "rotation_period_days", making->rotation_period_days);
        ward_request_detail_text(request, "purpose",
                                 ward_bytes_str(records ? "records" : "data-keys"));
    }
    return WARD_OK;
}

/* ---- as the execution of a proposal ---- */

static ward_status prepare(struct ward_request *request, const struct ward_proposal *proposal,
                           int64_t now_us, void **ret)
{
    struct ward_key_making *making = WARD_ARENA_NEW(request->arena, struct ward_key_making);
    WARD_ENSURE(making != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_key_making_of_proposal(request->state, proposal, making));
    ward_key_making_begin(making, request->state, now_us);
    *ret = making;
    return WARD_OK;
}

static ward_status intent(const void *work, struct ward_batch *batch)
{
    return ward_key_making_intent(work, batch);
}

static ward_status stands(struct ward_request *request, const struct ward_proposal *proposal)
{
    struct ward_key_making making;
    ward_status status = ward_key_making_of_proposal(request->state, proposal, &making);
    return status.code == WARD_E_EXISTS
               ? WARD_REFUSAL(WARD_E_STATE, "proposal: there is a key of this name already")
               : status;
}

static ward_status effect(void *work, struct ward_worker *worker)
{
    return ward_key_making_effect(work, worker);
}

static ward_status outcome(const void *work, struct ward_batch *batch)
{
    return ward_key_making_outcome(work, batch);
}

static ward_status tell(const void *work, struct ward_request *request)
{
    return ward_key_making_tell(work, request);
}

const struct ward_execution ward_execution_key = {.prepare = prepare,
                                                  .stands = stands,
                                                  .intent = intent,
                                                  .effect = effect,
                                                  .outcome = outcome,
                                                  .tell = tell};

/* ---- as callers see it ---- */

ward_status ward_key_view_of(struct ward_arena *arena, const struct ward_key *key,
                             struct ward_key_view *ret)
{
    *ret = (struct ward_key_view){.name = key->name,
                                  .backend = key->backend,
                                  .id = key->id,
                                  .purpose = key->purpose,
                                  .enabled = key->enabled,
                                  .created_us = key->created_us,
                                  .rotation_period_days = key->rotation_period_days,
                                  .n_versions = key->n_versions};
    ret->versions = WARD_ARENA_ARRAY(arena, struct ward_key_version_view,
                                     key->n_versions + 1); /* room for one made */
    WARD_ENSURE(ret->versions != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < key->n_versions; i++) {
        ret->versions[i] = (struct ward_key_version_view){.version = key->versions[i].version,
                                                          .state = (uint8_t)key->versions[i].state,
                                                          .created_us = key->versions[i].created_us,
                                                          .changed_us = key->versions[i].changed_us,
                                                          .prior = (uint8_t)key->versions[i].prior,
                                                          .due_us = key->versions[i].due_us};
    }
    return WARD_OK;
}

ward_status ward_key_view_made(struct ward_arena *arena, const struct ward_state *state,
                               const struct ward_key_making *making, struct ward_key_view *ret)
{
    const struct ward_key fresh = {.id = making->ref.id,
                                   .name = making->name,
                                   .backend = WARD_BYTES_LITERAL("pkcs11"),
                                   .purpose = making->purpose,
                                   .enabled = true,
                                   .rotation_period_days = making->rotation_period_days,
                                   .created_us = making->created_us};
    const struct ward_key *key = making->rotate ? ward_state_key(state, making->name) : &fresh;
    WARD_ENSURE(key != NULL, WARD_E_INTERNAL);
    WARD_TRY(ward_key_view_of(arena, key, ret));
    for (size_t i = 0; i < ret->n_versions; i++) {
        if (ret->versions[i].state == WARD_KEY_ACTIVE) {
            ret->versions[i].state = WARD_KEY_DEACTIVATED;
            ret->versions[i].changed_us = making->created_us;
        }
    }
    ret->versions[ret->n_versions++] =
        (struct ward_key_version_view){.version = making->ref.version,
                                       .state = WARD_KEY_ACTIVE,
                                       .created_us = making->created_us,
                                       .changed_us = making->created_us};
    return WARD_OK;
}
