/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Who may change the key is decided elsewhere. */
#include "server/op/log_key_changing.h"

#include "base/failpoint.h"
#include "server/op/execution.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

#define SIGNATURE_MAX 80

ward_status ward_log_key_changing_make(const struct ward_state *state,
                                       struct ward_log_key_changing *ret)
{
    if (state->n_log_keys >= WARD_LOG_KEYS_MAX) {
        return WARD_REFUSAL(WARD_E_STATE, "log key: it has changed as often as one log can tell");
    }
    const struct ward_log_key *before = &state->log_keys[state->n_log_keys - 1];
    *ret = (struct ward_log_key_changing){
        .before = before, .ref = {.id = before->ref.id, .version = before->ref.version + 1}};
    return ward_id_random(&ret->intent.id);
}

ward_status ward_log_key_changing_of_proposal(const struct ward_state *state,
                                              const struct ward_proposal *proposal,
                                              struct ward_log_key_changing *ret)
{
    int64_t from = 0;
    bool ours =
        ward_bytes_eq(proposal->action,
                      ward_bytes_str(ward_action_name(WARD_ACTION_LOG_KEY_ROTATE))) &&
        ward_bytes_eq(proposal->object, WARD_BYTES_LITERAL(WARD_LOG_KEY_NAME)) &&
        ward_proposal_number(proposal->parameters, proposal->n_parameters, "from_version", &from);
    WARD_ENSURE(ours, WARD_E_STATE);
    WARD_TRY(ward_log_key_changing_make(state, ret));
    if (from != ret->before->ref.version) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "proposal: the log's key has changed since it was made; propose again");
    }
    ret->proposal = proposal->id;
    return WARD_OK;
}

static ward_status prove(const struct ward_log_key *key, struct ward_worker *worker)
{
    uint8_t signature[SIGNATURE_MAX];
    size_t size = 0;
    return ward_kek_sign(worker->session, &key->ref, key->public.algorithm,
                         WARD_BYTES_LITERAL("ward: proof of the log's key"), signature, &size);
}

ward_status ward_log_key_changing_prove(const struct ward_log_key *last,
                                        const struct ward_log_key *before,
                                        struct ward_worker *worker)
{
    for (const struct ward_log_key *key = before; key >= last; key--) {
        ward_status status = prove(key, worker);
        if (status.code == WARD_E_NOT_FOUND) {
            return key == before
                       ? WARD_REFUSAL(WARD_E_STATE,
                                      "log key: the one in use is not in the token and cannot hand "
                                      "over; restore the token from its backup")
                       : WARD_REFUSAL(WARD_E_STATE,
                                      "log key: a version of before is not in the token and has "
                                      "not handed over yet; restore the token from its backup");
        }
        WARD_TRY(status);
    }
    return WARD_OK;
}

static ward_status create(struct ward_log_key_changing *changing, struct ward_worker *worker)
{
    uint8_t algorithm = 0, public_key[sizeof(changing->made.public_key)];
    size_t size = 0;
    ward_status status = ward_kek_create_signer(worker->session, &changing->ref, "ward audit log",
                                                &algorithm, public_key, &size);
    if (status.code == WARD_E_EXISTS) {
        WARD_TRY(ward_intent_check_held(worker, changing->intent.created_us));
        WARD_TRY(ward_kek_destroy(worker->session, &changing->ref));
        WARD_TRY(ward_intent_check_held(worker, changing->intent.created_us));
        status = ward_kek_create_signer(worker->session, &changing->ref, "ward audit log",
                                        &algorithm, public_key, &size);
    }
    WARD_TRY(status);
    return ward_note_key_init(changing->before->public.name, algorithm,
                              WARD_BYTES(public_key, size), &changing->made);
}

ward_status ward_log_key_changing_effect(struct ward_log_key_changing *changing,
                                         struct ward_worker *worker)
{
    WARD_TRY(ward_failpoint("signer.after-intent"));
    WARD_TRY(ward_log_key_changing_prove(changing->before, changing->before, worker));
    WARD_TRY(ward_intent_check_held(worker, changing->intent.created_us));
    WARD_TRY(create(changing, worker));
    return ward_failpoint("signer.object-made");
}

