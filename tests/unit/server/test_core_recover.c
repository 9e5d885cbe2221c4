/* SPDX-License-Identifier: Apache-2.0 */
/* Making a key stops half-way, everywhere that it can: what the caller is told, what is left, and
 * what recovery makes of it. */
#include "server/jobs/recovery.h"
#include "server/limits.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

static struct core_world world;
static struct core_node node;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    ward_store_memory_set_fault(world.store, NULL, NULL);
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

static const json_t *newest(struct core_log *log)
{
    core_log_open(log, &world);
    return log->leaves[log->n - 1];
}

/* Takes up n intents; the last one's entry says this. */
static void recovers(size_t n, const char *outcome, const char *how)
{
    size_t found;
    (void)core_recover_all(&node, &found);
    assert_int_equal(found, n);
    struct core_log log;
    const json_t *leaf = newest(&log);
    assert_string_equal(core_text(leaf, "action"), "system.recover");
    assert_string_equal(core_text(leaf, "identity"), "system");
    assert_string_equal(core_text(leaf, "outcome"), outcome);
    assert_string_equal(core_detail(leaf, "recovered"), how);
    core_log_close(&log);
}

static void has_intents(size_t n)
{
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_reader_open(world.store, &reader));
    assert_ok(ward_store_snapshot(reader, arena, &snapshot));
    assert_int_equal(snapshot.n_intents, n);
    ward_store_reader_close(reader);
    ward_arena_free(arena);
}

static void look_for_left_ones(struct core_node *by)
{
    struct ward_store_reader *reader = NULL;
    assert_ok(ward_store_reader_open(world.store, &reader));
    ward_recovery_tick(&by->pipeline, reader, NULL);
    ward_store_reader_close(reader);
}

static void create_fails(enum fake_kek_fault fault, enum ward_code code, const char *name)
{
    fake_kek_set_fault(world.kek, fault);
    struct ward_request *request = core_create(&world, &world.officer_a, "app/new", 1);
    assert_code(core_run(&node, request), code);
    core_expect_entry(&world, request, "failed", name);
    ward_request_free(request);
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    assert_int_equal(core_active_version(&node, "app/new"), 0);
    has_intents(1);
}

