/* SPDX-License-Identifier: Apache-2.0 */
/* Intents that recovery takes up and should not believe: forged ones, ones that came late, and ones
 * whose daemon only slept. */
#include "server/jobs/recovery.h"
#include "server/limits.h"
#include "tests/unit/server/core_recovery.h"

/* ---- intents that nobody made ---- */

static void forge_intent_of(const struct ward_kek_ref *ref, const struct ward_id *proposal)
{
    struct ward_effect intent = {.kind = WARD_EFFECT_INTENT};
    intent.intent = (struct ward_store_intent){.kek = ref->id,
                                               .proposal = *proposal,
                                               .version = ref->version,
                                               .effect = 1,
                                               .node = WARD_BYTES_LITERAL("node-1"),
                                               .created_us = 1};
    assert_ok(ward_id_random(&intent.intent.id));
    assert_int_equal(
        core_world_write(&recovery.world, &intent, 1, false, ",\"outcome\":\"allowed\"}"),
        WARD_COMMITTED);
}

static void forge_intent(const struct ward_kek_ref *ref)
{
    const struct ward_id none = {0};
    forge_intent_of(ref, &none);
}

/* Made in the token, and known to no row. */
static void key_in_token(const struct ward_kek_ref *ref, const char *label)
{
    struct ward_kek_session *session = NULL;
    assert_ok(ward_kek_session_open(recovery.world.kek, &session));
    assert_ok(ward_kek_create(session, ref, label));
    ward_kek_session_close(session);
}

/* The proposal is a real one and its proposer may even have signed it; nobody approved it. */
static void a_forged_state_is_no_approval(void **state)
{
    (void)state;
    for (unsigned submitted = 0; submitted < 2; submitted++) {
        struct core_proposal proposal;
        core_propose(&recovery.node, &recovery.world.officer_a, "app/keys", &proposal);
        if (submitted) {
            assert_ok(
                core_run_free(&recovery.node, core_vote(&recovery.world, &recovery.world.officer_a,
                                                        &ward_op_approval_submit, &proposal)));
        }
        struct ward_effect executing = {.kind = WARD_EFFECT_PROPOSAL_STATE};
        executing.proposal_state.id = proposal.id;
        executing.proposal_state.from = submitted ? WARD_PROPOSAL_OPEN : WARD_PROPOSAL_DRAFT;
        executing.proposal_state.to = WARD_PROPOSAL_EXECUTING;
        assert_int_equal(
            core_world_write(&recovery.world, &executing, 1, false, ",\"outcome\":\"allowed\"}"),
            WARD_COMMITTED);
        struct ward_state *now = ward_state_slot_get(&recovery.node.states);
        struct ward_kek_ref next = {.id = ward_state_key(now, WARD_BYTES_LITERAL("app/keys"))->id,
                                    .version = 2};
        ward_state_unref(now);
        forge_intent_of(&next, &proposal.id);
        recovery_tells(1, "allowed", "undone");
        recovery_has_intents(0);
        assert_int_equal(core_active_version(&recovery.node, "app/keys"), 1);
        assert_false(fake_kek_has(recovery.world.kek, &next));
        recovery_shows(&proposal, "rejected");
    }
}

