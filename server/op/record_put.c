/* SPDX-License-Identifier: Apache-2.0 */
/* PutRecords: seals each record under a key derived from its patient's subject key and stores it as
 * a new version. The first write for a patient makes the subject key; when two do so at once, the
 * database lets one through and the other is prepared again with the key that won. */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/json.h"
#include "policy/name.h"
#include "proto/wire_limits.h"
#include "server/audit/entry.h"
#include "server/op/emergency.h"
#include "server/op/data_key.h"
#include "server/op/messages.h"
#include "server/op/record.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

struct put_subject {
    uint8_t hash[WARD_HASH_SIZE];
    const struct ward_key *key;
    struct ward_read *read;
    bool fresh;  /* the key below is made by this request */
    bool placed; /* and stands in the batch being filled */
    struct ward_new_subject_key row;
    uint8_t *plain;            /* 32 bytes, once the HSM has answered */
    size_t kek;                /* which of the request's KEK items */
    struct ward_kek_ref under; /* of one that was stored: what it lies under */
    ward_status status;
};

struct put_item {
    struct ward_record_target target;
    struct ward_record_place place;
    bool placed;
    size_t subject;
    struct ward_read *version;
    struct ward_bytes sealed;
};

struct put_notes {
    struct put_item *items;
    struct put_subject *subjects;
    size_t n_subjects;
};

static ward_status make_notes(struct ward_request *request, const struct ward_put *in,
                              struct put_notes **ret)
{
    if (request->work == NULL) {
        struct put_notes *notes = WARD_ARENA_NEW(request->arena, struct put_notes);
        WARD_ENSURE(notes != NULL, WARD_E_EXHAUSTED);
        notes->items = WARD_ARENA_ARRAY(request->arena, struct put_item, in->n);
        notes->subjects = WARD_ARENA_ARRAY(request->arena, struct put_subject, in->n);
        WARD_ENSURE(notes->items != NULL && notes->subjects != NULL, WARD_E_EXHAUSTED);
        request->work = notes;
    }
    *ret = request->work;
    (*ret)->n_subjects = 0;
    return WARD_OK;
}

/* Every top-level member that the record has. */
static ward_status list_fields(struct ward_request *request, struct ward_bytes json,
                               struct ward_asked_fields *ret)
{
    struct ward_json_slice slices[WARD_RECORD_FIELDS_MAX];
    size_t n;
    WARD_TRY(ward_json_scan(json, slices, WARD_RECORD_FIELDS_MAX, &n));
    struct ward_bytes *names = WARD_ARENA_ARRAY(request->arena, struct ward_bytes, n);
    WARD_ENSURE(names != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < n; i++) {
        names[i] = slices[i].name;
    }
    *ret = (struct ward_asked_fields){.names = names, .n = n};
    return WARD_OK;
}

/* Most writers may write any field, and their records are not looked into here. */
static ward_status decide_fields(struct ward_request *request, struct ward_put *in,
                                 struct put_item *note, size_t i)
{
    struct ward_put_item *item = &in->items[i];
    struct ward_asked_fields fields = {.whole = true};
    const struct ward_emergency_place place = {.collection = item->collection};
    ward_status whole = ward_record_decide(request, WARD_ACTION_RECORD_PUT, i, &place, &in->context,
                                           &fields, &note->target, &item->refused);
    if (whole.code != WARD_E_DENIED || item->json.size == 0 ||
        !ward_record_limits_fields(request, WARD_ACTION_RECORD_PUT)) {
        return whole;
    }
    WARD_TRY(list_fields(request, item->json, &fields));
    return ward_record_decide(request, WARD_ACTION_RECORD_PUT, i, &place, &in->context, &fields,
                              &note->target, &item->refused);
}

static ward_status decide_item(struct ward_request *request, struct ward_put *in,
                               struct put_item *note, size_t i)
{
    WARD_TRY(in->items[i].status);
    WARD_TRY(decide_fields(request, in, note, i));
    const struct ward_key_version *version;
    return ward_state_wrapping_version(note->target.key, &version);
}

static ward_status decide(struct ward_request *request)
{
    struct ward_put *in = request->in;
    struct put_notes *notes;
    WARD_TRY(make_notes(request, in, &notes));
    WARD_TRY(ward_op_items(request, in->items, sizeof(*in->items), in->n));
    request->context = &in->context;
    for (size_t i = 0; i < in->n; i++) {
        in->items[i].status = decide_item(request, in, &notes->items[i], i);
    }
    ward_op_settle(request, in->items, sizeof(*in->items), in->n);
    return ward_op_come_again(request);
}

