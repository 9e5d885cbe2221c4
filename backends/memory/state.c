/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted arrays of pointers to rows that do not change. Knows the keys of the tables and nothing of
 * commits. */
#include "backends/memory/state.h"

#include <stdlib.h>

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_ids(const struct ward_id *a, const struct ward_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static int compare_subject_hash(const struct ward_new_subject_key *a,
                                const struct ward_new_subject_key *b)
{
    int order = memcmp(a->subject_hash, b->subject_hash, WARD_HASH_SIZE);
    return order != 0 ? order : compare_u64(a->generation, b->generation);
}

static int compare_records(const struct ward_new_record *a, const struct ward_new_record *b)
{
    int order = memcmp(a->id_hash, b->id_hash, WARD_HASH_SIZE);
    return order != 0 ? order : compare_u64(a->version, b->version);
}

static int compare_kek_versions(const struct ward_store_kek_version *a,
                                const struct ward_store_kek_version *b)
{
    int order = compare_ids(&a->kek, &b->kek);
    return order != 0 ? order : compare_u64(a->version, b->version);
}

static int compare_intent_objects(const struct ward_store_intent *a,
                                  const struct ward_store_intent *b)
{
    int order = compare_ids(&a->kek, &b->kek);
    order = order != 0 ? order : compare_u64(a->version, b->version);
    return order != 0 ? order : compare_u64(a->effect, b->effect);
}

static uint8_t once_of(uint8_t decision)
{
    return decision <= 1 ? 0 : decision;
}

/* One identity agrees once: proposing and approving are the same key, all else has its own. */
static int compare_votes(const struct ward_memory_vote *a, const struct ward_memory_vote *b)
{
    int order = compare_ids(&a->proposal, &b->proposal);
    order = order != 0 ? order : ward_bytes_cmp(a->vote.identity, b->vote.identity);
    return order != 0 ? order : compare_u64(once_of(a->vote.decision), once_of(b->vote.decision));
}

static int compare_replays(const struct ward_new_replay *a, const struct ward_new_replay *b)
{
    int order = ward_bytes_cmp(a->identity, b->identity);
    return order != 0 ? order : ward_bytes_cmp(a->request_id, b->request_id);
}

static int compare_revocations(const struct ward_store_revocation *a,
                               const struct ward_store_revocation *b)
{
    int order = compare_u64(a->kind, b->kind);
    return order != 0 ? order : ward_bytes_cmp(a->value, b->value);
}

static int compare_key_uses(const struct ward_memory_key_use *a,
                            const struct ward_memory_key_use *b)
{
    int order = compare_ids(&a->use.kek, &b->use.kek);
    order = order != 0 ? order : compare_u64(a->use.version, b->use.version);
    return order != 0 ? order : ward_bytes_cmp(a->node, b->node);
}

static int compare_sightings(const struct ward_memory_sighting *a,
                             const struct ward_memory_sighting *b)
{
    int order = memcmp(a->certificate, b->certificate, sizeof(a->certificate));
    order = order != 0 ? order : ward_bytes_cmp(a->node, b->node);
    return order != 0 ? order : memcmp(a->place, b->place, sizeof(a->place));
}

static int compare_job_parts(const struct ward_job_place *a, const struct ward_job_place *b)
{
    int order = compare_ids(&a->job, &b->job);
    return order != 0 ? order : compare_u64(a->part, b->part);
}

#define AS(type, p) ((const struct type *)(p))
#define FIELD(compare, type, member) compare(AS(type, a)->member, AS(type, b)->member)
#define ID_FIELD(type, member) compare_ids(&AS(type, a)->member, &AS(type, b)->member)

static int compare(enum ward_memory_table table, const void *a, const void *b)
{
    switch (table) {
    case WARD_TABLE_DEPLOYMENT:
        return 0; /* one row */
    case WARD_TABLE_POLICY:
        return FIELD(compare_u64, ward_store_policy, version);
    case WARD_TABLE_KEK:
        return ID_FIELD(ward_store_kek, id);
    case WARD_TABLE_KEK_NAME:
        return FIELD(ward_bytes_cmp, ward_store_kek, name);
    case WARD_TABLE_KEK_VERSION:
        return compare_kek_versions(a, b);
    case WARD_TABLE_INDEX_KEY:
        return FIELD(ward_bytes_cmp, ward_store_index_key, name);
    case WARD_TABLE_LOG_KEY:
        return FIELD(compare_u64, ward_store_log_key, version);
    case WARD_TABLE_INTENT:
        return ID_FIELD(ward_store_intent, id);
    case WARD_TABLE_INTENT_OBJECT:
        return compare_intent_objects(a, b);
    case WARD_TABLE_SUBJECT_KEY:
        return ID_FIELD(ward_memory_subject_key, key.id);
    case WARD_TABLE_SUBJECT_HASH:
        return compare_subject_hash(&AS(ward_memory_subject_key, a)->key,
                                    &AS(ward_memory_subject_key, b)->key);
    case WARD_TABLE_RECORD:
        return compare_records(a, b);
    case WARD_TABLE_PROPOSAL:
        return ID_FIELD(ward_store_proposal, id);
    case WARD_TABLE_VOTE:
        return compare_votes(a, b);
    case WARD_TABLE_CHECKPOINT:
        return FIELD(compare_u64, ward_memory_checkpoint, size);
    case WARD_TABLE_AUDIT:
        return FIELD(compare_u64, ward_memory_audit, first);
    case WARD_TABLE_REPLAY:
        return compare_replays(a, b);
    case WARD_TABLE_EMERGENCY:
        return ID_FIELD(ward_store_emergency, id);
    case WARD_TABLE_REVOCATION:
        return compare_revocations(a, b);
    case WARD_TABLE_KEY_USE:
        return compare_key_uses(a, b);
    case WARD_TABLE_NODE:
        return FIELD(ward_bytes_cmp, ward_store_node, name);
    case WARD_TABLE_JOB:
        return ID_FIELD(ward_store_job, id);
    case WARD_TABLE_SIGHTING:
        return compare_sightings(a, b);
    case WARD_TABLE_JOB_PART:
        return compare_job_parts(&AS(ward_memory_job_part, a)->place,
                                 &AS(ward_memory_job_part, b)->place);
    case WARD_MEMORY_TABLES:
        break;
    }
    return 0;
}

ward_status ward_memory_state_copy(const struct ward_memory_state *from,
                                   struct ward_memory_state *ret)
{
    *ret = (struct ward_memory_state){.head = from->head, .fence = from->fence, .rows = from->rows};
    for (int i = 0; i < WARD_MEMORY_TABLES; i++) {
        const struct ward_memory_rows *rows = &from->tables[i];
        if (rows->n == 0) {
            continue;
        }
        const void **copy = calloc(rows->n, sizeof(*copy));
        if (copy == NULL) {
            ward_memory_state_fini(ret);
            WARD_FAIL(WARD_E_EXHAUSTED);
        }
        memcpy(copy, rows->rows, rows->n * sizeof(*copy));
        ret->tables[i] = (struct ward_memory_rows){.rows = copy, .n = rows->n, .capacity = rows->n};
    }
    return WARD_OK;
}

void ward_memory_state_fini(struct ward_memory_state *state)
{
    for (int i = 0; i < WARD_MEMORY_TABLES; i++) {
        free(state->tables[i].rows);
        state->tables[i] = (struct ward_memory_rows){0};
    }
}

bool ward_memory_find(const struct ward_memory_state *state, enum ward_memory_table table,
                      const void *row, size_t *ret_at)
{
    const struct ward_memory_rows *rows = &state->tables[table];
    size_t low = 0, high = rows->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(table, rows->rows[middle], row);
        if (order == 0) {
            *ret_at = middle;
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret_at = low;
    return false;
}

const void *ward_memory_get(const struct ward_memory_state *state, enum ward_memory_table table,
                            const void *row)
{
    size_t at;
    return ward_memory_find(state, table, row, &at) ? state->tables[table].rows[at] : NULL;
}

ward_status ward_memory_insert(struct ward_memory_state *state, enum ward_memory_table table,
                               const void *row)
{
    struct ward_memory_rows *rows = &state->tables[table];
    size_t at;
    WARD_ENSURE(!ward_memory_find(state, table, row, &at), WARD_E_CONFLICT);
    if (rows->n == rows->capacity) {
        size_t capacity = rows->capacity < 16 ? 16 : rows->capacity * 2;
        const void **more = reallocarray(rows->rows, capacity, sizeof(*more));
        WARD_ENSURE(more != NULL, WARD_E_EXHAUSTED);
        rows->rows = more;
        rows->capacity = capacity;
    }
    memmove(rows->rows + at + 1, rows->rows + at, (rows->n - at) * sizeof(*rows->rows));
    rows->rows[at] = row;
    rows->n++;
    return WARD_OK;
}

ward_status ward_memory_replace(struct ward_memory_state *state, enum ward_memory_table table,
                                const void *row)
{
    size_t at;
    WARD_ENSURE(ward_memory_find(state, table, row, &at), WARD_E_CONFLICT);
    state->tables[table].rows[at] = row;
    return WARD_OK;
}

ward_status ward_memory_remove(struct ward_memory_state *state, enum ward_memory_table table,
                               const void *row)
{
    struct ward_memory_rows *rows = &state->tables[table];
    size_t at;
    WARD_ENSURE(ward_memory_find(state, table, row, &at), WARD_E_CONFLICT);
    memmove(rows->rows + at, rows->rows + at + 1, (rows->n - at - 1) * sizeof(*rows->rows));
    rows->n--;
    return WARD_OK;
}
