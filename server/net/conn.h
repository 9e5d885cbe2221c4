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
    unsigned handshakes; /* steps in this turn */
    pthread_t thread;
    bool started, draining, fresh; /* fresh: now_us is of this turn */
    atomic_bool asleep, stop, drain_asked, recheck_asked;
    atomic_size_t connections;
    pthread_mutex_t lock; /* over accepted */
    struct ward_list accepted;
};

struct ward_conn {
    struct ward_loop *loop;
    uint64_t id;
    int fd;
    SSL *tls;
    struct ward_h2 *h2; /* NULL: in handshake */
    void *session;
    struct event readable, writable;
    struct ward_buffer blocked; /* what the socket did not take */
    size_t blocked_sent;
    struct ward_conn *next_touched, *next_again;
    bool is_touched, is_again, received, reading;
    bool ending; /* close once all is written */
    bool dead;   /* close now */
    enum { DRAIN_NONE, DRAIN_NOTICED, DRAIN_LAST } drain;
    int64_t opened_us, active_us, progress_us, noticed_us, not_after_us;
    size_t waiting; /* as of the last tick */
    uint64_t begun;
    char address[WARD_ADDRESS_SIZE];
};

void ward_loop_refresh(struct ward_loop *loop);
/* Takes the descriptor over. */
void ward_conn_open(struct ward_loop *loop, int take_fd, const char *address);
void ward_conn_read(struct ward_conn *conn);
/* At the end of a turn; may free the connection. */
void ward_conn_flush(struct ward_conn *conn);
void ward_conn_tick(struct ward_conn *conn);
/* Closes it, with whatever it waited for, when the handler no longer wants this peer. */
void ward_conn_recheck(struct ward_conn *conn);
void ward_conn_free(struct ward_conn *conn);

#endif
