/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs in memory: what the functions and statements of the database do, on rows that are replaced.
 */
#include "backends/memory/state.h"

static void *keep(struct ward_memory_state *state, const void *row, size_t size)
{
    void *copy = ward_arena_alloc(state->rows, size);
    if (copy != NULL) {
        memcpy(copy, row, size);
    }
    return copy;
}

static const struct ward_store_job *find_job(const struct ward_memory_state *state,
                                             const struct ward_id *id)
{
    const struct ward_store_job key = {.id = *id};
    return ward_memory_get(state, WARD_TABLE_JOB, &key);
}

static ward_status put_job(struct ward_memory_state *state, const struct ward_store_job *job)
{
    const void *row = keep(state, job, sizeof(*job));
    WARD_ENSURE(row != NULL, WARD_E_EXHAUSTED);
    return ward_memory_replace(state, WARD_TABLE_JOB, row);
}

static void sum_up(const struct ward_memory_state *state, struct ward_store_job *job)
{
    const struct ward_memory_rows *parts = &state->tables[WARD_TABLE_JOB_PART];
    for (size_t i = 0; i < parts->n; i++) {
        const struct ward_memory_job_part *part = parts->rows[i];
        if (ward_id_eq(&part->place.job, &job->id)) {
            job->done += part->done;
            job->failed += part->failed;
        }
    }
}

/* All parts from the start, the count behind them. What they had done is kept in the job. */
static ward_status lay_out(struct ward_memory_state *state, struct ward_store_job *job,
                           uint32_t pass)
{
    struct ward_memory_rows *rows = &state->tables[WARD_TABLE_JOB_PART];
    sum_up(state, job);
    job->failed = 0;
    size_t kept = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_memory_job_part *part = rows->rows[i];
        if (!ward_id_eq(&part->place.job, &job->id)) {
            rows->rows[kept++] = part;
        }
    }
    rows->n = kept;
    for (uint32_t i = 0; i <= job->parts; i++) {
        struct ward_memory_job_part part = {.place = {.job = job->id, .part = i, .pass = pass}};
        struct ward_id until;
        ward_job_range(i < job->parts ? i : 0, job->parts, &part.place.cursor, &until);
        const void *row = keep(state, &part, sizeof(part));
        WARD_ENSURE(row != NULL, WARD_E_EXHAUSTED);
        WARD_TRY(ward_memory_insert(state, WARD_TABLE_JOB_PART, row));
    }
    return WARD_OK;
}

static ward_status supersede(struct ward_memory_state *state, const struct ward_store_job *newer)
{
    for (size_t i = 0; i < state->tables[WARD_TABLE_JOB].n; i++) {
        struct ward_store_job old =
            *(const struct ward_store_job *)state->tables[WARD_TABLE_JOB].rows[i];
        bool ends = ward_id_eq(&old.kek, &newer->kek) && old.kind == newer->kind &&
                    old.version < newer->version &&
                    (old.state == WARD_JOB_RUNNING || old.state == WARD_JOB_STUCK);
        if (ends) {
            old.state = WARD_JOB_SUPERSEDED;
            old.ended_us = newer->created_us;
            WARD_TRY(put_job(state, &old));
        }
    }
    return WARD_OK;
}

static const struct ward_store_job *find_twin(const struct ward_memory_state *state,
                                              const struct ward_store_job *job)
{
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_JOB];
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_store_job *row = rows->rows[i];
        if (ward_id_eq(&row->kek, &job->kek) && row->kind == job->kind &&
            row->version == job->version) {
            return row;
        }
    }
    return NULL;
}

static ward_status open_job(struct ward_memory_state *state, const struct ward_effect *effect)
{
    const struct ward_store_job *job = &effect->job_open.job;
    const struct ward_store_kek kek = {.id = job->kek};
    WARD_ENSURE(ward_memory_get(state, WARD_TABLE_KEK, &kek) != NULL, WARD_E_CONFLICT);
    WARD_TRY(supersede(state, job));
    uint32_t pass = job->urgent > 0 ? 0 : 1;
    const struct ward_store_job *twin = find_twin(state, job);
    struct ward_store_job next = twin == NULL ? *job : *twin;
    if (twin == NULL) {
        const void *row = keep(state, job, sizeof(*job));
        WARD_ENSURE(row != NULL, WARD_E_EXHAUSTED);
        WARD_TRY(ward_memory_insert(state, WARD_TABLE_JOB, row));
        next.done = next.failed = 0;
        next.ended_us = 0;
    } else if (twin->state == WARD_JOB_SUPERSEDED ||
               (!(effect->job_open.again && twin->state != WARD_JOB_RUNNING) &&
                job->urgent <= twin->urgent)) {
        return WARD_OK;
    }
    next.state = WARD_JOB_RUNNING;
    next.parts = job->parts;
    next.urgent = job->urgent;
    next.round = 1;
    WARD_TRY(lay_out(state, &next, pass));
    next.total = next.done + job->total;
    next.left = job->total;
    next.ended_us = 0;
    return put_job(state, &next);
}

