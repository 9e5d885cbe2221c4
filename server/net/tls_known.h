/* SPDX-License-Identifier: Apache-2.0 */
/* Client certificates that were verified a short while ago under the same CAs and lists: a program
 * that connects again and again then costs no second walk of its chain, a fifth of a handshake.
 * That it holds the key is proven each time all the same. */
#ifndef WARD_SERVER_NET_TLS_KNOWN_H
#define WARD_SERVER_NET_TLS_KNOWN_H

#include <openssl/ssl.h>

#include "base/status.h"

/* For how long, in seconds. */
#define WARD_TLS_KNOWN_S 60

/* Lets the context remember; nothing is remembered past list_end_us (UTC, microseconds), when its
 * revocation lists are out of date. It is forgotten with the context, so that other files begin
 * anew. */
ward_status ward_tls_known_attach(SSL_CTX *context, int64_t list_end_us);

#endif
