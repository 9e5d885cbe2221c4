/* SPDX-License-Identifier: Apache-2.0 */
/* GenerateDataKeys: random keys, wrapped under the active version of the KEK named, each wrap
 * proven to open before it is given out. Nothing is stored: Ward keeps no copy of an issued key. */
#include <openssl/crypto.h>

#include "base/random.h"
#include "policy/name.h"
#include "proto/wire_limits.h"
#include "proto/wrapped_key.h"
#include "server/audit/entry.h"
#include "server/op/data_key.h"
#include "server/op/messages.h"
#include "server/work/worker.h"

struct generate_notes {
    ward_status
        *decoded; /* each item's status as it was decoded: a second decision starts from it */
    const struct ward_key **keys;
    const struct ward_key_version **versions;
    size_t *first; /* the item's first KEK item in this request's slice */
};

static ward_status make_notes(struct ward_request *request, const struct ward_generate *in,
                              struct generate_notes **ret)
{
    if (request->work == NULL) {
        struct generate_notes *notes = WARD_ARENA_NEW(request->arena, struct generate_notes);
        WARD_ENSURE(notes != NULL, WARD_E_EXHAUSTED);
        notes->decoded = WARD_ARENA_ARRAY(request->arena, ward_status, in->n);
        notes->keys = WARD_ARENA_ARRAY(request->arena, const struct ward_key *, in->n);
        notes->versions = WARD_ARENA_ARRAY(request->arena, const struct ward_key_version *, in->n);
        notes->first = WARD_ARENA_ARRAY(request->arena, size_t, in->n);
        WARD_ENSURE(notes->decoded != NULL && notes->keys != NULL && notes->versions != NULL &&
                        notes->first != NULL,
                    WARD_E_EXHAUSTED);
        for (size_t i = 0; i < in->n; i++) {
            notes->decoded[i] = in->items[i].status;
        }
        request->work = notes;
    }
    *ret = request->work;
    return WARD_OK;
}

static ward_status decide_item(struct ward_request *request, const struct ward_generate_item *item,
                               struct generate_notes *notes, size_t i)
{
    WARD_TRY(notes->decoded[i]);
    struct ward_decision decision =
        ward_request_ask(request, WARD_ACTION_DATA_KEY_GENERATE, item->key, &item->context);
    request->leaf_items[i].rule = decision.rule;
    WARD_TRY(decision.status);
    notes->keys[i] = ward_state_key(request->state, item->key);
    if (notes->keys[i] == NULL) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "key: no such key");
    }
    if (notes->keys[i]->purpose != WARD_PURPOSE_DATA_KEYS) {
        return WARD_REFUSAL(WARD_E_STATE, "key: not for data keys");
    }
    return ward_state_wrapping_version(notes->keys[i], &notes->versions[i]);
}

static ward_status decide(struct ward_request *request)
{
    struct ward_generate *in = request->in;
    struct generate_notes *notes;
    WARD_TRY(make_notes(request, in, &notes));
    WARD_TRY(ward_entry_items(request, in->n));
    size_t total = 0;
    for (size_t i = 0; i < in->n; i++) {
        total += in->items[i].count;
        in->items[i].status = decide_item(request, &in->items[i], notes, i);
        uint32_t version = ward_ok(in->items[i].status) ? notes->versions[i]->version : 0;
        if (in->items[i].key.size <= WARD_NAME_MAX && ward_name_valid(in->items[i].key)) {
            WARD_TRY(ward_op_key_object(request->arena, in->items[i].key, version,
                                        &request->leaf_items[i].object));
        }
        request->leaf_items[i].count = in->items[i].count == 0 ? 1 : in->items[i].count;
    }
    WARD_REQUIRE(total <= WARD_BATCH_ITEMS_MAX, "items: more than 1000 keys in one request");
    ward_op_settle(request, in->items, sizeof(*in->items), in->n);
    return WARD_OK;
}

