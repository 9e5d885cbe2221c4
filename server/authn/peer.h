/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of a connection: made once, from the peer certificate alone, and then
 * shared by every request of the connection. Immutable; counted references, any thread. */
#ifndef WARD_SERVER_AUTHN_PEER_H
#define WARD_SERVER_AUTHN_PEER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "base/status.h"

#define WARD_IDENTITY_MAX 512

struct x509_st; /* OpenSSL's X509, which few may look into */

struct ward_peer {
    atomic_uint refs;
    char identity[WARD_IDENTITY_MAX]; /* the one SAN URI, or "key:sha256:<hex of the public key>" */
    uint8_t certificate_hash[32];     /* SHA-256 of the whole certificate */
    uint8_t twin_hash[32];            /* and under its signature's twin, when it has one */
    bool has_twin;
    uint8_t public_key_hash[32]; /* SHA-256 of SubjectPublicKeyInfo */
    /* Dotted OIDs of the certificate's policies (RFC 5280, 4.2.1.4), one space between two; none
     * when they are more than fit, or do not parse. */
    char policies[512];
    struct ward_bytes certificate; /* DER, owned */
    char address[64];              /* "127.0.0.1:40312" */
    ward_status status;            /* UNAUTHENTICATED with a refusal text when it names nobody */
};

/* der: the peer's leaf certificate. Never fails for a bad certificate: `status` says so and
 * identity is empty. Two SAN URIs: "certificate: more than one SAN URI"; NUL, bad characters,
 * longer than 511: refused. */
ward_status ward_peer_new(struct ward_bytes der, const char *address, struct ward_peer **ret);
/* The same of a certificate that TLS has parsed already: parsing costs a sixth of a handshake. */
ward_status ward_peer_of(struct x509_st *certificate, const char *address, struct ward_peer **ret);
/* Is this one of the certificate's policies? */
bool ward_peer_has_policy(const struct ward_peer *peer, struct ward_bytes oid);
struct ward_peer *ward_peer_ref(struct ward_peer *peer);
void ward_peer_unref(struct ward_peer *peer);

#endif
