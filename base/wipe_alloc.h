/* SPDX-License-Identifier: Apache-2.0 */
/* Heap memory that is wiped when it is released, for what libraries copy (nghttp2, protobuf-c) and
 * for buffers through which keys and PHI pass; and an arena on top of it: a request's memory. */
#ifndef WARD_BASE_WIPE_ALLOC_H
#define WARD_BASE_WIPE_ALLOC_H

#include "base/bytes.h"
#include "base/status.h"

/* malloc's contract; memory comes zeroed. A size header is kept so that free can wipe. */
void *ward_wipe_malloc(size_t size);
void *ward_wipe_calloc(size_t count, size_t size);
void *ward_wipe_realloc(void *ptr, size_t size);
void ward_wipe_free(void *ptr);

/* A bump allocator with a budget, wiped and released as a whole. Not thread-safe: it moves with its
 * owner. All pointers into it die with it. */
struct ward_arena;

/* budget: the most bytes that it will ever hand out, alignment included. */
ward_status ward_arena_new(size_t budget, struct ward_arena **ret);
/* 16-byte aligned, zeroed; NULL when the budget or memory is spent. size 0 gives a pointer. */
void *ward_arena_alloc(struct ward_arena *arena, size_t size);
/* A copy of the bytes, followed by a NUL that is not counted. */
ward_status ward_arena_copy(struct ward_arena *arena, struct ward_bytes from,
                            struct ward_bytes *ret);
/* printf into the arena; NULL when spent. */
char *ward_arena_printf(struct ward_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
size_t ward_arena_used(const struct ward_arena *arena);
void ward_arena_free(struct ward_arena *arena);
static inline void ward_arena_freep(struct ward_arena **arena)
{
    ward_arena_free(*arena);
}

#define WARD_ARENA_NEW(arena, type) ((type *)ward_arena_alloc((arena), sizeof(type)))
/* NULL on overflow too. */
#define WARD_ARENA_ARRAY(arena, type, n)   \
    ((size_t)(n) > SIZE_MAX / sizeof(type) \
         ? NULL                            \
         : (type *)ward_arena_alloc((arena), (n) * sizeof(type)))

#endif
