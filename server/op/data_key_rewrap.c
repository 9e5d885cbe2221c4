/* SPDX-License-Identifier: Apache-2.0 */
/* RewrapDataKeys: moves keys that Ward issued to another version, KEK or context. Each goes from
 * wrapped to wrapped inside the HSM's process, proven to open there; no plaintext key is ever in
 * this one. */
#include "proto/wire_limits.h"
#include "proto/wrapped_key.h"
#include "server/audit/entry.h"
#include "server/op/data_key.h"
#include "server/op/messages.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

struct rewrap_note {
    struct ward_wrapped_key from, to; /* of `to` the header alone */
    size_t first;
};

/* Data must be able to leave a key that wraps no more, or that leaked: more states than for
 * unwrapping may do. */
static ward_status decide_source(struct ward_request *request,
                                 struct ward_data_key_rewrap_item *item, struct rewrap_note *note,
                                 size_t i, bool many)
{
    WARD_TRY(item->status);
    const struct ward_key_version *version;
    const struct ward_op_issued issued = {WARD_ACTION_DATA_KEY_REWRAP, item->wrapped,
                                          &item->context, many};
    WARD_TRY(ward_op_find_issued(request, i, &issued, &note->from, &item->key, &version));
    return ward_key_state_check(version->state, WARD_KEY_REWRAP);
}

/* The item's name in the entry, once it is known where it shall go: "key:A#1->key:B#2". */
static ward_status name_both(struct ward_request *request, size_t i, struct ward_bytes to,
                             uint32_t version)
{
    struct ward_bytes *object = &request->leaf_items[i].object, second;
    WARD_TRY(ward_op_key_object(request->arena, to, version, &second));
    char *both =
        ward_arena_printf(request->arena, "%.*s->%.*s", (int)object->size,
                          (const char *)object->data, (int)second.size, (const char *)second.data);
    WARD_ENSURE(both != NULL, WARD_E_EXHAUSTED);
    *object = ward_bytes_str(both);
    return WARD_OK;
}

static ward_status decide_destination(struct ward_request *request,
                                      struct ward_data_key_rewrap_item *item,
                                      struct rewrap_note *note, size_t i, bool many)
{
    struct ward_bytes name = item->to_key.size > 0 ? item->to_key : item->key;
    WARD_TRY(
        ward_op_ask_key(request, i, WARD_ACTION_DATA_KEY_REWRAP, name, &item->to_context, many));
    const struct ward_key *key;
    const struct ward_key_version *version;
    ward_status status =
        ward_op_find_wrapping(request->state, name, item->to_version, &key, &version);
    WARD_TRY(name_both(request, i, name, ward_ok(status) ? version->version : item->to_version));
    WARD_TRY(status);
    note->to = (struct ward_wrapped_key){.use = WARD_USE_ISSUED,
                                         .algorithm = WARD_ALGORITHM_PKCS11_AES_GCM,
                                         .key_id = key->id,
                                         .version = version->version};
    item->key = key->name;
    item->version = version->version;
    item->unchanged = ward_id_eq(&note->to.key_id, &note->from.key_id) &&
                      note->to.version == note->from.version &&
                      ward_bytes_eq(item->to_context.canonical, item->context.canonical);
    return WARD_OK;
}

static ward_status decide_item(struct ward_request *request, struct ward_data_key_rewrap_item *item,
                               struct rewrap_note *note, size_t i, bool many)
{
    WARD_TRY(decide_source(request, item, note, i, many));
    return decide_destination(request, item, note, i, many);
}

