/* SPDX-License-Identifier: Apache-2.0 */
/* Begins and settles the items of the operations that have many. No HSM call and no row is made
 * here. */
#include "server/op/data_key.h"

#include <stdio.h>

#include "proto/wire_limits.h"
#include "server/audit/entry.h"
#include "server/op/emergency.h"
#include "server/state.h"
#include "server/work/worker.h"

ward_status ward_op_items(struct ward_request *request, void *items, size_t stride, size_t n)
{
    bool first = request->decoded == NULL;
    if (first) {
        request->decoded = WARD_ARENA_ARRAY(request->arena, ward_status, n);
        WARD_ENSURE(request->decoded != NULL, WARD_E_EXHAUSTED);
    }
    for (size_t i = 0; i < n; i++) {
        ward_status *status = (ward_status *)(void *)((char *)items + i * stride);
        if (first) {
            request->decoded[i] = *status;
        } else {
            *status = request->decoded[i];
        }
    }
    return ward_entry_items(request, n);
}

static struct ward_bytes context_value(const struct ward_context *context, struct ward_bytes key)
{
    for (size_t i = 0; i < context->n; i++) {
        if (ward_bytes_eq(context->pairs[i].key, key)) {
            return context->pairs[i].value;
        }
    }
    return (struct ward_bytes){0};
}

static struct ward_emergency_place place_of(const struct ward_context *context)
{
    return (struct ward_emergency_place){
        .subject = context_value(context, WARD_BYTES_LITERAL("subject")),
        .collection = context_value(context, WARD_BYTES_LITERAL("collection"))};
}

bool ward_op_opens_in_emergency(const struct ward_request *request,
                                const struct ward_context *context)
{
    const struct ward_emergency_place place = place_of(context);
    return ward_emergency_covers(request, context, &place);
}

/* To open a key that is bound to a subject may be an emergency; to make or move one never is. A
 * context that names no collection stands for any: which keys may be opened policy's rule says. */
static struct ward_decision ask(struct ward_request *request, enum ward_action action,
                                struct ward_bytes key, const struct ward_context *context)
{
    struct ward_emergency_place place = {0};
    if (action == WARD_ACTION_DATA_KEY_UNWRAP) {
        place = place_of(context);
    }
    return ward_emergency_ask(request, action, key, context, &(struct ward_asked_fields){0},
                              &place);
}

ward_status ward_op_ask_key(struct ward_request *request, size_t i, enum ward_action action,
                            struct ward_bytes key, const struct ward_context *context, bool many)
{
    struct ward_decision decision = ask(request, action, key, context);
    request->leaf_items[i].rule = decision.rule;
    WARD_TRY(decision.status);
    if (!many) {
        return WARD_OK;
    }
    struct ward_decision batch =
        ward_request_ask(request, WARD_ACTION_DATA_KEY_BATCH, key, context);
    if (!batch.allowed) {
        request->leaf_items[i].rule = batch.rule;
        request->item_actions[i] = WARD_ACTION_DATA_KEY_BATCH;
        return WARD_REFUSAL(WARD_E_DENIED, "policy: more than one key in a request is not allowed");
    }
    return WARD_OK;
}

ward_status ward_op_find_issued(struct ward_request *request, size_t i,
                                const struct ward_op_issued *issued,
                                struct ward_wrapped_key *ret_parsed, struct ward_bytes *ret_name,
                                const struct ward_key_version **ret_version)
{
    WARD_TRY(ward_wrapped_key_parse(issued->wrapped, ret_parsed));
    WARD_ENSURE(ret_parsed->use == WARD_USE_ISSUED, WARD_E_CIPHERTEXT);
    const struct ward_key *key = ward_state_key_by_id(request->state, &ret_parsed->key_id);
    WARD_ENSURE(key != NULL, WARD_E_CIPHERTEXT);
    WARD_TRY(ward_op_key_object(request->arena, key->name, ret_parsed->version,
                                &request->leaf_items[i].object));
    WARD_TRY(ward_op_ask_key(request, i, issued->action, key->name, issued->context, issued->many));
    *ret_version = ward_key_version_find(key, ret_parsed->version);
    WARD_ENSURE(*ret_version != NULL, WARD_E_CIPHERTEXT);
    if (!key->enabled) {
        return WARD_REFUSAL(WARD_E_STATE, "key: disabled");
    }
    *ret_name = key->name;
    return WARD_OK;
}

/* Any KEK for data keys will do. */
static bool decoy_of(const struct ward_state *state, struct ward_kek_ref *ret)
{
    for (size_t i = 0; i < state->n_keys; i++) {
        const struct ward_key *key = &state->keys[i];
        if (key->purpose == WARD_PURPOSE_DATA_KEYS && key->active != NULL) {
            *ret = (struct ward_kek_ref){key->id, key->active->version};
            return true;
        }
    }
    return false;
}

