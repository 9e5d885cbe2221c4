/* SPDX-License-Identifier: Apache-2.0 */
/* Turns a request into the bodies of its audit leaves. Only typed members go in: names, ids, enums,
 * numbers and digests; never a value of the request's content. */
#include "server/audit/entry.h"

#include "proto/grpc.h"
#include "proto/wire_limits.h"
#include "server/limits.h"
#include "server/op/op.h"

#define ITEMS_HOSTILE 8
#define SPARE_MAX (16u << 20)

static const char *outcome_of(ward_status status, bool refused)
{
    if (ward_ok(status)) {
        return "allowed";
    }
    return refused || status.code == WARD_E_DENIED || status.code == WARD_E_INVALID ? "refused"
                                                                                    : "failed";
}

static const char *code_of(ward_status status)
{
    return ward_ok(status) ? NULL : ward_grpc_code_name(ward_grpc_code_of(status));
}

ward_status ward_entry_items(struct ward_request *request, size_t n)
{
    request->leaf_items = WARD_ARENA_ARRAY(request->arena, struct ward_leaf_item, n);
    request->item_actions = WARD_ARENA_ARRAY(request->arena, enum ward_action, n);
    WARD_ENSURE(request->leaf_items != NULL && request->item_actions != NULL, WARD_E_EXHAUSTED);
    request->n_leaf_items = n;
    for (size_t i = 0; i < n; i++) {
        request->leaf_items[i].count = 1;
        request->leaf_items[i].outcome = "allowed";
        request->item_actions[i] = request->action;
    }
    return WARD_OK;
}

void ward_entry_settle(struct ward_request *request, size_t i, ward_status status, const char *rule)
{
    request->leaf_items[i].outcome = outcome_of(status, false);
    request->leaf_items[i].code = code_of(status);
    if (rule != NULL) {
        request->leaf_items[i].rule = rule;
    }
}

/* A request that has spent its own memory is told all the same. */
static struct ward_arena *memory_of(const struct ward_request *request)
{
    return request->spare != NULL ? request->spare : request->arena;
}

/* A context value goes in clear only where policy lists its key as public and the request was
 * allowed: what was refused may be anything, PHI in the place of a purpose too. Else as a keyed
 * hash. */
static ward_status describe_context(struct ward_request *request, struct ward_digest *digest,
                                    struct ward_leaf *leaf)
{
    const struct ward_context *context = request->context;
    bool allowed = ward_ok(request->status) && ward_ok(request->told);
    if (context == NULL || context->n == 0 || request->state == NULL) {
        return WARD_OK;
    }
    struct ward_leaf_context *pairs =
        WARD_ARENA_ARRAY(memory_of(request), struct ward_leaf_context, context->n);
    WARD_ENSURE(pairs != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < context->n; i++) {
        pairs[i].key = context->pairs[i].key;
        if (allowed && ward_policy_context_public(request->state->policy, pairs[i].key)) {
            pairs[i].value = context->pairs[i].value;
            continue;
        }
        uint8_t *hash = ward_arena_alloc(memory_of(request), WARD_SHA256_SIZE);
        WARD_ENSURE(hash != NULL, WARD_E_EXHAUSTED);
        const struct ward_bytes parts[] = {context->pairs[i].key, WARD_BYTES_LITERAL("\0"),
                                           context->pairs[i].value};
        WARD_TRY(ward_hmac_sha256(digest, ward_secret_view(request->state->index->context), parts,
                                  3, hash));
        pairs[i].hash = hash;
    }
    leaf->context = pairs;
    leaf->n_context = context->n;
    return WARD_OK;
}

static ward_status describe_reason(struct ward_request *request, struct ward_digest *digest,
                                   struct ward_leaf *leaf)
{
    if (request->reason.size == 0) {
        return WARD_OK;
    }
    uint8_t *hash = ward_arena_alloc(memory_of(request), WARD_SHA256_SIZE);
    WARD_ENSURE(hash != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_sha256(digest, &request->reason, 1, hash));
    leaf->reason = hash;
    return WARD_OK;
}

static ward_status describe_common(struct ward_request *request, struct ward_digest *digest,
                                   struct ward_leaf *leaf)
{
    ward_status told = ward_ok(request->status) ? request->told : request->status;
    *leaf = (struct ward_leaf){
        .request_id = request->request_id,
        .identity = WARD_BYTES_LITERAL("system"),
        .end_user = request->on_behalf_of,
        .action = ward_action_name(request->action),
        .object = request->object,
        .outcome = outcome_of(told, request->refused),
        .code = code_of(told),
        .rule = request->rule,
    };
    if (request->peer != NULL) {
        leaf->identity = ward_bytes_str(request->peer->identity);
        leaf->certificate = request->peer->certificate_hash;
        leaf->address = ward_bytes_str(request->peer->address);
    }
    if (request->state != NULL) {
        leaf->policy = ward_policy_hash(request->state->policy);
        leaf->epoch = request->state->epoch;
    }
    WARD_TRY(describe_reason(request, digest, leaf));
    return describe_context(request, digest, leaf);
}

