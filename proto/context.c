/* SPDX-License-Identifier: Apache-2.0 */
/* One form for what the caller says about a key or record: the same pairs give the same bytes, in
 * whatever order they came, and no two sets of pairs share one form, because every string carries
 * its size. Must not know what the keys mean; policy does. */
#include "proto/context.h"

#include "proto/wire_limits.h"

/* Insertion sort: at most 32 pairs, mostly sorted already. */
static void sort_pairs(struct ward_context_pair *pairs, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct ward_context_pair pair = pairs[i];
        size_t at = i;
        while (at > 0 && ward_bytes_cmp(pairs[at - 1].key, pair.key) > 0) {
            pairs[at] = pairs[at - 1];
            at--;
        }
        pairs[at] = pair;
    }
}

/* Sizes first, so that what is scanned for UTF-8 is bounded. */
static ward_status check_pairs(const struct ward_context_pair *pairs, size_t n, size_t *ret_size)
{
    WARD_REQUIRE(n <= WARD_CONTEXT_PAIRS_MAX, "context: more than 32 pairs");
    size_t size = 2;
    for (size_t i = 0; i < n; i++) {
        WARD_REQUIRE(pairs[i].key.size > 0, "context: empty key");
        WARD_REQUIRE(pairs[i].key.size <= WARD_CONTEXT_SIZE_MAX &&
                         pairs[i].value.size <= WARD_CONTEXT_SIZE_MAX,
                     "context: larger than 8192 bytes");
        size += 4 + pairs[i].key.size + pairs[i].value.size;
    }
    WARD_REQUIRE(size <= WARD_CONTEXT_SIZE_MAX, "context: larger than 8192 bytes");
    for (size_t i = 0; i < n; i++) {
        WARD_REQUIRE(ward_utf8_valid(pairs[i].key) && ward_utf8_valid(pairs[i].value),
                     "context: not UTF-8");
    }
    *ret_size = size;
    return WARD_OK;
}

static uint8_t *put_text(uint8_t *p, struct ward_bytes text)
{
    ward_put_u16(p, (uint16_t)text.size);
    if (text.size > 0) {
        memcpy(p + 2, text.data, text.size);
    }
    return p + 2 + text.size;
}

ward_status ward_context_build(struct ward_arena *arena, const struct ward_context_pair *pairs,
                               size_t n, struct ward_context *ret)
{
    size_t size = 0;
    WARD_TRY(check_pairs(pairs, n, &size));
    struct ward_context_pair *sorted = WARD_ARENA_ARRAY(arena, struct ward_context_pair, n);
    uint8_t *canonical = ward_arena_alloc(arena, size);
    WARD_ENSURE(sorted != NULL && canonical != NULL, WARD_E_EXHAUSTED);
    if (n > 0) {
        memcpy(sorted, pairs, n * sizeof(*pairs));
    }
    sort_pairs(sorted, n);
    uint8_t *p = canonical;
    ward_put_u16(p, (uint16_t)n);
    p += 2;
    for (size_t i = 0; i < n; i++) {
        WARD_REQUIRE(i == 0 || !ward_bytes_eq(sorted[i - 1].key, sorted[i].key),
                     "context: duplicate key");
        p = put_text(p, sorted[i].key);
        p = put_text(p, sorted[i].value);
    }
    *ret = (struct ward_context){sorted, n, WARD_BYTES(canonical, size)};
    return WARD_OK;
}

struct ward_bytes ward_context_get(const struct ward_context *context, struct ward_bytes key)
{
    for (size_t i = 0; i < context->n; i++) {
        if (ward_bytes_eq(context->pairs[i].key, key)) {
            struct ward_bytes value = context->pairs[i].value;
            /* An empty value is there; only a missing key gives NULL. */
            return value.data != NULL ? value : WARD_BYTES_LITERAL("");
        }
    }
    return (struct ward_bytes){NULL, 0};
}
