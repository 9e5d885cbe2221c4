/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. A full count ends a run: its entry alone says that no record is left under an old
 * generation. */
#include "server/op/rekeying.h"

#include "server/op/data_key.h"
#include "server/work/batch.h"

/* ---- what is owed ---- */

static bool healed(const struct ward_read *jobs, int64_t since_us)
{
    for (size_t i = 0; i < jobs->jobs.n; i++) {
        const struct ward_store_job *job = &jobs->jobs.jobs[i];
        if (job->kind == WARD_JOB_REKEY && job->state == WARD_JOB_DONE &&
            job->created_us >= since_us) {
            return true;
        }
    }
    return false;
}

/* Rows under whichever version: they left the one that leaked with the subject keys that it had
 * wrapped. */
static bool has_rows(const struct ward_read *rows)
{
    for (size_t i = 0; i < rows->rows.n; i++) {
        if (rows->rows.counts[i] > 0) {
            return true;
        }
    }
    return false;
}

uint32_t ward_rekey_owed(const struct ward_key *key, const struct ward_read *jobs,
                         const struct ward_read *rows)
{
    for (size_t v = key->n_versions; v > 0 && has_rows(rows); v--) {
        const struct ward_key_version *version = &key->versions[v - 1];
        bool ends = version->state == WARD_KEY_PENDING_DESTRUCTION &&
                    version->prior == WARD_KEY_COMPROMISED;
        bool owes = version->state == WARD_KEY_COMPROMISED || ends;
        if (owes && !healed(jobs, ends ? version->created_us : version->changed_us)) {
            return version->version;
        }
    }
    return 0;
}

/* ---- what it would do ---- */

ward_status ward_rekeying_make(const struct ward_request *request, struct ward_bytes name,
                               struct ward_rekeying *ret)
{
    const struct ward_key *key;
    const struct ward_key_version *active;
    WARD_TRY(ward_job_find_key(request, name, &key));
    WARD_TRY(ward_state_wrapping_version(key, &active));
    *ret = (struct ward_rekeying){.key = key, .version = active->version};
    ret->job.kek = key->id;
    ret->job.kind = WARD_JOB_REKEY;
    ret->job.state = WARD_JOB_RUNNING;
    ret->job.round = 1;
    return ward_id_random(&ret->job.id);
}

ward_status ward_rekeying_read(struct ward_request *request, const struct ward_rekeying *rekeying)
{
    return ward_job_read(request, rekeying->key);
}

static ward_status read_left(struct ward_request *request, const struct ward_id *kek, uint32_t run)
{
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_REKEY_LEFT, &read));
    read->rekey_left.kek = *kek;
    read->rekey_left.run = run;
    return WARD_OK;
}

static ward_status find_run(const struct ward_request *request, struct ward_rekeying *rekeying)
{
    const struct ward_read *jobs;
    WARD_TRY(ward_request_find_read(request, WARD_READ_JOBS, &jobs));
    const struct ward_store_job *last = ward_job_newest(jobs, WARD_JOB_REKEY);
    rekeying->runs = last != NULL && last->state == WARD_JOB_RUNNING;
    rekeying->job.version = last == NULL ? 1 : last->version + !rekeying->runs;
    return WARD_OK;
}

ward_status ward_rekeying_read_more(struct ward_request *request, struct ward_rekeying *rekeying)
{
    WARD_TRY(find_run(request, rekeying));
    return read_left(request, &rekeying->key->id, rekeying->job.version);
}

ward_status ward_rekeying_count(struct ward_request *request, struct ward_rekeying *rekeying)
{
    const struct ward_read *left;
    WARD_TRY(find_run(request, rekeying));
    WARD_TRY(ward_request_find_read(request, WARD_READ_REKEY_LEFT, &left));
    rekeying->keys = left->rekey_left.keys;
    rekeying->records = left->rekey_left.records;
    rekeying->job.total = rekeying->job.left = rekeying->records;
    rekeying->job.parts = ward_job_parts(rekeying->records);
    rekeying->job.created_us = request->received_wall_us;
    return WARD_OK;
}

