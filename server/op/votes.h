/* SPDX-License-Identifier: Apache-2.0 */
/* The votes on a proposal as they stand in the database, each held again against its signature, our
 * CAs, and policy as it is now. What does not hold counts for nothing. */
#ifndef WARD_SERVER_OP_VOTES_H
#define WARD_SERVER_OP_VOTES_H

#include "proto/proposal.h"
#include "server/authn/trust.h"
#include "server/op/messages.h"
#include "server/op/op.h"
#include "server/state.h"

struct ward_votes {
    struct ward_peer **peers; /* whose certificates they are; the votes point into them */
    size_t n_peers;
    bool has_proposer, proposer_revoked;
    bool has_executor; /* an officer who may has asked for it to run */
    struct ward_vote executor;
    struct ward_vote proposer;
    struct ward_vote *approvals; /* with room for one more */
    size_t n;
    /* The rows that they came in; NULL for one that is in no row yet. */
    const struct ward_store_vote *proposer_row, *executor_row;
    const struct ward_store_vote **rows; /* one for each approval */
};

/* Is the signature over this payload, under the decision and the reason of its row? INVALID. */
ward_status ward_votes_verify(const struct ward_store_proposal *stored,
                              const struct ward_store_vote *row);

/* STATE when the proposer has not signed, or was revoked since. To be released in any case. */
ward_status ward_votes_load(const struct ward_state *state, struct ward_arena *arena,
                            struct ward_trust *trust, const struct ward_store_proposal *stored,
                            const struct ward_proposal *proposal, struct ward_votes *ret);
/* The same of a proposal that ran long ago: a certificate is held against our CAs as of its vote,
 * or, where the row says a time at which nobody could vote, as of the end of that time which is
 * nearer. Those whom `state` has as revoked count for nothing. */
ward_status ward_votes_load_past(const struct ward_state *state, struct ward_arena *arena,
                                 struct ward_trust *trust, const struct ward_store_proposal *stored,
                                 const struct ward_proposal *proposal, struct ward_votes *ret);
void ward_votes_release(struct ward_votes *votes);

/* Have enough agreed? DENIED when the proposer may no longer do what he proposed. */
ward_status ward_votes_enough(const struct ward_policy *policy, const struct ward_votes *votes,
                              const struct ward_proposal *proposal, bool *ret);
/* What is missing until then: the standing's two members of that name. */
ward_status ward_votes_missing(const struct ward_request *request, const struct ward_votes *votes,
                               const struct ward_proposal *proposal,
                               struct ward_proposal_standing *ret);
/* And does it run, then? Not before somebody has asked for it, where its terms say so. */
ward_status ward_votes_weigh(const struct ward_policy *policy, const struct ward_votes *votes,
                             const struct ward_proposal *proposal, bool *ret_runs);
/* The identities whose approval counts, one space between two, in the arena. */
ward_status ward_votes_name(const struct ward_policy *policy, const struct ward_votes *votes,
                            struct ward_arena *arena, struct ward_bytes *ret);

/* Did it run on its proposer's signature alone, or, in an emergency, on none, so that somebody else
 * has to look back at it? */
bool ward_votes_need_review(const struct ward_store_proposal *stored,
                            const struct ward_proposal *proposal);
/* May this officer? Not who proposed it, by identity, person or key; whether policy knows the
 * proposer still or not. STATE when there is nothing to review, DENIED. */
ward_status ward_votes_may_review(const struct ward_policy *policy,
                                  const struct ward_store_proposal *stored,
                                  const struct ward_proposal *proposal,
                                  const struct ward_vote *reviewer);
/* Does a review by somebody else stand? Held against our CAs as of its own time, since it is
 * looked at for years. */
bool ward_votes_reviewed(const struct ward_policy *policy, struct ward_trust *trust,
                         const struct ward_store_proposal *stored,
                         const struct ward_proposal *proposal);

/* The same votes as an auditor finds them again, when no entry of their own may name them: SHA-256
 * in hex, one space between two, the proposer's first, then in the order of the names, and that of
 * who executed it last, where it waited for that. */
struct ward_votes_digests {
    struct ward_bytes signatures, certificates;
    struct ward_bytes executor; /* identity; empty when it waited for none */
};
/* Of votes as they were loaded: each has its row. */
ward_status ward_votes_digest(const struct ward_policy *policy, const struct ward_votes *votes,
                              struct ward_digest *digest, struct ward_arena *arena,
                              struct ward_votes_digests *ret);

#endif
