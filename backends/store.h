/* SPDX-License-Identifier: Apache-2.0 */
/* What the service needs of the database. Two kinds of connection: a reader (the reader pool's own;
 * one query for each kind in a drained batch) and a writer (the committer's own; one transaction,
 * one round trip, for a whole batch). Every slot mandatory; one conformance suite over postgres and
 * memory. Output memory comes from the arena handed in, for a read from the read's own arena,
 * so that rows live and are wiped with their request. */
#ifndef WARD_BACKENDS_STORE_H
#define WARD_BACKENDS_STORE_H

#include "backends/store_jobs.h"
#include "base/id.h"
#include "base/merkle.h"
#include "base/status.h"
#include "base/wipe_alloc.h"

#define WARD_SCHEMA_VERSION 13
/* The refusal of every call while the database is not of that version. */
#define WARD_STORE_OTHER_SCHEMA "database: its schema is of another version; migrate it"
#define WARD_HASH_SIZE 32
#define WARD_REPLAY_RESPONSE_MAX (512u * 1024)
#define WARD_PURGE_MAX 10000u /* replays that one purge deletes, the oldest first */

/* ---- what decisions need: read whole at start and whenever the epoch moved ---- */

struct ward_store_kek {
    struct ward_id id;
    struct ward_bytes name, backend;
    uint8_t purpose; /* 1 data keys, 2 records, 3 system; as in keys.proto */
    bool enabled;
    uint32_t rotation_period_days;
    int64_t created_us;
};

struct ward_store_kek_version {
    struct ward_id kek;
    uint32_t version;
    uint8_t state; /* enum ward_key_state */
    int64_t created_us;
    uint64_t wraps;     /* reserved by all nodes so far; never fewer than were made */
    int64_t changed_us; /* the last transition; its creation before there was one */
    uint8_t prior;      /* the state before pending-destruction, else 0 */
    int64_t due_us;     /* pending-destruction: when it may be destroyed, else 0 */
};

struct ward_store_policy {
    uint32_t version;
    struct ward_bytes text;
    uint8_t hash[WARD_HASH_SIZE];
    struct ward_id proposal;       /* all zero: genesis */
    int64_t created_us, ceased_us; /* ceased: when the next one came, 0 for the one in force */
};

struct ward_store_index_key {
    struct ward_bytes name, wrapped; /* wrapped: format of proto/wrapped_key.h, use index */
};

struct ward_store_deployment {
    struct ward_id id;
    struct ward_bytes origin; /* the log's name */
    uint8_t genesis_policy_hash[WARD_HASH_SIZE];
    uint32_t schema_version;
    struct ward_id log_key; /* the signer's; what is here is version 1 */
    uint8_t log_algorithm;
    struct ward_bytes log_public_key;
    int64_t created_us;
};

/* A later version of the key that signs the log. */
struct ward_store_log_key {
    uint32_t version; /* from 2 on */
    uint8_t algorithm;
    struct ward_bytes public_key;
    uint64_t leaf; /* the number of the entry that tells of the change */
    struct ward_id proposal;
    int64_t created_us;
};

struct ward_store_intent {
    struct ward_id id, kek, proposal; /* proposal all zero when there is none */
    uint32_t version;
    uint8_t effect; /* create or destroy a KEK object: see server/op/destroying.h */
    struct ward_bytes node;
    int64_t created_us;
};

enum ward_revocation_kind { WARD_REVOKED_IDENTITY = 1, WARD_REVOKED_CERTIFICATE = 2 };

struct ward_store_revocation {
    uint8_t kind;            /* enum ward_revocation_kind */
    struct ward_bytes value; /* the identity, or the certificate's SHA-256 in hex */
    struct ward_id proposal;
    int64_t created_us;
};

