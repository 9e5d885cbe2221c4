/* SPDX-License-Identifier: Apache-2.0 */
/* One pthread_atfork for all clients and caches of the process, since handlers cannot be taken back
 * one by one. The child has one thread: what its hooks do needs no more locks than those taken. */
#include "client/fork.h"

#include <assert.h>
#include <stddef.h>
#include <time.h>

#include "base/id.h"

static struct {
    pthread_mutex_t lock;
    pthread_once_t once;
    struct ward_fork_hook *first;
} watched = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

/* Writers first, or a busy process could never fork. Then a thread must not ask twice. */
static pthread_rwlock_t gate = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static _Thread_local unsigned inside;

void ward_fork_enter(void)
{
    if (inside++ == 0) {
        (void)pthread_rwlock_rdlock(&gate); /* fails only for misuse */
    }
}

void ward_fork_leave(void)
{
    if (--inside == 0) {
        (void)pthread_rwlock_unlock(&gate);
    }
}

ward_status ward_fork_random(uint8_t *out, size_t size)
{
    ward_fork_enter();
    ward_status status = ward_random(out, size);
    ward_fork_leave();
    return status;
}

/* A callback of the application's may fork from within: it holds no lock of OpenSSL's itself, and
 * of the others nothing can be known. */
static void before(void)
{
    (void)pthread_mutex_lock(&watched.lock);
    for (struct ward_fork_hook *hook = watched.first; hook != NULL; hook = hook->next) {
        hook->before(hook);
    }
    if (inside == 0) { /* last: whoever holds a hook's lock may enter, nobody inside wants one */
        (void)pthread_rwlock_wrlock(&gate);
    }
}

static void parent(void)
{
    if (inside == 0) {
        (void)pthread_rwlock_unlock(&gate);
    }
    for (struct ward_fork_hook *hook = watched.first; hook != NULL; hook = hook->next) {
        hook->parent(hook);
    }
    (void)pthread_mutex_unlock(&watched.lock);
}

static void child(void)
{
    static const pthread_rwlock_t open = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
    gate = open; /* whoever held it is not here */
    inside = 0;
    for (struct ward_fork_hook *hook = watched.first; hook != NULL; hook = hook->next) {
        hook->child(hook);
    }
    (void)pthread_mutex_unlock(&watched.lock);
}

static void begin(void)
{
    (void)pthread_atfork(before, parent, child); /* fails only when memory is short */
}

void ward_fork_watch(struct ward_fork_hook *hook)
{
    (void)pthread_once(&watched.once, begin);
    (void)pthread_mutex_lock(&watched.lock);
    hook->prev = NULL;
    hook->next = watched.first;
    if (hook->next != NULL) {
        hook->next->prev = hook;
    }
    watched.first = hook;
    (void)pthread_mutex_unlock(&watched.lock);
}

void ward_fork_unwatch(struct ward_fork_hook *hook)
{
    (void)pthread_mutex_lock(&watched.lock);
    if (hook->prev != NULL) {
        hook->prev->next = hook->next;
    } else {
        watched.first = hook->next;
    }
    if (hook->next != NULL) {
        hook->next->prev = hook->prev;
    }
    (void)pthread_mutex_unlock(&watched.lock);
}

void ward_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    int failed = pthread_condattr_init(&monotonic) |
                 pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) |
                 pthread_cond_init(condition, &monotonic);
    assert(failed == 0); /* none of these can fail on Linux */
    (void)failed;
    (void)pthread_condattr_destroy(&monotonic);
}
