/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. It reads all proposals, a page a turn, and believes a review by its signature
 * alone: a row written by hand takes nothing off the count. What changes behind a count that is
 * under way moves the epoch, so it is counted again. */
#include "server/jobs/reviews.h"

#include "base/log.h"
#include "server/op/votes.h"

#define PAGE_ARENA (64u << 20)

static ward_status count_page(struct ward_pipeline *pipeline, const struct ward_state *state,
                              struct ward_store_reader *reader, struct ward_reviews *reviews)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(PAGE_ARENA, &arena));
    struct ward_read page = {.kind = WARD_READ_PROPOSALS, .arena = arena}, *reads[] = {&page};
    page.proposals.all = true;
    page.proposals.before_us = reviews->before_us;
    page.proposals.before_id = reviews->before_id;
    page.proposals.limit = WARD_REVIEWS_TURN;
    WARD_TRY(ward_store_read(reader, reads, 1));
    WARD_TRY(page.status);
    for (size_t i = 0; i < page.proposals.n; i++) {
        const struct ward_store_proposal *row = &page.proposals.proposals[i];
        struct ward_proposal proposal;
        reviews->found += ward_ok(ward_proposal_parse(row->payload, arena, &proposal)) &&
                          ward_votes_need_review(row, &proposal) &&
                          !ward_votes_reviewed(state->policy, pipeline->trust, row, &proposal);
        reviews->before_us = row->created_us;
        reviews->before_id = row->id;
    }
    reviews->counting = page.proposals.n == WARD_REVIEWS_TURN;
    return WARD_OK;
}

static void begin(struct ward_reviews *reviews, uint64_t epoch)
{
    reviews->counting = true;
    reviews->epoch = epoch;
    reviews->found = 0;
    reviews->before_us = 0;
    reviews->before_id = (struct ward_id){0};
}

bool ward_reviews_tick(struct ward_pipeline *pipeline, struct ward_store_reader *reader,
                       struct ward_reviews *reviews)
{
    struct ward_state *state = ward_state_slot_get(pipeline->states);
    if (!reviews->counting && state->epoch != reviews->counted_epoch) {
        begin(reviews, state->epoch);
    }
    bool read = reviews->counting && ward_ok(count_page(pipeline, state, reader, reviews));
    if (read && !reviews->counting) {
        atomic_store(&reviews->unreviewed, reviews->found);
        reviews->counted_epoch = reviews->epoch;
    }
    ward_state_unref(state);
    return read && reviews->counting;
}
