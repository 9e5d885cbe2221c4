/* SPDX-License-Identifier: Apache-2.0 */
/* A rekey in memory: what the function and the two reads of the database do. */
#include "backends/memory/state.h"

static const struct ward_memory_subject_key *find_key(const struct ward_memory_state *state,
                                                      const struct ward_id *id)
{
    const struct ward_memory_subject_key key = {.key.id = *id};
    return ward_memory_get(state, WARD_TABLE_SUBJECT_KEY, &key);
}

/* The subject's last generation. */
static const struct ward_memory_subject_key *newest_of(const struct ward_memory_state *state,
                                                       const uint8_t *subject_hash)
{
    struct ward_memory_subject_key behind = {.key.generation = UINT32_MAX};
    memcpy(behind.key.subject_hash, subject_hash, WARD_HASH_SIZE);
    size_t at;
    (void)ward_memory_find(state, WARD_TABLE_SUBJECT_HASH, &behind, &at);
    return at == 0 ? NULL : state->tables[WARD_TABLE_SUBJECT_HASH].rows[at - 1];
}

static bool seals(const struct ward_new_record *record, const struct ward_id *key)
{
    return ward_id_eq(&record->subject_key, key);
}

static size_t count_records(const struct ward_memory_state *state, const struct ward_id *key)
{
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_RECORD];
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        n += seals(rows->rows[i], key);
    }
    return n;
}

uint32_t ward_memory_last_run(const struct ward_memory_state *state, const struct ward_id *kek)
{
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_JOB];
    uint32_t run = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_store_job *job = rows->rows[i];
        if (job->kind == WARD_JOB_REKEY && ward_id_eq(&job->kek, kek) && job->version > run) {
            run = job->version;
        }
    }
    return run;
}

/* ---- what a commit does ---- */

static ward_status check_pair(const struct ward_memory_state *state,
                              const struct ward_rekeyed_key *pair)
{
    if (ward_id_eq(&pair->to, &(struct ward_id){0})) {
        return WARD_OK;
    }
    const struct ward_memory_subject_key *from = find_key(state, &pair->from),
                                         *to = find_key(state, &pair->to);
    WARD_ENSURE(from != NULL && to != NULL && to->state == 1 &&
                    ward_id_eq(&from->key.kek, &to->key.kek) &&
                    to->key.generation > from->key.generation &&
                    memcmp(from->key.subject_hash, to->key.subject_hash, WARD_HASH_SIZE) == 0,
                WARD_E_CONFLICT);
    return WARD_OK;
}

static ward_status move_record(struct ward_memory_state *state, const struct ward_rekeyed_key *pair,
                               const struct ward_rekeyed_record *moved)
{
    struct ward_new_record key = {.version = moved->version};
    memcpy(key.id_hash, moved->id_hash, WARD_HASH_SIZE);
    const struct ward_new_record *old = ward_memory_get(state, WARD_TABLE_RECORD, &key);
    WARD_ENSURE(old != NULL && seals(old, &pair->from), WARD_E_CONFLICT);
    struct ward_new_record *fresh = ward_arena_alloc(state->rows, sizeof(*fresh));
    WARD_ENSURE(fresh != NULL, WARD_E_EXHAUSTED);
    *fresh = *old;
    fresh->subject_key = pair->to;
    WARD_TRY(ward_arena_copy(state->rows, moved->sealed, &fresh->sealed));
    return ward_memory_replace(state, WARD_TABLE_RECORD, fresh);
}

static ward_status remove_unused(struct ward_memory_state *state, const struct ward_id *id)
{
    const struct ward_memory_subject_key *key = find_key(state, id);
    if (key == NULL || count_records(state, id) > 0) {
        return WARD_OK;
    }
    WARD_TRY(ward_memory_remove(state, WARD_TABLE_SUBJECT_HASH, key));
    return ward_memory_remove(state, WARD_TABLE_SUBJECT_KEY, key);
}

/* Whatever of the subject is older seals nothing more. */
static ward_status retire_older(struct ward_memory_state *state, const struct ward_id *id)
{
    const struct ward_memory_subject_key *key = find_key(state, id);
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_SUBJECT_HASH];
    size_t at;
    if (key == NULL || !ward_memory_find(state, WARD_TABLE_SUBJECT_HASH, key, &at)) {
        return WARD_OK;
    }
    while (at-- > 0) {
        const struct ward_memory_subject_key *old = rows->rows[at];
        if (memcmp(old->key.subject_hash, key->key.subject_hash, WARD_HASH_SIZE) != 0) {
            break;
        }
        struct ward_memory_subject_key *retired = ward_arena_alloc(state->rows, sizeof(*retired));
        WARD_ENSURE(retired != NULL, WARD_E_EXHAUSTED);
        *retired = *old;
        retired->state = 2;
        WARD_TRY(ward_memory_replace(state, WARD_TABLE_SUBJECT_HASH, retired));
        WARD_TRY(ward_memory_replace(state, WARD_TABLE_SUBJECT_KEY, retired));
    }
    return WARD_OK;
}

