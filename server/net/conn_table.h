/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of one loop, found by number. A number is never used twice in a process' life, so
 * an answer that comes late finds nothing rather than a stranger. Not thread-safe. */
#ifndef WARD_SERVER_NET_CONN_TABLE_H
#define WARD_SERVER_NET_CONN_TABLE_H

#include "base/status.h"

struct ward_conn_table {
    struct ward_conn_slot {
        uint64_t id; /* 0: free */
        void *conn;
        uint32_t next_free;
    } * slots;
    uint32_t n_slots, first_free;
    uint64_t serial;
    size_t used;
};

void ward_conn_table_init(struct ward_conn_table *table);
void ward_conn_table_fini(struct ward_conn_table *table);
/* EXHAUSTED when memory, or 2^20 places, are used up. The id is never 0. */
ward_status ward_conn_table_add(struct ward_conn_table *table, void *conn, uint64_t *ret_id);
void ward_conn_table_remove(struct ward_conn_table *table, uint64_t id);
void *ward_conn_table_find(const struct ward_conn_table *table, uint64_t id);
/* Walks: start with *at = 0; NULL at the end. Removing the one just given is allowed. */
void *ward_conn_table_next(const struct ward_conn_table *table, uint32_t *at);

#endif
