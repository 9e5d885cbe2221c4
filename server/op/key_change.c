/* SPDX-License-Identifier: Apache-2.0 */
/* CreateKey and RotateKey. Guarded, they end in a proposal and change nothing; unguarded (creation,
 * where policy says so), they run: intent, key object, outcome. A rotation is always guarded. */
#include "policy/name.h"
#include "server/op/data_key.h"
#include "server/op/key_making.h"
#include "server/op/proposing.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

struct change_notes {
    struct ward_key_making making;
    struct ward_guard guard;
    struct ward_read *rows; /* of a rotation: what will have to be rewrapped */
    struct ward_proposal proposal;
    struct ward_store_proposal row;
};

static ward_status decide_change(struct ward_request *request, enum ward_action action,
                                 struct ward_bytes name, struct change_notes **ret)
{
    struct ward_decision decision = ward_request_ask(request, action, name, NULL);
    request->rule = decision.rule;
    if (ward_name_valid(name)) {
        WARD_TRY(ward_op_key_object(request->arena, name, 0, &request->object));
    }
    WARD_TRY(decision.status);
    if (request->work == NULL) {
        request->work = WARD_ARENA_NEW(request->arena, struct change_notes);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    *ret = request->work;
    (*ret)->guard = ward_policy_guard(request->state->policy, action, name);
    return WARD_OK;
}

static ward_status decide_create(struct ward_request *request)
{
    const struct ward_key_create *in = request->in;
    struct change_notes *notes;
    WARD_TRY(decide_change(request, WARD_ACTION_KEY_CREATE, in->name, &notes));
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
    WARD_TRY(decide_change(request, WARD_ACTION_KEY_ROTATE, in->name, &notes));
    WARD_ENSURE(notes->guard.approvals > 0, WARD_E_INTERNAL); /* policy never leaves it unguarded */
    return ward_key_making_rotate(request->state, in->name, &notes->making);
}

static ward_status read_rows(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    struct change_notes *notes = request->work;
    WARD_TRY(ward_request_add_read(request, WARD_READ_ROWS, &notes->rows));
    notes->rows->rows.kek = notes->making.ref.id;
    return WARD_OK;
}

static void add_number(struct ward_proposal_param *params, size_t *n, const char *name,
                       int64_t number)
{
    params[(*n)++] = (struct ward_proposal_param){.name = ward_bytes_str(name), .number = number};
}

static ward_status describe_proposal(struct ward_request *request, struct change_notes *notes)
{
    struct ward_proposal *proposal = &notes->proposal;
    *proposal = (struct ward_proposal){.action = ward_bytes_str(ward_action_name(request->action)),
                                       .object = notes->making.name};
    if (notes->making.rotate) {
        char id[WARD_ID_TEXT_SIZE];
        ward_id_print(&notes->making.ref.id, id);
        add_number(proposal->parameters, &proposal->n_parameters, "from_version",
                   notes->making.from_version);
        struct ward_proposal_param *key_id = &proposal->parameters[proposal->n_parameters++];
        *key_id = (struct ward_proposal_param){.name = WARD_BYTES_LITERAL("key_id")};
        WARD_TRY(ward_arena_copy(request->arena, ward_bytes_str(id), &key_id->text));
        uint64_t rows = 0;
        for (size_t i = 0; i < notes->rows->rows.n; i++) {
            rows += notes->rows->rows.counts[i];
        }
        add_number(proposal->consequences, &proposal->n_consequences, "new_version",
                   notes->making.ref.version);
        add_number(proposal->consequences, &proposal->n_consequences, "subject_keys_to_rewrap",
                   (int64_t)rows);
        return WARD_OK;
    }
    add_number(proposal->parameters, &proposal->n_parameters, "purpose", notes->making.purpose);
    add_number(proposal->parameters, &proposal->n_parameters, "rotation_period_days",
               notes->making.rotation_period_days);
    return WARD_OK;
}

/* Guarded: the proposal is all. Unguarded: the intent is written next. */
static ward_status finish_proposal(struct ward_request *request, struct ward_worker *worker)
{
    struct change_notes *notes = request->work;
    int64_t now = ward_wall_us(worker->pipeline->clock);
    notes->making.created_us = now;
    if (notes->guard.approvals == 0) {
        return WARD_OK;
    }
    if (notes->rows != NULL && !ward_ok(notes->rows->status)) {
        return notes->rows->status;
    }
    WARD_TRY(describe_proposal(request, notes));
    struct ward_key_outcome *out = request->out =
        WARD_ARENA_NEW(request->arena, struct ward_key_outcome);
    WARD_ENSURE(out != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_proposing_make(request, now, &notes->guard, &notes->proposal, &notes->row,
                                 &out->proposal));
    char id[WARD_ID_TEXT_SIZE];
    struct ward_bytes text;
    ward_id_print(&notes->row.id, id);
    WARD_TRY(ward_arena_copy(request->arena, ward_bytes_str(id), &text));
    ward_request_detail_text(request, "proposal", text);
    request->last = true;
    return WARD_OK;
}

static ward_status commit_first(struct ward_request *request, struct ward_batch *batch)
{
    struct change_notes *notes = request->work;
    if (notes->guard.approvals == 0) {
        return ward_key_making_intent(&notes->making, request->state, batch);
    }
    struct ward_effect effect = {.kind = WARD_EFFECT_PROPOSAL, .proposal = notes->row};
    return ward_batch_effect(batch, &effect);
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
