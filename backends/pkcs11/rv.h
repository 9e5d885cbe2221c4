/* SPDX-License-Identifier: Apache-2.0 */
/* What a CK_RV means to us: the one table from Cryptoki's numbers to our codes. */
#ifndef WARD_BACKENDS_PKCS11_RV_H
#define WARD_BACKENDS_PKCS11_RV_H

#include <p11-kit/pkcs11.h>

#include "base/status.h"

enum ward_rv_class {
    WARD_RV_OK,
    WARD_RV_BAD_DATA,    /* says that the ciphertext is bad, and nothing about the token */
    WARD_RV_HANDLE_GONE, /* the object is no longer there: look for it again */
    WARD_RV_WRONG_PIN,   /* another try could lock the token */
    WARD_RV_BROKEN,      /* the session is lost */
};

enum ward_rv_class ward_rv_class(CK_RV rv);
/* The same as a status: OK, CIPHERTEXT, NOT_FOUND, STATE, UNAVAILABLE. */
ward_status ward_rv_status(CK_RV rv);

#endif
