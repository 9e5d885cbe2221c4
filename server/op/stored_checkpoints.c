/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. It knows keys and notes, and not who asks. */
#include "server/op/stored_checkpoints.h"

#include <stdlib.h>

static bool is_signed(struct ward_bytes note, uint64_t size, const struct ward_log_key *key)
{
    struct ward_checkpoint checkpoint;
    return ward_ok(ward_note_verify(note, &key->public, &checkpoint)) && checkpoint.size == size;
}

static bool is_ours(const struct ward_state *state, const struct ward_store_checkpoint *row)
{
    return is_signed(row->note, row->size, ward_state_log_key(state, row->size));
}

/* To the key of this version, from the one before it. */
static bool hands_over(const struct ward_state *state, uint32_t version, uint64_t size,
                       struct ward_bytes note)
{
    const struct ward_log_key *to = &state->log_keys[version - 1];
    return size >= to->since && is_signed(note, size, to - 1) && is_signed(note, size, to);
}

static ward_status add_page(struct ward_request *request, struct ward_read **ret)
{
    WARD_TRY(ward_request_add_read(request, WARD_READ_CHECKPOINTS, ret));
    (*ret)->checkpoints.limit = WARD_CHECKPOINTS_PAGE_MAX;
    (*ret)->checkpoints.max_note = WARD_NOTE_MAX;
    return WARD_OK;
}

/* ---- the newest ---- */

ward_status ward_stored_newest_read(struct ward_request *request, uint64_t below, uint32_t rows)
{
    struct ward_read *page;
    WARD_TRY(add_page(request, &page));
    page->checkpoints.newest_first = true;
    page->checkpoints.below = below;
    page->checkpoints.limit = rows;
    return WARD_OK;
}

/* The last page of them that was read. */
static ward_status newest_page(const struct ward_request *request, const struct ward_read **ret)
{
    *ret = NULL;
    for (size_t i = 0; i < request->n_reads; i++) {
        const struct ward_read *read = request->reads[i];
        if (read->kind == WARD_READ_CHECKPOINTS && read->checkpoints.newest_first) {
            *ret = read;
        }
    }
    WARD_ENSURE(*ret != NULL, WARD_E_INTERNAL);
    return (*ret)->status;
}

ward_status ward_stored_newest(const struct ward_request *request,
                               const struct ward_store_checkpoint **ret)
{
    const struct ward_read *page;
    WARD_TRY(newest_page(request, &page));
    *ret = NULL;
    for (size_t i = 0; i < page->checkpoints.n && *ret == NULL; i++) {
        if (is_ours(request->state, &page->checkpoints.rows[i])) {
            *ret = &page->checkpoints.rows[i];
        }
    }
    return WARD_OK;
}

ward_status ward_stored_newest_read_more(struct ward_request *request)
{
    const struct ward_store_checkpoint *newest;
    const struct ward_read *page;
    WARD_TRY(ward_stored_newest(request, &newest));
    WARD_TRY(newest_page(request, &page));
    bool more = newest == NULL && page->checkpoints.n == page->checkpoints.limit &&
                page->checkpoints.limit < WARD_CHECKPOINTS_PAGE_MAX;
    return more ? ward_stored_newest_read(request, page->checkpoints.below,
                                          WARD_CHECKPOINTS_PAGE_MAX)
                : WARD_OK;
}

ward_status ward_stored_floor(const struct ward_state *state, struct ward_store_reader *reader,
                              uint64_t *ret)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(1u << 20, &arena));
    struct ward_read page = {.kind = WARD_READ_CHECKPOINTS, .arena = arena}, *reads[] = {&page};
    page.checkpoints.newest_first = true;
    page.checkpoints.limit = WARD_CHECKPOINTS_PAGE_MAX;
    page.checkpoints.max_note = WARD_NOTE_MAX;
    WARD_TRY(ward_store_read(reader, reads, 1));
    WARD_TRY(page.status);
    *ret = 0;
    for (size_t i = 0; i < page.checkpoints.n && *ret == 0; i++) {
        *ret = is_ours(state, &page.checkpoints.rows[i]) ? page.checkpoints.rows[i].size : 0;
    }
    if (*ret == 0 && page.checkpoints.n == WARD_CHECKPOINTS_PAGE_MAX) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "database: none of the newest 64 rows of ward.checkpoint is a "
                            "checkpoint of this log; find out who writes to the database and, as "
                            "its owner, delete them");
    }
    return WARD_OK;
}

ward_status ward_stored_in_the_way(const struct ward_state *state, struct ward_store_reader *reader,
                                   uint64_t size, bool *ret)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(1u << 16, &arena));
    struct ward_read page = {.kind = WARD_READ_CHECKPOINTS, .arena = arena}, *reads[] = {&page};
    page.checkpoints.from = size;
    page.checkpoints.below = size + 1;
    page.checkpoints.limit = 1;
    page.checkpoints.max_note = WARD_NOTE_MAX;
    WARD_TRY(ward_store_read(reader, reads, 1));
    WARD_TRY(page.status);
    *ret = page.checkpoints.n == 1 && !is_ours(state, &page.checkpoints.rows[0]);
    return WARD_OK;
}

const struct ward_log_key *ward_stored_signed_last(const struct ward_state *state,
                                                   const struct ward_store_checkpoint *newest,
                                                   const struct ward_log_key *now)
{
    if (newest != NULL && ward_state_log_key(state, newest->size) <= now) {
        return ward_state_log_key(state, newest->size);
    }
    return now - state->log_keys < WARD_NOTE_SIGNERS_MAX ? state->log_keys
                                                         : now - (WARD_NOTE_SIGNERS_MAX - 1);
}

