/* SPDX-License-Identifier: Apache-2.0 */
/* Reads: copies of rows into the caller's arena. Changes nothing but the count of a version's
 * wraps; see read_keys.c for more. */
#include "backends/memory/state.h"

#include <stdlib.h>

#include "base/cursor.h"

#define ROWS(state, table) ((state)->tables[table])

/* Copies a view that a row holds; sticky. */
struct copier {
    struct ward_arena *arena;
    bool spent;
};

static struct ward_bytes copy(struct copier *copier, struct ward_bytes from)
{
    struct ward_bytes to = {0};
    if (!ward_ok(ward_arena_copy(copier->arena, from, &to))) {
        copier->spent = true;
    }
    return to;
}

static ward_status copied(const struct copier *copier)
{
    WARD_ENSURE(!copier->spent, WARD_E_EXHAUSTED);
    return WARD_OK;
}

static struct ward_store_subject_key key_of(struct copier *copier,
                                            const struct ward_memory_subject_key *row)
{
    return (struct ward_store_subject_key){.id = row->key.id,
                                           .generation = row->key.generation,
                                           .wrapped = copy(copier, row->key.wrapped)};
}

static ward_status read_subject_key(const struct ward_memory_state *state, struct ward_read *r)
{
    struct copier copier = {.arena = r->arena};
    struct ward_memory_subject_key key = {.key.generation = UINT32_MAX, .state = 1};
    memcpy(key.key.subject_hash, r->subject_key.subject_hash, WARD_HASH_SIZE);
    size_t at;
    (void)ward_memory_find(state, WARD_TABLE_SUBJECT_HASH, &key, &at); /* behind the newest */
    while (at-- > 0) {
        const struct ward_memory_subject_key *row = ROWS(state, WARD_TABLE_SUBJECT_HASH).rows[at];
        if (memcmp(row->key.subject_hash, key.key.subject_hash, WARD_HASH_SIZE) != 0) {
            break;
        }
        if (row->state == 1) {
            r->subject_key.key = key_of(&copier, row);
            return copied(&copier);
        }
    }
    WARD_FAIL(WARD_E_NOT_FOUND);
}

/* The record, or with version 0 the newest of its versions; NULL when there is none. */
static const struct ward_new_record *find_record(const struct ward_memory_state *state,
                                                 const uint8_t *id_hash, uint32_t version)
{
    struct ward_new_record key = {.version = version == 0 ? UINT32_MAX : version};
    memcpy(key.id_hash, id_hash, WARD_HASH_SIZE);
    size_t at;
    if (ward_memory_find(state, WARD_TABLE_RECORD, &key, &at)) {
        return ROWS(state, WARD_TABLE_RECORD).rows[at];
    }
    if (version != 0 || at == 0) {
        return NULL;
    }
    const struct ward_new_record *row = ROWS(state, WARD_TABLE_RECORD).rows[at - 1];
    return memcmp(row->id_hash, id_hash, WARD_HASH_SIZE) == 0 ? row : NULL;
}

static ward_status read_record_version(const struct ward_memory_state *state, struct ward_read *r)
{
    const struct ward_new_record *row = find_record(state, r->record_version.id_hash, 0);
    r->record_version.version = row == NULL ? 0 : row->version;
    return WARD_OK;
}

static ward_status read_record(const struct ward_memory_state *state, struct ward_read *r)
{
    struct copier copier = {.arena = r->arena};
    const struct ward_new_record *row = find_record(state, r->record.id_hash, r->record.version);
    WARD_ENSURE(row != NULL, WARD_E_NOT_FOUND);
    struct ward_memory_subject_key subject = {.key.id = row->subject_key};
    const struct ward_memory_subject_key *key =
        ward_memory_get(state, WARD_TABLE_SUBJECT_KEY, &subject);
    WARD_ENSURE(key != NULL, WARD_E_NOT_FOUND);
    r->record.version = row->version;
    r->record.schema_version = row->schema_version;
    r->record.sealed = copy(&copier, row->sealed);
    r->record.key = key_of(&copier, key);
    return copied(&copier);
}

