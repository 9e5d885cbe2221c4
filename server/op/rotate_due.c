/* SPDX-License-Identifier: Apache-2.0 */
/* A version that has wrapped as often as it should, is as old as it should become, or is
 * compromised, is rotated by the daemon itself: intent, key object, outcome, as for an approved
 * rotation. Nobody approves it: it makes a new version and ends nothing that the old one opens.
 * Whichever daemon writes the intent first does it. */
#include "server/op/data_key.h"
#include "server/op/key_making.h"
#include "server/op/system.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

static ward_status decide(struct ward_request *request)
{
    const struct ward_rotate_due *in = request->in;
    const struct ward_key *key = ward_state_key_by_id(request->state, &in->key);
    WARD_ENSURE(key != NULL, WARD_E_NOT_FOUND);
    WARD_TRY(ward_op_key_object(request->arena, key->name, in->from_version, &request->object));
    if (request->step > 0) {
        return WARD_OK; /* decided again after the effect: what was made stays what it is */
    }
    if (request->work == NULL) {
        request->work = WARD_ARENA_NEW(request->arena, struct ward_key_making);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    struct ward_key_making *making = request->work;
    WARD_TRY(ward_key_making_rotate(request->state, key->name, making));
    if (making->from_version != in->from_version) {
        return WARD_REFUSAL(WARD_E_STATE, "key: it was rotated meanwhile");
    }
    /* What officers have suspended or deactivated since is theirs to rotate. */
    if (making->before_stays && in->reason != WARD_ROTATION_COMPROMISED) {
        return WARD_REFUSAL(WARD_E_STATE, "key: its version does not wrap any more");
    }
    ward_key_making_begin(making, request->state, request->received_wall_us);
    return WARD_OK;
}

static ward_status commit_intent(struct ward_request *request, struct ward_batch *batch)
{
    return ward_key_making_intent(request->work, batch);
}

static ward_status finish_effect(struct ward_request *request, struct ward_worker *worker)
{
    const struct ward_rotate_due *in = request->in;
    WARD_TRY(ward_key_making_effect(request->work, worker));
    WARD_TRY(ward_key_making_tell(request->work, request));
    switch (in->reason) {
    case WARD_ROTATION_BUDGET:
        ward_request_detail_text(request, "why", WARD_BYTES_LITERAL("budget"));
        ward_request_detail(request, "wraps", (int64_t)in->wraps);
        break;
    case WARD_ROTATION_PERIOD:
        ward_request_detail_text(request, "why", WARD_BYTES_LITERAL("period"));
        ward_request_detail(request, "age_days", in->age_days);
        break;
    case WARD_ROTATION_COMPROMISED:
        ward_request_detail_text(request, "why", WARD_BYTES_LITERAL("compromised"));
        break;
    }
    return WARD_OK;
}

static ward_status commit_outcome(struct ward_request *request, struct ward_batch *batch)
{
    return ward_key_making_outcome(request->work, batch);
}

const struct ward_op ward_op_rotate_due = {
    .action = WARD_ACTION_SYSTEM_ROTATE,
    .alone = true,
    .decide = decide,
    .steps = {{.commit = commit_intent}, {.finish = finish_effect, .commit = commit_outcome}},
    .n_steps = 2,
};
