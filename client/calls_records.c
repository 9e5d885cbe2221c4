/* SPDX-License-Identifier: Apache-2.0 */
/* Records.PutRecords and GetRecords. Results are views into the unpacked answer, which is wiped
 * with them. */
#include "client/client.h"
#include "ward/v1/records.pb-c.h"

struct records {
    ward_records view; /* first: what the caller holds */
    struct ward_arena *arena;
    ward_record_result *results;
};

void ward_records_free(ward_records *records)
{
    if (records != NULL) {
        ward_arena_free(((struct records *)records)->arena); /* records lies in it */
    }
}

static void free_records(struct records **records)
{
    if (*records != NULL) {
        ward_records_free(&(*records)->view);
    }
}

static ward_rc new_records(size_t n, struct records **ret, ward_error *error)
{
    if (n == 0) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "requests: none given");
    }
    struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    struct records *records = WARD_ARENA_NEW(arena, struct records);
    ward_record_result *results =
        records == NULL ? NULL : WARD_ARENA_ARRAY(arena, ward_record_result, n);
    const ward_record_result **items =
        results == NULL ? NULL : WARD_ARENA_ARRAY(arena, const ward_record_result *, n);
    if (items == NULL) {
        ward_arena_free(arena);
        return ward_error_memory(error);
    }
    for (size_t i = 0; i < n; i++) {
        items[i] = &results[i];
    }
    *records = (struct records){.view = {items, n}, .arena = arena, .results = results};
    *ret = records;
    return WARD_RC_OK;
}

static ward_rc check_count(const struct records *records, size_t got, ward_error *error)
{
    return got == records->view.n ? WARD_RC_OK
                                  : ward_error_set(error, WARD_RC_INTERNAL,
                                                   "the daemon answered %zu items instead of %zu",
                                                   got, records->view.n);
}

/* The one item's failure as the call's. */
static ward_rc only_item(ward_rc rc, ward_records **records, ward_records **ret, ward_error *error)
{
    if (rc != WARD_RC_OK) {
        return rc;
    }
    const ward_record_result *result = (*records)->items[0];
    if (result->code != WARD_RC_OK) {
        rc = ward_error_answer(error, result->code, result->message);
        ward_records_free(*records);
        return rc;
    }
    *ret = *records;
    return WARD_RC_OK;
}

/* ---- put ---- */

static ward_rc put_items(struct ward_arena *arena, const ward_put_request *requests, size_t n,
                         Ward__V1__PutRecordsRequest *ret, ward_error *error)
{
    Ward__V1__PutRecordsItem *items = WARD_ARENA_ARRAY(arena, Ward__V1__PutRecordsItem, n);
    ret->items = WARD_ARENA_ARRAY(arena, Ward__V1__PutRecordsItem *, n);
    if (items == NULL || ret->items == NULL) {
        return ward_error_memory(error);
    }
    for (size_t i = 0; i < n; i++) {
        Ward__V1__PutRecordsItem *item = ret->items[i] = &items[i];
        *item = (Ward__V1__PutRecordsItem)WARD__V1__PUT_RECORDS_ITEM__INIT;
        item->collection = ward_message_text(requests[i].collection);
        item->subject = ward_message_text(requests[i].subject);
        item->id = ward_message_text(requests[i].id);
        item->json.data = (uint8_t *)requests[i].json; /* only read */
        item->json.len = requests[i].json_size;
    }
    ret->n_items = n;
    return WARD_RC_OK;
}

ward_rc ward_put_records(ward_client *client, const ward_call *call, const ward_pair *context,
                         size_t n_context, const ward_put_request *requests, size_t n,
                         ward_records **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Records/PutRecords", false};
    ward_auto(free_records) struct records *records = NULL;
    WARD_CLIENT_TRY(new_records(n, &records, error));
    Ward__V1__PutRecordsRequest request = WARD__V1__PUT_RECORDS_REQUEST__INIT;
    request.header = ward_message_header(records->arena, call);
    request.n_context = n_context;
    WARD_MESSAGE_CONTEXT(records->arena, Ward__V1__PutRecordsRequest__ContextEntry,
                         WARD__V1__PUT_RECORDS_REQUEST__CONTEXT_ENTRY__INIT, context, n_context,
                         &request.context);
    if (request.context == NULL) {
        return ward_error_memory(error);
    }
    WARD_CLIENT_TRY(put_items(records->arena, requests, n, &request, error));
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__put_records_response__descriptor, records->arena,
                                     &message, error));
    const Ward__V1__PutRecordsResponse *answer = (const Ward__V1__PutRecordsResponse *)message;
    WARD_CLIENT_TRY(check_count(records, answer->n_results, error));
    for (size_t i = 0; i < n; i++) {
        ward_record_result *result = &records->results[i];
        result->code = ward_message_item_code(answer->results[i]->error, &result->message);
        result->version = answer->results[i]->version;
    }
    *ret = &WARD_TAKE(records)->view;
    return WARD_RC_OK;
}

