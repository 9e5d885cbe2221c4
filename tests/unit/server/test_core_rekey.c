/* SPDX-License-Identifier: Apache-2.0 */
/* The rekey: who may ask for it, what waits for approval, who moves a part of it, and when one is
 * owed. */
#include "server/limits.h"
#include "tests/unit/server/core_rekey.h"

static void propose(struct core_proposal *ret)
{
    struct ward_request *request = rekey_ask(&rekey.world.officer_a, GUARDED);
    assert_ok(core_run(&rekey.node, request));
    core_take_proposal(((struct ward_key_rekey *)request->in)->proposal, ret);
    ward_request_free(request);
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
        {&rekey.world.app, KEY, WARD_E_DENIED},
        {&rekey.world.auditor, KEY, WARD_E_DENIED},
        {&rekey.world.stranger, KEY, WARD_E_DENIED},
        {&rekey.world.officer_a, "phi/none", WARD_E_NOT_FOUND},
        {&rekey.world.officer_a, "app/keys", WARD_E_STATE},
        {&rekey.world.officer_a, "Not A Name", WARD_E_INVALID},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ward_request *request = rekey_ask(cases[i].somebody, cases[i].key);
        assert_code(core_run(&rekey.node, request), cases[i].code);
        assert_true(request->refused);
        ward_request_free(request);
    }
    struct ward_store_job job;
    assert_false(core_rewrap_job(&rekey.world, &job));
    assert_string_equal(rekey_progress(KEY).state, "none");
}

static void a_key_that_wraps_nothing_has_nowhere_to_go(void **state)
{
    (void)state;
    rekey_fill(0, 1, 1);
    static const struct {
        uint8_t from, to;
        enum ward_code code;
    } moves[] = {{WARD_KEY_ACTIVE, WARD_KEY_SUSPENDED, WARD_E_STATE},
                 {WARD_KEY_SUSPENDED, WARD_KEY_COMPROMISED, WARD_E_UNAVAILABLE}}; /* one comes */
    for (unsigned i = 0; i < 2; i++) {
        core_set_state(&rekey.node, KEY, 1, moves[i].from, moves[i].to);
        core_node_refresh_now(&rekey.node);
        struct ward_request *request = rekey_ask(&rekey.world.officer_a, KEY);
        assert_code(core_run(&rekey.node, request), moves[i].code);
        ward_request_free(request);
    }
    assert_string_equal(rekey_progress(KEY).state, "none");
}

static void stands(const struct core_proposal *proposal, const char *why_not)
{
    struct ward_request *request =
        core_vote_with(&rekey.world, &rekey.world.officer_b, &ward_op_approval_show, &proposal->id,
                       (struct ward_bytes){0});
    assert_ok(core_run(&rekey.node, request));
    const struct ward_proposal_standing *standing =
        &((const struct ward_approval *)request->in)->proposal.standing;
    assert_string_equal(standing->cannot_run == NULL ? "" : standing->cannot_run, why_not);
    ward_request_free(request);
    request = core_request(&rekey.world, &rekey.world.officer_b, &ward_op_approval_list,
                           sizeof(struct ward_approval_list));
    struct ward_approval_list *list = request->in;
    list->page_size = 100;
    assert_ok(core_run(&rekey.node, request));
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
    rekey_put("notes", "patient-1", 2, rekey_texts[0]);
    propose(&first);
    propose(&other);
    assert_string_equal(rekey_progress(GUARDED).state, "none");
    stands(&other, "");
    assert_ok(core_run_free(&rekey.node, core_vote(&rekey.world, &rekey.world.officer_a,
                                                   &ward_op_approval_submit, &first)));
    assert_code(core_run_free(&rekey.node, core_vote(&rekey.world, &rekey.world.officer_a,
                                                     &ward_op_approval_approve, &first)),
                WARD_E_DENIED);
    assert_string_equal(rekey_progress(GUARDED).state, "none");
    struct ward_request *last =
        core_vote(&rekey.world, &rekey.world.officer_b, &ward_op_approval_approve, &first);
    assert_ok(core_run(&rekey.node, last));
    struct core_log log;
    core_log_open(&log, &rekey.world);
    const json_t *entry = core_log_one(&log, last->request_id);
    assert_string_equal(core_detail(entry, "executed"), "key.rekey");
    assert_int_equal(core_detail_number(entry, "run"), 1);
    assert_int_equal(core_detail_number(entry, "records"), 2);
    core_log_close(&log);
    ward_request_free(last);
    struct ward_job_view job = rekey_progress(GUARDED);
    assert_string_equal(job.state, "running");
    assert_int_equal(job.version, 1);
    assert_int_equal(job.total, 2);

    /* The other one was made for a run that is there now; nor is one proposed beside it. */
    stands(&other, "the key has moved on since it was made; propose again");
    assert_ok(core_run_free(&rekey.node, core_vote(&rekey.world, &rekey.world.officer_a,
                                                   &ward_op_approval_submit, &other)));
    assert_code(core_run_free(&rekey.node, core_vote(&rekey.world, &rekey.world.officer_b,
                                                     &ward_op_approval_approve, &other)),
                WARD_E_STATE);
    struct ward_request *again = rekey_ask(&rekey.world.officer_a, GUARDED);
    assert_code(core_run(&rekey.node, again), WARD_E_STATE);
    ward_request_free(again);
}

static void who_lost_a_part_moves_nothing(void **state)
{
    (void)state;
    rekey_fill(0, 10, 1);
    assert_int_equal(rekey_begin().total, 10);
    struct ward_store_job job;
    struct ward_job_place place, taken;
    struct ward_job_page done;
    assert_true(core_rewrap_job(&rekey.world, &job));
    assert_true(core_rewrap_claim(&rekey.node, &job, &place));
    assert_false(core_rewrap_claim(&rekey.second, &job, &taken));
    rekey.world.clock.ahead_us += WARD_JOB_LEASE_US + 1;
    assert_true(core_rewrap_claim(&rekey.second, &job, &taken));
    assert_ok(rekey_page(&rekey.second, &job, &taken, 4, &done));
    assert_int_equal(done.rows, 4);
    assert_code(rekey_page(&rekey.node, &job, &place, 4, &done), WARD_E_CONFLICT);
    assert_int_equal(rekey_told("rekeyed"), 4);
    assert_int_equal(rekey_progress(KEY).done, 4);
    rekey_reads_back(0, 10, 1);
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
#define T(name) cmocka_unit_test_setup_teardown(name, rekey_start, rekey_stop)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_compromise_is_owed_a_run_that_began_after_it_and_is_done),
        T(only_officers_may_and_only_for_records),
        T(a_key_that_wraps_nothing_has_nowhere_to_go),
        T(a_guarded_key_waits_for_another_officer),
        T(who_lost_a_part_moves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