/* Access in an emergency; the proposal of the same id has the reason and its review. */
struct ward_store_emergency {
    struct ward_id id;
    struct ward_bytes identity, collection;
    uint8_t subject_hash[WARD_HASH_SIZE];
    int64_t opened_us, expires_us;
    int64_t closed_us; /* 0: nobody has closed it, and nobody noticed yet that it expired */
    bool reviewed;     /* of WARD_READ_EMERGENCIES alone */
};
#define WARD_EMERGENCIES_MAX 256u /* not closed, at one time */
#define WARD_EMERGENCIES_OF_ONE 32u

/* What authenticates the rows that decisions are made of, and the head itself: opaque here, see
 * server/integrity.h. */
#define WARD_SEAL_SUMS 5
struct ward_seal {
    bool set;       /* false: the row has none */
    uint64_t since; /* counts the changes of the sums */
    uint8_t sums[WARD_SEAL_SUMS][WARD_HASH_SIZE];
    uint8_t tag[WARD_HASH_SIZE];
};

struct ward_head {
    uint64_t epoch;
    struct ward_merkle tree;
    struct ward_seal seal;
    bool damaged; /* the row holds no tree or no seal; size and epoch are as it says */
};

struct ward_store_snapshot {
    bool initialised; /* false: no deployment row; nothing else is set */
    uint64_t epoch;
    struct ward_head head; /* of the same moment */
    struct ward_store_deployment deployment;
    uint32_t policy_version;
    struct ward_bytes policy_text;
    const struct ward_store_policy *policies; /* all, ascending, without their texts */
    size_t n_policies;
    const struct ward_store_kek *keks; /* sorted by name */
    size_t n_keks;
    const struct ward_store_kek_version *versions; /* sorted by kek, version */
    size_t n_versions;
    const struct ward_store_index_key *index_keys;
    size_t n_index_keys;
    const struct ward_store_log_key *log_keys; /* ascending */
    size_t n_log_keys;
    const struct ward_store_intent *intents;
    size_t n_intents;
    const struct ward_store_revocation *revocations; /* sorted by kind, value */
    size_t n_revocations;
    const struct ward_store_emergency *emergencies; /* not closed; sorted by id */
    size_t n_emergencies;
};

/* ---- reads: an operation adds what it needs, the reader pool answers all of one kind at once ----
 */

enum ward_read_kind {
    WARD_READ_SUBJECT_KEY,    /* by subject_hash, newest generation in state active */
    WARD_READ_RECORD_VERSION, /* newest version number of a record; 0 when there is none */
    WARD_READ_RECORD,         /* a record (version 0: the newest) with the subject key it names */
    WARD_READ_REWRAP_PAGE,    /* the next subject keys of a KEK below a version, by id */
    WARD_READ_ROWS,           /* how many subject keys each version of a KEK holds */
    WARD_READ_HELD,           /* the same by collection */
    WARD_READ_REKEY_PAGE,     /* the next subject keys made before a run of a rekey, by id, with
                                 their records */
    WARD_READ_REKEY_LEFT,     /* how many of both there are */
    WARD_READ_PROPOSAL,       /* one with its votes */
    WARD_READ_PROPOSALS,      /* a page, newest first, with votes */
    WARD_READ_AUDIT,          /* leaves from start to end */
    WARD_READ_CHECKPOINTS,    /* a page of checkpoints, by size */
    WARD_READ_HANDOVERS,      /* of each change of the log's key the first checkpoint behind it */
    WARD_READ_REPLAY,         /* what a request was answered; not found is OK */
    WARD_READ_POLICY,         /* one version of the policy; 0: the newest */
    WARD_READ_POLICIES,       /* all versions, ascending */
    WARD_READ_KEY_USE,        /* what each version of a KEK was used for, over all nodes */
    WARD_READ_EMERGENCIES,    /* a page, newest first */
    WARD_READ_NODES,          /* every daemon that ever sent a heartbeat, by name, and the time */
    WARD_READ_JOBS,           /* those that run or are stuck, or all of one KEK */
    WARD_READ_SIGHTINGS,      /* tells and learns where certificates are in use; writes, though not
                                 durably */
    /* Three that write, durably, each in a transaction of its own. */
    WARD_READ_RESERVE,   /* takes a block of a version's wraps; NOT_FOUND: no such version */
    WARD_READ_HEARTBEAT, /* tells which epoch a daemon has in force */
    WARD_READ_JOB_CLAIM, /* takes a part of a job that nobody holds, until the lease ends */
};

