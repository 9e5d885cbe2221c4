/* SPDX-License-Identifier: Apache-2.0 */
/* Values of a binary result. The database is not trusted to send what the statement says: every
 * size is looked at. */
#include "backends/postgres/row.h"

static const uint8_t *fixed(struct ward_pg_row *row, int column, int size)
{
    static const uint8_t zeros[32];
    if (column >= PQnfields(row->result) || PQgetisnull(row->result, row->row, column) ||
        PQgetlength(row->result, row->row, column) != size) {
        row->failed = true;
        return zeros;
    }
    return (const uint8_t *)PQgetvalue(row->result, row->row, column);
}

int16_t ward_pg_i16(struct ward_pg_row *row, int column)
{
    return (int16_t)ward_get_u16(fixed(row, column, 2));
}

uint32_t ward_pg_u32(struct ward_pg_row *row, int column)
{
    uint32_t v = ward_get_u32(fixed(row, column, 4));
    row->failed = row->failed || v > INT32_MAX;
    return v;
}

uint64_t ward_pg_u64(struct ward_pg_row *row, int column)
{
    uint64_t v = ward_get_u64(fixed(row, column, 8));
    row->failed = row->failed || v > INT64_MAX;
    return v;
}

int64_t ward_pg_i64(struct ward_pg_row *row, int column)
{
    return (int64_t)ward_get_u64(fixed(row, column, 8));
}

uint64_t ward_pg_place(struct ward_pg_row *row, int column)
{
    const uint8_t *at = fixed(row, column, 6);
    return (uint64_t)ward_get_u32(at) << 16 | ward_get_u16(at + 4);
}

bool ward_pg_bool(struct ward_pg_row *row, int column)
{
    return fixed(row, column, 1)[0] != 0;
}

struct ward_id ward_pg_id(struct ward_pg_row *row, int column)
{
    struct ward_id id;
    memcpy(id.bytes, fixed(row, column, sizeof(id.bytes)), sizeof(id.bytes));
    return id;
}

void ward_pg_hash(struct ward_pg_row *row, int column, uint8_t out[static 32])
{
    memcpy(out, fixed(row, column, 32), 32);
}

bool ward_pg_is_null(const struct ward_pg_row *row, int column)
{
    return PQgetisnull(row->result, row->row, column) != 0;
}

struct ward_bytes ward_pg_view(struct ward_pg_row *row, int column)
{
    if (column >= PQnfields(row->result) || PQgetisnull(row->result, row->row, column)) {
        row->failed = true;
        return (struct ward_bytes){0};
    }
    return WARD_BYTES(PQgetvalue(row->result, row->row, column),
                      (size_t)PQgetlength(row->result, row->row, column));
}

struct ward_bytes ward_pg_copy(struct ward_pg_row *row, int column)
{
    struct ward_bytes view = ward_pg_view(row, column), copy = {0};
    if (!row->failed && !ward_ok(ward_arena_copy(row->arena, view, &copy))) {
        row->spent = true;
    }
    return copy;
}

ward_status ward_pg_row_status(const struct ward_pg_row *row)
{
    WARD_ENSURE(!row->failed, WARD_E_INTERNAL);
    WARD_ENSURE(!row->spent, WARD_E_EXHAUSTED);
    return WARD_OK;
}
