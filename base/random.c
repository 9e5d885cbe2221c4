/* SPDX-License-Identifier: Apache-2.0 */
/* A DRBG call costs the same for 32 bytes as for hundreds, so each thread draws blocks of 4 KiB and
 * hands them out. Where a block stands is kept inside its own wiped-on-fork pages: in a forked
 * child both blocks read as empty, so parent and child can never hand out the same bytes. */
#include "base/random.h"

#include <pthread.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "base/id.h"
#include "base/locked.h"

#define BLOCK_SIZE 4096
#define LARGE 1024 /* from here on a DRBG call of its own wastes less */

struct block {
    size_t left; /* unspent bytes, at the end of `bytes` */
    uint8_t bytes[BLOCK_SIZE];
};

struct draw {
    size_t mapped; /* size of the mapping; 0 in a forked child until it is locked again */
    struct block public, private;
};

static _Thread_local struct draw *thread_draw;
static _Thread_local size_t thread_mapped; /* outlives the wipe at fork */
static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static bool exit_ready;

static void release(void *unused)
{
    (void)unused;
    ward_locked_unmap(thread_draw, thread_mapped);
    thread_draw = NULL;
}

static void make_exit_key(void)
{
    exit_ready = pthread_key_create(&exit_key, release) == 0;
}

/* The thread's blocks, or NULL where memory cannot be locked: then every draw is a DRBG call. */
static struct draw *get_draw(void)
{
    struct draw *draw = thread_draw;
    if (draw != NULL && draw->mapped != 0) {
        return draw;
    }
    if (draw != NULL) {
        if (!ward_ok(ward_locked_again(draw, thread_mapped))) {
            return NULL;
        }
        draw->mapped = thread_mapped;
        return draw;
    }
    (void)pthread_once(&exit_once, make_exit_key); /* fails only for a bad argument */
    size_t mapped = sizeof(*draw);
    void *pages = NULL;
    if (!exit_ready || !ward_ok(ward_locked_map(&mapped, &pages))) {
        return NULL;
    }
    if (pthread_setspecific(exit_key, pages) != 0) {
        ward_locked_unmap(pages, mapped);
        return NULL;
    }
    draw = pages;
    draw->mapped = mapped;
    thread_mapped = mapped;
    thread_draw = draw;
    return draw;
}

typedef int (*drbg_fn)(unsigned char *out, int size);

static ward_status draw_from(drbg_fn drbg, uint8_t *out, size_t size)
{
    while (size > 0) {
        int part = size > (1 << 20) ? 1 << 20 : (int)size;
        if (drbg(out, part) != 1) {
            unsigned long error = ERR_peek_last_error();
            ERR_clear_error();
            return WARD_FOREIGN(WARD_E_INTERNAL, WARD_DOMAIN_OPENSSL, error);
        }
        out += part;
        size -= (size_t)part;
    }
    return WARD_OK;
}

static ward_status spend(struct block *block, drbg_fn drbg, uint8_t *out, size_t size)
{
    if (size == 0) {
        return WARD_OK; /* out may be NULL */
    }
    if (block->left < size) {
        block->left = 0;
        WARD_TRY(draw_from(drbg, block->bytes, BLOCK_SIZE));
        block->left = BLOCK_SIZE;
    }
    uint8_t *from = block->bytes + BLOCK_SIZE - block->left;
    memcpy(out, from, size);
    OPENSSL_cleanse(from, size);
    block->left -= size;
    return WARD_OK;
}

ward_status ward_random(uint8_t *out, size_t size)
{
    struct draw *draw = size < LARGE ? get_draw() : NULL;
    return draw == NULL ? draw_from(RAND_bytes, out, size)
                        : spend(&draw->public, RAND_bytes, out, size);
}

ward_status ward_random_private(uint8_t *out, size_t size)
{
    struct draw *draw = size < LARGE ? get_draw() : NULL;
    return draw == NULL ? draw_from(RAND_priv_bytes, out, size)
                        : spend(&draw->private, RAND_priv_bytes, out, size);
}
