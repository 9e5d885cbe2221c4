/* SPDX-License-Identifier: Apache-2.0 */
/* Kept answers of changes that are older than a day go: housekeeping of rows that nobody may ask
 * for any more, so it has no entry. */
#include "server/limits.h"
#include "server/op/op.h"
#include "server/work/batch.h"

static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_PURGE_REPLAYS};
    effect.purge_replays.before_us = request->received_wall_us - WARD_REPLAY_KEPT_US;
    return ward_batch_effect(batch, &effect);
}

const struct ward_op ward_op_purge = {
    .action = WARD_ACTION_NONE,
    .silent = true,
    .steps = {{.commit = commit}},
    .n_steps = 1,
};
