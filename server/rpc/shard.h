/* SPDX-License-Identifier: Apache-2.0 */
/* The gRPC side of one loop: the requests that its turn collects, the answers that other threads
 * post to it, and its connections' sessions. Without sockets: tests drive it by hand. */
#ifndef WARD_SERVER_RPC_SHARD_H
#define WARD_SERVER_RPC_SHARD_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/net/h2.h"
#include "server/net/held.h"
#include "server/net/sharing.h"
#include "server/rpc/method.h"
#include "server/rpc/rpc.h"

struct ward_shard;
struct ward_stream;

/* Shared by all loops. */
struct ward_rpc_shared {
    struct ward_rpc_handler handler;
    unsigned max_streams;
    struct ward_held held; /* unfinished messages, requests under way, answers not yet read */
};

/* One connection's. */
struct ward_session {
    struct ward_shard *shard;
    uint64_t connection;
    struct ward_peer *peer;
    unsigned in_flight; /* submitted and not come back, streams that were reset included */
    size_t held;        /* this connection's part */
    unsigned staying;   /* streams that go on: watchers, reflection */
    struct ward_sharing_place sharing;
};

/* What the shard needs of the network; a test gives its own. */
struct ward_shard_net {
    void *context;
    /* False: the connection is gone, and its streams were closed. True also means that it will be
     * written this turn. */
    bool (*find)(void *context, uint64_t connection, struct ward_session **ret,
                 struct ward_h2 **ret_h2);
    int64_t (*now_us)(void *context);
    bool (*draining)(void *context);
};

struct ward_shard {
    struct ward_rpc_shared *shared;
    struct ward_shard_net net;
    uint32_t index;
    struct ward_list ready;
    struct ward_stream *spare; /* wiped, for the next ones */
    size_t n_spare;
    struct ward_stream *later;                    /* have something to do at the end of the turn */
    unsigned handshakes_failed, requests_refused; /* in this turn */
    size_t expected[WARD_METHODS_MAX];            /* see ward_shard_expect */
    pthread_mutex_t lock;                         /* over posted */
    struct ward_list posted;
    atomic_bool has_posted;
    atomic_size_t streams, in_flight;
    atomic_uint_fast64_t handshakes_failed_total;
    atomic_size_t requests;
    atomic_size_t vanished; /* answers that nobody was there to read */
};

/* A counter that this loop alone changes, though others read it: no locked instruction. */
static inline void ward_shard_count(atomic_size_t *counter, size_t by)
{
    size_t before = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, before + by, memory_order_relaxed);
}

void ward_shard_init(struct ward_shard *shard, struct ward_rpc_shared *shared,
                     const struct ward_shard_net *net, uint32_t index);
void ward_shard_fini(struct ward_shard *shard); /* frees what was posted and not sent */

ward_status ward_session_new(struct ward_shard *shard, uint64_t connection,
                             struct ward_peer *take_peer, struct ward_session **ret);
void ward_session_free(struct ward_session *session);
/* May it hold so many bytes more? */
bool ward_session_room(const struct ward_session *session, size_t more);
/* What a request of this method is going to hold, going by those before it: the largest, which
 * fades by a 64th with each smaller one. */
size_t ward_shard_expect(const struct ward_shard *shard, const struct ward_method *method);
void ward_shard_learn(struct ward_shard *shard, const struct ward_method *method, size_t held);
void ward_session_hold(struct ward_session *session, size_t size);
void ward_session_release(struct ward_session *session, size_t size);

/* Any thread. */
void ward_shard_post(struct ward_shard *shard, struct ward_list *requests);
bool ward_shard_pending(const struct ward_shard *shard);
/* The loop's thread: sends posted answers to their streams, then submits what is ready. */
void ward_shard_turn(struct ward_shard *shard);
/* The stream is looked at at the end of this turn. */
void ward_shard_later(struct ward_stream *stream);
void ward_shard_forget(struct ward_stream *stream);
/* Once a second for each connection, and when draining begins. */
void ward_session_tick(struct ward_session *session, struct ward_h2 *h2, int64_t now_us);

#endif
