/* SPDX-License-Identifier: Apache-2.0 */
/* What a peer may be called: a SPIFFE ID, spiffe://trust.domain/path, or key:sha256: and the 64
 * lower-case hex digits of its public key's hash. Compared byte by byte and never normalised. */
#ifndef WARD_POLICY_IDENTITY_H
#define WARD_POLICY_IDENTITY_H

#include "base/bytes.h"

#define WARD_IDENTITY_MAX 512

/* The grammar of SPIFFE-ID section 2, without its optional leniency: at most 512 bytes, a path, no
 * empty, "." or ".." segment, no trailing slash, a trust domain of lower-case labels. */
bool ward_identity_valid(struct ward_bytes identity);

#endif
