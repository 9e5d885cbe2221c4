/* SPDX-License-Identifier: Apache-2.0 */
/* KeyUsage: what each version of a key was used for, what it still holds, how much of its budget is
 * left, and when the next one is due. The numbers on which a destruction is decided. */
#include "policy/name.h"
#include "server/op/data_key.h"
#include "server/op/jobs.h"
#include "server/op/key_held.h"
#include "server/op/messages.h"
#include "server/op/rekeying.h"
#include "server/work/budget.h"
#include "server/work/worker.h"

static ward_status decide(struct ward_request *request)
{
    struct ward_key_usage *in = request->in;
    struct ward_decision decision =
        ward_request_ask(request, WARD_ACTION_KEY_USAGE, in->name, NULL);
    request->rule = decision.rule;
    if (ward_name_valid(in->name)) {
        WARD_TRY(ward_op_key_object(request->arena, in->name, 0, &request->object));
    }
    WARD_TRY(decision.status);
    const struct ward_key *key = ward_state_key(request->state, in->name);
    if (key == NULL) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "key: no such key");
    }
    request->work = (void *)(uintptr_t)key; /* only read; of the state that the request holds */
    return WARD_OK;
}

static ward_status read(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_key *key = request->work;
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_ROWS, &read));
    read->rows.kek = key->id;
    WARD_TRY(ward_request_add_read(request, WARD_READ_KEY_USE, &read));
    read->key_use.kek = key->id;
    WARD_TRY(ward_key_held_read(request, &key->id));
    return ward_job_read(request, key);
}

/* Wraps are counted by every node, ahead of use; what this one has reserved since is in its budget.
 */
static void fill_budget(struct ward_budget *budget, const struct ward_key *key,
                        const struct ward_key_version *version, struct ward_version_usage *ret)
{
    const struct ward_kek_ref ref = {key->id, version->version};
    uint64_t most = budget == NULL ? WARD_WRAP_HARD_MAX : ward_budget_limits(budget)->hard;
    ret->wraps = budget == NULL ? version->wraps : ward_budget_total(budget, &ref, version->wraps);
    bool wraps = ward_key_state_may_wrap(version->state);
    ret->wraps_left = wraps && ret->wraps < most ? most - ret->wraps : 0;
}

/* Versions follow each other there. */
static void fill_held(const struct ward_read *held, struct ward_version_usage *ret)
{
    for (size_t i = 0; i < held->held.n; i++) {
        if (held->held.held[i].version == ret->version) {
            ret->held = ret->n_held == 0 ? &held->held.held[i] : ret->held;
            ret->n_held++;
        }
    }
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_key_usage *in = request->in;
    const struct ward_key *key = request->work;
    const struct ward_read *rows = request->reads[0], *use = request->reads[1],
                           *held = request->reads[2], *jobs;
    WARD_TRY(rows->status);
    WARD_TRY(use->status);
    WARD_TRY(held->status);
    WARD_TRY(ward_request_find_read(request, WARD_READ_JOBS, &jobs));
    ward_job_view_of(jobs, WARD_JOB_REWRAP, request->received_wall_us, &in->rewrap);
    ward_job_view_of(jobs, WARD_JOB_REKEY, request->received_wall_us, &in->rekey);
    in->rekey.owed_for = ward_rekey_owed(key, jobs, rows);
    in->versions = WARD_ARENA_ARRAY(request->arena, struct ward_version_usage, key->n_versions);
    WARD_ENSURE(in->versions != NULL, WARD_E_EXHAUSTED);
    in->n_versions = key->n_versions;
    in->purpose = key->purpose;
    in->period_days = key->rotation_period_days;
    in->now_us = request->received_wall_us;
    int64_t due = ward_rotation_due_us(key);
    in->next_rotation_us = due == INT64_MAX || !key->enabled ? 0 : due;
    for (size_t v = 0; v < key->n_versions; v++) {
        const struct ward_key_version *version = &key->versions[v];
        struct ward_version_usage *out = &in->versions[v];
        *out = (struct ward_version_usage){.version = version->version,
                                           .state = (uint8_t)version->state,
                                           .created_us = version->created_us};
        fill_budget(worker->pipeline->budget, key, version, out);
        for (size_t i = 0; i < rows->rows.n; i++) {
            out->rows += rows->rows.versions[i] == version->version ? rows->rows.counts[i] : 0;
        }
        fill_held(held, out);
        for (size_t i = 0; i < use->key_use.n; i++) {
            if (use->key_use.uses[i].version == version->version) {
                out->issued = use->key_use.uses[i].issued;
                out->opened = use->key_use.uses[i].opened;
                out->last_opened_us = use->key_use.uses[i].last_opened_us;
            }
        }
    }
    return WARD_OK;
}

const struct ward_op ward_op_key_usage = {
    .action = WARD_ACTION_KEY_USAGE,
    .decide = decide,
    .steps = {{.read = read, .finish = finish}},
    .n_steps = 1,
};