ward_status ward_log_key_changing_outcome(const struct ward_log_key_changing *changing,
                                          struct ward_batch *batch)
{
    const struct ward_note_key *made = &changing->made;
    struct ward_effect key = {.kind = WARD_EFFECT_LOG_KEY};
    key.log_key = (struct ward_store_log_key){
        .version = changing->ref.version,
        .algorithm = made->algorithm,
        .public_key = WARD_BYTES(made->public_key, made->public_key_size),
        .leaf = batch->leaf,
        .proposal = changing->proposal,
        .created_us = changing->created_us};
    WARD_TRY(ward_batch_effect(batch, &key));
    batch->bump_epoch = true;
    return ward_intent_end(&changing->intent, batch);
}

static ward_status tell_key(struct ward_request *request, const char *name,
                            const struct ward_note_key *key)
{
    char *text = ward_arena_alloc(request->arena, WARD_VKEY_MAX);
    WARD_ENSURE(text != NULL, WARD_E_EXHAUSTED);
    ward_note_key_print(key, text);
    ward_request_detail_text(request, name, ward_bytes_str(text));
    return WARD_OK;
}

ward_status ward_log_key_changing_tell(const struct ward_log_key_changing *changing,
                                       struct ward_request *request)
{
    ward_request_detail_text(request, "key", WARD_BYTES_LITERAL(WARD_LOG_KEY_NAME));
    ward_request_detail(request, "from_version", changing->before->ref.version);
    ward_request_detail(request, "to_version", changing->ref.version);
    WARD_TRY(tell_key(request, "from_vkey", &changing->before->public));
    return tell_key(request, "to_vkey", &changing->made);
}

/* ---- as the execution of a proposal ---- */

/* The state that `before` points into may be replaced while the HSM works. */
static ward_status prepare(struct ward_request *request, const struct ward_proposal *proposal,
                           int64_t now_us, void **ret)
{
    struct ward_log_key_changing *changing =
        WARD_ARENA_NEW(request->arena, struct ward_log_key_changing);
    struct ward_log_key *before = WARD_ARENA_NEW(request->arena, struct ward_log_key);
    WARD_ENSURE(changing != NULL && before != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_log_key_changing_of_proposal(request->state, proposal, changing));
    *before = *changing->before;
    changing->before = before;
    changing->created_us = now_us;
    changing->intent = (struct ward_store_intent){.id = changing->intent.id,
                                                  .kek = changing->ref.id,
                                                  .proposal = changing->proposal,
                                                  .version = changing->ref.version,
                                                  .effect = WARD_INTENT_CREATE,
                                                  .node = request->state->node,
                                                  .created_us = now_us};
    *ret = changing;
    return WARD_OK;
}

static ward_status stands(struct ward_request *request, const struct ward_proposal *proposal)
{
    struct ward_log_key_changing changing;
    return ward_log_key_changing_of_proposal(request->state, proposal, &changing);
}

static ward_status intent(const void *work, struct ward_batch *batch)
{
    const struct ward_log_key_changing *changing = work;
    const struct ward_effect effect = {.kind = WARD_EFFECT_INTENT, .intent = changing->intent};
    return ward_batch_effect(batch, &effect);
}

static ward_status effect(void *work, struct ward_worker *worker)
{
    return ward_log_key_changing_effect(work, worker);
}

static ward_status outcome(const void *work, struct ward_batch *batch)
{
    WARD_TRY(ward_failpoint("signer.before-outcome"));
    return ward_log_key_changing_outcome(work, batch);
}

static ward_status tell(const void *work, struct ward_request *request)
{
    return ward_log_key_changing_tell(work, request);
}

const struct ward_execution ward_execution_log_key = {.prepare = prepare,
                                                      .stands = stands,
                                                      .intent = intent,
                                                      .effect = effect,
                                                      .outcome = outcome,
                                                      .tell = tell};