ward_status ward_memory_apply_rekeyed(struct ward_memory_state *state,
                                      const struct ward_commit *commit)
{
    for (size_t i = 0; i < commit->n_rekeyed_keys; i++) {
        WARD_TRY(check_pair(state, &commit->rekeyed_keys[i]));
    }
    for (size_t i = 0; i < commit->n_rekeyed_records; i++) {
        const struct ward_rekeyed_record *record = &commit->rekeyed_records[i];
        WARD_TRY(move_record(state, &commit->rekeyed_keys[record->key], record));
    }
    for (size_t i = 0; i < commit->n_rekeyed_keys; i++) {
        WARD_TRY(remove_unused(state, &commit->rekeyed_keys[i].from));
        WARD_TRY(retire_older(state, &commit->rekeyed_keys[i].to));
    }
    return WARD_OK;
}

/* ---- reads ---- */

static bool is_old(const struct ward_memory_subject_key *row, const struct ward_id *kek,
                   uint32_t run)
{
    return ward_id_eq(&row->key.kek, kek) && row->run < run;
}

static ward_status copy_key(const struct ward_memory_subject_key *row, struct ward_arena *arena,
                            struct ward_store_subject_key *ret)
{
    *ret = (struct ward_store_subject_key){.id = row->key.id, .generation = row->key.generation};
    return ward_arena_copy(arena, row->key.wrapped, &ret->wrapped);
}

static ward_status add_key(const struct ward_memory_state *state,
                           const struct ward_memory_subject_key *row, struct ward_read *r,
                           struct ward_store_old_key *ret)
{
    const struct ward_memory_subject_key *newest = newest_of(state, row->key.subject_hash);
    WARD_ENSURE(newest != NULL, WARD_E_INTERNAL);
    *ret =
        (struct ward_store_old_key){.newest = newest->key.generation,
                                    .followed = newest->state == 1 && newest->run >= r->rekey.run,
                                    .first = r->rekey.n_records};
    memcpy(ret->subject_hash, row->key.subject_hash, WARD_HASH_SIZE);
    WARD_TRY(ward_arena_copy(r->arena, row->key.collection, &ret->collection));
    WARD_TRY(copy_key(row, r->arena, &ret->key));
    return ret->followed ? copy_key(newest, r->arena, &ret->next) : WARD_OK;
}

static ward_status add_record(const struct ward_new_record *row, struct ward_arena *arena,
                              struct ward_store_old_record *ret)
{
    *ret = (struct ward_store_old_record){.version = row->version,
                                          .schema_version = row->schema_version};
    memcpy(ret->id_hash, row->id_hash, WARD_HASH_SIZE);
    return ward_arena_copy(arena, row->sealed, &ret->sealed);
}

/* The key's records, as far as the page has room for them. */
static ward_status add_records(const struct ward_memory_state *state, struct ward_read *r,
                               struct ward_store_old_key *key,
                               struct ward_store_old_record *records, size_t *rows, size_t *bytes)
{
    const struct ward_memory_rows *all = &state->tables[WARD_TABLE_RECORD];
    for (size_t i = 0; i < all->n; i++) {
        const struct ward_new_record *row = all->rows[i];
        if (!seals(row, &key->key.id)) {
            continue;
        }
        if (*rows == r->rekey.limit || *bytes >= r->rekey.max_bytes) {
            return WARD_OK;
        }
        WARD_TRY(add_record(row, r->arena, &records[r->rekey.n_records++]));
        key->n++;
        (*rows)++;
        *bytes += row->sealed.size;
    }
    *rows += key->n == 0;
    return WARD_OK;
}

static bool on_page(const struct ward_memory_subject_key *row, const struct ward_read *r)
{
    const struct ward_id *id = &row->key.id;
    return is_old(row, &r->rekey.kek, r->rekey.run) &&
           memcmp(id->bytes, r->rekey.after.bytes, sizeof(id->bytes)) > 0 &&
           memcmp(id->bytes, r->rekey.until.bytes, sizeof(id->bytes)) <= 0;
}

static ward_status read_page(const struct ward_memory_state *state, struct ward_read *r)
{
    const struct ward_memory_rows *all = &state->tables[WARD_TABLE_SUBJECT_KEY];
    size_t rows = 0, bytes = 0;
    struct ward_store_old_key *keys =
        WARD_ARENA_ARRAY(r->arena, struct ward_store_old_key, r->rekey.limit);
    struct ward_store_old_record *records =
        WARD_ARENA_ARRAY(r->arena, struct ward_store_old_record, r->rekey.limit);
    WARD_ENSURE(keys != NULL && records != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < all->n; i++) {
        if (!on_page(all->rows[i], r)) {
            continue;
        }
        if (rows == r->rekey.limit || bytes >= r->rekey.max_bytes) {
            break;
        }
        WARD_TRY(add_key(state, all->rows[i], r, &keys[r->rekey.n]));
        WARD_TRY(add_records(state, r, &keys[r->rekey.n++], records, &rows, &bytes));
    }
    r->rekey.keys = keys;
    r->rekey.records = records;
    r->rekey.more = rows == r->rekey.limit || bytes >= r->rekey.max_bytes;
    return WARD_OK;
}

ward_status ward_memory_read_rekey(const struct ward_memory_state *state, struct ward_read *r)
{
    if (r->kind == WARD_READ_REKEY_PAGE) {
        return read_page(state, r);
    }
    const struct ward_memory_rows *all = &state->tables[WARD_TABLE_SUBJECT_KEY];
    for (size_t i = 0; i < all->n; i++) {
        const struct ward_memory_subject_key *row = all->rows[i];
        if (is_old(row, &r->rekey_left.kek, r->rekey_left.run)) {
            r->rekey_left.keys++;
            r->rekey_left.records += count_records(state, &row->key.id);
        }
    }
    return WARD_OK;
}