/* Who may write to the database can write rows that are no checkpoints: their notes are read for
 * as long as notes are, and are empty beyond that. */
#define WARD_CHECKPOINTS_PAGE_MAX 64u
struct ward_store_checkpoint {
    uint64_t size;
    struct ward_bytes note;
    int64_t created_us;
};

/* A change of the log's key for which there is none yet is left out. */
struct ward_store_handover {
    uint32_t version; /* of the key that came */
    uint64_t size;
    struct ward_bytes note;
};

/* A client certificate in use from one place at one daemon, and what another daemon has of it. */
#define WARD_STORE_SIGHTINGS_MAX 1000u
#define WARD_STORE_ELSEWHERE_MAX 16 /* places, those heard last, of one certificate */
struct ward_store_sighting {
    uint8_t certificate[WARD_HASH_SIZE];
    uint8_t place[16];
    int64_t since_us, heard_us; /* so long ago it came, and was heard last */
};
struct ward_store_elsewhere {
    uint32_t sighting; /* which of the read's own */
    uint8_t place[16];
    bool earlier; /* it was there before */
};

struct ward_store_key_use {
    uint32_t version;
    uint64_t issued, opened; /* data keys given out under it; keys that it opened */
    int64_t last_opened_us;  /* 0: never */
};

struct ward_store_held {
    uint32_t version;
    struct ward_bytes collection;
    uint64_t rows;
};
#define WARD_HELD_MAX 4096u /* versions and collections that one read tells of */

struct ward_store_node {
    struct ward_bytes name;
    uint64_t epoch;  /* in force there when it was seen last */
    int64_t seen_us; /* by the database's clock, whatever its own said */
};

struct ward_store_subject_key {
    struct ward_id id;
    uint32_t generation;
    struct ward_bytes wrapped; /* proto/wrapped_key.h, use subject */
};

/* What a rekey finds of a subject key that it replaces. */
struct ward_store_old_key {
    struct ward_store_subject_key key;
    uint8_t subject_hash[WARD_HASH_SIZE];
    struct ward_bytes collection;
    uint32_t newest;                    /* the subject's last generation */
    bool followed;                      /* that one was made in this run, or later, */
    struct ward_store_subject_key next; /* and is this */
    size_t first, n;                    /* its records among those of the page */
};

struct ward_store_old_record {
    uint8_t id_hash[WARD_HASH_SIZE];
    uint32_t version, schema_version;
    struct ward_bytes sealed;
};

struct ward_store_vote {
    struct ward_bytes identity, signature, certificate;
    struct ward_bytes reason; /* text, at most 256 bytes */
    uint8_t decision;         /* enum ward_decision_kind */
    int64_t created_us;
};

enum ward_proposal_state {
    WARD_PROPOSAL_DRAFT = 1,
    WARD_PROPOSAL_OPEN = 2,
    WARD_PROPOSAL_EXECUTING = 3,
    WARD_PROPOSAL_EXECUTED = 4,
    WARD_PROPOSAL_REJECTED = 5,
    WARD_PROPOSAL_APPROVED = 6, /* enough signatures; waits for `execute` */
    WARD_PROPOSAL_WITHDRAWN = 7
};

struct ward_store_proposal {
    struct ward_id id;
    struct ward_bytes payload, proposer;
    /* What the payload names by its hash and is too large for it; of WARD_READ_PROPOSAL alone.
     * Nothing vouches for it but that hash. */
    struct ward_bytes attachment;
    uint8_t state;
    int64_t created_us, expires_us;
    const struct ward_store_vote *votes;
    size_t n_votes;
};

