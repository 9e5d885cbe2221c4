/* SPDX-License-Identifier: Apache-2.0 */
/* Which versions are of no use is read off the state; a session is told once an epoch, and of what
 * is destroyed only while it may not have heard. That a worker has settled an epoch is what its
 * daemon acknowledges to the others. */
#include "policy/key_state.h"
#include "server/work/worker.h"

#define CLOCKS_DIFFER_US (24LL * 3600 * 1000000)

/* A daemon that slept may meet a version as destroyed that it last saw in use. */
static bool is_held_by_nobody(const struct ward_worker *worker,
                              const struct ward_key_version *version)
{
    return version->state == WARD_KEY_DESTROYED &&
           version->changed_us < worker->settled_wall_us - CLOCKS_DIFFER_US;
}

static bool of_use(const struct ward_key_version *version)
{
    return ward_key_state_may_wrap(version->state) || ward_key_state_may_unwrap(version->state) ||
           ward_key_state_may_rewrap(version->state);
}

static ward_status let_go(struct ward_worker *worker, const struct ward_state *state)
{
    for (size_t k = 0; k < state->n_keys; k++) {
        const struct ward_key *key = &state->keys[k];
        for (size_t v = 0; v < key->n_versions; v++) {
            const struct ward_kek_ref ref = {key->id, key->versions[v].version};
            if (!of_use(&key->versions[v]) && !is_held_by_nobody(worker, &key->versions[v])) {
                WARD_TRY(ward_kek_forget(worker->session, &ref));
            }
        }
    }
    return WARD_OK;
}

void ward_worker_settle(struct ward_worker *worker)
{
    if (ward_state_slot_epoch(worker->pipeline->states) == worker->settled_epoch) {
        return;
    }
    int64_t now_us = ward_wall_us(worker->pipeline->clock);
    struct ward_state *state = ward_state_slot_get(worker->pipeline->states);
    /* One that fails is tried again at the next turn; until then nothing is acknowledged. */
    if (ward_ok(let_go(worker, state))) {
        worker->settled_epoch = state->epoch;
        worker->settled_wall_us = now_us;
    }
    ward_state_unref(state);
}
