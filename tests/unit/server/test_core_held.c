/* SPDX-License-Identifier: Apache-2.0 */
/* How many rows of which collections need a key, and where officers read it: in a refusal, in a
 * proposal and in what a key was used for. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define KEY "phi/records"
#define LONG_NAME "c0123456789012345678901234567890123456789012345678901234567890123456789012345678"

static struct core_world world;
static struct core_node node;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, KEY, WARD_PURPOSE_RECORDS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

/* Rows as another daemon would have written them. */
static void hold(uint32_t version, const char *collection, size_t n)
{
    struct ward_state *held = ward_state_slot_get(&node.states);
    for (size_t i = 0; i < n; i++) {
        struct ward_new_subject_key key = {
            .collection = ward_bytes_str(collection),
            .generation = 1,
            .kek = ward_state_key(held, ward_bytes_str(KEY))->id,
            .kek_version = version,
            .wrapped = WARD_BYTES_LITERAL("wrapped"),
        };
        assert_ok(ward_id_random(&key.id));
        memcpy(key.subject_hash, key.id.bytes, sizeof(key.id.bytes));
        struct ward_commit commit = {.subject_keys = &key, .n_subject_keys = 1};
        assert_int_equal(core_world_commit(&world, &commit, ",\"outcome\":\"allowed\"}"),
                         WARD_COMMITTED);
    }
    ward_state_unref(held);
}

/* What the proposal says in numbers of names with this beginning: "name=3 name=4". */
static void numbers_of(const struct core_proposal *proposal, const char *prefix, char out[512])
{
    struct ward_arena *arena = NULL;
    struct ward_proposal parsed;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_proposal_parse(proposal->payload, arena, &parsed));
    assert_true(parsed.n_consequences <= WARD_PROPOSAL_PARAMS_MAX);
    out[0] = 0;
    for (size_t i = 0; i < parsed.n_consequences; i++) {
        struct ward_bytes name = parsed.consequences[i].name;
        size_t used = strlen(out);
        if (name.size >= strlen(prefix) && memcmp(name.data, prefix, strlen(prefix)) == 0) {
            (void)snprintf(out + used, 512 - used, "%s%.*s=%" PRId64, used == 0 ? "" : " ",
                           (int)(name.size - strlen(prefix)), name.data + strlen(prefix),
                           parsed.consequences[i].number);
        }
    }
    ward_arena_free(arena);
}

#define EXPECT_NUMBERS(proposal, prefix, text)    \
    do {                                          \
        char numbers[512];                        \
        numbers_of(&(proposal), prefix, numbers); \
        assert_string_equal(numbers, text);       \
    } while (0)

/* The refusal to destroy version 1: its number of rows, and the collections in words. */
static void refused(long long rows, const char *collections)
{
    struct ward_request *asked =
        core_change(&world, &world.officer_a, &ward_op_key_schedule_destroy, KEY, 1);
    ward_status status = core_run(&node, asked);
    assert_code(status, WARD_E_STATE);
    assert_string_equal(ward_status_refusal(status),
                        "version: stored rows still need it; they must be rewrapped first");
    assert_true(asked->tells_detail);
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, asked->request_id);
    assert_int_equal(core_detail_number(leaf, "rows"), rows);
    assert_string_equal(core_detail(leaf, "collections"), collections);
    core_log_close(&log);
    ward_request_free(asked);
}

static void a_refusal_counts_the_version_s_rows_by_collection(void **state)
{
    (void)state;
    core_rotate_fully(&node, KEY);
    hold(1, "labs", 2);
    hold(1, "patients", 3);
    hold(2, "imaging", 4); /* of another version */
    refused(5, "patients 3, labs 2");
}

/* Policy gives the key one collection by now; its older rows are of another all the same. */
static void rows_count_under_the_collection_that_they_are_of(void **state)
{
    (void)state;
    core_rotate_fully(&node, KEY);
    hold(1, "retired", 1);
    refused(1, "retired 1");
}

static void a_refusal_stays_short(void **state)
{
    (void)state;
    core_rotate_fully(&node, KEY);
    hold(1, LONG_NAME "-a", 1);
    hold(1, LONG_NAME "-b", 1);
    hold(1, "short", 1);
    refused(3, LONG_NAME "-a 1 and 2 more");
    hold(1, LONG_NAME "-012345678901234567890123456789", 2);
    refused(5, "4 with long names");
}

