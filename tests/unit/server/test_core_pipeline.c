/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the stages, without any stage: who is sent where, and that nobody is lost or let
 * past. */
#include "server/limits.h"
#include "tests/unit/server/core_daemon.h"

static struct core_world world;
static struct core_node node; /* its stages are gone; only its state is used */
static struct ward_pipeline pipeline;
static struct ward_list answers;
static ward_status decision;
static unsigned decided;

static ward_status decide(struct ward_request *request)
{
    (void)request;
    decided++;
    return decision;
}
static ward_status read_nothing(struct ward_request *request, struct ward_digest *digest)
{
    (void)request;
    (void)digest;
    return WARD_OK;
}
static ward_status plan_nothing(struct ward_request *request, struct ward_worker *worker)
{
    (void)request;
    (void)worker;
    return WARD_OK;
}
static ward_status commit_nothing(struct ward_request *request, struct ward_batch *batch)
{
    (void)request;
    (void)batch;
    return WARD_OK;
}

static const struct ward_op stepless = {.action = WARD_ACTION_KEY_LIST, .decide = decide};
static const struct ward_op full = {
    .action = WARD_ACTION_KEY_CREATE,
    .alone = true,
    .decide = decide,
    .steps = {{.read = read_nothing, .plan = plan_nothing, .commit = commit_nothing},
              {.finish = plan_nothing, .commit = commit_nothing},
              {.commit = commit_nothing}},
    .n_steps = 3};
static const struct ward_op only_commit = {
    .action = WARD_ACTION_KEY_CREATE, .steps = {{.commit = commit_nothing}}, .n_steps = 1};

static void complete(void *context, struct ward_list *requests)
{
    (void)context;
    ward_list_splice(&answers, requests);
}

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_node_drain(&node);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

static int before(void **state)
{
    (void)state;
    ward_pipeline_init(&pipeline, &node.states, &world.clock.base);
    pipeline.complete = complete;
    answers = (struct ward_list){0};
    decision = WARD_OK;
    decided = 0;
    return 0;
}

static int after(void **state)
{
    (void)state;
    ward_pipeline_fini(&pipeline);
    return 0;
}

static struct ward_request *submit(const struct ward_op *op)
{
    struct ward_request *request = core_request(&world, &world.app, op, 1);
    struct ward_list one = {0};
    ward_list_push(&one, &request->link);
    ward_pipeline_submit(&pipeline, &one);
    return request;
}

/* Stands in this queue and in no other; is taken out. */
static void stands_in(struct ward_queue *queue, const struct ward_request *request)
{
    struct ward_queue *all[] = {&pipeline.reads, &pipeline.work, &pipeline.commits};
    struct ward_list out = {0};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(ward_queue_size(all[i]), all[i] == queue ? 1 : 0);
    }
    ward_queue_poll(queue, 1, &out);
    assert_ptr_equal(out.head, &request->link);
}

