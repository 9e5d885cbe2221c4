/* SPDX-License-Identifier: Apache-2.0 */
/* Administrative effects, and the snapshot that shows them. */
#include "tests/conformance/store/store_fixture.h"

static struct ward_effect deployment(void)
{
    return (struct ward_effect){.kind = WARD_EFFECT_DEPLOYMENT,
                                .deployment = {.id = an_id(),
                                               .origin = ward_bytes_str("ward.example/log"),
                                               .genesis_policy_hash = {1, 2, 3},
                                               .schema_version = WARD_SCHEMA_VERSION,
                                               .log_key = an_id(),
                                               .log_algorithm = 2,
                                               .log_public_key = ward_bytes_str("public"),
                                               .created_us = 1000}};
}

static struct ward_effect policy(uint32_t version, const char *text)
{
    return (struct ward_effect){
        .kind = WARD_EFFECT_POLICY,
        .policy = {
            .version = version, .text = ward_bytes_str(text), .hash = {9}, .created_us = 1000}};
}

/* Deployment, first policy and an index key in one commit, as a daemon's first start makes them. */
static struct ward_effect genesis(struct fixture *fx)
{
    struct ward_effect effects[] = {
        deployment(),
        policy(1, "roles: {}"),
        {.kind = WARD_EFFECT_INDEX_KEY,
         .index_key = {.name = ward_bytes_str("ids"), .wrapped = ward_bytes_str("index-wrapped")}},
    };
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->effects = effects;
    commit->n_effects = 3;
    commit->bump_epoch = true;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    return effects[0];
}

static void snapshot_of_an_empty_store_is_not_initialised(void **state)
{
    struct fixture *fx = *state;
    struct ward_store_snapshot snapshot = a_snapshot(fx);
    assert_false(snapshot.initialised);
    assert_int_equal(snapshot.n_keks, 0);
    assert_int_equal(fx->head.tree.size, 0);
    uint64_t epoch = 99;
    assert_ok(ward_store_epoch(fx->r, &epoch));
    assert_int_equal(epoch, fx->head.epoch);
}

static void genesis_is_in_the_snapshot(void **state)
{
    struct fixture *fx = *state;
    uint64_t before = fx->head.epoch;
    struct ward_effect made = genesis(fx);
    struct ward_store_snapshot s = a_snapshot(fx);
    assert_true(s.initialised);
    assert_int_equal(s.epoch, before + 1);
    assert_true(ward_id_eq(&s.deployment.id, &made.deployment.id));
    assert_true(ward_id_eq(&s.deployment.log_key, &made.deployment.log_key));
    assert_bytes(s.deployment.origin, "ward.example/log");
    assert_bytes(s.deployment.log_public_key, "public");
    assert_memory_equal(s.deployment.genesis_policy_hash, made.deployment.genesis_policy_hash,
                        WARD_HASH_SIZE);
    assert_int_equal(s.deployment.schema_version, WARD_SCHEMA_VERSION);
    assert_int_equal(s.deployment.log_algorithm, 2);
    assert_int_equal(s.deployment.created_us, 1000);
    assert_int_equal(s.policy_version, 1);
    assert_bytes(s.policy_text, "roles: {}");
    assert_int_equal(s.n_index_keys, 1);
    assert_bytes(s.index_keys[0].name, "ids");
    assert_bytes(s.index_keys[0].wrapped, "index-wrapped");
}

static void a_second_genesis_conflicts(void **state)
{
    struct fixture *fx = *state;
    (void)genesis(fx);
    struct ward_effect again = deployment();
    assert_outcome(fixture_effect(fx, &again), WARD_COMMIT_CONFLICT);
    assert_head_unmoved(fx);
}

static void snapshot_shows_the_newest_policy(void **state)
{
    struct fixture *fx = *state;
    (void)genesis(fx);
    struct ward_effect second = policy(2, "roles: {a: b}");
    assert_outcome(fixture_effect(fx, &second), WARD_COMMITTED);
    struct ward_store_snapshot s = a_snapshot(fx);
    assert_int_equal(s.policy_version, 2);
    assert_bytes(s.policy_text, "roles: {a: b}");
    struct ward_effect same = policy(2, "roles: {evil: all}");
    assert_outcome(fixture_effect(fx, &same), WARD_COMMIT_CONFLICT);
}

