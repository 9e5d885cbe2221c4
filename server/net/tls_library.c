/* SPDX-License-Identifier: Apache-2.0 */
/* A provider that passes on a part of what OpenSSL's default provider has. All that computes is the
 * default provider's own. What is allowed in a handshake is said in server/net/tls.c: here is only
 * what must be there for it: a name that is missing refuses somebody, and lets nobody in. */
#include "server/net/tls_library.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#define NAME "ward-tls"
#define EACH_MAX 6u

/* What TLS 1.3 and 1.2 ask for with ECDHE and an AEAD. Digests are all there, since a CA may sign
 * with any of them, and so is what makes random numbers. */
static struct offer {
    int operation;
    const char *names[EACH_MAX];             /* the first name of each */
    OSSL_ALGORITHM algorithms[EACH_MAX + 1]; /* ends with one without names */
} offers[] = {
    {OSSL_OP_DECODER, {"RSA", "RSA-PSS", "EC", "ED25519", "ED448"}, {{0}}},
    {OSSL_OP_KEYMGMT, {"RSA", "RSA-PSS", "EC", "ED25519", "ED448", "X25519"}, {{0}}},
    {OSSL_OP_KEYEXCH, {"ECDH", "X25519"}, {{0}}},
    {OSSL_OP_SIGNATURE, {"RSA", "ECDSA", "ED25519", "ED448"}, {{0}}},
    {OSSL_OP_CIPHER, {"AES-256-GCM", "AES-128-GCM", "ChaCha20-Poly1305"}, {{0}}},
    {OSSL_OP_MAC, {"HMAC"}, {{0}}},
    {OSSL_OP_KDF, {"HKDF", "TLS13-KDF", "TLS1-PRF"}, {{0}}},
};
#define N_OFFERS (sizeof(offers) / sizeof(offers[0]))

/* Written once, before anybody reads them. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static OSSL_LIB_CTX *whole, *narrow;
static OSSL_PROVIDER *usual;

static const OSSL_PARAM *gettable_params(void *context)
{
    (void)context;
    return OSSL_PROVIDER_gettable_params(usual);
}

static int get_params(void *context, OSSL_PARAM params[])
{
    (void)context;
    return OSSL_PROVIDER_get_params(usual, params);
}

static const OSSL_ALGORITHM *query_operation(void *context, int operation, int *no_cache)
{
    (void)context;
    for (size_t i = 0; i < N_OFFERS; i++) {
        if (offers[i].operation == operation) {
            *no_cache = 0;
            return offers[i].algorithms;
        }
    }
    return OSSL_PROVIDER_query_operation(usual, operation, no_cache);
}

static int get_capabilities(void *context, const char *capability, OSSL_CALLBACK *call, void *user)
{
    (void)context;
    return OSSL_PROVIDER_get_capabilities(usual, capability, call, user);
}

static const OSSL_DISPATCH dispatch[] = {
    {OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, (void (*)(void))gettable_params},
    {OSSL_FUNC_PROVIDER_GET_PARAMS, (void (*)(void))get_params},
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query_operation},
    {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))get_capabilities},
    {0, NULL},
};

/* What the algorithms are handed is the default provider's context, for they are its own. */
static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **out, void **ret_context)
{
    (void)handle;
    (void)in;
    *out = dispatch;
    *ret_context = OSSL_PROVIDER_get0_provider_ctx(usual);
    return 1;
}

/* As in "provider=default,fips=yes,input=der,structure=SubjectPublicKeyInfo". */
static bool reads_certificates(const OSSL_ALGORITHM *reader)
{
    const char *said = reader->property_definition;
    return said != NULL && strstr(said, "input=der") != NULL &&
           strstr(said, "structure=SubjectPublicKeyInfo") != NULL;
}

static size_t n_names(const struct offer *offer)
{
    size_t n = 0;
    while (n < EACH_MAX && offer->names[n] != NULL) {
        n++;
    }
    return n;
}

static bool named(const struct offer *offer, const OSSL_ALGORITHM *algorithm)
{
    size_t size = strcspn(algorithm->algorithm_names, ":");
    for (size_t i = 0; i < n_names(offer); i++) {
        if (strlen(offer->names[i]) == size &&
            strncasecmp(offer->names[i], algorithm->algorithm_names, size) == 0) {
            return true;
        }
    }
    return false;
}

/* True when it has them all. */
static bool fill(struct offer *offer)
{
    int no_cache = 0;
    size_t n = 0, wanted = n_names(offer);
    const OSSL_ALGORITHM *all = OSSL_PROVIDER_query_operation(usual, offer->operation, &no_cache);
    for (; all != NULL && all->algorithm_names != NULL && n < wanted; all++) {
        if (named(offer, all) && (offer->operation != OSSL_OP_DECODER || reads_certificates(all))) {
            offer->algorithms[n++] = *all;
        }
    }
    return n == wanted;
}

static bool fill_all(void)
{
    bool filled = true;
    for (size_t i = 0; i < N_OFFERS; i++) {
        filled = filled && fill(&offers[i]);
    }
    return filled;
}

static int note_other(OSSL_PROVIDER *provider, void *ret_other)
{
    *(bool *)ret_other |= strcmp(OSSL_PROVIDER_get0_name(provider), "default") != 0;
    return 1;
}

static bool others_are_chosen(void)
{
    bool other = EVP_default_properties_is_fips_enabled(NULL) == 1;
    return OSSL_PROVIDER_do_all(NULL, note_other, &other) != 1 || other;
}

static bool make(void)
{
    whole = OSSL_LIB_CTX_new();
    narrow = OSSL_LIB_CTX_new();
    usual = whole == NULL ? NULL : OSSL_PROVIDER_load(whole, "default");
    return narrow != NULL && usual != NULL && fill_all() &&
           OSSL_PROVIDER_add_builtin(narrow, NAME, provider_init) == 1 &&
           OSSL_PROVIDER_load(narrow, NAME) != NULL;
}

/* A context gives its providers up with itself. */
static void make_once(void)
{
    if (!others_are_chosen() && !make()) {
        OSSL_LIB_CTX_free(narrow);
        OSSL_LIB_CTX_free(whole);
        narrow = NULL;
        whole = NULL;
        usual = NULL;
    }
    ERR_clear_error();
}

OSSL_LIB_CTX *ward_tls_library(void)
{
    (void)pthread_once(&once, make_once);
    return narrow;
}

/* Readers of private keys would be looked through for each certificate too. */
EVP_PKEY *ward_tls_library_key(EVP_PKEY *key)
{
    OSSL_LIB_CTX *library = ward_tls_library();
    if (library == NULL) {
        return EVP_PKEY_up_ref(key) == 1 ? key : NULL;
    }
    EVP_PKEY *made = NULL;
    OSSL_PARAM *parts = NULL;
    EVP_PKEY_CTX *making = EVP_PKEY_CTX_new_from_name(library, EVP_PKEY_get0_type_name(key), NULL);
    if (making != NULL && EVP_PKEY_todata(key, EVP_PKEY_KEYPAIR, &parts) == 1 &&
        EVP_PKEY_fromdata_init(making) == 1) {
        (void)EVP_PKEY_fromdata(making, &made, EVP_PKEY_KEYPAIR, parts); /* made says whether */
    }
    for (const OSSL_PARAM *part = parts; part != NULL && part->key != NULL; part++) {
        OPENSSL_cleanse(part->data, part->data_size);
    }
    OSSL_PARAM_free(parts);
    EVP_PKEY_CTX_free(making);
    return made;
}
