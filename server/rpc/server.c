/* SPDX-License-Identifier: Apache-2.0 */
/* Puts listener, loops and shards together and hands answers to the loop they belong to. */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "server/net/listener.h"
#include "server/rpc/rpc.h"
#include "server/rpc/stream.h"

#define LOOPS_MAX 64
#define STREAM_WINDOW (512u * 1024)
#define CONNECTION_WINDOW (4u * 1024 * 1024)
#define HEADER_LIST 8192u
#define DRAIN_POLL_US 2000

struct ward_rpc {
    struct ward_rpc_shared shared;
    struct ward_tls *tls;
    struct ward_listener *listener;
    unsigned n_loops;
    struct rpc_loop {
        struct ward_rpc *rpc;
        struct ward_loop *loop;
        struct ward_shard shard;
    } * loops;
    struct ward_loop *bare_loops[LOOPS_MAX]; /* as the listener wants them */
};

/* ---- a loop's handler ---- */

static bool on_welcome(void *context, void *session)
{
    const struct rpc_loop *loop = context;
    const struct ward_rpc_handler *handler = &loop->rpc->shared.handler;
    const struct ward_session *asked = session;
    return handler->still_welcome == NULL || handler->still_welcome(handler->context, asked->peer);
}

static void *on_open(void *context, uint64_t connection, struct ward_bytes certificate,
                     const char *address)
{
    struct rpc_loop *loop = context;
    struct ward_session *session = NULL;
    ward_status status = ward_session_new(&loop->shard, connection, certificate, address, &session);
    if (!ward_ok(status)) {
        return NULL; /* out of memory: the connection is closed */
    }
    if (!on_welcome(loop, session)) {
        loop->shard.handshakes_failed++;
        ward_session_free(session);
        return NULL;
    }
    return session;
}

static void on_close(void *context, void *session)
{
    (void)context;
    ward_session_free(session);
}

static void on_handshake_failed(void *context)
{
    struct rpc_loop *loop = context;
    loop->shard.handshakes_failed++;
}

static void on_tick(void *context, void *session, struct ward_h2 *h2, int64_t now_us)
{
    (void)context;
    ward_session_tick(session, h2, now_us);
}

static void on_turn(void *context)
{
    struct rpc_loop *loop = context;
    if (loop->shard.index == 0 && ward_loop_draining(loop->loop)) {
        ward_listener_close(loop->rpc->listener);
    }
    ward_shard_turn(&loop->shard);
}

static bool on_pending(void *context)
{
    struct rpc_loop *loop = context;
    return ward_shard_pending(&loop->shard);
}

/* ---- what a shard wants of the network ---- */

static bool find(void *context, uint64_t connection, struct ward_session **ret,
                 struct ward_h2 **ret_h2)
{
    struct rpc_loop *loop = context;
    struct ward_conn *conn = ward_loop_find(loop->loop, connection);
    if (conn == NULL) {
        return false;
    }
    *ret = ward_conn_session(conn);
    *ret_h2 = ward_conn_h2(conn);
    ward_conn_touch(conn);
    return true;
}

static int64_t now_us(void *context)
{
    struct rpc_loop *loop = context;
    return ward_loop_now_us(loop->loop);
}

static bool draining(void *context)
{
    struct rpc_loop *loop = context;
    return ward_loop_draining(loop->loop);
}

/* ---- life ---- */

static ward_status make_loop(struct ward_rpc *rpc, const struct ward_rpc_config *config,
                             unsigned index)
{
    struct rpc_loop *loop = &rpc->loops[index];
    const struct ward_shard_net net = {loop, find, now_us, draining};
    loop->rpc = rpc;
    ward_shard_init(&loop->shard, &rpc->shared, &net, index);
    rpc->n_loops++;
    const struct ward_loop_config loop_config = {
        .h2 = {config->max_streams, HEADER_LIST, STREAM_WINDOW, CONNECTION_WINDOW},
        .idle_us = (int64_t)config->idle_timeout_s * 1000000,
        .handshake_us = (int64_t)config->handshake_timeout_s * 1000000,
        .tls = rpc->tls,
        .handler = {loop, &ward_stream_events, on_open, on_welcome, on_close, on_handshake_failed,
                    on_tick, on_turn, on_pending},
    };
    WARD_TRY(ward_loop_new(&loop_config, &loop->loop));
    rpc->bare_loops[index] = loop->loop;
    return WARD_OK;
}

static ward_status make(struct ward_rpc *rpc, const struct ward_rpc_config *config)
{
    const struct ward_tls_files files = {config->certificate_file, config->key_file,
                                         config->client_ca_file};
    WARD_TRY(ward_tls_new(&files, &rpc->tls));
    WARD_TRY(ward_listener_new(config->listen, &rpc->listener));
    rpc->loops = calloc(config->loops, sizeof(*rpc->loops));
    WARD_ENSURE(rpc->loops != NULL, WARD_E_EXHAUSTED);
    for (unsigned i = 0; i < config->loops; i++) {
        WARD_TRY(make_loop(rpc, config, i));
    }
    return ward_listener_attach(rpc->listener, rpc->bare_loops, config->loops,
                                config->max_connections);
}