static void snapshot_is_sorted_by_name_and_by_version(void **state)
{
    struct fixture *fx = *state;
    static const char *const names[] = {"zeta", "alpha", "a/b", "a-b", "a.b", "a", "beta_1"};
    static const char *const sorted[] = {"a", "a-b", "a.b", "a/b", "alpha", "beta_1", "zeta"};
    (void)genesis(fx);
    for (size_t i = 0; i < 7; i++) {
        struct ward_id kek = a_kek(fx, names[i]);
        struct ward_effect version = {
            .kind = WARD_EFFECT_KEK_VERSION,
            .kek_version = {.kek = kek, .version = 2, .state = 1, .created_us = 5}};
        assert_outcome(fixture_effect(fx, &version), WARD_COMMITTED);
    }
    struct ward_store_snapshot s = a_snapshot(fx);
    assert_int_equal(s.n_keks, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_bytes(s.keks[i].name, sorted[i]);
        assert_bytes(s.keks[i].backend, "hsm");
        assert_int_equal(s.keks[i].purpose, 2);
        assert_true(s.keks[i].enabled);
        assert_int_equal(s.keks[i].rotation_period_days, 365);
    }
    assert_int_equal(s.n_versions, 14);
    for (size_t i = 0; i + 1 < 14; i++) {
        int order = memcmp(s.versions[i].kek.bytes, s.versions[i + 1].kek.bytes, 16);
        assert_true(order < 0 || (order == 0 && s.versions[i].version < s.versions[i + 1].version));
    }
}

static void a_kek_name_is_used_once(void **state)
{
    struct fixture *fx = *state;
    (void)a_kek(fx, "records");
    struct ward_effect same = {.kind = WARD_EFFECT_KEK,
                               .kek = {.id = an_id(),
                                       .name = ward_bytes_str("records"),
                                       .backend = ward_bytes_str("hsm"),
                                       .purpose = 1,
                                       .created_us = 1}};
    assert_outcome(fixture_effect(fx, &same), WARD_COMMIT_CONFLICT);
    assert_head_unmoved(fx);
}

static void a_version_of_no_kek_conflicts(void **state)
{
    struct fixture *fx = *state;
    struct ward_effect version = {
        .kind = WARD_EFFECT_KEK_VERSION,
        .kek_version = {.kek = an_id(), .version = 1, .state = 2, .created_us = 1}};
    assert_outcome(fixture_effect(fx, &version), WARD_COMMIT_CONFLICT);
}

static void a_kek_version_moves_only_from_the_state_it_has(void **state)
{
    struct fixture *fx = *state;
    (void)genesis(fx);
    struct ward_effect move = {.kind = WARD_EFFECT_KEK_STATE};
    move.kek_state.kek = a_kek(fx, "records");
    move.kek_state.version = 1;
    move.kek_state.from = 2;
    move.kek_state.to = 4;
    assert_outcome(fixture_effect(fx, &move), WARD_COMMITTED);
    assert_outcome(fixture_effect(fx, &move), WARD_COMMIT_CONFLICT);
    move.kek_state.from = 4;
    move.kek_state.version = 2; /* not there */
    assert_outcome(fixture_effect(fx, &move), WARD_COMMIT_CONFLICT);
    struct ward_store_snapshot s = a_snapshot(fx);
    assert_int_equal(s.n_versions, 1);
    assert_int_equal(s.versions[0].state, 4);
    assert_head_unmoved(fx);
}

