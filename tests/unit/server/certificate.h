/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates made for a test, self-signed, in memory. */
#ifndef WARD_TESTS_UNIT_SERVER_CERTIFICATE_H
#define WARD_TESTS_UNIT_SERVER_CERTIFICATE_H

#include <openssl/x509v3.h>

#include "base/bytes.h"

struct certificate_wish {
    const struct ward_bytes *uris; /* SAN URIs, any bytes */
    size_t n_uris;
    const char *dns; /* a SAN DNS name, or NULL */
    bool broken_san; /* a SAN extension that does not parse */
    bool two_sans;   /* the extension twice */
    EVP_PKEY *key;   /* NULL: a fresh one */
    long serial;
};

EVP_PKEY *certificate_key(void);
/* DER, to be freed with OPENSSL_free. */
struct ward_bytes certificate_make(const struct certificate_wish *wish);

#endif
