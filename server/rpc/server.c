/* SPDX-License-Identifier: Apache-2.0 */
/* Puts listener, loops and shards together and hands answers to the loop they belong to. */
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/net/listener.h"
#include "server/net/sharing.h"
#include "server/rpc/rpc.h"
#include "server/rpc/stream.h"

#define LOOPS_MAX 64
#define STREAM_WINDOW (512u * 1024)
#define CONNECTION_WINDOW (4u * 1024 * 1024)
#define HEADER_LIST 8192u
#define DRAIN_POLL_US 2000
#define HANDSHAKES_PART 4 /* of the connections may be unfinished */
#define TELL_US (60LL * 1000000)

struct ward_rpc {
    struct ward_rpc_shared shared;
    struct ward_net_settings net;
    struct ward_callers *callers;
    struct ward_sharing *sharing;
    struct ward_tls *tls;
    atomic_int_fast64_t told_us; /* when the log had a line about revocation lists */
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

static void *on_open(void *context, uint64_t connection, struct x509_st *certificate,
                     const struct ward_ip *ip, const char *address)
{
    struct rpc_loop *loop = context;
    struct ward_session *session = NULL;
    struct ward_peer *peer = NULL;
    ward_status status = ward_peer_of(certificate, address, &peer);
    if (ward_ok(status)) {
        status = ward_session_new(&loop->shard, connection, peer, &session);
    }
    if (!ward_ok(status)) {
        return NULL; /* out of memory: the connection is closed */
    }
    if (!on_welcome(loop, session)) {
        loop->shard.handshakes_failed++;
        ward_session_free(session);
        return NULL;
    }
    if (ward_ok(peer->status)) {
        ward_sharing_enter(loop->rpc->sharing, &session->sharing, peer->certificate_hash,
                           peer->identity, ip, ward_loop_now_us(loop->loop));
    }
    return session;
}

static void on_close(void *context, void *session)
{
    const struct rpc_loop *loop = context;
    struct ward_session *closed = session;
    ward_sharing_leave(loop->rpc->sharing, &closed->sharing);
    ward_session_free(closed);
}

static int64_t on_age(void *context, void *session)
{
    const struct rpc_loop *loop = context;
    const struct ward_rpc *rpc = loop->rpc;
    const struct ward_rpc_handler *handler = &rpc->shared.handler;
    const struct ward_session *asked = session;
    unsigned age_s = rpc->net.max_age_s, officer_s = rpc->net.officer_max_age_s;
    if (officer_s != 0 && (age_s == 0 || officer_s < age_s) && handler->officer != NULL &&
        handler->officer(handler->context, asked->peer)) {
        age_s = officer_s;
    }
    return (int64_t)age_s * 1000000;
}

/* An operator must see at once why nobody gets in any more, and once a minute is enough. */
static void tell_of_lists(struct ward_rpc *rpc, enum ward_tls_fault fault)
{
    int64_t now_us = ward_monotonic_us(&ward_clock_system);
    int64_t told_us = atomic_load(&rpc->told_us);
    if ((told_us != 0 && now_us - told_us < TELL_US) ||
        !atomic_compare_exchange_strong(&rpc->told_us, &told_us, now_us)) {
        return;
    }
    ward_log(WARD_LOG_ERROR,
             fault == WARD_TLS_FAULT_CRL_EXPIRED
                 ? "tls.client_crl is out of date: no client is let in until it is renewed and "
                   "read anew (SIGHUP)"
                 : "tls.client_crl has no list of the CA of a client, who was not let in");
}

static void on_handshake_failed(void *context, enum ward_tls_fault fault)
{
    struct rpc_loop *loop = context;
    loop->shard.handshakes_failed++;
    if (fault == WARD_TLS_FAULT_CRL_EXPIRED || fault == WARD_TLS_FAULT_CRL_MISSING) {
        tell_of_lists(loop->rpc, fault);
    }
}

static void on_tick(void *context, void *session, struct ward_h2 *h2, int64_t now_us,
                    int64_t heard_us)
{
    const struct rpc_loop *loop = context;
    struct ward_session *ticked = session;
    if (ward_sharing_tick(loop->rpc->sharing, &ticked->sharing, heard_us, now_us)) {
        ward_h2_ping(h2);
    }
    ward_session_tick(ticked, h2, now_us);
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

static int64_t seconds(unsigned s)
{
    return (int64_t)s * 1000000;
}

static ward_status make_loop(struct ward_rpc *rpc, const struct ward_rpc_config *config,
                             unsigned index)
{
    struct rpc_loop *loop = &rpc->loops[index];
    const struct ward_shard_net net = {loop, find, now_us, draining};
    loop->rpc = rpc;
    ward_shard_init(&loop->shard, &rpc->shared, &net, index);
    rpc->n_loops++;
    const struct ward_net_settings *net_settings = &config->net;
    size_t share = (config->net.max_connections + config->loops - 1) / config->loops;
    const struct ward_loop_config loop_config = {
        .h2 = {.streams = net_settings->max_streams,
               .header_list = HEADER_LIST,
               .stream_window = STREAM_WINDOW,
               .connection_window = CONNECTION_WINDOW,
               .ping_interval_us = seconds(net_settings->min_ping_interval_s),
               .ping_interval_idle_us = seconds(net_settings->min_ping_interval_idle_s),
               .ping_strikes = net_settings->ping_strikes},
        .times = {.handshake_us = seconds(net_settings->handshake_timeout_s),
                  .idle_us = seconds(net_settings->idle_timeout_s),
                  .age_grace_us = seconds(net_settings->age_grace_s),
                  .keepalive_us = seconds(net_settings->keepalive_s),
                  .keepalive_timeout_us = seconds(net_settings->keepalive_timeout_s)},
        .max_connections = share,
        .max_handshakes = share / HANDSHAKES_PART + 1,
        .tls = rpc->tls,
        .callers = rpc->callers,
        .held = &rpc->shared.held,
        .handler = {.context = loop,
                    .streams = &ward_stream_events,
                    .open = on_open,
                    .welcome = on_welcome,
                    .age = on_age,
                    .close = on_close,
                    .handshake_failed = on_handshake_failed,
                    .tick = on_tick,
                    .turn = on_turn,
                    .pending = on_pending},
    };
    WARD_TRY(ward_loop_new(&loop_config, &loop->loop));
    rpc->bare_loops[index] = loop->loop;
    return WARD_OK;
}

/* A connection is a descriptor: as many as we may have, if the limit is the usual low one. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* without it callers are turned away sooner */
    }
}

