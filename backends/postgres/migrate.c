/* SPDX-License-Identifier: Apache-2.0 */
/* Brings the schema to the version that this program speaks, with the owner's role, and gives the
 * daemon's role its rights. One transaction under an advisory lock: two that migrate at once do it
 * once, and one that is interrupted leaves nothing. It holds the head from its beginning: what a
 * daemon commits is in front of it or is not at all, since schema 11 takes the head from those of
 * before by its name. */
#include "backends/postgres/migrate.h"

#include <stdlib.h>

#include "backends/postgres/conn.h"
#include "backends/postgres/sqlstate.h"
#include "backends/store.h"

#define MIGRATE_MS 120000
#define ROLE_MAX 63 /* NAMEDATALEN - 1 */

static const char *const steps[WARD_SCHEMA_VERSION] = {
    ward_pg_schema_001, ward_pg_schema_002, ward_pg_schema_003, ward_pg_schema_004,
    ward_pg_schema_005, ward_pg_schema_006, ward_pg_schema_007, ward_pg_schema_008,
    ward_pg_schema_009, ward_pg_schema_010, ward_pg_schema_011, ward_pg_schema_012,
    ward_pg_schema_013};

/* One command or script, constant text; the last result is given back. */
static ward_status run(struct ward_pg_conn *conn, const char *sql, const char *param,
                       PGresult **ret)
{
    int sent = param == NULL ? PQsendQuery(conn->pg, sql)
                             : PQsendQueryParams(conn->pg, sql, 1, NULL, &param, NULL, NULL, 0);
    WARD_ENSURE(sent == 1, WARD_E_UNAVAILABLE);
    ward_status status = WARD_OK;
    for (;;) {
        WARD_TRY(ward_pg_wait(conn));
        PGresult *result = PQgetResult(conn->pg);
        if (result == NULL) {
            return status;
        }
        ExecStatusType kind = PQresultStatus(result);
        if (kind != PGRES_TUPLES_OK && kind != PGRES_COMMAND_OK && ward_ok(status)) {
            status = ward_sqlstate_status(
                ward_sqlstate_pack(PQresultErrorField(result, PG_DIAG_SQLSTATE)));
        }
        PQclear(*ret);
        *ret = result;
    }
}

static ward_status command(struct ward_pg_conn *conn, const char *sql, const char *param)
{
    ward_auto(ward_pg_clearp) PGresult *result = NULL;
    return run(conn, sql, param, &result);
}

static ward_status find_version(struct ward_pg_conn *conn, long *ret)
{
    ward_auto(ward_pg_clearp) PGresult *there = NULL;
    ward_auto(ward_pg_clearp) PGresult *version = NULL;
    WARD_TRY(
        run(conn, "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'ward'", NULL, &there));
    *ret = 0;
    if (PQntuples(there) == 0) {
        return WARD_OK;
    }
    ward_status status = run(conn, "SELECT max(version) FROM ward.migration", NULL, &version);
    if (status.code == WARD_E_STATE) {
        return WARD_REFUSAL(WARD_E_STATE, "database: schema \"ward\" is there but is not ours");
    }
    WARD_TRY(status);
    WARD_ENSURE(PQntuples(version) == 1, WARD_E_INTERNAL);
    *ret = strtol(PQgetvalue(version, 0, 0), NULL, 10);
    return WARD_OK;
}

/* From schema 10 on an intent is among what is authenticated: one of before would look like a
 * forgery, and only the program that wrote it knows how to end it. */
static ward_status nothing_under_way(struct ward_pg_conn *conn, long version)
{
    ward_auto(ward_pg_clearp) PGresult *intents = NULL;
    if (version == 0 || version >= 10) {
        return WARD_OK;
    }
    WARD_TRY(command(conn, "LOCK TABLE ward.intent IN EXCLUSIVE MODE", NULL));
    WARD_TRY(run(conn, "SELECT 1 FROM ward.intent", NULL, &intents));
    return PQntuples(intents) == 0
               ? WARD_OK
               : WARD_REFUSAL(
                     WARD_E_STATE,
                     "database: a daemon of before left something half done (ward.intent); "
                     "start that version once, stop it, then migrate");
}

static ward_status migrate(struct ward_pg_conn *conn, const char *daemon_role)
{
    WARD_TRY(command(conn,
                     "SELECT pg_catalog.set_config('search_path', '', false), "
                     "pg_catalog.set_config('lock_timeout', '30s', false), "
                     "pg_catalog.set_config('default_tablespace', '', false)",
                     NULL));
    WARD_TRY(command(conn, "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE", NULL));
    /* "ward" in ASCII: a number that nobody else uses in this database. */
    WARD_TRY(command(conn, "SELECT pg_catalog.pg_advisory_xact_lock(1463898692)", NULL));
    long version = 0;
    WARD_TRY(find_version(conn, &version));
    if (version < 0 || version > WARD_SCHEMA_VERSION) {
        return WARD_REFUSAL(WARD_E_STATE, "database: its schema is newer than this program");
    }
    if (version > 0 && version < WARD_SCHEMA_VERSION) {
        WARD_TRY(command(conn, "LOCK TABLE ward.head IN ACCESS EXCLUSIVE MODE", NULL));
    }
    WARD_TRY(nothing_under_way(conn, version));
    for (long i = version; i < WARD_SCHEMA_VERSION; i++) {
        WARD_TRY(command(conn, steps[i], NULL));
    }
    WARD_TRY(command(conn, "SELECT ward.grant_daemon($1::text)", daemon_role));
    return command(conn, "COMMIT", NULL);
}

ward_status ward_store_postgres_migrate(const char *owner_conninfo, const char *daemon_role)
{
    size_t size = strlen(daemon_role);
    WARD_REQUIRE(size > 0 && size <= ROLE_MAX, "database: the daemon's role is empty or too long");
    struct ward_pg_conn conn;
    ward_pg_conn_init(&conn, owner_conninfo, WARD_PG_WRITER);
    ward_pg_deadline(&conn, WARD_PG_CONNECT_MS);
    ward_status status = ward_pg_dial(&conn, "ward migrate");
    if (ward_ok(status)) {
        ward_pg_deadline(&conn, MIGRATE_MS);
        status = migrate(&conn, daemon_role);
    }
    ward_pg_conn_fini(&conn); /* rolls back what was not committed */
    return ward_pg_outside(status);
}
