/* SPDX-License-Identifier: Apache-2.0 */
/* What waits for review is counted a page a turn: the thread that counts has heartbeats to send. */
#include "server/jobs/reviews.h"
#include "tests/unit/server/core_daemon.h"

#define CREATED_US INT64_C(1790000000000000)
#define PER_WRITE 50u

static struct core_world world;
static struct core_node node;
static struct ward_store_reader *reader;
static struct ward_reviews reviews;
static unsigned written;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    assert_ok(ward_store_reader_open(world.store, &reader));
    reviews = (struct ward_reviews){.counting = false};
    written = 0;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    ward_store_reader_close(reader);
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

/* One that ran at once, on its proposer's signature alone. */
static struct ward_effect act(const struct ward_id *deployment, struct ward_buffer *payload)
{
    struct ward_proposal proposal = {.deployment = *deployment,
                                     .action = WARD_BYTES_LITERAL("key.suspend"),
                                     .object = WARD_BYTES_LITERAL("phi/records"),
                                     .proposer = WARD_BYTES_LITERAL("spiffe://unit.test/officer-a"),
                                     .person = WARD_BYTES_LITERAL("alice"),
                                     .created_us = CREATED_US + written++,
                                     .expires_us = CREATED_US + INT64_C(86400000000)};
    assert_ok(ward_id_random(&proposal.id));
    ward_buffer_init(payload, WARD_PROPOSAL_MAX);
    ward_proposal_print(&proposal, payload);
    assert_false(payload->failed);
    struct ward_effect effect = {.kind = WARD_EFFECT_PROPOSAL};
    effect.proposal = (struct ward_store_proposal){.id = proposal.id,
                                                   .payload = ward_buffer_view(payload),
                                                   .proposer = proposal.proposer,
                                                   .state = WARD_PROPOSAL_EXECUTED,
                                                   .created_us = proposal.created_us,
                                                   .expires_us = proposal.expires_us};
    return effect;
}

static void write_acts(unsigned n)
{
    struct ward_state *state = ward_state_slot_get(&node.states);
    struct ward_id deployment = state->deployment;
    ward_state_unref(state);
    for (unsigned left = n; left > 0;) {
        struct ward_effect effects[PER_WRITE];
        struct ward_buffer payloads[PER_WRITE];
        unsigned some = left < PER_WRITE ? left : PER_WRITE;
        for (unsigned i = 0; i < some; i++) {
            effects[i] = act(&deployment, &payloads[i]);
        }
        assert_int_equal(core_world_write(&world, effects, some, true, ",\"outcome\":\"allowed\"}"),
                         WARD_COMMITTED);
        for (unsigned i = 0; i < some; i++) {
            ward_buffer_fini(&payloads[i]);
        }
        left -= some;
    }
    core_node_refresh_now(&node);
}

static bool turn(void)
{
    return ward_reviews_tick(&node.pipeline, reader, &reviews);
}

static uint64_t counted(void)
{
    return atomic_load(&reviews.unreviewed);
}

static void a_few_are_counted_in_one_turn(void **state)
{
    (void)state;
    write_acts(3);
    assert_false(turn());
    assert_int_equal(counted(), 3);
    assert_false(turn());
    assert_int_equal(counted(), 3);
}

static void many_are_counted_a_page_a_turn(void **state)
{
    (void)state;
    write_acts(2 * WARD_REVIEWS_TURN + 7);
    for (unsigned pages = 1; pages < 3; pages++) {
        assert_true(turn());
        assert_int_equal(reviews.found, pages * WARD_REVIEWS_TURN);
        assert_int_equal(counted(), 0); /* half of a count is none */
    }
    assert_false(turn());
    assert_int_equal(counted(), 2 * WARD_REVIEWS_TURN + 7);
}

static void what_comes_behind_a_count_is_counted_the_next_time(void **state)
{
    (void)state;
    write_acts(WARD_REVIEWS_TURN + 1);
    assert_true(turn());
    write_acts(2);
    assert_false(turn()); /* however often the epoch moves, a count comes to its end */
    assert_int_equal(counted(), WARD_REVIEWS_TURN + 1);
    assert_true(turn());
    assert_false(turn());
    assert_int_equal(counted(), WARD_REVIEWS_TURN + 3);
}

static void a_database_that_is_away_leaves_the_count_where_it_is(void **state)
{
    (void)state;
    write_acts(WARD_REVIEWS_TURN + 1);
    assert_true(turn());
    ward_store_memory_set_down(world.store, true);
    assert_false(turn());
    ward_store_memory_set_down(world.store, false);
    assert_false(turn());
    assert_int_equal(counted(), WARD_REVIEWS_TURN + 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(a_few_are_counted_in_one_turn),
        T(many_are_counted_a_page_a_turn),
        T(what_comes_behind_a_count_is_counted_the_next_time),
        T(a_database_that_is_away_leaves_the_count_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
