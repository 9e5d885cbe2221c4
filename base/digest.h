/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4), HMAC-SHA-256 (RFC 2104), HKDF-SHA-256 (RFC 5869). Contexts are reused. */
#ifndef WARD_BASE_DIGEST_H
#define WARD_BASE_DIGEST_H

#include "base/bytes.h"
#include "base/status.h"

#define WARD_SHA256_SIZE 32

struct ward_digest; /* one per thread */

ward_status ward_digest_new(struct ward_digest **ret);
void ward_digest_free(struct ward_digest *digest);
static inline void ward_digest_freep(struct ward_digest **digest)
{
    ward_digest_free(*digest);
}

/* SHA-256 over the parts, one after the other. */
ward_status ward_sha256(struct ward_digest *digest, const struct ward_bytes *parts, size_t n,
                        uint8_t out[static WARD_SHA256_SIZE]);
/* HMAC-SHA-256 over the parts. key: any size >= 16. */
ward_status ward_hmac_sha256(struct ward_digest *digest, struct ward_bytes key,
                             const struct ward_bytes *parts, size_t n,
                             uint8_t out[static WARD_SHA256_SIZE]);
/* HKDF extract and expand; out_size <= 255 * 32. */
ward_status ward_hkdf_sha256(struct ward_digest *digest, struct ward_bytes key,
                             struct ward_bytes salt, struct ward_bytes info, uint8_t *out,
                             size_t out_size);

#endif
