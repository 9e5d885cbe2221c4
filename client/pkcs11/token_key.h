/* SPDX-License-Identifier: Apache-2.0 */
/* One private key in a PKCS#11 token, named by a URI (RFC 7512). It signs; it is never read. */
#ifndef WARD_CLIENT_PKCS11_TOKEN_KEY_H
#define WARD_CLIENT_PKCS11_TOKEN_KEY_H

#include "base/bytes.h"
#include "client/error.h"

struct ward_token_key;

enum ward_token_sign {
    WARD_TOKEN_ECDSA,     /* of a digest; r and s, of one size each */
    WARD_TOKEN_RSA_RAW,   /* of a padded block as long as the modulus */
    WARD_TOKEN_RSA_PKCS1, /* the token pads */
};

/* Finds the one token and the one key that the URI names, and logs in. The PIN comes from the URI's
 * pin-source (a file), else from its pin-value, else from `pin`, which may be NULL.
 * INVALID_ARGUMENT with the part of the URI and what is wrong; the URI's PIN is never repeated. */
ward_rc ward_token_key_open(const char *uri, ward_pin_callback pin, void *pin_context,
                            struct ward_token_key **ret, ward_error *error);
void ward_token_key_close(struct ward_token_key *key);
/* Any thread. *size: room in, bytes out. A token that was taken out and put back is found again.
 * False in a forked child: its sessions are the parent's. */
bool ward_token_key_sign(struct ward_token_key *key, enum ward_token_sign what,
                         struct ward_bytes in, uint8_t *out, size_t *size);

#endif
