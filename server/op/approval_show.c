/* SPDX-License-Identifier: Apache-2.0 */
/* Approvals.List and Show: what waits, with the payload and every signature, so that a client can
 * render and verify it itself. */
#include "server/op/page_token.h"
#include "server/op/proposing.h"
#include "server/op/standing.h"
#include "server/work/worker.h"

static ward_status decide(struct ward_request *request)
{
    struct ward_decision decision =
        ward_request_ask(request, request->op->action, (struct ward_bytes){0}, NULL);
    request->rule = decision.rule;
    return decision.status;
}

static ward_status read_one(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_approval *in = request->in;
    char id[WARD_ID_TEXT_SIZE];
    ward_id_print(&in->id, id);
    char *object = ward_arena_printf(request->arena, "proposal:%s", id);
    WARD_ENSURE(object != NULL, WARD_E_EXHAUSTED);
    request->object = ward_bytes_str(object);
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_PROPOSAL, &read));
    read->proposal.id = in->id;
    return WARD_OK;
}

static ward_status read_standing(struct ward_request *request)
{
    const struct ward_read *read = request->reads[0];
    return ward_ok(read->status) ? ward_standing_read(request, &read->proposal.proposal) : WARD_OK;
}

static ward_status view(struct ward_request *request, struct ward_worker *worker,
                        const struct ward_store_proposal *row, struct ward_proposal_view *ret)
{
    WARD_TRY(ward_proposing_view(request->arena, ward_wall_us(worker->pipeline->clock), row, ret));
    return ward_standing_find(request, worker, row, &ret->standing);
}

static ward_status finish_one(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_approval *in = request->in;
    const struct ward_read *read = request->reads[0];
    if (read->status.code == WARD_E_NOT_FOUND) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "proposal: no such proposal");
    }
    WARD_TRY(read->status);
    return view(request, worker, &read->proposal.proposal, &in->proposal);
}

const struct ward_op ward_op_approval_show = {
    .action = WARD_ACTION_APPROVAL_SHOW,
    .decide = decide,
    .steps = {{.read = read_one, .read_more = read_standing, .finish = finish_one}},
    .n_steps = 1,
};

static ward_status read_page(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_approval_list *in = request->in;
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_PROPOSALS, &read));
    read->proposals.all = in->all || in->unreviewed;
    read->proposals.limit = in->page_size + 1;
    if (in->page_token.size > 0) {
        bool good = ward_page_token_parse(in->page_token, &read->proposals.before_us,
                                          &read->proposals.before_id);
        WARD_REQUIRE(good, "page_token: not one that List gave");
    }
    return WARD_OK;
}

static ward_status read_standings(struct ward_request *request)
{
    const struct ward_read *page = request->reads[0];
    for (size_t i = 0; ward_ok(page->status) && i < page->proposals.n; i++) {
        WARD_TRY(ward_standing_read(request, &page->proposals.proposals[i]));
    }
    return WARD_OK;
}

static ward_status finish_page(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_approval_list *in = request->in;
    const struct ward_read *read = request->reads[0];
    WARD_TRY(read->status);
    size_t n = read->proposals.n < in->page_size ? read->proposals.n : in->page_size;
    in->proposals = WARD_ARENA_ARRAY(request->arena, struct ward_proposal_view, n);
    WARD_ENSURE(in->proposals != NULL, WARD_E_EXHAUSTED);
    in->n = 0;
    for (size_t i = 0; i < n; i++) {
        WARD_TRY(view(request, worker, &read->proposals.proposals[i], &in->proposals[in->n]));
        const char *review = in->proposals[in->n].standing.review;
        in->n += !in->unreviewed || (review != NULL && strcmp(review, "pending") == 0);
    }
    in->next_page_token = (struct ward_bytes){0};
    if (read->proposals.n > n && n > 0) {
        const struct ward_store_proposal *last = &read->proposals.proposals[n - 1];
        WARD_TRY(ward_page_token_print(request->arena, last->created_us, &last->id,
                                       &in->next_page_token));
    }
    ward_request_detail(request, "proposals", (int64_t)in->n);
    return WARD_OK;
}

const struct ward_op ward_op_approval_list = {
    .action = WARD_ACTION_APPROVAL_LIST,
    .decide = decide,
    .steps = {{.read = read_page, .read_more = read_standings, .finish = finish_page}},
    .n_steps = 1,
};
