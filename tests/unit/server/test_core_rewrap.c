/* SPDX-License-Identifier: Apache-2.0 */
/* The rewrap as a job: who may move a part, what is told of it, which rows go first, and daemons
 * that share it, die in it and take it over. */
#include <stdio.h>
#include <time.h>

#include "server/limits.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_jobs.h"
#include "tests/unit/server/core_log.h"

#define KEY "phi/records"

static const char patient[] = "{\"resourceType\":\"Patient\",\"id\":\"p1\"}";

static struct core_world world;
static struct core_node node, second;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_node_start(&second, &world, "node-2");
    core_make_key(&node, KEY, WARD_PURPOSE_RECORDS);
    core_make_key(&node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_node_stop(&second);
    core_world_fini(&world);
    return 0;
}

static void fill(size_t from, size_t to)
{
    char subject[32];
    for (size_t i = from; i < to; i++) {
        (void)snprintf(subject, sizeof(subject), "patient-%zu", i);
        assert_ok(core_run_free(&node, core_put(&world, &world.app, "fhir", subject, 1, patient)));
    }
}

static struct ward_request *ask(const struct core_person *somebody, const struct ward_op *op,
                                const char *key)
{
    struct ward_request *request = core_request(&world, somebody, op, sizeof(struct ward_key_job));
    ((struct ward_key_job *)request->in)->name = ward_bytes_str(key);
    return request;
}

static struct ward_job_view progress(void)
{
    struct ward_request *request = ask(&world.officer_a, &ward_op_rewrap_progress, KEY);
    assert_ok(core_run(&node, request));
    struct ward_job_view view = ((struct ward_key_job *)request->in)->job;
    ward_request_free(request);
    return view;
}

/* What all entries of rewraps say together. */
static long long told(const char *detail)
{
    struct core_log log;
    core_log_open(&log, &world);
    long long sum = 0;
    for (size_t i = 0; i < log.n; i++) {
        bool counts = strcmp(core_text(log.leaves[i], "action"), "system.rewrap") == 0 &&
                      strcmp(core_text(log.leaves[i], "outcome"), "allowed") == 0;
        long long n = counts ? core_detail_number(log.leaves[i], detail) : 0;
        sum += n > 0 ? n : 0;
    }
    core_log_close(&log);
    return sum;
}

/* ---- refused ---- */

static void only_officers_may_and_only_for_records(void **state)
{
    (void)state;
    const struct {
        const struct core_person *somebody;
        const char *key;
        enum ward_code code;
    } cases[] = {
        {&world.app, KEY, WARD_E_DENIED},
        {&world.auditor, KEY, WARD_E_DENIED},
        {&world.stranger, KEY, WARD_E_DENIED},
        {&world.officer_a, "phi/none", WARD_E_NOT_FOUND},
        {&world.officer_a, "app/keys", WARD_E_STATE},
        {&world.officer_a, "Not A Name", WARD_E_INVALID},
    };
    struct ward_store_job job;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ward_request *request = ask(cases[i].somebody, &ward_op_key_rewrap, cases[i].key);
        assert_code(core_run(&node, request), cases[i].code);
        assert_true(request->refused);
        ward_request_free(request);
    }
    assert_false(core_rewrap_job(&world, &job));
    assert_string_equal(progress().state, "none");
}

