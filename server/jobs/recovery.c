/* SPDX-License-Identifier: Apache-2.0 */
/* Intents are read off the database, which alone knows of those that a dead daemon left; what
 * becomes of each is an operation's to say. */
#include "server/jobs/recovery.h"

#include "base/log.h"
#include "policy/key_state.h"
#include "server/jobs/internal.h"
#include "server/limits.h"
#include "server/op/destroying.h"
#include "server/op/system.h"
#include "server/tamper.h"

#define SMALL_ARENA (1u << 20)
#define SNAPSHOT_ARENA (256u << 20)

static ward_status recover_making(const struct ward_store_intent *intent, struct ward_request **ret)
{
    WARD_TRY(ward_internal_new(&ward_op_recover, sizeof(struct ward_recover), SMALL_ARENA, ret));
    ((struct ward_recover *)(*ret)->in)->intent = *intent;
    return WARD_OK;
}

/* As its row is now: the state in force may not have heard of the intent. */
static bool has_begun(const struct ward_store_snapshot *snapshot,
                      const struct ward_store_intent *intent)
{
    for (size_t i = 0; i < snapshot->n_versions; i++) {
        const struct ward_store_kek_version *row = &snapshot->versions[i];
        if (ward_id_eq(&row->kek, &intent->kek) && row->version == intent->version) {
            return row->state == WARD_KEY_PENDING_DESTRUCTION && row->prior == 0;
        }
    }
    return false;
}

static ward_status recover_destroying(const struct ward_store_snapshot *snapshot,
                                      const struct ward_store_intent *intent,
                                      struct ward_request **ret)
{
    WARD_TRY(ward_internal_new(&ward_op_recover_destroying, sizeof(struct ward_recover_destroying),
                               SMALL_ARENA, ret));
    *(struct ward_recover_destroying *)(*ret)->in =
        (struct ward_recover_destroying){*intent, has_begun(snapshot, intent)};
    return WARD_OK;
}

ward_status ward_recovery_take_up(struct ward_pipeline *pipeline,
                                  const struct ward_store_snapshot *snapshot,
                                  const struct ward_store_intent *intent)
{
    struct ward_request *request;
    bool destroys = WARD_INTENT_WHAT(intent->effect) == WARD_INTENT_DESTROY;
    WARD_TRY(destroys ? recover_destroying(snapshot, intent, &request)
                      : recover_making(intent, &request));
    ward_status status = ward_internal_run(pipeline, request);
    ward_log_status(ward_ok(status) ? WARD_LOG_INFO : WARD_LOG_WARN,
                    "a key that a crash left unfinished was taken up", status);
    ward_request_free(request);
    return status;
}

/* Our own of before the start are taken up at once, later only when they are too old to be under
 * way, as when the HSM was away; another node's only when it had all the time in the world. */
void ward_recovery_tick(struct ward_pipeline *pipeline, struct ward_store_reader *reader,
                        const int64_t *started_us)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    if (!ward_ok(ward_arena_new(SNAPSHOT_ARENA, &arena)) ||
        !ward_ok(ward_store_snapshot(reader, arena, &snapshot))) {
        return;
    }
    struct ward_state *state = ward_state_slot_get(pipeline->states);
    int64_t now_us = ward_wall_us(pipeline->clock);
    /* An intent makes the HSM destroy: one that somebody else wrote is not believed for a moment,
     * and the look at all rows will tell of it. */
    bool ours = snapshot.n_intents > 0 && ward_ok(ward_tamper_check(state->index, &snapshot));
    for (size_t i = 0; ours && i < snapshot.n_intents; i++) {
        const struct ward_store_intent *intent = &snapshot.intents[i];
        bool own = ward_bytes_eq(intent->node, state->node);
        /* Of before the start, by whatever clock: one that was ahead was not this process's. */
        bool before = started_us != NULL && (intent->created_us < *started_us ||
                                             intent->created_us > now_us + WARD_INTENT_AGE_US);
        bool left = own && before;
        int64_t age_us = own ? WARD_INTENT_OWN_AGE_US : WARD_INTENT_AGE_US;
        if (left || now_us - intent->created_us > age_us) {
            (void)ward_recovery_take_up(pipeline, &snapshot, intent); /* logged; tried again */
        }
    }
    ward_state_unref(state);
}
