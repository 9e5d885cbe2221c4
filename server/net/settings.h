/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator may set about connections, and what holds unless they do. The manual is
 * deploy/config/wardd.yaml. */
#ifndef WARD_SERVER_NET_SETTINGS_H
#define WARD_SERVER_NET_SETTINGS_H

#include "server/net/address.h"

struct ward_net_settings {
    unsigned max_connections, max_per_address;
    unsigned max_streams; /* of a connection */
    unsigned memory_mib;  /* messages, requests and answers of all connections */
    unsigned handshake_timeout_s, idle_timeout_s;
    unsigned max_age_s, officer_max_age_s; /* 0: none */
    unsigned age_grace_s;
    unsigned keepalive_s, keepalive_timeout_s;
    unsigned min_ping_interval_s, min_ping_interval_idle_s, ping_strikes;
    const struct ward_cidr *proxy_from; /* borrowed */
    size_t n_proxy_from;
    const struct ward_cidr *one_source; /* each counts as one address to server/net/sharing.h */
    size_t n_one_source;                /* borrowed */
};

#define WARD_NET_SETTINGS_DEFAULT                                 \
    ((struct ward_net_settings){.max_connections = 1024,          \
                                .max_per_address = 256,           \
                                .max_streams = 100,               \
                                .memory_mib = 256,                \
                                .handshake_timeout_s = 10,        \
                                .idle_timeout_s = 900,            \
                                .max_age_s = 3600,                \
                                .officer_max_age_s = 900,         \
                                .age_grace_s = 30,                \
                                .keepalive_s = 120,               \
                                .keepalive_timeout_s = 20,        \
                                .min_ping_interval_s = 300,       \
                                .min_ping_interval_idle_s = 7200, \
                                .ping_strikes = 2})

#endif
