/* SPDX-License-Identifier: Apache-2.0 */
/* What of this process must not be used by a child that it forks: connections, and locks that
 * another thread may hold. Whoever has such things hangs a hook here. */
#ifndef WARD_CLIENT_FORK_H
#define WARD_CLIENT_FORK_H

#include <pthread.h>

#include "base/status.h"

struct ward_fork_hook {
    void (*before)(struct ward_fork_hook *hook); /* takes its locks */
    void (*parent)(struct ward_fork_hook *hook); /* gives them back */
    void (*child)(struct ward_fork_hook *hook);  /* the same, and forgets what is the parent's */
    struct ward_fork_hook *prev, *next;
};

/* Never with a lock held that `before` takes. */
void ward_fork_watch(struct ward_fork_hook *hook);
void ward_fork_unwatch(struct ward_fork_hook *hook);

/* Around every use of OpenSSL, which must not block on the network: OpenSSL has locks of its own,
 * and a child that is forked while another thread holds one waits for ever. A fork waits for those
 * who are inside, and they for a fork. May be nested. */
void ward_fork_enter(void);
void ward_fork_leave(void);
/* ward_random, inside. */
ward_status ward_fork_random(uint8_t *out, size_t size);

/* A condition that waits by the monotonic clock; in a child, made anew over the parent's, for which
 * threads wait that are not here. */
void ward_condition_init(pthread_cond_t *condition);

#endif