static ward_status move_part(struct ward_memory_state *state, const struct ward_effect *effect)
{
    const struct ward_job_place *from = &effect->job_move.from;
    const struct ward_memory_job_part key = {.place = *from};
    const struct ward_memory_job_part *old = ward_memory_get(state, WARD_TABLE_JOB_PART, &key);
    const struct ward_store_job *job = find_job(state, &from->job);
    WARD_ENSURE(old != NULL && job != NULL && job->state == WARD_JOB_RUNNING && !old->finished &&
                    old->place.pass == from->pass && ward_id_eq(&old->place.cursor, &from->cursor),
                WARD_E_CONFLICT);
    struct ward_memory_job_part *part = keep(state, old, sizeof(*old));
    WARD_ENSURE(part != NULL, WARD_E_EXHAUSTED);
    part->place.pass = effect->job_move.pass;
    part->place.cursor = effect->job_move.cursor;
    part->done += effect->job_move.done;
    part->failed += effect->job_move.failed;
    part->finished = effect->job_move.finished;
    part->leased_until_us = state->now_us + effect->job_move.lease_us;
    WARD_TRY(ward_arena_copy(state->rows, effect->job_move.node, &part->node));
    return ward_memory_replace(state, WARD_TABLE_JOB_PART, part);
}

static ward_status end_job(struct ward_memory_state *state, const struct ward_effect *effect)
{
    const struct ward_store_job *old = find_job(state, &effect->job_end.id);
    WARD_ENSURE(old != NULL && old->state == WARD_JOB_RUNNING &&
                    old->round == effect->job_end.round,
                WARD_E_CONFLICT);
    struct ward_store_job job = *old;
    job.state = effect->job_end.state;
    job.left = effect->job_end.left;
    if (job.state == WARD_JOB_RUNNING) {
        job.round++;
        WARD_TRY(lay_out(state, &job, 1));
    } else {
        job.ended_us = effect->job_end.now_us;
    }
    return put_job(state, &job);
}

ward_status ward_memory_apply_job(struct ward_memory_state *state, const struct ward_effect *effect)
{
    if (effect->kind == WARD_EFFECT_JOB_OPEN) {
        return open_job(state, effect);
    }
    return effect->kind == WARD_EFFECT_JOB_MOVE ? move_part(state, effect) : end_job(state, effect);
}

/* ---- reads ---- */

static bool before(const struct ward_store_job *a, const struct ward_store_job *b)
{
    return a->kind != b->kind ? a->kind < b->kind : a->version < b->version;
}

ward_status ward_memory_read_jobs(const struct ward_memory_state *state, struct ward_read *r)
{
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_JOB];
    struct ward_store_job *jobs = WARD_ARENA_ARRAY(r->arena, struct ward_store_job, rows->n);
    WARD_ENSURE(jobs != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_store_job *row = rows->rows[i];
        bool open = row->state == WARD_JOB_RUNNING || row->state == WARD_JOB_STUCK;
        if (r->jobs.open ? !open : !ward_id_eq(&row->kek, &r->jobs.kek)) {
            continue;
        }
        size_t at = n++;
        for (; at > 0 && (r->jobs.open ? row->created_us < jobs[at - 1].created_us
                                       : before(row, &jobs[at - 1]));
             at--) {
            jobs[at] = jobs[at - 1];
        }
        jobs[at] = *row;
        sum_up(state, &jobs[at]);
    }
    r->jobs.jobs = jobs;
    r->jobs.n = n;
    return WARD_OK;
}

static bool others_finished(const struct ward_memory_state *state, const struct ward_store_job *job)
{
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_JOB_PART];
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_memory_job_part *part = rows->rows[i];
        if (ward_id_eq(&part->place.job, &job->id) && part->place.part < job->parts &&
            !part->finished) {
            return false;
        }
    }
    return true;
}

static bool is_free(const struct ward_memory_job_part *part, const struct ward_read *r,
                    int64_t now_us)
{
    bool left = ward_bytes_eq(part->node, r->claim.node);
    for (size_t i = 0; i < r->claim.n_held; i++) {
        left &= r->claim.held[i] != part->place.part;
    }
    return !part->finished && (part->leased_until_us < now_us || left);
}

ward_status ward_memory_claim(struct ward_memory_state *state, struct ward_read *r)
{
    const struct ward_store_job *job = find_job(state, &r->claim.job);
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_JOB_PART];
    if (job == NULL || job->state != WARD_JOB_RUNNING) {
        return WARD_OK;
    }
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_memory_job_part *old = rows->rows[i];
        if (!ward_id_eq(&old->place.job, &job->id) || !is_free(old, r, state->now_us) ||
            (old->place.part == job->parts && !others_finished(state, job))) {
            continue;
        }
        struct ward_memory_job_part *part = keep(state, old, sizeof(*old));
        WARD_ENSURE(part != NULL, WARD_E_EXHAUSTED);
        part->leased_until_us = state->now_us + r->claim.lease_us;
        WARD_TRY(ward_arena_copy(state->rows, r->claim.node, &part->node));
        WARD_TRY(ward_memory_replace(state, WARD_TABLE_JOB_PART, part));
        r->claim.place = part->place;
        r->claim.parts = job->parts;
        r->claim.round = job->round;
        r->claim.found = true;
        return WARD_OK;
    }
    return WARD_OK;
}
