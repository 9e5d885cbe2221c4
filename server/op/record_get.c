/* SPDX-License-Identifier: Apache-2.0 */
/* GetRecords: decrypts only what was asked for and is allowed. A record that is not there and one
 * whose subject was shredded are the same: not found. */
#include <openssl/crypto.h>

#include "policy/name.h"
#include "proto/wire_limits.h"
#include "server/audit/entry.h"
#include "server/op/data_key.h"
#include "server/op/emergency.h"
#include "server/op/messages.h"
#include "server/op/record.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

struct get_item {
    uint32_t
        wanted; /* the version asked for; the item's own field is overwritten by what was found */
    struct ward_record_target target;
    const struct ward_bytes *names; /* the fields to be opened, unless it is the whole */
    size_t n_names;
    struct ward_record_place place;
    bool placed;
    struct ward_read *read;
    size_t shares; /* the item whose KEK item opens the same subject key; itself for the first */
    size_t kek;
    uint8_t *plain;
    struct ward_kek_ref under; /* the subject key's */
    bool opened;               /* it is the first, and its subject key opened */
};

struct get_notes {
    struct get_item *items;
};

static ward_status make_notes(struct ward_request *request, const struct ward_get *in,
                              struct get_notes **ret)
{
    if (request->work == NULL) {
        struct get_notes *notes = WARD_ARENA_NEW(request->arena, struct get_notes);
        WARD_ENSURE(notes != NULL, WARD_E_EXHAUSTED);
        notes->items = WARD_ARENA_ARRAY(request->arena, struct get_item, in->n);
        WARD_ENSURE(notes->items != NULL, WARD_E_EXHAUSTED);
        for (size_t i = 0; i < in->n; i++) {
            notes->items[i].wanted = in->items[i].version;
        }
        request->work = notes;
    }
    *ret = request->work;
    return WARD_OK;
}

/* Nothing was asked for: the collection's default set, less what is hidden from the caller. When
 * that is all of it, the rule that hid the first is what refused. */
