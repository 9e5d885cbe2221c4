/* SPDX-License-Identifier: Apache-2.0 */
/* How the reads of one kind become a query and its rows become their outputs. */
#ifndef WARD_BACKENDS_POSTGRES_READS_H
#define WARD_BACKENDS_POSTGRES_READS_H

#include "backends/postgres/conn.h"
#include "backends/postgres/row.h"
#include "backends/store.h"

/* The reads of one query: all of a kind where the kind can be asked for together, else one. */
struct ward_pg_query {
    enum ward_read_kind kind;
    struct ward_read **reads;
    size_t n;
};

/* Adds the parameters and queues the query. */
ward_status ward_pg_query_send(struct ward_pg_conn *conn, const struct ward_pg_query *query);
/* Fills every read's outputs, from its own arena, and its status. A row that no read asked for
 * fails the whole: INTERNAL. */
ward_status ward_pg_query_take(const struct ward_pg_query *query, const PGresult *result);
/* The read that a row belongs to, by its ordinal in column 0; NULL when there is no such. */
struct ward_read *ward_pg_query_read(const struct ward_pg_query *query, struct ward_pg_row *row);

/* read_proposals.c */
ward_status ward_pg_take_proposals_by_id(const struct ward_pg_query *query, const PGresult *result);
ward_status ward_pg_take_proposals_page(const struct ward_pg_query *query, const PGresult *result);
/* read_keys.c */
ward_status ward_pg_send_keys(struct ward_pg_conn *conn, const struct ward_read *read);
ward_status ward_pg_take_keys(struct ward_read *read, const PGresult *result);
/* sightings.c */
ward_status ward_pg_send_sightings(struct ward_pg_conn *conn, const struct ward_read *read);
ward_status ward_pg_take_sightings(struct ward_read *read, const PGresult *result);
/* jobs.c */
ward_status ward_pg_send_jobs(struct ward_pg_conn *conn, const struct ward_read *r);
ward_status ward_pg_send_claim(struct ward_pg_conn *conn, const struct ward_read *r);
ward_status ward_pg_take_jobs(struct ward_read *r, const PGresult *result);
ward_status ward_pg_take_claim(struct ward_read *r, const PGresult *result);
/* rekey.c */
ward_status ward_pg_send_rekey(struct ward_pg_conn *conn, const struct ward_read *r);
ward_status ward_pg_take_rekey(struct ward_read *r, const PGresult *result);
/* read_audit.c */
ward_status ward_pg_take_audit(const struct ward_pg_query *query, const PGresult *result);

/* Of the snapshot and of a page alike. */
ward_status ward_pg_emergency_rows(const PGresult *result, struct ward_arena *arena,
                                   const struct ward_store_emergency **ret, size_t *ret_n);

#endif
