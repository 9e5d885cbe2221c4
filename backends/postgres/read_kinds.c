/* SPDX-License-Identifier: Apache-2.0 */
/* What each kind of read asks and how its rows become its outputs. A read whose row does not come
 * stays NOT_FOUND; numbers in column 0 say which read of the query a row is for. */
#include "backends/postgres/reads.h"

static const struct ward_id last_id = {.bytes = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                                 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static ward_status send_hashes(struct ward_pg_conn *conn, const struct ward_pg_query *query)
{
    struct ward_pg_params *p = &conn->params;
    bool subjects = query->kind == WARD_READ_SUBJECT_KEY;
    ward_pg_array_begin(p, WARD_PG_BYTEA, query->n);
    for (size_t i = 0; i < query->n; i++) {
        const struct ward_read *r = query->reads[i];
        ward_pg_array_bytes(p, subjects ? WARD_BYTES_ARRAY(r->subject_key.subject_hash)
                                        : WARD_BYTES_ARRAY(r->record_version.id_hash));
    }
    ward_pg_array_end(p);
    return ward_pg_send(conn, subjects ? WARD_PG_READ_SUBJECT_KEYS : WARD_PG_READ_RECORD_VERSIONS);
}

static ward_status send_records(struct ward_pg_conn *conn, const struct ward_pg_query *query)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_array_begin(p, WARD_PG_BYTEA, query->n);
    for (size_t i = 0; i < query->n; i++) {
        ward_pg_array_bytes(p, WARD_BYTES_ARRAY(query->reads[i]->record.id_hash));
    }
    ward_pg_array_end(p);
    ward_pg_array_begin(p, WARD_PG_INT4, query->n);
    for (size_t i = 0; i < query->n; i++) {
        ward_pg_array_u32(p, query->reads[i]->record.version);
    }
    ward_pg_array_end(p);
    return ward_pg_send(conn, WARD_PG_READ_RECORDS);
}

static ward_status send_proposals_by_id(struct ward_pg_conn *conn,
                                        const struct ward_pg_query *query)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_array_begin(p, WARD_PG_UUID, query->n);
    for (size_t i = 0; i < query->n; i++) {
        ward_pg_array_bytes(p, ward_id_view(&query->reads[i]->proposal.id));
    }
    ward_pg_array_end(p);
    return ward_pg_send(conn, WARD_PG_READ_PROPOSALS_BY_ID);
}

static ward_status send_replays(struct ward_pg_conn *conn, const struct ward_pg_query *query)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_array_begin(p, WARD_PG_TEXT, query->n);
    for (size_t i = 0; i < query->n; i++) {
        ward_pg_array_bytes(p, query->reads[i]->replay.identity);
    }
    ward_pg_array_end(p);
    ward_pg_array_begin(p, WARD_PG_TEXT, query->n);
    for (size_t i = 0; i < query->n; i++) {
        ward_pg_array_bytes(p, query->reads[i]->replay.request_id);
    }
    ward_pg_array_end(p);
    return ward_pg_send(conn, WARD_PG_READ_REPLAYS);
}

static ward_status send_reserves(struct ward_pg_conn *conn, const struct ward_pg_query *query)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_array_begin(p, WARD_PG_UUID, query->n);
    for (size_t i = 0; i < query->n; i++) {
        ward_pg_array_bytes(p, ward_id_view(&query->reads[i]->reserve.kek));
    }
    ward_pg_array_end(p);
    ward_pg_array_begin(p, WARD_PG_INT4, query->n);
    for (size_t i = 0; i < query->n; i++) {
        ward_pg_array_u32(p, query->reads[i]->reserve.version);
    }
    ward_pg_array_end(p);
    ward_pg_array_begin(p, WARD_PG_INT8, query->n);
    for (size_t i = 0; i < query->n; i++) {
        ward_pg_array_i64(p, (int64_t)query->reads[i]->reserve.block);
    }
    ward_pg_array_end(p);
    ward_pg_array_begin(p, WARD_PG_INT8, query->n);
    for (size_t i = 0; i < query->n; i++) {
        ward_pg_array_i64(p, (int64_t)query->reads[i]->reserve.limit);
    }
    ward_pg_array_end(p);
    return ward_pg_send(conn, WARD_PG_RESERVE);
}

