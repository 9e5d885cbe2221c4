/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the stages, and nothing else: no crypto, no rows, no wire. Refusals and failures
 * take the same way as everything else, so that there is no second exit where an entry could be
 * forgotten. */
#include "server/rpc/pipeline.h"

#include "server/limits.h"
#include "server/replay.h"

static uint32_t weigh(const struct ward_link *link)
{
    return WARD_CONTAINER(link, const struct ward_request, link)->cost;
}

void ward_pipeline_init(struct ward_pipeline *pipeline, struct ward_state_slot *states,
                        const struct ward_clock *clock)
{
    *pipeline = (struct ward_pipeline){.states = states, .clock = clock};
    ward_queue_init(&pipeline->reads, WARD_QUEUE_MAX);
    ward_queue_init(&pipeline->work, WARD_QUEUE_MAX);
    pipeline->work.weigh = weigh;
    ward_queue_init(&pipeline->commits, WARD_QUEUE_MAX);
}

void ward_pipeline_fini(struct ward_pipeline *pipeline)
{
    ward_queue_fini(&pipeline->reads);
    ward_queue_fini(&pipeline->work);
    ward_queue_fini(&pipeline->commits);
}

const struct ward_step *ward_pipeline_step(const struct ward_request *request)
{
    bool stepless =
        request->op == NULL || request->replayed || request->step >= request->op->n_steps;
    return !ward_ok(request->status) || stepless ? NULL : &request->op->steps[request->step];
}

bool ward_pipeline_is_final(const struct ward_request *request)
{
    return ward_pipeline_step(request) == NULL || request->last ||
           request->step + 1 >= request->op->n_steps;
}

void ward_pipeline_check_caller(struct ward_pipeline *pipeline, struct ward_request *request)
{
    if (!ward_ok(request->status) || request->step > 0) {
        return; /* what has begun is finished: never half-way */
    }
    if (request->deadline_us != 0 && ward_monotonic_us(pipeline->clock) >= request->deadline_us) {
        request->status = WARD_STATUS(WARD_E_DEADLINE);
        pipeline->expired++;
    } else if (request->cancelled != NULL &&
               atomic_load_explicit(request->cancelled, memory_order_relaxed)) {
        request->status = WARD_STATUS(WARD_E_CANCELLED);
        pipeline->cancelled++;
    }
}

/* Was it answered before? Asked before anything is done for it, and only when its caller may ask
 * for it now. What the world has become since does not matter: a key that is there now is there
 * because of this very request, perhaps. */
static bool asks_for_replay(const struct ward_request *request)
{
    enum ward_code code = (enum ward_code)request->status.code;
    return request->naming != NULL && request->step == 0 && request->ask == NULL &&
           !request->undecodable &&
           (code == WARD_E_OK || code == WARD_E_EXISTS || code == WARD_E_STATE ||
            code == WARD_E_NOT_FOUND);
}

static void begin_step(struct ward_request *request, struct ward_routes *routes)
{
    if (request->step == 0) {
        ward_replay_reset(request);
    }
    const struct ward_step *step = ward_pipeline_step(request);
    request->n_reads = 0;
    request->n_items = 0;
    request->ask = NULL;
    if ((step != NULL && step->read != NULL) || asks_for_replay(request)) {
        ward_list_push(&routes->reads, &request->link);
    } else if (step != NULL && (step->plan != NULL || step->finish != NULL)) {
        ward_list_push(&routes->work, &request->link);
    } else {
        ward_list_push(&routes->commits, &request->link);
    }
}

static void renew_state(struct ward_pipeline *pipeline, struct ward_request *request)
{
    ward_state_unref(request->state);
    request->state = ward_state_slot_get(pipeline->states);
}

static uint32_t cost_of(const struct ward_request *request)
{
    bool counts = !request->undecodable && request->op != NULL && request->op->cost != NULL;
    return counts ? request->op->cost(request) : 1;
}

static bool is_urgent(const struct ward_request *request)
{
    return !request->undecodable && request->op != NULL && request->op->urgent != NULL &&
           request->op->urgent(request);
}

/* Within the limits of its roles? What is not is answered at once and has no entry of its own: the
 * throttle counts it for one. Charged once, whatever becomes of the request. */