/* ---- as the execution of a proposal ---- */

static ward_status moved_on(void)
{
    return WARD_REFUSAL(WARD_E_STATE,
                        "proposal: the key has moved on since it was made; propose again");
}

static int64_t run_of(const struct ward_proposal *proposal)
{
    int64_t run = 0;
    return ward_proposal_number(proposal->parameters, proposal->n_parameters, "run", &run) ? run
                                                                                           : 0;
}

static ward_status read(struct ward_request *request, const struct ward_proposal *proposal)
{
    const struct ward_key *key = ward_state_key(request->state, proposal->object);
    int64_t run = run_of(proposal);
    if (key == NULL || run <= 0 || run > INT32_MAX) {
        return moved_on();
    }
    WARD_TRY(ward_job_read(request, key));
    return read_left(request, &key->id, (uint32_t)run);
}

static ward_status look(struct ward_request *request, const struct ward_proposal *proposal)
{
    const struct ward_key *key = ward_state_key(request->state, proposal->object);
    return key == NULL ? WARD_OK : ward_job_read(request, key);
}

/* A run has a number, which none has again. */
static ward_status stands(struct ward_request *request, const struct ward_proposal *proposal)
{
    const struct ward_key *key = ward_state_key(request->state, proposal->object);
    if (key == NULL) {
        return moved_on();
    }
    const struct ward_store_job *last = NULL;
    for (size_t i = 0; i < request->n_reads; i++) {
        const struct ward_read *read = request->reads[i];
        if (read->kind == WARD_READ_JOBS && ward_ok(read->status) &&
            ward_id_eq(&read->jobs.kek, &key->id)) {
            last = ward_job_newest(read, WARD_JOB_REKEY);
        }
    }
    return last != NULL && run_of(proposal) <= (int64_t)last->version ? moved_on() : WARD_OK;
}

static ward_status prepare(struct ward_request *request, const struct ward_proposal *proposal,
                           int64_t now_us, void **ret)
{
    struct ward_rekeying *rekeying = WARD_ARENA_NEW(request->arena, struct ward_rekeying);
    WARD_ENSURE(rekeying != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_rekeying_make(request, proposal->object, rekeying));
    WARD_TRY(ward_rekeying_count(request, rekeying));
    char id[WARD_ID_TEXT_SIZE];
    ward_id_print(&rekeying->key->id, id);
    struct ward_bytes said =
        ward_proposal_text(proposal->parameters, proposal->n_parameters, "key_id");
    if (rekeying->runs || run_of(proposal) != rekeying->job.version ||
        !ward_bytes_eq(said, ward_bytes_str(id))) {
        return moved_on();
    }
    rekeying->job.created_us = now_us;
    *ret = rekeying;
    return WARD_OK;
}

static ward_status outcome(const void *work, struct ward_batch *batch)
{
    const struct ward_rekeying *rekeying = work;
    batch->bump_epoch = true;
    return ward_job_commit_open(&rekeying->job, false, batch);
}

static ward_status tell(const void *work, struct ward_request *request)
{
    const struct ward_rekeying *rekeying = work;
    char id[WARD_ID_TEXT_SIZE];
    struct ward_bytes text;
    ward_id_print(&rekeying->key->id, id);
    WARD_TRY(ward_arena_copy(request->arena, ward_bytes_str(id), &text));
    ward_request_detail_text(request, "key", rekeying->key->name);
    ward_request_detail_text(request, "key_id", text);
    ward_request_detail(request, "run", rekeying->job.version);
    ward_request_detail(request, "subject_keys", (int64_t)rekeying->keys);
    ward_request_detail(request, "records", (int64_t)rekeying->records);
    return WARD_OK;
}

