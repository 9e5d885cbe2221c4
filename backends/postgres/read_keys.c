/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of the policy, what keys were used for and what they hold, and which daemons live. */
#include "backends/postgres/reads.h"
#include "base/failpoint.h"

ward_status ward_pg_send_keys(struct ward_pg_conn *conn, const struct ward_read *read)
{
    struct ward_pg_params *p = &conn->params;
    switch (read->kind) {
    case WARD_READ_POLICY:
        ward_pg_add_u32(p, read->policy.version);
        return ward_pg_send(conn, WARD_PG_READ_POLICY);
    case WARD_READ_POLICIES:
        ward_pg_add_bool(p, read->policies.texts);
        return ward_pg_send(conn, WARD_PG_READ_POLICIES);
    case WARD_READ_KEY_USE:
        ward_pg_add_bytes(p, ward_id_view(&read->key_use.kek));
        return ward_pg_send(conn, WARD_PG_READ_KEY_USE);
    case WARD_READ_HELD:
        ward_pg_add_bytes(p, ward_id_view(&read->held.kek));
        ward_pg_add_u32(p, read->held.limit);
        return ward_pg_send(conn, WARD_PG_READ_HELD);
    case WARD_READ_NODES:
        return ward_pg_send(conn, WARD_PG_READ_NODES);
    case WARD_READ_HEARTBEAT:
        ward_pg_add_bytes(p, read->heartbeat.node);
        ward_pg_add_u64(p, read->heartbeat.epoch);
        ward_pg_add_i64(p, ward_failpoint_offset_us());
        return ward_pg_send(conn, WARD_PG_HEARTBEAT);
    default: /* read_kinds.c sends no other kind here */
        WARD_FAIL(WARD_E_INTERNAL);
    }
}

static struct ward_store_policy policy(struct ward_pg_row *row)
{
    struct ward_store_policy policy = {
        .version = ward_pg_u32(row, 0),
        .proposal = ward_pg_id(row, 2),
        .created_us = ward_pg_i64(row, 3),
        .ceased_us = ward_pg_i64(row, 4),
        .text = ward_pg_copy(row, 5),
    };
    ward_pg_hash(row, 1, policy.hash);
    return policy;
}

static ward_status take_policy(struct ward_read *r, struct ward_pg_row *row, int n)
{
    if (n == 0) {
        r->status = WARD_STATUS(WARD_E_NOT_FOUND);
        return WARD_OK;
    }
    r->policy.policy = policy(row);
    return ward_pg_row_status(row);
}

static ward_status take_policies(struct ward_read *r, struct ward_pg_row *row, int n)
{
    struct ward_store_policy *policies = WARD_ARENA_ARRAY(r->arena, struct ward_store_policy, n);
    WARD_ENSURE(policies != NULL, WARD_E_EXHAUSTED);
    for (; row->row < n; row->row++) {
        policies[row->row] = policy(row);
    }
    r->policies.policies = policies;
    r->policies.n = (size_t)n;
    return ward_pg_row_status(row);
}

static ward_status take_key_use(struct ward_read *r, struct ward_pg_row *row, int n)
{
    struct ward_store_key_use *uses = WARD_ARENA_ARRAY(r->arena, struct ward_store_key_use, n);
    WARD_ENSURE(uses != NULL, WARD_E_EXHAUSTED);
    for (; row->row < n; row->row++) {
        uses[row->row] = (struct ward_store_key_use){
            .version = ward_pg_u32(row, 0),
            .issued = ward_pg_u64(row, 1),
            .opened = ward_pg_u64(row, 2),
            .last_opened_us = ward_pg_i64(row, 3),
        };
    }
    r->key_use.uses = uses;
    r->key_use.n = (size_t)n;
    return ward_pg_row_status(row);
}

static ward_status take_held(struct ward_read *r, struct ward_pg_row *row, int n)
{
    struct ward_store_held *held = WARD_ARENA_ARRAY(r->arena, struct ward_store_held, n);
    WARD_ENSURE(held != NULL, WARD_E_EXHAUSTED);
    for (; row->row < n; row->row++) {
        held[row->row] = (struct ward_store_held){
            .version = ward_pg_u32(row, 0),
            .collection = ward_pg_copy(row, 1),
            .rows = ward_pg_u64(row, 2),
        };
    }
    r->held.held = held;
    r->held.n = (size_t)n;
    return ward_pg_row_status(row);
}

/* One row without a name where there are no nodes: each row has the time. */
static ward_status take_nodes(struct ward_read *r, struct ward_pg_row *row, int n)
{
    WARD_ENSURE(n > 0, WARD_E_INTERNAL);
    r->nodes.now_us = ward_pg_i64(row, 3) + ward_failpoint_offset_us();
    n = PQgetisnull(row->result, 0, 0) ? 0 : n;
    struct ward_store_node *nodes = WARD_ARENA_ARRAY(r->arena, struct ward_store_node, n);
    WARD_ENSURE(nodes != NULL, WARD_E_EXHAUSTED);
    for (; row->row < n; row->row++) {
        nodes[row->row] = (struct ward_store_node){
            .name = ward_pg_copy(row, 0),
            .epoch = ward_pg_u64(row, 1),
            .seen_us = ward_pg_i64(row, 2),
        };
    }
    r->nodes.nodes = nodes;
    r->nodes.n = (size_t)n;
    return ward_pg_row_status(row);
}

ward_status ward_pg_take_keys(struct ward_read *read, const PGresult *result)
{
    struct ward_pg_row row = {.result = result, .arena = read->arena};
    int n = PQntuples(result);
    read->status = WARD_OK;
    switch (read->kind) {
    case WARD_READ_POLICY:
        return take_policy(read, &row, n);
    case WARD_READ_POLICIES:
        return take_policies(read, &row, n);
    case WARD_READ_KEY_USE:
        return take_key_use(read, &row, n);
    case WARD_READ_HELD:
        return take_held(read, &row, n);
    case WARD_READ_NODES:
        return take_nodes(read, &row, n);
    case WARD_READ_HEARTBEAT:
        return WARD_OK;
    default:
        WARD_FAIL(WARD_E_INTERNAL);
    }
}
