/* SPDX-License-Identifier: Apache-2.0 */
/* One page of a rewrap: the HSM opens each subject key under its old version and wraps it under the
 * active one, proven, without anything in plain leaving its process. Rows move by compare and swap,
 * and the place of the job's part moves with them: who lost the part to another daemon moves
 * nothing. */
#include "base/failpoint.h"
#include "proto/wrapped_key.h"
#include "server/op/jobs.h"
#include "server/op/record.h"
#include "server/op/system.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

struct rewrap_notes {
    const struct ward_key *key;
    uint32_t version;
    struct ward_rewrapped *rows; /* of those that the HSM rewrapped */
    size_t n, n_failed;
    uint8_t **wrapped;
};

static ward_status decide(struct ward_request *request)
{
    if (request->work == NULL) {
        request->work = WARD_ARENA_NEW(request->arena, struct rewrap_notes);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    struct rewrap_notes *notes = request->work;
    notes->n = notes->n_failed = 0;
    return ward_job_page_decide(request, &notes->key, &notes->version);
}

/* In pass 0 only the rows of versions that are compromised. */
static ward_status pick_versions(struct ward_request *request, struct ward_read *read)
{
    const struct rewrap_notes *notes = request->work;
    const struct ward_key *key = notes->key;
    uint32_t *versions = WARD_ARENA_ARRAY(request->arena, uint32_t, key->n_versions);
    WARD_ENSURE(versions != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    for (size_t i = 0; i < key->n_versions; i++) {
        if (key->versions[i].state == WARD_KEY_COMPROMISED) {
            versions[n++] = key->versions[i].version;
        }
    }
    read->rewrap.versions = versions;
    read->rewrap.n_versions = n;
    return WARD_OK;
}

static ward_status read(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_job_page *in = request->in;
    const struct rewrap_notes *notes = request->work;
    struct ward_read *read;
    struct ward_id start;
    WARD_TRY(ward_request_add_read(request, WARD_READ_REWRAP_PAGE, &read));
    ward_job_range(in->place.part, in->job.parts, &start, &read->rewrap.until);
    read->rewrap.kek = notes->key->id;
    read->rewrap.after = in->place.cursor;
    read->rewrap.below = notes->version;
    read->rewrap.limit = in->limit;
    return in->place.pass == 0 ? pick_versions(request, read) : WARD_OK;
}

static ward_status plan_row(struct ward_request *request, struct ward_worker *worker,
                            struct rewrap_notes *notes, const struct ward_store_subject_key *row,
                            const uint8_t *subject_hash, size_t i)
{
    struct ward_wrapped_key old;
    WARD_TRY(ward_wrapped_key_parse(row->wrapped, &old));
    bool ours = old.use == WARD_USE_SUBJECT && ward_id_eq(&old.key_id, &notes->key->id);
    const struct ward_key_version *from =
        ours ? ward_key_version_find(notes->key, old.version) : NULL;
    WARD_ENSURE(from != NULL && ward_key_state_may_rewrap(from->state), WARD_E_STATE);
    struct ward_wrapped_key fresh = {.use = WARD_USE_SUBJECT,
                                     .algorithm = WARD_ALGORITHM_PKCS11_AES_GCM,
                                     .key_id = old.key_id,
                                     .version = notes->version};
    notes->wrapped[i] = ward_arena_alloc(request->arena, WARD_WRAPPED_MAX);
    WARD_ENSURE(notes->wrapped[i] != NULL, WARD_E_EXHAUSTED);
    ward_wrapped_key_header(&fresh, notes->wrapped[i]);
    struct ward_bytes from_aad, aad;
    WARD_TRY(ward_subject_key_aad(&old, subject_hash, &row->id, request->arena, &from_aad));
    WARD_TRY(ward_subject_key_aad(&fresh, subject_hash, &row->id, request->arena, &aad));
    struct ward_kek_item *kek;
    WARD_TRY(ward_worker_add(worker, request, &kek));
    *kek = (struct ward_kek_item){.verb = WARD_KEK_REWRAP,
                                  .key = {fresh.key_id, fresh.version},
                                  .aad = aad,
                                  .from = {old.key_id, old.version},
                                  .from_aad = from_aad,
                                  .in = old.blob,
                                  .out = notes->wrapped[i] + WARD_WRAPPED_HEADER_SIZE};
    return WARD_OK;
}

static ward_status plan(struct ward_request *request, struct ward_worker *worker)
{
    struct rewrap_notes *notes = request->work;
    const struct ward_read *read = request->reads[0];
    WARD_TRY(read->status);
    notes->rows = WARD_ARENA_ARRAY(request->arena, struct ward_rewrapped, read->rewrap.n);
    notes->wrapped = WARD_ARENA_ARRAY(request->arena, uint8_t *, read->rewrap.n);
    WARD_ENSURE(notes->rows != NULL && notes->wrapped != NULL, WARD_E_EXHAUSTED);
    notes->n_failed = 0;
    for (size_t i = 0; i < read->rewrap.n; i++) {
        const struct ward_store_subject_key *row = &read->rewrap.keys[i];
        size_t at = request->n_items;
        if (!ward_ok(plan_row(request, worker, notes, row, read->rewrap.subject_hashes[i], i))) {
            notes->n_failed++; /* a row that is broken or forbidden stays, is counted, and keeps its
                                  version needed */
            continue;
        }
        notes->rows[at] = (struct ward_rewrapped){
            .id = row->id, .old_wrapped = row->wrapped, .kek_version = notes->version};
        notes->rows[at].new_wrapped = WARD_BYTES(notes->wrapped[i], WARD_WRAPPED_HEADER_SIZE);
        notes->rows[at].place = read->rewrap.places[i];
    }
    return WARD_OK;
}

/* Where the part stands behind this page. */
static void move_on(struct ward_job_page *in, const struct ward_read *read)
{
    in->next = in->place;
    in->finished = false;
    if (read->rewrap.n == in->limit) {
        in->next.cursor = read->rewrap.keys[read->rewrap.n - 1].id;
    } else if (in->place.pass == 0) {
        struct ward_id until;
        in->next.pass = 1;
        ward_job_range(in->place.part, in->job.parts, &in->next.cursor, &until);
    } else {
        in->next.cursor = read->rewrap.until;
        in->finished = true;
    }
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_job_page *in = request->in;
    struct rewrap_notes *notes = request->work;
    const struct ward_read *read = request->reads[0];
    WARD_TRY(ward_failpoint("rewrap.after-hsm"));
    notes->n = 0;
    for (size_t i = 0; i < request->n_items; i++) {
        const struct ward_kek_item *kek = ward_worker_item(worker, request, i);
        if (kek->status.code == WARD_E_UNAVAILABLE) {
            return kek->status; /* the device is away: the page is tried again */
        }
        if (!ward_ok(kek->status)) {
            notes->n_failed++;
            continue;
        }
        struct ward_rewrapped row = notes->rows[i];
        row.new_wrapped.size += kek->out_size;
        notes->rows[notes->n++] = row;
    }
    move_on(in, read);
    in->rows = notes->n;
    in->failed = notes->n_failed;
    ward_request_detail(request, "version", notes->version);
    ward_request_detail(request, "part", in->place.part);
    ward_request_detail(request, "rewrapped", (int64_t)notes->n);
    ward_request_detail(request, "failed", (int64_t)notes->n_failed);
    return WARD_OK;
}

static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct rewrap_notes *notes = request->work;
    WARD_TRY(ward_failpoint("rewrap.before-commit"));
    WARD_TRY(ward_job_page_commit(request, batch));
    for (size_t i = 0; i < notes->n; i++) {
        WARD_TRY(ward_batch_rewrapped(batch, &notes->rows[i]));
    }
    return WARD_OK;
}

const struct ward_op ward_op_rewrap = {
    .action = WARD_ACTION_SYSTEM_REWRAP,
    .cost = ward_job_page_cost,
    .decide = decide,
    .steps = {{.read = read, .plan = plan, .finish = finish, .commit = commit}},
    .n_steps = 1,
};
