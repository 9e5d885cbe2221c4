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

/* Counted by hand: a child may unlock a mutex that its parent's thread held, but no rwlock. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned inside;
    bool forking; /* nobody enters: a busy process must be able to fork */
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
static _Thread_local unsigned depth; /* of this thread, inside */

void ward_fork_enter(void)
{
    if (depth++ > 0) {
        return;
    }
    (void)pthread_mutex_lock(&gate.lock);
    while (gate.forking) {
        (void)pthread_cond_wait(&gate.changed, &gate.lock);
    }
    gate.inside++;
    (void)pthread_mutex_unlock(&gate.lock);
}

void ward_fork_leave(void)
{
    if (--depth > 0) {
        return;
    }
    (void)pthread_mutex_lock(&gate.lock);
    gate.inside--;
    if (gate.forking) {
        (void)pthread_cond_broadcast(&gate.changed);
    }
    (void)pthread_mutex_unlock(&gate.lock);
}

/* Held from here to the end of the fork. A callback of the application's that forks from within is
 * not waited for: it holds no lock of OpenSSL's itself. */
static void close_gate(void)
{
    (void)pthread_mutex_lock(&gate.lock);
    while (gate.forking) { /* another thread forks */
        (void)pthread_cond_wait(&gate.changed, &gate.lock);
    }
    gate.forking = true;
    while (gate.inside > (depth > 0 ? 1u : 0u)) {
        (void)pthread_cond_wait(&gate.changed, &gate.lock);
    }
}

static void open_gate(void)
{
    gate.forking = false;
    (void)pthread_cond_broadcast(&gate.changed);
    (void)pthread_mutex_unlock(&gate.lock);
}

ward_status ward_fork_random(uint8_t *out, size_t size)
{
    ward_fork_enter();
    ward_status status = ward_random(out, size);
    ward_fork_leave();
    return status;
}

static void before(void)
{
    (void)pthread_mutex_lock(&watched.lock);
    for (struct ward_fork_hook *hook = watched.first; hook != NULL; hook = hook->next) {
        hook->before(hook);
    }
    close_gate(); /* last: whoever holds a hook's lock may enter, nobody inside wants one */
}

static void parent(void)
{
    open_gate();
    for (struct ward_fork_hook *hook = watched.first; hook != NULL; hook = hook->next) {
        hook->parent(hook);
    }
    (void)pthread_mutex_unlock(&watched.lock);
}

static void child(void)
{
    ward_condition_init(&gate.changed); /* those who wait for it are not here */
    gate.inside = depth > 0 ? 1 : 0;
    open_gate();
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