ward_rc ward_put_record(ward_client *client, const ward_call *call, const ward_pair *context,
                        size_t n_context, const ward_put_request *request, ward_records **ret,
                        ward_error *error)
{
    ward_records *records = NULL;
    ward_rc rc = ward_put_records(client, call, context, n_context, request, 1, &records, error);
    return only_item(rc, &records, ret, error);
}

/* ---- get ---- */

static ward_rc get_items(struct ward_arena *arena, const ward_get_request *requests, size_t n,
                         Ward__V1__GetRecordsRequest *ret, ward_error *error)
{
    Ward__V1__GetRecordsItem *items = WARD_ARENA_ARRAY(arena, Ward__V1__GetRecordsItem, n);
    ret->items = WARD_ARENA_ARRAY(arena, Ward__V1__GetRecordsItem *, n);
    if (items == NULL || ret->items == NULL) {
        return ward_error_memory(error);
    }
    for (size_t i = 0; i < n; i++) {
        Ward__V1__GetRecordsItem *item = ret->items[i] = &items[i];
        *item = (Ward__V1__GetRecordsItem)WARD__V1__GET_RECORDS_ITEM__INIT;
        item->collection = ward_message_text(requests[i].collection);
        item->subject = ward_message_text(requests[i].subject);
        item->id = ward_message_text(requests[i].id);
        item->version = requests[i].version;
        item->n_fields = requests[i].n_fields;
        item->fields = (char **)requests[i].fields; /* only read */
    }
    ret->n_items = n;
    return WARD_RC_OK;
}

static ward_rc take_values(struct ward_arena *arena, const Ward__V1__GetRecordsResult *from,
                           ward_record_result *to, ward_error *error)
{
    ward_record_value *values = WARD_ARENA_ARRAY(arena, ward_record_value, from->n_fields);
    const ward_record_value **pointers =
        WARD_ARENA_ARRAY(arena, const ward_record_value *, from->n_fields);
    if (values == NULL || pointers == NULL) {
        return ward_error_memory(error);
    }
    for (size_t i = 0; i < from->n_fields; i++) {
        const Ward__V1__RecordField *field = from->fields[i];
        values[i] = (ward_record_value){field->name, field->value.data, field->value.len};
        pointers[i] = &values[i];
    }
    to->values = pointers;
    to->n_values = from->n_fields;
    return WARD_RC_OK;
}

static ward_rc take_records(const Ward__V1__GetRecordsResponse *answer, struct records *records,
                            ward_error *error)
{
    WARD_CLIENT_TRY(check_count(records, answer->n_results, error));
    for (size_t i = 0; i < answer->n_results; i++) {
        const Ward__V1__GetRecordsResult *from = answer->results[i];
        ward_record_result *to = &records->results[i];
        to->code = ward_message_item_code(from->error, &to->message);
        to->version = from->version;
        to->json = from->json.data;
        to->json_size = from->json.len;
        WARD_CLIENT_TRY(take_values(records->arena, from, to, error));
    }
    return WARD_RC_OK;
}

ward_rc ward_get_records(ward_client *client, const ward_call *call, const ward_pair *context,
                         size_t n_context, const ward_get_request *requests, size_t n,
                         ward_records **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Records/GetRecords", true};
    ward_auto(free_records) struct records *records = NULL;
    WARD_CLIENT_TRY(new_records(n, &records, error));
    Ward__V1__GetRecordsRequest request = WARD__V1__GET_RECORDS_REQUEST__INIT;
    request.header = ward_message_header(records->arena, call);
    request.n_context = n_context;
    WARD_MESSAGE_CONTEXT(records->arena, Ward__V1__GetRecordsRequest__ContextEntry,
                         WARD__V1__GET_RECORDS_REQUEST__CONTEXT_ENTRY__INIT, context, n_context,
                         &request.context);
    if (request.context == NULL) {
        return ward_error_memory(error);
    }
    WARD_CLIENT_TRY(get_items(records->arena, requests, n, &request, error));
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__get_records_response__descriptor, records->arena,
                                     &message, error));
    WARD_CLIENT_TRY(take_records((const Ward__V1__GetRecordsResponse *)message, records, error));
    *ret = &WARD_TAKE(records)->view;
    return WARD_RC_OK;
}

ward_rc ward_get_record(ward_client *client, const ward_call *call, const ward_pair *context,
                        size_t n_context, const ward_get_request *request, ward_records **ret,
                        ward_error *error)
{
    ward_records *records = NULL;
    ward_rc rc = ward_get_records(client, call, context, n_context, request, 1, &records, error);
    return only_item(rc, &records, ret, error);
}
