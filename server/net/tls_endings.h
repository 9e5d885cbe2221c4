/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the dates of what a TLS context was made of. */
#ifndef WARD_SERVER_NET_TLS_ENDINGS_H
#define WARD_SERVER_NET_TLS_ENDINGS_H

#include <openssl/ssl.h>

#include "base/status.h"
#include "server/net/endings.h"

/* UTC, microseconds; 0: there is none, or it is no date. */
int64_t ward_tls_time_us(const ASN1_TIME *time);
/* Of a context that nobody else has yet. */
ward_status ward_tls_endings_read(SSL_CTX *context, struct ward_endings *ret);

#endif
