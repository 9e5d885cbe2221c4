/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL's methods for keys that somebody else holds: EC_KEY_METHOD and RSA_METHOD. They are
 * called deprecated in OpenSSL 3 in favour of providers, but a provider is ten times this file, and
 * ENGINE, the other way, is going. Must not know Cryptoki. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "client/pkcs11/private_key.h"

#include <pthread.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "client/pkcs11/token_key.h"

#define ECDSA_MAX 160 /* r and s on the largest curve of NIST's */
#define PREFIX "pkcs11:"

static struct {
    pthread_once_t once;
    EC_KEY_METHOD *ec;
    RSA_METHOD *rsa;
    int ec_index, rsa_index; /* where the token's key hangs */
} methods = {.once = PTHREAD_ONCE_INIT};

bool ward_private_key_is_uri(const char *name)
{
    return strncmp(name, PREFIX, sizeof(PREFIX) - 1) == 0;
}

/* ---- what OpenSSL calls ---- */

static ECDSA_SIG *ecdsa_sign(const unsigned char *digest, int size, const BIGNUM *kinv,
                             const BIGNUM *random, EC_KEY *ec)
{
    (void)kinv;
    (void)random; /* the token's own */
    uint8_t bytes[ECDSA_MAX];
    size_t n = sizeof(bytes);
    struct ward_token_key *key = EC_KEY_get_ex_data(ec, methods.ec_index);
    if (key == NULL || size < 0 ||
        !ward_token_key_sign(key, WARD_TOKEN_ECDSA, WARD_BYTES(digest, (size_t)size), bytes, &n) ||
        n == 0 || n % 2 != 0) {
        ERR_raise_data(ERR_LIB_EC, ERR_R_INTERNAL_ERROR, "the token does not sign");
        return NULL;
    }
    int half = (int)(n / 2);
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(bytes, half, NULL), *s = BN_bin2bn(bytes + half, half, NULL);
    if (signature == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(signature, r, s) != 1) {
        ECDSA_SIG_free(signature);
        BN_free(r);
        BN_free(s);
        return NULL;
    }
    return signature;
}

static int rsa_private(int size, const unsigned char *from, unsigned char *to, RSA *rsa,
                       int padding)
{
    struct ward_token_key *key = RSA_get_ex_data(rsa, methods.rsa_index);
    size_t n = (size_t)RSA_size(rsa);
    bool known = padding == RSA_NO_PADDING || padding == RSA_PKCS1_PADDING;
    if (key == NULL || size < 0 || !known ||
        !ward_token_key_sign(key,
                             padding == RSA_NO_PADDING ? WARD_TOKEN_RSA_RAW : WARD_TOKEN_RSA_PKCS1,
                             WARD_BYTES(from, (size_t)size), to, &n)) {
        ERR_raise_data(ERR_LIB_RSA, ERR_R_INTERNAL_ERROR, "the token does not sign");
        return -1;
    }
    return (int)n;
}

/* With the last reference to the OpenSSL key the token's goes too. */
static void drop_key(void *parent, void *key, CRYPTO_EX_DATA *data, int index, long number,
                     void *pointer)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)pointer;
    ward_token_key_close(key);
}

/* A copy would close it twice. */
static int refuse_copy(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **data, int index,
                       long number, void *pointer)
{
    (void)to;
    (void)from;
    (void)index;
    (void)number;
    (void)pointer;
    return *data == NULL;
}

static void make_methods(void)
{
    methods.ec_index = EC_KEY_get_ex_new_index(0, NULL, NULL, refuse_copy, drop_key);
    methods.rsa_index = RSA_get_ex_new_index(0, NULL, NULL, refuse_copy, drop_key);
    methods.ec = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    methods.rsa = RSA_meth_dup(RSA_PKCS1_OpenSSL());
    if (methods.ec != NULL) {
        int (*sign)(int, const unsigned char *, int, unsigned char *, unsigned *, const BIGNUM *,
                    const BIGNUM *, EC_KEY *) = NULL;
        EC_KEY_METHOD_get_sign(methods.ec, &sign, NULL, NULL);
        EC_KEY_METHOD_set_sign(methods.ec, sign, NULL, ecdsa_sign);
    }
    if (methods.rsa != NULL) {
        (void)RSA_meth_set_priv_enc(methods.rsa, rsa_private); /* only sets a pointer */
    }
}

