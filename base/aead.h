/* SPDX-License-Identifier: Apache-2.0 */
/* AES-256-GCM (SP 800-38D) with a 96-bit IV and a 128-bit tag, and nothing else. Algorithms are
 * fetched once, contexts are reused: OpenSSL's implicit fetch takes a lock. */
#ifndef WARD_BASE_AEAD_H
#define WARD_BASE_AEAD_H

#include "base/bytes.h"
#include "base/status.h"

#define WARD_AEAD_KEY_SIZE 32
#define WARD_AEAD_IV_SIZE 12
#define WARD_AEAD_TAG_SIZE 16

struct ward_aead; /* one per thread */

ward_status ward_aead_new(struct ward_aead **ret);
void ward_aead_free(struct ward_aead *aead);
static inline void ward_aead_freep(struct ward_aead **aead)
{
    ward_aead_free(*aead);
}

/* out: plain.size + WARD_AEAD_TAG_SIZE bytes. aad must not be empty (INTERNAL). An IV is
 * used once. */
ward_status ward_aead_seal(struct ward_aead *aead, const uint8_t key[static WARD_AEAD_KEY_SIZE],
                           const uint8_t iv[static WARD_AEAD_IV_SIZE], struct ward_bytes aad,
                           struct ward_bytes plain, uint8_t *out);
/* out: sealed.size - WARD_AEAD_TAG_SIZE bytes, zeroed on failure. CIPHERTEXT when it does
 * not open. */
ward_status ward_aead_open(struct ward_aead *aead, const uint8_t key[static WARD_AEAD_KEY_SIZE],
                           const uint8_t iv[static WARD_AEAD_IV_SIZE], struct ward_bytes aad,
                           struct ward_bytes sealed, uint8_t *out);

/* The same for many calls under one key, which is set up once. Whatever comes between, forget must
 * follow: the key schedule stays until then, or until the next call of ward_aead_key, _seal or
 * _open. seal_next and open_next without a key are INTERNAL. */
ward_status ward_aead_key(struct ward_aead *aead, const uint8_t key[static WARD_AEAD_KEY_SIZE]);
ward_status ward_aead_seal_next(struct ward_aead *aead, const uint8_t iv[static WARD_AEAD_IV_SIZE],
                                struct ward_bytes aad, struct ward_bytes plain, uint8_t *out);
ward_status ward_aead_open_next(struct ward_aead *aead, const uint8_t iv[static WARD_AEAD_IV_SIZE],
                                struct ward_bytes aad, struct ward_bytes sealed, uint8_t *out);
ward_status ward_aead_forget(struct ward_aead *aead);

#endif
