/* SPDX-License-Identifier: Apache-2.0 */
/* What of this process must not be used by a child that it forks: connections, and locks that
 * another thread may hold. Whoever has such things hangs a hook here. */
#ifndef WARD_CLIENT_FORK_H
#define WARD_CLIENT_FORK_H

#include <pthread.h>

struct ward_fork_hook {
    void (*before)(struct ward_fork_hook *hook); /* takes its locks */
    void (*parent)(struct ward_fork_hook *hook); /* gives them back */
    void (*child)(struct ward_fork_hook *hook);  /* the same, and forgets what is the parent's */
    struct ward_fork_hook *prev, *next;
};

/* Never with a lock held that `before` takes. */
void ward_fork_watch(struct ward_fork_hook *hook);
void ward_fork_unwatch(struct ward_fork_hook *hook);

/* A condition that waits by the monotonic clock; in a child, made anew over the parent's, for which
 * threads wait that are not here. */
void ward_condition_init(pthread_cond_t *condition);

#endif
