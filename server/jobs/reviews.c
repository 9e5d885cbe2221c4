/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. It reads all proposals, page by page, and believes a review by its signature
 * alone: a row written by hand takes nothing off the count. */
#include "server/jobs/reviews.h"

#include "base/log.h"
#include "server/op/votes.h"

#define PAGE 200u
#define PAGES_MAX 1000u
#define PAGE_ARENA (64u << 20)

static ward_status count_page(struct ward_pipeline *pipeline, const struct ward_state *state,
                              struct ward_store_reader *reader, struct ward_read *read,
                              uint64_t *ret_count)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(PAGE_ARENA, &arena));
    read->arena = arena;
    WARD_TRY(ward_store_read(reader, &read, 1));
    WARD_TRY(read->status);
    for (size_t i = 0; i < read->proposals.n; i++) {
        const struct ward_store_proposal *row = &read->proposals.proposals[i];
        struct ward_proposal proposal;
        if (ward_ok(ward_proposal_parse(row->payload, arena, &proposal)) &&
            ward_votes_need_review(row, &proposal) &&
            !ward_votes_reviewed(state->policy, pipeline->trust, row, &proposal)) {
            (*ret_count)++;
        }
        read->proposals.before_us = row->created_us;
        read->proposals.before_id = row->id;
    }
    return WARD_OK;
}

static ward_status count_all(struct ward_pipeline *pipeline, const struct ward_state *state,
                             struct ward_store_reader *reader, uint64_t *ret)
{
    struct ward_read read = {.kind = WARD_READ_PROPOSALS,
                             .proposals = {.all = true, .limit = PAGE}};
    uint64_t count = 0;
    for (unsigned page = 0; page < PAGES_MAX; page++) {
        WARD_TRY(count_page(pipeline, state, reader, &read, &count));
        if (read.proposals.n < PAGE) {
            break;
        }
    }
    *ret = count;
    return WARD_OK;
}

void ward_reviews_tick(struct ward_pipeline *pipeline, struct ward_store_reader *reader,
                       uint64_t *counted_epoch, atomic_uint_fast64_t *count)
{
    struct ward_state *state = ward_state_slot_get(pipeline->states);
    uint64_t found = 0;
    if (state->epoch != *counted_epoch && ward_ok(count_all(pipeline, state, reader, &found))) {
        atomic_store(count, found);
        *counted_epoch = state->epoch;
    }
    ward_state_unref(state);
}
