/* SPDX-License-Identifier: Apache-2.0 */
/* The turn: sleep until something is ready, read it, let the handler hand work over and take
 * answers back, write each connection that has something to say once. Other threads reach a loop
 * only through the two lists behind a lock and the wake, which costs a system call only when the
 * loop sleeps. */
#include "server/net/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/wipe_alloc.h"
#include "server/net/conn.h"

struct accepted {
    struct ward_link link;
    struct ward_arrival arrival;
};

/* Asked at the first event after a sleep; one look at the clock serves a turn. */
void ward_loop_refresh(struct ward_loop *loop)
{
    if (!loop->fresh) {
        loop->now_us = ward_monotonic_us(&ward_clock_system);
        loop->fresh = true;
    }
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    struct ward_loop *loop = user;
    uint32_t at = 0;
    ward_loop_refresh(loop);
    for (struct ward_conn *conn = ward_conn_table_next(&loop->table, &at); conn != NULL;
         conn = ward_conn_table_next(&loop->table, &at)) {
        ward_conn_tick(conn);
    }
}

static void on_woken(evutil_socket_t fd, short what, void *user)
{
    (void)what;
    (void)user;
    uint64_t count;
    (void)!read(fd, &count, sizeof(count)); /* nothing to read is fine too */
}

static struct ward_list take_accepted(struct ward_loop *loop)
{
    (void)pthread_mutex_lock(&loop->lock);
    struct ward_list accepted = loop->accepted;
    loop->accepted = (struct ward_list){0};
    (void)pthread_mutex_unlock(&loop->lock);
    return accepted;
}

static void open_accepted(struct ward_loop *loop)
{
    struct ward_list list = take_accepted(loop);
    for (struct ward_link *link = ward_list_pop(&list); link != NULL; link = ward_list_pop(&list)) {
        struct accepted *accepted = WARD_CONTAINER(link, struct accepted, link);
        if (loop->draining) {
            ward_arrival_end(loop, &accepted->arrival);
        } else {
            ward_conn_open(loop, &accepted->arrival);
        }
        free(accepted);
    }
}

static void recheck(struct ward_loop *loop)
{
    uint32_t at = 0;
    for (struct ward_conn *conn = ward_conn_table_next(&loop->table, &at); conn != NULL;
         conn = ward_conn_table_next(&loop->table, &at)) {
        ward_conn_recheck(conn);
    }
}

static void begin_drain(struct ward_loop *loop)
{
    uint32_t at = 0;
    loop->draining = true;
    for (struct ward_conn *conn = ward_conn_table_next(&loop->table, &at); conn != NULL;
         conn = ward_conn_table_next(&loop->table, &at)) {
        if (conn->h2 != NULL) {
            loop->config.handler.tick(loop->config.handler.context, conn->session, conn->h2,
                                      loop->now_us, conn->heard_us);
        }
        ward_conn_touch(conn);
    }
}

/* What one turn does after the events. */
static void turn(struct ward_loop *loop)
{
    ward_loop_refresh(loop);
    open_accepted(loop);
    if (!loop->draining && atomic_load(&loop->drain_asked)) {
        begin_drain(loop);
    }
    if (atomic_exchange(&loop->recheck_asked, false)) {
        recheck(loop);
    }
    struct ward_conn *again = loop->again;
    loop->again = NULL;
    while (again != NULL) {
        struct ward_conn *conn = again;
        again = conn->next_again;
        conn->next_again = NULL;
        conn->is_again = false;
        ward_conn_read(conn);
    }
    loop->config.handler.turn(loop->config.handler.context);
    while (loop->touched != NULL) {
        struct ward_conn *conn = loop->touched;
        loop->touched = conn->next_touched;
        conn->next_touched = NULL;
        conn->is_touched = false;
        ward_conn_flush(conn);
    }
    loop->steps = 0;
    loop->fresh = false;
}

static bool may_sleep(struct ward_loop *loop)
{
    if (loop->again != NULL || loop->config.handler.pending(loop->config.handler.context) ||
        atomic_load(&loop->stop) || atomic_load(&loop->recheck_asked) ||
        (!loop->draining && atomic_load(&loop->drain_asked))) {
        return false;
    }
    (void)pthread_mutex_lock(&loop->lock);
    bool empty = loop->accepted.head == NULL;
    (void)pthread_mutex_unlock(&loop->lock);
    return empty;
}

static void *run(void *user)
{
    struct ward_loop *loop = user;
    sigset_t broken_pipe; /* a peer that went away is an error code, not a signal */
    (void)sigemptyset(&broken_pipe);
    (void)sigaddset(&broken_pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &broken_pipe, NULL);
    while (!atomic_load(&loop->stop)) {
        /* Asleep is said before the last look: who posts after it sees it and writes to wake_fd. */
        atomic_store(&loop->asleep, true);
        /* ONCE in any case: without it NONBLOCK goes on as long as any descriptor is ready, and one
         * whose handshake was put off to the next turn stays ready. */
        int flags = may_sleep(loop) ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK;
        if ((flags & EVLOOP_NONBLOCK) != 0) {
            atomic_store(&loop->asleep, false);
        }
        (void)event_base_loop(loop->base, flags); /* an error shows as a turn with no event */
        atomic_store(&loop->asleep, false);
        turn(loop);
    }
    return NULL;
}

void ward_loop_wake(struct ward_loop *loop)
{
    if (atomic_exchange(&loop->asleep, false)) {
        uint64_t one = 1;
        (void)!write(loop->wake_fd, &one, sizeof(one)); /* full means that a wake is under way */
    }
}

