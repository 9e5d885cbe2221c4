/* SPDX-License-Identifier: Apache-2.0 */
/* The SQL of the daemon in one table, so that it can be read beside schema/001.sql. All of it looks
 * rows up by key; conn.c tells the planner so. */
#include "backends/postgres/statements.h"

#include "backends/store.h"

struct statement {
    const char *name, *sql;
    int roles;
};

#define R WARD_PG_READER
#define W WARD_PG_WRITER

/* What ward.head calls its key under our schema, and under no other. */
#define SCHEMA "schema_" WARD_STRING(WARD_SCHEMA_VERSION)
/* Of the database. */
#define NOW_US "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
#define DURABLE                                                                       \
    "current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' " \
    "AND current_setting('synchronous_commit') IN ('on', 'remote_apply')"
/* The head, from $1 to $9, and the row of the audit log behind it. */
#define MOVED                                                                               \
    "moved AS (UPDATE ward.head SET size = $1::bigint + $2::integer, "                      \
    "epoch = $4::bigint + $7::boolean::integer, frontier = $6::bytea, "                     \
    "sums = $8::bytea, tag = $9::bytea "                                                    \
    "WHERE " SCHEMA " AND size = $1::bigint AND epoch = $4::bigint AND fence = $5::bigint " \
    "AND " DURABLE " RETURNING size - $2::integer AS first)"
#define APPENDED                                                                         \
    "INSERT INTO ward.audit_batch (first, count, leaves) VALUES ("                       \
    "COALESCE((SELECT first FROM moved), ward.refuse_commit($4::bigint)), $2::integer, " \
    "$3::bytea)"
#define HEAD_COLUMNS                                                              \
    "SELECT size, epoch, fence, frontier, current_setting('fsync') = 'on', "      \
    "current_setting('full_page_writes') = 'on', "                                \
    "current_setting('synchronous_commit') IN ('on', 'remote_apply'), sums, tag " \
    "FROM ward.head WHERE " SCHEMA

/* The votes come with the proposal, one row each, so that both are of one moment. */
#define PROPOSAL_COLUMNS                                                 \
    "p.id, p.payload, p.proposer, p.state, p.created_us, p.expires_us, " \
    "v.identity, v.decision, v.signature, v.certificate, v.created_us, v.reason "
#define VOTES "LEFT JOIN ward.vote v ON v.proposal = p.id "

/* Of the sizes from $1 on and below $2, $3 rows; notes of more than $4 bytes are none. */
#define CHECKPOINTS_PAGE                                                                 \
    "SELECT size, CASE WHEN octet_length(note) <= $4::integer THEN note ELSE ''::bytea " \
    "END, created_us FROM ward.checkpoint WHERE size >= $1::bigint AND size < $2::bigint "
#define POLICY_COLUMNS "version, hash, proposal, created_us, ceased_us"
#define JOB_COLUMNS                                                                       \
    "SELECT j.id, j.kek, j.kind, j.state, j.target_version, j.parts, j.urgent, j.round, " \
    "j.total, j.rows_left, j.created_us, j.ended_us, j.done + p.done, p.failed "          \
    "FROM ward.job j CROSS JOIN LATERAL (SELECT coalesce(sum(done), 0)::bigint AS done, " \
    "coalesce(sum(failed), 0)::bigint AS failed FROM ward.job_part WHERE job = j.id) p "

#define ELSEWHERE_MAX WARD_STRING(WARD_STORE_ELSEWHERE_MAX)

#define EMERGENCY_COLUMNS                                           \
    "e.id, e.identity, e.collection, e.subject_hash, e.opened_us, " \
    "e.expires_us, e.closed_us"

#define CAS_END " RETURNING 1) SELECT ward.expect_one((SELECT count(*) FROM moved))"

