/* SPDX-License-Identifier: Apache-2.0 */
/* The only place of proto/ that sees OpenSSL: public-key verification, with the few algorithms that
 * notes and proposals allow and nothing that a key or a signature could choose instead. */
#include "proto/signature.h"

#include <limits.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#define SIGNATURE_MAX 512
#define DER_MAX 65536

static void pkey_freep(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}
static void ctx_freep(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}
static void x509_freep(X509 **x509)
{
    X509_free(*x509);
}

/* The digest for this kind of key, "" for none (Ed25519), NULL when the key is not one that we
 * take. */
static const char *digest_of(const EVP_PKEY *key)
{
    if (EVP_PKEY_is_a(key, "ED25519")) {
        return "";
    }
    char group[32];
    if (!EVP_PKEY_is_a(key, "EC") ||
        EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1) {
        return NULL;
    }
    bool good = strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0;
    return good ? "SHA256" : NULL;
}

static ward_status verify(EVP_PKEY *key, struct ward_bytes message, struct ward_bytes signature)
{
    const char *digest = digest_of(key);
    WARD_REQUIRE(digest != NULL, "signature: key is not P-256, P-384 or Ed25519");
    WARD_REQUIRE(signature.size > 0 && signature.size <= SIGNATURE_MAX,
                 "signature: does not verify");
    ward_auto(ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    WARD_ENSURE(ctx != NULL, WARD_E_EXHAUSTED);
    const char *name = digest[0] == '\0' ? NULL : digest;
    WARD_ENSURE(EVP_DigestVerifyInit_ex(ctx, NULL, name, NULL, NULL, key, NULL) == 1,
                WARD_E_INTERNAL);
    int result = EVP_DigestVerify(ctx, signature.data, signature.size, message.data, message.size);
    ERR_clear_error();
    WARD_REQUIRE(result == 1, "signature: does not verify");
    return WARD_OK;
}

ward_status ward_signature_verify_ed25519(struct ward_bytes public_key, struct ward_bytes message,
                                          struct ward_bytes signature)
{
    WARD_REQUIRE(public_key.size == 32, "signature: key is not P-256, P-384 or Ed25519");
    ward_auto(pkey_freep) EVP_PKEY *key =
        EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, public_key.data, public_key.size);
    ERR_clear_error();
    WARD_REQUIRE(key != NULL, "signature: key is not P-256, P-384 or Ed25519");
    return verify(key, message, signature);
}

ward_status ward_signature_verify_spki(struct ward_bytes spki_der, struct ward_bytes message,
                                       struct ward_bytes signature)
{
    WARD_REQUIRE(spki_der.size > 0 && spki_der.size <= DER_MAX, "signature: key is not DER");
    const uint8_t *at = spki_der.data;
    ward_auto(pkey_freep) EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)spki_der.size);
    ERR_clear_error();
    WARD_REQUIRE(key != NULL && at == spki_der.data + spki_der.size, "signature: key is not DER");
    return verify(key, message, signature);
}

ward_status ward_signature_verify_certificate(struct ward_bytes certificate_der,
                                              struct ward_bytes message,
                                              struct ward_bytes signature)
{
    WARD_REQUIRE(certificate_der.size > 0 && certificate_der.size <= DER_MAX,
                 "signature: certificate is not DER");
    const uint8_t *at = certificate_der.data;
    ward_auto(x509_freep) X509 *certificate = d2i_X509(NULL, &at, (long)certificate_der.size);
    ERR_clear_error();
    WARD_REQUIRE(certificate != NULL && at == certificate_der.data + certificate_der.size,
                 "signature: certificate is not DER");
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    ERR_clear_error();
    WARD_REQUIRE(key != NULL, "signature: key is not P-256, P-384 or Ed25519");
    return verify(key, message, signature);
}
