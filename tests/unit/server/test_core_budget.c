/* SPDX-License-Identifier: Apache-2.0 */
/* Every operation with too little memory, from nothing left to enough: it fails cleanly wherever it
 * stands, it has its entry, and the others in its batch do not feel it. */
#include <stdio.h>

#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define BUDGET (96u * 1024)
#define STEP 208 /* not a divisor of anything */
#define LEAST_MAX (64u * 1024)

static const char patient[] = "{\"resourceType\":\"Patient\",\"id\":\"p1\",\"name\":\"Doe\"}";

static struct core_world world;
static struct core_node node;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "phi/records", WARD_PURPOSE_RECORDS);
    world.budget = BUDGET;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

/* Leaves `left` bytes of the request's budget. */
static void starve(struct ward_request *request, size_t left)
{
    size_t used = ward_arena_used(request->arena);
    assert_true(used + left <= BUDGET);
    if (used + left < BUDGET) {
        assert_non_null(ward_arena_alloc(request->arena, (BUDGET - used - left) / 16 * 16));
    }
}

typedef struct ward_request *maker(void);

/* With each budget once, beside a request that has enough; until it succeeds some times in a row.
 */
static void sweep(maker *make)
{
    unsigned good = 0, bad = 0;
    struct core_log log;
    for (size_t left = 0; good < 3 && left < LEAST_MAX; left += STEP) {
        struct ward_request *both[] = {make(), core_generate(&world, &world.app, "app/keys", 1, 1)};
        starve(both[0], left);
        core_submit(&node, both, 2);
        core_wait(&node, 2);
        assert_ok(both[1]->status);
        core_log_open(&log, &world);
        core_log_one(&log, both[1]->request_id);
        const json_t *leaf = core_log_one(&log, both[0]->request_id);
        if (ward_ok(both[0]->status)) {
            good += core_text(leaf, "code")[0] == '\0';
            bad += core_text(leaf, "code")[0] != '\0';
        } else {
            /* a stored proposal that cannot be read for want of memory is called not canonical */
            assert_true(both[0]->status.code == WARD_E_EXHAUSTED ||
                        both[0]->status.code == WARD_E_INVALID);
            assert_string_not_equal(core_text(leaf, "outcome"), "allowed");
            assert_string_not_equal(core_text(leaf, "code"), "");
            bad++;
        }
        core_log_close(&log);
        ward_request_free(both[0]);
        ward_request_free(both[1]);
    }
    assert_true(bad > 0);
    assert_int_equal(good, 3);
}

static struct ward_request *make_generate(void)
{
    return core_generate(&world, &world.app, "app/keys", 3, 2);
}

static struct ward_request *make_put(void)
{
    static unsigned subjects;
    char subject[32];
    (void)snprintf(subject, sizeof(subject), "fresh-%u", subjects++);
    return core_put(&world, &world.app, "fhir", subject, 3, patient);
}

static struct ward_request *make_get(void)
{
    return core_get(&world, &world.app, "fhir", "known");
}

static uint8_t wrapped[1024];
static size_t wrapped_size;

static struct ward_request *make_unwrap(void)
{
    return core_unwrap(&world, &world.app, WARD_BYTES(wrapped, wrapped_size), "TREAT");
}

static struct ward_request *make_create(void)
{
    static unsigned keys;
    char name[32];
    (void)snprintf(name, sizeof(name), "app/new-%u", keys++);
    return core_create(&world, &world.officer_a, name, WARD_PURPOSE_DATA_KEYS);
}

static struct ward_request *make_rotate(void)
{
    return core_rotate(&world, &world.officer_a, "phi/records");
}

static struct ward_request *make_list(void)
{
    struct ward_request *request =
        core_request(&world, &world.officer_a, &ward_op_key_list, sizeof(struct ward_key_list));
    ((struct ward_key_list *)request->in)->page_size = 10;
    return request;
}

static struct ward_request *make_submit(void)
{
    static struct core_proposal proposal;
    world.budget = 1u << 20;
    core_propose(&node, &world.officer_a, "phi/records", &proposal);
    world.budget = BUDGET;
    return core_vote(&world, &world.officer_a, &ward_op_approval_submit, &proposal);
}

static struct ward_request *make_approve(void)
{
    static struct core_proposal proposal;
    world.budget = 1u << 20;
    size_t n;
    (void)core_recover_all(&node, &n); /* what the one before may have left */
    core_propose(&node, &world.officer_a, "phi/records", &proposal);
    assert_ok(core_run_free(
        &node, core_vote(&world, &world.officer_a, &ward_op_approval_submit, &proposal)));
    world.budget = BUDGET;
    return core_vote(&world, &world.officer_b, &ward_op_approval_approve, &proposal);
}

static void generate_fails_cleanly_wherever_memory_ends(void **state)
{
    (void)state;
    sweep(make_generate);
}

static void put_fails_cleanly_wherever_memory_ends(void **state)
{
    (void)state;
    sweep(make_put);
}

static void get_fails_cleanly_wherever_memory_ends(void **state)
{
    (void)state;
    world.budget = 1u << 20;
    assert_ok(core_run_free(&node, core_put(&world, &world.app, "fhir", "known", 1, patient)));
    world.budget = BUDGET;
    sweep(make_get);
}

static void unwrap_fails_cleanly_wherever_memory_ends(void **state)
{
    (void)state;
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 1, 1);
    assert_ok(core_run(&node, made));
    struct ward_bytes key = ((struct ward_generate *)made->in)->items[0].keys[0].wrapped;
    memcpy(wrapped, key.data, key.size);
    wrapped_size = key.size;
    ward_request_free(made);
    sweep(make_unwrap);
}

static void create_fails_cleanly_wherever_memory_ends(void **state)
{
    (void)state;
    sweep(make_create);
}

static void rotate_and_list_fail_cleanly_wherever_memory_ends(void **state)
{
    (void)state;
    sweep(make_rotate);
    sweep(make_list);
}

static void votes_fail_cleanly_wherever_memory_ends(void **state)
{
    (void)state;
    sweep(make_submit);
    sweep(make_approve);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(generate_fails_cleanly_wherever_memory_ends),
        T(put_fails_cleanly_wherever_memory_ends),
        T(get_fails_cleanly_wherever_memory_ends),
        T(unwrap_fails_cleanly_wherever_memory_ends),
        T(create_fails_cleanly_wherever_memory_ends),
        T(rotate_and_list_fail_cleanly_wherever_memory_ends),
        T(votes_fail_cleanly_wherever_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
