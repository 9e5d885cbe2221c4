/* SPDX-License-Identifier: Apache-2.0 */
/* How a session begins: connect within our deadline, refuse a server on another machine that is not
 * verified, set what our statements rely on, look at the schema's version, prepare every statement;
 * all after the handshake in one round trip. */
#include "backends/postgres/conn.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/postgres/sqlstate.h"
#include "backends/store.h"
#include "base/clock.h"

/* Every statement looks rows up by key, in the order of its parameters: plans shall not depend on
 * statistics that are not there yet, and rows shall be locked in the order that we sorted them in.
 * A transaction whose daemon has gone must not hold the head, hence the timeouts; a reader's scans
 * may be long, and are bounded by the reader itself. Isolation is set once, since saying it with
 * every BEGIN costs a commit a tenth of its time. */
#define SETTINGS(timeout)                                                       \
    "SELECT set_config(name, value, false) FROM (VALUES ('search_path', ''), "  \
    "('plan_cache_mode', 'force_generic_plan'), ('enable_seqscan', 'off'), "    \
    "('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'), ('jit', 'off'), " \
    "('statement_timeout', '" timeout "'), ('lock_timeout', '1500ms'), "        \
    "('idle_in_transaction_session_timeout', '5s'), "                           \
    "('client_connection_check_interval', '1s'), "                              \
    "('default_transaction_isolation', 'read committed'), "                     \
    "('default_transaction_read_only', 'off'), "                                \
    "('default_transaction_deferrable', 'off')) AS setting (name, value)"
#define VERSION "SELECT max(version)::integer FROM ward.migration"

static void on_notice(void *arg, const PGresult *result)
{
    /* The text is dropped: it may name rows, and may be in any language. */
    struct ward_pg_conn *conn = arg;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity == NULL) {
        return;
    }
    conn->warned = conn->warned || strcmp(severity, "WARNING") == 0;
    conn->dying = conn->dying || strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0;
}

static bool local_host(const char *host, size_t size)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "::1"};
    if (size == 0 || host[0] == '/' || host[0] == '@') {
        return true;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == size && strncmp(host, names[i], size) == 0) {
            return true;
        }
    }
    return false;
}

/* host and hostaddr are lists with commas. */
static bool all_local(const char *hosts)
{
    while (hosts != NULL) {
        size_t size = strcspn(hosts, ",");
        if (!local_host(hosts, size)) {
            return false;
        }
        hosts = hosts[size] == ',' ? hosts + size + 1 : NULL;
    }
    return true;
}

/* Looks at what libpq will really use, environment and service files included. */
static bool verified_or_local(PGconn *pg)
{
    bool local = true, verified = false;
    PQconninfoOption *options = PQconninfo(pg);
    if (options == NULL) {
        return false;
    }
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
        if (strcmp(o->keyword, "host") == 0 || strcmp(o->keyword, "hostaddr") == 0) {
            local = local && all_local(o->val);
        } else if (strcmp(o->keyword, "sslmode") == 0) {
            verified = o->val != NULL && strcmp(o->val, "verify-full") == 0;
        }
    }
    PQconninfoFree(options);
    return local || verified;
}