static ward_status decide(struct ward_request *request)
{
    struct ward_data_key_rewrap *in = request->in;
    if (request->work == NULL) {
        request->work = WARD_ARENA_ARRAY(request->arena, struct rewrap_note, in->n);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    struct rewrap_note *notes = request->work;
    WARD_TRY(ward_op_items(request, in->items, sizeof(*in->items), in->n));
    for (size_t i = 0; i < in->n; i++) {
        in->items[i].status = decide_item(request, &in->items[i], &notes[i], i, in->n > 1);
    }
    ward_op_settle(request, in->items, sizeof(*in->items), in->n);
    return ward_op_come_again(request);
}

static ward_status plan_item(struct ward_request *request, struct ward_worker *worker,
                             struct ward_data_key_rewrap_item *item, const struct rewrap_note *note)
{
    uint8_t *wrapped = ward_arena_alloc(request->arena, WARD_WRAPPED_MAX);
    WARD_ENSURE(wrapped != NULL, WARD_E_EXHAUSTED);
    ward_wrapped_key_header(&note->to, wrapped);
    item->rewrapped = WARD_BYTES(wrapped, WARD_WRAPPED_HEADER_SIZE);
    struct ward_bytes from_aad, aad;
    WARD_TRY(ward_wrapped_key_aad(&note->from, &item->context, request->arena, &from_aad));
    WARD_TRY(ward_wrapped_key_aad(&note->to, &item->to_context, request->arena, &aad));
    struct ward_kek_item *kek;
    WARD_TRY(ward_worker_add(worker, request, &kek));
    *kek = (struct ward_kek_item){.verb = WARD_KEK_REWRAP,
                                  .key = {note->to.key_id, note->to.version},
                                  .aad = aad,
                                  .from = {note->from.key_id, note->from.version},
                                  .from_aad = from_aad,
                                  .in = note->from.blob,
                                  .out = wrapped + WARD_WRAPPED_HEADER_SIZE};
    return WARD_OK;
}

static ward_status plan(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_data_key_rewrap *in = request->in;
    struct rewrap_note *notes = request->work;
    for (size_t i = 0; i < in->n; i++) {
        notes[i].first = request->n_items;
        if (in->items[i].status.code == WARD_E_CIPHERTEXT) {
            WARD_TRY(ward_op_plan_decoy(request, worker, &notes[i].from, &in->items[i].context));
        } else if (ward_ok(in->items[i].status)) {
            WARD_TRY(plan_item(request, worker, &in->items[i], &notes[i]));
        }
    }
    return WARD_OK;
}

/* What is where it shall be already was still opened, so that nobody keeps a key that does not; the
 * caller gets the bytes that he has. It has cost one wrap of the version's budget. */
static void finish_item(struct ward_data_key_rewrap_item *item, const struct ward_kek_item *kek)
{
    item->status = ward_op_kek_status(kek->status);
    if (!ward_ok(item->status)) {
        return;
    }
    item->rewrapped.size = WARD_WRAPPED_HEADER_SIZE + kek->out_size;
    if (item->unchanged) {
        item->rewrapped = item->wrapped;
    }
}

/* Contexts are told as everywhere; an item that changed its own has a digest of both. */
static ward_status tell_contexts(struct ward_request *request,
                                 const struct ward_data_key_rewrap *in, struct ward_digest *digest)
{
    WARD_TRY(
        ward_op_entry_contexts(request, &in->items[0].context, sizeof(*in->items), in->n, digest));
    for (size_t i = 0; i < in->n; i++) {
        const struct ward_bytes both[] = {in->items[i].context.canonical,
                                          in->items[i].to_context.canonical};
        if (!ward_bytes_eq(both[0], both[1])) {
            WARD_TRY(
                ward_op_context_digest(request, both, 2, digest, &request->leaf_items[i].digest));
        }
    }
    return WARD_OK;
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_data_key_rewrap *in = request->in;
    const struct rewrap_note *notes = request->work;
    for (size_t i = 0; i < in->n; i++) {
        if (ward_ok(in->items[i].status)) {
            finish_item(&in->items[i], ward_worker_item(worker, request, notes[i].first));
        }
    }
    WARD_TRY(tell_contexts(request, in, worker->crypto.digest));
    ward_op_settle(request, in->items, sizeof(*in->items), in->n);
    return WARD_OK;
}

/* What went back as it came was opened and not issued anew. */
static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct ward_data_key_rewrap *in = request->in;
    const struct rewrap_note *notes = request->work;
    for (size_t i = 0; i < in->n; i++) {
        if (!ward_ok(in->items[i].status)) {
            continue;
        }
        WARD_TRY(ward_batch_use(batch, &notes[i].from.key_id, notes[i].from.version, 0, 1,
                                request->received_wall_us));
        if (!in->items[i].unchanged) {
            WARD_TRY(ward_batch_use(batch, &notes[i].to.key_id, notes[i].to.version, 1, 0,
                                    request->received_wall_us));
        }
    }
    return WARD_OK;
}

static uint32_t cost(const struct ward_request *request)
{
    return (uint32_t)((const struct ward_data_key_rewrap *)request->in)->n;
}

const struct ward_op ward_op_data_key_rewrap = {
    .action = WARD_ACTION_DATA_KEY_REWRAP,
    .cost = cost,
    .decide = decide,
    .steps = {{.plan = plan, .finish = finish, .commit = commit}},
    .n_steps = 1,
};
