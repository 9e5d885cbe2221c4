/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon's role may not do, and what servers and schemas the store refuses. */
#include "tests/conformance/store/postgres_support.h"

#include <stdlib.h>
#include <string.h>

#include "backends/postgres/statements.h"

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
        "UPDATE ward.sighting SET node = 'x'",
        "TRUNCATE ward.sighting",
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

#define KEYS 1000u
#define OUT_OF_ORDER                                                            \
    "SELECT count(*) FROM (SELECT id < lag(id) OVER (ORDER BY ctid) AS before " \
    "FROM ward.subject_key) AS neighbours WHERE before"

static void insert_all(struct fixture *fx, const struct ward_id *kek)
{
    static struct ward_new_subject_key keys[KEYS];
    static uint8_t old_wrapped[97];
    for (size_t i = 0; i < KEYS; i++) {
        keys[i] = (struct ward_new_subject_key){.id = an_id(),
                                                .collection = ward_bytes_str("fhir"),
                                                .generation = 1,
                                                .kek = *kek,
                                                .kek_version = 1,
                                                .wrapped = WARD_BYTES_ARRAY(old_wrapped)};
        assert_ok(ward_random(keys[i].subject_hash, WARD_HASH_SIZE));
    }
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->subject_keys = keys;
    commit->n_subject_keys = KEYS;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
}

static void read_all(struct fixture *fx, const struct ward_id *kek, uint32_t below,
                     struct ward_read *ret)
{
    *ret = (struct ward_read){.kind = WARD_READ_REWRAP_PAGE,
                              .rewrap = {.kek = *kek, .below = below, .limit = KEYS}};
    assert_ok(read_one(fx, ret));
    assert_int_equal(ret->rewrap.n, KEYS);
}

static void move_all(struct fixture *fx, const struct ward_read *page, uint32_t version)
{
    static struct ward_rewrapped moves[KEYS];
    static uint8_t wrapped[97];
    wrapped[0] = (uint8_t)version;
    for (size_t i = 0; i < KEYS; i++) {
        moves[i] =
            (struct ward_rewrapped){page->rewrap.keys[i].id, page->rewrap.keys[i].wrapped,
                                    WARD_BYTES_ARRAY(wrapped), version, page->rewrap.places[i]};
    }
    uint32_t count = 0;
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->rewrapped = moves;
    commit->n_rewrapped = KEYS;
    commit->ret_rewrapped = &count;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    assert_int_equal(count, KEYS);
}

/* So a rewrap finds the rows of one transaction side by side; and each of them stays on its page,
 * or every index would be written too. */
static void subject_keys_lie_in_the_order_of_their_ids_and_a_rewrap_leaves_them_there(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_read page;
    insert_all(fx, &kek);
    assert_int_equal(postgres_number(&pg, OUT_OF_ORDER), 0);
    int64_t size = postgres_number(&pg, "SELECT pg_relation_size('ward.subject_key')");
    read_all(fx, &kek, 2, &page);
    move_all(fx, &page, 2);
    assert_int_equal(postgres_number(&pg, "SELECT pg_relation_size('ward.subject_key')"), size);
}

/* The owner may do that while a job runs, and then nothing lies where it was read. */
static void a_page_that_was_read_before_the_table_was_laid_anew_moves(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_read page, after;
    insert_all(fx, &kek);
    read_all(fx, &kek, 2, &page);
    move_all(fx, &page, 2);
    read_all(fx, &kek, 3, &page);
    postgres_sql(&pg, "VACUUM FULL ward.subject_key");
    read_all(fx, &kek, 3, &after);
    for (size_t i = 0; i < KEYS; i++) {
        assert_true(page.rewrap.places[i] != after.rewrap.places[i]);
    }
    move_all(fx, &page, 3);
    assert_int_equal(postgres_number(&pg, "SELECT min(kek_version) FROM ward.subject_key"), 3);
}

/* How often the plan has what was looked for, with the settings of dial.c. */
#define PLANNED                                                                               \
    "SET search_path = ''; SET enable_seqscan = off; SET enable_hashjoin = off; "             \
    "SET enable_mergejoin = off; SET jit = off; SET plan_cache_mode = force_generic_plan; "   \
    "PREPARE planned (uuid[], bytea[], bytea[], integer[], tid[]) AS %s; "                    \
    "CREATE FUNCTION pg_temp.lines_with(text) RETURNS bigint LANGUAGE plpgsql AS $body$ "     \
    "DECLARE line text; n bigint := 0; BEGIN "                                                \
    "FOR line IN EXECUTE 'EXPLAIN EXECUTE planned (''{}'', ''{}'', ''{}'', ''{}'', ''{}'')' " \
    "LOOP n := n + (strpos(line, $1) > 0)::integer; END LOOP; RETURN n; END $body$; "         \
    "SELECT pg_temp.lines_with('%s')"

static int64_t planned(const char *what)
{
    char statement[4096];
    int size = snprintf(statement, sizeof(statement), PLANNED,
                        ward_pg_statement_sql(WARD_PG_REWRAP), what);
    assert_in_range(size, 1, sizeof(statement) - 1);
    return postgres_number(&pg, statement);
}

/* Whatever the planner knows or believes of the table. */
static void assert_planned_by_place(void)
{
    assert_int_equal(planned("Tid Scan on subject_key s "), 1);
    assert_int_equal(planned("TID Cond: (ctid = n.place)"), 1);
    assert_int_equal(planned("Index Scan"), 0);
}

static void a_rewrap_finds_its_rows_without_an_index_however_many_there_are(void **state)
{
    static const char *const sizes[] = {"1", "10", "1000", "20000"};
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    (void)kek;
    assert_planned_by_place();
    postgres_sql(&pg, "VACUUM ANALYZE ward.subject_key");
    assert_planned_by_place();
    for (size_t i = 0; i < 4; i++) {
        char statement[512];
        (void)snprintf(statement, sizeof(statement),
                       "INSERT INTO ward.subject_key (id, kek, generation, subject_hash, "
                       "collection, wrapped, kek_version) SELECT gen_random_uuid(), "
                       "(SELECT id FROM ward.kek LIMIT 1), 1, sha256(random()::text::bytea), "
                       "'fhir', 'wrapped', 1 FROM generate_series(1, %s)",
                       sizes[i]);
        postgres_sql(&pg, statement);
        assert_planned_by_place(); /* what it was told is old */
        postgres_sql(&pg, "ANALYZE ward.subject_key");
        assert_planned_by_place();
    }
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
        T(subject_keys_lie_in_the_order_of_their_ids_and_a_rewrap_leaves_them_there),
        T(a_rewrap_finds_its_rows_without_an_index_however_many_there_are),
        T(a_page_that_was_read_before_the_table_was_laid_anew_moves),
        T(counting_use_leaves_no_trail),
        T(a_value_that_a_rule_of_the_schema_forbids_fails_the_commit),
    };
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