static ward_status handshake(struct ward_pg_conn *conn)
{
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;
    ConnStatusType phase = PQstatus(conn->pg);
    while (want != PGRES_POLLING_OK) {
        if (want == PGRES_POLLING_FAILED) {
            WARD_ENSURE(phase != CONNECTION_STARTED && phase != CONNECTION_NEEDED,
                        WARD_E_UNAVAILABLE); /* nobody listens there */
            WARD_ENSURE(phase != CONNECTION_CHECK_WRITABLE && phase != CONNECTION_CONSUME,
                        WARD_E_UNAVAILABLE); /* a standby */
            WARD_FAIL(WARD_E_UNAVAILABLE);   /* starting, full, or it does not know us */
        }
        int64_t left_us = conn->deadline_us - ward_monotonic_us(&ward_clock_system);
        WARD_ENSURE(left_us > 0, WARD_E_DEADLINE);
        struct pollfd p = {.fd = PQsocket(conn->pg),
                           .events = want == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        if (poll(&p, 1, (int)(left_us / 1000) + 1) <= 0) {
            continue; /* late, which is seen above, or a signal */
        }
        phase = PQstatus(conn->pg);
        want = PQconnectPoll(conn->pg);
    }
    return WARD_OK;
}

#define LIST_SIZE 1024

/* A list with commas, begun at its element number `first` and continued with those before it. False
 * when it has one element only, or is too long to be turned. */
static bool turn(const char *list, unsigned first, char out[static LIST_SIZE])
{
    size_t size = strlen(list);
    unsigned n = 1;
    for (size_t i = 0; i < size; i++) {
        n += list[i] == ',';
    }
    if (n == 1 || size >= LIST_SIZE) {
        return false;
    }
    const char *begin = list;
    for (unsigned i = 0; i < first % n; i++) {
        begin = strchr(begin, ',') + 1; /* there are n - 1 of them */
    }
    size_t tail = size - (size_t)(begin - list);
    int before = (int)(begin - list) - 1; /* without its comma */
    (void)snprintf(out, LIST_SIZE, "%.*s%s%.*s", (int)tail, begin, before > 0 ? "," : "",
                   before > 0 ? before : 0, list); /* as long as the list itself */
    return true;
}

struct settings {
    const char *keywords[16], *values[16];
    char lists[3][LIST_SIZE];
    size_t n;
};

static void set(struct settings *settings, const char *keyword, const char *value)
{
    settings->keywords[settings->n] = keyword;
    settings->values[settings->n++] = value;
}

/* libpq tries hosts in their order and stays with one that says nothing; our deadline is for all of
 * them. So after a deadline the next attempt begins one host further on. */
static void turn_hosts(struct settings *settings, const struct ward_pg_conn *conn)
{
    static const char *const keywords[] = {"host", "hostaddr", "port"};
    PQconninfoOption *options =
        conn->first_host == 0 ? NULL : PQconninfoParse(conn->conninfo, NULL);
    for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
        for (size_t i = 0; i < 3; i++) {
            if (o->val != NULL && strcmp(o->keyword, keywords[i]) == 0 &&
                turn(o->val, conn->first_host, settings->lists[i])) {
                set(settings, keywords[i], settings->lists[i]);
            }
        }
    }
    PQconninfoFree(options);
}

ward_status ward_pg_dial(struct ward_pg_conn *conn, const char *application_name)
{
    struct settings s = {0}; /* what stands after dbname, which is expanded, wins over it */
    set(&s, "dbname", conn->conninfo);
    set(&s, "application_name", application_name);
    set(&s, "client_encoding", "UTF8");
    set(&s, "target_session_attrs", "read-write");
    set(&s, "gssencmode", "disable");
    set(&s, "keepalives", "1");
    set(&s, "keepalives_idle", "2");
    set(&s, "keepalives_interval", "1");
    set(&s, "keepalives_count", "2");
    set(&s, "tcp_user_timeout", "2000");
    turn_hosts(&s, conn);
    conn->pg = PQconnectStartParams(s.keywords, s.values, 1);
    WARD_ENSURE(conn->pg != NULL, WARD_E_UNAVAILABLE);
    WARD_ENSURE(PQstatus(conn->pg) != CONNECTION_BAD, WARD_E_UNAVAILABLE);
    (void)PQsetNoticeReceiver(conn->pg, on_notice, conn);
    if (!verified_or_local(conn->pg)) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "database: a server on another machine needs sslmode=verify-full");
    }
    ward_status status = handshake(conn);
    if (status.code == WARD_E_DEADLINE) {
        conn->first_host++;
    }
    return status;
}

