/* SPDX-License-Identifier: Apache-2.0 */
/* One connection: handshake, plaintext in, plaintext out, and the times after which we give up on
 * it. Plaintext lies in the loop's two buffers only while it is being handled; what a slow socket
 * does not take waits in the connection's own, wiped as well. It must not know what travels over
 * HTTP/2. */
#include "server/net/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUTPUT_CHUNK (64u * 1024)     /* bytes taken from HTTP/2 at a time */
#define OUTPUT_MAX (OUTPUT_CHUNK * 2) /* with the frame that overshoots */
#define TURN_READ_MAX (256u * 1024)   /* per connection, so that others come to their turn */
#define TURN_WRITE_MAX (1024u * 1024)
#define TURN_HANDSHAKES_MAX 2          /* each costs about a millisecond */
#define WAITING_MAX (4u * 1024 * 1024) /* answers unread: no more requests are read */

void ward_conn_touch(struct ward_conn *conn)
{
    if (!conn->is_touched) {
        conn->is_touched = true;
        conn->next_touched = conn->loop->touched;
        conn->loop->touched = conn;
    }
}

void ward_conn_die(struct ward_conn *conn)
{
    conn->dead = true;
    ward_conn_touch(conn);
}

static void read_on(struct ward_conn *conn)
{
    if (!conn->reading) {
        conn->reading = event_add(&conn->readable, NULL) == 0;
    }
}

static void read_off(struct ward_conn *conn)
{
    if (conn->reading) {
        (void)event_del(&conn->readable); /* fails only for an event never set */
        conn->reading = false;
    }
}

static void write_on(struct ward_conn *conn)
{
    if (event_add(&conn->writable, NULL) != 0) {
        ward_conn_die(conn);
    }
}

/* ---- handshake ---- */

static void on_writable(evutil_socket_t fd, short what, void *user);

static bool await_socket(struct ward_conn *conn)
{
    return event_assign(&conn->writable, conn->loop->base, conn->arrival.fd, EV_WRITE, on_writable,
                        conn) == 0;
}

static void on_rested(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    struct ward_conn *conn = user;
    if (!await_socket(conn)) {
        ward_conn_die(conn);
        return;
    }
    read_on(conn);
}

/* True when this address must wait before its handshake. The event of writing serves as the timer:
 * nothing is written yet. */
static bool rest(struct ward_conn *conn)
{
    struct ward_loop *loop = conn->loop;
    int64_t pause_us = ward_callers_pause(loop->config.callers, &conn->arrival.ip, loop->now_us);
    const struct timeval pause = {.tv_usec = pause_us};
    if (pause_us == 0) {
        return false;
    }
    read_off(conn);
    if (event_assign(&conn->writable, loop->base, -1, 0, on_rested, conn) != 0 ||
        event_add(&conn->writable, &pause) != 0) {
        ward_conn_die(conn);
    }
    return true;
}

static void strike(struct ward_conn *conn)
{
    ward_callers_strike(conn->loop->config.callers, &conn->arrival.ip, conn->loop->now_us);
}

static bool again_when_ready(struct ward_conn *conn)
{
    if (conn->tls != NULL && SSL_want_write(conn->tls)) {
        write_on(conn); /* that event comes once; readable stays until it is read */
    }
    return false;
}

void ward_conn_finish_handshake(struct ward_conn *conn)
{
    struct ward_loop *loop = conn->loop;
    if (conn->older == NULL && loop->oldest != conn) {
        return; /* it was finished before */
    }
    *(conn->older != NULL ? &conn->older->newer : &loop->oldest) = conn->newer;
    *(conn->newer != NULL ? &conn->newer->older : &loop->newest) = conn->older;
    conn->older = NULL;
    conn->newer = NULL;
    (void)atomic_fetch_sub_explicit(&loop->n_handshakes, 1, memory_order_relaxed);
}

