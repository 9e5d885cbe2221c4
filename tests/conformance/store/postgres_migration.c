/* SPDX-License-Identifier: Apache-2.0 */
/* From each schema to ours with all that is in it, and what a daemon that is connected meanwhile
 * can do: what it commits is in front of the migration, or is not at all. */
#include "tests/conformance/store/postgres_support.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "backends/postgres/migrate.h"

static void run_step(const char *step)
{
    size_t size = strlen(step) + 64;
    char *sql = malloc(size);
    assert_non_null(sql);
    (void)snprintf(sql, size, "SET ROLE ward_owner; BEGIN; %s; COMMIT", step);
    postgres_sql(&pg, sql);
    free(sql);
}

/* A schema 1 as its program left it, with a row of everything that schema 2 looks at. */
static void make_schema_1(void)
{
    postgres_sql(&pg, "SET client_min_messages = error; DROP SCHEMA ward CASCADE");
    run_step(ward_pg_schema_001);
    postgres_sql(
        &pg,
        "SELECT ward.grant_daemon('ward_daemon');"
        "INSERT INTO ward.deployment (id, origin, genesis_policy_hash, schema_version, log_key, "
        "log_algorithm, log_public_key, created_us) VALUES (gen_random_uuid(), 'o', "
        "sha256('p'), 1, gen_random_uuid(), 2, 'k', 1);"
        "INSERT INTO ward.kek VALUES ('00000000-0000-4000-8000-000000000001', 'app', 'hsm', 1, "
        "true, 365, 1);"
        "INSERT INTO ward.kek_version VALUES ('00000000-0000-4000-8000-000000000001', 1, 4, 1), "
        "('00000000-0000-4000-8000-000000000001', 2, 2, 1)");
}

static void schema_1_becomes_2_with_all_that_is_in_it(void **state)
{
    struct fixture *fx = *state;
    make_schema_1();
    /* Entries, as that program's statements wrote them. */
    postgres_sql(&pg, "SELECT ward.advance_head(0, 2, '\\x000161000162', 0, 0, "
                      "sha256('frontier'), false)");
    assert_refused(new_head(fx), WARD_E_STATE, WARD_STORE_OTHER_SCHEMA);
    assert_ok(ward_store_postgres_migrate(pg.owner, "ward_daemon"));
    assert_ok(ward_store_postgres_migrate(pg.owner, "ward_daemon"));

    struct ward_store_snapshot s = a_snapshot(fx);
    assert_true(s.initialised);
    assert_int_equal(s.deployment.schema_version, WARD_SCHEMA_VERSION);
    assert_int_equal(s.n_keks, 1);
    assert_int_equal(s.n_versions, 2);
    for (size_t i = 0; i < 2; i++) {
        /* two entries, each of which may tell of a thousand wraps */
        assert_int_equal(s.versions[i].wraps, 2000);
    }
    struct ward_read leaves = {.kind = WARD_READ_AUDIT,
                               .audit = {.start = 0, .end = 2, .max_bytes = 100}};
    assert_ok(read_one(fx, &leaves));
    assert_int_equal(leaves.audit.n, 2);
    assert_bytes(leaves.audit.leaves[1], "b");
    fx->head = fixture_head(fx->w);
    (void)a_kek(fx, "after");
    struct ward_new_replay replay = {
        .identity = ward_bytes_str("app"), .request_id = ward_bytes_str("r-1"), .created_us = 1};
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->replays = &replay;
    commit->n_replays = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
}

static void what_an_older_daemon_left_half_done_is_not_migrated(void **state)
{
    struct fixture *fx = *state;
    make_schema_1();
    postgres_sql(
        &pg,
        "INSERT INTO ward.intent (id, node, effect, kek, version, proposal, created_us) VALUES ("
        "'00000000-0000-4000-8000-000000000009', 'n', 1, "
        "'00000000-0000-4000-8000-000000000001', 3, "
        "'00000000-0000-4000-8000-000000000008', 1)");
    assert_refused(ward_store_postgres_migrate(pg.owner, "ward_daemon"), WARD_E_STATE,
                   "database: a daemon of before left something half done (ward.intent); start "
                   "that version once, stop it, then migrate");
    postgres_sql(&pg, "DELETE FROM ward.intent");
    assert_ok(ward_store_postgres_migrate(pg.owner, "ward_daemon"));
    assert_int_equal(a_snapshot(fx).n_keks, 1);
}

