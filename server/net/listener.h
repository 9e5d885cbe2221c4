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
/* Before the loops start. The loops outlive it or are stopped when it is freed. */
ward_status ward_listener_attach(struct ward_listener *listener, struct ward_loop *const *loops,
                                 size_t n, size_t max_connections);
uint64_t ward_listener_accepted(const struct ward_listener *listener); /* ever; any thread */
/* Accepts no more and closes the socket; loops[0]'s thread, or when it does not run. */
void ward_listener_close(struct ward_listener *listener);
void ward_listener_free(struct ward_listener *listener);

#endif
