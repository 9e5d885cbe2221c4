/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's own rotation by period and after a compromise: when, how often, by whom, and what
 * the entry says. Time is turned by hand. */
#include <stdio.h>

#include "server/jobs/rotation.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define DAY_US (24LL * 3600 * 1000000)

static struct core_world world;
static struct core_node node, second;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    world.wraps = (struct ward_budget_limits){.soft = 1u << 20, .hard = 1u << 21, .block = 64};
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

static void tick(struct core_node *at)
{
    struct ward_store_reader *reader = NULL;
    struct ward_rotation_memory memory = {0};
    assert_ok(ward_store_reader_open(world.store, &reader));
    core_node_refresh_now(at);
    ward_rotation_tick(&at->pipeline, reader, &memory);
    ward_store_reader_close(reader);
}

static void pass_days(int64_t days)
{
    atomic_fetch_add(&world.clock.ahead_us, days * DAY_US);
}

/* How many entries say that the daemon rotated, and that it did for this reason. */
static size_t rotations(const char *outcome, const char *why)
{
    struct core_log log;
    size_t n = 0;
    core_log_open(&log, &world);
    for (size_t i = 0; i < log.n; i++) {
        n += strcmp(core_text(log.leaves[i], "action"), "system.rotate") == 0 &&
             strcmp(core_text(log.leaves[i], "outcome"), outcome) == 0 &&
             strcmp(core_detail(log.leaves[i], "why"), why) == 0;
    }
    core_log_close(&log);
    return n;
}

static void make_key_with(const char *name, uint32_t days)
{
    struct ward_request *request =
        core_request(&world, &world.officer_a, &ward_op_key_create, sizeof(struct ward_key_create));
    *(struct ward_key_create *)request->in =
        (struct ward_key_create){.name = ward_bytes_str(name),
                                 .purpose = WARD_PURPOSE_DATA_KEYS,
                                 .rotation_period_days = days};
    assert_ok(core_run_free(&node, request));
}

/* ---- when ---- */

static void a_key_is_due_at_most_a_tenth_early_and_never_late(void **state)
{
    (void)state;
    const struct ward_key_version active = {.version = 1, .state = WARD_KEY_ACTIVE};
    int64_t first = INT64_MAX, last = 0, period = 100 * DAY_US;
    for (unsigned i = 0; i < 1000; i++) {
        struct ward_key key = {
            .rotation_period_days = 100, .versions = &active, .n_versions = 1, .active = &active};
        assert_ok(ward_id_random(&key.id));
        int64_t due = ward_rotation_due_us(&key);
        assert_int_equal(due, ward_rotation_due_us(&key)); /* every daemon says the same */
        assert_true(due > period - period / 10 && due <= period);
        first = due < first ? due : first;
        last = due > last ? due : last;
    }
    assert_true(last - first > 8 * DAY_US); /* and they are spread */
}

static void a_key_without_a_period_or_an_active_version_is_never_due(void **state)
{
    (void)state;
    const struct ward_key_version active = {.version = 1, .state = WARD_KEY_ACTIVE};
    const struct ward_key never = {.versions = &active, .n_versions = 1, .active = &active};
    const struct ward_key none = {.rotation_period_days = 1};
    assert_true(ward_rotation_due_us(&never) == INT64_MAX);
    assert_true(ward_rotation_due_us(&none) == INT64_MAX);
    const struct ward_key longest = {.rotation_period_days = UINT32_MAX,
                                     .versions = &active,
                                     .n_versions = 1,
                                     .active = &active};
    assert_true(ward_rotation_due_us(&longest) > 0);
}

/* ---- rotating ---- */

static void a_version_is_rotated_by_its_period(void **state)
{
    (void)state;
    pass_days(328);
    tick(&node);
    assert_int_equal(core_active_version(&node, "app/keys"), 1);
    pass_days(37);
    tick(&node);
    assert_int_equal(core_active_version(&node, "app/keys"), 2);
    tick(&node);
    assert_int_equal(core_active_version(&node, "app/keys"), 2);
    pass_days(365);
    tick(&node);
    assert_int_equal(core_active_version(&node, "app/keys"), 3);
    assert_int_equal(rotations("allowed", "period"), 2);
    assert_int_equal(rotations("allowed", "budget"), 0);
}

