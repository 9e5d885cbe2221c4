/* SPDX-License-Identifier: Apache-2.0 */
/* Rates, quotas and batches: exactly as much as policy says gets through, what is held back takes
 * nothing, and the log hears of all of it. */
#include "server/jobs/internal.h"
#include "server/throttle.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define SECOND 1000000LL
#define DAY (24 * 3600 * SECOND)

/* ---- the buckets by themselves, on a clock that stands still ---- */

struct rig {
    struct ward_throttle *throttle;
    struct ward_limits limits;
    int64_t now_us, wall_us;
    uint32_t retry_ms;
};

static void rig_init(struct rig *rig, uint32_t per_second, uint32_t burst)
{
    *rig = (struct rig){.limits = {.rate = {per_second, burst}, .batch = WARD_BATCH_MAX},
                        .now_us = 5000 * SECOND,
                        .wall_us = 20000 * DAY + 12 * 3600 * SECOND};
    assert_ok(ward_throttle_new(100, &rig->throttle));
}

static ward_status take_as(struct rig *rig, const char *identity, uint32_t cost)
{
    const struct ward_throttle_ask ask = {.limits = &rig->limits,
                                          .identity = ward_bytes_str(identity),
                                          .cost = cost,
                                          .now_us = rig->now_us,
                                          .wall_us = rig->wall_us};
    rig->retry_ms = 0;
    return ward_throttle_take(rig->throttle, &ask, &rig->retry_ms);
}

static ward_status take(struct rig *rig, uint32_t cost)
{
    return take_as(rig, "spiffe://t/a", cost);
}

static void pass(struct rig *rig, int64_t us)
{
    rig->now_us += us;
    rig->wall_us += us;
}

static void assert_held(struct rig *rig, uint32_t cost, const char *text, uint32_t retry_ms)
{
    ward_status status = take(rig, cost);
    assert_code(status, WARD_E_EXHAUSTED);
    assert_string_equal(ward_status_refusal(status), text);
    assert_int_equal(rig->retry_ms, retry_ms);
}

static void after_a_burst_the_rate_holds_exactly(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 10, 30);
    for (unsigned i = 0; i < 30; i++) {
        assert_ok(take(&rig, 1));
    }
    assert_held(&rig, 1, "rate: this identity asks for too much; try again in a tenth of a second",
                100);
    pass(&rig, 99999);
    assert_held(&rig, 1, "rate: this identity asks for too much; try again in a tenth of a second",
                1);
    pass(&rig, 1);
    assert_ok(take(&rig, 1));
    assert_code(take(&rig, 1), WARD_E_EXHAUSTED);
    pass(&rig, 3600 * SECOND); /* a rest fills it, and no more than that */
    assert_ok(take(&rig, 30));
    assert_code(take(&rig, 1), WARD_E_EXHAUSTED);
    ward_throttle_free(rig.throttle);
}

static void a_rate_that_divides_no_second_loses_nothing(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 7, 7);
    assert_ok(take(&rig, 7));
    unsigned passed = 0;
    for (unsigned i = 0; i < 1000; i++) { /* a hundred seconds, in steps of no round length */
        pass(&rig, 100 * SECOND / 1000);
        passed += ward_ok(take(&rig, 1));
    }
    assert_int_equal(passed, 700);
    ward_throttle_free(rig.throttle);
}

static void what_is_held_back_takes_nothing(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 10, 20);
    assert_ok(take(&rig, 15));
    for (unsigned i = 0; i < 100; i++) {
        assert_held(&rig, 10, "rate: this identity asks for too much; try again in a second", 500);
    }
    assert_ok(take(&rig, 5));
    ward_throttle_free(rig.throttle);
}

