/* SPDX-License-Identifier: Apache-2.0 */
/* As whom we call, and whom we believe: the TLS context made of the CA file, our certificate and
 * our private key. When the files have changed, the next connection gets a context made anew; open
 * connections go on with the one they have. Shared by threads. */
#ifndef WARD_CLIENT_CREDENTIALS_H
#define WARD_CLIENT_CREDENTIALS_H

#include <openssl/ssl.h>

#include "client/error.h"

struct ward_credentials_in {
    const char *ca_file, *certificate_file;
    const char *key; /* a PEM file, or a pkcs11: URI */
    ward_pin_callback pin;
    void *pin_context;
};

struct ward_credentials;

/* INVALID_ARGUMENT with the name of what is wrong. */
ward_rc ward_credentials_new(const struct ward_credentials_in *in, struct ward_credentials **ret,
                             ward_error *error);
void ward_credentials_free(struct ward_credentials *credentials);
/* The newest context that could be made, with a reference of the caller's own. Files that are half
 * written leave the old one in force, and are looked at again with the next call. */
SSL_CTX *ward_credentials_tls(struct ward_credentials *credentials);
/* In a forked child, while it has one thread: the next connection makes a context of its own. */
void ward_credentials_forked(struct ward_credentials *credentials);

#endif