static void an_intent_is_listed_until_it_is_done(void **state)
{
    struct fixture *fx = *state;
    (void)genesis(fx);
    struct ward_effect intent = {.kind = WARD_EFFECT_INTENT,
                                 .intent = {.id = an_id(),
                                            .kek = an_id(),
                                            .version = 2,
                                            .effect = 1,
                                            .node = ward_bytes_str("node-a"),
                                            .created_us = 7}};
    assert_outcome(fixture_effect(fx, &intent), WARD_COMMITTED);
    struct ward_effect same = intent;
    same.intent.id = an_id();
    assert_outcome(fixture_effect(fx, &same), WARD_COMMIT_CONFLICT); /* another node's */

    struct ward_store_snapshot s = a_snapshot(fx);
    struct ward_id none = {0};
    assert_int_equal(s.n_intents, 1);
    assert_true(ward_id_eq(&s.intents[0].id, &intent.intent.id));
    assert_true(ward_id_eq(&s.intents[0].kek, &intent.intent.kek));
    assert_true(ward_id_eq(&s.intents[0].proposal, &none));
    assert_int_equal(s.intents[0].version, 2);
    assert_int_equal(s.intents[0].effect, 1);
    assert_bytes(s.intents[0].node, "node-a");

    struct ward_effect done = {.kind = WARD_EFFECT_INTENT_DONE};
    done.intent_done.id = intent.intent.id;
    assert_outcome(fixture_effect(fx, &done), WARD_COMMITTED);
    assert_int_equal(a_snapshot(fx).n_intents, 0);
    assert_outcome(fixture_effect(fx, &done), WARD_COMMIT_CONFLICT); /* only one finishes it */
}

static struct ward_effect proposal(int64_t created_us, uint8_t proposal_state)
{
    return (struct ward_effect){.kind = WARD_EFFECT_PROPOSAL,
                                .proposal = {.id = an_id(),
                                             .payload = ward_bytes_str("{\"type\":\"x\"}"),
                                             .proposer = ward_bytes_str("officer-a"),
                                             .state = proposal_state,
                                             .created_us = created_us,
                                             .expires_us = created_us + 100}};
}

static struct ward_effect vote(const struct ward_id *id, const char *identity, uint8_t decision,
                               int64_t created_us)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_VOTE};
    effect.vote.proposal = *id;
    effect.vote.vote = (struct ward_store_vote){.identity = ward_bytes_str(identity),
                                                .signature = ward_bytes_str("signature"),
                                                .certificate = ward_bytes_str("certificate"),
                                                .decision = decision,
                                                .created_us = created_us};
    return effect;
}

static void a_proposal_is_read_with_its_votes(void **state)
{
    struct fixture *fx = *state;
    struct ward_effect p = proposal(100, WARD_PROPOSAL_OPEN);
    struct ward_effect b = vote(&p.proposal.id, "officer-b", 1, 300);
    struct ward_effect a = vote(&p.proposal.id, "officer-a", 0, 200);
    assert_outcome(fixture_effect(fx, &p), WARD_COMMITTED);
    struct ward_read read = {.kind = WARD_READ_PROPOSAL, .proposal.id = p.proposal.id};
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.proposal.proposal.n_votes, 0);

    assert_outcome(fixture_effect(fx, &b), WARD_COMMITTED);
    assert_outcome(fixture_effect(fx, &a), WARD_COMMITTED);
    assert_ok(read_one(fx, &read));
    const struct ward_store_proposal *found = &read.proposal.proposal;
    assert_true(ward_id_eq(&found->id, &p.proposal.id));
    assert_bytes(found->payload, "{\"type\":\"x\"}");
    assert_bytes(found->proposer, "officer-a");
    assert_int_equal(found->state, WARD_PROPOSAL_OPEN);
    assert_int_equal(found->created_us, 100);
    assert_int_equal(found->expires_us, 200);
    assert_int_equal(found->n_votes, 2);
    assert_bytes(found->votes[0].identity, "officer-a"); /* in the order of their time */
    assert_int_equal(found->votes[0].decision, 0);
    assert_bytes(found->votes[1].identity, "officer-b");
    assert_int_equal(found->votes[1].decision, 1);
    assert_bytes(found->votes[1].signature, "signature");
    assert_bytes(found->votes[1].certificate, "certificate");
    assert_int_equal(found->votes[1].created_us, 300);
}

static void who_proposed_cannot_approve_but_may_reject(void **state)
{
    struct fixture *fx = *state;
    struct ward_effect p = proposal(100, WARD_PROPOSAL_OPEN);
    struct ward_effect propose = vote(&p.proposal.id, "officer-a", 0, 200);
    struct ward_effect approve = vote(&p.proposal.id, "officer-a", 1, 300);
    struct ward_effect reject = vote(&p.proposal.id, "officer-a", 2, 400);
    assert_outcome(fixture_effect(fx, &p), WARD_COMMITTED);
    assert_outcome(fixture_effect(fx, &propose), WARD_COMMITTED);
    assert_outcome(fixture_effect(fx, &approve), WARD_COMMIT_CONFLICT);
    assert_outcome(fixture_effect(fx, &reject), WARD_COMMITTED);
    assert_outcome(fixture_effect(fx, &reject), WARD_COMMIT_CONFLICT);
}

