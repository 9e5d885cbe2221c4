/* SPDX-License-Identifier: Apache-2.0 */
/* One batch, one transaction, one round trip: BEGIN, audit row and head, effects, COMMIT, sync. A
 * batch of entries and counts alone does without BEGIN and COMMIT, which would cost a fifth of it:
 * all before a sync is one transaction, and the sync commits it. What fails aborts all behind it,
 * the COMMIT too. What this file must never do is
 * call a commit undone that may have happened: once COMMIT or that sync was queued, a connection
 * that dies makes the outcome UNKNOWN. */
#include "backends/postgres/store_postgres.h"

#include <stdlib.h>

#include "backends/postgres/effects.h"
#include "backends/postgres/row.h"
#include "backends/postgres/sqlstate.h"

static void add_seal(struct ward_pg_params *p, const struct ward_seal *seal)
{
    uint8_t sums[WARD_PG_SUMS_SIZE];
    bool sealed = seal != NULL && seal->set;
    if (sealed) {
        ward_put_u64(sums, seal->since);
        memcpy(sums + 8, seal->sums, sizeof(seal->sums));
    }
    ward_pg_add_bytes(p, WARD_BYTES(sums, sealed ? sizeof(sums) : 0));
    ward_pg_add_bytes(p, WARD_BYTES(sealed ? seal->tag : sums, sealed ? sizeof(seal->tag) : 0));
}

/* It moves the fence: see WARD_PG_SEAL_HEAD. */
static bool seals_alone(const struct ward_commit *commit)
{
    return commit->n_leaves == 0 && commit->seal != NULL;
}

static ward_status send_head(struct ward_pg_writer *writer, const struct ward_commit *commit)
{
    struct ward_pg_conn *conn = &writer->conn;
    struct ward_pg_params *p = &conn->params;
    if (seals_alone(commit)) {
        ward_pg_add_u64(p, commit->first_seq);
        ward_pg_add_u64(p, commit->epoch);
        ward_pg_add_u64(p, writer->fence);
        add_seal(p, commit->seal);
        return ward_pg_send(conn, WARD_PG_SEAL_HEAD);
    }
    if (commit->n_leaves == 0) {
        ward_pg_add_u64(p, commit->epoch);
        return ward_pg_send(conn, WARD_PG_CHECK_EPOCH);
    }
    uint8_t frontier[WARD_MERKLE_DEPTH_MAX * WARD_MERKLE_HASH_SIZE];
    ward_merkle_store(commit->tree, frontier);
    ward_pg_add_u64(p, commit->first_seq);
    ward_pg_add_u32(p, commit->n_leaves);
    ward_pg_add_bytes(p, commit->leaves);
    ward_pg_add_u64(p, commit->epoch);
    ward_pg_add_u64(p, writer->fence);
    ward_pg_add_bytes(p, WARD_BYTES(frontier, ward_merkle_frontier_size(commit->tree->size)));
    ward_pg_add_bool(p, commit->bump_epoch);
    add_seal(p, commit->seal);
    if (commit->n_uses > 0) {
        WARD_TRY(ward_pg_add_uses(conn, commit));
        return ward_pg_send(conn, WARD_PG_ADVANCE_HEAD_AND_USES);
    }
    return ward_pg_send(conn, WARD_PG_ADVANCE_HEAD);
}

static bool is_ended_by_sync(const struct ward_pg_writer *writer, const struct ward_commit *commit)
{
    return !writer->locked && commit->n_leaves > 0 && commit->n_effects == 0 &&
           commit->n_subject_keys == 0 && commit->n_records == 0 && commit->n_rewrapped == 0 &&
           commit->n_rekeyed_keys == 0 && commit->n_replays == 0;
}

/* Queues what comes before a rewrap's rows. ret_n: how many results that makes. */
static ward_status send_first(struct ward_pg_writer *writer, const struct ward_commit *commit,
                              size_t *ret_n)
{
    struct ward_pg_conn *conn = &writer->conn;
    size_t n = 0;
    if (!writer->locked && !is_ended_by_sync(writer, commit)) {
        WARD_TRY(ward_pg_send(conn, WARD_PG_BEGIN));
        n++;
    }
    WARD_TRY(send_head(writer, commit));
    n++;
    for (size_t i = 0; i < commit->n_effects; i++) {
        WARD_TRY(ward_pg_send_effect(conn, &commit->effects[i]));
        n++;
    }
    if (commit->n_subject_keys > 0) {
        WARD_TRY(ward_pg_send_subject_keys(conn, commit));
        n++;
    }
    if (commit->n_records > 0) {
        WARD_TRY(ward_pg_send_records(conn, commit));
        n++;
    }
    *ret_n = n;
    return WARD_OK;
}

/* And what comes behind them, before COMMIT. n: results that are to come already. */
static ward_status send_rest(struct ward_pg_conn *conn, const struct ward_commit *commit, size_t *n)
{
    if (commit->n_rekeyed_keys > 0) {
        WARD_TRY(ward_pg_send_rekeyed(conn, commit));
        (*n)++;
    }
    if (commit->n_replays > 0) {
        WARD_TRY(ward_pg_send_replays(conn, commit));
        (*n)++;
    }
    return WARD_OK;
}

