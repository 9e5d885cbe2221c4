/* SPDX-License-Identifier: Apache-2.0 */
/* Where certificates are in use: a read that writes. */
#include <stdlib.h>

#include "backends/memory/state.h"

static bool is_sent(const struct ward_read *r, const struct ward_memory_sighting *row)
{
    for (size_t i = 0; i < r->sightings.n; i++) {
        const struct ward_store_sighting *sent = &r->sightings.sightings[i];
        if (memcmp(sent->certificate, row->certificate, sizeof(row->certificate)) == 0 &&
            memcmp(sent->place, row->place, sizeof(row->place)) == 0) {
            return ward_bytes_eq(row->node, r->sightings.node);
        }
    }
    return false;
}

static ward_status forget(struct ward_memory_state *state, const struct ward_read *r)
{
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_SIGHTING];
    for (size_t i = rows->n; i > 0; i--) {
        const struct ward_memory_sighting *row = rows->rows[i - 1];
        if (row->heard_us < state->now_us - r->sightings.life_us && !is_sent(r, row)) {
            WARD_TRY(ward_memory_remove(state, WARD_TABLE_SIGHTING, row));
        }
    }
    return WARD_OK;
}

static int heard_last(const void *a, const void *b)
{
    const struct ward_memory_sighting *x = *(const void *const *)a, *y = *(const void *const *)b;
    int order = (x->heard_us < y->heard_us) - (x->heard_us > y->heard_us);
    return order != 0 ? order : memcmp(x->place, y->place, sizeof(x->place));
}

/* Of the others, those that were in use while this one was. */
static ward_status look(const struct ward_memory_state *state, struct ward_read *r, uint32_t which,
                        const struct ward_memory_sighting *own, struct ward_store_elsewhere *out)
{
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_SIGHTING];
    int64_t apart_us = r->sightings.apart_us;
    const void **found = WARD_ARENA_ARRAY(r->arena, const void *, rows->n);
    WARD_ENSURE(found != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_memory_sighting *row = rows->rows[i];
        if (memcmp(row->certificate, own->certificate, sizeof(row->certificate)) == 0 &&
            !ward_bytes_eq(row->node, own->node) &&
            memcmp(row->place, own->place, sizeof(row->place)) != 0 &&
            row->heard_us > own->since_us + apart_us && own->heard_us > row->since_us + apart_us) {
            found[n++] = row;
        }
    }
    if (n > 0) {
        qsort(found, n, sizeof(*found), heard_last);
    }
    for (size_t i = 0; i < n && i < WARD_STORE_ELSEWHERE_MAX; i++) {
        const struct ward_memory_sighting *row = found[i];
        struct ward_store_elsewhere *other = &out[r->sightings.n_elsewhere++];
        *other = (struct ward_store_elsewhere){.sighting = which,
                                               .earlier = row->since_us < own->since_us};
        memcpy(other->place, row->place, sizeof(other->place));
    }
    return WARD_OK;
}

static ward_status keep(struct ward_memory_state *state, const struct ward_memory_sighting *own)
{
    return ward_memory_get(state, WARD_TABLE_SIGHTING, own) == NULL
               ? ward_memory_insert(state, WARD_TABLE_SIGHTING, own)
               : ward_memory_replace(state, WARD_TABLE_SIGHTING, own);
}

ward_status ward_memory_sightings(struct ward_memory_state *state, struct ward_read *r)
{
    size_t n = r->sightings.n;
    struct ward_memory_sighting *own =
        n == 0 ? NULL : ward_arena_alloc(state->rows, n * sizeof(*own));
    struct ward_store_elsewhere *out =
        WARD_ARENA_ARRAY(r->arena, struct ward_store_elsewhere, n * WARD_STORE_ELSEWHERE_MAX);
    struct ward_bytes node;
    WARD_ENSURE((own != NULL || n == 0) && out != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_arena_copy(state->rows, r->sightings.node, &node));
    WARD_TRY(forget(state, r));
    for (size_t i = 0; i < n; i++) {
        const struct ward_store_sighting *sent = &r->sightings.sightings[i];
        own[i] = (struct ward_memory_sighting){.node = node,
                                               .since_us = state->now_us - sent->since_us,
                                               .heard_us = state->now_us - sent->heard_us};
        memcpy(own[i].certificate, sent->certificate, sizeof(own[i].certificate));
        memcpy(own[i].place, sent->place, sizeof(own[i].place));
        WARD_TRY(look(state, r, (uint32_t)i, &own[i], out));
        WARD_TRY(keep(state, &own[i]));
    }
    r->sightings.elsewhere = out;
    return WARD_OK;
}
