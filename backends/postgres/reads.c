/* SPDX-License-Identifier: Apache-2.0 */
/* The reader's round trip: one query for each kind, all sent before the first answer is read, each
 * with a sync of its own so that one that fails takes no other with it. What a kind asks and how
 * its rows are read is in read_kinds.c. */
#include "backends/postgres/reads.h"

#include <stdlib.h>

#include "backends/postgres/store_postgres.h"

#define RESERVES_MAX 64u /* versions whose rows one reservation holds */

/* Asked for together, in arrays; the others are pages and scans with parameters of their own. */
static bool together(enum ward_read_kind kind)
{
    switch (kind) {
    case WARD_READ_SUBJECT_KEY:
    case WARD_READ_RECORD_VERSION:
    case WARD_READ_RECORD:
    case WARD_READ_PROPOSAL:
    case WARD_READ_REPLAY:
    case WARD_READ_RESERVE:
        return true;
    case WARD_READ_REWRAP_PAGE:
    case WARD_READ_ROWS:
    case WARD_READ_REKEY_PAGE:
    case WARD_READ_REKEY_LEFT:
    case WARD_READ_PROPOSALS:
    case WARD_READ_AUDIT:
    case WARD_READ_CHECKPOINTS:
    case WARD_READ_HANDOVERS:
    case WARD_READ_POLICY:
    case WARD_READ_POLICIES:
    case WARD_READ_KEY_USE:
    case WARD_READ_HELD:
    case WARD_READ_NODES:
    case WARD_READ_HEARTBEAT:
    case WARD_READ_SIGHTINGS:
    case WARD_READ_EMERGENCIES:
    case WARD_READ_JOBS:
    case WARD_READ_JOB_CLAIM:
        return false;
    }
    return false;
}

/* In this order, those that look at many rows last: the others' answers are then there first. */
static const enum ward_read_kind order[] = {
    WARD_READ_REPLAY,      WARD_READ_SUBJECT_KEY, WARD_READ_RECORD_VERSION, WARD_READ_RECORD,
    WARD_READ_PROPOSAL,    WARD_READ_PROPOSALS,   WARD_READ_RESERVE,        WARD_READ_HEARTBEAT,
    WARD_READ_NODES,       WARD_READ_POLICY,      WARD_READ_POLICIES,       WARD_READ_KEY_USE,
    WARD_READ_EMERGENCIES, WARD_READ_JOBS,        WARD_READ_JOB_CLAIM,      WARD_READ_AUDIT,
    WARD_READ_REWRAP_PAGE, WARD_READ_REKEY_PAGE,  WARD_READ_ROWS,           WARD_READ_REKEY_LEFT,
    WARD_READ_HELD,        WARD_READ_HANDOVERS,   WARD_READ_CHECKPOINTS,    WARD_READ_SIGHTINGS,
};
#define N_KINDS (sizeof(order) / sizeof(order[0]))

struct plan {
    struct ward_pg_query *queries;
    size_t n;
    struct ward_read **reads; /* grouped; the queries point into it */
};

static void plan_fini(struct plan *plan)
{
    free(plan->queries);
    free(plan->reads);
}

/* An UPDATE that meets a row twice would grant once: two reservations of one version are two
 * queries. */
static bool joins(const struct ward_pg_query *query, const struct ward_read *read)
{
    if (query == NULL || !together(read->kind)) {
        return false;
    }
    if (read->kind != WARD_READ_RESERVE) {
        return true;
    }
    for (size_t i = 0; i < query->n; i++) {
        const struct ward_read *other = query->reads[i];
        if (other->reserve.version == read->reserve.version &&
            ward_id_eq(&other->reserve.kek, &read->reserve.kek)) {
            return false;
        }
    }
    return query->n < RESERVES_MAX;
}