static void who_lost_a_part_moves_nothing(void **state)
{
    (void)state;
    fill(0, 10);
    core_rotate_fully(&node, KEY);
    assert_ok(core_rewrap_open(&node, KEY, false));
    struct ward_store_job job;
    struct ward_job_place place, taken;
    struct ward_job_page page;
    assert_true(core_rewrap_job(&world, &job));
    assert_int_equal(job.total, 10);
    assert_true(core_rewrap_claim(&node, &job, &place));
    assert_false(core_rewrap_claim(&second, &job, &taken));
    world.clock.ahead_us += WARD_JOB_LEASE_US + 1;
    assert_true(core_rewrap_claim(&second, &job, &taken));
    assert_ok(core_rewrap_page(&second, KEY, &job, &taken, 4, &page));
    assert_int_equal(page.rows, 4);
    /* The first one wakes up with the place that it knew. */
    assert_code(core_rewrap_page(&node, KEY, &job, &place, 4, &page), WARD_E_CONFLICT);
    assert_int_equal(told("rewrapped"), 4);
    assert_int_equal(progress().done, 4);
    /* Its lease is renewed by every page. */
    assert_false(core_rewrap_claim(&node, &job, &place));
    world.clock.ahead_us += WARD_JOB_LEASE_US + 1;
    assert_true(core_rewrap_claim(&node, &job, &place));
    while (!page.finished) {
        assert_ok(core_rewrap_page(&node, KEY, &job, &place, 4, &page));
        place = page.next;
    }
    assert_int_equal(told("rewrapped"), 10);
    assert_true(core_rewrap_claim(&second, &job, &taken));
    assert_int_equal(taken.part, job.parts);
    assert_int_equal(core_rewrap_end(&second, KEY, &job), WARD_JOB_DONE);
    assert_string_equal(progress().state, "done");
}

/* Whoever is an hour ahead would keep a part for as long, and whoever is behind would lose it at
 * once, if leases ended by the clock of the daemon. */
static void a_daemon_an_hour_off_neither_takes_nor_loses_a_part(void **state)
{
    (void)state;
    static const int64_t off_us[] = {3600 * 1000000LL, -3600 * 1000000LL};
    struct ward_clock database;
    int64_t now_us = ward_wall_us(&ward_clock_system);
    fill(0, 12);
    core_rotate_fully(&node, KEY);
    ward_clock_fake(&database, now_us);
    ward_store_memory_set_clock(world.store, &database);
    assert_ok(core_rewrap_open(&node, KEY, false));
    struct ward_store_job job;
    struct ward_job_place place, taken;
    struct ward_job_page page;
    assert_true(core_rewrap_job(&world, &job));
    assert_true(core_rewrap_claim(&node, &job, &place));
    for (size_t i = 0; i < 2; i++) {
        struct core_node *holder = i == 0 ? &node : &second, *other = i == 0 ? &second : &node;
        world.clock.ahead_us += off_us[i];
        assert_ok(core_rewrap_page(holder, KEY, &job, &place, 4, &page));
        assert_false(core_rewrap_claim(other, &job, &taken));
        world.clock.ahead_us -= off_us[i];
        now_us += WARD_JOB_LEASE_US;
        ward_clock_fake(&database, now_us);
        assert_false(core_rewrap_claim(other, &job, &taken));
        ward_clock_fake(&database, ++now_us);
        assert_true(core_rewrap_claim(other, &job, &place));
        assert_true(ward_id_eq(&place.cursor, &page.next.cursor));
    }
    ward_store_memory_set_clock(world.store, &world.clock.base);
}

static void the_count_says_no_when_rows_are_left(void **state)
{
    (void)state;
    fill(0, 3);
    core_rotate_fully(&node, KEY);
    assert_ok(core_rewrap_open(&node, KEY, false));
    struct ward_store_job job;
    for (uint32_t round = 1; round <= WARD_JOB_ROUNDS; round++) {
        assert_true(core_rewrap_job(&world, &job));
        assert_int_equal(job.round, round);
        assert_int_equal(core_rewrap_end(&node, KEY, &job),
                         round < WARD_JOB_ROUNDS ? WARD_JOB_RUNNING : WARD_JOB_STUCK);
    }
    struct ward_job_view view = progress();
    assert_string_equal(view.state, "stuck");
    assert_int_equal(view.left, 3);
    assert_ok(core_rewrap_open(&node, KEY, false)); /* opening it is not beginning anew */
    assert_string_equal(progress().state, "stuck");
    struct ward_request *asked = ask(&world.officer_a, &ward_op_key_rewrap, KEY);
    assert_ok(core_run(&node, asked));
    assert_string_equal(((struct ward_key_job *)asked->in)->job.state, "running");
    assert_int_equal(((struct ward_key_job *)asked->in)->job.total, 3);
    ward_request_free(asked);
    core_rewrap_all(&node, KEY);
    view = progress();
    assert_string_equal(view.state, "done");
    assert_int_equal(view.done, 3);
    assert_int_equal(view.total, 3);
}