const struct ward_execution ward_execution_rekey = {.read = read,
                                                    .prepare = prepare,
                                                    .look = look,
                                                    .stands = stands,
                                                    .outcome = outcome,
                                                    .tell = tell};

/* ---- a run that is stuck, once more; by the daemon itself ---- */

static ward_status decide_open(struct ward_request *request)
{
    const struct ward_job_open *in = request->in;
    if (request->work == NULL) {
        request->work = WARD_ARENA_NEW(request->arena, struct ward_rekeying);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    return ward_rekeying_make(request, in->key, request->work);
}

static ward_status read_open(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    return ward_rekeying_read(request, request->work);
}

static const struct ward_store_job *stuck(const struct ward_request *request)
{
    const struct ward_read *jobs;
    const struct ward_store_job *last = NULL;
    if (ward_ok(ward_request_find_read(request, WARD_READ_JOBS, &jobs))) {
        last = ward_job_newest(jobs, WARD_JOB_REKEY);
    }
    return last != NULL && last->state == WARD_JOB_STUCK ? last : NULL;
}

static ward_status read_more_open(struct ward_request *request)
{
    const struct ward_rekeying *rekeying = request->work;
    const struct ward_store_job *last = stuck(request);
    return read_left(request, &rekeying->key->id, last == NULL ? 1 : last->version);
}

static ward_status finish_open(struct ward_request *request, struct ward_worker *worker)
{
    (void)worker;
    struct ward_rekeying *rekeying = request->work;
    const struct ward_store_job *last = stuck(request);
    if (last == NULL) {
        return WARD_REFUSAL(WARD_E_STATE, "job: it is not stuck any more");
    }
    WARD_TRY(ward_rekeying_count(request, rekeying));
    rekeying->job.version = last->version;
    return WARD_OK;
}

static ward_status commit_open(struct ward_request *request, struct ward_batch *batch)
{
    const struct ward_rekeying *rekeying = request->work;
    return ward_job_commit_open(&rekeying->job, true, batch);
}

const struct ward_op ward_op_rekey_open = {
    .action = WARD_ACTION_SYSTEM_REKEY,
    .silent = true,
    .decide = decide_open,
    .steps = {{.read = read_open,
               .read_more = read_more_open,
               .finish = finish_open,
               .commit = commit_open}},
    .n_steps = 1,
};

/* ---- the count ---- */

static ward_status read_end(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_job_end *in = request->in;
    return read_left(request, &in->job.kek, in->job.version);
}

static ward_status finish_end(struct ward_request *request, struct ward_worker *worker)
{
    (void)worker;
    const struct ward_job_end *in = request->in;
    const struct ward_read *left = request->reads[0];
    WARD_TRY(left->status);
    ward_request_detail(request, "run", in->job.version);
    ward_request_detail(request, "records_left", (int64_t)left->rekey_left.records);
    ward_request_detail(request, "old_generations", (int64_t)left->rekey_left.keys);
    /* A generation that is left has records, unless one came and went between two pages. */
    ward_job_end_judge(request, left->rekey_left.records > left->rekey_left.keys
                                    ? left->rekey_left.records
                                    : left->rekey_left.keys);
    return WARD_OK;
}

const struct ward_op ward_op_rekey_end = {
    .action = WARD_ACTION_SYSTEM_REKEY,
    .decide = ward_job_end_decide,
    .steps = {{.read = read_end, .finish = finish_end, .commit = ward_job_end_commit}},
    .n_steps = 1,
};

/* ---- RekeyProgress ---- */

static ward_status finish_progress(struct ward_request *request, struct ward_worker *worker)
{
    (void)worker;
    return ward_job_progress_finish(request, WARD_JOB_REKEY);
}

const struct ward_op ward_op_rekey_progress = {
    .action = WARD_ACTION_KEY_DESCRIBE,
    .decide = ward_job_progress_decide,
    .steps = {{.read = ward_job_progress_read, .finish = finish_progress}},
    .n_steps = 1,
};
