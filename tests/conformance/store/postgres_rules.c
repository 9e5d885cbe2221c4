/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon's role may not do, and what servers and schemas the store refuses. */
#include "tests/conformance/store/postgres_support.h"

#include <stdlib.h>
#include <string.h>

#include "backends/postgres/migrate.h"

static void assert_refused(ward_status status, enum ward_code code, const char *text)
{
    assert_code(status, code);
    assert_non_null(ward_status_refusal(status));
    assert_string_equal(ward_status_refusal(status), text);
}

static ward_status new_head(struct fixture *fx)
{
    struct ward_store_writer *writer = NULL;
    struct ward_head head;
    assert_ok(ward_store_writer_open(fx->store, &writer));
    ward_status status = ward_store_head(writer, false, &head);
    ward_store_writer_close(writer);
    return status;
}

static ward_status head_of(const char *conninfo)
{
    struct ward_store *store = NULL;
    struct ward_store_writer *writer = NULL;
    struct ward_head head;
    assert_ok(ward_store_postgres_open(conninfo, &store));
    assert_ok(ward_store_writer_open(store, &writer));
    ward_status status = ward_store_head(writer, false, &head);
    ward_store_writer_close(writer);
    ward_store_close(store);
    return status;
}

static void the_daemon_cannot_change_or_delete_what_was_written(void **state)
{
    struct fixture *fx = *state;
    static const char *const statements[] = {
        "UPDATE ward.audit_batch SET count = 1",
        "UPDATE ward.audit_batch_0 SET count = 1",
        "DELETE FROM ward.audit_batch",
        "DELETE FROM ward.audit_batch_0",
        "TRUNCATE ward.audit_batch",
        "DROP TABLE ward.audit_batch_0",
        "ALTER TABLE ward.audit_batch DETACH PARTITION ward.audit_batch_0",
        "UPDATE ward.record SET sealed = ''",
        "DELETE FROM ward.record",
        "TRUNCATE ward.record",
        "DELETE FROM ward.subject_key",
        "UPDATE ward.record SET subject_key = subject_key",
        "UPDATE ward.subject_key SET run = 1",
        "UPDATE ward.subject_key SET subject_hash = subject_hash",
        "UPDATE ward.policy SET text = ''",
        "UPDATE ward.policy SET hash = hash",
        "UPDATE ward.policy SET proposal = proposal",
        "DELETE FROM ward.policy",
        "UPDATE ward.vote SET decision = 1",
        "DELETE FROM ward.vote",
        "UPDATE ward.proposal SET payload = ''",
        "DELETE FROM ward.proposal",
        "UPDATE ward.checkpoint SET note = ''",
        "DELETE FROM ward.checkpoint",
        "UPDATE ward.deployment SET origin = 'x'",
        "DELETE FROM ward.deployment",
        "UPDATE ward.kek SET name = 'x'",
        "DELETE FROM ward.kek",
        "UPDATE ward.kek_version SET version = 2",
        "DELETE FROM ward.kek_version",
        "UPDATE ward.kek_version SET created_us = 1",
        "UPDATE ward.key_use SET node = 'x'",
        "DELETE FROM ward.key_use",
        "TRUNCATE ward.key_use",
        "UPDATE ward.node SET name = 'x'",
        "DELETE FROM ward.node",
        "UPDATE ward.replay SET response = ''",
        "TRUNCATE ward.replay",
        "UPDATE ward.revocation SET value = 'x'",
        "TRUNCATE ward.revocation",
        "UPDATE ward.index_key SET wrapped = ''",
        "UPDATE ward.log_key SET leaf = 1",
        "DELETE FROM ward.log_key",
        "INSERT INTO ward.head (size, epoch, fence, frontier) VALUES (0, 0, 0, '')",
        "DELETE FROM ward.head",
        "TRUNCATE ward.head",
        "INSERT INTO ward.migration (version) VALUES (3)",
        "CREATE TABLE ward.mine ()",
        "CREATE TABLE public.mine ()",
        "ALTER TABLE ward.head DROP CONSTRAINT head_size_check",
        "CREATE OR REPLACE FUNCTION ward.expect_one(n bigint) RETURNS void LANGUAGE sql AS ''",
        "SELECT ward.grant_daemon('ward_daemon')",
        "SET ROLE ward_owner",
    };
    (void)fixture_begin(fx, 1);
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        char sqlstate[6];
        postgres_try(pg.daemon, statements[i], sqlstate);
        if (strcmp(sqlstate, "42501") != 0) {
            print_error("%s: %s\n", statements[i], sqlstate);
        }
        assert_string_equal(sqlstate, "42501"); /* insufficient_privilege */
    }
    char sqlstate[6];
    postgres_try(pg.daemon, "SELECT count(*) FROM ward.audit_batch", sqlstate);
    assert_string_equal(sqlstate, "00000");
}

