/* SPDX-License-Identifier: Apache-2.0 */
/* The listening socket. It is bound when it is opened, accepts on one loop's thread, and gives each
 * connection to the loop that has fewest. */
#ifndef WARD_SERVER_NET_LISTENER_H
#define WARD_SERVER_NET_LISTENER_H

#include "server/net/loop.h"

struct ward_listener;

/* address: "127.0.0.1:7443", "[::1]:7443"; port 0 takes any. INVALID "listen: not an address and
 * port"; UNAVAILABLE when the socket cannot be bound. */
ward_status ward_listener_new(const char *address, struct ward_listener **ret);
unsigned ward_listener_port(const struct ward_listener *listener);
struct ward_listener_config {
    struct ward_loop *const *loops; /* outlive it or are stopped when it is freed */
    size_t n_loops;
    size_t max_connections;
    struct ward_callers *callers;       /* outlive it */
    const struct ward_cidr *proxy_from; /* balancers, which say whom they forward; outlive it */
    size_t n_proxy_from;
};

/* Before the loops start. */
ward_status ward_listener_attach(struct ward_listener *listener,
                                 const struct ward_listener_config *config);
/* Callers for whom there was no place; any thread. */
uint64_t ward_listener_turned_away(const struct ward_listener *listener);
uint64_t ward_listener_accepted(const struct ward_listener *listener); /* ever; any thread */
/* Accepts no more and closes the socket; loops[0]'s thread, or when it does not run. */
void ward_listener_close(struct ward_listener *listener);
void ward_listener_free(struct ward_listener *listener);

#endif
