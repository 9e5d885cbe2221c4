/* SPDX-License-Identifier: Apache-2.0 */
/* Sending, waiting and receiving. libpq would wait for ever; here every wait is a poll with a
 * deadline, and a connection that missed it is closed, since nobody knows what it still carries.
 * Knows no table. How a session begins is in dial.c. */
#include "backends/postgres/conn.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "backends/postgres/sqlstate.h"
#include "base/clock.h"

void ward_pg_conn_init(struct ward_pg_conn *conn, const char *conninfo, enum ward_pg_role role)
{
    *conn = (struct ward_pg_conn){.conninfo = conninfo, .role = role};
    ward_pg_params_init(&conn->params);
}

void ward_pg_conn_fini(struct ward_pg_conn *conn)
{
    ward_pg_drop(conn);
    ward_pg_params_fini(&conn->params);
}

void ward_pg_drop(struct ward_pg_conn *conn)
{
    PQfinish(conn->pg); /* takes NULL */
    conn->pg = NULL;
    conn->dying = false;
    ward_pg_params_reset(&conn->params);
}

void ward_pg_deadline(struct ward_pg_conn *conn, int timeout_ms)
{
    conn->deadline_us = ward_monotonic_us(&ward_clock_system) + (int64_t)timeout_ms * 1000;
}

static ward_status lost(struct ward_pg_conn *conn, const char *at)
{
    ward_pg_drop(conn);
    return (ward_status){.code = WARD_E_UNAVAILABLE, .at = at};
}

ward_status ward_pg_send(struct ward_pg_conn *conn, enum ward_pg_statement statement)
{
    struct ward_pg_params *params = &conn->params;
    const char *values[WARD_PG_PARAMS_MAX];
    int formats[WARD_PG_PARAMS_MAX];
    if (params->failed) {
        ward_pg_params_reset(params);
        WARD_FAIL(WARD_E_INTERNAL); /* a number or a size that the server cannot hold */
    }
    for (int i = 0; i < params->n; i++) {
        values[i] =
            params->data.data == NULL ? "" : (const char *)params->data.data + params->at[i];
        formats[i] = 1;
    }
    int sent = PQsendQueryPrepared(conn->pg, ward_pg_statement_name(statement), params->n, values,
                                   params->size, formats, 1);
    if (sent != 1) {
        return lost(conn, WARD_HERE);
    }
    ward_pg_params_reset(params);
    return WARD_OK;
}

ward_status ward_pg_sync(struct ward_pg_conn *conn)
{
    if (PQpipelineSync(conn->pg) != 1) {
        return lost(conn, WARD_HERE);
    }
    return WARD_OK;
}

ward_status ward_pg_ask(struct ward_pg_conn *conn)
{
    if (PQsendFlushRequest(conn->pg) != 1) {
        return lost(conn, WARD_HERE);
    }
    return WARD_OK;
}

/* Polls the socket once. DEADLINE when there is no time left. */
static ward_status poll_socket(struct ward_pg_conn *conn, short events)
{
    int64_t left_us = conn->deadline_us - ward_monotonic_us(&ward_clock_system);
    WARD_ENSURE(left_us > 0, WARD_E_DEADLINE);
    struct pollfd p = {.fd = PQsocket(conn->pg), .events = events};
    WARD_ENSURE(p.fd >= 0, WARD_E_UNAVAILABLE);
    int n = ward_await(&conn->await, &p, (int)(left_us / 1000) + 1);
    if (n < 0 && errno != EINTR) {
        return WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_ERRNO, errno);
    }
    return WARD_OK;
}

ward_status ward_pg_wait(struct ward_pg_conn *conn)
{
    while (PQisBusy(conn->pg)) {
        int pending = PQflush(conn->pg);
        if (pending < 0) {
            /* The server has gone; it may have said why, and that is still to be read. */
            (void)PQconsumeInput(conn->pg);
            return WARD_OK;
        }
        WARD_TRY(poll_socket(conn, (short)(POLLIN | (pending > 0 ? POLLOUT : 0))));
        if (PQconsumeInput(conn->pg) != 1) {
            return WARD_OK; /* PQgetResult has what was received before, then the error */
        }
    }
    return WARD_OK;
}

/* The next PGresult, past the NULL that ends each statement's. */
static ward_status next(struct ward_pg_conn *conn, PGresult **ret)
{
    WARD_ENSURE(conn->pg != NULL, WARD_E_UNAVAILABLE);
    for (int i = 0; i < 3; i++) {
        ward_status status = ward_pg_wait(conn);
        if (!ward_ok(status)) {
            ward_pg_drop(conn);
            return status;
        }
        PGresult *result = PQgetResult(conn->pg);
        if (result != NULL) {
            *ret = result;
            return WARD_OK;
        }
    }
    return lost(conn, WARD_HERE); /* fewer results than statements: not a server that we know */
}

ward_status ward_pg_result(struct ward_pg_conn *conn, PGresult **ret)
{
    ward_auto(ward_pg_clearp) PGresult *result = NULL;
    WARD_TRY(next(conn, &result));
    switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        *ret = WARD_TAKE(result);
        return WARD_OK;
    case PGRES_PIPELINE_ABORTED:
        WARD_FAIL(WARD_E_CANCELLED);
    case PGRES_FATAL_ERROR: {
        uint32_t sqlstate = ward_sqlstate_pack(PQresultErrorField(result, PG_DIAG_SQLSTATE));
        if (sqlstate == 0) {
            return lost(conn, WARD_HERE);
        }
        conn->dying |= sqlstate == ward_sqlstate_pack("42703"); /* who connects is told why */
        return ward_sqlstate_status(sqlstate);
    }
    default:
        return lost(conn, WARD_HERE);
    }
}

ward_status ward_pg_end(struct ward_pg_conn *conn)
{
    ward_status error = WARD_OK;
    for (;;) {
        ward_auto(ward_pg_clearp) PGresult *result = NULL;
        WARD_TRY(next(conn, &result));
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_PIPELINE_SYNC) {
            return error;
        }
        if (status != PGRES_FATAL_ERROR) {
            continue;
        }
        uint32_t sqlstate = ward_sqlstate_pack(PQresultErrorField(result, PG_DIAG_SQLSTATE));
        if (sqlstate == 0 || PQstatus(conn->pg) == CONNECTION_BAD) {
            return lost(conn, WARD_HERE);
        }
        if (ward_ok(error)) {
            error = ward_sqlstate_status(sqlstate);
        }
    }
}

ward_status ward_pg_run(struct ward_pg_conn *conn, enum ward_pg_statement statement, PGresult **ret)
{
    ward_auto(ward_pg_clearp) PGresult *result = NULL;
    WARD_TRY(ward_pg_send(conn, statement));
    WARD_TRY(ward_pg_sync(conn));
    ward_status status = ward_pg_result(conn, &result);
    if (conn->pg != NULL) {
        WARD_TRY(ward_pg_end(conn));
    }
    WARD_TRY(status);
    *ret = WARD_TAKE(result);
    return WARD_OK;
}

ward_status ward_pg_outside(ward_status status)
{
    if (status.code == WARD_E_DEADLINE || status.code == WARD_E_CANCELLED) {
        status.code = WARD_E_UNAVAILABLE;
    }
    return status;
}