ward_status ward_rpc_new(const struct ward_rpc_config *config,
                         const struct ward_rpc_handler *handler, struct ward_rpc **ret)
{
    WARD_REQUIRE(config->loops >= 1 && config->loops <= LOOPS_MAX, "loops: not 1 to 64");
    WARD_REQUIRE(config->max_connections >= 1, "max_connections: not 1 or more");
    WARD_REQUIRE(config->max_streams >= 1 && config->max_streams <= 1000,
                 "max_streams: not 1 to 1000");
    WARD_REQUIRE(config->idle_timeout_s >= 1, "idle_timeout: not 1 second or more");
    WARD_REQUIRE(config->handshake_timeout_s >= 1, "handshake_timeout: not 1 second or more");
    struct ward_rpc *rpc = calloc(1, sizeof(*rpc));
    WARD_ENSURE(rpc != NULL, WARD_E_EXHAUSTED);
    rpc->shared.handler = *handler;
    rpc->shared.max_streams = config->max_streams;
    ward_status status = make(rpc, config);
    if (!ward_ok(status)) {
        ward_rpc_free(rpc);
        return status;
    }
    *ret = rpc;
    return WARD_OK;
}

unsigned ward_rpc_port(const struct ward_rpc *rpc)
{
    return ward_listener_port(rpc->listener);
}

ward_status ward_rpc_start(struct ward_rpc *rpc)
{
    for (unsigned i = 0; i < rpc->n_loops; i++) {
        WARD_TRY(ward_loop_start(rpc->loops[i].loop));
    }
    return WARD_OK;
}

static void post(struct ward_rpc *rpc, uint32_t index, struct ward_list *requests)
{
    ward_shard_post(&rpc->loops[index].shard, requests);
    ward_loop_wake(rpc->loops[index].loop);
}

void ward_rpc_complete(struct ward_rpc *rpc, struct ward_list *requests)
{
    if (rpc->n_loops == 1) {
        post(rpc, 0, requests);
        return;
    }
    struct ward_list parts[LOOPS_MAX] = {0};
    for (struct ward_link *link = ward_list_pop(requests); link != NULL;
         link = ward_list_pop(requests)) {
        ward_list_push(&parts[WARD_CONTAINER(link, struct ward_request, link)->origin.loop], link);
    }
    for (unsigned i = 0; i < rpc->n_loops; i++) {
        if (parts[i].head != NULL) {
            post(rpc, i, &parts[i]);
        }
    }
}

ward_status ward_rpc_reload(struct ward_rpc *rpc)
{
    return ward_tls_reload(rpc->tls);
}

void ward_rpc_recheck(struct ward_rpc *rpc)
{
    for (unsigned i = 0; i < rpc->n_loops; i++) {
        ward_loop_recheck(rpc->loops[i].loop);
    }
}

static bool busy(const struct ward_rpc *rpc)
{
    for (unsigned i = 0; i < rpc->n_loops; i++) {
        const struct rpc_loop *loop = &rpc->loops[i];
        if (atomic_load(&loop->shard.streams) > 0 || atomic_load(&loop->shard.in_flight) > 0 ||
            ward_loop_connections(loop->loop) > 0) {
            return true;
        }
    }
    return false;
}

void ward_rpc_drain(struct ward_rpc *rpc, unsigned timeout_ms)
{
    int64_t end = ward_monotonic_us(&ward_clock_system) + (int64_t)timeout_ms * 1000;
    for (unsigned i = 0; i < rpc->n_loops; i++) {
        ward_loop_drain(rpc->loops[i].loop);
    }
    while (busy(rpc) && ward_monotonic_us(&ward_clock_system) < end) {
        const struct timespec pause = {.tv_nsec = DRAIN_POLL_US * 1000};
        (void)nanosleep(&pause, NULL); /* once in a process' life */
    }
}

void ward_rpc_stats(const struct ward_rpc *rpc, struct ward_rpc_stats *ret)
{
    *ret = (struct ward_rpc_stats){.connections_total = ward_listener_accepted(rpc->listener)};
    for (unsigned i = 0; i < rpc->n_loops; i++) {
        const struct ward_shard *shard = &rpc->loops[i].shard;
        ret->connections += ward_loop_connections(rpc->loops[i].loop);
        ret->handshakes_failed +=
            atomic_load_explicit(&shard->handshakes_failed_total, memory_order_relaxed);
        ret->requests += atomic_load_explicit(&shard->requests, memory_order_relaxed);
        ret->streams += atomic_load_explicit(&shard->streams, memory_order_relaxed);
        ret->vanished += atomic_load_explicit(&shard->vanished, memory_order_relaxed);
    }
}

void ward_rpc_free(struct ward_rpc *rpc)
{
    if (rpc == NULL) {
        return;
    }
    for (unsigned i = 0; i < rpc->n_loops; i++) {
        if (rpc->loops[i].loop != NULL) {
            ward_loop_stop(rpc->loops[i].loop); /* all, before one goes: they know each other */
        }
    }
    ward_listener_free(rpc->listener);
    for (unsigned i = 0; i < rpc->n_loops; i++) {
        ward_loop_free(rpc->loops[i].loop);
    }
    for (unsigned i = 0; i < rpc->n_loops; i++) {
        ward_shard_fini(&rpc->loops[i].shard);
    }
    ward_tls_free(rpc->tls);
    free(rpc->loops);
    free(rpc);
}