static void warn_of_lists(struct ward_rpc *rpc)
{
    if (ward_wall_us(&ward_clock_system) > ward_tls_crl_end_us(rpc->tls)) {
        tell_of_lists(rpc, WARD_TLS_FAULT_CRL_EXPIRED);
    }
}

static ward_status make(struct ward_rpc *rpc, const struct ward_rpc_config *config)
{
    const struct ward_tls_files files = {.certificate_file = config->certificate_file,
                                         .key_file = config->key_file,
                                         .client_ca_file = config->client_ca_file,
                                         .client_crl_file = config->client_crl_file,
                                         .tls_1_2 = config->tls_1_2};
    WARD_TRY(ward_tls_new(&files, &rpc->tls));
    warn_of_lists(rpc);
    WARD_TRY(ward_callers_new(config->net.max_per_address, &rpc->callers));
    WARD_TRY(ward_sharing_new(config->net.one_source, config->net.n_one_source, &rpc->sharing));
    WARD_TRY(ward_listener_new(config->listen, &rpc->listener));
    raise_descriptors();
    rpc->loops = calloc(config->loops, sizeof(*rpc->loops));
    WARD_ENSURE(rpc->loops != NULL, WARD_E_EXHAUSTED);
    for (unsigned i = 0; i < config->loops; i++) {
        WARD_TRY(make_loop(rpc, config, i));
    }
    const struct ward_listener_config listener = {.loops = rpc->bare_loops,
                                                  .n_loops = config->loops,
                                                  .max_connections = config->net.max_connections,
                                                  .callers = rpc->callers,
                                                  .proxy_from = config->net.proxy_from,
                                                  .n_proxy_from = config->net.n_proxy_from};
    return ward_listener_attach(rpc->listener, &listener);
}