/* ---- done ---- */

static void rows_of_compromised_versions_go_first(void **state)
{
    (void)state;
    fill(0, 5);
    core_rotate_fully(&node, KEY);
    fill(5, 10); /* under version 2 */
    core_rotate_fully(&node, KEY);
    core_set_state(&node, KEY, 2, WARD_KEY_DEACTIVATED, WARD_KEY_COMPROMISED);
    core_node_refresh_now(&node);
    assert_ok(core_rewrap_open(&node, KEY, false));
    struct ward_store_job job;
    struct ward_job_place place;
    struct ward_job_page page;
    assert_true(core_rewrap_job(&world, &job));
    assert_int_equal(job.urgent, 1);
    assert_true(core_rewrap_claim(&node, &job, &place));
    assert_int_equal(place.pass, 0);
    assert_ok(core_rewrap_page(&node, KEY, &job, &place, 50, &page));
    assert_int_equal(page.rows, 5);
    assert_int_equal(page.next.pass, 1);
    assert_false(page.finished);
    place = page.next;
    assert_ok(core_rewrap_page(&node, KEY, &job, &place, 50, &page));
    assert_int_equal(page.rows, 5);
    assert_true(page.finished);
    assert_int_equal(core_rewrap_end(&node, KEY, &job), WARD_JOB_DONE);
}

static void a_page_of_an_older_job_goes_to_the_newest_version(void **state)
{
    (void)state;
    fill(0, 6);
    core_rotate_fully(&node, KEY);
    assert_ok(core_rewrap_open(&node, KEY, false));
    struct ward_store_job job;
    struct ward_job_place place;
    struct ward_job_page page;
    assert_true(core_rewrap_job(&world, &job));
    assert_true(core_rewrap_claim(&node, &job, &place));
    core_rotate_fully(&node, KEY);
    assert_ok(core_rewrap_page(&node, KEY, &job, &place, 50, &page));
    assert_int_equal(page.rows, 6);
    assert_ok(core_rewrap_open(&node, KEY, false));
    assert_code(core_rewrap_page(&node, KEY, &job, &page.next, 50, &page), WARD_E_CONFLICT);
    core_rewrap_all(&node, KEY);
    assert_int_equal(told("rewrapped"), 6); /* nothing was left for the second job */
    assert_string_equal(progress().state, "done");
    assert_int_equal(progress().version, 3);
}

static void wait_for(const char *state, uint32_t version)
{
    struct ward_job_view view = {.state = "none"};
    for (unsigned i = 0; i < 1500; i++) {
        view = progress();
        if (view.version == version && strcmp(view.state, state) == 0) {
            return;
        }
        const struct timespec pause = {.tv_nsec = 20 * 1000000};
        (void)nanosleep(&pause, NULL);
    }
    fail_msg("the job of version %u is %s, not %s", view.version, view.state, state);
}

static void daemons_share_it_beside_writes_and_one_ends(void **state)
{
    (void)state;
    fill(0, 60);
    core_rotate_fully(&node, KEY);
    struct ward_jobs *jobs = core_jobs_start(&node, 50), *others = core_jobs_start(&second, 100);
    fill(60, 80);
    ward_jobs_stop(others);
    wait_for("done", 2);
    struct ward_job_stats stats;
    ward_jobs_stats(jobs, WARD_JOB_REWRAP, &stats);
    assert_int_equal(told("rewrapped"), 60);
    assert_true(stats.moved <= 60);
    core_rotate_fully(&node, KEY); /* and again, with what the job remembers */
    wait_for("done", 3);
    assert_int_equal(told("rewrapped"), 60 + 80);
    assert_int_equal(told("failed"), 0);
    ward_jobs_stop(jobs);
}

