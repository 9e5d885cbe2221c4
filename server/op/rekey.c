/* SPDX-License-Identifier: Apache-2.0 */
/* One page of a rekey. For each subject key of before the run the HSM opens it and wraps its next
 * generation, proven; each of its records is opened under the one, sealed under the other, opened
 * again and compared; and all of it goes in with the place of the job's part, or nothing does. What
 * another request wrote under the old key meanwhile stays there, and keeps the key, until the next
 * round: from this page on nobody can write more.
 *
 *   old key:  active --a record moved--> retired --no record names it--> gone */
#include <openssl/crypto.h>

#include "base/failpoint.h"
#include "base/random.h"
#include "proto/wrapped_key.h"
#include "server/audit/entry.h"
#include "server/limits.h"
#include "server/op/data_key.h"
#include "server/op/jobs.h"
#include "server/op/record.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

struct rekey_key {
    const struct ward_store_old_key *old;
    ward_status status;
    size_t opens, next;      /* which of the request's KEK items; next: of `maker` */
    struct rekey_key *maker; /* whose generation it goes to: itself, unless the page has two */
    bool fresh;              /* of a maker: the generation is made by this page */
    bool placed;             /* and stands in the batch being filled */
    struct ward_new_subject_key row;
    struct ward_id to;           /* of a maker: its id, or that of the one which was there */
    uint8_t *plain, *plain_next; /* 32 bytes each, once the HSM has answered; next: of a maker */
    struct ward_rekeyed_record *moved;
    size_t n_moved;
};

struct rekey_notes {
    const struct ward_key *key;
    uint32_t version;
    struct rekey_key *keys;
    size_t n, n_items; /* n_items: of the entry, a record each */
};

