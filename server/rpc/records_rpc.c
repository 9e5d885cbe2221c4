/* SPDX-License-Identifier: Apache-2.0 */
/* ward.v1.Records. Values are copied by nobody on the way out: messages point at what the operation
 * decrypted. What no longer fits an answer of 4 MiB is refused item by item. */
#include "server/rpc/fields.h"
#include "server/rpc/method.h"
#include "server/rpc/replay_digest.h"
#include "ward/v1/records.pb-c.h"

#define CONTEXT_OF(message) ((const struct ward_map_entry *const *)(const void *)(message)->context)
#define ITEM_OVERHEAD 64 /* tags and sizes of a result; a field's are counted on their own */
#define FIELD_OVERHEAD 16

/* ---- put ---- */

static ward_status decode_place(struct ward_bytes collection, struct ward_bytes subject,
                                struct ward_bytes id)
{
    WARD_REQUIRE_TEXT(collection, "collection", 128);
    WARD_REQUIRE_TEXT(subject, "subject", 128);
    WARD_REQUIRE_TEXT(id, "id", 128);
    return WARD_OK;
}

static ward_status decode_put_item(const Ward__V1__PutRecordsItem *from, struct ward_put_item *to)
{
    to->collection = ward_bytes_str(from->collection);
    to->subject = ward_bytes_str(from->subject);
    to->id = ward_bytes_str(from->id);
    to->json = ward_fields_bytes(&from->json);
    WARD_TRY(decode_place(to->collection, to->subject, to->id));
    WARD_REQUIRE(to->json.size > 0, "json: empty");
    WARD_REQUIRE(to->json.size <= WARD_RECORD_JSON_MAX, "json: larger than 1 MiB");
    return WARD_OK;
}

ward_status ward_record_put_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__PutRecordsRequest *from = (const void *)message;
    WARD_TRY(ward_replay_header(request, from->header, message));
    WARD_TRY(ward_fields_items(from->n_items));
    struct ward_put *in = WARD_ARENA_NEW(request->arena, struct ward_put);
    struct ward_put_item *items =
        WARD_ARENA_ARRAY(request->arena, struct ward_put_item, from->n_items);
    WARD_ENSURE(in != NULL && items != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_fields_context(request->arena, CONTEXT_OF(from), from->n_context, &in->context));
    for (size_t i = 0; i < from->n_items; i++) {
        items[i].status = decode_put_item(from->items[i], &items[i]);
    }
    in->items = items;
    in->n = from->n_items;
    request->in = in;
    request->context = &in->context;
    return WARD_OK;
}

ward_status ward_record_put_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    struct ward_arena *arena = request->arena;
    const struct ward_put *in = request->in;
    Ward__V1__PutRecordsResponse *response = WARD_ARENA_NEW(arena, Ward__V1__PutRecordsResponse);
    Ward__V1__PutRecordsResult *results =
        WARD_ARENA_ARRAY(arena, Ward__V1__PutRecordsResult, in->n);
    Ward__V1__PutRecordsResult **pointers =
        WARD_ARENA_ARRAY(arena, Ward__V1__PutRecordsResult *, in->n);
    WARD_ENSURE(response != NULL && results != NULL && pointers != NULL, WARD_E_EXHAUSTED);
    ward__v1__put_records_response__init(response);
    for (size_t i = 0; i < in->n; i++) {
        ward__v1__put_records_result__init(&results[i]);
        WARD_TRY(ward_fields_item_error(request, i, in->items[i].status, in->items[i].refused,
                                        &results[i].error));
        results[i].version = results[i].error == NULL ? in->items[i].version : 0;
        pointers[i] = &results[i];
    }
    response->results = pointers;
    response->n_results = in->n;
    *ret = &response->base;
    return WARD_OK;
}

/* ---- get ---- */

static ward_status decode_get_item(struct ward_arena *arena, const Ward__V1__GetRecordsItem *from,
                                   struct ward_get_item *to)
{
    to->collection = ward_bytes_str(from->collection);
    to->subject = ward_bytes_str(from->subject);
    to->id = ward_bytes_str(from->id);
    to->version = from->version;
    WARD_TRY(decode_place(to->collection, to->subject, to->id));
    WARD_REQUIRE(from->n_fields <= WARD_RECORD_FIELDS_MAX, "fields: more than 256");
    struct ward_bytes *fields = WARD_ARENA_ARRAY(arena, struct ward_bytes, from->n_fields);
    WARD_ENSURE(fields != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < from->n_fields; i++) {
        fields[i] = ward_bytes_str(from->fields[i]);
        WARD_REQUIRE(fields[i].size > 0, "fields: an empty name");
        bool all = fields[i].size == 1 && fields[i].data[0] == '*';
        WARD_REQUIRE(!all || from->n_fields == 1, "fields: * with other names");
        to->whole = to->whole || all;
    }
    to->fields = fields;
    to->n_fields = to->whole ? 0 : from->n_fields;
    return WARD_OK;
}

