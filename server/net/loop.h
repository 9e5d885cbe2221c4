/* SPDX-License-Identifier: Apache-2.0 */
/* A loop thread: the connections that it owns, and its turns. A turn reads what is ready, lets the
 * handler hand over and take back work, and writes each connection once. libevent says what is
 * ready and nothing else. */
#ifndef WARD_SERVER_NET_LOOP_H
#define WARD_SERVER_NET_LOOP_H

#include "server/net/callers.h"
#include "server/net/h2.h"
#include "server/net/held.h"
#include "server/net/tls.h"

struct event_base;
struct ward_loop;
struct ward_conn;

/* All called on the loop's thread, but for pending. */
struct ward_loop_handler {
    void *context;
    const struct ward_h2_events *streams;
    /* The handshake is done. What it returns is the context of streams->begin; NULL closes. */
    void *(*open)(void *context, uint64_t connection, X509 *certificate, const struct ward_ip *ip,
                  const char *address);
    /* After ward_loop_recheck, for each connection: false closes it at once. */
    bool (*welcome)(void *context, void *session);
    /* Asked once it is open: after how long it shall end, in microseconds; 0: never. */
    int64_t (*age)(void *context, void *session);
    void (*close)(void *context, void *session); /* after all of its streams */
    void (*handshake_failed)(void *context, enum ward_tls_fault fault);
    /* Once a second for each connection. heard_us: when its peer's last bytes came. */
    void (*tick)(void *context, void *session, struct ward_h2 *h2, int64_t now_us,
                 int64_t heard_us);
    void (*turn)(void *context);    /* the end of a turn, before connections are written */
    bool (*pending)(void *context); /* work was posted: turn again, do not sleep */
};

struct ward_conn_times { /* microseconds */
    int64_t handshake_us;
    int64_t idle_us;      /* no call is open */
    int64_t age_grace_us; /* from the last GOAWAY until open calls are cut */
    int64_t keepalive_us; /* silence after which we ask, with a ping */
    int64_t keepalive_timeout_us;
};

struct ward_loop_config {
    struct ward_h2_limits h2;
    struct ward_conn_times times;
    size_t max_connections; /* of this loop */
    size_t max_handshakes;  /* unfinished ones; the oldest makes room for the newest */
    /* These outlive it. */
    struct ward_tls *tls;
    struct ward_callers *callers;
    struct ward_held *held;
    struct ward_loop_handler handler;
};

/* A connection that was accepted. Until a PROXY header names the client, a balancer's is nobody's
 * and counts for nobody. */
struct ward_arrival {
    int fd;
    struct ward_ip ip;
    uint16_t port;
    bool balancer;
    bool counted; /* has a place among the callers */
    bool proven;  /* as one who has shown who it is */
};

struct ward_loop_stats {  /* any thread */
    size_t connections;   /* those in handshake too */
    size_t handshakes;    /* unfinished ones */
    uint64_t turned_away; /* for want of a place, and unfinished handshakes that made room */
    uint64_t dead;        /* peers that did not answer a ping */
};

ward_status ward_loop_new(const struct ward_loop_config *config, struct ward_loop **ret);
ward_status ward_loop_start(struct ward_loop *loop);
/* Ends the thread; connections stay as they are until ward_loop_free. */
void ward_loop_stop(struct ward_loop *loop);
/* Stops it, and closes every connection on the calling thread. */
void ward_loop_free(struct ward_loop *loop);

/* Any thread. */
void ward_loop_wake(struct ward_loop *loop); /* cheap unless it sleeps */
void ward_loop_add(struct ward_loop *loop, const struct ward_arrival *take_arrival);
void ward_loop_drain(struct ward_loop *loop);
/* Each connection is asked for again, within one turn. */
void ward_loop_recheck(struct ward_loop *loop);
void ward_loop_stats(const struct ward_loop *loop, struct ward_loop_stats *ret);

/* The loop's thread. */
struct event_base *ward_loop_base(struct ward_loop *loop);
int64_t ward_loop_now_us(const struct ward_loop *loop); /* monotonic, as of this turn */
bool ward_loop_draining(const struct ward_loop *loop);
struct ward_conn *ward_loop_find(struct ward_loop *loop, uint64_t connection);
void *ward_conn_session(const struct ward_conn *conn);
struct ward_h2 *ward_conn_h2(const struct ward_conn *conn);
void ward_conn_touch(struct ward_conn *conn); /* there is something to write */

#endif
