/* SPDX-License-Identifier: Apache-2.0 */
/* The rekey: who may ask for it, what waits for approval, and records that move to new subject keys
 * with every version, beside writes, past damage, at daemons that share it. */
#include <stdio.h>
#include <time.h>

#include "server/jobs/internal.h"
#include "server/limits.h"
#include "server/op/rekeying.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_jobs.h"
#include "tests/unit/server/core_log.h"

#define KEY "phi/records"
#define GUARDED "phi/notes"

static const char *const texts[] = {"{\"resourceType\":\"Patient\",\"id\":\"p1\", \"n\":1.10}",
                                    "{ \"id\":\"p1\",\"resourceType\" :\"Patient\"}",
                                    "{\"id\":\"\\u0070\\u0031\"}"};

static struct core_world world;
static struct core_node node, second;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_node_start(&second, &world, "node-2");
    core_make_key(&node, KEY, WARD_PURPOSE_RECORDS);
    core_make_key(&node, GUARDED, WARD_PURPOSE_RECORDS);
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

/* ---- what is there ---- */

static void put(const char *collection, const char *subject, size_t n, const char *json)
{
    struct ward_request *request = core_put(&world, &world.app, collection, subject, n, json);
    assert_ok(core_run(&node, request));
    for (size_t i = 0; i < n; i++) {
        assert_ok(((struct ward_put *)request->in)->items[i].status);
    }
    ward_request_free(request);
}

/* Every subject has one record, with so many versions. */
static void fill(size_t from, size_t to, size_t versions)
{
    char subject[32];
    for (size_t i = from; i < to; i++) {
        (void)snprintf(subject, sizeof(subject), "patient-%zu", i);
        for (size_t v = 0; v < versions; v++) {
            put("fhir", subject, 1, texts[v % 3]);
        }
    }
}

static ward_status get(const char *subject, uint32_t version, const char *json)
{
    struct ward_request *got = core_get(&world, &world.app, "fhir", subject);
    struct ward_get_item *item = ((struct ward_get *)got->in)->items;
    item->version = version;
    assert_ok(core_run(&second, got));
    ward_status status = item->status;
    assert_true(!ward_ok(status) || ward_bytes_eq(item->json, ward_bytes_str(json)));
    ward_request_free(got);
    return status;
}

static void reads_back(size_t from, size_t to, size_t versions)
{
    char subject[32];
    for (size_t i = from; i < to; i++) {
        (void)snprintf(subject, sizeof(subject), "patient-%zu", i);
        for (size_t v = 0; v < versions; v++) {
            assert_ok(get(subject, (uint32_t)v + 1, texts[v % 3]));
        }
    }
}

static struct ward_id kek_of(const char *key)
{
    struct ward_state *now = ward_state_slot_get(&node.states);
    struct ward_id id = ward_state_key(now, ward_bytes_str(key))->id;
    ward_state_unref(now);
    return id;
}

