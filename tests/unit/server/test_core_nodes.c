/* SPDX-License-Identifier: Apache-2.0 */
/* Several daemons on one database, the jobs beside the load, too many requests at once, and the
 * end. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "server/limits.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_jobs.h"
#include "tests/unit/server/core_log.h"

#define LOAD 200
#define ROOM 100 /* of the queue before the workers, where it matters */
#define BUSY (2 * WARD_WORK_BATCH_MAX)
#define TOO_MANY (BUSY + ROOM + 200)

static const char patient[] = "{\"resourceType\":\"Patient\",\"id\":\"p1\"}";

static struct core_world world;
static struct core_node first, second;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&first, &world, "node-1");
    core_make_key(&first, "app/keys", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&first, "phi/records", WARD_PURPOSE_RECORDS);
    core_node_start(&second, &world, "node-2");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&first);
    core_node_stop(&second);
    core_world_fini(&world);
    return 0;
}

static void pause_ms(long ms)
{
    const struct timespec pause = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&pause, NULL);
}

/* Half of them keys, half of them first writes for the same few patients. */
static struct ward_request *one_of_many(size_t i)
{
    char subject[32];
    if (i % 2 == 0) {
        return core_generate(&world, &world.app, "app/keys", 1, 1);
    }
    (void)snprintf(subject, sizeof(subject), "patient-%zu", i / 2 % 10);
    struct ward_request *put = core_put(&world, &world.app, "fhir", subject, 1, patient);
    char *id = ward_arena_printf(put->arena, "r%zu", i);
    assert_non_null(id);
    ((struct ward_put *)put->in)->items[0].id = ward_bytes_str(id);
    return put;
}

static void check_all(struct ward_request **requests, size_t n)
{
    struct core_log log;
    core_log_open(&log, &world);
    for (size_t i = 0; i < n; i++) {
        assert_ok(requests[i]->status);
        const json_t *leaf = core_log_one(&log, requests[i]->request_id);
        assert_string_equal(core_text(leaf, "outcome"), "allowed");
    }
    core_log_close(&log);
}

static void two_daemons_make_one_tree(void **state)
{
    (void)state;
    struct ward_request *a[LOAD], *b[LOAD];
    for (size_t i = 0; i < LOAD; i++) {
        a[i] = one_of_many(i);
        b[i] = one_of_many(i + LOAD);
    }
    for (size_t i = 0; i < LOAD; i += 10) {
        core_submit(&first, a + i, 10);
        core_submit(&second, b + i, 10);
    }
    core_wait(&first, LOAD);
    core_wait(&second, LOAD);
    check_all(a, LOAD);
    check_all(b, LOAD);
    for (size_t i = 0; i < LOAD; i++) {
        ward_request_free(a[i]);
        ward_request_free(b[i]);
    }
    for (size_t i = 0; i < 10; i++) {
        char subject[32];
        (void)snprintf(subject, sizeof(subject), "patient-%zu", i);
        struct ward_request *got = core_get(&world, &world.app, "fhir", subject);
        char *id = ward_arena_printf(got->arena, "r%zu", 2 * i + 1);
        assert_non_null(id);
        ((struct ward_get *)got->in)->items[0].id = ward_bytes_str(id);
        assert_ok(core_run(i % 2 == 0 ? &first : &second, got));
        assert_ok(((struct ward_get *)got->in)->items[0].status);
        ward_request_free(got);
    }
}

static void a_rotation_at_one_is_in_force_at_the_other(void **state)
{
    (void)state;
    struct ward_request *made;
    for (uint32_t version = 2; version < 5; version++) {
        core_rotate_fully(&first, "app/keys");
        made = core_generate(&world, &world.app, "app/keys", 1, 1);
        assert_ok(core_run(&second, made));
        struct core_log log;
        core_log_open(&log, &world);
        const json_t *leaf = core_log_one(&log, made->request_id);
        const json_t *item = json_array_get(json_object_get(leaf, "items"), 0);
        char object[32];
        (void)snprintf(object, sizeof(object), "key:app/keys#%u", version);
        assert_string_equal(core_text(item, "object"), object);
        assert_string_equal(core_text(leaf, "node"), "node-2");
        core_log_close(&log);
        ward_request_free(made);
    }
}

