/* SPDX-License-Identifier: Apache-2.0 */
/* Checking public-key signatures: the ones of officers over proposals and of the log over
 * checkpoints. Verification only; private keys live in tokens. */
#ifndef WARD_PROTO_SIGNATURE_H
#define WARD_PROTO_SIGNATURE_H

#include "base/bytes.h"
#include "base/status.h"

/* Ed25519 (RFC 8032), key of 32 bytes, signature of 64. INVALID "signature: does not verify". */
ward_status ward_signature_verify_ed25519(struct ward_bytes public_key, struct ward_bytes message,
                                          struct ward_bytes signature);
/* A SubjectPublicKeyInfo in DER: EC on P-256 or P-384 (ECDSA in DER over SHA-256), or Ed25519.
 * INVALID "signature: key is not ..." for any other key, "signature: does not verify". */
ward_status ward_signature_verify_spki(struct ward_bytes spki_der, struct ward_bytes message,
                                       struct ward_bytes signature);
/* The same with the public key of an X.509 certificate in DER. The certificate itself is not
 * judged. */
ward_status ward_signature_verify_certificate(struct ward_bytes certificate_der,
                                              struct ward_bytes message,
                                              struct ward_bytes signature);

#endif
