/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's turn. It knows the order plan, crossing, finish, and what to do with a dead device;
 * it knows no operation and no row. */
#include "server/work/worker.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/log.h"
#include "server/work/attestation.h"
#include "server/work/budget.h"
#include "server/audit/entry.h"
#include "server/limits.h"
#include "proto/wire_limits.h"

ward_status ward_worker_add(struct ward_worker *worker, struct ward_request *request,
                            struct ward_kek_item **ret)
{
    WARD_ENSURE(worker->n_items < WARD_KEK_BATCH_MAX, WARD_E_EXHAUSTED);
    struct ward_kek_item *item = &worker->items[worker->n_items++];
    *item = (struct ward_kek_item){0};
    request->n_items++;
    *ret = item;
    return WARD_OK;
}

/* ---- counting wraps: the one place through which every wrap of a request goes ---- */

static bool wraps(const struct ward_kek_item *item)
{
    return item->verb == WARD_KEK_WRAP || item->verb == WARD_KEK_REWRAP;
}

/* The need that an item is part of. Items of one key mostly follow each other. */
static struct ward_budget_need *need_of(struct ward_budget_need *needs, size_t n,
                                        const struct ward_kek_item *item)
{
    for (size_t i = n; i-- > 0;) {
        if (needs[i].key.version == item->key.version &&
            ward_id_eq(&needs[i].key.id, &item->key.id)) {
            return &needs[i];
        }
    }
    return NULL;
}

static size_t sum_up(struct ward_worker *worker, const struct ward_request *request)
{
    size_t n = 0;
    for (size_t i = 0; i < request->n_items; i++) {
        const struct ward_kek_item *item = ward_worker_item(worker, request, i);
        if (!wraps(item)) {
            continue;
        }
        struct ward_budget_need *need = need_of(worker->needs, n, item);
        if (need == NULL) {
            need = &worker->needs[n++];
            *need = (struct ward_budget_need){.key = item->key};
        }
        need->n++;
    }
    return n;
}

static void refuse_spent(struct ward_worker *worker, const struct ward_request *request,
                         struct ward_budget_need *needs, size_t n)
{
    bool all = true;
    for (size_t i = 0; i < n; i++) {
        all = all && ward_ok(needs[i].status);
    }
    for (size_t i = 0; !all && i < request->n_items; i++) {
        struct ward_kek_item *item = ward_worker_item(worker, request, i);
        if (wraps(item)) {
            item->status = need_of(needs, n, item)->status;
        }
    }
}

/* Its items and what they want are put aside until the reader has reserved it. */
static ward_status set_aside(struct ward_worker *worker, struct ward_request *request, size_t n)
{
    struct ward_budget_ask *ask = WARD_ARENA_NEW(request->arena, struct ward_budget_ask);
    WARD_ENSURE(ask != NULL, WARD_E_EXHAUSTED);
    ask->n_needs = n;
    ask->n_items = request->n_items;
    ask->needs = WARD_ARENA_ARRAY(request->arena, struct ward_budget_need, n);
    ask->items = WARD_ARENA_ARRAY(request->arena, struct ward_kek_item, request->n_items);
    WARD_ENSURE(ask->needs != NULL && ask->items != NULL, WARD_E_EXHAUSTED);
    memcpy(ask->needs, worker->needs, n * sizeof(*ask->needs));
    memcpy(ask->items, ward_worker_item(worker, request, 0), ask->n_items * sizeof(*ask->items));
    request->ask = ask;
    return WARD_OK;
}

static void charge(struct ward_worker *worker, struct ward_request *request)
{
    size_t n = sum_up(worker, request);
    if (n == 0) {
        return;
    }
    if (ward_budget_take(worker->pipeline->budget, worker->needs, n)) {
        refuse_spent(worker, request, worker->needs, n);
        return;
    }
    request->status = set_aside(worker, request, n);
    worker->n_items = request->first_item;
    request->n_items = 0;
}

/* It comes back from the reader. */
static void take_up(struct ward_worker *worker, struct ward_request *request)
{
    struct ward_budget_ask *ask = request->ask;
    memcpy(&worker->items[worker->n_items], ask->items, ask->n_items * sizeof(*ask->items));
    request->n_items = ask->n_items;
    worker->n_items += ask->n_items;
    refuse_spent(worker, request, ask->needs, ask->n_needs);
    request->ask = NULL;
}

