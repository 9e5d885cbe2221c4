/* SPDX-License-Identifier: Apache-2.0 */
/* The whole life of a key and of a policy, what keys were used for, and which daemons live. */
#include "base/clock.h"
#include "tests/conformance/store/store_fixture.h"

#define MINUTE_US (60LL * 1000000)

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

static void initialise(struct fixture *fx)
{
    struct ward_effect effects[] = {{.kind = WARD_EFFECT_DEPLOYMENT,
                                     .deployment = {.id = an_id(),
                                                    .origin = ward_bytes_str("o"),
                                                    .schema_version = WARD_SCHEMA_VERSION,
                                                    .log_key = an_id(),
                                                    .log_public_key = ward_bytes_str("k"),
                                                    .created_us = 1}}};
    assert_outcome(fixture_effect(fx, effects), WARD_COMMITTED);
}

static struct ward_id a_changed_kek(struct fixture *fx)
{
    struct ward_id kek = a_kek(fx, "app");
    struct ward_effect version = {
        .kind = WARD_EFFECT_KEK_STATE,
        .kek_state = {
            .kek = kek, .version = 1, .from = 2, .to = 2, .prior = 0, .changed_us = 1001}};
    initialise(fx);
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
    initialise(fx);
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
    initialise(fx);
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

/* ---- use ---- */

static enum ward_commit_outcome use(struct fixture *fx, const char *node,
                                    const struct ward_new_use *uses, size_t n)
{
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->uses = uses;
    commit->n_uses = n;
    commit->node = ward_bytes_str(node);
    return fixture_commit(fx, fx->w);
}

static struct ward_new_use a_use(const struct ward_id *kek, uint32_t version, uint64_t issued,
                                 uint64_t opened, int64_t last_opened_us)
{
    return (struct ward_new_use){.kek = *kek,
                                 .version = version,
                                 .issued = issued,
                                 .opened = opened,
                                 .last_opened_us = last_opened_us};
}

static void assert_use(const struct ward_read *read, size_t i, uint32_t version, uint64_t issued,
                       uint64_t opened, int64_t last_opened_us)
{
    assert_true(i < read->key_use.n);
    assert_int_equal(read->key_use.uses[i].version, version);
    assert_int_equal(read->key_use.uses[i].issued, issued);
    assert_int_equal(read->key_use.uses[i].opened, opened);
    assert_int_equal(read->key_use.uses[i].last_opened_us, last_opened_us);
}

static void use_adds_up_over_commits_and_nodes(void **state)
{
    struct fixture *fx = *state;
    struct ward_id a = an_id(), b = an_id();
    struct ward_read read = {.kind = WARD_READ_KEY_USE, .key_use.kek = a};
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.key_use.n, 0);

    struct ward_new_use first[] = {a_use(&b, 1, 1, 0, 0), a_use(&a, 2, 3, 0, 0),
                                   a_use(&a, 1, 0, 5, 700)};
    struct ward_new_use second[] = {a_use(&a, 1, 2, 1, 600), a_use(&a, 2, 4, 2, 900)};
    assert_outcome(use(fx, "node-a", first, 3), WARD_COMMITTED);
    assert_outcome(use(fx, "node-a", second, 2), WARD_COMMITTED);
    assert_outcome(use(fx, "node-b", second, 2), WARD_COMMITTED);
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.key_use.n, 2);
    assert_use(&read, 0, 1, 4, 7, 700); /* the latest stays, whoever comes last */
    assert_use(&read, 1, 2, 11, 4, 900);
    read.key_use.kek = b;
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.key_use.n, 1);
    assert_use(&read, 0, 1, 1, 0, 0);
}

static void use_of_many_versions_is_one_commit(void **state)
{
    struct fixture *fx = *state;
    struct ward_new_use uses[100];
    struct ward_id kek = an_id();
    for (uint32_t i = 0; i < 100; i++) {
        uses[i] = a_use(&kek, 100 - i, i, 0, 0);
    }
    assert_outcome(use(fx, "node-a", uses, 100), WARD_COMMITTED);
    assert_outcome(use(fx, "node-a", uses, 100), WARD_COMMITTED);
    struct ward_read read = {.kind = WARD_READ_KEY_USE, .key_use.kek = kek};
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.key_use.n, 100);
    for (uint32_t i = 0; i < 100; i++) {
        assert_use(&read, i, i + 1, 2ull * (99 - i), 0, 0);
    }
}