static void a_long_log_makes_old_versions_due_for_rotation_and_no_more(void **state)
{
    struct fixture *fx = *state;
    make_schema_1();
    postgres_sql(&pg, "UPDATE ward.head SET size = 1000000000000");
    assert_ok(ward_store_postgres_migrate(pg.owner, "ward_daemon"));
    assert_int_equal(a_snapshot(fx).versions[1].wraps, 1ull << 31);
}

static void schema_2_becomes_3_with_all_that_is_in_it(void **state)
{
    struct fixture *fx = *state;
    make_schema_1();
    run_step(ward_pg_schema_002);
    postgres_sql(&pg, "INSERT INTO ward.policy VALUES (1, sha256('p'), 'p', 7);"
                      "INSERT INTO ward.proposal VALUES ('00000000-0000-4000-8000-000000000002', "
                      "'{}', 'officer-a', 2, 1, 2)");
    assert_refused(new_head(fx), WARD_E_STATE, WARD_STORE_OTHER_SCHEMA);
    assert_ok(ward_store_postgres_migrate(pg.owner, "ward_daemon"));

    struct ward_store_snapshot s = a_snapshot(fx);
    assert_int_equal(s.deployment.schema_version, WARD_SCHEMA_VERSION);
    assert_int_equal(s.n_versions, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(s.versions[i].changed_us, s.versions[i].created_us);
        assert_int_equal(s.versions[i].prior, 0);
        assert_int_equal(s.versions[i].due_us, 0);
    }
    struct ward_id none = {0};
    struct ward_read policies = {.kind = WARD_READ_POLICIES, .policies.texts = true};
    assert_ok(read_one(fx, &policies));
    assert_int_equal(policies.policies.n, 1);
    assert_true(ward_id_eq(&policies.policies.policies[0].proposal, &none));
    assert_int_equal(policies.policies.policies[0].ceased_us, 0);
    assert_bytes(policies.policies.policies[0].text, "p");

    fx->head = fixture_head(fx->w);
    struct ward_effect next = {.kind = WARD_EFFECT_POLICY};
    next.policy.version = 2;
    next.policy.text = ward_bytes_str("q");
    next.policy.created_us = 9;
    next.policy.follows = true;
    assert_outcome(fixture_effect(fx, &next), WARD_COMMITTED);
    struct ward_effect approved = {.kind = WARD_EFFECT_PROPOSAL_STATE};
    approved.proposal_state.id.bytes[6] = 0x40;
    approved.proposal_state.id.bytes[8] = 0x80;
    approved.proposal_state.id.bytes[15] = 2;
    approved.proposal_state.from = WARD_PROPOSAL_OPEN;
    approved.proposal_state.to = WARD_PROPOSAL_APPROVED;
    assert_outcome(fixture_effect(fx, &approved), WARD_COMMITTED);
}