static void the_hint_is_the_first_moment_that_works(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 3, 50);
    assert_ok(take(&rig, 50));
    assert_held(&rig, 2, "rate: this identity asks for too much; try again in a second", 667);
    assert_held(&rig, 10, "rate: this identity asks for too much; try again in ten seconds", 3334);
    assert_held(&rig, 50, "rate: this identity asks for too much; try again in a minute", 16667);
    pass(&rig, 666 * 1000);
    assert_code(take(&rig, 2), WARD_E_EXHAUSTED);
    pass(&rig, 1000);
    assert_ok(take(&rig, 2));
    ward_throttle_free(rig.throttle);
}

static void identities_have_buckets_of_their_own(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1, 5);
    assert_ok(take_as(&rig, "spiffe://t/a", 5));
    assert_code(take_as(&rig, "spiffe://t/a", 1), WARD_E_EXHAUSTED);
    assert_ok(take_as(&rig, "spiffe://t/b", 5));
    assert_ok(take_as(&rig, "spiffe://t/ab", 5));
    ward_throttle_free(rig.throttle);
}

static void a_role_is_shared_and_holds_back_before_it_takes(void **state)
{
    (void)state;
    struct rig rig;
    const struct ward_role_rate roles[] = {{WARD_BYTES_LITERAL("apps"), {10, 12}},
                                           {WARD_BYTES_LITERAL("more"), {10, 100}}};
    rig_init(&rig, 10, 10);
    rig.limits.roles = roles;
    rig.limits.n_roles = 2;
    assert_ok(take_as(&rig, "spiffe://t/a", 8));
    ward_status status = take_as(&rig, "spiffe://t/b", 5);
    assert_code(status, WARD_E_EXHAUSTED);
    assert_string_equal(ward_status_refusal(status),
                        "rate: this role asks for too much; try again in a tenth of a second");
    assert_ok(take_as(&rig, "spiffe://t/b", 4)); /* the five took nothing from anybody */
    rig.limits.n_roles = 0;
    assert_ok(take_as(&rig, "spiffe://t/b", 6));
    /* A role of an identity's name is another bucket. */
    const struct ward_role_rate namesake[] = {{WARD_BYTES_LITERAL("spiffe://t/b"), {1, 3}}};
    rig.limits.roles = namesake;
    rig.limits.n_roles = 1;
    assert_ok(take_as(&rig, "spiffe://t/c", 3));
    ward_throttle_free(rig.throttle);
}

static void a_day_ends_at_midnight_utc(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 0, 0);
    rig.limits.per_day = 100;
    assert_ok(take(&rig, 99));
    assert_held(&rig, 2,
                "rate: this identity has had its share of the day; try again after midnight UTC",
                12 * 3600 * 1000);
    assert_ok(take(&rig, 1));
    pass(&rig, 12 * 3600 * SECOND - 1);
    assert_code(take(&rig, 1), WARD_E_EXHAUSTED);
    assert_int_equal(rig.retry_ms, 1);
    pass(&rig, 1);
    assert_ok(take(&rig, 100));
    assert_code(take(&rig, 1), WARD_E_EXHAUSTED);
    ward_throttle_free(rig.throttle);
}

static void more_than_may_ever_pass_is_refused_and_costs_one(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1, 3);
    rig.limits.batch = 3;
    for (unsigned i = 0; i < 3; i++) {
        ward_status status = take(&rig, 4);
        assert_code(status, WARD_E_DENIED);
        assert_string_equal(ward_status_refusal(status),
                            "batch: more in one request than policy allows this identity");
    }
    assert_code(take(&rig, 4), WARD_E_EXHAUSTED); /* so that a flood of them is held back too */
    ward_throttle_free(rig.throttle);
}

static void a_change_of_policy_neither_fills_nor_forgets(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 10, 100);
    assert_ok(take(&rig, 90));
    rig.limits.rate = (struct ward_rate){10, 1000}; /* a larger bucket is not full at once */
    assert_ok(take(&rig, 10));
    assert_code(take(&rig, 1), WARD_E_EXHAUSTED);
    pass(&rig, 100 * SECOND);
    rig.limits.rate = (struct ward_rate){10, 5}; /* a smaller one holds what fits */
    assert_ok(take(&rig, 5));
    assert_code(take(&rig, 1), WARD_E_EXHAUSTED);
    rig.limits.rate = (struct ward_rate){0};
    assert_ok(take(&rig, 1000));
    rig.limits.rate = (struct ward_rate){10, 5}; /* a limit that is new begins full */
    assert_ok(take(&rig, 5));
    ward_throttle_free(rig.throttle);
}

