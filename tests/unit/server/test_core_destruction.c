/* SPDX-License-Identifier: Apache-2.0 */
/* A version is destroyed when its waiting is over, and only when everything that allows it is still
 * so: each test takes one thing away. */
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_destruction.h"
#include "tests/unit/server/core_log.h"

/* ---- what is allowed ---- */

static void a_version_is_destroyed_when_its_waiting_is_over(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    destruction_schedule(&agreement);
    destruction_stays();
    destruction_pass_days(29);
    destruction_stays();
    destruction_pass_days(2);
    destruction_goes();
    struct core_log log;
    core_log_open(&log, &fx.world);
    const json_t *leaf = log.leaves[log.n - 1];
    assert_string_equal(core_text(leaf, "action"), "system.destroy");
    assert_string_equal(core_text(leaf, "identity"), "system");
    assert_string_equal(core_text(leaf, "outcome"), "allowed");
    assert_string_equal(core_text(leaf, "object"), "key:phi/records#1");
    assert_int_equal(core_detail_number(leaf, "rows_opened"), 2);
    assert_int_equal(core_detail_number(leaf, "rows_of_version"), 0);
    assert_string_equal(core_detail(leaf, "approvers"), "spiffe://unit.test/officer-b");
    core_log_close(&log);
    assert_ok(core_run_free(&fx.node, core_get(&fx.world, &fx.world.app, "fhir", "s1")));
    destruction_tick();
    assert_int_equal(destruction_state(), WARD_KEY_DESTROYED);
}

static void cancelling_wins_until_it_has_begun(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    destruction_schedule(&agreement);
    destruction_pass_days(31);
    assert_ok(destruction_cancel());
    destruction_tick();
    assert_true(destruction_is_there());
    assert_int_equal(destruction_state(), WARD_KEY_DEACTIVATED);
}

/* ---- what stands against it ---- */

static void nothing_is_destroyed_without_an_agreement(void **state)
{
    (void)state;
    struct ward_effect pending = destruction_to_pending(destruction_now_us() + DAY_US);
    destruction_write(&pending, 1);
    destruction_pass_days(40);
    destruction_stays();
}

static void refused(const struct destruction_agreement *agreement)
{
    destruction_schedule(agreement);
    destruction_pass_days(40);
    destruction_stays();
}

static void one_signature_is_not_enough(void **state)
{
    (void)state;
    struct destruction_agreement agreement = destruction_good();
    agreement.approver = NULL;
    refused(&agreement);
}

static void a_forged_signature_counts_for_nothing(void **state)
{
    (void)state;
    struct destruction_agreement agreement = destruction_good();
    agreement.forged = true;
    refused(&agreement);
}

static void the_same_person_twice_is_one(void **state)
{
    (void)state;
    struct destruction_agreement agreement = destruction_good();
    agreement.approver = &fx.world.officer_a2;
    refused(&agreement);
}

static void a_stranger_counts_for_nothing(void **state)
{
    (void)state;
    struct destruction_agreement agreement = destruction_good();
    agreement.approver = &fx.world.stranger;
    refused(&agreement);
}

static void an_agreement_about_another_version_is_none(void **state)
{
    (void)state;
    struct destruction_agreement agreement = destruction_good();
    agreement.version = 2;
    refused(&agreement);
}

static void an_agreement_that_was_not_executed_is_none(void **state)
{
    (void)state;
    struct destruction_agreement agreement = destruction_good();
    agreement.state = WARD_PROPOSAL_OPEN;
    refused(&agreement);
}

static void less_waiting_than_a_week_was_never_agreed_to(void **state)
{
    (void)state;
    struct destruction_agreement agreement = destruction_good();
    agreement.days = 1;
    refused(&agreement);
}

static void a_row_that_shortens_the_waiting_does_not(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    destruction_agree(&agreement);
    struct ward_effect pending = destruction_to_pending(destruction_now_us() + 1);
    destruction_write(&pending, 1);
    destruction_pass_days(20);
    destruction_stays();
    destruction_pass_days(11);
    destruction_goes();
}

static void a_row_that_needs_the_version_keeps_it(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    assert_ok(
        core_run_free(&fx.node, core_put(&fx.world, &fx.world.app, "fhir", "s3", 1, "{\"id\":1}")));
    fx.old.version = 2;
    core_rotate_fully(&fx.node, "phi/records"); /* version 2 holds rows now */
    struct destruction_agreement of_two = agreement;
    of_two.version = 2;
    destruction_schedule(&of_two);
    destruction_pass_days(40);
    destruction_stays();
}

