/* SPDX-License-Identifier: Apache-2.0 */
/* Where certificates are in use at several daemons: who was there at the same time learns of it. */
#include "base/clock.h"
#include "tests/conformance/store/store_fixture.h"

#define SECOND INT64_C(1000000)

static struct ward_store_sighting sighting(uint8_t certificate, uint8_t place, int64_t since_s,
                                           int64_t heard_s)
{
    struct ward_store_sighting made = {.since_us = since_s * SECOND, .heard_us = heard_s * SECOND};
    memset(made.certificate, certificate, sizeof(made.certificate));
    memset(made.place, place, sizeof(made.place));
    return made;
}

/* What a daemon learns for what it tells. */
static struct ward_read tell(struct fixture *fx, const char *node,
                             const struct ward_store_sighting *sightings, size_t n)
{
    struct ward_read read = {.kind = WARD_READ_SIGHTINGS,
                             .sightings = {.node = ward_bytes_str(node),
                                           .sightings = sightings,
                                           .n = n,
                                           .life_us = 1000 * SECOND,
                                           .apart_us = 10 * SECOND}};
    assert_ok(read_one(fx, &read));
    return read;
}

static size_t tell_one(struct fixture *fx, const char *node, uint8_t certificate, uint8_t place,
                       int64_t since_s, int64_t heard_s)
{
    struct ward_store_sighting one = sighting(certificate, place, since_s, heard_s);
    return tell(fx, node, &one, 1).sightings.n_elsewhere;
}

static void two_daemons_learn_of_one_certificate_in_two_places(void **state)
{
    struct fixture *fx = *state;
    const struct ward_store_sighting all[] = {sighting(1, 7, 300, 0), sighting(2, 7, 300, 0),
                                              sighting(3, 7, 100, 0)};
    assert_int_equal(tell(fx, "node-a", all, 3).sightings.n_elsewhere, 0);
    assert_int_equal(tell(fx, "node-a", NULL, 0).sightings.n_elsewhere, 0);
    const struct ward_store_sighting others[] = {sighting(4, 8, 200, 0), sighting(2, 7, 200, 0),
                                                 sighting(1, 8, 200, 0), sighting(3, 8, 200, 0)};
    struct ward_read read = tell(fx, "node-b", others, 4);
    assert_int_equal(read.sightings.n_elsewhere, 2); /* not 4, not the same place of 2 */
    assert_int_equal(read.sightings.elsewhere[0].sighting, 2);
    assert_true(read.sightings.elsewhere[0].earlier);
    assert_memory_equal(read.sightings.elsewhere[0].place, all[0].place, 16);
    assert_int_equal(read.sightings.elsewhere[1].sighting, 3);
    assert_false(read.sightings.elsewhere[1].earlier);
    read = tell(fx, "node-a", all, 3);
    assert_int_equal(read.sightings.n_elsewhere, 2);
    assert_int_equal(read.sightings.elsewhere[0].sighting, 0);
    assert_memory_equal(read.sightings.elsewhere[0].place, others[2].place, 16);
    assert_head_unmoved(fx);
}

static void one_daemons_own_places_are_its_own_business(void **state)
{
    struct fixture *fx = *state;
    assert_int_equal(tell_one(fx, "node-a", 1, 7, 300, 0), 0);
    assert_int_equal(tell_one(fx, "node-a", 1, 8, 300, 0), 0);
}

static void who_was_heard_only_before_the_other_came_has_moved(void **state)
{
    struct fixture *fx = *state;
    assert_int_equal(tell_one(fx, "node-a", 1, 7, 800, 200), 0);
    assert_int_equal(tell_one(fx, "node-b", 1, 8, 195, 0), 0);   /* came then */
    assert_int_equal(tell_one(fx, "node-b", 1, 8, 205, 0), 0);   /* too near to say */
    assert_int_equal(tell_one(fx, "node-b", 1, 8, 250, 0), 1);   /* was there already */
    assert_int_equal(tell_one(fx, "node-b", 1, 8, 990, 895), 0); /* had gone before */
    assert_int_equal(tell_one(fx, "node-b", 1, 8, 700, 700), 1); /* a short visit */
    assert_int_equal(tell_one(fx, "node-a", 1, 7, 150, 0), 0);   /* came back, and stays */
}

