/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to PostgreSQL in pipeline mode: made when it is used, with a deadline of our own
 * on every wait. Whatever fails in a way that leaves the session in doubt closes it. */
#ifndef WARD_BACKENDS_POSTGRES_CONN_H
#define WARD_BACKENDS_POSTGRES_CONN_H

#include <libpq-fe.h>

#include "backends/postgres/params.h"
#include "backends/postgres/statements.h"
#include "base/await.h"
#include "base/status.h"

#define WARD_PG_CONNECT_MS 800
#define WARD_PG_QUERY_MS 3000
#define WARD_PG_SCAN_MS 30000 /* reads that look at every row of a KEK */

struct ward_pg_conn {
    PGconn *pg;           /* NULL: not connected */
    const char *conninfo; /* the store's */
    enum ward_pg_role role;
    bool warned; /* the server sent a WARNING since this was last cleared */
    bool dying;  /* the server said that it ends the session */
    int64_t deadline_us;
    struct ward_await await;      /* how soon this server answers */
    unsigned first_host;          /* of several: where to begin, past those that did not answer */
    struct ward_pg_params params; /* of the statement that is sent next */
};

void ward_pg_conn_init(struct ward_pg_conn *conn, const char *conninfo, enum ward_pg_role role);
void ward_pg_conn_fini(struct ward_pg_conn *conn);
/* Closes without a word to the server; the next use connects anew. */
void ward_pg_drop(struct ward_pg_conn *conn);

/* Makes sure that there is a connection that the server has not closed. ret_fresh (may be NULL): it
 * was made just now. UNAVAILABLE: nobody let us in within WARD_PG_CONNECT_MS, or our statements
 * were not taken within WARD_PG_QUERY_MS more; STATE with a refusal's text when the server is there
 * but not as it must be. */
ward_status ward_pg_connect(struct ward_pg_conn *conn, bool *ret_fresh);
/* From now on, all waits together may take so long. */
void ward_pg_deadline(struct ward_pg_conn *conn, int timeout_ms);

/* Queues the statement with conn->params, and empties these. */
ward_status ward_pg_send(struct ward_pg_conn *conn, enum ward_pg_statement statement);
/* Ends what one error aborts, and hands all to the kernel that it takes. */
ward_status ward_pg_sync(struct ward_pg_conn *conn);
/* Has the server answer what was queued, without an end of it. */
ward_status ward_pg_ask(struct ward_pg_conn *conn);

/* The next statement's result; PQclear it. An error of the server: its status, foreign is the
 * SQLSTATE and the connection stays. CANCELLED: skipped, since one before it failed. Lost or late:
 * UNAVAILABLE or DEADLINE without foreign, and the connection is dropped. */
ward_status ward_pg_result(struct ward_pg_conn *conn, PGresult **ret);
/* Reads the sync's own result, and what is left before it. An error that comes with it: its status;
 * what ran outside BEGIN and COMMIT is committed by the sync, and that can fail like COMMIT. */
ward_status ward_pg_end(struct ward_pg_conn *conn);
/* For one statement: send, sync, result, end. */
ward_status ward_pg_run(struct ward_pg_conn *conn, enum ward_pg_statement statement,
                        PGresult **ret);

static inline void ward_pg_clearp(PGresult **result)
{
    PQclear(*result);
}
/* What callers outside see of a status: DEADLINE is about theirs, so ours is UNAVAILABLE. */
ward_status ward_pg_outside(ward_status status);

/* Connected by conninfo with our own settings in front, not yet in pipeline mode; for migration
 * too. The deadline is the connection's. */
ward_status ward_pg_dial(struct ward_pg_conn *conn, const char *application_name);
/* Waits until PQgetResult does not block. */
ward_status ward_pg_wait(struct ward_pg_conn *conn);

#endif