static void a_proposal_of_one_is_approved_at_the_other(void **state)
{
    (void)state;
    struct core_proposal proposal;
    core_propose(&first, &world.officer_a, "app/keys", &proposal);
    assert_ok(core_run_free(
        &second, core_vote(&world, &world.officer_a, &ward_op_approval_submit, &proposal)));
    assert_ok(core_run_free(
        &first, core_vote(&world, &world.officer_b, &ward_op_approval_approve, &proposal)));
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 1, 1);
    assert_ok(core_run(&second, made));
    ward_request_free(made);
    assert_int_equal(core_active_version(&second, "app/keys"), 2);
}

static void two_last_approvals_at_two_daemons_run_it_once(void **state)
{
    (void)state;
    struct core_proposal proposal;
    core_propose(&first, &world.officer_a, "app/keys", &proposal);
    assert_ok(core_run_free(
        &first, core_vote(&world, &world.officer_a, &ward_op_approval_submit, &proposal)));
    struct ward_request *b =
        core_vote(&world, &world.officer_b, &ward_op_approval_approve, &proposal);
    struct ward_request *c =
        core_vote(&world, &world.officer_c, &ward_op_approval_approve, &proposal);
    size_t before = fake_kek_objects(world.kek);
    core_submit(&first, &b, 1);
    core_submit(&second, &c, 1);
    core_wait(&first, 1);
    core_wait(&second, 1);
    assert_true(ward_ok(b->status) != ward_ok(c->status));
    assert_int_equal(fake_kek_objects(world.kek), before + 1);
    core_node_refresh_now(&first);
    assert_int_equal(core_active_version(&first, "app/keys"), 2);
    struct core_log log;
    core_log_open(&log, &world);
    core_log_one(&log, b->request_id);
    core_log_one(&log, c->request_id);
    core_log_close(&log);
    ward_request_free(b);
    ward_request_free(c);
}

/* ---- the jobs ---- */

static void nobody(void *context, unsigned *ret_handshakes, unsigned *ret_requests)
{
    (void)context;
    *ret_handshakes = 3;
    *ret_requests = 0;
}

static uint64_t no_epoch(void *context)
{
    (void)context;
    return 0; /* no heartbeat */
}

static bool says(const char *action, const char *detail, long long number)
{
    struct core_log log;
    bool found = false;
    core_log_open(&log, &world);
    for (size_t i = 0; i < log.n; i++) {
        found |= strcmp(core_text(log.leaves[i], "action"), action) == 0 &&
                 core_detail_number(log.leaves[i], detail) == number;
    }
    core_log_close(&log);
    return found;
}

static uint64_t newest_checkpoint(void)
{
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    assert_ok(ward_arena_new(1u << 16, &arena));
    assert_ok(ward_store_reader_open(world.store, &reader));
    struct ward_read newest = {.kind = WARD_READ_CHECKPOINTS, .arena = arena};
    struct ward_read *reads[] = {&newest};
    newest.checkpoints.newest_first = true;
    newest.checkpoints.limit = 1;
    assert_ok(ward_store_read(reader, reads, 1));
    assert_ok(newest.status);
    uint64_t size = newest.checkpoints.n == 1 ? newest.checkpoints.rows[0].size : 0;
    ward_store_reader_close(reader);
    ward_arena_free(arena);
    return size;
}

static void jobs_rewrap_recover_and_sign_by_themselves(void **state)
{
    (void)state;
    assert_ok(core_run_free(&first, core_put(&world, &world.app, "fhir", "alpha", 1, patient)));
    fake_kek_set_fault(world.kek, FAKE_KEK_CREATE_DOUBT);
    assert_code(core_run_free(&first, core_create(&world, &world.officer_a, "app/lost", 1)),
                WARD_E_UNAVAILABLE);
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    struct ward_jobs *jobs = NULL;
    const struct ward_jobs_config config = {.pipeline = &first.pipeline,
                                            .committer = first.committer,
                                            .store = world.store,
                                            .settled_epoch = no_epoch,
                                            .refresh = core_node_refresh,
                                            .context = &first,
                                            .unidentified = nobody};
    assert_ok(ward_jobs_start(&config, &jobs));
    core_rotate_fully(&first, "phi/records");
    struct ward_job_stats stats = {0};
    for (unsigned i = 0; i < 200 && (newest_checkpoint() == 0 || stats.moved == 0); i++) {
        pause_ms(20);
        ward_jobs_stats(jobs, WARD_JOB_REWRAP, &stats);
    }
    pause_ms(200);
    ward_jobs_stop(jobs);
    assert_true(says("system.rewrap", "rewrapped", 1));
    assert_true(says("system.rewrap", "rows_below_version", 0));
    assert_true(says("system.summary", "handshakes_failed", 3));
    struct core_log log;
    core_log_open(&log, &world);
    assert_int_equal(newest_checkpoint(), log.n); /* the last one covers all of it */
    size_t undone = 0;
    for (size_t i = 0; i < log.n; i++) {
        undone += strcmp(core_detail(log.leaves[i], "recovered"), "undone") == 0;
    }
    assert_int_equal(undone, 1);
    core_log_close(&log);
}

