/* SPDX-License-Identifier: Apache-2.0 */
/* ward.v1.Keys. A guarded operation answers with a key or with the proposal that now waits. */
#include "server/rpc/fields.h"
#include "server/rpc/method.h"
#include "server/rpc/replay_digest.h"

#define ROTATION_DAYS_DEFAULT 365
#define ROTATION_DAYS_MAX 36500

/* ---- create, rotate ---- */

ward_status ward_key_create_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__CreateKeyRequest *from = (const void *)message;
    WARD_TRY(ward_replay_header(request, from->header, message));
    struct ward_key_create *in = WARD_ARENA_NEW(request->arena, struct ward_key_create);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    in->name = ward_bytes_str(from->name);
    WARD_REQUIRE_TEXT(in->name, "name", 128);
    WARD_REQUIRE(from->purpose == WARD__V1__KEY_PURPOSE__KEY_PURPOSE_DATA_KEYS ||
                     from->purpose == WARD__V1__KEY_PURPOSE__KEY_PURPOSE_RECORDS,
                 "purpose: not data keys or records");
    in->purpose = (uint8_t)from->purpose;
    WARD_REQUIRE(from->rotation_period_days <= ROTATION_DAYS_MAX,
                 "rotation_period_days: more than 36500");
    in->rotation_period_days =
        from->rotation_period_days == 0 ? ROTATION_DAYS_DEFAULT : from->rotation_period_days;
    request->in = in;
    return WARD_OK;
}

ward_status ward_key_rotate_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__RotateKeyRequest *from = (const void *)message;
    WARD_TRY(ward_replay_header(request, from->header, message));
    struct ward_key_rotate *in = WARD_ARENA_NEW(request->arena, struct ward_key_rotate);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    in->name = ward_bytes_str(from->name);
    WARD_REQUIRE_TEXT(in->name, "name", 128);
    request->in = in;
    return WARD_OK;
}

static ward_status outcome(struct ward_request *request, Ward__V1__Key **ret_key,
                           Ward__V1__Proposal **ret_proposal)
{
    const struct ward_key_outcome *out = request->out;
    WARD_ENSURE(out != NULL && (out->key != NULL) != (out->proposal != NULL), WARD_E_INTERNAL);
    return out->key != NULL ? ward_fields_key(request->arena, out->key, ret_key)
                            : ward_fields_proposal(request->arena, out->proposal, ret_proposal);
}

ward_status ward_key_create_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    Ward__V1__CreateKeyResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__CreateKeyResponse);
    WARD_ENSURE(response != NULL, WARD_E_EXHAUSTED);
    ward__v1__create_key_response__init(response);
    Ward__V1__Key *key = NULL;
    Ward__V1__Proposal *proposal = NULL;
    WARD_TRY(outcome(request, &key, &proposal));
    if (key != NULL) {
        response->outcome_case = WARD__V1__CREATE_KEY_RESPONSE__OUTCOME_KEY;
        response->key = key;
    } else {
        response->outcome_case = WARD__V1__CREATE_KEY_RESPONSE__OUTCOME_PROPOSAL;
        response->proposal = proposal;
    }
    *ret = &response->base;
    return WARD_OK;
}

ward_status ward_key_rotate_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    Ward__V1__RotateKeyResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__RotateKeyResponse);
    WARD_ENSURE(response != NULL, WARD_E_EXHAUSTED);
    ward__v1__rotate_key_response__init(response);
    Ward__V1__Key *key = NULL;
    Ward__V1__Proposal *proposal = NULL;
    WARD_TRY(outcome(request, &key, &proposal));
    if (key != NULL) {
        response->outcome_case = WARD__V1__ROTATE_KEY_RESPONSE__OUTCOME_KEY;
        response->key = key;
    } else {
        response->outcome_case = WARD__V1__ROTATE_KEY_RESPONSE__OUTCOME_PROPOSAL;
        response->proposal = proposal;
    }
    *ret = &response->base;
    return WARD_OK;
}

/* ---- describe, list ---- */

ward_status ward_key_describe_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__DescribeKeyRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    struct ward_key_describe *in = WARD_ARENA_NEW(request->arena, struct ward_key_describe);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    in->name = ward_bytes_str(from->name);
    WARD_REQUIRE_TEXT(in->name, "name", 128);
    request->in = in;
    return WARD_OK;
}

ward_status ward_key_describe_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_key_describe *in = request->in;
    Ward__V1__DescribeKeyResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__DescribeKeyResponse);
    WARD_ENSURE(response != NULL, WARD_E_EXHAUSTED);
    ward__v1__describe_key_response__init(response);
    *ret = &response->base;
    WARD_TRY(ward_fields_job(request->arena, &in->rewrap, &response->rewrap));
    WARD_TRY(ward_fields_job(request->arena, &in->rekey, &response->rekey));
    return ward_fields_key(request->arena, &in->key, &response->key);
}

ward_status ward_key_list_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__ListKeysRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    struct ward_key_list *in = WARD_ARENA_NEW(request->arena, struct ward_key_list);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    request->in = in;
    return ward_fields_page(from->page_size, from->page_token, &in->page_size, &in->page_token);
}

ward_status ward_key_list_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_key_list *in = request->in;
    Ward__V1__ListKeysResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__ListKeysResponse);
    Ward__V1__Key **keys = WARD_ARENA_ARRAY(request->arena, Ward__V1__Key *, in->n);
    WARD_ENSURE(response != NULL && keys != NULL, WARD_E_EXHAUSTED);
    ward__v1__list_keys_response__init(response);
    for (size_t i = 0; i < in->n; i++) {
        WARD_TRY(ward_fields_key(request->arena, &in->keys[i], &keys[i]));
    }
    response->keys = keys;
    response->n_keys = in->n;
    *ret = &response->base;
    return ward_fields_text(request->arena, in->next_page_token, &response->next_page_token);
}