ward_status ward_op_plan_decoy(struct ward_request *request, struct ward_worker *worker,
                               const struct ward_wrapped_key *parsed,
                               const struct ward_context *context)
{
    struct ward_kek_ref decoy;
    if (parsed->blob.size == 0 || !decoy_of(request->state, &decoy)) {
        return WARD_OK; /* it did not parse */
    }
    struct ward_kek_item *kek;
    WARD_TRY(ward_worker_add(worker, request, &kek));
    kek->verb = WARD_KEK_UNWRAP;
    kek->key = decoy;
    WARD_TRY(ward_wrapped_key_aad(parsed, context, request->arena, &kek->aad));
    kek->in = parsed->blob;
    kek->out = ward_arena_alloc(request->arena, WARD_KEK_PLAIN_MAX);
    WARD_ENSURE(kek->out != NULL, WARD_E_EXHAUSTED);
    return WARD_OK;
}

ward_status ward_op_find_wrapping(const struct ward_state *state, struct ward_bytes name,
                                  uint32_t version, const struct ward_key **ret,
                                  const struct ward_key_version **ret_version)
{
    const struct ward_key *key = ward_state_key(state, name);
    if (key == NULL) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "key: no such key");
    }
    if (key->purpose != WARD_PURPOSE_DATA_KEYS) {
        return WARD_REFUSAL(WARD_E_STATE, "key: not for data keys");
    }
    WARD_TRY(ward_state_wrapping_version(key, ret_version));
    if (version != 0) {
        *ret_version = ward_key_version_find(key, version);
        if (*ret_version == NULL) {
            return WARD_REFUSAL(WARD_E_NOT_FOUND, "version: no such version of this key");
        }
        WARD_TRY(ward_key_state_check((*ret_version)->state, WARD_KEY_WRAP));
    }
    *ret = key;
    return WARD_OK;
}

static ward_status status_of(const void *items, size_t stride, size_t i)
{
    ward_status status;
    memcpy(&status, (const char *)items + i * stride, sizeof(status));
    return status;
}

static bool alike(ward_status a, ward_status b)
{
    return a.code == b.code && ward_status_refusal(a) == ward_status_refusal(b);
}

void ward_op_settle(struct ward_request *request, const void *items, size_t stride, size_t n)
{
    request->told = n == 0 ? WARD_OK : status_of(items, stride, 0);
    for (size_t i = 0; i < n; i++) {
        ward_status status = status_of(items, stride, i);
        ward_entry_settle(request, i, status, NULL);
        if (!alike(status, request->told)) {
            request->told = WARD_OK;
        }
    }
}

ward_status ward_op_come_again(const struct ward_request *request)
{
    return request->told.code == WARD_E_UNAVAILABLE ? request->told : WARD_OK;
}

ward_status ward_op_kek_status(ward_status status)
{
    return status.code == WARD_E_NOT_FOUND ? WARD_STATUS(WARD_E_UNAVAILABLE) : status;
}

ward_status ward_op_key_object(struct ward_arena *arena, struct ward_bytes name, uint32_t version,
                               struct ward_bytes *ret)
{
    char *text = ward_arena_alloc(arena, name.size + 16);
    WARD_ENSURE(text != NULL, WARD_E_EXHAUSTED);
    memcpy(text, "key:", 4);
    memcpy(text + 4, name.data, name.size);
    size_t size = 4 + name.size;
    if (version != 0) {
        char digits[12];
        int n = snprintf(digits, sizeof(digits), "#%u", version);
        memcpy(text + size, digits, (size_t)n);
        size += (size_t)n;
    }
    *ret = WARD_BYTES(text, size);
    return WARD_OK;
}

ward_status ward_op_context_digest(struct ward_request *request, const struct ward_bytes *canonical,
                                   size_t n, struct ward_digest *digest, struct ward_bytes *ret)
{
    uint8_t *hash = ward_arena_alloc(request->arena, WARD_SHA256_SIZE);
    WARD_ENSURE(hash != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_hmac_sha256(digest, ward_secret_view(request->state->index->context), canonical,
                              n, hash));
    *ret = WARD_BYTES(hash, WARD_SHA256_SIZE);
    return WARD_OK;
}

static const struct ward_context *context_of(const struct ward_context *first, size_t stride,
                                             size_t i)
{
    return (const struct ward_context *)(const void *)((const char *)first + i * stride);
}

ward_status ward_op_entry_contexts(struct ward_request *request, const struct ward_context *first,
                                   size_t stride, size_t n, struct ward_digest *digest)
{
    bool same = true;
    for (size_t i = 1; i < n && same; i++) {
        same = ward_bytes_eq(context_of(first, stride, i)->canonical, first->canonical);
    }
    if (same) {
        request->context = n == 0 ? NULL : first;
        return WARD_OK;
    }
    for (size_t i = 0; i < n; i++) {
        WARD_TRY(ward_op_context_digest(request, &context_of(first, stride, i)->canonical, 1,
                                        digest, &request->leaf_items[i].digest));
    }
    return WARD_OK;
}
