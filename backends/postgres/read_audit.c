/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves out of audit rows: each row holds `count` leaves from number `first` on, each with its
 * size (u16) before it. The rows are read as untrusted: a gap or a row that does not add up ends
 * the page before it, and the page that would begin there is NOT_FOUND or INTERNAL. */
#include "backends/postgres/reads.h"

#include "base/cursor.h"

struct page {
    struct ward_bytes *leaves;
    size_t n, capacity;
    size_t bytes, max_bytes;
    uint64_t next, end; /* the number of the leaf that comes next */
    bool full;
};

static ward_status add_leaf(struct page *page, struct ward_bytes leaf, struct ward_arena *arena)
{
    if (page->next == page->end || page->n == page->capacity ||
        (page->n > 0 && leaf.size > page->max_bytes - page->bytes)) {
        page->full = true;
        return WARD_OK;
    }
    WARD_TRY(ward_arena_copy(arena, leaf, &page->leaves[page->n]));
    page->n++;
    page->next++;
    page->bytes =
        leaf.size > page->max_bytes - page->bytes ? page->max_bytes : page->bytes + leaf.size;
    return WARD_OK;
}

static ward_status add_row(struct page *page, struct ward_pg_row *row, struct ward_arena *arena)
{
    uint64_t first = ward_pg_u64(row, 0);
    uint32_t count = ward_pg_u32(row, 1);
    struct ward_bytes bytes = ward_pg_view(row, 2);
    WARD_TRY(ward_pg_row_status(row));
    if (first > page->next || page->next - first >= count) {
        page->full = true; /* a gap */
        return WARD_OK;
    }
    uint64_t skip = page->next - first;
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, bytes);
    for (uint32_t i = 0; i < count && !page->full; i++) {
        struct ward_bytes leaf = ward_cursor_take(&cursor, ward_cursor_u16(&cursor));
        WARD_ENSURE(!cursor.failed, WARD_E_INTERNAL);
        if (i >= skip) {
            WARD_TRY(add_leaf(page, leaf, arena));
        }
    }
    WARD_ENSURE(page->full || ward_cursor_done(&cursor), WARD_E_INTERNAL);
    return WARD_OK;
}

/* How many leaves the rows can give: an upper bound, for the array. */
static size_t count_leaves(const PGresult *result, uint64_t start, uint64_t end)
{
    uint64_t n = 0;
    for (int i = 0; i < PQntuples(result); i++) {
        struct ward_pg_row row = {.result = result, .row = i};
        n += ward_pg_u32(&row, 1);
    }
    return n < end - start ? (size_t)n : (size_t)(end - start);
}

ward_status ward_pg_take_audit(const struct ward_pg_query *query, const PGresult *result)
{
    struct ward_read *r = query->reads[0];
    struct ward_pg_row row = {.result = result};
    struct page page = {
        .max_bytes = r->audit.max_bytes, .next = r->audit.start, .end = r->audit.end};
    page.capacity = count_leaves(result, r->audit.start, r->audit.end);
    page.leaves = WARD_ARENA_ARRAY(r->arena, struct ward_bytes, page.capacity);
    WARD_ENSURE(page.leaves != NULL, WARD_E_EXHAUSTED);
    int n = PQntuples(result);
    for (row.row = 0; row.row < n && !page.full; row.row++) {
        struct page before = page;
        ward_status status = add_row(&page, &row, r->arena);
        if (!ward_ok(status)) {
            page = before; /* none of a bad row's leaves */
            if (page.n == 0) {
                return status;
            }
            break;
        }
    }
    if (page.n > 0) {
        r->audit.leaves = page.leaves;
        r->audit.n = page.n;
        r->status = WARD_OK;
    }
    return WARD_OK;
}