static void a_vote_on_no_proposal_conflicts(void **state)
{
    struct fixture *fx = *state;
    struct ward_id nothing = an_id();
    struct ward_effect effect = vote(&nothing, "officer-b", 1, 1);
    assert_outcome(fixture_effect(fx, &effect), WARD_COMMIT_CONFLICT);
    struct ward_read read = {.kind = WARD_READ_PROPOSAL, .proposal.id = nothing};
    assert_code(read_one(fx, &read), WARD_E_NOT_FOUND);
}

static void a_proposal_is_executed_once(void **state)
{
    struct fixture *fx = *state;
    struct ward_effect p = proposal(100, WARD_PROPOSAL_OPEN);
    struct ward_effect run = {.kind = WARD_EFFECT_PROPOSAL_STATE};
    run.proposal_state.id = p.proposal.id;
    run.proposal_state.from = WARD_PROPOSAL_OPEN;
    run.proposal_state.to = WARD_PROPOSAL_EXECUTING;
    assert_outcome(fixture_effect(fx, &p), WARD_COMMITTED);
    assert_outcome(fixture_effect(fx, &run), WARD_COMMITTED);
    assert_outcome(fixture_effect(fx, &run), WARD_COMMIT_CONFLICT);
    struct ward_read read = {.kind = WARD_READ_PROPOSAL, .proposal.id = p.proposal.id};
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.proposal.proposal.state, WARD_PROPOSAL_EXECUTING);
}

/* A page as numbers: how long ago each was created. */
static void assert_page(struct fixture *fx, struct ward_read *page, const int64_t *created,
                        size_t n)
{
    assert_ok(read_one(fx, page));
    assert_int_equal(page->proposals.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(page->proposals.proposals[i].created_us, created[i]);
    }
}

static void proposals_are_paged_newest_first(void **state)
{
    struct fixture *fx = *state;
    for (int64_t i = 1; i <= 5; i++) {
        uint8_t kind =
            i == 3 ? WARD_PROPOSAL_EXECUTED : (i == 1 ? WARD_PROPOSAL_DRAFT : WARD_PROPOSAL_OPEN);
        struct ward_effect p = proposal(i, kind);
        struct ward_effect v1 = vote(&p.proposal.id, "officer-a", 0, 10);
        struct ward_effect v2 = vote(&p.proposal.id, "officer-b", 1, 11);
        assert_outcome(fixture_effect(fx, &p), WARD_COMMITTED);
        assert_outcome(fixture_effect(fx, &v1), WARD_COMMITTED);
        assert_outcome(fixture_effect(fx, &v2), WARD_COMMITTED);
    }
    struct ward_read page = {.kind = WARD_READ_PROPOSALS, .proposals = {.all = true, .limit = 2}};
    assert_page(fx, &page, (const int64_t[]){5, 4}, 2);
    assert_int_equal(page.proposals.proposals[1].n_votes, 2);
    assert_bytes(page.proposals.proposals[1].votes[1].identity, "officer-b");
    page.proposals.before_us = 4;
    page.proposals.before_id = page.proposals.proposals[1].id;
    assert_page(fx, &page, (const int64_t[]){3, 2}, 2);
    page.proposals.before_us = 2;
    page.proposals.before_id = page.proposals.proposals[1].id;
    assert_page(fx, &page, (const int64_t[]){1}, 1);
    struct ward_read waiting = {.kind = WARD_READ_PROPOSALS, .proposals = {.limit = 10}};
    assert_page(fx, &waiting, (const int64_t[]){5, 4, 2, 1}, 4);
}

