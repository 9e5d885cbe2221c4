/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting: bounded in number, and never stuck when descriptors run out. What is spoken on a
 * connection is none of its business. */
#include "server/net/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024
#define TURN_ACCEPTS_MAX 16

struct ward_listener {
    int fd,
        spare_fd; /* spare: closed for a moment to turn a caller away when descriptors are gone */
    unsigned port;
    struct event readable;
    bool attached;
    struct ward_listener_config config;
    atomic_uint_fast64_t accepted, turned_away;
};

/* ---- opening ---- */

static ward_status bind_to(struct ward_listener *listener, const struct addrinfo *info)
{
    const int on = 1;
    listener->fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0 ||
        setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(listener->fd, info->ai_addr, info->ai_addrlen) != 0 ||
        listen(listener->fd, BACKLOG) != 0) {
        return WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_ERRNO, errno);
    }
    struct sockaddr_storage bound;
    socklen_t size = sizeof(bound);
    if (getsockname(listener->fd, (struct sockaddr *)&bound, &size) != 0) {
        return WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_ERRNO, errno);
    }
    listener->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                       : ((struct sockaddr_in *)&bound)->sin_port);
    return WARD_OK;
}

static ward_status open_at(struct ward_listener *listener, const char *address)
{
    struct addrinfo *info = ward_address_find(address);
    WARD_REQUIRE(info != NULL, "listen: not an address and port");
    ward_status status = bind_to(listener, info);
    freeaddrinfo(info);
    return status;
}

ward_status ward_listener_new(const char *address, struct ward_listener **ret)
{
    struct ward_listener *listener = calloc(1, sizeof(*listener));
    WARD_ENSURE(listener != NULL, WARD_E_EXHAUSTED);
    listener->fd = -1;
    listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ward_status status = open_at(listener, address);
    if (!ward_ok(status)) {
        ward_listener_free(listener);
        return status;
    }
    *ret = listener;
    return WARD_OK;
}

unsigned ward_listener_port(const struct ward_listener *listener)
{
    return listener->port;
}

/* ---- accepting ---- */

/* NULL when all are full, of connections that have shown a certificate. */
static struct ward_loop *least_busy(const struct ward_listener *listener)
{
    struct ward_loop *least = NULL;
    size_t fewest = SIZE_MAX, total = 0, handshakes = 0;
    for (size_t i = 0; i < listener->config.n_loops; i++) {
        struct ward_loop_stats stats;
        ward_loop_stats(listener->config.loops[i], &stats);
        total += stats.connections;
        handshakes += stats.handshakes;
        if (stats.connections < fewest) {
            fewest = stats.connections;
            least = listener->config.loops[i];
        }
    }
    return total >= listener->config.max_connections && handshakes == 0 ? NULL : least;
}

/* Out of descriptors: turn one caller away, or the same event comes for ever. */
static void turn_away(struct ward_listener *listener)
{
    if (listener->spare_fd >= 0) {
        (void)close(listener->spare_fd);
    }
    int fd = accept(listener->fd, NULL, NULL);
    if (fd >= 0) {
        (void)close(fd);
    }
    listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool from_balancer(const struct ward_listener *listener, const struct ward_ip *ip)
{
    for (size_t i = 0; i < listener->config.n_proxy_from; i++) {
        if (ward_cidr_has(&listener->config.proxy_from[i], ip)) {
            return true;
        }
    }
    return false;
}

static void take_in(struct ward_listener *listener, int fd, const struct sockaddr *peer)
{
    const int on = 1;
    struct ward_arrival arrival = {.fd = fd};
    struct ward_loop *loop = least_busy(listener);
    bool placed = loop != NULL && ward_ip_of(peer, &arrival.ip, &arrival.port);
    if (placed) {
        arrival.balancer = from_balancer(listener, &arrival.ip);
        arrival.counted =
            !arrival.balancer && ward_callers_take(listener->config.callers, &arrival.ip);
    }
    if (!placed || (!arrival.balancer && !arrival.counted)) {
        (void)atomic_fetch_add_explicit(&listener->turned_away, 1, memory_order_relaxed);
        (void)close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* slower without, not wrong */
    ward_loop_add(loop, &arrival);
}

static void on_acceptable(evutil_socket_t socket_fd, short what, void *user)
{
    (void)what;
    struct ward_listener *listener = user;
    for (unsigned i = 0; i < TURN_ACCEPTS_MAX; i++) {
        struct sockaddr_storage peer;
        socklen_t size = sizeof(peer);
        int fd = accept4(socket_fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE) {
                turn_away(listener);
            }
            return;
        }
        (void)atomic_fetch_add_explicit(&listener->accepted, 1, memory_order_relaxed);
        take_in(listener, fd, (struct sockaddr *)&peer);
    }
}

ward_status ward_listener_attach(struct ward_listener *listener,
                                 const struct ward_listener_config *config)
{
    listener->config = *config;
    WARD_ENSURE(event_assign(&listener->readable, ward_loop_base(config->loops[0]), listener->fd,
                             EV_READ | EV_PERSIST, on_acceptable, listener) == 0 &&
                    event_add(&listener->readable, NULL) == 0,
                WARD_E_EXHAUSTED);
    listener->attached = true;
    return WARD_OK;
}

uint64_t ward_listener_turned_away(const struct ward_listener *listener)
{
    return atomic_load_explicit(&listener->turned_away, memory_order_relaxed);
}

uint64_t ward_listener_accepted(const struct ward_listener *listener)
{
    return atomic_load_explicit(&listener->accepted, memory_order_relaxed);
}

void ward_listener_close(struct ward_listener *listener)
{
    if (listener->attached) {
        (void)event_del(&listener->readable);
        listener->attached = false;
    }
    if (listener->fd >= 0) {
        (void)close(listener->fd);
        listener->fd = -1;
    }
}

void ward_listener_free(struct ward_listener *listener)
{
    if (listener == NULL) {
        return;
    }
    ward_listener_close(listener);
    if (listener->spare_fd >= 0) {
        (void)close(listener->spare_fd);
    }
    free(listener);
}
