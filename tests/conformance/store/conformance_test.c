/* SPDX-License-Identifier: Apache-2.0 */
/* The suite over one store: "memory" or "postgres". Exits 77, meson's "skipped", where PostgreSQL
 * is not installed. */
#include "tests/conformance/store/store_fixture.h"

#include "backends/memory/memory.h"
#include "tests/support/postgres.h"

static struct postgres pg;
const struct store_under_test *store_under_test;

static struct ward_store *open_memory(void)
{
    struct ward_store *store = NULL;
    assert_ok(ward_store_memory_open(&store));
    return store;
}

static void set_memory_state(struct ward_store *store, const struct ward_id *id, uint8_t state)
{
    assert_true(ward_store_memory_set_subject_state(store, id, state));
}

static struct ward_store *open_postgres(void)
{
    struct ward_store *store = NULL;
    postgres_reset(&pg);
    assert_ok(ward_store_postgres_open(pg.daemon, &store));
    return store;
}

static void set_postgres_state(struct ward_store *store, const struct ward_id *id, uint8_t state)
{
    char text[WARD_ID_TEXT_SIZE], sql[160];
    (void)store;
    ward_id_print(id, text);
    (void)snprintf(sql, sizeof(sql), "UPDATE ward.subject_key SET state = %u WHERE id = '%s'",
                   (unsigned)state, text);
    postgres_sql(&pg, sql);
}

static const struct store_under_test memory = {"memory", open_memory, set_memory_state};
static const struct store_under_test postgres = {"postgres", open_postgres, set_postgres_state};

static int run(const struct store_under_test *which)
{
    store_under_test = which;
    return store_suite_admin() + store_suite_commit() + store_suite_reads() + store_suite_kept() +
           store_suite_life() + store_suite_daemons() + store_suite_emergencies() +
           store_suite_jobs() + store_suite_rekey() + store_suite_sightings() + store_suite_race();
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "memory") == 0) {
        return run(&memory) == 0 ? 0 : 1;
    }
    if (!postgres_new(&pg)) {
        print_message("PostgreSQL is not installed\n");
        return 77;
    }
    int failed = run(&postgres);
    postgres_remove(&pg);
    return failed == 0 ? 0 : 1;
}
