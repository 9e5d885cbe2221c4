/* SPDX-License-Identifier: Apache-2.0 */
/* How often a key version wraps: never more than was reserved, refused at the limit, rotated before
 * it, and shared by all nodes. */
#include "server/jobs/rotation.h"
#include "server/work/budget.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#include <stdlib.h>

/* ---- the budget alone ---- */

static struct ward_kek_ref a_ref(uint32_t version)
{
    struct ward_kek_ref ref = {.version = version};
    assert_ok(ward_id_random(&ref.id));
    return ref;
}

static struct ward_budget *a_budget(uint64_t hard, uint64_t block)
{
    const struct ward_budget_limits limits = {.soft = hard, .hard = hard, .block = block};
    struct ward_budget *budget = NULL;
    assert_ok(ward_budget_new(&limits, &budget));
    return budget;
}

static bool take(struct ward_budget *budget, const struct ward_kek_ref *ref, uint64_t n)
{
    struct ward_budget_need need = {.key = *ref, .n = n};
    return ward_budget_take(budget, &need, 1) && ward_ok(need.status);
}

/* A round for some needs, the store's part played by hand: everything is granted up to the limit.
 */
static void reserve(struct ward_budget *budget, struct ward_budget_need *needs, size_t n,
                    uint64_t *total, ward_status status)
{
    struct ward_budget_round *round = NULL;
    struct ward_arena *arena = NULL;
    assert_ok(ward_arena_new(65536, &arena));
    assert_ok(ward_budget_round_new(budget, &round));
    ward_budget_round_begin(round);
    for (size_t i = 0; i < n; i++) {
        assert_ok(ward_budget_round_add(round, &needs[i], 1, arena));
    }
    for (size_t i = 0; i < ward_budget_round_reads(round); i++) {
        struct ward_read *read = ward_budget_round_read(round, i);
        read->status = status;
        if (!ward_ok(status)) {
            continue;
        }
        uint64_t left = *total < read->reserve.limit ? read->reserve.limit - *total : 0;
        read->reserve.granted = read->reserve.block < left ? read->reserve.block : left;
        *total += read->reserve.granted;
        read->reserve.total = *total;
    }
    ward_budget_round_settle(round);
    ward_budget_round_free(round);
    ward_arena_free(arena);
}

static void what_was_not_reserved_is_not_taken(void **state)
{
    (void)state;
    struct ward_budget *budget = a_budget(1000, 10);
    struct ward_kek_ref ref = a_ref(1), other = {.id = ref.id, .version = 2};
    uint64_t total = 0;
    assert_false(take(budget, &ref, 1));
    struct ward_budget_need need = {.key = ref, .n = 1};
    reserve(budget, &need, 1, &total, WARD_OK);
    assert_true(need.served);
    assert_ok(need.status);
    assert_int_equal(total, 10);
    assert_true(take(budget, &ref, 9));
    assert_false(take(budget, &ref, 1));
    assert_false(take(budget, &other, 1)); /* another version, another count */
    ward_budget_free(budget);
}

static void all_of_a_request_is_taken_or_nothing(void **state)
{
    (void)state;
    struct ward_budget *budget = a_budget(1000, 10);
    struct ward_kek_ref a = a_ref(1), b = a_ref(1);
    uint64_t total = 0;
    struct ward_budget_need first = {.key = a, .n = 1};
    reserve(budget, &first, 1, &total, WARD_OK);
    struct ward_budget_need both[] = {{.key = a, .n = 5}, {.key = b, .n = 1}};
    assert_false(ward_budget_take(budget, both, 2));
    assert_false(both[0].served);
    assert_true(take(budget, &a, 9));
    ward_budget_free(budget);
}

static void those_who_wait_together_share_one_reservation(void **state)
{
    (void)state;
    struct ward_budget *budget = a_budget(100000, 10);
    struct ward_kek_ref ref = a_ref(1);
    uint64_t total = 0;
    struct ward_budget_need needs[5];
    for (size_t i = 0; i < 5; i++) {
        needs[i] = (struct ward_budget_need){.key = ref, .n = 30};
    }
    reserve(budget, needs, 5, &total, WARD_OK);
    for (size_t i = 0; i < 5; i++) {
        assert_true(needs[i].served);
        assert_ok(needs[i].status);
    }
    assert_int_equal(total, 150); /* larger than the block, since all of it is wanted */
    assert_false(take(budget, &ref, 1));
    ward_budget_free(budget);
}

