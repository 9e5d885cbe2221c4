/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate authorities and the people whom they vouch for, made in memory. */
#ifndef WARD_TESTS_UNIT_SERVER_CORE_PKI_H
#define WARD_TESTS_UNIT_SERVER_CORE_PKI_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "proto/proposal.h"
#include "server/authn/peer.h"

struct core_ca {
    EVP_PKEY *key;
    X509 *certificate;
};

/* Somebody with a certificate: what a connection of his would look like. */
struct core_person {
    EVP_PKEY *key;
    struct ward_peer *peer;
};

void core_ca_init(struct core_ca *ca, const char *name);
void core_ca_fini(struct core_ca *ca);
/* The CA's certificate as PEM, to be freed by the caller. */
char *core_ca_pem(const struct core_ca *ca);

/* A revocation list in PEM that names this certificate (DER), or nobody where it is empty; to be
 * freed by the caller. days: until its next update, negative when that is over. */
char *core_ca_list(const struct core_ca *ca, struct ward_bytes revoked, int days);

/* key NULL: a new one. uri NULL: no SAN. days: until it ends, negative when it has ended. */
void core_person_init(struct core_person *person, const struct core_ca *ca, EVP_PKEY *key,
                      const char *uri, int days);
/* policies: dotted OIDs with commas between, or NULL. */
void core_person_certify(struct core_person *person, const struct core_ca *ca, EVP_PKEY *key,
                         const char *uri, int days, const char *policies);
void core_person_fini(struct core_person *person);

/* His signature over a payload under a decision; room for 128 bytes. */
size_t core_person_sign(const struct core_person *person, struct ward_bytes payload,
                        enum ward_decision_kind decision, uint8_t *out);

#endif
