/* SPDX-License-Identifier: Apache-2.0 */
/* CreateKey and RotateKey. Guarded, they end in a proposal and change nothing; unguarded (creation,
 * where policy says so), they run: intent, key object, outcome. A rotation is always guarded. */
#include "server/op/drafting.h"
#include "server/op/key_held.h"
#include "server/op/key_making.h"
#include "server/work/worker.h"

struct change_notes {
    struct ward_key_making making;
    struct ward_draft draft;
    /* Of a rotation: what will have to be rewrapped, and what stays with applications. */
    struct ward_read *rows, *use, *held;
};

static ward_status decide_change(struct ward_request *request, struct ward_bytes name,
                                 struct change_notes **ret)
{
    WARD_TRY(ward_drafting_ask_key(request, name, 0));
    if (request->work == NULL) {
        request->work = WARD_ARENA_NEW(request->arena, struct change_notes);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    *ret = request->work;
    return ward_drafting_guard(request, name, &(*ret)->draft);
}

static ward_status decide_create(struct ward_request *request)
{
    const struct ward_key_create *in = request->in;
    struct change_notes *notes;
    WARD_TRY(decide_change(request, in->name, &notes));
    if (request->step > 0) {
        return WARD_OK; /* decided again after the effect: what was made stays what it is */
    }
    struct ward_bytes reserved = WARD_BYTES_LITERAL("ward/");
    bool ours =
        in->name.size >= reserved.size && memcmp(in->name.data, reserved.data, reserved.size) == 0;
    WARD_REQUIRE(!ours, "name: \"ward/\" is reserved for Ward's own keys");
    return ward_key_making_create(request->state, in->name, in->purpose, in->rotation_period_days,
                                  &notes->making);
}

static ward_status decide_rotate(struct ward_request *request)
{
    const struct ward_key_rotate *in = request->in;
    struct change_notes *notes;
    WARD_TRY(decide_change(request, in->name, &notes));
    return ward_key_making_rotate(request->state, in->name, &notes->making);
}

static ward_status read_rows(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    struct change_notes *notes = request->work;
    WARD_TRY(ward_request_add_read(request, WARD_READ_ROWS, &notes->rows));
    notes->rows->rows.kek = notes->making.ref.id;
    WARD_TRY(ward_request_add_read(request, WARD_READ_KEY_USE, &notes->use));
    notes->use->key_use.kek = notes->making.ref.id;
    WARD_TRY(ward_key_held_read(request, &notes->making.ref.id));
    notes->held = request->reads[request->n_reads - 1];
    return WARD_OK;
}

/* What applications hold stays as it is until they rewrap it, and goes on being opened. */
static void describe_use(const struct ward_read *use, struct ward_draft *draft)
{
    uint64_t issued = 0;
    int64_t last_us = 0;
    for (size_t i = 0; i < use->key_use.n; i++) {
        issued += use->key_use.uses[i].issued;
        last_us = use->key_use.uses[i].last_opened_us > last_us
                      ? use->key_use.uses[i].last_opened_us
                      : last_us;
    }
    ward_drafting_consequence(draft, "keys_issued", issued);
    if (last_us > 0) {
        ward_drafting_consequence(draft, "last_opened_unix", (uint64_t)last_us / 1000000);
    }
    ward_drafting_consequence(draft, "rows_that_cannot_be_read", 0);
}

static ward_status describe_proposal(struct ward_request *request, struct change_notes *notes)
{
    struct ward_draft *draft = &notes->draft;
    const struct ward_key_making *making = &notes->making;
    ward_drafting_begin(request, making->name, draft);
    if (!making->rotate) {
        ward_drafting_number(draft, "purpose", making->purpose);
        ward_drafting_number(draft, "rotation_period_days", making->rotation_period_days);
        return WARD_OK;
    }
    WARD_TRY(notes->rows->status);
    WARD_TRY(notes->use->status);
    WARD_TRY(notes->held->status);
    uint64_t rows = 0;
    for (size_t i = 0; i < notes->rows->rows.n; i++) {
        rows += notes->rows->rows.counts[i];
    }
    ward_drafting_number(draft, "from_version", making->from_version);
    ward_drafting_consequence(draft, "new_version", making->ref.version);
    ward_drafting_consequence(draft, "subject_keys_to_rewrap", rows);
    const struct ward_held_room room = {.collections = 6, .versions = 3};
    WARD_TRY(ward_key_held_describe(request, notes->held, 0, rows, room, draft));
    describe_use(notes->use, draft);
    return ward_drafting_id(draft, "key_id", &making->ref.id, request->arena);
}

/* Guarded: the proposal is all. Unguarded: the intent is written next. */
static ward_status finish_proposal(struct ward_request *request, struct ward_worker *worker)
{
    struct change_notes *notes = request->work;
    ward_key_making_begin(&notes->making, request->state, ward_wall_us(worker->pipeline->clock));
    if (notes->draft.guard.approvals == 0) {
        return WARD_OK;
    }
    WARD_TRY(describe_proposal(request, notes));
    struct ward_key_outcome *out = request->out =
        WARD_ARENA_NEW(request->arena, struct ward_key_outcome);
    WARD_ENSURE(out != NULL, WARD_E_EXHAUSTED);
    return ward_drafting_make(request, worker, &notes->draft, &out->proposal);
}

static ward_status commit_first(struct ward_request *request, struct ward_batch *batch)
{
    struct change_notes *notes = request->work;
    return notes->draft.guard.approvals == 0 ? ward_key_making_intent(&notes->making, batch)
                                             : ward_drafting_commit(&notes->draft, batch);
}

static ward_status finish_effect(struct ward_request *request, struct ward_worker *worker)
{
    struct change_notes *notes = request->work;
    WARD_TRY(ward_key_making_effect(&notes->making, worker));
    struct ward_key_outcome *out = request->out =
        WARD_ARENA_NEW(request->arena, struct ward_key_outcome);
    WARD_ENSURE(out != NULL, WARD_E_EXHAUSTED);
    out->key = WARD_ARENA_NEW(request->arena, struct ward_key_view);
    WARD_ENSURE(out->key != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_key_view_made(request->arena, request->state, &notes->making, out->key));
    return ward_key_making_tell(&notes->making, request);
}

static ward_status commit_outcome(struct ward_request *request, struct ward_batch *batch)
{
    const struct change_notes *notes = request->work;
    return ward_key_making_outcome(&notes->making, batch);
}

const struct ward_op ward_op_key_create = {
    .action = WARD_ACTION_KEY_CREATE,
    .alone = true,
    .decide = decide_create,
    .steps = {{.finish = finish_proposal, .commit = commit_first},
              {.finish = finish_effect, .commit = commit_outcome}},
    .n_steps = 2,
};

const struct ward_op ward_op_key_rotate = {
    .action = WARD_ACTION_KEY_ROTATE,
    .alone = true,
    .decide = decide_rotate,
    .steps = {{.read = read_rows, .finish = finish_proposal, .commit = commit_first}},
    .n_steps = 1,
};