static const struct statement statements[WARD_PG_STATEMENTS] = {
    [WARD_PG_BEGIN] = {"begin", "BEGIN", W}, /* how: see the settings in dial.c */
    [WARD_PG_BEGIN_SNAPSHOT] = {"begin_snapshot",
                                "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", R},
    [WARD_PG_COMMIT] = {"commit", "COMMIT", R | W},
    [WARD_PG_ROLLBACK] = {"rollback", "ROLLBACK", R | W},

    [WARD_PG_SNAPSHOT_HEAD] =
        {"snapshot_head", "SELECT size, epoch, frontier, sums, tag FROM ward.head WHERE " SCHEMA,
         R},
    [WARD_PG_EPOCH] = {"epoch", "SELECT epoch FROM ward.head WHERE " SCHEMA, R},
    [WARD_PG_DEPLOYMENT] = {"deployment",
                            "SELECT id, origin, genesis_policy_hash, schema_version, log_key, "
                            "log_algorithm, log_public_key, created_us FROM ward.deployment",
                            R},
    [WARD_PG_POLICY_IN_FORCE] =
        {"policy_in_force", "SELECT version, text FROM ward.policy ORDER BY version DESC LIMIT 1",
         R},
    [WARD_PG_KEKS] = {"keks",
                      "SELECT id, name, backend, purpose, enabled, rotation_period_days, "
                      "created_us FROM ward.kek ORDER BY name",
                      R},
    [WARD_PG_KEK_VERSIONS] = {"kek_versions",
                              "SELECT kek, version, state, created_us, wraps, changed_us, prior, "
                              "due_us FROM ward.kek_version "
                              "ORDER BY kek, version",
                              R},
    [WARD_PG_INDEX_KEYS] = {"index_keys", "SELECT name, wrapped FROM ward.index_key ORDER BY name",
                            R},
    [WARD_PG_LOG_KEYS] = {"log_keys",
                          "SELECT version, algorithm, public_key, leaf, proposal, created_us "
                          "FROM ward.log_key ORDER BY version",
                          R},
    [WARD_PG_INTENTS] = {"intents",
                         "SELECT id, kek, proposal, version, effect, node, created_us "
                         "FROM ward.intent ORDER BY created_us, id",
                         R},
    [WARD_PG_REVOCATIONS] = {"revocations",
                             "SELECT kind, value, proposal, created_us FROM ward.revocation "
                             "ORDER BY kind, value",
                             R},

    [WARD_PG_EMERGENCIES] = {"emergencies",
                             "SELECT " EMERGENCY_COLUMNS ", false FROM ward.emergency e "
                             "WHERE closed_us = 0 ORDER BY id",
                             R},

    [WARD_PG_READ_SUBJECT_KEYS] =
        {"read_subject_keys",
         "SELECT w.ord, s.id, s.generation, s.wrapped "
         "FROM unnest($1::bytea[]) WITH ORDINALITY AS w (hash, ord) CROSS JOIN LATERAL ("
         "SELECT id, generation, wrapped FROM ward.subject_key "
         "WHERE subject_hash = w.hash AND state = 1 ORDER BY generation DESC LIMIT 1) s",
         R},
    [WARD_PG_READ_RECORD_VERSIONS] =
        {"read_record_versions",
         "SELECT w.ord, r.version "
         "FROM unnest($1::bytea[]) WITH ORDINALITY AS w (hash, ord) CROSS JOIN LATERAL ("
         "SELECT version FROM ward.record WHERE id_hash = w.hash "
         "ORDER BY version DESC LIMIT 1) r",
         R},
    /* The newest asks for the largest version there can be, another for itself. */
    [WARD_PG_READ_RECORDS] =
        {"read_records",
         "SELECT w.ord, r.version, r.schema_version, r.sealed, s.id, s.generation, s.wrapped "
         "FROM unnest($1::bytea[], $2::integer[]) WITH ORDINALITY AS w (hash, wanted, ord) "
         "CROSS JOIN LATERAL (SELECT version, schema_version, sealed, subject_key "
         "FROM ward.record WHERE id_hash = w.hash "
         "AND version <= CASE w.wanted WHEN 0 THEN 2147483647 ELSE w.wanted END "
         "ORDER BY version DESC LIMIT 1) r "
         "JOIN ward.subject_key s ON s.id = r.subject_key "
         "WHERE w.wanted IN (0, r.version)",
         R},
    [WARD_PG_READ_REWRAP_PAGE] =
        {"read_rewrap_page",
         "SELECT id, generation, wrapped, subject_hash, ctid FROM ward.subject_key "
         "WHERE kek = $1::uuid AND id > $2::uuid AND id <= $5::uuid "
         "AND kek_version < $3::integer "
         "AND (cardinality($6::integer[]) = 0 OR kek_version = ANY ($6::integer[])) "
         "ORDER BY id LIMIT $4::integer",
         R},
    [WARD_PG_READ_ROWS] = {"read_rows",
                           "SELECT kek_version, count(*) FROM ward.subject_key "
                           "WHERE kek = $1::uuid GROUP BY kek_version ORDER BY kek_version",
                           R},
    [WARD_PG_READ_HELD] = {"read_held",
                           "SELECT kek_version, collection, count(*) AS held FROM ward.subject_key "
                           "WHERE kek = $1::uuid GROUP BY kek_version, collection "
                           "ORDER BY kek_version, held DESC, collection LIMIT $2::integer",
                           R},
    /* A key without records counts as one row. Sizes are known without fetching what is stored
     * outside of its row. */
    [WARD_PG_READ_REKEY_PAGE] =
        {"read_rekey_page",
         "SELECT p.id, p.generation, p.wrapped, p.subject_hash, p.collection, n.generation, "
         "n.state = 1 AND n.run >= $4::integer, n.id, n.wrapped, "
         "p.id_hash, p.version, p.schema_version, p.sealed "
         "FROM (SELECT f.*, coalesce(sum(octet_length(f.sealed)) OVER (ORDER BY f.id ROWS "
         "UNBOUNDED PRECEDING) - octet_length(f.sealed), 0) AS before "
         "FROM (SELECT k.*, r.* FROM (SELECT id, generation, wrapped, subject_hash, collection "
         "FROM ward.subject_key WHERE kek = $1::uuid AND id > $2::uuid AND id <= $3::uuid "
         "AND run < $4::integer ORDER BY id LIMIT $5::integer) k "
         "LEFT JOIN LATERAL (SELECT id_hash, version, schema_version, sealed FROM ward.record "
         "WHERE subject_key = k.id LIMIT $5::integer) r ON true ORDER BY k.id LIMIT $5::integer) f"
         ") p CROSS JOIN LATERAL (SELECT id, generation, wrapped, state, run "
         "FROM ward.subject_key WHERE subject_hash = p.subject_hash "
         "ORDER BY generation DESC LIMIT 1) n WHERE p.before < $6::bigint ORDER BY p.id",
         R},
    [WARD_PG_READ_REKEY_LEFT] =
        {"read_rekey_left",
         "SELECT count(*), coalesce(sum(r.n), 0)::bigint FROM ward.subject_key k CROSS JOIN "
         "LATERAL (SELECT count(*) AS n FROM ward.record WHERE subject_key = k.id) r "
         "WHERE k.kek = $1::uuid AND k.run < $2::integer",
         R},
    [WARD_PG_READ_PROPOSALS_BY_ID] = {"read_proposals_by_id",
                                      "SELECT w.ord, " PROPOSAL_COLUMNS ", p.attachment "
                                      "FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, ord) "
                                      "JOIN ward.proposal p ON p.id = w.id " VOTES
                                      "ORDER BY w.ord, v.created_us, v.identity",
                                      R},
    [WARD_PG_READ_PROPOSALS_PAGE] =
        {"read_proposals_page",
         "SELECT 1::bigint, " PROPOSAL_COLUMNS "FROM (SELECT * FROM ward.proposal "
         "WHERE (created_us, id) < ($1::bigint, $2::uuid) AND (state IN (1, 2, 3, 6) OR "
         "$3::boolean) "
         "ORDER BY created_us DESC, id DESC LIMIT $4::integer) p " VOTES
         "ORDER BY p.created_us DESC, p.id DESC, v.created_us, v.identity",
         R},
    /* From the row that holds leaf $1 on; rows are left out once those before them hold $3 bytes.
     */
    [WARD_PG_READ_AUDIT] =
        {"read_audit",
         "SELECT first, count, leaves FROM (SELECT first, count, leaves, "
         "sum(octet_length(leaves)) OVER (ORDER BY first) - octet_length(leaves) AS before "
         "FROM (SELECT first, count, leaves FROM ward.audit_batch WHERE first >= "
         "(SELECT first FROM ward.audit_batch WHERE first <= $1::bigint "
         "ORDER BY first DESC LIMIT 1) AND first < $2::bigint ORDER BY first LIMIT 4096) a) b "
         "WHERE before < $3::bigint ORDER BY first",
         R},
    [WARD_PG_READ_CHECKPOINTS] = {"read_checkpoints",
                                  CHECKPOINTS_PAGE "ORDER BY size LIMIT $3::integer", R},
    [WARD_PG_READ_CHECKPOINTS_NEWEST] = {"read_checkpoints_newest",
                                         CHECKPOINTS_PAGE "ORDER BY size DESC LIMIT $3::integer",
                                         R},
    [WARD_PG_READ_HANDOVERS] =
        {"read_handovers",
         "SELECT l.version, c.size, CASE WHEN octet_length(c.note) <= $1::integer THEN c.note ELSE "
         "''::bytea END FROM ward.log_key l CROSS JOIN LATERAL ("
         "SELECT size, note FROM ward.checkpoint WHERE size > l.leaf ORDER BY size LIMIT 1) c "
         "ORDER BY l.version",
         R},
    [WARD_PG_READ_REPLAYS] =
        {"read_replays",
         "SELECT w.ord, r.digest, r.response, r.created_us "
         "FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (identity, request_id, ord) "
         "JOIN ward.replay r ON r.identity = w.identity AND r.request_id = w.request_id",
         R},
    [WARD_PG_READ_POLICY] =
        {"read_policy",
         "SELECT " POLICY_COLUMNS ", text FROM ward.policy "
         "WHERE version <= CASE $1::integer WHEN 0 THEN 2147483647 ELSE $1::integer END "
         "AND version >= $1::integer ORDER BY version DESC LIMIT 1",
         R},
    [WARD_PG_READ_POLICIES] = {"read_policies",
                               "SELECT " POLICY_COLUMNS
                               ", CASE WHEN $1::boolean THEN text ELSE ''::bytea END "
                               "FROM ward.policy ORDER BY version",
                               R},
    [WARD_PG_READ_KEY_USE] = {"read_key_use",
                              "SELECT version, sum(issued)::bigint, sum(opened)::bigint, "
                              "max(last_opened_us) FROM ward.key_use WHERE kek = $1::uuid "
                              "GROUP BY version ORDER BY version",
                              R},
    [WARD_PG_READ_EMERGENCIES] =
        {"read_emergencies",
         "SELECT " EMERGENCY_COLUMNS ", r.reviewed FROM ward.emergency e CROSS JOIN LATERAL "
         "(SELECT EXISTS (SELECT FROM ward.vote v WHERE v.proposal = e.id AND v.decision = 5) "
         "AS reviewed) r WHERE (e.opened_us, e.id) < ($1::bigint, $2::uuid) "
         "AND (NOT $3::boolean OR e.closed_us = 0 AND e.expires_us > $4::bigint) "
         "AND NOT ($5::boolean AND r.reviewed) "
         "ORDER BY e.opened_us DESC, e.id DESC LIMIT $6::integer",
         R},
    [WARD_PG_READ_NODES] = {"read_nodes",
                            "SELECT n.name, n.epoch, n.seen_us, " NOW_US " "
                            "FROM (SELECT) one LEFT JOIN ward.node n ON true ORDER BY n.name",
                            R},
    [WARD_PG_READ_JOBS_OPEN] = {"read_jobs_open",
                                JOB_COLUMNS "WHERE j.state IN (1, 3) ORDER BY j.created_us, j.id",
                                R},
    [WARD_PG_READ_JOBS_OF_KEK] = {"read_jobs_of_kek",
                                  JOB_COLUMNS
                                  "WHERE j.kek = $1::uuid ORDER BY j.kind, j.target_version",
                                  R},
    /* The count comes last, when every other part is finished. */
    [WARD_PG_CLAIM_JOB_PART] =
        {"claim_job_part",
         "UPDATE ward.job_part p SET node = $2::text, "
         "leased_until_us = " NOW_US " + $3::bigint "
         "FROM (SELECT c.job, c.part, j.parts, j.round "
         "FROM ward.job_part c JOIN ward.job j ON j.id = c.job "
         "WHERE c.job = $1::uuid AND j.state = 1 AND NOT c.finished "
         "AND (c.leased_until_us < " NOW_US " "
         "OR (c.node = $2::text AND c.part <> ALL ($4::integer[]))) "
         "AND (SELECT " SCHEMA " FROM ward.head) "
         "AND (c.part < j.parts OR NOT EXISTS (SELECT 1 FROM ward.job_part o "
         "WHERE o.job = c.job AND o.part < j.parts AND NOT o.finished)) "
         "ORDER BY c.part LIMIT 1 FOR UPDATE OF c SKIP LOCKED) f "
         "WHERE p.job = f.job AND p.part = f.part "
         "RETURNING p.part, p.pass, p.cursor, f.parts, f.round",
         R},
    /* The rows are locked first, in one order, so that what is granted is reckoned from what others
     * left. Durable before any entry that tells of these wraps, whose commit flushes the same log
     * further. */
    [WARD_PG_RESERVE] = {"reserve",
                         "WITH old AS (SELECT w.ord, v.kek, v.version, v.wraps, "
                         "greatest(least(w.block, w.most - v.wraps), 0) AS granted "
                         "FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::bigint[]) "
                         "WITH ORDINALITY AS w (kek, version, block, most, ord) "
                         "JOIN ward.kek_version v ON v.kek = w.kek AND v.version = w.version "
                         "WHERE (SELECT " SCHEMA " FROM ward.head) "
                         "ORDER BY v.kek, v.version FOR UPDATE OF v) "
                         "UPDATE ward.kek_version v SET wraps = old.wraps + old.granted FROM old "
                         "WHERE v.kek = old.kek AND v.version = old.version "
                         "RETURNING old.ord, old.granted, v.wraps",
                         R},

    [WARD_PG_HEARTBEAT] = {"heartbeat",
                           "INSERT INTO ward.node (name, epoch, seen_us) "
                           "VALUES ($1::text, $2::bigint, " NOW_US
                           " + $3::bigint) ON CONFLICT (name) DO UPDATE "
                           "SET epoch = excluded.epoch, seen_us = excluded.seen_us",
                           R},

    /* What is too old goes, of every daemon; what this one sends now is not among it, since one
     * statement may not touch a row twice. */
    [WARD_PG_SIGHTINGS] =
        {"sightings",
         "WITH now AS (SELECT " NOW_US " AS us), "
         "sent AS (SELECT w.certificate, w.place, w.ord, now.us - w.since AS since_us, "
         "now.us - w.heard AS heard_us "
         "FROM now, unnest($2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[]) "
         "WITH ORDINALITY AS w (certificate, place, since, heard, ord)), "
         "gone AS (DELETE FROM ward.sighting s "
         "WHERE s.heard_us < (SELECT us FROM now) - $6::bigint AND (s.node <> $1::text "
         "OR (s.certificate, s.place) NOT IN (SELECT certificate, place FROM sent))), "
         "kept AS (INSERT INTO ward.sighting (certificate, node, place, since_us, heard_us) "
         "SELECT certificate, $1::text, place, since_us, heard_us FROM sent "
         "ON CONFLICT (certificate, node, place) DO UPDATE "
         "SET since_us = excluded.since_us, heard_us = excluded.heard_us) "
         "SELECT sent.ord, o.place, o.since_us < sent.since_us FROM now, sent "
         "CROSS JOIN LATERAL (SELECT s.place, s.since_us, s.heard_us FROM ward.sighting s "
         "WHERE s.certificate = sent.certificate AND s.node <> $1::text "
         "AND s.place <> sent.place AND s.heard_us >= now.us - $6::bigint "
         "AND s.heard_us > sent.since_us + $7::bigint "
         "AND sent.heard_us > s.since_us + $7::bigint "
         "ORDER BY s.heard_us DESC, s.place, s.node "
         "LIMIT " ELSEWHERE_MAX ") o ORDER BY sent.ord, o.heard_us DESC, o.place",
         R},

    [WARD_PG_HEAD] = {"head", HEAD_COLUMNS, W},
    [WARD_PG_HEAD_LOCK] = {"head_lock", HEAD_COLUMNS " FOR UPDATE", W},
    [WARD_PG_FENCE] = {"fence", "SELECT fence FROM ward.head WHERE " SCHEMA, W},
    [WARD_PG_RESOLVE_HEAD] = {"resolve_head",
                              "SELECT fence FROM ward.head WHERE " SCHEMA " FOR UPDATE", W},
    [WARD_PG_RESOLVE_ROW] = {"resolve_row",
                             "SELECT count, leaves FROM ward.audit_batch WHERE first = $1::bigint",
                             W},
    [WARD_PG_RESOLVE_FENCE] = {"resolve_fence",
                               "UPDATE ward.head SET fence = fence + 1 WHERE " SCHEMA
                               " RETURNING fence",
                               W},
    /* The head after a batch, and the batch's audit row, only while the head is as it was and the
     * server writes durably; else the function raises why, and the COMMIT behind it rolls back. The
     * row comes second: two daemons that append the same numbers meet at the head, not at the
     * unique index. */
    [WARD_PG_ADVANCE_HEAD] = {"advance_head", "WITH " MOVED " " APPENDED, W},
    /* With what the batch did with keys, added to what is there. One statement, since two cost a
     * tenth more of the server's time; nobody waits for the rows, which are this daemon's own. */
    [WARD_PG_ADVANCE_HEAD_AND_USES] =
        {"advance_head_and_uses",
         "WITH " MOVED ", used AS ("
         "INSERT INTO ward.key_use AS u (kek, version, node, issued, opened, last_opened_us) "
         "SELECT n.kek, n.version, $15::text, n.issued, n.opened, n.last_opened_us "
         "FROM unnest($10::uuid[], $11::integer[], $12::bigint[], $13::bigint[], $14::bigint[]) "
         "AS n (kek, version, issued, opened, last_opened_us) "
         "ON CONFLICT (kek, version, node) DO UPDATE SET "
         "issued = u.issued + excluded.issued, opened = u.opened + excluded.opened, "
         "last_opened_us = greatest(u.last_opened_us, excluded.last_opened_us)) " APPENDED,
         W},
    /* For a commit without entries that changes what is authenticated. Size and epoch stay, so it
     * is the fence that tells whoever has read the head before. */
    [WARD_PG_SEAL_HEAD] =
        {"seal_head",
         "WITH moved AS (UPDATE ward.head SET sums = $4::bytea, tag = $5::bytea, "
         "fence = $3::bigint + 1 "
         "WHERE " SCHEMA " AND size = $1::bigint AND epoch = $2::bigint "
         "AND fence = $3::bigint AND " DURABLE " RETURNING size) "
         "SELECT COALESCE((SELECT size FROM moved), ward.refuse_commit($2::bigint))",
         W},
    [WARD_PG_CHECK_EPOCH] = {"check_epoch",
                             "SELECT COALESCE((SELECT epoch FROM ward.head "
                             "WHERE " SCHEMA " AND epoch = $1::bigint FOR SHARE), "
                             "ward.refuse_commit($1::bigint))",
                             W},

    [WARD_PG_INSERT_SUBJECT_KEYS] =
        {"insert_subject_keys",
         "INSERT INTO ward.subject_key "
         "(id, collection, subject_hash, generation, kek, kek_version, wrapped, run) "
         "SELECT n.*, coalesce((SELECT max(target_version) FROM ward.job j "
         "WHERE j.kek = n.kek AND j.kind = 2), 0) "
         "FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::integer[], $5::uuid[], "
         "$6::integer[], $7::bytea[]) "
         "AS n (id, collection, subject_hash, generation, kek, kek_version, wrapped)",
         W},
    [WARD_PG_INSERT_RECORDS] = {"insert_records",
                                "SELECT ward.insert_records($1::bytea[], $2::integer[], "
                                "$3::uuid[], $4::integer[], $5::bigint[], $6::bytea[])",
                                W},
    /* Where the page was read: so a row costs no way through an index. An id that is compared like
     * this finds no index either, which for a table of few rows, or one that was so when it was
     * last looked at, the planner would take for cheaper. */
    [WARD_PG_REWRAP] =
        {"rewrap",
         "UPDATE ward.subject_key s SET wrapped = n.new_wrapped, kek_version = n.kek_version "
         "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::integer[], $5::tid[]) "
         "AS n (id, old_wrapped, new_wrapped, kek_version, place) "
         "WHERE s.ctid = n.place AND s.id IS NOT DISTINCT FROM n.id "
         "AND s.wrapped = n.old_wrapped",
         W},
    [WARD_PG_REWRAP_BY_ID] =
        {"rewrap_by_id",
         "UPDATE ward.subject_key s SET wrapped = n.new_wrapped, kek_version = n.kek_version "
         "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::integer[]) "
         "AS n (id, old_wrapped, new_wrapped, kek_version) "
         "WHERE s.id = n.id AND s.wrapped = n.old_wrapped",
         W},
    [WARD_PG_REKEY] = {"rekey",
                       "SELECT ward.rekey($1::uuid[], $2::uuid[], $3::integer[], $4::bytea[], "
                       "$5::integer[], $6::bytea[])",
                       W},
    [WARD_PG_INSERT_REPLAYS] = {"insert_replays",
                                "INSERT INTO ward.replay (identity, request_id, digest, response, "
                                "created_us) SELECT * FROM unnest($1::text[], $2::text[], "
                                "$3::bytea[], $4::bytea[], $5::bigint[])",
                                W},

    [WARD_PG_INSERT_KEK] = {"insert_kek",
                            "INSERT INTO ward.kek (id, name, backend, purpose, enabled, "
                            "rotation_period_days, created_us) VALUES ($1::uuid, $2::text, "
                            "$3::text, $4::smallint, $5::boolean, $6::integer, $7::bigint)",
                            W},
    [WARD_PG_INSERT_KEK_VERSION] =
        {"insert_kek_version",
         "INSERT INTO ward.kek_version (kek, version, state, "
         "created_us, wraps, changed_us, prior, due_us) VALUES ($1::uuid, $2::integer, "
         "$3::smallint, $4::bigint, $5::bigint, $6::bigint, $7::smallint, $8::bigint)",
         W},
    [WARD_PG_MOVE_KEK_VERSION] =
        {"move_kek_version",
         "WITH moved AS (UPDATE ward.kek_version SET state = $7::smallint, "
         "prior = $8::smallint, due_us = $9::bigint, changed_us = $10::bigint "
         "WHERE kek = $1::uuid AND version = $2::integer "
         "AND state = $3::smallint AND prior = $4::smallint "
         "AND due_us = $5::bigint AND changed_us = $6::bigint" CAS_END,
         W},
    [WARD_PG_SET_KEK_ENABLED] = {"set_kek_enabled",
                                 "WITH moved AS (UPDATE ward.kek SET enabled = $3::boolean "
                                 "WHERE id = $1::uuid AND enabled = $2::boolean" CAS_END,
                                 W},
    [WARD_PG_SET_KEK_PERIOD] =
        {"set_kek_period",
         "WITH moved AS (UPDATE ward.kek SET rotation_period_days = $3::integer "
         "WHERE id = $1::uuid AND rotation_period_days = $2::integer" CAS_END,
         W},
    [WARD_PG_INSERT_INTENT] = {"insert_intent",
                               "INSERT INTO ward.intent (id, effect, kek, version, proposal, "
                               "node, created_us) VALUES ($1::uuid, $2::smallint, $3::uuid, "
                               "$4::integer, $5::uuid, $6::text, $7::bigint)",
                               W},
    [WARD_PG_DELETE_INTENT] = {"delete_intent",
                               "WITH moved AS (DELETE FROM ward.intent WHERE id = $1::uuid" CAS_END,
                               W},
    [WARD_PG_INSERT_PROPOSAL] =
        {"insert_proposal",
         "INSERT INTO ward.proposal (id, payload, proposer, state, "
         "created_us, expires_us, attachment) VALUES ($1::uuid, $2::bytea, $3::text, "
         "$4::smallint, $5::bigint, $6::bigint, $7::bytea)",
         W},
    [WARD_PG_MOVE_PROPOSAL] = {"move_proposal",
                               "WITH moved AS (UPDATE ward.proposal SET state = $3::smallint "
                               "WHERE id = $1::uuid AND state = $2::smallint" CAS_END,
                               W},
    [WARD_PG_INSERT_VOTE] = {"insert_vote",
                             "INSERT INTO ward.vote (proposal, identity, decision, signature, "
                             "certificate, created_us, reason) VALUES ($1::uuid, $2::text, "
                             "$3::smallint, $4::bytea, $5::bytea, $6::bigint, $7::text)",
                             W},
    [WARD_PG_INSERT_CHECKPOINT] = {"insert_checkpoint",
                                   "INSERT INTO ward.checkpoint (size, note, created_us) "
                                   "VALUES ($1::bigint, $2::bytea, $3::bigint) "
                                   "ON CONFLICT (size) DO NOTHING",
                                   W},
    [WARD_PG_INSERT_DEPLOYMENT] = {"insert_deployment",
                                   "INSERT INTO ward.deployment (id, origin, "
                                   "genesis_policy_hash, schema_version, log_key, log_algorithm, "
                                   "log_public_key, created_us) VALUES ($1::uuid, $2::text, "
                                   "$3::bytea, $4::integer, $5::uuid, $6::smallint, $7::bytea, "
                                   "$8::bigint)",
                                   W},
    [WARD_PG_INSERT_POLICY] =
        {"insert_policy",
         "INSERT INTO ward.policy (version, text, hash, created_us, proposal) "
         "VALUES ($1::integer, $2::bytea, $3::bytea, $4::bigint, $5::uuid)",
         W},
    /* The version before must be the one in force, and ceases as this one comes. */
    [WARD_PG_FOLLOW_POLICY] =
        {"follow_policy",
         "WITH moved AS (UPDATE ward.policy SET ceased_us = $4::bigint "
         "WHERE version = $1::integer - 1 AND ceased_us = 0 RETURNING 1), "
         "added AS (INSERT INTO ward.policy (version, text, hash, created_us, proposal) "
         "VALUES ($1::integer, $2::bytea, $3::bytea, $4::bigint, $5::uuid)) "
         "SELECT ward.expect_one((SELECT count(*) FROM moved))",
         W},
    [WARD_PG_INSERT_INDEX_KEY] = {"insert_index_key",
                                  "INSERT INTO ward.index_key (name, wrapped) "
                                  "VALUES ($1::text, $2::bytea)",
                                  W},
    /* The one before must be the newest. */
    [WARD_PG_INSERT_LOG_KEY] =
        {"insert_log_key",
         "WITH moved AS (INSERT INTO ward.log_key (version, algorithm, public_key, leaf, proposal, "
         "created_us) SELECT $1::integer, $2::smallint, $3::bytea, $4::bigint, $5::uuid, "
         "$6::bigint WHERE $1::integer = 1 + coalesce((SELECT max(version) FROM ward.log_key), "
         "1)" CAS_END,
         W},
    [WARD_PG_INSERT_REVOCATION] = {"insert_revocation",
                                   "INSERT INTO ward.revocation (kind, value, proposal, "
                                   "created_us) VALUES ($1::smallint, $2::text, $3::uuid, "
                                   "$4::bigint)",
                                   W},
    [WARD_PG_DELETE_REVOCATION] = {"delete_revocation",
                                   "WITH moved AS (DELETE FROM ward.revocation "
                                   "WHERE kind = $1::smallint AND value = $2::text "
                                   "AND proposal = $3::uuid AND created_us = $4::bigint" CAS_END,
                                   W},
    [WARD_PG_INSERT_EMERGENCY] = {"insert_emergency",
                                  "INSERT INTO ward.emergency (id, identity, collection, "
                                  "subject_hash, opened_us, expires_us, closed_us) "
                                  "VALUES ($1::uuid, $2::text, $3::text, $4::bytea, $5::bigint, "
                                  "$6::bigint, $7::bigint)",
                                  W},
    [WARD_PG_CLOSE_EMERGENCY] = {"close_emergency",
                                 "WITH moved AS (UPDATE ward.emergency SET closed_us = $2::bigint "
                                 "WHERE id = $1::uuid AND closed_us = 0" CAS_END,
                                 W},
    [WARD_PG_OPEN_JOB] = {"open_job",
                          "SELECT ward.open_job($1::uuid, $2::uuid, $3::smallint, $4::integer, "
                          "$5::integer, $6::bigint, $7::bigint, $8::boolean, $9::uuid[])",
                          W},
    [WARD_PG_MOVE_JOB_PART] =
        {"move_job_part",
         "WITH moved AS (UPDATE ward.job_part p SET pass = $5::smallint, cursor = $6::uuid, "
         "done = p.done + $7::bigint, failed = p.failed + $8::bigint, finished = $9::boolean, "
         "node = $10::text, leased_until_us = " NOW_US " + $11::bigint FROM ward.job j "
         "WHERE p.job = $1::uuid AND p.part = $2::integer AND p.pass = $3::smallint "
         "AND p.cursor = $4::uuid AND NOT p.finished AND j.id = p.job AND j.state = 1" CAS_END,
         W},
    [WARD_PG_END_JOB] = {"end_job",
                         "SELECT ward.end_job($1::uuid, $2::integer, $3::smallint, $4::bigint, "
                         "$5::bigint, $6::uuid[])",
                         W},
    [WARD_PG_PURGE_REPLAYS] = {"purge_replays",
                               "DELETE FROM ward.replay r USING (SELECT identity, request_id "
                               "FROM ward.replay WHERE created_us < $1::bigint "
                               "ORDER BY created_us LIMIT $2::integer) o "
                               "WHERE r.identity = o.identity AND r.request_id = o.request_id",
                               W},
};

const char *ward_pg_statement_name(enum ward_pg_statement statement)
{
    return statements[statement].name;
}

const char *ward_pg_statement_sql(enum ward_pg_statement statement)
{
    return statements[statement].sql;
}

int ward_pg_statement_of(enum ward_pg_statement statement, enum ward_pg_role role)
{
    return (statements[statement].roles & (int)role) != 0;
}
