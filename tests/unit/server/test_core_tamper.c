/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon over a database that somebody else writes into: nothing is committed on a head that no
 * daemon wrote, and rows that do not add up are told of once. */
#include "server/tamper.h"
#include "tests/unit/server/core_ask.h"

static struct core_world world;
static struct core_node node;
static struct ward_tamper tamper;
static unsigned stops;

static void stop_daemon(void *context)
{
    (void)context;
    stops++;
}

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    stops = 0;
    tamper = (struct ward_tamper){.stop = stop_daemon};
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

static void look(void)
{
    struct ward_store_reader *reader = NULL;
    assert_ok(ward_store_reader_open(world.store, &reader));
    ward_tamper_look(&tamper, reader, world.index);
    ward_store_reader_close(reader);
}

static ward_status check(void)
{
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    assert_ok(ward_store_reader_open(world.store, &reader));
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_snapshot(reader, arena, &snapshot));
    ward_status status = ward_tamper_check(world.index, &snapshot);
    ward_arena_free(arena);
    ward_store_reader_close(reader);
    return status;
}

/* As somebody who writes rows and has not the key. */
static void write_by_hand(const struct ward_effect *effect, bool bump_epoch)
{
    world.without_key = true;
    assert_int_equal(core_world_write(&world, effect, effect == NULL ? 0 : 1, bump_epoch, "edited"),
                     WARD_COMMITTED);
    world.without_key = false;
}

static struct ward_effect disable(void)
{
    struct ward_state *now = ward_state_slot_get(&node.states);
    struct ward_effect effect = {.kind = WARD_EFFECT_KEK_ENABLED};
    effect.kek_enabled.kek = ward_state_key(now, WARD_BYTES_LITERAL("app/keys"))->id;
    effect.kek_enabled.from = true;
    ward_state_unref(now);
    return effect;
}

static void what_daemons_write_adds_up(void **state)
{
    (void)state;
    assert_ok(check());
    assert_ok(core_run_free(&node, core_generate(&world, &world.app, "app/keys", 1, 1)));
    assert_ok(check());
    const struct ward_effect effect = disable();
    assert_int_equal(core_world_write(&world, &effect, 1, true, "by a daemon"), WARD_COMMITTED);
    assert_ok(check());
    look();
    assert_false(tamper.found);
    assert_ok(core_run_free(&node, core_generate(&world, &world.app, "app/keys", 1, 1)));
    assert_int_equal(node.alterations, 0);
}

/* The size and the epoch stay as another daemon knows them, which has nothing else to go by. */
static void what_another_writes_without_an_entry_is_reckoned_on(void **state)
{
    (void)state;
    assert_ok(core_run_free(&node, core_generate(&world, &world.app, "app/keys", 1, 1)));
    const struct ward_effect effect = disable();
    assert_int_equal(core_world_write(&world, &effect, 1, false, NULL), WARD_COMMITTED);
    assert_ok(check());
    assert_ok(core_run_free(&node, core_generate(&world, &world.app, "app/keys", 1, 1)));
    assert_ok(check());
    assert_int_equal(node.alterations, 0);
}

static void two_daemons_keep_one_sum(void **state)
{
    (void)state;
    struct core_node other;
    core_node_start(&other, &world, "node-2");
    for (int i = 0; i < 4; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "app/more-%d", i);
        core_make_key(i % 2 == 0 ? &node : &other, name, WARD_PURPOSE_DATA_KEYS);
        assert_ok(check());
        assert_ok(core_run_free(i % 2 == 0 ? &other : &node,
                                core_generate(&world, &world.app, name, 1, 1)));
    }
    assert_int_equal(node.alterations + other.alterations, 0);
    core_node_stop(&other);
}

static void nothing_is_answered_on_a_head_that_no_daemon_wrote(void **state)
{
    (void)state;
    write_by_hand(NULL, true); /* the epoch, so that all is read anew */
    assert_code(core_run_free(&node, core_generate(&world, &world.app, "app/keys", 1, 1)),
                WARD_E_UNAVAILABLE);
    assert_true(node.alterations > 0);
    assert_code(core_run_free(&node, core_generate(&world, &world.app, "app/keys", 1, 1)),
                WARD_E_UNAVAILABLE); /* nor later */
}

static void an_entry_by_hand_is_not_written_on(void **state)
{
    (void)state;
    write_by_hand(NULL, false); /* one more leaf with a fitting tree */
    assert_code(core_run_free(&node, core_generate(&world, &world.app, "app/keys", 1, 1)),
                WARD_E_UNAVAILABLE);
    assert_true(node.alterations > 0);
}

static void a_daemon_does_not_start_on_a_head_that_no_daemon_wrote(void **state)
{
    (void)state;
    const struct ward_committer_config config = {.pipeline = &node.pipeline, .store = world.store};
    struct ward_committer *committer = NULL;
    write_by_hand(NULL, false);
    assert_code(ward_committer_start(&config, 0, &committer), WARD_E_STATE);
    assert_null(committer);
}

static void rows_edited_are_told_of_once(void **state)
{
    (void)state;
    const struct ward_effect effect = disable();
    look();
    assert_int_equal(stops, 0);
    write_by_hand(&effect, false);
    assert_code(check(), WARD_E_STATE);
    look();
    assert_true(tamper.found);
    assert_int_equal(stops, 1);
    look();
    ward_tamper_tell(&tamper, WARD_STATUS(WARD_E_STATE));
    assert_int_equal(stops, 1);
}

static void a_database_that_is_away_is_no_edit(void **state)
{
    (void)state;
    ward_store_memory_set_down(world.store, true);
    look();
    assert_int_equal(stops, 0);
    ward_store_memory_set_down(world.store, false);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(what_daemons_write_adds_up),
        T(what_another_writes_without_an_entry_is_reckoned_on),
        T(two_daemons_keep_one_sum),
        T(nothing_is_answered_on_a_head_that_no_daemon_wrote),
        T(an_entry_by_hand_is_not_written_on),
        T(a_daemon_does_not_start_on_a_head_that_no_daemon_wrote),
        T(rows_edited_are_told_of_once),
        T(a_database_that_is_away_is_no_edit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