static void schema_8_becomes_9_with_all_that_is_in_it(void **state)
{
    struct fixture *fx = *state;
    static const char *const steps[] = {ward_pg_schema_002, ward_pg_schema_003, ward_pg_schema_004,
                                        ward_pg_schema_005, ward_pg_schema_006, ward_pg_schema_007,
                                        ward_pg_schema_008};
    make_schema_1();
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        run_step(steps[i]);
    }
    postgres_sql(
        &pg,
        "INSERT INTO ward.subject_key (id, kek, generation, subject_hash, collection, wrapped, "
        "kek_version) VALUES ('00000000-0000-4000-8000-000000000003', "
        "'00000000-0000-4000-8000-000000000001', 1, sha256('s'), 'fhir', 'w', 2);"
        "INSERT INTO ward.record VALUES (sha256('r'), 1, '00000000-0000-4000-8000-000000000003', "
        "1, 1, 'sealed');"
        "SELECT ward.open_job('00000000-0000-4000-8000-000000000004', "
        "'00000000-0000-4000-8000-000000000001', 1::smallint, 2, 0, 1, 1, false, "
        "ARRAY[gen_random_uuid(), gen_random_uuid()])");
    assert_refused(new_head(fx), WARD_E_STATE, WARD_STORE_OTHER_SCHEMA);
    assert_ok(ward_store_postgres_migrate(pg.owner, "ward_daemon"));
    assert_int_equal(a_snapshot(fx).deployment.schema_version, WARD_SCHEMA_VERSION);
    struct ward_read left = {.kind = WARD_READ_REKEY_LEFT, .rekey_left.run = 1};
    left.rekey_left.kek = a_snapshot(fx).keks[0].id;
    assert_ok(read_one(fx, &left));
    assert_int_equal(left.rekey_left.keys, 1);
    assert_int_equal(left.rekey_left.records, 1);
    struct ward_read jobs = {.kind = WARD_READ_JOBS, .jobs.open = true};
    assert_ok(read_one(fx, &jobs));
    assert_int_equal(jobs.jobs.n, 1);
}

static void *migrate(void *ret)
{
    *(ward_status *)ret = ward_store_postgres_migrate(pg.owner, "ward_daemon");
    return NULL;
}

static void two_that_migrate_at_once_do_it_once(void **state)
{
    struct fixture *fx = *state;
    pthread_t threads[3];
    ward_status statuses[3] = {0};
    postgres_sql(&pg, "SET client_min_messages = error; DROP SCHEMA ward CASCADE");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, migrate, &statuses[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_ok(statuses[i]);
    }
    assert_ok(new_head(fx));
}

static void a_migration_that_fails_leaves_nothing(void **state)
{
    (void)state;
    postgres_sql(&pg, "SET client_min_messages = error; DROP SCHEMA ward CASCADE");
    static const char *const roles[] = {"no such role", "x; DROP TABLE ward.head", "\"", "'"};
    for (size_t i = 0; i < 4; i++) {
        assert_code(ward_store_postgres_migrate(pg.owner, roles[i]), WARD_E_STATE);
        assert_int_equal(
            postgres_number(&pg, "SELECT count(*) FROM pg_namespace WHERE nspname = 'ward'"), 0);
    }
    assert_refused(ward_store_postgres_migrate(pg.owner, ""), WARD_E_INVALID,
                   "database: the daemon's role is empty or too long");
    assert_code(ward_store_postgres_migrate(pg.daemon, "ward_daemon"), WARD_E_STATE);
    postgres_sql(&pg, "CREATE SCHEMA ward AUTHORIZATION ward_owner");
    assert_refused(ward_store_postgres_migrate(pg.owner, "ward_daemon"), WARD_E_STATE,
                   "database: schema \"ward\" is there but is not ours");
}

static void migration_is_idempotent_and_keeps_what_is_there(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    (void)a_subject_key(fx, &kek);
    assert_ok(ward_store_postgres_migrate(pg.owner, "ward_daemon"));
    assert_ok(ward_store_postgres_migrate(pg.owner, "ward_daemon"));
    assert_head_unmoved(fx);
    (void)a_subject_key(fx, &kek);
}

static void a_missing_schema_is_named_and_used_once_it_is_there(void **state)
{
    struct fixture *fx = *state;
    uint64_t epoch;
    postgres_sql(&pg, "SET client_min_messages = error; DROP SCHEMA ward CASCADE");
    assert_refused(new_head(fx), WARD_E_STATE,
                   "database: no schema that this role may use; run wardd --genesis once");
    assert_ok(ward_store_postgres_migrate(pg.owner, "ward_daemon"));
    assert_ok(new_head(fx));
    assert_ok(ward_store_epoch(fx->r, &epoch));
}