static void periods_are_each_keys_own(void **state)
{
    (void)state;
    make_key_with("app/monthly", 30);
    make_key_with("app/never", 0);
    pass_days(31);
    tick(&node);
    assert_int_equal(core_active_version(&node, "app/monthly"), 2);
    assert_int_equal(core_active_version(&node, "app/keys"), 1);
    pass_days(4000);
    tick(&node);
    assert_int_equal(core_active_version(&node, "app/monthly"), 3);
    assert_int_equal(core_active_version(&node, "app/keys"), 2);
    assert_int_equal(core_active_version(&node, "app/never"), 1);
}

static void two_nodes_rotate_a_version_once(void **state)
{
    (void)state;
    core_node_start(&second, &world, "node-2");
    pass_days(366);
    struct ward_store_reader *reader = NULL;
    struct ward_rotation_memory memory = {0};
    assert_ok(ward_store_reader_open(world.store, &reader));
    ward_rotation_tick(&node.pipeline, reader, &memory);
    memory = (struct ward_rotation_memory){0};
    ward_rotation_tick(&second.pipeline, reader, &memory); /* its state may be the old one */
    ward_store_reader_close(reader);
    tick(&second);
    tick(&node);
    assert_int_equal(core_active_version(&node, "app/keys"), 2);
    assert_int_equal(rotations("allowed", "period"), 1);
    core_node_stop(&second);
}

static void one_that_fails_is_tried_again_later(void **state)
{
    (void)state;
    pass_days(366);
    fake_kek_set_fault(world.kek, FAKE_KEK_CREATE_AWAY);
    tick(&node);
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    tick(&node);
    assert_int_equal(core_active_version(&node, "app/keys"), 1);
    size_t n;
    assert_ok(core_recover_all(&node, &n));
    assert_int_equal(n, 1);
    atomic_fetch_add(&world.clock.ahead_us, 61 * 1000000LL);
    tick(&node);
    assert_int_equal(core_active_version(&node, "app/keys"), 2);
}

