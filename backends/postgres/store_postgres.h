/* SPDX-License-Identifier: Apache-2.0 */
/* The pieces of the store over PostgreSQL, as store_postgres.c puts them together. */
#ifndef WARD_BACKENDS_POSTGRES_STORE_POSTGRES_H
#define WARD_BACKENDS_POSTGRES_STORE_POSTGRES_H

#include "backends/postgres/conn.h"
#include "backends/store.h"

struct ward_pg_reader {
    struct ward_store_reader base;
    struct ward_pg_conn conn;
};

struct ward_pg_writer {
    struct ward_store_writer base;
    struct ward_pg_conn conn;
    bool locked;      /* in the transaction that head(lock) began */
    bool fence_known; /* fence is what our next commit names */
    uint64_t fence;
};

ward_status ward_pg_snapshot(struct ward_store_reader *reader, struct ward_arena *arena,
                             struct ward_store_snapshot *ret);
ward_status ward_pg_epoch(struct ward_store_reader *reader, uint64_t *ret);
ward_status ward_pg_read(struct ward_store_reader *reader, struct ward_read **reads, size_t n);
ward_status ward_pg_head(struct ward_store_writer *writer, bool lock, struct ward_head *ret);
#define WARD_PG_SUMS_SIZE (8 + sizeof(((struct ward_seal *)NULL)->sums)) /* as stored */
/* The head of what its row holds. */
void ward_pg_head_parts(uint64_t size, struct ward_bytes frontier, struct ward_bytes sums,
                        struct ward_bytes tag, struct ward_head *ret);
void ward_pg_unlock(struct ward_store_writer *writer);
enum ward_commit_outcome ward_pg_commit(struct ward_store_writer *writer,
                                        const struct ward_commit *commit, ward_status *ret_status);
ward_status ward_pg_resolve(struct ward_store_writer *writer, const struct ward_commit *commit,
                            bool *ret_committed);

/* Ends a transaction that failed, or closes the connection. */
void ward_pg_rollback(struct ward_pg_writer *writer);

#endif