static ward_status send_one(struct ward_pg_conn *conn, const struct ward_read *r)
{
    struct ward_pg_params *p = &conn->params;
    switch (r->kind) {
    case WARD_READ_REWRAP_PAGE:
        ward_pg_add_bytes(p, ward_id_view(&r->rewrap.kek));
        ward_pg_add_bytes(p, ward_id_view(&r->rewrap.after));
        ward_pg_add_u32(p, r->rewrap.below);
        ward_pg_add_u32(p, r->rewrap.limit);
        ward_pg_add_bytes(p, ward_id_view(&r->rewrap.until));
        ward_pg_array_begin(p, WARD_PG_INT4, r->rewrap.n_versions);
        for (size_t i = 0; i < r->rewrap.n_versions; i++) {
            ward_pg_array_u32(p, r->rewrap.versions[i]);
        }
        ward_pg_array_end(p);
        return ward_pg_send(conn, WARD_PG_READ_REWRAP_PAGE);
    case WARD_READ_ROWS:
        ward_pg_add_bytes(p, ward_id_view(&r->rows.kek));
        return ward_pg_send(conn, WARD_PG_READ_ROWS);
    case WARD_READ_REKEY_PAGE:
    case WARD_READ_REKEY_LEFT:
        return ward_pg_send_rekey(conn, r);
    case WARD_READ_PROPOSALS: {
        bool first = r->proposals.before_us == 0;
        ward_pg_add_i64(p, first ? INT64_MAX : r->proposals.before_us);
        ward_pg_add_bytes(p, ward_id_view(first ? &last_id : &r->proposals.before_id));
        ward_pg_add_bool(p, r->proposals.all);
        ward_pg_add_u32(p, r->proposals.limit);
        return ward_pg_send(conn, WARD_PG_READ_PROPOSALS_PAGE);
    }
    case WARD_READ_AUDIT:
        ward_pg_add_u64(p, r->audit.start);
        ward_pg_add_u64(p, r->audit.end);
        ward_pg_add_u64(p, r->audit.max_bytes > INT32_MAX ? INT32_MAX : r->audit.max_bytes);
        return ward_pg_send(conn, WARD_PG_READ_AUDIT);
    case WARD_READ_CHECKPOINTS:
        ward_pg_add_u64(p, r->checkpoints.from);
        ward_pg_add_u64(p, r->checkpoints.below == 0 ? INT64_MAX : r->checkpoints.below);
        ward_pg_add_u32(p, r->checkpoints.limit);
        ward_pg_add_u32(p, r->checkpoints.max_note);
        return ward_pg_send(conn, r->checkpoints.newest_first ? WARD_PG_READ_CHECKPOINTS_NEWEST
                                                              : WARD_PG_READ_CHECKPOINTS);
    case WARD_READ_HANDOVERS:
        ward_pg_add_u32(p, r->handovers.max_note);
        return ward_pg_send(conn, WARD_PG_READ_HANDOVERS);
    case WARD_READ_EMERGENCIES: {
        bool first = r->emergencies.before_us == 0;
        ward_pg_add_i64(p, first ? INT64_MAX : r->emergencies.before_us);
        ward_pg_add_bytes(p, ward_id_view(first ? &last_id : &r->emergencies.before_id));
        ward_pg_add_bool(p, r->emergencies.open);
        ward_pg_add_i64(p, r->emergencies.now_us);
        ward_pg_add_bool(p, r->emergencies.unreviewed);
        ward_pg_add_u32(p, r->emergencies.limit);
        return ward_pg_send(conn, WARD_PG_READ_EMERGENCIES);
    }
    case WARD_READ_POLICY:
    case WARD_READ_POLICIES:
    case WARD_READ_KEY_USE:
    case WARD_READ_HELD:
    case WARD_READ_NODES:
    case WARD_READ_HEARTBEAT:
        return ward_pg_send_keys(conn, r);
    case WARD_READ_SIGHTINGS:
        return ward_pg_send_sightings(conn, r);
    case WARD_READ_JOBS:
        return ward_pg_send_jobs(conn, r);
    case WARD_READ_JOB_CLAIM:
        return ward_pg_send_claim(conn, r);
    case WARD_READ_SUBJECT_KEY:
    case WARD_READ_RECORD_VERSION:
    case WARD_READ_RECORD:
    case WARD_READ_PROPOSAL:
    case WARD_READ_REPLAY:
    case WARD_READ_RESERVE:
        break;
    }
    WARD_FAIL(WARD_E_INTERNAL);
}

