/* SPDX-License-Identifier: Apache-2.0 */
/* Counting signatures. Whoever can write into the database can put any row there; only what a
 * certificate of ours signed over this very payload is a vote. */
#include "server/op/votes.h"

#include "server/op/terms.h"

#define NAMES_MAX 16384

ward_status ward_votes_verify(const struct ward_store_proposal *stored,
                              const struct ward_store_vote *row)
{
    char hex[65];
    struct ward_bytes reason;
    WARD_TRY(ward_proposal_reason(row->reason, hex, &reason));
    return ward_proposal_verify(stored->payload, (enum ward_decision_kind)row->decision, reason,
                                row->certificate, row->signature);
}

/* A row's time is nobody's word: it counts within what was signed alone. */
static ward_status check_past(struct ward_trust *trust, const struct ward_store_vote *row,
                              const struct ward_proposal *proposal)
{
    int64_t at_us = row->created_us;
    at_us = at_us < proposal->created_us ? proposal->created_us : at_us;
    at_us = at_us > proposal->expires_us ? proposal->expires_us : at_us;
    return ward_trust_check_at(trust, row->certificate, at_us);
}

/* past: the proposal, when it is judged as of its own time. */
static ward_status verify(const struct ward_state *state, struct ward_trust *trust,
                          const struct ward_store_proposal *stored, const struct ward_guard *terms,
                          const struct ward_store_vote *row, const struct ward_proposal *past,
                          struct ward_peer **ret)
{
    WARD_ENSURE(row->decision <= WARD_DECISION_REVIEW, WARD_E_INVALID);
    WARD_TRY(past == NULL ? ward_trust_check(trust, row->certificate)
                          : check_past(trust, row, past));
    WARD_TRY(ward_votes_verify(stored, row));
    WARD_TRY(ward_peer_new(row->certificate, "", ret));
    WARD_TRY((*ret)->status);
    WARD_ENSURE(!ward_state_revoked(state, *ret), WARD_E_DENIED);
    return ward_terms_check_key(state->policy, terms, *ret, (enum ward_decision_kind)row->decision);
}

/* A signature of the proposer's that stands, but is his no more. */
static bool proposer_revoked(const struct ward_state *state, const struct ward_peer *peer,
                             const struct ward_proposal *proposal)
{
    return peer != NULL && ward_bytes_eq(ward_bytes_str(peer->identity), proposal->proposer) &&
           ward_state_revoked(state, peer);
}

/* The entitled alone: an officer's signature is not enough to let something run. */
static bool may_execute(const struct ward_policy *policy, const struct ward_vote *vote)
{
    const struct ward_decide_in ask = {.subject = ward_policy_subject(policy, vote->identity),
                                       .action = WARD_ACTION_APPROVAL_EXECUTE,
                                       .standing = true};
    return ward_ok(ward_decide(policy, &ask).status);
}

/* One that stands; what is neither of these says nothing about whether it may run. */
static void take(const struct ward_policy *policy, const struct ward_store_vote *row,
                 const struct ward_vote *vote, const struct ward_proposal *proposal,
                 struct ward_votes *votes)
{
    if (row->decision == WARD_DECISION_APPROVE) {
        votes->rows[votes->n] = row;
        votes->approvals[votes->n++] = *vote;
    } else if (row->decision == WARD_DECISION_PROPOSE &&
               ward_bytes_eq(vote->identity, proposal->proposer)) {
        votes->proposer = *vote;
        votes->proposer_row = row;
        votes->has_proposer = true;
    } else if (row->decision == WARD_DECISION_EXECUTE && may_execute(policy, vote)) {
        votes->executor = *vote;
        votes->executor_row = row;
        votes->has_executor = true;
    }
}