static bool on_page(const struct ward_memory_subject_key *row, const struct ward_read *r)
{
    const struct ward_id *id = &row->key.id;
    bool counts = r->rewrap.n_versions == 0;
    for (size_t i = 0; i < r->rewrap.n_versions; i++) {
        counts |= row->key.kek_version == r->rewrap.versions[i];
    }
    return counts && ward_id_eq(&row->key.kek, &r->rewrap.kek) &&
           row->key.kek_version < r->rewrap.below &&
           memcmp(id->bytes, r->rewrap.after.bytes, sizeof(id->bytes)) > 0 &&
           memcmp(id->bytes, r->rewrap.until.bytes, sizeof(id->bytes)) <= 0;
}

static ward_status read_rewrap_page(const struct ward_memory_state *state, struct ward_read *r)
{
    struct copier copier = {.arena = r->arena};
    const struct ward_memory_rows *rows = &ROWS(state, WARD_TABLE_SUBJECT_KEY);
    size_t limit = r->rewrap.limit < rows->n ? r->rewrap.limit : rows->n, n = 0;
    struct ward_store_subject_key *keys =
        WARD_ARENA_ARRAY(r->arena, struct ward_store_subject_key, limit);
    uint8_t(*hashes)[WARD_HASH_SIZE] = ward_arena_alloc(r->arena, limit * WARD_HASH_SIZE);
    uint64_t *places = WARD_ARENA_ARRAY(r->arena, uint64_t, limit); /* rows have none here */
    WARD_ENSURE(keys != NULL && hashes != NULL && places != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < rows->n && n < limit; i++) {
        const struct ward_memory_subject_key *row = rows->rows[i];
        if (on_page(row, r)) {
            memcpy(hashes[n], row->key.subject_hash, WARD_HASH_SIZE);
            keys[n++] = key_of(&copier, row);
        }
    }
    r->rewrap.keys = keys;
    r->rewrap.subject_hashes = (const uint8_t(*)[WARD_HASH_SIZE])hashes;
    r->rewrap.places = places;
    r->rewrap.n = n;
    return copied(&copier);
}

static ward_status read_rows(const struct ward_memory_state *state, struct ward_read *r)
{
    const struct ward_memory_rows *rows = &ROWS(state, WARD_TABLE_SUBJECT_KEY);
    uint32_t *versions = WARD_ARENA_ARRAY(r->arena, uint32_t, rows->n);
    uint64_t *counts = WARD_ARENA_ARRAY(r->arena, uint64_t, rows->n);
    WARD_ENSURE(versions != NULL && counts != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_memory_subject_key *row = rows->rows[i];
        if (!ward_id_eq(&row->key.kek, &r->rows.kek)) {
            continue;
        }
        size_t at = 0;
        while (at < n && versions[at] < row->key.kek_version) {
            at++;
        }
        if (at == n || versions[at] != row->key.kek_version) {
            memmove(versions + at + 1, versions + at, (n - at) * sizeof(*versions));
            memmove(counts + at + 1, counts + at, (n - at) * sizeof(*counts));
            versions[at] = row->key.kek_version;
            counts[at] = 0;
            n++;
        }
        counts[at]++;
    }
    r->rows.versions = versions;
    r->rows.counts = counts;
    r->rows.n = n;
    return WARD_OK;
}

static int earlier_vote(const void *a, const void *b)
{
    const struct ward_store_vote *x = a, *y = b;
    int order = (x->created_us > y->created_us) - (x->created_us < y->created_us);
    return order != 0 ? order : ward_bytes_cmp(x->identity, y->identity);
}

