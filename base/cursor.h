/* SPDX-License-Identifier: Apache-2.0 */
/* Reading untrusted big-endian bytes without ever passing their end. Sticky failure. */
#ifndef WARD_BASE_CURSOR_H
#define WARD_BASE_CURSOR_H

#include "base/bytes.h"

struct ward_cursor {
    const uint8_t *at, *end;
    bool failed;
};

void ward_cursor_init(struct ward_cursor *cursor, struct ward_bytes bytes);
uint8_t ward_cursor_u8(struct ward_cursor *cursor);
uint16_t ward_cursor_u16(struct ward_cursor *cursor);
uint32_t ward_cursor_u32(struct ward_cursor *cursor);
uint64_t ward_cursor_u64(struct ward_cursor *cursor);
/* A view of the next size bytes; empty and failed when they are not there. */
struct ward_bytes ward_cursor_take(struct ward_cursor *cursor, size_t size);
size_t ward_cursor_left(const struct ward_cursor *cursor);
/* All read, nothing left, nothing failed. */
bool ward_cursor_done(const struct ward_cursor *cursor);

#endif
