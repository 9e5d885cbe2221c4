/* SPDX-License-Identifier: Apache-2.0 */
/* All that decisions need, of one moment: one read-only transaction in one round trip. Knows
 * nothing of what the rows mean. */
#include "backends/postgres/store_postgres.h"

#include "backends/postgres/reads.h"
#include "backends/postgres/row.h"

/* Runs fn again once when a connection from before turns out to be dead: reading twice does no
 * harm. Not after a deadline, which is all the time that the caller has. */
typedef ward_status snapshot_fn(struct ward_pg_conn *conn, struct ward_arena *arena, void *ret);

static ward_status twice(struct ward_pg_conn *conn, struct ward_arena *arena, snapshot_fn *fn,
                         void *ret)
{
    bool fresh = true;
    WARD_TRY(ward_pg_outside(ward_pg_connect(conn, &fresh)));
    ward_pg_deadline(conn, WARD_PG_QUERY_MS);
    ward_status status = fn(conn, arena, ret);
    if (status.code == WARD_E_UNAVAILABLE && !fresh) {
        ward_pg_drop(conn);
        WARD_TRY(ward_pg_outside(ward_pg_connect(conn, NULL)));
        ward_pg_deadline(conn, WARD_PG_QUERY_MS);
        status = fn(conn, arena, ret);
    }
    if (!ward_ok(status)) {
        ward_pg_drop(conn); /* whatever was left in the pipeline goes with it */
    }
    return ward_pg_outside(status);
}

static ward_status read_deployment(const PGresult *result, struct ward_arena *arena,
                                   struct ward_store_snapshot *ret)
{
    struct ward_pg_row row = {.result = result, .arena = arena};
    struct ward_store_deployment *d = &ret->deployment;
    ret->initialised = PQntuples(result) == 1;
    if (!ret->initialised) {
        return WARD_OK;
    }
    d->id = ward_pg_id(&row, 0);
    d->origin = ward_pg_copy(&row, 1);
    ward_pg_hash(&row, 2, d->genesis_policy_hash);
    d->schema_version = ward_pg_u32(&row, 3);
    d->log_key = ward_pg_id(&row, 4);
    d->log_algorithm = (uint8_t)ward_pg_i16(&row, 5);
    d->log_public_key = ward_pg_copy(&row, 6);
    d->created_us = ward_pg_i64(&row, 7);
    return ward_pg_row_status(&row);
}

static ward_status read_policy(const PGresult *result, struct ward_arena *arena,
                               struct ward_store_snapshot *ret)
{
    struct ward_pg_row row = {.result = result, .arena = arena};
    if (PQntuples(result) == 0) {
        return WARD_OK;
    }
    ret->policy_version = ward_pg_u32(&row, 0);
    ret->policy_text = ward_pg_copy(&row, 1);
    return ward_pg_row_status(&row);
}

static ward_status read_keks(const PGresult *result, struct ward_arena *arena,
                             struct ward_store_snapshot *ret)
{
    struct ward_pg_row row = {.result = result, .arena = arena};
    int n = PQntuples(result);
    struct ward_store_kek *keks = WARD_ARENA_ARRAY(arena, struct ward_store_kek, n);
    WARD_ENSURE(keks != NULL, WARD_E_EXHAUSTED);
    for (row.row = 0; row.row < n; row.row++) {
        keks[row.row] = (struct ward_store_kek){
            .id = ward_pg_id(&row, 0),
            .name = ward_pg_copy(&row, 1),
            .backend = ward_pg_copy(&row, 2),
            .purpose = (uint8_t)ward_pg_i16(&row, 3),
            .enabled = ward_pg_bool(&row, 4),
            .rotation_period_days = ward_pg_u32(&row, 5),
            .created_us = ward_pg_i64(&row, 6),
        };
    }
    ret->keks = keks;
    ret->n_keks = (size_t)n;
    return ward_pg_row_status(&row);
}

static ward_status read_versions(const PGresult *result, struct ward_arena *arena,
                                 struct ward_store_snapshot *ret)
{
    struct ward_pg_row row = {.result = result, .arena = arena};
    int n = PQntuples(result);
    struct ward_store_kek_version *versions =
        WARD_ARENA_ARRAY(arena, struct ward_store_kek_version, n);
    WARD_ENSURE(versions != NULL, WARD_E_EXHAUSTED);
    for (row.row = 0; row.row < n; row.row++) {
        versions[row.row] = (struct ward_store_kek_version){
            .kek = ward_pg_id(&row, 0),
            .version = ward_pg_u32(&row, 1),
            .state = (uint8_t)ward_pg_i16(&row, 2),
            .created_us = ward_pg_i64(&row, 3),
            .wraps = ward_pg_u64(&row, 4),
            .changed_us = ward_pg_i64(&row, 5),
            .prior = (uint8_t)ward_pg_i16(&row, 6),
            .due_us = ward_pg_i64(&row, 7),
        };
    }
    ret->versions = versions;
    ret->n_versions = (size_t)n;
    return ward_pg_row_status(&row);
}

