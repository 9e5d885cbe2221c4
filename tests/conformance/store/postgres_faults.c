/* SPDX-License-Identifier: Apache-2.0 */
/* A server that stops, crashes, hangs, or ends a session in mid-commit: what was acknowledged
 * stays, what is doubtful is resolved to what is true, and nobody waits long. */
#include "tests/conformance/store/postgres_support.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "backends/postgres/conn.h"

/* One leaf. */
static enum ward_commit_outcome commit_leaf(struct fixture *fx)
{
    (void)fixture_begin(fx, 1);
    return fixture_commit(fx, fx->w);
}

/* A commit of several statements. */
static enum ward_commit_outcome commit_checkpoint(struct fixture *fx)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_CHECKPOINT};
    effect.checkpoint.size = 1;
    effect.checkpoint.note = ward_bytes_str("note");
    effect.checkpoint.created_us = 1;
    return fixture_effect(fx, &effect);
}

/* Where a test hangs its trigger, and a commit that writes there: a batch of entries alone is one
 * statement, which commits by itself. */
static const struct {
    const char *table;
    enum ward_commit_outcome (*commit)(struct fixture *fx);
} ways[] = {{"ward.checkpoint", commit_checkpoint}, {"ward.audit_batch_0", commit_leaf}};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static void in_commit(const char *table, const char *event, const char *body)
{
    char sql[600];
    (void)snprintf(sql, sizeof(sql),
                   "CREATE OR REPLACE FUNCTION public.in_commit() RETURNS trigger LANGUAGE plpgsql "
                   "AS $$ BEGIN %s RETURN NULL; END $$; "
                   "CREATE CONSTRAINT TRIGGER in_commit AFTER %s ON %s "
                   "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
                   "EXECUTE FUNCTION public.in_commit()",
                   body, event, table);
    postgres_sql(&pg, sql);
}

static void no_more_in_commit(const char *table)
{
    char sql[80];
    (void)snprintf(sql, sizeof(sql), "DROP TRIGGER in_commit ON %s", table);
    postgres_sql(&pg, sql);
}

static void *terminate_soon(void *unused)
{
    (void)unused;
    pause_ms(400);
    PGconn *conn = PQconnectdb(pg.superuser);
    PQclear(PQexec(conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                         "WHERE application_name = 'wardd writer' AND state = 'active'"));
    PQfinish(conn);
    return NULL;
}

static void a_stopped_server_is_unavailable_within_a_second_and_comes_back_by_itself(void **state)
{
    struct fixture *fx = *state;
    assert_outcome(commit_leaf(fx), WARD_COMMITTED);
    assert_false(a_snapshot(fx).initialised);
    postgres_stop(&pg, "fast");

    int64_t began = now_ms();
    uint64_t epoch;
    struct ward_head head;
    struct ward_store_snapshot snapshot;
    struct ward_read read = {.kind = WARD_READ_POLICY, .arena = fx->arena}, *one = &read;
    assert_outcome(commit_leaf(fx), WARD_COMMIT_UNAVAILABLE); /* nothing was sent: not unknown */
    assert_code(fx->status, WARD_E_UNAVAILABLE);
    assert_code(ward_store_read(fx->r, &one, 1), WARD_E_UNAVAILABLE);
    assert_code(read.status, WARD_E_UNAVAILABLE);
    assert_code(ward_store_epoch(fx->r, &epoch), WARD_E_UNAVAILABLE);
    assert_code(ward_store_snapshot(fx->r, fx->arena, &snapshot), WARD_E_UNAVAILABLE);
    assert_code(ward_store_head(fx->w2, true, &head), WARD_E_UNAVAILABLE);
    bool committed;
    assert_code(ward_store_resolve(fx->w, &fx->commit, &committed), WARD_E_UNAVAILABLE);
    assert_in_range(now_ms() - began, 0, 1500);

    postgres_start(&pg);
    assert_ok(ward_store_epoch(fx->r, &epoch));
    assert_code(read_one(fx, &read), WARD_E_NOT_FOUND);
    assert_outcome(commit_leaf(fx), WARD_COMMITTED);
}

