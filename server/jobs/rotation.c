/* SPDX-License-Identifier: Apache-2.0 */
/* Which versions are due for rotation is read off the state, the clock and the budget; the rotation
 * itself is a request like any other. It leaves alone what another daemon has begun. */
#include "server/jobs/rotation.h"

#include "base/log.h"
#include "server/jobs/internal.h"
#include "server/op/system.h"
#include "server/work/budget.h"

#define SMALL_ARENA (1u << 20)
#define SNAPSHOT_ARENA (256u << 20)
#define DAY_US (24LL * 3600 * 1000000)
#define AT_ONCE 16u /* rotations in one tick, which has more to do than that */

/* Or has just stopped: one that is compromised is still to be followed by another. */
static bool still_wraps(void *context, const struct ward_kek_ref *ref)
{
    const struct ward_key *key = ward_state_key_by_id(context, &ref->id);
    const struct ward_key_version *version =
        key == NULL ? NULL : ward_key_version_find(key, ref->version);
    return version != NULL &&
           (version->state == WARD_KEY_ACTIVE || version->state == WARD_KEY_COMPROMISED);
}

/* Nobody's to rotate: Ward's own, or one that is disabled. */
static bool left_alone(const struct ward_key *key)
{
    return !key->enabled || key->purpose == WARD_PURPOSE_SYSTEM || key->n_versions == 0;
}

/* What all nodes have wrapped with its active version. */
static uint64_t wraps_of(const struct ward_pipeline *pipeline, const struct ward_key *key)
{
    const struct ward_kek_ref ref = {key->id, key->active->version};
    return pipeline->budget == NULL ? key->active->wraps
                                    : ward_budget_total(pipeline->budget, &ref, key->active->wraps);
}

/* False: nothing is due. */
static bool is_due(const struct ward_pipeline *pipeline, const struct ward_key *key,
                   struct ward_rotate_due *ret)
{
    if (left_alone(key)) {
        return false;
    }
    const struct ward_key_version *newest = &key->versions[key->n_versions - 1];
    *ret = (struct ward_rotate_due){.key = key->id, .from_version = newest->version};
    if (key->active == NULL) {
        ret->reason = WARD_ROTATION_COMPROMISED;
        return ward_state_successor_due(key);
    }
    ret->from_version = key->active->version;
    ret->wraps = wraps_of(pipeline, key);
    ret->reason = WARD_ROTATION_BUDGET;
    if (pipeline->budget != NULL && ret->wraps >= ward_budget_limits(pipeline->budget)->soft) {
        return true;
    }
    int64_t now_us = ward_wall_us(pipeline->clock);
    ret->age_days = (now_us - key->active->created_us) / DAY_US;
    ret->reason = WARD_ROTATION_PERIOD;
    return now_us >= ward_rotation_due_us(key);
}

size_t ward_rotation_n_due(const struct ward_pipeline *pipeline, const struct ward_state *state)
{
    size_t n = 0;
    for (size_t i = 0; i < state->n_keys; i++) {
        struct ward_rotate_due due;
        n += is_due(pipeline, &state->keys[i], &due);
    }
    return n;
}

/* ---- the first so many, by what is asked ---- */

typedef bool before(const struct ward_key_left *a, const struct ward_key_left *b);

static bool fewer_left(const struct ward_key_left *a, const struct ward_key_left *b)
{
    return a->wraps_left < b->wraps_left;
}

static bool older(const struct ward_key_left *a, const struct ward_key_left *b)
{
    return a->period_used > b->period_used;
}

static size_t insert(struct ward_key_left *ret, size_t n, size_t max,
                     const struct ward_key_left *one, before *goes_before)
{
    if (n == max && !goes_before(one, &ret[n - 1])) {
        return n;
    }
    size_t at = n < max ? n++ : n - 1;
    for (; at > 0 && goes_before(one, &ret[at - 1]); at--) {
        ret[at] = ret[at - 1];
    }
    ret[at] = *one;
    return n;
}