static void near_the_limit_some_are_served_and_the_rest_is_refused_for_good(void **state)
{
    (void)state;
    struct ward_budget *budget = a_budget(100, 1000);
    struct ward_kek_ref ref = a_ref(1);
    uint64_t total = 0;
    struct ward_budget_need needs[] = {
        {.key = ref, .n = 60}, {.key = ref, .n = 60}, {.key = ref, .n = 40}};
    reserve(budget, needs, 3, &total, WARD_OK);
    assert_ok(needs[0].status);
    assert_code(needs[1].status, WARD_E_STATE);
    assert_string_equal(ward_status_refusal(needs[1].status),
                        "key: this version has wrapped as often as it may; rotate it");
    assert_ok(needs[2].status);
    assert_int_equal(total, 100);
    struct ward_budget_need late = {.key = ref, .n = 1};
    assert_true(ward_budget_take(budget, &late, 1)); /* no reader is troubled any more */
    assert_code(late.status, WARD_E_STATE);
    ward_budget_free(budget);
}

static void a_store_that_is_away_grants_nothing(void **state)
{
    (void)state;
    struct ward_budget *budget = a_budget(100, 10);
    struct ward_kek_ref ref = a_ref(1);
    uint64_t total = 0;
    struct ward_budget_need need = {.key = ref, .n = 1};
    reserve(budget, &need, 1, &total, WARD_STATUS(WARD_E_UNAVAILABLE));
    assert_code(need.status, WARD_E_UNAVAILABLE);
    assert_false(take(budget, &ref, 1));
    ward_budget_free(budget);
}

static void the_soft_limit_is_told_of_once_for_each_version(void **state)
{
    (void)state;
    const struct ward_budget_limits limits = {25, 1000, 10};
    struct ward_budget *budget = NULL;
    assert_ok(ward_budget_new(&limits, &budget));
    for (int version = 0; version < 2; version++) {
        struct ward_kek_ref ref = a_ref(1);
        uint64_t total = 0;
        for (int i = 0; i < 4; i++) {
            struct ward_budget_need need = {.key = ref, .n = 10};
            reserve(budget, &need, 1, &total, WARD_OK);
            assert_int_equal(ward_budget_reached(budget), i == 2);
        }
    }
    ward_budget_free(budget);
}

static void blocks_grow_with_use_up_to_the_one_that_is_set(void **state)
{
    (void)state;
    struct ward_budget *budget = a_budget(1u << 30, 5000);
    struct ward_kek_ref ref = a_ref(1);
    static const uint64_t blocks[] = {1024, 2048, 4096, 5000, 5000};
    uint64_t total = 0;
    for (size_t i = 0; i < 5; i++) {
        uint64_t before = total;
        struct ward_budget_need need = {.key = ref, .n = 1};
        reserve(budget, &need, 1, &total, WARD_OK);
        assert_int_equal(total - before, blocks[i]);
        assert_true(take(budget, &ref, blocks[i] - 1));
    }
    ward_budget_free(budget);
}

static bool keeps_even(void *context, const struct ward_kek_ref *key)
{
    (void)context;
    return key->version % 2 == 0;
}

static void ten_thousand_keys_are_counted_apart_and_forgotten_when_they_wrap_no_more(void **state)
{
    (void)state;
    enum { N = 10000 };
    struct ward_budget *budget = a_budget(1u << 30, 7);
    struct ward_kek_ref *refs = calloc(N, sizeof(*refs));
    assert_non_null(refs);
    for (uint32_t i = 0; i < N; i++) {
        uint64_t total = 0;
        refs[i] = a_ref(i + 1);
        struct ward_budget_need need = {.key = refs[i], .n = 1 + i % 7};
        reserve(budget, &need, 1, &total, WARD_OK);
        assert_int_equal(total, 7);
    }
    assert_int_equal(ward_budget_size(budget), N);
    ward_budget_trim(budget, keeps_even, NULL);
    assert_int_equal(ward_budget_size(budget), N / 2);
    for (uint32_t i = 0; i < N; i++) {
        bool kept = refs[i].version % 2 == 0;
        uint64_t left = 7 - (1 + i % 7);
        if (left > 0) {
            assert_int_equal(take(budget, &refs[i], left), kept);
        }
        assert_false(take(budget, &refs[i], 1));
        assert_int_equal(ward_budget_total(budget, &refs[i], 3), kept ? 7 : 3);
    }
    free(refs);
    ward_budget_free(budget);
}

