/* SPDX-License-Identifier: Apache-2.0 */
/* The one place where GCM parameters are made: modules accept a tag of 0 bits and an IV of one byte
 * without a word, so there must be no second. Must not know what the bytes are. */
#include "backends/pkcs11/wrap.h"

#include <openssl/crypto.h>

#include "backends/pkcs11/rv.h"

enum direction { SEAL, OPEN };

static CK_RV gcm_init(struct ward_hsm *hsm, enum direction direction, CK_OBJECT_HANDLE key,
                      const uint8_t *iv, struct ward_bytes aad)
{
    CK_GCM_PARAMS params = {
        .pIv = (CK_BYTE_PTR)(uintptr_t)iv,
        .ulIvLen = WARD_GCM_IV_SIZE,
        .ulIvBits = WARD_GCM_IV_SIZE * 8,
        .pAAD = (CK_BYTE_PTR)(uintptr_t)aad.data,
        .ulAADLen = aad.size,
        .ulTagBits = WARD_GCM_TAG_SIZE * 8,
    };
    CK_MECHANISM mechanism = {CKM_AES_GCM, &params, sizeof(params)};
    if (direction == SEAL) {
        return WARD_CK(&hsm->module, C_EncryptInit, hsm->session, &mechanism, key);
    }
    return WARD_CK(&hsm->module, C_DecryptInit, hsm->session, &mechanism, key);
}

ward_status ward_gcm_seal(struct ward_hsm *hsm, CK_OBJECT_HANDLE key,
                          const uint8_t iv[static WARD_GCM_IV_SIZE], struct ward_bytes aad,
                          struct ward_bytes plain, uint8_t *out)
{
    WARD_ENSURE(!hsm->broken, WARD_E_UNAVAILABLE);
    WARD_ENSURE(aad.size > 0 && plain.size > 0, WARD_E_INTERNAL);
    WARD_TRY(ward_session_status(hsm, gcm_init(hsm, SEAL, key, iv, aad)));
    CK_ULONG size = plain.size + WARD_GCM_TAG_SIZE;
    CK_RV rv = WARD_CK(&hsm->module, C_Encrypt, hsm->session, (CK_BYTE_PTR)(uintptr_t)plain.data,
                       plain.size, out, &size);
    if (rv == CKR_OK && size != plain.size + WARD_GCM_TAG_SIZE) {
        rv = CKR_DEVICE_ERROR; /* no module may shorten the tag */
    }
    return ward_session_status(hsm, rv);
}

ward_status ward_gcm_open(struct ward_hsm *hsm, CK_OBJECT_HANDLE key,
                          const uint8_t iv[static WARD_GCM_IV_SIZE], struct ward_bytes aad,
                          struct ward_bytes sealed, uint8_t *out)
{
    WARD_ENSURE(!hsm->broken, WARD_E_UNAVAILABLE);
    WARD_ENSURE(aad.size > 0 && sealed.size > WARD_GCM_TAG_SIZE, WARD_E_INTERNAL);
    WARD_TRY(ward_session_status(hsm, gcm_init(hsm, OPEN, key, iv, aad)));
    CK_ULONG size = sealed.size;
    CK_RV rv = WARD_CK(&hsm->module, C_Decrypt, hsm->session, (CK_BYTE_PTR)(uintptr_t)sealed.data,
                       sealed.size, out, &size);
    size_t plain_size = sealed.size - WARD_GCM_TAG_SIZE;
    if (rv == CKR_OK && size == plain_size) {
        OPENSSL_cleanse(out + plain_size, WARD_GCM_TAG_SIZE);
        return WARD_OK;
    }
    OPENSSL_cleanse(out, sealed.size);
    if (rv != CKR_OK && rv == hsm->quirks.bad_tag) {
        return WARD_FOREIGN(WARD_E_CIPHERTEXT, WARD_DOMAIN_PKCS11, rv);
    }
    return ward_session_status(hsm, rv == CKR_OK ? CKR_DEVICE_ERROR : rv);
}
