/* SPDX-License-Identifier: Apache-2.0 */
/* All that decisions are made of, as of one epoch: policy, keyring, collections, deployment.
 * Immutable once built, shared by counted references, replaced as a whole: who holds a reference
 * decides under one consistent state, and the committer refuses what was decided under an older
 * one. */
#ifndef WARD_SERVER_STATE_H
#define WARD_SERVER_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "backends/kek.h"
#include "backends/store.h"
#include "base/secret.h"
#include "policy/decide.h"
#include "policy/key_state.h"
#include "proto/note.h"
#include "server/authn/peer.h"

struct ward_key_version {
    uint32_t version;
    enum ward_key_state state;
    int64_t created_us;
    uint64_t wraps;            /* reserved by all daemons when this state was read */
    int64_t changed_us;        /* the last transition */
    enum ward_key_state prior; /* before pending-destruction, else 0 */
    int64_t due_us;            /* pending-destruction: when it may be destroyed, else 0 */
};

struct ward_key {
    struct ward_id id;
    struct ward_bytes name, backend;
    uint8_t purpose;
    bool enabled;
    uint32_t rotation_period_days;
    int64_t created_us;
    const struct ward_key_version *versions; /* ascending */
    size_t n_versions;
    const struct ward_key_version *active; /* the one that wraps, or NULL */
    /* Since which epoch, at the earliest, it is enabled or not and has its period; 0: not known. */
    uint64_t same_since;
};

#define WARD_PURPOSE_DATA_KEYS 1
#define WARD_PURPOSE_RECORDS 2
#define WARD_PURPOSE_SYSTEM 3

/* Keys of keyed hashes, derived from the index key that the HSM unwrapped at start. */
struct ward_index {
    atomic_uint refs;
    struct ward_secret *subject, *record, *context; /* 32 bytes each */
    struct ward_secret *rows;                       /* 32 bytes; see server/integrity.h */
};

/* A version of the key that signs the log. */
struct ward_log_key {
    struct ward_kek_ref ref;
    struct ward_note_key public;
    int64_t created_us;
    uint64_t since; /* it signs checkpoints of this size on: the first one tells of the key */
};
#define WARD_LOG_KEYS_MAX 1000u /* the log is handed out with one checkpoint for each */

struct ward_state {
    atomic_uint refs;
    struct ward_arena *arena;
    uint64_t epoch;
    struct ward_policy *policy;
    uint32_t policy_version;
    struct ward_index *index;
    struct ward_bytes node; /* this daemon's name; borrowed from the configuration */
    struct ward_id deployment;
    const struct ward_log_key *log_keys; /* by version, from 1 on; the last one is in force */
    size_t n_log_keys;
    const struct ward_key *keys; /* sorted by name */
    size_t n_keys;
    const struct ward_key **by_id;                   /* sorted by id */
    const struct ward_store_revocation *revocations; /* sorted by kind, value */
    size_t n_revocations;
    const struct ward_store_emergency *emergencies; /* that nobody has closed; some have expired */
    size_t n_emergencies;
    const uint64_t *revoked_since; /* the epoch before which each was not there; NULL: not known */
};

/* Takes the index's reference over (also on failure). policy: the snapshot's, as it was verified
 * (policy_chain.h); a reference to it is kept. */
ward_status ward_state_new(const struct ward_store_snapshot *snapshot, struct ward_policy *policy,
                           struct ward_bytes node, struct ward_index *take_index,
                           struct ward_state **ret);
/* Of a state that nobody else holds yet: since when its keys are what they are. */
void ward_state_date_keys(struct ward_state *state, const struct ward_state *before);
struct ward_state *ward_state_ref(struct ward_state *state);
void ward_state_unref(struct ward_state *state);

/* The version that signs a checkpoint of that size. */
const struct ward_log_key *ward_state_log_key(const struct ward_state *state, uint64_t size);
/* Is this a version of it, in force or of before? */
bool ward_state_is_log_key(const struct ward_state *state, const struct ward_kek_ref *ref);

const struct ward_key *ward_state_key(const struct ward_state *state, struct ward_bytes name);
const struct ward_key *ward_state_key_by_id(const struct ward_state *state,
                                            const struct ward_id *id);
const struct ward_key_version *ward_key_version_find(const struct ward_key *key, uint32_t version);
/* The effect that moves the version as it is here to another state. due_us counts for
 * pending-destruction alone, which remembers the state before. */
struct ward_effect ward_key_version_move(const struct ward_key *key,
                                         const struct ward_key_version *version,
                                         enum ward_key_state to, int64_t due_us, int64_t now_us);
/* NULL: it is not revoked. kind: enum ward_revocation_kind; value as the store has it. */
const struct ward_store_revocation *ward_state_revocation(const struct ward_state *state,
                                                          uint8_t kind, struct ward_bytes value);
/* Is the identity revoked, or this very certificate? Costs nothing where nobody is. */
bool ward_state_revoked(const struct ward_state *state, const struct ward_peer *peer);
/* None of its versions wraps, and the newest is compromised: the daemons make the next one. */
bool ward_state_successor_due(const struct ward_key *key);
/* The KEK of a collection, ready to wrap subject keys; STATE with a refusal text when it is not,
 * UNAVAILABLE where one is about to be. */
ward_status ward_state_wrapping_version(const struct ward_key *key,
                                        const struct ward_key_version **ret);

/* A key's rotation period. */
int64_t ward_key_period_us(const struct ward_key *key);
/* When the active version is due by its key's period: up to a tenth of it early, by the key's id,
 * so that keys that were made together are not rotated together; never late. INT64_MAX: never. */
int64_t ward_rotation_due_us(const struct ward_key *key);

ward_status ward_index_new(struct ward_digest *digest, struct ward_bytes index_key,
                           struct ward_index **ret);
struct ward_index *ward_index_ref(struct ward_index *index);
void ward_index_unref(struct ward_index *index);

/* Where the newest state is found. */
struct ward_state_slot {
    pthread_mutex_t lock;
    struct ward_state *current;
    atomic_ullong epoch; /* of the current one */
};
void ward_state_slot_init(struct ward_state_slot *slot, struct ward_state *take_first);
void ward_state_slot_fini(struct ward_state_slot *slot);
struct ward_state *ward_state_slot_get(struct ward_state_slot *slot); /* a reference */
/* Its epoch alone, without a lock. */
static inline uint64_t ward_state_slot_epoch(const struct ward_state_slot *slot)
{
    return atomic_load_explicit(&slot->epoch, memory_order_relaxed);
}
/* Replaces it unless it is newer than the one given. */
void ward_state_slot_put(struct ward_state_slot *slot, struct ward_state *take_state);

#endif
