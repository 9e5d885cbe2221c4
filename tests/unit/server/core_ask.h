/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as the network would have decoded them. All memory is in the request's arena. */
#ifndef WARD_TESTS_UNIT_SERVER_CORE_ASK_H
#define WARD_TESTS_UNIT_SERVER_CORE_ASK_H

#include "server/op/system.h"
#include "tests/unit/server/core_daemon.h"

/* n items of `count` keys each, context {purpose: TREAT}. */
struct ward_request *core_generate(struct core_world *world, const struct core_person *person,
                                   const char *key, size_t n, uint32_t count);
/* One item; purpose is the context's one value. */
struct ward_request *core_unwrap(struct core_world *world, const struct core_person *person,
                                 struct ward_bytes wrapped, const char *purpose);
/* n items alike: under the same KEK, its newest version, context {purpose: TREAT} as before. */
struct ward_request *core_rewrap(struct core_world *world, const struct core_person *person,
                                 struct ward_bytes wrapped, size_t n);
/* {purpose: PURPOSE}, or no pair for "", in the request's arena. */
struct ward_context core_context(struct ward_request *request, const char *purpose);
/* n records of one subject, ids "r0", "r1", ... */
struct ward_request *core_put(struct core_world *world, const struct core_person *person,
                              const char *collection, const char *subject, size_t n,
                              const char *json);
/* One record "r0", whole. */
struct ward_request *core_get(struct core_world *world, const struct core_person *person,
                              const char *collection, const char *subject);

/* ---- keys and approvals ---- */

struct core_proposal {
    struct ward_id id;
    struct ward_bytes payload; /* in `memory` */
    uint8_t memory[WARD_PROPOSAL_MAX];
};

/* Of a draft. */
void core_take_proposal(const struct ward_proposal_view *view, struct core_proposal *ret);
struct ward_request *core_create(struct core_world *world, const struct core_person *person,
                                 const char *name, uint8_t purpose);
struct ward_request *core_rotate(struct core_world *world, const struct core_person *person,
                                 const char *name);
/* Runs rotate, which must end in a proposal. */
void core_propose(struct core_node *node, const struct core_person *person, const char *name,
                  struct core_proposal *ret);
/* A command on a key or a version of it: op is one of those of server/op/key_state_change.c. A new
 * rotation period is 90 days. */
struct ward_request *core_change(struct core_world *world, const struct core_person *person,
                                 const struct ward_op *op, const char *name, uint32_t version);
void core_propose_change(struct core_node *node, const struct core_person *person,
                         const struct ward_op *op, const char *name, uint32_t version,
                         struct core_proposal *ret);
/* officer_a proposes and submits; officer_b approves what needs it. */
void core_change_fully(struct core_node *node, const struct ward_op *op, const char *name,
                       uint32_t version);
/* 0: there is no such version. */
enum ward_key_state core_state(struct core_node *node, const char *name, uint32_t version);
/* A vote with the person's own signature. */
struct ward_request *core_vote(struct core_world *world, const struct core_person *person,
                               const struct ward_op *op, const struct core_proposal *proposal);
/* A vote with any signature. */
struct ward_request *core_vote_with(struct core_world *world, const struct core_person *person,
                                    const struct ward_op *op, const struct ward_id *id,
                                    struct ward_bytes signature);
/* officer_a proposes and submits, officer_b approves. */
void core_rotate_fully(struct core_node *node, const char *name);

/* Puts a version from one state into another, as the database has it; the epoch moves. */
void core_set_state(struct core_node *node, const char *key, uint32_t version, uint8_t from,
                    uint8_t to);
/* The key as the newest state has it: its active version, 0 when there is none. */
uint32_t core_active_version(struct core_node *node, const char *name);

/* ---- by identity "system" ---- */

/* The steps of a rewrap one by one: a job is opened, the oldest that runs is found, a part of it is
 * taken, a page of the part is moved, and the count ends it (which gives the job's state). */
ward_status core_rewrap_open(struct core_node *node, const char *key, bool again);
bool core_rewrap_job(struct core_world *world, struct ward_store_job *ret);
bool core_rewrap_claim(struct core_node *node, const struct ward_store_job *job,
                       struct ward_job_place *ret);
ward_status core_rewrap_page(struct core_node *node, const char *key,
                             const struct ward_store_job *job, const struct ward_job_place *place,
                             uint32_t limit, struct ward_job_page *ret);
uint8_t core_rewrap_end(struct core_node *node, const char *key, const struct ward_store_job *job);
/* A page, or the count, of any kind of job. */
ward_status core_job_page(struct core_node *node, const struct ward_op *op, const char *key,
                          const struct ward_store_job *job, const struct ward_job_place *place,
                          uint32_t limit, struct ward_job_page *ret);
uint8_t core_job_end(struct core_node *node, const struct ward_op *op, const char *key,
                     const struct ward_store_job *job);
/* All of it, until the job has ended. */
void core_rewrap_all(struct core_node *node, const char *key);
void core_sign_checkpoint(struct core_node *node);
/* Takes up every intent that the database holds; returns the last outcome. */
ward_status core_recover_all(struct core_node *node, size_t *ret_n);

#endif