struct ward_read {
    enum ward_read_kind kind;
    struct ward_arena *arena; /* where this read's rows go: its request's own */
    ward_status status;       /* written: OK, NOT_FOUND, UNAVAILABLE */
    union {
        struct {
            uint8_t subject_hash[WARD_HASH_SIZE];
            struct ward_store_subject_key key; /* written */
        } subject_key;
        struct {
            uint8_t id_hash[WARD_HASH_SIZE];
            uint32_t version; /* written */
        } record_version;
        struct {
            uint8_t id_hash[WARD_HASH_SIZE];
            uint32_t version; /* in: wanted, 0 newest; written: found */
            uint32_t schema_version;
            struct ward_bytes sealed;
            struct ward_store_subject_key key;
        } record;
        struct {
            struct ward_id kek, after; /* after: all zero at first */
            struct ward_id until;      /* the last id that counts; all zero: the last there is */
            uint32_t below;
            uint32_t limit;
            const uint32_t *versions; /* only rows of these; none: of all below */
            size_t n_versions;
            const struct ward_store_subject_key *keys; /* written */
            const uint8_t (*subject_hashes)[WARD_HASH_SIZE];
            const uint64_t *places; /* for ward_rewrapped, below; of the store's own reckoning */
            size_t n;
        } rewrap;
        struct {
            struct ward_id kek;
            const uint32_t *versions; /* written, as pairs */
            const uint64_t *counts;
            size_t n;
        } rows;
        struct {
            struct ward_id kek;
            uint32_t limit; /* of pairs, at most WARD_HELD_MAX; the rest is left out */
            const struct ward_store_held *held; /* by version, the fullest collection first */
            size_t n;
        } held;
        struct {
            struct ward_id kek, after, until; /* as above */
            uint32_t run;                     /* only keys made before it */
            uint32_t limit;                   /* keys without records, and records */
            size_t max_bytes;                 /* no record more once those before it have so many */
            const struct ward_store_old_key *keys; /* written */
            size_t n;
            const struct ward_store_old_record *records;
            size_t n_records;
            bool more; /* the last key may have records that are not on the page */
        } rekey;
        struct {
            struct ward_id kek;
            uint32_t run;
            uint64_t keys, records; /* written */
        } rekey_left;
        struct {
            struct ward_id id;
            struct ward_store_proposal proposal;
        } proposal;
        struct {
            bool all;
            int64_t before_us; /* page: created before; 0: from the newest */
            struct ward_id before_id;
            uint32_t limit;
            const struct ward_store_proposal *proposals;
            size_t n;
        } proposals;
        struct {
            uint64_t start, end;
            size_t max_bytes;
            const struct ward_bytes
                *leaves; /* written: from start on, as many as fit, at least one */
            size_t n;
        } audit;
        struct {
            uint64_t from, below; /* in; below 0: no matter how large */
            bool newest_first;    /* else the smallest first */
            uint32_t limit;       /* at most WARD_CHECKPOINTS_PAGE_MAX */
            uint32_t max_note;
            const struct ward_store_checkpoint *rows; /* written */
            size_t n;
        } checkpoints;
        struct {
            uint32_t max_note;                           /* in, as above */
            const struct ward_store_handover *handovers; /* ascending */
            size_t n;
        } handovers;
        struct {
            uint32_t version; /* in */
            struct ward_store_policy policy;
        } policy;
        struct {
            bool texts; /* in: false leaves the texts empty */
            const struct ward_store_policy *policies;
            size_t n;
        } policies;
        struct {
            struct ward_id kek;
            const struct ward_store_key_use *uses; /* ascending; none for one never used */
            size_t n;
        } key_use;
        struct {
            const struct ward_store_node *nodes;
            size_t n;
            int64_t now_us; /* by the database's clock */
        } nodes;
        struct {
            bool open;       /* only those that nobody closed and that have not expired by now_us */
            bool unreviewed; /* only those without a vote that reviews */
            int64_t now_us;
            int64_t before_us; /* page: opened before; 0: from the newest */
            struct ward_id before_id;
            uint32_t limit;
            const struct ward_store_emergency *rows; /* written */
            size_t n;
        } emergencies;
        struct {
            struct ward_bytes node;
            uint64_t epoch;
        } heartbeat;
        struct {
            struct ward_bytes node;
            const struct ward_store_sighting *sightings; /* no two of one certificate and place */
            size_t n;                                    /* at most WARD_STORE_SIGHTINGS_MAX */
            int64_t life_us;  /* what was not heard for as long, of whichever daemon, goes */
            int64_t apart_us; /* each was heard so long after the other came: both were in use */
            const struct ward_store_elsewhere *elsewhere; /* written: of other daemons, by sighting,
                                                             those heard last first */
            size_t n_elsewhere;
        } sightings;
        struct {
            struct ward_bytes identity, request_id;
            bool found; /* written */
            uint8_t digest[WARD_HASH_SIZE];
            struct ward_bytes response;
            int64_t created_us;
        } replay;
        struct {
            struct ward_id kek;
            uint32_t version;
            uint64_t block, limit; /* the version's wraps never pass the limit */
            uint64_t granted;      /* written: block, fewer near the limit, or 0. What an answer
                                      that was lost had granted is never used. */
            uint64_t total;        /* the version's wraps after it */
        } reserve;
        struct {
            bool open; /* those that run or are stuck, oldest first; else all of the KEK by kind,
                          version */
            struct ward_id kek;
            const struct ward_store_job *jobs; /* written */
            size_t n;
        } jobs;
        struct {
            struct ward_id job;
            struct ward_bytes node;
            int64_t lease_us; /* how long, by the store's clock */
            /* The parts of the job that this very node is at. What else it leased it was at before
             * it was started anew, or has let go: nobody waits for such a lease to end. */
            const uint32_t *held;
            size_t n_held;
            bool found; /* written; false: there is none to be had now */
            struct ward_job_place place;
            uint32_t parts, round; /* of the job as it is now */
        } claim;
    };
};

