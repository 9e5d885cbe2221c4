/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what the requests of a batch ask for, all at once, and reserves the wraps that some wait
 * for. It must not decrypt or decide, and writes nothing else. */
#include "server/work/reader.h"

#include <stdlib.h>

#include "base/log.h"
#include "server/limits.h"
#include "server/work/budget.h"

struct ward_reader {
    pthread_t thread;
    struct ward_pipeline *pipeline;
    struct ward_store_reader *store;
    struct ward_digest *digest;
    struct ward_read **reads; /* of the whole batch */
    size_t max_reads;
    struct ward_budget_round *round;
};

static ward_status room(struct ward_reader *reader, size_t n)
{
    if (n > reader->max_reads) {
        struct ward_read **more = reallocarray(reader->reads, n * 2, sizeof(*more));
        WARD_ENSURE(more != NULL, WARD_E_EXHAUSTED);
        reader->reads = more;
        reader->max_reads = n * 2;
    }
    return WARD_OK;
}

/* Its rows were read before; what it waits for is wraps. */
static ward_status ask(struct ward_reader *reader, struct ward_request *request)
{
    return ward_budget_round_add(reader->round, request->ask->needs, request->ask->n_needs,
                                 request->arena);
}

static ward_status ask_budget(struct ward_reader *reader, size_t *n_reads)
{
    size_t n = ward_budget_round_reads(reader->round);
    WARD_TRY(room(reader, *n_reads + n));
    for (size_t i = 0; i < n; i++) {
        reader->reads[(*n_reads)++] = ward_budget_round_read(reader->round, i);
    }
    return WARD_OK;
}

static ward_status add_reads(struct ward_reader *reader, struct ward_request *request, size_t from,
                             size_t *n_reads)
{
    WARD_TRY(room(reader, *n_reads + request->n_reads - from));
    for (size_t r = from; r < request->n_reads; r++) {
        request->reads[r]->arena = request->arena;
        reader->reads[(*n_reads)++] = request->reads[r];
    }
    return WARD_OK;
}

static ward_status add_more(struct ward_reader *reader, struct ward_request *request,
                            size_t *n_reads)
{
    const struct ward_step *step = ward_pipeline_step(request);
    size_t from = request->n_reads;
    if (step == NULL || step->read_more == NULL || request->ask != NULL) {
        return WARD_OK;
    }
    WARD_TRY(step->read_more(request));
    return add_reads(reader, request, from, n_reads);
}

/* What only the first answers could name: rare, and small. */
static ward_status read_more(struct ward_reader *reader, struct ward_request **requests, size_t n)
{
    size_t n_reads = 0;
    for (size_t i = 0; i < n; i++) {
        ward_status status = add_more(reader, requests[i], &n_reads);
        if (!ward_ok(status)) {
            requests[i]->status = status;
        }
    }
    return n_reads == 0 ? WARD_OK : ward_store_read(reader->store, reader->reads, n_reads);
}

static void read_batch(struct ward_reader *reader, struct ward_request **requests, size_t n)
{
    size_t n_reads = 0;
    ward_budget_round_begin(reader->round);
    for (size_t i = 0; i < n; i++) {
        ward_pipeline_check_caller(reader->pipeline, requests[i]);
        const struct ward_step *step = ward_pipeline_step(requests[i]);
        if (step != NULL && requests[i]->ask != NULL) {
            requests[i]->status = ask(reader, requests[i]);
            continue;
        }
        if (!ward_pipeline_read(requests[i], reader->digest)) {
            continue;
        }
        ward_status status = add_reads(reader, requests[i], 0, &n_reads);
        if (!ward_ok(status)) {
            requests[i]->status = status;
        }
    }
    ward_status status = ask_budget(reader, &n_reads);
    if (ward_ok(status) && n_reads > 0) {
        status = ward_store_read(reader->store, reader->reads, n_reads);
    }
    ward_budget_round_settle(reader->round);
    if (ward_ok(status)) {
        status = read_more(reader, requests, n);
    }
    if (!ward_ok(status)) {
        ward_log_status(WARD_LOG_WARN, "reading from the database failed", status);
        for (size_t i = 0; i < n; i++) {
            if (ward_ok(requests[i]->status)) {
                requests[i]->status = WARD_STATUS(WARD_E_UNAVAILABLE);
            }
        }
    }
}

static void *run(void *argument)
{
    struct ward_reader *reader = argument;
    struct ward_request *requests[WARD_READ_BATCH_MAX];
    struct ward_list batch = {0};
    while (ward_queue_pop(&reader->pipeline->reads, WARD_READ_BATCH_MAX, &batch)) {
        size_t n = 0;
        for (struct ward_link *link; (link = ward_list_pop(&batch)) != NULL;) {
            requests[n++] = WARD_CONTAINER(link, struct ward_request, link);
        }
        read_batch(reader, requests, n);
        struct ward_routes routes = {0};
        for (size_t i = 0; i < n; i++) {
            ward_pipeline_after_read(requests[i], &routes);
        }
        ward_pipeline_flush(reader->pipeline, &routes);
    }
    return NULL;
}

ward_status ward_reader_start(struct ward_pipeline *pipeline, struct ward_store *store,
                              struct ward_reader **ret)
{
    struct ward_reader *reader = calloc(1, sizeof(*reader));
    WARD_ENSURE(reader != NULL, WARD_E_EXHAUSTED);
    reader->pipeline = pipeline;
    ward_status status = ward_digest_new(&reader->digest);
    if (ward_ok(status)) {
        status = ward_budget_round_new(pipeline->budget, &reader->round);
    }
    if (ward_ok(status)) {
        status = ward_store_reader_open(store, &reader->store);
    }
    if (ward_ok(status) && pthread_create(&reader->thread, NULL, run, reader) != 0) {
        status = WARD_STATUS(WARD_E_EXHAUSTED);
    }
    if (!ward_ok(status)) {
        ward_store_reader_close(reader->store);
        ward_budget_round_free(reader->round);
        ward_digest_free(reader->digest);
        free(reader);
        return status;
    }
    *ret = reader;
    return WARD_OK;
}

void ward_reader_join(struct ward_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    (void)pthread_join(reader->thread, NULL);
    ward_store_reader_close(reader->store);
    ward_budget_round_free(reader->round);
    ward_digest_free(reader->digest);
    free(reader->reads);
    free(reader);
}
