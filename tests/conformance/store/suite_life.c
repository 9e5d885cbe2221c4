/* SPDX-License-Identifier: Apache-2.0 */
/* The whole life of a key and of a policy. */
#include "tests/conformance/store/store_fixture.h"

/* ---- a version's states ---- */

static struct ward_effect schedule(const struct ward_id *kek)
{
    struct ward_effect move = {.kind = WARD_EFFECT_KEK_STATE};
    move.kek_state.kek = *kek;
    move.kek_state.version = 1;
    move.kek_state.from = 2;
    move.kek_state.from_changed_us = 1001;
    move.kek_state.to = 6;
    move.kek_state.prior = 2;
    move.kek_state.due_us = 9000;
    move.kek_state.changed_us = 2000;
    return move;
}

static struct ward_effect cancel(const struct ward_id *kek)
{
    struct ward_effect move = schedule(kek);
    move.kek_state.from = 6;
    move.kek_state.from_prior = 2;
    move.kek_state.from_due_us = 9000;
    move.kek_state.from_changed_us = 2000;
    move.kek_state.to = 2;
    move.kek_state.prior = 0;
    move.kek_state.due_us = 0;
    move.kek_state.changed_us = 3000;
    return move;
}

static struct ward_id a_changed_kek(struct fixture *fx)
{
    struct ward_id kek = a_kek(fx, "app");
    struct ward_effect version = {
        .kind = WARD_EFFECT_KEK_STATE,
        .kek_state = {
            .kek = kek, .version = 1, .from = 2, .to = 2, .prior = 0, .changed_us = 1001}};
    a_deployment(fx);
    assert_outcome(fixture_effect(fx, &version), WARD_COMMITTED);
    return kek;
}

static void a_destruction_is_scheduled_and_called_off(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_changed_kek(fx);
    struct ward_effect there = schedule(&kek), back = cancel(&kek);
    assert_outcome(fixture_effect(fx, &there), WARD_COMMITTED);
    struct ward_store_snapshot s = a_snapshot(fx);
    assert_int_equal(s.versions[0].state, 6);
    assert_int_equal(s.versions[0].prior, 2);
    assert_int_equal(s.versions[0].due_us, 9000);
    assert_int_equal(s.versions[0].changed_us, 2000);
    assert_outcome(fixture_effect(fx, &there), WARD_COMMIT_CONFLICT);
    assert_outcome(fixture_effect(fx, &back), WARD_COMMITTED);
    s = a_snapshot(fx);
    assert_int_equal(s.versions[0].state, 2);
    assert_int_equal(s.versions[0].prior, 0);
    assert_int_equal(s.versions[0].due_us, 0);
    assert_int_equal(s.versions[0].changed_us, 3000);
}

static void a_move_names_all_that_the_version_is(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_changed_kek(fx);
    struct ward_effect there = schedule(&kek);
    assert_outcome(fixture_effect(fx, &there), WARD_COMMITTED);
    struct ward_effect wrong[4] = {cancel(&kek), cancel(&kek), cancel(&kek), cancel(&kek)};
    wrong[0].kek_state.from = 5;
    wrong[1].kek_state.from_prior = 4;
    wrong[2].kek_state.from_due_us = 8999;
    wrong[3].kek_state.from_changed_us = 2001;
    for (size_t i = 0; i < 4; i++) {
        assert_outcome(fixture_effect(fx, &wrong[i]), WARD_COMMIT_CONFLICT);
    }
    assert_int_equal(a_snapshot(fx).versions[0].state, 6);
    assert_head_unmoved(fx);
}

static void a_version_is_inserted_with_all_that_it_is(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_changed_kek(fx);
    struct ward_effect version = {.kind = WARD_EFFECT_KEK_VERSION,
                                  .kek_version = {.kek = kek,
                                                  .version = 2,
                                                  .state = 6,
                                                  .created_us = 5,
                                                  .changed_us = 7,
                                                  .prior = 4,
                                                  .due_us = 9}};
    assert_outcome(fixture_effect(fx, &version), WARD_COMMITTED);
    struct ward_store_snapshot s = a_snapshot(fx);
    assert_int_equal(s.versions[1].created_us, 5);
    assert_int_equal(s.versions[1].changed_us, 7);
    assert_int_equal(s.versions[1].prior, 4);
    assert_int_equal(s.versions[1].due_us, 9);
}

/* ---- a key as a whole ---- */

