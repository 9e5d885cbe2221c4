/* SPDX-License-Identifier: Apache-2.0 */
/* What every signature on a proposal has in common: it is for a proposal of ours, it is the
 * signer's own over that payload and decision, and it becomes a row. And what the last one needed
 * does: it runs the operation, whose steps stand in execution.h. */
#ifndef WARD_SERVER_OP_VOTING_H
#define WARD_SERVER_OP_VOTING_H

#include "server/op/execution.h"
#include "server/op/proposing.h"
#include "server/op/votes.h"

struct ward_voting {
    struct ward_proposal proposal;
    struct ward_store_proposal stored;
    struct ward_store_vote vote; /* the one that this request casts */
    uint8_t from, to;            /* the proposal's state */
    bool runs;
    const struct ward_execution *execution; /* when it runs; so with the rest */
    void *execution_work;
    struct ward_bytes approvers; /* identities; empty when it needed none */
};

/* For operations: policy's decision, and the notes as request->work. */
ward_status ward_voting_decide(struct ward_request *request);
ward_status ward_voting_read(struct ward_request *request, struct ward_digest *digest);

/* What running it would look at. */
ward_status ward_voting_read_more(struct ward_request *request);

/* The proposal as it was read. NOT_FOUND; STATE when it is not this deployment's or not this row's.
 */
ward_status ward_voting_load(struct ward_request *request, struct ward_voting *voting);
/* STATE when it has been decided or has expired. */
ward_status ward_voting_check_open(const struct ward_voting *voting, int64_t now_us);
/* The same, and STATE when policy has changed since: nothing then brings it closer to running. */
ward_status ward_voting_check_current(const struct ward_request *request,
                                      const struct ward_voting *voting, int64_t now_us);

/* The request's signature under this decision; INVALID when it is not over this payload, DENIED
 * when it had to be made in hardware and was not. */
ward_status ward_voting_cast(struct ward_request *request, struct ward_voting *voting,
                             struct ward_worker *worker, enum ward_decision_kind kind);
/* Are the votes enough, those of this request among them? Then it waits for somebody to execute it,
 * where it does that, or what is left to do is prepared: rows alone go in with this vote, a change
 * of the HSM takes another step. */
ward_status ward_voting_weigh(struct ward_request *request, struct ward_voting *voting,
                              const struct ward_votes *votes, int64_t now_us);
/* The caller sees the proposal as it will stand once this vote is durable. */
ward_status ward_voting_show(struct ward_request *request, struct ward_voting *voting,
                             struct ward_worker *worker);

/* Commits of the vote, with what it runs; and the step behind it, of what changes the HSM. */
ward_status ward_voting_commit(struct ward_request *request, struct ward_batch *batch);
ward_status ward_voting_finish_run(struct ward_request *request, struct ward_worker *worker);
ward_status ward_voting_commit_run(struct ward_request *request, struct ward_batch *batch);

#endif
