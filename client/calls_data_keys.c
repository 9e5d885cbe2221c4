/* SPDX-License-Identifier: Apache-2.0 */
/* DataKeys.GenerateDataKeys, UnwrapDataKeys and RewrapDataKeys. Plaintext keys leave the unpacked
 * answer for locked memory at once, and are wiped where they were. */
#include <assert.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "base/secret.h"
#include "client/client.h"
#include "ward/v1/data_keys.pb-c.h"

struct item {
    ward_rc code;
    const char *message, *name;
    uint32_t version;
    bool unchanged;
    struct ward_secret **plaintexts; /* count of them; an entry is NULL where none was asked for */
    ProtobufCBinaryData *wrapped;    /* count of them */
    size_t count;
};

struct ward_data_keys {
    struct ward_arena *arena;
    struct item *items;
    size_t n;
};

void ward_data_keys_free(ward_data_keys *keys)
{
    if (keys == NULL) {
        return;
    }
    for (size_t i = 0; i < keys->n; i++) {
        for (size_t k = 0; k < keys->items[i].count; k++) {
            ward_secret_free(keys->items[i].plaintexts[k]);
        }
    }
    ward_arena_free(keys->arena); /* and keys, which lies in it */
}

static void free_keys(ward_data_keys **keys)
{
    ward_data_keys_free(*keys);
}

static ward_rc new_keys(size_t n, ward_data_keys **ret, ward_error *error)
{
    struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    ward_data_keys *keys = WARD_ARENA_NEW(arena, ward_data_keys);
    struct item *items = keys == NULL ? NULL : WARD_ARENA_ARRAY(arena, struct item, n);
    if (items == NULL) {
        ward_arena_free(arena);
        return ward_error_memory(error);
    }
    *keys = (ward_data_keys){.arena = arena, .items = items, .n = n};
    *ret = keys;
    return WARD_RC_OK;
}

/* Room for count keys in the item. */
static ward_rc item_init(ward_data_keys *keys, struct item *item, const Ward__V1__ItemError *failed,
                         size_t count, ward_error *error)
{
    item->code = ward_message_item_code(failed, &item->message);
    item->name = "";
    if (item->code != WARD_RC_OK) {
        return WARD_RC_OK;
    }
    item->plaintexts = WARD_ARENA_ARRAY(keys->arena, struct ward_secret *, count);
    item->wrapped = WARD_ARENA_ARRAY(keys->arena, ProtobufCBinaryData, count);
    if (item->plaintexts == NULL || item->wrapped == NULL) {
        return ward_error_memory(error);
    }
    item->count = count;
    return WARD_RC_OK;
}

static ward_rc lock_plaintext(const ProtobufCBinaryData *from, struct ward_secret **ret,
                              ward_error *error)
{
    if (from->len == 0) {
        return WARD_RC_OK;
    }
    ward_status status = ward_secret_new(WARD_BYTES(from->data, from->len), ret);
    OPENSSL_cleanse(from->data, from->len);
    return ward_ok(status)
               ? WARD_RC_OK
               : ward_error_set(
                     error, WARD_RC_RESOURCE_EXHAUSTED,
                     "no locked memory for the data keys; free some, or raise ulimit -l");
}

static ward_rc wrong_count(size_t got, size_t wanted, ward_error *error)
{
    return ward_error_set(error, WARD_RC_INTERNAL, "the daemon answered %zu items instead of %zu",
                          got, wanted);
}

static ward_rc no_items(size_t n, ward_error *error)
{
    return n > 0 ? WARD_RC_OK
                 : ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "requests: none given");
}

/* The one item's failure as the call's. */
static ward_rc only_item(ward_data_keys **keys, ward_data_keys **ret, ward_error *error)
{
    const struct item *item = &(*keys)->items[0];
    if (item->code != WARD_RC_OK) {
        return ward_error_answer(error, item->code, item->message);
    }
    if (item->count != 1) {
        return wrong_count(item->count, 1, error);
    }
    *ret = WARD_TAKE(*keys);
    return WARD_RC_OK;
}

/* ---- generate ---- */

