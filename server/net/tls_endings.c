/* SPDX-License-Identifier: Apache-2.0 */
/* Once for each set of files: a digest of a long revocation list takes its time. What is near its
 * end is for others to say. */
#include "server/net/tls_endings.h"

#include <string.h>
#include <time.h>

#include <openssl/x509.h>

int64_t ward_tls_time_us(const ASN1_TIME *time)
{
    struct tm parts = {0};
    return time != NULL && ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) * 1000000
                                                              : 0;
}

/* In its place, while there is one. */
static void insert(struct ward_endings *endings, enum ward_ending_of of,
                   const struct ward_ending *ending)
{
    struct ward_ending *list = endings->of[of];
    size_t at = endings->n[of];
    while (at > 0 && list[at - 1].end_us > ending->end_us) {
        at--;
    }
    if (at == WARD_ENDINGS_MAX) {
        return;
    }
    size_t kept = endings->n[of] < WARD_ENDINGS_MAX ? endings->n[of] : WARD_ENDINGS_MAX - 1;
    memmove(&list[at + 1], &list[at], (kept - at) * sizeof(*list));
    list[at] = *ending;
    endings->n[of] = kept + 1;
}

static ward_status add_certificate(struct ward_endings *endings, enum ward_ending_of of,
                                   const X509 *certificate)
{
    struct ward_ending ending = {.begin_us = ward_tls_time_us(X509_get0_notBefore(certificate)),
                                 .end_us = ward_tls_time_us(X509_get0_notAfter(certificate))};
    WARD_ENSURE(X509_digest(certificate, EVP_sha256(), ending.sha256, NULL) == 1, WARD_E_EXHAUSTED);
    insert(endings, of, &ending);
    return WARD_OK;
}

static ward_status add_list(struct ward_endings *endings, const X509_CRL *list)
{
    struct ward_ending ending = {.begin_us = ward_tls_time_us(X509_CRL_get0_lastUpdate(list)),
                                 .end_us = ward_tls_time_us(X509_CRL_get0_nextUpdate(list))};
    WARD_ENSURE(X509_CRL_digest(list, EVP_sha256(), ending.sha256, NULL) == 1, WARD_E_EXHAUSTED);
    insert(endings, WARD_ENDING_OF_CLIENT_CRL, &ending);
    return WARD_OK;
}

static ward_status add_own(struct ward_endings *endings, SSL_CTX *context)
{
    STACK_OF(X509) *chain = NULL;
    (void)SSL_CTX_get0_chain_certs(context, &chain); /* leaves NULL where there is none */
    WARD_TRY(
        add_certificate(endings, WARD_ENDING_OF_CERTIFICATE, SSL_CTX_get0_certificate(context)));
    for (int i = 0; i < sk_X509_num(chain); i++) {
        WARD_TRY(add_certificate(endings, WARD_ENDING_OF_CERTIFICATE, sk_X509_value(chain, i)));
    }
    return WARD_OK;
}

ward_status ward_tls_endings_read(SSL_CTX *context, struct ward_endings *ret)
{
    memset(ret->n, 0, sizeof(ret->n));
    WARD_TRY(add_own(ret, context));
    const STACK_OF(X509_OBJECT) *trusted = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));
    for (int i = 0; i < sk_X509_OBJECT_num(trusted); i++) {
        X509_OBJECT *object = sk_X509_OBJECT_value(trusted, i);
        X509_CRL *list = X509_OBJECT_get0_X509_CRL(object);
        WARD_TRY(list != NULL ? add_list(ret, list)
                              : add_certificate(ret, WARD_ENDING_OF_CLIENT_CA,
                                                X509_OBJECT_get0_X509(object)));
    }
    return WARD_OK;
}
