/* SPDX-License-Identifier: Apache-2.0 */
/* UnwrapDataKeys: opens keys that Ward issued, and no others: a subject or index key taken from a
 * database dump is refused by its use byte, which the HSM authenticates. */
#include "policy/name.h"
#include "proto/wire_limits.h"
#include "proto/wrapped_key.h"
#include "server/audit/entry.h"
#include "server/op/data_key.h"
#include "server/op/messages.h"
#include "server/work/worker.h"

struct unwrap_notes {
    ward_status *decoded;
    struct ward_wrapped_key *parsed;
    const struct ward_key **keys;
    size_t *first;
};

static ward_status make_notes(struct ward_request *request, const struct ward_unwrap *in,
                              struct unwrap_notes **ret)
{
    if (request->work == NULL) {
        struct unwrap_notes *notes = WARD_ARENA_NEW(request->arena, struct unwrap_notes);
        WARD_ENSURE(notes != NULL, WARD_E_EXHAUSTED);
        notes->decoded = WARD_ARENA_ARRAY(request->arena, ward_status, in->n);
        notes->parsed = WARD_ARENA_ARRAY(request->arena, struct ward_wrapped_key, in->n);
        notes->keys = WARD_ARENA_ARRAY(request->arena, const struct ward_key *, in->n);
        notes->first = WARD_ARENA_ARRAY(request->arena, size_t, in->n);
        WARD_ENSURE(notes->decoded != NULL && notes->parsed != NULL && notes->keys != NULL &&
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

/* Unknown key, unknown version, wrong use: the same answer as wrong bytes. */
static ward_status decide_item(struct ward_request *request, struct ward_unwrap_item *item,
                               struct unwrap_notes *notes, size_t i)
{
    WARD_TRY(notes->decoded[i]);
    struct ward_wrapped_key *parsed = &notes->parsed[i];
    WARD_TRY(ward_wrapped_key_parse(item->wrapped, parsed));
    WARD_ENSURE(parsed->use == WARD_USE_ISSUED, WARD_E_CIPHERTEXT);
    const struct ward_key *key = ward_state_key_by_id(request->state, &parsed->key_id);
    WARD_ENSURE(key != NULL, WARD_E_CIPHERTEXT);
    struct ward_decision decision =
        ward_request_ask(request, WARD_ACTION_DATA_KEY_UNWRAP, key->name, &item->context);
    request->leaf_items[i].rule = decision.rule;
    WARD_TRY(ward_op_key_object(request->arena, key->name, parsed->version,
                                &request->leaf_items[i].object));
    WARD_TRY(decision.status);
    const struct ward_key_version *version = ward_key_version_find(key, parsed->version);
    WARD_ENSURE(version != NULL, WARD_E_CIPHERTEXT);
    if (!key->enabled) {
        return WARD_REFUSAL(WARD_E_STATE, "key: disabled");
    }
    if (!ward_key_state_may_unwrap(version->state)) {
        return WARD_REFUSAL(WARD_E_STATE, "key: this version's state forbids unwrapping");
    }
    notes->keys[i] = key;
    item->key = key->name;
    item->version = parsed->version;
    return WARD_OK;
}

static ward_status decide(struct ward_request *request)
{
    struct ward_unwrap *in = request->in;
    struct unwrap_notes *notes;
    WARD_TRY(make_notes(request, in, &notes));
    WARD_TRY(ward_entry_items(request, in->n));
    for (size_t i = 0; i < in->n; i++) {
        in->items[i].status = decide_item(request, &in->items[i], notes, i);
    }
    ward_op_settle(request, in->items, sizeof(*in->items), in->n);
    return WARD_OK;
}

static ward_status plan(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_unwrap *in = request->in;
    struct unwrap_notes *notes = request->work;
    for (size_t i = 0; i < in->n; i++) {
        struct ward_unwrap_item *item = &in->items[i];
        notes->first[i] = request->n_items;
        if (!ward_ok(item->status)) {
            continue;
        }
        struct ward_kek_item *kek;
        WARD_TRY(ward_worker_add(worker, request, &kek));
        kek->verb = WARD_KEK_UNWRAP;
        kek->key = (struct ward_kek_ref){notes->parsed[i].key_id, notes->parsed[i].version};
        WARD_TRY(
            ward_wrapped_key_aad(&notes->parsed[i], &item->context, request->arena, &kek->aad));
        kek->in = notes->parsed[i].blob;
        kek->out = ward_arena_alloc(request->arena, WARD_KEK_PLAIN_MAX);
        WARD_ENSURE(kek->out != NULL, WARD_E_EXHAUSTED);
    }
    return WARD_OK;
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_unwrap *in = request->in;
    struct unwrap_notes *notes = request->work;
    const struct ward_context **contexts =
        WARD_ARENA_ARRAY(request->arena, const struct ward_context *, in->n);
    WARD_ENSURE(contexts != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < in->n; i++) {
        struct ward_unwrap_item *item = &in->items[i];
        contexts[i] = &item->context;
        if (!ward_ok(item->status)) {
            continue;
        }
        const struct ward_kek_item *kek = ward_worker_item(worker, request, notes->first[i]);
        item->status = ward_op_kek_status(kek->status);
        if (ward_ok(item->status)) {
            item->plaintext = WARD_BYTES(kek->out, kek->out_size);
        }
    }
    WARD_TRY(ward_op_entry_contexts(request, contexts, in->n, worker->crypto.digest));
    ward_op_settle(request, in->items, sizeof(*in->items), in->n);
    return WARD_OK;
}

const struct ward_op ward_op_unwrap = {
    .action = WARD_ACTION_DATA_KEY_UNWRAP,
    .decide = decide,
    .steps = {{.plan = plan, .finish = finish}},
    .n_steps = 1,
};
