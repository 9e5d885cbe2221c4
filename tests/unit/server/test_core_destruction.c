/* SPDX-License-Identifier: Apache-2.0 */
/* A version is destroyed when its waiting is over, and only when everything that allows it is still
 * so: each test takes one thing away. Time is turned by hand. */
#include "server/jobs/destruction.h"
#include "server/op/destroying.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define DAY_US (24LL * 3600 * 1000000)
#define ENTRY ",\"outcome\":\"allowed\"}"

static struct core_world world;
static struct core_node node;
static struct ward_destruction_memory memory;
static struct ward_kek_ref old; /* phi/records version 1, which no row needs */
static struct ward_id agreed;   /* the proposal */

static int64_t now_us(void)
{
    return ward_wall_us(&world.clock.base);
}

static void pass_days(int64_t days)
{
    atomic_fetch_add(&world.clock.ahead_us, days * DAY_US);
}

static const struct ward_key_version *version_of(struct ward_state *state)
{
    return ward_key_version_find(ward_state_key_by_id(state, &old.id), old.version);
}

static uint8_t state_now(void)
{
    core_node_refresh_now(&node);
    struct ward_state *state = ward_state_slot_get(&node.states);
    uint8_t found = (uint8_t)version_of(state)->state;
    ward_state_unref(state);
    return found;
}

static void write(const struct ward_effect *effects, size_t n)
{
    assert_int_equal(core_world_write(&world, effects, n, true, ENTRY), WARD_COMMITTED);
    core_node_refresh_now(&node);
}

/* ---- what officers agreed to, as rows ---- */

struct agreement {
    const char *object;
    uint32_t version;
    int64_t days, created_us;
    uint8_t state;
    const struct core_person *proposer, *approver; /* NULL: nobody */
    bool forged;                                   /* the approval is of other bytes */
};

static struct agreement good(void)
{
    return (struct agreement){.object = "phi/records",
                              .version = 1,
                              .days = 30,
                              .created_us = now_us(),
                              .state = WARD_PROPOSAL_EXECUTED,
                              .proposer = &world.officer_a,
                              .approver = &world.officer_b};
}

static struct ward_effect vote_of(const struct core_person *person, struct ward_bytes payload,
                                  enum ward_decision_kind decision, uint8_t *signature)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_VOTE};
    size_t size = core_person_sign(person, payload, decision, signature);
    effect.vote.proposal = agreed;
    effect.vote.vote = (struct ward_store_vote){.identity = ward_bytes_str(person->peer->identity),
                                                .signature = WARD_BYTES(signature, size),
                                                .certificate = person->peer->certificate,
                                                .decision = (uint8_t)decision,
                                                .created_us = now_us()};
    return effect;
}

