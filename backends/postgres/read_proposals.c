/* SPDX-License-Identifier: Apache-2.0 */
/* Proposals come with their votes, one row for each vote and one with NULLs where there is none;
 * rows of one proposal follow each other. */
#include "backends/postgres/reads.h"

/* Columns: 0 ordinal, 1-6 the proposal, 7-12 a vote; of one by id, 13 its attachment. */
#define VOTE 7
#define ATTACHMENT 13

/* How many rows from row.row on are of the same proposal and ordinal. */
static int rows_of_one(const PGresult *result, int first)
{
    int n = PQntuples(result), i = first;
    struct ward_pg_row a = {.result = result, .row = first};
    struct ward_id id = ward_pg_id(&a, 1);
    uint64_t ordinal = ward_pg_u64(&a, 0);
    while (++i < n) {
        struct ward_pg_row b = {.result = result, .row = i};
        struct ward_id other = ward_pg_id(&b, 1);
        if (!ward_id_eq(&id, &other) || ward_pg_u64(&b, 0) != ordinal) {
            break;
        }
    }
    return i - first;
}

static ward_status take_votes(struct ward_pg_row *row, int n, struct ward_store_proposal *ret)
{
    if (n == 1 && ward_pg_is_null(row, VOTE)) {
        return WARD_OK;
    }
    struct ward_store_vote *votes = WARD_ARENA_ARRAY(row->arena, struct ward_store_vote, n);
    WARD_ENSURE(votes != NULL, WARD_E_EXHAUSTED);
    struct ward_pg_row at = *row;
    for (int i = 0; i < n; i++, at.row++) {
        votes[i] = (struct ward_store_vote){
            .identity = ward_pg_copy(&at, VOTE),
            .decision = (uint8_t)ward_pg_i16(&at, VOTE + 1),
            .signature = ward_pg_copy(&at, VOTE + 2),
            .certificate = ward_pg_copy(&at, VOTE + 3),
            .created_us = ward_pg_i64(&at, VOTE + 4),
            .reason = ward_pg_copy(&at, VOTE + 5),
        };
    }
    ret->votes = votes;
    ret->n_votes = (size_t)n;
    return ward_pg_row_status(&at);
}

/* One proposal from n rows. */
static ward_status take_one(struct ward_pg_row *row, int n, struct ward_store_proposal *ret)
{
    *ret = (struct ward_store_proposal){
        .id = ward_pg_id(row, 1),
        .payload = ward_pg_copy(row, 2),
        .proposer = ward_pg_copy(row, 3),
        .state = (uint8_t)ward_pg_i16(row, 4),
        .created_us = ward_pg_i64(row, 5),
        .expires_us = ward_pg_i64(row, 6),
    };
    WARD_TRY(ward_pg_row_status(row));
    return take_votes(row, n, ret);
}

ward_status ward_pg_take_proposals_by_id(const struct ward_pg_query *query, const PGresult *result)
{
    struct ward_pg_row row = {.result = result};
    int n = PQntuples(result);
    while (row.row < n) {
        int count = rows_of_one(result, row.row);
        struct ward_read *r = ward_pg_query_read(query, &row);
        WARD_ENSURE(r != NULL, WARD_E_INTERNAL);
        struct ward_pg_row first = {.result = result, .row = row.row, .arena = r->arena};
        r->status = take_one(&first, count, &r->proposal.proposal);
        if (ward_ok(r->status)) {
            r->proposal.proposal.attachment = ward_pg_copy(&first, ATTACHMENT);
            r->status = ward_pg_row_status(&first);
        }
        row.row += count;
    }
    return WARD_OK;
}

ward_status ward_pg_take_proposals_page(const struct ward_pg_query *query, const PGresult *result)
{
    struct ward_read *r = query->reads[0];
    struct ward_pg_row row = {.result = result, .arena = r->arena};
    int n = PQntuples(result);
    size_t found = 0;
    struct ward_store_proposal *proposals =
        WARD_ARENA_ARRAY(r->arena, struct ward_store_proposal, n);
    WARD_ENSURE(proposals != NULL, WARD_E_EXHAUSTED);
    while (row.row < n) {
        int count = rows_of_one(result, row.row);
        WARD_TRY(take_one(&row, count, &proposals[found]));
        found++;
        row.row += count;
    }
    r->proposals.proposals = proposals;
    r->proposals.n = found;
    r->status = WARD_OK;
    return WARD_OK;
}
