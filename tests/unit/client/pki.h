/* SPDX-License-Identifier: Apache-2.0 */
/* A CA and certificates under it, as PEM files in a folder, with their keys at hand. */
#ifndef WARD_TESTS_UNIT_CLIENT_PKI_H
#define WARD_TESTS_UNIT_CLIENT_PKI_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/bytes.h"
#include "proto/proposal.h"

struct pki_person {
    EVP_PKEY *key;
    X509 *certificate;
    uint8_t der[2048];
    size_t der_size;
    char identity[128];
};

struct pki {
    const char *folder;
    struct pki_person ca, other_ca, server, alice, bob, stranger; /* stranger: under other_ca */
};

/* NAME.pem and NAME.key for each. server: DNS:localhost and IP:127.0.0.1. */
void pki_make(const char *folder, struct pki *ret);
void pki_free(struct pki *pki);
size_t pki_sign(const struct pki_person *person, struct ward_bytes payload,
                enum ward_decision_kind decision, uint8_t out[static 128]);

#endif