static ward_status decide(struct ward_request *request)
{
    if (request->work == NULL) {
        request->work = WARD_ARENA_NEW(request->arena, struct rekey_notes);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    struct rekey_notes *notes = request->work;
    notes->n = notes->n_items = 0;
    return ward_job_page_decide(request, &notes->key, &notes->version);
}

static ward_status read(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_job_page *in = request->in;
    const struct rekey_notes *notes = request->work;
    struct ward_read *read;
    struct ward_id start;
    WARD_TRY(ward_request_add_read(request, WARD_READ_REKEY_PAGE, &read));
    ward_job_range(in->place.part, in->job.parts, &start, &read->rekey.until);
    read->rekey.kek = notes->key->id;
    read->rekey.after = in->place.cursor;
    read->rekey.run = in->job.version;
    read->rekey.limit = in->limit;
    read->rekey.max_bytes = (size_t)in->limit * WARD_REKEY_ROW_BYTES;
    return WARD_OK;
}

/* ---- the keys ---- */

static ward_status plan_open(struct ward_request *request, struct ward_worker *worker,
                             const struct ward_store_old_key *old,
                             const struct ward_store_subject_key *row, uint8_t **ret_plain)
{
    const struct rekey_notes *notes = request->work;
    struct ward_wrapped_key wrapped;
    WARD_TRY(ward_wrapped_key_parse(row->wrapped, &wrapped));
    bool ours = wrapped.use == WARD_USE_SUBJECT && ward_id_eq(&wrapped.key_id, &notes->key->id);
    const struct ward_key_version *from =
        ours ? ward_key_version_find(notes->key, wrapped.version) : NULL;
    WARD_ENSURE(from != NULL && ward_key_state_may_rewrap(from->state), WARD_E_STATE);
    struct ward_bytes aad;
    WARD_TRY(ward_subject_key_aad(&wrapped, old->subject_hash, &row->id, request->arena, &aad));
    *ret_plain = ward_arena_alloc(request->arena, WARD_KEK_PLAIN_MAX);
    WARD_ENSURE(*ret_plain != NULL, WARD_E_EXHAUSTED);
    struct ward_kek_item *kek;
    WARD_TRY(ward_worker_add(worker, request, &kek));
    *kek = (struct ward_kek_item){.verb = WARD_KEK_UNWRAP,
                                  .key = {wrapped.key_id, wrapped.version},
                                  .aad = aad,
                                  .in = wrapped.blob,
                                  .out = *ret_plain};
    return WARD_OK;
}

static ward_status plan_fresh(struct ward_request *request, struct ward_worker *worker,
                              struct rekey_key *key)
{
    const struct rekey_notes *notes = request->work;
    key->fresh = true;
    key->row = (struct ward_new_subject_key){.collection = key->old->collection,
                                             .generation = key->old->newest + 1,
                                             .kek = notes->key->id,
                                             .kek_version = notes->version};
    memcpy(key->row.subject_hash, key->old->subject_hash, WARD_HASH_SIZE);
    WARD_TRY(ward_subject_key_plan_fresh(request, worker, &key->row, &key->plain_next));
    key->to = key->row.id;
    return WARD_OK;
}

/* Two generations of one subject, both of before this run, go to one new one. */
static struct rekey_key *maker_of(struct rekey_notes *notes, struct rekey_key *key)
{
    for (struct rekey_key *other = notes->keys; other < key; other++) {
        if (other->maker == other &&
            memcmp(other->old->subject_hash, key->old->subject_hash, WARD_HASH_SIZE) == 0) {
            return other;
        }
    }
    return key;
}

static ward_status plan_key(struct ward_request *request, struct ward_worker *worker,
                            struct rekey_notes *notes, struct rekey_key *key)
{
    const struct ward_store_old_key *old = key->old;
    if (old->n == 0) {
        return WARD_OK;
    }
    key->moved = WARD_ARENA_ARRAY(request->arena, struct ward_rekeyed_record, old->n);
    WARD_ENSURE(key->moved != NULL, WARD_E_EXHAUSTED);
    key->opens = request->n_items;
    WARD_TRY(plan_open(request, worker, old, &old->key, &key->plain));
    struct rekey_key *maker = maker_of(notes, key);
    if (maker == key) {
        key->next = request->n_items;
        key->to = old->next.id;
        WARD_TRY(old->followed ? plan_open(request, worker, old, &old->next, &key->plain_next)
                               : plan_fresh(request, worker, key));
    }
    key->maker = maker;
    return WARD_OK;
}

/* A key that is broken or forbidden stays, with its records, which are counted. */
static ward_status plan(struct ward_request *request, struct ward_worker *worker)
{
    struct rekey_notes *notes = request->work;
    const struct ward_read *read = request->reads[0];
    WARD_TRY(read->status);
    notes->keys = WARD_ARENA_ARRAY(request->arena, struct rekey_key, read->rekey.n);
    WARD_ENSURE(notes->keys != NULL, WARD_E_EXHAUSTED);
    notes->n = read->rekey.n;
    for (size_t i = 0; i < notes->n; i++) {
        notes->keys[i].old = &read->rekey.keys[i];
        notes->keys[i].status = plan_key(request, worker, notes, &notes->keys[i]);
        if (notes->keys[i].status.code == WARD_E_EXHAUSTED) {
            return notes->keys[i].status;
        }
    }
    return WARD_OK;
}

static bool is_key(const struct ward_kek_item *kek)
{
    return ward_ok(kek->status) && kek->out_size == WARD_AEAD_KEY_SIZE;
}

/* What the HSM made of it. UNAVAILABLE: the device is away, and the page is tried again. */
static ward_status take_key(struct ward_request *request, struct ward_worker *worker,
                            struct rekey_key *key)
{
    const struct ward_kek_item *old = ward_worker_item(worker, request, key->opens);
    const struct ward_kek_item *next = ward_worker_item(worker, request, key->maker->next);
    WARD_ENSURE(old->status.code != WARD_E_UNAVAILABLE && next->status.code != WARD_E_UNAVAILABLE,
                WARD_E_UNAVAILABLE);
    bool ready = key->maker->fresh ? ward_ok(next->status) : is_key(next);
    if (ready && key->maker == key && key->fresh) {
        key->row.wrapped.size += next->out_size;
    }
    key->status = is_key(old) && ready ? WARD_OK : WARD_STATUS(WARD_E_CIPHERTEXT);
    return WARD_OK;
}

/* ---- the records ---- */

static ward_status tell_record(struct ward_request *request, struct ward_worker *worker,
                               const struct rekey_key *key, const struct ward_rekeyed_record *moved)
{
    struct rekey_notes *notes = request->work;
    struct ward_leaf_item *item = &request->leaf_items[notes->n_items];
    struct ward_record_place place;
    memcpy(place.subject_hash, key->old->subject_hash, WARD_HASH_SIZE);
    memcpy(place.id_hash, moved->id_hash, WARD_HASH_SIZE);
    uint8_t *digest = ward_arena_alloc(request->arena, WARD_SHA256_SIZE);
    WARD_ENSURE(digest != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_record_digest(&worker->crypto, moved->sealed, digest));
    WARD_TRY(ward_record_object(request->arena, key->old->collection, &place, moved->version,
                                &item->object));
    item->digest = WARD_BYTES(digest, WARD_SHA256_SIZE);
    notes->n_items++;
    return WARD_OK;
}

/* The same bytes under the other key: they replace what is there, so they are opened once more. */
static ward_status reseal(struct ward_request *request, struct ward_worker *worker,
                          const struct rekey_key *key, const struct ward_store_old_record *record,
                          struct ward_bytes *ret_sealed)
{
    struct ward_record_crypto *crypto = &worker->crypto;
    struct ward_bytes from = WARD_BYTES(key->plain, WARD_AEAD_KEY_SIZE),
                      to = WARD_BYTES(key->maker->plain_next, WARD_AEAD_KEY_SIZE);
    struct ward_record_binding binding = {.collection = key->old->collection,
                                          .version = record->version,
                                          .schema_version = record->schema_version};
    memcpy(binding.id_hash, record->id_hash, WARD_HASH_SIZE);
    struct ward_bytes json, again;
    WARD_TRY(ward_record_open(crypto, from, &binding, record->sealed, request->arena,
                              &binding.names, &json));
    ward_status status = ward_record_seal(crypto, to, &binding, json, request->arena, ret_sealed);
    if (ward_ok(status)) {
        status = ward_record_open(crypto, to, &binding, *ret_sealed, request->arena, NULL, &again);
    }
    if (ward_ok(status)) {
        status = ward_bytes_eq(json, again) ? WARD_OK : WARD_STATUS(WARD_E_INTERNAL);
        OPENSSL_cleanse((uint8_t *)(uintptr_t)again.data, again.size);
    }
    OPENSSL_cleanse((uint8_t *)(uintptr_t)json.data, json.size);
    return status;
}

static ward_status move_records(struct ward_request *request, struct ward_worker *worker,
                                struct rekey_key *key)
{
    struct ward_job_page *in = request->in;
    const struct ward_read *read = request->reads[0];
    for (size_t i = 0; i < key->old->n; i++) {
        const struct ward_store_old_record *record = &read->rekey.records[key->old->first + i];
        struct ward_rekeyed_record *moved = &key->moved[key->n_moved];
        *moved = (struct ward_rekeyed_record){.version = record->version};
        memcpy(moved->id_hash, record->id_hash, WARD_HASH_SIZE);
        ward_status status = ward_ok(key->status)
                                 ? reseal(request, worker, key, record, &moved->sealed)
                                 : key->status;
        WARD_ENSURE(status.code != WARD_E_EXHAUSTED, WARD_E_EXHAUSTED);
        if (!ward_ok(status)) {
            in->failed++; /* it stays, is counted, and keeps its key */
            continue;
        }
        WARD_TRY(tell_record(request, worker, key, moved));
        key->n_moved++;
        in->rows++;
    }
    return WARD_OK;
}

/* Where the part stands behind this page. The last key may have more records than these: it comes
 * again, unless nothing of it moves, or the job would never end. */
static void move_on(struct ward_job_page *in, const struct rekey_notes *notes,
                    const struct ward_read *read)
{
    in->next = in->place;
    in->finished = !read->rekey.more;
    if (in->finished) {
        in->next.cursor = read->rekey.until;
    } else if (notes->n > 1) {
        in->next.cursor = notes->keys[notes->n - 2].old->key.id;
    } else if (notes->n == 1 && notes->keys[0].n_moved == 0) {
        in->next.cursor = notes->keys[0].old->key.id;
    }
}

static void wipe(const struct rekey_notes *notes)
{
    for (size_t i = 0; i < notes->n; i++) {
        const struct rekey_key *key = &notes->keys[i];
        if (key->plain != NULL) {
            OPENSSL_cleanse(key->plain, WARD_KEK_PLAIN_MAX);
        }
        if (key->plain_next != NULL) {
            OPENSSL_cleanse(key->plain_next, WARD_KEK_PLAIN_MAX);
        }
    }
}

static ward_status finish_keys(struct ward_request *request, struct ward_worker *worker)
{
    struct rekey_notes *notes = request->work;
    for (size_t i = 0; i < notes->n; i++) {
        struct rekey_key *key = &notes->keys[i];
        if (ward_ok(key->status) && key->old->n > 0) {
            WARD_TRY(take_key(request, worker, key));
        }
        WARD_TRY(move_records(request, worker, key));
    }
    return WARD_OK;
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_job_page *in = request->in;
    struct rekey_notes *notes = request->work;
    const struct ward_read *read = request->reads[0];
    WARD_TRY(ward_failpoint("rekey.after-hsm"));
    in->rows = in->failed = 0;
    notes->n_items = 0;
    WARD_TRY(ward_entry_items(request, read->rekey.n_records));
    ward_status status = finish_keys(request, worker);
    wipe(notes);
    request->n_leaf_items = notes->n_items;
    WARD_TRY(status);
    move_on(in, notes, read);
    ward_request_detail(request, "run", in->job.version);
    ward_request_detail(request, "version", notes->version);
    ward_request_detail(request, "rekeyed", (int64_t)in->rows);
    ward_request_detail(request, "failed", (int64_t)in->failed);
    return WARD_OK;
}

static ward_status commit_key(struct ward_batch *batch, struct rekey_key *key)
{
    struct rekey_key *maker = key->maker;
    if (key->old->n > 0 && key->n_moved == 0) {
        return WARD_OK;
    }
    struct ward_rekeyed_key pair = {.from = key->old->key.id};
    if (key->n_moved > 0) {
        pair.to = maker->to;
        if (maker->fresh && !maker->placed) {
            WARD_TRY(ward_batch_subject_key(batch, &maker->row));
            maker->placed = true;
        }
    }
    return ward_batch_rekeyed(batch, &pair, key->moved, key->n_moved);
}

static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    struct rekey_notes *notes = request->work;
    WARD_TRY(ward_failpoint("rekey.before-commit"));
    WARD_TRY(ward_job_page_commit(request, batch));
    for (size_t i = 0; i < notes->n; i++) {
        notes->keys[i].placed = false; /* a batch may be filled more than once */
    }
    for (size_t i = 0; i < notes->n; i++) {
        WARD_TRY(commit_key(batch, &notes->keys[i]));
    }
    return WARD_OK;
}

const struct ward_op ward_op_rekey = {
    .action = WARD_ACTION_SYSTEM_REKEY,
    .cost = ward_job_page_cost,
    .decide = decide,
    .steps = {{.read = read, .plan = plan, .finish = finish, .commit = commit}},
    .n_steps = 1,
};