static void a_clock_that_goes_back_gives_nothing(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 10, 10);
    assert_ok(take(&rig, 10));
    rig.now_us -= 100 * SECOND;
    assert_code(take(&rig, 1), WARD_E_EXHAUSTED);
    rig.now_us += 100 * SECOND;
    assert_code(take(&rig, 1), WARD_E_EXHAUSTED);
    ward_throttle_free(rig.throttle);
}

/* Whatever is asked and whenever: in any stretch of time no more than burst and rate allow. */
static void no_pattern_gets_more_than_burst_and_rate(void **state)
{
    (void)state;
    struct rig rig;
    uint64_t seed = 88172645463325252u, got = 0;
    rig_init(&rig, 1000, 64);
    int64_t began = rig.now_us;
    for (unsigned i = 0; i < 200000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        uint32_t cost = 1 + (uint32_t)(seed % 64);
        got += ward_ok(take(&rig, cost)) ? cost : 0;
        pass(&rig, (int64_t)(seed >> 40) % 20000);
        assert_true(got * SECOND <= 64 * SECOND + 1000 * (uint64_t)(rig.now_us - began));
    }
    assert_true(got > 900 * (uint64_t)(rig.now_us - began) / SECOND);
    ward_throttle_free(rig.throttle);
}

static void what_is_at_rest_makes_room_and_nothing_else_does(void **state)
{
    (void)state;
    struct rig rig;
    char name[32];
    rig_init(&rig, 1, 10);
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "spiffe://t/%u", i);
        assert_ok(take_as(&rig, name, 10));
    }
    ward_status status = take_as(&rig, "spiffe://t/new", 1);
    assert_code(status, WARD_E_EXHAUSTED);
    assert_string_equal(ward_status_refusal(status),
                        "rate: too many identities are counted; try again in a second");
    assert_code(take_as(&rig, "spiffe://t/7", 1), WARD_E_EXHAUSTED); /* none was forgotten for it */
    struct ward_throttled told;
    assert_int_equal(ward_throttle_counted(rig.throttle, &told, 1), 1);
    assert_string_equal(told.identity, "spiffe://t/7");
    pass(&rig, 10 * SECOND);
    for (unsigned i = 0; i < 99; i++) { /* all but the one that is being told of */
        (void)snprintf(name, sizeof(name), "spiffe://u/%u", i);
        assert_ok(take_as(&rig, name, 10));
    }
    assert_code(take_as(&rig, "spiffe://u/99", 1), WARD_E_EXHAUSTED);
    ward_throttle_told(rig.throttle, &told, false);
    assert_int_equal(ward_throttle_counted(rig.throttle, &told, 1), 1);
    assert_string_equal(told.identity, "spiffe://t/7");
    ward_throttle_free(rig.throttle);
}

static void a_day_that_was_used_makes_no_room(void **state)
{
    (void)state;
    struct rig rig;
    char name[32];
    rig_init(&rig, 0, 0);
    rig.limits.per_day = 10;
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "spiffe://t/%u", i);
        assert_ok(take_as(&rig, name, 10));
    }
    assert_code(take_as(&rig, "spiffe://t/new", 1), WARD_E_EXHAUSTED);
    pass(&rig, 12 * 3600 * SECOND);
    assert_ok(take_as(&rig, "spiffe://t/new", 1));
    ward_throttle_free(rig.throttle);
}

