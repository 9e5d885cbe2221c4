/* SPDX-License-Identifier: Apache-2.0 */
/* A rewrap as a whole: it is opened by whoever sees rows below the active version (or by an officer
 * who will not wait), and ended by a full count, whose entry alone says that nothing is left. */
#include "policy/name.h"
#include "server/limits.h"
#include "server/op/data_key.h"
#include "server/op/jobs.h"
#include "server/op/messages.h"
#include "server/op/system.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

/* ---- open ---- */

struct open_notes {
    const struct ward_key *key;
    struct ward_store_job job;
    bool again;
};

static ward_status make_notes(struct ward_request *request, const struct ward_key *key, bool again)
{
    const struct ward_key_version *active;
    WARD_TRY(ward_state_wrapping_version(key, &active));
    struct open_notes *notes = request->work;
    if (notes == NULL) {
        notes = request->work = WARD_ARENA_NEW(request->arena, struct open_notes);
        WARD_ENSURE(notes != NULL, WARD_E_EXHAUSTED);
        WARD_TRY(ward_id_random(&notes->job.id));
    }
    notes->key = key;
    notes->again = again;
    notes->job.kek = key->id;
    notes->job.kind = WARD_JOB_REWRAP;
    notes->job.state = WARD_JOB_RUNNING;
    notes->job.version = active->version;
    notes->job.round = 1;
    notes->job.urgent = ward_rewrap_urgent(key);
    return WARD_OK;
}

uint32_t ward_rewrap_urgent(const struct ward_key *key)
{
    uint32_t n = 0;
    for (size_t i = 0; i < key->n_versions; i++) {
        n += key->versions[i].state == WARD_KEY_COMPROMISED;
    }
    return n;
}

static uint64_t rows_below(const struct ward_read *read, uint32_t version)
{
    uint64_t n = 0;
    for (size_t i = 0; i < read->rows.n; i++) {
        n += read->rows.versions[i] < version ? read->rows.counts[i] : 0;
    }
    return n;
}

static uint32_t parts_of(uint64_t rows)
{
    uint32_t parts = 1;
    while (parts < WARD_JOB_PARTS_MAX && rows > (uint64_t)parts * WARD_JOB_PART_ROWS) {
        parts *= 2;
    }
    return parts;
}

static ward_status decide_open(struct ward_request *request)
{
    const struct ward_rewrap_open *in = request->in;
    const struct ward_key *key = ward_state_key(request->state, in->key);
    WARD_ENSURE(key != NULL, WARD_E_NOT_FOUND);
    return make_notes(request, key, in->again);
}

static ward_status read_rows(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct open_notes *notes = request->work;
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_ROWS, &read));
    read->rows.kek = notes->key->id;
    return WARD_OK;
}

static ward_status finish_open(struct ward_request *request, struct ward_worker *worker)
{
    (void)worker;
    struct open_notes *notes = request->work;
    WARD_TRY(request->reads[0]->status);
    notes->job.total = notes->job.left = rows_below(request->reads[0], notes->job.version);
    notes->job.parts = parts_of(notes->job.total);
    notes->job.created_us = request->received_wall_us;
    return WARD_OK;
}

static ward_status commit_open(struct ward_request *request, struct ward_batch *batch)
{
    const struct open_notes *notes = request->work;
    struct ward_effect effect = {.kind = WARD_EFFECT_JOB_OPEN};
    effect.job_open.job = notes->job;
    effect.job_open.again = notes->again;
    return ward_batch_effect(batch, &effect);
}

const struct ward_op ward_op_rewrap_open = {
    .action = WARD_ACTION_SYSTEM_REWRAP,
    .silent = true,
    .decide = decide_open,
    .steps = {{.read = read_rows, .finish = finish_open, .commit = commit_open}},
    .n_steps = 1,
};

/* ---- end ---- */

static ward_status decide_end(struct ward_request *request)
{
    const struct ward_rewrap_end *in = request->in;
    WARD_TRY(ward_op_key_object(request->arena, in->key, 0, &request->object));
    if (request->attempts > 0) {
        return WARD_REFUSAL(WARD_E_CONFLICT, "job: another daemon has ended it");
    }
    WARD_ENSURE(ward_state_key(request->state, in->key) != NULL, WARD_E_NOT_FOUND);
    return WARD_OK;
}

static ward_status read_end(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_rewrap_end *in = request->in;
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_ROWS, &read));
    read->rows.kek = in->job.kek;
    return WARD_OK;
}

static ward_status finish_end(struct ward_request *request, struct ward_worker *worker)
{
    (void)worker;
    struct ward_rewrap_end *in = request->in;
    WARD_TRY(request->reads[0]->status);
    in->left = rows_below(request->reads[0], in->job.version);
    in->state = WARD_JOB_DONE;
    if (in->left > 0) {
        in->state = in->job.round < WARD_REWRAP_ROUNDS ? WARD_JOB_RUNNING : WARD_JOB_STUCK;
    }
    ward_request_detail(request, "version", in->job.version);
    ward_request_detail(request, "rows_below_version", (int64_t)in->left);
    ward_request_detail(request, "round", in->job.round);
    ward_request_detail_text(request, "job", ward_bytes_str(ward_job_state_name(in->state)));
    return WARD_OK;
}

static ward_status commit_end(struct ward_request *request, struct ward_batch *batch)
{
    const struct ward_rewrap_end *in = request->in;
    struct ward_effect effect = {.kind = WARD_EFFECT_JOB_END};
    effect.job_end.id = in->job.id;
    effect.job_end.round = in->job.round;
    effect.job_end.parts = in->job.parts;
    effect.job_end.state = in->state;
    effect.job_end.left = in->left;
    effect.job_end.now_us = request->received_wall_us;
    return ward_batch_effect(batch, &effect);
}