static void agree(const struct agreement *agreement)
{
    char key_id[WARD_ID_TEXT_SIZE];
    uint8_t proposed[128], approved[128];
    struct ward_buffer payload;
    struct ward_state *state = ward_state_slot_get(&node.states);
    ward_id_print(&old.id, key_id);
    ward_buffer_init(&payload, WARD_PROPOSAL_MAX);
    assert_ok(ward_id_random(&agreed));
    struct ward_proposal proposal = {
        .deployment = state->deployment,
        .id = agreed,
        .action = WARD_BYTES_LITERAL("key.destroy"),
        .object = ward_bytes_str(agreement->object),
        .parameters = {{.name = WARD_BYTES_LITERAL("key_id"), .text = ward_bytes_str(key_id)},
                       {.name = WARD_BYTES_LITERAL("version"), .number = agreement->version},
                       {.name = WARD_BYTES_LITERAL("waiting_days"), .number = agreement->days}},
        .n_parameters = 3,
        .epoch = state->epoch,
        .proposer = ward_bytes_str(agreement->proposer->peer->identity),
        .person = WARD_BYTES_LITERAL("alice"),
        .created_us = agreement->created_us,
        .expires_us = agreement->created_us + DAY_US,
        .approvals = 1};
    memcpy(proposal.policy, ward_policy_hash(state->policy), sizeof(proposal.policy));
    ward_state_unref(state);
    ward_proposal_print(&proposal, &payload);
    assert_false(payload.failed);
    struct ward_bytes bytes = ward_buffer_view(&payload);
    struct ward_effect effects[3] = {{.kind = WARD_EFFECT_PROPOSAL}};
    effects[0].proposal = (struct ward_store_proposal){.id = agreed,
                                                       .payload = bytes,
                                                       .proposer = proposal.proposer,
                                                       .state = agreement->state,
                                                       .created_us = proposal.created_us,
                                                       .expires_us = proposal.expires_us};
    effects[1] = vote_of(agreement->proposer, bytes, WARD_DECISION_PROPOSE, proposed);
    size_t n = 2;
    if (agreement->approver != NULL) {
        struct ward_bytes other = WARD_BYTES_LITERAL("{}");
        effects[n++] = vote_of(agreement->approver, agreement->forged ? other : bytes,
                               WARD_DECISION_APPROVE, approved);
    }
    write(effects, n);
    ward_buffer_fini(&payload);
}

static struct ward_effect to_pending(int64_t due_us)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_KEK_STATE};
    struct ward_state *state = ward_state_slot_get(&node.states);
    const struct ward_key_version *version = version_of(state);
    effect.kek_state.kek = old.id;
    effect.kek_state.version = old.version;
    effect.kek_state.from = (uint8_t)version->state;
    effect.kek_state.from_changed_us = version->changed_us;
    effect.kek_state.to = WARD_KEY_PENDING_DESTRUCTION;
    effect.kek_state.prior = (uint8_t)version->state;
    effect.kek_state.due_us = due_us;
    effect.kek_state.changed_us = now_us();
    ward_state_unref(state);
    return effect;
}

static void schedule(const struct agreement *agreement)
{
    agree(agreement);
    struct ward_effect pending = to_pending(now_us() + 30 * DAY_US);
    write(&pending, 1);
}

/* As a daemon asks for it that has not heard of what was begun meanwhile. */
static ward_status cancel(void)
{
    struct ward_state *state = ward_state_slot_get(&node.states);
    const struct ward_key_version *version = version_of(state);
    struct ward_effect effect = {.kind = WARD_EFFECT_KEK_STATE};
    effect.kek_state.kek = old.id;
    effect.kek_state.version = old.version;
    effect.kek_state.from = WARD_KEY_PENDING_DESTRUCTION;
    effect.kek_state.from_prior = WARD_KEY_DEACTIVATED;
    effect.kek_state.from_due_us = version->due_us;
    effect.kek_state.from_changed_us = version->changed_us;
    effect.kek_state.to = WARD_KEY_DEACTIVATED;
    effect.kek_state.changed_us = now_us();
    ward_state_unref(state);
    enum ward_commit_outcome outcome = core_world_write(&world, &effect, 1, true, ENTRY);
    core_node_refresh_now(&node);
    return outcome == WARD_COMMITTED ? WARD_OK : WARD_STATUS(WARD_E_CONFLICT);
}

/* ---- life ---- */

static int start(void **state)
{
    (void)state;
    memory = (struct ward_destruction_memory){0};
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "phi/records", WARD_PURPOSE_RECORDS);
    assert_ok(core_run_free(&node, core_put(&world, &world.app, "fhir", "s1", 3, "{\"id\":1}")));
    assert_ok(core_run_free(&node, core_put(&world, &world.app, "fhir", "s2", 3, "{\"id\":1}")));
    core_rotate_fully(&node, "phi/records");
    core_rewrap_all(&node, "phi/records");
    core_node_refresh_now(&node);
    struct ward_state *now = ward_state_slot_get(&node.states);
    old = (struct ward_kek_ref){ward_state_key(now, ward_bytes_str("phi/records"))->id, 1};
    ward_state_unref(now);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

