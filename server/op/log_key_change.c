/* SPDX-License-Identifier: Apache-2.0 */
/* RotateLogKey: ends in a draft and changes nothing. Always guarded: whoever chooses the log's key
 * alone could choose what auditors believe. */
#include "server/op/drafting.h"
#include "server/op/log_key_changing.h"

struct change_notes {
    struct ward_log_key_changing changing;
    struct ward_draft draft;
    struct ward_read *checkpoint;
    char vkey[WARD_VKEY_MAX];
};

static ward_status decide(struct ward_request *request)
{
    WARD_TRY(ward_drafting_ask(request, (struct ward_bytes){0}));
    request->object = WARD_BYTES_LITERAL(WARD_LOG_KEY_NAME);
    if (request->work == NULL) {
        request->work = WARD_ARENA_NEW(request->arena, struct change_notes);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    struct change_notes *notes = request->work;
    WARD_TRY(ward_log_key_changing_make(request->state, &notes->changing));
    ward_note_key_print(&notes->changing.before->public, notes->vkey);
    return ward_drafting_guard(request, (struct ward_bytes){0}, &notes->draft);
}

static ward_status read(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    struct change_notes *notes = request->work;
    return ward_request_add_read(request, WARD_READ_CHECKPOINT, &notes->checkpoint);
}

/* What was signed before stays as it is, and its key with it; who checks what comes needs the new
 * one, or follows it from the old one through the handover. */
static void add_consequences(const struct change_notes *notes, struct ward_draft *draft)
{
    const struct ward_read *checkpoint = notes->checkpoint;
    uint64_t entries = ward_ok(checkpoint->status) ? checkpoint->checkpoint.size : 0;
    ward_drafting_consequence(draft, "entries_signed_so_far", entries);
    ward_drafting_consequence(draft, "exports_that_cannot_be_verified", 0);
    ward_drafting_consequence(draft, "checkpoints_signed_by_both_keys", 1);
    ward_drafting_consequence(draft, "new_version", notes->changing.ref.version);
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_log_key_rotate *in = request->in;
    struct change_notes *notes = request->work;
    struct ward_draft *draft = &notes->draft;
    if (notes->checkpoint->status.code != WARD_E_NOT_FOUND) {
        WARD_TRY(notes->checkpoint->status);
    }
    ward_drafting_begin(request, WARD_BYTES_LITERAL(WARD_LOG_KEY_NAME), draft);
    ward_drafting_number(draft, "from_version", notes->changing.ref.version - 1);
    ward_drafting_text(draft, "from_vkey", ward_bytes_str(notes->vkey));
    add_consequences(notes, draft);
    return ward_drafting_make(request, worker, draft, &in->proposal);
}

static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct change_notes *notes = request->work;
    return ward_drafting_commit(&notes->draft, batch);
}

const struct ward_op ward_op_log_key_rotate = {
    .action = WARD_ACTION_LOG_KEY_ROTATE,
    .alone = true,
    .decide = decide,
    .steps = {{.read = read, .finish = finish, .commit = commit}},
    .n_steps = 1,
};