static ward_status add_body(struct ward_request *request, const struct ward_leaf *leaf)
{
    struct ward_buffer buffer;
    ward_buffer_init(&buffer, WARD_LEAF_MAX - 256); /* the prefix still comes before it */
    ward_leaf_body(leaf, &buffer);
    ward_status status = buffer.failed ? WARD_STATUS(WARD_E_EXHAUSTED) : WARD_OK;
    if (ward_ok(status)) {
        status = ward_arena_copy(memory_of(request), ward_buffer_view(&buffer),
                                 &request->leaf_bodies[request->n_leaf_bodies]);
    }
    ward_buffer_fini(&buffer);
    if (ward_ok(status)) {
        request->n_leaf_bodies++;
    }
    return status;
}

/* `chunk` items a leaf. Every part repeats the request, so that each stands for itself. more: one
 * detail besides the request's own, unless it has no name. */
static ward_status add_parts(struct ward_request *request, const struct ward_leaf *common,
                             size_t chunk, const struct ward_leaf_pair *more)
{
    size_t parts = request->n_leaf_items == 0 ? 1 : (request->n_leaf_items + chunk - 1) / chunk;
    request->n_leaf_bodies = 0;
    request->leaf_bodies = WARD_ARENA_ARRAY(memory_of(request), struct ward_bytes, parts);
    WARD_ENSURE(request->leaf_bodies != NULL, WARD_E_EXHAUSTED);
    for (size_t part = 0; part < parts; part++) {
        struct ward_leaf_pair detail[sizeof(request->detail) / sizeof(request->detail[0]) + 3];
        struct ward_leaf leaf = *common;
        memcpy(detail, request->detail, request->n_detail * sizeof(detail[0]));
        leaf.detail = detail;
        leaf.n_detail = request->n_detail;
        if (more->name != NULL) {
            detail[leaf.n_detail++] = *more;
        }
        if (parts > 1) {
            detail[leaf.n_detail++] =
                (struct ward_leaf_pair){.name = "part", .number = (int64_t)part + 1};
            detail[leaf.n_detail++] =
                (struct ward_leaf_pair){.name = "parts", .number = (int64_t)parts};
        }
        size_t left = request->n_leaf_items - part * chunk;
        leaf.items = request->leaf_items + part * chunk;
        leaf.n_items = left < chunk ? left : chunk;
        WARD_TRY(add_body(request, &leaf));
    }
    return WARD_OK;
}

/* What is not given out was not allowed, whatever was settled before. */
static void settle_failed(struct ward_request *request)
{
    for (size_t i = 0; i < request->n_leaf_items; i++) {
        if (request->leaf_items[i].code == NULL) {
            request->leaf_items[i].outcome = outcome_of(request->status, request->refused);
            request->leaf_items[i].code = code_of(request->status);
        }
    }
}

/* Instead of a context that is too large to be told: one keyed hash of all of it. */
static ward_status digest_context(struct ward_request *request, struct ward_digest *digest,
                                  struct ward_leaf *leaf, struct ward_leaf_pair *ret)
{
    *ret = (struct ward_leaf_pair){0};
    if (leaf->n_context == 0) {
        return WARD_OK;
    }
    uint8_t hash[WARD_SHA256_SIZE];
    char *hex = ward_arena_alloc(memory_of(request), 2 * sizeof(hash) + 1);
    WARD_ENSURE(hex != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_hmac_sha256(digest, ward_secret_view(request->state->index->context),
                              &request->context->canonical, 1, hash));
    ward_hex_encode(WARD_BYTES_ARRAY(hash), hex);
    *ret = (struct ward_leaf_pair){.name = "context_digest", .text = ward_bytes_str(hex)};
    leaf->n_context = 0;
    return WARD_OK;
}

static ward_status describe(struct ward_request *request, struct ward_digest *digest)
{
    struct ward_leaf leaf;
    WARD_TRY(describe_common(request, digest, &leaf));
    struct ward_leaf_pair context = {0};
    if (ward_ok(add_parts(request, &leaf, WARD_LEAF_ITEMS_MAX, &context))) {
        return WARD_OK;
    }
    /* Hostile names can grow sixfold when escaped: fewer to a leaf, and the context as a digest. */
    WARD_TRY(digest_context(request, digest, &leaf, &context));
    return add_parts(request, &leaf, ITEMS_HOSTILE, &context);
}

void ward_entry_describe(struct ward_request *request, struct ward_digest *digest)
{
    if (request->op != NULL && request->op->silent) {
        return;
    }
    if (!ward_ok(request->status)) {
        settle_failed(request);
    }
    ward_status status = describe(request, digest);
    if (!ward_ok(status) && request->spare == NULL &&
        ward_ok(ward_arena_new(SPARE_MAX, &request->spare))) {
        status = describe(request, digest);
    }
    if (!ward_ok(status)) {
        request->n_leaf_bodies = 0;
        request->status = status;
    }
}
