/* SPDX-License-Identifier: Apache-2.0 */
/* The hooks of the memory store; its contract is in tests/conformance/store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/memory/memory.h"

struct world {
    struct ward_store *store;
    struct ward_store_writer *writer;
    struct ward_store_reader *reader;
    struct ward_merkle tree;
    struct ward_commit commit;
    /* what the fault answers, and on which record */
    enum ward_commit_outcome outcome;
    bool happens;
    const uint8_t *poison;
};

static int setup(void **state)
{
    static struct world world;
    world = (struct world){0};
    assert_true(ward_ok(ward_store_memory_open(&world.store)));
    assert_true(ward_ok(ward_store_writer_open(world.store, &world.writer)));
    assert_true(ward_ok(ward_store_reader_open(world.store, &world.reader)));
    world.tree.size = 1;
    world.commit =
        (struct ward_commit){.n_leaves = 1, .leaves = WARD_BYTES("\0\1a", 3), .tree = &world.tree};
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    ward_store_reader_close(world->reader);
    ward_store_writer_close(world->writer);
    ward_store_close(world->store);
    return 0;
}

static enum ward_commit_outcome fault(void *arg, const struct ward_commit *commit,
                                      bool *ret_happens)
{
    const struct world *world = arg;
    for (size_t i = 0; world->poison != NULL && i < commit->n_records; i++) {
        if (memcmp(commit->records[i].id_hash, world->poison, WARD_HASH_SIZE) == 0) {
            return WARD_COMMIT_FAILED;
        }
    }
    *ret_happens = world->happens;
    return world->outcome;
}

static uint64_t size_of(struct world *world)
{
    struct ward_head head;
    assert_true(ward_ok(ward_store_head(world->writer, false, &head)));
    return head.tree.size;
}

static void an_unknown_commit_may_have_happened(void **state)
{
    struct world *world = *state;
    ward_status status;
    bool committed = false;
    world->outcome = WARD_COMMIT_UNKNOWN;
    world->happens = true;
    ward_store_memory_set_fault(world->store, fault, world);
    assert_int_equal(ward_store_commit(world->writer, &world->commit, &status),
                     WARD_COMMIT_UNKNOWN);
    assert_int_equal(status.code, WARD_E_UNKNOWN_COMMIT);
    assert_true(ward_ok(ward_store_resolve(world->writer, &world->commit, &committed)));
    assert_true(committed);
    assert_int_equal(size_of(world), 1);
}

static void an_unknown_commit_may_not_have_happened(void **state)
{
    struct world *world = *state;
    ward_status status;
    bool committed = true;
    world->outcome = WARD_COMMIT_UNKNOWN;
    ward_store_memory_set_fault(world->store, fault, world);
    assert_int_equal(ward_store_commit(world->writer, &world->commit, &status),
                     WARD_COMMIT_UNKNOWN);
    assert_true(ward_ok(ward_store_resolve(world->writer, &world->commit, &committed)));
    assert_false(committed);
    assert_int_equal(size_of(world), 0);
}

static void every_other_fault_does_nothing(void **state)
{
    struct world *world = *state;
    static const struct {
        enum ward_commit_outcome outcome;
        enum ward_code code;
    } cases[] = {
        {WARD_COMMIT_HEAD_MOVED, WARD_E_CONFLICT},     {WARD_COMMIT_STALE, WARD_E_STALE},
        {WARD_COMMIT_CONFLICT, WARD_E_CONFLICT},       {WARD_COMMIT_RETRY, WARD_E_CONFLICT},
        {WARD_COMMIT_UNAVAILABLE, WARD_E_UNAVAILABLE}, {WARD_COMMIT_FAILED, WARD_E_INTERNAL}};
    world->happens = true;
    ward_store_memory_set_fault(world->store, fault, world);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ward_status status;
        world->outcome = cases[i].outcome;
        assert_int_equal(ward_store_commit(world->writer, &world->commit, &status),
                         cases[i].outcome);
        assert_int_equal(status.code, cases[i].code);
        assert_int_equal(size_of(world), 0);
    }
    ward_store_memory_set_fault(world->store, NULL, NULL);
    ward_status status;
    assert_int_equal(ward_store_commit(world->writer, &world->commit, &status), WARD_COMMITTED);
    assert_int_equal(ward_store_memory_commits(world->store), 1);
}

static void a_fault_may_follow_one_record(void **state)
{
    struct world *world = *state;
    static const uint8_t poison[WARD_HASH_SIZE] = {7};
    struct ward_new_record record = {.id_hash = {7},
                                     .version = 1,
                                     .schema_version = 1,
                                     .created_us = 1,
                                     .sealed = WARD_BYTES_LITERAL("sealed")};
    ward_status status;
    world->poison = poison;
    ward_store_memory_set_fault(world->store, fault, world);
    world->commit.records = &record;
    world->commit.n_records = 1;
    assert_int_equal(ward_store_commit(world->writer, &world->commit, &status), WARD_COMMIT_FAILED);
    record.id_hash[0] = 8;
    assert_int_equal(ward_store_commit(world->writer, &world->commit, &status),
                     WARD_COMMIT_CONFLICT); /* no subject key: the store itself looked at it */
    world->commit.n_records = 0;
    assert_int_equal(ward_store_commit(world->writer, &world->commit, &status), WARD_COMMITTED);
}

static void a_store_that_is_down_answers_nothing(void **state)
{
    struct world *world = *state;
    struct ward_head head;
    ward_status status;
    uint64_t epoch;
    bool committed;
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    assert_true(ward_ok(ward_arena_new(4096, &arena)));
    struct ward_read read = {.kind = WARD_READ_POLICIES, .arena = arena}, *one = &read;
    struct ward_store_snapshot snapshot;
    ward_store_memory_set_down(world->store, true);
    assert_int_equal(ward_store_head(world->writer, false, &head).code, WARD_E_UNAVAILABLE);
    assert_int_equal(ward_store_epoch(world->reader, &epoch).code, WARD_E_UNAVAILABLE);
    assert_int_equal(ward_store_read(world->reader, &one, 1).code, WARD_E_UNAVAILABLE);
    assert_int_equal(read.status.code, WARD_E_UNAVAILABLE);
    assert_int_equal(ward_store_snapshot(world->reader, arena, &snapshot).code, WARD_E_UNAVAILABLE);
    assert_int_equal(ward_store_commit(world->writer, &world->commit, &status),
                     WARD_COMMIT_UNAVAILABLE);
    assert_int_equal(ward_store_resolve(world->writer, &world->commit, &committed).code,
                     WARD_E_UNAVAILABLE);
    ward_store_memory_set_down(world->store, false);
    assert_int_equal(ward_store_commit(world->writer, &world->commit, &status), WARD_COMMITTED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_unknown_commit_may_have_happened),  T(an_unknown_commit_may_not_have_happened),
        T(every_other_fault_does_nothing),       T(a_fault_may_follow_one_record),
        T(a_store_that_is_down_answers_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