ward_status ward_pg_query_send(struct ward_pg_conn *conn, const struct ward_pg_query *query)
{
    switch (query->kind) {
    case WARD_READ_SUBJECT_KEY:
    case WARD_READ_RECORD_VERSION:
        return send_hashes(conn, query);
    case WARD_READ_RECORD:
        return send_records(conn, query);
    case WARD_READ_PROPOSAL:
        return send_proposals_by_id(conn, query);
    case WARD_READ_REPLAY:
        return send_replays(conn, query);
    case WARD_READ_RESERVE:
        return send_reserves(conn, query);
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
        return send_one(conn, query->reads[0]);
    }
    WARD_FAIL(WARD_E_INTERNAL);
}

struct ward_read *ward_pg_query_read(const struct ward_pg_query *query, struct ward_pg_row *row)
{
    uint64_t ordinal = ward_pg_u64(row, 0);
    if (row->failed || ordinal < 1 || ordinal > query->n) {
        row->failed = true;
        return NULL;
    }
    return query->reads[ordinal - 1];
}

static struct ward_store_subject_key subject_key(struct ward_pg_row *row, int column)
{
    return (struct ward_store_subject_key){
        .id = ward_pg_id(row, column),
        .generation = ward_pg_u32(row, column + 1),
        .wrapped = ward_pg_copy(row, column + 2),
    };
}

static void take_row(struct ward_read *r, struct ward_pg_row *row)
{
    if (r->kind == WARD_READ_SUBJECT_KEY) {
        r->subject_key.key = subject_key(row, 1);
    } else if (r->kind == WARD_READ_RECORD_VERSION) {
        r->record_version.version = ward_pg_u32(row, 1);
    } else if (r->kind == WARD_READ_RESERVE) {
        r->reserve.granted = ward_pg_u64(row, 1);
        r->reserve.total = ward_pg_u64(row, 2);
        row->failed |= r->reserve.granted > r->reserve.block;
    } else if (r->kind == WARD_READ_REPLAY) {
        ward_pg_hash(row, 1, r->replay.digest);
        r->replay.response = ward_pg_copy(row, 2);
        r->replay.created_us = ward_pg_i64(row, 3);
        r->replay.found = true;
    } else {
        r->record.version = ward_pg_u32(row, 1);
        r->record.schema_version = ward_pg_u32(row, 2);
        r->record.sealed = ward_pg_copy(row, 3);
        r->record.key = subject_key(row, 4);
    }
}

static ward_status take_rows(const struct ward_pg_query *query, const PGresult *result)
{
    int n = PQntuples(result);
    for (int i = 0; i < n; i++) {
        struct ward_pg_row row = {.result = result, .row = i};
        struct ward_read *r = ward_pg_query_read(query, &row);
        WARD_ENSURE(r != NULL, WARD_E_INTERNAL);
        row.arena = r->arena;
        take_row(r, &row);
        r->status = ward_pg_row_status(&row); /* one whose arena is spent leaves the others alone */
    }
    return WARD_OK;
}