static size_t occurrences(const char *text, const char *of)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, of)) != NULL; at++) {
        n++;
    }
    return n;
}

/* The jobs of the first daemon run for long enough to sign; how often they say this meanwhile. */
static size_t said_by_jobs(const char *what)
{
    static char text[65536];
    int ends[2], real = dup(STDERR_FILENO);
    assert_true(real >= 0);
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    ward_jobs_stop(core_jobs_start(&first, 100));
    (void)dup2(real, STDERR_FILENO);
    ssize_t size = read(ends[0], text, sizeof(text) - 1);
    text[size < 0 ? 0 : size] = '\0';
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)close(real);
    return occurrences(text, what);
}

/* Who can insert has it stand where the checkpoint would be; the next one stands. */
static void a_row_in_a_checkpoints_place_is_told_of_once(void **state)
{
    (void)state;
    struct ward_merkle tree;
    struct ward_effect effect = {.kind = WARD_EFFECT_CHECKPOINT};
    char told[64];
    ward_committer_tree(first.committer, &tree);
    effect.checkpoint.size = tree.size;
    effect.checkpoint.note = ward_bytes_str("no note");
    effect.checkpoint.created_us = 1;
    assert_int_equal(core_world_write(&world, &effect, 1, false, NULL), WARD_COMMITTED);
    (void)snprintf(told, sizeof(told), "\"size\":%llu}", (unsigned long long)tree.size);
    assert_int_equal(said_by_jobs(told), 1);
    assert_ok(core_run_free(&first, core_generate(&world, &world.app, "app/keys", 1, 1)));
    ward_committer_tree(first.committer, &tree);
    assert_int_equal(said_by_jobs("ward.checkpoint"), 0);
    assert_int_equal(newest_checkpoint(), tree.size);
    assert_int_equal(said_by_jobs("ward.checkpoint"), 0); /* its own, and of the same size */
}

/* ---- too many, and the end ---- */

/* Both workers are in a slow crossing, the queue before them is full, and 200 do not fit. */
static void flood(struct ward_request **requests)
{
    (void)pthread_mutex_lock(&first.pipeline.work.lock);
    first.pipeline.work.max = ROOM;
    (void)pthread_mutex_unlock(&first.pipeline.work.lock);
    fake_kek_set_delay_us(world.kek, 400000);
    for (size_t i = 0; i < BUSY; i += WARD_WORK_BATCH_MAX) {
        core_submit(&first, requests + i, WARD_WORK_BATCH_MAX);
        for (unsigned wait = 0; wait < 100 && ward_queue_size(&first.pipeline.work) > 0; wait++) {
            pause_ms(1);
        }
    }
    core_submit(&first, requests + BUSY, TOO_MANY - BUSY);
}

static void what_does_not_fit_into_a_queue_is_refused_with_an_entry(void **state)
{
    (void)state;
    struct ward_request *requests[TOO_MANY];
    for (size_t i = 0; i < TOO_MANY; i++) {
        requests[i] = core_generate(&world, &world.app, "app/keys", 1, 1);
    }
    flood(requests);
    fake_kek_set_delay_us(world.kek, 0);
    core_wait(&first, TOO_MANY);
    size_t refused = 0;
    struct core_log log;
    core_log_open(&log, &world);
    assert_true(log.n >= TOO_MANY);
    for (size_t i = 0; i < TOO_MANY; i++) {
        if (!ward_ok(requests[i]->status)) {
            assert_code(requests[i]->status, WARD_E_EXHAUSTED);
            if (refused++ < 20) {
                const json_t *leaf = core_log_one(&log, requests[i]->request_id);
                assert_string_equal(core_text(leaf, "outcome"), "refused");
                assert_string_equal(core_text(leaf, "code"), "RESOURCE_EXHAUSTED");
            }
        }
        ward_request_free(requests[i]);
    }
    core_log_close(&log);
    assert_true(refused >= 200);
    assert_int_equal(first.pipeline.overloaded, refused);
}