static void plan(struct ward_worker *worker, struct ward_request *request)
{
    ward_pipeline_check_caller(worker->pipeline, request);
    const struct ward_step *step = ward_pipeline_step(request);
    request->first_item = worker->n_items;
    request->n_items = 0;
    if (step != NULL && request->ask != NULL) {
        take_up(worker, request);
        return;
    }
    if (step != NULL && step->plan != NULL) {
        request->status = step->plan(request, worker);
        if (!ward_ok(request->status)) {
            worker->n_items = request->first_item;
            request->n_items = 0;
        }
    }
    if (request->n_items > 0 && worker->pipeline->budget != NULL) {
        charge(worker, request);
    }
}

static ward_status vouched_for(const struct ward_worker *worker, const struct ward_kek_item *item)
{
    WARD_TRY(item->status); /* refused already */
    struct ward_attestation *attestation = worker->pipeline->attestation;
    if (attestation == NULL) {
        return WARD_OK;
    }
    WARD_TRY(ward_attestation_allows(attestation, &item->key));
    return item->verb == WARD_KEK_REWRAP ? ward_attestation_allows(attestation, &item->from)
                                         : WARD_OK;
}

/* All items in one crossing, but for those that are refused: the rest is then run in the pieces
 * between them. */
static ward_status run_items(struct ward_worker *worker)
{
    size_t from = 0;
    for (size_t i = 0; i <= worker->n_items; i++) {
        ward_status refused =
            i == worker->n_items ? WARD_OK : vouched_for(worker, &worker->items[i]);
        if (i < worker->n_items && ward_ok(refused)) {
            continue;
        }
        if (i > from) {
            WARD_TRY(ward_kek_run(worker->session, &worker->items[from], i - from));
        }
        if (i < worker->n_items) {
            worker->items[i].status = refused;
        }
        from = i + 1;
    }
    return WARD_OK;
}

/* Whether a wrap is proven to open is the daemon's setting, not an operation's: see hsm.wrap_proof.
 */
static void ask_for_proof(struct ward_worker *worker)
{
    for (size_t i = 0; i < worker->n_items; i++) {
        worker->items[i].proof = wraps(&worker->items[i]) && !worker->pipeline->without_proof;
    }
}

/* How much must wait before a spare worker joins: as much as this one's device does in a while. */
static void learn_pace(struct ward_worker *worker, int64_t spent_us)
{
    if (worker->spare || worker->n_items < WARD_PACE_ITEMS_MIN) {
        return;
    }
    double pace = (double)spent_us / (double)worker->n_items;
    worker->us_per_item = worker->us_per_item == 0 ? pace : worker->us_per_item * 0.9 + pace * 0.1;
    double weight = WARD_SPARE_AFTER_US / (worker->us_per_item + 0.01);
    ward_queue_spare_from(&worker->pipeline->work, (size_t)weight + 1);
}

static void cross(struct ward_worker *worker)
{
    if (worker->n_items == 0) {
        return;
    }
    ask_for_proof(worker);
    int64_t began_us = ward_monotonic_us(worker->pipeline->clock);
    ward_status status = run_items(worker);
    learn_pace(worker, ward_monotonic_us(worker->pipeline->clock) - began_us);
    bool away = !ward_ok(status);
    if (away) {
        ward_log_status(WARD_LOG_WARN,
                        "the HSM did not answer a batch; its requests get UNAVAILABLE", status);
        for (size_t i = 0; i < worker->n_items; i++) {
            worker->items[i].status = WARD_STATUS(WARD_E_UNAVAILABLE);
        }
    } else {
        for (size_t i = 0; i < worker->n_items; i++) {
            away |= worker->items[i].status.code == WARD_E_UNAVAILABLE;
        }
    }
    atomic_store_explicit(&worker->device_ok, !away, memory_order_relaxed);
}

static void finish(struct ward_worker *worker, struct ward_request *request,
                   struct ward_routes *routes)
{
    const struct ward_step *step = ward_pipeline_step(request);
    if (step != NULL && step->finish != NULL) {
        request->status = step->finish(request, worker);
    }
    if (ward_pipeline_is_final(request)) {
        ward_entry_describe(request, worker->crypto.digest);
    }
    ward_pipeline_after_work(request, routes);
}