static void tick(void)
{
    static const atomic_bool running;
    struct ward_store_reader *reader = NULL;
    assert_ok(ward_store_reader_open(world.store, &reader));
    core_node_refresh_now(&node);
    ward_destruction_tick(&node.pipeline, world.kek, reader, &running, &memory);
    ward_store_reader_close(reader);
}

static bool is_there(void)
{
    return fake_kek_has(world.kek, &old);
}

static void stays(void)
{
    tick();
    assert_true(is_there());
    assert_int_equal(state_now(), WARD_KEY_PENDING_DESTRUCTION);
}

static void goes(void)
{
    atomic_fetch_add(&world.clock.ahead_us, 61 * 1000000LL); /* one that failed waits a minute */
    tick();
    assert_false(is_there());
    assert_int_equal(state_now(), WARD_KEY_DESTROYED);
}

/* ---- what is allowed ---- */

static void a_version_is_destroyed_when_its_waiting_is_over(void **state)
{
    (void)state;
    const struct agreement agreement = good();
    schedule(&agreement);
    stays();
    pass_days(29);
    stays();
    pass_days(2);
    goes();
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = log.leaves[log.n - 1];
    assert_string_equal(core_text(leaf, "action"), "system.destroy");
    assert_string_equal(core_text(leaf, "identity"), "system");
    assert_string_equal(core_text(leaf, "outcome"), "allowed");
    assert_string_equal(core_text(leaf, "object"), "key:phi/records#1");
    assert_int_equal(core_detail_number(leaf, "rows_opened"), 2);
    assert_int_equal(core_detail_number(leaf, "rows_of_version"), 0);
    assert_string_equal(core_detail(leaf, "approvers"), "spiffe://unit.test/officer-b");
    core_log_close(&log);
    assert_ok(core_run_free(&node, core_get(&world, &world.app, "fhir", "s1")));
    tick();
    assert_int_equal(state_now(), WARD_KEY_DESTROYED);
}

static void cancelling_wins_until_it_has_begun(void **state)
{
    (void)state;
    const struct agreement agreement = good();
    schedule(&agreement);
    pass_days(31);
    assert_ok(cancel());
    tick();
    assert_true(is_there());
    assert_int_equal(state_now(), WARD_KEY_DEACTIVATED);
}

/* ---- what stands against it ---- */

static void nothing_is_destroyed_without_an_agreement(void **state)
{
    (void)state;
    struct ward_effect pending = to_pending(now_us() + DAY_US);
    write(&pending, 1);
    pass_days(40);
    stays();
}

static void refused(const struct agreement *agreement)
{
    schedule(agreement);
    pass_days(40);
    stays();
}

static void one_signature_is_not_enough(void **state)
{
    (void)state;
    struct agreement agreement = good();
    agreement.approver = NULL;
    refused(&agreement);
}

static void a_forged_signature_counts_for_nothing(void **state)
{
    (void)state;
    struct agreement agreement = good();
    agreement.forged = true;
    refused(&agreement);
}

static void the_same_person_twice_is_one(void **state)
{
    (void)state;
    struct agreement agreement = good();
    agreement.approver = &world.officer_a2;
    refused(&agreement);
}

static void a_stranger_counts_for_nothing(void **state)
{
    (void)state;
    struct agreement agreement = good();
    agreement.approver = &world.stranger;
    refused(&agreement);
}

static void an_agreement_about_another_version_is_none(void **state)
{
    (void)state;
    struct agreement agreement = good();
    agreement.version = 2;
    refused(&agreement);
}

static void an_agreement_that_was_not_executed_is_none(void **state)
{
    (void)state;
    struct agreement agreement = good();
    agreement.state = WARD_PROPOSAL_OPEN;
    refused(&agreement);
}

