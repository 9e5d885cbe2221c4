/* SPDX-License-Identifier: Apache-2.0 */
/* The Keys service: key-encryption keys by name, never their bytes. */
#include "client/client.h"
#include "client/key_job_view.h"
#include "client/proposal_view.h"
#include "ward/v1/keys.pb-c.h"

#include <string.h>

struct keys {
    ward_keys view; /* first: what the caller holds */
    struct ward_arena *arena;
};

void ward_keys_free(ward_keys *keys)
{
    if (keys != NULL) {
        ward_arena_free(((struct keys *)keys)->arena); /* keys lies in it */
    }
}

static void free_keys(struct keys **keys)
{
    if (*keys != NULL) {
        ward_keys_free(&(*keys)->view);
    }
}

static ward_rc new_keys(struct keys **ret, ward_error *error)
{
    struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    struct keys *keys = WARD_ARENA_NEW(arena, struct keys);
    if (keys == NULL) {
        ward_arena_free(arena);
        return ward_error_memory(error);
    }
    keys->arena = arena;
    keys->view.next_page = "";
    *ret = keys;
    return WARD_RC_OK;
}

static const char *purpose_name(Ward__V1__KeyPurpose purpose)
{
    switch (purpose) {
    case WARD__V1__KEY_PURPOSE__KEY_PURPOSE_DATA_KEYS:
        return "data-keys";
    case WARD__V1__KEY_PURPOSE__KEY_PURPOSE_RECORDS:
        return "records";
    case WARD__V1__KEY_PURPOSE__KEY_PURPOSE_SYSTEM:
        return "system";
    default: /* proto3 lets unknown numbers through */
        return "unknown";
    }
}

static ward_key_info *view_key(struct ward_arena *arena, const Ward__V1__Key *key)
{
    size_t n = key->n_versions;
    ward_key_info *info = WARD_ARENA_NEW(arena, ward_key_info);
    ward_key_version_info *versions = WARD_ARENA_ARRAY(arena, ward_key_version_info, n);
    const ward_key_version_info **pointers =
        WARD_ARENA_ARRAY(arena, const ward_key_version_info *, n);
    if (info == NULL || versions == NULL || pointers == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        const Ward__V1__KeyVersion *version = key->versions[i];
        versions[i] = (ward_key_version_info){version->version, version->state,   version->created,
                                              version->rows,    version->changed, version->prior,
                                              version->due};
        pointers[i] = &versions[i];
    }
    *info = (ward_key_info){
        .name = key->name,
        .id = key->id,
        .purpose = purpose_name(key->purpose),
        .enabled = key->enabled,
        .backend = key->backend,
        .created = key->created,
        .rotation_period_days = key->rotation_period_days,
        .versions = pointers,
        .n_versions = n,
    };
    return info;
}

static ward_rc take_keys(Ward__V1__Key *const *from, size_t n, struct keys *keys, ward_error *error)
{
    const ward_key_info **items = WARD_ARENA_ARRAY(keys->arena, const ward_key_info *, n);
    if (items == NULL) {
        return ward_error_memory(error);
    }
    for (size_t i = 0; i < n; i++) {
        items[i] = view_key(keys->arena, from[i]);
        if (items[i] == NULL) {
            return ward_error_memory(error);
        }
    }
    keys->view.items = items;
    keys->view.n = n;
    return WARD_RC_OK;
}

/* One of the two, as create and rotate answer. */
static ward_rc take_outcome(Ward__V1__Key *key, const Ward__V1__Proposal *proposal,
                            struct keys *keys, ward_error *error)
{
    if (proposal != NULL) {
        keys->view.proposal = ward_proposal_view(keys->arena, proposal);
        return keys->view.proposal == NULL ? ward_error_memory(error) : WARD_RC_OK;
    }
    if (key == NULL) {
        return ward_error_set(error, WARD_RC_INTERNAL, "the daemon's answer holds no key");
    }
    return take_keys(&key, 1, keys, error);
}