static ward_status read_index_keys(const PGresult *result, struct ward_arena *arena,
                                   struct ward_store_snapshot *ret)
{
    struct ward_pg_row row = {.result = result, .arena = arena};
    int n = PQntuples(result);
    struct ward_store_index_key *keys = WARD_ARENA_ARRAY(arena, struct ward_store_index_key, n);
    WARD_ENSURE(keys != NULL, WARD_E_EXHAUSTED);
    for (row.row = 0; row.row < n; row.row++) {
        keys[row.row] = (struct ward_store_index_key){
            .name = ward_pg_copy(&row, 0),
            .wrapped = ward_pg_copy(&row, 1),
        };
    }
    ret->index_keys = keys;
    ret->n_index_keys = (size_t)n;
    return ward_pg_row_status(&row);
}

static ward_status read_log_keys(const PGresult *result, struct ward_arena *arena,
                                 struct ward_store_snapshot *ret)
{
    struct ward_pg_row row = {.result = result, .arena = arena};
    int n = PQntuples(result);
    struct ward_store_log_key *keys = WARD_ARENA_ARRAY(arena, struct ward_store_log_key, n);
    WARD_ENSURE(keys != NULL, WARD_E_EXHAUSTED);
    for (row.row = 0; row.row < n; row.row++) {
        keys[row.row] = (struct ward_store_log_key){
            .version = ward_pg_u32(&row, 0),
            .algorithm = (uint8_t)ward_pg_i16(&row, 1),
            .public_key = ward_pg_copy(&row, 2),
            .leaf = ward_pg_u64(&row, 3),
            .proposal = ward_pg_id(&row, 4),
            .created_us = ward_pg_i64(&row, 5),
        };
    }
    ret->log_keys = keys;
    ret->n_log_keys = (size_t)n;
    return ward_pg_row_status(&row);
}

static ward_status read_intents(const PGresult *result, struct ward_arena *arena,
                                struct ward_store_snapshot *ret)
{
    struct ward_pg_row row = {.result = result, .arena = arena};
    int n = PQntuples(result);
    struct ward_store_intent *intents = WARD_ARENA_ARRAY(arena, struct ward_store_intent, n);
    WARD_ENSURE(intents != NULL, WARD_E_EXHAUSTED);
    for (row.row = 0; row.row < n; row.row++) {
        intents[row.row] = (struct ward_store_intent){
            .id = ward_pg_id(&row, 0),
            .kek = ward_pg_id(&row, 1),
            .proposal = ward_pg_id(&row, 2),
            .version = ward_pg_u32(&row, 3),
            .effect = (uint8_t)ward_pg_i16(&row, 4),
            .node = ward_pg_copy(&row, 5),
            .created_us = ward_pg_i64(&row, 6),
        };
    }
    ret->intents = intents;
    ret->n_intents = (size_t)n;
    return ward_pg_row_status(&row);
}

static ward_status read_revocations(const PGresult *result, struct ward_arena *arena,
                                    struct ward_store_snapshot *ret)
{
    struct ward_pg_row row = {.result = result, .arena = arena};
    int n = PQntuples(result);
    struct ward_store_revocation *revocations =
        WARD_ARENA_ARRAY(arena, struct ward_store_revocation, n);
    WARD_ENSURE(revocations != NULL, WARD_E_EXHAUSTED);
    for (row.row = 0; row.row < n; row.row++) {
        revocations[row.row] = (struct ward_store_revocation){
            .kind = (uint8_t)ward_pg_i16(&row, 0),
            .value = ward_pg_copy(&row, 1),
            .proposal = ward_pg_id(&row, 2),
            .created_us = ward_pg_i64(&row, 3),
        };
    }
    ret->revocations = revocations;
    ret->n_revocations = (size_t)n;
    return ward_pg_row_status(&row);
}

static ward_status read_emergencies(const PGresult *result, struct ward_arena *arena,
                                    struct ward_store_snapshot *ret)
{
    return ward_pg_emergency_rows(result, arena, &ret->emergencies, &ret->n_emergencies);
}