static void less_waiting_than_a_week_was_never_agreed_to(void **state)
{
    (void)state;
    struct agreement agreement = good();
    agreement.days = 1;
    refused(&agreement);
}

static void a_row_that_shortens_the_waiting_does_not(void **state)
{
    (void)state;
    const struct agreement agreement = good();
    agree(&agreement);
    struct ward_effect pending = to_pending(now_us() + 1);
    write(&pending, 1);
    pass_days(20);
    stays();
    pass_days(11);
    goes();
}

static void a_row_that_needs_the_version_keeps_it(void **state)
{
    (void)state;
    const struct agreement agreement = good();
    assert_ok(core_run_free(&node, core_put(&world, &world.app, "fhir", "s3", 1, "{\"id\":1}")));
    old.version = 2;
    core_rotate_fully(&node, "phi/records"); /* version 2 holds rows now */
    struct agreement of_two = agreement;
    of_two.version = 2;
    schedule(&of_two);
    pass_days(40);
    stays();
}

static void a_row_that_does_not_open_keeps_every_version(void **state)
{
    (void)state;
    const struct agreement agreement = good();
    const struct ward_kek_ref newer = {old.id, 2};
    schedule(&agreement);
    pass_days(40);
    fake_kek_forget(world.kek, &newer);
    stays();
}

static void a_device_that_is_away_is_waited_for(void **state)
{
    (void)state;
    const struct agreement agreement = good();
    schedule(&agreement);
    pass_days(40);
    fake_kek_set_fault(world.kek, FAKE_KEK_AWAY);
    stays();
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    goes();
}

static void tell(const char *name, uint64_t epoch)
{
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_reader_open(world.store, &reader));
    struct ward_read beat = {.kind = WARD_READ_HEARTBEAT, .arena = arena}, *reads[] = {&beat};
    beat.heartbeat.node = ward_bytes_str(name);
    beat.heartbeat.epoch = epoch;
    beat.heartbeat.now_us = now_us();
    assert_ok(ward_store_read(reader, reads, 1));
    assert_ok(beat.status);
    ward_store_reader_close(reader);
    ward_arena_free(arena);
}

static void every_daemon_that_lives_must_have_let_go(void **state)
{
    (void)state;
    const struct agreement agreement = good();
    uint64_t before = ward_state_slot_epoch(&node.states);
    schedule(&agreement);
    pass_days(40);
    tell("node-2", before);
    stays();
    atomic_fetch_add(&world.clock.ahead_us, 59 * 1000000LL);
    tell("node-2", before);
    atomic_fetch_add(&world.clock.ahead_us, 10 * 1000000LL);
    stays();
    tell("node-2", ward_state_slot_epoch(&node.states));
    goes();
}

static void a_daemon_that_was_not_seen_for_a_minute_is_not_waited_for(void **state)
{
    (void)state;
    const struct agreement agreement = good();
    schedule(&agreement);
    pass_days(40);
    tell("node-2", 1);
    goes();
}

static void a_key_that_was_in_use_lately_stays(void **state)
{
    (void)state;
    const struct agreement agreement = good();
    schedule(&agreement);
    pass_days(40);
    const struct ward_new_use use = {
        .kek = old.id, .version = 1, .opened = 1, .last_opened_us = now_us() - 29 * DAY_US};
    struct ward_commit commit = {.uses = &use, .n_uses = 1, .node = WARD_BYTES_LITERAL("node-2")};
    assert_int_equal(core_world_commit(&world, &commit, ENTRY), WARD_COMMITTED);
    stays();
    pass_days(2);
    goes();
}

/* ---- crashes ---- */

