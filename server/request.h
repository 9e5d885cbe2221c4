/* SPDX-License-Identifier: Apache-2.0 */
/* A request, from its complete message to its answer. It is owned by one thread at a time and moves
 * through queues; nobody looks back. Its memory is its arena, wiped when it is freed.
 *
 *   loop:      decode -> decide -----------------------------------------------+ refused
 *   reader:    rows that the step asked for                                     |
 *   worker:    plan -> one crossing to the HSM for the whole batch -> finish    |
 *   committer: rows and audit leaf of the whole batch, one transaction <--------+
 *   loop:      encode -> write -> wipe
 */
#ifndef WARD_SERVER_REQUEST_H
#define WARD_SERVER_REQUEST_H

#include "backends/kek.h"
#include "backends/store.h"
#include "base/list.h"
#include "base/wipe_alloc.h"
#include "policy/decide.h"
#include "proto/context.h"
#include "proto/leaf.h"
#include "server/alarm.h"
#include "server/authn/peer.h"

struct ward_budget_ask;
struct ward_op;
struct ward_state;
struct ward_naming;

/* Where the answer goes: found again by number, never by pointer. connection 0: an internal
 * request. */
struct ward_origin {
    uint32_t loop;
    uint64_t connection; /* never reused in a process */
    int32_t stream;
    size_t held; /* bytes that count for its connection until it comes back */
};

struct ward_request {
    struct ward_link link;
    struct ward_arena *arena;
    struct ward_origin origin;
    struct ward_peer *peer;   /* NULL: identity "system" */
    const struct ward_op *op; /* NULL: refused before its method was known */
    const void *method;       /* rpc's own row, for encode */
    /* Of an internal request: called in place of an answer, on the committer's thread; takes
     * ownership. */
    void (*done)(struct ward_request *request, void *context);
    void *done_context;

    /* Filled by decode, all in the arena. */
    struct ward_bytes request_id, on_behalf_of, reason;
    void *in;             /* the operation's input, server/op/messages.h */
    ward_status *decoded; /* of its items, before a decision made something else of them */
    void *out;            /* its output, zeroed before the first step */
    int64_t deadline_us;  /* monotonic; 0: none */
    /* Nobody waits for the answer any more: set by the loop, at any time, and looked at before work
     * is begun for it. NULL: cannot happen. */
    atomic_bool *cancelled;

    /* The outcome: set non-OK once by whoever refuses or fails it. Its refusal text, if any, is
     * constant. */
    ward_status status;
    bool refused;     /* by decode or decide, as against failed later */
    ward_status told; /* what the entry calls it when status is OK: all items failed alike */
    bool undecodable; /* refused before decide: no decision changes that */
    /* With a refusal: when the caller may come again; 0: not said. */
    uint32_t retry_after_ms;
    bool tells_detail; /* a refusal's caller learns the numbers of `detail` too */

    /* Owned by the pipeline. */
    struct ward_state *state; /* policy, keyring and epoch under which it is decided; a reference */
    unsigned step, attempts, redecided; /* attempts: after conflicts in the database */
    uint32_t cost;                      /* keys or records that it asks for; 1 for all else */
    bool last;  /* this step is the last, whatever the operation's count says */
    void *work; /* the operation's own notes between stages, in the arena */
    const struct ward_new_replay *replay; /* goes in with the last step's rows; NULL: none */
    struct ward_naming *naming;           /* of a change that its caller named; see replay.h */
    bool replayed;            /* it was answered before: that answer again, and no step */
    struct ward_bytes answer; /* encoded already; empty: encode makes it */
    struct ward_read **reads; /* of this step */
    size_t n_reads, max_reads;
    size_t first_item, n_items;  /* this step's slice of the worker's batch */
    struct ward_budget_ask *ask; /* of this step, in the arena: it had to wait for wraps; or NULL */

    enum ward_alarm alarm;  /* raised when its rows are durable */
    const char *alarm_text; /* of what, in the arena; or NULL */

    /* What the audit entry says; filled by the operation. */
    enum ward_action action;
    struct ward_bytes object;
    const char *rule;
    const struct ward_context *context; /* of the request; items may have more */
    struct ward_leaf_item *leaf_items;
    size_t n_leaf_items;
    enum ward_action *item_actions; /* what policy was asked for each: whose rule it is */
    struct ward_leaf_pair detail[16];
    size_t n_detail;
    struct ward_bytes
        *leaf_bodies; /* built before commit; more than one when it is told in parts */
    size_t n_leaf_bodies;
    struct ward_arena *spare; /* for the entry, when the request has spent its own memory */
    int64_t received_us;      /* monotonic, for the latency metric */
    int64_t received_wall_us; /* set when it is submitted */
};

/* budget: bytes that the arena may hand out. */
ward_status ward_request_new(size_t budget, struct ward_request **ret);
void ward_request_free(struct ward_request *request); /* drops peer and state, wipes the arena */

#endif
