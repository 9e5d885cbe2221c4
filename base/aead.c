/* SPDX-License-Identifier: Apache-2.0 */
/* The only AES-256-GCM of the project. One context seals and opens; it is set up for a 96-bit IV
 * once, before it sees a key. After each use the key schedule is replaced by that of a key of
 * zeros, so that no data key outlives its use in memory that OpenSSL owns. Nothing is ever sealed
 * or opened under those zeros. */
#include "base/aead.h"

#include <limits.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

struct ward_aead {
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *ctx;
    bool keyed; /* by a caller, not with zeros */
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

ward_status ward_aead_new(struct ward_aead **ret)
{
    ward_auto(ward_aead_freep) struct ward_aead *aead = calloc(1, sizeof(*aead));
    WARD_ENSURE(aead != NULL, WARD_E_EXHAUSTED);
    aead->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    aead->ctx = EVP_CIPHER_CTX_new();
    if (aead->cipher == NULL || aead->ctx == NULL) {
        return openssl_status(WARD_E_INTERNAL, WARD_HERE);
    }
    TRY_OPENSSL(EVP_EncryptInit_ex2(aead->ctx, aead->cipher, NULL, NULL, NULL));
    TRY_OPENSSL(EVP_CIPHER_CTX_ctrl(aead->ctx, EVP_CTRL_AEAD_SET_IVLEN, WARD_AEAD_IV_SIZE, NULL));
    *ret = WARD_TAKE(aead);
    return WARD_OK;
}

void ward_aead_free(struct ward_aead *aead)
{
    if (aead == NULL) {
        return;
    }
    EVP_CIPHER_CTX_free(aead->ctx);
    EVP_CIPHER_free(aead->cipher);
    free(aead);
}

ward_status ward_aead_key(struct ward_aead *aead, const uint8_t key[static WARD_AEAD_KEY_SIZE])
{
    aead->keyed = false;
    TRY_OPENSSL(EVP_CipherInit_ex2(aead->ctx, NULL, key, NULL, -1, NULL));
    aead->keyed = true;
    return WARD_OK;
}

ward_status ward_aead_forget(struct ward_aead *aead)
{
    aead->keyed = false;
    TRY_OPENSSL(EVP_CipherInit_ex2(aead->ctx, NULL, zero_key, NULL, -1, NULL));
    return WARD_OK;
}

static ward_status check_use(const struct ward_aead *aead, struct ward_bytes aad,
                             struct ward_bytes text)
{
    WARD_ENSURE(aead->keyed && aad.size > 0, WARD_E_INTERNAL);
    WARD_ENSURE(aad.size <= INT_MAX && text.size <= INT_MAX - WARD_AEAD_TAG_SIZE, WARD_E_EXHAUSTED);
    return WARD_OK;
}

ward_status ward_aead_seal_next(struct ward_aead *aead, const uint8_t iv[static WARD_AEAD_IV_SIZE],
                                struct ward_bytes aad, struct ward_bytes plain, uint8_t *out)
{
    WARD_TRY(check_use(aead, aad, plain));
    EVP_CIPHER_CTX *ctx = aead->ctx;
    int n = 0;
    TRY_OPENSSL(EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL));
    TRY_OPENSSL(EVP_EncryptUpdate(ctx, NULL, &n, aad.data, (int)aad.size));
    if (plain.size > 0) {
        TRY_OPENSSL(EVP_EncryptUpdate(ctx, out, &n, plain.data, (int)plain.size));
    }
    TRY_OPENSSL(EVP_EncryptFinal_ex(ctx, out + plain.size, &n));
    TRY_OPENSSL(
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, WARD_AEAD_TAG_SIZE, out + plain.size));
    return WARD_OK;
}

static ward_status open(EVP_CIPHER_CTX *ctx, const uint8_t *iv, struct ward_bytes aad,
                        struct ward_bytes text, const uint8_t *tag, uint8_t *out)
{
    int n = 0;
    uint8_t expected[WARD_AEAD_TAG_SIZE], none[WARD_AEAD_TAG_SIZE];
    memcpy(expected, tag, sizeof(expected)); /* the call's parameter is not const */
    TRY_OPENSSL(EVP_DecryptInit_ex2(ctx, NULL, NULL, iv, NULL));
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

ward_status ward_aead_open_next(struct ward_aead *aead, const uint8_t iv[static WARD_AEAD_IV_SIZE],
                                struct ward_bytes aad, struct ward_bytes sealed, uint8_t *out)
{
    WARD_ENSURE(sealed.size >= WARD_AEAD_TAG_SIZE, WARD_E_CIPHERTEXT);
    struct ward_bytes text = {sealed.data, sealed.size - WARD_AEAD_TAG_SIZE};
    ward_status status = check_use(aead, aad, text);
    if (ward_ok(status)) {
        status = open(aead->ctx, iv, aad, text, sealed.data + text.size, out);
    }
    if (!ward_ok(status) && text.size > 0) {
        OPENSSL_cleanse(out, text.size);
    }
    return status;
}

/* Ends a use of the key; what failed first is told. */
static ward_status end(struct ward_aead *aead, ward_status status)
{
    ward_status forgotten = ward_aead_forget(aead);
    return ward_ok(status) ? forgotten : status;
}

ward_status ward_aead_seal(struct ward_aead *aead, const uint8_t key[static WARD_AEAD_KEY_SIZE],
                           const uint8_t iv[static WARD_AEAD_IV_SIZE], struct ward_bytes aad,
                           struct ward_bytes plain, uint8_t *out)
{
    ward_status status = ward_aead_key(aead, key);
    if (ward_ok(status)) {
        status = ward_aead_seal_next(aead, iv, aad, plain, out);
    }
    return end(aead, status);
}

ward_status ward_aead_open(struct ward_aead *aead, const uint8_t key[static WARD_AEAD_KEY_SIZE],
                           const uint8_t iv[static WARD_AEAD_IV_SIZE], struct ward_bytes aad,
                           struct ward_bytes sealed, uint8_t *out)
{
    ward_status status = ward_aead_key(aead, key);
    if (ward_ok(status)) {
        status = ward_aead_open_next(aead, iv, aad, sealed, out);
    }
    return end(aead, status);
}
