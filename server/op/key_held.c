/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Collections are those that the rows name, not those that policy gives the key:
 * policy may have moved a collection to another key while its rows stayed behind. */
#include "server/op/key_held.h"

#include <inttypes.h>
#include <stdlib.h>

#define WORDS_MAX 120u /* of a refusal; what is longer is cut on the wire */

ward_status ward_key_held_read(struct ward_request *request, const struct ward_id *kek)
{
    struct ward_read *held;
    WARD_TRY(ward_request_add_read(request, WARD_READ_HELD, &held));
    held->held.kek = *kek;
    held->held.limit = WARD_HELD_MAX;
    return WARD_OK;
}

/* ---- in words ---- */

static size_t write_words(const struct ward_read *held, uint32_t version, struct ward_buffer *out)
{
    size_t left = 0;
    for (size_t i = 0; i < held->held.n; i++) {
        const struct ward_store_held *one = &held->held.held[i];
        if (one->version != version) {
            continue;
        }
        if (left > 0 || out->size + one->collection.size + 24 > WORDS_MAX) {
            left++;
            continue;
        }
        ward_buffer_printf(out, out->size > 0 ? ", %.*s %" PRIu64 : "%.*s %" PRIu64,
                           (int)one->collection.size, (const char *)one->collection.data,
                           one->rows);
    }
    return left;
}

ward_status ward_key_held_tell(struct ward_request *request, const struct ward_read *held,
                               uint32_t version)
{
    struct ward_buffer words;
    struct ward_bytes text;
    ward_buffer_init(&words, 2 * WORDS_MAX);
    size_t left = write_words(held, version, &words);
    if (left > 0) {
        ward_buffer_printf(&words, words.size > 0 ? " and %zu more" : "%zu with long names", left);
    }
    ward_status status = words.failed
                             ? WARD_STATUS(WARD_E_EXHAUSTED)
                             : ward_arena_copy(request->arena, ward_buffer_view(&words), &text);
    ward_buffer_fini(&words);
    WARD_TRY(status);
    ward_request_detail_text(request, "collections", text);
    return WARD_OK;
}

/* ---- in numbers ---- */

static int by_collection(const void *a, const void *b)
{
    return ward_bytes_cmp(((const struct ward_store_held *)a)->collection,
                          ((const struct ward_store_held *)b)->collection);
}

static int fullest_first(const void *a, const void *b)
{
    const struct ward_store_held *x = a, *y = b;
    int order = (x->rows < y->rows) - (x->rows > y->rows);
    return order != 0 ? order : by_collection(a, b);
}

/* Each collection once, with its rows of all the versions that count. */
static ward_status sum_up(struct ward_arena *arena, const struct ward_read *held, uint32_t version,
                          struct ward_store_held **ret, size_t *ret_n)
{
    struct ward_store_held *sums = WARD_ARENA_ARRAY(arena, struct ward_store_held, held->held.n);
    WARD_ENSURE(sums != NULL, WARD_E_EXHAUSTED);
    size_t all = 0, n = 0;
    for (size_t i = 0; i < held->held.n; i++) {
        if (version == 0 || held->held.held[i].version == version) {
            sums[all++] = held->held.held[i];
        }
    }
    if (all > 0) {
        qsort(sums, all, sizeof(*sums), by_collection);
    }
    for (size_t i = 0; i < all; i++) {
        if (n > 0 && ward_bytes_eq(sums[n - 1].collection, sums[i].collection)) {
            sums[n - 1].rows += sums[i].rows;
        } else {
            sums[n++] = sums[i];
        }
    }
    if (n > 0) {
        qsort(sums, n, sizeof(*sums), fullest_first);
    }
    *ret = sums;
    *ret_n = n;
    return WARD_OK;
}

static ward_status put_collections(struct ward_request *request, const struct ward_read *held,
                                   uint32_t version, uint64_t rows, size_t room,
                                   struct ward_draft *draft)
{
    struct ward_store_held *sums;
    size_t n = 0;
    WARD_TRY(sum_up(request->arena, held, version, &sums, &n));
    for (size_t i = 0; i < n && i < room; i++) {
        char *name = ward_arena_printf(request->arena, "rows_in.%.*s", (int)sums[i].collection.size,
                                       (const char *)sums[i].collection.data);
        WARD_ENSURE(name != NULL, WARD_E_EXHAUSTED);
        ward_drafting_consequence(draft, name, sums[i].rows);
        rows -= sums[i].rows < rows ? sums[i].rows : rows;
    }
    if (n > room) {
        ward_drafting_consequence(draft, "rows_in_other_collections", rows);
    }
    return WARD_OK;
}

static ward_status put_versions(struct ward_request *request, const struct ward_read *held,
                                uint64_t rows, size_t room, struct ward_draft *draft)
{
    size_t told = 0, i = held->held.n;
    while (i > 0 && told < room) {
        uint32_t version = held->held.held[i - 1].version;
        uint64_t sum = 0;
        for (; i > 0 && held->held.held[i - 1].version == version; i--) {
            sum += held->held.held[i - 1].rows;
        }
        char *name = ward_arena_printf(request->arena, "rows_of_version.%" PRIu32, version);
        WARD_ENSURE(name != NULL, WARD_E_EXHAUSTED);
        ward_drafting_consequence(draft, name, sum);
        rows -= sum < rows ? sum : rows;
        told++;
    }
    if (i > 0) {
        ward_drafting_consequence(draft, "rows_of_other_versions", rows);
    }
    return WARD_OK;
}

ward_status ward_key_held_describe(struct ward_request *request, const struct ward_read *held,
                                   uint32_t version, uint64_t rows, struct ward_held_room room,
                                   struct ward_draft *draft)
{
    WARD_TRY(put_collections(request, held, version, rows, room.collections, draft));
    return version != 0 ? WARD_OK : put_versions(request, held, rows, room.versions, draft);
}