ward_status ward_record_get_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__GetRecordsRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    WARD_TRY(ward_fields_items(from->n_items));
    struct ward_get *in = WARD_ARENA_NEW(request->arena, struct ward_get);
    struct ward_get_item *items =
        WARD_ARENA_ARRAY(request->arena, struct ward_get_item, from->n_items);
    WARD_ENSURE(in != NULL && items != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_fields_context(request->arena, CONTEXT_OF(from), from->n_context, &in->context));
    for (size_t i = 0; i < from->n_items; i++) {
        items[i].status = decode_get_item(request->arena, from->items[i], &items[i]);
    }
    in->items = items;
    in->n = from->n_items;
    request->in = in;
    request->context = &in->context;
    return WARD_OK;
}

static size_t size_of(const struct ward_get_item *item)
{
    size_t size = ITEM_OVERHEAD + item->json.size;
    for (size_t i = 0; i < item->n_values; i++) {
        size += FIELD_OVERHEAD + item->values[i].name.size + item->values[i].value.size;
    }
    return size;
}

static ward_status encode_values(struct ward_arena *arena, const struct ward_get_item *item,
                                 Ward__V1__GetRecordsResult *result)
{
    Ward__V1__RecordField *fields = WARD_ARENA_ARRAY(arena, Ward__V1__RecordField, item->n_values);
    Ward__V1__RecordField **pointers =
        WARD_ARENA_ARRAY(arena, Ward__V1__RecordField *, item->n_values);
    WARD_ENSURE(fields != NULL && pointers != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < item->n_values; i++) {
        ward__v1__record_field__init(&fields[i]);
        WARD_TRY(ward_fields_text(arena, item->values[i].name, &fields[i].name));
        ward_fields_put(&fields[i].value, item->values[i].value);
        pointers[i] = &fields[i];
    }
    result->fields = pointers;
    result->n_fields = item->n_values;
    return WARD_OK;
}

static ward_status encode_got(const struct ward_request *request, size_t i,
                              const struct ward_get_item *item, size_t *left,
                              Ward__V1__GetRecordsResult *result)
{
    ward__v1__get_records_result__init(result);
    WARD_TRY(ward_fields_item_error(request, i, item->status, item->refused, &result->error));
    if (result->error != NULL) {
        return WARD_OK;
    }
    size_t size = size_of(item);
    if (size > *left) {
        return ward_fields_item_error(
            request, i, WARD_REFUSAL(WARD_E_EXHAUSTED, "response: this item no longer fits 4 MiB"),
            (struct ward_bytes){0}, &result->error);
    }
    *left -= size;
    result->version = item->version;
    ward_fields_put(&result->json, item->json);
    return encode_values(request->arena, item, result);
}

ward_status ward_record_get_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    struct ward_arena *arena = request->arena;
    const struct ward_get *in = request->in;
    Ward__V1__GetRecordsResponse *response = WARD_ARENA_NEW(arena, Ward__V1__GetRecordsResponse);
    Ward__V1__GetRecordsResult *results =
        WARD_ARENA_ARRAY(arena, Ward__V1__GetRecordsResult, in->n);
    Ward__V1__GetRecordsResult **pointers =
        WARD_ARENA_ARRAY(arena, Ward__V1__GetRecordsResult *, in->n);
    WARD_ENSURE(response != NULL && results != NULL && pointers != NULL, WARD_E_EXHAUSTED);
    ward__v1__get_records_response__init(response);
    size_t left =
        WARD_RESPONSE_MAX - in->n * WARD_ITEM_ERROR_MAX; /* room for every item's refusal */
    for (size_t i = 0; i < in->n; i++) {
        WARD_TRY(encode_got(request, i, &in->items[i], &left, &results[i]));
        pointers[i] = &results[i];
    }
    response->results = pointers;
    response->n_results = in->n;
    *ret = &response->base;
    return WARD_OK;
}
