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
#include "server/work/batch.h"
#include "server/work/worker.h"

struct generate_note {
    const struct ward_key *key;
    const struct ward_key_version *version;
    size_t first; /* the item's first KEK item in this request's slice */
};

static ward_status decide_item(struct ward_request *request, const struct ward_generate_item *item,
                               struct generate_note *note, size_t i, bool many)
{
    WARD_TRY(item->status);
    enum ward_action action = item->without_plaintext
                                  ? WARD_ACTION_DATA_KEY_GENERATE_WITHOUT_PLAINTEXT
                                  : WARD_ACTION_DATA_KEY_GENERATE;
    WARD_TRY(ward_op_ask_key(request, i, action, item->key, &item->context, many));
    return ward_op_find_wrapping(request->state, item->key, 0, &note->key, &note->version);
}

static size_t count_keys(const struct ward_generate *in)
{
    size_t total = 0;
    for (size_t i = 0; i < in->n; i++) {
        total += in->items[i].count;
    }
    return total;
}

/* The entry tells keys whose plaintext went out from those whose did not. */
static void tell_without_plaintext(struct ward_request *request, const struct ward_generate *in)
{
    size_t without = 0;
    for (size_t i = 0; i < in->n; i++) {
        without += in->items[i].without_plaintext;
    }
    if (without == in->n) {
        request->action = WARD_ACTION_DATA_KEY_GENERATE_WITHOUT_PLAINTEXT;
    } else if (without > 0) {
        ward_request_detail(request, "items_without_plaintext", (int64_t)without);
    }
}

static ward_status decide(struct ward_request *request)
{
    struct ward_generate *in = request->in;
    if (request->work == NULL) {
        request->work = WARD_ARENA_ARRAY(request->arena, struct generate_note, in->n);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    struct generate_note *notes = request->work;
    size_t total = count_keys(in);
    WARD_TRY(ward_op_items(request, in->items, sizeof(*in->items), in->n));
    tell_without_plaintext(request, in);
    for (size_t i = 0; i < in->n; i++) {
        struct ward_generate_item *item = &in->items[i];
        item->status = decide_item(request, item, &notes[i], i, total > 1);
        uint32_t version = ward_ok(item->status) ? notes[i].version->version : 0;
        if (item->key.size <= WARD_NAME_MAX && ward_name_valid(item->key)) {
            WARD_TRY(ward_op_key_object(request->arena, item->key, version,
                                        &request->leaf_items[i].object));
        }
        request->leaf_items[i].count = item->count == 0 ? 1 : item->count;
    }
    WARD_REQUIRE(total <= WARD_BATCH_ITEMS_MAX, "items: more than 1000 keys in one request");
    ward_op_settle(request, in->items, sizeof(*in->items), in->n);
    return ward_op_come_again(request);
}

/* The header, the context and room for the blob lie in one piece, so that nothing is copied later.
 */
static ward_status plan_item(struct ward_request *request, struct ward_worker *worker,
                             struct ward_generate_item *item, const struct generate_note *note)
{
    struct ward_wrapped_key header = {.use = WARD_USE_ISSUED,
                                      .algorithm = WARD_ALGORITHM_PKCS11_AES_GCM,
                                      .key_id = note->key->id,
                                      .version = note->version->version};
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
    struct generate_note *notes = request->work;
    for (size_t i = 0; i < in->n; i++) {
        notes[i].first = request->n_items;
        if (ward_ok(in->items[i].status)) {
            WARD_TRY(plan_item(request, worker, &in->items[i], &notes[i]));
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
    const struct generate_note *notes = request->work;
    for (size_t i = 0; i < in->n; i++) {
        if (ward_ok(in->items[i].status)) {
            finish_item(request, worker, &in->items[i], notes[i].first);
        }
    }
    WARD_TRY(ward_op_entry_contexts(request, &in->items[0].context, sizeof(*in->items), in->n,
                                    worker->crypto.digest));
    ward_op_settle(request, in->items, sizeof(*in->items), in->n);
    return WARD_OK;
}

/* An item's keys are of one version; those of an item that failed did not go out. */
static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct ward_generate *in = request->in;
    const struct generate_note *notes = request->work;
    for (size_t i = 0; i < in->n; i++) {
        if (ward_ok(in->items[i].status)) {
            WARD_TRY(ward_batch_use(batch, &notes[i].key->id, notes[i].version->version,
                                    in->items[i].count, 0, request->received_wall_us));
        }
    }
    return WARD_OK;
}

/* An item that is bad on its own asks for nothing, but somebody looked at it. */
static uint32_t cost(const struct ward_request *request)
{
    const struct ward_generate *in = request->in;
    uint32_t total = 0;
    for (size_t i = 0; i < in->n; i++) {
        total += ward_ok(in->items[i].status) ? in->items[i].count : 1;
    }
    return total;
}

const struct ward_op ward_op_generate = {
    .action = WARD_ACTION_DATA_KEY_GENERATE,
    .cost = cost,
    .decide = decide,
    .steps = {{.plan = plan, .finish = finish, .commit = commit}},
    .n_steps = 1,
};
