/* SPDX-License-Identifier: Apache-2.0 */
/* Records that move to new subject keys with every version, beside writes, past damage, at daemons
 * that share it. */
#include <stdio.h>
#include <time.h>

#include "server/limits.h"
#include "tests/unit/server/core_rekey.h"

static struct ward_id kek_of(const char *key)
{
    struct ward_state *now = ward_state_slot_get(&rekey.node.states);
    struct ward_id id = ward_state_key(now, ward_bytes_str(key))->id;
    ward_state_unref(now);
    return id;
}

/* Everything under keys of before that run; what is read lies in ret_arena. */
static struct ward_read old_rows(uint32_t run, struct ward_arena **ret_arena)
{
    struct ward_store_reader *reader = NULL;
    assert_ok(ward_arena_new(16u << 20, ret_arena));
    assert_ok(ward_store_reader_open(rekey.world.store, &reader));
    struct ward_read page = {.kind = WARD_READ_REKEY_PAGE, .arena = *ret_arena};
    page.rekey.kek = kek_of(KEY);
    page.rekey.run = run;
    page.rekey.limit = 10000;
    page.rekey.max_bytes = 1u << 20;
    struct ward_read *reads[] = {&page};
    assert_ok(ward_store_read(reader, reads, 1));
    assert_ok(page.status);
    ward_store_reader_close(reader);
    return page;
}

static size_t count_old(uint32_t run)
{
    struct ward_arena *arena = NULL;
    size_t n = old_rows(run, &arena).rekey.n;
    ward_arena_free(arena);
    return n;
}

