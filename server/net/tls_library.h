/* SPDX-License-Identifier: Apache-2.0 */
/* A library context of OpenSSL's for handshakes, which has what they ask for and nothing else.
 * OpenSSL 3.0 looks through all that a context has, readers of keys first of all, for each
 * certificate that it parses: in its own context that is a quarter of what a new connection costs.
 */
#ifndef WARD_SERVER_NET_TLS_LIBRARY_H
#define WARD_SERVER_NET_TLS_LIBRARY_H

#include <openssl/types.h>

/* Made at the first call and kept as long as the process, as OpenSSL's own is, since connections
 * and their certificates point to it. NULL, which is OpenSSL's own, where its configuration chose
 * other providers than the default one or FIPS, so that these stay in force, and when memory is
 * out; the configuration's [random] and default properties do not reach it otherwise. It
 * reads no private keys. Any thread. */
OSSL_LIB_CTX *ward_tls_library(void);
/* The same private key, which was read in OpenSSL's own, as one of this context: a key is not to be
 * used in another context than its own (EVP_PKEY_new(3)). NULL: it has no keys of that kind, or
 * memory is out. */
EVP_PKEY *ward_tls_library_key(EVP_PKEY *key);

#endif