static void set_state(const char *name, uint32_t version, uint8_t from, uint8_t to)
{
    struct ward_state *now = ward_state_slot_get(&node.states);
    const struct ward_key *key = ward_state_key(now, ward_bytes_str(name));
    struct ward_effect effect =
        ward_key_version_move(key, ward_key_version_find(key, version), to, 0, 1);
    ward_state_unref(now);
    assert_int_equal(effect.kek_state.from, from);
    assert_int_equal(core_world_write(&world, &effect, 1, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    core_node_refresh_now(&node);
}

/* What somebody else has begun with a key keeps that key from being rotated, and no other one. */
static void begin_something_with(const char *name)
{
    struct ward_state *now = ward_state_slot_get(&node.states);
    struct ward_effect intent = {.kind = WARD_EFFECT_INTENT};
    intent.intent = (struct ward_store_intent){.kek = ward_state_key(now, ward_bytes_str(name))->id,
                                               .version = 2,
                                               .effect = 1,
                                               .node = WARD_BYTES_LITERAL("node-9"),
                                               .created_us = ward_wall_us(&world.clock.base)};
    ward_state_unref(now);
    assert_ok(ward_id_random(&intent.intent.id));
    assert_int_equal(core_world_write(&world, &intent, 1, false, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
}

static void many_that_fail_leave_the_others_their_turn(void **state)
{
    (void)state;
    char name[16];
    for (unsigned i = 0; i < 50; i++) {
        (void)snprintf(name, sizeof(name), "aa/%u", i);
        core_make_key(&node, name, WARD_PURPOSE_DATA_KEYS);
    }
    pass_days(366);
    for (unsigned i = 0; i < 50; i++) {
        (void)snprintf(name, sizeof(name), "aa/%u", i);
        begin_something_with(name);
    }
    struct ward_store_reader *reader = NULL;
    struct ward_rotation_memory memory = {0};
    assert_ok(ward_store_reader_open(world.store, &reader));
    for (unsigned i = 0; i < 6; i++) {
        core_node_refresh_now(&node);
        ward_rotation_tick(&node.pipeline, reader, &memory);
        atomic_fetch_add(&world.clock.ahead_us, 1000000);
    }
    ward_store_reader_close(reader);
    core_node_refresh_now(&node);
    assert_int_equal(core_active_version(&node, "app/keys"), 2);
    assert_int_equal(core_active_version(&node, "aa/0"), 1);
}

static void a_compromised_version_is_followed_by_a_new_one_and_stays_compromised(void **state)
{
    (void)state;
    set_state("app/keys", 1, WARD_KEY_ACTIVE, WARD_KEY_COMPROMISED);
    tick(&node);
    assert_int_equal(core_active_version(&node, "app/keys"), 2);
    struct ward_state *now = ward_state_slot_get(&node.states);
    const struct ward_key *key = ward_state_key(now, ward_bytes_str("app/keys"));
    assert_int_equal(ward_key_version_find(key, 1)->state, WARD_KEY_COMPROMISED);
    ward_state_unref(now);
    tick(&node);
    assert_int_equal(core_active_version(&node, "app/keys"), 2);
    assert_int_equal(rotations("allowed", "compromised"), 1);
}

/* The status of a wrap under the key, and whether it says that another version is on its way. */
static enum ward_code generates(bool *ret_told)
{
    struct ward_request *request = core_generate(&world, &world.app, "app/keys", 1, 1);
    ward_status whole = core_run(&node, request);
    ward_status status = ((struct ward_generate *)request->in)->items[0].status;
    const char *refusal = ward_status_refusal(status);
    assert_true(whole.code == WARD_E_OK || whole.code == status.code);
    assert_int_equal(whole.code == WARD_E_UNAVAILABLE, status.code == WARD_E_UNAVAILABLE);
    *ret_told = refusal != NULL && strstr(refusal, "a new version of this key is being made; try "
                                                   "again") != NULL;
    ward_request_free(request);
    return (enum ward_code)status.code;
}

static void a_wrap_may_be_tried_again_while_a_new_version_comes_by_itself(void **state)
{
    (void)state;
    bool told;
    struct ward_rotation_memory memory = {0};
    core_node_refresh_now(&node);
    memory.looked_epoch = ward_state_slot_epoch(&node.states);
    assert_false(ward_rotation_news(&node.pipeline, &memory));
    set_state("app/keys", 1, WARD_KEY_ACTIVE, WARD_KEY_COMPROMISED);
    core_node_refresh_now(&node);
    assert_true(ward_rotation_news(&node.pipeline, &memory)); /* it is not waited for */
    assert_int_equal(generates(&told), WARD_E_UNAVAILABLE);
    assert_true(told);
    tick(&node);
    assert_int_equal(generates(&told), WARD_E_OK);
    set_state("app/keys", 2, WARD_KEY_ACTIVE, WARD_KEY_SUSPENDED);
    core_node_refresh_now(&node);
    assert_int_equal(generates(&told), WARD_E_STATE); /* officers must do something first */
    assert_false(told);
}

static void a_suspended_version_is_not_followed(void **state)
{
    (void)state;
    set_state("app/keys", 1, WARD_KEY_ACTIVE, WARD_KEY_SUSPENDED);
    pass_days(4000);
    tick(&node);
    assert_int_equal(core_active_version(&node, "app/keys"), 0);
    assert_int_equal(rotations("allowed", "period") + rotations("allowed", "compromised"), 0);
}

static void the_oldest_are_told_first(void **state)
{
    (void)state;
    make_key_with("app/monthly", 30);
    make_key_with("app/never", 0);
    pass_days(15);
    struct ward_state *now = ward_state_slot_get(&node.states);
    struct ward_key_left left[2];
    assert_int_equal(ward_rotation_oldest(&node.pipeline, now, left, 1), 1);
    assert_int_equal(ward_rotation_oldest(&node.pipeline, now, left, 2), 2);
    assert_true(ward_bytes_eq(left[0].key->name, ward_bytes_str("app/monthly")));
    assert_true(left[0].period_used > 0.49 && left[0].period_used < 0.51);
    assert_true(ward_bytes_eq(left[1].key->name, ward_bytes_str("app/keys")));
    assert_int_equal(ward_rotation_n_due(&node.pipeline, now), 0);
    pass_days(16);
    assert_int_equal(ward_rotation_n_due(&node.pipeline, now), 1);
    ward_state_unref(now);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_due_at_most_a_tenth_early_and_never_late),
        cmocka_unit_test(a_key_without_a_period_or_an_active_version_is_never_due),
        T(a_version_is_rotated_by_its_period),
        T(periods_are_each_keys_own),
        T(two_nodes_rotate_a_version_once),
        T(one_that_fails_is_tried_again_later),
        T(many_that_fail_leave_the_others_their_turn),
        T(a_compromised_version_is_followed_by_a_new_one_and_stays_compromised),
        T(a_wrap_may_be_tried_again_while_a_new_version_comes_by_itself),
        T(a_suspended_version_is_not_followed),
        T(the_oldest_are_told_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