static void a_request_takes_its_steps_in_order(void **state)
{
    (void)state;
    struct ward_routes routes = {0};
    struct ward_request *request = submit(&full);
    stands_in(&pipeline.reads, request);
    ward_pipeline_after_read(request, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    stands_in(&pipeline.work, request);
    ward_pipeline_after_work(request, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    stands_in(&pipeline.commits, request);
    assert_false(ward_pipeline_is_final(request));
    ward_pipeline_after_commit(&pipeline, request, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    assert_int_equal(request->step, 1);
    stands_in(&pipeline.work, request); /* no read in its second step */
    ward_pipeline_after_work(request, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    stands_in(&pipeline.commits, request);
    ward_pipeline_after_commit(&pipeline, request, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    stands_in(&pipeline.commits, request); /* rows alone in its third */
    assert_true(ward_pipeline_is_final(request));
    ward_pipeline_after_commit(&pipeline, request, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    assert_ptr_equal(answers.head, &request->link);
    assert_int_equal(pipeline.allowed, 1);
    ward_request_free(request);
}

static void a_refusal_goes_straight_to_its_entry(void **state)
{
    (void)state;
    decision = WARD_REFUSAL(WARD_E_DENIED, "policy: not allowed");
    struct ward_request *request = submit(&full);
    stands_in(&pipeline.commits, request);
    assert_true(request->refused && ward_pipeline_is_final(request));
    assert_null(ward_pipeline_step(request));
    struct ward_routes routes = {0};
    ward_pipeline_after_commit(&pipeline, request, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    assert_int_equal(answers.size, 1);
    assert_int_equal(pipeline.refused, 1);
    ward_request_free(request);
}

static void an_operation_without_steps_is_an_entry_alone(void **state)
{
    (void)state;
    struct ward_request *request = submit(&stepless);
    stands_in(&pipeline.commits, request);
    assert_true(ward_pipeline_is_final(request));
    ward_request_free(request);
    request = submit(&only_commit); /* which has no decision either */
    stands_in(&pipeline.commits, request);
    assert_non_null(ward_pipeline_step(request));
    ward_request_free(request);
}

static void a_failure_on_the_way_goes_to_its_entry(void **state)
{
    (void)state;
    struct ward_routes routes = {0};
    struct ward_request *request = submit(&full);
    stands_in(&pipeline.reads, request);
    request->status = WARD_STATUS(WARD_E_UNAVAILABLE);
    ward_pipeline_after_read(request, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    stands_in(&pipeline.commits, request);
    assert_true(ward_pipeline_is_final(request));
    ward_pipeline_after_commit(&pipeline, request, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    assert_int_equal(pipeline.failed, 1);
    ward_request_free(request);
}

static void what_could_not_be_decoded_is_never_decided(void **state)
{
    (void)state;
    struct ward_request *request = core_request(&world, &world.app, &full, 1);
    struct ward_list one = {0};
    request->status = WARD_REFUSAL(WARD_E_INVALID, "name: missing");
    ward_list_push(&one, &request->link);
    ward_pipeline_submit(&pipeline, &one);
    stands_in(&pipeline.commits, request);
    assert_int_equal(decided, 0);
    struct ward_routes routes = {0};
    ward_pipeline_again(&pipeline, request, true, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    stands_in(&pipeline.commits, request);
    assert_int_equal(decided, 0);
    assert_code(request->status, WARD_E_INVALID);
    ward_request_free(request);
}

static void deciding_again_starts_over(void **state)
{
    (void)state;
    struct ward_routes routes = {0};
    struct ward_request *request = submit(&full);
    stands_in(&pipeline.reads, request);
    request->step = 1;
    request->last = true;
    request->n_leaf_bodies = 1;
    ward_request_detail(request, "left over", 1);
    ward_pipeline_again(&pipeline, request, true, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    stands_in(&pipeline.reads, request);
    assert_int_equal(request->step, 0);
    assert_false(request->last);
    assert_int_equal(request->n_detail, 0);
    assert_int_equal(request->n_leaf_bodies, 0);
    assert_int_equal(decided, 2);
    ward_request_free(request);
}

static void after_the_effect_only_the_commit_is_made_again(void **state)
{
    (void)state;
    struct ward_routes routes = {0};
    struct ward_request *request = submit(&full);
    stands_in(&pipeline.reads, request);
    request->step = 1;
    request->n_leaf_bodies = 1;
    ward_request_detail(request, "kept", 1);
    ward_pipeline_again(&pipeline, request, false, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    stands_in(&pipeline.commits, request);
    assert_int_equal(request->step, 1);
    assert_int_equal(request->n_detail, 1);
    assert_int_equal(request->n_leaf_bodies, 0); /* told anew, under the new policy */
    decision = WARD_STATUS(WARD_E_DENIED);
    ward_pipeline_again(&pipeline, request, false, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    stands_in(&pipeline.commits, request);
    assert_true(request->refused);
    ward_request_free(request);
}

static void deciding_again_has_an_end(void **state)
{
    (void)state;
    struct ward_routes routes = {0};
    struct ward_request *request = submit(&full);
    stands_in(&pipeline.reads, request);
    for (unsigned i = 0; i < WARD_REDECIDE_MAX; i++) {
        ward_pipeline_again(&pipeline, request, true, &routes);
        ward_pipeline_flush(&pipeline, &routes);
        stands_in(&pipeline.reads, request);
    }
    ward_pipeline_again(&pipeline, request, true, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    stands_in(&pipeline.commits, request);
    assert_code(request->status, WARD_E_UNAVAILABLE);
    assert_false(request->refused);
    ward_request_free(request);
}

static void note_done(struct ward_request *request, void *context)
{
    *(struct ward_request **)context = request;
}

static void an_internal_request_is_handed_to_its_asker(void **state)
{
    (void)state;
    struct ward_request *done = NULL, *request = core_request(&world, NULL, &stepless, 1);
    struct ward_routes routes = {0};
    request->done = note_done;
    request->done_context = &done;
    ward_pipeline_done(&pipeline, request, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    assert_ptr_equal(done, request);
    assert_int_equal(answers.size, 0);
    ward_request_free(request);
}

/* At the very end there is no entry any more, and no answer but UNAVAILABLE. */
static void after_the_end_nothing_is_answered(void **state)
{
    (void)state;
    ward_queue_close(&pipeline.reads);
    ward_queue_close(&pipeline.work);
    ward_queue_close(&pipeline.commits);
    struct ward_request *request = submit(&full);
    assert_ptr_equal(answers.head, &request->link);
    assert_code(request->status, WARD_E_UNAVAILABLE);
    ward_request_free(request);
}

static struct ward_request *waiting(const struct ward_op *op)
{
    struct ward_list out = {0};
    struct ward_request *request = submit(op);
    ward_queue_poll(&pipeline.reads, 1, &out);
    return request;
}

static void who_still_waits_is_worked_for(void **state)
{
    (void)state;
    atomic_bool cancelled = false;
    struct ward_request *request = waiting(&full);
    ward_pipeline_check_caller(&pipeline, request); /* neither flag nor deadline */
    assert_ok(request->status);
    request->cancelled = &cancelled;
    request->deadline_us = INT64_MAX;
    ward_pipeline_check_caller(&pipeline, request);
    assert_ok(request->status);
    assert_int_equal(pipeline.cancelled + pipeline.expired, 0);
    ward_request_free(request);
}

static void who_has_gone_ends_with_an_entry_only(void **state)
{
    (void)state;
    atomic_bool cancelled = true;
    struct ward_routes routes = {0};
    struct ward_request *request = waiting(&full);
    request->cancelled = &cancelled;
    ward_pipeline_check_caller(&pipeline, request);
    assert_code(request->status, WARD_E_CANCELLED);
    assert_int_equal(pipeline.cancelled, 1);
    assert_true(ward_pipeline_is_final(request)); /* its entry comes next */
    assert_false(request->refused);
    ward_pipeline_check_caller(&pipeline, request); /* the next stage does not count it again */
    assert_int_equal(pipeline.cancelled, 1);
    ward_pipeline_after_read(request, &routes);
    ward_pipeline_flush(&pipeline, &routes);
    stands_in(&pipeline.commits, request);
    ward_request_free(request);
}

static void who_is_late_is_told_so(void **state)
{
    (void)state;
    struct ward_request *request = waiting(&full);
    request->deadline_us = ward_monotonic_us(pipeline.clock);
    ward_pipeline_check_caller(&pipeline, request);
    assert_code(request->status, WARD_E_DEADLINE);
    assert_int_equal(pipeline.expired, 1);
    ward_request_free(request);
}

static void what_has_begun_is_finished(void **state)
{
    (void)state;
    atomic_bool cancelled = true;
    struct ward_request *request = waiting(&full);
    request->cancelled = &cancelled;
    request->deadline_us = 1;
    request->step = 1;
    ward_pipeline_check_caller(&pipeline, request);
    assert_ok(request->status);
    ward_request_free(request);
}

static void a_refusal_stays_what_it_is_when_its_caller_goes(void **state)
{
    (void)state;
    atomic_bool cancelled = true;
    decision = WARD_STATUS(WARD_E_DENIED);
    struct ward_list out = {0};
    struct ward_request *request = submit(&full);
    ward_queue_poll(&pipeline.commits, 1, &out);
    request->cancelled = &cancelled;
    ward_pipeline_check_caller(&pipeline, request);
    assert_code(request->status, WARD_E_DENIED);
    ward_request_free(request);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, before, after)
    const struct CMUnitTest tests[] = {
        T(a_request_takes_its_steps_in_order),
        T(a_refusal_goes_straight_to_its_entry),
        T(an_operation_without_steps_is_an_entry_alone),
        T(a_failure_on_the_way_goes_to_its_entry),
        T(what_could_not_be_decoded_is_never_decided),
        T(deciding_again_starts_over),
        T(after_the_effect_only_the_commit_is_made_again),
        T(deciding_again_has_an_end),
        T(an_internal_request_is_handed_to_its_asker),
        T(after_the_end_nothing_is_answered),
        T(who_still_waits_is_worked_for),
        T(who_has_gone_ends_with_an_entry_only),
        T(who_is_late_is_told_so),
        T(what_has_begun_is_finished),
        T(a_refusal_stays_what_it_is_when_its_caller_goes),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