/* Requests are planned until the next one might not fit into the batch of items. */
static void turn(struct ward_worker *worker, struct ward_request **requests, size_t n)
{
    struct ward_routes routes = {0};
    for (size_t done = 0; done < n;) {
        size_t end = done;
        worker->n_items = 0;
        while (end < n && worker->n_items + 2 * WARD_BATCH_ITEMS_MAX <= WARD_KEK_BATCH_MAX) {
            plan(worker, requests[end++]);
        }
        cross(worker);
        for (; done < end; done++) {
            if (requests[done]->ask != NULL && ward_ok(requests[done]->status)) {
                ward_pipeline_wants_wraps(requests[done], &routes);
            } else {
                finish(worker, requests[done], &routes);
            }
        }
        OPENSSL_cleanse(worker->items, worker->n_items * sizeof(*worker->items));
    }
    ward_pipeline_flush(worker->pipeline, &routes);
}

static bool take(struct ward_worker *worker, struct ward_list *ret)
{
    struct ward_queue *work = &worker->pipeline->work;
    return worker->spare ? ward_queue_pop_spare(work, WARD_WORK_BATCH_MAX, ret)
                         : ward_queue_pop(work, WARD_WORK_BATCH_MAX, ret);
}

/* What was decided before the worker let go of keys could bring a copy of one back. */
static bool outdated(const struct ward_worker *worker, const struct ward_request *request)
{
    return ward_ok(request->status) && (request->step == 0 || !request->op->alone) &&
           request->state->epoch < worker->settled_epoch;
}

static void *run(void *argument)
{
    struct ward_worker *worker = argument;
    struct ward_request *requests[WARD_WORK_BATCH_MAX];
    struct ward_list batch = {0};
    while (take(worker, &batch)) {
        ward_worker_settle(worker);
        size_t n = 0;
        struct ward_routes again = {0};
        for (struct ward_link *link; (link = ward_list_pop(&batch)) != NULL;) {
            struct ward_request *request = WARD_CONTAINER(link, struct ward_request, link);
            if (outdated(worker, request)) {
                ward_pipeline_again(worker->pipeline, request, true, &again);
            } else {
                requests[n++] = request;
            }
        }
        ward_pipeline_flush(worker->pipeline, &again);
        turn(worker, requests, n);
    }
    return NULL;
}

static void worker_free(struct ward_worker *worker)
{
    ward_kek_session_close(worker->session);
    ward_aead_free(worker->crypto.aead);
    ward_digest_free(worker->crypto.digest);
    free(worker->items);
    free(worker->needs);
    free(worker);
}

ward_status ward_worker_new(struct ward_pipeline *pipeline, struct ward_kek_session *take_session,
                            bool spare, struct ward_worker **ret)
{
    struct ward_worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL) {
        ward_kek_session_close(take_session);
        WARD_FAIL(WARD_E_EXHAUSTED);
    }
    worker->pipeline = pipeline;
    worker->session = take_session;
    worker->spare = spare;
    worker->settled_wall_us = ward_wall_us(pipeline->clock);
    worker->items = calloc(WARD_KEK_BATCH_MAX, sizeof(*worker->items));
    atomic_init(&worker->device_ok, true);
    worker->needs = calloc(WARD_KEK_BATCH_MAX, sizeof(*worker->needs));
    bool room = worker->items != NULL && worker->needs != NULL;
    ward_status status = room ? WARD_OK : WARD_STATUS(WARD_E_EXHAUSTED);
    if (ward_ok(status)) {
        status = ward_aead_new(&worker->crypto.aead);
    }
    if (ward_ok(status)) {
        status = ward_digest_new(&worker->crypto.digest);
    }
    if (!ward_ok(status)) {
        worker_free(worker);
        return status;
    }
    *ret = worker;
    return WARD_OK;
}

ward_status ward_worker_start(struct ward_worker *worker)
{
    WARD_ENSURE(pthread_create(&worker->thread, NULL, run, worker) == 0, WARD_E_EXHAUSTED);
    return WARD_OK;
}

void ward_worker_join(struct ward_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    if (worker->thread != 0) {
        (void)pthread_join(worker->thread, NULL);
    }
    worker_free(worker);
}