static void a_schema_of_another_version_is_refused(void **state)
{
    struct fixture *fx = *state;
    postgres_sql(&pg, "INSERT INTO ward.migration (version) VALUES (99)");
    assert_refused(new_head(fx), WARD_E_STATE, WARD_STORE_OTHER_SCHEMA);
    assert_refused(ward_store_postgres_migrate(pg.owner, "ward_daemon"), WARD_E_STATE,
                   "database: its schema is newer than this program");
}

/* ---- daemons that are connected over a migration ---- */

/* The statements of schema 10's program, word for word, on a session of the daemon's role. */
static const char *const before[][2] = {
    {"epoch", "SELECT epoch FROM ward.head WHERE one"},
    {"advance_head",
     "WITH moved AS (UPDATE ward.head SET size = $1::bigint + $2::integer, "
     "epoch = $4::bigint + $7::boolean::integer, frontier = $6::bytea, "
     "sums = $8::bytea, tag = $9::bytea "
     "WHERE one AND size = $1::bigint AND epoch = $4::bigint AND fence = $5::bigint "
     "AND current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' "
     "AND current_setting('synchronous_commit') IN ('on', 'remote_apply') "
     "RETURNING size - $2::integer AS first) "
     "INSERT INTO ward.audit_batch (first, count, leaves) VALUES ("
     "COALESCE((SELECT first FROM moved), ward.refuse_commit($4::bigint)), $2::integer, "
     "$3::bytea)"},
    {"seal_head", "WITH moved AS (UPDATE ward.head SET sums = $4::bytea, tag = $5::bytea, "
                  "fence = $3::bigint + 1 "
                  "WHERE one AND size = $1::bigint AND epoch = $2::bigint "
                  "AND fence = $3::bigint AND current_setting('fsync') = 'on' RETURNING size) "
                  "SELECT COALESCE((SELECT size FROM moved), ward.refuse_commit($2::bigint))"},
    {"check_epoch", "SELECT ward.check_epoch($1::bigint)"},
    {"fence", "SELECT fence FROM ward.head WHERE one"},
    {"resolve_fence", "UPDATE ward.head SET fence = fence + 1 WHERE one RETURNING fence"},
    {"intend", "INSERT INTO ward.intent (id, node, effect, kek, version, proposal, created_us) "
               "VALUES ($1::uuid, 'old', 1, '00000000-0000-4000-8000-000000000001', 3, $1::uuid, "
               "1)"},
    {"claim_job_part",
     "UPDATE ward.job_part p SET node = $2::text, lease_us = $4::bigint "
     "FROM (SELECT c.job, c.part, j.parts, j.round "
     "FROM ward.job_part c JOIN ward.job j ON j.id = c.job "
     "WHERE c.job = $1::uuid AND j.state = 1 AND NOT c.finished AND (c.lease_us < $3::bigint "
     "OR (c.node = $2::text AND c.part <> ALL ($5::integer[]))) "
     "ORDER BY c.part LIMIT 1 FOR UPDATE OF c SKIP LOCKED) f "
     "WHERE p.job = f.job AND p.part = f.part RETURNING p.part"},
};

#define ADVANCE(size) \
    "EXECUTE advance_head(" size ", 1, '\\x000161', 0, 0, sha256('frontier'), false, '', ''); "
#define INTEND "EXECUTE intend('00000000-0000-4000-8000-000000000009'); "

static void run_steps(long from, long to)
{
    static const char *const steps[] = {ward_pg_schema_001, ward_pg_schema_002, ward_pg_schema_003,
                                        ward_pg_schema_004, ward_pg_schema_005, ward_pg_schema_006,
                                        ward_pg_schema_007, ward_pg_schema_008, ward_pg_schema_009,
                                        ward_pg_schema_010, ward_pg_schema_011, ward_pg_schema_012};
    for (long i = from; i <= to; i++) {
        run_step(steps[i - 1]);
    }
    postgres_sql(&pg, "SELECT ward.grant_daemon('ward_daemon')");
}