static ward_status take_rewrap(struct ward_read *r, const PGresult *result)
{
    struct ward_pg_row row = {.result = result, .arena = r->arena};
    int n = PQntuples(result);
    struct ward_store_subject_key *keys =
        WARD_ARENA_ARRAY(r->arena, struct ward_store_subject_key, n);
    uint8_t(*hashes)[WARD_HASH_SIZE] = ward_arena_alloc(r->arena, (size_t)n * WARD_HASH_SIZE);
    uint64_t *places = WARD_ARENA_ARRAY(r->arena, uint64_t, n);
    WARD_ENSURE(keys != NULL && hashes != NULL && places != NULL, WARD_E_EXHAUSTED);
    for (row.row = 0; row.row < n; row.row++) {
        keys[row.row] = subject_key(&row, 0);
        ward_pg_hash(&row, 3, hashes[row.row]);
        places[row.row] = ward_pg_place(&row, 4);
    }
    WARD_TRY(ward_pg_row_status(&row));
    r->rewrap.keys = keys;
    r->rewrap.subject_hashes = (const uint8_t(*)[WARD_HASH_SIZE])hashes;
    r->rewrap.places = places;
    r->rewrap.n = (size_t)n;
    r->status = WARD_OK;
    return WARD_OK;
}

static ward_status take_row_counts(struct ward_read *r, const PGresult *result)
{
    struct ward_pg_row row = {.result = result};
    int n = PQntuples(result);
    uint32_t *versions = WARD_ARENA_ARRAY(r->arena, uint32_t, n);
    uint64_t *counts = WARD_ARENA_ARRAY(r->arena, uint64_t, n);
    WARD_ENSURE(versions != NULL && counts != NULL, WARD_E_EXHAUSTED);
    for (row.row = 0; row.row < n; row.row++) {
        versions[row.row] = ward_pg_u32(&row, 0);
        counts[row.row] = ward_pg_u64(&row, 1);
    }
    WARD_TRY(ward_pg_row_status(&row));
    r->rows.versions = versions;
    r->rows.counts = counts;
    r->rows.n = (size_t)n;
    r->status = WARD_OK;
    return WARD_OK;
}

ward_status ward_pg_emergency_rows(const PGresult *result, struct ward_arena *arena,
                                   const struct ward_store_emergency **ret, size_t *ret_n)
{
    struct ward_pg_row row = {.result = result, .arena = arena};
    int n = PQntuples(result);
    struct ward_store_emergency *rows = WARD_ARENA_ARRAY(arena, struct ward_store_emergency, n);
    WARD_ENSURE(rows != NULL, WARD_E_EXHAUSTED);
    for (row.row = 0; row.row < n; row.row++) {
        struct ward_store_emergency *to = &rows[row.row];
        *to = (struct ward_store_emergency){
            .id = ward_pg_id(&row, 0),
            .identity = ward_pg_copy(&row, 1),
            .collection = ward_pg_copy(&row, 2),
            .opened_us = ward_pg_i64(&row, 4),
            .expires_us = ward_pg_i64(&row, 5),
            .closed_us = ward_pg_i64(&row, 6),
            .reviewed = ward_pg_bool(&row, 7),
        };
        ward_pg_hash(&row, 3, to->subject_hash);
    }
    *ret = rows;
    *ret_n = (size_t)n;
    return ward_pg_row_status(&row);
}

static ward_status take_emergencies(struct ward_read *r, const PGresult *result)
{
    WARD_TRY(ward_pg_emergency_rows(result, r->arena, &r->emergencies.rows, &r->emergencies.n));
    r->status = WARD_OK;
    return WARD_OK;
}

