/* SPDX-License-Identifier: Apache-2.0 */
/* What an application says before it makes a client. */
#ifndef WARD_CLIENT_CONFIG_H
#define WARD_CLIENT_CONFIG_H

#include "client/error.h"

#define WARD_SERVERS_MAX 16

struct ward_config {
    char *servers[WARD_SERVERS_MAX]; /* host:port */
    size_t n_servers;
    char *server_name, *ca_file, *certificate_file;
    char *key; /* wiped: a PKCS#11 URI may hold a PIN */
    ward_pin_callback pin;
    void *pin_context;
    uint32_t timeout_ms, connect_timeout_ms, max_connections, max_attempts;
};

/* A whole call's time, within its bounds. */
uint32_t ward_config_clamp_timeout(uint32_t timeout_ms);

#endif