static PGconn *connect_before(void)
{
    PGconn *conn = PQconnectdb(pg.daemon);
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    PQclear(PQexec(conn, "SELECT set_config('search_path', '', false), "
                         "set_config('plan_cache_mode', 'force_generic_plan', false)"));
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        PGresult *result = PQprepare(conn, before[i][0], before[i][1], 0, NULL);
        assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
        PQclear(result);
    }
    return conn;
}

/* The SQLSTATE of the whole, as one transaction. */
static void try_on(PGconn *conn, const char *sql, char ret[static 6])
{
    PGresult *result = PQexec(conn, sql);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    (void)snprintf(ret, 6, "%s", state == NULL ? "00000" : state);
    PQclear(result);
    if (PQtransactionStatus(conn) != PQTRANS_IDLE) {
        PQclear(PQexec(conn, "ROLLBACK"));
    }
}

static void a_daemon_of_the_schema_before_commits_nothing_from_the_migration_on(void **state)
{
    static const char *const commits[] = {
        "EXECUTE epoch",
        "BEGIN; " ADVANCE("1") "COMMIT",
        "BEGIN; " ADVANCE("1") INTEND "COMMIT",
        "BEGIN; EXECUTE seal_head(1, 0, 0, '', ''); " INTEND "COMMIT",
        "BEGIN; EXECUTE check_epoch(0); " INTEND "COMMIT",
        "EXECUTE fence",
        "EXECUTE resolve_fence",
        "EXECUTE claim_job_part('00000000-0000-4000-8000-000000000004', 'old', 9, 10, '{}')",
    };
    struct fixture *fx = *state;
    char sqlstate[6];
    make_schema_1();
    run_steps(2, 10);
    PGconn *conn = connect_before();
    try_on(conn, "BEGIN; " ADVANCE("0") INTEND "COMMIT", sqlstate);
    assert_string_equal(sqlstate, "00000");
    try_on(conn, "DELETE FROM ward.intent", sqlstate);
    assert_ok(ward_store_postgres_migrate(pg.owner, "ward_daemon"));
    for (size_t i = 0; i < sizeof(commits) / sizeof(commits[0]); i++) {
        try_on(conn, commits[i], sqlstate);
        if (strcmp(sqlstate, "42703") != 0 && strcmp(sqlstate, "42883") != 0) {
            fail_msg("%s: %s", commits[i], sqlstate); /* no such column, no such function */
        }
    }
    PQfinish(conn);
    assert_int_equal(postgres_number(&pg, "SELECT count(*) FROM ward.intent"), 0);
    assert_int_equal(postgres_number(&pg, "SELECT size + fence FROM ward.head"), 1);
    fx->head = fixture_head(fx->w);
    (void)a_kek(fx, "after");
}

/* The migration leaves them where they are; the owner puts them in order as wardd.8 says. */
static void schema_11_becomes_12_and_its_owner_puts_subject_keys_in_order(void **state)
{
    struct fixture *fx = *state;
    static const char out_of_order[] =
        "SELECT count(*) FROM (SELECT id < lag(id) OVER (ORDER BY ctid) AS before "
        "FROM ward.subject_key) AS neighbours WHERE before";
    make_schema_1();
    run_steps(2, 11);
    postgres_sql(&pg,
                 "INSERT INTO ward.subject_key (id, kek, generation, subject_hash, collection, "
                 "wrapped, kek_version) SELECT gen_random_uuid(), k.id, 1, sha256(i::text::bytea), "
                 "'fhir', 'w', 1 FROM ward.kek k, generate_series(1, 1000) i");
    assert_int_not_equal(postgres_number(&pg, out_of_order), 0);
    assert_ok(ward_store_postgres_migrate(pg.owner, "ward_daemon"));
    assert_ok(new_head(fx));
    postgres_sql(&pg, "CLUSTER ward.subject_key USING subject_key_kek");
    assert_int_equal(postgres_number(&pg, out_of_order), 0);
    assert_int_equal(postgres_number(&pg, "SELECT count(*) FROM ward.subject_key"), 1000);
}