static void a_key_is_disabled_and_enabled_from_what_it_is(void **state)
{
    struct fixture *fx = *state;
    a_deployment(fx);
    struct ward_effect disable = {.kind = WARD_EFFECT_KEK_ENABLED};
    disable.kek_enabled.kek = a_kek(fx, "app");
    disable.kek_enabled.from = true;
    assert_outcome(fixture_effect(fx, &disable), WARD_COMMITTED);
    assert_false(a_snapshot(fx).keks[0].enabled);
    assert_outcome(fixture_effect(fx, &disable), WARD_COMMIT_CONFLICT);
    struct ward_effect enable = disable;
    enable.kek_enabled.from = false;
    enable.kek_enabled.to = true;
    assert_outcome(fixture_effect(fx, &enable), WARD_COMMITTED);
    struct ward_store_snapshot s = a_snapshot(fx);
    assert_true(s.keks[0].enabled);
    assert_bytes(s.keks[0].name, "app");
    assert_int_equal(s.keks[0].rotation_period_days, 365);
    enable.kek_enabled.kek = an_id();
    assert_outcome(fixture_effect(fx, &enable), WARD_COMMIT_CONFLICT);
}

static void a_period_changes_from_what_it_is(void **state)
{
    struct fixture *fx = *state;
    a_deployment(fx);
    struct ward_effect shorter = {.kind = WARD_EFFECT_KEK_PERIOD};
    shorter.kek_period.kek = a_kek(fx, "app");
    shorter.kek_period.from = 365;
    shorter.kek_period.to = 90;
    assert_outcome(fixture_effect(fx, &shorter), WARD_COMMITTED);
    assert_outcome(fixture_effect(fx, &shorter), WARD_COMMIT_CONFLICT);
    struct ward_store_snapshot s = a_snapshot(fx);
    assert_int_equal(s.keks[0].rotation_period_days, 90);
    assert_true(s.keks[0].enabled);
    shorter.kek_period.kek = an_id();
    shorter.kek_period.from = 90;
    assert_outcome(fixture_effect(fx, &shorter), WARD_COMMIT_CONFLICT);
}

/* ---- policy ---- */

static struct ward_effect policy(uint32_t version, const char *text, int64_t created_us)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_POLICY};
    effect.policy.version = version;
    effect.policy.text = ward_bytes_str(text);
    effect.policy.hash[0] = (uint8_t)version;
    effect.policy.created_us = created_us;
    effect.policy.follows = version > 1;
    if (version > 1) {
        effect.policy.proposal.bytes[0] = (uint8_t)version;
    }
    return effect;
}

static void three_policies(struct fixture *fx)
{
    struct ward_effect effects[] = {policy(1, "one", 10), policy(2, "two", 20),
                                    policy(3, "three", 30)};
    for (size_t i = 0; i < 3; i++) {
        assert_outcome(fixture_effect(fx, &effects[i]), WARD_COMMITTED);
    }
}

static void a_policy_ceases_when_the_next_one_comes(void **state)
{
    struct fixture *fx = *state;
    static const char *const texts[] = {"one", "two", "three"};
    three_policies(fx);
    struct ward_read all = {.kind = WARD_READ_POLICIES, .policies.texts = true};
    assert_ok(read_one(fx, &all));
    assert_int_equal(all.policies.n, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct ward_store_policy *p = &all.policies.policies[i];
        assert_int_equal(p->version, i + 1);
        assert_bytes(p->text, texts[i]);
        assert_int_equal(p->hash[0], i + 1);
        assert_int_equal(p->proposal.bytes[0], i == 0 ? 0 : i + 1);
        assert_int_equal(p->created_us, 10 * (i + 1));
        assert_int_equal(p->ceased_us, i == 2 ? 0 : 10 * (i + 2));
    }
    all.policies.texts = false;
    assert_ok(read_one(fx, &all));
    assert_int_equal(all.policies.n, 3);
    assert_int_equal(all.policies.policies[0].text.size, 0);
    assert_int_equal(all.policies.policies[2].hash[0], 3);
}

static void a_policy_follows_only_the_one_in_force(void **state)
{
    struct fixture *fx = *state;
    three_policies(fx);
    struct ward_effect again = policy(3, "evil", 40), skip = policy(5, "evil", 40);
    struct ward_effect late = policy(2, "evil", 40);
    assert_outcome(fixture_effect(fx, &again), WARD_COMMIT_CONFLICT);
    assert_outcome(fixture_effect(fx, &skip), WARD_COMMIT_CONFLICT);
    assert_outcome(fixture_effect(fx, &late), WARD_COMMIT_CONFLICT);
    struct ward_read newest = {.kind = WARD_READ_POLICY};
    assert_ok(read_one(fx, &newest));
    assert_bytes(newest.policy.policy.text, "three");
    assert_int_equal(newest.policy.policy.ceased_us, 0);
}