/* ---- writes: what one batch does ---- */

/* The store notes which run of a rekey of the KEK was the last one opened before it. */
struct ward_new_subject_key {
    struct ward_id id;
    struct ward_bytes collection;
    uint8_t subject_hash[WARD_HASH_SIZE];
    uint32_t generation;
    struct ward_id kek;
    uint32_t kek_version;
    struct ward_bytes wrapped;
};

struct ward_new_record {
    uint8_t id_hash[WARD_HASH_SIZE];
    uint32_t version;
    struct ward_id subject_key; /* must be there in state active, else the commit conflicts */
    uint32_t schema_version;
    int64_t created_us;
    struct ward_bytes sealed;
};

struct ward_rewrapped { /* compare and swap; a row that moved meanwhile is skipped and counted */
    struct ward_id id;
    struct ward_bytes old_wrapped, new_wrapped;
    uint32_t kek_version;
    uint64_t place; /* where the read of the page said that it lies; finds it sooner, no more: one
                       that is elsewhere by now, or of which it is 0, is found by its id */
};

/* A rekey's work on one subject key: records that it sealed are sealed by the subject's newest
 * generation now, which seals from now on. When no record names it any more it is deleted. Whatever
 * is not as it was makes the commit conflict. */
struct ward_rekeyed_key {
    struct ward_id from, to; /* to: all zero: it seals no record, and is deleted if that is so */
};
struct ward_rekeyed_record {
    size_t key; /* which of the commit's rekeyed keys */
    uint8_t id_hash[WARD_HASH_SIZE];
    uint32_t version;
    struct ward_bytes sealed;
};

