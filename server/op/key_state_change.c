/* SPDX-License-Identifier: Apache-2.0 */
/* The commands on a key that exists, but for its rotation: each ends in a draft and changes
 * nothing. Those that stop something run with their proposer's signature, those that let something
 * go on, or end it for good, wait for other officers; which is which stands in policy/action.h. */
#include "server/op/data_key.h"
#include "server/op/key_state_moving.h"
#include "server/work/worker.h"

struct change_notes {
    struct ward_key_moving moving;
    struct ward_draft draft;
};

static ward_status decide(struct ward_request *request)
{
    const struct ward_key_state_change *in = request->in;
    enum ward_key_command command;
    WARD_ENSURE(ward_key_command_find(request->op->action, &command), WARD_E_INTERNAL);
    WARD_TRY(ward_drafting_ask_key(request, in->name, in->version));
    if (request->work == NULL) {
        request->work = WARD_ARENA_NEW(request->arena, struct change_notes);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    struct change_notes *notes = request->work;
    WARD_TRY(ward_drafting_guard(request, in->name, &notes->draft));
    WARD_TRY(ward_key_moving_make(request->state, command, in, &notes->moving));
    if (notes->moving.waiting_days == 0) {
        notes->moving.waiting_days =
            ward_policy_settings(request->state->policy)->destroy_waiting_days;
    }
    /* The version that was meant, where none was named. */
    return notes->moving.version == NULL
               ? WARD_OK
               : ward_op_key_object(request->arena, in->name, notes->moving.version->version,
                                    &request->object);
}

static ward_status read(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct change_notes *notes = request->work;
    return ward_key_moving_read(request, &notes->moving.key->id);
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_key_state_change *in = request->in;
    struct change_notes *notes = request->work;
    notes->moving.now_us = ward_wall_us(worker->pipeline->clock);
    WARD_TRY(ward_key_moving_count(request, &notes->moving));
    WARD_TRY(ward_key_moving_check_need(request, &notes->moving));
    WARD_TRY(ward_key_moving_describe(request, &notes->moving, &notes->draft));
    return ward_drafting_make(request, worker, &notes->draft, &in->proposal);
}

static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct change_notes *notes = request->work;
    return ward_drafting_commit(&notes->draft, batch);
}

#define OP(name, its_action)                                           \
    const struct ward_op ward_op_key_##name = {                        \
        .action = WARD_ACTION_KEY_##its_action,                        \
        .alone = true,                                                 \
        .decide = decide,                                              \
        .steps = {{.read = read, .finish = finish, .commit = commit}}, \
        .n_steps = 1,                                                  \
    }

OP(change, CHANGE);
OP(disable, DISABLE);
OP(enable, ENABLE);
OP(suspend, SUSPEND);
OP(resume, RESUME);
OP(deactivate, DEACTIVATE);
OP(compromise, COMPROMISE);
OP(schedule_destroy, DESTROY);
OP(cancel_destroy, CANCEL_DESTROY);
