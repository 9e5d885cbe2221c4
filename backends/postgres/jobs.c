/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that daemons share: their effects, and the two reads of them. What moves a job's state as a
 * whole is a function of the schema. */
#include "backends/postgres/effects.h"
#include "backends/postgres/reads.h"

/* Where each part begins, and a place for the count behind them. */
static void add_cursors(struct ward_pg_params *p, uint32_t parts)
{
    ward_pg_array_begin(p, WARD_PG_UUID, parts == 0 ? 0 : parts + 1);
    for (uint32_t i = 0; parts > 0 && i <= parts; i++) {
        struct ward_id after, until;
        ward_job_range(i < parts ? i : 0, parts, &after, &until);
        ward_pg_array_bytes(p, ward_id_view(&after));
    }
    ward_pg_array_end(p);
}

static ward_status send_open(struct ward_pg_conn *conn, const struct ward_effect *effect)
{
    struct ward_pg_params *p = &conn->params;
    const struct ward_store_job *job = &effect->job_open.job;
    ward_pg_add_bytes(p, ward_id_view(&job->id));
    ward_pg_add_bytes(p, ward_id_view(&job->kek));
    ward_pg_add_i16(p, job->kind);
    ward_pg_add_u32(p, job->version);
    ward_pg_add_u32(p, job->urgent);
    ward_pg_add_u64(p, job->total);
    ward_pg_add_i64(p, job->created_us);
    ward_pg_add_bool(p, effect->job_open.again);
    add_cursors(p, job->parts);
    return ward_pg_send(conn, WARD_PG_OPEN_JOB);
}

static ward_status send_move(struct ward_pg_conn *conn, const struct ward_effect *effect)
{
    struct ward_pg_params *p = &conn->params;
    const struct ward_job_place *from = &effect->job_move.from;
    ward_pg_add_bytes(p, ward_id_view(&from->job));
    ward_pg_add_u32(p, from->part);
    ward_pg_add_i16(p, (int16_t)from->pass);
    ward_pg_add_bytes(p, ward_id_view(&from->cursor));
    ward_pg_add_i16(p, (int16_t)effect->job_move.pass);
    ward_pg_add_bytes(p, ward_id_view(&effect->job_move.cursor));
    ward_pg_add_u64(p, effect->job_move.done);
    ward_pg_add_u64(p, effect->job_move.failed);
    ward_pg_add_bool(p, effect->job_move.finished);
    ward_pg_add_bytes(p, effect->job_move.node);
    ward_pg_add_i64(p, effect->job_move.lease_us);
    return ward_pg_send(conn, WARD_PG_MOVE_JOB_PART);
}

static ward_status send_end(struct ward_pg_conn *conn, const struct ward_effect *effect)
{
    struct ward_pg_params *p = &conn->params;
    bool again = effect->job_end.state == WARD_JOB_RUNNING;
    ward_pg_add_bytes(p, ward_id_view(&effect->job_end.id));
    ward_pg_add_u32(p, effect->job_end.round);
    ward_pg_add_i16(p, effect->job_end.state);
    ward_pg_add_u64(p, effect->job_end.left);
    ward_pg_add_i64(p, effect->job_end.now_us);
    add_cursors(p, again ? effect->job_end.parts : 0);
    return ward_pg_send(conn, WARD_PG_END_JOB);
}

ward_status ward_pg_send_job_effect(struct ward_pg_conn *conn, const struct ward_effect *effect)
{
    switch (effect->kind) { // NOLINT: the other kinds are effects.c's
    case WARD_EFFECT_JOB_OPEN:
        return send_open(conn, effect);
    case WARD_EFFECT_JOB_MOVE:
        return send_move(conn, effect);
    default:
        return send_end(conn, effect);
    }
}

ward_status ward_pg_send_jobs(struct ward_pg_conn *conn, const struct ward_read *r)
{
    if (r->jobs.open) {
        return ward_pg_send(conn, WARD_PG_READ_JOBS_OPEN);
    }
    ward_pg_add_bytes(&conn->params, ward_id_view(&r->jobs.kek));
    return ward_pg_send(conn, WARD_PG_READ_JOBS_OF_KEK);
}

ward_status ward_pg_send_claim(struct ward_pg_conn *conn, const struct ward_read *r)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_add_bytes(p, ward_id_view(&r->claim.job));
    ward_pg_add_bytes(p, r->claim.node);
    ward_pg_add_i64(p, r->claim.lease_us);
    ward_pg_array_begin(p, WARD_PG_INT4, r->claim.n_held);
    for (size_t i = 0; i < r->claim.n_held; i++) {
        ward_pg_array_u32(p, r->claim.held[i]);
    }
    ward_pg_array_end(p);
    return ward_pg_send(conn, WARD_PG_CLAIM_JOB_PART);
}

ward_status ward_pg_take_jobs(struct ward_read *r, const PGresult *result)
{
    struct ward_pg_row row = {.result = result};
    int n = PQntuples(result);
    struct ward_store_job *jobs = WARD_ARENA_ARRAY(r->arena, struct ward_store_job, n);
    WARD_ENSURE(jobs != NULL, WARD_E_EXHAUSTED);
    for (row.row = 0; row.row < n; row.row++) {
        jobs[row.row] = (struct ward_store_job){.id = ward_pg_id(&row, 0),
                                                .kek = ward_pg_id(&row, 1),
                                                .kind = (uint8_t)ward_pg_i16(&row, 2),
                                                .state = (uint8_t)ward_pg_i16(&row, 3),
                                                .version = ward_pg_u32(&row, 4),
                                                .parts = ward_pg_u32(&row, 5),
                                                .urgent = ward_pg_u32(&row, 6),
                                                .round = ward_pg_u32(&row, 7),
                                                .total = ward_pg_u64(&row, 8),
                                                .left = ward_pg_u64(&row, 9),
                                                .created_us = ward_pg_i64(&row, 10),
                                                .ended_us = ward_pg_i64(&row, 11),
                                                .done = ward_pg_u64(&row, 12),
                                                .failed = ward_pg_u64(&row, 13)};
    }
    WARD_TRY(ward_pg_row_status(&row));
    r->jobs.jobs = jobs;
    r->jobs.n = (size_t)n;
    r->status = WARD_OK;
    return WARD_OK;
}

ward_status ward_pg_take_claim(struct ward_read *r, const PGresult *result)
{
    struct ward_pg_row row = {.result = result};
    r->status = WARD_OK;
    if (PQntuples(result) == 0) {
        return WARD_OK;
    }
    r->claim.place.job = r->claim.job;
    r->claim.place.part = ward_pg_u32(&row, 0);
    r->claim.place.pass = (uint32_t)ward_pg_i16(&row, 1);
    r->claim.place.cursor = ward_pg_id(&row, 2);
    r->claim.parts = ward_pg_u32(&row, 3);
    r->claim.round = ward_pg_u32(&row, 4);
    r->status = ward_pg_row_status(&row);
    r->claim.found = ward_ok(r->status);
    return WARD_OK;
}