static ward_status load(const struct ward_state *state, struct ward_arena *arena,
                        struct ward_trust *trust, const struct ward_store_proposal *stored,
                        const struct ward_proposal *proposal, bool past, struct ward_votes *ret)
{
    *ret = (struct ward_votes){0};
    struct ward_guard terms;
    WARD_TRY(ward_terms_find(state->policy, proposal, &terms));
    ret->peers = WARD_ARENA_ARRAY(arena, struct ward_peer *, stored->n_votes);
    ret->approvals = WARD_ARENA_ARRAY(arena, struct ward_vote, stored->n_votes + 1);
    ret->rows = WARD_ARENA_ARRAY(arena, const struct ward_store_vote *, stored->n_votes + 1);
    WARD_ENSURE(ret->peers != NULL && ret->approvals != NULL && ret->rows != NULL,
                WARD_E_EXHAUSTED);
    for (size_t i = 0; i < stored->n_votes; i++) {
        struct ward_peer **peer = &ret->peers[ret->n_peers++];
        if (!ward_ok(verify(state, trust, stored, &terms, &stored->votes[i], past ? proposal : NULL,
                            peer))) {
            ret->proposer_revoked |= proposer_revoked(state, *peer, proposal);
            continue; /* a forged or broken row, or one of somebody who was revoked since */
        }
        struct ward_vote vote = {.identity = ward_bytes_str((*peer)->identity),
                                 .public_key_hash = (*peer)->public_key_hash};
        take(state->policy, &stored->votes[i], &vote, proposal, ret);
    }
    if (!ret->has_proposer) {
        return ret->proposer_revoked
                   ? WARD_REFUSAL(WARD_E_STATE, "proposal: its proposer was revoked")
                   : WARD_REFUSAL(WARD_E_STATE, "proposal: its proposer has not signed it");
    }
    return WARD_OK;
}

ward_status ward_votes_load(const struct ward_state *state, struct ward_arena *arena,
                            struct ward_trust *trust, const struct ward_store_proposal *stored,
                            const struct ward_proposal *proposal, struct ward_votes *ret)
{
    return load(state, arena, trust, stored, proposal, false, ret);
}

ward_status ward_votes_load_past(const struct ward_state *state, struct ward_arena *arena,
                                 struct ward_trust *trust, const struct ward_store_proposal *stored,
                                 const struct ward_proposal *proposal, struct ward_votes *ret)
{
    return load(state, arena, trust, stored, proposal, true, ret);
}

void ward_votes_release(struct ward_votes *votes)
{
    for (size_t i = 0; i < votes->n_peers; i++) {
        ward_peer_unref(votes->peers[i]);
    }
    votes->n_peers = 0;
}

/* A member of a role may be missing; who is counted for one role is not counted for another, so
 * that all shares may be met one by one and not together. */
static uint32_t count_of(const struct ward_policy *policy, const struct ward_votes *votes,
                         const struct ward_guard_share *share)
{
    uint32_t n = share->approvals;
    for (; n > 0; n--) {
        const struct ward_guard alone = {
            .approvals = n, .shares = {{share->role, n}}, .n_shares = 1};
        if (ward_quorum_reached(policy, &alone, &votes->proposer, votes->approvals, votes->n)) {
            break;
        }
    }
    return n;
}

ward_status ward_votes_missing(const struct ward_request *request, const struct ward_votes *votes,
                               const struct ward_proposal *proposal,
                               struct ward_proposal_standing *ret)
{
    const struct ward_policy *policy = request->state->policy;
    struct ward_guard terms;
    WARD_TRY(ward_terms_find(policy, proposal, &terms));
    uint32_t given = ward_quorum_count(policy, &votes->proposer, votes->approvals, votes->n);
    ret->missing = terms.approvals > given ? terms.approvals - given : 0;
    struct ward_missing_view *missing =
        WARD_ARENA_ARRAY(request->arena, struct ward_missing_view, terms.n_shares);
    WARD_ENSURE(missing != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < terms.n_shares; i++) {
        uint32_t n = count_of(policy, votes, &terms.shares[i]);
        if (n < terms.shares[i].approvals) {
            missing[ret->n_missing_of++] = (struct ward_missing_view){
                .role = terms.shares[i].role, .approvals = terms.shares[i].approvals - n};
        }
    }
    ret->missing_of = missing;
    bool reached =
        ward_quorum_reached(policy, &terms, &votes->proposer, votes->approvals, votes->n);
    ret->missing += !reached && ret->missing == 0;
    return WARD_OK;
}

