/* SPDX-License-Identifier: Apache-2.0 */
/* Which versions are due for rotation is read off the state and the budget; the rotation itself is
 * a request like any other. It leaves alone what another daemon has begun. */
#include "server/jobs/rotation.h"

#include "base/log.h"
#include "server/jobs/internal.h"
#include "server/op/system.h"
#include "server/work/budget.h"

#define SMALL_ARENA (1u << 20)
#define SNAPSHOT_ARENA (256u << 20)

static bool still_wraps(void *context, const struct ward_kek_ref *ref)
{
    const struct ward_key *key = ward_state_key_by_id(context, &ref->id);
    const struct ward_key_version *version =
        key == NULL ? NULL : ward_key_version_find(key, ref->version);
    return version != NULL && version->state == WARD_KEY_ACTIVE;
}

/* Its active version, and what all nodes have wrapped with it; false when nobody may. */
static bool wraps_of(const struct ward_pipeline *pipeline, const struct ward_key *key,
                     struct ward_kek_ref *ret_ref, uint64_t *ret_wraps)
{
    if (key->active == NULL || !key->enabled || key->purpose == WARD_PURPOSE_SYSTEM) {
        return false;
    }
    *ret_ref = (struct ward_kek_ref){key->id, key->active->version};
    *ret_wraps = ward_budget_total(pipeline->budget, ret_ref, key->active->wraps);
    return true;
}

size_t ward_rotation_fewest_left(const struct ward_pipeline *pipeline,
                                 const struct ward_state *state, struct ward_wraps_left *ret,
                                 size_t max, size_t *ret_due)
{
    size_t n = 0;
    *ret_due = 0;
    for (size_t i = 0; pipeline->budget != NULL && i < state->n_keys; i++) {
        const struct ward_budget_limits *limits = ward_budget_limits(pipeline->budget);
        struct ward_kek_ref ref;
        uint64_t wraps;
        if (!wraps_of(pipeline, &state->keys[i], &ref, &wraps)) {
            continue;
        }
        uint64_t left = wraps < limits->hard ? limits->hard - wraps : 0;
        *ret_due += wraps >= limits->soft;
        if (n == max && left >= ret[n - 1].left) {
            continue;
        }
        size_t at = n < max ? n++ : n - 1;
        for (; at > 0 && ret[at - 1].left > left; at--) {
            ret[at] = ret[at - 1];
        }
        ret[at] = (struct ward_wraps_left){&state->keys[i], ref.version, left};
    }
    return n;
}

/* Somebody's intent for the key: under way, or left by a crash and taken up when it is old. */
static bool under_way(struct ward_store_reader *reader, const struct ward_id *key)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    if (!ward_ok(ward_arena_new(SNAPSHOT_ARENA, &arena)) ||
        !ward_ok(ward_store_snapshot(reader, arena, &snapshot))) {
        return true; /* nobody can say: later */
    }
    for (size_t i = 0; i < snapshot.n_intents; i++) {
        if (ward_id_eq(&snapshot.intents[i].kek, key)) {
            return true;
        }
    }
    return false;
}

static void rotate(struct ward_pipeline *pipeline, const struct ward_kek_ref *ref, uint64_t wraps)
{
    struct ward_request *request;
    if (!ward_ok(ward_internal_new(&ward_op_rotate_due, sizeof(struct ward_rotate_due), SMALL_ARENA,
                                   &request))) {
        return;
    }
    *(struct ward_rotate_due *)request->in =
        (struct ward_rotate_due){.key = ref->id, .from_version = ref->version, .wraps = wraps};
    ward_status status = ward_internal_run(pipeline, request);
    ward_log_status(ward_ok(status) ? WARD_LOG_INFO : WARD_LOG_WARN,
                    "a key version reached its limit of wraps and is rotated", status);
    ward_request_free(request);
}

void ward_rotation_tick(struct ward_pipeline *pipeline, struct ward_store_reader *reader,
                        uint64_t *trimmed_epoch)
{
    struct ward_budget *budget = pipeline->budget;
    if (budget == NULL) {
        return;
    }
    uint64_t soft = ward_budget_limits(budget)->soft;
    struct ward_state *state = ward_state_slot_get(pipeline->states);
    if (state->epoch != *trimmed_epoch) {
        *trimmed_epoch = state->epoch;
        ward_budget_trim(budget, still_wraps, state);
    }
    for (size_t i = 0; i < state->n_keys; i++) {
        struct ward_kek_ref ref;
        uint64_t wraps;
        if (wraps_of(pipeline, &state->keys[i], &ref, &wraps) && wraps >= soft &&
            ward_budget_try_rotation(budget, &ref, ward_monotonic_us(pipeline->clock)) &&
            !under_way(reader, &ref.id)) {
            rotate(pipeline, &ref, wraps);
        }
    }
    ward_state_unref(state);
}