const struct ward_op ward_op_rewrap_end = {
    .action = WARD_ACTION_SYSTEM_REWRAP,
    .decide = decide_end,
    .steps = {{.read = read_end, .finish = finish_end, .commit = commit_end}},
    .n_steps = 1,
};

/* ---- RewrapKey, RewrapProgress ---- */

const char *ward_job_state_name(unsigned state)
{
    static const char *const names[] = {
        [WARD_JOB_RUNNING] = "running",
        [WARD_JOB_DONE] = "done",
        [WARD_JOB_STUCK] = "stuck",
        [WARD_JOB_SUPERSEDED] = "superseded",
    };
    return state >= WARD_JOB_RUNNING && state <= WARD_JOB_SUPERSEDED ? names[state] : "none";
}

void ward_job_view_of(const struct ward_read *read, uint8_t kind, int64_t now_us,
                      struct ward_job_view *ret)
{
    *ret = (struct ward_job_view){.state = ward_job_state_name(0)};
    for (size_t i = 0; i < read->jobs.n; i++) {
        const struct ward_store_job *job = &read->jobs.jobs[i];
        if (job->kind != kind) {
            continue; /* the last one is of the newest version */
        }
        int64_t end = job->ended_us == 0 ? now_us : job->ended_us;
        *ret = (struct ward_job_view){.state = ward_job_state_name(job->state),
                                      .version = job->version,
                                      .total = job->total,
                                      .done = job->done,
                                      .failed = job->failed,
                                      .left = job->state == WARD_JOB_STUCK ? job->left : 0,
                                      .created_us = job->created_us,
                                      .ended_us = job->ended_us};
        if (end > job->created_us) {
            ret->rate = (uint64_t)((double)job->done * 1e6 / (double)(end - job->created_us));
        }
    }
}

static ward_status find_key(struct ward_request *request, enum ward_action action,
                            const struct ward_key **ret)
{
    const struct ward_key_rewrap *in = request->in;
    struct ward_decision decision = ward_request_ask(request, action, in->name, NULL);
    request->rule = decision.rule;
    if (ward_name_valid(in->name)) {
        WARD_TRY(ward_op_key_object(request->arena, in->name, 0, &request->object));
    }
    WARD_TRY(decision.status);
    *ret = ward_state_key(request->state, in->name);
    if (*ret == NULL) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "key: no such key");
    }
    if ((*ret)->purpose != WARD_PURPOSE_RECORDS) {
        return WARD_REFUSAL(WARD_E_STATE, "key: what it wraps is not stored here; applications "
                                          "rewrap their own data keys");
    }
    return WARD_OK;
}

static ward_status read_jobs(struct ward_request *request, const struct ward_key *key)
{
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_JOBS, &read));
    read->jobs.kek = key->id;
    return WARD_OK;
}

static ward_status decide_rewrap(struct ward_request *request)
{
    const struct ward_key *key = NULL;
    WARD_TRY(find_key(request, WARD_ACTION_KEY_REWRAP, &key));
    return make_notes(request, key, true);
}

static ward_status read_rewrap(struct ward_request *request, struct ward_digest *digest)
{
    const struct open_notes *notes = request->work;
    WARD_TRY(read_rows(request, digest));
    return read_jobs(request, notes->key);
}

/* What it answers is the job as it is, or as it will be when this is committed. */
static ward_status finish_rewrap(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_key_rewrap *in = request->in;
    const struct open_notes *notes = request->work;
    WARD_TRY(finish_open(request, worker));
    WARD_TRY(request->reads[1]->status);
    ward_job_view_of(request->reads[1], WARD_JOB_REWRAP, request->received_wall_us, &in->job);
    bool runs = in->job.version == notes->job.version &&
                strcmp(in->job.state, ward_job_state_name(WARD_JOB_RUNNING)) == 0;
    if (!runs) {
        uint64_t done = in->job.version == notes->job.version ? in->job.done : 0;
        in->job = (struct ward_job_view){.state = ward_job_state_name(WARD_JOB_RUNNING),
                                         .version = notes->job.version,
                                         .total = done + notes->job.total,
                                         .done = done,
                                         .created_us = notes->job.created_us};
    }
    ward_request_detail(request, "version", notes->job.version);
    ward_request_detail(request, "rows_below_version", (int64_t)notes->job.total);
    return WARD_OK;
}

const struct ward_op ward_op_key_rewrap = {
    .action = WARD_ACTION_KEY_REWRAP,
    .decide = decide_rewrap,
    .steps = {{.read = read_rewrap, .finish = finish_rewrap, .commit = commit_open}},
    .n_steps = 1,
};

static ward_status decide_progress(struct ward_request *request)
{
    const struct ward_key *key = NULL;
    WARD_TRY(find_key(request, WARD_ACTION_KEY_DESCRIBE, &key));
    request->work = (void *)(uintptr_t)key; /* only read; of the state that it holds */
    return WARD_OK;
}

static ward_status read_progress(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    return read_jobs(request, request->work);
}

static ward_status finish_progress(struct ward_request *request, struct ward_worker *worker)
{
    (void)worker;
    struct ward_key_rewrap *in = request->in;
    WARD_TRY(request->reads[0]->status);
    ward_job_view_of(request->reads[0], WARD_JOB_REWRAP, request->received_wall_us, &in->job);
    return WARD_OK;
}

const struct ward_op ward_op_rewrap_progress = {
    .action = WARD_ACTION_KEY_DESCRIBE,
    .decide = decide_progress,
    .steps = {{.read = read_progress, .finish = finish_progress}},
    .n_steps = 1,
};
