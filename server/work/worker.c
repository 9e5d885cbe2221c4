/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's turn. It knows the order plan, crossing, finish, and what to do with a dead device;
 * it knows no operation and no row. */
#include "server/work/worker.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/log.h"
#include "server/work/attestation.h"
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

static void plan(struct ward_worker *worker, struct ward_request *request)
{
    ward_pipeline_check_caller(worker->pipeline, request);
    const struct ward_step *step = ward_pipeline_step(request);
    request->first_item = worker->n_items;
    request->n_items = 0;
    if (step != NULL && step->plan != NULL) {
        request->status = step->plan(request, worker);
        if (!ward_ok(request->status)) {
            worker->n_items = request->first_item;
            request->n_items = 0;
        }
    }
}

static ward_status vouched_for(const struct ward_worker *worker, const struct ward_kek_item *item)
{
    struct ward_attestation *attestation = worker->pipeline->attestation;
    if (attestation == NULL) {
        return WARD_OK;
    }
    WARD_TRY(ward_attestation_allows(attestation, &item->key));
    return item->verb == WARD_KEK_REWRAP ? ward_attestation_allows(attestation, &item->from)
                                         : WARD_OK;
}

/* All items in one crossing, but for those whose key the HSM no longer vouches for: the rest is
 * then run in the pieces between them. */
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

static void cross(struct ward_worker *worker)
{
    if (worker->n_items == 0) {
        return;
    }
    ward_status status = run_items(worker);
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
            finish(worker, requests[done], &routes);
        }
        OPENSSL_cleanse(worker->items, worker->n_items * sizeof(*worker->items));
    }
    ward_pipeline_flush(worker->pipeline, &routes);
}

static void *run(void *argument)
{
    struct ward_worker *worker = argument;
    struct ward_request *requests[WARD_WORK_BATCH_MAX];
    struct ward_list batch = {0};
    while (ward_queue_pop(&worker->pipeline->work, WARD_WORK_BATCH_MAX, &batch)) {
        size_t n = 0;
        for (struct ward_link *link; (link = ward_list_pop(&batch)) != NULL;) {
            requests[n++] = WARD_CONTAINER(link, struct ward_request, link);
        }
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
    free(worker);
}

ward_status ward_worker_new(struct ward_pipeline *pipeline, struct ward_kek_session *take_session,
                            struct ward_worker **ret)
{
    struct ward_worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL) {
        ward_kek_session_close(take_session);
        WARD_FAIL(WARD_E_EXHAUSTED);
    }
    worker->pipeline = pipeline;
    worker->session = take_session;
    worker->items = calloc(WARD_KEK_BATCH_MAX, sizeof(*worker->items));
    atomic_init(&worker->device_ok, true);
    ward_status status = worker->items == NULL ? WARD_STATUS(WARD_E_EXHAUSTED) : WARD_OK;
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
    WARD_ENSURE(pthread_create(&worker->thread, NULL, run, worker) == 0, WARD_E_UNAVAILABLE);
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
