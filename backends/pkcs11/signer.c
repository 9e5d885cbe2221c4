/* SPDX-License-Identifier: Apache-2.0 */
/* Modules disagree about elliptic curves more than about anything else (how a point is wrapped, how
 * a curve is named), so a new key pair counts only once libcrypto has verified its signature. Must
 * not know what is signed. */
#include "backends/pkcs11/signer.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "backends/pkcs11/object.h"
#include "base/log.h"

#define P256_SIZE 32
#define ED25519_SIZE 32
#define ED25519_SIGNATURE_SIZE 64

/* DER of the curves' object identifiers: RFC 5480, RFC 8410. */
static const uint8_t p256_params[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t ed25519_params[] = {0x06, 0x03, 0x2b, 0x65, 0x70};
/* SubjectPublicKeyInfo of a P-256 key up to its uncompressed point, RFC 5480. */
static const uint8_t p256_spki[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

struct pair {
    CK_OBJECT_HANDLE public, private;
};

static ward_status generate(struct ward_hsm *hsm, uint8_t algorithm, struct ward_bytes id,
                            struct ward_bytes label, struct pair *ret)
{
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    bool edwards = algorithm == WARD_KEK_ED25519;
    struct ward_bytes params =
        edwards ? WARD_BYTES_ARRAY(ed25519_params) : WARD_BYTES_ARRAY(p256_params);
    CK_ATTRIBUTE public[] = {
        {CKA_TOKEN, &yes, sizeof(yes)},
        {CKA_VERIFY, &yes, sizeof(yes)},
        {CKA_ENCRYPT, &no, sizeof(no)},
        {CKA_WRAP, &no, sizeof(no)},
        {CKA_EC_PARAMS, (void *)(uintptr_t)params.data, params.size},
        {CKA_ID, (void *)(uintptr_t)id.data, id.size},
        {CKA_LABEL, (void *)(uintptr_t)label.data, label.size},
    };
    CK_ATTRIBUTE private[] = {
        {CKA_TOKEN, &yes, sizeof(yes)},
        {CKA_PRIVATE, &yes, sizeof(yes)},
        {CKA_SENSITIVE, &yes, sizeof(yes)},
        {CKA_EXTRACTABLE, &no, sizeof(no)},
        {CKA_SIGN, &yes, sizeof(yes)},
        {CKA_DECRYPT, &no, sizeof(no)},
        {CKA_UNWRAP, &no, sizeof(no)},
        {CKA_ID, (void *)(uintptr_t)id.data, id.size},
        {CKA_LABEL, (void *)(uintptr_t)label.data, label.size},
    };
    CK_MECHANISM mechanism = {edwards ? CKM_EC_EDWARDS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_RV rv = WARD_CK(&hsm->module, C_GenerateKeyPair, hsm->session, &mechanism, public,
                       sizeof(public) / sizeof(public[0]), private,
                       sizeof(private) / sizeof(private[0]), &ret->public, &ret->private);
    return rv == CKR_OK ? WARD_OK : WARD_FOREIGN(WARD_E_UNIMPLEMENTED, WARD_DOMAIN_PKCS11, rv);
}

/* CKA_EC_POINT should be a DER OCTET STRING; some modules give the bare point. */
static ward_status point(struct ward_hsm *hsm, CK_OBJECT_HANDLE public, size_t size, uint8_t *out)
{
    uint8_t value[WARD_RING_PUBLIC_KEY_MAX];
    CK_ATTRIBUTE attribute = {CKA_EC_POINT, value, sizeof(value)};
    CK_RV rv = WARD_CK(&hsm->module, C_GetAttributeValue, hsm->session, public, &attribute, 1);
    if (rv != CKR_OK) {
        return WARD_FOREIGN(WARD_E_UNIMPLEMENTED, WARD_DOMAIN_PKCS11, rv);
    }
    if (attribute.ulValueLen == size + 2 && value[0] == 0x04 && value[1] == size) {
        memcpy(out, value + 2, size);
        return WARD_OK;
    }
    WARD_ENSURE(attribute.ulValueLen == size, WARD_E_UNIMPLEMENTED);
    memcpy(out, value, size);
    return WARD_OK;
}

static ward_status public_key_read(struct ward_hsm *hsm, uint8_t algorithm, CK_OBJECT_HANDLE public,
                                   uint8_t *out, size_t *ret_size)
{
    if (algorithm == WARD_KEK_ED25519) {
        *ret_size = ED25519_SIZE;
        return point(hsm, public, ED25519_SIZE, out);
    }
    memcpy(out, p256_spki, sizeof(p256_spki));
    *ret_size = sizeof(p256_spki) + 1 + 2 * P256_SIZE;
    return point(hsm, public, 1 + 2 * P256_SIZE, out + sizeof(p256_spki));
}

/* r || s, as Cryptoki gives it, into ECDSA-Sig-Value, RFC 3279. */
static ward_status to_der(const uint8_t raw[static 2 * P256_SIZE], uint8_t *out, size_t *ret_size)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, P256_SIZE, NULL), *s = BN_bin2bn(raw + P256_SIZE, P256_SIZE, NULL);
    if (sig == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(sig);
        WARD_FAIL(WARD_E_EXHAUSTED);
    }
    int size = i2d_ECDSA_SIG(sig, NULL);
    bool fits = size > 0 && size <= WARD_RING_SIGNATURE_MAX;
    if (fits) {
        *ret_size = (size_t)i2d_ECDSA_SIG(sig, &out);
    }
    ECDSA_SIG_free(sig);
    WARD_ENSURE(fits, WARD_E_INTERNAL);
    return WARD_OK;
}

static ward_status sign_raw(struct ward_hsm *hsm, CK_OBJECT_HANDLE private, CK_MECHANISM_TYPE type,
                            struct ward_bytes data, uint8_t out[static 2 * P256_SIZE])
{
    CK_MECHANISM mechanism = {type, NULL, 0};
    WARD_TRY(ward_session_status(
        hsm, WARD_CK(&hsm->module, C_SignInit, hsm->session, &mechanism, private)));
    uint8_t signature[2 * WARD_RING_SIGNATURE_MAX];
    CK_ULONG size = sizeof(signature);
    WARD_TRY(ward_session_status(hsm, WARD_CK(&hsm->module, C_Sign, hsm->session,
                                              (CK_BYTE_PTR)(uintptr_t)data.data, data.size,
                                              signature, &size)));
    WARD_ENSURE(size == 2 * P256_SIZE, WARD_E_INTERNAL); /* Ed25519's is as long */
    memcpy(out, signature, 2 * P256_SIZE);
    return WARD_OK;
}

static ward_status sign_with(struct ward_hsm *hsm, CK_OBJECT_HANDLE private, uint8_t algorithm,
                             struct ward_bytes data, uint8_t *out, size_t *ret_size)
{
    if (algorithm == WARD_KEK_ED25519) {
        *ret_size = ED25519_SIGNATURE_SIZE;
        return sign_raw(hsm, private, CKM_EDDSA, data, out);
    }
    uint8_t hash[WARD_SHA256_SIZE], raw[2 * P256_SIZE];
    WARD_TRY(ward_sha256(hsm->digest, &data, 1, hash));
    WARD_TRY(sign_raw(hsm, private, CKM_ECDSA, WARD_BYTES_ARRAY(hash), raw));
    return to_der(raw, out, ret_size);
}

static bool verify(uint8_t algorithm, struct ward_bytes public_key, struct ward_bytes data,
                   struct ward_bytes signature)
{
    bool edwards = algorithm == WARD_KEK_ED25519;
    const uint8_t *at = public_key.data;
    EVP_PKEY *key = edwards
                        ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, at, public_key.size)
                        : d2i_PUBKEY(NULL, &at, (long)public_key.size);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool good = key != NULL && md != NULL &&
                EVP_DigestVerifyInit(md, NULL, edwards ? NULL : EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(md, signature.data, signature.size, data.data, data.size) == 1;
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
    return good;
}

static ward_status prove(struct ward_hsm *hsm, const struct pair *pair, uint8_t algorithm,
                         uint8_t *public_key, size_t *ret_size)
{
    uint32_t flags = 0;
    WARD_TRY(ward_object_read_back(hsm, pair->private, &flags));
    WARD_ENSURE((flags & WARD_ATTEST_SENSITIVE) != 0 && (flags & WARD_ATTEST_NON_EXTRACTABLE) != 0,
                WARD_E_INTERNAL);
    WARD_TRY(public_key_read(hsm, algorithm, pair->public, public_key, ret_size));
    struct ward_bytes data = WARD_BYTES_LITERAL("ward: proof of a new signing key");
    uint8_t signature[WARD_RING_SIGNATURE_MAX];
    size_t size = 0;
    WARD_TRY(sign_with(hsm, pair->private, algorithm, data, signature, &size));
    WARD_ENSURE(
        verify(algorithm, WARD_BYTES(public_key, *ret_size), data, WARD_BYTES(signature, size)),
        WARD_E_INTERNAL);
    return WARD_OK;
}

/* Whether an algorithm works is only asked: errors lose nothing. */
static ward_status try_algorithm(struct ward_hsm *hsm, uint8_t algorithm, struct ward_bytes id,
                                 struct ward_bytes label, uint8_t *public_key, size_t *ret_size)
{
    struct pair pair;
    WARD_TRY(generate(hsm, algorithm, id, label, &pair));
    hsm->probing = true;
    ward_status status = prove(hsm, &pair, algorithm, public_key, ret_size);
    hsm->probing = false;
    if (!ward_ok(status)) {
        /* An unproven pair that stays behind has this id: the next create answers EXISTS and the
         * log why. */
        (void)WARD_CK(&hsm->module, C_DestroyObject, hsm->session, pair.private);
        (void)WARD_CK(&hsm->module, C_DestroyObject, hsm->session, pair.public);
    }
    return status;
}

ward_status ward_signer_create(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                               struct ward_bytes label, uint8_t *ret_algorithm, uint8_t *public_key,
                               size_t *ret_size)
{
    static const uint8_t algorithms[] = {WARD_KEK_ED25519, WARD_KEK_ECDSA_P256};
    CK_OBJECT_HANDLE there;
    ward_status status = ward_object_find(hsm, CKO_PRIVATE_KEY, ref, &there);
    WARD_ENSURE(!ward_ok(status), WARD_E_EXISTS);
    if (status.code != WARD_E_NOT_FOUND) {
        return status;
    }
    uint8_t id[WARD_OBJECT_ID_SIZE];
    ward_object_id(ref, id);
    for (size_t i = 0; i < sizeof(algorithms); i++) {
        status =
            try_algorithm(hsm, algorithms[i], WARD_BYTES_ARRAY(id), label, public_key, ret_size);
        if (ward_ok(status)) {
            *ret_algorithm = algorithms[i];
            return WARD_OK;
        }
        ward_log_status(WARD_LOG_INFO, "hsm: a signature algorithm does not work here", status);
    }
    *ret_size = 0;
    status.code = WARD_E_INTERNAL;
    return status;
}

ward_status ward_signer_sign(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                             uint8_t algorithm, struct ward_bytes data, uint8_t *signature,
                             size_t *ret_size)
{
    /* Once a second at most, so the key is not kept, but on a token of many keys a search takes
     * long: the last one is remembered, and looked at before it is believed. */
    if (hsm->signer == CK_INVALID_HANDLE || !ward_ring_ref_eq(&hsm->signer_ref, ref) ||
        !ward_ok(ward_object_check(hsm, hsm->signer, ref))) {
        hsm->signer = CK_INVALID_HANDLE;
        WARD_TRY(ward_object_find(hsm, CKO_PRIVATE_KEY, ref, &hsm->signer));
        hsm->signer_ref = *ref;
    }
    return sign_with(hsm, hsm->signer, algorithm, data, signature, ret_size);
}
