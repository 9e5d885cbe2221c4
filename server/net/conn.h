/* SPDX-License-Identifier: Apache-2.0 */
/* A connection and the loop that owns it: what loop.c and conn.c share, and nobody else includes.
 */
#ifndef WARD_SERVER_NET_CONN_H
#define WARD_SERVER_NET_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "server/net/conn_table.h"
#include "server/net/loop.h"
#include "server/net/proxy.h"

#define WARD_INPUT_SIZE (16u * 1024)

struct ward_loop {
    struct ward_loop_config config;
    struct event_base *base;
    struct event tick, woken;
    int wake_fd;
    struct ward_h2_memory *memory;
    struct ward_conn_table table;
    struct ward_conn *touched, *again; /* to be written; with input that waits inside OpenSSL */
    uint8_t *input;                    /* plaintext of one read, wiped after it */
    struct ward_buffer output;         /* plaintext of one write, wiped after it */
    int64_t now_us;
    unsigned steps; /* of handshakes, in this turn */
    pthread_t thread;
    bool started, draining, fresh; /* fresh: now_us is of this turn */
    atomic_bool asleep, stop, drain_asked, recheck_asked;
    atomic_size_t connections, n_handshakes;
    atomic_uint_fast64_t turned_away, dead_peers;
    struct ward_conn *oldest, *newest; /* in handshake, by age */
    pthread_mutex_t lock;              /* over accepted */
    struct ward_list accepted;
};

struct ward_conn {
    struct ward_loop *loop;
    uint64_t id;
    struct ward_arrival arrival;
    struct ward_proxy_head { /* while a balancer's header is awaited; else NULL */
        size_t size, needed;
        uint8_t bytes[];
    } * proxy;
    SSL *tls;                        /* NULL: the peer said nothing yet */
    struct ward_h2 *h2;              /* NULL: in handshake */
    struct ward_conn *older, *newer; /* in handshake */
    void *session;
    struct event readable, writable;
    struct ward_buffer blocked; /* what the socket did not take */
    size_t blocked_sent, held_blocked;
    struct ward_conn *next_touched, *next_again;
    bool is_touched, is_again, received, reading;
    bool busy;           /* calls come: it keeps its TLS buffers */
    bool ending;         /* close once all is written */
    bool dead;           /* close now */
    const char *leaving; /* why, as the peer is told; NULL: it stays */
    enum { LEAVE_NONE, LEAVE_NOTICED, LEAVE_LAST } leave;
    int64_t opened_us, active_us, progress_us, noticed_us, not_after_us;
    int64_t heard_us, asked_us; /* last bytes of the peer; our unanswered ping, or 0 */
    int64_t age_end_us, cut_us; /* when to leave, and when to cut what is left; 0: never */
    unsigned tls_generation;    /* under which the peer was verified */
    size_t waiting;             /* as of the last tick */
    uint64_t begun;
};

void ward_loop_refresh(struct ward_loop *loop);
void ward_conn_open(struct ward_loop *loop, const struct ward_arrival *take_arrival);
/* Closes what was accepted and is not to be a connection. */
void ward_arrival_end(struct ward_loop *loop, const struct ward_arrival *take_arrival);
void ward_conn_touch(struct ward_conn *conn);
void ward_conn_die(struct ward_conn *conn); /* at the end of the turn */
/* It is no longer among the unfinished handshakes. */
void ward_conn_finish_handshake(struct ward_conn *conn);
void ward_conn_read(struct ward_conn *conn);
/* At the end of a turn; may free the connection. */
void ward_conn_flush(struct ward_conn *conn);

/* ---- conn_life.c: the times after which we ask, say goodbye, and give up ---- */

void ward_conn_live(struct ward_conn *conn, int64_t age_us); /* the handshake is done */
void ward_conn_heard(struct ward_conn *conn);                /* bytes came */
/* Says goodbye in two steps (RFC 9113 6.8); why: static. Only the first reason counts. */
void ward_conn_leave(struct ward_conn *conn, const char *why);
void ward_conn_leave_step(struct ward_conn *conn); /* before it is written */
void ward_conn_tick(struct ward_conn *conn);
/* Closes it, with whatever it waited for, when the handler no longer wants this peer. */
void ward_conn_recheck(struct ward_conn *conn);
void ward_conn_free(struct ward_conn *conn);

#endif
