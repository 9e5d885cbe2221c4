/* SPDX-License-Identifier: Apache-2.0 */
/* Bulk effects as arrays: one statement for all rows of a kind. Rows are sorted by key, so that
 * whoever else writes them locks them in the same order, and neighbours share index pages. */
#include "backends/postgres/effects.h"

#include <stdlib.h>

/* By id, as a rewrap reads and moves them, so that it finds them side by side on their pages. */
static int compare_subject_keys(const void *a, const void *b)
{
    const struct ward_new_subject_key *x = *(const struct ward_new_subject_key *const *)a;
    const struct ward_new_subject_key *y = *(const struct ward_new_subject_key *const *)b;
    return memcmp(x->id.bytes, y->id.bytes, sizeof(x->id.bytes));
}

static int compare_records(const void *a, const void *b)
{
    const struct ward_new_record *x = *(const struct ward_new_record *const *)a;
    const struct ward_new_record *y = *(const struct ward_new_record *const *)b;
    int order = memcmp(x->id_hash, y->id_hash, WARD_HASH_SIZE);
    return order != 0 ? order : (x->version > y->version) - (x->version < y->version);
}

static int compare_rewrapped(const void *a, const void *b)
{
    const struct ward_rewrapped *x = *(const struct ward_rewrapped *const *)a;
    const struct ward_rewrapped *y = *(const struct ward_rewrapped *const *)b;
    return memcmp(x->id.bytes, y->id.bytes, sizeof(x->id.bytes));
}

static int compare_rekeyed(const void *a, const void *b)
{
    const struct ward_rekeyed_record *x = *(const struct ward_rekeyed_record *const *)a;
    const struct ward_rekeyed_record *y = *(const struct ward_rekeyed_record *const *)b;
    int order = memcmp(x->id_hash, y->id_hash, WARD_HASH_SIZE);
    return order != 0 ? order : (x->version > y->version) - (x->version < y->version);
}

static int compare_replays(const void *a, const void *b)
{
    const struct ward_new_replay *x = *(const struct ward_new_replay *const *)a;
    const struct ward_new_replay *y = *(const struct ward_new_replay *const *)b;
    int order = ward_bytes_cmp(x->identity, y->identity);
    return order != 0 ? order : ward_bytes_cmp(x->request_id, y->request_id);
}

static int compare_uses(const void *a, const void *b)
{
    const struct ward_new_use *x = *(const struct ward_new_use *const *)a;
    const struct ward_new_use *y = *(const struct ward_new_use *const *)b;
    int order = memcmp(x->kek.bytes, y->kek.bytes, sizeof(x->kek.bytes));
    return order != 0 ? order : (x->version > y->version) - (x->version < y->version);
}

static void freep(void *p)
{
    free(*(void **)p);
}

/* Pointers to the n rows of `size` bytes, sorted; n may be 0. */
static const void **sorted(const void *rows, size_t n, size_t size,
                           int (*compare)(const void *, const void *))
{
    const void **index = calloc(n + 1, sizeof(*index));
    if (index != NULL) {
        for (size_t i = 0; i < n; i++) {
            index[i] = (const uint8_t *)rows + i * size;
        }
        qsort(index, n, sizeof(*index), compare);
    }
    return index;
}

/* One parameter: an array of one member of every row. */
#define ARRAY(conn, type, n, add, value)                   \
    do {                                                   \
        ward_pg_array_begin(&(conn)->params, (type), (n)); \
        for (size_t i = 0; i < (n); i++) {                 \
            add(&(conn)->params, (value));                 \
        }                                                  \
        ward_pg_array_end(&(conn)->params);                \
    } while (0)

