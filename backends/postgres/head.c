/* SPDX-License-Identifier: Apache-2.0 */
/* The head row: read, lock, and the question that a doubtful commit leaves. Every commit names the
 * fence that its writer read last; resolving moves it, so that whatever of the doubtful commit is
 * still in some buffer can no longer take effect, and so that the answer is as durable as a commit.
 */
#include "backends/postgres/store_postgres.h"

#include "backends/postgres/row.h"

static ward_status check_durable(struct ward_pg_row *row)
{
    bool fsync = ward_pg_bool(row, 4), pages = ward_pg_bool(row, 5), commit = ward_pg_bool(row, 6);
    WARD_TRY(ward_pg_row_status(row));
    if (!fsync) {
        return WARD_REFUSAL(WARD_E_STATE, "database: fsync is off");
    }
    if (!pages) {
        return WARD_REFUSAL(WARD_E_STATE, "database: full_page_writes is off");
    }
    if (!commit) {
        return WARD_REFUSAL(WARD_E_STATE, "database: synchronous_commit is not on");
    }
    return WARD_OK;
}

/* What is no tree or no seal is told and not an error: somebody wrote it there. */
void ward_pg_head_parts(uint64_t size, struct ward_bytes frontier, struct ward_bytes sums,
                        struct ward_bytes tag, struct ward_head *ret)
{
    ret->damaged = !ward_ok(ward_merkle_load(size, frontier, &ret->tree));
    if (ret->damaged) {
        ret->tree = (struct ward_merkle){.size = size};
    }
    ret->seal = (struct ward_seal){0};
    if (sums.size == WARD_PG_SUMS_SIZE && tag.size == sizeof(ret->seal.tag)) {
        ret->seal.since = ward_get_u64(sums.data);
        memcpy(ret->seal.sums, sums.data + 8, sizeof(ret->seal.sums));
        memcpy(ret->seal.tag, tag.data, tag.size);
        ret->seal.set = true;
    } else {
        ret->damaged = ret->damaged || sums.size > 0 || tag.size > 0;
    }
}

static ward_status take_head(struct ward_pg_writer *writer, const PGresult *result,
                             struct ward_head *ret)
{
    struct ward_pg_row row = {.result = result};
    WARD_ENSURE(PQntuples(result) == 1, WARD_E_INTERNAL);
    WARD_TRY(check_durable(&row));
    uint64_t size = ward_pg_u64(&row, 0), fence = ward_pg_u64(&row, 2);
    struct ward_head head = {.epoch = ward_pg_u64(&row, 1)};
    struct ward_bytes frontier = ward_pg_view(&row, 3);
    struct ward_bytes sums = ward_pg_view(&row, 7), tag = ward_pg_view(&row, 8);
    WARD_TRY(ward_pg_row_status(&row));
    ward_pg_head_parts(size, frontier, sums, tag, &head);
    writer->fence = fence;
    writer->fence_known = true;
    *ret = head;
    return WARD_OK;
}

static ward_status read_head(struct ward_pg_writer *writer, bool lock, struct ward_head *ret)
{
    struct ward_pg_conn *conn = &writer->conn;
    ward_auto(ward_pg_clearp) PGresult *begin = NULL;
    ward_auto(ward_pg_clearp) PGresult *head = NULL;
    if (!lock) {
        WARD_TRY(ward_pg_run(conn, WARD_PG_HEAD, &head));
        return take_head(writer, head, ret);
    }
    WARD_TRY(ward_pg_send(conn, WARD_PG_BEGIN));
    WARD_TRY(ward_pg_send(conn, WARD_PG_HEAD_LOCK));
    WARD_TRY(ward_pg_sync(conn));
    WARD_TRY(ward_pg_result(conn, &begin));
    writer->locked = true; /* begun: whoever fails from here on has to roll back */
    ward_status status = ward_pg_result(conn, &head);
    if (conn->pg != NULL) {
        WARD_TRY(ward_pg_end(conn));
    }
    WARD_TRY(status);
    return take_head(writer, head, ret);
}

void ward_pg_rollback(struct ward_pg_writer *writer)
{
    struct ward_pg_conn *conn = &writer->conn;
    ward_auto(ward_pg_clearp) PGresult *result = NULL;
    writer->locked = false;
    if (conn->pg == NULL) {
        return;
    }
    ward_pg_deadline(conn, WARD_PG_CONNECT_MS);
    if (!ward_ok(ward_pg_run(conn, WARD_PG_ROLLBACK, &result))) {
        ward_pg_drop(conn); /* which rolls back too */
    }
}