ward_rc ward_create_key(ward_client *client, const ward_call *call, const char *name,
                        const char *purpose, uint32_t rotation_period_days, ward_keys **ret,
                        ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Keys/CreateKey", false};
    Ward__V1__CreateKeyRequest request = WARD__V1__CREATE_KEY_REQUEST__INIT;
    if (purpose != NULL && strcmp(purpose, "data-keys") == 0) {
        request.purpose = WARD__V1__KEY_PURPOSE__KEY_PURPOSE_DATA_KEYS;
    } else if (purpose != NULL && strcmp(purpose, "records") == 0) {
        request.purpose = WARD__V1__KEY_PURPOSE__KEY_PURPOSE_RECORDS;
    } else {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT,
                              "purpose: neither data-keys nor records");
    }
    ward_auto(free_keys) struct keys *keys = NULL;
    WARD_CLIENT_TRY(new_keys(&keys, error));
    request.header = ward_message_header(keys->arena, call);
    request.name = ward_message_text(name);
    request.rotation_period_days = rotation_period_days;
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__create_key_response__descriptor, keys->arena,
                                     &message, error));
    const Ward__V1__CreateKeyResponse *answer = (const Ward__V1__CreateKeyResponse *)message;
    bool proposed = answer->outcome_case == WARD__V1__CREATE_KEY_RESPONSE__OUTCOME_PROPOSAL;
    bool created = answer->outcome_case == WARD__V1__CREATE_KEY_RESPONSE__OUTCOME_KEY;
    WARD_CLIENT_TRY(take_outcome(created ? answer->key : NULL, proposed ? answer->proposal : NULL,
                                 keys, error));
    *ret = &WARD_TAKE(keys)->view;
    return WARD_RC_OK;
}

ward_rc ward_rotate_key(ward_client *client, const ward_call *call, const char *name,
                        ward_keys **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Keys/RotateKey", false};
    ward_auto(free_keys) struct keys *keys = NULL;
    WARD_CLIENT_TRY(new_keys(&keys, error));
    Ward__V1__RotateKeyRequest request = WARD__V1__ROTATE_KEY_REQUEST__INIT;
    request.header = ward_message_header(keys->arena, call);
    request.name = ward_message_text(name);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__rotate_key_response__descriptor, keys->arena,
                                     &message, error));
    const Ward__V1__RotateKeyResponse *answer = (const Ward__V1__RotateKeyResponse *)message;
    bool proposed = answer->outcome_case == WARD__V1__ROTATE_KEY_RESPONSE__OUTCOME_PROPOSAL;
    bool rotated = answer->outcome_case == WARD__V1__ROTATE_KEY_RESPONSE__OUTCOME_KEY;
    WARD_CLIENT_TRY(take_outcome(rotated ? answer->key : NULL, proposed ? answer->proposal : NULL,
                                 keys, error));
    *ret = &WARD_TAKE(keys)->view;
    return WARD_RC_OK;
}

ward_rc ward_describe_key(ward_client *client, const ward_call *call, const char *name,
                          ward_keys **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Keys/DescribeKey", true};
    ward_auto(free_keys) struct keys *keys = NULL;
    WARD_CLIENT_TRY(new_keys(&keys, error));
    Ward__V1__DescribeKeyRequest request = WARD__V1__DESCRIBE_KEY_REQUEST__INIT;
    request.header = ward_message_header(keys->arena, call);
    request.name = ward_message_text(name);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__describe_key_response__descriptor, keys->arena,
                                     &message, error));
    const Ward__V1__DescribeKeyResponse *answer = (const Ward__V1__DescribeKeyResponse *)message;
    WARD_CLIENT_TRY(take_outcome(answer->key, NULL, keys, error));
    ward_key_job *jobs = WARD_ARENA_ARRAY(keys->arena, ward_key_job, 2);
    if (jobs == NULL) {
        return ward_error_memory(error);
    }
    jobs[0] = ward_key_job_view(answer->rewrap);
    jobs[1] = ward_key_job_view(answer->rekey);
    keys->view.rewrap = &jobs[0];
    keys->view.rekey = &jobs[1];
    *ret = &WARD_TAKE(keys)->view;
    return WARD_RC_OK;
}

ward_rc ward_list_keys(ward_client *client, const ward_call *call, uint32_t page_size,
                       const char *page, ward_keys **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Keys/ListKeys", true};
    ward_auto(free_keys) struct keys *keys = NULL;
    WARD_CLIENT_TRY(new_keys(&keys, error));
    Ward__V1__ListKeysRequest request = WARD__V1__LIST_KEYS_REQUEST__INIT;
    request.header = ward_message_header(keys->arena, call);
    request.page_size = page_size;
    request.page_token = ward_message_text(page);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__list_keys_response__descriptor, keys->arena,
                                     &message, error));
    const Ward__V1__ListKeysResponse *answer = (const Ward__V1__ListKeysResponse *)message;
    WARD_CLIENT_TRY(take_keys(answer->keys, answer->n_keys, keys, error));
    keys->view.next_page = answer->next_page_token;
    *ret = &WARD_TAKE(keys)->view;
    return WARD_RC_OK;
}
