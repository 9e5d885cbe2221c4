/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a memory store. A commit works on a copy of the tables and the copy takes the place
 * of the original, or is dropped: that is its atomicity. Rows are never changed, only replaced;
 * they live in one arena until the store is closed. */
#ifndef WARD_BACKENDS_MEMORY_STATE_H
#define WARD_BACKENDS_MEMORY_STATE_H

#include "backends/store.h"

enum ward_memory_table {
    WARD_TABLE_DEPLOYMENT,
    WARD_TABLE_POLICY,
    WARD_TABLE_KEK,
    WARD_TABLE_KEK_NAME, /* the same rows by name */
    WARD_TABLE_KEK_VERSION,
    WARD_TABLE_INDEX_KEY,
    WARD_TABLE_LOG_KEY,
    WARD_TABLE_INTENT,
    WARD_TABLE_INTENT_OBJECT, /* the same rows by kek, version, effect */
    WARD_TABLE_SUBJECT_KEY,
    WARD_TABLE_SUBJECT_HASH, /* the same rows by hash and generation */
    WARD_TABLE_RECORD,
    WARD_TABLE_PROPOSAL,
    WARD_TABLE_VOTE,
    WARD_TABLE_CHECKPOINT,
    WARD_TABLE_AUDIT,
    WARD_TABLE_REPLAY,
    WARD_TABLE_REVOCATION,
    WARD_TABLE_EMERGENCY,
    WARD_TABLE_KEY_USE,
    WARD_TABLE_NODE,
    WARD_TABLE_SIGHTING,
    WARD_TABLE_JOB,
    WARD_TABLE_JOB_PART,
    WARD_MEMORY_TABLES, /* how many */
};

struct ward_memory_key_use {
    struct ward_new_use use; /* all that this node ever did */
    struct ward_bytes node;
};
struct ward_memory_subject_key {
    struct ward_new_subject_key key;
    uint8_t state; /* 1 active, 2 retired */
    uint32_t run;  /* the last one opened before it */
};
struct ward_memory_vote {
    struct ward_id proposal;
    struct ward_store_vote vote;
};
struct ward_memory_checkpoint {
    uint64_t size;
    struct ward_bytes note;
    int64_t created_us;
};
struct ward_memory_audit {
    uint64_t first;
    uint32_t count;
    struct ward_bytes leaves;
};

struct ward_memory_sighting {
    uint8_t certificate[WARD_HASH_SIZE], place[16];
    struct ward_bytes node;
    int64_t since_us, heard_us; /* by the store's clock */
};

struct ward_memory_job_part {
    struct ward_job_place place;
    uint64_t done, failed;
    struct ward_bytes node;
    int64_t leased_until_us;
    bool finished;
};

struct ward_memory_rows {
    const void **rows; /* sorted by the table's key */
    size_t n, capacity;
};

struct ward_memory_state {
    struct ward_memory_rows tables[WARD_MEMORY_TABLES];
    struct ward_head head;
    uint64_t fence;          /* moves with a seal that leaves size and epoch as they are */
    struct ward_arena *rows; /* borrowed: all rows, of states before too */
    int64_t now_us;          /* by the store's clock, when a read or a commit began */
};

ward_status ward_memory_state_copy(const struct ward_memory_state *from,
                                   struct ward_memory_state *ret);
void ward_memory_state_fini(struct ward_memory_state *state);

/* Where the row is, or would be. */
bool ward_memory_find(const struct ward_memory_state *state, enum ward_memory_table table,
                      const void *row, size_t *ret_at);
/* A row of the same key; NULL when there is none. */
const void *ward_memory_get(const struct ward_memory_state *state, enum ward_memory_table table,
                            const void *row);
/* CONFLICT when the key is there already. */
ward_status ward_memory_insert(struct ward_memory_state *state, enum ward_memory_table table,
                               const void *row);
/* CONFLICT when it is not there. */
ward_status ward_memory_replace(struct ward_memory_state *state, enum ward_memory_table table,
                                const void *row);
ward_status ward_memory_remove(struct ward_memory_state *state, enum ward_memory_table table,
                               const void *row);

/* All that the commit does, on state; on an error state is to be dropped. ret_outcome says what.
 * fence: as the commit's writer knows it. */
ward_status ward_memory_apply(struct ward_memory_state *state, const struct ward_commit *commit,
                              uint64_t fence, uint32_t *ret_rewrapped,
                              enum ward_commit_outcome *ret_outcome);

/* read_keys.c */
ward_status ward_memory_answer_keys(struct ward_memory_state *state, struct ward_read *read);
/* sightings.c */
ward_status ward_memory_sightings(struct ward_memory_state *state, struct ward_read *r);
/* jobs.c */
ward_status ward_memory_apply_job(struct ward_memory_state *state,
                                  const struct ward_effect *effect);
ward_status ward_memory_read_jobs(const struct ward_memory_state *state, struct ward_read *r);
ward_status ward_memory_claim(struct ward_memory_state *state, struct ward_read *r);

/* rekey.c */
uint32_t ward_memory_last_run(const struct ward_memory_state *state, const struct ward_id *kek);
ward_status ward_memory_apply_rekeyed(struct ward_memory_state *state,
                                      const struct ward_commit *commit);
ward_status ward_memory_read_rekey(const struct ward_memory_state *state, struct ward_read *r);

/* reads.c */
void ward_memory_answer(struct ward_memory_state *state, struct ward_read *read);
ward_status ward_memory_snapshot(const struct ward_memory_state *state, struct ward_arena *arena,
                                 struct ward_store_snapshot *ret);

/* read_emergencies.c */
ward_status ward_memory_read_emergencies(const struct ward_memory_state *state,
                                         struct ward_read *read);
ward_status ward_memory_open_emergencies(const struct ward_memory_state *state,
                                         struct ward_arena *arena, struct ward_store_snapshot *ret);

#endif
