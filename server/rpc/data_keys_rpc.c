/* SPDX-License-Identifier: Apache-2.0 */
/* ward.v1.DataKeys: messages to inputs, outputs to messages. An item that is bad on its own carries
 * its refusal along, so that the audit entry and the answer name it among the others. */
#include "server/rpc/fields.h"
#include "server/rpc/method.h"
#include "ward/v1/data_keys.pb-c.h"

#define CONTEXT_OF(item) ((const struct ward_map_entry *const *)(const void *)(item)->context)
#define PAIRS_OF(context) ((const struct ward_map_entry *const *)(const void *)(context)->pairs)

/* ---- generate ---- */

static ward_status decode_generate_item(struct ward_arena *arena,
                                        const Ward__V1__GenerateDataKeysItem *from,
                                        struct ward_generate_item *to)
{
    to->key = ward_bytes_str(from->key);
    to->size = from->size == 0 ? 32 : from->size;
    to->count = from->count == 0 ? 1 : from->count;
    to->without_plaintext = from->without_plaintext != 0;
    WARD_REQUIRE_TEXT(to->key, "key", 128);
    WARD_REQUIRE(to->size == 16 || to->size == 24 || to->size == 32 || to->size == 64,
                 "size: not 16, 24, 32 or 64");
    WARD_REQUIRE(to->count <= WARD_BATCH_ITEMS_MAX, "count: more than 1000");
    return ward_fields_context(arena, CONTEXT_OF(from), from->n_context, &to->context);
}

ward_status ward_generate_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__GenerateDataKeysRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    WARD_TRY(ward_fields_items(from->n_items));
    struct ward_generate *in = WARD_ARENA_NEW(request->arena, struct ward_generate);
    struct ward_generate_item *items =
        WARD_ARENA_ARRAY(request->arena, struct ward_generate_item, from->n_items);
    WARD_ENSURE(in != NULL && items != NULL, WARD_E_EXHAUSTED);
    uint64_t keys = 0;
    for (size_t i = 0; i < from->n_items; i++) {
        items[i].status = decode_generate_item(request->arena, from->items[i], &items[i]);
        keys += ward_ok(items[i].status) ? items[i].count : 0;
    }
    WARD_REQUIRE(keys <= WARD_BATCH_ITEMS_MAX, "count: more than 1000 in the request");
    *in = (struct ward_generate){items, from->n_items};
    request->in = in;
    return WARD_OK;
}

static ward_status encode_keys(struct ward_arena *arena, const struct ward_generate_item *item,
                               Ward__V1__GenerateDataKeysResult *result)
{
    Ward__V1__DataKey *keys = WARD_ARENA_ARRAY(arena, Ward__V1__DataKey, item->count);
    Ward__V1__DataKey **pointers = WARD_ARENA_ARRAY(arena, Ward__V1__DataKey *, item->count);
    WARD_ENSURE(keys != NULL && pointers != NULL && item->keys != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < item->count; i++) {
        ward__v1__data_key__init(&keys[i]);
        if (!item->without_plaintext) {
            ward_fields_put(&keys[i].plaintext, item->keys[i].plaintext);
        }
        ward_fields_put(&keys[i].wrapped, item->keys[i].wrapped);
        pointers[i] = &keys[i];
    }
    result->keys = pointers;
    result->n_keys = item->count;
    return WARD_OK;
}

ward_status ward_generate_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    struct ward_arena *arena = request->arena;
    const struct ward_generate *in = request->in;
    Ward__V1__GenerateDataKeysResponse *response =
        WARD_ARENA_NEW(arena, Ward__V1__GenerateDataKeysResponse);
    Ward__V1__GenerateDataKeysResult *results =
        WARD_ARENA_ARRAY(arena, Ward__V1__GenerateDataKeysResult, in->n);
    Ward__V1__GenerateDataKeysResult **pointers =
        WARD_ARENA_ARRAY(arena, Ward__V1__GenerateDataKeysResult *, in->n);
    WARD_ENSURE(response != NULL && results != NULL && pointers != NULL, WARD_E_EXHAUSTED);
    ward__v1__generate_data_keys_response__init(response);
    for (size_t i = 0; i < in->n; i++) {
        ward__v1__generate_data_keys_result__init(&results[i]);
        WARD_TRY(ward_fields_item_error(request, i, in->items[i].status, (struct ward_bytes){0},
                                        &results[i].error));
        if (results[i].error == NULL) {
            WARD_TRY(encode_keys(arena, &in->items[i], &results[i]));
        }
        pointers[i] = &results[i];
    }
    response->results = pointers;
    response->n_results = in->n;
    *ret = &response->base;
    return WARD_OK;
}

/* ---- unwrap ---- */

ward_status ward_unwrap_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__UnwrapDataKeysRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    WARD_TRY(ward_fields_items(from->n_items));
    struct ward_unwrap *in = WARD_ARENA_NEW(request->arena, struct ward_unwrap);
    struct ward_unwrap_item *items =
        WARD_ARENA_ARRAY(request->arena, struct ward_unwrap_item, from->n_items);
    WARD_ENSURE(in != NULL && items != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < from->n_items; i++) {
        const Ward__V1__UnwrapDataKeysItem *item = from->items[i];
        items[i].wrapped = ward_fields_bytes(&item->wrapped);
        items[i].status = ward_fields_context(request->arena, CONTEXT_OF(item), item->n_context,
                                              &items[i].context);
    }
    *in = (struct ward_unwrap){items, from->n_items};
    request->in = in;
    return WARD_OK;
}