static void begin_handshake(struct ward_conn *conn)
{
    struct ward_loop *loop = conn->loop;
    conn->older = loop->newest;
    *(loop->newest != NULL ? &loop->newest->newer : &loop->oldest) = conn;
    loop->newest = conn;
    (void)atomic_fetch_add_explicit(&loop->n_handshakes, 1, memory_order_relaxed);
}

static ward_status established(struct ward_conn *conn)
{
    struct ward_loop *loop = conn->loop;
    const struct ward_loop_handler *handler = &loop->config.handler;
    char address[WARD_ADDRESS_SIZE];
    X509 *certificate = NULL;
    ward_conn_finish_handshake(conn);
    /* Other files may have come into force since this handshake began. */
    WARD_ENSURE(ward_tls_trusts(loop->config.tls, conn->tls, &conn->tls_generation),
                WARD_E_UNAUTHENTICATED);
    WARD_TRY(ward_tls_peer(conn->tls, &certificate, &conn->not_after_us));
    ward_ip_print(&conn->arrival.ip, conn->arrival.port, address);
    conn->session =
        handler->open(handler->context, conn->id, certificate, &conn->arrival.ip, address);
    WARD_ENSURE(conn->session != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(
        ward_h2_new(&loop->config.h2, loop->memory, handler->streams, conn->session, &conn->h2));
    if (conn->arrival.counted) {
        ward_callers_prove(loop->config.callers, &conn->arrival.ip);
        conn->arrival.proven = true;
    }
    ward_conn_live(conn, handler->age(handler->context, conn->session));
    ward_conn_touch(conn); /* our SETTINGS */
    return WARD_OK;
}

/* True when the handshake is over and reading may go on. */
static bool handshake_step(struct ward_conn *conn)
{
    const struct ward_loop_handler *handler = &conn->loop->config.handler;
    if (conn->loop->steps >= TURN_HANDSHAKES_MAX) {
        return again_when_ready(conn); /* the next turn */
    }
    conn->loop->steps++;
    switch (ward_tls_handshake(conn->tls)) {
    case WARD_TLS_DONE:
        if (ward_ok(established(conn))) {
            return true;
        }
        strike(conn);
        ward_conn_die(conn);
        return false;
    case WARD_TLS_WANT_READ:
        return false;
    case WARD_TLS_WANT_WRITE:
        write_on(conn);
        return false;
    case WARD_TLS_CLOSED:
    case WARD_TLS_FAILED:
        break;
    }
    handler->handshake_failed(handler->context, ward_tls_fault(conn->tls));
    if (ward_tls_heard(conn->tls)) { /* not who only looks whether the port is open */
        strike(conn);
    }
    ward_conn_die(conn);
    return false;
}

/* What the balancer says of its client: from here on the connection is the client's. */
static bool take_client(struct ward_conn *conn, const struct ward_proxy *client)
{
    conn->arrival.balancer = false;
    if (client->local) {
        return true;
    }
    conn->arrival.ip = client->ip;
    conn->arrival.port = client->port;
    conn->arrival.counted = ward_callers_take(conn->loop->config.callers, &client->ip);
    return conn->arrival.counted;
}

/* Reads up to the end of the header and not a byte further: what follows is TLS. True when it is
 * whole. */
static bool proxy_step(struct ward_conn *conn)
{
    struct ward_proxy_head *head = conn->proxy;
    struct ward_proxy client;
    enum ward_proxy_result result = WARD_PROXY_MORE;
    while (result == WARD_PROXY_MORE) {
        ssize_t n = recv(conn->arrival.fd, head->bytes + head->size, head->needed - head->size, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return false;
        }
        if (n <= 0) {
            ward_conn_die(conn); /* a balancer that looks whether the port is open */
            return false;
        }
        head->size += (size_t)n;
        result = ward_proxy_parse(WARD_BYTES(head->bytes, head->size), &head->needed, &client);
    }
    if (result == WARD_PROXY_BAD || !take_client(conn, &client)) {
        conn->loop->config.handler.handshake_failed(conn->loop->config.handler.context,
                                                    WARD_TLS_FAULT_OTHER);
        ward_conn_die(conn);
        return false;
    }
    free(conn->proxy);
    conn->proxy = NULL;
    return !rest(conn);
}

static bool handshake(struct ward_conn *conn)
{
    if (conn->proxy != NULL && !proxy_step(conn)) {
        return false;
    }
    if (conn->tls == NULL) { /* made late: who connects and says nothing costs next to nothing */
        conn->tls =
            ward_tls_session(conn->loop->config.tls, conn->arrival.fd, &conn->tls_generation);
        if (conn->tls == NULL) {
            ward_conn_die(conn);
            return false;
        }
    }
    return handshake_step(conn);
}

/* ---- in ---- */

/* True when more may be read at once. */
static bool read_some(struct ward_conn *conn, size_t *total)
{
    struct ward_loop *loop = conn->loop;
    size_t size = 0;
    switch (ward_tls_read(conn->tls, loop->input, WARD_INPUT_SIZE, &size)) {
    case WARD_TLS_DONE:
        break;
    case WARD_TLS_WANT_READ:
        return false;
    case WARD_TLS_WANT_WRITE:
        write_on(conn);
        return false;
    case WARD_TLS_CLOSED:
    case WARD_TLS_FAILED:
        ward_conn_die(conn);
        return false;
    }
    *total += size;
    conn->received = true;
    ward_status status = ward_h2_receive(conn->h2, WARD_BYTES(loop->input, size), loop->now_us);
    ward_conn_heard(conn);
    explicit_bzero(loop->input, size);
    ward_conn_touch(conn);
    if (!ward_ok(status)) {
        conn->ending = true;
        read_off(conn); /* what still comes is not looked at */
        return false;
    }
    return ward_tls_pending(conn->tls);
}

static bool too_much_waits(const struct ward_conn *conn)
{
    return conn->blocked.size > 0 && ward_h2_waiting(conn->h2) > WAITING_MAX;
}

void ward_conn_read(struct ward_conn *conn)
{
    ward_loop_refresh(conn->loop);
    if (conn->dead || conn->ending || (conn->h2 == NULL && !handshake(conn))) {
        return;
    }
    size_t total = 0;
    bool more = true;
    while (more && total < TURN_READ_MAX) {
        if (too_much_waits(conn)) {
            read_off(conn); /* on again once the socket takes what waits */
            return;
        }
        more = read_some(conn, &total);
    }
    if (more && !conn->is_again) {
        conn->is_again = true;
        conn->next_again = conn->loop->again;
        conn->loop->again = conn;
    }
}

/* ---- out ---- */

/* DONE when all was taken; *ret_sent is how much in any case. */
static enum ward_tls_result write_all(struct ward_conn *conn, struct ward_bytes bytes,
                                      size_t *ret_sent)
{
    size_t sent = 0;
    enum ward_tls_result result = WARD_TLS_DONE;
    while (sent < bytes.size && result == WARD_TLS_DONE) {
        size_t n = 0;
        result = ward_tls_write(conn->tls, WARD_BYTES(bytes.data + sent, bytes.size - sent), &n);
        sent += result == WARD_TLS_DONE ? n : 0;
    }
    if (sent > 0) {
        conn->progress_us = conn->loop->now_us;
    }
    *ret_sent = sent;
    return result;
}

/* What a slow socket makes us keep counts towards what all may hold. */
static void hold_blocked(struct ward_conn *conn, size_t size)
{
    ward_held_sub(conn->loop->config.held, conn->held_blocked);
    ward_held_add(conn->loop->config.held, size);
    conn->held_blocked = size;
}

static enum ward_tls_result write_blocked(struct ward_conn *conn)
{
    size_t sent = 0;
    struct ward_bytes left = {conn->blocked.data + conn->blocked_sent,
                              conn->blocked.size - conn->blocked_sent};
    enum ward_tls_result result = write_all(conn, left, &sent);
    conn->blocked_sent += sent;
    if (result == WARD_TLS_DONE) {
        ward_buffer_fini(&conn->blocked);
        hold_blocked(conn, 0);
        conn->blocked_sent = 0;
        read_on(conn);
    }
    return result;
}

static enum ward_tls_result write_fresh(struct ward_conn *conn, size_t *total)
{
    struct ward_buffer *output = &conn->loop->output;
    if (!ward_ok(ward_h2_send(conn->h2, output, OUTPUT_CHUNK))) {
        ward_buffer_reset(output);
        return WARD_TLS_FAILED;
    }
    size_t sent = 0;
    enum ward_tls_result result = write_all(conn, ward_buffer_view(output), &sent);
    *total = output->size;
    if (result == WARD_TLS_WANT_READ || result == WARD_TLS_WANT_WRITE) {
        ward_buffer_add(&conn->blocked, WARD_BYTES(output->data + sent, output->size - sent));
        hold_blocked(conn, conn->blocked.capacity);
        result = conn->blocked.failed ? WARD_TLS_FAILED : result;
    }
    ward_buffer_reset(output);
    return result;
}

static enum ward_tls_result write_turn(struct ward_conn *conn)
{
    enum ward_tls_result result = WARD_TLS_DONE;
    if (conn->blocked.size > 0) {
        result = write_blocked(conn);
    }
    size_t total = 0;
    while (result == WARD_TLS_DONE && total < TURN_WRITE_MAX) {
        size_t size = 0;
        result = write_fresh(conn, &size);
        total += size;
        if (size < OUTPUT_CHUNK) {
            return result;
        }
    }
    if (result == WARD_TLS_DONE) {
        write_on(conn); /* more waits: the next turn */
    }
    return result;
}

void ward_conn_flush(struct ward_conn *conn)
{
    if (conn->dead || conn->h2 == NULL) {
        if (conn->dead || conn->loop->draining) {
            ward_conn_free(conn);
        }
        return;
    }
    if (conn->loop->draining) {
        ward_conn_leave(conn, "drain");
    }
    if (conn->leaving != NULL) {
        ward_conn_leave_step(conn);
    }
    enum ward_tls_result result = write_turn(conn);
    switch (result) {
    case WARD_TLS_DONE:
        break;
    case WARD_TLS_WANT_READ:
        read_on(conn);
        return;
    case WARD_TLS_WANT_WRITE:
        write_on(conn);
        return;
    case WARD_TLS_CLOSED:
    case WARD_TLS_FAILED:
        conn->dead = true;
        break;
    }
    if (conn->dead || conn->ending || ward_h2_finished(conn->h2)) {
        ward_conn_free(conn);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    ward_conn_read(user);
}

static void on_writable(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    struct ward_conn *conn = user;
    if (conn->h2 == NULL) {
        ward_conn_read(conn); /* the handshake */
    } else {
        ward_conn_touch(conn);
        if (conn->blocked.size == 0) {
            ward_conn_read(conn); /* a read that had to write first */
        }
    }
}

/* ---- life ---- */

void ward_arrival_end(struct ward_loop *loop, const struct ward_arrival *take_arrival)
{
    (void)close(take_arrival->fd); /* nothing of ours depends on the peer having it all */
    if (take_arrival->counted) {
        ward_callers_give(loop->config.callers, &take_arrival->ip);
    }
    (void)atomic_fetch_sub_explicit(&loop->connections, 1, memory_order_relaxed);
}

/* The oldest unfinished handshake makes room: honest ones are over before they are the oldest. */
static bool make_room(struct ward_loop *loop)
{
    bool full = loop->table.used >= loop->config.max_connections;
    if (!full && atomic_load_explicit(&loop->n_handshakes, memory_order_relaxed) <
                     loop->config.max_handshakes) {
        return true;
    }
    (void)atomic_fetch_add_explicit(&loop->turned_away, 1, memory_order_relaxed);
    if (loop->oldest == NULL) {
        return false;
    }
    loop->oldest->dead = true;
    ward_conn_free(loop->oldest);
    return true;
}

static bool prepare(struct ward_conn *conn)
{
    struct ward_loop *loop = conn->loop;
    int fd = conn->arrival.fd;
    if (conn->arrival.balancer) {
        conn->proxy = calloc(1, sizeof(*conn->proxy) + WARD_PROXY_MAX);
        if (conn->proxy == NULL) {
            return false;
        }
        conn->proxy->needed = WARD_PROXY_HEAD;
    }
    if (!ward_ok(ward_conn_table_add(&loop->table, conn, &conn->id)) ||
        event_assign(&conn->readable, loop->base, fd, EV_READ | EV_PERSIST, on_readable, conn) !=
            0 ||
        !await_socket(conn)) {
        return false;
    }
    if (!conn->arrival.balancer && rest(conn)) {
        return true;
    }
    read_on(conn);
    return conn->reading;
}

void ward_conn_open(struct ward_loop *loop, const struct ward_arrival *take_arrival)
{
    struct ward_conn *conn = make_room(loop) ? calloc(1, sizeof(*conn)) : NULL;
    if (conn == NULL) {
        ward_arrival_end(loop, take_arrival);
        return;
    }
    conn->loop = loop;
    conn->arrival = *take_arrival;
    conn->opened_us = loop->now_us;
    ward_buffer_init(&conn->blocked, OUTPUT_MAX);
    begin_handshake(conn);
    if (!prepare(conn)) {
        ward_conn_die(conn);
    }
}

static void forget(struct ward_conn **list, struct ward_conn *conn, size_t link)
{
    while (*list != NULL && *list != conn) {
        list = (struct ward_conn **)(void *)((char *)*list + link);
    }
    if (*list == conn) {
        *list = *(struct ward_conn **)(void *)((char *)conn + link);
    }
}

void ward_conn_free(struct ward_conn *conn)
{
    struct ward_loop *loop = conn->loop;
    if (event_initialized(&conn->readable)) {
        (void)event_del(&conn->readable);
    }
    if (event_initialized(&conn->writable)) {
        (void)event_del(&conn->writable);
    }
    forget(&loop->touched, conn, offsetof(struct ward_conn, next_touched));
    forget(&loop->again, conn, offsetof(struct ward_conn, next_again));
    ward_conn_finish_handshake(conn);
    ward_conn_table_remove(&loop->table, conn->id);
    if (conn->arrival.proven) {
        ward_callers_unprove(loop->config.callers, &conn->arrival.ip);
    }
    if (conn->h2 != NULL && ward_h2_at_fault(conn->h2)) {
        strike(conn);
    }
    ward_h2_free(conn->h2);
    if (conn->session != NULL) {
        loop->config.handler.close(loop->config.handler.context, conn->session);
    }
    ward_tls_session_free(conn->tls, conn->h2 != NULL && !conn->dead);
    hold_blocked(conn, 0);
    ward_buffer_fini(&conn->blocked);
    free(conn->proxy);
    ward_arrival_end(loop, &conn->arrival);
    free(conn);
}

/* No goodbye, and no answer that was on its way: from here on the peer gets nothing. */
void ward_conn_recheck(struct ward_conn *conn)
{
    const struct ward_loop_handler *handler = &conn->loop->config.handler;
    if (conn->h2 != NULL &&
        (!handler->welcome(handler->context, conn->session) ||
         !ward_tls_trusts(conn->loop->config.tls, conn->tls, &conn->tls_generation))) {
        ward_conn_die(conn);
    }
}

void *ward_conn_session(const struct ward_conn *conn)
{
    return conn->session;
}

struct ward_h2 *ward_conn_h2(const struct ward_conn *conn)
{
    return conn->h2;
}