ward_status ward_pg_send_subject_keys(struct ward_pg_conn *conn, const struct ward_commit *commit)
{
    size_t n = commit->n_subject_keys;
    ward_auto(freep) const struct ward_new_subject_key **k =
        (const struct ward_new_subject_key **)sorted(commit->subject_keys, n, sizeof(**k),
                                                     compare_subject_keys);
    WARD_ENSURE(k != NULL, WARD_E_EXHAUSTED);
    ARRAY(conn, WARD_PG_UUID, n, ward_pg_array_bytes, ward_id_view(&k[i]->id));
    ARRAY(conn, WARD_PG_TEXT, n, ward_pg_array_bytes, k[i]->collection);
    ARRAY(conn, WARD_PG_BYTEA, n, ward_pg_array_bytes, WARD_BYTES_ARRAY(k[i]->subject_hash));
    ARRAY(conn, WARD_PG_INT4, n, ward_pg_array_u32, k[i]->generation);
    ARRAY(conn, WARD_PG_UUID, n, ward_pg_array_bytes, ward_id_view(&k[i]->kek));
    ARRAY(conn, WARD_PG_INT4, n, ward_pg_array_u32, k[i]->kek_version);
    ARRAY(conn, WARD_PG_BYTEA, n, ward_pg_array_bytes, k[i]->wrapped);
    return ward_pg_send(conn, WARD_PG_INSERT_SUBJECT_KEYS);
}

ward_status ward_pg_send_records(struct ward_pg_conn *conn, const struct ward_commit *commit)
{
    size_t n = commit->n_records;
    ward_auto(freep) const struct ward_new_record **r =
        (const struct ward_new_record **)sorted(commit->records, n, sizeof(**r), compare_records);
    WARD_ENSURE(r != NULL, WARD_E_EXHAUSTED);
    ARRAY(conn, WARD_PG_BYTEA, n, ward_pg_array_bytes, WARD_BYTES_ARRAY(r[i]->id_hash));
    ARRAY(conn, WARD_PG_INT4, n, ward_pg_array_u32, r[i]->version);
    ARRAY(conn, WARD_PG_UUID, n, ward_pg_array_bytes, ward_id_view(&r[i]->subject_key));
    ARRAY(conn, WARD_PG_INT4, n, ward_pg_array_u32, r[i]->schema_version);
    ARRAY(conn, WARD_PG_INT8, n, ward_pg_array_i64, r[i]->created_us);
    ARRAY(conn, WARD_PG_BYTEA, n, ward_pg_array_bytes, r[i]->sealed);
    return ward_pg_send(conn, WARD_PG_INSERT_RECORDS);
}

ward_status ward_pg_send_rewrapped(struct ward_pg_conn *conn, const struct ward_commit *commit,
                                   bool by_place)
{
    size_t n = commit->n_rewrapped;
    ward_auto(freep) const struct ward_rewrapped **r = (const struct ward_rewrapped **)sorted(
        commit->rewrapped, n, sizeof(**r), compare_rewrapped);
    WARD_ENSURE(r != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 1; i < n; i++) {
        /* An UPDATE that meets one row twice silently applies one of the two. */
        WARD_ENSURE(compare_rewrapped(&r[i - 1], &r[i]) != 0, WARD_E_INTERNAL);
    }
    ARRAY(conn, WARD_PG_UUID, n, ward_pg_array_bytes, ward_id_view(&r[i]->id));
    ARRAY(conn, WARD_PG_BYTEA, n, ward_pg_array_bytes, r[i]->old_wrapped);
    ARRAY(conn, WARD_PG_BYTEA, n, ward_pg_array_bytes, r[i]->new_wrapped);
    ARRAY(conn, WARD_PG_INT4, n, ward_pg_array_u32, r[i]->kek_version);
    if (!by_place) {
        return ward_pg_send(conn, WARD_PG_REWRAP_BY_ID);
    }
    ARRAY(conn, WARD_PG_TID, n, ward_pg_array_place, r[i]->place);
    return ward_pg_send(conn, WARD_PG_REWRAP);
}