struct ward_new_replay { /* one that is there already makes the commit conflict */
    struct ward_bytes identity, request_id;
    uint8_t digest[WARD_HASH_SIZE];
    struct ward_bytes response; /* at most WARD_REPLAY_RESPONSE_MAX */
    int64_t created_us;
};

/* What a version was used for in one commit: added to the row of this node, so that daemons never
 * wait for each other. */
struct ward_new_use {
    struct ward_id kek;
    uint32_t version;
    uint64_t issued, opened;
    int64_t last_opened_us; /* 0: opened nothing; the larger one stays */
};

enum ward_effect_kind {                          /* administrative: one transaction of their own */
                        WARD_EFFECT_KEK,         /* insert */
                        WARD_EFFECT_KEK_VERSION, /* insert */
                        WARD_EFFECT_KEK_STATE,   /* compare and swap of a version's state, and of
                                                    all that came with it */
                        WARD_EFFECT_KEK_ENABLED, /* compare and swap */
                        WARD_EFFECT_KEK_PERIOD,  /* compare and swap, in days */
                        WARD_EFFECT_INTENT,      /* insert */
                        WARD_EFFECT_INTENT_DONE, /* delete */
                        WARD_EFFECT_PROPOSAL,    /* insert */
                        WARD_EFFECT_PROPOSAL_STATE, /* compare and swap */
                        WARD_EFFECT_VOTE,           /* insert */
                        WARD_EFFECT_CHECKPOINT,     /* insert; a size that is there already is left
                                                       alone */
                        WARD_EFFECT_DEPLOYMENT,     /* insert; genesis */
                        WARD_EFFECT_POLICY,         /* insert version with text; the one that it
                                                       follows must be in force, and ceases */
                        WARD_EFFECT_INDEX_KEY,      /* insert */
                        WARD_EFFECT_LOG_KEY,        /* insert; the one before must be the newest */
                        WARD_EFFECT_REVOCATION,     /* insert */
                        WARD_EFFECT_UNREVOCATION,   /* delete, as it is there */
                        WARD_EFFECT_EMERGENCY,      /* insert */
                        WARD_EFFECT_EMERGENCY_CLOSED, /* compare and swap from not closed */
                        WARD_EFFECT_JOB_OPEN, /* insert, or begin anew; older versions' jobs end */
                        WARD_EFFECT_JOB_MOVE, /* compare and swap of a part of a running job */
                        WARD_EFFECT_JOB_END,  /* compare and swap: ended, or another round */
                        WARD_EFFECT_PURGE_REPLAYS, /* delete those from before, WARD_PURGE_MAX of
                                                      them at most */
};

struct ward_effect {
    enum ward_effect_kind kind;
    union {
        struct ward_store_kek kek;
        struct ward_store_kek_version kek_version;
        struct {
            struct ward_id kek;
            uint32_t version;
            uint8_t from, from_prior; /* as the version is now, in every member */
            int64_t from_due_us, from_changed_us;
            uint8_t to, prior; /* as it shall be */
            int64_t due_us, changed_us;
        } kek_state;
        struct {
            struct ward_id kek;
            bool from, to;
        } kek_enabled;
        struct {
            struct ward_id kek;
            uint32_t from, to;
        } kek_period;
        struct ward_store_intent intent, intent_done; /* done: as it is there */
        struct ward_store_proposal proposal;          /* votes are effects of their own */
        struct {
            struct ward_id id;
            uint8_t from, to;
        } proposal_state;
        struct {
            struct ward_id proposal;
            struct ward_store_vote vote;
        } vote;
        struct {
            uint64_t size;
            struct ward_bytes note;
            int64_t created_us;
        } checkpoint;
        struct ward_store_deployment deployment;
        struct {
            uint32_t version;
            struct ward_bytes text;
            uint8_t hash[WARD_HASH_SIZE];
            struct ward_id proposal; /* all zero: genesis */
            int64_t created_us;
            bool follows; /* version - 1; false: it is the first */
        } policy;
        struct ward_store_index_key index_key;
        struct ward_store_log_key log_key;
        struct ward_store_revocation revocation;
        struct {
            uint8_t kind;
            struct ward_bytes value;
            struct ward_id proposal; /* as it is there */
            int64_t created_us;
        } unrevocation;
        struct ward_store_emergency emergency;
        struct {
            struct ward_id id;
            int64_t closed_us;
            struct ward_store_emergency was; /* as it is there */
        } emergency_closed;
        struct {
            int64_t before_us;
        } purge_replays;
        struct {
            struct ward_store_job job; /* created_us: now */
            bool again; /* one that has ended begins anew; one that runs is left alone */
        } job_open;
        struct {
            struct ward_job_place from;
            uint32_t pass;
            struct ward_id cursor;
            uint64_t done, failed; /* are added */
            bool finished;
            struct ward_bytes node;
            int64_t lease_us; /* for how long it is held from now on, by the store's clock */
        } job_move;
        struct {
            struct ward_id id;
            uint32_t round, parts;
            uint8_t state; /* DONE, STUCK; RUNNING: another round */
            uint64_t left; /* what the count found */
            int64_t now_us;
        } job_end;
    };
};

