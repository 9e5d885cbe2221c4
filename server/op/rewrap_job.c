/* SPDX-License-Identifier: Apache-2.0 */
/* A rewrap as a whole: it is opened by whoever sees rows below the active version (or by an officer
 * who will not wait), and ended by a full count, whose entry alone says that nothing is left. */
#include "server/op/drafting.h"
#include "server/op/jobs.h"

/* ---- open ---- */

struct open_notes {
    const struct ward_key *key;
    struct ward_store_job job;
    bool again;
    bool idle; /* all rows are there, and a job's full count has said so */
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

static ward_status decide_open(struct ward_request *request)
{
    const struct ward_job_open *in = request->in;
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
    notes->job.parts = ward_job_parts(notes->job.total);
    notes->job.created_us = request->received_wall_us;
    return WARD_OK;
}

static ward_status commit_open(struct ward_request *request, struct ward_batch *batch)
{
    const struct open_notes *notes = request->work;
    return ward_job_commit_open(&notes->job, notes->again, batch);
}

const struct ward_op ward_op_rewrap_open = {
    .action = WARD_ACTION_SYSTEM_REWRAP,
    .silent = true,
    .decide = decide_open,
    .steps = {{.read = read_rows, .finish = finish_open, .commit = commit_open}},
    .n_steps = 1,
};

/* ---- end ---- */

static ward_status read_end(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_job_end *in = request->in;
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_ROWS, &read));
    read->rows.kek = in->job.kek;
    return WARD_OK;
}

static ward_status finish_end(struct ward_request *request, struct ward_worker *worker)
{
    (void)worker;
    const struct ward_job_end *in = request->in;
    WARD_TRY(request->reads[0]->status);
    uint64_t left = rows_below(request->reads[0], in->job.version);
    ward_request_detail(request, "version", in->job.version);
    ward_request_detail(request, "rows_below_version", (int64_t)left);
    ward_job_end_judge(request, left);
    return WARD_OK;
}

const struct ward_op ward_op_rewrap_end = {
    .action = WARD_ACTION_SYSTEM_REWRAP,
    .decide = ward_job_end_decide,
    .steps = {{.read = read_end, .finish = finish_end, .commit = ward_job_end_commit}},
    .n_steps = 1,
};

/* ---- RewrapKey, RewrapProgress ---- */

static ward_status decide_rewrap(struct ward_request *request)
{
    const struct ward_key_job *in = request->in;
    WARD_TRY(ward_drafting_ask_key(request, in->name, 0));
    const struct ward_key *key;
    WARD_TRY(ward_job_find_key(request, in->name, &key));
    return make_notes(request, key, true);
}

static ward_status read_rewrap(struct ward_request *request, struct ward_digest *digest)
{
    const struct open_notes *notes = request->work;
    WARD_TRY(read_rows(request, digest));
    return ward_job_read(request, notes->key);
}

/* What it answers is the job as it is, or as it will be when this is committed. */
static ward_status finish_rewrap(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_key_job *in = request->in;
    struct open_notes *notes = request->work;
    WARD_TRY(finish_open(request, worker));
    WARD_TRY(request->reads[1]->status);
    ward_job_view_of(request->reads[1], WARD_JOB_REWRAP, request->received_wall_us, &in->job);
    bool runs = in->job.version == notes->job.version &&
                strcmp(in->job.state, ward_job_state_name(WARD_JOB_RUNNING)) == 0;
    notes->idle = notes->job.total == 0 && in->job.version == notes->job.version &&
                  strcmp(in->job.state, ward_job_state_name(WARD_JOB_DONE)) == 0;
    if (!runs && !notes->idle) {
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

/* One that found nothing to do leaves what is told of the job that did it. */
static ward_status commit_rewrap(struct ward_request *request, struct ward_batch *batch)
{
    const struct open_notes *notes = request->work;
    return notes->idle ? WARD_OK : commit_open(request, batch);
}

const struct ward_op ward_op_key_rewrap = {
    .action = WARD_ACTION_KEY_REWRAP,
    .decide = decide_rewrap,
    .steps = {{.read = read_rewrap, .finish = finish_rewrap, .commit = commit_rewrap}},
    .n_steps = 1,
};

static ward_status finish_progress(struct ward_request *request, struct ward_worker *worker)
{
    (void)worker;
    return ward_job_progress_finish(request, WARD_JOB_REWRAP);
}

const struct ward_op ward_op_rewrap_progress = {
    .action = WARD_ACTION_KEY_DESCRIBE,
    .decide = ward_job_progress_decide,
    .steps = {{.read = ward_job_progress_read, .finish = finish_progress}},
    .n_steps = 1,
};