/* The subject's place among those of this request: few, and mostly the one just seen. */
static ward_status find_subject(struct ward_request *request, struct put_notes *notes,
                                struct put_item *note)
{
    for (size_t s = notes->n_subjects; s > 0; s--) {
        if (memcmp(notes->subjects[s - 1].hash, note->place.subject_hash, WARD_HASH_SIZE) == 0) {
            note->subject = s - 1;
            return WARD_OK;
        }
    }
    struct put_subject *subject = &notes->subjects[notes->n_subjects];
    *subject = (struct put_subject){.key = note->target.key};
    memcpy(subject->hash, note->place.subject_hash, WARD_HASH_SIZE);
    WARD_TRY(ward_request_add_read(request, WARD_READ_SUBJECT_KEY, &subject->read));
    memcpy(subject->read->subject_key.subject_hash, subject->hash, WARD_HASH_SIZE);
    note->subject = notes->n_subjects++;
    return WARD_OK;
}

static int by_id_hash(const void *a, const void *b)
{
    const struct put_item *const *x = (const struct put_item *const *)a,
                                 *const *y = (const struct put_item *const *)b;
    int order = memcmp((*x)->place.id_hash, (*y)->place.id_hash, WARD_HASH_SIZE);
    return order != 0 ? order : (*x > *y) - (*x < *y);
}

/* The same record twice in one request has no order that could be answered: the later one is
 * refused. */