static void limits_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct ward_budget_limits cases[] = {
        {.soft = 0, .hard = 10, .block = 1},
        {.soft = 11, .hard = 10, .block = 1},
        {.soft = 1, .hard = 10, .block = 0},
        {.soft = 1, .hard = 1ULL << 32, .block = 1},
    };
    for (size_t i = 0; i < 4; i++) {
        struct ward_budget *budget = NULL;
        assert_code(ward_budget_new(&cases[i], &budget), WARD_E_INTERNAL);
        assert_null(budget);
    }
}

/* ---- the budget in a daemon ---- */

static struct core_world world;
static struct core_node node, second;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    world.wraps = (struct ward_budget_limits){.soft = 60, .hard = 100, .block = 8};
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "app/other", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "phi/records", WARD_PURPOSE_RECORDS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

/* As the database has it now: a state is read when the epoch moves, which counting does not do. */
static uint64_t stored_wraps(const char *name, uint32_t version)
{
    struct ward_store_reader *reader = NULL;
    struct ward_store_snapshot snapshot;
    struct ward_arena *arena = NULL;
    uint64_t wraps = UINT64_MAX;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_reader_open(world.store, &reader));
    assert_ok(ward_store_snapshot(reader, arena, &snapshot));
    for (size_t k = 0; k < snapshot.n_keks; k++) {
        for (size_t v = 0; v < snapshot.n_versions; v++) {
            if (ward_bytes_eq(snapshot.keks[k].name, ward_bytes_str(name)) &&
                ward_id_eq(&snapshot.versions[v].kek, &snapshot.keks[k].id) &&
                snapshot.versions[v].version == version) {
                wraps = snapshot.versions[v].wraps;
            }
        }
    }
    assert_true(wraps != UINT64_MAX);
    ward_store_reader_close(reader);
    ward_arena_free(arena);
    return wraps;
}

static enum ward_code generate(struct core_node *at, const char *key, uint32_t count)
{
    struct ward_request *request = core_generate(&world, &world.app, key, 1, count);
    assert_ok(core_run(at, request));
    enum ward_code code = ((struct ward_generate *)request->in)->items[0].status.code;
    core_expect_entry(&world, request, code == WARD_E_OK ? "allowed" : "failed",
                      code == WARD_E_OK ? "" : "FAILED_PRECONDITION");
    ward_request_free(request);
    return code;
}

static void every_wrap_is_reserved_before_it_is_made(void **state)
{
    (void)state;
    uint64_t made = 1; /* the proof that the key works */
    for (uint32_t count = 1; count <= 9; count++) {
        assert_int_equal(generate(&node, "app/keys", count), WARD_E_OK);
        made += count;
        uint64_t stored = stored_wraps("app/keys", 1);
        assert_true(stored >= made);
        assert_true(stored <= made + 16);
    }
    assert_int_equal(stored_wraps("app/other", 1), 1);
}

static void a_version_at_its_limit_refuses_and_another_key_goes_on(void **state)
{
    (void)state;
    uint32_t wrapped = 0;
    while (generate(&node, "app/keys", 1) == WARD_E_OK) {
        wrapped++;
        assert_true(wrapped <= 99);
    }
    assert_int_equal(wrapped, 99);
    assert_int_equal(stored_wraps("app/keys", 1), 100);
    assert_int_equal(generate(&node, "app/other", 1), WARD_E_OK);
    /* In one request, too. */
    struct ward_request *both = core_generate(&world, &world.app, "app/keys", 2, 1);
    struct ward_generate *in = both->in;
    in->items[1].key = ward_bytes_str("app/other");
    assert_ok(core_run(&node, both));
    assert_code(in->items[0].status, WARD_E_STATE);
    assert_ok(in->items[1].status);
    assert_true(in->items[1].keys[0].wrapped.size > 0);
    ward_request_free(both);
}

static void many_at_once_wrap_exactly_as_often_as_they_may(void **state)
{
    (void)state;
    enum { N = 150 };
    struct ward_request *requests[N];
    unsigned good = 0;
    for (int i = 0; i < N; i++) {
        requests[i] = core_generate(&world, &world.app, "app/keys", 1, 1);
    }
    core_submit(&node, requests, N);
    core_wait(&node, N);
    for (int i = 0; i < N; i++) {
        good += ward_ok(((struct ward_generate *)requests[i]->in)->items[0].status);
        ward_request_free(requests[i]);
    }
    assert_int_equal(good, 99);
    assert_int_equal(stored_wraps("app/keys", 1), 100);
}

