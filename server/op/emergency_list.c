/* SPDX-License-Identifier: Apache-2.0 */
/* Emergencies.List: the newest first, those that are over among them; what is open, and what no
 * officer has reviewed yet. */
#include "server/op/drafting.h"
#include "server/op/emergency.h"
#include "server/op/page_token.h"
#include "server/work/worker.h"

static ward_status decide(struct ward_request *request)
{
    return ward_drafting_ask(request, (struct ward_bytes){0});
}

static ward_status read(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_emergency_list *in = request->in;
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_EMERGENCIES, &read));
    read->emergencies.open = in->open;
    read->emergencies.unreviewed = in->unreviewed;
    read->emergencies.now_us = request->received_wall_us;
    read->emergencies.limit = in->page_size + 1;
    if (in->page_token.size > 0) {
        bool good = ward_page_token_parse(in->page_token, &read->emergencies.before_us,
                                          &read->emergencies.before_id);
        WARD_REQUIRE(good, "page_token: not one that List gave");
    }
    return WARD_OK;
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    (void)worker;
    struct ward_emergency_list *in = request->in;
    const struct ward_read *read = request->reads[0];
    WARD_TRY(read->status);
    in->n = read->emergencies.n < in->page_size ? read->emergencies.n : in->page_size;
    in->emergencies = WARD_ARENA_ARRAY(request->arena, struct ward_emergency_view, in->n);
    WARD_ENSURE(in->emergencies != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < in->n; i++) {
        const struct ward_store_emergency *row = &read->emergencies.rows[i];
        in->emergencies[i] = (struct ward_emergency_view){
            .row = *row, .open = ward_emergency_is_open(row, request->received_wall_us)};
    }
    in->next_page_token = (struct ward_bytes){0};
    if (read->emergencies.n > in->n && in->n > 0) {
        const struct ward_store_emergency *last = &read->emergencies.rows[in->n - 1];
        WARD_TRY(ward_page_token_print(request->arena, last->opened_us, &last->id,
                                       &in->next_page_token));
    }
    ward_request_detail(request, "emergencies", (int64_t)in->n);
    return WARD_OK;
}

const struct ward_op ward_op_emergency_list = {
    .action = WARD_ACTION_EMERGENCY_LIST,
    .decide = decide,
    .steps = {{.read = read, .finish = finish}},
    .n_steps = 1,
};
