/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer with a hard maximum, in wiped memory: wire formats, JSON and TLS output are
 * built in it. Errors are sticky: append freely, look at `failed` once at the end. */
#ifndef WARD_BASE_BUFFER_H
#define WARD_BASE_BUFFER_H

#include "base/bytes.h"
#include "base/status.h"

struct ward_buffer {
    uint8_t *data;
    size_t size, capacity, max;
    bool failed; /* max or memory was hit; content is then incomplete */
};

void ward_buffer_init(struct ward_buffer *buffer, size_t max);
void ward_buffer_fini(struct ward_buffer *buffer); /* wipes */
/* Keeps the memory, wipes the content. */
void ward_buffer_reset(struct ward_buffer *buffer);
void ward_buffer_add(struct ward_buffer *buffer, struct ward_bytes bytes);
void ward_buffer_add_u8(struct ward_buffer *buffer, uint8_t v);
void ward_buffer_add_u16(struct ward_buffer *buffer, uint16_t v); /* big-endian */
void ward_buffer_add_u32(struct ward_buffer *buffer, uint32_t v);
void ward_buffer_add_u64(struct ward_buffer *buffer, uint64_t v);
void ward_buffer_printf(struct ward_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Room for size bytes to be written in place; NULL when it fails. Commit with size += n. */
uint8_t *ward_buffer_reserve(struct ward_buffer *buffer, size_t size);
/* Drops n bytes from the front (wiped). */
void ward_buffer_consume(struct ward_buffer *buffer, size_t n);
static inline struct ward_bytes ward_buffer_view(const struct ward_buffer *buffer)
{
    return (struct ward_bytes){buffer->data, buffer->size};
}

#endif