/* Everything under keys of before that run; what is read lies in ret_arena. */
static struct ward_read old_rows(uint32_t run, struct ward_arena **ret_arena)
{
    struct ward_store_reader *reader = NULL;
    assert_ok(ward_arena_new(16u << 20, ret_arena));
    assert_ok(ward_store_reader_open(world.store, &reader));
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
    assert_int_equal(core_world_commit(&world, &commit, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    ward_arena_free(arena);
}

/* ---- asking ---- */

static struct ward_request *ask(const struct core_person *somebody, const char *key)
{
    struct ward_request *request =
        core_request(&world, somebody, &ward_op_key_rekey, sizeof(struct ward_key_rekey));
    ((struct ward_key_rekey *)request->in)->name = ward_bytes_str(key);
    return request;
}

static struct ward_job_view rekey(void)
{
    struct ward_request *request = ask(&world.officer_a, KEY);
    assert_ok(core_run(&node, request));
    const struct ward_key_rekey *in = request->in;
    assert_null(in->proposal);
    struct ward_job_view job = in->job;
    ward_request_free(request);
    return job;
}

static struct ward_job_view progress(const char *key)
{
    struct ward_request *request = core_request(&world, &world.officer_a, &ward_op_rekey_progress,
                                                sizeof(struct ward_key_job));
    ((struct ward_key_job *)request->in)->name = ward_bytes_str(key);
    assert_ok(core_run(&node, request));
    struct ward_job_view view = ((struct ward_key_job *)request->in)->job;
    ward_request_free(request);
    return view;
}

static void propose(struct core_proposal *ret)
{
    struct ward_request *request = ask(&world.officer_a, GUARDED);
    assert_ok(core_run(&node, request));
    core_take_proposal(((struct ward_key_rekey *)request->in)->proposal, ret);
    ward_request_free(request);
}

static ward_status page(struct core_node *of, const struct ward_store_job *job,
                        const struct ward_job_place *place, uint32_t limit,
                        struct ward_job_page *ret)
{
    return core_job_page(of, &ward_op_rekey, KEY, job, place, limit, ret);
}

/* Every part, then the count; how it ended. */
static uint8_t run_round(uint32_t limit)
{
    struct ward_store_job job;
    struct ward_job_place place;
    assert_true(core_rewrap_job(&world, &job));
    for (;;) {
        assert_true(core_rewrap_claim(&node, &job, &place));
        if (place.part == job.parts) {
            return core_job_end(&node, &ward_op_rekey_end, KEY, &job);
        }
        struct ward_job_page done = {.next = place};
        while (!done.finished) {
            struct ward_job_place from = done.next;
            assert_ok(page(&node, &job, &from, limit, &done));
        }
    }
}

/* What all entries of the job say together; a request in parts says it once. */
static long long told(const char *detail)
{
    struct core_log log;
    core_log_open(&log, &world);
    long long sum = 0;
    for (size_t i = 0; i < log.n; i++) {
        bool counts = strcmp(core_text(log.leaves[i], "action"), "system.rekey") == 0 &&
                      strcmp(core_text(log.leaves[i], "outcome"), "allowed") == 0 &&
                      core_detail_number(log.leaves[i], "part") <= 1;
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
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ward_request *request = ask(cases[i].somebody, cases[i].key);
        assert_code(core_run(&node, request), cases[i].code);
        assert_true(request->refused);
        ward_request_free(request);
    }
    struct ward_store_job job;
    assert_false(core_rewrap_job(&world, &job));
    assert_string_equal(progress(KEY).state, "none");
}

static void a_key_that_wraps_nothing_has_nowhere_to_go(void **state)
{
    (void)state;
    fill(0, 1, 1);
    core_set_state(&node, KEY, 1, WARD_KEY_ACTIVE, WARD_KEY_COMPROMISED);
    core_node_refresh_now(&node);
    struct ward_request *request = ask(&world.officer_a, KEY);
    assert_code(core_run(&node, request), WARD_E_STATE);
    ward_request_free(request);
    assert_string_equal(progress(KEY).state, "none");
}

static void stands(const struct core_proposal *proposal, const char *why_not)
{
    struct ward_request *request = core_vote_with(&world, &world.officer_b, &ward_op_approval_show,
                                                  &proposal->id, (struct ward_bytes){0});
    assert_ok(core_run(&node, request));
    const struct ward_proposal_standing *standing =
        &((const struct ward_approval *)request->in)->proposal.standing;
    assert_string_equal(standing->cannot_run == NULL ? "" : standing->cannot_run, why_not);
    ward_request_free(request);
    request = core_request(&world, &world.officer_b, &ward_op_approval_list,
                           sizeof(struct ward_approval_list));
    struct ward_approval_list *list = request->in;
    list->page_size = 100;
    assert_ok(core_run(&node, request));
    bool listed = false;
    for (size_t i = 0; i < list->n; i++) {
        if (ward_id_eq(&list->proposals[i].id, &proposal->id)) {
            const char *told = list->proposals[i].standing.cannot_run;
            assert_string_equal(told == NULL ? "" : told, why_not);
            listed = true;
        }
    }
    assert_true(listed);
    ward_request_free(request);
}

static void a_guarded_key_waits_for_another_officer(void **state)
{
    (void)state;
    struct core_proposal first, other;
    put("notes", "patient-1", 2, texts[0]);
    propose(&first);
    propose(&other);
    assert_string_equal(progress(GUARDED).state, "none");
    stands(&other, "");
    assert_ok(core_run_free(&node,
                            core_vote(&world, &world.officer_a, &ward_op_approval_submit, &first)));
    assert_code(core_run_free(
                    &node, core_vote(&world, &world.officer_a, &ward_op_approval_approve, &first)),
                WARD_E_DENIED);
    assert_string_equal(progress(GUARDED).state, "none");
    struct ward_request *last =
        core_vote(&world, &world.officer_b, &ward_op_approval_approve, &first);
    assert_ok(core_run(&node, last));
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *entry = core_log_one(&log, last->request_id);
    assert_string_equal(core_detail(entry, "executed"), "key.rekey");
    assert_int_equal(core_detail_number(entry, "run"), 1);
    assert_int_equal(core_detail_number(entry, "records"), 2);
    core_log_close(&log);
    ward_request_free(last);
    struct ward_job_view job = progress(GUARDED);
    assert_string_equal(job.state, "running");
    assert_int_equal(job.version, 1);
    assert_int_equal(job.total, 2);

    /* The other one was made for a run that is there now; nor is one proposed beside it. */
    stands(&other, "the key has moved on since it was made; propose again");
    assert_ok(core_run_free(&node,
                            core_vote(&world, &world.officer_a, &ward_op_approval_submit, &other)));
    assert_code(core_run_free(
                    &node, core_vote(&world, &world.officer_b, &ward_op_approval_approve, &other)),
                WARD_E_STATE);
    struct ward_request *again = ask(&world.officer_a, GUARDED);
    assert_code(core_run(&node, again), WARD_E_STATE);
    ward_request_free(again);
}

static void who_lost_a_part_moves_nothing(void **state)
{
    (void)state;
    fill(0, 10, 1);
    assert_int_equal(rekey().total, 10);
    struct ward_store_job job;
    struct ward_job_place place, taken;
    struct ward_job_page done;
    assert_true(core_rewrap_job(&world, &job));
    assert_true(core_rewrap_claim(&node, &job, &place));
    assert_false(core_rewrap_claim(&second, &job, &taken));
    world.clock.ahead_us += WARD_JOB_LEASE_US + 1;
    assert_true(core_rewrap_claim(&second, &job, &taken));
    assert_ok(page(&second, &job, &taken, 4, &done));
    assert_int_equal(done.rows, 4);
    assert_code(page(&node, &job, &place, 4, &done), WARD_E_CONFLICT);
    assert_int_equal(told("rekeyed"), 4);
    assert_int_equal(progress(KEY).done, 4);
    reads_back(0, 10, 1);
}

/* ---- done ---- */

static void every_version_of_every_record_moves(void **state)
{
    (void)state;
    fill(0, 7, 3);
    struct ward_arena *arena = NULL;
    struct ward_read before = old_rows(INT32_MAX, &arena);
    struct ward_job_view job = rekey();
    assert_string_equal(job.state, "running");
    assert_int_equal(job.version, 1);
    assert_int_equal(job.total, 21);
    assert_int_equal(run_round(100), WARD_JOB_DONE);
    job = progress(KEY);
    assert_string_equal(job.state, "done");
    assert_int_equal(job.done, 21);
    assert_int_equal(job.failed, 0);
    assert_int_equal(count_old(1), 0);
    assert_int_equal(count_old(INT32_MAX), 7);
    reads_back(0, 7, 3);

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
    core_log_open(&log, &world);
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
    put("fhir", "patient-0", 9, texts[0]);
    fill(1, 4, 2);
    assert_int_equal(rekey().total, 15);
    assert_int_equal(run_round(2), WARD_JOB_DONE);
    assert_int_equal(told("rekeyed"), 15);
    assert_int_equal(told("failed"), 0);
    assert_int_equal(count_old(1), 0);
    assert_ok(get("patient-0", 1, texts[0]));
    reads_back(1, 4, 2);
}

/* What is written while a subject's records move goes under its new key, and stays there. */
static void a_put_between_two_pages_is_not_touched(void **state)
{
    (void)state;
    put("fhir", "patient-0", 4, texts[0]);
    assert_int_equal(rekey().total, 4);
    struct ward_store_job job;
    struct ward_job_place place;
    struct ward_job_page done;
    assert_true(core_rewrap_job(&world, &job));
    assert_true(core_rewrap_claim(&node, &job, &place));
    assert_ok(page(&node, &job, &place, 2, &done));
    assert_int_equal(done.rows, 2);
    assert_false(done.finished);
    put("fhir", "patient-0", 1, texts[1]);
    fill(1, 2, 1);
    while (!done.finished) {
        place = done.next;
        assert_ok(page(&node, &job, &place, 2, &done));
    }
    assert_int_equal(run_round(2), WARD_JOB_DONE);
    assert_int_equal(told("rekeyed"), 4);
    assert_ok(get("patient-0", 1, texts[0]));
    assert_ok(get("patient-0", 2, texts[1]));
    reads_back(1, 2, 1);
}

static void a_later_run_replaces_what_an_earlier_one_made(void **state)
{
    (void)state;
    fill(0, 5, 2);
    assert_int_equal(rekey().version, 1);
    assert_int_equal(rekey().version, 1); /* it runs, and is left to */
    assert_int_equal(run_round(100), WARD_JOB_DONE);
    core_rotate_fully(&node, KEY);
    fill(5, 6, 2);
    assert_int_equal(rekey().version, 2);
    assert_int_equal(count_old(2), 6);
    assert_int_equal(run_round(3), WARD_JOB_DONE);
    assert_int_equal(told("rekeyed"), 10 + 12);
    reads_back(0, 6, 2);
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
        view = progress(KEY);
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
    fill(0, 60, 2);
    struct ward_jobs *jobs = core_jobs_start(&node, 50), *others = core_jobs_start(&second, 100);
    (void)rekey();
    struct ward_request *puts[60];
    char subject[32];
    for (size_t i = 0; i < 60; i++) { /* a third version of all of them */
        (void)snprintf(subject, sizeof(subject), "patient-%zu", i);
        puts[i] = core_put(&world, &world.app, "fhir", subject, 1, texts[2]);
    }
    core_submit(&node, puts, 60);
    core_wait(&node, 60);
    for (size_t i = 0; i < 60; i++) {
        assert_ok(puts[i]->status);
        assert_ok(((struct ward_put *)puts[i]->in)->items[0].status);
        ward_request_free(puts[i]);
    }
    ward_jobs_stop(others);
    wait_for("done");
    reads_back(0, 60, 3);
    assert_int_equal(count_old(1), 0);
    struct ward_job_stats stats;
    ward_jobs_stats(jobs, WARD_JOB_REKEY, &stats);
    assert_in_range(told("rekeyed"), 120, 180);
    assert_true(stats.moved <= (uint64_t)told("rekeyed"));
    assert_int_equal(told("failed"), 0);
    ward_jobs_stop(jobs);
}

static void a_record_that_does_not_open_makes_it_stuck_and_known(void **state)
{
    (void)state;
    fill(0, 4, 1);
    damage();
    assert_int_equal(rekey().total, 5);
    struct ward_jobs *jobs = core_jobs_start(&node, 100);
    wait_for("stuck");
    struct ward_job_stats stats = {0};
    for (unsigned i = 0; i < 500 && stats.stuck == 0; i++) {
        const struct timespec pause = {.tv_nsec = 20 * 1000000};
        (void)nanosleep(&pause, NULL);
        ward_jobs_stats(jobs, WARD_JOB_REKEY, &stats);
    }
    assert_int_equal(stats.stuck, 1);
    struct ward_job_view job = progress(KEY);
    assert_int_equal(job.left, 1);
    assert_int_equal(job.done, 4);
    assert_int_equal(told("rekeyed"), 4);
    reads_back(0, 4, 1);
    /* The daemon tries it again by itself, later. */
    int64_t ended_us = job.ended_us;
    world.clock.ahead_us += WARD_JOB_RETRY_US + 1000000;
    for (unsigned i = 0; i < 1500 && (job.ended_us == ended_us || job.ended_us == 0); i++) {
        const struct timespec pause = {.tv_nsec = 20 * 1000000};
        (void)nanosleep(&pause, NULL);
        job = progress(KEY);
    }
    assert_true(job.ended_us > ended_us);
    assert_string_equal(job.state, "stuck");
    ward_jobs_stop(jobs);
    struct core_log log;
    core_log_open(&log, &world);
    for (size_t i = 0; i < log.n; i++) { /* nobody says that nothing is left */
        assert_true(core_detail_number(log.leaves[i], "records_left") != 0);
    }
    core_log_close(&log);
}

static void a_subject_key_that_does_not_open_stays_as_it_is(void **state)
{
    (void)state;
    fill(0, 2, 1);
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
    assert_int_equal(core_world_commit(&world, &commit, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    assert_int_equal(rekey().total, 3);
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
    assert_int_equal(rekey().version, 2); /* asked again: all of it once more */
}

/* ---- what is owed ---- */

static uint32_t owed(enum ward_key_state state, enum ward_key_state prior, uint8_t job_state,
                     int64_t opened_us, uint64_t rows)
{
    struct ward_key_version versions[] = {
        {.version = 1, .state = WARD_KEY_DEACTIVATED, .created_us = 10, .changed_us = 20},
        {.version = 2, .state = state, .prior = prior, .created_us = 20, .changed_us = 30},
        {.version = 3, .state = WARD_KEY_ACTIVE, .created_us = 31, .changed_us = 31}};
    const struct ward_key key = {.versions = versions, .n_versions = 3};
    struct ward_store_job jobs[] = {
        {.kind = WARD_JOB_REWRAP, .state = WARD_JOB_DONE, .version = 3, .created_us = 40},
        {.kind = WARD_JOB_REKEY, .state = job_state, .version = 1, .created_us = opened_us}};
    uint32_t under[] = {1, 3};
    uint64_t counts[] = {0, rows};
    struct ward_read read_jobs = {.kind = WARD_READ_JOBS}, read_rows = {.kind = WARD_READ_ROWS};
    read_jobs.jobs.jobs = jobs;
    read_jobs.jobs.n = 2;
    read_rows.rows.versions = under;
    read_rows.rows.counts = counts;
    read_rows.rows.n = 2;
    return ward_rekey_owed(&key, &read_jobs, &read_rows);
}

static void a_compromise_is_owed_a_run_that_began_after_it_and_is_done(void **state)
{
    (void)state;
    assert_int_equal(owed(WARD_KEY_COMPROMISED, 0, WARD_JOB_DONE, 29, 5), 2); /* before it */
    assert_int_equal(owed(WARD_KEY_COMPROMISED, 0, WARD_JOB_RUNNING, 31, 5), 2);
    assert_int_equal(owed(WARD_KEY_COMPROMISED, 0, WARD_JOB_STUCK, 31, 5), 2);
    assert_int_equal(owed(WARD_KEY_COMPROMISED, 0, WARD_JOB_SUPERSEDED, 31, 5), 2);
    assert_int_equal(owed(WARD_KEY_COMPROMISED, 0, WARD_JOB_DONE, 31, 5), 0);
    assert_int_equal(owed(WARD_KEY_COMPROMISED, 0, WARD_JOB_DONE, 29, 0), 0); /* no rows */
    assert_int_equal(owed(WARD_KEY_SUSPENDED, 0, WARD_JOB_DONE, 29, 5), 0);
    /* Waiting for its destruction: any run since it was made may be the one. */
    enum ward_key_state ends = WARD_KEY_PENDING_DESTRUCTION;
    assert_int_equal(owed(ends, WARD_KEY_COMPROMISED, WARD_JOB_DONE, 19, 5), 2);
    assert_int_equal(owed(ends, WARD_KEY_COMPROMISED, WARD_JOB_DONE, 25, 5), 0);
    assert_int_equal(owed(ends, WARD_KEY_DEACTIVATED, WARD_JOB_DONE, 19, 5), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_compromise_is_owed_a_run_that_began_after_it_and_is_done),
        T(only_officers_may_and_only_for_records),
        T(a_key_that_wraps_nothing_has_nowhere_to_go),
        T(a_guarded_key_waits_for_another_officer),
        T(who_lost_a_part_moves_nothing),
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