/* They are of minutes: the server need not write them twice. */
static void schema_12_becomes_13_with_a_place_for_sightings(void **state)
{
    struct fixture *fx = *state;
    make_schema_1();
    run_steps(2, 12);
    assert_ok(ward_store_postgres_migrate(pg.owner, "ward_daemon"));
    assert_ok(new_head(fx));
    assert_int_equal(postgres_number(&pg, "SELECT count(*) FROM pg_class WHERE oid = "
                                          "'ward.sighting'::regclass AND relpersistence = 'u'"),
                     1);
    struct ward_store_sighting sighting = {.since_us = 20};
    struct ward_read read = {
        .kind = WARD_READ_SIGHTINGS,
        .sightings = {
            .node = ward_bytes_str("node"), .sightings = &sighting, .n = 1, .life_us = 1000000}};
    assert_ok(read_one(fx, &read));
    assert_int_equal(postgres_number(&pg, "SELECT heard_us - since_us FROM ward.sighting"), 20);
}

/* Where the owner waits for a lock that somebody else has. */
static void wait_for_migration(void)
{
    for (int i = 0; i < 3000; i++) {
        if (postgres_number(&pg, "SELECT count(*) FROM pg_stat_activity WHERE application_name = "
                                 "'ward migrate' AND wait_event_type = 'Lock'") > 0) {
            return;
        }
        pause_ms(10);
    }
    fail_msg("the migration does not wait");
}

static void what_was_begun_before_the_migration_is_seen_by_it(void **state)
{
    char sqlstate[6];
    pthread_t thread;
    ward_status status = WARD_OK;
    (void)state;
    make_schema_1();
    run_steps(2, 9);
    PGconn *conn = connect_before();
    PQclear(PQexec(conn, "BEGIN; " ADVANCE("0") INTEND));
    assert_int_equal(PQtransactionStatus(conn), PQTRANS_INTRANS);
    assert_int_equal(pthread_create(&thread, NULL, migrate, &status), 0);
    wait_for_migration();
    PQclear(PQexec(conn, "COMMIT"));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_code(status, WARD_E_STATE); /* an intent of before */
    assert_int_equal(postgres_number(&pg, "SELECT max(version) FROM ward.migration"), 9);
    try_on(conn, "BEGIN; " ADVANCE("1") "DELETE FROM ward.intent; COMMIT", sqlstate);
    assert_string_equal(sqlstate, "00000");
    assert_ok(ward_store_postgres_migrate(pg.owner, "ward_daemon"));
    PQfinish(conn);
}

static void what_waits_for_the_migration_does_not_happen(void **state)
{
    char sqlstate[6] = "00000";
    pthread_t thread;
    ward_status status = WARD_OK;
    (void)state;
    make_schema_1();
    run_steps(2, 8);
    PGconn *conn = connect_before(), *reader = PQconnectdb(pg.superuser);
    PQclear(PQexec(reader, "BEGIN; LOCK TABLE ward.record IN ROW EXCLUSIVE MODE"));
    assert_int_equal(pthread_create(&thread, NULL, migrate, &status), 0);
    wait_for_migration(); /* it has looked for intents, and has the head */
    assert_int_equal(PQsendQuery(conn, "BEGIN; " ADVANCE("0") INTEND "COMMIT"), 1);
    PQfinish(reader);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ok(status);
    for (PGresult *result; (result = PQgetResult(conn)) != NULL; PQclear(result)) {
        const char *found = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        (void)snprintf(sqlstate, sizeof(sqlstate), "%s", found == NULL ? sqlstate : found);
    }
    assert_string_equal(sqlstate, "42703");
    PQfinish(conn);
    assert_int_equal(postgres_number(&pg, "SELECT count(*) FROM ward.intent"), 0);
    assert_int_equal(postgres_number(&pg, "SELECT size FROM ward.head"), 0);
}

