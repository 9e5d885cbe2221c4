/* SPDX-License-Identifier: Apache-2.0 */
/* A small table of digests of whole certificates, each in the one place that its digest names, so
 * that it costs the same however many there are; who is pushed out is verified again. It never
 * remembers a refusal. */
#include "server/net/tls_known.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509_vfy.h>

#define PLACES 1024u
#define DIGEST_SIZE 32u

struct known {
    pthread_mutex_t lock; /* over places */
    EVP_MD *sha256;
    int64_t list_end_s;
    struct place {
        uint8_t digest[DIGEST_SIZE];
        int64_t until_s; /* 0: nobody */
    } places[PLACES];
};

static int64_t now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail on Linux */
    return now.tv_sec;
}

static struct place *place_of(struct known *known, const uint8_t digest[static DIGEST_SIZE])
{
    return &known->places[(digest[0] | digest[1] << 8) % PLACES];
}

static bool remembered(struct known *known, const uint8_t digest[static DIGEST_SIZE], int64_t now)
{
    (void)pthread_mutex_lock(&known->lock);
    const struct place *place = place_of(known, digest);
    bool there = now < place->until_s && now + WARD_TLS_KNOWN_S >= place->until_s &&
                 CRYPTO_memcmp(place->digest, digest, DIGEST_SIZE) == 0;
    (void)pthread_mutex_unlock(&known->lock);
    return there;
}

static void remember(struct known *known, const uint8_t digest[static DIGEST_SIZE], int64_t now)
{
    (void)pthread_mutex_lock(&known->lock);
    struct place *place = place_of(known, digest);
    memcpy(place->digest, digest, DIGEST_SIZE);
    place->until_s = now + WARD_TLS_KNOWN_S;
    (void)pthread_mutex_unlock(&known->lock);
}

static bool in_its_time(const X509 *leaf)
{
    return X509_cmp_current_time(X509_get0_notBefore(leaf)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(leaf)) > 0;
}

static int verify(X509_STORE_CTX *verification, void *argument)
{
    struct known *known = argument;
    const X509 *leaf = X509_STORE_CTX_get0_cert(verification);
    uint8_t digest[EVP_MAX_MD_SIZE];
    int64_t now = now_s();
    bool may_know = now < known->list_end_s && leaf != NULL &&
                    X509_digest(leaf, known->sha256, digest, NULL) == 1;
    if (may_know && remembered(known, digest, now) && in_its_time(leaf)) {
        X509_STORE_CTX_set_error(verification, X509_V_OK);
        return 1;
    }
    int good = X509_verify_cert(verification);
    if (good == 1 && may_know && X509_STORE_CTX_get_error(verification) == X509_V_OK) {
        remember(known, digest, now);
    }
    return good;
}

static void known_free(struct known *known)
{
    if (known == NULL) {
        return;
    }
    (void)pthread_mutex_destroy(&known->lock);
    EVP_MD_free(known->sha256);
    free(known);
}

static void free_with_context(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argl,
                              void *argp)
{
    (void)parent;
    (void)all;
    (void)index;
    (void)argl;
    (void)argp;
    known_free(data);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int slot = -1; /* a number of OpenSSL's, the same for every context */

static void take_slot(void)
{
    slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_with_context);
}

ward_status ward_tls_known_attach(SSL_CTX *context, int64_t list_end_us)
{
    (void)pthread_once(&once, take_slot);
    struct known *known = calloc(1, sizeof(*known));
    WARD_ENSURE(known != NULL, WARD_E_EXHAUSTED);
    (void)pthread_mutex_init(&known->lock, NULL); /* cannot fail without attributes on Linux */
    known->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    known->list_end_s = list_end_us / 1000000;
    if (slot < 0 || known->sha256 == NULL || SSL_CTX_set_ex_data(context, slot, known) != 1) {
        known_free(known);
        WARD_FAIL(WARD_E_EXHAUSTED);
    }
    SSL_CTX_set_cert_verify_callback(context, verify, known);
    return WARD_OK;
}
