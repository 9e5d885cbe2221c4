/* SPDX-License-Identifier: Apache-2.0 */
/* One bound on what all peers together make the process hold: unfinished messages, requests and
 * answers. A connection may hold as much as half of what is still free (the dynamic threshold of
 * Choudhury and Hahne, 1998): one greedy peer gets a third of everything, several share, and there
 * is always room for one more call of somebody modest. Any thread. */
#ifndef WARD_SERVER_NET_HELD_H
#define WARD_SERVER_NET_HELD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define WARD_HELD_MODEST (64u * 1024) /* a connection may hold so much unless nothing is left */

struct ward_held {
    size_t max;
    atomic_size_t bytes;
};

/* May a connection that holds `mine` bytes hold `more`? Says nothing about who takes it first: the
 * bound is passed by what is granted at the same moment. */
static inline bool ward_held_room(const struct ward_held *held, size_t mine, size_t more)
{
    size_t bytes = atomic_load_explicit(&held->bytes, memory_order_relaxed);
    if (bytes >= held->max || more > held->max - bytes) {
        return false;
    }
    return mine + more <= (held->max - bytes) / 2 || mine + more <= WARD_HELD_MODEST;
}

/* Also past the bound: what is there is counted. */
static inline void ward_held_add(struct ward_held *held, size_t size)
{
    (void)atomic_fetch_add_explicit(&held->bytes, size, memory_order_relaxed);
}

static inline void ward_held_sub(struct ward_held *held, size_t size)
{
    (void)atomic_fetch_sub_explicit(&held->bytes, size, memory_order_relaxed);
}

#endif
