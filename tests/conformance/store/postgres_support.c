/* SPDX-License-Identifier: Apache-2.0 */
/* Holding, killing and changing the server, and the ledger that survives it. */
#include "tests/conformance/store/postgres_support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define RESOLVE_MS 20000
#define HELD_MAX 4

struct postgres pg;
static pid_t held[HELD_MAX];

void assert_refused(ward_status status, enum ward_code code, const char *text)
{
    assert_code(status, code);
    assert_non_null(ward_status_refusal(status));
    assert_string_equal(ward_status_refusal(status), text);
}

ward_status new_head(struct fixture *fx)
{
    struct ward_store_writer *writer = NULL;
    struct ward_head head;
    assert_ok(ward_store_writer_open(fx->store, &writer));
    ward_status status = ward_store_head(writer, false, &head);
    ward_store_writer_close(writer);
    return status;
}

int64_t now_ms(void)
{
    return ward_monotonic_us(&ward_clock_system) / 1000;
}

void pause_ms(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000L};
    (void)nanosleep(&t, NULL);
}

int over_postgres_setup(void **state)
{
    struct ward_store *store = NULL;
    struct fixture *fx = calloc(1, sizeof(*fx));
    assert_non_null(fx);
    postgres_reset(&pg);
    assert_ok(ward_store_postgres_open(pg.daemon, &store));
    fixture_init(fx, store);
    fx->head = fixture_head(fx->w);
    *state = fx;
    return 0;
}

int over_postgres_teardown(void **state)
{
    for (int i = 0; i < HELD_MAX; i++) {
        if (held[i] != 0) {
            let_go(held[i]);
        }
    }
    fixture_fini(*state);
    free(*state);
    postgres_start(&pg); /* does nothing where it runs */
    postgres_sql(&pg, "ALTER ROLE ward_daemon RESET ALL");
    postgres_sql(&pg, "ALTER ROLE ward_daemon CONNECTION LIMIT -1");
    return 0;
}

pid_t backend_of(const char *application_name)
{
    char sql[160];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT pid FROM pg_stat_activity WHERE application_name = '%s' "
                   "ORDER BY backend_start LIMIT 1",
                   application_name);
    return (pid_t)postgres_number(&pg, sql);
}

void hold(pid_t pid)
{
    assert_true(pid > 1);
    for (int i = 0; i < HELD_MAX; i++) {
        if (held[i] == 0) {
            held[i] = pid;
            assert_int_equal(kill(pid, SIGSTOP), 0);
            return;
        }
    }
    fail();
}

void let_go(pid_t pid)
{
    for (int i = 0; i < HELD_MAX; i++) {
        if (held[i] == pid) {
            held[i] = 0;
            (void)kill(pid, SIGCONT); /* it may have ended meanwhile */
        }
    }
}

void terminate_writers(void)
{
    postgres_sql(&pg, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                      "WHERE application_name = 'wardd writer'");
}

void set_server(const char *name, const char *value)
{
    char sql[160], ask[160];
    (void)snprintf(sql, sizeof(sql),
                   value == NULL ? "ALTER SYSTEM RESET %s" : "ALTER SYSTEM SET %s = '%s'", name,
                   value);
    (void)snprintf(ask, sizeof(ask),
                   "SELECT (setting = %s)::integer FROM pg_settings WHERE name = '%s'",
                   value == NULL ? "reset_val" : "current_setting(name)", name);
    postgres_sql(&pg, sql);
    postgres_sql(&pg, "SELECT pg_reload_conf()");
    pause_ms(200); /* each server process reads it when it next hears from its client */
    assert_int_equal(postgres_number(&pg, ask), 1);
}

/* ---- the ledger ---- */

static bool build_entry(struct ledger *ledger, struct ward_digest *digest, struct ward_head *head,
                        uint8_t entry[static 64], struct ward_commit *commit)
{
    uint8_t hash[WARD_HASH_SIZE];
    int size = snprintf((char *)entry + 2, 62, "entry %u", ledger->entries);
    ward_put_u16(entry, (uint16_t)size);
    *commit = (struct ward_commit){.first_seq = head->tree.size,
                                   .n_leaves = 1,
                                   .leaves = WARD_BYTES(entry, (size_t)size + 2),
                                   .epoch = head->epoch,
                                   .tree = &head->tree};
    return ward_ok(ward_merkle_leaf(digest, WARD_BYTES(entry + 2, (size_t)size), hash)) &&
           ward_ok(ward_merkle_append(digest, &head->tree, hash));
}

