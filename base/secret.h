/* SPDX-License-Identifier: Apache-2.0 */
/* A secret is a type. It is sized at birth, lives in a locked, non-dumpable, wiped-on-fork pool,
 * cannot be copied, printed or appended to, and has one destructor, which wipes. */
#ifndef WARD_BASE_SECRET_H
#define WARD_BASE_SECRET_H

#include "base/bytes.h"
#include "base/status.h"

struct ward_secret;

/* Reserves and locks the pool (mmap, mlock, MADV_DONTDUMP, MADV_WIPEONFORK) once per process,
 * before threads start. bytes is rounded up to pages. Used lazily with 1 MiB when never called.
 * UNAVAILABLE when the memory cannot be locked; STATE when a smaller pool is there already. */
ward_status ward_secret_pool_init(size_t bytes);

/* size 1..65536, else INVALID. EXHAUSTED when the pool is full. `new` copies `from` in; `zero` is
 * for filling. */
ward_status ward_secret_new(struct ward_bytes from, struct ward_secret **ret);
ward_status ward_secret_zero(size_t size, struct ward_secret **ret);
/* From OpenSSL's private DRBG, drawn in blocks so that a 32-byte key does not cost a DRBG call. */
ward_status ward_secret_random(size_t size, struct ward_secret **ret);

/* Valid until the secret is freed. */
struct ward_bytes ward_secret_view(const struct ward_secret *secret);
/* For filling by a crypto call, straight after `zero`. */
uint8_t *ward_secret_fill(struct ward_secret *secret);
bool ward_secret_eq(const struct ward_secret *a, const struct ward_secret *b);

/* Wipes, then frees. NULL is fine. */
void ward_secret_free(struct ward_secret *secret);
static inline void ward_secret_freep(struct ward_secret **secret)
{
    ward_secret_free(*secret);
}

/* Bytes in use in the pool, for tests and metrics. */
size_t ward_secret_pool_used(void);

#endif