struct ward_commit {
    const struct ward_new_subject_key *subject_keys; /* bulk effects: no object twice */
    size_t n_subject_keys;
    const struct ward_new_record *records;
    size_t n_records;
    const struct ward_rewrapped *rewrapped;
    size_t n_rewrapped;
    const struct ward_rekeyed_key *rekeyed_keys;
    size_t n_rekeyed_keys;
    const struct ward_rekeyed_record *rekeyed_records;
    size_t n_rekeyed_records;
    const struct ward_new_replay *replays;
    size_t n_replays;
    const struct ward_new_use *uses; /* a version no more than once; of this node */
    size_t n_uses;
    struct ward_bytes node;
    const struct ward_effect *effects; /* in order */
    size_t n_effects;
    bool bump_epoch;
    /* the audit row: leaves first_seq .. first_seq + n_leaves - 1, each with a u16 length before
     * it. n_leaves 0: no audit row and the head stays (a checkpoint), but the epoch is still
     * compared. */
    uint64_t first_seq;
    uint32_t n_leaves;
    struct ward_bytes leaves;
    uint64_t epoch;                 /* under which all of it was decided */
    const struct ward_merkle *tree; /* after the leaves */
    /* After all of it, for the head; NULL: it has none then. Without leaves NULL leaves the head as
     * it is, and another one needs it to be of size first_seq; it moves the head for whoever has
     * read it before, though its size stays. */
    const struct ward_seal *seal;
    uint32_t *ret_rewrapped; /* how many of `rewrapped` took effect; may be NULL */
};

enum ward_commit_outcome {
    WARD_COMMITTED,
    WARD_COMMIT_HEAD_MOVED,  /* another daemon wrote it: read the head, number anew, try again */
    WARD_COMMIT_STALE,       /* the epoch moved: decide again */
    WARD_COMMIT_CONFLICT,    /* an effect met somebody else's row: halve, or prepare again */
    WARD_COMMIT_RETRY,       /* deadlock or serialization: the same again */
    WARD_COMMIT_UNKNOWN,     /* the connection died, or the standby did not confirm: resolve */
    WARD_COMMIT_UNAVAILABLE, /* nothing was done: no connection, server shutting down, read-only */
    WARD_COMMIT_FAILED,      /* any other error: halve */
};

struct ward_store;
struct ward_store_reader;
struct ward_store_writer;

