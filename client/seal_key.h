/* SPDX-License-Identifier: Apache-2.0 */
/* Where a seal's data key comes from: the daemon, or a cache before it. */
#ifndef WARD_CLIENT_SEAL_KEY_H
#define WARD_CLIENT_SEAL_KEY_H

#include "base/bytes.h"
#include "client/error.h"

struct ward_seal_source {
    ward_client *client;
    ward_cache *cache; /* NULL: none */
    const ward_call *call;
    const ward_pair *context;
    size_t n_context;
};

struct ward_seal_key {
    struct ward_bytes plaintext, wrapped; /* wrapped: of a new one */
    ward_data_keys *fetched;              /* what holds them: this */
    ward_cached_key *cached;              /* or this */
};

/* A new data key under this key-encryption key, or the cache's. Release with _fini. */
ward_rc ward_seal_key_new(const struct ward_seal_source *source, const char *kek,
                          struct ward_seal_key *ret, ward_error *error);
ward_rc ward_seal_key_unwrap(const struct ward_seal_source *source, struct ward_bytes wrapped,
                             struct ward_seal_key *ret, ward_error *error);
/* Fine on zeros. */
void ward_seal_key_fini(struct ward_seal_key *key);

#endif
