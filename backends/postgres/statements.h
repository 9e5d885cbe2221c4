/* SPDX-License-Identifier: Apache-2.0 */
/* Every statement that the daemon ever sends, prepared when a connection is made. Constant text;
 * values are parameters only. */
#ifndef WARD_BACKENDS_POSTGRES_STATEMENTS_H
#define WARD_BACKENDS_POSTGRES_STATEMENTS_H

enum ward_pg_statement {
    /* transactions */
    WARD_PG_BEGIN,
    WARD_PG_BEGIN_SNAPSHOT,
    WARD_PG_COMMIT,
    WARD_PG_ROLLBACK,
    /* snapshot */
    WARD_PG_SNAPSHOT_HEAD,
    WARD_PG_EPOCH,
    WARD_PG_DEPLOYMENT,
    WARD_PG_POLICY_IN_FORCE,
    WARD_PG_KEKS,
    WARD_PG_KEK_VERSIONS,
    WARD_PG_INDEX_KEYS,
    WARD_PG_INTENTS,
    WARD_PG_REVOCATIONS,
    WARD_PG_EMERGENCIES,
    /* reads */
    WARD_PG_READ_SUBJECT_KEYS,
    WARD_PG_READ_RECORD_VERSIONS,
    WARD_PG_READ_RECORDS,
    WARD_PG_READ_REWRAP_PAGE,
    WARD_PG_READ_ROWS,
    WARD_PG_READ_HELD,
    WARD_PG_READ_REKEY_PAGE,
    WARD_PG_READ_REKEY_LEFT,
    WARD_PG_READ_PROPOSALS_BY_ID,
    WARD_PG_READ_PROPOSALS_PAGE,
    WARD_PG_READ_AUDIT,
    WARD_PG_READ_CHECKPOINT,
    WARD_PG_READ_REPLAYS,
    WARD_PG_READ_POLICY,
    WARD_PG_READ_POLICIES,
    WARD_PG_READ_KEY_USE,
    WARD_PG_READ_NODES,
    WARD_PG_READ_EMERGENCIES,
    WARD_PG_READ_JOBS_OPEN,
    WARD_PG_READ_JOBS_OF_KEK,
    WARD_PG_CLAIM_JOB_PART,
    WARD_PG_RESERVE,
    WARD_PG_HEARTBEAT,
    /* head */
    WARD_PG_HEAD,
    WARD_PG_HEAD_LOCK,
    WARD_PG_FENCE,
    WARD_PG_RESOLVE_HEAD,
    WARD_PG_RESOLVE_ROW,
    WARD_PG_RESOLVE_FENCE,
    WARD_PG_ADVANCE_HEAD,
    WARD_PG_ADVANCE_HEAD_AND_USES,
    WARD_PG_SEAL_HEAD,
    WARD_PG_CHECK_EPOCH,
    /* bulk effects */
    WARD_PG_INSERT_SUBJECT_KEYS,
    WARD_PG_INSERT_RECORDS,
    WARD_PG_REWRAP,
    WARD_PG_REKEY,
    WARD_PG_INSERT_REPLAYS,
    /* administrative effects */
    WARD_PG_INSERT_KEK,
    WARD_PG_INSERT_KEK_VERSION,
    WARD_PG_MOVE_KEK_VERSION,
    WARD_PG_SET_KEK_ENABLED,
    WARD_PG_SET_KEK_PERIOD,
    WARD_PG_INSERT_INTENT,
    WARD_PG_DELETE_INTENT,
    WARD_PG_INSERT_PROPOSAL,
    WARD_PG_MOVE_PROPOSAL,
    WARD_PG_INSERT_VOTE,
    WARD_PG_INSERT_CHECKPOINT,
    WARD_PG_INSERT_DEPLOYMENT,
    WARD_PG_INSERT_POLICY,
    WARD_PG_FOLLOW_POLICY,
    WARD_PG_INSERT_INDEX_KEY,
    WARD_PG_INSERT_REVOCATION,
    WARD_PG_DELETE_REVOCATION,
    WARD_PG_INSERT_EMERGENCY,
    WARD_PG_CLOSE_EMERGENCY,
    WARD_PG_PURGE_REPLAYS,
    WARD_PG_OPEN_JOB,
    WARD_PG_MOVE_JOB_PART,
    WARD_PG_END_JOB,
    WARD_PG_STATEMENTS, /* how many */
};

enum ward_pg_role { WARD_PG_READER = 1, WARD_PG_WRITER = 2 };

/* The statement's name on the server and its text. */
const char *ward_pg_statement_name(enum ward_pg_statement statement);
const char *ward_pg_statement_sql(enum ward_pg_statement statement);
/* Whether connections of that role prepare it. */
int ward_pg_statement_of(enum ward_pg_statement statement, enum ward_pg_role role);

#endif
