/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. It knows no kind of job. */
#include "server/op/jobs.h"

#include "base/failpoint.h"
#include "server/limits.h"
#include "server/op/data_key.h"
#include "server/op/drafting.h"
#include "server/work/batch.h"

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

const struct ward_store_job *ward_job_newest(const struct ward_read *read, uint8_t kind)
{
    const struct ward_store_job *newest = NULL;
    for (size_t i = 0; i < read->jobs.n; i++) {
        if (read->jobs.jobs[i].kind == kind) {
            newest = &read->jobs.jobs[i]; /* they come by version */
        }
    }
    return newest;
}

void ward_job_view_of(const struct ward_read *read, uint8_t kind, int64_t now_us,
                      struct ward_job_view *ret)
{
    *ret = (struct ward_job_view){.state = ward_job_state_name(0)};
    const struct ward_store_job *job = ward_job_newest(read, kind);
    if (job == NULL) {
        return;
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

uint32_t ward_job_parts(uint64_t rows)
{
    uint32_t parts = 1;
    while (parts < WARD_JOB_PARTS_MAX && rows > (uint64_t)parts * WARD_JOB_PART_ROWS) {
        parts *= 2;
    }
    return parts;
}

ward_status ward_job_find_key(const struct ward_request *request, struct ward_bytes name,
                              const struct ward_key **ret)
{
    *ret = ward_state_key(request->state, name);
    if (*ret == NULL) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "key: no such key");
    }
    if ((*ret)->purpose != WARD_PURPOSE_RECORDS) {
        return WARD_REFUSAL(WARD_E_STATE, "key: what it wraps is not stored here; applications "
                                          "rewrap their own data keys");
    }
    return WARD_OK;
}

ward_status ward_job_read(struct ward_request *request, const struct ward_key *key)
{
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_JOBS, &read));
    read->jobs.kek = key->id;
    return WARD_OK;
}

ward_status ward_job_commit_open(const struct ward_store_job *job, bool again,
                                 struct ward_batch *batch)
{
    WARD_TRY(ward_failpoint("job.before-open"));
    struct ward_effect effect = {.kind = WARD_EFFECT_JOB_OPEN};
    effect.job_open.job = *job;
    effect.job_open.again = again;
    return ward_batch_effect(batch, &effect);
}

/* ---- a page ---- */

ward_status ward_job_page_decide(struct ward_request *request, const struct ward_key **ret_key,
                                 uint32_t *ret_version)
{
    const struct ward_job_page *in = request->in;
    WARD_TRY(ward_op_key_object(request->arena, in->key, 0, &request->object));
    if (request->attempts > 0) {
        return WARD_REFUSAL(WARD_E_CONFLICT, "part: another daemon has taken it over");
    }
    const struct ward_key *key = ward_state_key(request->state, in->key);
    WARD_ENSURE(key != NULL, WARD_E_NOT_FOUND);
    const struct ward_key_version *active;
    WARD_TRY(ward_state_wrapping_version(key, &active));
    *ret_key = key;
    *ret_version = active->version;
    return WARD_OK;
}

ward_status ward_job_page_commit(const struct ward_request *request, struct ward_batch *batch)
{
    const struct ward_job_page *in = request->in;
    struct ward_effect effect = {.kind = WARD_EFFECT_JOB_MOVE};
    effect.job_move.from = in->place;
    effect.job_move.pass = in->next.pass;
    effect.job_move.cursor = in->next.cursor;
    effect.job_move.done = in->rows;
    effect.job_move.failed = in->failed;
    effect.job_move.finished = in->finished;
    effect.job_move.node = request->state->node;
    effect.job_move.lease_us = WARD_JOB_LEASE_US;
    return ward_batch_effect(batch, &effect);
}

uint32_t ward_job_page_cost(const struct ward_request *request)
{
    const struct ward_job_page *in = request->in;
    return in->limit;
}

/* ---- the count ---- */

ward_status ward_job_end_decide(struct ward_request *request)
{
    const struct ward_job_end *in = request->in;
    WARD_TRY(ward_op_key_object(request->arena, in->key, 0, &request->object));
    if (request->attempts > 0) {
        return WARD_REFUSAL(WARD_E_CONFLICT, "job: another daemon has ended it");
    }
    WARD_ENSURE(ward_state_key(request->state, in->key) != NULL, WARD_E_NOT_FOUND);
    return WARD_OK;
}

void ward_job_end_judge(struct ward_request *request, uint64_t left)
{
    struct ward_job_end *in = request->in;
    in->left = left;
    in->state = WARD_JOB_DONE;
    if (left > 0) {
        in->state = in->job.round < WARD_JOB_ROUNDS ? WARD_JOB_RUNNING : WARD_JOB_STUCK;
    }
    ward_request_detail(request, "round", in->job.round);
    ward_request_detail_text(request, "job", ward_bytes_str(ward_job_state_name(in->state)));
}

ward_status ward_job_end_commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct ward_job_end *in = request->in;
    WARD_TRY(ward_failpoint("job.before-end"));
    struct ward_effect effect = {.kind = WARD_EFFECT_JOB_END};
    effect.job_end.id = in->job.id;
    effect.job_end.round = in->job.round;
    effect.job_end.parts = in->job.parts;
    effect.job_end.state = in->state;
    effect.job_end.left = in->left;
    effect.job_end.now_us = request->received_wall_us;
    return ward_batch_effect(batch, &effect);
}

/* ---- progress ---- */

ward_status ward_job_progress_decide(struct ward_request *request)
{
    const struct ward_key_job *in = request->in;
    WARD_TRY(ward_drafting_ask_key(request, in->name, 0));
    const struct ward_key *key;
    WARD_TRY(ward_job_find_key(request, in->name, &key));
    request->work = (void *)(uintptr_t)key; /* only read; of the state that it holds */
    return WARD_OK;
}

ward_status ward_job_progress_read(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    return ward_job_read(request, request->work);
}

ward_status ward_job_progress_finish(struct ward_request *request, uint8_t kind)
{
    struct ward_key_job *in = request->in;
    WARD_TRY(request->reads[0]->status);
    ward_job_view_of(request->reads[0], kind, request->received_wall_us, &in->job);
    return WARD_OK;
}
