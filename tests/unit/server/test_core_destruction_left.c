/* SPDX-License-Identifier: Apache-2.0 */
/* A destruction that stops half-way: what a crash or a sleep leaves, who takes it up, and copies of
 * the key that are still held. */
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_destruction.h"
#include "tests/unit/server/core_log.h"

/* ---- crashes ---- */

static size_t intents(void)
{
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_reader_open(fx.world.store, &reader));
    assert_ok(ward_store_snapshot(reader, arena, &snapshot));
    size_t n = snapshot.n_intents;
    ward_store_reader_close(reader);
    ward_arena_free(arena);
    return n;
}

/* The intent's rows, as a daemon leaves them that died right after. */
static void begin(uint8_t prior)
{
    struct ward_effect effects[2] = {{.kind = WARD_EFFECT_INTENT}, {.kind = WARD_EFFECT_KEK_STATE}};
    struct ward_state *state = ward_state_slot_get(&fx.node.states);
    const struct ward_key_version *version = destruction_version_of(state);
    effects[0].intent =
        (struct ward_store_intent){.kek = fx.old.id,
                                   .proposal = fx.agreed,
                                   .version = fx.old.version,
                                   .effect = (uint8_t)(WARD_INTENT_DESTROY | (unsigned)prior << 4),
                                   .node = WARD_BYTES_LITERAL("node-1"),
                                   .created_us = destruction_now_us()};
    assert_ok(ward_id_random(&effects[0].intent.id));
    effects[1].kek_state.kek = fx.old.id;
    effects[1].kek_state.version = fx.old.version;
    effects[1].kek_state.from = effects[1].kek_state.to = (uint8_t)version->state;
    effects[1].kek_state.from_prior = (uint8_t)version->prior;
    effects[1].kek_state.from_due_us = effects[1].kek_state.due_us = version->due_us;
    effects[1].kek_state.from_changed_us = effects[1].kek_state.changed_us = version->changed_us;
    ward_state_unref(state);
    destruction_write(effects, prior == 0 ? 1 : 2);
}

static void recovers(const char *how)
{
    size_t n;
    struct core_log log;
    assert_ok(core_recover_all(&fx.node, &n));
    assert_int_equal(n, 1);
    assert_int_equal(intents(), 0);
    core_log_open(&log, &fx.world);
    assert_string_equal(core_text(log.leaves[log.n - 1], "action"), "system.recover");
    assert_string_equal(core_detail(log.leaves[log.n - 1], "recovered"), how);
    core_log_close(&log);
}

static void what_had_begun_is_finished(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    destruction_schedule(&agreement);
    destruction_pass_days(31);
    begin(WARD_KEY_DEACTIVATED);
    assert_int_equal(destruction_cancel().code,
                     WARD_E_CONFLICT); /* there is no state to go back to */
    destruction_stays();
    recovers("finished");
    assert_false(destruction_is_there());
    assert_int_equal(destruction_state(), WARD_KEY_DESTROYED);
}

static void what_was_destroyed_in_the_device_is_told(void **state)
{
    (void)state;
    struct destruction_agreement agreement = destruction_good();
    agreement.approver = NULL; /* even if nothing could be verified any more */
    destruction_schedule(&agreement);
    destruction_pass_days(31);
    begin(WARD_KEY_DEACTIVATED);
    fake_kek_forget(fx.world.kek, &fx.old);
    recovers("finished");
    assert_int_equal(destruction_state(), WARD_KEY_DESTROYED);
}

static void what_is_not_agreed_to_any_more_is_undone(void **state)
{
    (void)state;
    struct destruction_agreement agreement = destruction_good();
    agreement.approver = NULL;
    destruction_schedule(&agreement);
    destruction_pass_days(31);
    begin(WARD_KEY_DEACTIVATED);
    recovers("undone");
    assert_true(destruction_is_there());
    assert_ok(destruction_cancel()); /* as before */
    assert_int_equal(destruction_state(), WARD_KEY_DEACTIVATED);
}

static void a_forged_intent_destroys_nothing(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    begin(0); /* of a version that is not even pending */
    recovers("undone");
    assert_true(destruction_is_there());
    assert_int_equal(destruction_state(), WARD_KEY_DEACTIVATED);
    destruction_schedule(&agreement);
    begin(0); /* whose waiting is not over */
    recovers("undone");
    destruction_pass_days(10);
    begin(WARD_KEY_DEACTIVATED); /* with the version's row as well */
    recovers("undone");
    assert_true(destruction_is_there());
    fx.old.version = 2;
    begin(0); /* of the one that is active */
    recovers("undone");
    assert_true(destruction_is_there());
}

static void a_clock_that_is_ahead_finishes_nothing_of_another(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    destruction_schedule(&agreement);
    destruction_pass_days(31);
    ward_store_memory_set_clock(fx.world.store, &ward_clock_system);
    begin(WARD_KEY_DEACTIVATED);
    recovers("undone");
    assert_true(destruction_is_there());
    assert_int_equal(destruction_state(), WARD_KEY_PENDING_DESTRUCTION);
}

