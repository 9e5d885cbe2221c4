/* SPDX-License-Identifier: Apache-2.0 */
/* Counting signatures. Whoever can write into the database can put any row there; only what a
 * certificate of ours signed over this very payload is a vote. */
#include "server/op/votes.h"

#define NAMES_MAX 16384

static ward_status verify(const struct ward_state *state, struct ward_trust *trust,
                          const struct ward_store_proposal *stored,
                          const struct ward_store_vote *row, struct ward_peer **ret)
{
    WARD_ENSURE(row->decision <= WARD_DECISION_REJECT, WARD_E_INVALID);
    WARD_TRY(ward_trust_check(trust, row->certificate));
    WARD_TRY(
        ward_proposal_verify(stored->payload, row->decision, row->certificate, row->signature));
    WARD_TRY(ward_peer_new(row->certificate, "", ret));
    WARD_TRY((*ret)->status);
    WARD_ENSURE(!ward_state_revoked(state, *ret), WARD_E_DENIED);
    return WARD_OK;
}

/* A signature of the proposer's that stands, but is his no more. */
static bool proposer_revoked(const struct ward_state *state, const struct ward_peer *peer,
                             const struct ward_proposal *proposal)
{
    return peer != NULL && ward_bytes_eq(ward_bytes_str(peer->identity), proposal->proposer) &&
           ward_state_revoked(state, peer);
}

ward_status ward_votes_load(const struct ward_state *state, struct ward_arena *arena,
                            struct ward_trust *trust, const struct ward_store_proposal *stored,
                            const struct ward_proposal *proposal, struct ward_votes *ret)
{
    *ret = (struct ward_votes){0};
    ret->peers = WARD_ARENA_ARRAY(arena, struct ward_peer *, stored->n_votes);
    ret->approvals = WARD_ARENA_ARRAY(arena, struct ward_vote, stored->n_votes + 1);
    ret->rows = WARD_ARENA_ARRAY(arena, const struct ward_store_vote *, stored->n_votes + 1);
    WARD_ENSURE(ret->peers != NULL && ret->approvals != NULL && ret->rows != NULL,
                WARD_E_EXHAUSTED);
    for (size_t i = 0; i < stored->n_votes; i++) {
        struct ward_peer **peer = &ret->peers[ret->n_peers++];
        if (!ward_ok(verify(state, trust, stored, &stored->votes[i], peer))) {
            ret->proposer_revoked |= proposer_revoked(state, *peer, proposal);
            continue; /* a forged or broken row, or one of somebody who was revoked since */
        }
        struct ward_vote vote = {.identity = ward_bytes_str((*peer)->identity),
                                 .public_key_hash = (*peer)->public_key_hash};
        if (stored->votes[i].decision == WARD_DECISION_APPROVE) {
            ret->rows[ret->n] = &stored->votes[i];
            ret->approvals[ret->n++] = vote;
        } else if (stored->votes[i].decision == WARD_DECISION_PROPOSE &&
                   ward_bytes_eq(vote.identity, proposal->proposer)) {
            ret->proposer = vote;
            ret->proposer_row = &stored->votes[i];
            ret->has_proposer = true;
        }
    }
    if (!ret->has_proposer) {
        return ret->proposer_revoked
                   ? WARD_REFUSAL(WARD_E_STATE, "proposal: its proposer was revoked")
                   : WARD_REFUSAL(WARD_E_STATE, "proposal: its proposer has not signed it");
    }
    return WARD_OK;
}

void ward_votes_release(struct ward_votes *votes)
{
    for (size_t i = 0; i < votes->n_peers; i++) {
        ward_peer_unref(votes->peers[i]);
    }
    votes->n_peers = 0;
}

ward_status ward_votes_weigh(const struct ward_policy *policy, const struct ward_votes *votes,
                             const struct ward_proposal *proposal, bool *ret_enough)
{
    enum ward_action action;
    WARD_ENSURE(ward_action_find(proposal->action, &action), WARD_E_STATE);
    /* Policy as it stands now and the payload both have a say; the larger number wins. */
    uint32_t needed = ward_policy_guard(policy, action, proposal->object).approvals;
    needed = proposal->approvals > needed ? proposal->approvals : needed;
    uint32_t given = ward_quorum_count(policy, &votes->proposer, votes->approvals, votes->n);
    *ret_enough = (needed > 0 || ward_action_at_once(action)) && given >= needed;
    const struct ward_decide_in ask = {.subject = ward_policy_subject(policy, proposal->proposer),
                                       .action = action,
                                       .object = proposal->object,
                                       .standing = true};
    return *ret_enough ? ward_decide(policy, &ask).status : WARD_OK;
}

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