static void what_is_held_back_is_counted_until_it_is_told(void **state)
{
    (void)state;
    struct rig rig;
    struct ward_throttled told[3];
    rig_init(&rig, 1, 10);
    assert_int_equal(ward_throttle_counted(rig.throttle, told, 3), 0);
    assert_ok(take(&rig, 10));
    assert_code(take(&rig, 4), WARD_E_EXHAUSTED);
    assert_code(take(&rig, 3), WARD_E_EXHAUSTED);
    assert_int_equal(ward_throttle_counted(rig.throttle, told, 3), 1);
    assert_string_equal(told[0].identity, "spiffe://t/a");
    assert_int_equal(told[0].requests, 2);
    assert_int_equal(told[0].items, 7);
    assert_int_equal(ward_throttle_counted(rig.throttle, told + 1, 2), 0);
    assert_code(take(&rig, 5), WARD_E_EXHAUSTED);
    ward_throttle_told(rig.throttle, &told[0], false); /* nobody could be told */
    assert_int_equal(ward_throttle_counted(rig.throttle, told, 3), 1);
    assert_int_equal(told[0].requests, 3);
    assert_int_equal(told[0].items, 12);
    ward_throttle_told(rig.throttle, &told[0], true);
    assert_int_equal(ward_throttle_counted(rig.throttle, told, 3), 0);
    ward_throttle_free(rig.throttle);
}

/* ---- in a daemon ---- */

static struct core_world world;
static struct core_node node;
static struct ward_throttle *throttle;
static char policy[16384];

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    assert_ok(ward_throttle_new(100, &throttle));
    node.pipeline.throttle = throttle;
    core_make_key(&node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "phi/records", WARD_PURPOSE_RECORDS);
    /* A rate so slow that no machine refills it while the test runs. */
    const char *role = strstr(core_policy, "    rules:\n");
    (void)snprintf(policy, sizeof(policy),
                   "%.*s    limits: {per_second: 1, burst: 20, batch: 12}\n%s",
                   (int)(role - core_policy), core_policy, role);
    core_world_set_policy(&world, policy);
    core_node_refresh_now(&node);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    ward_throttle_free(throttle);
    core_world_fini(&world);
    return 0;
}

static size_t entries_of(const struct ward_request *request)
{
    struct core_log log;
    core_log_open(&log, &world);
    size_t n = core_log_count(&log, request->request_id);
    core_log_close(&log);
    return n;
}

static void held_back(struct ward_request *request)
{
    unsigned crossings = fake_kek_crossings(world.kek);
    assert_code(core_run(&node, request), WARD_E_EXHAUSTED);
    assert_non_null(strstr(ward_status_refusal(request->status), "rate: this identity"));
    assert_true(request->retry_after_ms > 0);
    assert_int_equal(fake_kek_crossings(world.kek), crossings);
    assert_int_equal(entries_of(request), 0);
    ward_request_free(request);
}

static void keys_are_what_counts(void **state)
{
    (void)state;
    assert_ok(core_run_free(&node, core_generate(&world, &world.app, "app/keys", 2, 6)));
    held_back(core_generate(&world, &world.app, "app/keys", 1, 10));
    assert_ok(core_run_free(
        &node, core_put(&world, &world.app, "fhir", "alpha", 5, "{\"resourceType\":\"Patient\"}")));
    assert_ok(core_run_free(&node, core_generate(&world, &world.app, "app/keys", 2, 1)));
    held_back(core_generate(&world, &world.app, "app/keys", 2, 1));
    held_back(core_put(&world, &world.app, "fhir", "alpha", 2, "{}"));
    assert_int_equal(node.pipeline.throttled, 3);
    /* Another role has no limits. */
    for (unsigned i = 0; i < 30; i++) {
        struct ward_request *request =
            core_request(&world, &world.officer_a, &ward_op_key_list, sizeof(struct ward_key_list));
        ((struct ward_key_list *)request->in)->page_size = 1;
        assert_ok(core_run_free(&node, request));
    }
}

