/* SPDX-License-Identifier: Apache-2.0 */
/* The shortest edit between two lists of lines, found greedily by its length: after d edits, how
 * far does each diagonal reach? What is the same at both ends is taken off before. */
#include "client/cli/line_diff.h"

#include <string.h>

#define EDITS_MAX 2000

struct search {
    const struct ward_bytes *from, *to;
    long n, m;
    long **reach; /* after each number of edits, by diagonal */
};

static size_t count_lines(struct ward_bytes text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.size; i++) {
        n += text.data[i] == '\n';
    }
    return n + (text.size > 0 && text.data[text.size - 1] != '\n');
}

static ward_status split(struct ward_bytes text, struct ward_arena *arena,
                         const struct ward_bytes **ret, size_t *ret_n)
{
    size_t n = count_lines(text), at = 0;
    struct ward_bytes *lines = WARD_ARENA_ARRAY(arena, struct ward_bytes, n);
    WARD_ENSURE(lines != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *end = memchr(text.data + at, '\n', text.size - at);
        size_t size = end == NULL ? text.size - at : (size_t)(end - (text.data + at));
        lines[i] = WARD_BYTES(text.data + at, size);
        at += size + 1;
    }
    *ret = lines;
    *ret_n = n;
    return WARD_OK;
}

/* How far diagonal k (from minus to) reaches after d edits, given those after d - 1. */
static long step(const struct search *s, const long *before, long d, long k)
{
    long x = 0;
    if (d > 0) {
        bool down = k == -d || (k != d && before[EDITS_MAX + k - 1] < before[EDITS_MAX + k + 1]);
        x = down ? before[EDITS_MAX + k + 1] : before[EDITS_MAX + k - 1] + 1;
    }
    while (x < s->n && x - k < s->m && ward_bytes_eq(s->from[x], s->to[x - k])) {
        x++;
    }
    return x;
}

/* The number of edits; -1: too many. */
static ward_status find_length(struct search *s, struct ward_arena *arena, long *ret)
{
    const long *before = NULL;
    *ret = -1;
    for (long d = 0; d <= EDITS_MAX - 1 && d <= s->n + s->m; d++) {
        /* Only the diagonals -d to d are ever looked at. */
        long *own = WARD_ARENA_ARRAY(arena, long, 2 * d + 3);
        WARD_ENSURE(own != NULL, WARD_E_EXHAUSTED);
        long *reach = own - EDITS_MAX + d + 1;
        s->reach[d] = reach;
        for (long k = -d; k <= d; k += 2) {
            long x = reach[EDITS_MAX + k] = step(s, before, d, k);
            if (x >= s->n && x - k >= s->m) {
                *ret = d;
                return WARD_OK;
            }
        }
        before = reach;
    }
    return WARD_OK;
}

/* Back from the end: what is on a diagonal is in both. */
static void mark_kept(const struct search *s, long d, bool *kept_from, bool *kept_to)
{
    long x = s->n, y = s->m;
    for (; d >= 0; d--) {
        long k = x - y, to_x = 0, to_y = 0;
        if (d > 0) {
            const long *before = s->reach[d - 1];
            bool down =
                k == -d || (k != d && before[EDITS_MAX + k - 1] < before[EDITS_MAX + k + 1]);
            long of = down ? k + 1 : k - 1;
            to_x = before[EDITS_MAX + of];
            to_y = to_x - of;
        }
        while (x > to_x && y > to_y) {
            kept_from[--x] = true;
            kept_to[--y] = true;
        }
        x = to_x;
        y = to_y;
    }
}

ward_status line_diff(struct ward_bytes from, struct ward_bytes to, struct ward_arena *arena,
                      struct line_diff *ret)
{
    *ret = (struct line_diff){0};
    WARD_TRY(split(from, arena, &ret->from, &ret->n_from));
    WARD_TRY(split(to, arena, &ret->to, &ret->n_to));
    bool *kept_from = WARD_ARENA_ARRAY(arena, bool, ret->n_from);
    bool *kept_to = WARD_ARENA_ARRAY(arena, bool, ret->n_to);
    long **reach = WARD_ARENA_ARRAY(arena, long *, EDITS_MAX);
    WARD_ENSURE(kept_from != NULL && kept_to != NULL && reach != NULL, WARD_E_EXHAUSTED);
    size_t head = 0, tail = 0, shorter = ret->n_from < ret->n_to ? ret->n_from : ret->n_to;
    while (head < shorter && ward_bytes_eq(ret->from[head], ret->to[head])) {
        kept_from[head] = kept_to[head] = true;
        head++;
    }
    while (tail < shorter - head &&
           ward_bytes_eq(ret->from[ret->n_from - 1 - tail], ret->to[ret->n_to - 1 - tail])) {
        kept_from[ret->n_from - 1 - tail] = kept_to[ret->n_to - 1 - tail] = true;
        tail++;
    }
    struct search s = {.from = ret->from + head,
                       .to = ret->to + head,
                       .n = (long)(ret->n_from - head - tail),
                       .m = (long)(ret->n_to - head - tail),
                       .reach = reach};
    long d = 0;
    WARD_TRY(find_length(&s, arena, &d));
    if (d >= 0) {
        mark_kept(&s, d, kept_from + head, kept_to + head);
    }
    ret->kept_from = kept_from;
    ret->kept_to = kept_to;
    return WARD_OK;
}
