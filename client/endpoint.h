/* SPDX-License-Identifier: Apache-2.0 */
/* Whom to call, and as whom: the daemon's address, the name that its certificate must have, and the
 * TLS context with our own certificate. Immutable once made; shared by threads and connections. */
#ifndef WARD_CLIENT_ENDPOINT_H
#define WARD_CLIENT_ENDPOINT_H

#include <openssl/ssl.h>

#include "client/error.h"

#define WARD_HOST_MAX 256

struct ward_endpoint {
    char host[WARD_HOST_MAX], port[8];
    char authority[WARD_HOST_MAX + 16]; /* host:port, as :authority wants it */
    char server_name[WARD_HOST_MAX];
    bool server_name_is_address;
    SSL_CTX *tls;
};

struct ward_endpoint_in {
    const char *server, *server_name; /* server_name may be NULL: the host */
    const char *ca_file, *certificate_file, *key_file;
};

/* INVALID_ARGUMENT with the name of what is wrong. */
ward_rc ward_endpoint_init(const struct ward_endpoint_in *in, struct ward_endpoint *ret,
                           ward_error *error);
void ward_endpoint_fini(struct ward_endpoint *endpoint);
/* A TLS connection over the socket, which stays the caller's: it must be non-blocking. NULL when
 * memory is short. */
SSL *ward_endpoint_connect(const struct ward_endpoint *endpoint, int fd);

#endif