static ward_status refuse_twins(struct ward_request *request, const struct ward_put *in,
                                struct put_notes *notes)
{
    struct put_item **sorted = WARD_ARENA_ARRAY(request->arena, struct put_item *, in->n);
    WARD_ENSURE(sorted != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    for (size_t i = 0; i < in->n; i++) {
        if (ward_ok(in->items[i].status)) {
            sorted[n++] = &notes->items[i];
        }
    }
    qsort(sorted, n, sizeof(struct put_item *), by_id_hash);
    for (size_t i = 1; i < n; i++) {
        if (memcmp(sorted[i]->place.id_hash, sorted[i - 1]->place.id_hash, WARD_HASH_SIZE) == 0) {
            in->items[sorted[i] - notes->items].status =
                WARD_REFUSAL(WARD_E_INVALID, "id: the same record twice in one request");
        }
    }
    return WARD_OK;
}

static ward_status read(struct ward_request *request, struct ward_digest *digest)
{
    struct ward_put *in = request->in;
    struct put_notes *notes = request->work;
    notes->n_subjects = 0;
    for (size_t i = 0; i < in->n; i++) {
        struct ward_put_item *item = &in->items[i];
        if (ward_ok(item->status)) {
            WARD_TRY(ward_record_place(request->state->index, digest, item->collection,
                                       item->subject, item->id, &notes->items[i].place));
            notes->items[i].placed = true;
        }
    }
    WARD_TRY(refuse_twins(request, in, notes));
    for (size_t i = 0; i < in->n; i++) {
        if (!ward_ok(in->items[i].status)) {
            continue;
        }
        WARD_TRY(find_subject(request, notes, &notes->items[i]));
        WARD_TRY(
            ward_request_add_read(request, WARD_READ_RECORD_VERSION, &notes->items[i].version));
        memcpy(notes->items[i].version->record_version.id_hash, notes->items[i].place.id_hash,
               WARD_HASH_SIZE);
    }
    return WARD_OK;
}

static ward_status plan_fresh(struct ward_request *request, struct ward_worker *worker,
                              struct put_subject *subject, struct ward_bytes collection)
{
    const struct ward_key_version *version;
    WARD_TRY(ward_state_wrapping_version(subject->key, &version));
    subject->fresh = true;
    subject->row = (struct ward_new_subject_key){.collection = collection,
                                                 .generation = 1,
                                                 .kek = subject->key->id,
                                                 .kek_version = version->version};
    memcpy(subject->row.subject_hash, subject->hash, WARD_HASH_SIZE);
    return ward_subject_key_plan_fresh(request, worker, &subject->row, &subject->plain);
}

static ward_status plan(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_put *in = request->in;
    struct put_notes *notes = request->work;
    for (size_t s = 0; s < notes->n_subjects; s++) {
        struct put_subject *subject = &notes->subjects[s];
        size_t of = 0; /* any item of the subject names the collection */
        while (!ward_ok(in->items[of].status) || notes->items[of].subject != s) {
            of++;
        }
        subject->kek = request->n_items;
        if (ward_ok(subject->read->status)) {
            subject->status =
                ward_subject_key_plan(request, worker, &subject->read->subject_key.key,
                                      subject->hash, &subject->plain, &subject->under);
        } else if (subject->read->status.code == WARD_E_NOT_FOUND) {
            subject->status = plan_fresh(request, worker, subject, in->items[of].collection);
        } else {
            subject->status = subject->read->status;
        }
    }
    return WARD_OK;
}

static ward_status seal_item(struct ward_request *request, struct ward_worker *worker,
                             struct put_notes *notes, size_t i)
{
    struct ward_put_item *item = &((struct ward_put *)request->in)->items[i];
    struct put_item *note = &notes->items[i];
    const struct put_subject *subject = &notes->subjects[note->subject];
    WARD_TRY(subject->status);
    WARD_TRY(note->version->status);
    item->version = note->version->record_version.version + 1;
    struct ward_record_binding binding = {.collection = item->collection,
                                          .version = item->version,
                                          .schema_version = note->target.collection->schema_version,
                                          .names = {item->subject, item->id}};
    memcpy(binding.id_hash, note->place.id_hash, WARD_HASH_SIZE);
    WARD_TRY(ward_record_seal(&worker->crypto, WARD_BYTES(subject->plain, WARD_AEAD_KEY_SIZE),
                              &binding, item->json, request->arena, &note->sealed));
    uint8_t *digest = ward_arena_alloc(request->arena, WARD_SHA256_SIZE);
    WARD_ENSURE(digest != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_record_digest(&worker->crypto, note->sealed, digest));
    request->leaf_items[i].digest = WARD_BYTES(digest, WARD_SHA256_SIZE);
    return WARD_OK;
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_put *in = request->in;
    struct put_notes *notes = request->work;
    for (size_t s = 0; s < notes->n_subjects; s++) {
        struct put_subject *subject = &notes->subjects[s];
        if (!ward_ok(subject->status)) {
            continue;
        }
        const struct ward_kek_item *kek = ward_worker_item(worker, request, subject->kek);
        subject->status = ward_op_kek_status(kek->status);
        if (ward_ok(subject->status) && subject->fresh) {
            subject->row.wrapped.size += kek->out_size;
        } else if (ward_ok(subject->status) && kek->out_size != WARD_AEAD_KEY_SIZE) {
            subject->status = WARD_STATUS(WARD_E_CIPHERTEXT);
        }
    }
    for (size_t i = 0; i < in->n; i++) {
        if (ward_ok(in->items[i].status)) {
            in->items[i].status = seal_item(request, worker, notes, i);
        }
        if (notes->items[i].placed) {
            WARD_TRY(ward_record_object(request->arena, in->items[i].collection,
                                        &notes->items[i].place,
                                        ward_ok(in->items[i].status) ? in->items[i].version : 0,
                                        &request->leaf_items[i].object));
        }
    }
    for (size_t s = 0; s < notes->n_subjects; s++) {
        if (notes->subjects[s].plain != NULL) {
            OPENSSL_cleanse(notes->subjects[s].plain, WARD_AEAD_KEY_SIZE);
        }
    }
    ward_op_settle(request, in->items, sizeof(*in->items), in->n);
    return WARD_OK;
}

/* A fresh subject key goes in only when a record of this request uses it. */
static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct ward_put *in = request->in;
    struct put_notes *notes = request->work;
    for (size_t s = 0; s < notes->n_subjects; s++) {
        struct put_subject *subject = &notes->subjects[s];
        subject->placed = false; /* a batch may be filled more than once */
        if (!subject->fresh && ward_ok(subject->status)) {
            WARD_TRY(ward_batch_use(batch, &subject->under.id, subject->under.version, 0, 1,
                                    request->received_wall_us));
        }
    }
    for (size_t i = 0; i < in->n; i++) {
        if (!ward_ok(in->items[i].status)) {
            continue;
        }
        const struct put_item *note = &notes->items[i];
        struct put_subject *subject = &notes->subjects[note->subject];
        struct ward_new_record row = {
            .version = in->items[i].version,
            .subject_key = subject->fresh ? subject->row.id : subject->read->subject_key.key.id,
            .schema_version = note->target.collection->schema_version,
            .created_us = request->received_wall_us,
            .sealed = note->sealed};
        memcpy(row.id_hash, note->place.id_hash, WARD_HASH_SIZE);
        if (subject->fresh && !subject->placed) {
            WARD_TRY(ward_batch_subject_key(batch, &subject->row));
            subject->placed = true;
        }
        WARD_TRY(ward_batch_record(batch, &row));
    }
    return WARD_OK;
}

static uint32_t cost(const struct ward_request *request)
{
    return (uint32_t)((const struct ward_put *)request->in)->n;
}

const struct ward_op ward_op_record_put = {
    .action = WARD_ACTION_RECORD_PUT,
    .cost = cost,
    .decide = decide,
    .steps = {{.read = read, .plan = plan, .finish = finish, .commit = commit}},
    .n_steps = 1,
};
