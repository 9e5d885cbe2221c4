/* SPDX-License-Identifier: Apache-2.0 */
/* Whose votes count. Two votes are of different people only when person, identity and key all
 * differ: a person may hold several identities, and one key may be certified under several names.
 * Signatures were verified before; this knows none. */
#include "policy/model.h"

/* A person would have to sign this often to matter; a proposal holds far fewer. */
#define VOTES_MAX 256

static bool same_person(const struct ward_subject *a, const struct ward_subject *b)
{
    return ward_bytes_eq(a->person, b->person);
}

static bool same_key(const struct ward_vote *a, const struct ward_vote *b)
{
    return memcmp(a->public_key_hash, b->public_key_hash, WARD_SHA256_SIZE) == 0;
}

static const struct ward_subject *officer_of(const struct ward_policy *policy,
                                             const struct ward_vote *vote)
{
    const struct ward_subject *subject =
        vote->public_key_hash == NULL ? NULL : ward_policy_subject(policy, vote->identity);
    return subject != NULL && subject->kind == WARD_ROLE_OFFICER ? subject : NULL;
}

/* Votes that count so far, the proposer's own place being the first, so that all are compared
 * alike. */
struct tally {
    const struct ward_vote *votes[VOTES_MAX + 1];
    const struct ward_subject *subjects[VOTES_MAX + 1];
    size_t n;
};

static ward_status tally_add(struct tally *tally, const struct ward_policy *policy,
                             const struct ward_vote *vote)
{
    const struct ward_subject *subject = officer_of(policy, vote);
    if (subject == NULL || !subject->may_approve) {
        return WARD_REFUSAL(WARD_E_DENIED, "approval: not an officer");
    }
    for (size_t i = 0; i < tally->n; i++) {
        if (!same_person(subject, tally->subjects[i]) && !same_key(vote, tally->votes[i])) {
            continue; /* identities differ too, since an identity belongs to one person */
        }
        return i == 0 ? WARD_REFUSAL(WARD_E_DENIED, "approval: the proposer cannot approve")
                      : WARD_REFUSAL(WARD_E_DENIED, "approval: already given by this person");
    }
    if (tally->n > VOTES_MAX) {
        return WARD_REFUSAL(WARD_E_EXHAUSTED, "approval: too many votes");
    }
    tally->votes[tally->n] = vote;
    tally->subjects[tally->n] = subject;
    tally->n++;
    return WARD_OK;
}

/* False when nothing can count: a proposer whom policy does not, or no longer, know as an officer
 * may be any of the voters under another name. */
static bool tally_open(struct tally *tally, const struct ward_policy *policy,
                       const struct ward_vote *proposer)
{
    tally->votes[0] = proposer;
    tally->subjects[0] = officer_of(policy, proposer);
    tally->n = 1;
    return tally->subjects[0] != NULL;
}

static void tally_all(struct tally *tally, const struct ward_policy *policy,
                      const struct ward_vote *votes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)tally_add(tally, policy, &votes[i]); /* one that does not count is passed over */
    }
}

uint32_t ward_policy_largest_quorum(const struct ward_policy *policy)
{
    uint32_t most = WARD_GUARD_DEFAULT_APPROVALS;
    for (size_t i = 0; i < policy->n_guards; i++) {
        uint32_t approvals = policy->guards[i].guard.approvals;
        most = approvals > most ? approvals : most;
    }
    return most;
}

size_t ward_policy_approvers(const struct ward_policy *policy,
                             bool (*gone)(void *context, struct ward_bytes identity), void *context)
{
    size_t n = 0;
    const struct ward_subject *last = NULL;
    for (size_t i = 0; i < policy->n_approving; i++) {
        const struct ward_subject *subject = policy->approving[i];
        if (!gone(context, subject->identity)) {
            n += last == NULL || !same_person(last, subject);
            last = subject;
        }
    }
    return n;
}

size_t ward_policy_approving(const struct ward_policy *policy,
                             const struct ward_subject *const **ret)
{
    *ret = policy->approving;
    return policy->n_approving;
}

uint32_t ward_quorum_count(const struct ward_policy *policy, const struct ward_vote *proposer,
                           const struct ward_vote *votes, size_t n)
{
    struct tally tally;
    if (!tally_open(&tally, policy, proposer)) {
        return 0;
    }
    tally_all(&tally, policy, votes, n);
    return (uint32_t)(tally.n - 1);
}

static bool in_role(const struct ward_subject *subject, struct ward_bytes role)
{
    for (size_t i = 0; i < subject->n_roles; i++) {
        if (ward_bytes_eq(subject->roles[i]->name, role)) {
            return true;
        }
    }
    return false;
}

/* Places that shares ask for, and who sits on each: 0 nobody, else his index in the tally. */
struct seating {
    const struct ward_guard *guard;
    const struct tally *tally;
    struct {
        uint8_t share;
        uint16_t voter;
    } places[VOTES_MAX];
    size_t n;
    bool asked[VOTES_MAX]; /* places that this voter's search has come to */
};

/* Takes a place that is free, or whose holder can move to another: an augmenting path. Every place
 * is asked once, so it is no deeper than there are places. */
static bool seat(struct seating *seating, uint16_t voter)
{
    const struct ward_subject *subject = seating->tally->subjects[voter];
    for (size_t i = 0; i < seating->n; i++) {
        if (seating->asked[i] ||
            !in_role(subject, seating->guard->shares[seating->places[i].share].role)) {
            continue;
        }
        seating->asked[i] = true;
        uint16_t holder = seating->places[i].voter;
        if (holder == 0 || seat(seating, holder)) {
            seating->places[i].voter = voter;
            return true;
        }
    }
    return false;
}

/* A maximum matching of voters to places: each voter fills one at most. */
static bool shares_met(const struct ward_guard *guard, const struct tally *tally)
{
    struct seating seating = {.guard = guard, .tally = tally};
    for (size_t s = 0; s < guard->n_shares; s++) {
        for (uint32_t i = 0; i < guard->shares[s].approvals; i++) {
            if (seating.n == VOTES_MAX) {
                return false;
            }
            seating.places[seating.n++].share = (uint8_t)s;
        }
    }
    size_t seated = 0;
    for (size_t voter = 1; voter < tally->n; voter++) {
        memset(seating.asked, 0, sizeof(seating.asked));
        seated += seat(&seating, (uint16_t)voter);
    }
    return seated == seating.n;
}

bool ward_quorum_reached(const struct ward_policy *policy, const struct ward_guard *guard,
                         const struct ward_vote *proposer, const struct ward_vote *votes, size_t n)
{
    struct tally tally;
    if (!tally_open(&tally, policy, proposer)) {
        return false;
    }
    tally_all(&tally, policy, votes, n);
    return tally.n - 1 >= guard->approvals && shares_met(guard, &tally);
}

ward_status ward_quorum_may_vote(const struct ward_policy *policy, const struct ward_vote *proposer,
                                 const struct ward_vote *votes, size_t n,
                                 const struct ward_vote *voter)
{
    struct tally tally;
    if (!tally_open(&tally, policy, proposer)) {
        return WARD_REFUSAL(WARD_E_DENIED, "approval: the proposer is not an officer");
    }
    tally_all(&tally, policy, votes, n);
    return tally_add(&tally, policy, voter);
}