static void what_does_not_commit_is_not_counted(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "app");
    struct ward_new_use one = a_use(&kek, 1, 1, 1, 5);
    struct ward_effect same = {.kind = WARD_EFFECT_KEK,
                               .kek = {.id = an_id(),
                                       .name = ward_bytes_str("app"),
                                       .backend = ward_bytes_str("hsm"),
                                       .purpose = 1,
                                       .created_us = 1}};
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->uses = &one;
    commit->n_uses = 1;
    commit->node = ward_bytes_str("node-a");
    commit->effects = &same;
    commit->n_effects = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMIT_CONFLICT);

    struct ward_head behind = fx->head;
    fx->head.tree.size = 0; /* the head moved since */
    assert_int_equal(ward_merkle_frontier_size(0), 0);
    assert_outcome(use(fx, "node-a", &one, 1), WARD_COMMIT_HEAD_MOVED);
    fx->head = behind;
    fx->head.epoch++;
    assert_outcome(use(fx, "node-a", &one, 1), WARD_COMMIT_STALE);
    fx->head = behind;
    assert_head_unmoved(fx);
    struct ward_read read = {.kind = WARD_READ_KEY_USE, .key_use.kek = kek};
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.key_use.n, 0);
}

static void use_comes_with_rows_and_under_the_lock_too(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "app");
    struct ward_new_use one = a_use(&kek, 1, 1, 2, 5);
    struct ward_new_subject_key key = {.id = an_id(),
                                       .collection = ward_bytes_str("patients"),
                                       .generation = 1,
                                       .kek = kek,
                                       .kek_version = 1,
                                       .wrapped = ward_bytes_str("wrapped-1")};
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->uses = &one;
    commit->n_uses = 1;
    commit->node = ward_bytes_str("node-a");
    commit->subject_keys = &key;
    commit->n_subject_keys = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    assert_ok(ward_store_head(fx->w, true, &fx->head));
    assert_outcome(use(fx, "node-a", &one, 1), WARD_COMMITTED);
    struct ward_read read = {.kind = WARD_READ_KEY_USE, .key_use.kek = kek};
    assert_ok(read_one(fx, &read));
    assert_use(&read, 0, 1, 2, 4, 5);
}

static void use_that_cannot_be_is_refused(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = an_id();
    struct ward_new_use bad[] = {a_use(&kek, 0, 1, 0, 0), a_use(&kek, 1, UINT64_MAX, 0, 0),
                                 a_use(&kek, 1, 0, UINT64_MAX, 0), a_use(&kek, 1, 1, 1, -1)};
    for (size_t i = 0; i < 4; i++) {
        assert_outcome(use(fx, "node-a", &bad[i], 1), WARD_COMMIT_FAILED);
    }
    struct ward_new_use good = a_use(&kek, 1, 1, 0, 0);
    assert_outcome(use(fx, "", &good, 1), WARD_COMMIT_FAILED);
    struct ward_commit *commit = fixture_begin(fx, 0); /* no entry tells of it */
    commit->uses = &good;
    commit->n_uses = 1;
    commit->node = ward_bytes_str("node-a");
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMIT_FAILED);
    assert_head_unmoved(fx);
}

/* ---- daemons ---- */

static void beat(struct fixture *fx, const char *node, uint64_t epoch)
{
    struct ward_read read = {.kind = WARD_READ_HEARTBEAT,
                             .heartbeat = {.node = ward_bytes_str(node), .epoch = epoch}};
    assert_ok(read_one(fx, &read));
}

static void daemons_tell_the_epoch_that_they_have_in_force(void **state)
{
    struct fixture *fx = *state;
    struct ward_read all = {.kind = WARD_READ_NODES};
    assert_ok(read_one(fx, &all));
    assert_int_equal(all.nodes.n, 0);
    int64_t apart_us = all.nodes.now_us - ward_wall_us(&ward_clock_system);
    assert_true(apart_us > -MINUTE_US && apart_us < MINUTE_US);
    beat(fx, "node-b", 3);
    beat(fx, "node-a", 2);
    beat(fx, "node-b", 4);
    assert_ok(read_one(fx, &all));
    assert_int_equal(all.nodes.n, 2);
    assert_bytes(all.nodes.nodes[0].name, "node-a");
    assert_int_equal(all.nodes.nodes[0].epoch, 2);
    assert_bytes(all.nodes.nodes[1].name, "node-b");
    assert_int_equal(all.nodes.nodes[1].epoch, 4);
    /* When they were seen is the store's to say, and not each one's own. */
    int64_t first_us = all.nodes.nodes[0].seen_us, second_us = all.nodes.nodes[1].seen_us;
    assert_true(first_us <= second_us && second_us <= all.nodes.now_us);
    assert_true(first_us > all.nodes.now_us - MINUTE_US);
    assert_head_unmoved(fx);
}