/* ---- making one ---- */

/* Each takes the token's key when it succeeds. The method is set before the key becomes an
 * EVP_PKEY: OpenSSL then knows that it must ask us. */
static EVP_PKEY *wrap_ec(const EVP_PKEY *public_key, struct ward_token_key *key)
{
    EC_KEY *ec = EC_KEY_dup(EVP_PKEY_get0_EC_KEY(public_key));
    EVP_PKEY *made = EVP_PKEY_new();
    if (ec == NULL || made == NULL || methods.ec == NULL ||
        EC_KEY_set_method(ec, methods.ec) != 1 || EVP_PKEY_set1_EC_KEY(made, ec) != 1 ||
        EC_KEY_set_ex_data(ec, methods.ec_index, key) != 1) {
        EVP_PKEY_free(made);
        made = NULL;
    }
    EC_KEY_free(ec);
    return made;
}

static EVP_PKEY *wrap_rsa(const EVP_PKEY *public_key, struct ward_token_key *key)
{
    RSA *rsa = RSAPublicKey_dup(EVP_PKEY_get0_RSA(public_key));
    EVP_PKEY *made = EVP_PKEY_new();
    if (rsa != NULL) {
        RSA_set_flags(rsa, RSA_FLAG_EXT_PKEY);
    }
    if (rsa == NULL || made == NULL || methods.rsa == NULL ||
        RSA_set_method(rsa, methods.rsa) != 1 || EVP_PKEY_set1_RSA(made, rsa) != 1 ||
        RSA_set_ex_data(rsa, methods.rsa_index, key) != 1) {
        EVP_PKEY_free(made);
        made = NULL;
    }
    RSA_free(rsa);
    return made;
}

/* One signature tells whether the two belong together. */
static bool belongs(EVP_PKEY *key, const EVP_PKEY *public_key)
{
    static const uint8_t text[] = "the key of this certificate";
    uint8_t signature[1024];
    size_t size = sizeof(signature);
    EVP_MD_CTX *context = EVP_MD_CTX_new(), *check = EVP_MD_CTX_new();
    bool fine = context != NULL && check != NULL &&
                EVP_DigestSignInit_ex(context, NULL, "SHA256", NULL, NULL, key, NULL) == 1 &&
                EVP_DigestSign(context, signature, &size, text, sizeof(text)) == 1 &&
                EVP_DigestVerifyInit_ex(check, NULL, "SHA256", NULL, NULL, (EVP_PKEY *)public_key,
                                        NULL) == 1 &&
                EVP_DigestVerify(check, signature, size, text, sizeof(text)) == 1;
    EVP_MD_CTX_free(context);
    EVP_MD_CTX_free(check);
    ERR_clear_error();
    return fine;
}

ward_rc ward_private_key_open(const struct ward_private_key_in *in, EVP_PKEY **ret,
                              ward_error *error)
{
    bool ec = EVP_PKEY_is_a(in->public_key, "EC") == 1;
    if (!ec && EVP_PKEY_is_a(in->public_key, "RSA") != 1) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT,
                              "key: in a token it is ECDSA P-256 or RSA; the certificate's is not");
    }
    (void)pthread_once(&methods.once, make_methods);
    struct ward_token_key *key = NULL;
    WARD_CLIENT_TRY(ward_token_key_open(in->uri, in->pin, in->pin_context, &key, error));
    EVP_PKEY *made = ec ? wrap_ec(in->public_key, key) : wrap_rsa(in->public_key, key);
    if (made == NULL) {
        ward_token_key_close(key);
        return ward_error_memory(error);
    }
    if (!belongs(made, in->public_key)) {
        EVP_PKEY_free(made);
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT,
                              "key: the token's key does not sign for the certificate");
    }
    *ret = made;
    return WARD_RC_OK;
}