static void a_restarted_server_is_not_noticed_by_readers_and_idle_writers(void **state)
{
    struct fixture *fx = *state;
    assert_outcome(commit_leaf(fx), WARD_COMMITTED);
    assert_int_equal(record_version(fx, (const uint8_t[WARD_HASH_SIZE]){0}), 0);
    postgres_stop(&pg, "immediate");
    postgres_start(&pg);
    assert_int_equal(record_version(fx, (const uint8_t[WARD_HASH_SIZE]){0}), 0);
    assert_outcome(commit_leaf(fx), WARD_COMMITTED);
    assert_int_equal(fixture_head(fx->w2).tree.size, 2);
}

static void a_lock_that_went_with_its_connection_is_not_taken_for_held(void **state)
{
    struct fixture *fx = *state;
    struct ward_head head;
    assert_ok(ward_store_head(fx->w, true, &head));
    terminate_writers();
    pause_ms(100);
    assert_outcome(commit_leaf(fx), WARD_COMMIT_UNAVAILABLE);
    assert_outcome(commit_leaf(fx), WARD_COMMITTED);
}

static void crashes_in_mid_commit_lose_nothing_acknowledged(void **state)
{
    struct fixture *fx = *state;
    struct ledger ledger;
    ledger_start(&ledger, fx->store);
    for (int i = 0; i < 6; i++) {
        pause_ms(60 + 17 * i);
        postgres_stop(&pg, "immediate");
        postgres_start(&pg);
    }
    pause_ms(200);
    ledger_stop(&ledger);
    print_message("%u entries, %u unknown of which %u had happened, %u unavailable\n",
                  ledger.entries, ledger.unknown, ledger.unknown_done, ledger.unavailable);
    assert_true(ledger.entries > 0);
    assert_in_range(ledger.longest_ms, 0, 2000);
    ledger_check(fx, &ledger);
}

static void sessions_ended_in_mid_commit_lose_nothing_acknowledged(void **state)
{
    struct fixture *fx = *state;
    struct ledger ledger;
    ledger_start(&ledger, fx->store);
    for (int i = 0; i < 60; i++) {
        pause_ms(1 + i % 13);
        terminate_writers();
    }
    pause_ms(100);
    ledger_stop(&ledger);
    print_message("%u entries, %u unknown of which %u had happened, %u unavailable\n",
                  ledger.entries, ledger.unknown, ledger.unknown_done, ledger.unavailable);
    assert_true(ledger.entries > 0);
    ledger_check(fx, &ledger);
}

static void a_session_ended_in_its_commit_is_unknown_then_resolved(void **state)
{
    struct fixture *fx = *state;
    for (size_t i = 0; i < WAYS; i++) {
        pthread_t thread;
        bool committed = true;
        in_commit(ways[i].table, "INSERT", "PERFORM pg_sleep(10);");
        assert_int_equal(pthread_create(&thread, NULL, terminate_soon, NULL), 0);
        enum ward_commit_outcome outcome = ways[i].commit(fx);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_outcome(outcome, WARD_COMMIT_UNKNOWN);
        assert_code(fx->status, WARD_E_UNKNOWN_COMMIT);
        assert_ok(ward_store_resolve(fx->w, &fx->commit, &committed));
        assert_false(committed);
        assert_head_unmoved(fx);
        no_more_in_commit(ways[i].table);
    }
}

static void an_error_of_the_commit_itself_is_a_known_rollback(void **state)
{
    struct fixture *fx = *state;
    for (size_t i = 0; i < WAYS; i++) {
        pid_t backend = backend_of("wardd writer");
        in_commit(ways[i].table, "INSERT", "RAISE EXCEPTION USING ERRCODE = '40001';");
        assert_outcome(ways[i].commit(fx), WARD_COMMIT_RETRY);
        no_more_in_commit(ways[i].table);
        in_commit(ways[i].table, "INSERT", "RAISE EXCEPTION USING ERRCODE = 'P0001';");
        assert_outcome(ways[i].commit(fx), WARD_COMMIT_FAILED);
        assert_code(fx->status, WARD_E_INTERNAL);
        no_more_in_commit(ways[i].table);
        assert_head_unmoved(fx);
        assert_outcome(ways[i].commit(fx), WARD_COMMITTED);
        assert_int_equal(backend_of("wardd writer"), backend); /* on the same connection */
    }
}

