/* SPDX-License-Identifier: Apache-2.0 */
/* The identity of a certificate, by the same rule as the daemon's: the one SAN URI, or without one
 * "key:sha256:" and the digest of its public key. */
#ifndef WARD_CLIENT_CLI_AUDIT_CERTIFICATE_H
#define WARD_CLIENT_CLI_AUDIT_CERTIFICATE_H

#include "base/bytes.h"

struct audit_certificate {
    char identity[512];
    uint8_t public_key_sha256[32]; /* of the SubjectPublicKeyInfo */
};

/* False when it is no certificate, or names nobody by that rule. */
bool audit_certificate_read(struct ward_bytes der, struct audit_certificate *ret);
/* Does it name this certificate policy (RFC 5280, 4.2.1.4; a dotted OID)? */
bool audit_certificate_has_policy(struct ward_bytes der, struct ward_bytes oid);

#endif