static void a_heartbeat_without_a_name_is_refused(void **state)
{
    struct fixture *fx = *state;
    char long_name[258] = {0};
    memset(long_name, 'n', 257);
    struct ward_read bad[] = {
        {.kind = WARD_READ_HEARTBEAT},
        {.kind = WARD_READ_HEARTBEAT, .heartbeat.node = ward_bytes_str(long_name)},
        {.kind = WARD_READ_HEARTBEAT,
         .heartbeat = {.node = ward_bytes_str("a"), .epoch = UINT64_MAX}},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ward_read *reads[] = {&bad[i]};
        bad[i].arena = fx->arena;
        assert_code(ward_store_read(fx->r, reads, 1), WARD_E_INTERNAL);
    }
}

/* ---- what authenticates the head ---- */

static struct ward_seal a_seal(uint8_t number)
{
    struct ward_seal seal = {.set = true, .since = number};
    memset(seal.sums, number, sizeof(seal.sums));
    memset(seal.tag, number + 1, sizeof(seal.tag));
    return seal;
}

static void assert_sealed(struct fixture *fx, const struct ward_seal *seal)
{
    struct ward_head head = fixture_head(fx->w2);
    struct ward_store_snapshot s = a_snapshot(fx);
    const struct ward_seal *found[] = {&head.seal, &s.head.seal};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(found[i]->set, seal->set);
        assert_int_equal(found[i]->since, seal->since);
        assert_memory_equal(found[i]->sums, seal->sums, sizeof(seal->sums));
        assert_memory_equal(found[i]->tag, seal->tag, sizeof(seal->tag));
    }
    assert_false(head.damaged || s.head.damaged);
    assert_int_equal(s.head.tree.size, head.tree.size);
    assert_int_equal(s.head.epoch, head.epoch);
    assert_memory_equal(s.head.tree.frontier, head.tree.frontier,
                        ward_merkle_frontier_size(head.tree.size));
}

static void a_seal_comes_and_goes_with_the_head(void **state)
{
    struct fixture *fx = *state;
    struct ward_seal one = a_seal(1), two = a_seal(2), none = {0};
    initialise(fx);
    assert_sealed(fx, &none);
    fixture_begin(fx, 1)->seal = &one;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    assert_sealed(fx, &one);
    /* Without entries: as it was, or another one for the head as it is. */
    struct ward_effect done = {.kind = WARD_EFFECT_PURGE_REPLAYS};
    struct ward_commit *commit = fixture_begin(fx, 0);
    commit->effects = &done;
    commit->n_effects = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    assert_sealed(fx, &one);
    commit = fixture_begin(fx, 0);
    commit->effects = &done;
    commit->n_effects = 1;
    commit->seal = &two;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    assert_sealed(fx, &two);
    commit = fixture_begin(fx, 0);
    commit->effects = &done;
    commit->n_effects = 1;
    commit->seal = &one;
    commit->first_seq--; /* reckoned on another head */
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMIT_HEAD_MOVED);
    assert_sealed(fx, &two);
    assert_head_unmoved(fx);
}

/* Neither size nor epoch tells them. */
static void who_read_the_head_before_a_seal_writes_nothing_over_it(void **state)
{
    struct fixture *fx = *state;
    struct ward_seal one = a_seal(1), two = a_seal(2), three = a_seal(3);
    struct ward_effect done = {.kind = WARD_EFFECT_PURGE_REPLAYS};
    initialise(fx);
    fixture_begin(fx, 1)->seal = &one;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    for (uint32_t n_leaves = 0; n_leaves < 2; n_leaves++) {
        (void)fixture_head(fx->w2);
        struct ward_commit *commit = fixture_begin(fx, 0);
        commit->effects = &done;
        commit->n_effects = 1;
        commit->seal = &two;
        assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
        commit = fixture_begin(fx, n_leaves);
        commit->effects = &done;
        commit->n_effects = 1;
        commit->seal = &three;
        assert_outcome(fixture_commit(fx, fx->w2), WARD_COMMIT_HEAD_MOVED);
        assert_sealed(fx, &two);
        assert_head_unmoved(fx);
    }
    /* Its writer goes on as before, and so does one that reads the head again. */
    fixture_begin(fx, 1)->seal = &one;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    (void)fixture_head(fx->w2);
    fixture_begin(fx, 1)->seal = &three;
    assert_outcome(fixture_commit(fx, fx->w2), WARD_COMMITTED);
    assert_sealed(fx, &three);
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
        T(use_adds_up_over_commits_and_nodes),
        T(use_of_many_versions_is_one_commit),
        T(what_does_not_commit_is_not_counted),
        T(use_comes_with_rows_and_under_the_lock_too),
        T(use_that_cannot_be_is_refused),
        T(daemons_tell_the_epoch_that_they_have_in_force),
        T(a_heartbeat_without_a_name_is_refused),
        T(a_seal_comes_and_goes_with_the_head),
        T(who_read_the_head_before_a_seal_writes_nothing_over_it),
    };
    return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