static void resolve(struct ledger *ledger, struct ward_store_writer *writer,
                    const struct ward_commit *commit)
{
    int64_t until = now_ms() + RESOLVE_MS;
    bool committed = false;
    ledger->unknown++;
    while (!ward_ok(ward_store_resolve(writer, commit, &committed))) {
        if (now_ms() > until) {
            ledger->faults++;
            return;
        }
        pause_ms(10);
    }
    ledger->entries += committed ? 1 : 0;
    ledger->unknown_done += committed ? 1 : 0;
}

static void append_one(struct ledger *ledger, struct ward_store_writer *writer,
                       struct ward_digest *digest)
{
    struct ward_head head;
    struct ward_commit commit;
    uint8_t entry[64];
    int64_t began = now_ms();
    ward_status status = ward_store_head(writer, false, &head);
    if (!ward_ok(status)) {
        ledger->unavailable++;
        ledger->faults += status.code != WARD_E_UNAVAILABLE;
        ledger->longest_ms =
            now_ms() - began > ledger->longest_ms ? now_ms() - began : ledger->longest_ms;
        pause_ms(5);
        return;
    }
    ledger->faults += !build_entry(ledger, digest, &head, entry, &commit);
    switch (ward_store_commit(writer, &commit, &status)) {
    case WARD_COMMITTED:
        ledger->entries++;
        break;
    case WARD_COMMIT_UNKNOWN:
        resolve(ledger, writer, &commit);
        break;
    case WARD_COMMIT_UNAVAILABLE:
        ledger->unavailable++;
        break;
    case WARD_COMMIT_HEAD_MOVED:
    case WARD_COMMIT_STALE:
    case WARD_COMMIT_CONFLICT:
    case WARD_COMMIT_RETRY:
    case WARD_COMMIT_FAILED:
        ledger->faults++; /* it is alone */
        break;
    }
}

static void *keep_ledger(void *arg)
{
    struct ledger *ledger = arg;
    struct ward_store_writer *writer = NULL;
    struct ward_digest *digest = NULL;
    if (!ward_ok(ward_store_writer_open(ledger->store, &writer)) ||
        !ward_ok(ward_digest_new(&digest))) {
        ledger->faults++;
    } else {
        while (!atomic_load(&ledger->stop)) {
            append_one(ledger, writer, digest);
        }
    }
    ward_digest_free(digest);
    ward_store_writer_close(writer);
    return NULL;
}

void ledger_start(struct ledger *ledger, struct ward_store *store)
{
    *ledger = (struct ledger){.store = store};
    assert_int_equal(pthread_create(&ledger->thread, NULL, keep_ledger, ledger), 0);
}

void ledger_stop(struct ledger *ledger)
{
    atomic_store(&ledger->stop, true);
    assert_int_equal(pthread_join(ledger->thread, NULL), 0);
}

void ledger_check(struct fixture *fx, const struct ledger *ledger)
{
    struct ward_head head = fixture_head(fx->w);
    struct ward_merkle tree = {0};
    assert_int_equal(ledger->faults, 0);
    assert_int_equal(head.tree.size, ledger->entries);
    while (tree.size < head.tree.size) {
        struct ward_read read = {
            .kind = WARD_READ_AUDIT,
            .audit = {.start = tree.size, .end = head.tree.size, .max_bytes = 100000}};
        assert_ok(read_one(fx, &read));
        for (size_t i = 0; i < read.audit.n; i++) {
            char wanted[32];
            uint8_t hash[WARD_HASH_SIZE];
            (void)snprintf(wanted, sizeof(wanted), "entry %llu", (unsigned long long)tree.size);
            assert_bytes(read.audit.leaves[i], wanted);
            assert_ok(ward_merkle_leaf(fx->digest, read.audit.leaves[i], hash));
            assert_ok(ward_merkle_append(fx->digest, &tree, hash));
        }
    }
    uint8_t stored[WARD_HASH_SIZE], built[WARD_HASH_SIZE];
    assert_ok(ward_merkle_root(fx->digest, &head.tree, stored));
    assert_ok(ward_merkle_root(fx->digest, &tree, built));
    assert_memory_equal(stored, built, WARD_HASH_SIZE);
}