struct ward_store_ops {
    const char *name;
    void (*close)(struct ward_store *store);
    /* Never fails for want of a server: the connection is made, and made again, when it is used. */
    ward_status (*reader_open)(struct ward_store *store, struct ward_store_reader **ret);
    void (*reader_close)(struct ward_store_reader *reader);
    ward_status (*writer_open)(struct ward_store *store, struct ward_store_writer **ret);
    void (*writer_close)(struct ward_store_writer *writer);
    ward_status (*snapshot)(struct ward_store_reader *reader, struct ward_arena *arena,
                            struct ward_store_snapshot *ret);
    ward_status (*epoch)(struct ward_store_reader *reader, uint64_t *ret);
    /* Fills each read's status and outputs. Itself fails only when nothing was tried. */
    ward_status (*read)(struct ward_store_reader *reader, struct ward_read **reads, size_t n);
    /* The head as it is; with lock it begins the transaction that the next commit on this writer
     * uses (SELECT ... FOR UPDATE). CONFLICT: somebody else held it for too long; nothing is
     * locked. Also what refuses fsync, synchronous_commit or full_page_writes off, and a schema
     * that is missing or of another version (STATE, with a refusal's text). */
    ward_status (*head)(struct ward_store_writer *writer, bool lock, struct ward_head *ret);
    void (*unlock)(struct ward_store_writer *writer); /* rolls back what head(lock) began */
    /* One transaction: head and audit row, effects in their order, subject keys, records, rewraps,
     * rekeyed keys, replays, uses.
     * It ends the lock, however it ends. ret_status says more for the log. */
    enum ward_commit_outcome (*commit)(struct ward_store_writer *writer,
                                       const struct ward_commit *commit, ward_status *ret_status);
    /* After UNKNOWN: takes the head FOR UPDATE, which waits for the doubtful transaction, and looks
     * whether the row at commit->first_seq is ours, byte by byte. An answer is final: what of the
     * commit may still be on its way to the server is fenced off. A commit without leaves was never
     * there. UNAVAILABLE: ask again later. */
    ward_status (*resolve)(struct ward_store_writer *writer, const struct ward_commit *commit,
                           bool *ret_committed);
};

struct ward_store {
    const struct ward_store_ops *ops;
};
struct ward_store_reader {
    struct ward_store *store;
};
struct ward_store_writer {
    struct ward_store *store;
};

void ward_store_close(struct ward_store *store);
ward_status ward_store_reader_open(struct ward_store *store, struct ward_store_reader **ret);
void ward_store_reader_close(struct ward_store_reader *reader);
ward_status ward_store_writer_open(struct ward_store *store, struct ward_store_writer **ret);
void ward_store_writer_close(struct ward_store_writer *writer);
ward_status ward_store_snapshot(struct ward_store_reader *reader, struct ward_arena *arena,
                                struct ward_store_snapshot *ret);
ward_status ward_store_epoch(struct ward_store_reader *reader, uint64_t *ret);
/* Whether that is why a call failed. */
bool ward_store_other_schema(ward_status status);
ward_status ward_store_read(struct ward_store_reader *reader, struct ward_read **reads, size_t n);
ward_status ward_store_head(struct ward_store_writer *writer, bool lock, struct ward_head *ret);
void ward_store_unlock(struct ward_store_writer *writer);
enum ward_commit_outcome ward_store_commit(struct ward_store_writer *writer,
                                           const struct ward_commit *commit,
                                           ward_status *ret_status);
ward_status ward_store_resolve(struct ward_store_writer *writer, const struct ward_commit *commit,
                               bool *ret_committed);

/* backends/postgres: conninfo as libpq takes it, for the daemon's role and for the owner's
 * (migration). */
ward_status ward_store_postgres_open(const char *conninfo, struct ward_store **ret);
/* Creates or migrates the schema with the owner's role and grants the daemon's role what it needs:
 * SELECT, INSERT; UPDATE of head, kek, kek_version, policy's ceased_us, proposal, subject_key,
 * key_use, node; DELETE of intent, replay, revocation. What a rekey does to records and subject
 * keys is a function of the owner's.
 * Idempotent. */
ward_status ward_store_postgres_migrate(const char *owner_conninfo, const char *daemon_role);
/* backends/memory: for tests; nothing outlives it. */
ward_status ward_store_memory_open(struct ward_store **ret);

#endif