static void checkpoints_are_kept_as_first_written(void **state)
{
    struct fixture *fx = *state;
    struct ward_read newest = {.kind = WARD_READ_CHECKPOINTS,
                               .checkpoints = {.newest_first = true, .limit = 1, .max_note = 5}};
    assert_ok(read_one(fx, &newest));
    assert_int_equal(newest.checkpoints.n, 0);
    static const struct {
        uint64_t size;
        const char *note;
    } notes[] = {{7, "seven"}, {3, "three"}, {7, "other"}};
    for (size_t i = 0; i < 3; i++) {
        struct ward_effect effect = {.kind = WARD_EFFECT_CHECKPOINT};
        effect.checkpoint.size = notes[i].size;
        effect.checkpoint.note = ward_bytes_str(notes[i].note);
        effect.checkpoint.created_us = 100 + (int64_t)i;
        struct ward_commit *commit = fixture_begin(fx, 0); /* no leaf: the head stays */
        commit->effects = &effect;
        commit->n_effects = 1;
        assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    }
    assert_ok(read_one(fx, &newest));
    assert_int_equal(newest.checkpoints.n, 1);
    assert_int_equal(newest.checkpoints.rows[0].size, 7);
    assert_bytes(newest.checkpoints.rows[0].note, "seven");
    assert_int_equal(newest.checkpoints.rows[0].created_us, 100);
    assert_head_unmoved(fx);
}

/* ---- the log's key ---- */

static struct ward_effect a_log_key(uint32_t version, uint64_t leaf)
{
    return (struct ward_effect){.kind = WARD_EFFECT_LOG_KEY,
                                .log_key = {.version = version,
                                            .algorithm = 2,
                                            .public_key = ward_bytes_str("public two"),
                                            .leaf = leaf,
                                            .proposal = an_id(),
                                            .created_us = 2000}};
}

static void write_checkpoint(struct fixture *fx, uint64_t size, const char *note)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_CHECKPOINT};
    effect.checkpoint.size = size;
    effect.checkpoint.note = ward_bytes_str(note);
    effect.checkpoint.created_us = 1;
    struct ward_commit *commit = fixture_begin(fx, 0);
    commit->effects = &effect;
    commit->n_effects = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
}

static void versions_of_the_logs_key_follow_each_other(void **state)
{
    struct fixture *fx = *state;
    (void)genesis(fx);
    assert_int_equal(a_snapshot(fx).n_log_keys, 0);
    struct ward_effect second = a_log_key(2, 5), again = a_log_key(2, 6), fourth = a_log_key(4, 7),
                       same_leaf = a_log_key(3, 5), same_proposal = a_log_key(3, 8);
    same_proposal.log_key.proposal = second.log_key.proposal;
    assert_outcome(fixture_effect(fx, &fourth), WARD_COMMIT_CONFLICT);
    assert_outcome(fixture_effect(fx, &second), WARD_COMMITTED);
    assert_outcome(fixture_effect(fx, &again), WARD_COMMIT_CONFLICT);
    assert_outcome(fixture_effect(fx, &fourth), WARD_COMMIT_CONFLICT);
    assert_outcome(fixture_effect(fx, &same_leaf), WARD_COMMIT_CONFLICT);
    assert_outcome(fixture_effect(fx, &same_proposal), WARD_COMMIT_CONFLICT);
    struct ward_effect third = a_log_key(3, 9);
    assert_outcome(fixture_effect(fx, &third), WARD_COMMITTED);
    struct ward_store_snapshot s = a_snapshot(fx);
    assert_int_equal(s.n_log_keys, 2);
    assert_int_equal(s.log_keys[0].version, 2);
    assert_int_equal(s.log_keys[0].algorithm, 2);
    assert_bytes(s.log_keys[0].public_key, "public two");
    assert_int_equal(s.log_keys[0].leaf, 5);
    assert_true(ward_id_eq(&s.log_keys[0].proposal, &second.log_key.proposal));
    assert_int_equal(s.log_keys[0].created_us, 2000);
    assert_int_equal(s.log_keys[1].version, 3);
    assert_int_equal(s.log_keys[1].leaf, 9);
}