static ward_status encode_unwrapped(const struct ward_request *request, size_t i,
                                    const struct ward_unwrap_item *item,
                                    Ward__V1__UnwrapDataKeysResult *result)
{
    ward__v1__unwrap_data_keys_result__init(result);
    WARD_TRY(
        ward_fields_item_error(request, i, item->status, (struct ward_bytes){0}, &result->error));
    if (result->error != NULL) {
        return WARD_OK;
    }
    ward_fields_put(&result->plaintext, item->plaintext);
    result->version = item->version;
    return ward_fields_text(request->arena, item->key, &result->key);
}

ward_status ward_unwrap_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    struct ward_arena *arena = request->arena;
    const struct ward_unwrap *in = request->in;
    Ward__V1__UnwrapDataKeysResponse *response =
        WARD_ARENA_NEW(arena, Ward__V1__UnwrapDataKeysResponse);
    Ward__V1__UnwrapDataKeysResult *results =
        WARD_ARENA_ARRAY(arena, Ward__V1__UnwrapDataKeysResult, in->n);
    Ward__V1__UnwrapDataKeysResult **pointers =
        WARD_ARENA_ARRAY(arena, Ward__V1__UnwrapDataKeysResult *, in->n);
    WARD_ENSURE(response != NULL && results != NULL && pointers != NULL, WARD_E_EXHAUSTED);
    ward__v1__unwrap_data_keys_response__init(response);
    for (size_t i = 0; i < in->n; i++) {
        WARD_TRY(encode_unwrapped(request, i, &in->items[i], &results[i]));
        pointers[i] = &results[i];
    }
    response->results = pointers;
    response->n_results = in->n;
    *ret = &response->base;
    return WARD_OK;
}

/* ---- rewrap ---- */

static ward_status decode_rewrap_item(struct ward_arena *arena,
                                      const Ward__V1__RewrapDataKeysItem *from,
                                      struct ward_data_key_rewrap_item *to)
{
    to->wrapped = ward_fields_bytes(&from->wrapped);
    to->to_key = ward_bytes_str(from->key);
    to->to_version = from->version;
    WARD_REQUIRE(to->to_key.size <= WARD_NAME_MAX, "key: longer than 128 bytes");
    WARD_TRY(ward_fields_context(arena, CONTEXT_OF(from), from->n_context, &to->context));
    to->to_context = to->context;
    if (from->new_context == NULL) {
        return WARD_OK;
    }
    return ward_fields_context(arena, PAIRS_OF(from->new_context), from->new_context->n_pairs,
                               &to->to_context);
}

ward_status ward_data_key_rewrap_decode(struct ward_request *request,
                                        const ProtobufCMessage *message)
{
    const Ward__V1__RewrapDataKeysRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    WARD_TRY(ward_fields_items(from->n_items));
    struct ward_data_key_rewrap *in = WARD_ARENA_NEW(request->arena, struct ward_data_key_rewrap);
    struct ward_data_key_rewrap_item *items =
        WARD_ARENA_ARRAY(request->arena, struct ward_data_key_rewrap_item, from->n_items);
    WARD_ENSURE(in != NULL && items != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < from->n_items; i++) {
        items[i].status = decode_rewrap_item(request->arena, from->items[i], &items[i]);
    }
    *in = (struct ward_data_key_rewrap){items, from->n_items};
    request->in = in;
    return WARD_OK;
}

static ward_status encode_rewrapped(const struct ward_request *request, size_t i,
                                    const struct ward_data_key_rewrap_item *item,
                                    Ward__V1__RewrapDataKeysResult *result)
{
    ward__v1__rewrap_data_keys_result__init(result);
    WARD_TRY(
        ward_fields_item_error(request, i, item->status, (struct ward_bytes){0}, &result->error));
    if (result->error != NULL) {
        return WARD_OK;
    }
    ward_fields_put(&result->wrapped, item->rewrapped);
    result->version = item->version;
    result->unchanged = item->unchanged;
    return ward_fields_text(request->arena, item->key, &result->key);
}

ward_status ward_data_key_rewrap_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    struct ward_arena *arena = request->arena;
    const struct ward_data_key_rewrap *in = request->in;
    Ward__V1__RewrapDataKeysResponse *response =
        WARD_ARENA_NEW(arena, Ward__V1__RewrapDataKeysResponse);
    Ward__V1__RewrapDataKeysResult *results =
        WARD_ARENA_ARRAY(arena, Ward__V1__RewrapDataKeysResult, in->n);
    Ward__V1__RewrapDataKeysResult **pointers =
        WARD_ARENA_ARRAY(arena, Ward__V1__RewrapDataKeysResult *, in->n);
    WARD_ENSURE(response != NULL && results != NULL && pointers != NULL, WARD_E_EXHAUSTED);
    ward__v1__rewrap_data_keys_response__init(response);
    for (size_t i = 0; i < in->n; i++) {
        WARD_TRY(encode_rewrapped(request, i, &in->items[i], &results[i]));
        pointers[i] = &results[i];
    }
    response->results = pointers;
    response->n_results = in->n;
    *ret = &response->base;
    return WARD_OK;
}
