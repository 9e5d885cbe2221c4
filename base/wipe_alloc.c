/* SPDX-License-Identifier: Apache-2.0 */
/* Before each block stands its size, so that it can be wiped whole without asking anybody. An arena
 * is a list of such blocks; chunks of the usual size are kept per thread, wiped. */
#include "base/wipe_alloc.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Under AddressSanitizer every piece of an arena is an allocation of its own and no chunk is kept,
 * so that a read past a piece or after its end is found. */
#if defined(__SANITIZE_ADDRESS__)
#define CHECKED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CHECKED 1
#endif
#endif
#ifndef CHECKED
#define CHECKED 0
#endif

#define ALIGNMENT 16
#define SIZE_LIMIT ((size_t)PTRDIFF_MAX - 4096)
#define SMALL 1024 /* glibc's calloc goes past the per-thread cache that malloc has */

struct header {
    _Alignas(ALIGNMENT) size_t size; /* as asked for; the bytes behind it are zero */
    size_t capacity;
};

static size_t align_up(size_t size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void *ward_wipe_malloc(size_t size)
{
    if (size > SIZE_LIMIT) {
        return NULL;
    }
    size_t capacity = CHECKED ? size : align_up(size);
    size_t total = sizeof(struct header) + capacity;
    struct header *header;
    if (total <= SMALL) {
        header = malloc(total);
        if (header != NULL) {
            memset(header, 0, total);
        }
    } else {
        header = calloc(1, total);
    }
    if (header == NULL) {
        return NULL;
    }
    header->size = size;
    header->capacity = capacity;
    return header + 1;
}

void *ward_wipe_calloc(size_t count, size_t size)
{
    size_t total;
    return __builtin_mul_overflow(count, size, &total) ? NULL : ward_wipe_malloc(total);
}

void *ward_wipe_realloc(void *ptr, size_t size)
{
    if (ptr == NULL) {
        return ward_wipe_malloc(size);
    }
    struct header *header = (struct header *)ptr - 1;
    if (size <= header->capacity) {
        if (size < header->size) {
            explicit_bzero((uint8_t *)ptr + size, header->size - size);
        }
        header->size = size;
        return ptr;
    }
    void *moved = ward_wipe_malloc(size);
    if (moved != NULL) {
        memcpy(moved, ptr, header->size);
        ward_wipe_free(ptr);
    }
    return moved;
}

void ward_wipe_free(void *ptr)
{
    if (ptr == NULL) {
        return;
    }
    struct header *header = (struct header *)ptr - 1;
    explicit_bzero(header, sizeof(*header) + header->size);
    free(header);
}

#define CHUNK_SIZE 4096
#define SPARE_MAX 256

struct chunk {
    _Alignas(ALIGNMENT) struct chunk *next;
    size_t used, room; /* bytes of data[] */
    _Alignas(ALIGNMENT) uint8_t data[];
};

#define CHUNK_ROOM (CHUNK_SIZE - sizeof(struct chunk))
/* What would waste a chunk's rest gets a block of its own. */
#define DIRECT_SIZE (CHECKED ? 0 : CHUNK_ROOM / 4)

struct ward_arena {
    _Alignas(ALIGNMENT) struct chunk *chunks; /* the first is the one being filled */
    size_t budget, used;
};

/* Wiped chunks that wait for this thread's next arena. */
static _Thread_local struct {
    struct chunk *first;
    size_t size;
} spare;
static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static bool exit_ready;

static void release_spare(void *unused)
{
    (void)unused;
    while (spare.first != NULL) {
        struct chunk *chunk = spare.first;
        spare.first = chunk->next;
        free(chunk);
    }
    spare.size = 0;
}

static void make_exit_key(void)
{
    exit_ready = pthread_key_create(&exit_key, release_spare) == 0;
}

static struct chunk *chunk_new(void)
{
    struct chunk *chunk = spare.first;
    if (chunk != NULL) {
        spare.first = chunk->next;
        spare.size--;
    } else {
        chunk = calloc(1, CHUNK_SIZE);
        if (chunk == NULL) {
            return NULL;
        }
    }
    chunk->next = NULL;
    chunk->room = CHUNK_ROOM;
    return chunk;
}

/* Keeps the chunk, all zero but for its link, or gives it back. */
static void chunk_free(struct chunk *chunk)
{
    bool usual = chunk->room == CHUNK_ROOM;
    explicit_bzero(chunk, sizeof(*chunk) + chunk->used);
    if (CHECKED || !usual || spare.size >= SPARE_MAX) {
        free(chunk);
        return;
    }
    if (spare.first == NULL) {
        (void)pthread_once(&exit_once, make_exit_key); /* fails only for a bad argument */
        if (!exit_ready || pthread_setspecific(exit_key, chunk) != 0) {
            free(chunk);
            return;
        }
    }
    chunk->next = spare.first;
    spare.first = chunk;
    spare.size++;
}

ward_status ward_arena_new(size_t budget, struct ward_arena **ret)
{
    struct chunk *chunk = chunk_new();
    WARD_ENSURE(chunk != NULL, WARD_E_EXHAUSTED);
    struct ward_arena *arena = (struct ward_arena *)(void *)chunk->data;
    chunk->used = sizeof(*arena);
    arena->chunks = chunk;
    arena->budget = budget;
    *ret = arena;
    return WARD_OK;
}

/* A block that holds this piece alone, behind the chunk that is being filled. */
static void *alloc_direct(struct ward_arena *arena, size_t size)
{
    struct chunk *chunk = calloc(1, sizeof(*chunk) + size);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->used = size;
    chunk->room = size;
    chunk->next = arena->chunks->next;
    arena->chunks->next = chunk;
    return chunk->data;
}

void *ward_arena_alloc(struct ward_arena *arena, size_t size)
{
    if (size > SIZE_LIMIT) {
        return NULL;
    }
    size_t taken = size == 0 ? ALIGNMENT : align_up(size);
    if (taken > arena->budget - arena->used) {
        return NULL;
    }
    struct chunk *chunk = arena->chunks;
    void *piece;
    if (taken > DIRECT_SIZE) {
        piece = alloc_direct(arena, CHECKED ? size : taken);
    } else {
        if (taken > chunk->room - chunk->used) {
            chunk = chunk_new();
            if (chunk == NULL) {
                return NULL;
            }
            chunk->next = arena->chunks;
            arena->chunks = chunk;
        }
        piece = chunk->data + chunk->used;
        chunk->used += taken;
    }
    if (piece != NULL) {
        arena->used += taken;
    }
    return piece;
}

ward_status ward_arena_copy(struct ward_arena *arena, struct ward_bytes from,
                            struct ward_bytes *ret)
{
    WARD_ENSURE(from.size < SIZE_LIMIT, WARD_E_EXHAUSTED);
    uint8_t *copy = ward_arena_alloc(arena, from.size + 1);
    WARD_ENSURE(copy != NULL, WARD_E_EXHAUSTED);
    if (from.size > 0) {
        memcpy(copy, from.data, from.size);
    }
    *ret = (struct ward_bytes){copy, from.size};
    return WARD_OK;
}

char *ward_arena_printf(struct ward_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    char *text = size < 0 ? NULL : ward_arena_alloc(arena, (size_t)size + 1);
    if (text != NULL) {
        (void)vsnprintf(text, (size_t)size + 1, format, again); /* its size is known */
    }
    va_end(again);
    va_end(args);
    return text;
}

size_t ward_arena_used(const struct ward_arena *arena)
{
    return arena->used;
}

void ward_arena_free(struct ward_arena *arena)
{
    struct chunk *chunk = arena == NULL ? NULL : arena->chunks;
    while (chunk != NULL) { /* the arena itself lies in the last one */
        struct chunk *next = chunk->next;
        chunk_free(chunk);
        chunk = next;
    }
}
