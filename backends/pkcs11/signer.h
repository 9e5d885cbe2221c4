/* SPDX-License-Identifier: Apache-2.0 */
/* Signing keys for checkpoints: Ed25519 where the module's works, else ECDSA on P-256. */
#ifndef WARD_BACKENDS_PKCS11_SIGNER_H
#define WARD_BACKENDS_PKCS11_SIGNER_H

#include "backends/pkcs11/session.h"

/* public_key has room for WARD_RING_PUBLIC_KEY_MAX bytes. Given out only after libcrypto verified a
 * signature with it. EXISTS; UNAVAILABLE; INTERNAL when neither algorithm works. */
ward_status ward_signer_create(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                               struct ward_bytes label, uint8_t *ret_algorithm, uint8_t *public_key,
                               size_t *ret_size);
/* signature has room for WARD_RING_SIGNATURE_MAX bytes. */
ward_status ward_signer_sign(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                             uint8_t algorithm, struct ward_bytes data, uint8_t *signature,
                             size_t *ret_size);

#endif