static void a_row_that_does_not_open_keeps_every_version(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    const struct ward_kek_ref newer = {fx.old.id, 2};
    destruction_schedule(&agreement);
    destruction_pass_days(40);
    fake_kek_forget(fx.world.kek, &newer);
    destruction_stays();
}

static void a_device_that_is_away_is_waited_for(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    destruction_schedule(&agreement);
    destruction_pass_days(40);
    fake_kek_set_fault(fx.world.kek, FAKE_KEK_AWAY);
    destruction_stays();
    fake_kek_set_fault(fx.world.kek, FAKE_KEK_FINE);
    destruction_goes();
}

static void tell(const char *name, uint64_t epoch)
{
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_reader_open(fx.world.store, &reader));
    struct ward_read beat = {.kind = WARD_READ_HEARTBEAT, .arena = arena}, *reads[] = {&beat};
    beat.heartbeat.node = ward_bytes_str(name);
    beat.heartbeat.epoch = epoch;
    assert_ok(ward_store_read(reader, reads, 1));
    assert_ok(beat.status);
    ward_store_reader_close(reader);
    ward_arena_free(arena);
}

static void every_daemon_that_lives_must_have_let_go(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    uint64_t before = ward_state_slot_epoch(&fx.node.states);
    destruction_schedule(&agreement);
    destruction_pass_days(40);
    tell("node-2", before);
    destruction_stays();
    atomic_fetch_add(&fx.world.clock.ahead_us, 59 * 1000000LL);
    tell("node-2", before);
    atomic_fetch_add(&fx.world.clock.ahead_us, 10 * 1000000LL);
    destruction_stays();
    tell("node-2", ward_state_slot_epoch(&fx.node.states));
    destruction_goes();
}

static void a_daemon_that_was_not_seen_for_a_minute_is_not_waited_for(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    destruction_schedule(&agreement);
    destruction_pass_days(40);
    tell("node-2", 1);
    destruction_goes();
}

static void many_that_cannot_be_destroyed_wait_a_minute_each(void **state)
{
    (void)state;
    enum { MANY = 500 };
    struct ward_kek_ref refs[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        refs[i].version = i + 1;
        assert_ok(ward_id_random(&refs[i].id));
        refs[i].id = refs[i & ~1u].id; /* two versions of each */
    }
    int64_t from_us = ward_monotonic_us(&fx.world.clock.base);
    for (unsigned i = 0; i < 12 * MANY; i++) {
        unsigned second = i / MANY * 10;
        assert_int_equal(
            ward_destruction_may_try(&fx.memory, &refs[i % MANY], from_us + second * 1000000LL),
            second % 60 == 0);
    }
    assert_int_equal(fx.memory.n, MANY);
    atomic_fetch_add(&fx.world.clock.ahead_us, 180 * 1000000LL);
    destruction_tick();
    assert_int_equal(fx.memory.n, 0);
}

/* Its row has the database's time, and is held against that: no daemon's own clock makes another
 * one look alive or dead. */
static void a_daemon_lives_for_as_long_as_the_database_says(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    struct ward_clock database;
    uint64_t before = ward_state_slot_epoch(&fx.node.states);
    destruction_schedule(&agreement);
    destruction_pass_days(40);
    int64_t told_us = destruction_now_us() + 50 * 1000000LL;
    ward_clock_fake(&database, told_us);
    ward_store_memory_set_clock(fx.world.store, &database);
    tell("node-2", before);
    ward_clock_fake(&database, told_us + 59 * 1000000LL);
    atomic_fetch_add(&fx.world.clock.ahead_us, 120 * 1000000LL);
    destruction_stays(); /* by this daemon's clock it is dead */
    ward_clock_fake(&database, told_us + 61 * 1000000LL);
    atomic_fetch_add(&fx.world.clock.ahead_us, -60 * 1000000LL);
    destruction_tick(); /* and by now it would live */
    assert_false(destruction_is_there());
    ward_store_memory_set_clock(fx.world.store, &fx.world.clock.base);
}

static unsigned long long clock_alarms(void)
{
    return atomic_load(&fx.node.pipeline.alarms.raised[WARD_ALARM_CLOCK]);
}