static void a_reservation_whose_commit_failed_grants_nothing(void **state)
{
    struct fixture *fx = *state;
    struct ward_read read = {.kind = WARD_READ_RESERVE}, other = {.kind = WARD_READ_POLICY};
    struct ward_read *reads[] = {&read, &other};
    read.reserve.kek = a_kek(fx, "app");
    read.reserve.version = 1;
    read.reserve.block = 10;
    read.reserve.limit = 100;
    in_commit("ward.kek_version", "UPDATE", "RAISE EXCEPTION USING ERRCODE = 'P0001';");
    read.arena = other.arena = fx->arena;
    assert_ok(ward_store_read(fx->r, reads, 2));
    assert_code(read.status, WARD_E_INTERNAL);
    assert_code(other.status, WARD_E_NOT_FOUND); /* nothing else suffered */
    no_more_in_commit("ward.kek_version");
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.reserve.granted, 10);
    assert_int_equal(read.reserve.total, 10);
}

/* The server hangs with the whole commit in its socket, is given up, and wakes when the commit was
 * already called undone. */
static void a_commit_that_was_resolved_as_undone_stays_undone(void **state)
{
    struct fixture *fx = *state;
    bool committed = true;
    pid_t backend = backend_of("wardd writer");
    hold(backend);
    int64_t began = now_ms();
    assert_outcome(commit_leaf(fx), WARD_COMMIT_UNKNOWN);
    assert_in_range(now_ms() - began, 0, 5000);
    assert_ok(ward_store_resolve(fx->w, &fx->commit, &committed));
    assert_false(committed);
    let_go(backend);
    pause_ms(300);
    assert_head_unmoved(fx);
    assert_outcome(commit_leaf(fx), WARD_COMMITTED);
    assert_int_equal(fixture_head(fx->w).tree.size, 1);
}

static void another_writer_notices_that_the_fence_moved(void **state)
{
    struct fixture *fx = *state;
    bool committed = true;
    fx->head = fixture_head(fx->w);
    (void)fixture_head(fx->w2);
    struct ward_commit *commit = fixture_begin(fx, 1);
    assert_ok(ward_store_resolve(fx->w2, commit, &committed));
    assert_false(committed);
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMIT_HEAD_MOVED);
    fx->head = fixture_head(fx->w);
    assert_outcome(commit_leaf(fx), WARD_COMMITTED);
}

static void a_server_that_does_not_answer_is_unavailable_within_a_second(void **state)
{
    struct fixture *fx = *state;
    char path[64], ignored[64];
    int postmaster = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)backend_of("wardd writer"));
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    /* pid (comm) state ppid */
    assert_int_equal(fscanf(f, "%63s %63s %63s %d", ignored, ignored, ignored, &postmaster), 4);
    (void)fclose(f);
    struct ward_store_writer *writer = NULL;
    assert_ok(ward_store_writer_open(fx->store, &writer));
    hold(postmaster);
    struct ward_head head;
    int64_t began = now_ms();
    assert_code(ward_store_head(writer, false, &head), WARD_E_UNAVAILABLE);
    assert_in_range(now_ms() - began, 500, 2000);
    let_go(postmaster);
    assert_ok(ward_store_head(writer, false, &head));
    ward_store_writer_close(writer);
}