static ward_status take_proposal(const struct ward_memory_state *state,
                                 const struct ward_store_proposal *row, struct ward_arena *arena,
                                 struct ward_store_proposal *ret)
{
    struct copier copier = {.arena = arena};
    const struct ward_memory_rows *rows = &ROWS(state, WARD_TABLE_VOTE);
    size_t n = 0, at = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_memory_vote *vote = rows->rows[i];
        n += ward_id_eq(&vote->proposal, &row->id) ? 1 : 0;
    }
    struct ward_store_vote *votes = WARD_ARENA_ARRAY(arena, struct ward_store_vote, n);
    WARD_ENSURE(votes != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_memory_vote *vote = rows->rows[i];
        if (ward_id_eq(&vote->proposal, &row->id)) {
            votes[at] = vote->vote;
            votes[at].identity = copy(&copier, vote->vote.identity);
            votes[at].reason = copy(&copier, vote->vote.reason);
            votes[at].signature = copy(&copier, vote->vote.signature);
            votes[at].certificate = copy(&copier, vote->vote.certificate);
            at++;
        }
    }
    qsort(votes, n, sizeof(*votes), earlier_vote);
    *ret = *row;
    ret->payload = copy(&copier, row->payload);
    ret->proposer = copy(&copier, row->proposer);
    ret->attachment = (struct ward_bytes){0};
    ret->votes = n == 0 ? NULL : votes;
    ret->n_votes = n;
    return copied(&copier);
}

static ward_status read_proposal(const struct ward_memory_state *state, struct ward_read *r)
{
    struct ward_store_proposal key = {.id = r->proposal.id};
    const struct ward_store_proposal *row = ward_memory_get(state, WARD_TABLE_PROPOSAL, &key);
    WARD_ENSURE(row != NULL, WARD_E_NOT_FOUND);
    WARD_TRY(take_proposal(state, row, r->arena, &r->proposal.proposal));
    return ward_arena_copy(r->arena, row->attachment, &r->proposal.proposal.attachment);
}

static int newer(const struct ward_store_proposal *x, int64_t created_us, const struct ward_id *id)
{
    int order = (x->created_us > created_us) - (x->created_us < created_us);
    return order != 0 ? order : memcmp(x->id.bytes, id->bytes, sizeof(id->bytes));
}

static int newest_first(const void *a, const void *b)
{
    const struct ward_store_proposal *x = *(const struct ward_store_proposal *const *)a;
    const struct ward_store_proposal *y = *(const struct ward_store_proposal *const *)b;
    return newer(y, x->created_us, &x->id);
}

static bool is_open(uint8_t state)
{
    return state < WARD_PROPOSAL_EXECUTED || state == WARD_PROPOSAL_APPROVED;
}

static ward_status read_proposals(const struct ward_memory_state *state, struct ward_read *r)
{
    const struct ward_memory_rows *rows = &ROWS(state, WARD_TABLE_PROPOSAL);
    const struct ward_store_proposal **found =
        WARD_ARENA_ARRAY(r->arena, const struct ward_store_proposal *, rows->n);
    WARD_ENSURE(found != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_store_proposal *row = rows->rows[i];
        bool page = r->proposals.before_us == 0 ||
                    newer(row, r->proposals.before_us, &r->proposals.before_id) < 0;
        if (page && (r->proposals.all || is_open(row->state))) {
            found[n++] = row;
        }
    }
    qsort(found, n, sizeof(*found), newest_first);
    n = n < r->proposals.limit ? n : r->proposals.limit;
    struct ward_store_proposal *proposals =
        WARD_ARENA_ARRAY(r->arena, struct ward_store_proposal, n);
    WARD_ENSURE(proposals != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < n; i++) {
        WARD_TRY(take_proposal(state, found[i], r->arena, &proposals[i]));
    }
    r->proposals.proposals = proposals;
    r->proposals.n = n;
    return WARD_OK;
}

/* The row that holds leaf number seq; NULL when there is none. */
static const struct ward_memory_audit *find_audit(const struct ward_memory_state *state,
                                                  uint64_t seq)
{
    struct ward_memory_audit key = {.first = seq};
    size_t at;
    if (!ward_memory_find(state, WARD_TABLE_AUDIT, &key, &at)) {
        if (at == 0) {
            return NULL;
        }
        at--;
    }
    const struct ward_memory_audit *row = ROWS(state, WARD_TABLE_AUDIT).rows[at];
    return seq - row->first < row->count ? row : NULL;
}