size_t ward_rotation_fewest_left(const struct ward_pipeline *pipeline,
                                 const struct ward_state *state, struct ward_key_left *ret,
                                 size_t max)
{
    size_t n = 0;
    for (size_t i = 0; pipeline->budget != NULL && i < state->n_keys; i++) {
        const struct ward_key *key = &state->keys[i];
        if (left_alone(key) || key->active == NULL) {
            continue;
        }
        uint64_t wraps = wraps_of(pipeline, key), hard = ward_budget_limits(pipeline->budget)->hard;
        const struct ward_key_left one = {.key = key,
                                          .version = key->active->version,
                                          .wraps_left = wraps < hard ? hard - wraps : 0};
        n = insert(ret, n, max, &one, fewer_left);
    }
    return n;
}

size_t ward_rotation_oldest(const struct ward_pipeline *pipeline, const struct ward_state *state,
                            struct ward_key_left *ret, size_t max)
{
    size_t n = 0;
    int64_t now_us = ward_wall_us(pipeline->clock);
    for (size_t i = 0; i < state->n_keys; i++) {
        const struct ward_key *key = &state->keys[i];
        if (left_alone(key) || key->active == NULL || key->rotation_period_days == 0) {
            continue;
        }
        int64_t age_us = now_us - key->active->created_us;
        const struct ward_key_left one = {.key = key,
                                          .version = key->active->version,
                                          .period_used =
                                              (double)age_us / (double)ward_key_period_us(key)};
        n = insert(ret, n, max, &one, older);
    }
    return n;
}

/* ---- rotating ---- */

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

static ward_status rotate(struct ward_pipeline *pipeline, const struct ward_rotate_due *due)
{
    static const char *const told[] = {
        [WARD_ROTATION_BUDGET] = "a key version reached its limit of wraps and is rotated",
        [WARD_ROTATION_PERIOD] = "a key version reached the end of its period and is rotated",
        [WARD_ROTATION_COMPROMISED] = "a compromised key version is followed by a new one",
    };
    struct ward_request *request;
    WARD_TRY(ward_internal_new(&ward_op_rotate_due, sizeof(*due), SMALL_ARENA, &request));
    *(struct ward_rotate_due *)request->in = *due;
    ward_status status = ward_internal_run(pipeline, request);
    ward_log_status(ward_ok(status) ? WARD_LOG_INFO : WARD_LOG_WARN, told[due->reason], status);
    ward_request_free(request);
    return status;
}

/* One that failed is not tried again at once; sooner where HSM or database only were away, or where
 * somebody else may have begun it. */
static bool may_try(const struct ward_pipeline *pipeline, const struct ward_rotate_due *due)
{
    const struct ward_kek_ref ref = {due->key, due->from_version};
    return pipeline->budget == NULL ||
           ward_budget_try_rotation(pipeline->budget, &ref, ward_monotonic_us(pipeline->clock));
}

static void try_soon(const struct ward_pipeline *pipeline, const struct ward_rotate_due *due)
{
    const struct ward_kek_ref ref = {due->key, due->from_version};
    if (pipeline->budget != NULL) {
        ward_budget_rotation_soon(pipeline->budget, &ref);
    }
}

static void trim(const struct ward_pipeline *pipeline, struct ward_state *state,
                 struct ward_rotation_memory *memory)
{
    if (pipeline->budget != NULL && state->epoch != memory->trimmed_epoch) {
        memory->trimmed_epoch = state->epoch;
        ward_budget_trim(pipeline->budget, still_wraps, state);
    }
}

bool ward_rotation_news(const struct ward_pipeline *pipeline,
                        const struct ward_rotation_memory *memory)
{
    return ward_state_slot_epoch(pipeline->states) != memory->looked_epoch;
}

void ward_rotation_tick(struct ward_pipeline *pipeline, struct ward_store_reader *reader,
                        struct ward_rotation_memory *memory)
{
    struct ward_state *state = ward_state_slot_get(pipeline->states);
    memory->looked_epoch = state->epoch;
    trim(pipeline, state, memory);
    unsigned tried = 0;
    for (size_t i = 0; i < state->n_keys && tried < AT_ONCE; i++) {
        const struct ward_key *key = &state->keys[memory->next++ % state->n_keys];
        struct ward_rotate_due due;
        if (is_due(pipeline, key, &due) && may_try(pipeline, &due)) {
            tried++;
            if (under_way(reader, &due.key) || rotate(pipeline, &due).code == WARD_E_UNAVAILABLE) {
                try_soon(pipeline, &due);
            }
        }
    }
    ward_state_unref(state);
}