ward_status ward_votes_enough(const struct ward_policy *policy, const struct ward_votes *votes,
                              const struct ward_proposal *proposal, bool *ret)
{
    enum ward_action action;
    struct ward_guard terms;
    WARD_ENSURE(ward_action_find(proposal->action, &action), WARD_E_STATE);
    WARD_TRY(ward_terms_find(policy, proposal, &terms));
    *ret = (terms.approvals > 0 || ward_action_at_once(action)) &&
           ward_quorum_reached(policy, &terms, &votes->proposer, votes->approvals, votes->n);
    const struct ward_decide_in ask = {.subject = ward_policy_subject(policy, proposal->proposer),
                                       .action = action,
                                       .object = proposal->object,
                                       .standing = true};
    return *ret ? ward_decide(policy, &ask).status : WARD_OK;
}

ward_status ward_votes_weigh(const struct ward_policy *policy, const struct ward_votes *votes,
                             const struct ward_proposal *proposal, bool *ret_runs)
{
    bool enough = false;
    struct ward_guard terms;
    WARD_TRY(ward_terms_find(policy, proposal, &terms));
    WARD_TRY(ward_votes_enough(policy, votes, proposal, &enough));
    *ret_runs = enough && (votes->has_executor || !terms.manual);
    return WARD_OK;
}

/* ---- reviews ---- */

/* An emergency is nobody's decision but its holder's, who signs nothing. */
static bool ran_unasked(enum ward_action action)
{
    return ward_action_at_once(action) || action == WARD_ACTION_EMERGENCY_OPEN;
}

bool ward_votes_need_review(const struct ward_store_proposal *stored,
                            const struct ward_proposal *proposal)
{
    enum ward_action action;
    return stored->state == WARD_PROPOSAL_EXECUTED && proposal->approvals == 0 &&
           ward_action_find(proposal->action, &action) && ran_unasked(action);
}

static bool same_key(struct ward_bytes certificate, const uint8_t hash[static 32])
{
    struct ward_peer *peer = NULL;
    bool same = !ward_ok(ward_peer_new(certificate, "", &peer)) ||
                memcmp(peer->public_key_hash, hash, sizeof(peer->public_key_hash)) == 0;
    ward_peer_unref(peer);
    return same;
}

/* Whoever policy does not name is himself, as far as it knows. */
static struct ward_bytes person_of(const struct ward_policy *policy, struct ward_bytes identity)
{
    const struct ward_subject *subject = ward_policy_subject(policy, identity);
    return subject == NULL ? identity : ward_subject_person(subject);
}

static bool is_proposer(const struct ward_policy *policy, const struct ward_store_proposal *stored,
                        const struct ward_proposal *proposal, const struct ward_vote *vote)
{
    struct ward_bytes person = person_of(policy, vote->identity);
    bool same = ward_bytes_eq(vote->identity, proposal->proposer) ||
                ward_bytes_eq(person, proposal->person) ||
                ward_bytes_eq(person, person_of(policy, proposal->proposer));
    for (size_t i = 0; i < stored->n_votes; i++) {
        same |= stored->votes[i].decision == WARD_DECISION_PROPOSE &&
                same_key(stored->votes[i].certificate, vote->public_key_hash);
    }
    return same;
}

ward_status ward_votes_may_review(const struct ward_policy *policy,
                                  const struct ward_store_proposal *stored,
                                  const struct ward_proposal *proposal,
                                  const struct ward_vote *reviewer)
{
    if (!ward_votes_need_review(stored, proposal)) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: it has not run on one signature alone");
    }
    if (is_proposer(policy, stored, proposal, reviewer)) {
        return WARD_REFUSAL(WARD_E_DENIED, "approval: the proposer cannot review");
    }
    return WARD_OK;
}

/* As far as policy knows him: one who has left since is named no more. */
static bool was_officer(const struct ward_policy *policy, const struct ward_vote *vote)
{
    const struct ward_subject *subject = ward_policy_subject(policy, vote->identity);
    return subject == NULL || ward_subject_kind(subject) == WARD_ROLE_OFFICER;
}

static bool is_review(const struct ward_policy *policy, struct ward_trust *trust,
                      const struct ward_store_proposal *stored,
                      const struct ward_proposal *proposal, const struct ward_store_vote *row)
{
    if (row->decision != WARD_DECISION_REVIEW ||
        !ward_ok(ward_trust_check_at(trust, row->certificate, row->created_us)) ||
        !ward_ok(ward_votes_verify(stored, row))) {
        return false;
    }
    struct ward_peer *peer = NULL;
    bool stands = ward_ok(ward_peer_new(row->certificate, "", &peer)) && ward_ok(peer->status);
    if (stands) {
        const struct ward_vote vote = {.identity = ward_bytes_str(peer->identity),
                                       .public_key_hash = peer->public_key_hash};
        stands = !is_proposer(policy, stored, proposal, &vote) && was_officer(policy, &vote);
    }
    ward_peer_unref(peer);
    return stands;
}