static ward_status read_audit(const struct ward_memory_state *state, struct ward_read *r)
{
    struct copier copier = {.arena = r->arena};
    uint64_t size = state->head.tree.size;
    WARD_ENSURE(r->audit.start < size, WARD_E_NOT_FOUND);
    uint64_t end = r->audit.end < size ? r->audit.end : size;
    struct ward_bytes *leaves =
        WARD_ARENA_ARRAY(r->arena, struct ward_bytes, (size_t)(end - r->audit.start));
    WARD_ENSURE(leaves != NULL, WARD_E_EXHAUSTED);
    size_t n = 0, bytes = 0;
    for (uint64_t seq = r->audit.start; seq < end;) {
        const struct ward_memory_audit *row = find_audit(state, seq);
        WARD_ENSURE(row != NULL, WARD_E_NOT_FOUND);
        struct ward_cursor cursor;
        ward_cursor_init(&cursor, row->leaves);
        for (uint64_t i = row->first; i < row->first + row->count && seq < end; i++) {
            struct ward_bytes leaf = ward_cursor_take(&cursor, ward_cursor_u16(&cursor));
            if (i < seq) {
                continue;
            }
            bytes += leaf.size;
            if (n > 0 && bytes > r->audit.max_bytes) {
                end = seq;
                break;
            }
            leaves[n++] = copy(&copier, leaf);
            seq++;
        }
    }
    r->audit.leaves = leaves;
    r->audit.n = n;
    return copied(&copier);
}

static struct ward_bytes copy_note(struct copier *copier, struct ward_bytes note, uint32_t max)
{
    return note.size <= max ? copy(copier, note) : (struct ward_bytes){0};
}

static ward_status read_checkpoints(const struct ward_memory_state *state, struct ward_read *r)
{
    struct copier copier = {.arena = r->arena};
    const struct ward_memory_rows *rows = &ROWS(state, WARD_TABLE_CHECKPOINT);
    struct ward_store_checkpoint *to =
        WARD_ARENA_ARRAY(r->arena, struct ward_store_checkpoint, r->checkpoints.limit);
    WARD_ENSURE(to != NULL, WARD_E_EXHAUSTED);
    uint64_t below = r->checkpoints.below == 0 ? INT64_MAX : r->checkpoints.below;
    r->checkpoints.n = 0;
    for (size_t i = 0; i < rows->n && r->checkpoints.n < r->checkpoints.limit; i++) {
        const struct ward_memory_checkpoint *row =
            rows->rows[r->checkpoints.newest_first ? rows->n - 1 - i : i];
        if (row->size >= r->checkpoints.from && row->size < below) {
            to[r->checkpoints.n++] = (struct ward_store_checkpoint){
                .size = row->size,
                .note = copy_note(&copier, row->note, r->checkpoints.max_note),
                .created_us = row->created_us};
        }
    }
    r->checkpoints.rows = to;
    return copied(&copier);
}

/* NULL: there is none yet. */
static const struct ward_memory_checkpoint *first_behind(const struct ward_memory_rows *rows,
                                                         uint64_t leaf)
{
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_memory_checkpoint *row = rows->rows[i];
        if (row->size > leaf) {
            return row;
        }
    }
    return NULL;
}

static ward_status read_handovers(const struct ward_memory_state *state, struct ward_read *r)
{
    struct copier copier = {.arena = r->arena};
    const struct ward_memory_rows *keys = &ROWS(state, WARD_TABLE_LOG_KEY);
    struct ward_store_handover *to =
        WARD_ARENA_ARRAY(r->arena, struct ward_store_handover, keys->n);
    WARD_ENSURE(to != NULL, WARD_E_EXHAUSTED);
    r->handovers.n = 0;
    for (size_t i = 0; i < keys->n; i++) {
        const struct ward_store_log_key *key = keys->rows[i];
        const struct ward_memory_checkpoint *row =
            first_behind(&ROWS(state, WARD_TABLE_CHECKPOINT), key->leaf);
        if (row != NULL) {
            to[r->handovers.n++] = (struct ward_store_handover){
                .version = key->version,
                .size = row->size,
                .note = copy_note(&copier, row->note, r->handovers.max_note)};
        }
    }
    r->handovers.handovers = to;
    return copied(&copier);
}