static size_t intents(void)
{
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_reader_open(world.store, &reader));
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
    struct ward_state *state = ward_state_slot_get(&node.states);
    const struct ward_key_version *version = version_of(state);
    effects[0].intent =
        (struct ward_store_intent){.kek = old.id,
                                   .proposal = agreed,
                                   .version = old.version,
                                   .effect = (uint8_t)(WARD_INTENT_DESTROY | (unsigned)prior << 4),
                                   .node = WARD_BYTES_LITERAL("node-1"),
                                   .created_us = now_us()};
    assert_ok(ward_id_random(&effects[0].intent.id));
    effects[1].kek_state.kek = old.id;
    effects[1].kek_state.version = old.version;
    effects[1].kek_state.from = effects[1].kek_state.to = (uint8_t)version->state;
    effects[1].kek_state.from_prior = (uint8_t)version->prior;
    effects[1].kek_state.from_due_us = effects[1].kek_state.due_us = version->due_us;
    effects[1].kek_state.from_changed_us = effects[1].kek_state.changed_us = version->changed_us;
    ward_state_unref(state);
    write(effects, prior == 0 ? 1 : 2);
}

static void recovers(const char *how)
{
    size_t n;
    struct core_log log;
    assert_ok(core_recover_all(&node, &n));
    assert_int_equal(n, 1);
    assert_int_equal(intents(), 0);
    core_log_open(&log, &world);
    assert_string_equal(core_text(log.leaves[log.n - 1], "action"), "system.recover");
    assert_string_equal(core_detail(log.leaves[log.n - 1], "recovered"), how);
    core_log_close(&log);
}

static void what_had_begun_is_finished(void **state)
{
    (void)state;
    const struct agreement agreement = good();
    schedule(&agreement);
    pass_days(31);
    begin(WARD_KEY_DEACTIVATED);
    assert_int_equal(cancel().code, WARD_E_CONFLICT); /* there is no state to go back to */
    stays();
    recovers("finished");
    assert_false(is_there());
    assert_int_equal(state_now(), WARD_KEY_DESTROYED);
}

static void what_was_destroyed_in_the_device_is_told(void **state)
{
    (void)state;
    struct agreement agreement = good();
    agreement.approver = NULL; /* even if nothing could be verified any more */
    schedule(&agreement);
    pass_days(31);
    begin(WARD_KEY_DEACTIVATED);
    fake_kek_forget(world.kek, &old);
    recovers("finished");
    assert_int_equal(state_now(), WARD_KEY_DESTROYED);
}

static void what_is_not_agreed_to_any_more_is_undone(void **state)
{
    (void)state;
    struct agreement agreement = good();
    agreement.approver = NULL;
    schedule(&agreement);
    pass_days(31);
    begin(WARD_KEY_DEACTIVATED);
    recovers("undone");
    assert_true(is_there());
    assert_ok(cancel()); /* as before */
    assert_int_equal(state_now(), WARD_KEY_DEACTIVATED);
}

static void a_forged_intent_destroys_nothing(void **state)
{
    (void)state;
    const struct agreement agreement = good();
    begin(0); /* of a version that is not even pending */
    recovers("undone");
    assert_true(is_there());
    assert_int_equal(state_now(), WARD_KEY_DEACTIVATED);
    schedule(&agreement);
    begin(0); /* whose waiting is not over */
    recovers("undone");
    pass_days(10);
    begin(WARD_KEY_DEACTIVATED); /* with the version's row as well */
    recovers("undone");
    assert_true(is_there());
    old.version = 2;
    begin(0); /* of the one that is active */
    recovers("undone");
    assert_true(is_there());
}

static void recovery_waits_for_the_device(void **state)
{
    (void)state;
    const struct agreement agreement = good();
    schedule(&agreement);
    pass_days(31);
    begin(WARD_KEY_DEACTIVATED);
    fake_kek_set_fault(world.kek, FAKE_KEK_AWAY);
    size_t n;
    assert_int_equal(core_recover_all(&node, &n).code, WARD_E_UNAVAILABLE);
    assert_int_equal(intents(), 1);
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    recovers("finished");
    assert_false(is_there());
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
        atomic_fetch_add(&world.clock.ahead_us, 301 * 1000000LL);
    }
    return WARD_COMMITTED;
}

