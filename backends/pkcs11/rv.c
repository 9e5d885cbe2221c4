/* SPDX-License-Identifier: Apache-2.0 */
/* The table from CK_RV to our codes. What is not named here loses the session: a code that we do
 * not understand is no ground to go on. CKR_GENERAL_ERROR is not here either, though SoftHSM 2.6.1
 * says it of a bad tag: what a module says then is found by the probe and kept as a quirk. */
#include "backends/pkcs11/rv.h"

#ifndef CKR_AEAD_DECRYPT_FAILED
#define CKR_AEAD_DECRYPT_FAILED 0x35UL /* PKCS#11 3.0 */
#endif

enum ward_rv_class ward_rv_class(CK_RV rv)
{
    switch (rv) {
    case CKR_OK:
        return WARD_RV_OK;
    case CKR_ENCRYPTED_DATA_INVALID:
    case CKR_ENCRYPTED_DATA_LEN_RANGE:
    case CKR_AEAD_DECRYPT_FAILED:
        return WARD_RV_BAD_DATA;
    case CKR_KEY_HANDLE_INVALID:
    case CKR_OBJECT_HANDLE_INVALID:
        return WARD_RV_HANDLE_GONE;
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
    case CKR_PIN_EXPIRED:
    case CKR_PIN_LOCKED:
    case CKR_USER_PIN_NOT_INITIALIZED:
        return WARD_RV_WRONG_PIN;
    default:
        return WARD_RV_BROKEN;
    }
}

ward_status ward_rv_status(CK_RV rv)
{
    uint16_t code = WARD_E_UNAVAILABLE;
    switch (ward_rv_class(rv)) {
    case WARD_RV_OK:
        return WARD_OK;
    case WARD_RV_BAD_DATA:
        code = WARD_E_CIPHERTEXT;
        break;
    case WARD_RV_HANDLE_GONE:
        code = WARD_E_NOT_FOUND;
        break;
    case WARD_RV_WRONG_PIN:
        code = WARD_E_STATE;
        break;
    case WARD_RV_BROKEN:
        code = WARD_E_UNAVAILABLE;
        break;
    }
    return WARD_FOREIGN(code, WARD_DOMAIN_PKCS11, rv);
}
