/* SPDX-License-Identifier: Apache-2.0 */
/* One connection: handshake, plaintext in, plaintext out, and the times after which we give up on
 * it. Plaintext lies in the loop's two buffers only while it is being handled; what a slow socket
 * does not take waits in the connection's own, wiped as well. It must not know what travels over
 * HTTP/2. */
#include "server/net/conn.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

#define OUTPUT_CHUNK (64u * 1024)     /* bytes taken from HTTP/2 at a time */
#define OUTPUT_MAX (OUTPUT_CHUNK * 2) /* with the frame that overshoots */
#define TURN_READ_MAX (256u * 1024)   /* per connection, so that others come to their turn */
#define TURN_WRITE_MAX (1024u * 1024)
#define TURN_HANDSHAKES_MAX 2          /* each costs about a millisecond */
#define WAITING_MAX (4u * 1024 * 1024) /* answers unread: no more requests are read */
#define BLOCKED_US (30LL * 1000000)    /* a socket that takes nothing */
#define STALLED_US (60LL * 1000000)    /* a window that does not open */
#define NOTICE_US (1LL * 1000000)

void ward_conn_touch(struct ward_conn *conn)
{
    if (!conn->is_touched) {
        conn->is_touched = true;
        conn->next_touched = conn->loop->touched;
        conn->loop->touched = conn;
    }
}

static void conn_die(struct ward_conn *conn)
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
        conn_die(conn);
    }
}

/* ---- handshake ---- */

static ward_status established(struct ward_conn *conn)
{
    struct ward_loop *loop = conn->loop;
    uint8_t *der = NULL;
    size_t size = 0;
    WARD_TRY(ward_tls_peer(conn->tls, &der, &size, &conn->not_after_us));
    conn->session = loop->config.handler.open(loop->config.handler.context, conn->id,
                                              WARD_BYTES(der, size), conn->address);
    free(der);
    WARD_ENSURE(conn->session != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_h2_new(&loop->config.h2, loop->memory, loop->config.handler.streams,
                         conn->session, &conn->h2));
    conn->active_us = loop->now_us;
    conn->progress_us = loop->now_us;
    ward_conn_touch(conn); /* our SETTINGS */
    return WARD_OK;
}

