/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. It knows no key and no HSM. */
#include "server/op/intent.h"

#include "server/limits.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

ward_status ward_intent_check_held(const struct ward_worker *worker, int64_t since_us)
{
    int64_t age_us = ward_wall_us(worker->pipeline->clock) - since_us;
    WARD_ENSURE(age_us < WARD_INTENT_HELD_US, WARD_E_UNAVAILABLE);
    return WARD_OK;
}

ward_status ward_intent_hold(const struct ward_request *request,
                             const struct ward_store_intent *old, struct ward_store_intent *ret)
{
    if (request->attempts > 0) {
        return WARD_REFUSAL(WARD_E_CONFLICT, "intent: it has ended, or another daemon is at it");
    }
    *ret = *old;
    ret->node = request->state->node;
    ret->created_us = request->received_wall_us;
    return ward_id_random(&ret->id);
}

ward_status ward_intent_end(const struct ward_store_intent *intent, struct ward_batch *batch)
{
    const struct ward_effect done = {.kind = WARD_EFFECT_INTENT_DONE, .intent_done = *intent};
    return ward_batch_effect(batch, &done);
}

ward_status ward_intent_take_over(const struct ward_store_intent *old,
                                  const struct ward_store_intent *hold, struct ward_batch *batch)
{
    WARD_TRY(ward_intent_end(old, batch));
    const struct ward_effect effect = {.kind = WARD_EFFECT_INTENT, .intent = *hold};
    return ward_batch_effect(batch, &effect);
}
