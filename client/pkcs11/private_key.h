/* SPDX-License-Identifier: Apache-2.0 */
/* A private key that stays in its token, as OpenSSL's EVP_PKEY: for TLS and for signatures. */
#ifndef WARD_CLIENT_PKCS11_PRIVATE_KEY_H
#define WARD_CLIENT_PKCS11_PRIVATE_KEY_H

#include <openssl/evp.h>

#include "client/error.h"

struct ward_private_key_in {
    const char *uri;            /* RFC 7512 */
    const EVP_PKEY *public_key; /* of our certificate: EC on P-256, or RSA */
    ward_pin_callback pin;      /* or NULL */
    void *pin_context;
};

/* A PKCS#11 URI, not a file's name. */
bool ward_private_key_is_uri(const char *name);
/* The key is proven to belong to public_key: it signs once. RSA signs by CKM_RSA_X_509 (TLS 1.3
 * wants PSS, which OpenSSL pads). INVALID_ARGUMENT with what is wrong. */
ward_rc ward_private_key_open(const struct ward_private_key_in *in, EVP_PKEY **ret,
                              ward_error *error);

#endif
