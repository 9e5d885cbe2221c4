/* SPDX-License-Identifier: Apache-2.0 */
/* The pool in which every secret of the process lives. It is cut into granules of 64 bytes; which
 * are taken is kept in two bitmaps outside the pool, so that a free granule holds nothing but zeros
 * and a forked child, whose pool reads as zeros, can still free what it inherited. A secret's size
 * stands before its bytes, inside the pool: in a child every inherited secret is empty, not a key
 * of zeros. One lock, held for a few instructions; copying, drawing and wiping happen outside it.
 *
 *   granule   0        1          2..3           4        ...
 *           [alive] [size|key] [size|longer    ] [free = 0] */
#include "base/secret.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "base/locked.h"
#include "base/random.h"

#define GRANULE 64
#define SECRET_SIZE_MAX 65536
#define POOL_SIZE_DEFAULT ((size_t)1 << 20)
#define NONE SIZE_MAX

struct ward_secret {
    _Alignas(16) size_t size;
    _Alignas(16) uint8_t bytes[];
};

/* The process's one pool: locked memory is a resource of the process, as its descriptors are. */
static struct {
    pthread_mutex_t lock;
    uint8_t *base;
    size_t mapped, granules, used; /* used: granules handed out */
    size_t hint;                   /* where to look first: what was freed last is still cached */
    uint64_t *taken;               /* one bit a granule */
    uint64_t *last;                /* one bit at the last granule of each secret */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void lock_pool(void)
{
    int error = pthread_mutex_lock(&pool.lock);
    assert(error == 0);
    (void)error;
}

static void unlock_pool(void)
{
    int error = pthread_mutex_unlock(&pool.lock);
    assert(error == 0);
    (void)error;
}

static ward_status pool_open(size_t bytes)
{
    void *base = NULL;
    size_t mapped = bytes == 0 ? 1 : bytes;
    WARD_TRY(ward_locked_map(&mapped, &base));
    size_t granules = mapped / GRANULE;
    uint64_t *bitmaps = calloc(granules / 64, 2 * sizeof(uint64_t));
    /* A fork while another thread holds the lock would leave it held in the child for ever. */
    if (bitmaps == NULL || pthread_atfork(lock_pool, unlock_pool, unlock_pool) != 0) {
        free(bitmaps);
        ward_locked_unmap(base, mapped);
        return WARD_STATUS(WARD_E_UNAVAILABLE);
    }
    pool.base = base;
    pool.mapped = mapped;
    pool.granules = granules;
    pool.taken = bitmaps;
    pool.last = bitmaps + granules / 64;
    pool.base[0] = 1; /* alive: reads 0 in a forked child */
    pool.taken[0] = pool.last[0] = 1;
    pool.hint = 1;
    return WARD_OK;
}

/* With the lock held: a pool that is there and locked, in this process. */
static ward_status pool_ready(void)
{
    if (pool.base == NULL) {
        return pool_open(POOL_SIZE_DEFAULT);
    }
    if (pool.base[0] == 0) {
        WARD_TRY(ward_locked_again(pool.base, pool.mapped));
        pool.base[0] = 1;
    }
    return WARD_OK;
}

ward_status ward_secret_pool_init(size_t bytes)
{
    lock_pool();
    ward_status status = WARD_OK;
    if (pool.base == NULL) {
        status = pool_open(bytes);
    } else if (bytes > pool.mapped) {
        status = WARD_STATUS(WARD_E_STATE); /* in use already, and smaller */
    }
    unlock_pool();
    return status;
}

/* The first bit at or behind `from` that is `set`, or `to`. */
static size_t find_bit(const uint64_t *map, bool set, size_t from, size_t to)
{
    while (from < to) {
        uint64_t word = (set ? map[from / 64] : ~map[from / 64]) >> (from % 64);
        if (word != 0) {
            size_t at = from + (size_t)__builtin_ctzll(word);
            return at < to ? at : to;
        }
        from = (from / 64 + 1) * 64;
    }
    return to;
}

/* The first run of n free granules that begins in [from, to). */
static size_t find_run(size_t from, size_t to, size_t n)
{
    while (from < to) {
        size_t start = find_bit(pool.taken, false, from, to);
        if (start == to || n > pool.granules - start) {
            return NONE;
        }
        size_t end = find_bit(pool.taken, true, start, start + n);
        if (end == start + n) {
            return start;
        }
        from = end + 1;
    }
    return NONE;
}

static ward_status pool_take(size_t n, uint8_t **ret)
{
    WARD_TRY(pool_ready());
    size_t start = NONE;
    if (n < pool.granules - pool.used) {
        start = find_run(pool.hint, pool.granules, n);
        if (start == NONE) {
            start = find_run(1, pool.hint, n);
        }
    }
    WARD_ENSURE(start != NONE, WARD_E_EXHAUSTED);
    for (size_t i = start; i < start + n; i++) {
        pool.taken[i / 64] |= (uint64_t)1 << (i % 64);
    }
    pool.last[(start + n - 1) / 64] |= (uint64_t)1 << ((start + n - 1) % 64);
    pool.used += n;
    pool.hint = start + n < pool.granules ? start + n : 1;
    *ret = pool.base + start * GRANULE;
    return WARD_OK;
}

static bool bit(const uint64_t *map, size_t i)
{
    return (map[i / 64] >> (i % 64) & 1) != 0;
}

/* Number of granules of the secret that begins at start. Freeing twice, or what is no secret, is a
 * bug that must not go on. */
static size_t run_size(size_t start)
{
    assert(start > 0 && start < pool.granules && bit(pool.taken, start));
    assert(!bit(pool.taken, start - 1) || bit(pool.last, start - 1));
    return find_bit(pool.last, true, start, pool.granules) + 1 - start;
}

ward_status ward_secret_zero(size_t size, struct ward_secret **ret)
{
    WARD_ENSURE(size >= 1 && size <= SECRET_SIZE_MAX, WARD_E_INVALID);
    size_t n = (sizeof(struct ward_secret) + size + GRANULE - 1) / GRANULE;
    uint8_t *block = NULL;
    lock_pool();
    ward_status status = pool_take(n, &block);
    unlock_pool();
    WARD_TRY(status);
    struct ward_secret *secret = (struct ward_secret *)(void *)block;
    secret->size = size;
    *ret = secret;
    return WARD_OK;
}

ward_status ward_secret_new(struct ward_bytes from, struct ward_secret **ret)
{
    struct ward_secret *secret = NULL;
    WARD_TRY(ward_secret_zero(from.size, &secret));
    memcpy(secret->bytes, from.data, from.size);
    *ret = secret;
    return WARD_OK;
}

ward_status ward_secret_random(size_t size, struct ward_secret **ret)
{
    ward_auto(ward_secret_freep) struct ward_secret *secret = NULL;
    WARD_TRY(ward_secret_zero(size, &secret));
    WARD_TRY(ward_random_private(secret->bytes, size));
    *ret = WARD_TAKE(secret);
    return WARD_OK;
}

struct ward_bytes ward_secret_view(const struct ward_secret *secret)
{
    return (struct ward_bytes){secret->bytes, secret->size};
}

uint8_t *ward_secret_fill(struct ward_secret *secret)
{
    return secret->bytes;
}

bool ward_secret_eq(const struct ward_secret *a, const struct ward_secret *b)
{
    return ward_bytes_eq_ct(ward_secret_view(a), ward_secret_view(b));
}

void ward_secret_free(struct ward_secret *secret)
{
    if (secret == NULL) {
        return;
    }
    size_t offset = (size_t)((uint8_t *)secret - pool.base);
    assert(offset < pool.mapped && offset % GRANULE == 0);
    size_t start = offset / GRANULE;

    lock_pool();
    size_t n = run_size(start);
    unlock_pool();

    OPENSSL_cleanse(secret, n * GRANULE);

    lock_pool();
    for (size_t i = start; i < start + n; i++) {
        pool.taken[i / 64] &= ~((uint64_t)1 << (i % 64));
    }
    pool.last[(start + n - 1) / 64] &= ~((uint64_t)1 << ((start + n - 1) % 64));
    pool.used -= n;
    pool.hint = start;
    unlock_pool();
}

size_t ward_secret_pool_used(void)
{
    lock_pool();
    size_t used = pool.used * GRANULE;
    unlock_pool();
    return used;
}
