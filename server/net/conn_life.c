/* SPDX-License-Identifier: Apache-2.0 */
/* How long a connection lives: the handshake's time, idleness, age, silence, and a peer that does
 * not read. Looked at once a second, so nothing here is finer than that. It neither reads nor
 * writes; what it wants said, HTTP/2 says. */
#include "base/clock.h"
#include "base/id.h"
#include "server/net/conn.h"

#define BLOCKED_US (30LL * 1000000) /* a socket that takes nothing */
#define STALLED_US (60LL * 1000000) /* a window that does not open */
#define REST_US (1LL * 1000000)
#define NOTICE_US (1LL * 1000000) /* for the answer to the ping after the first GOAWAY */

/* 90 to 110 %: connections that came together do not leave together (gRFC A9). */
static int64_t jittered(int64_t age_us)
{
    uint8_t random[4] = {0};
    (void)ward_random(random, sizeof(random)); /* without it they leave together: no harm */
    return age_us - age_us / 10 + age_us / 5 * ward_get_u16(random) / UINT16_MAX;
}

void ward_conn_live(struct ward_conn *conn, int64_t age_us)
{
    int64_t now_us = conn->loop->now_us;
    conn->active_us = now_us;
    conn->progress_us = now_us;
    conn->heard_us = now_us;
    conn->age_end_us = age_us == 0 ? 0 : now_us + jittered(age_us);
}

void ward_conn_heard(struct ward_conn *conn)
{
    conn->heard_us = conn->loop->now_us;
    conn->asked_us = 0;
    if (!conn->busy && ward_h2_streams(conn->h2) > 0) {
        conn->busy = true;
        ward_tls_busy(conn->tls, true);
    }
}

/* ---- goodbye ---- */

void ward_conn_leave(struct ward_conn *conn, const char *why)
{
    if (conn->leaving == NULL) {
        conn->leaving = why;
    }
}

void ward_conn_leave_step(struct ward_conn *conn)
{
    int64_t now_us = conn->loop->now_us;
    if (conn->leave == LEAVE_NONE) {
        ward_h2_notice(conn->h2);
        conn->leave = LEAVE_NOTICED;
        conn->noticed_us = now_us;
    } else if (conn->leave == LEAVE_NOTICED &&
               (ward_h2_notice_answered(conn->h2) || now_us - conn->noticed_us >= NOTICE_US)) {
        ward_h2_goaway(conn->h2, conn->leaving);
        conn->leave = LEAVE_LAST;
        conn->cut_us = now_us + conn->loop->config.times.age_grace_us;
    }
}

/* ---- once a second ---- */

static void look_at_calls(struct ward_conn *conn, int64_t now_us)
{
    if (ward_h2_streams(conn->h2) > 0 || conn->begun != ward_h2_begun(conn->h2)) {
        conn->active_us = now_us;
        conn->begun = ward_h2_begun(conn->h2);
    }
    size_t waiting = ward_h2_waiting(conn->h2);
    if (waiting == 0 || waiting != conn->waiting) {
        conn->progress_us = conn->blocked.size > 0 ? conn->progress_us : now_us;
        conn->waiting = waiting;
    }
}

static bool stuck(const struct ward_conn *conn, int64_t now_us)
{
    const struct ward_conn_times *times = &conn->loop->config.times;
    int64_t still_us = now_us - conn->progress_us;
    return (conn->blocked.size > 0 && still_us > BLOCKED_US) || still_us > STALLED_US ||
           (!conn->received && now_us - conn->opened_us > times->handshake_us) ||
           (conn->cut_us != 0 && now_us > conn->cut_us);
}

/* True when the peer is dead: it did not answer. */
static bool keep_alive(struct ward_conn *conn, int64_t now_us)
{
    const struct ward_conn_times *times = &conn->loop->config.times;
    if (conn->asked_us != 0) {
        return now_us - conn->asked_us > times->keepalive_timeout_us;
    }
    if (now_us - conn->heard_us >= times->keepalive_us) {
        ward_h2_ping(conn->h2);
        conn->asked_us = now_us;
    }
    return false;
}

static void look_at_time(struct ward_conn *conn, int64_t now_us)
{
    if (now_us - conn->active_us > conn->loop->config.times.idle_us) {
        ward_conn_leave(conn, "max_idle");
    } else if (conn->age_end_us != 0 && now_us > conn->age_end_us) {
        ward_conn_leave(conn, "max_age");
    } else if (ward_wall_us(&ward_clock_system) > conn->not_after_us) {
        ward_conn_leave(conn, "certificate_expired");
    }
}

static void tick_open(struct ward_conn *conn, int64_t now_us)
{
    struct ward_loop *loop = conn->loop;
    loop->config.handler.tick(loop->config.handler.context, conn->session, conn->h2, now_us,
                              conn->heard_us);
    look_at_calls(conn, now_us);
    look_at_time(conn, now_us);
    if (keep_alive(conn, now_us)) {
        (void)atomic_fetch_add_explicit(&loop->dead_peers, 1, memory_order_relaxed);
        conn->dead = true;
    }
    conn->dead |= stuck(conn, now_us);
    if (conn->busy && conn->blocked.size == 0 && now_us - conn->heard_us >= REST_US) {
        conn->busy = false;
        ward_tls_busy(conn->tls, false);
    }
    ward_conn_touch(conn);
}

void ward_conn_tick(struct ward_conn *conn)
{
    int64_t now_us = conn->loop->now_us;
    if (conn->h2 != NULL) {
        tick_open(conn, now_us);
    } else if (now_us - conn->opened_us > conn->loop->config.times.handshake_us) {
        conn->loop->config.handler.handshake_failed(conn->loop->config.handler.context,
                                                    WARD_TLS_FAULT_OTHER);
        ward_conn_die(conn);
    }
}
