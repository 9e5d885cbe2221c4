/* SPDX-License-Identifier: Apache-2.0 */
/* The reads of a rekey: subject keys of before its run with the records that they seal, and how
 * many are left. What it writes is a function of the schema; see bulk.c. */
#include "backends/postgres/reads.h"

ward_status ward_pg_send_rekey(struct ward_pg_conn *conn, const struct ward_read *r)
{
    struct ward_pg_params *p = &conn->params;
    if (r->kind == WARD_READ_REKEY_LEFT) {
        ward_pg_add_bytes(p, ward_id_view(&r->rekey_left.kek));
        ward_pg_add_u32(p, r->rekey_left.run);
        return ward_pg_send(conn, WARD_PG_READ_REKEY_LEFT);
    }
    ward_pg_add_bytes(p, ward_id_view(&r->rekey.kek));
    ward_pg_add_bytes(p, ward_id_view(&r->rekey.after));
    ward_pg_add_bytes(p, ward_id_view(&r->rekey.until));
    ward_pg_add_u32(p, r->rekey.run);
    ward_pg_add_u32(p, r->rekey.limit);
    ward_pg_add_u64(p, r->rekey.max_bytes);
    return ward_pg_send(conn, WARD_PG_READ_REKEY_PAGE);
}

static void take_key(struct ward_pg_row *row, struct ward_store_old_key *ret)
{
    *ret = (struct ward_store_old_key){
        .key = {ward_pg_id(row, 0), ward_pg_u32(row, 1), ward_pg_copy(row, 2)},
        .collection = ward_pg_copy(row, 4),
        .newest = ward_pg_u32(row, 5),
        .followed = ward_pg_bool(row, 6)};
    ward_pg_hash(row, 3, ret->subject_hash);
    if (ret->followed) {
        ret->next =
            (struct ward_store_subject_key){ward_pg_id(row, 7), ret->newest, ward_pg_copy(row, 8)};
    }
}

static void take_record(struct ward_pg_row *row, struct ward_store_old_record *ret)
{
    ward_pg_hash(row, 9, ret->id_hash);
    ret->version = ward_pg_u32(row, 10);
    ret->schema_version = ward_pg_u32(row, 11);
    ret->sealed = ward_pg_copy(row, 12);
}

/* A row for each record, or one for a key without any; those of a key follow each other. */
static ward_status take_page(struct ward_read *r, const PGresult *result)
{
    struct ward_pg_row row = {.result = result, .arena = r->arena};
    size_t rows = (size_t)PQntuples(result), n = 0, n_records = 0, bytes = 0;
    struct ward_store_old_key *keys = WARD_ARENA_ARRAY(r->arena, struct ward_store_old_key, rows);
    struct ward_store_old_record *records =
        WARD_ARENA_ARRAY(r->arena, struct ward_store_old_record, rows);
    WARD_ENSURE(keys != NULL && records != NULL, WARD_E_EXHAUSTED);
    for (; (size_t)row.row < rows; row.row++) {
        struct ward_id id = ward_pg_id(&row, 0);
        if (n == 0 || !ward_id_eq(&keys[n - 1].key.id, &id)) {
            take_key(&row, &keys[n]);
            keys[n++].first = n_records;
        }
        if (!ward_pg_is_null(&row, 9)) {
            take_record(&row, &records[n_records]);
            bytes += records[n_records++].sealed.size;
            keys[n - 1].n++;
        }
    }
    WARD_TRY(ward_pg_row_status(&row));
    r->rekey.keys = keys;
    r->rekey.n = n;
    r->rekey.records = records;
    r->rekey.n_records = n_records;
    r->rekey.more = rows == r->rekey.limit || bytes >= r->rekey.max_bytes;
    return WARD_OK;
}

ward_status ward_pg_take_rekey(struct ward_read *r, const PGresult *result)
{
    if (r->kind == WARD_READ_REKEY_PAGE) {
        r->status = take_page(r, result);
        return r->status;
    }
    struct ward_pg_row row = {.result = result};
    r->rekey_left.keys = ward_pg_u64(&row, 0);
    r->rekey_left.records = ward_pg_u64(&row, 1);
    r->status = ward_pg_row_status(&row);
    return r->status;
}