/* The header, the context and room for the blob lie in one piece, so that nothing is copied later.
 */
static ward_status plan_item(struct ward_request *request, struct ward_worker *worker,
                             struct ward_generate_item *item, const struct generate_notes *notes,
                             size_t i)
{
    struct ward_wrapped_key header = {.use = WARD_USE_ISSUED,
                                      .algorithm = WARD_ALGORITHM_PKCS11_AES_GCM,
                                      .key_id = notes->keys[i]->id,
                                      .version = notes->versions[i]->version};
    struct ward_bytes aad;
    WARD_TRY(ward_wrapped_key_aad(&header, &item->context, request->arena, &aad));
    item->keys = WARD_ARENA_ARRAY(request->arena, struct ward_data_key, item->count);
    WARD_ENSURE(item->keys != NULL, WARD_E_EXHAUSTED);
    for (uint32_t k = 0; k < item->count; k++) {
        uint8_t *plain = ward_arena_alloc(request->arena, item->size);
        uint8_t *wrapped = ward_arena_alloc(request->arena, WARD_WRAPPED_MAX);
        WARD_ENSURE(plain != NULL && wrapped != NULL, WARD_E_EXHAUSTED);
        WARD_TRY(ward_random_private(plain, item->size));
        ward_wrapped_key_header(&header, wrapped);
        item->keys[k] =
            (struct ward_data_key){WARD_BYTES(plain, item->size), WARD_BYTES(wrapped, 0)};
        struct ward_kek_item *kek;
        WARD_TRY(ward_worker_add(worker, request, &kek));
        kek->verb = WARD_KEK_WRAP;
        kek->proof = true;
        kek->key = (struct ward_kek_ref){header.key_id, header.version};
        kek->aad = aad;
        kek->in = item->keys[k].plaintext;
        kek->out = wrapped + WARD_WRAPPED_HEADER_SIZE;
    }
    return WARD_OK;
}

static ward_status plan(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_generate *in = request->in;
    struct generate_notes *notes = request->work;
    for (size_t i = 0; i < in->n; i++) {
        notes->first[i] = request->n_items;
        if (ward_ok(in->items[i].status)) {
            WARD_TRY(plan_item(request, worker, &in->items[i], notes, i));
        }
    }
    return WARD_OK;
}

static void finish_item(struct ward_request *request, struct ward_worker *worker,
                        struct ward_generate_item *item, size_t first)
{
    for (uint32_t k = 0; k < item->count; k++) {
        const struct ward_kek_item *kek = ward_worker_item(worker, request, first + k);
        if (!ward_ok(kek->status)) {
            item->status = ward_op_kek_status(kek->status);
            return;
        }
        item->keys[k].wrapped.size = WARD_WRAPPED_HEADER_SIZE + kek->out_size;
        if (item->without_plaintext) {
            OPENSSL_cleanse((void *)(uintptr_t)item->keys[k].plaintext.data, item->size);
            item->keys[k].plaintext = (struct ward_bytes){0};
        }
    }
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_generate *in = request->in;
    struct generate_notes *notes = request->work;
    const struct ward_context **contexts =
        WARD_ARENA_ARRAY(request->arena, const struct ward_context *, in->n);
    WARD_ENSURE(contexts != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < in->n; i++) {
        contexts[i] = &in->items[i].context;
        if (ward_ok(in->items[i].status)) {
            finish_item(request, worker, &in->items[i], notes->first[i]);
        }
    }
    WARD_TRY(ward_op_entry_contexts(request, contexts, in->n, worker->crypto.digest));
    ward_op_settle(request, in->items, sizeof(*in->items), in->n);
    return WARD_OK;
}

const struct ward_op ward_op_generate = {
    .action = WARD_ACTION_DATA_KEY_GENERATE,
    .decide = decide,
    .steps = {{.plan = plan, .finish = finish}},
    .n_steps = 1,
};