static ward_status take_checkpoints(struct ward_read *r, const PGresult *result)
{
    struct ward_pg_row row = {.result = result, .arena = r->arena};
    int n = PQntuples(result);
    struct ward_store_checkpoint *rows =
        WARD_ARENA_ARRAY(r->arena, struct ward_store_checkpoint, n);
    WARD_ENSURE(rows != NULL, WARD_E_EXHAUSTED);
    for (row.row = 0; row.row < n; row.row++) {
        rows[row.row] = (struct ward_store_checkpoint){.size = ward_pg_u64(&row, 0),
                                                       .note = ward_pg_copy(&row, 1),
                                                       .created_us = ward_pg_i64(&row, 2)};
    }
    WARD_TRY(ward_pg_row_status(&row));
    r->checkpoints.rows = rows;
    r->checkpoints.n = (size_t)n;
    r->status = WARD_OK;
    return WARD_OK;
}

static ward_status take_handovers(struct ward_read *r, const PGresult *result)
{
    struct ward_pg_row row = {.result = result, .arena = r->arena};
    int n = PQntuples(result);
    struct ward_store_handover *rows = WARD_ARENA_ARRAY(r->arena, struct ward_store_handover, n);
    WARD_ENSURE(rows != NULL, WARD_E_EXHAUSTED);
    for (row.row = 0; row.row < n; row.row++) {
        rows[row.row] = (struct ward_store_handover){.version = ward_pg_u32(&row, 0),
                                                     .size = ward_pg_u64(&row, 1),
                                                     .note = ward_pg_copy(&row, 2)};
    }
    WARD_TRY(ward_pg_row_status(&row));
    r->handovers.handovers = rows;
    r->handovers.n = (size_t)n;
    r->status = WARD_OK;
    return WARD_OK;
}

ward_status ward_pg_query_take(const struct ward_pg_query *query, const PGresult *result)
{
    for (size_t i = 0; i < query->n; i++) {
        /* "No version yet" and "never answered" are answers; for all else a row must come. */
        bool may_be_none =
            query->kind == WARD_READ_RECORD_VERSION || query->kind == WARD_READ_REPLAY;
        query->reads[i]->status = may_be_none ? WARD_OK : WARD_STATUS(WARD_E_NOT_FOUND);
    }
    switch (query->kind) {
    case WARD_READ_SUBJECT_KEY:
    case WARD_READ_RECORD_VERSION:
    case WARD_READ_RECORD:
    case WARD_READ_REPLAY:
    case WARD_READ_RESERVE:
        return take_rows(query, result);
    case WARD_READ_REWRAP_PAGE:
        return take_rewrap(query->reads[0], result);
    case WARD_READ_ROWS:
        return take_row_counts(query->reads[0], result);
    case WARD_READ_REKEY_PAGE:
    case WARD_READ_REKEY_LEFT:
        return ward_pg_take_rekey(query->reads[0], result);
    case WARD_READ_PROPOSAL:
        return ward_pg_take_proposals_by_id(query, result);
    case WARD_READ_PROPOSALS:
        return ward_pg_take_proposals_page(query, result);
    case WARD_READ_AUDIT:
        return ward_pg_take_audit(query, result);
    case WARD_READ_EMERGENCIES:
        return take_emergencies(query->reads[0], result);
    case WARD_READ_CHECKPOINTS:
        return take_checkpoints(query->reads[0], result);
    case WARD_READ_HANDOVERS:
        return take_handovers(query->reads[0], result);
    case WARD_READ_POLICY:
    case WARD_READ_POLICIES:
    case WARD_READ_KEY_USE:
    case WARD_READ_HELD:
    case WARD_READ_NODES:
    case WARD_READ_HEARTBEAT:
        return ward_pg_take_keys(query->reads[0], result);
    case WARD_READ_SIGHTINGS:
        return ward_pg_take_sightings(query->reads[0], result);
    case WARD_READ_JOBS:
        return ward_pg_take_jobs(query->reads[0], result);
    case WARD_READ_JOB_CLAIM:
        return ward_pg_take_claim(query->reads[0], result);
    }
    WARD_FAIL(WARD_E_INTERNAL);
}
