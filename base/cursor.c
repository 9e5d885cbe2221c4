/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds are checked in one place, `take`; everything else asks it. A cursor that failed once stays
 * at its end, so that a parser may look at `failed` only when it is through. */
#include "base/cursor.h"

void ward_cursor_init(struct ward_cursor *cursor, struct ward_bytes bytes)
{
    *cursor = (struct ward_cursor){.at = bytes.data, .end = bytes.data};
    if (bytes.size > 0) {
        cursor->end += bytes.size;
    }
}

size_t ward_cursor_left(const struct ward_cursor *cursor)
{
    return cursor->at == NULL ? 0 : (size_t)(cursor->end - cursor->at);
}

struct ward_bytes ward_cursor_take(struct ward_cursor *cursor, size_t size)
{
    if (cursor->failed || size > ward_cursor_left(cursor)) {
        cursor->failed = true;
        cursor->at = cursor->end;
        return (struct ward_bytes){0};
    }
    struct ward_bytes taken = {cursor->at, size};
    if (size > 0) {
        cursor->at += size;
    }
    return taken;
}

uint8_t ward_cursor_u8(struct ward_cursor *cursor)
{
    struct ward_bytes taken = ward_cursor_take(cursor, 1);
    return taken.size == 0 ? 0 : taken.data[0];
}

uint16_t ward_cursor_u16(struct ward_cursor *cursor)
{
    struct ward_bytes taken = ward_cursor_take(cursor, 2);
    return taken.size == 0 ? 0 : ward_get_u16(taken.data);
}

uint32_t ward_cursor_u32(struct ward_cursor *cursor)
{
    struct ward_bytes taken = ward_cursor_take(cursor, 4);
    return taken.size == 0 ? 0 : ward_get_u32(taken.data);
}

uint64_t ward_cursor_u64(struct ward_cursor *cursor)
{
    struct ward_bytes taken = ward_cursor_take(cursor, 8);
    return taken.size == 0 ? 0 : ward_get_u64(taken.data);
}

bool ward_cursor_done(const struct ward_cursor *cursor)
{
    return !cursor->failed && cursor->at == cursor->end;
}
