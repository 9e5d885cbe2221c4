/* SPDX-License-Identifier: Apache-2.0 */
/* Making a key stops half-way, everywhere that it can: what the caller is told, what is left, and
 * what recovery makes of it. */
#include "tests/unit/server/core_recovery.h"

static void a_creation_without_the_hsm_is_undone(void **state)
{
    (void)state;
    size_t before = fake_kek_objects(recovery.world.kek);
    recovery_create_fails(FAKE_KEK_CREATE_AWAY, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    recovery_tells(1, "allowed", "undone");
    recovery_has_intents(0);
    assert_int_equal(fake_kek_objects(recovery.world.kek), before);
    core_make_key(&recovery.node, "app/new", WARD_PURPOSE_DATA_KEYS);
}

static void a_key_that_was_made_in_doubt_is_destroyed(void **state)
{
    (void)state;
    size_t before = fake_kek_objects(recovery.world.kek);
    recovery_create_fails(FAKE_KEK_CREATE_DOUBT, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    assert_int_equal(fake_kek_objects(recovery.world.kek), before + 1);
    recovery_tells(1, "allowed", "undone");
    assert_int_equal(fake_kek_objects(recovery.world.kek), before);
    recovery_has_intents(0);
}

static void a_key_with_bad_attributes_is_never_active(void **state)
{
    (void)state;
    size_t before = fake_kek_objects(recovery.world.kek);
    recovery_create_fails(FAKE_KEK_CREATE_WEAK, WARD_E_STATE, "FAILED_PRECONDITION");
    recovery_tells(1, "allowed", "undone");
    assert_int_equal(fake_kek_objects(recovery.world.kek), before);
}

static void undoing_waits_for_the_hsm(void **state)
{
    (void)state;
    recovery_create_fails(FAKE_KEK_CREATE_DOUBT, WARD_E_UNAVAILABLE, "UNAVAILABLE");
    fake_kek_set_fault(recovery.world.kek, FAKE_KEK_AWAY);
    recovery_tells(1, "failed", "");
    recovery_has_intents(1);
    fake_kek_set_fault(recovery.world.kek, FAKE_KEK_FINE);
    recovery_tells(1, "allowed", "undone");
    recovery_has_intents(0);
}

/* ---- an approved rotation ---- */

static void is_finished_later(const struct core_proposal *proposal)
{
    assert_int_equal(core_active_version(&recovery.node, "app/keys"), 1);
    recovery_shows(proposal, "executing");
    recovery_has_intents(1);
    recovery_tells(1, "allowed", "finished");
    assert_int_equal(core_active_version(&recovery.node, "app/keys"), 2);
    recovery_shows(proposal, "executed");
    recovery_has_intents(0);
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
    assert_string_equal(core_detail(leaf, "proposer"), recovery.world.officer_a.peer->identity);
    assert_string_equal(core_detail(leaf, "approvers"), recovery.world.officer_b.peer->identity);
    struct ward_request *show =
        core_vote_with(&recovery.world, &recovery.world.officer_c, &ward_op_approval_show,
                       &proposal->id, (struct ward_bytes){0});
    assert_ok(core_run(&recovery.node, show));
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
    struct ward_request *approval = recovery_last_approval(&proposal);
    fake_kek_set_fault(recovery.world.kek, FAKE_KEK_CREATE_AWAY);
    assert_code(core_run(&recovery.node, approval), WARD_E_UNAVAILABLE);
    fake_kek_set_fault(recovery.world.kek, FAKE_KEK_FINE);
    struct core_log log;
    core_log_open(&log, &recovery.world);
    const json_t *leaf = core_log_one(&log, approval->request_id);
    assert_string_equal(core_text(leaf, "outcome"), "failed");
    assert_string_equal(core_detail(leaf, "executed"), "");
    core_log_close(&log);
    ward_request_free(approval);
    is_finished_later(&proposal);
    core_log_open(&log, &recovery.world);
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
    struct ward_request *approval = recovery_last_approval(&proposal);
    size_t before = fake_kek_objects(recovery.world.kek);
    fake_kek_set_fault(recovery.world.kek, FAKE_KEK_CREATE_DOUBT);
    assert_code(core_run_free(&recovery.node, approval), WARD_E_UNAVAILABLE);
    fake_kek_set_fault(recovery.world.kek, FAKE_KEK_FINE);
    struct ward_arena *arena = NULL;
    struct ward_proposal parsed;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_proposal_parse(proposal.payload, arena, &parsed));
    atomic_fetch_add(&recovery.world.clock.ahead_us, parsed.expires_us - parsed.created_us);
    ward_arena_free(arena);
    recovery_tells(1, "allowed", "undone");
    assert_int_equal(fake_kek_objects(recovery.world.kek), before);
    assert_int_equal(core_active_version(&recovery.node, "app/keys"), 1);
    recovery_shows(&proposal, "rejected");
    recovery_has_intents(0);
}

static void a_rotation_whose_key_was_made_in_doubt_is_finished_later(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct ward_request *approval = recovery_last_approval(&proposal);
    size_t before = fake_kek_objects(recovery.world.kek);
    fake_kek_set_fault(recovery.world.kek, FAKE_KEK_CREATE_DOUBT);
    assert_code(core_run_free(&recovery.node, approval), WARD_E_UNAVAILABLE);
    fake_kek_set_fault(recovery.world.kek, FAKE_KEK_FINE);
    is_finished_later(&proposal);
    assert_int_equal(fake_kek_objects(recovery.world.kek), before + 1);
}

/* ---- the outcome's own transaction ---- */

static void a_rotation_whose_outcome_the_database_refuses_is_finished_later(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct ward_request *approval = recovery_last_approval(&proposal);
    struct recovery_fault fault = {.outcome = WARD_COMMIT_FAILED, .times = 1};
    ward_store_memory_set_fault(recovery.world.store, recovery_on_outcome, &fault);
    assert_code(core_run(&recovery.node, approval), WARD_E_INTERNAL);
    core_expect_entry(&recovery.world, approval, "failed", "INTERNAL");
    ward_request_free(approval);
    is_finished_later(&proposal);
}

static void a_conflict_after_the_effect_is_not_tried_again(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct ward_request *approval = recovery_last_approval(&proposal);
    struct recovery_fault fault = {.outcome = WARD_COMMIT_CONFLICT, .times = 1};
    ward_store_memory_set_fault(recovery.world.store, recovery_on_outcome, &fault);
    assert_code(core_run(&recovery.node, approval), WARD_E_CONFLICT);
    core_expect_entry(&recovery.world, approval, "failed", "ABORTED");
    ward_request_free(approval);
    is_finished_later(&proposal);
}

static void an_outcome_in_doubt_is_resolved(void **state)
{
    (void)state;
    for (unsigned happens = 0; happens < 2; happens++) {
        struct core_proposal proposal;
        struct ward_request *approval = recovery_last_approval(&proposal);
        struct recovery_fault fault = {
            .outcome = WARD_COMMIT_UNKNOWN, .happens = happens == 1, .times = 1};
        ward_store_memory_set_fault(recovery.world.store, recovery_on_outcome, &fault);
        assert_ok(core_run(&recovery.node, approval));
        ward_store_memory_set_fault(recovery.world.store, NULL, NULL);
        core_expect_entry(&recovery.world, approval, "allowed", "");
        ward_request_free(approval);
        assert_int_equal(core_active_version(&recovery.node, "app/keys"), happens + 2);
        recovery_shows(&proposal, "executed");
        recovery_has_intents(0);
    }
}

/* The epoch moves between effect and outcome: the effect is not made a second time. */
static enum ward_commit_outcome stale_once(void *arg, const struct ward_commit *commit,
                                           bool *ret_happens)
{
    struct recovery_fault *fault = arg;
    enum ward_commit_outcome outcome = recovery_on_outcome(arg, commit, ret_happens);
    fault->outcome = WARD_COMMIT_STALE;
    return outcome;
}

static void an_effect_is_made_once(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct ward_request *approval = recovery_last_approval(&proposal);
    size_t before = fake_kek_objects(recovery.world.kek);
    struct recovery_fault fault = {.outcome = WARD_COMMIT_STALE, .times = 3};
    ward_store_memory_set_fault(recovery.world.store, stale_once, &fault);
    assert_ok(core_run(&recovery.node, approval));
    core_expect_entry(&recovery.world, approval, "allowed", "");
    ward_request_free(approval);
    assert_int_equal(fake_kek_objects(recovery.world.kek), before + 1);
}

static void two_creations_of_one_name_make_one_key(void **state)
{
    (void)state;
    struct ward_request *both[] = {
        core_create(&recovery.world, &recovery.world.officer_a, "app/new", 1),
        core_create(&recovery.world, &recovery.world.officer_b, "app/new", 1)};
    core_submit(&recovery.node, both, 2);
    core_wait(&recovery.node, 2);
    bool first = ward_ok(both[0]->status);
    assert_ok(both[!first]->status);
    ward_status lost = both[first]->status;
    assert_true(lost.code == WARD_E_CONFLICT || lost.code == WARD_E_EXISTS);
    core_expect_entry(&recovery.world, both[!first], "allowed", "");
    struct core_log log;
    core_log_open(&log, &recovery.world);
    assert_int_equal(core_log_count(&log, both[first]->request_id), 1);
    core_log_close(&log);
    ward_request_free(both[0]);
    ward_request_free(both[1]);
    size_t left;
    (void)core_recover_all(&recovery.node, &left);
    recovery_has_intents(0);
    assert_int_equal(fake_kek_objects(recovery.world.kek), 3); /* Ward's own, app/keys, app/new */
    assert_int_equal(core_active_version(&recovery.node, "app/new"), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, recovery_start, recovery_stop)
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