static ward_status plan_init(struct plan *plan, struct ward_read **reads, size_t n)
{
    plan->queries = calloc(n, sizeof(*plan->queries));
    plan->reads = calloc(n, sizeof(struct ward_read *));
    WARD_ENSURE(plan->queries != NULL && plan->reads != NULL, WARD_E_EXHAUSTED);
    size_t used = 0;
    for (size_t k = 0; k < N_KINDS; k++) {
        struct ward_pg_query *query = NULL;
        for (size_t i = 0; i < n; i++) {
            if (reads[i]->kind != order[k]) {
                continue;
            }
            if (!joins(query, reads[i])) {
                query = &plan->queries[plan->n++];
                *query = (struct ward_pg_query){.kind = order[k], .reads = plan->reads + used};
            }
            plan->reads[used++] = reads[i];
            query->n++;
        }
    }
    WARD_ENSURE(used == n, WARD_E_INTERNAL); /* a kind that is not in the table */
    return WARD_OK;
}

static void set_all(const struct ward_pg_query *query, ward_status status)
{
    for (size_t i = 0; i < query->n; i++) {
        query->reads[i]->status = status;
    }
}

static int timeout_of(const struct plan *plan)
{
    for (size_t i = 0; i < plan->n; i++) {
        enum ward_read_kind kind = plan->queries[i].kind;
        if (kind == WARD_READ_REWRAP_PAGE || kind == WARD_READ_ROWS || kind == WARD_READ_HELD ||
            kind == WARD_READ_REKEY_PAGE || kind == WARD_READ_REKEY_LEFT) {
            return WARD_PG_SCAN_MS;
        }
    }
    return WARD_PG_QUERY_MS;
}

static ward_status answer_one(struct ward_pg_conn *conn, const struct ward_pg_query *query)
{
    ward_auto(ward_pg_clearp) PGresult *result = NULL;
    ward_status status = ward_pg_result(conn, &result);
    if (conn->pg == NULL) {
        return status;
    }
    if (ward_ok(status)) {
        status = ward_pg_query_take(query, result);
    }
    ward_status ended = ward_pg_end(conn);
    if (ward_ok(status)) {
        status = ended; /* a reservation is not there until it is committed */
    }
    if (!ward_ok(status)) {
        set_all(query, ward_pg_outside(status));
    }
    return conn->pg == NULL ? ended : WARD_OK;
}

/* Fails when the connection did; reads that were not answered then keep what they had. */
static ward_status round_trip(struct ward_pg_conn *conn, const struct plan *plan)
{
    ward_pg_deadline(conn, timeout_of(plan));
    for (size_t i = 0; i < plan->n; i++) {
        WARD_TRY(ward_pg_query_send(conn, &plan->queries[i]));
        WARD_TRY(ward_pg_sync(conn));
    }
    for (size_t i = 0; i < plan->n; i++) {
        WARD_TRY(answer_one(conn, &plan->queries[i]));
    }
    return WARD_OK;
}

ward_status ward_pg_read(struct ward_store_reader *base, struct ward_read **reads, size_t n)
{
    struct ward_pg_reader *reader = (struct ward_pg_reader *)base;
    ward_auto(plan_fini) struct plan plan = {0};
    WARD_TRY(plan_init(&plan, reads, n));
    bool fresh = false;
    reader->conn.await.many = n > WARD_AWAKE_FEW;
    WARD_TRY(ward_pg_outside(ward_pg_connect(&reader->conn, &fresh)));
    ward_status status = round_trip(&reader->conn, &plan);
    if (status.code == WARD_E_UNAVAILABLE && !fresh) {
        /* A connection from before, found dead: reading again does no harm, and a block that is
         * reserved twice only makes the count too high. */
        ward_pg_drop(&reader->conn);
        WARD_TRY(ward_pg_outside(ward_pg_connect(&reader->conn, NULL)));
        status = round_trip(&reader->conn, &plan);
    }
    if (!ward_ok(status)) {
        ward_pg_drop(&reader->conn);
        WARD_ENSURE(status.code != WARD_E_INTERNAL, WARD_E_INTERNAL);
    }
    return WARD_OK;
}
