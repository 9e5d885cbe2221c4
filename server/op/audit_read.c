/* SPDX-License-Identifier: Apache-2.0 */
/* Audit.Export and Checkpoint. Only what a signed checkpoint covers is handed out, so that whoever
 * exports can always verify what he has. Reading the log is itself an entry in it. */
#include "proto/wire_limits.h"
#include "server/op/messages.h"
#include "server/op/op.h"
#include "server/op/stored_checkpoints.h"
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
    struct ward_read *leaves;
    WARD_TRY(ward_stored_newest_read(request, 0, 1));
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
    const struct ward_store_checkpoint *newest;
    WARD_TRY(ward_stored_newest(request, &newest));
    WARD_REQUIRE(in->end <= (newest == NULL ? 0 : newest->size), "end: past the newest checkpoint");
    in->n = 0;
    if (in->start < in->end) {
        const struct ward_read *leaves;
        WARD_TRY(ward_request_find_read(request, WARD_READ_AUDIT, &leaves));
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
    .steps = {{.read = read_export,
               .read_more = ward_stored_newest_read_more,
               .finish = finish_export}},
    .n_steps = 1,
};

static ward_status read_checkpoint(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    WARD_TRY(ward_stored_newest_read(request, 0, 1));
    return ward_stored_handovers_read(request);
}

static ward_status read_more_checkpoint(struct ward_request *request)
{
    WARD_TRY(ward_stored_newest_read_more(request));
    return ward_stored_handovers_read_more(request);
}

static ward_status finish_checkpoint(struct ward_request *request, struct ward_worker *worker)
{
    (void)worker;
    struct ward_audit_checkpoint *in = request->in;
    struct ward_stored_checkpoints found;
    WARD_TRY(ward_stored_checkpoints(request, &found));
    if (found.newest == NULL) {
        return found.n_passed_over == 0
                   ? WARD_REFUSAL(WARD_E_UNAVAILABLE,
                                  "checkpoint: none is signed yet; try again in a second")
                   : WARD_REFUSAL(WARD_E_UNAVAILABLE,
                                  "checkpoint: the newest stored rows are not this log's; ward "
                                  "doctor names them");
    }
    char *vkey = ward_arena_alloc(request->arena, WARD_VKEY_MAX);
    WARD_ENSURE(vkey != NULL, WARD_E_EXHAUSTED);
    ward_note_key_print(&ward_state_log_key(request->state, found.newest->size)->public, vkey);
    *in = (struct ward_audit_checkpoint){.note = found.newest->note,
                                         .vkey = vkey,
                                         .handovers = found.handovers,
                                         .n_handovers = found.n_handovers,
                                         .passed_over = found.passed_over,
                                         .n_passed_over = found.n_passed_over};
    ward_request_detail(request, "size", (int64_t)found.newest->size);
    return WARD_OK;
}

const struct ward_op ward_op_audit_checkpoint = {
    .action = WARD_ACTION_AUDIT_CHECKPOINT,
    .decide = decide,
    .steps = {{.read = read_checkpoint,
               .read_more = read_more_checkpoint,
               .finish = finish_checkpoint}},
    .n_steps = 1,
};
