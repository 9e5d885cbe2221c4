/* SPDX-License-Identifier: Apache-2.0 */
/* Chains are built as the handshake builds them: same CAs, same purpose, same depth. Whom a
 * certificate names is not looked at here. */
#include "server/authn/trust.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define CHAIN_DEPTH_MAX 4
#define CRL_FLAGS (X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL)

struct ward_trust {
    pthread_mutex_t lock;
    X509_STORE *authorities; /* with the revocation lists; its flags say that there are some */
};

static void free_bio(BIO **bio)
{
    (void)BIO_free(*bio);
}

static void free_store(X509_STORE **store)
{
    X509_STORE_free(*store);
}

static void free_certificate(X509 **certificate)
{
    X509_free(*certificate);
}

static void free_context(X509_STORE_CTX **context)
{
    X509_STORE_CTX_free(*context);
}

static ward_status add_next(X509_STORE *store, BIO *in, bool *ret_end)
{
    ward_auto(free_certificate) X509 *authority = PEM_read_bio_X509(in, NULL, NULL, NULL);
    *ret_end = authority == NULL && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    bool added = authority != NULL && X509_STORE_add_cert(store, authority) == 1;
    ERR_clear_error();
    WARD_REQUIRE(*ret_end || added, "client_ca: a certificate that does not parse");
    return WARD_OK;
}

static bool add_lists(X509_STORE *store, BIO *in)
{
    unsigned n = 0;
    for (X509_CRL *list = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL); list != NULL; n++) {
        bool added = X509_STORE_add_crl(store, list) == 1;
        X509_CRL_free(list);
        if (!added) {
            return false;
        }
        list = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL);
    }
    return n > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static ward_status load_lists(X509_STORE *store, struct ward_bytes pem)
{
    if (pem.data == NULL) {
        return WARD_OK;
    }
    WARD_REQUIRE(pem.size <= INT_MAX, "client_crl: too large");
    ward_auto(free_bio) BIO *in = BIO_new_mem_buf(pem.data, (int)pem.size);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    bool added = add_lists(store, in) && X509_STORE_set_flags(store, CRL_FLAGS) == 1;
    ERR_clear_error();
    WARD_REQUIRE(added, "client_crl: not readable PEM revocation lists");
    return WARD_OK;
}

static ward_status load(struct ward_bytes pem, struct ward_bytes lists, X509_STORE **ret)
{
    WARD_REQUIRE(pem.size > 0, "client_ca: no certificate in it");
    WARD_REQUIRE(pem.size <= INT_MAX, "client_ca: too large");
    ward_auto(free_bio) BIO *in = BIO_new_mem_buf(pem.data, (int)pem.size);
    ward_auto(free_store) X509_STORE *store = X509_STORE_new();
    WARD_ENSURE(in != NULL && store != NULL, WARD_E_EXHAUSTED);
    unsigned n = 0;
    for (bool end = false; !end; n++) {
        WARD_TRY(add_next(store, in, &end));
    }
    WARD_REQUIRE(n > 1, "client_ca: no certificate in it");
    WARD_TRY(load_lists(store, lists));
    *ret = WARD_TAKE(store);
    return WARD_OK;
}

ward_status ward_trust_new(struct ward_bytes pem, struct ward_bytes lists, struct ward_trust **ret)
{
    struct ward_trust *trust = calloc(1, sizeof(*trust));
    WARD_ENSURE(trust != NULL, WARD_E_EXHAUSTED);
    (void)pthread_mutex_init(&trust->lock, NULL); /* cannot fail with default attributes on Linux */
    ward_status status = load(pem, lists, &trust->authorities);
    if (!ward_ok(status)) {
        ward_trust_free(trust);
        return status;
    }
    *ret = trust;
    return WARD_OK;
}

void ward_trust_free(struct ward_trust *trust)
{
    if (trust != NULL) {
        X509_STORE_free(trust->authorities);
        (void)pthread_mutex_destroy(&trust->lock);
        free(trust);
    }
}

void ward_trust_replace(struct ward_trust *trust, struct ward_trust *take_fresh)
{
    (void)pthread_mutex_lock(&trust->lock);
    X509_STORE *old = trust->authorities;
    trust->authorities = take_fresh->authorities;
    (void)pthread_mutex_unlock(&trust->lock);
    take_fresh->authorities = old;
    ward_trust_free(take_fresh);
}

static X509_STORE *current(struct ward_trust *trust)
{
    (void)pthread_mutex_lock(&trust->lock);
    X509_STORE *store = trust->authorities;
    if (X509_STORE_up_ref(store) != 1) {
        store = NULL;
    }
    (void)pthread_mutex_unlock(&trust->lock);
    return store;
}

/* Its signer was let in while the list was good; from then on the handshake lets nobody in. */
static int forgive_old_lists(int ok, X509_STORE_CTX *context)
{
    int error = X509_STORE_CTX_get_error(context);
    return ok == 1 || error == X509_V_ERR_CRL_HAS_EXPIRED || error == X509_V_ERR_CRL_NOT_YET_VALID;
}

/* at_us 0: now. A list says who is revoked by now, and nothing of an earlier day. */
static bool chains(X509_STORE *store, X509 *certificate, int64_t at_us)
{
    ward_auto(free_context) X509_STORE_CTX *context = X509_STORE_CTX_new();
    if (context == NULL || X509_STORE_CTX_init(context, store, certificate, NULL) != 1 ||
        X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT) != 1) {
        return false;
    }
    X509_STORE_CTX_set_depth(context, CHAIN_DEPTH_MAX);
    X509_STORE_CTX_set_verify_cb(context, forgive_old_lists);
    if (at_us != 0) {
        X509_STORE_CTX_set_time(context, 0, (time_t)(at_us / 1000000));
        (void)X509_VERIFY_PARAM_clear_flags(X509_STORE_CTX_get0_param(context), CRL_FLAGS);
    }
    return X509_verify_cert(context) == 1;
}

static ward_status check(struct ward_trust *trust, struct ward_bytes der, int64_t at_us)
{
    WARD_ENSURE(trust != NULL && der.size > 0 && der.size <= INT_MAX, WARD_E_DENIED);
    ward_auto(free_store) X509_STORE *store = current(trust);
    WARD_ENSURE(store != NULL, WARD_E_EXHAUSTED);
    const uint8_t *at = der.data;
    ward_auto(free_certificate) X509 *certificate = d2i_X509(NULL, &at, (long)der.size);
    bool good =
        certificate != NULL && at == der.data + der.size && chains(store, certificate, at_us);
    ERR_clear_error();
    WARD_ENSURE(good, WARD_E_DENIED);
    return WARD_OK;
}

ward_status ward_trust_check(struct ward_trust *trust, struct ward_bytes der)
{
    return check(trust, der, 0);
}

ward_status ward_trust_check_at(struct ward_trust *trust, struct ward_bytes der, int64_t at_us)
{
    return check(trust, der, at_us > 0 ? at_us : 1);
}
