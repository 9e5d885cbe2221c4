/* SPDX-License-Identifier: Apache-2.0 */
/* Data keys for sealing. Must not know what is sealed. */
#include "client/seal_key.h"

#include "proto/seal.h"

static void view_cached(struct ward_seal_key *key)
{
    size_t size = 0, wrapped_size = 0;
    const void *plaintext = ward_cached_key_plaintext(key->cached, &size);
    const void *wrapped = ward_cached_key_wrapped(key->cached, &wrapped_size);
    key->plaintext = WARD_BYTES(plaintext, size);
    key->wrapped = WARD_BYTES(wrapped, wrapped_size);
}

static void view_fetched(struct ward_seal_key *key)
{
    size_t size = 0, wrapped_size = 0;
    const void *plaintext = ward_data_keys_plaintext(key->fetched, 0, 0, &size);
    const void *wrapped = ward_data_keys_wrapped(key->fetched, 0, 0, &wrapped_size);
    key->plaintext = WARD_BYTES(plaintext, size);
    key->wrapped = WARD_BYTES(wrapped, wrapped_size);
}

ward_rc ward_seal_key_new(const struct ward_seal_source *source, const char *kek,
                          struct ward_seal_key *ret, ward_error *error)
{
    struct ward_seal_key key = {.fetched = NULL};
    if (source->cache != NULL) { /* no bytes: what encrypts them is derived anew for each seal */
        WARD_CLIENT_TRY(ward_cache_data_key(source->cache, source->call, kek, source->context,
                                            source->n_context, WARD_SEAL_KEY_SIZE, 0, &key.cached,
                                            error));
        view_cached(&key);
    } else {
        WARD_CLIENT_TRY(ward_generate_data_key(source->client, source->call, kek, source->context,
                                               source->n_context, WARD_SEAL_KEY_SIZE, &key.fetched,
                                               error));
        view_fetched(&key);
    }
    *ret = key;
    return WARD_RC_OK;
}

ward_rc ward_seal_key_unwrap(const struct ward_seal_source *source, struct ward_bytes wrapped,
                             struct ward_seal_key *ret, ward_error *error)
{
    struct ward_seal_key key = {.fetched = NULL};
    if (source->cache != NULL) {
        WARD_CLIENT_TRY(ward_cache_unwrap(source->cache, source->call, wrapped.data, wrapped.size,
                                          source->context, source->n_context, &key.cached, error));
        view_cached(&key);
    } else {
        WARD_CLIENT_TRY(ward_unwrap_data_key(source->client, source->call, wrapped.data,
                                             wrapped.size, source->context, source->n_context,
                                             &key.fetched, error));
        view_fetched(&key);
    }
    *ret = key;
    return WARD_RC_OK;
}

void ward_seal_key_fini(struct ward_seal_key *key)
{
    ward_data_keys_free(key->fetched);
    ward_cached_key_free(key->cached);
    *key = (struct ward_seal_key){.fetched = NULL};
}