static void others_see_nothing_of_the_schema(void **state)
{
    char sqlstate[6], conninfo[160];
    (void)state;
    postgres_sql(&pg, "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'stranger') "
                      "THEN CREATE ROLE stranger; END IF; END $$");
    (void)snprintf(conninfo, sizeof(conninfo), "%s options='-c role=stranger'", pg.superuser);
    postgres_try(conninfo, "SELECT * FROM ward.record", sqlstate);
    assert_string_equal(sqlstate, "42501");
    postgres_try(conninfo, "SELECT ward.expect_one(1)", sqlstate);
    assert_string_equal(sqlstate, "42501");
}

static void a_server_that_may_lose_commits_is_refused(void **state)
{
    struct fixture *fx = *state;
    struct ward_head head;
    set_server("fsync", "off");
    ward_status by_head = ward_store_head(fx->w, false, &head);
    (void)fixture_begin(fx, 1);
    enum ward_commit_outcome by_commit = fixture_commit(fx, fx->w2);
    ward_status status = fx->status;
    set_server("fsync", NULL);
    assert_refused(by_head, WARD_E_STATE, "database: fsync is off");
    assert_outcome(by_commit, WARD_COMMIT_UNAVAILABLE);
    assert_code(status, WARD_E_STATE);

    set_server("full_page_writes", "off");
    by_head = ward_store_head(fx->w, true, &head);
    set_server("full_page_writes", NULL);
    assert_refused(by_head, WARD_E_STATE, "database: full_page_writes is off");
    (void)fixture_begin(fx, 1);
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED); /* no lock was left */
}

static void every_weaker_synchronous_commit_is_refused(void **state)
{
    struct fixture *fx = *state;
    static const struct {
        const char *value;
        bool refused;
    } cases[] = {{"off", true},
                 {"local", true},
                 {"remote_write", true},
                 {"on", false},
                 {"remote_apply", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char sql[80];
        (void)snprintf(sql, sizeof(sql), "ALTER ROLE ward_daemon SET synchronous_commit = %s",
                       cases[i].value);
        postgres_sql(&pg, sql);
        if (cases[i].refused) {
            assert_refused(new_head(fx), WARD_E_STATE, "database: synchronous_commit is not on");
        } else {
            assert_ok(new_head(fx));
        }
    }
}

static void a_server_that_only_reads_is_unavailable(void **state)
{
    struct fixture *fx = *state;
    postgres_sql(&pg, "ALTER ROLE ward_daemon SET default_transaction_read_only = on");
    assert_code(new_head(fx), WARD_E_UNAVAILABLE);
}

static void a_server_without_a_free_connection_is_unavailable(void **state)
{
    struct fixture *fx = *state;
    postgres_sql(&pg, "ALTER ROLE ward_daemon CONNECTION LIMIT 1");
    assert_code(new_head(fx), WARD_E_UNAVAILABLE);
    (void)fixture_begin(fx, 1);
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED); /* its connection is there */
}

static void a_server_elsewhere_must_be_verified(void **state)
{
    static const char *const conninfos[] = {
        "host=192.0.2.1 dbname=ward", "host=192.0.2.1 dbname=ward sslmode=require",
        "hostaddr=192.0.2.1 dbname=ward sslmode=verify-ca", "host=/tmp,192.0.2.1 dbname=ward",
        "postgresql://db.example.invalid/ward"};
    (void)state;
    int64_t began = now_ms();
    for (size_t i = 0; i < 4; i++) {
        assert_refused(head_of(conninfos[i]), WARD_E_STATE,
                       "database: a server on another machine needs sslmode=verify-full");
    }
    assert_in_range(now_ms() - began, 0, 500);
    assert_true(!ward_ok(head_of(conninfos[4]))); /* its name does not resolve */
    assert_code(head_of("host=/nonexistent dbname=ward"), WARD_E_UNAVAILABLE);
    assert_code(head_of("host=127.0.0.1 port=1 dbname=ward"), WARD_E_UNAVAILABLE);
}

