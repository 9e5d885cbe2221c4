/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for one's own request. Only job threads do this: a stage that waited for the pipeline
 * would wait for itself. */
#include "server/jobs/internal.h"

#include <semaphore.h>

ward_status ward_internal_new(const struct ward_op *op, size_t in_size, size_t budget,
                              struct ward_request **ret)
{
    struct ward_request *request;
    WARD_TRY(ward_request_new(budget, &request));
    struct ward_id id;
    char text[WARD_ID_TEXT_SIZE];
    ward_status status = ward_id_random(&id);
    ward_id_print(&id, text);
    if (ward_ok(status)) {
        status = ward_arena_copy(request->arena, ward_bytes_str(text), &request->request_id);
    }
    request->op = op;
    request->in = ward_arena_alloc(request->arena, in_size);
    if (!ward_ok(status) || request->in == NULL) {
        ward_request_free(request);
        WARD_FAIL(WARD_E_EXHAUSTED);
    }
    *ret = request;
    return WARD_OK;
}

static void wake(struct ward_request *request, void *context)
{
    (void)request;
    (void)sem_post(context); /* fails only on overflow */
}

ward_status ward_internal_run(struct ward_pipeline *pipeline, struct ward_request *request)
{
    sem_t ended;
    WARD_ENSURE(sem_init(&ended, 0, 0) == 0, WARD_E_INTERNAL);
    request->done = wake;
    request->done_context = &ended;
    struct ward_list one = {0};
    ward_list_push(&one, &request->link);
    ward_pipeline_submit(pipeline, &one);
    while (sem_wait(&ended) != 0) {
    }
    (void)sem_destroy(&ended); /* ours alone again */
    return request->status;
}