static void a_creation_without_the_hsm_is_undone(void **state)
{
    (void)state;
    size_t before = fake_kek_objects(world.kek);
    create_fails(FAKE_KEK_CREATE_AWAY, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    recovers(1, "allowed", "undone");
    has_intents(0);
    assert_int_equal(fake_kek_objects(world.kek), before);
    core_make_key(&node, "app/new", WARD_PURPOSE_DATA_KEYS);
}

static void a_key_that_was_made_in_doubt_is_destroyed(void **state)
{
    (void)state;
    size_t before = fake_kek_objects(world.kek);
    create_fails(FAKE_KEK_CREATE_DOUBT, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    assert_int_equal(fake_kek_objects(world.kek), before + 1);
    recovers(1, "allowed", "undone");
    assert_int_equal(fake_kek_objects(world.kek), before);
    has_intents(0);
}

static void a_key_with_bad_attributes_is_never_active(void **state)
{
    (void)state;
    size_t before = fake_kek_objects(world.kek);
    create_fails(FAKE_KEK_CREATE_WEAK, WARD_E_STATE, "FAILED_PRECONDITION");
    recovers(1, "allowed", "undone");
    assert_int_equal(fake_kek_objects(world.kek), before);
}

static void undoing_waits_for_the_hsm(void **state)
{
    (void)state;
    create_fails(FAKE_KEK_CREATE_DOUBT, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    fake_kek_set_fault(world.kek, FAKE_KEK_AWAY);
    recovers(1, "failed", "");
    has_intents(1);
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    recovers(1, "allowed", "undone");
    has_intents(0);
}

/* ---- an approved rotation ---- */

static struct ward_request *last_approval(struct core_proposal *proposal)
{
    core_propose(&node, &world.officer_a, "app/keys", proposal);
    assert_ok(core_run_free(
        &node, core_vote(&world, &world.officer_a, &ward_op_approval_submit, proposal)));
    return core_vote(&world, &world.officer_b, &ward_op_approval_approve, proposal);
}

static void shows(const struct core_proposal *proposal, const char *state)
{
    struct ward_request *show = core_vote_with(&world, &world.officer_c, &ward_op_approval_show,
                                               &proposal->id, (struct ward_bytes){0});
    assert_ok(core_run(&node, show));
    assert_string_equal(((struct ward_approval *)show->in)->proposal.state, state);
    ward_request_free(show);
}

static void is_finished_later(const struct core_proposal *proposal)
{
    assert_int_equal(core_active_version(&node, "app/keys"), 1);
    shows(proposal, "executing");
    has_intents(1);
    recovers(1, "allowed", "finished");
    assert_int_equal(core_active_version(&node, "app/keys"), 2);
    shows(proposal, "executed");
    has_intents(0);
}

/* "<hex> <hex>" of what officer_a and then officer_b gave. */
static void expect_digests(const char *text, struct ward_bytes proposed, struct ward_bytes approved)
{
    struct ward_digest *digest = NULL;
    const struct ward_bytes given[] = {proposed, approved};
    char expected[130] = "";
    assert_ok(ward_digest_new(&digest));
    for (size_t i = 0; i < 2; i++) {
        uint8_t hash[32];
        assert_ok(ward_sha256(digest, &given[i], 1, hash));
        ward_hex_encode(WARD_BYTES_ARRAY(hash), expected + 65 * i);
    }
    expected[64] = ' ';
    assert_string_equal(text, expected);
    ward_digest_free(digest);
}

/* Whoever has the payload and the two signatures can check the run without the database's word. */
static void names_its_votes(const json_t *leaf, const struct core_proposal *proposal)
{
    char id[WARD_ID_TEXT_SIZE], hex[65];
    uint8_t hash[32];
    ward_id_print(&proposal->id, id);
    assert_string_equal(core_detail(leaf, "proposal"), id);
    assert_ok(ward_proposal_digest(proposal->payload, hash));
    ward_hex_encode(WARD_BYTES_ARRAY(hash), hex);
    assert_string_equal(core_detail(leaf, "proposal_digest"), hex);
    assert_string_equal(core_detail(leaf, "proposer"), world.officer_a.peer->identity);
    assert_string_equal(core_detail(leaf, "approvers"), world.officer_b.peer->identity);
    struct ward_request *show = core_vote_with(&world, &world.officer_c, &ward_op_approval_show,
                                               &proposal->id, (struct ward_bytes){0});
    assert_ok(core_run(&node, show));
    const struct ward_proposal_view *view = &((struct ward_approval *)show->in)->proposal;
    assert_int_equal(view->n_votes, 2);
    expect_digests(core_detail(leaf, "vote_digests"), view->votes[0].signature,
                   view->votes[1].signature);
    expect_digests(core_detail(leaf, "vote_certificates"), view->votes[0].certificate,
                   view->votes[1].certificate);
    ward_request_free(show);
}

static void a_rotation_without_the_hsm_is_finished_later(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct ward_request *approval = last_approval(&proposal);
    fake_kek_set_fault(world.kek, FAKE_KEK_CREATE_AWAY);
    assert_code(core_run(&node, approval), WARD_E_UNAVAILABLE);
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, approval->request_id);
    assert_string_equal(core_text(leaf, "outcome"), "failed");
    assert_string_equal(core_detail(leaf, "executed"), "");
    core_log_close(&log);
    ward_request_free(approval);
    is_finished_later(&proposal);
    core_log_open(&log, &world);
    leaf = log.leaves[log.n - 2]; /* before the last show */
    assert_string_equal(core_detail(leaf, "executed"), "key.rotate");
    assert_string_equal(core_detail(leaf, "key"), "app/keys");
    assert_int_equal(core_detail_number(leaf, "from_version"), 1);
    assert_int_equal(core_detail_number(leaf, "to_version"), 2);
    names_its_votes(leaf, &proposal);
    core_log_close(&log);
}

/* Its entry would tell of a run that nobody had agreed to any more. */
static void a_rotation_that_expired_meanwhile_is_undone(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct ward_request *approval = last_approval(&proposal);
    size_t before = fake_kek_objects(world.kek);
    fake_kek_set_fault(world.kek, FAKE_KEK_CREATE_DOUBT);
    assert_code(core_run_free(&node, approval), WARD_E_UNAVAILABLE);
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    struct ward_arena *arena = NULL;
    struct ward_proposal parsed;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_proposal_parse(proposal.payload, arena, &parsed));
    atomic_fetch_add(&world.clock.ahead_us, parsed.expires_us - parsed.created_us);
    ward_arena_free(arena);
    recovers(1, "allowed", "undone");
    assert_int_equal(fake_kek_objects(world.kek), before);
    assert_int_equal(core_active_version(&node, "app/keys"), 1);
    shows(&proposal, "rejected");
    has_intents(0);
}

static void a_rotation_whose_key_was_made_in_doubt_is_finished_later(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct ward_request *approval = last_approval(&proposal);
    size_t before = fake_kek_objects(world.kek);
    fake_kek_set_fault(world.kek, FAKE_KEK_CREATE_DOUBT);
    assert_code(core_run_free(&node, approval), WARD_E_UNAVAILABLE);
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    is_finished_later(&proposal);
    assert_int_equal(fake_kek_objects(world.kek), before + 1);
}

/* ---- the outcome's own transaction ---- */

struct outcome_fault {
    enum ward_commit_outcome outcome;
    bool happens;
    unsigned times;
};

static enum ward_commit_outcome on_outcome(void *arg, const struct ward_commit *commit,
                                           bool *ret_happens)
{
    struct outcome_fault *fault = arg;
    bool ends_intent = false;
    for (size_t i = 0; i < commit->n_effects; i++) {
        ends_intent |= commit->effects[i].kind == WARD_EFFECT_INTENT_DONE;
    }
    if (!ends_intent || fault->times == 0) {
        return WARD_COMMITTED;
    }
    fault->times--;
    *ret_happens = fault->happens;
    return fault->outcome;
}

static void a_rotation_whose_outcome_the_database_refuses_is_finished_later(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct ward_request *approval = last_approval(&proposal);
    struct outcome_fault fault = {.outcome = WARD_COMMIT_FAILED, .times = 1};
    ward_store_memory_set_fault(world.store, on_outcome, &fault);
    assert_code(core_run(&node, approval), WARD_E_INTERNAL);
    core_expect_entry(&world, approval, "failed", "INTERNAL");
    ward_request_free(approval);
    is_finished_later(&proposal);
}

static void a_conflict_after_the_effect_is_not_tried_again(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct ward_request *approval = last_approval(&proposal);
    struct outcome_fault fault = {.outcome = WARD_COMMIT_CONFLICT, .times = 1};
    ward_store_memory_set_fault(world.store, on_outcome, &fault);
    assert_code(core_run(&node, approval), WARD_E_CONFLICT);
    core_expect_entry(&world, approval, "failed", "ABORTED");
    ward_request_free(approval);
    is_finished_later(&proposal);
}

static void an_outcome_in_doubt_is_resolved(void **state)
{
    (void)state;
    for (unsigned happens = 0; happens < 2; happens++) {
        struct core_proposal proposal;
        struct ward_request *approval = last_approval(&proposal);
        struct outcome_fault fault = {
            .outcome = WARD_COMMIT_UNKNOWN, .happens = happens == 1, .times = 1};
        ward_store_memory_set_fault(world.store, on_outcome, &fault);
        assert_ok(core_run(&node, approval));
        ward_store_memory_set_fault(world.store, NULL, NULL);
        core_expect_entry(&world, approval, "allowed", "");
        ward_request_free(approval);
        assert_int_equal(core_active_version(&node, "app/keys"), happens + 2);
        shows(&proposal, "executed");
        has_intents(0);
    }
}

/* The epoch moves between effect and outcome: the effect is not made a second time. */
static enum ward_commit_outcome stale_once(void *arg, const struct ward_commit *commit,
                                           bool *ret_happens)
{
    struct outcome_fault *fault = arg;
    enum ward_commit_outcome outcome = on_outcome(arg, commit, ret_happens);
    fault->outcome = WARD_COMMIT_STALE;
    return outcome;
}

static void an_effect_is_made_once(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct ward_request *approval = last_approval(&proposal);
    size_t before = fake_kek_objects(world.kek);
    struct outcome_fault fault = {.outcome = WARD_COMMIT_STALE, .times = 3};
    ward_store_memory_set_fault(world.store, stale_once, &fault);
    assert_ok(core_run(&node, approval));
    core_expect_entry(&world, approval, "allowed", "");
    ward_request_free(approval);
    assert_int_equal(fake_kek_objects(world.kek), before + 1);
}

static void two_creations_of_one_name_make_one_key(void **state)
{
    (void)state;
    struct ward_request *both[] = {core_create(&world, &world.officer_a, "app/new", 1),
                                   core_create(&world, &world.officer_b, "app/new", 1)};
    core_submit(&node, both, 2);
    core_wait(&node, 2);
    bool first = ward_ok(both[0]->status);
    assert_ok(both[!first]->status);
    ward_status lost = both[first]->status;
    assert_true(lost.code == WARD_E_CONFLICT || lost.code == WARD_E_EXISTS);
    core_expect_entry(&world, both[!first], "allowed", "");
    struct core_log log;
    core_log_open(&log, &world);
    assert_int_equal(core_log_count(&log, both[first]->request_id), 1);
    core_log_close(&log);
    ward_request_free(both[0]);
    ward_request_free(both[1]);
    size_t left;
    (void)core_recover_all(&node, &left);
    has_intents(0);
    assert_int_equal(fake_kek_objects(world.kek), 3); /* Ward's own, app/keys, app/new */
    assert_int_equal(core_active_version(&node, "app/new"), 1);
}

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
    assert_int_equal(core_world_write(&world, &intent, 1, false, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
}

static void forge_intent(const struct ward_kek_ref *ref)
{
    const struct ward_id none = {0};
    forge_intent_of(ref, &none);
}

/* The proposal is a real one and its proposer may even have signed it; nobody approved it. */
static void a_forged_state_is_no_approval(void **state)
{
    (void)state;
    for (unsigned submitted = 0; submitted < 2; submitted++) {
        struct core_proposal proposal;
        core_propose(&node, &world.officer_a, "app/keys", &proposal);
        if (submitted) {
            assert_ok(core_run_free(
                &node, core_vote(&world, &world.officer_a, &ward_op_approval_submit, &proposal)));
        }
        struct ward_effect executing = {.kind = WARD_EFFECT_PROPOSAL_STATE};
        executing.proposal_state.id = proposal.id;
        executing.proposal_state.from = submitted ? WARD_PROPOSAL_OPEN : WARD_PROPOSAL_DRAFT;
        executing.proposal_state.to = WARD_PROPOSAL_EXECUTING;
        assert_int_equal(
            core_world_write(&world, &executing, 1, false, ",\"outcome\":\"allowed\"}"),
            WARD_COMMITTED);
        struct ward_state *now = ward_state_slot_get(&node.states);
        struct ward_kek_ref next = {.id = ward_state_key(now, WARD_BYTES_LITERAL("app/keys"))->id,
                                    .version = 2};
        ward_state_unref(now);
        forge_intent_of(&next, &proposal.id);
        recovers(1, "allowed", "undone");
        has_intents(0);
        assert_int_equal(core_active_version(&node, "app/keys"), 1);
        assert_false(fake_kek_has(world.kek, &next));
        shows(&proposal, "rejected");
    }
}

/* Approved, but its key moved on before recovery came: nothing of it can ever be done. */
static void an_approved_rotation_that_cannot_be_finished_is_undone(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct ward_request *approval = last_approval(&proposal);
    struct outcome_fault fault = {.outcome = WARD_COMMIT_FAILED, .times = 1};
    ward_store_memory_set_fault(world.store, on_outcome, &fault);
    assert_code(core_run_free(&node, approval), WARD_E_INTERNAL);
    struct ward_state *now = ward_state_slot_get(&node.states);
    const struct ward_key *found = ward_state_key(now, WARD_BYTES_LITERAL("app/keys"));
    struct ward_kek_ref key = {.id = found->id};
    struct ward_effect moved[] = {
        ward_key_version_move(found, found->active, WARD_KEY_DEACTIVATED, 0, 1),
        {.kind = WARD_EFFECT_KEK_VERSION}};
    ward_state_unref(now);
    moved[1].kek_version = (struct ward_store_kek_version){
        .kek = key.id, .version = 3, .state = WARD_KEY_ACTIVE, .created_us = 1};
    assert_int_equal(core_world_write(&world, moved, 2, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    key.version = 2;
    assert_true(fake_kek_has(world.kek, &key));
    recovers(1, "allowed", "undone");
    assert_false(fake_kek_has(world.kek, &key));
    shows(&proposal, "rejected");
    has_intents(0);
}

static void a_forged_intent_destroys_no_key_in_use(void **state)
{
    (void)state;
    struct ward_state *now = ward_state_slot_get(&node.states);
    struct ward_kek_ref used = {.id = now->keys[0].id, .version = 1},
                        log_key = now->log_keys[0].ref;
    ward_state_unref(now);
    forge_intent(&used);
    recovers(1, "failed", "");
    assert_true(fake_kek_has(world.kek, &used));
    forge_intent(&log_key);
    recovers(2, "failed", "");
    assert_true(fake_kek_has(world.kek, &log_key));
}

/* As after the loss of a row of the keyring: the version is unknown, but a row needs it. */
static void an_intent_destroys_no_key_that_a_row_needs(void **state)
{
    (void)state;
    struct ward_state *now = ward_state_slot_get(&node.states);
    struct ward_kek_ref lost = {.id = ward_state_key(now, WARD_BYTES_LITERAL("app/keys"))->id,
                                .version = 9};
    ward_state_unref(now);
    struct ward_kek_session *session = NULL;
    assert_ok(ward_kek_session_open(world.kek, &session));
    assert_ok(ward_kek_create(session, &lost, "lost"));
    ward_kek_session_close(session);
    struct ward_new_subject_key row = {.collection = WARD_BYTES_LITERAL("fhir"),
                                       .generation = 1,
                                       .kek = lost.id,
                                       .kek_version = lost.version,
                                       .wrapped = WARD_BYTES_LITERAL("wrapped")};
    struct ward_commit commit = {.subject_keys = &row, .n_subject_keys = 1};
    assert_int_equal(core_world_commit(&world, &commit, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    forge_intent(&lost);
    recovers(1, "failed", "");
    assert_true(fake_kek_has(world.kek, &lost));
}

/* Of a token that several deployments share, the keyring knows only its own part: that an intent is
 * not this deployment's, only the sums over the rows tell. */
static void an_intent_that_no_daemon_wrote_is_not_taken_up(void **state)
{
    (void)state;
    struct ward_kek_ref theirs = {.version = 1};
    struct ward_kek_session *session = NULL;
    assert_ok(ward_id_random(&theirs.id));
    assert_ok(ward_kek_session_open(world.kek, &session));
    assert_ok(ward_kek_create(session, &theirs, "of another deployment"));
    ward_kek_session_close(session);
    struct ward_effect forged = {.kind = WARD_EFFECT_INTENT};
    forged.intent = (struct ward_store_intent){.kek = theirs.id,
                                               .version = theirs.version,
                                               .effect = 1,
                                               .node = WARD_BYTES_LITERAL("node-9"),
                                               .created_us = 1};
    assert_ok(ward_id_random(&forged.intent.id));
    world.without_key = true; /* whoever can write into the database has not */
    assert_int_equal(core_world_write(&world, &forged, 1, false, NULL), WARD_COMMITTED);
    world.without_key = false;
    look_for_left_ones(&node);
    assert_true(fake_kek_has(world.kek, &theirs));
    has_intents(1);
}

/* The daemon that made the key died in its COMMIT, which was done all the same, and its intent is
 * still seen by who takes it up. */
static void an_outcome_that_came_late_keeps_its_key(void **state)
{
    (void)state;
    struct ward_kek_ref made = {.version = 1};
    struct ward_kek_session *session = NULL;
    assert_ok(ward_id_random(&made.id));
    assert_ok(ward_kek_session_open(world.kek, &session));
    assert_ok(ward_kek_create(session, &made, "made"));
    ward_kek_session_close(session);
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
    assert_int_equal(core_world_write(&world, outcome, 2, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    recovers(1, "failed", "");
    assert_true(fake_kek_has(world.kek, &made));
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
        atomic_fetch_add(&world.clock.ahead_us, 301 * 1000000LL);
    }
    return WARD_COMMITTED;
}

static void who_slept_since_the_intent_makes_nothing(void **state)
{
    (void)state;
    size_t before = fake_kek_objects(world.kek);
    bool slept = false;
    ward_store_memory_set_fault(world.store, sleeps, &slept);
    struct ward_request *request = core_create(&world, &world.officer_a, "app/new", 1);
    assert_code(core_run(&node, request), WARD_E_UNAVAILABLE);
    core_expect_entry(&world, request, "failed", "UNAVAILABLE");
    ward_request_free(request);
    ward_store_memory_set_fault(world.store, NULL, NULL);
    assert_true(slept);
    assert_int_equal(fake_kek_objects(world.kek), before);
    has_intents(1);
    recovers(1, "allowed", "undone");
    has_intents(0);
}

/* Nobody died: the HSM was away, and the key waits for two minutes, not for five. */
static void what_the_hsm_was_away_for_is_taken_up_by_its_own_daemon_first(void **state)
{
    (void)state;
    struct core_node other;
    core_node_start(&other, &world, "node-2");
    create_fails(FAKE_KEK_CREATE_AWAY, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    atomic_fetch_add(&world.clock.ahead_us, 100 * 1000000LL);
    look_for_left_ones(&node);
    look_for_left_ones(&other);
    has_intents(1);
    atomic_fetch_add(&world.clock.ahead_us, 25 * 1000000LL);
    look_for_left_ones(&other);
    has_intents(1);
    look_for_left_ones(&node);
    has_intents(0);
    create_fails(FAKE_KEK_CREATE_AWAY, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    atomic_fetch_add(&world.clock.ahead_us, 310 * 1000000LL);
    look_for_left_ones(&other);
    has_intents(0);
    core_make_key(&node, "app/new", WARD_PURPOSE_DATA_KEYS);
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
        atomic_fetch_add(&world.clock.ahead_us, WARD_INTENT_HELD_US);
    }
    return WARD_COMMITTED;
}

/* Whoever takes it up touches the HSM for as short a while as whoever wrote it. */
static void who_slept_since_it_took_up_destroys_nothing(void **state)
{
    (void)state;
    create_fails(FAKE_KEK_CREATE_DOUBT, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    size_t made = fake_kek_objects(world.kek);
    bool slept = false;
    ward_store_memory_set_fault(world.store, sleeps_taking_up, &slept);
    recovers(1, "failed", "");
    ward_store_memory_set_fault(world.store, NULL, NULL);
    assert_true(slept);
    assert_int_equal(fake_kek_objects(world.kek), made);
    recovers(1, "allowed", "undone");
    assert_int_equal(fake_kek_objects(world.kek), made - 1);
    has_intents(0);
}

static struct ward_store_intent the_intent(void)
{
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_reader_open(world.store, &reader));
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
    atomic_fetch_add(&world.clock.ahead_us, ahead_us);
    look_for_left_ones(&node);
    const struct ward_store_intent now = the_intent();
    return !ward_id_eq(&now.id, &intent->id);
}

/* A take-up that failed is one more try, which may be under way as the first was: its own age
 * counts, not that of the intent in whose place it is. */
static void what_was_taken_up_in_vain_is_left_alone_again(void **state)
{
    (void)state;
    create_fails(FAKE_KEK_CREATE_DOUBT, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    fake_kek_set_fault(world.kek, FAKE_KEK_AWAY);
    struct ward_store_intent intent = the_intent();
    for (unsigned i = 0; i < 2; i++) {
        assert_false(is_taken_up_after(WARD_INTENT_OWN_AGE_US - 20 * 1000000LL, &intent));
        assert_true(is_taken_up_after(20 * 1000000LL, &intent));
        intent = the_intent();
        assert_false(is_taken_up_after(0, &intent));
    }
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    assert_false(is_taken_up_after(WARD_INTENT_OWN_AGE_US - 20 * 1000000LL, &intent));
    atomic_fetch_add(&world.clock.ahead_us, 20 * 1000000LL);
    look_for_left_ones(&node);
    has_intents(0);
}

/* It woke up when somebody else was at it, and sends what it had made ready. */
static void who_slept_commits_nothing_of_what_another_took_up(void **state)
{
    (void)state;
    create_fails(FAKE_KEK_CREATE_DOUBT, WARD_E_UNAVAILABLE, "UNAVAILABLE");
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
    fake_kek_set_fault(world.kek, FAKE_KEK_AWAY);
    recovers(1, "failed", "");
    assert_int_equal(core_world_write(&world, outcome, 3, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMIT_CONFLICT);
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    recovers(1, "allowed", "undone");
    has_intents(0);
    assert_int_equal(core_active_version(&node, "app/new"), 0);
}

/* Two looked at the same rows; one was faster. */
static void an_intent_is_taken_up_by_one(void **state)
{
    (void)state;
    create_fails(FAKE_KEK_CREATE_DOUBT, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    const struct ward_effect gone = {.kind = WARD_EFFECT_INTENT_DONE, .intent_done = the_intent()};
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_reader_open(world.store, &reader));
    assert_ok(ward_store_snapshot(reader, arena, &snapshot));
    assert_int_equal(core_world_write(&world, &gone, 1, false, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    size_t before = fake_kek_objects(world.kek);
    assert_code(ward_recovery_take_up(&node.pipeline, &snapshot, &snapshot.intents[0]),
                WARD_E_CONFLICT);
    assert_int_equal(fake_kek_objects(world.kek), before);
    ward_store_reader_close(reader);
    ward_arena_free(arena);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(a_creation_without_the_hsm_is_undone),
        T(a_key_that_was_made_in_doubt_is_destroyed),
        T(a_key_with_bad_attributes_is_never_active),
        T(undoing_waits_for_the_hsm),
        T(a_rotation_without_the_hsm_is_finished_later),
        T(a_rotation_that_expired_meanwhile_is_undone),
        T(a_rotation_whose_key_was_made_in_doubt_is_finished_later),
        T(a_rotation_whose_outcome_the_database_refuses_is_finished_later),
        T(a_conflict_after_the_effect_is_not_tried_again),
        T(an_outcome_in_doubt_is_resolved),
        T(an_effect_is_made_once),
        T(two_creations_of_one_name_make_one_key),
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
