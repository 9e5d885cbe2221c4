/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one row of a binary result. Sticky failure, as in base/cursor.h: read all, look once. */
#ifndef WARD_BACKENDS_POSTGRES_ROW_H
#define WARD_BACKENDS_POSTGRES_ROW_H

#include <libpq-fe.h>

#include "base/id.h"
#include "base/wipe_alloc.h"

struct ward_pg_row {
    const PGresult *result;
    int row;
    struct ward_arena *arena; /* of copies; may be NULL */
    bool failed;              /* a value is NULL or not of the size that its type has */
    bool spent;               /* the arena had no room */
};

int16_t ward_pg_i16(struct ward_pg_row *row, int column);
uint32_t ward_pg_u32(struct ward_pg_row *row, int column);
uint64_t ward_pg_u64(struct ward_pg_row *row, int column);
int64_t ward_pg_i64(struct ward_pg_row *row, int column);
/* A tid: its block and, in the lowest 16 bits, which row of the block it is. */
uint64_t ward_pg_place(struct ward_pg_row *row, int column);
bool ward_pg_bool(struct ward_pg_row *row, int column);
struct ward_id ward_pg_id(struct ward_pg_row *row, int column);
void ward_pg_hash(struct ward_pg_row *row, int column, uint8_t out[static 32]);
bool ward_pg_is_null(const struct ward_pg_row *row, int column);
/* A view into the result. */
struct ward_bytes ward_pg_view(struct ward_pg_row *row, int column);
/* A copy in the arena. */
struct ward_bytes ward_pg_copy(struct ward_pg_row *row, int column);
/* INTERNAL when a value was not as expected, EXHAUSTED when the arena was spent. */
ward_status ward_pg_row_status(const struct ward_pg_row *row);

#endif
