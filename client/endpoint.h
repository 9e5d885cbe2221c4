/* SPDX-License-Identifier: Apache-2.0 */
/* Whom to call: a daemon's address, and the name that its certificate must have. Immutable once
 * made; shared by threads and connections. */
#ifndef WARD_CLIENT_ENDPOINT_H
#define WARD_CLIENT_ENDPOINT_H

#include "client/credentials.h"

#define WARD_HOST_MAX 256

struct ward_endpoint {
    char host[WARD_HOST_MAX], port[8];
    char authority[WARD_HOST_MAX + 16]; /* host:port, as :authority wants it */
    char server_name[WARD_HOST_MAX];
    bool server_name_is_address;
    struct ward_credentials *credentials; /* borrowed */
};

/* server: "host:port". server_name: NULL for the host. INVALID_ARGUMENT with what is wrong. */
ward_rc ward_endpoint_init(const char *server, const char *server_name,
                           struct ward_credentials *credentials, struct ward_endpoint *ret,
                           ward_error *error);
/* A TLS connection over the socket, which stays the caller's: it must be non-blocking. NULL when
 * memory is short. */
SSL *ward_endpoint_connect(const struct ward_endpoint *endpoint, int fd);

#endif