struct answer {
    enum ward_commit_outcome outcome;
    ward_status status;
    uint32_t rewrapped;
};

/* A statement before COMMIT failed. Without a SQLSTATE the server did not say so itself: then the
 * results may have been lost with it, after COMMIT had run. */
static void failed(struct answer *answer, ward_status status)
{
    answer->status = status;
    answer->outcome = status.domain == WARD_DOMAIN_SQLSTATE ? ward_sqlstate_outcome(status.foreign)
                                                            : WARD_COMMIT_UNKNOWN;
}

/* COMMIT was never queued, so closing undoes all; a value that cannot be sent is our bug. */
static void unsent(struct ward_pg_conn *conn, struct answer *answer, ward_status status)
{
    ward_pg_drop(conn);
    bool ours = status.code == WARD_E_INTERNAL;
    answer->outcome = ours ? WARD_COMMIT_FAILED : WARD_COMMIT_UNAVAILABLE;
    answer->status = status;
}

/* Ends what an error aborted, before COMMIT was queued. */
static void abandon(struct ward_pg_conn *conn)
{
    if (conn->pg != NULL && (!ward_ok(ward_pg_sync(conn)) || !ward_ok(ward_pg_end(conn)))) {
        ward_pg_drop(conn);
    }
}

/* COMMIT itself: only an ERROR is a rollback for sure; a session that was ended in it may have done
 * it. */
static void failed_to_commit(struct answer *answer, ward_status status)
{
    failed(answer, status);
    if (answer->outcome == WARD_COMMIT_UNAVAILABLE) {
        answer->outcome = WARD_COMMIT_UNKNOWN;
    }
}

static void read_commit(struct ward_pg_conn *conn, struct answer *answer)
{
    ward_auto(ward_pg_clearp) PGresult *result = NULL;
    ward_status status = ward_pg_result(conn, &result);
    if (!ward_ok(status)) {
        failed_to_commit(answer, status);
        return;
    }
    if (strcmp(PQcmdStatus(result), "COMMIT") != 0) {
        answer->outcome =
            WARD_COMMIT_FAILED; /* it answers ROLLBACK where the transaction was lost */
        answer->status = WARD_STATUS(WARD_E_INTERNAL);
    }
}

/* The statements' own answers come before the sync commits them. */
static void read_until_sync(struct ward_pg_conn *conn, size_t n, struct answer *answer)
{
    *answer = (struct answer){.outcome = WARD_COMMITTED};
    for (size_t i = 0; i < n; i++) {
        ward_auto(ward_pg_clearp) PGresult *result = NULL;
        ward_status status = ward_pg_result(conn, &result);
        if (!ward_ok(status)) {
            failed(answer, status);
            if (conn->pg != NULL && !ward_ok(ward_pg_end(conn))) {
                ward_pg_drop(conn); /* what was answered before stands */
            }
            return;
        }
    }
    ward_status status = ward_pg_end(conn);
    if (!ward_ok(status)) {
        failed_to_commit(answer, status);
    }
}

/* Of n statements before COMMIT. ret_rows: how many rows the last of them wrote. */
static void read_results(struct ward_pg_conn *conn, size_t n, struct answer *answer,
                         uint32_t *ret_rows)
{
    for (size_t i = 0; i < n && answer->outcome == WARD_COMMITTED; i++) {
        ward_auto(ward_pg_clearp) PGresult *result = NULL;
        ward_status status = ward_pg_result(conn, &result);
        if (!ward_ok(status)) {
            failed(answer, status);
        } else if (i + 1 == n) {
            *ret_rows = (uint32_t)strtoul(PQcmdTuples(result), NULL, 10);
        }
    }
}

/* A rewrap's rows, found where they were read; and those that something has laid elsewhere since
 * by their ids, in the same transaction. That is rare, so it is worth a wait for the first answer.
 * Reads the results of the n statements before, too; whatever they are, COMMIT is not queued. */
static void rewrap(struct ward_pg_conn *conn, const struct ward_commit *commit, size_t n,
                   struct answer *answer)
{
    uint32_t found = 0, rows[] = {0, 0};
    for (int by_id = 0; by_id < 2 && answer->outcome == WARD_COMMITTED; by_id++) {
        ward_status status = ward_pg_send_rewrapped(conn, commit, by_id == 0);
        if (ward_ok(status)) {
            status = ward_pg_ask(conn);
        }
        if (!ward_ok(status)) {
            unsent(conn, answer, status);
            return;
        }
        read_results(conn, n + 1, answer, &rows[by_id]);
        found += rows[by_id];
        n = 0;
        if (found >= commit->n_rewrapped) {
            break;
        }
    }
    answer->rewrapped = found;
    if (answer->outcome == WARD_COMMIT_UNKNOWN) {
        answer->outcome = WARD_COMMIT_UNAVAILABLE; /* the server went before it heard of COMMIT */
    }
}