static void what_is_no_connection_string_is_refused_at_once(void **state)
{
    static const char *const conninfos[] = {"host", "no_such_option=1", "host='unclosed",
                                            "postgresql://[::1"};
    (void)state;
    for (size_t i = 0; i < sizeof(conninfos) / sizeof(conninfos[0]); i++) {
        struct ward_store *store = NULL;
        assert_refused(ward_store_postgres_open(conninfos[i], &store), WARD_E_INVALID,
                       "database: the connection string does not parse");
        assert_null(store);
    }
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
    assert_refused(new_head(fx), WARD_E_STATE,
                   "database: its schema is of another version; migrate it");
    assert_refused(ward_store_postgres_migrate(pg.owner, "ward_daemon"), WARD_E_STATE,
                   "database: its schema is newer than this program");
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
    assert_refused(new_head(fx), WARD_E_STATE,
                   "database: its schema is of another version; migrate it");
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
    assert_refused(new_head(fx), WARD_E_STATE,
                   "database: its schema is of another version; migrate it");
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
    assert_refused(new_head(fx), WARD_E_STATE,
                   "database: its schema is of another version; migrate it");
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

/* Nearly every commit of data keys adds to the same row: it must stay on its page. */
static void counting_use_leaves_no_trail(void **state)
{
    struct fixture *fx = *state;
    struct ward_new_use one = {.kek = an_id(), .version = 1, .issued = 1};
    for (int i = 0; i < 2000; i++) {
        struct ward_commit *commit = fixture_begin(fx, 1);
        commit->uses = &one;
        commit->n_uses = 1;
        commit->node = ward_bytes_str("node-a");
        assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    }
    assert_in_range(postgres_number(&pg, "SELECT pg_relation_size('ward.key_use')"), 1, 65536);
    assert_int_equal(postgres_number(&pg, "SELECT sum(issued) FROM ward.key_use"), 2000);
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

static void a_value_that_a_rule_of_the_schema_forbids_fails_the_commit(void **state)
{
    struct fixture *fx = *state;
    struct ward_effect effects[3] = {
        {.kind = WARD_EFFECT_KEK,
         .kek = {.name = ward_bytes_str("x"),
                 .backend = ward_bytes_str("hsm"),
                 .purpose = 9,
                 .created_us = 1}},
        {.kind = WARD_EFFECT_KEK,
         .kek = {.name = WARD_BYTES_LITERAL("\xff\xfe"),
                 .backend = ward_bytes_str("hsm"),
                 .purpose = 1,
                 .created_us = 1}},
        {.kind = WARD_EFFECT_CHECKPOINT},
    };
    effects[2].checkpoint.size = UINT64_MAX; /* more than the server's type holds */
    effects[2].checkpoint.note = ward_bytes_str("note");
    effects[2].checkpoint.created_us = 1;
    for (size_t i = 0; i < 3; i++) {
        assert_outcome(fixture_effect(fx, &effects[i]), WARD_COMMIT_FAILED);
        assert_code(fx->status, WARD_E_INTERNAL);
    }
    assert_head_unmoved(fx);
}

#define T(name) cmocka_unit_test_setup_teardown(name, over_postgres_setup, over_postgres_teardown)

int postgres_suite_rules(void)
{
    const struct CMUnitTest tests[] = {
        T(the_daemon_cannot_change_or_delete_what_was_written),
        T(others_see_nothing_of_the_schema),
        T(a_server_that_may_lose_commits_is_refused),
        T(every_weaker_synchronous_commit_is_refused),
        T(a_server_that_only_reads_is_unavailable),
        T(a_server_without_a_free_connection_is_unavailable),
        T(a_server_elsewhere_must_be_verified),
        T(what_is_no_connection_string_is_refused_at_once),
        T(a_missing_schema_is_named_and_used_once_it_is_there),
        T(a_schema_of_another_version_is_refused),
        T(migration_is_idempotent_and_keeps_what_is_there),
        T(schema_1_becomes_2_with_all_that_is_in_it),
        T(what_an_older_daemon_left_half_done_is_not_migrated),
        T(a_long_log_makes_old_versions_due_for_rotation_and_no_more),
        T(schema_2_becomes_3_with_all_that_is_in_it),
        T(schema_8_becomes_9_with_all_that_is_in_it),
        T(counting_use_leaves_no_trail),
        T(two_that_migrate_at_once_do_it_once),
        T(a_migration_that_fails_leaves_nothing),
        T(a_value_that_a_rule_of_the_schema_forbids_fails_the_commit),
    };
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
