/* SPDX-License-Identifier: Apache-2.0 */
/* AES-256-GCM in the token: tag 128 bits, IV 96 bits, AAD never empty. Nobody else names
 * CKM_AES_GCM. */
#ifndef WARD_BACKENDS_PKCS11_WRAP_H
#define WARD_BACKENDS_PKCS11_WRAP_H

#include "backends/pkcs11/session.h"

/* Ciphertext and tag into out, plain.size + WARD_GCM_TAG_SIZE bytes. NOT_FOUND: the handle is gone.
 * UNAVAILABLE: the session is lost. */
ward_status ward_gcm_seal(struct ward_hsm *hsm, CK_OBJECT_HANDLE key,
                          const uint8_t iv[static WARD_GCM_IV_SIZE], struct ward_bytes aad,
                          struct ward_bytes plain, uint8_t *out);
/* out: sealed.size bytes, for modules ask for room for the tag too; the rest is zeroed, all of it
 * on failure. CIPHERTEXT when it does not open; the module's own code is then in `foreign`. */
ward_status ward_gcm_open(struct ward_hsm *hsm, CK_OBJECT_HANDLE key,
                          const uint8_t iv[static WARD_GCM_IV_SIZE], struct ward_bytes aad,
                          struct ward_bytes sealed, uint8_t *out);

#endif