/* What is left of n statements before COMMIT, and COMMIT's own. */
static void read_all(struct ward_pg_conn *conn, size_t n, struct answer *answer)
{
    uint32_t rows = 0;
    read_results(conn, n, answer, &rows);
    if (answer->outcome == WARD_COMMITTED) {
        read_commit(conn, answer);
    }
    if (conn->pg != NULL && !ward_ok(ward_pg_end(conn))) {
        ward_pg_drop(conn); /* what was answered before stands */
    }
}

/* A connection on which nothing of this commit was sent, and the fence that it shall name. */
static ward_status prepare(struct ward_pg_writer *writer)
{
    struct ward_pg_conn *conn = &writer->conn;
    bool fresh = false;
    WARD_TRY(ward_pg_connect(conn, &fresh));
    if (fresh && writer->locked) {
        writer->locked = false;
        WARD_FAIL(WARD_E_UNAVAILABLE); /* the lock went with the connection */
    }
    ward_pg_deadline(conn, WARD_PG_QUERY_MS);
    if (!writer->fence_known) {
        ward_auto(ward_pg_clearp) PGresult *result = NULL;
        WARD_TRY(ward_pg_run(conn, WARD_PG_FENCE, &result));
        struct ward_pg_row row = {.result = result};
        WARD_ENSURE(PQntuples(result) == 1, WARD_E_INTERNAL);
        writer->fence = ward_pg_u64(&row, 0);
        WARD_TRY(ward_pg_row_status(&row));
        writer->fence_known = true;
    }
    return WARD_OK;
}

static void run(struct ward_pg_writer *writer, const struct ward_commit *commit,
                struct answer *answer)
{
    struct ward_pg_conn *conn = &writer->conn;
    size_t n = 0;
    ward_status status = prepare(writer);
    if (!ward_ok(status)) {
        *answer = (struct answer){.outcome = WARD_COMMIT_UNAVAILABLE, .status = status};
        return;
    }
    conn->warned = false;
    conn->await.many = commit->n_leaves > WARD_AWAKE_FEW || commit->n_rewrapped > WARD_AWAKE_FEW;
    *answer = (struct answer){.outcome = WARD_COMMITTED};
    status = send_first(writer, commit, &n);
    if (ward_ok(status) && commit->n_rewrapped > 0) {
        rewrap(conn, commit, n, answer);
        n = 0;
    }
    if (answer->outcome != WARD_COMMITTED) {
        abandon(conn);
        return;
    }
    if (ward_ok(status)) {
        status = send_rest(conn, commit, &n);
    }
    if (!ward_ok(status)) {
        unsent(conn, answer, status);
        return;
    }
    bool plain = is_ended_by_sync(writer, commit);
    status = plain ? WARD_OK : ward_pg_send(conn, WARD_PG_COMMIT);
    if (ward_ok(status)) {
        status = ward_pg_sync(conn);
    }
    if (!ward_ok(status)) {
        *answer = (struct answer){.outcome = WARD_COMMIT_UNKNOWN, .status = status};
        return;
    }
    if (plain) {
        read_until_sync(conn, n, answer);
    } else {
        read_all(conn, n, answer);
    }
    if (answer->outcome == WARD_COMMITTED && conn->warned) {
        answer->outcome = WARD_COMMIT_UNKNOWN; /* done here, not confirmed by the standby */
        answer->status = WARD_STATUS(WARD_E_UNKNOWN_COMMIT);
    }
}

enum ward_commit_outcome ward_pg_commit(struct ward_store_writer *base,
                                        const struct ward_commit *commit, ward_status *ret_status)
{
    struct ward_pg_writer *writer = (struct ward_pg_writer *)base;
    struct answer answer;
    run(writer, commit, &answer);
    switch (answer.outcome) {
    case WARD_COMMITTED:
        writer->locked = false;
        writer->fence += seals_alone(commit);
        break;
    case WARD_COMMIT_HEAD_MOVED:
    case WARD_COMMIT_STALE:
        writer->fence_known = false; /* it may be the fence that moved */
        ward_pg_rollback(writer);
        break;
    case WARD_COMMIT_CONFLICT:
    case WARD_COMMIT_RETRY:
    case WARD_COMMIT_FAILED:
        ward_pg_rollback(writer);
        break;
    case WARD_COMMIT_UNKNOWN:
    case WARD_COMMIT_UNAVAILABLE:
        writer->locked = false;
        ward_pg_drop(&writer->conn);
        break;
    }
    if (commit->ret_rewrapped != NULL) {
        *commit->ret_rewrapped = answer.outcome == WARD_COMMITTED ? answer.rewrapped : 0;
    }
    if (answer.outcome == WARD_COMMIT_UNKNOWN) {
        answer.status.code = WARD_E_UNKNOWN_COMMIT;
    }
    *ret_status = ward_pg_outside(answer.status);
    return answer.outcome;
}
