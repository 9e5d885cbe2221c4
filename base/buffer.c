/* SPDX-License-Identifier: Apache-2.0 */
/* The one growing buffer. All room is made in `ward_buffer_reserve`; the rest writes into it.
 * Behind `capacity` lies one byte more, for the NUL that printf insists on. */
#include "base/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/wipe_alloc.h"

#define CAPACITY_MIN 256

void ward_buffer_init(struct ward_buffer *buffer, size_t max)
{
    *buffer = (struct ward_buffer){.max = max};
}

void ward_buffer_fini(struct ward_buffer *buffer)
{
    ward_wipe_free(buffer->data);
    *buffer = (struct ward_buffer){.max = buffer->max};
}

void ward_buffer_reset(struct ward_buffer *buffer)
{
    if (buffer->size > 0) {
        explicit_bzero(buffer->data, buffer->size);
    }
    buffer->size = 0;
    buffer->failed = false;
}

static bool grow(struct ward_buffer *buffer, size_t need)
{
    size_t capacity = buffer->capacity > buffer->max / 2 ? buffer->max : buffer->capacity * 2;
    if (capacity < CAPACITY_MIN) {
        capacity = CAPACITY_MIN < buffer->max ? CAPACITY_MIN : buffer->max;
    }
    if (capacity < need) {
        capacity = need;
    }
    if (capacity == SIZE_MAX) {
        return false;
    }
    uint8_t *data = ward_wipe_realloc(buffer->data, capacity + 1);
    if (data == NULL) {
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

uint8_t *ward_buffer_reserve(struct ward_buffer *buffer, size_t size)
{
    if (buffer->failed) {
        return NULL;
    }
    if (buffer->data != NULL && size <= buffer->capacity - buffer->size) {
        return buffer->data + buffer->size;
    }
    if (size > buffer->max - buffer->size || !grow(buffer, buffer->size + size)) {
        buffer->failed = true;
        return NULL;
    }
    return buffer->data + buffer->size;
}

void ward_buffer_add(struct ward_buffer *buffer, struct ward_bytes bytes)
{
    if (bytes.size == 0) {
        return;
    }
    uint8_t *room = ward_buffer_reserve(buffer, bytes.size);
    if (room != NULL) {
        memcpy(room, bytes.data, bytes.size);
        buffer->size += bytes.size;
    }
}

void ward_buffer_add_u8(struct ward_buffer *buffer, uint8_t v)
{
    uint8_t *room = ward_buffer_reserve(buffer, 1);
    if (room != NULL) {
        *room = v;
        buffer->size += 1;
    }
}

void ward_buffer_add_u16(struct ward_buffer *buffer, uint16_t v)
{
    uint8_t *room = ward_buffer_reserve(buffer, 2);
    if (room != NULL) {
        ward_put_u16(room, v);
        buffer->size += 2;
    }
}

void ward_buffer_add_u32(struct ward_buffer *buffer, uint32_t v)
{
    uint8_t *room = ward_buffer_reserve(buffer, 4);
    if (room != NULL) {
        ward_put_u32(room, v);
        buffer->size += 4;
    }
}

void ward_buffer_add_u64(struct ward_buffer *buffer, uint64_t v)
{
    uint8_t *room = ward_buffer_reserve(buffer, 8);
    if (room != NULL) {
        ward_put_u64(room, v);
        buffer->size += 8;
    }
}

void ward_buffer_printf(struct ward_buffer *buffer, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    uint8_t *room = size < 0 ? NULL : ward_buffer_reserve(buffer, (size_t)size);
    if (room != NULL) {
        (void)vsnprintf((char *)room, (size_t)size + 1, format, again); /* its size is known */
        buffer->size += (size_t)size;
    } else {
        buffer->failed = true;
    }
    va_end(again);
    va_end(args);
}

void ward_buffer_consume(struct ward_buffer *buffer, size_t n)
{
    assert(n <= buffer->size);
    if (n == 0) {
        return;
    }
    size_t left = buffer->size - n;
    memmove(buffer->data, buffer->data + n, left);
    explicit_bzero(buffer->data + left, n);
    buffer->size = left;
}
