/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks for nghttp2, kept by size and always zero while they wait. A block's head remembers
 * how much was asked for, so that giving it back wipes just that. It knows nothing of HTTP. */
#include "server/net/h2_memory.h"

#include <stdlib.h>

#include "base/bytes.h"

#define BINS 6
#define BIN_SMALLEST 32
#define KEPT_MAX 1024 /* blocks of one size */

struct block {
    _Alignas(16) struct block *next; /* while it waits */
    uint32_t bin, size;              /* bin BINS: too large to keep */
};

struct ward_h2_memory {
    struct {
        struct block *first;
        size_t size;
    } kept[BINS];
    nghttp2_mem calls;
};

static uint32_t bin_of(size_t size)
{
    uint32_t bin = 0;
    while (bin < BINS && size > (size_t)BIN_SMALLEST << bin) {
        bin++;
    }
    return bin;
}

static void *take(size_t size, void *context)
{
    struct ward_h2_memory *memory = context;
    if (size > UINT32_MAX / 2) {
        return NULL;
    }
    uint32_t bin = bin_of(size);
    struct block *block;
    if (bin < BINS && memory->kept[bin].first != NULL) {
        block = memory->kept[bin].first;
        memory->kept[bin].first = block->next;
        memory->kept[bin].size--;
    } else {
        size_t room = bin < BINS ? (size_t)BIN_SMALLEST << bin : size;
        block = calloc(1, sizeof(*block) + room);
        if (block == NULL) {
            return NULL;
        }
    }
    block->bin = bin;
    block->size = (uint32_t)size;
    return block + 1;
}

static void give(void *ptr, void *context)
{
    struct ward_h2_memory *memory = context;
    if (ptr == NULL) {
        return;
    }
    struct block *block = (struct block *)ptr - 1;
    explicit_bzero(ptr, block->size);
    uint32_t bin = block->bin;
    if (bin == BINS || memory->kept[bin].size == KEPT_MAX) {
        free(block);
        return;
    }
    block->next = memory->kept[bin].first;
    memory->kept[bin].first = block;
    memory->kept[bin].size++;
}

static void *take_zeroed(size_t count, size_t size, void *context)
{
    size_t total;
    return __builtin_mul_overflow(count, size, &total) ? NULL : take(total, context);
}

static void *retake(void *ptr, size_t size, void *context)
{
    if (ptr == NULL) {
        return take(size, context);
    }
    struct block *block = (struct block *)ptr - 1;
    if (block->bin < BINS && block->bin == bin_of(size)) {
        if (size < block->size) {
            explicit_bzero((uint8_t *)ptr + size, block->size - size);
        }
        block->size = (uint32_t)size;
        return ptr;
    }
    void *moved = take(size, context);
    if (moved != NULL) {
        memcpy(moved, ptr, block->size < size ? block->size : size);
        give(ptr, context);
    }
    return moved;
}

ward_status ward_h2_memory_new(struct ward_h2_memory **ret)
{
    struct ward_h2_memory *memory = calloc(1, sizeof(*memory));
    WARD_ENSURE(memory != NULL, WARD_E_EXHAUSTED);
    memory->calls = (nghttp2_mem){memory, take, give, take_zeroed, retake};
    *ret = memory;
    return WARD_OK;
}

void ward_h2_memory_free(struct ward_h2_memory *memory)
{
    if (memory == NULL) {
        return;
    }
    for (uint32_t bin = 0; bin < BINS; bin++) {
        while (memory->kept[bin].first != NULL) {
            struct block *block = memory->kept[bin].first;
            memory->kept[bin].first = block->next;
            free(block);
        }
    }
    free(memory);
}

nghttp2_mem *ward_h2_memory_calls(struct ward_h2_memory *memory)
{
    return &memory->calls;
}
