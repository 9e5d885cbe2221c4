/* SPDX-License-Identifier: Apache-2.0 */
/* The other bytes that are the same certificate. */
#ifndef WARD_SERVER_AUTHN_TWIN_H
#define WARD_SERVER_AUTHN_TWIN_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/status.h"

struct x509_st;

/* The SHA-256 that the certificate has with its signature's twin. der: the certificate itself, in
 * DER. *ret_has false: it has none, not being signed by ECDSA on P-256, P-384 or P-521. EXHAUSTED
 * without memory. */
ward_status ward_certificate_twin(const struct x509_st *certificate, struct ward_bytes der,
                                  uint8_t out[static 32], bool *ret_has);

#endif