static void nodes_share_one_count(void **state)
{
    (void)state;
    unsigned good = 0;
    core_node_start(&second, &world, "node-2");
    for (int i = 0; i < 150; i++) {
        good += generate(i % 2 == 0 ? &node : &second, "app/keys", 1) == WARD_E_OK;
    }
    core_node_stop(&second);
    assert_int_equal(good, 99);
    assert_int_equal(stored_wraps("app/keys", 1), 100);
}

static void a_node_that_begins_anew_goes_on_behind_what_was_reserved(void **state)
{
    (void)state;
    unsigned good = 0;
    for (int i = 0; i < 5; i++) {
        good += generate(&node, "app/keys", 1) == WARD_E_OK;
        core_node_stop(&node);
        core_node_start(&node, &world, "node-1");
    }
    assert_int_equal(good, 5);
    assert_int_equal(stored_wraps("app/keys", 1), 1 + 5 * 8); /* four of five were lost */
}

static void records_and_rewraps_are_counted_too(void **state)
{
    (void)state;
    assert_ok(core_run_free(&node, core_put(&world, &world.app, "fhir", "s-1", 1, "{}")));
    assert_ok(core_run_free(&node, core_put(&world, &world.app, "fhir", "s-2", 1, "{}")));
    assert_true(stored_wraps("phi/records", 1) >= 3);
    core_rotate_fully(&node, "phi/records");
    assert_int_equal(stored_wraps("phi/records", 2), 1);
    core_rewrap_all(&node, "phi/records");
    assert_true(stored_wraps("phi/records", 2) >= 3);
}

static void a_database_that_is_away_gives_no_wraps(void **state)
{
    (void)state;
    assert_int_equal(generate(&node, "app/keys", 1), WARD_E_OK);
    ward_store_memory_set_down(world.store, true);
    unsigned crossings = fake_kek_crossings(world.kek);
    for (int i = 0; i < 12; i++) {
        struct ward_request *request = core_generate(&world, &world.app, "app/keys", 1, 1);
        assert_code(core_run(&node, request), WARD_E_UNAVAILABLE);
        ward_request_free(request);
    }
    assert_true(fake_kek_crossings(world.kek) - crossings <= 7); /* what was left of the block */
    ward_store_memory_set_down(world.store, false);
    assert_int_equal(generate(&node, "app/keys", 1), WARD_E_OK);
}

/* ---- rotation ---- */

static void tick(struct core_node *at, struct ward_store_reader *reader)
{
    struct ward_rotation_memory memory = {0};
    core_node_refresh_now(at);
    ward_rotation_tick(&at->pipeline, reader, &memory);
}

static unsigned rotations(const char *outcome)
{
    struct core_log log;
    unsigned n = 0;
    core_log_open(&log, &world);
    for (size_t i = 0; i < log.n; i++) {
        n += strcmp(core_text(log.leaves[i], "action"), "system.rotate") == 0 &&
             strcmp(core_text(log.leaves[i], "outcome"), outcome) == 0;
    }
    core_log_close(&log);
    return n;
}

static void a_version_is_rotated_by_itself_at_the_soft_limit(void **state)
{
    (void)state;
    struct ward_store_reader *reader = NULL;
    assert_ok(ward_store_reader_open(world.store, &reader));
    while (stored_wraps("app/keys", 1) + 8 < 60) {
        assert_int_equal(generate(&node, "app/keys", 1), WARD_E_OK);
        tick(&node, reader);
        assert_int_equal(core_active_version(&node, "app/keys"), 1);
    }
    while (stored_wraps("app/keys", 1) < 60) {
        assert_int_equal(generate(&node, "app/keys", 1), WARD_E_OK);
    }
    tick(&node, reader);
    assert_int_equal(core_active_version(&node, "app/keys"), 2);
    assert_int_equal(core_active_version(&node, "app/other"), 1);
    assert_int_equal(generate(&node, "app/keys", 20), WARD_E_OK);
    tick(&node, reader);
    assert_int_equal(core_active_version(&node, "app/keys"), 2);
    assert_int_equal(rotations("allowed"), 1);
    ward_store_reader_close(reader);
}

