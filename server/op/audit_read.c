/* SPDX-License-Identifier: Apache-2.0 */
/* Audit.Export and Checkpoint. Only what a signed checkpoint covers is handed out, so that whoever
 * exports can always verify what he has. Reading the log is itself an entry in it. */
#include "proto/wire_limits.h"
#include "server/op/messages.h"
#include "server/op/op.h"
#include "server/state.h"
#include "server/work/worker.h"

static ward_status decide(struct ward_request *request)
{
    struct ward_decision decision =
        ward_request_ask(request, request->op->action, (struct ward_bytes){0}, NULL);
    request->rule = decision.rule;
    return decision.status;
}

static ward_status decide_export(struct ward_request *request)
{
    const struct ward_audit_export *in = request->in;
    WARD_TRY(decide(request));
    WARD_REQUIRE(in->start <= in->end, "start: larger than end");
    return WARD_OK;
}

static ward_status read_export(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_audit_export *in = request->in;
    struct ward_read *checkpoint, *leaves;
    WARD_TRY(ward_request_add_read(request, WARD_READ_CHECKPOINT, &checkpoint));
    if (in->start == in->end) {
        return WARD_OK;
    }
    WARD_TRY(ward_request_add_read(request, WARD_READ_AUDIT, &leaves));
    leaves->audit.start = in->start;
    leaves->audit.end = in->end;
    leaves->audit.max_bytes = WARD_EXPORT_PAGE_MAX;
    return WARD_OK;
}

static ward_status finish_export(struct ward_request *request, struct ward_worker *worker)
{
    (void)worker;
    struct ward_audit_export *in = request->in;
    const struct ward_read *checkpoint = request->reads[0];
    uint64_t covered = ward_ok(checkpoint->status) ? checkpoint->checkpoint.size : 0;
    if (checkpoint->status.code != WARD_E_NOT_FOUND) {
        WARD_TRY(checkpoint->status);
    }
    WARD_REQUIRE(in->end <= covered, "end: past the newest checkpoint");
    in->n = 0;
    if (request->n_reads > 1) {
        const struct ward_read *leaves = request->reads[1];
        WARD_TRY(leaves->status);
        in->leaves = leaves->audit.leaves;
        in->n = leaves->audit.n;
    }
    ward_request_detail(request, "start", (int64_t)in->start);
    ward_request_detail(request, "end", (int64_t)(in->start + in->n));
    return WARD_OK;
}

const struct ward_op ward_op_audit_export = {
    .action = WARD_ACTION_AUDIT_EXPORT,
    .decide = decide_export,
    .steps = {{.read = read_export, .finish = finish_export}},
    .n_steps = 1,
};

static ward_status read_checkpoint(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_CHECKPOINT, &read));
    return ward_request_add_read(request, WARD_READ_HANDOVERS, &read);
}

/* Of the changes that this checkpoint covers. The two reads are not of one moment. */
static ward_status take_handovers(struct ward_request *request, uint64_t size)
{
    struct ward_audit_checkpoint *in = request->in;
    const struct ward_read *read;
    WARD_TRY(ward_request_find_read(request, WARD_READ_HANDOVERS, &read));
    WARD_TRY(read->status);
    struct ward_bytes *notes =
        WARD_ARENA_ARRAY(request->arena, struct ward_bytes, read->handovers.n);
    WARD_ENSURE(notes != NULL, WARD_E_EXHAUSTED);
    in->n_handovers = 0;
    for (size_t i = 0; i < read->handovers.n; i++) {
        if (read->handovers.handovers[i].size <= size) {
            notes[in->n_handovers++] = read->handovers.handovers[i].note;
        }
    }
    in->handovers = notes;
    return WARD_OK;
}

static ward_status finish_checkpoint(struct ward_request *request, struct ward_worker *worker)
{
    (void)worker;
    struct ward_audit_checkpoint *in = request->in;
    const struct ward_read *read = request->reads[0];
    if (read->status.code == WARD_E_NOT_FOUND) {
        return WARD_REFUSAL(WARD_E_UNAVAILABLE,
                            "checkpoint: none is signed yet; try again in a second");
    }
    WARD_TRY(read->status);
    in->note = read->checkpoint.note;
    char *vkey = ward_arena_alloc(request->arena, WARD_VKEY_MAX);
    WARD_ENSURE(vkey != NULL, WARD_E_EXHAUSTED);
    ward_note_key_print(&ward_state_log_key(request->state, read->checkpoint.size)->public, vkey);
    in->vkey = vkey;
    WARD_TRY(take_handovers(request, read->checkpoint.size));
    ward_request_detail(request, "size", (int64_t)read->checkpoint.size);
    return WARD_OK;
}

const struct ward_op ward_op_audit_checkpoint = {
    .action = WARD_ACTION_AUDIT_CHECKPOINT,
    .decide = decide,
    .steps = {{.read = read_checkpoint, .finish = finish_checkpoint}},
    .n_steps = 1,
};