/* Its vote is cast and its intent written when the queue before its second step is full. */
static void what_was_begun_is_not_refused_for_want_of_room(void **state)
{
    (void)state;
    struct ward_request *requests[TOO_MANY];
    struct core_proposal proposal;
    struct ward_store_writer *held = NULL;
    struct ward_head head;
    core_propose(&first, &world.officer_a, "app/keys", &proposal);
    assert_ok(core_run_free(
        &first, core_vote(&world, &world.officer_a, &ward_op_approval_submit, &proposal)));
    struct ward_request *approval =
        core_vote(&world, &world.officer_b, &ward_op_approval_approve, &proposal);
    for (size_t i = 0; i < TOO_MANY; i++) {
        requests[i] = core_generate(&world, &world.app, "app/keys", 1, 1);
    }
    assert_ok(ward_store_writer_open(world.store, &held));
    assert_ok(ward_store_head(held, true, &head));
    core_submit(&first, &approval, 1);
    pause_ms(50); /* it waits for the head now */
    flood(requests);
    size_t full = ward_queue_size(&first.pipeline.work);
    ward_store_writer_close(held);
    assert_int_equal(full, ROOM);
    pause_ms(50);
    fake_kek_set_delay_us(world.kek, 0);
    core_wait(&first, TOO_MANY + 1);
    assert_ok(approval->status);
    assert_int_equal(core_active_version(&first, "app/keys"), 2);
    ward_request_free(approval);
    for (size_t i = 0; i < TOO_MANY; i++) {
        ward_request_free(requests[i]);
    }
}

static void what_is_under_way_is_finished_before_the_end(void **state)
{
    (void)state;
    struct ward_request *requests[LOAD];
    for (size_t i = 0; i < LOAD; i++) {
        requests[i] = one_of_many(i);
    }
    core_submit(&first, requests, LOAD);
    core_node_drain(&first);
    core_wait(&first, LOAD);
    struct core_log log;
    core_log_open(&log, &world);
    for (size_t i = 0; i < LOAD; i++) {
        /* A put that had to be prepared again finds the reading stage gone. */
        size_t entries = core_log_count(&log, requests[i]->request_id);
        assert_int_equal(entries, requests[i]->status.code == WARD_E_UNAVAILABLE ? 0 : 1);
        ward_request_free(requests[i]);
    }
    core_log_close(&log);
}

/* What is judged under a state that is over is judged again: the second has not heard of the key.
 */
static void a_vote_is_weighed_under_what_is_in_force(void **state)
{
    (void)state;
    struct core_proposal proposal;
    core_make_key(&first, "one/new", WARD_PURPOSE_DATA_KEYS);
    core_propose(&first, &world.officer_a, "one/new", &proposal);
    assert_ok(core_run_free(
        &first, core_vote(&world, &world.officer_a, &ward_op_approval_submit, &proposal)));
    assert_ok(core_run_free(
        &second, core_vote(&world, &world.officer_b, &ward_op_approval_approve, &proposal)));
    core_node_refresh_now(&first);
    assert_int_equal(core_active_version(&first, "one/new"), 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(a_vote_is_weighed_under_what_is_in_force),
        T(two_daemons_make_one_tree),
        T(a_rotation_at_one_is_in_force_at_the_other),
        T(a_proposal_of_one_is_approved_at_the_other),
        T(two_last_approvals_at_two_daemons_run_it_once),
        T(jobs_rewrap_recover_and_sign_by_themselves),
        T(a_row_in_a_checkpoints_place_is_told_of_once),
        T(what_does_not_fit_into_a_queue_is_refused_with_an_entry),
        T(what_was_begun_is_not_refused_for_want_of_room),
        T(what_is_under_way_is_finished_before_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