static void one_version_of_the_policy_is_read(void **state)
{
    struct fixture *fx = *state;
    struct ward_read read = {.kind = WARD_READ_POLICY};
    assert_code(read_one(fx, &read), WARD_E_NOT_FOUND);
    three_policies(fx);
    read.policy.version = 2;
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.policy.policy.version, 2);
    assert_bytes(read.policy.policy.text, "two");
    assert_int_equal(read.policy.policy.ceased_us, 30);
    read.policy.version = 4;
    assert_code(read_one(fx, &read), WARD_E_NOT_FOUND);
    read.policy.version = 0;
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.policy.policy.version, 3);
}

/* ---- proposals and votes ---- */

static void an_identity_does_each_thing_once(void **state)
{
    struct fixture *fx = *state;
    struct ward_effect p = {.kind = WARD_EFFECT_PROPOSAL,
                            .proposal = {.id = an_id(),
                                         .payload = ward_bytes_str("{}"),
                                         .proposer = ward_bytes_str("officer-a"),
                                         .state = WARD_PROPOSAL_OPEN,
                                         .created_us = 1,
                                         .expires_us = 2}};
    assert_outcome(fixture_effect(fx, &p), WARD_COMMITTED);
    struct ward_effect vote = {.kind = WARD_EFFECT_VOTE};
    vote.vote.proposal = p.proposal.id;
    vote.vote.vote = (struct ward_store_vote){.identity = ward_bytes_str("officer-a"),
                                              .signature = ward_bytes_str("s"),
                                              .certificate = ward_bytes_str("c"),
                                              .created_us = 1};
    for (uint8_t decision = 0; decision <= 6; decision++) {
        vote.vote.vote.decision = decision;
        /* proposing and approving are one thing */
        assert_outcome(fixture_effect(fx, &vote),
                       decision == 1 ? WARD_COMMIT_CONFLICT : WARD_COMMITTED);
        assert_outcome(fixture_effect(fx, &vote), WARD_COMMIT_CONFLICT);
    }
    struct ward_read read = {.kind = WARD_READ_PROPOSAL, .proposal.id = p.proposal.id};
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.proposal.proposal.n_votes, 6);
}

static void an_approved_proposal_waits_and_a_withdrawn_one_does_not(void **state)
{
    struct fixture *fx = *state;
    for (uint8_t kind = WARD_PROPOSAL_DRAFT; kind <= WARD_PROPOSAL_WITHDRAWN; kind++) {
        struct ward_effect p = {.kind = WARD_EFFECT_PROPOSAL,
                                .proposal = {.id = an_id(),
                                             .payload = ward_bytes_str("{}"),
                                             .proposer = ward_bytes_str("officer-a"),
                                             .state = kind,
                                             .created_us = kind,
                                             .expires_us = 100}};
        assert_outcome(fixture_effect(fx, &p), WARD_COMMITTED);
    }
    struct ward_read waiting = {.kind = WARD_READ_PROPOSALS, .proposals.limit = 10};
    assert_ok(read_one(fx, &waiting));
    static const uint8_t wanted[] = {WARD_PROPOSAL_APPROVED, WARD_PROPOSAL_EXECUTING,
                                     WARD_PROPOSAL_OPEN, WARD_PROPOSAL_DRAFT};
    assert_int_equal(waiting.proposals.n, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(waiting.proposals.proposals[i].state, wanted[i]);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int store_suite_life(void)
{
    const struct CMUnitTest tests[] = {
        T(a_destruction_is_scheduled_and_called_off),
        T(a_move_names_all_that_the_version_is),
        T(a_version_is_inserted_with_all_that_it_is),
        T(a_key_is_disabled_and_enabled_from_what_it_is),
        T(a_period_changes_from_what_it_is),
        T(a_policy_ceases_when_the_next_one_comes),
        T(a_policy_follows_only_the_one_in_force),
        T(one_version_of_the_policy_is_read),
        T(an_identity_does_each_thing_once),
        T(an_approved_proposal_waits_and_a_withdrawn_one_does_not),
    };
    return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