static void the_last_word_of_a_daemon_counts(void **state)
{
    struct fixture *fx = *state;
    assert_int_equal(tell_one(fx, "node-a", 1, 7, 300, 0), 0);
    assert_int_equal(tell_one(fx, "node-a", 1, 7, 300, 290), 0);
    assert_int_equal(tell_one(fx, "node-b", 1, 8, 280, 0), 0);
    assert_int_equal(tell_one(fx, "node-a", 1, 7, 300, 0), 1);
}

static void what_is_old_goes(void **state)
{
    struct fixture *fx = *state;
    assert_int_equal(tell_one(fx, "node-a", 1, 7, 3000, 900), 0);
    assert_int_equal(tell_one(fx, "node-b", 1, 8, 3000, 0), 1);
    assert_int_equal(tell_one(fx, "node-a", 1, 7, 3000, 1001), 1);
    assert_int_equal(tell_one(fx, "node-b", 1, 8, 3000, 1001), 0); /* a row of its own, as old */
    assert_int_equal(tell_one(fx, "node-c", 2, 9, 10, 0), 0);
    assert_int_equal(tell_one(fx, "node-c", 1, 9, 3000, 0), 0); /* gone, both */
}

static void of_many_places_those_heard_last_are_named(void **state)
{
    struct fixture *fx = *state;
    struct ward_store_sighting all[WARD_STORE_ELSEWHERE_MAX + 5];
    for (uint8_t i = 0; i < WARD_STORE_ELSEWHERE_MAX + 5; i++) {
        all[i] = sighting(1, i, 500, 100 - i);
    }
    (void)tell(fx, "node-a", all, WARD_STORE_ELSEWHERE_MAX + 5);
    struct ward_store_sighting one = sighting(1, 99, 500, 0);
    struct ward_read read = tell(fx, "node-b", &one, 1);
    assert_int_equal(read.sightings.n_elsewhere, WARD_STORE_ELSEWHERE_MAX);
    for (size_t i = 0; i < read.sightings.n_elsewhere; i++) {
        assert_int_equal(read.sightings.elsewhere[i].place[0], WARD_STORE_ELSEWHERE_MAX + 4 - i);
    }
}

static void as_many_as_there_may_be_are_told_at_once(void **state)
{
    struct fixture *fx = *state;
    static struct ward_store_sighting all[WARD_STORE_SIGHTINGS_MAX];
    for (size_t i = 0; i < WARD_STORE_SIGHTINGS_MAX; i++) {
        all[i] = sighting((uint8_t)i, (uint8_t)(i / 256), 500, 0);
    }
    (void)tell(fx, "node-a", all, WARD_STORE_SIGHTINGS_MAX);
    assert_int_equal(tell_one(fx, "node-b", 5, 99, 500, 0), 4);
}

static void what_cannot_be_is_refused(void **state)
{
    struct fixture *fx = *state;
    static struct ward_store_sighting many[WARD_STORE_SIGHTINGS_MAX + 1];
    const struct ward_store_sighting ahead = sighting(1, 1, 5, -1), turned = sighting(1, 1, 5, 6);
    const struct {
        const char *node;
        const struct ward_store_sighting *sightings;
        size_t n;
        int64_t life_us, apart_us;
    } bad[] = {
        {"", many, 1, 1, 0},    {"a", many, WARD_STORE_SIGHTINGS_MAX + 1, 1, 0},
        {"a", many, 1, 0, 0},   {"a", many, 1, 1, -1},
        {"a", &ahead, 1, 1, 0}, {"a", &turned, 1, 1, 0},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ward_read read = {.kind = WARD_READ_SIGHTINGS,
                                 .arena = fx->arena,
                                 .sightings = {.node = ward_bytes_str(bad[i].node),
                                               .sightings = bad[i].sightings,
                                               .n = bad[i].n,
                                               .life_us = bad[i].life_us,
                                               .apart_us = bad[i].apart_us}};
        struct ward_read *reads[] = {&read};
        assert_code(ward_store_read(fx->r, reads, 1), WARD_E_INTERNAL);
    }
}

int store_suite_sightings(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(two_daemons_learn_of_one_certificate_in_two_places),
        T(one_daemons_own_places_are_its_own_business),
        T(who_was_heard_only_before_the_other_came_has_moved),
        T(the_last_word_of_a_daemon_counts),
        T(what_is_old_goes),
        T(of_many_places_those_heard_last_are_named),
        T(as_many_as_there_may_be_are_told_at_once),
        T(what_cannot_be_is_refused),
    };
#undef T
    return cmocka_run_group_tests_name("sightings", tests, NULL, NULL);
}