static void a_proposal_says_whose_rows_it_touches(void **state)
{
    (void)state;
    struct core_proposal proposal;
    hold(1, "labs", 2);
    hold(1, "patients", 3);
    core_propose_change(&node, &world.officer_a, &ward_op_key_suspend, KEY, 1, &proposal);
    EXPECT_NUMBERS(proposal, "rows_in", ".labs=2 .patients=3");
    EXPECT_NUMBERS(proposal, "rows_of", "");
    core_propose_change(&node, &world.officer_a, &ward_op_key_change, KEY, 0, &proposal);
    EXPECT_NUMBERS(proposal, "rows_in", "");
    core_propose(&node, &world.officer_a, KEY, &proposal);
    EXPECT_NUMBERS(proposal, "rows_in", ".labs=2 .patients=3");
    EXPECT_NUMBERS(proposal, "rows_of", "_version.1=5");
}

static void of_a_whole_key_versions_and_collections_are_told_apart(void **state)
{
    (void)state;
    struct core_proposal proposal;
    for (uint32_t version = 1; version <= 4; version++) {
        hold(version, "labs", version);
        if (version < 4) {
            core_rotate_fully(&node, KEY);
        }
    }
    hold(1, "patients", 11);
    core_propose_change(&node, &world.officer_a, &ward_op_key_disable, KEY, 0, &proposal);
    EXPECT_NUMBERS(proposal, "rows_in", ".labs=10 .patients=11");
    EXPECT_NUMBERS(proposal, "rows_of", "_other_versions=14 _version.3=3 _version.4=4");
    EXPECT_NUMBERS(proposal, "rows_that_cannot_be_read", "=21");
    core_propose_change(&node, &world.officer_a, &ward_op_key_suspend, KEY, 4, &proposal);
    EXPECT_NUMBERS(proposal, "rows_in", ".labs=4");
}

static void more_collections_than_there_is_room_for_are_summed_up(void **state)
{
    (void)state;
    struct core_proposal proposal;
    char name[32];
    for (unsigned i = 0; i < 12; i++) {
        (void)snprintf(name, sizeof(name), "c%02u", i);
        hold(1, name, i < 2 ? 3 - i : 1);
    }
    core_propose_change(&node, &world.officer_a, &ward_op_key_suspend, KEY, 1, &proposal);
    EXPECT_NUMBERS(proposal, "rows_in",
                   ".c00=3 .c01=2 .c02=1 .c03=1 .c04=1 .c05=1 .c06=1 _other_collections=5");
    core_propose_change(&node, &world.officer_a, &ward_op_key_disable, KEY, 0, &proposal);
    EXPECT_NUMBERS(proposal, "rows_in", ".c00=3 .c01=2 .c02=1 .c03=1 _other_collections=8");
    core_propose(&node, &world.officer_a, KEY, &proposal);
    EXPECT_NUMBERS(proposal, "rows_in",
                   ".c00=3 .c01=2 .c02=1 .c03=1 .c04=1 .c05=1 _other_collections=6");
}

static void usage_tells_collections_of_each_version(void **state)
{
    (void)state;
    core_rotate_fully(&node, KEY);
    hold(2, "labs", 2);
    hold(1, "patients", 1);
    hold(2, "imaging", 1);
    struct ward_request *request =
        core_request(&world, &world.officer_a, &ward_op_key_usage, sizeof(struct ward_key_usage));
    struct ward_key_usage *in = request->in;
    in->name = WARD_BYTES_LITERAL(KEY);
    assert_ok(core_run(&node, request));
    assert_int_equal(in->n_versions, 2);
    assert_int_equal(in->versions[0].n_held, 1);
    assert_int_equal(in->versions[1].n_held, 2);
    assert_true(ward_bytes_eq(in->versions[1].held[0].collection, WARD_BYTES_LITERAL("labs")));
    assert_int_equal(in->versions[1].held[0].rows, 2);
    ward_request_free(request);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(a_refusal_counts_the_version_s_rows_by_collection),
        T(rows_count_under_the_collection_that_they_are_of),
        T(a_refusal_stays_short),
        T(a_proposal_says_whose_rows_it_touches),
        T(of_a_whole_key_versions_and_collections_are_told_apart),
        T(more_collections_than_there_is_room_for_are_summed_up),
        T(usage_tells_collections_of_each_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
