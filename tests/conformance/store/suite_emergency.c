/* SPDX-License-Identifier: Apache-2.0 */
/* Emergencies: rows that every daemon decides with until they are closed, and pages of all. */
#include "tests/conformance/store/store_fixture.h"

static void initialise(struct fixture *fx)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_DEPLOYMENT,
                                 .deployment = {.id = an_id(),
                                                .origin = ward_bytes_str("o"),
                                                .schema_version = WARD_SCHEMA_VERSION,
                                                .log_key = an_id(),
                                                .log_algorithm = 2,
                                                .log_public_key = ward_bytes_str("public"),
                                                .created_us = 1}};
    assert_outcome(fixture_effect(fx, &effect), WARD_COMMITTED);
}

static struct ward_effect proposal_of(const struct ward_id *id, int64_t opened_us)
{
    return (struct ward_effect){.kind = WARD_EFFECT_PROPOSAL,
                                .proposal = {.id = *id,
                                             .payload = ward_bytes_str("{}"),
                                             .proposer = ward_bytes_str("app"),
                                             .state = WARD_PROPOSAL_EXECUTED,
                                             .created_us = opened_us,
                                             .expires_us = opened_us + 100}};
}

static struct ward_effect emergency_of(const struct ward_id *id, int64_t opened_us)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_EMERGENCY,
                                 .emergency = {.id = *id,
                                               .identity = ward_bytes_str("app"),
                                               .collection = ward_bytes_str("fhir"),
                                               .opened_us = opened_us,
                                               .expires_us = opened_us + 100}};
    memset(effect.emergency.subject_hash, 7, WARD_HASH_SIZE);
    return effect;
}

static struct ward_id open_one(struct fixture *fx, int64_t opened_us)
{
    struct ward_id id = an_id();
    struct ward_effect proposal = proposal_of(&id, opened_us);
    struct ward_effect emergency = emergency_of(&id, opened_us);
    assert_outcome(fixture_effect(fx, &proposal), WARD_COMMITTED);
    assert_outcome(fixture_effect(fx, &emergency), WARD_COMMITTED);
    return id;
}

static enum ward_commit_outcome close_one(struct fixture *fx, const struct ward_id *id,
                                          int64_t closed_us)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_EMERGENCY_CLOSED};
    effect.emergency_closed.id = *id;
    effect.emergency_closed.closed_us = closed_us;
    return fixture_effect(fx, &effect);
}

static void review(struct fixture *fx, const struct ward_id *id)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_VOTE};
    effect.vote.proposal = *id;
    effect.vote.vote = (struct ward_store_vote){.identity = ward_bytes_str("officer"),
                                                .signature = ward_bytes_str("signature"),
                                                .certificate = ward_bytes_str("certificate"),
                                                .decision = 5,
                                                .created_us = 1};
    assert_outcome(fixture_effect(fx, &effect), WARD_COMMITTED);
}

static size_t list(struct fixture *fx, struct ward_read *read)
{
    read->kind = WARD_READ_EMERGENCIES;
    read->emergencies.limit = read->emergencies.limit == 0 ? 10 : read->emergencies.limit;
    assert_ok(read_one(fx, read));
    return read->emergencies.n;
}

static void the_snapshot_has_those_that_nobody_closed(void **state)
{
    struct fixture *fx = *state;
    initialise(fx);
    assert_int_equal(a_snapshot(fx).n_emergencies, 0);
    struct ward_id first = open_one(fx, 1000), second = open_one(fx, 2000);
    assert_int_equal(a_snapshot(fx).n_emergencies, 2);
    assert_outcome(close_one(fx, &first, 1050), WARD_COMMITTED);
    struct ward_store_snapshot s = a_snapshot(fx);
    assert_int_equal(s.n_emergencies, 1);
    assert_true(ward_id_eq(&s.emergencies[0].id, &second));
    assert_bytes(s.emergencies[0].identity, "app");
    assert_bytes(s.emergencies[0].collection, "fhir");
    assert_int_equal(s.emergencies[0].subject_hash[31], 7);
    assert_int_equal(s.emergencies[0].opened_us, 2000);
    assert_int_equal(s.emergencies[0].expires_us, 2100);
    assert_int_equal(s.emergencies[0].closed_us, 0);
}

static void one_is_closed_once_and_belongs_to_a_proposal(void **state)
{
    struct fixture *fx = *state;
    initialise(fx);
    struct ward_id id = open_one(fx, 1000), nobody = an_id();
    struct ward_effect again = emergency_of(&id, 1000), orphan = emergency_of(&nobody, 1000);
    assert_outcome(fixture_effect(fx, &again), WARD_COMMIT_CONFLICT);
    assert_int_not_equal(fixture_effect(fx, &orphan), WARD_COMMITTED);
    assert_outcome(close_one(fx, &nobody, 5), WARD_COMMIT_CONFLICT);
    assert_outcome(close_one(fx, &id, 1050), WARD_COMMITTED);
    assert_outcome(close_one(fx, &id, 1060), WARD_COMMIT_CONFLICT);
}

static void pages_are_newest_first(void **state)
{
    struct fixture *fx = *state;
    initialise(fx);
    struct ward_id ids[3];
    for (size_t i = 0; i < 3; i++) {
        ids[i] = open_one(fx, 1000 + (int64_t)i);
    }
    struct ward_read read = {.emergencies = {.limit = 2}};
    assert_int_equal(list(fx, &read), 2);
    assert_true(ward_id_eq(&read.emergencies.rows[0].id, &ids[2]));
    assert_true(ward_id_eq(&read.emergencies.rows[1].id, &ids[1]));
    struct ward_read rest = {.emergencies = {.before_us = 1001, .before_id = ids[1]}};
    assert_int_equal(list(fx, &rest), 1);
    assert_true(ward_id_eq(&rest.emergencies.rows[0].id, &ids[0]));
}

static void a_page_may_be_of_the_open_or_of_the_unreviewed(void **state)
{
    struct fixture *fx = *state;
    initialise(fx);
    struct ward_id over = open_one(fx, 1000), closed = open_one(fx, 2000),
                   open = open_one(fx, 3000);
    assert_outcome(close_one(fx, &closed, 2010), WARD_COMMITTED);
    review(fx, &over);
    struct ward_read now = {.emergencies = {.open = true, .now_us = 1100}};
    assert_int_equal(list(fx, &now), 1); /* the first is over at this very moment */
    assert_true(ward_id_eq(&now.emergencies.rows[0].id, &open));
    struct ward_read unreviewed = {.emergencies = {.unreviewed = true}};
    assert_int_equal(list(fx, &unreviewed), 2);
    assert_false(unreviewed.emergencies.rows[0].reviewed);
    assert_true(ward_id_eq(&unreviewed.emergencies.rows[1].id, &closed));
    assert_int_equal(unreviewed.emergencies.rows[1].closed_us, 2010);
    struct ward_read all = {.emergencies = {.now_us = 1}};
    assert_int_equal(list(fx, &all), 3);
    assert_true(all.emergencies.rows[2].reviewed);
}

int store_suite_emergencies(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(the_snapshot_has_those_that_nobody_closed),
        T(one_is_closed_once_and_belongs_to_a_proposal),
        T(pages_are_newest_first),
        T(a_page_may_be_of_the_open_or_of_the_unreviewed),
    };
#undef T
    return cmocka_run_group_tests_name("emergencies", tests, NULL, NULL);
}
