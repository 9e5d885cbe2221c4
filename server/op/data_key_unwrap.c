/* SPDX-License-Identifier: Apache-2.0 */
/* UnwrapDataKeys: opens keys that Ward issued, and no others: a subject or index key taken from a
 * database dump is refused by its use byte, which the HSM authenticates. */
#include "policy/name.h"
#include "proto/wire_limits.h"
#include "proto/wrapped_key.h"
#include "server/audit/entry.h"
#include "server/op/data_key.h"
#include "server/op/messages.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

struct unwrap_note {
    struct ward_wrapped_key parsed;
    size_t first;
};

static ward_status decide_item(struct ward_request *request, struct ward_unwrap_item *item,
                               struct ward_wrapped_key *parsed, size_t i, bool many)
{
    WARD_TRY(item->status);
    const struct ward_key_version *version;
    const struct ward_op_issued issued = {WARD_ACTION_DATA_KEY_UNWRAP, item->wrapped,
                                          &item->context, many};
    WARD_TRY(ward_op_find_issued(request, i, &issued, parsed, &item->key, &version));
    WARD_TRY(ward_key_state_check(version->state, WARD_KEY_UNWRAP));
    item->version = parsed->version;
    return WARD_OK;
}

static ward_status decide(struct ward_request *request)
{
    struct ward_unwrap *in = request->in;
    if (request->work == NULL) {
        request->work = WARD_ARENA_ARRAY(request->arena, struct unwrap_note, in->n);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    struct unwrap_note *notes = request->work;
    WARD_TRY(ward_op_items(request, in->items, sizeof(*in->items), in->n));
    for (size_t i = 0; i < in->n; i++) {
        in->items[i].status = decide_item(request, &in->items[i], &notes[i].parsed, i, in->n > 1);
    }
    ward_op_settle(request, in->items, sizeof(*in->items), in->n);
    return WARD_OK;
}

static ward_status plan(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_unwrap *in = request->in;
    struct unwrap_note *notes = request->work;
    for (size_t i = 0; i < in->n; i++) {
        struct ward_unwrap_item *item = &in->items[i];
        notes[i].first = request->n_items;
        if (item->status.code == WARD_E_CIPHERTEXT) {
            WARD_TRY(ward_op_plan_decoy(request, worker, &notes[i].parsed, &item->context));
        }
        if (!ward_ok(item->status)) {
            continue;
        }
        struct ward_kek_item *kek;
        WARD_TRY(ward_worker_add(worker, request, &kek));
        kek->verb = WARD_KEK_UNWRAP;
        kek->key = (struct ward_kek_ref){notes[i].parsed.key_id, notes[i].parsed.version};
        WARD_TRY(ward_wrapped_key_aad(&notes[i].parsed, &item->context, request->arena, &kek->aad));
        kek->in = notes[i].parsed.blob;
        kek->out = ward_arena_alloc(request->arena, WARD_KEK_PLAIN_MAX);
        WARD_ENSURE(kek->out != NULL, WARD_E_EXHAUSTED);
    }
    return WARD_OK;
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_unwrap *in = request->in;
    const struct unwrap_note *notes = request->work;
    for (size_t i = 0; i < in->n; i++) {
        struct ward_unwrap_item *item = &in->items[i];
        if (!ward_ok(item->status)) {
            continue;
        }
        const struct ward_kek_item *kek = ward_worker_item(worker, request, notes[i].first);
        item->status = ward_op_kek_status(kek->status);
        if (ward_ok(item->status)) {
            item->plaintext = WARD_BYTES(kek->out, kek->out_size);
        }
    }
    WARD_TRY(ward_op_entry_contexts(request, &in->items[0].context, sizeof(*in->items), in->n,
                                    worker->crypto.digest));
    ward_op_settle(request, in->items, sizeof(*in->items), in->n);
    return WARD_OK;
}

static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct ward_unwrap *in = request->in;
    const struct unwrap_note *notes = request->work;
    for (size_t i = 0; i < in->n; i++) {
        if (ward_ok(in->items[i].status)) {
            WARD_TRY(ward_batch_use(batch, &notes[i].parsed.key_id, notes[i].parsed.version, 0, 1,
                                    request->received_wall_us));
        }
    }
    return WARD_OK;
}

static uint32_t cost(const struct ward_request *request)
{
    return (uint32_t)((const struct ward_unwrap *)request->in)->n;
}

static bool urgent(const struct ward_request *request)
{
    const struct ward_unwrap *in = request->in;
    bool all = true;
    for (size_t i = 0; i < in->n && all; i++) {
        all = ward_op_opens_in_emergency(request, &in->items[i].context);
    }
    return all;
}

const struct ward_op ward_op_unwrap = {
    .action = WARD_ACTION_DATA_KEY_UNWRAP,
    .cost = cost,
    .urgent = urgent,
    .decide = decide,
    .steps = {{.plan = plan, .finish = finish, .commit = commit}},
    .n_steps = 1,
};