static bool admitted(struct ward_pipeline *pipeline, struct ward_request *request)
{
    if (pipeline->throttle == NULL || request->peer == NULL) {
        return true;
    }
    struct ward_bytes identity = ward_bytes_str(request->peer->identity);
    const struct ward_subject *subject = ward_policy_subject(request->state->policy, identity);
    const struct ward_limits *limits = subject == NULL ? NULL : ward_subject_limits(subject);
    if (limits == NULL) {
        return true;
    }
    const struct ward_throttle_ask ask = {.limits = limits,
                                          .identity = identity,
                                          .cost = request->cost,
                                          .urgent = limits->per_day != 0 && is_urgent(request),
                                          .now_us = request->received_us,
                                          .wall_us = request->received_wall_us};
    ward_status status = ward_throttle_take(pipeline->throttle, &ask, &request->retry_after_ms);
    if (!ward_ok(status)) {
        request->status = status;
        request->refused = request->undecodable = true; /* no decision changes that */
    }
    if (status.code == WARD_E_DENIED) { /* how many it may be in one */
        request->n_detail = 0;
        ward_request_detail(request, "batch", limits->batch);
        request->tells_detail = true;
    }
    return status.code != WARD_E_EXHAUSTED;
}

/* Under the state that the request holds. */
static void decide(struct ward_request *request)
{
    request->n_leaf_bodies = 0;
    request->alarm = WARD_ALARM_NONE;
    request->action = request->op == NULL ? WARD_ACTION_NONE : request->op->action;
    request->rule = NULL; /* these named rules of the policy before */
    request->n_leaf_items = 0;
    if (request->peer != NULL && ward_state_revoked(request->state, request->peer)) {
        request->n_detail = 0;
        request->status = WARD_REFUSAL(WARD_E_DENIED, "identity: revoked");
        request->refused = true;
        return;
    }
    if (request->op == NULL || request->undecodable) {
        return;
    }
    request->n_detail = 0;
    request->tells_detail = false;
    request->told = WARD_OK;
    request->last = false;
    request->status = request->op->decide == NULL ? WARD_OK : request->op->decide(request);
    request->refused = !ward_ok(request->status);
}

/* Whom the jobs make way for. */
static void count_caller(struct ward_pipeline *pipeline, const struct ward_request *request)
{
    const struct ward_step *step = ward_pipeline_step(request);
    if (request->peer != NULL && step != NULL && step->plan != NULL) {
        atomic_fetch_add_explicit(&pipeline->callers, 1, memory_order_relaxed);
    }
}

void ward_pipeline_submit(struct ward_pipeline *pipeline, struct ward_list *requests)
{
    struct ward_routes routes = {0};
    for (struct ward_link *link; (link = ward_list_pop(requests)) != NULL;) {
        struct ward_request *request = WARD_CONTAINER(link, struct ward_request, link);
        request->undecodable = !ward_ok(request->status);
        request->refused = request->undecodable;
        request->cost = cost_of(request);
        request->received_us = ward_monotonic_us(pipeline->clock);
        request->received_wall_us = ward_wall_us(pipeline->clock);
        renew_state(pipeline, request);
        if (!admitted(pipeline, request)) {
            pipeline->throttled++;
            ward_pipeline_done(pipeline, request, &routes);
            continue;
        }
        decide(request);
        count_caller(pipeline, request);
        begin_step(request, &routes);
    }
    ward_pipeline_flush(pipeline, &routes);
}

bool ward_pipeline_read(struct ward_request *request, struct ward_digest *digest)
{
    const struct ward_step *step = ward_pipeline_step(request);
    bool asks = asks_for_replay(request);
    ward_status status = step != NULL && step->read != NULL ? step->read(request, digest) : WARD_OK;
    if (ward_ok(status) && asks) {
        status = ward_replay_read(request, digest);
    }
    if (!ward_ok(status)) {
        request->status = status;
        return false;
    }
    return step != NULL || asks;
}

static void look_for_replay(struct ward_request *request)
{
    ward_status status = ward_replay_found(request);
    if (request->replayed) {
        request->status = request->told = WARD_OK;
        request->refused = false;
    } else if (!ward_ok(status)) {
        request->status = status;
        request->refused = status.code == WARD_E_INVALID || status.code == WARD_E_DENIED;
    }
}

void ward_pipeline_after_read(struct ward_request *request, struct ward_routes *routes)
{
    if (asks_for_replay(request)) {
        look_for_replay(request);
    }
    const struct ward_step *step = ward_pipeline_step(request);
    if (step != NULL && (step->plan != NULL || step->finish != NULL)) {
        ward_list_push(&routes->work, &request->link);
    } else {
        ward_list_push(&routes->commits, &request->link);
    }
}

/* One whose answer cannot be kept does not run; what has changed the HSM already does, since its
 * rows alone forbid a second time. What failed in all its items changed nothing to be kept. */
static void keep_answer(struct ward_request *request)
{
    if (request->naming == NULL || ward_pipeline_step(request) == NULL ||
        !ward_pipeline_is_final(request) || !ward_ok(request->told)) {
        return;
    }
    ward_status status = ward_replay_keep(request);
    if (!ward_ok(status) && request->step == 0) {
        request->status = status;
        request->n_leaf_bodies = 0; /* told anew */
    }
}

