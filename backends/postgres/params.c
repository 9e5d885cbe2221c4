/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL's binary parameters: big-endian numbers as they are, arrays as a header of dimensions,
 * "has nulls", element type, length, lower bound, and then each element with its size before it. */
#include "backends/postgres/params.h"

#include <limits.h>

#define PARAMS_SIZE_MAX (256u * 1024 * 1024)

void ward_pg_params_init(struct ward_pg_params *params)
{
    *params = (struct ward_pg_params){0};
    ward_buffer_init(&params->data, PARAMS_SIZE_MAX);
}

void ward_pg_params_fini(struct ward_pg_params *params)
{
    ward_buffer_fini(&params->data);
}

void ward_pg_params_reset(struct ward_pg_params *params)
{
    ward_buffer_reset(&params->data);
    params->n = 0;
    params->failed = false;
}

static void begin(struct ward_pg_params *params)
{
    if (params->n == WARD_PG_PARAMS_MAX) {
        params->failed = true;
        return;
    }
    params->at[params->n] = params->data.size;
}

static void end(struct ward_pg_params *params)
{
    if (params->failed || params->data.failed) {
        params->failed = true;
        return;
    }
    size_t size = params->data.size - params->at[params->n];
    params->size[params->n] = (int)size; /* PARAMS_SIZE_MAX is below INT_MAX */
    params->n++;
}

void ward_pg_add_bool(struct ward_pg_params *params, bool v)
{
    begin(params);
    ward_buffer_add_u8(&params->data, v ? 1 : 0);
    end(params);
}

void ward_pg_add_i16(struct ward_pg_params *params, int16_t v)
{
    begin(params);
    ward_buffer_add_u16(&params->data, (uint16_t)v);
    end(params);
}

void ward_pg_add_u32(struct ward_pg_params *params, uint32_t v)
{
    params->failed = params->failed || v > INT32_MAX;
    begin(params);
    ward_buffer_add_u32(&params->data, v);
    end(params);
}

void ward_pg_add_u64(struct ward_pg_params *params, uint64_t v)
{
    params->failed = params->failed || v > INT64_MAX;
    begin(params);
    ward_buffer_add_u64(&params->data, v);
    end(params);
}

void ward_pg_add_i64(struct ward_pg_params *params, int64_t v)
{
    begin(params);
    ward_buffer_add_u64(&params->data, (uint64_t)v);
    end(params);
}

void ward_pg_add_bytes(struct ward_pg_params *params, struct ward_bytes bytes)
{
    begin(params);
    ward_buffer_add(&params->data, bytes);
    end(params);
}

void ward_pg_array_begin(struct ward_pg_params *params, enum ward_pg_type type, size_t n)
{
    params->failed = params->failed || n > INT32_MAX;
    begin(params);
    ward_buffer_add_u32(&params->data, n == 0 ? 0 : 1); /* dimensions */
    ward_buffer_add_u32(&params->data, 0);              /* no NULL among them */
    ward_buffer_add_u32(&params->data, (uint32_t)type);
    if (n > 0) {
        ward_buffer_add_u32(&params->data, (uint32_t)n);
        ward_buffer_add_u32(&params->data, 1);
    }
}

void ward_pg_array_bytes(struct ward_pg_params *params, struct ward_bytes bytes)
{
    params->failed = params->failed || bytes.size > INT32_MAX;
    ward_buffer_add_u32(&params->data, (uint32_t)bytes.size);
    ward_buffer_add(&params->data, bytes);
}

void ward_pg_array_u32(struct ward_pg_params *params, uint32_t v)
{
    params->failed = params->failed || v > INT32_MAX;
    ward_buffer_add_u32(&params->data, sizeof(v));
    ward_buffer_add_u32(&params->data, v);
}

void ward_pg_array_i64(struct ward_pg_params *params, int64_t v)
{
    ward_buffer_add_u32(&params->data, sizeof(v));
    ward_buffer_add_u64(&params->data, (uint64_t)v);
}

void ward_pg_array_place(struct ward_pg_params *params, uint64_t v)
{
    params->failed = params->failed || v >> 48 != 0;
    ward_buffer_add_u32(&params->data, sizeof(uint32_t) + sizeof(uint16_t));
    ward_buffer_add_u32(&params->data, (uint32_t)(v >> 16));
    ward_buffer_add_u16(&params->data, (uint16_t)v);
}

void ward_pg_array_end(struct ward_pg_params *params)
{
    end(params);
}
