/* SPDX-License-Identifier: Apache-2.0 */
/* libward: data keys kept for a while, so that not every message costs a call. Included by
 * <ward/ward.h>, whose rules of ownership and errors hold here too.
 *
 * A cache belongs to one client and may be used by any number of threads. Threads that want the
 * same key at the same time share one call to the daemon. The daemon sees, decides on and audits
 * that call alone: between calls a right that was withdrawn is still used, for max_age_ms at most.
 *
 * Keys are in locked memory. A key leaves the cache at the first of its limits, and is wiped when
 * the last of its holders has released it. In a forked child the cache is empty. */
#ifndef WARD_CACHE_H
#define WARD_CACHE_H

#include <ward/ward.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ward_cache ward_cache;
/* One key out of a cache, held by one caller. */
typedef struct ward_cached_key ward_cached_key;

/* max_age_ms must be given; any other may be 0, which means the most that is allowed. */
typedef struct ward_cache_limits {
    uint32_t max_age_ms;       /* 1 to 86,400,000, from before the call that fetched it */
    uint32_t max_entries;      /* 1 to 10,000; beyond, the one used longest ago leaves */
    uint64_t max_uses;         /* encryptions under one key: 1 to 2^32 */
    uint64_t max_bytes_sealed; /* bytes encrypted under one key: 1 to 2^40 */
} ward_cache_limits;

typedef struct ward_cache_stats {
    uint64_t hits;      /* answered from the cache */
    uint64_t waits;     /* hits that waited for another thread's call */
    uint64_t fetches;   /* calls to the daemon */
    uint64_t failures;  /* of those */
    uint64_t expired;   /* keys that left by age, */
    uint64_t used_up;   /* by uses or bytes, */
    uint64_t displaced; /* by max_entries */
    uint64_t entries;   /* keys in it now */
} ward_cache_stats;

/* The client is borrowed and must outlive the cache. INVALID_ARGUMENT with the limit that is out of
 * its bounds. Release with ward_cache_free, when no call is under way; keys that are held stay
 * valid until they are released. */
ward_rc ward_cache_new(ward_client *client, const ward_cache_limits *limits, ward_cache **ret,
                       ward_error *error);
void ward_cache_free(ward_cache *cache);

/* A data key for encrypting `bytes` bytes in one message: counts one use and those bytes. The same
 * key name, context and size give the same key until it reaches a limit. size: 16, 24, 32 or 64
 * bytes; 0: 32. Codes: those of ward_generate_data_key, and INVALID_ARGUMENT "bytes: ..." when
 * they are more than max_bytes_sealed. Encrypt with a fresh random nonce each time. */
ward_rc ward_cache_data_key(ward_cache *cache, const ward_call *call, const char *key,
                            const ward_pair *context, size_t n_context, uint32_t size,
                            uint64_t bytes, ward_cached_key **ret, ward_error *error);
/* The plaintext of a wrapped data key, for decrypting. Bounded by age and entries; opening is not
 * counted as a use. Codes: those of ward_unwrap_data_key. */
ward_rc ward_cache_unwrap(ward_cache *cache, const ward_call *call, const void *wrapped,
                          size_t wrapped_size, const ward_pair *context, size_t n_context,
                          ward_cached_key **ret, ward_error *error);

/* Valid until the key is released. Plaintext is NULL and size 0 in a forked child. */
const void *ward_cached_key_plaintext(const ward_cached_key *key, size_t *size);
const void *ward_cached_key_wrapped(const ward_cached_key *key, size_t *size);
void ward_cached_key_free(ward_cached_key *key);

/* Empties the cache, e.g. when the application locks itself. */
void ward_cache_clear(ward_cache *cache);
/* Drops what is too old. Every other call does so too; for an application that may be idle. */
void ward_cache_expire(ward_cache *cache);
void ward_cache_get_stats(ward_cache *cache, ward_cache_stats *ret);

#ifdef __cplusplus
}
#endif

#endif