static ward_rc generate_items(struct ward_arena *arena, const ward_generate_request *requests,
                              size_t n, Ward__V1__GenerateDataKeysRequest *ret, ward_error *error)
{
    Ward__V1__GenerateDataKeysItem *items =
        WARD_ARENA_ARRAY(arena, Ward__V1__GenerateDataKeysItem, n);
    ret->items = WARD_ARENA_ARRAY(arena, Ward__V1__GenerateDataKeysItem *, n);
    if (items == NULL || ret->items == NULL) {
        return ward_error_memory(error);
    }
    for (size_t i = 0; i < n; i++) {
        Ward__V1__GenerateDataKeysItem *item = ret->items[i] = &items[i];
        *item = (Ward__V1__GenerateDataKeysItem)WARD__V1__GENERATE_DATA_KEYS_ITEM__INIT;
        item->key = ward_message_text(requests[i].key);
        item->size = requests[i].size;
        item->count = requests[i].count;
        item->without_plaintext = requests[i].without_plaintext != 0;
        item->n_context = requests[i].n_context;
        WARD_MESSAGE_CONTEXT(arena, Ward__V1__GenerateDataKeysItem__ContextEntry,
                             WARD__V1__GENERATE_DATA_KEYS_ITEM__CONTEXT_ENTRY__INIT,
                             requests[i].context, requests[i].n_context, &item->context);
        if (item->context == NULL) {
            return ward_error_memory(error);
        }
    }
    ret->n_items = n;
    return WARD_RC_OK;
}

static ward_rc take_generated(const Ward__V1__GenerateDataKeysResponse *answer,
                              ward_data_keys *keys, ward_error *error)
{
    if (answer->n_results != keys->n) {
        return wrong_count(answer->n_results, keys->n, error);
    }
    for (size_t i = 0; i < keys->n; i++) {
        const Ward__V1__GenerateDataKeysResult *result = answer->results[i];
        struct item *item = &keys->items[i];
        WARD_CLIENT_TRY(item_init(keys, item, result->error, result->n_keys, error));
        for (size_t k = 0; k < item->count; k++) {
            item->wrapped[k] = result->keys[k]->wrapped;
            WARD_CLIENT_TRY(
                lock_plaintext(&result->keys[k]->plaintext, &item->plaintexts[k], error));
        }
    }
    return WARD_RC_OK;
}

ward_rc ward_generate_data_keys(ward_client *client, const ward_call *call,
                                const ward_generate_request *requests, size_t n,
                                ward_data_keys **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.DataKeys/GenerateDataKeys", true};
    WARD_CLIENT_TRY(no_items(n, error));
    ward_auto(free_keys) ward_data_keys *keys = NULL;
    WARD_CLIENT_TRY(new_keys(n, &keys, error));
    Ward__V1__GenerateDataKeysRequest request = WARD__V1__GENERATE_DATA_KEYS_REQUEST__INIT;
    request.header = ward_message_header(keys->arena, call);
    WARD_CLIENT_TRY(generate_items(keys->arena, requests, n, &request, error));
    ProtobufCMessage *answer = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__generate_data_keys_response__descriptor,
                                     keys->arena, &answer, error));
    WARD_CLIENT_TRY(
        take_generated((const Ward__V1__GenerateDataKeysResponse *)answer, keys, error));
    *ret = WARD_TAKE(keys);
    return WARD_RC_OK;
}

ward_rc ward_generate_data_key(ward_client *client, const ward_call *call, const char *key,
                               const ward_pair *context, size_t n_context, uint32_t size,
                               ward_data_keys **ret, ward_error *error)
{
    const ward_generate_request request = {
        .key = key, .context = context, .n_context = n_context, .size = size};
    ward_auto(free_keys) ward_data_keys *keys = NULL;
    WARD_CLIENT_TRY(ward_generate_data_keys(client, call, &request, 1, &keys, error));
    return only_item(&keys, ret, error);
}

/* ---- unwrap ---- */

static ward_rc unwrap_items(struct ward_arena *arena, const ward_unwrap_request *requests, size_t n,
                            Ward__V1__UnwrapDataKeysRequest *ret, ward_error *error)
{
    Ward__V1__UnwrapDataKeysItem *items = WARD_ARENA_ARRAY(arena, Ward__V1__UnwrapDataKeysItem, n);
    ret->items = WARD_ARENA_ARRAY(arena, Ward__V1__UnwrapDataKeysItem *, n);
    if (items == NULL || ret->items == NULL) {
        return ward_error_memory(error);
    }
    for (size_t i = 0; i < n; i++) {
        Ward__V1__UnwrapDataKeysItem *item = ret->items[i] = &items[i];
        *item = (Ward__V1__UnwrapDataKeysItem)WARD__V1__UNWRAP_DATA_KEYS_ITEM__INIT;
        item->wrapped.data = (uint8_t *)requests[i].wrapped; /* only read */
        item->wrapped.len = requests[i].wrapped_size;
        item->n_context = requests[i].n_context;
        WARD_MESSAGE_CONTEXT(arena, Ward__V1__UnwrapDataKeysItem__ContextEntry,
                             WARD__V1__UNWRAP_DATA_KEYS_ITEM__CONTEXT_ENTRY__INIT,
                             requests[i].context, requests[i].n_context, &item->context);
        if (item->context == NULL) {
            return ward_error_memory(error);
        }
    }
    ret->n_items = n;
    return WARD_RC_OK;
}