/* True when the handshake is over and reading may go on. */
static bool handshake(struct ward_conn *conn)
{
    if (conn->loop->handshakes >= TURN_HANDSHAKES_MAX) {
        if (SSL_want_write(conn->tls)) {
            write_on(conn); /* that event comes once; readable stays until it is read */
        }
        return false; /* the next turn */
    }
    conn->loop->handshakes++;
    switch (ward_tls_handshake(conn->tls)) {
    case WARD_TLS_DONE:
        if (ward_ok(established(conn))) {
            return true;
        }
        conn_die(conn);
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
    conn->loop->config.handler.handshake_failed(conn->loop->config.handler.context);
    conn_die(conn);
    return false;
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
        conn_die(conn);
        return false;
    }
    *total += size;
    conn->received = true;
    ward_status status = ward_h2_receive(conn->h2, WARD_BYTES(loop->input, size), loop->now_us);
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

static enum ward_tls_result write_blocked(struct ward_conn *conn)
{
    size_t sent = 0;
    struct ward_bytes left = {conn->blocked.data + conn->blocked_sent,
                              conn->blocked.size - conn->blocked_sent};
    enum ward_tls_result result = write_all(conn, left, &sent);
    conn->blocked_sent += sent;
    if (result == WARD_TLS_DONE) {
        ward_buffer_fini(&conn->blocked);
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

static void drain_step(struct ward_conn *conn)
{
    struct ward_loop *loop = conn->loop;
    if (conn->drain == DRAIN_NONE) {
        ward_h2_notice(conn->h2);
        conn->drain = DRAIN_NOTICED;
        conn->noticed_us = loop->now_us;
    } else if (conn->drain == DRAIN_NOTICED && (ward_h2_notice_answered(conn->h2) ||
                                                loop->now_us - conn->noticed_us >= NOTICE_US)) {
        ward_h2_goaway(conn->h2, "drain");
        conn->drain = DRAIN_LAST;
    }
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
        drain_step(conn);
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

void ward_conn_open(struct ward_loop *loop, int take_fd, const char *address)
{
    struct ward_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL) {
        (void)close(take_fd);
        (void)atomic_fetch_sub_explicit(&loop->connections, 1, memory_order_relaxed);
        return;
    }
    conn->loop = loop;
    conn->fd = take_fd;
    conn->opened_us = loop->now_us;
    memcpy(conn->address, address, sizeof(conn->address));
    ward_buffer_init(&conn->blocked, OUTPUT_MAX);
    conn->tls = ward_tls_session(loop->config.tls, take_fd);
    bool ready =
        conn->tls != NULL && ward_ok(ward_conn_table_add(&loop->table, conn, &conn->id)) &&
        event_assign(&conn->readable, loop->base, take_fd, EV_READ | EV_PERSIST, on_readable,
                     conn) == 0 &&
        event_assign(&conn->writable, loop->base, take_fd, EV_WRITE, on_writable, conn) == 0;
    if (ready) {
        read_on(conn);
    }
    if (!ready || !conn->reading) {
        conn_die(conn);
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
    ward_conn_table_remove(&loop->table, conn->id);
    ward_h2_free(conn->h2);
    if (conn->session != NULL) {
        loop->config.handler.close(loop->config.handler.context, conn->session);
    }
    ward_tls_session_free(conn->tls, conn->h2 != NULL && !conn->dead);
    ward_buffer_fini(&conn->blocked);
    (void)close(conn->fd); /* nothing of ours depends on the peer having it all */
    (void)atomic_fetch_sub_explicit(&loop->connections, 1, memory_order_relaxed);
    free(conn);
}

static void tick_open(struct ward_conn *conn, int64_t now_us)
{
    struct ward_loop *loop = conn->loop;
    loop->config.handler.tick(loop->config.handler.context, conn->session, conn->h2, now_us);
    if (ward_h2_streams(conn->h2) > 0 || conn->begun != ward_h2_begun(conn->h2)) {
        conn->active_us = now_us;
        conn->begun = ward_h2_begun(conn->h2);
    }
    size_t waiting = ward_h2_waiting(conn->h2);
    if (waiting == 0 || waiting != conn->waiting) {
        conn->progress_us = conn->blocked.size > 0 ? conn->progress_us : now_us;
        conn->waiting = waiting;
    }
    bool stuck = (conn->blocked.size > 0 && now_us - conn->progress_us > BLOCKED_US) ||
                 now_us - conn->progress_us > STALLED_US ||
                 (!conn->received && now_us - conn->opened_us > loop->config.handshake_us);
    if (stuck) {
        conn->dead = true;
    } else if (!ward_h2_said_goaway(conn->h2)) {
        if (now_us - conn->active_us > loop->config.idle_us) {
            ward_h2_goaway(conn->h2, "max_idle");
        } else if (ward_wall_us(&ward_clock_system) > conn->not_after_us) {
            ward_h2_goaway(conn->h2, "certificate_expired");
        }
    }
    ward_conn_touch(conn);
}

void ward_conn_tick(struct ward_conn *conn)
{
    int64_t now_us = conn->loop->now_us;
    if (conn->h2 != NULL) {
        tick_open(conn, now_us);
    } else if (now_us - conn->opened_us > conn->loop->config.handshake_us) {
        conn->loop->config.handler.handshake_failed(conn->loop->config.handler.context);
        conn_die(conn);
    }
}

/* No goodbye, and no answer that was on its way: from here on the peer gets nothing. */
void ward_conn_recheck(struct ward_conn *conn)
{
    const struct ward_loop_handler *handler = &conn->loop->config.handler;
    if (conn->session != NULL && !handler->welcome(handler->context, conn->session)) {
        conn_die(conn);
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