void ward_pipeline_wants_wraps(struct ward_request *request, struct ward_routes *routes)
{
    ward_list_push(&routes->reads, &request->link);
}

void ward_pipeline_after_work(struct ward_request *request, struct ward_routes *routes)
{
    keep_answer(request);
    ward_list_push(&routes->commits, &request->link);
}

void ward_pipeline_after_commit(struct ward_pipeline *pipeline, struct ward_request *request,
                                struct ward_routes *routes)
{
    if (ward_pipeline_is_final(request)) {
        ward_pipeline_done(pipeline, request, routes);
        return;
    }
    request->step++;
    begin_step(request, routes);
}

void ward_pipeline_again(struct ward_pipeline *pipeline, struct ward_request *request,
                         bool from_step0, struct ward_routes *routes)
{
    unsigned step = request->step;
    bool last = request->last;
    size_t n_detail = request->n_detail;
    if (request->redecided++ >= WARD_REDECIDE_MAX) {
        request->status = WARD_STATUS(WARD_E_UNAVAILABLE);
        request->refused = false;
        request->n_leaf_bodies = 0;
        ward_list_push(&routes->commits, &request->link);
        return;
    }
    request->step = from_step0 ? 0 : step;
    renew_state(pipeline, request);
    decide(request);
    if (from_step0 || !ward_ok(request->status)) {
        begin_step(request, routes);
        return;
    }
    request->last = last;
    request->n_detail = n_detail;
    ward_list_push(&routes->commits, &request->link);
}

void ward_pipeline_done(struct ward_pipeline *pipeline, struct ward_request *request,
                        struct ward_routes *routes)
{
    if (ward_ok(request->status) && ward_ok(request->told)) {
        ward_alarm_raise(&pipeline->alarms, request->alarm,
                         request->peer == NULL ? NULL : request->peer->identity,
                         request->alarm_text);
        pipeline->allowed++;
    } else if (request->refused) {
        pipeline->refused++;
    } else {
        pipeline->failed++;
    }
    pipeline->latency_us +=
        (unsigned long long)(ward_monotonic_us(pipeline->clock) - request->received_us);
    pipeline->completed++;
    ward_list_push(&routes->done, &request->link);
}

/* A full queue: refused at once, which still wants its entry. What has changed something already
 * goes on all the same, unless we are shutting down. */
static void overload(struct ward_pipeline *pipeline, struct ward_queue *queue,
                     struct ward_list *left, struct ward_routes *routes)
{
    struct ward_list begun = {0};
    for (struct ward_link *link; (link = ward_list_pop(left)) != NULL;) {
        struct ward_request *request = WARD_CONTAINER(link, struct ward_request, link);
        if (request->step > 0) {
            ward_list_push(&begun, link);
            continue;
        }
        request->status =
            WARD_REFUSAL(WARD_E_EXHAUSTED, "server: too many requests wait; try again later");
        request->refused = true;
        request->retry_after_ms = WARD_OVERLOAD_RETRY_MS;
        pipeline->overloaded++;
        ward_list_push(&routes->commits, link);
    }
    ward_queue_push(queue, &begun, true);
    for (struct ward_link *link; (link = ward_list_pop(&begun)) != NULL;) {
        WARD_CONTAINER(link, struct ward_request, link)->status = WARD_STATUS(WARD_E_UNAVAILABLE);
        ward_list_push(&routes->commits, link);
    }
}

static void finish(struct ward_pipeline *pipeline, struct ward_list *done)
{
    struct ward_list answers = {0};
    for (struct ward_link *link; (link = ward_list_pop(done)) != NULL;) {
        struct ward_request *request = WARD_CONTAINER(link, struct ward_request, link);
        if (request->done != NULL) {
            request->done(request, request->done_context);
        } else {
            ward_list_push(&answers, &request->link);
        }
    }
    if (answers.size > 0) {
        pipeline->complete(pipeline->complete_context, &answers);
    }
}

void ward_pipeline_flush(struct ward_pipeline *pipeline, struct ward_routes *routes)
{
    ward_queue_push(&pipeline->reads, &routes->reads, false);
    overload(pipeline, &pipeline->reads, &routes->reads, routes);
    ward_queue_push(&pipeline->work, &routes->work, false);
    overload(pipeline, &pipeline->work, &routes->work, routes);
    ward_queue_push(&pipeline->commits, &routes->commits, true);
    for (struct ward_link *link;
         (link = ward_list_pop(&routes->commits)) != NULL;) { /* closed: shutting down */
        struct ward_request *request = WARD_CONTAINER(link, struct ward_request, link);
        request->status = WARD_STATUS(WARD_E_UNAVAILABLE);
        ward_list_push(&routes->done, &request->link);
    }
    finish(pipeline, &routes->done);
}
