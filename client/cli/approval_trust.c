/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Both are files that the auditor got by another way than the approvals. */
#include "client/cli/approval_trust.h"

#include <limits.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define CHAIN_DEPTH_MAX 4

struct cli_authorities {
    X509_STORE *store;
};

struct cli_certificates {
    STACK_OF(X509) * all;
};

/* NULL when there is none, or one that does not parse. */
static STACK_OF(X509) * read_all(struct ward_bytes pem)
{
    STACK_OF(X509) *all = sk_X509_new_null();
    BIO *bio = pem.size > INT_MAX ? NULL : BIO_new_mem_buf(pem.data, (int)pem.size);
    bool fine = all != NULL && bio != NULL;
    X509 *next = NULL;
    ERR_clear_error();
    while (fine && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        fine = sk_X509_push(all, next) > 0;
        if (!fine) {
            X509_free(next);
        }
    }
    fine = fine && sk_X509_num(all) > 0 &&
           ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(bio);
    if (!fine) {
        sk_X509_pop_free(all, X509_free);
        return NULL;
    }
    return all;
}

static X509 *parse(struct ward_bytes der)
{
    const uint8_t *at = der.data;
    X509 *certificate =
        der.size == 0 || der.size > INT_MAX ? NULL : d2i_X509(NULL, &at, (long)der.size);
    ERR_clear_error();
    if (certificate != NULL && at != der.data + der.size) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

bool cli_authorities_new(struct ward_bytes pem, struct cli_authorities **ret)
{
    STACK_OF(X509) *all = read_all(pem);
    struct cli_authorities *made = calloc(1, sizeof(*made));
    X509_STORE *store = all == NULL || made == NULL ? NULL : X509_STORE_new();
    bool fine = store != NULL;
    for (int i = 0; fine && i < sk_X509_num(all); i++) {
        fine = X509_STORE_add_cert(store, sk_X509_value(all, i)) == 1;
    }
    sk_X509_pop_free(all, X509_free);
    if (!fine) {
        X509_STORE_free(store);
        free(made);
        return false;
    }
    made->store = store;
    *ret = made;
    return true;
}

void cli_authorities_free(struct cli_authorities *authorities)
{
    if (authorities != NULL) {
        X509_STORE_free(authorities->store);
        free(authorities);
    }
}

bool cli_authorities_issued(const struct cli_authorities *authorities, struct ward_bytes der,
                            int64_t at_us)
{
    X509 *certificate = parse(der);
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    bool issued = certificate != NULL && context != NULL &&
                  X509_STORE_CTX_init(context, authorities->store, certificate, NULL) == 1 &&
                  X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT) == 1;
    if (issued) {
        X509_STORE_CTX_set_depth(context, CHAIN_DEPTH_MAX);
        X509_STORE_CTX_set_time(context, 0, (time_t)(at_us / 1000000));
        issued = X509_verify_cert(context) == 1;
    }
    X509_STORE_CTX_free(context);
    X509_free(certificate);
    ERR_clear_error();
    return issued;
}

bool cli_certificates_add(struct ward_bytes pem, struct cli_certificates **certificates)
{
    STACK_OF(X509) *more = read_all(pem);
    struct cli_certificates *to = *certificates;
    if (to == NULL) {
        to = calloc(1, sizeof(*to));
    }
    if (to != NULL && to->all == NULL) {
        to->all = sk_X509_new_null();
    }
    *certificates = to;
    bool fine = more != NULL && to != NULL && to->all != NULL;
    while (fine && sk_X509_num(more) > 0) {
        fine = sk_X509_push(to->all, sk_X509_value(more, 0)) > 0;
        if (fine) {
            (void)sk_X509_shift(more); /* it is the other's now */
        }
    }
    sk_X509_pop_free(more, X509_free);
    return fine;
}

void cli_certificates_free(struct cli_certificates *certificates)
{
    if (certificates != NULL) {
        sk_X509_pop_free(certificates->all, X509_free);
        free(certificates);
    }
}

bool cli_certificates_have(const struct cli_certificates *certificates, struct ward_bytes der)
{
    X509 *certificate = parse(der);
    bool found = false;
    for (int i = 0; certificate != NULL && i < sk_X509_num(certificates->all); i++) {
        found |= X509_cmp(sk_X509_value(certificates->all, i), certificate) == 0;
    }
    X509_free(certificate);
    return found;
}