static ward_status read_replay(const struct ward_memory_state *state, struct ward_read *r)
{
    struct copier copier = {.arena = r->arena};
    struct ward_new_replay key = {.identity = r->replay.identity,
                                  .request_id = r->replay.request_id};
    const struct ward_new_replay *row = ward_memory_get(state, WARD_TABLE_REPLAY, &key);
    r->replay.found = row != NULL;
    if (row == NULL) {
        return WARD_OK;
    }
    memcpy(r->replay.digest, row->digest, WARD_HASH_SIZE);
    r->replay.response = copy(&copier, row->response);
    r->replay.created_us = row->created_us;
    return copied(&copier);
}

static ward_status reserve(struct ward_memory_state *state, struct ward_read *r)
{
    struct ward_store_kek_version key = {.kek = r->reserve.kek, .version = r->reserve.version};
    const struct ward_store_kek_version *old = ward_memory_get(state, WARD_TABLE_KEK_VERSION, &key);
    WARD_ENSURE(old != NULL, WARD_E_NOT_FOUND);
    struct ward_store_kek_version *moved = ward_arena_alloc(state->rows, sizeof(*moved));
    WARD_ENSURE(moved != NULL, WARD_E_EXHAUSTED);
    uint64_t left = r->reserve.limit > old->wraps ? r->reserve.limit - old->wraps : 0;
    *moved = *old;
    moved->wraps += r->reserve.block < left ? r->reserve.block : left;
    WARD_TRY(ward_memory_replace(state, WARD_TABLE_KEK_VERSION, moved));
    r->reserve.granted = moved->wraps - old->wraps;
    r->reserve.total = moved->wraps;
    return WARD_OK;
}

static ward_status answer(struct ward_memory_state *state, struct ward_read *r)
{
    switch (r->kind) {
    case WARD_READ_SUBJECT_KEY:
        return read_subject_key(state, r);
    case WARD_READ_RECORD_VERSION:
        return read_record_version(state, r);
    case WARD_READ_RECORD:
        return read_record(state, r);
    case WARD_READ_REWRAP_PAGE:
        return read_rewrap_page(state, r);
    case WARD_READ_ROWS:
        return read_rows(state, r);
    case WARD_READ_REKEY_PAGE:
    case WARD_READ_REKEY_LEFT:
        return ward_memory_read_rekey(state, r);
    case WARD_READ_PROPOSAL:
        return read_proposal(state, r);
    case WARD_READ_PROPOSALS:
        return read_proposals(state, r);
    case WARD_READ_AUDIT:
        return read_audit(state, r);
    case WARD_READ_CHECKPOINTS:
        return read_checkpoints(state, r);
    case WARD_READ_HANDOVERS:
        return read_handovers(state, r);
    case WARD_READ_REPLAY:
        return read_replay(state, r);
    case WARD_READ_JOBS:
        return ward_memory_read_jobs(state, r);
    case WARD_READ_JOB_CLAIM:
        return ward_memory_claim(state, r);
    case WARD_READ_RESERVE:
        return reserve(state, r);
    case WARD_READ_EMERGENCIES:
        return ward_memory_read_emergencies(state, r);
    case WARD_READ_POLICY:
    case WARD_READ_POLICIES:
    case WARD_READ_KEY_USE:
    case WARD_READ_HELD:
    case WARD_READ_NODES:
    case WARD_READ_HEARTBEAT:
        return ward_memory_answer_keys(state, r);
    case WARD_READ_SIGHTINGS:
        return ward_memory_sightings(state, r);
    }
    WARD_FAIL(WARD_E_INTERNAL);
}

void ward_memory_answer(struct ward_memory_state *state, struct ward_read *read)
{
    read->status = answer(state, read);
}