bool ward_votes_reviewed(const struct ward_policy *policy, struct ward_trust *trust,
                         const struct ward_store_proposal *stored,
                         const struct ward_proposal *proposal)
{
    for (size_t i = 0; i < stored->n_votes; i++) {
        if (is_review(policy, trust, stored, proposal, &stored->votes[i])) {
            return true;
        }
    }
    return false;
}

/* ---- naming them ---- */

/* A second one of the same person counts for nothing, and nor does nobody's. */
static bool counts(const struct ward_policy *policy, const struct ward_votes *votes, size_t i)
{
    return ward_ok(
        ward_quorum_may_vote(policy, &votes->proposer, votes->approvals, i, &votes->approvals[i]));
}

ward_status ward_votes_name(const struct ward_policy *policy, const struct ward_votes *votes,
                            struct ward_arena *arena, struct ward_bytes *ret)
{
    struct ward_buffer names;
    ward_buffer_init(&names, NAMES_MAX);
    for (size_t i = 0; i < votes->n; i++) {
        if (!counts(policy, votes, i)) {
            continue;
        }
        if (names.size > 0) {
            ward_buffer_add_u8(&names, ' ');
        }
        ward_buffer_add(&names, votes->approvals[i].identity);
    }
    ward_status status = names.failed ? WARD_STATUS(WARD_E_EXHAUSTED)
                                      : ward_arena_copy(arena, ward_buffer_view(&names), ret);
    ward_buffer_fini(&names);
    return status;
}

static ward_status add_digest(struct ward_digest *digest, struct ward_bytes bytes,
                              struct ward_buffer *out)
{
    uint8_t hash[WARD_SHA256_SIZE];
    char hex[2 * WARD_SHA256_SIZE + 1];
    WARD_TRY(ward_sha256(digest, &bytes, 1, hash));
    ward_hex_encode(WARD_BYTES_ARRAY(hash), hex);
    if (out->size > 0) {
        ward_buffer_add_u8(out, ' ');
    }
    ward_buffer_add(out, ward_bytes_str(hex));
    return WARD_OK;
}

static ward_status add_row(struct ward_digest *digest, const struct ward_store_vote *row,
                           struct ward_buffer *signatures, struct ward_buffer *certificates)
{
    WARD_ENSURE(row != NULL, WARD_E_INTERNAL);
    WARD_TRY(add_digest(digest, row->signature, signatures));
    return add_digest(digest, row->certificate, certificates);
}

ward_status ward_votes_digest(const struct ward_policy *policy, const struct ward_votes *votes,
                              struct ward_digest *digest, struct ward_arena *arena,
                              struct ward_votes_digests *ret)
{
    struct ward_buffer signatures, certificates;
    ward_buffer_init(&signatures, NAMES_MAX);
    ward_buffer_init(&certificates, NAMES_MAX);
    ward_status status = add_row(digest, votes->proposer_row, &signatures, &certificates);
    for (size_t i = 0; i < votes->n && ward_ok(status); i++) {
        if (counts(policy, votes, i)) {
            status = add_row(digest, votes->rows[i], &signatures, &certificates);
        }
    }
    if (ward_ok(status) && votes->executor_row != NULL) {
        status = add_row(digest, votes->executor_row, &signatures, &certificates);
        ret->executor = votes->executor.identity;
    }
    if (ward_ok(status) && (signatures.failed || certificates.failed)) {
        status = WARD_STATUS(WARD_E_EXHAUSTED);
    }
    if (ward_ok(status)) {
        status = ward_arena_copy(arena, ward_buffer_view(&signatures), &ret->signatures);
    }
    if (ward_ok(status)) {
        status = ward_arena_copy(arena, ward_buffer_view(&certificates), &ret->certificates);
    }
    ward_buffer_fini(&signatures);
    ward_buffer_fini(&certificates);
    return status;
}