static void a_row_that_does_not_open_makes_it_stuck_and_known(void **state)
{
    (void)state;
    fill(0, 4);
    struct ward_state *now = ward_state_slot_get(&node.states);
    struct ward_new_subject_key row = {.collection = WARD_BYTES_LITERAL("fhir"),
                                       .subject_hash = {1},
                                       .generation = 1,
                                       .kek = ward_state_key(now, ward_bytes_str(KEY))->id,
                                       .kek_version = 1,
                                       .wrapped = WARD_BYTES_LITERAL("not a wrapped key")};
    ward_state_unref(now);
    assert_ok(ward_id_random(&row.id));
    struct ward_commit commit = {.subject_keys = &row, .n_subject_keys = 1};
    assert_int_equal(core_world_commit(&world, &commit, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    core_rotate_fully(&node, KEY);
    struct ward_jobs *jobs = core_jobs_start(&node, 50);
    wait_for("stuck", 2);
    struct ward_job_stats stats = {0};
    for (unsigned i = 0; i < 500 && stats.stuck == 0; i++) {
        const struct timespec pause = {.tv_nsec = 20 * 1000000};
        (void)nanosleep(&pause, NULL);
        ward_jobs_stats(jobs, WARD_JOB_REWRAP, &stats);
    }
    ward_jobs_stop(jobs);
    assert_int_equal(stats.stuck, 1);
    assert_int_equal(told("rewrapped"), 4);
    assert_int_equal(progress().left, 1);
    struct core_log log;
    core_log_open(&log, &world);
    for (size_t i = 0; i < log.n; i++) { /* nobody says that nothing is left */
        assert_true(core_detail_number(log.leaves[i], "rows_below_version") != 0);
    }
    core_log_close(&log);
}

static void usage_adds_up_what_a_version_did(void **state)
{
    (void)state;
    assert_ok(core_run_free(&node, core_generate(&world, &world.app, "app/keys", 1, 7)));
    fill(0, 3);
    core_rotate_fully(&node, KEY);
    const struct {
        const struct core_person *somebody;
        const char *key;
        enum ward_code code;
    } cases[] = {
        {&world.app, KEY, WARD_E_DENIED},
        {&world.officer_a, "phi/none", WARD_E_NOT_FOUND},
        {&world.officer_a, "app/keys", WARD_E_OK},
        {&world.officer_b, KEY, WARD_E_OK},
    };
    for (size_t i = 0; i < 4; i++) {
        struct ward_request *request = core_request(&world, cases[i].somebody, &ward_op_key_usage,
                                                    sizeof(struct ward_key_usage));
        struct ward_key_usage *in = request->in;
        in->name = ward_bytes_str(cases[i].key);
        assert_code(core_run(&node, request), cases[i].code);
        if (i == 2) {
            assert_int_equal(in->n_versions, 1);
            assert_int_equal(in->versions[0].issued, 7);
            assert_int_equal(in->versions[0].rows, 0);
            assert_true(in->versions[0].wraps_left > 0);
            assert_true(in->next_rotation_us > in->now_us);
        } else if (i == 3) {
            assert_int_equal(in->n_versions, 2);
            assert_int_equal(in->versions[0].rows, 3);
            assert_int_equal(in->versions[0].wraps_left, 0);
        }
        ward_request_free(request);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(only_officers_may_and_only_for_records),
        T(who_lost_a_part_moves_nothing),
        T(a_daemon_an_hour_off_neither_takes_nor_loses_a_part),
        T(the_count_says_no_when_rows_are_left),
        T(rows_of_compromised_versions_go_first),
        T(a_page_of_an_older_job_goes_to_the_newest_version),
        T(daemons_share_it_beside_writes_and_one_ends),
        T(a_row_that_does_not_open_makes_it_stuck_and_known),
        T(usage_adds_up_what_a_version_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
