/* SPDX-License-Identifier: Apache-2.0 */
/* TLS over a non-blocking socket without signals. */
#ifndef WARD_CLIENT_SOCKET_BIO_H
#define WARD_CLIENT_SOCKET_BIO_H

#include <openssl/bio.h>

/* The socket stays the caller's. NULL when memory is short. */
BIO *ward_socket_bio(int fd);

#endif