/* ---- handovers ---- */

ward_status ward_stored_handovers_read(struct ward_request *request)
{
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_HANDOVERS, &read));
    read->handovers.max_note = WARD_NOTE_MAX;
    return WARD_OK;
}

/* Is the row of a key of this state, whatever the database says by now? */
static bool is_known(const struct ward_state *state, const struct ward_store_handover *row)
{
    return row->version > 1 && row->version <= state->n_log_keys;
}

ward_status ward_stored_handovers_read_more(struct ward_request *request)
{
    const struct ward_read *read;
    WARD_TRY(ward_request_find_read(request, WARD_READ_HANDOVERS, &read));
    unsigned sought = 0;
    for (size_t i = 0; i < read->handovers.n && sought < WARD_HANDOVERS_SOUGHT_MAX; i++) {
        const struct ward_store_handover *row = &read->handovers.handovers[i];
        if (is_known(request->state, row) &&
            !hands_over(request->state, row->version, row->size, row->note)) {
            struct ward_read *page;
            WARD_TRY(add_page(request, &page));
            page->checkpoints.from = request->state->log_keys[row->version - 1].since;
            sought++;
        }
    }
    return WARD_OK;
}

/* NULL: no more than the first row was looked at. */
static const struct ward_read *page_from(const struct ward_request *request, uint64_t from)
{
    for (size_t i = 0; i < request->n_reads; i++) {
        const struct ward_read *read = request->reads[i];
        if (read->kind == WARD_READ_CHECKPOINTS && !read->checkpoints.newest_first &&
            read->checkpoints.from == from && ward_ok(read->status)) {
            return read;
        }
    }
    return NULL;
}

/* ---- both ---- */

struct finding {
    const struct ward_request *request;
    struct ward_bytes *handovers;
    uint64_t *sizes;
    struct ward_stored_checkpoints *found;
};

static void pass_over(struct finding *finding, uint64_t size)
{
    finding->sizes[finding->found->n_passed_over++] = size;
}

/* What is signed by one of the two keys alone is no handover and no forgery either. */
static bool find_handover(struct finding *finding, const struct ward_store_handover *row,
                          struct ward_bytes *ret)
{
    const struct ward_state *state = finding->request->state;
    *ret = row->note;
    if (hands_over(state, row->version, row->size, row->note)) {
        return true;
    }
    const struct ward_read *page =
        page_from(finding->request, state->log_keys[row->version - 1].since);
    for (size_t i = 0; page != NULL && i < page->checkpoints.n; i++) {
        const struct ward_store_checkpoint *next = &page->checkpoints.rows[i];
        if (hands_over(state, row->version, next->size, next->note)) {
            *ret = next->note;
            return true;
        }
        if (!is_ours(state, next)) {
            pass_over(finding, next->size);
        }
    }
    return false;
}

static void find_handovers(struct finding *finding, const struct ward_read *read)
{
    struct ward_stored_checkpoints *found = finding->found;
    const struct ward_state *state = finding->request->state;
    for (size_t i = 0; i < read->handovers.n && found->missing == 0; i++) {
        const struct ward_store_handover *row = &read->handovers.handovers[i];
        bool covered = is_known(state, row) && found->newest != NULL &&
                       state->log_keys[row->version - 1].since <= found->newest->size;
        if (!covered) {
            return; /* the reads are not of one moment */
        }
        if (find_handover(finding, row, &finding->handovers[found->n_handovers])) {
            found->n_handovers++;
        } else {
            found->missing = row->version;
        }
    }
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Sorted, each once: a row may lie behind several changes, and be among the newest too. */
static void settle(struct finding *finding)
{
    struct ward_stored_checkpoints *found = finding->found;
    size_t n = found->n_passed_over;
    qsort(finding->sizes, n, sizeof(*finding->sizes), compare);
    found->n_passed_over = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || finding->sizes[i] != finding->sizes[i - 1]) {
            pass_over(finding, finding->sizes[i]);
        }
    }
    found->passed_over = finding->sizes;
    found->handovers = finding->handovers;
}

ward_status ward_stored_checkpoints(struct ward_request *request,
                                    struct ward_stored_checkpoints *ret)
{
    const struct ward_read *page, *handovers;
    *ret = (struct ward_stored_checkpoints){.newest = NULL};
    WARD_TRY(ward_stored_newest(request, &ret->newest));
    WARD_TRY(newest_page(request, &page));
    WARD_TRY(ward_request_find_read(request, WARD_READ_HANDOVERS, &handovers));
    struct finding finding = {.request = request, .found = ret};
    finding.handovers = WARD_ARENA_ARRAY(request->arena, struct ward_bytes, handovers->handovers.n);
    finding.sizes =
        WARD_ARENA_ARRAY(request->arena, uint64_t,
                         WARD_CHECKPOINTS_PAGE_MAX * (1 + (size_t)WARD_HANDOVERS_SOUGHT_MAX));
    WARD_ENSURE(finding.handovers != NULL && finding.sizes != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < page->checkpoints.n; i++) {
        if (!is_ours(request->state, &page->checkpoints.rows[i])) {
            pass_over(&finding, page->checkpoints.rows[i].size);
        }
    }
    find_handovers(&finding, handovers);
    settle(&finding);
    return WARD_OK;
}