static ward_status send_setup(struct ward_pg_conn *conn)
{
    const char *settings = conn->role == WARD_PG_WRITER ? SETTINGS("2500ms") : SETTINGS("30s");
    WARD_ENSURE(PQsendQueryParams(conn->pg, settings, 0, NULL, NULL, NULL, NULL, 1) == 1,
                WARD_E_UNAVAILABLE);
    WARD_ENSURE(PQsendQueryParams(conn->pg, VERSION, 0, NULL, NULL, NULL, NULL, 1) == 1,
                WARD_E_UNAVAILABLE);
    for (int i = 0; i < WARD_PG_STATEMENTS; i++) {
        enum ward_pg_statement s = (enum ward_pg_statement)i;
        if (ward_pg_statement_of(s, conn->role)) {
            WARD_ENSURE(PQsendPrepare(conn->pg, ward_pg_statement_name(s), ward_pg_statement_sql(s),
                                      0, NULL) == 1,
                        WARD_E_UNAVAILABLE);
        }
    }
    return ward_pg_sync(conn);
}

static ward_status check_version(struct ward_pg_conn *conn)
{
    ward_auto(ward_pg_clearp) PGresult *result = NULL;
    ward_status status = ward_pg_result(conn, &result);
    if (status.code == WARD_E_STATE) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "database: no schema that this role may use; run wardd --genesis once");
    }
    WARD_TRY(status);
    bool same = PQntuples(result) == 1 && PQgetlength(result, 0, 0) == 4 &&
                ward_get_u32((const uint8_t *)PQgetvalue(result, 0, 0)) == WARD_SCHEMA_VERSION;
    if (!same) {
        return WARD_REFUSAL(WARD_E_STATE, WARD_STORE_OTHER_SCHEMA);
    }
    return WARD_OK;
}

static ward_status setup(struct ward_pg_conn *conn)
{
    WARD_ENSURE(PQsetnonblocking(conn->pg, 1) == 0, WARD_E_UNAVAILABLE);
    WARD_ENSURE(PQenterPipelineMode(conn->pg) == 1, WARD_E_UNAVAILABLE);
    WARD_TRY(send_setup(conn));

    ward_auto(ward_pg_clearp) PGresult *settings = NULL;
    WARD_TRY(ward_pg_result(conn, &settings));
    WARD_TRY(check_version(conn));
    for (int i = 0; i < WARD_PG_STATEMENTS; i++) {
        if (ward_pg_statement_of((enum ward_pg_statement)i, conn->role)) {
            ward_auto(ward_pg_clearp) PGresult *prepared = NULL;
            WARD_TRY(ward_pg_result(conn, &prepared));
        }
    }
    return ward_pg_end(conn);
}

/* A server says little to a session that rests; so if there is something to read, look: it may be
 * the end, and a connection on which nothing was sent can be replaced without a doubt. */
static bool still_there(struct ward_pg_conn *conn)
{
    struct pollfd p = {.fd = PQsocket(conn->pg), .events = POLLIN};
    while (PQstatus(conn->pg) == CONNECTION_OK && !conn->dying && p.fd >= 0) {
        if (poll(&p, 1, 0) == 0) {
            return true;
        }
        if (PQconsumeInput(conn->pg) != 1) {
            return false;
        }
        (void)PQisBusy(conn->pg); /* reads what has come, and calls on_notice */
    }
    return false;
}

ward_status ward_pg_connect(struct ward_pg_conn *conn, bool *ret_fresh)
{
    if (ret_fresh != NULL) {
        *ret_fresh = false;
    }
    if (conn->pg != NULL && still_there(conn)) {
        return WARD_OK;
    }
    ward_pg_drop(conn);
    ward_pg_deadline(conn, WARD_PG_CONNECT_MS);
    ward_status status =
        ward_pg_dial(conn, conn->role == WARD_PG_WRITER ? "wardd writer" : "wardd reader");
    if (ward_ok(status)) {
        /* Who has let us in is there: parsing all statements may take it as long as a query. */
        ward_pg_deadline(conn, WARD_PG_QUERY_MS);
        status = setup(conn);
    }
    if (!ward_ok(status)) {
        ward_pg_drop(conn);
        return status;
    }
    if (ret_fresh != NULL) {
        *ret_fresh = true;
    }
    return WARD_OK;
}