static ward_status decide_defaults(struct ward_request *request, size_t item,
                                   const struct ward_emergency_place *place,
                                   const struct ward_context *context, struct get_item *note)
{
    const struct ward_policy_collection *collection = note->target.collection;
    note->names = collection->default_fields;
    note->n_names = collection->n_default_fields;
    if (note->n_names == 0 || !ward_record_limits_fields(request, WARD_ACTION_RECORD_GET)) {
        return WARD_OK;
    }
    struct ward_bytes *seen = WARD_ARENA_ARRAY(request->arena, struct ward_bytes, note->n_names);
    WARD_ENSURE(seen != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    const char *hidden_by = NULL;
    for (size_t i = 0; i < note->n_names; i++) {
        struct ward_asked_fields one = {.names = &note->names[i], .n = 1};
        struct ward_decision decision = ward_emergency_ask(request, WARD_ACTION_RECORD_GET,
                                                           collection->name, context, &one, place);
        if (decision.allowed) {
            seen[n++] = note->names[i];
        } else if (hidden_by == NULL) {
            hidden_by = decision.rule;
        }
    }
    note->names = seen;
    note->n_names = n;
    if (n > 0) {
        return WARD_OK;
    }
    request->leaf_items[item].rule = hidden_by;
    return WARD_REFUSAL(WARD_E_DENIED, "policy: no field of the default set is allowed");
}

static ward_status decide_item(struct ward_request *request, struct ward_get *in,
                               struct get_item *note, size_t i)
{
    struct ward_get_item *item = &in->items[i];
    struct ward_asked_fields fields = {
        .names = item->fields, .n = item->n_fields, .whole = item->whole};
    const struct ward_emergency_place place = {item->subject, item->collection};
    WARD_TRY(item->status);
    WARD_TRY(ward_record_decide(request, WARD_ACTION_RECORD_GET, i, &place, &in->context, &fields,
                                &note->target, &item->refused));
    note->names = item->fields;
    note->n_names = item->n_fields;
    return item->whole || item->n_fields > 0
               ? WARD_OK
               : decide_defaults(request, i, &place, &in->context, note);
}

static ward_status decide(struct ward_request *request)
{
    struct ward_get *in = request->in;
    struct get_notes *notes;
    WARD_TRY(make_notes(request, in, &notes));
    WARD_TRY(ward_op_items(request, in->items, sizeof(*in->items), in->n));
    request->context = &in->context;
    for (size_t i = 0; i < in->n; i++) {
        in->items[i].status = decide_item(request, in, &notes->items[i], i);
    }
    ward_op_settle(request, in->items, sizeof(*in->items), in->n);
    return WARD_OK;
}

static ward_status read(struct ward_request *request, struct ward_digest *digest)
{
    struct ward_get *in = request->in;
    struct get_notes *notes = request->work;
    for (size_t i = 0; i < in->n; i++) {
        struct ward_get_item *item = &in->items[i];
        struct get_item *note = &notes->items[i];
        if (!ward_ok(item->status)) {
            continue;
        }
        WARD_TRY(ward_record_place(request->state->index, digest, item->collection, item->subject,
                                   item->id, &note->place));
        note->placed = true;
        WARD_TRY(ward_request_add_read(request, WARD_READ_RECORD, &note->read));
        memcpy(note->read->record.id_hash, note->place.id_hash, WARD_HASH_SIZE);
        note->read->record.version = note->wanted;
    }
    return WARD_OK;
}

/* A patient's records in one request need the patient's key once; neighbours are the common case.
 */
static size_t shared_with(const struct ward_get *in, const struct get_notes *notes, size_t i)
{
    size_t from = i > 8 ? i - 8 : 0;
    for (size_t other = i; other > from; other--) {
        const struct get_item *note = &notes->items[other - 1];
        if (ward_ok(in->items[other - 1].status) && note->read != NULL &&
            ward_id_eq(&note->read->record.key.id, &notes->items[i].read->record.key.id)) {
            return note->shares;
        }
    }
    return i;
}

static ward_status plan(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_get *in = request->in;
    struct get_notes *notes = request->work;
    for (size_t i = 0; i < in->n; i++) {
        struct get_item *note = &notes->items[i];
        if (!ward_ok(in->items[i].status)) {
            continue;
        }
        in->items[i].status = note->read->status.code == WARD_E_NOT_FOUND
                                  ? WARD_REFUSAL(WARD_E_NOT_FOUND, "record: no such record")
                                  : note->read->status;
        if (!ward_ok(in->items[i].status)) {
            continue;
        }
        note->opened = false;
        note->shares = shared_with(in, notes, i);
        note->kek = request->n_items;
        if (note->shares == i) {
            in->items[i].status =
                ward_subject_key_plan(request, worker, &note->read->record.key,
                                      note->place.subject_hash, &note->plain, &note->under);
        }
    }
    return WARD_OK;
}

static ward_status open_item(struct ward_request *request, struct ward_worker *worker,
                             struct get_notes *notes, size_t i)
{
    struct ward_get_item *item = &((struct ward_get *)request->in)->items[i];
    struct get_item *note = &notes->items[i];
    struct get_item *opener = &notes->items[note->shares];
    const struct ward_kek_item *kek = ward_worker_item(worker, request, opener->kek);
    WARD_TRY(ward_op_kek_status(kek->status));
    opener->opened = true;
    WARD_ENSURE(kek->out_size == WARD_AEAD_KEY_SIZE, WARD_E_CIPHERTEXT);
    struct ward_record_binding binding = {.collection = item->collection,
                                          .version = note->read->record.version,
                                          .schema_version = note->read->record.schema_version,
                                          .names = {item->subject, item->id}};
    memcpy(binding.id_hash, note->place.id_hash, WARD_HASH_SIZE);
    item->version = binding.version;
    struct ward_bytes key = WARD_BYTES(opener->plain, WARD_AEAD_KEY_SIZE),
                      sealed = note->read->record.sealed;
    if (item->whole) {
        return ward_record_open(&worker->crypto, key, &binding, sealed, request->arena, NULL,
                                &item->json);
    }
    item->values = WARD_ARENA_ARRAY(request->arena, struct ward_record_field, note->n_names);
    WARD_ENSURE(item->values != NULL, WARD_E_EXHAUSTED);
    return ward_record_open_fields(&worker->crypto, key, &binding, sealed, note->names,
                                   note->n_names, request->arena, item->values, &item->n_values);
}

static size_t answer_size(const struct ward_get_item *item)
{
    size_t size = item->json.size + 32;
    for (size_t f = 0; f < item->n_values; f++) {
        size += item->values[f].name.size + item->values[f].value.size + 16;
    }
    return size;
}

static void forget(struct ward_get_item *item)
{
    item->json = (struct ward_bytes){0};
    item->n_values = 0;
}

/* What was asked for, when it was not found; else what was found. */
static ward_status name_item(struct ward_request *request, const struct ward_get_item *item,
                             const struct get_item *note, struct ward_leaf_item *leaf)
{
    if (!note->placed) {
        return WARD_OK;
    }
    uint32_t version = ward_ok(note->read->status) ? note->read->record.version : note->wanted;
    return ward_record_object(request->arena, item->collection, &note->place, version,
                              &leaf->object);
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_get *in = request->in;
    struct get_notes *notes = request->work;
    size_t size = 0;
    for (size_t i = 0; i < in->n; i++) {
        struct ward_get_item *item = &in->items[i];
        WARD_TRY(name_item(request, item, &notes->items[i], &request->leaf_items[i]));
        if (!ward_ok(item->status)) {
            continue;
        }
        forget(item);
        item->status = open_item(request, worker, notes, i);
        if (ward_ok(item->status) && size + answer_size(item) > WARD_RESPONSE_MAX) {
            item->status = WARD_REFUSAL(
                WARD_E_EXHAUSTED, "response: larger than 4 MiB in all; ask for fewer records");
        }
        if (!ward_ok(item->status)) {
            forget(item);
        } else {
            size += answer_size(item);
        }
    }
    for (size_t i = 0; i < in->n; i++) {
        if (notes->items[i].plain != NULL) {
            OPENSSL_cleanse(notes->items[i].plain, WARD_AEAD_KEY_SIZE);
        }
    }
    ward_op_settle(request, in->items, sizeof(*in->items), in->n);
    return WARD_OK;
}

/* A subject key counts as opened though its record then did not come out of it. */
static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct ward_get *in = request->in;
    const struct get_notes *notes = request->work;
    for (size_t i = 0; i < in->n; i++) {
        const struct get_item *note = &notes->items[i];
        if (note->opened) {
            WARD_TRY(ward_batch_use(batch, &note->under.id, note->under.version, 0, 1,
                                    request->received_wall_us));
        }
    }
    return WARD_OK;
}

static uint32_t cost(const struct ward_request *request)
{
    return (uint32_t)((const struct ward_get *)request->in)->n;
}

/* Where all of it is about subjects for whom an emergency is open. */
static bool urgent(const struct ward_request *request)
{
    const struct ward_get *in = request->in;
    bool all = true;
    for (size_t i = 0; i < in->n && all; i++) {
        const struct ward_emergency_place place = {in->items[i].subject, in->items[i].collection};
        all = ward_emergency_covers(request, &in->context, &place);
    }
    return all;
}

const struct ward_op ward_op_record_get = {
    .action = WARD_ACTION_RECORD_GET,
    .cost = cost,
    .urgent = urgent,
    .decide = decide,
    .steps = {{.read = read, .plan = plan, .finish = finish, .commit = commit}},
    .n_steps = 1,
};