ward_status ward_rpc_new(const struct ward_rpc_config *config,
                         const struct ward_rpc_handler *handler, struct ward_rpc **ret)
{
    WARD_REQUIRE(config->loops >= 1 && config->loops <= LOOPS_MAX, "loops: not 1 to 64");
    struct ward_rpc *rpc = calloc(1, sizeof(*rpc));
    WARD_ENSURE(rpc != NULL, WARD_E_EXHAUSTED);
    rpc->shared.handler = *handler;
    rpc->shared.max_streams = config->net.max_streams;
    rpc->net = config->net;
    rpc->shared.held.max = (size_t)config->net.memory_mib << 20;
    ward_status status = make(rpc, config);
    if (!ward_ok(status)) {
        ward_rpc_free(rpc);
        return status;
    }
    *ret = rpc;
    return WARD_OK;
}

int64_t ward_rpc_certificate_end_us(const struct ward_rpc *rpc)
{
    return ward_tls_certificate_end_us(rpc->tls);
}

void ward_rpc_endings(const struct ward_rpc *rpc, struct ward_endings *ret)
{
    ward_tls_endings(rpc->tls, ret);
}

size_t ward_rpc_heard(const struct ward_rpc *rpc,
                      struct ward_sighting out[static WARD_SIGHTINGS_MAX])
{
    return ward_sharing_heard(rpc->sharing, out);
}

void ward_rpc_elsewhere(const struct ward_rpc *rpc, const struct ward_sighting *here,
                        const struct ward_ip *other, bool earlier)
{
    ward_sharing_elsewhere(rpc->sharing, here, other, earlier,
                           ward_monotonic_us(&ward_clock_system));
}

size_t ward_rpc_shared_untold(const struct ward_rpc *rpc, struct ward_shared *out, size_t max)
{
    return ward_sharing_untold(rpc->sharing, out, max);
}

void ward_rpc_shared_told(const struct ward_rpc *rpc, const uint8_t certificate[static 32])
{
    ward_sharing_told(rpc->sharing, certificate);
}

size_t ward_rpc_shared_since(const struct ward_rpc *rpc, int64_t since_us, struct ward_shared *out,
                             size_t max)
{
    return ward_sharing_since(rpc->sharing, since_us, out, max);
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

void ward_rpc_recheck(struct ward_rpc *rpc)
{
    for (unsigned i = 0; i < rpc->n_loops; i++) {
        ward_loop_recheck(rpc->loops[i].loop);
    }
}

ward_status ward_rpc_read_certificates(const struct ward_rpc *rpc, struct ward_tls **ret)
{
    return ward_tls_again(rpc->tls, ret);
}

void ward_rpc_use_certificates(struct ward_rpc *rpc, struct ward_tls *take_fresh)
{
    ward_tls_replace(rpc->tls, take_fresh);
    warn_of_lists(rpc);
    ward_rpc_recheck(rpc); /* who is on the new list, or whose CA has gone */
}

static bool busy(const struct ward_rpc *rpc)
{
    for (unsigned i = 0; i < rpc->n_loops; i++) {
        const struct rpc_loop *loop = &rpc->loops[i];
        struct ward_loop_stats stats;
        ward_loop_stats(loop->loop, &stats);
        if (atomic_load(&loop->shard.streams) > 0 || atomic_load(&loop->shard.in_flight) > 0 ||
            stats.connections > 0) {
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
    *ret = (struct ward_rpc_stats){
        .connections_total = ward_listener_accepted(rpc->listener),
        .turned_away = ward_listener_turned_away(rpc->listener),
        .held_bytes = atomic_load_explicit(&rpc->shared.held.bytes, memory_order_relaxed)};
    for (unsigned i = 0; i < rpc->n_loops; i++) {
        const struct ward_shard *shard = &rpc->loops[i].shard;
        struct ward_loop_stats loop;
        ward_loop_stats(rpc->loops[i].loop, &loop);
        ret->connections += loop.connections;
        ret->handshakes += loop.handshakes;
        ret->turned_away += loop.turned_away;
        ret->dead += loop.dead;
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
    ward_callers_free(rpc->callers);
    ward_sharing_free(rpc->sharing);
    free(rpc->loops);
    free(rpc);
}