static void a_daemon_whose_clock_alone_is_ahead_destroys_nothing(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    destruction_schedule(&agreement);
    ward_store_memory_set_clock(fx.world.store, &ward_clock_system);
    destruction_stays();
    assert_int_equal(clock_alarms(), 0);
    destruction_pass_days(31);
    destruction_stays();
    destruction_stays();
    assert_int_equal(clock_alarms(), 1); /* not at each look */
    ward_store_memory_set_clock(fx.world.store, &fx.world.clock.base);
    destruction_goes();
    assert_int_equal(clock_alarms(), 1);
}

static void a_database_whose_clock_alone_is_ahead_destroys_nothing(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    struct ward_clock database;
    ward_clock_fake(&database, destruction_now_us() + 31 * DAY_US);
    destruction_schedule(&agreement);
    ward_store_memory_set_clock(fx.world.store, &database);
    destruction_stays();
    assert_int_equal(clock_alarms(), 1);
}

/* The request looks itself: whoever sends it may have looked at another time. */
static ward_status ask_for_it(void)
{
    struct ward_request *request =
        core_request(&fx.world, NULL, &ward_op_destroy_due, sizeof(struct ward_destroy_due));
    struct ward_destroy_due *due = request->in;
    *due = (struct ward_destroy_due){
        .ref = fx.old, .proposal = fx.agreed, .epoch = ward_state_slot_epoch(&fx.node.states)};
    return core_run_free(&fx.node, request);
}

static void both_clocks_are_looked_at_before_the_intent(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    struct ward_clock database;
    destruction_schedule(&agreement);
    int64_t due_us = destruction_now_us() + 30 * DAY_US;
    ward_store_memory_set_clock(fx.world.store, &ward_clock_system);
    destruction_pass_days(31);
    assert_code(ask_for_it(), WARD_E_STATE);
    /* They agree, and by one of them the waiting is not over. */
    atomic_store(&fx.world.clock.ahead_us, 30 * DAY_US + 5 * 1000000LL);
    ward_clock_fake(&database, due_us - 10 * 1000000LL);
    ward_store_memory_set_clock(fx.world.store, &database);
    assert_code(ask_for_it(), WARD_E_STATE);
    destruction_stays();
    assert_int_equal(clock_alarms(), 0);
    ward_store_memory_set_clock(fx.world.store, &fx.world.clock.base);
    assert_ok(ask_for_it());
    assert_false(destruction_is_there());
}

static void a_key_that_was_in_use_lately_stays(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    destruction_schedule(&agreement);
    destruction_pass_days(40);
    const struct ward_new_use use = {.kek = fx.old.id,
                                     .version = 1,
                                     .opened = 1,
                                     .last_opened_us = destruction_now_us() - 29 * DAY_US};
    struct ward_commit commit = {.uses = &use, .n_uses = 1, .node = WARD_BYTES_LITERAL("node-2")};
    assert_int_equal(core_world_commit(&fx.world, &commit, ENTRY), WARD_COMMITTED);
    destruction_stays();
    destruction_pass_days(2);
    destruction_goes();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, destruction_start, destruction_stop)
    const struct CMUnitTest tests[] = {
        T(a_version_is_destroyed_when_its_waiting_is_over),
        T(cancelling_wins_until_it_has_begun),
        T(nothing_is_destroyed_without_an_agreement),
        T(one_signature_is_not_enough),
        T(a_forged_signature_counts_for_nothing),
        T(the_same_person_twice_is_one),
        T(a_stranger_counts_for_nothing),
        T(an_agreement_about_another_version_is_none),
        T(an_agreement_that_was_not_executed_is_none),
        T(less_waiting_than_a_week_was_never_agreed_to),
        T(a_row_that_shortens_the_waiting_does_not),
        T(a_row_that_needs_the_version_keeps_it),
        T(a_row_that_does_not_open_keeps_every_version),
        T(a_device_that_is_away_is_waited_for),
        T(every_daemon_that_lives_must_have_let_go),
        T(a_daemon_lives_for_as_long_as_the_database_says),
        T(many_that_cannot_be_destroyed_wait_a_minute_each),
        T(a_daemon_that_was_not_seen_for_a_minute_is_not_waited_for),
        T(a_daemon_whose_clock_alone_is_ahead_destroys_nothing),
        T(a_database_whose_clock_alone_is_ahead_destroys_nothing),
        T(both_clocks_are_looked_at_before_the_intent),
        T(a_key_that_was_in_use_lately_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
