/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY protocol's version 2 (HAProxy, proxy-protocol.txt section 2.2): what a balancer says of
 * the client before the client's own bytes. Read only from addresses that are listed as balancers.
 *
 *   0        12    13        14      16
 *   signature ver|cmd family|proto size  addresses, then TLVs
 */
#ifndef WARD_SERVER_NET_PROXY_H
#define WARD_SERVER_NET_PROXY_H

#include "server/net/address.h"

#define WARD_PROXY_HEAD 16
#define WARD_PROXY_MAX (WARD_PROXY_HEAD + 1024) /* addresses and TLVs; more is refused */

struct ward_proxy {
    bool local; /* the balancer speaks for itself: a health check */
    struct ward_ip ip;
    uint16_t port;
};

enum ward_proxy_result {
    WARD_PROXY_DONE,
    WARD_PROXY_MORE, /* *ret_size bytes in all are needed to go on */
    WARD_PROXY_BAD,
};

/* bytes: from the start of the connection. DONE: the header is exactly *ret_size bytes, which are
 * there. TLVs are passed over. BAD for version 1, for UNIX sockets and for datagrams. */
enum ward_proxy_result ward_proxy_parse(struct ward_bytes bytes, size_t *ret_size,
                                        struct ward_proxy *ret);

#endif
