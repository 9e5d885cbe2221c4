/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of one statement in PostgreSQL's binary form, arrays included. Nothing is ever put
 * into the text of a statement. Errors are sticky and seen when the statement is sent. */
#ifndef WARD_BACKENDS_POSTGRES_PARAMS_H
#define WARD_BACKENDS_POSTGRES_PARAMS_H

#include "base/buffer.h"
#include "base/id.h"

#define WARD_PG_PARAMS_MAX 15

struct ward_pg_params {
    struct ward_buffer data;
    size_t at[WARD_PG_PARAMS_MAX];
    int size[WARD_PG_PARAMS_MAX];
    int n;
    bool failed;
};

/* Types of array elements: their OIDs in pg_type, which are fixed. */
enum ward_pg_type {
    WARD_PG_BYTEA = 17,
    WARD_PG_INT8 = 20,
    WARD_PG_INT4 = 23,
    WARD_PG_TEXT = 25,
    WARD_PG_TID = 27,
    WARD_PG_UUID = 2950
};

void ward_pg_params_init(struct ward_pg_params *params);
void ward_pg_params_fini(struct ward_pg_params *params);
void ward_pg_params_reset(struct ward_pg_params *params);

void ward_pg_add_bool(struct ward_pg_params *params, bool v);
void ward_pg_add_i16(struct ward_pg_params *params, int16_t v);
/* u32, u64: failed when the signed type of the server cannot hold it. */
void ward_pg_add_u32(struct ward_pg_params *params, uint32_t v);
void ward_pg_add_u64(struct ward_pg_params *params, uint64_t v);
void ward_pg_add_i64(struct ward_pg_params *params, int64_t v);
void ward_pg_add_bytes(struct ward_pg_params *params,
                       struct ward_bytes bytes); /* bytea, text, uuid */

/* An array of n elements: begin, n elements, end. */
void ward_pg_array_begin(struct ward_pg_params *params, enum ward_pg_type type, size_t n);
void ward_pg_array_bytes(struct ward_pg_params *params, struct ward_bytes bytes);
void ward_pg_array_u32(struct ward_pg_params *params, uint32_t v);
void ward_pg_array_i64(struct ward_pg_params *params, int64_t v);
/* Failed when v is no place; see ward_pg_place. */
void ward_pg_array_place(struct ward_pg_params *params, uint64_t v);
void ward_pg_array_end(struct ward_pg_params *params);

#endif