static ward_rc take_unwrapped(const Ward__V1__UnwrapDataKeysResponse *answer, ward_data_keys *keys,
                              ward_error *error)
{
    if (answer->n_results != keys->n) {
        return wrong_count(answer->n_results, keys->n, error);
    }
    for (size_t i = 0; i < keys->n; i++) {
        const Ward__V1__UnwrapDataKeysResult *result = answer->results[i];
        struct item *item = &keys->items[i];
        WARD_CLIENT_TRY(item_init(keys, item, result->error, 1, error));
        if (item->count == 1) {
            item->name = result->key;
            item->version = result->version;
            WARD_CLIENT_TRY(lock_plaintext(&result->plaintext, &item->plaintexts[0], error));
        }
    }
    return WARD_RC_OK;
}

ward_rc ward_unwrap_data_keys(ward_client *client, const ward_call *call,
                              const ward_unwrap_request *requests, size_t n, ward_data_keys **ret,
                              ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.DataKeys/UnwrapDataKeys", true};
    WARD_CLIENT_TRY(no_items(n, error));
    ward_auto(free_keys) ward_data_keys *keys = NULL;
    WARD_CLIENT_TRY(new_keys(n, &keys, error));
    Ward__V1__UnwrapDataKeysRequest request = WARD__V1__UNWRAP_DATA_KEYS_REQUEST__INIT;
    request.header = ward_message_header(keys->arena, call);
    WARD_CLIENT_TRY(unwrap_items(keys->arena, requests, n, &request, error));
    ProtobufCMessage *answer = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__unwrap_data_keys_response__descriptor, keys->arena,
                                     &answer, error));
    WARD_CLIENT_TRY(take_unwrapped((const Ward__V1__UnwrapDataKeysResponse *)answer, keys, error));
    *ret = WARD_TAKE(keys);
    return WARD_RC_OK;
}

ward_rc ward_unwrap_data_key(ward_client *client, const ward_call *call, const void *wrapped,
                             size_t wrapped_size, const ward_pair *context, size_t n_context,
                             ward_data_keys **ret, ward_error *error)
{
    const ward_unwrap_request request = {wrapped, wrapped_size, context, n_context};
    ward_auto(free_keys) ward_data_keys *keys = NULL;
    WARD_CLIENT_TRY(ward_unwrap_data_keys(client, call, &request, 1, &keys, error));
    return only_item(&keys, ret, error);
}

/* ---- rewrap ---- */

static ward_rc new_context(struct ward_arena *arena, const ward_rewrap_request *request,
                           Ward__V1__RewrapDataKeysItem *item, ward_error *error)
{
    Ward__V1__Context *context = WARD_ARENA_NEW(arena, Ward__V1__Context);
    if (context == NULL) {
        return ward_error_memory(error);
    }
    *context = (Ward__V1__Context)WARD__V1__CONTEXT__INIT;
    context->n_pairs = request->n_new_context;
    WARD_MESSAGE_CONTEXT(arena, Ward__V1__Context__PairsEntry, WARD__V1__CONTEXT__PAIRS_ENTRY__INIT,
                         request->new_context, request->n_new_context, &context->pairs);
    item->new_context = context;
    return context->pairs == NULL ? ward_error_memory(error) : WARD_RC_OK;
}

static ward_rc rewrap_items(struct ward_arena *arena, const ward_rewrap_request *requests, size_t n,
                            Ward__V1__RewrapDataKeysRequest *ret, ward_error *error)
{
    Ward__V1__RewrapDataKeysItem *items = WARD_ARENA_ARRAY(arena, Ward__V1__RewrapDataKeysItem, n);
    ret->items = WARD_ARENA_ARRAY(arena, Ward__V1__RewrapDataKeysItem *, n);
    if (items == NULL || ret->items == NULL) {
        return ward_error_memory(error);
    }
    for (size_t i = 0; i < n; i++) {
        Ward__V1__RewrapDataKeysItem *item = ret->items[i] = &items[i];
        *item = (Ward__V1__RewrapDataKeysItem)WARD__V1__REWRAP_DATA_KEYS_ITEM__INIT;
        item->wrapped.data = (uint8_t *)requests[i].wrapped; /* only read */
        item->wrapped.len = requests[i].wrapped_size;
        item->key = ward_message_text(requests[i].key);
        item->version = requests[i].version;
        item->n_context = requests[i].n_context;
        WARD_MESSAGE_CONTEXT(arena, Ward__V1__RewrapDataKeysItem__ContextEntry,
                             WARD__V1__REWRAP_DATA_KEYS_ITEM__CONTEXT_ENTRY__INIT,
                             requests[i].context, requests[i].n_context, &item->context);
        if (item->context == NULL) {
            return ward_error_memory(error);
        }
        if (requests[i].change_context) {
            WARD_CLIENT_TRY(new_context(arena, &requests[i], item, error));
        }
    }
    ret->n_items = n;
    return WARD_RC_OK;
}