static void refused_and_broken_requests_are_held_back_too(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct ward_request *request = core_generate(&world, &world.app, "app/keys", 1, 1);
        if (i % 2 == 0) {
            request->status = WARD_REFUSAL(WARD_E_INVALID, "items: none");
        } else {
            ((struct ward_generate *)request->in)->items[0].key = WARD_BYTES_LITERAL("phi/records");
        }
        (void)core_run(&node, request);
        assert_int_equal(entries_of(request), 1);
        ward_request_free(request);
    }
    struct ward_request *request = core_generate(&world, &world.app, "app/keys", 1, 1);
    request->status = WARD_REFUSAL(WARD_E_INVALID, "items: none");
    held_back(request);
}

static void a_batch_over_the_roles_limit_is_refused_with_an_entry(void **state)
{
    (void)state;
    struct ward_request *request = core_generate(&world, &world.app, "app/keys", 13, 1);
    assert_code(core_run(&node, request), WARD_E_DENIED);
    assert_int_equal(request->retry_after_ms, 0);
    assert_true(request->tells_detail);
    assert_string_equal(request->detail[0].name, "batch");
    assert_int_equal(request->detail[0].number, 12);
    core_expect_entry(&world, request, "refused", "PERMISSION_DENIED");
    ward_request_free(request);
    assert_ok(core_run_free(&node, core_generate(&world, &world.app, "app/keys", 12, 1)));
}

static void the_log_hears_of_an_identity_once(void **state)
{
    (void)state;
    assert_ok(core_run_free(&node, core_generate(&world, &world.app, "app/keys", 2, 6)));
    held_back(core_generate(&world, &world.app, "app/keys", 1, 12));
    held_back(core_generate(&world, &world.app, "app/keys", 1, 11));
    struct ward_request *summary;
    assert_ok(ward_internal_new(&ward_op_summary, sizeof(struct ward_summary), 1u << 20, &summary));
    struct ward_throttled counted;
    assert_int_equal(ward_throttle_counted(throttle, &counted, 1), 1);
    *(struct ward_summary *)summary->in =
        (struct ward_summary){.identity = counted.identity,
                              .requests_throttled = counted.requests,
                              .items_throttled = counted.items};
    assert_ok(ward_internal_run(&node.pipeline, summary));
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, summary->request_id);
    assert_string_equal(core_text(leaf, "action"), "system.summary");
    assert_string_equal(core_text(leaf, "object"), world.app.peer->identity);
    assert_int_equal(core_detail_number(leaf, "requests_throttled"), 2);
    assert_int_equal(core_detail_number(leaf, "items_throttled"), 23);
    core_log_close(&log);
    ward_request_free(summary);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_burst_the_rate_holds_exactly),
        cmocka_unit_test(a_rate_that_divides_no_second_loses_nothing),
        cmocka_unit_test(what_is_held_back_takes_nothing),
        cmocka_unit_test(the_hint_is_the_first_moment_that_works),
        cmocka_unit_test(identities_have_buckets_of_their_own),
        cmocka_unit_test(a_role_is_shared_and_holds_back_before_it_takes),
        cmocka_unit_test(a_day_ends_at_midnight_utc),
        cmocka_unit_test(more_than_may_ever_pass_is_refused_and_costs_one),
        cmocka_unit_test(a_change_of_policy_neither_fills_nor_forgets),
        cmocka_unit_test(a_clock_that_goes_back_gives_nothing),
        cmocka_unit_test(no_pattern_gets_more_than_burst_and_rate),
        cmocka_unit_test(what_is_at_rest_makes_room_and_nothing_else_does),
        cmocka_unit_test(a_day_that_was_used_makes_no_room),
        cmocka_unit_test(what_is_held_back_is_counted_until_it_is_told),
        T(keys_are_what_counts),
        T(refused_and_broken_requests_are_held_back_too),
        T(a_batch_over_the_roles_limit_is_refused_with_an_entry),
        T(the_log_hears_of_an_identity_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
