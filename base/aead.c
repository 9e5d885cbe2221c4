/* SPDX-License-Identifier: Apache-2.0 */
/* The only AES-256-GCM of the project. One context seals, one opens; both are set up for a 96-bit
 * IV once, before they see a key. After each call the key schedule is replaced by that of a key of
 * zeros, so that no data key outlives its use in memory that OpenSSL owns. */
#include "base/aead.h"

#include <limits.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

struct ward_aead {
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *seal, *open;
};

static const uint8_t zero_key[WARD_AEAD_KEY_SIZE];

static ward_status openssl_status(enum ward_code code, const char *at)
{
    unsigned long error = ERR_peek_last_error();
    ERR_clear_error();
    return (ward_status){(uint16_t)code, WARD_DOMAIN_OPENSSL, (uint32_t)error, at};
}

#define TRY_OPENSSL(call)                                      \
    do {                                                       \
        if ((call) != 1) {                                     \
            return openssl_status(WARD_E_INTERNAL, WARD_HERE); \
        }                                                      \
    } while (0)

static ward_status context_new(const EVP_CIPHER *cipher, bool seals, EVP_CIPHER_CTX **ret)
{
    *ret = EVP_CIPHER_CTX_new();
    if (*ret == NULL) {
        return openssl_status(WARD_E_INTERNAL, WARD_HERE);
    }
    TRY_OPENSSL(EVP_CipherInit_ex2(*ret, cipher, NULL, NULL, seals, NULL));
    TRY_OPENSSL(EVP_CIPHER_CTX_ctrl(*ret, EVP_CTRL_AEAD_SET_IVLEN, WARD_AEAD_IV_SIZE, NULL));
    return WARD_OK;
}

ward_status ward_aead_new(struct ward_aead **ret)
{
    ward_auto(ward_aead_freep) struct ward_aead *aead = calloc(1, sizeof(*aead));
    WARD_ENSURE(aead != NULL, WARD_E_EXHAUSTED);
    aead->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (aead->cipher == NULL) {
        return openssl_status(WARD_E_INTERNAL, WARD_HERE);
    }
    WARD_TRY(context_new(aead->cipher, true, &aead->seal));
    WARD_TRY(context_new(aead->cipher, false, &aead->open));
    *ret = WARD_TAKE(aead);
    return WARD_OK;
}

void ward_aead_free(struct ward_aead *aead)
{
    if (aead == NULL) {
        return;
    }
    EVP_CIPHER_CTX_free(aead->seal);
    EVP_CIPHER_CTX_free(aead->open);
    EVP_CIPHER_free(aead->cipher);
    free(aead);
}

static ward_status check_sizes(struct ward_bytes aad, struct ward_bytes text)
{
    WARD_ENSURE(aad.size > 0, WARD_E_INTERNAL);
    WARD_ENSURE(aad.size <= INT_MAX && text.size <= INT_MAX - WARD_AEAD_TAG_SIZE, WARD_E_EXHAUSTED);
    return WARD_OK;
}

static ward_status forget_key(EVP_CIPHER_CTX *ctx)
{
    TRY_OPENSSL(EVP_CipherInit_ex2(ctx, NULL, zero_key, NULL, -1, NULL));
    return WARD_OK;
}

static ward_status seal(EVP_CIPHER_CTX *ctx, const uint8_t *key, const uint8_t *iv,
                        struct ward_bytes aad, struct ward_bytes plain, uint8_t *out)
{
    int n = 0;
    TRY_OPENSSL(EVP_EncryptInit_ex2(ctx, NULL, key, iv, NULL));
    TRY_OPENSSL(EVP_EncryptUpdate(ctx, NULL, &n, aad.data, (int)aad.size));
    if (plain.size > 0) {
        TRY_OPENSSL(EVP_EncryptUpdate(ctx, out, &n, plain.data, (int)plain.size));
    }
    TRY_OPENSSL(EVP_EncryptFinal_ex(ctx, out + plain.size, &n));
    TRY_OPENSSL(
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, WARD_AEAD_TAG_SIZE, out + plain.size));
    return WARD_OK;
}

ward_status ward_aead_seal(struct ward_aead *aead, const uint8_t key[static WARD_AEAD_KEY_SIZE],
                           const uint8_t iv[static WARD_AEAD_IV_SIZE], struct ward_bytes aad,
                           struct ward_bytes plain, uint8_t *out)
{
    WARD_TRY(check_sizes(aad, plain));
    ward_status status = seal(aead->seal, key, iv, aad, plain, out);
    ward_status forgotten = forget_key(aead->seal);
    return ward_ok(status) ? forgotten : status;
}

static ward_status open(EVP_CIPHER_CTX *ctx, const uint8_t *key, const uint8_t *iv,
                        struct ward_bytes aad, struct ward_bytes text, const uint8_t *tag,
                        uint8_t *out)
{
    int n = 0;
    uint8_t expected[WARD_AEAD_TAG_SIZE], none[WARD_AEAD_TAG_SIZE];
    memcpy(expected, tag, sizeof(expected)); /* the call's parameter is not const */
    TRY_OPENSSL(EVP_DecryptInit_ex2(ctx, NULL, key, iv, NULL));
    TRY_OPENSSL(EVP_DecryptUpdate(ctx, NULL, &n, aad.data, (int)aad.size));
    if (text.size > 0) {
        TRY_OPENSSL(EVP_DecryptUpdate(ctx, out, &n, text.data, (int)text.size));
    }
    TRY_OPENSSL(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, WARD_AEAD_TAG_SIZE, expected));
    if (EVP_DecryptFinal_ex(ctx, none, &n) != 1) { /* writes nothing in this mode */
        ERR_clear_error();
        return WARD_STATUS(WARD_E_CIPHERTEXT);
    }
    return WARD_OK;
}

ward_status ward_aead_open(struct ward_aead *aead, const uint8_t key[static WARD_AEAD_KEY_SIZE],
                           const uint8_t iv[static WARD_AEAD_IV_SIZE], struct ward_bytes aad,
                           struct ward_bytes sealed, uint8_t *out)
{
    WARD_ENSURE(sealed.size >= WARD_AEAD_TAG_SIZE, WARD_E_CIPHERTEXT);
    struct ward_bytes text = {sealed.data, sealed.size - WARD_AEAD_TAG_SIZE};
    ward_status status = check_sizes(aad, text);
    if (ward_ok(status)) {
        status = open(aead->open, key, iv, aad, text, sealed.data + text.size, out);
        ward_status forgotten = forget_key(aead->open);
        status = ward_ok(status) ? forgotten : status;
    }
    if (!ward_ok(status) && text.size > 0) {
        OPENSSL_cleanse(out, text.size);
    }
    return status;
}