void ward_loop_add(struct ward_loop *loop, const struct ward_arrival *take_arrival)
{
    struct accepted *accepted = malloc(sizeof(*accepted));
    (void)atomic_fetch_add_explicit(&loop->connections, 1, memory_order_relaxed);
    if (accepted == NULL) {
        ward_arrival_end(loop, take_arrival);
        return;
    }
    accepted->arrival = *take_arrival;
    (void)pthread_mutex_lock(&loop->lock);
    ward_list_push(&loop->accepted, &accepted->link);
    (void)pthread_mutex_unlock(&loop->lock);
    ward_loop_wake(loop);
}

void ward_loop_drain(struct ward_loop *loop)
{
    atomic_store(&loop->drain_asked, true);
    ward_loop_wake(loop);
}

void ward_loop_recheck(struct ward_loop *loop)
{
    atomic_store(&loop->recheck_asked, true);
    ward_loop_wake(loop);
}

static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL) {
        return NULL;
    }
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK); /* one thread only */
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static ward_status prepare(struct ward_loop *loop)
{
    const struct timeval second = {.tv_sec = 1};
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    WARD_ENSURE(loop->wake_fd >= 0, WARD_E_UNAVAILABLE);
    WARD_TRY(ward_h2_memory_new(&loop->memory));
    loop->input = ward_wipe_malloc(WARD_INPUT_SIZE);
    loop->base = base_new();
    WARD_ENSURE(loop->input != NULL && loop->base != NULL, WARD_E_EXHAUSTED);
    int rv = event_assign(&loop->tick, loop->base, -1, EV_PERSIST, on_tick, loop);
    rv |=
        event_assign(&loop->woken, loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_woken, loop);
    WARD_ENSURE(rv == 0, WARD_E_INTERNAL);
    WARD_ENSURE(event_add(&loop->tick, &second) == 0 && event_add(&loop->woken, NULL) == 0,
                WARD_E_EXHAUSTED);
    return WARD_OK;
}

ward_status ward_loop_new(const struct ward_loop_config *config, struct ward_loop **ret)
{
    struct ward_loop *loop = calloc(1, sizeof(*loop));
    WARD_ENSURE(loop != NULL, WARD_E_EXHAUSTED);
    loop->config = *config;
    loop->wake_fd = -1;
    (void)pthread_mutex_init(&loop->lock, NULL); /* cannot fail without attributes on Linux */
    ward_conn_table_init(&loop->table);
    ward_buffer_init(&loop->output, SIZE_MAX / 2);
    ward_status status = prepare(loop);
    if (!ward_ok(status)) {
        ward_loop_free(loop);
        return status;
    }
    *ret = loop;
    return WARD_OK;
}

ward_status ward_loop_start(struct ward_loop *loop)
{
    int error = pthread_create(&loop->thread, NULL, run, loop);
    if (error != 0) {
        return WARD_FOREIGN(WARD_E_EXHAUSTED, WARD_DOMAIN_ERRNO, error);
    }
    loop->started = true;
    (void)pthread_setname_np(loop->thread, "ward-loop"); /* for people who look */
    return WARD_OK;
}

static void close_all(struct ward_loop *loop)
{
    uint32_t at = 0;
    for (struct ward_conn *conn = ward_conn_table_next(&loop->table, &at); conn != NULL;
         conn = ward_conn_table_next(&loop->table, &at)) {
        conn->dead = true; /* no goodbye: this thread may not have SIGPIPE blocked */
        ward_conn_free(conn);
    }
    struct ward_list list = take_accepted(loop);
    for (struct ward_link *link = ward_list_pop(&list); link != NULL; link = ward_list_pop(&list)) {
        struct accepted *accepted = WARD_CONTAINER(link, struct accepted, link);
        ward_arrival_end(loop, &accepted->arrival);
        free(accepted);
    }
}

void ward_loop_stop(struct ward_loop *loop)
{
    if (loop->started) {
        atomic_store(&loop->stop, true);
        ward_loop_wake(loop);
        (void)pthread_join(loop->thread, NULL); /* it is ours and joined once */
        loop->started = false;
    }
}

void ward_loop_free(struct ward_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    ward_loop_stop(loop);
    close_all(loop);
    ward_conn_table_fini(&loop->table);
    ward_h2_memory_free(loop->memory);
    ward_buffer_fini(&loop->output);
    ward_wipe_free(loop->input);
    if (loop->base != NULL) {
        (void)event_del(&loop->tick);
        (void)event_del(&loop->woken);
        event_base_free(loop->base);
    }
    if (loop->wake_fd >= 0) {
        (void)close(loop->wake_fd);
    }
    (void)pthread_mutex_destroy(&loop->lock);
    free(loop);
}

void ward_loop_stats(const struct ward_loop *loop, struct ward_loop_stats *ret)
{
    *ret = (struct ward_loop_stats){
        .connections = atomic_load_explicit(&loop->connections, memory_order_relaxed),
        .handshakes = atomic_load_explicit(&loop->n_handshakes, memory_order_relaxed),
        .turned_away = atomic_load_explicit(&loop->turned_away, memory_order_relaxed),
        .dead = atomic_load_explicit(&loop->dead_peers, memory_order_relaxed)};
}

struct event_base *ward_loop_base(struct ward_loop *loop)
{
    return loop->base;
}

int64_t ward_loop_now_us(const struct ward_loop *loop)
{
    return loop->now_us;
}

bool ward_loop_draining(const struct ward_loop *loop)
{
    return loop->draining;
}

struct ward_conn *ward_loop_find(struct ward_loop *loop, uint64_t connection)
{
    return ward_conn_table_find(&loop->table, connection);
}