static ward_status read_policies(const PGresult *result, struct ward_arena *arena,
                                 struct ward_store_snapshot *ret)
{
    struct ward_read all = {.kind = WARD_READ_POLICIES, .arena = arena};
    WARD_TRY(ward_pg_take_keys(&all, result));
    ret->policies = all.policies.policies;
    ret->n_policies = all.policies.n;
    return WARD_OK;
}

static ward_status read_head(const PGresult *result, struct ward_arena *arena,
                             struct ward_store_snapshot *ret)
{
    struct ward_pg_row row = {.result = result, .arena = arena};
    WARD_ENSURE(PQntuples(result) == 1, WARD_E_INTERNAL);
    uint64_t size = ward_pg_u64(&row, 0);
    ret->epoch = ret->head.epoch = ward_pg_u64(&row, 1);
    struct ward_bytes frontier = ward_pg_view(&row, 2), sums = ward_pg_view(&row, 3),
                      tag = ward_pg_view(&row, 4);
    WARD_TRY(ward_pg_row_status(&row));
    ward_pg_head_parts(size, frontier, sums, tag, &ret->head);
    return WARD_OK;
}

static ward_status read_epoch(const PGresult *result, struct ward_arena *arena,
                              struct ward_store_snapshot *ret)
{
    struct ward_pg_row row = {.result = result, .arena = arena};
    WARD_ENSURE(PQntuples(result) == 1, WARD_E_INTERNAL);
    ret->epoch = ward_pg_u64(&row, 0);
    return ward_pg_row_status(&row);
}

static ward_status read_nothing(const PGresult *result, struct ward_arena *arena,
                                struct ward_store_snapshot *ret)
{
    (void)result;
    (void)arena;
    (void)ret;
    return WARD_OK;
}

static ward_status read_snapshot(struct ward_pg_conn *conn, struct ward_arena *arena, void *out)
{
    static const struct {
        enum ward_pg_statement statement;
        ward_status (*read)(const PGresult *, struct ward_arena *, struct ward_store_snapshot *);
    } parts[] = {
        {WARD_PG_BEGIN_SNAPSHOT, read_nothing},  {WARD_PG_SNAPSHOT_HEAD, read_head},
        {WARD_PG_DEPLOYMENT, read_deployment},   {WARD_PG_POLICY_IN_FORCE, read_policy},
        {WARD_PG_READ_POLICIES, read_policies},  {WARD_PG_KEKS, read_keks},
        {WARD_PG_KEK_VERSIONS, read_versions},   {WARD_PG_INDEX_KEYS, read_index_keys},
        {WARD_PG_INTENTS, read_intents},         {WARD_PG_REVOCATIONS, read_revocations},
        {WARD_PG_EMERGENCIES, read_emergencies}, {WARD_PG_LOG_KEYS, read_log_keys},
        {WARD_PG_COMMIT, read_nothing},
    };
    const size_t n = sizeof(parts) / sizeof(parts[0]);
    struct ward_store_snapshot snapshot = {0};
    for (size_t i = 0; i < n; i++) {
        if (parts[i].statement == WARD_PG_READ_POLICIES) {
            ward_pg_add_bool(&conn->params, false); /* no texts */
        }
        WARD_TRY(ward_pg_send(conn, parts[i].statement));
    }
    WARD_TRY(ward_pg_sync(conn));
    for (size_t i = 0; i < n; i++) {
        ward_auto(ward_pg_clearp) PGresult *result = NULL;
        WARD_TRY(ward_pg_result(conn, &result));
        WARD_TRY(parts[i].read(result, arena, &snapshot));
    }
    WARD_TRY(ward_pg_end(conn));
    if (snapshot.initialised) {
        *(struct ward_store_snapshot *)out = snapshot;
    }
    return WARD_OK;
}

ward_status ward_pg_snapshot(struct ward_store_reader *base, struct ward_arena *arena,
                             struct ward_store_snapshot *ret)
{
    struct ward_pg_reader *reader = (struct ward_pg_reader *)base;
    return twice(&reader->conn, arena, read_snapshot, ret);
}

static ward_status read_one_epoch(struct ward_pg_conn *conn, struct ward_arena *arena, void *out)
{
    ward_auto(ward_pg_clearp) PGresult *result = NULL;
    struct ward_store_snapshot snapshot = {0};
    WARD_TRY(ward_pg_run(conn, WARD_PG_EPOCH, &result));
    WARD_TRY(read_epoch(result, arena, &snapshot));
    *(uint64_t *)out = snapshot.epoch;
    return WARD_OK;
}

ward_status ward_pg_epoch(struct ward_store_reader *base, uint64_t *ret)
{
    struct ward_pg_reader *reader = (struct ward_pg_reader *)base;
    return twice(&reader->conn, NULL, read_one_epoch, ret);
}
