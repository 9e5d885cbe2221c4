/* SPDX-License-Identifier: Apache-2.0 */
/* Where certificates are in use, told and learned in one statement. When it was is sent as ages:
 * all times in the table are the server's. */
#include "backends/postgres/reads.h"

ward_status ward_pg_send_sightings(struct ward_pg_conn *conn, const struct ward_read *read)
{
    struct ward_pg_params *p = &conn->params;
    const struct ward_store_sighting *sent = read->sightings.sightings;
    size_t n = read->sightings.n;
    ward_pg_add_bytes(p, read->sightings.node);
    ward_pg_array_begin(p, WARD_PG_BYTEA, n);
    for (size_t i = 0; i < n; i++) {
        ward_pg_array_bytes(p, WARD_BYTES_ARRAY(sent[i].certificate));
    }
    ward_pg_array_end(p);
    ward_pg_array_begin(p, WARD_PG_BYTEA, n);
    for (size_t i = 0; i < n; i++) {
        ward_pg_array_bytes(p, WARD_BYTES_ARRAY(sent[i].place));
    }
    ward_pg_array_end(p);
    ward_pg_array_begin(p, WARD_PG_INT8, n);
    for (size_t i = 0; i < n; i++) {
        ward_pg_array_i64(p, sent[i].since_us);
    }
    ward_pg_array_end(p);
    ward_pg_array_begin(p, WARD_PG_INT8, n);
    for (size_t i = 0; i < n; i++) {
        ward_pg_array_i64(p, sent[i].heard_us);
    }
    ward_pg_array_end(p);
    ward_pg_add_i64(p, read->sightings.life_us);
    ward_pg_add_i64(p, read->sightings.apart_us);
    return ward_pg_send(conn, WARD_PG_SIGHTINGS);
}

ward_status ward_pg_take_sightings(struct ward_read *read, const PGresult *result)
{
    struct ward_pg_row row = {.result = result, .arena = read->arena};
    int n = PQntuples(result);
    struct ward_store_elsewhere *rows =
        WARD_ARENA_ARRAY(read->arena, struct ward_store_elsewhere, n);
    WARD_ENSURE(rows != NULL, WARD_E_EXHAUSTED);
    for (; row.row < n; row.row++) {
        struct ward_store_elsewhere *other = &rows[row.row];
        uint64_t ordinal = ward_pg_u64(&row, 0);
        struct ward_bytes place = ward_pg_view(&row, 1);
        WARD_ENSURE(ordinal >= 1 && ordinal <= read->sightings.n &&
                        place.size == sizeof(other->place),
                    WARD_E_INTERNAL);
        other->sighting = (uint32_t)ordinal - 1;
        memcpy(other->place, place.data, place.size);
        other->earlier = ward_pg_bool(&row, 2);
    }
    WARD_TRY(ward_pg_row_status(&row));
    read->sightings.elsewhere = rows;
    read->sightings.n_elsewhere = (size_t)n;
    read->status = WARD_OK;
    return WARD_OK;
}