/* This program, as the next one will find it. */
static void a_writer_of_this_schema_is_told_that_the_next_one_came(void **state)
{
    struct fixture *fx = *state;
    struct ward_head head;
    uint64_t epoch;
    struct ward_id kek = a_kek(fx, "records");
    assert_ok(ward_store_epoch(fx->r, &epoch));
    (void)fixture_head(fx->w2);
    postgres_sql(&pg, "ALTER TABLE ward.head RENAME COLUMN schema_" WARD_STRING(
                          WARD_SCHEMA_VERSION) " TO schema_99;"
                                               "INSERT INTO ward.migration (version) VALUES (99)");
    struct ward_effect intent = {.kind = WARD_EFFECT_INTENT};
    intent.intent = (struct ward_store_intent){.id = an_id(),
                                               .kek = kek,
                                               .version = 2,
                                               .effect = 1,
                                               .node = ward_bytes_str("node"),
                                               .created_us = 1};
    assert_outcome(fixture_effect(fx, &intent), WARD_COMMIT_UNAVAILABLE);
    assert_false(ward_store_other_schema(fx->status)); /* only that the head is not as it was */
    assert_outcome(fixture_effect(fx, &intent), WARD_COMMIT_UNAVAILABLE);
    assert_true(ward_store_other_schema(fx->status));
    assert_refused(ward_store_head(fx->w2, true, &head), WARD_E_STATE, WARD_STORE_OTHER_SCHEMA);
    struct ward_read reserve = {.kind = WARD_READ_RESERVE,
                                .arena = fx->arena,
                                .reserve = {.kek = kek, .version = 1, .block = 5, .limit = 100}};
    struct ward_read *reads[] = {&reserve};
    assert_ok(ward_store_read(fx->r, reads, 1));
    assert_code(reserve.status, WARD_E_UNAVAILABLE);
    assert_refused(ward_store_read(fx->r, reads, 1), WARD_E_STATE, WARD_STORE_OTHER_SCHEMA);
    assert_refused(ward_store_epoch(fx->r, &epoch), WARD_E_STATE, WARD_STORE_OTHER_SCHEMA);
    assert_int_equal(postgres_number(&pg, "SELECT count(*) FROM ward.intent"), 0);
    assert_int_equal(postgres_number(&pg, "SELECT sum(wraps) FROM ward.kek_version"), 0);
    assert_int_equal(postgres_number(&pg, "SELECT size FROM ward.head"), fx->head.tree.size);
}

#define T(name) cmocka_unit_test_setup_teardown(name, over_postgres_setup, over_postgres_teardown)

int postgres_suite_migration(void)
{
    const struct CMUnitTest tests[] = {
        T(a_missing_schema_is_named_and_used_once_it_is_there),
        T(a_schema_of_another_version_is_refused),
        T(migration_is_idempotent_and_keeps_what_is_there),
        T(schema_1_becomes_2_with_all_that_is_in_it),
        T(what_an_older_daemon_left_half_done_is_not_migrated),
        T(a_long_log_makes_old_versions_due_for_rotation_and_no_more),
        T(schema_2_becomes_3_with_all_that_is_in_it),
        T(schema_8_becomes_9_with_all_that_is_in_it),
        T(schema_11_becomes_12_and_its_owner_puts_subject_keys_in_order),
        T(schema_12_becomes_13_with_a_place_for_sightings),
        T(two_that_migrate_at_once_do_it_once),
        T(a_migration_that_fails_leaves_nothing),
        T(a_daemon_of_the_schema_before_commits_nothing_from_the_migration_on),
        T(what_was_begun_before_the_migration_is_seen_by_it),
        T(what_waits_for_the_migration_does_not_happen),
        T(a_writer_of_this_schema_is_told_that_the_next_one_came),
    };
    return cmocka_run_group_tests_name("migration", tests, NULL, NULL);
}
