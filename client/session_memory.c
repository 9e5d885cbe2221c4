/* SPDX-License-Identifier: Apache-2.0 */
/* Free lists by size, without a lock: a connection belongs to one thread at a time. Before each
 * block stands its class. Must not know HTTP/2.
 *
 *   class 0: up to 64 bytes, 1: up to 128, ... 15: up to 1,024; larger ones are malloc's */
#include "client/session_memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define STEP 64
#define SPARE_MAX 256 /* of each class */
#define LARGE SIZE_MAX

/* Under AddressSanitizer nothing is kept, so that a use after free is found. */
#if defined(__SANITIZE_ADDRESS__)
#define KEEP 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEP 0
#endif
#endif
#ifndef KEEP
#define KEEP 1
#endif

struct ward_session_block {
    _Alignas(16) size_t class; /* LARGE: malloc's own */
    union {
        struct ward_session_block *next; /* spare */
        size_t size;                     /* in use */
    };
};

static void *take(size_t size, void *user)
{
    struct ward_session_memory *memory = user;
    size_t class = size == 0 ? 0 : (size - 1) / STEP;
    class = KEEP && class < WARD_SESSION_CLASSES ? class : LARGE;
    struct ward_session_block *block = class == LARGE ? NULL : memory->spare[class];
    if (block != NULL) {
        memory->spare[class] = block->next;
        memory->n_spare[class]--;
    } else if (size < SIZE_MAX - sizeof(*block)) {
        block = malloc(sizeof(*block) + (class == LARGE ? size : (class + 1) * STEP));
    }
    if (block == NULL) {
        return NULL;
    }
    block->class = class;
    block->size = size;
    return block + 1;
}

static void give(void *pointer, void *user)
{
    struct ward_session_memory *memory = user;
    if (pointer == NULL) {
        return;
    }
    struct ward_session_block *block = (struct ward_session_block *)pointer - 1;
    size_t class = block->class;
    if (class == LARGE || memory->n_spare[class] >= SPARE_MAX) {
        free(block);
        return;
    }
    block->next = memory->spare[class];
    memory->spare[class] = block;
    memory->n_spare[class]++;
}

static void *take_zeroed(size_t n, size_t size, void *user)
{
    size_t total = 0;
    void *pointer = __builtin_mul_overflow(n, size, &total) ? NULL : take(total, user);
    if (pointer != NULL) {
        memset(pointer, 0, total);
    }
    return pointer;
}

static void *take_more(void *pointer, size_t size, void *user)
{
    if (pointer == NULL) {
        return take(size, user);
    }
    struct ward_session_block *block = (struct ward_session_block *)pointer - 1;
    if (block->class != LARGE && size <= (block->class + 1) * STEP) {
        block->size = size;
        return pointer;
    }
    void *moved = take(size, user);
    if (moved != NULL) {
        memcpy(moved, pointer, block->size < size ? block->size : size);
        give(pointer, user);
    }
    return moved;
}

void ward_session_memory_init(struct ward_session_memory *memory)
{
    *memory = (struct ward_session_memory){
        .functions = {memory, take, give, take_zeroed, take_more},
    };
}

void ward_session_memory_fini(struct ward_session_memory *memory)
{
    for (size_t i = 0; i < WARD_SESSION_CLASSES; i++) {
        while (memory->spare[i] != NULL) {
            struct ward_session_block *block = memory->spare[i];
            memory->spare[i] = block->next;
            free(block);
        }
    }
}