/* A record of the first subject there is, that nobody can open. */
static void damage(void)
{
    struct ward_arena *arena = NULL;
    struct ward_read rows = old_rows(INT32_MAX, &arena);
    struct ward_new_record bad = {.id_hash = {7},
                                  .version = 1,
                                  .subject_key = rows.rekey.keys[0].key.id,
                                  .schema_version = 1,
                                  .created_us = 1,
                                  .sealed = WARD_BYTES_LITERAL("not a sealed record")};
    struct ward_commit commit = {.records = &bad, .n_records = 1};
    assert_int_equal(core_world_commit(&rekey.world, &commit, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    ward_arena_free(arena);
}

/* Every part, then the count; how it ended. */
static uint8_t run_round(uint32_t limit)
{
    struct ward_store_job job;
    struct ward_job_place place;
    assert_true(core_rewrap_job(&rekey.world, &job));
    for (;;) {
        assert_true(core_rewrap_claim(&rekey.node, &job, &place));
        if (place.part == job.parts) {
            return core_job_end(&rekey.node, &ward_op_rekey_end, KEY, &job);
        }
        struct ward_job_page done = {.next = place};
        while (!done.finished) {
            struct ward_job_place from = done.next;
            assert_ok(rekey_page(&rekey.node, &job, &from, limit, &done));
        }
    }
}

static void every_version_of_every_record_moves(void **state)
{
    (void)state;
    rekey_fill(0, 7, 3);
    struct ward_arena *arena = NULL;
    struct ward_read before = old_rows(INT32_MAX, &arena);
    struct ward_job_view job = rekey_begin();
    assert_string_equal(job.state, "running");
    assert_int_equal(job.version, 1);
    assert_int_equal(job.total, 21);
    assert_int_equal(run_round(100), WARD_JOB_DONE);
    job = rekey_progress(KEY);
    assert_string_equal(job.state, "done");
    assert_int_equal(job.done, 21);
    assert_int_equal(job.failed, 0);
    assert_int_equal(count_old(1), 0);
    assert_int_equal(count_old(INT32_MAX), 7);
    rekey_reads_back(0, 7, 3);

    struct ward_arena *arena_after = NULL;
    struct ward_read after = old_rows(INT32_MAX, &arena_after);
    assert_int_equal(after.rekey.n_records, before.rekey.n_records);
    for (size_t i = 0; i < after.rekey.n; i++) {
        assert_int_equal(after.rekey.keys[i].key.generation, 2);
        for (size_t b = 0; b < before.rekey.n; b++) {
            assert_false(
                ward_bytes_eq(after.rekey.keys[i].key.wrapped, before.rekey.keys[b].key.wrapped));
        }
    }
    ward_arena_free(arena);
    ward_arena_free(arena_after);

    struct core_log log;
    core_log_open(&log, &rekey.world);
    size_t items = 0;
    for (size_t i = 0; i < log.n; i++) {
        const json_t *of = json_object_get(log.leaves[i], "items");
        bool ours = strcmp(core_text(log.leaves[i], "action"), "system.rekey") == 0;
        for (size_t k = 0; ours && k < json_array_size(of); k++) {
            assert_int_equal(strlen(core_text(json_array_get(of, k), "digest")), 64);
            items++;
        }
    }
    assert_int_equal(items, 21);
    const json_t *last = log.leaves[log.n - 1]; /* progress was asked since */
    for (size_t i = log.n; strcmp(core_text(last, "action"), "system.rekey") != 0;) {
        last = log.leaves[--i];
    }
    assert_int_equal(core_detail_number(last, "records_left"), 0);
    assert_int_equal(core_detail_number(last, "old_generations"), 0);
    assert_string_equal(core_detail(last, "job"), "done");
    core_log_close(&log);
}

static void a_subject_may_have_more_records_than_a_page(void **state)
{
    (void)state;
    rekey_put("fhir", "patient-0", 9, rekey_texts[0]);
    rekey_fill(1, 4, 2);
    assert_int_equal(rekey_begin().total, 15);
    assert_int_equal(run_round(2), WARD_JOB_DONE);
    assert_int_equal(rekey_told("rekeyed"), 15);
    assert_int_equal(rekey_told("failed"), 0);
    assert_int_equal(count_old(1), 0);
    assert_ok(rekey_get("patient-0", 1, rekey_texts[0]));
    rekey_reads_back(1, 4, 2);
}

/* What is written while a subject's records move goes under its new key, and stays there. */
static void a_put_between_two_pages_is_not_touched(void **state)
{
    (void)state;
    rekey_put("fhir", "patient-0", 4, rekey_texts[0]);
    assert_int_equal(rekey_begin().total, 4);
    struct ward_store_job job;
    struct ward_job_place place;
    struct ward_job_page done;
    assert_true(core_rewrap_job(&rekey.world, &job));
    assert_true(core_rewrap_claim(&rekey.node, &job, &place));
    assert_ok(rekey_page(&rekey.node, &job, &place, 2, &done));
    assert_int_equal(done.rows, 2);
    assert_false(done.finished);
    rekey_put("fhir", "patient-0", 1, rekey_texts[1]);
    rekey_fill(1, 2, 1);
    while (!done.finished) {
        place = done.next;
        assert_ok(rekey_page(&rekey.node, &job, &place, 2, &done));
    }
    assert_int_equal(run_round(2), WARD_JOB_DONE);
    assert_int_equal(rekey_told("rekeyed"), 4);
    assert_ok(rekey_get("patient-0", 1, rekey_texts[0]));
    assert_ok(rekey_get("patient-0", 2, rekey_texts[1]));
    rekey_reads_back(1, 2, 1);
}

static void a_later_run_replaces_what_an_earlier_one_made(void **state)
{
    (void)state;
    rekey_fill(0, 5, 2);
    assert_int_equal(rekey_begin().version, 1);
    assert_int_equal(rekey_begin().version, 1); /* it runs, and is left to */
    assert_int_equal(run_round(100), WARD_JOB_DONE);
    core_rotate_fully(&rekey.node, KEY);
    rekey_fill(5, 6, 2);
    assert_int_equal(rekey_begin().version, 2);
    assert_int_equal(count_old(2), 6);
    assert_int_equal(run_round(3), WARD_JOB_DONE);
    assert_int_equal(rekey_told("rekeyed"), 10 + 12);
    rekey_reads_back(0, 6, 2);
    struct ward_arena *arena = NULL;
    struct ward_read rows = old_rows(INT32_MAX, &arena);
    for (size_t i = 0; i < rows.rekey.n; i++) {
        assert_in_range(rows.rekey.keys[i].key.generation, 2, 3);
    }
    ward_arena_free(arena);
}

static void wait_for(const char *state)
{
    struct ward_job_view view = {.state = "none"};
    for (unsigned i = 0; i < 1500; i++) {
        view = rekey_progress(KEY);
        if (strcmp(view.state, state) == 0) {
            return;
        }
        const struct timespec pause = {.tv_nsec = 20 * 1000000};
        (void)nanosleep(&pause, NULL);
    }
    fail_msg("the job is %s, not %s", view.state, state);
}

static void daemons_share_it_beside_writes_and_one_ends(void **state)
{
    (void)state;
    rekey_fill(0, 60, 2);
    struct ward_jobs *jobs = core_jobs_start(&rekey.node, 50),
                     *others = core_jobs_start(&rekey.second, 100);
    (void)rekey_begin();
    struct ward_request *puts[60];
    char subject[32];
    for (size_t i = 0; i < 60; i++) { /* a third version of all of them */
        (void)snprintf(subject, sizeof(subject), "patient-%zu", i);
        puts[i] = core_put(&rekey.world, &rekey.world.app, "fhir", subject, 1, rekey_texts[2]);
    }
    core_submit(&rekey.node, puts, 60);
    core_wait(&rekey.node, 60);
    for (size_t i = 0; i < 60; i++) {
        assert_ok(puts[i]->status);
        assert_ok(((struct ward_put *)puts[i]->in)->items[0].status);
        ward_request_free(puts[i]);
    }
    ward_jobs_stop(others);
    wait_for("done");
    rekey_reads_back(0, 60, 3);
    assert_int_equal(count_old(1), 0);
    struct ward_job_stats stats;
    ward_jobs_stats(jobs, WARD_JOB_REKEY, &stats);
    assert_in_range(rekey_told("rekeyed"), 120, 180);
    assert_true(stats.moved <= (uint64_t)rekey_told("rekeyed"));
    assert_int_equal(rekey_told("failed"), 0);
    ward_jobs_stop(jobs);
}

static void a_record_that_does_not_open_makes_it_stuck_and_known(void **state)
{
    (void)state;
    rekey_fill(0, 4, 1);
    damage();
    assert_int_equal(rekey_begin().total, 5);
    struct ward_jobs *jobs = core_jobs_start(&rekey.node, 100);
    wait_for("stuck");
    struct ward_job_stats stats = {0};
    for (unsigned i = 0; i < 500 && stats.stuck == 0; i++) {
        const struct timespec pause = {.tv_nsec = 20 * 1000000};
        (void)nanosleep(&pause, NULL);
        ward_jobs_stats(jobs, WARD_JOB_REKEY, &stats);
    }
    assert_int_equal(stats.stuck, 1);
    struct ward_job_view job = rekey_progress(KEY);
    assert_int_equal(job.left, 1);
    assert_int_equal(job.done, 4);
    assert_int_equal(rekey_told("rekeyed"), 4);
    rekey_reads_back(0, 4, 1);
    /* The daemon tries it again by itself, later. */
    int64_t ended_us = job.ended_us;
    rekey.world.clock.ahead_us += WARD_JOB_RETRY_US + 1000000;
    for (unsigned i = 0; i < 1500 && (job.ended_us == ended_us || job.ended_us == 0); i++) {
        const struct timespec pause = {.tv_nsec = 20 * 1000000};
        (void)nanosleep(&pause, NULL);
        job = rekey_progress(KEY);
    }
    assert_true(job.ended_us > ended_us);
    assert_string_equal(job.state, "stuck");
    ward_jobs_stop(jobs);
    struct core_log log;
    core_log_open(&log, &rekey.world);
    for (size_t i = 0; i < log.n; i++) { /* nobody says that nothing is left */
        assert_true(core_detail_number(log.leaves[i], "records_left") != 0);
    }
    core_log_close(&log);
}

static void a_subject_key_that_does_not_open_stays_as_it_is(void **state)
{
    (void)state;
    rekey_fill(0, 2, 1);
    struct ward_new_subject_key row = {.collection = WARD_BYTES_LITERAL("fhir"),
                                       .subject_hash = {1},
                                       .generation = 1,
                                       .kek = kek_of(KEY),
                                       .kek_version = 1,
                                       .wrapped = WARD_BYTES_LITERAL("not a wrapped key")};
    assert_ok(ward_id_random(&row.id));
    struct ward_new_record record = {.id_hash = {9},
                                     .version = 1,
                                     .subject_key = row.id,
                                     .schema_version = 1,
                                     .created_us = 1,
                                     .sealed = WARD_BYTES_LITERAL("sealed")};
    struct ward_commit commit = {
        .subject_keys = &row, .n_subject_keys = 1, .records = &record, .n_records = 1};
    assert_int_equal(core_world_commit(&rekey.world, &commit, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    assert_int_equal(rekey_begin().total, 3);
    for (uint32_t round = 1; round <= WARD_JOB_ROUNDS; round++) {
        assert_int_equal(run_round(1), round < WARD_JOB_ROUNDS ? WARD_JOB_RUNNING : WARD_JOB_STUCK);
    }
    assert_int_equal(count_old(1), 1);
    struct ward_arena *arena = NULL;
    struct ward_read rows = old_rows(1, &arena);
    assert_true(ward_id_eq(&rows.rekey.keys[0].key.id, &row.id));
    assert_false(rows.rekey.keys[0].followed); /* nothing was made for it */
    assert_int_equal(rows.rekey.keys[0].newest, 1);
    ward_arena_free(arena);
    assert_int_equal(rekey_begin().version, 2); /* asked again: all of it once more */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rekey_start, rekey_stop)
    const struct CMUnitTest tests[] = {
        T(every_version_of_every_record_moves),
        T(a_subject_may_have_more_records_than_a_page),
        T(a_put_between_two_pages_is_not_touched),
        T(a_later_run_replaces_what_an_earlier_one_made),
        T(daemons_share_it_beside_writes_and_one_ends),
        T(a_record_that_does_not_open_makes_it_stuck_and_known),
        T(a_subject_key_that_does_not_open_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
