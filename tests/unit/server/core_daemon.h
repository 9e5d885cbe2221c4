/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon without its network: pipeline, workers, readers, committer, over a store in memory and a
 * fake HSM. Several nodes may stand on one world, as several daemons on one database. */
#ifndef WARD_TESTS_UNIT_SERVER_CORE_DAEMON_H
#define WARD_TESTS_UNIT_SERVER_CORE_DAEMON_H

#include "backends/memory/memory.h"
#include "server/op/messages.h"
#include "server/rpc/pipeline.h"
#include "server/work/budget.h"
#include "server/work/committer.h"
#include "server/work/reader.h"
#include "server/work/worker.h"
#include "tests/support/fake_kek.h"
#include "tests/unit/base/check.h"
#include "tests/unit/server/core_pki.h"

/* The system's time, moved by as much as a test wants; any thread. */
struct core_clock {
    struct ward_clock base;
    atomic_llong ahead_us;
};

struct core_world {
    struct ward_store *store;
    struct ward_kek *kek;
    struct core_clock clock;
    struct core_ca ca;
    struct ward_trust *trust;
    struct ward_index *index; /* for the seals of what is written outside of nodes */
    bool without_key;         /* writes as somebody who is no daemon: the seal stays as it was */
    /* Those whom the policy names. officer_a2 is officer_a's second identity; officer_bk has
     * officer_a's key under officer_b's name. */
    struct core_person app, officer_a, officer_a2, officer_b, officer_bk, officer_c, auditor;
    struct core_person stranger; /* a good certificate that policy does not name */
    uint32_t policy_version;
    unsigned requests;
    size_t budget;                   /* of each request's arena */
    struct ward_budget_limits wraps; /* hard 0: nodes do not count them */
};

void core_world_init(struct core_world *world);
void core_world_fini(struct core_world *world);
/* The policy that the world began with. Guarded: key.rotate by one approval, of keys two/ by two;
 * key.create of keys guarded/ by one, key.rekey of phi/notes by one. Public context: purpose. */
extern const char core_policy[];
/* Puts a policy into the database, as its next version, and moves the epoch. */
void core_world_set_policy(struct core_world *world, const char *text);
/* Commits by a writer of its own, as another daemon or a database writer would: leaf or no leaf. */
enum ward_commit_outcome core_world_write(struct core_world *world,
                                          const struct ward_effect *effects, size_t n,
                                          bool bump_epoch, const char *leaf_body);

/* What a daemon's commit makes of the head. */
void core_world_seal(struct core_world *world, const struct ward_effect *effects, size_t n,
                     bool bump_epoch, struct ward_head *head);
/* The same with rows of every kind: the caller fills those, the head's members are set here. */
enum ward_commit_outcome core_world_commit(struct core_world *world, struct ward_commit *commit,
                                           const char *leaf_body);

struct core_node {
    struct core_world *world;
    struct ward_bytes name;
    struct ward_state_slot states;
    struct ward_pipeline pipeline;
    struct ward_worker *workers[2];
    struct ward_reader *readers[2];
    struct ward_committer *committer;
    struct ward_budget *wraps;
    bool drained;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct ward_list answers;
    atomic_uint alterations; /* the committer met a head that no daemon wrote */
    atomic_uint rollbacks, refreshes;
    atomic_bool refresh_fails;
};

void core_node_start(struct core_node *node, struct core_world *world, const char *name);
/* Closes and joins the stages, first to last; then nothing is under way any more. */
void core_node_drain(struct core_node *node);
/* Drains, unless that was done; every answer must have been taken. */
void core_node_stop(struct core_node *node);
/* The newest state, as another thread of the daemon would fetch it. */
ward_status core_node_refresh(void *node, struct ward_store_reader *reader);
void core_node_refresh_now(struct core_node *node);

/* A request of somebody, its input zeroed. peer NULL: identity "system". Its number is its
 * request_id, "r-<number>". */
struct ward_request *core_request(struct core_world *world, const struct core_person *person,
                                  const struct ward_op *op, size_t in_size);

void core_submit(struct core_node *node, struct ward_request **requests, size_t n);
/* Waits for n answers; fails the test after 30 seconds. They are the caller's, in any order. */
void core_wait(struct core_node *node, size_t n);
/* One request, there and back. */
ward_status core_run(struct core_node *node, struct ward_request *request);
/* One request that is not looked at any more. */
ward_status core_run_free(struct core_node *node, struct ward_request *request);

/* Creates a key as officer_a (which the plain policy lets him do alone). */
void core_make_key(struct core_node *node, const char *name, uint8_t purpose);

#endif