static ward_rc take_rewrapped(const Ward__V1__RewrapDataKeysResponse *answer, ward_data_keys *keys,
                              ward_error *error)
{
    if (answer->n_results != keys->n) {
        return wrong_count(answer->n_results, keys->n, error);
    }
    for (size_t i = 0; i < keys->n; i++) {
        const Ward__V1__RewrapDataKeysResult *result = answer->results[i];
        struct item *item = &keys->items[i];
        WARD_CLIENT_TRY(item_init(keys, item, result->error, 1, error));
        if (item->count == 1) {
            item->name = result->key;
            item->version = result->version;
            item->unchanged = result->unchanged != 0;
            item->wrapped[0] = result->wrapped;
        }
    }
    return WARD_RC_OK;
}

ward_rc ward_rewrap_data_keys(ward_client *client, const ward_call *call,
                              const ward_rewrap_request *requests, size_t n, ward_data_keys **ret,
                              ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.DataKeys/RewrapDataKeys", true};
    WARD_CLIENT_TRY(no_items(n, error));
    ward_auto(free_keys) ward_data_keys *keys = NULL;
    WARD_CLIENT_TRY(new_keys(n, &keys, error));
    Ward__V1__RewrapDataKeysRequest request = WARD__V1__REWRAP_DATA_KEYS_REQUEST__INIT;
    request.header = ward_message_header(keys->arena, call);
    WARD_CLIENT_TRY(rewrap_items(keys->arena, requests, n, &request, error));
    ProtobufCMessage *answer = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__rewrap_data_keys_response__descriptor, keys->arena,
                                     &answer, error));
    WARD_CLIENT_TRY(take_rewrapped((const Ward__V1__RewrapDataKeysResponse *)answer, keys, error));
    *ret = WARD_TAKE(keys);
    return WARD_RC_OK;
}

ward_rc ward_rewrap_data_key(ward_client *client, const ward_call *call,
                             const ward_rewrap_request *request, ward_data_keys **ret,
                             ward_error *error)
{
    ward_auto(free_keys) ward_data_keys *keys = NULL;
    WARD_CLIENT_TRY(ward_rewrap_data_keys(client, call, request, 1, &keys, error));
    return only_item(&keys, ret, error);
}

/* ---- what came back ---- */

size_t ward_data_keys_items(const ward_data_keys *keys)
{
    return keys->n;
}

ward_rc ward_data_keys_code(const ward_data_keys *keys, size_t item, const char **message)
{
    assert(item < keys->n);
    if (message != NULL) {
        *message = keys->items[item].message;
    }
    return keys->items[item].code;
}

size_t ward_data_keys_count(const ward_data_keys *keys, size_t item)
{
    assert(item < keys->n);
    return keys->items[item].count;
}

const void *ward_data_keys_plaintext(const ward_data_keys *keys, size_t item, size_t i,
                                     size_t *size)
{
    *size = 0;
    if (item >= keys->n || i >= keys->items[item].count ||
        keys->items[item].plaintexts[i] == NULL) {
        return NULL;
    }
    struct ward_bytes view = ward_secret_view(keys->items[item].plaintexts[i]);
    *size = view.size;
    return view.data;
}

const void *ward_data_keys_wrapped(const ward_data_keys *keys, size_t item, size_t i, size_t *size)
{
    *size = 0;
    if (item >= keys->n || i >= keys->items[item].count || keys->items[item].wrapped[i].len == 0) {
        return NULL;
    }
    *size = keys->items[item].wrapped[i].len;
    return keys->items[item].wrapped[i].data;
}

const char *ward_data_keys_name(const ward_data_keys *keys, size_t item)
{
    assert(item < keys->n);
    return keys->items[item].name == NULL ? "" : keys->items[item].name;
}

uint32_t ward_data_keys_version(const ward_data_keys *keys, size_t item)
{
    assert(item < keys->n);
    return keys->items[item].version;
}

int ward_data_keys_unchanged(const ward_data_keys *keys, size_t item)
{
    assert(item < keys->n);
    return keys->items[item].unchanged;
}