/* Approved, but its key moved on before recovery came: nothing of it can ever be done. */
static void an_approved_rotation_that_cannot_be_finished_is_undone(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct ward_request *approval = recovery_last_approval(&proposal);
    struct recovery_fault fault = {.outcome = WARD_COMMIT_FAILED, .times = 1};
    ward_store_memory_set_fault(recovery.world.store, recovery_on_outcome, &fault);
    assert_code(core_run_free(&recovery.node, approval), WARD_E_INTERNAL);
    struct ward_state *now = ward_state_slot_get(&recovery.node.states);
    const struct ward_key *found = ward_state_key(now, WARD_BYTES_LITERAL("app/keys"));
    struct ward_kek_ref key = {.id = found->id};
    struct ward_effect moved[] = {
        ward_key_version_move(found, found->active, WARD_KEY_DEACTIVATED, 0, 1),
        {.kind = WARD_EFFECT_KEK_VERSION}};
    ward_state_unref(now);
    moved[1].kek_version = (struct ward_store_kek_version){
        .kek = key.id, .version = 3, .state = WARD_KEY_ACTIVE, .created_us = 1};
    assert_int_equal(core_world_write(&recovery.world, moved, 2, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    key.version = 2;
    assert_true(fake_kek_has(recovery.world.kek, &key));
    recovery_tells(1, "allowed", "undone");
    assert_false(fake_kek_has(recovery.world.kek, &key));
    recovery_shows(&proposal, "rejected");
    recovery_has_intents(0);
}

static void a_forged_intent_destroys_no_key_in_use(void **state)
{
    (void)state;
    struct ward_state *now = ward_state_slot_get(&recovery.node.states);
    struct ward_kek_ref used = {.id = now->keys[0].id, .version = 1},
                        log_key = now->log_keys[0].ref;
    ward_state_unref(now);
    forge_intent(&used);
    recovery_tells(1, "failed", "");
    assert_true(fake_kek_has(recovery.world.kek, &used));
    forge_intent(&log_key);
    recovery_tells(2, "failed", "");
    assert_true(fake_kek_has(recovery.world.kek, &log_key));
}

/* As after the loss of a row of the keyring: the version is unknown, but a row needs it. */
static void an_intent_destroys_no_key_that_a_row_needs(void **state)
{
    (void)state;
    struct ward_state *now = ward_state_slot_get(&recovery.node.states);
    struct ward_kek_ref lost = {.id = ward_state_key(now, WARD_BYTES_LITERAL("app/keys"))->id,
                                .version = 9};
    ward_state_unref(now);
    key_in_token(&lost, "lost");
    struct ward_new_subject_key row = {.collection = WARD_BYTES_LITERAL("fhir"),
                                       .generation = 1,
                                       .kek = lost.id,
                                       .kek_version = lost.version,
                                       .wrapped = WARD_BYTES_LITERAL("wrapped")};
    struct ward_commit commit = {.subject_keys = &row, .n_subject_keys = 1};
    assert_int_equal(core_world_commit(&recovery.world, &commit, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    forge_intent(&lost);
    recovery_tells(1, "failed", "");
    assert_true(fake_kek_has(recovery.world.kek, &lost));
}

/* Of a token that several deployments share, the keyring knows only its own part: that an intent is
 * not this deployment's, only the sums over the rows tell. */
static void an_intent_that_no_daemon_wrote_is_not_taken_up(void **state)
{
    (void)state;
    struct ward_kek_ref theirs = {.version = 1};
    assert_ok(ward_id_random(&theirs.id));
    key_in_token(&theirs, "of another deployment");
    struct ward_effect forged = {.kind = WARD_EFFECT_INTENT};
    forged.intent = (struct ward_store_intent){.kek = theirs.id,
                                               .version = theirs.version,
                                               .effect = 1,
                                               .node = WARD_BYTES_LITERAL("node-9"),
                                               .created_us = 1};
    assert_ok(ward_id_random(&forged.intent.id));
    recovery.world.without_key = true; /* whoever can write into the database has not */
    assert_int_equal(core_world_write(&recovery.world, &forged, 1, false, NULL), WARD_COMMITTED);
    recovery.world.without_key = false;
    recovery_look(&recovery.node);
    assert_true(fake_kek_has(recovery.world.kek, &theirs));
    recovery_has_intents(1);
}

/* The daemon that made the key died in its COMMIT, which was done all the same, and its intent is
 * still seen by who takes it up. */
static void an_outcome_that_came_late_keeps_its_key(void **state)
{
    (void)state;
    struct ward_kek_ref made = {.version = 1};
    assert_ok(ward_id_random(&made.id));
    key_in_token(&made, "made");
    struct ward_effect outcome[2] = {{.kind = WARD_EFFECT_KEK}, {.kind = WARD_EFFECT_KEK_VERSION}};
    outcome[0].kek = (struct ward_store_kek){.id = made.id,
                                             .name = WARD_BYTES_LITERAL("app/late"),
                                             .backend = WARD_BYTES_LITERAL("pkcs11"),
                                             .purpose = WARD_PURPOSE_DATA_KEYS,
                                             .enabled = true,
                                             .created_us = 1};
    outcome[1].kek_version = (struct ward_store_kek_version){
        .kek = made.id, .version = 1, .state = WARD_KEY_ACTIVE, .created_us = 1};
    forge_intent(&made);
    assert_int_equal(
        core_world_write(&recovery.world, outcome, 2, true, ",\"outcome\":\"allowed\"}"),
        WARD_COMMITTED);
    recovery_tells(1, "failed", "");
    assert_true(fake_kek_has(recovery.world.kek, &made));
}

/* ---- a daemon that sleeps ---- */

/* Once: right after its intent is durable. */
static enum ward_commit_outcome sleeps(void *arg, const struct ward_commit *commit,
                                       bool *ret_happens)
{
    bool *slept = arg;
    (void)ret_happens;
    if (!*slept && commit->n_effects == 1 && commit->effects[0].kind == WARD_EFFECT_INTENT) {
        *slept = true;
        atomic_fetch_add(&recovery.world.clock.ahead_us, 301 * 1000000LL);
    }
    return WARD_COMMITTED;
}

static void who_slept_since_the_intent_makes_nothing(void **state)
{
    (void)state;
    size_t before = fake_kek_objects(recovery.world.kek);
    bool slept = false;
    ward_store_memory_set_fault(recovery.world.store, sleeps, &slept);
    struct ward_request *request =
        core_create(&recovery.world, &recovery.world.officer_a, "app/new", 1);
    assert_code(core_run(&recovery.node, request), WARD_E_UNAVAILABLE);
    core_expect_entry(&recovery.world, request, "failed", "UNAVAILABLE");
    ward_request_free(request);
    ward_store_memory_set_fault(recovery.world.store, NULL, NULL);
    assert_true(slept);
    assert_int_equal(fake_kek_objects(recovery.world.kek), before);
    recovery_has_intents(1);
    recovery_tells(1, "allowed", "undone");
    recovery_has_intents(0);
}

/* Nobody died: the HSM was away, and the key waits for two minutes, not for five. */
static void what_the_hsm_was_away_for_is_taken_up_by_its_own_daemon_first(void **state)
{
    (void)state;
    struct core_node other;
    core_node_start(&other, &recovery.world, "node-2");
    recovery_create_fails(FAKE_KEK_CREATE_AWAY, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    atomic_fetch_add(&recovery.world.clock.ahead_us, 100 * 1000000LL);
    recovery_look(&recovery.node);
    recovery_look(&other);
    recovery_has_intents(1);
    atomic_fetch_add(&recovery.world.clock.ahead_us, 25 * 1000000LL);
    recovery_look(&other);
    recovery_has_intents(1);
    recovery_look(&recovery.node);
    recovery_has_intents(0);
    recovery_create_fails(FAKE_KEK_CREATE_AWAY, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    atomic_fetch_add(&recovery.world.clock.ahead_us, 310 * 1000000LL);
    recovery_look(&other);
    recovery_has_intents(0);
    core_make_key(&recovery.node, "app/new", WARD_PURPOSE_DATA_KEYS);
    core_node_stop(&other);
}

/* Once: right after it has taken an intent up. */
static enum ward_commit_outcome sleeps_taking_up(void *arg, const struct ward_commit *commit,
                                                 bool *ret_happens)
{
    bool *slept = arg;
    (void)ret_happens;
    if (!*slept && commit->n_effects == 2 && commit->effects[1].kind == WARD_EFFECT_INTENT) {
        *slept = true;
        atomic_fetch_add(&recovery.world.clock.ahead_us, WARD_INTENT_HELD_US);
    }
    return WARD_COMMITTED;
}

/* Whoever takes it up touches the HSM for as short a while as whoever wrote it. */
static void who_slept_since_it_took_up_destroys_nothing(void **state)
{
    (void)state;
    recovery_create_fails(FAKE_KEK_CREATE_DOUBT, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    size_t made = fake_kek_objects(recovery.world.kek);
    bool slept = false;
    ward_store_memory_set_fault(recovery.world.store, sleeps_taking_up, &slept);
    recovery_tells(1, "failed", "");
    ward_store_memory_set_fault(recovery.world.store, NULL, NULL);
    assert_true(slept);
    assert_int_equal(fake_kek_objects(recovery.world.kek), made);
    recovery_tells(1, "allowed", "undone");
    assert_int_equal(fake_kek_objects(recovery.world.kek), made - 1);
    recovery_has_intents(0);
}

static struct ward_store_intent the_intent(void)
{
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_reader_open(recovery.world.store, &reader));
    assert_ok(ward_store_snapshot(reader, arena, &snapshot));
    assert_int_equal(snapshot.n_intents, 1);
    struct ward_store_intent intent = snapshot.intents[0];
    assert_true(ward_bytes_eq(intent.node, WARD_BYTES_LITERAL("node-1")));
    intent.node = WARD_BYTES_LITERAL("node-1"); /* which outlives the arena */
    ward_store_reader_close(reader);
    ward_arena_free(arena);
    return intent;
}

static bool is_taken_up_after(int64_t ahead_us, const struct ward_store_intent *intent)
{
    atomic_fetch_add(&recovery.world.clock.ahead_us, ahead_us);
    recovery_look(&recovery.node);
    const struct ward_store_intent now = the_intent();
    return !ward_id_eq(&now.id, &intent->id);
}

/* A take-up that failed is one more try, which may be under way as the first was: its own age
 * counts, not that of the intent in whose place it is. */
static void what_was_taken_up_in_vain_is_left_alone_again(void **state)
{
    (void)state;
    recovery_create_fails(FAKE_KEK_CREATE_DOUBT, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    fake_kek_set_fault(recovery.world.kek, FAKE_KEK_AWAY);
    struct ward_store_intent intent = the_intent();
    for (unsigned i = 0; i < 2; i++) {
        assert_false(is_taken_up_after(WARD_INTENT_OWN_AGE_US - 20 * 1000000LL, &intent));
        assert_true(is_taken_up_after(20 * 1000000LL, &intent));
        intent = the_intent();
        assert_false(is_taken_up_after(0, &intent));
    }
    fake_kek_set_fault(recovery.world.kek, FAKE_KEK_FINE);
    assert_false(is_taken_up_after(WARD_INTENT_OWN_AGE_US - 20 * 1000000LL, &intent));
    atomic_fetch_add(&recovery.world.clock.ahead_us, 20 * 1000000LL);
    recovery_look(&recovery.node);
    recovery_has_intents(0);
}

/* It woke up when somebody else was at it, and sends what it had made ready. */
static void who_slept_commits_nothing_of_what_another_took_up(void **state)
{
    (void)state;
    recovery_create_fails(FAKE_KEK_CREATE_DOUBT, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    const struct ward_store_intent intent = the_intent();
    struct ward_effect outcome[3] = {
        {.kind = WARD_EFFECT_KEK}, {.kind = WARD_EFFECT_KEK_VERSION}, {WARD_EFFECT_INTENT_DONE}};
    outcome[0].kek = (struct ward_store_kek){.id = intent.kek,
                                             .name = WARD_BYTES_LITERAL("app/new"),
                                             .backend = WARD_BYTES_LITERAL("pkcs11"),
                                             .purpose = WARD_PURPOSE_DATA_KEYS,
                                             .enabled = true,
                                             .created_us = 1};
    outcome[1].kek_version = (struct ward_store_kek_version){
        .kek = intent.kek, .version = 1, .state = WARD_KEY_ACTIVE, .created_us = 1};
    outcome[2].intent_done = intent;
    fake_kek_set_fault(recovery.world.kek, FAKE_KEK_AWAY);
    recovery_tells(1, "failed", "");
    assert_int_equal(
        core_world_write(&recovery.world, outcome, 3, true, ",\"outcome\":\"allowed\"}"),
        WARD_COMMIT_CONFLICT);
    fake_kek_set_fault(recovery.world.kek, FAKE_KEK_FINE);
    recovery_tells(1, "allowed", "undone");
    recovery_has_intents(0);
    assert_int_equal(core_active_version(&recovery.node, "app/new"), 0);
}

/* Two looked at the same rows; one was faster. */
static void an_intent_is_taken_up_by_one(void **state)
{
    (void)state;
    recovery_create_fails(FAKE_KEK_CREATE_DOUBT, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    const struct ward_effect gone = {.kind = WARD_EFFECT_INTENT_DONE, .intent_done = the_intent()};
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_reader_open(recovery.world.store, &reader));
    assert_ok(ward_store_snapshot(reader, arena, &snapshot));
    assert_int_equal(
        core_world_write(&recovery.world, &gone, 1, false, ",\"outcome\":\"allowed\"}"),
        WARD_COMMITTED);
    size_t before = fake_kek_objects(recovery.world.kek);
    assert_code(ward_recovery_take_up(&recovery.node.pipeline, &snapshot, &snapshot.intents[0]),
                WARD_E_CONFLICT);
    assert_int_equal(fake_kek_objects(recovery.world.kek), before);
    ward_store_reader_close(reader);
    ward_arena_free(arena);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, recovery_start, recovery_stop)
    const struct CMUnitTest tests[] = {
        T(a_forged_state_is_no_approval),
        T(an_approved_rotation_that_cannot_be_finished_is_undone),
        T(a_forged_intent_destroys_no_key_in_use),
        T(an_intent_destroys_no_key_that_a_row_needs),
        T(an_intent_that_no_daemon_wrote_is_not_taken_up),
        T(an_outcome_that_came_late_keeps_its_key),
        T(who_slept_since_the_intent_makes_nothing),
        T(what_the_hsm_was_away_for_is_taken_up_by_its_own_daemon_first),
        T(who_slept_since_it_took_up_destroys_nothing),
        T(what_was_taken_up_in_vain_is_left_alone_again),
        T(who_slept_commits_nothing_of_what_another_took_up),
        T(an_intent_is_taken_up_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