static void who_slept_since_the_intent_destroys_nothing(void **state)
{
    (void)state;
    const struct agreement agreement = good();
    bool slept = false;
    schedule(&agreement);
    pass_days(31);
    ward_store_memory_set_fault(world.store, sleeps, &slept);
    tick();
    ward_store_memory_set_fault(world.store, NULL, NULL);
    assert_true(slept);
    assert_true(is_there());
    assert_int_equal(intents(), 1);
    recovers("finished");
    assert_false(is_there());
    assert_int_equal(state_now(), WARD_KEY_DESTROYED);
}

/* ---- copies ---- */

static void idle_workers_settle(unsigned least_forgotten)
{
    uint64_t epoch = ward_state_slot_epoch(&node.states);
    for (unsigned i = 0; i < 10000; i++) {
        if (node.workers[0]->settled_epoch >= epoch && node.workers[1]->settled_epoch >= epoch) {
            break;
        }
        const struct timespec pause = {.tv_nsec = 1000000};
        ward_queue_kick(&node.pipeline.work);
        (void)nanosleep(&pause, NULL);
    }
    assert_true(node.workers[0]->settled_epoch >= epoch);
    assert_true(node.workers[1]->settled_epoch >= epoch);
    assert_true(fake_kek_forgotten(world.kek) >= least_forgotten);
}

static void idle_workers_let_go_of_what_is_of_no_use(void **state)
{
    (void)state;
    const struct agreement agreement = good();
    unsigned before = fake_kek_forgotten(world.kek);
    schedule(&agreement);
    idle_workers_settle(before + 2);
}

/* Its daemon slept while the version waited. */
static void idle_workers_let_go_of_what_is_destroyed(void **state)
{
    (void)state;
    const struct agreement agreement = good();
    idle_workers_settle(0);
    unsigned before = fake_kek_forgotten(world.kek);
    schedule(&agreement);
    pass_days(31);
    begin(WARD_KEY_DEACTIVATED);
    struct ward_state *now = ward_state_slot_get(&node.states);
    struct ward_effect gone = {.kind = WARD_EFFECT_KEK_STATE};
    gone.kek_state.kek = old.id;
    gone.kek_state.version = old.version;
    gone.kek_state.from = WARD_KEY_PENDING_DESTRUCTION;
    gone.kek_state.from_due_us = version_of(now)->due_us;
    gone.kek_state.from_changed_us = version_of(now)->changed_us;
    gone.kek_state.to = WARD_KEY_DESTROYED;
    gone.kek_state.changed_us = now_us();
    ward_state_unref(now);
    write(&gone, 1);
    assert_int_equal(fake_kek_forgotten(world.kek), before);
    idle_workers_settle(before + 2);
    before = fake_kek_forgotten(world.kek);
    pass_days(2);
    core_make_key(&node, "other/records", WARD_PURPOSE_RECORDS);
    idle_workers_settle(before); /* once more at most: its clock may differ from others' */
    before = fake_kek_forgotten(world.kek);
    core_make_key(&node, "more/records", WARD_PURPOSE_RECORDS);
    idle_workers_settle(before);
    assert_int_equal(fake_kek_forgotten(world.kek), before);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
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
        T(a_daemon_that_was_not_seen_for_a_minute_is_not_waited_for),
        T(a_key_that_was_in_use_lately_stays),
        T(what_had_begun_is_finished),
        T(what_was_destroyed_in_the_device_is_told),
        T(what_is_not_agreed_to_any_more_is_undone),
        T(a_forged_intent_destroys_nothing),
        T(recovery_waits_for_the_device),
        T(who_slept_since_the_intent_destroys_nothing),
        T(idle_workers_let_go_of_what_is_of_no_use),
        T(idle_workers_let_go_of_what_is_destroyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
