/* SPDX-License-Identifier: Apache-2.0 */
/* Emergencies: those that decisions are made with, and pages of all. */
#include "backends/memory/state.h"

#include <stdlib.h>

#define REVIEW 5 /* a vote's decision */

static ward_status copy(const struct ward_store_emergency *row, struct ward_arena *arena,
                        struct ward_store_emergency *ret)
{
    *ret = *row;
    WARD_TRY(ward_arena_copy(arena, row->identity, &ret->identity));
    return ward_arena_copy(arena, row->collection, &ret->collection);
}

static bool is_reviewed(const struct ward_memory_state *state, const struct ward_id *proposal)
{
    const struct ward_memory_rows *votes = &state->tables[WARD_TABLE_VOTE];
    for (size_t i = 0; i < votes->n; i++) {
        const struct ward_memory_vote *vote = votes->rows[i];
        if (ward_id_eq(&vote->proposal, proposal) && vote->vote.decision == REVIEW) {
            return true;
        }
    }
    return false;
}

ward_status ward_memory_open_emergencies(const struct ward_memory_state *state,
                                         struct ward_arena *arena, struct ward_store_snapshot *ret)
{
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_EMERGENCY];
    struct ward_store_emergency *open =
        WARD_ARENA_ARRAY(arena, struct ward_store_emergency, rows->n);
    WARD_ENSURE(open != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_store_emergency *row = rows->rows[i];
        if (row->closed_us == 0) {
            WARD_TRY(copy(row, arena, &open[n++]));
        }
    }
    ret->emergencies = open;
    ret->n_emergencies = n;
    return WARD_OK;
}

static int newer(const struct ward_store_emergency *x, int64_t opened_us, const struct ward_id *id)
{
    int order = (x->opened_us > opened_us) - (x->opened_us < opened_us);
    return order != 0 ? order : memcmp(x->id.bytes, id->bytes, sizeof(id->bytes));
}

static int newest_first(const void *a, const void *b)
{
    const struct ward_store_emergency *x = a, *y = b;
    return newer(y, x->opened_us, &x->id);
}

static bool wanted(const struct ward_memory_state *state, const struct ward_read *r,
                   const struct ward_store_emergency *row)
{
    bool page = r->emergencies.before_us == 0 ||
                newer(row, r->emergencies.before_us, &r->emergencies.before_id) < 0;
    bool open = row->closed_us == 0 && row->expires_us > r->emergencies.now_us;
    return page && (open || !r->emergencies.open) &&
           !(r->emergencies.unreviewed && is_reviewed(state, &row->id));
}

ward_status ward_memory_read_emergencies(const struct ward_memory_state *state, struct ward_read *r)
{
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_EMERGENCY];
    struct ward_store_emergency *found =
        WARD_ARENA_ARRAY(r->arena, struct ward_store_emergency, rows->n);
    WARD_ENSURE(found != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_store_emergency *row = rows->rows[i];
        if (wanted(state, r, row)) {
            WARD_TRY(copy(row, r->arena, &found[n]));
            found[n].reviewed = is_reviewed(state, &row->id);
            n++;
        }
    }
    if (n > 0) {
        qsort(found, n, sizeof(*found), newest_first);
    }
    r->emergencies.rows = found;
    r->emergencies.n = n < r->emergencies.limit ? n : r->emergencies.limit;
    return WARD_OK;
}