static void a_handover_is_the_first_checkpoint_behind_the_change(void **state)
{
    struct fixture *fx = *state;
    (void)genesis(fx);
    struct ward_effect second = a_log_key(2, 5), third = a_log_key(3, 9);
    assert_outcome(fixture_effect(fx, &second), WARD_COMMITTED);
    assert_outcome(fixture_effect(fx, &third), WARD_COMMITTED);
    struct ward_read read = {.kind = WARD_READ_HANDOVERS, .handovers.max_note = 6};
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.handovers.n, 0);
    write_checkpoint(fx, 5, "of before");
    write_checkpoint(fx, 8, "eight");
    write_checkpoint(fx, 7, "seven");
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.handovers.n, 1);
    assert_int_equal(read.handovers.handovers[0].version, 2);
    assert_int_equal(read.handovers.handovers[0].size, 7);
    assert_bytes(read.handovers.handovers[0].note, "seven");
    write_checkpoint(fx, 12, "twelve");
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.handovers.n, 2);
    assert_int_equal(read.handovers.handovers[1].version, 3);
    assert_bytes(read.handovers.handovers[1].note, "twelve");
    read.handovers.max_note = 5;
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.handovers.n, 2);
    assert_bytes(read.handovers.handovers[0].note, "seven");
    assert_int_equal(read.handovers.handovers[1].size, 12);
    assert_int_equal(read.handovers.handovers[1].note.size, 0);
}

static void assert_checkpoints(struct fixture *fx, struct ward_read *page, const uint64_t *sizes,
                               size_t n)
{
    assert_ok(read_one(fx, page));
    assert_int_equal(page->checkpoints.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(page->checkpoints.rows[i].size, sizes[i]);
        assert_true(page->checkpoints.rows[i].created_us > 0);
    }
}

static void checkpoints_are_read_from_either_end(void **state)
{
    struct fixture *fx = *state;
    (void)genesis(fx);
    struct ward_read page = {.kind = WARD_READ_CHECKPOINTS,
                             .checkpoints = {.limit = 2, .max_note = 5}};
    assert_checkpoints(fx, &page, NULL, 0);
    write_checkpoint(fx, 3, "three");
    write_checkpoint(fx, 9, "of nine");
    write_checkpoint(fx, 5, "five");
    assert_checkpoints(fx, &page, (const uint64_t[]){3, 5}, 2);
    assert_bytes(page.checkpoints.rows[1].note, "five");
    page.checkpoints.from = 4;
    assert_checkpoints(fx, &page, (const uint64_t[]){5, 9}, 2);
    assert_int_equal(page.checkpoints.rows[1].note.size, 0);
    page.checkpoints.below = 9;
    assert_checkpoints(fx, &page, (const uint64_t[]){5}, 1);
    page.checkpoints.from = page.checkpoints.below - 1;
    assert_checkpoints(fx, &page, NULL, 0);
    write_checkpoint(fx, 8, "eight");
    assert_checkpoints(fx, &page, (const uint64_t[]){8}, 1); /* this size alone */
    write_checkpoint(fx, 8, "other");
    assert_checkpoints(fx, &page, (const uint64_t[]){8}, 1);
    assert_bytes(page.checkpoints.rows[0].note, "eight");
    page.checkpoints.from = page.checkpoints.below = 0;
    page.checkpoints.newest_first = true;
    assert_checkpoints(fx, &page, (const uint64_t[]){9, 8}, 2);
    page.checkpoints.below = 5;
    assert_checkpoints(fx, &page, (const uint64_t[]){3}, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int store_suite_admin(void)
{
    const struct CMUnitTest tests[] = {
        T(snapshot_of_an_empty_store_is_not_initialised),
        T(genesis_is_in_the_snapshot),
        T(a_second_genesis_conflicts),
        T(snapshot_shows_the_newest_policy),
        T(snapshot_is_sorted_by_name_and_by_version),
        T(a_kek_name_is_used_once),
        T(a_version_of_no_kek_conflicts),
        T(a_kek_version_moves_only_from_the_state_it_has),
        T(an_intent_is_listed_until_it_is_done),
        T(a_proposal_is_read_with_its_votes),
        T(who_proposed_cannot_approve_but_may_reject),
        T(a_vote_on_no_proposal_conflicts),
        T(a_proposal_is_executed_once),
        T(proposals_are_paged_newest_first),
        T(checkpoints_are_kept_as_first_written),
        T(versions_of_the_logs_key_follow_each_other),
        T(a_handover_is_the_first_checkpoint_behind_the_change),
        T(checkpoints_are_read_from_either_end),
    };
    return cmocka_run_group_tests_name("administration", tests, NULL, NULL);
}
