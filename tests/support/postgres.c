/* SPDX-License-Identifier: Apache-2.0 */
/* Starts and stops the cluster through the script, and asks it with libpq. */
#include "tests/support/postgres.h"

#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "backends/store.h"

extern char **environ;

static int run(const char *verb, const char *dir, const char *arg)
{
    const char *script = getenv("WARD_TEST_POSTGRES");
    assert_non_null(script);
    const char *const argv[] = {script, verb, dir, arg, NULL};
    pid_t pid;
    int status;
    assert_int_equal(posix_spawn(&pid, script, NULL, NULL, (char *const *)argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool postgres_new(struct postgres *ret)
{
    (void)snprintf(ret->dir, sizeof(ret->dir), "/tmp/ward-pg-XXXXXX");
    assert_non_null(mkdtemp(ret->dir));
    int code = run("start", ret->dir, NULL);
    if (code == 77) {
        (void)rmdir(ret->dir);
        return false;
    }
    assert_int_equal(code, 0);
    (void)snprintf(ret->owner, sizeof(ret->owner), "host=%s dbname=ward user=ward_owner", ret->dir);
    (void)snprintf(ret->daemon, sizeof(ret->daemon), "host=%s dbname=ward user=ward_daemon",
                   ret->dir);
    (void)snprintf(ret->superuser, sizeof(ret->superuser), "host=%s dbname=ward user=postgres",
                   ret->dir);
    return true;
}

void postgres_remove(struct postgres *pg)
{
    assert_int_equal(run("remove", pg->dir, NULL), 0);
}

void postgres_start(const struct postgres *pg)
{
    assert_int_equal(run("start", pg->dir, NULL), 0);
}

void postgres_stop(const struct postgres *pg, const char *mode)
{
    assert_int_equal(run("stop", pg->dir, mode), 0);
}

/* The first value of the last result, as text; "" when there is none. */
static void ask(const char *conninfo, const char *statement, char sqlstate[static 6],
                char value[32])
{
    PGconn *conn = PQconnectdb(conninfo);
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    PGresult *result = PQexec(conn, statement);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    (void)snprintf(sqlstate, 6, "%s", state == NULL ? "00000" : state);
    (void)snprintf(value, 32, "%s",
                   PQntuples(result) > 0 && PQnfields(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(conn);
}

void postgres_sql(const struct postgres *pg, const char *statement)
{
    (void)postgres_number(pg, statement);
}

long long postgres_number(const struct postgres *pg, const char *statement)
{
    char sqlstate[6], value[32];
    ask(pg->superuser, statement, sqlstate, value);
    assert_string_equal(sqlstate, "00000");
    return strtoll(value, NULL, 10);
}

void postgres_try(const char *conninfo, const char *statement, char ret_sqlstate[static 6])
{
    char value[32];
    ask(conninfo, statement, ret_sqlstate, value);
}

void postgres_reset(const struct postgres *pg)
{
    postgres_sql(pg, "SET client_min_messages = error; DROP SCHEMA IF EXISTS ward CASCADE");
    ward_status status = ward_store_postgres_migrate(pg->owner, "ward_daemon");
    assert_true(ward_ok(status));
}