static void recovery_waits_for_the_device(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    destruction_schedule(&agreement);
    destruction_pass_days(31);
    begin(WARD_KEY_DEACTIVATED);
    fake_kek_set_fault(fx.world.kek, FAKE_KEK_AWAY);
    size_t n;
    assert_int_equal(core_recover_all(&fx.node, &n).code, WARD_E_UNAVAILABLE);
    assert_int_equal(intents(), 1);
    fake_kek_set_fault(fx.world.kek, FAKE_KEK_FINE);
    recovers("finished");
    assert_false(destruction_is_there());
}

/* ---- a daemon that sleeps ---- */

/* Once: right after an intent is durable. */
static enum ward_commit_outcome sleeps(void *arg, const struct ward_commit *commit,
                                       bool *ret_happens)
{
    bool *slept = arg;
    (void)ret_happens;
    if (!*slept && commit->n_effects > 0 && commit->effects[0].kind == WARD_EFFECT_INTENT) {
        *slept = true;
        atomic_fetch_add(&fx.world.clock.ahead_us, 301 * 1000000LL);
    }
    return WARD_COMMITTED;
}

static void who_slept_since_the_intent_destroys_nothing(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    bool slept = false;
    destruction_schedule(&agreement);
    destruction_pass_days(31);
    ward_store_memory_set_fault(fx.world.store, sleeps, &slept);
    destruction_tick();
    ward_store_memory_set_fault(fx.world.store, NULL, NULL);
    assert_true(slept);
    assert_true(destruction_is_there());
    assert_int_equal(intents(), 1);
    recovers("finished");
    assert_false(destruction_is_there());
    assert_int_equal(destruction_state(), WARD_KEY_DESTROYED);
}

/* ---- copies ---- */

static void idle_workers_settle(unsigned least_forgotten)
{
    uint64_t epoch = ward_state_slot_epoch(&fx.node.states);
    for (unsigned i = 0; i < 10000; i++) {
        if (fx.node.workers[0]->settled_epoch >= epoch &&
            fx.node.workers[1]->settled_epoch >= epoch) {
            break;
        }
        const struct timespec pause = {.tv_nsec = 1000000};
        ward_queue_kick(&fx.node.pipeline.work);
        (void)nanosleep(&pause, NULL);
    }
    assert_true(fx.node.workers[0]->settled_epoch >= epoch);
    assert_true(fx.node.workers[1]->settled_epoch >= epoch);
    assert_true(fake_kek_forgotten(fx.world.kek) >= least_forgotten);
}

static void idle_workers_let_go_of_what_is_of_no_use(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    unsigned before = fake_kek_forgotten(fx.world.kek);
    destruction_schedule(&agreement);
    idle_workers_settle(before + 2);
}

/* Its daemon slept while the version waited. */
static void idle_workers_let_go_of_what_is_destroyed(void **state)
{
    (void)state;
    const struct destruction_agreement agreement = destruction_good();
    idle_workers_settle(0);
    unsigned before = fake_kek_forgotten(fx.world.kek);
    destruction_schedule(&agreement);
    destruction_pass_days(31);
    begin(WARD_KEY_DEACTIVATED);
    struct ward_state *now = ward_state_slot_get(&fx.node.states);
    struct ward_effect gone = {.kind = WARD_EFFECT_KEK_STATE};
    gone.kek_state.kek = fx.old.id;
    gone.kek_state.version = fx.old.version;
    gone.kek_state.from = WARD_KEY_PENDING_DESTRUCTION;
    gone.kek_state.from_due_us = destruction_version_of(now)->due_us;
    gone.kek_state.from_changed_us = destruction_version_of(now)->changed_us;
    gone.kek_state.to = WARD_KEY_DESTROYED;
    gone.kek_state.changed_us = destruction_now_us();
    ward_state_unref(now);
    destruction_write(&gone, 1);
    assert_int_equal(fake_kek_forgotten(fx.world.kek), before);
    idle_workers_settle(before + 2);
    before = fake_kek_forgotten(fx.world.kek);
    destruction_pass_days(2);
    core_make_key(&fx.node, "other/records", WARD_PURPOSE_RECORDS);
    idle_workers_settle(before); /* once more at most: its clock may differ from others' */
    before = fake_kek_forgotten(fx.world.kek);
    core_make_key(&fx.node, "more/records", WARD_PURPOSE_RECORDS);
    idle_workers_settle(before);
    assert_int_equal(fake_kek_forgotten(fx.world.kek), before);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, destruction_start, destruction_stop)
    const struct CMUnitTest tests[] = {
        T(what_had_begun_is_finished),
        T(what_was_destroyed_in_the_device_is_told),
        T(what_is_not_agreed_to_any_more_is_undone),
        T(a_forged_intent_destroys_nothing),
        T(a_clock_that_is_ahead_finishes_nothing_of_another),
        T(recovery_waits_for_the_device),
        T(who_slept_since_the_intent_destroys_nothing),
        T(idle_workers_let_go_of_what_is_of_no_use),
        T(idle_workers_let_go_of_what_is_destroyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