static void the_entry_of_a_rotation_says_of_what_and_why(void **state)
{
    (void)state;
    struct ward_store_reader *reader = NULL;
    struct core_log log;
    bool found = false;
    assert_ok(ward_store_reader_open(world.store, &reader));
    assert_int_equal(generate(&node, "app/keys", 60), WARD_E_OK);
    tick(&node, reader);
    core_log_open(&log, &world);
    for (size_t i = 0; i < log.n; i++) {
        const json_t *leaf = log.leaves[i];
        if (strcmp(core_text(leaf, "action"), "system.rotate") != 0) {
            continue;
        }
        found = true;
        assert_string_equal(core_text(leaf, "identity"), "system");
        assert_string_equal(core_text(leaf, "object"), "key:app/keys#1");
        assert_string_equal(core_detail(leaf, "key"), "app/keys");
        assert_int_equal(core_detail_number(leaf, "from_version"), 1);
        assert_int_equal(core_detail_number(leaf, "to_version"), 2);
        assert_true(core_detail_number(leaf, "wraps") >= 61);
    }
    assert_true(found);
    core_log_close(&log);
    ward_store_reader_close(reader);
}

static void two_nodes_rotate_a_version_once(void **state)
{
    (void)state;
    struct ward_store_reader *reader = NULL;
    assert_ok(ward_store_reader_open(world.store, &reader));
    core_node_start(&second, &world, "node-2");
    assert_int_equal(generate(&node, "app/keys", 60), WARD_E_OK);
    assert_int_equal(generate(&second, "app/other", 60), WARD_E_OK);
    core_node_refresh_now(&second);
    core_node_refresh_now(&node);
    struct ward_rotation_memory memory = {0};
    ward_rotation_tick(&node.pipeline, reader, &memory);
    memory = (struct ward_rotation_memory){0};
    ward_rotation_tick(&second.pipeline, reader, &memory); /* its state may be the old one */
    tick(&second, reader);
    tick(&node, reader);
    core_node_refresh_now(&node);
    assert_int_equal(core_active_version(&node, "app/keys"), 2);
    assert_int_equal(core_active_version(&node, "app/other"), 2);
    assert_int_equal(rotations("allowed"), 2);
    assert_int_equal(fake_kek_objects(world.kek), 1 + 3 + 2); /* Ward's own, the three, the new */
    core_node_stop(&second);
    ward_store_reader_close(reader);
}

static void a_rotation_whose_device_was_away_is_tried_again_soon_and_not_at_once(void **state)
{
    (void)state;
    struct ward_store_reader *reader = NULL;
    assert_ok(ward_store_reader_open(world.store, &reader));
    assert_int_equal(generate(&node, "app/keys", 60), WARD_E_OK);
    fake_kek_set_fault(world.kek, FAKE_KEK_CREATE_AWAY);
    tick(&node, reader);
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    tick(&node, reader);
    assert_int_equal(core_active_version(&node, "app/keys"), 1);
    assert_int_equal(rotations("failed"), 1);
    /* The intent it left is somebody's until recovery takes it away. */
    atomic_fetch_add(&world.clock.ahead_us, 3 * 1000000LL);
    tick(&node, reader);
    assert_int_equal(core_active_version(&node, "app/keys"), 1);
    size_t n;
    assert_ok(core_recover_all(&node, &n));
    assert_int_equal(n, 1);
    atomic_fetch_add(&world.clock.ahead_us, 3 * 1000000LL);
    tick(&node, reader);
    assert_int_equal(core_active_version(&node, "app/keys"), 2);
    assert_int_equal(rotations("allowed"), 1);
    ward_store_reader_close(reader);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_reserved_is_not_taken),
        cmocka_unit_test(all_of_a_request_is_taken_or_nothing),
        cmocka_unit_test(those_who_wait_together_share_one_reservation),
        cmocka_unit_test(near_the_limit_some_are_served_and_the_rest_is_refused_for_good),
        cmocka_unit_test(a_store_that_is_away_grants_nothing),
        cmocka_unit_test(the_soft_limit_is_told_of_once_for_each_version),
        cmocka_unit_test(blocks_grow_with_use_up_to_the_one_that_is_set),
        cmocka_unit_test(ten_thousand_keys_are_counted_apart_and_forgotten_when_they_wrap_no_more),
        cmocka_unit_test(limits_that_cannot_be_are_refused),
        T(every_wrap_is_reserved_before_it_is_made),
        T(a_version_at_its_limit_refuses_and_another_key_goes_on),
        T(many_at_once_wrap_exactly_as_often_as_they_may),
        T(nodes_share_one_count),
        T(a_node_that_begins_anew_goes_on_behind_what_was_reserved),
        T(records_and_rewraps_are_counted_too),
        T(a_database_that_is_away_gives_no_wraps),
        T(a_version_is_rotated_by_itself_at_the_soft_limit),
        T(the_entry_of_a_rotation_says_of_what_and_why),
        T(two_nodes_rotate_a_version_once),
        T(a_rotation_whose_device_was_away_is_tried_again_soon_and_not_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