/* Records name their key by its place among the keys, which therefore stay in their order. */
ward_status ward_pg_send_rekeyed(struct ward_pg_conn *conn, const struct ward_commit *commit)
{
    const struct ward_rekeyed_key *k = commit->rekeyed_keys;
    size_t n = commit->n_rekeyed_records;
    ward_auto(freep) const struct ward_rekeyed_record **r =
        (const struct ward_rekeyed_record **)sorted(commit->rekeyed_records, n, sizeof(**r),
                                                    compare_rekeyed);
    WARD_ENSURE(r != NULL, WARD_E_EXHAUSTED);
    ARRAY(conn, WARD_PG_UUID, commit->n_rekeyed_keys, ward_pg_array_bytes,
          ward_id_view(&k[i].from));
    ARRAY(conn, WARD_PG_UUID, commit->n_rekeyed_keys, ward_pg_array_bytes, ward_id_view(&k[i].to));
    ARRAY(conn, WARD_PG_INT4, n, ward_pg_array_u32, (uint32_t)r[i]->key + 1);
    ARRAY(conn, WARD_PG_BYTEA, n, ward_pg_array_bytes, WARD_BYTES_ARRAY(r[i]->id_hash));
    ARRAY(conn, WARD_PG_INT4, n, ward_pg_array_u32, r[i]->version);
    ARRAY(conn, WARD_PG_BYTEA, n, ward_pg_array_bytes, r[i]->sealed);
    return ward_pg_send(conn, WARD_PG_REKEY);
}

ward_status ward_pg_send_replays(struct ward_pg_conn *conn, const struct ward_commit *commit)
{
    size_t n = commit->n_replays;
    ward_auto(freep) const struct ward_new_replay **r =
        (const struct ward_new_replay **)sorted(commit->replays, n, sizeof(**r), compare_replays);
    WARD_ENSURE(r != NULL, WARD_E_EXHAUSTED);
    ARRAY(conn, WARD_PG_TEXT, n, ward_pg_array_bytes, r[i]->identity);
    ARRAY(conn, WARD_PG_TEXT, n, ward_pg_array_bytes, r[i]->request_id);
    ARRAY(conn, WARD_PG_BYTEA, n, ward_pg_array_bytes, WARD_BYTES_ARRAY(r[i]->digest));
    ARRAY(conn, WARD_PG_BYTEA, n, ward_pg_array_bytes, r[i]->response);
    ARRAY(conn, WARD_PG_INT8, n, ward_pg_array_i64, r[i]->created_us);
    return ward_pg_send(conn, WARD_PG_INSERT_REPLAYS);
}

#define FEW_USES 16u

/* Nearly every commit of data keys comes through here, with one or two versions: their order needs
 * no memory of its own. */
ward_status ward_pg_add_uses(struct ward_pg_conn *conn, const struct ward_commit *commit)
{
    size_t n = commit->n_uses;
    const struct ward_new_use *few[FEW_USES];
    ward_auto(freep) const struct ward_new_use **many = NULL;
    const struct ward_new_use **u = few;
    if (n > FEW_USES) {
        many = (const struct ward_new_use **)calloc(n, sizeof(*many));
        WARD_ENSURE(many != NULL, WARD_E_EXHAUSTED);
        u = many;
    }
    for (size_t i = 0; i < n; i++) {
        u[i] = &commit->uses[i];
    }
    qsort(u, n, sizeof(*u), compare_uses);
    ARRAY(conn, WARD_PG_UUID, n, ward_pg_array_bytes, ward_id_view(&u[i]->kek));
    ARRAY(conn, WARD_PG_INT4, n, ward_pg_array_u32, u[i]->version);
    ARRAY(conn, WARD_PG_INT8, n, ward_pg_array_i64, (int64_t)u[i]->issued);
    ARRAY(conn, WARD_PG_INT8, n, ward_pg_array_i64, (int64_t)u[i]->opened);
    ARRAY(conn, WARD_PG_INT8, n, ward_pg_array_i64, u[i]->last_opened_us);
    ward_pg_add_bytes(&conn->params, commit->node);
    return WARD_OK;
}