/* A listener that takes connections and says nothing, as a host behind a broken network does. */
static int listen_in(const char *dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.5432", dir);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static void of_several_hosts_one_that_says_nothing_is_passed_over(void **state)
{
    char dir[] = "/tmp/ward-silent-XXXXXX", path[64], conninfo[200];
    struct ward_store *store = NULL;
    struct ward_store_writer *writer = NULL;
    struct ward_head head;
    (void)state;
    assert_non_null(mkdtemp(dir));
    int fd = listen_in(dir);
    (void)snprintf(conninfo, sizeof(conninfo),
                   "host=/nonexistent,%s,%s port=5432,5432,5432 dbname=ward user=ward_daemon", dir,
                   pg.dir);
    assert_ok(ward_store_postgres_open(conninfo, &store));
    assert_ok(ward_store_writer_open(store, &writer));
    int64_t began = now_ms();
    int failed = 0;
    while (!ward_ok(ward_store_head(writer, false, &head)) && failed < 5) {
        failed++;
    }
    assert_in_range(failed, 1, 2);
    assert_in_range(now_ms() - began, 700, 3000);
    ward_store_writer_close(writer);
    ward_store_close(store);
    (void)close(fd);
    (void)snprintf(path, sizeof(path), "%s/.s.PGSQL.5432", dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* Locks are waited for while statements are parsed, for longer than a connection may take. */
static void who_was_let_in_has_longer_to_have_its_statements_taken(void **state)
{
    struct fixture *fx = *state;
    bool taken = false;
    for (int i = 0; i < 10 && !taken; i++) { /* a server that stalls waits no longer than 1.5 s */
        struct ward_store_writer *writer = NULL;
        struct ward_head head;
        PGconn *conn = PQconnectdb(pg.superuser);
        PQclear(PQexec(conn, "BEGIN; LOCK TABLE ward.migration IN ACCESS EXCLUSIVE MODE"));
        assert_int_equal(PQsendQuery(conn, "SELECT pg_sleep(1.1); COMMIT"), 1);
        assert_ok(ward_store_writer_open(fx->store, &writer));
        int64_t began = now_ms();
        ward_status status = ward_store_head(writer, false, &head);
        taken = ward_ok(status) && now_ms() - began > WARD_PG_CONNECT_MS;
        ward_store_writer_close(writer);
        PQfinish(conn);
    }
    assert_true(taken);
}

static void a_reader_gives_up_a_server_that_hangs(void **state)
{
    struct fixture *fx = *state;
    uint64_t epoch;
    assert_ok(ward_store_epoch(fx->r, &epoch));
    pid_t backend = backend_of("wardd reader");
    hold(backend);
    int64_t began = now_ms();
    assert_code(ward_store_epoch(fx->r, &epoch), WARD_E_UNAVAILABLE);
    assert_in_range(now_ms() - began, 0, 5000);
    assert_ok(ward_store_epoch(fx->r, &epoch)); /* on a new connection */
    let_go(backend);
}

static void a_commit_that_the_standby_did_not_confirm_is_unknown_until_it_does(void **state)
{
    struct fixture *fx = *state;
    bool committed = false;
    set_server("synchronous_standby_names", "nobody");
    assert_outcome(commit_leaf(fx), WARD_COMMIT_UNKNOWN);
    /* The row is there, and would be lost with this machine. */
    assert_code(ward_store_resolve(fx->w, &fx->commit, &committed), WARD_E_UNAVAILABLE);
    assert_false(committed);
    set_server("synchronous_standby_names", NULL);
    assert_ok(ward_store_resolve(fx->w, &fx->commit, &committed));
    assert_true(committed);
}

static void a_head_that_somebody_holds_is_tried_again(void **state)
{
    struct fixture *fx = *state;
    PGconn *conn = PQconnectdb(pg.superuser);
    PQclear(PQexec(conn, "BEGIN; SELECT 1 FROM ward.head FOR UPDATE"));
    int64_t began = now_ms();
    assert_outcome(commit_leaf(fx), WARD_COMMIT_RETRY);
    struct ward_head head;
    assert_code(ward_store_head(fx->w, true, &head), WARD_E_CONFLICT);
    assert_ok(ward_store_head(fx->w, false, &head)); /* reading waits for nobody */
    assert_in_range(now_ms() - began, 2500, 6000);
    PQfinish(conn);
    assert_outcome(commit_leaf(fx), WARD_COMMITTED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, over_postgres_setup, over_postgres_teardown)

int postgres_suite_faults(void)
{
    const struct CMUnitTest tests[] = {
        T(a_stopped_server_is_unavailable_within_a_second_and_comes_back_by_itself),
        T(a_restarted_server_is_not_noticed_by_readers_and_idle_writers),
        T(a_lock_that_went_with_its_connection_is_not_taken_for_held),
        T(crashes_in_mid_commit_lose_nothing_acknowledged),
        T(sessions_ended_in_mid_commit_lose_nothing_acknowledged),
        T(a_session_ended_in_its_commit_is_unknown_then_resolved),
        T(an_error_of_the_commit_itself_is_a_known_rollback),
        T(a_reservation_whose_commit_failed_grants_nothing),
        T(a_commit_that_was_resolved_as_undone_stays_undone),
        T(another_writer_notices_that_the_fence_moved),
        T(a_server_that_does_not_answer_is_unavailable_within_a_second),
        T(of_several_hosts_one_that_says_nothing_is_passed_over),
        T(who_was_let_in_has_longer_to_have_its_statements_taken),
        T(a_reader_gives_up_a_server_that_hangs),
        T(a_commit_that_the_standby_did_not_confirm_is_unknown_until_it_does),
        T(a_head_that_somebody_holds_is_tried_again),
    };
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
