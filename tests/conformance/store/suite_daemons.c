/* SPDX-License-Identifier: Apache-2.0 */
/* What daemons leave for each other: what keys were used for, which of them live, and what
 * authenticates the head. */
#include "base/clock.h"
#include "tests/conformance/store/store_fixture.h"

#define MINUTE_US (60LL * 1000000)

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
    a_deployment(fx);
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
    a_deployment(fx);
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

int store_suite_daemons(void)
{
    const struct CMUnitTest tests[] = {
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
    return cmocka_run_group_tests_name("daemons", tests, NULL, NULL);
}
