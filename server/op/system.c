/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon asks of itself besides rewrap and recovery: signing checkpoints (silent: an entry
 * for each would make news for the next), its own start, and the summary of what nobody answered
 * for. */
#include "server/op/system.h"

#include "proto/note.h"
#include "server/op/op.h"
#include "server/op/stored_checkpoints.h"
#include "server/state.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

#define CHECKPOINT_SIGNATURE_MAX 80

/* The one of before, of whatever daemon: it tells which key has signed last. */
static ward_status read_before(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_sign_checkpoint *in = request->in;
    return ward_stored_newest_read(request, in->tree.size, 1);
}

/* The key in force at that size first. The first checkpoint behind a change of it is signed by the
 * key of before too, for those who trust nothing else yet: the handover. Whether this is the first
 * one only the stored ones tell, and they stay; one that is signed late and is smaller is first
 * again. */
static ward_status sign_by_all(const struct ward_request *request, struct ward_worker *worker,
                               uint64_t size, struct ward_bytes body, struct ward_buffer *note)
{
    const struct ward_state *state = request->state;
    const struct ward_store_checkpoint *before;
    WARD_TRY(ward_stored_newest(request, &before));
    const struct ward_log_key *key = ward_state_log_key(state, size);
    const struct ward_log_key *last = ward_stored_signed_last(state, before, key);
    WARD_ENSURE(key - last < WARD_NOTE_SIGNERS_MAX, WARD_E_STATE);
    for (bool first = true; key >= last; first = false, key--) {
        uint8_t signature[CHECKPOINT_SIGNATURE_MAX];
        size_t n = 0;
        WARD_TRY(
            ward_kek_sign(worker->session, &key->ref, key->public.algorithm, body, signature, &n));
        if (first) {
            ward_note_finish(body, &key->public, WARD_BYTES(signature, n), note);
        } else {
            ward_note_cosign(&key->public, WARD_BYTES(signature, n), note);
        }
    }
    return note->failed ? WARD_STATUS(WARD_E_EXHAUSTED) : WARD_OK;
}

static ward_status sign_checkpoint(struct ward_request *request, struct ward_worker *worker)
{
    const struct ward_sign_checkpoint *in = request->in;
    struct ward_checkpoint checkpoint = {.size = in->tree.size};
    memcpy(checkpoint.origin, request->state->log_keys[0].public.name, sizeof(checkpoint.origin));
    WARD_TRY(ward_merkle_root(worker->crypto.digest, &in->tree, checkpoint.root));
    struct ward_buffer body, note;
    ward_buffer_init(&body, WARD_NOTE_MAX);
    ward_buffer_init(&note, WARD_NOTE_MAX);
    ward_checkpoint_body(&checkpoint, &body);
    struct ward_bytes *kept = WARD_ARENA_NEW(request->arena, struct ward_bytes);
    ward_status status =
        kept == NULL ? WARD_STATUS(WARD_E_EXHAUSTED)
                     : sign_by_all(request, worker, in->tree.size, ward_buffer_view(&body), &note);
    if (ward_ok(status)) {
        status = ward_arena_copy(request->arena, ward_buffer_view(&note), kept);
    }
    ward_buffer_fini(&body);
    ward_buffer_fini(&note);
    request->work = kept;
    return status;
}

static ward_status commit_checkpoint(struct ward_request *request, struct ward_batch *batch)
{
    const struct ward_sign_checkpoint *in = request->in;
    struct ward_effect effect = {.kind = WARD_EFFECT_CHECKPOINT};
    effect.checkpoint.size = in->tree.size;
    effect.checkpoint.note = *(const struct ward_bytes *)request->work;
    effect.checkpoint.created_us = request->received_wall_us;
    return ward_batch_effect(batch, &effect);
}

const struct ward_op ward_op_sign_checkpoint = {
    .action = WARD_ACTION_AUDIT_CHECKPOINT,
    .silent = true,
    .steps = {{.read = read_before,
               .read_more = ward_stored_newest_read_more,
               .finish = sign_checkpoint,
               .commit = commit_checkpoint}},
    .n_steps = 1,
};

static ward_status decide_start(struct ward_request *request)
{
    const struct ward_start *in = request->in;
    request->object = ward_bytes_str(ward_policy_deployment(request->state->policy));
    ward_request_detail(request, "keys", (int64_t)request->state->n_keys);
    if (in->without_proof) {
        ward_request_detail_text(request, "wrap_proof", WARD_BYTES_LITERAL("off"));
    }
    if (in->adopted) {
        ward_request_detail(request, "adopted_keys", (int64_t)request->state->n_keys);
        ward_request_detail(request, "adopted_revocations", (int64_t)request->state->n_revocations);
    }
    return WARD_OK;
}

const struct ward_op ward_op_start = {.action = WARD_ACTION_SYSTEM_START, .decide = decide_start};

static ward_status decide_summary(struct ward_request *request)
{
    const struct ward_summary *in = request->in;
    if (in->identity != NULL) {
        request->object = ward_bytes_str(in->identity);
        ward_request_detail(request, "requests_throttled", (int64_t)in->requests_throttled);
        ward_request_detail(request, "items_throttled", (int64_t)in->items_throttled);
        return WARD_OK;
    }
    ward_request_detail(request, "handshakes_failed", in->handshakes_failed);
    ward_request_detail(request, "requests_without_identity", in->requests_refused);
    ward_request_detail(request, "requests_overloaded", (int64_t)in->overloaded);
    return WARD_OK;
}

const struct ward_op ward_op_summary = {.action = WARD_ACTION_SYSTEM_SUMMARY,
                                        .decide = decide_summary};
