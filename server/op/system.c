/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon asks of itself besides rewrap and recovery: signing checkpoints (silent: an entry
 * for each would make news for the next), its own start, and the summary of what nobody answered
 * for. */
#include "server/op/system.h"

#include "proto/note.h"
#include "server/op/op.h"
#include "server/state.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

#define CHECKPOINT_SIGNATURE_MAX 80

static ward_status sign_checkpoint(struct ward_request *request, struct ward_worker *worker)
{
    const struct ward_sign_checkpoint *in = request->in;
    const struct ward_state *state = request->state;
    struct ward_checkpoint checkpoint = {.size = in->tree.size};
    memcpy(checkpoint.origin, state->log_public.name, sizeof(checkpoint.origin));
    WARD_TRY(ward_merkle_root(worker->crypto.digest, &in->tree, checkpoint.root));
    struct ward_buffer body, note;
    ward_buffer_init(&body, WARD_NOTE_MAX);
    ward_buffer_init(&note, WARD_NOTE_MAX);
    ward_checkpoint_body(&checkpoint, &body);
    uint8_t signature[CHECKPOINT_SIGNATURE_MAX];
    size_t size = 0;
    struct ward_bytes *kept = WARD_ARENA_NEW(request->arena, struct ward_bytes);
    ward_status status =
        ward_kek_sign(worker->session, &state->log_key, state->log_public.algorithm,
                      ward_buffer_view(&body), signature, &size);
    if (ward_ok(status)) {
        ward_note_finish(ward_buffer_view(&body), &state->log_public, WARD_BYTES(signature, size),
                         &note);
        status = note.failed || kept == NULL
                     ? WARD_STATUS(WARD_E_EXHAUSTED)
                     : ward_arena_copy(request->arena, ward_buffer_view(&note), kept);
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
    .steps = {{.finish = sign_checkpoint, .commit = commit_checkpoint}},
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