ward_status ward_pg_head(struct ward_store_writer *base, bool lock, struct ward_head *ret)
{
    struct ward_pg_writer *writer = (struct ward_pg_writer *)base;
    ward_status status = WARD_OK;
    bool fresh = false;
    if (writer->locked) {
        ward_pg_rollback(writer);
    }
    for (int i = 0; i < 2; i++) {
        status = ward_pg_connect(&writer->conn, &fresh);
        if (!ward_ok(status)) {
            break;
        }
        ward_pg_deadline(&writer->conn, WARD_PG_QUERY_MS);
        status = read_head(writer, lock, ret);
        if (ward_ok(status)) {
            return status;
        }
        if (writer->locked) {
            ward_pg_rollback(writer);
        }
        if (status.code != WARD_E_CONFLICT && status.code != WARD_E_STATE) {
            ward_pg_drop(&writer->conn);
        }
        if (status.code != WARD_E_UNAVAILABLE || fresh) {
            break; /* only a connection from before, found dead, is worth another try */
        }
    }
    return ward_pg_outside(status);
}

void ward_pg_unlock(struct ward_store_writer *base)
{
    struct ward_pg_writer *writer = (struct ward_pg_writer *)base;
    if (writer->locked) {
        ward_pg_rollback(writer);
    }
}

/* Looks, moves the fence and commits, in one round trip. */
static ward_status look_back(struct ward_pg_writer *writer, const struct ward_commit *commit,
                             bool *ret_committed)
{
    struct ward_pg_conn *conn = &writer->conn;
    ward_auto(ward_pg_clearp) PGresult *begin = NULL;
    ward_auto(ward_pg_clearp) PGresult *head = NULL;
    ward_auto(ward_pg_clearp) PGresult *found = NULL;
    ward_auto(ward_pg_clearp) PGresult *fence = NULL;
    ward_auto(ward_pg_clearp) PGresult *done = NULL;

    conn->warned = false;
    WARD_TRY(ward_pg_send(conn, WARD_PG_BEGIN));
    WARD_TRY(ward_pg_send(conn, WARD_PG_RESOLVE_HEAD));
    ward_pg_add_u64(&conn->params, commit->first_seq);
    WARD_TRY(ward_pg_send(conn, WARD_PG_RESOLVE_ROW));
    WARD_TRY(ward_pg_send(conn, WARD_PG_RESOLVE_FENCE));
    WARD_TRY(ward_pg_send(conn, WARD_PG_COMMIT));
    WARD_TRY(ward_pg_sync(conn));

    WARD_TRY(ward_pg_result(conn, &begin));
    writer->locked = true;
    WARD_TRY(ward_pg_result(conn, &head));
    WARD_TRY(ward_pg_result(conn, &found));
    WARD_TRY(ward_pg_result(conn, &fence));
    WARD_TRY(ward_pg_result(conn, &done));
    writer->locked = false;
    WARD_TRY(ward_pg_end(conn));
    WARD_ENSURE(!conn->warned, WARD_E_UNAVAILABLE); /* the standby did not confirm: not an answer */

    struct ward_pg_row fence_row = {.result = fence}, row = {.result = found};
    WARD_ENSURE(PQntuples(head) == 1 && PQntuples(fence) == 1, WARD_E_INTERNAL);
    uint64_t moved = ward_pg_u64(&fence_row, 0);
    WARD_TRY(ward_pg_row_status(&fence_row));
    bool committed = PQntuples(found) == 1 && commit->n_leaves > 0 &&
                     ward_pg_u32(&row, 0) == commit->n_leaves &&
                     ward_bytes_eq(ward_pg_view(&row, 1), commit->leaves);
    WARD_TRY(ward_pg_row_status(&row));
    writer->fence = moved;
    writer->fence_known = true;
    *ret_committed = committed;
    return WARD_OK;
}

ward_status ward_pg_resolve(struct ward_store_writer *base, const struct ward_commit *commit,
                            bool *ret_committed)
{
    struct ward_pg_writer *writer = (struct ward_pg_writer *)base;
    if (writer->locked) {
        ward_pg_rollback(writer);
    }
    WARD_TRY(ward_pg_outside(ward_pg_connect(&writer->conn, NULL)));
    ward_pg_deadline(&writer->conn, WARD_PG_QUERY_MS);
    ward_status status = look_back(writer, commit, ret_committed);
    if (!ward_ok(status)) {
        writer->locked = false;
        ward_pg_drop(&writer->conn);
        /* Whatever it was, there is no answer yet; where it came from stays in the status. */
        status.code = WARD_E_UNAVAILABLE;
    }
    return status;
}
