/* SPDX-License-Identifier: Apache-2.0 */
/* The decision: default deny, deny beats allow. A pure function of the policy, the peer's identity
 * and address, the time, and the parsed message. Microseconds; called on the loop thread for every
 * item. What is not known fails closed: a condition on it lets no allow hold and every deny. */
#ifndef WARD_POLICY_DECIDE_H
#define WARD_POLICY_DECIDE_H

#include "policy/policy.h"

struct ward_decide_pair {
    struct ward_bytes key, value;
};

struct ward_decide_in {
    const struct ward_subject *subject; /* NULL: an identity that policy does not name */
    enum ward_action action;
    struct ward_bytes object; /* key or collection name; empty for NONE */
    const struct ward_decide_pair *context;
    size_t n_context;
    const struct ward_bytes *fields; /* of record.get and record.put; none: nothing was asked for */
    size_t n_fields;
    bool whole;                /* all fields that there are, whatever their names */
    int64_t now_us;            /* UTC, when the request came; 0: not known */
    struct ward_bytes address; /* the peer's, as text without port; empty: not known */
    bool emergency;            /* one is open for this identity and subject */
    /* A right that was used before is looked at again: does it stand, whatever hour and place it is
     * now? Times and networks are taken to be those of then. */
    bool standing;
};

/* Is there a rule for this subject that speaks of some fields alone? Without one, whoever may ask
 * at all may ask for all. */
bool ward_subject_limits_fields(const struct ward_subject *subject, enum ward_action action);

struct ward_decision {
    bool allowed;
    const char *rule; /* "role/rule" that decided, or "default-deny"; lives as long as the policy */
    ward_status status;      /* OK or DENIED with a refusal text that names no object */
    struct ward_bytes field; /* the one that was refused, when it is that; borrowed from fields */
};

struct ward_decision ward_decide(const struct ward_policy *policy, const struct ward_decide_in *in);

/* So many of the approvals by members of this role, each by a person of his own: nobody fills two
 * places, and who is counted for one role is not counted for another. */
struct ward_guard_share {
    struct ward_bytes role;
    uint32_t approvals;
};
#define WARD_GUARD_SHARES_MAX 8u /* roles that all guards of a policy name together */

/* What a guarded action needs; approvals 0 when it is not guarded. Where several guards match, the
 * strictest of each holds. */
struct ward_guard {
    uint32_t approvals; /* besides the proposer, in all: never fewer than the shares together */
    uint32_t expires_hours;
    bool manual;   /* waits for `execute` once it has its approvals; else it runs at once */
    bool hardware; /* every signature by a key on hardware, whatever the signers' roles say */
    struct ward_guard_share shares[WARD_GUARD_SHARES_MAX];
    size_t n_shares;
};
struct ward_guard ward_policy_guard(const struct ward_policy *policy, enum ward_action action,
                                    struct ward_bytes object);

/* One vote, as it was verified: signature checked, identity from the certificate. */
struct ward_vote {
    struct ward_bytes identity;
    const uint8_t *public_key_hash; /* 32 bytes */
};
/* The most approvals, besides the proposer's signature, that anything under this policy needs. */
uint32_t ward_policy_largest_quorum(const struct ward_policy *policy);
/* How many distinct persons may approve, not counting identities that `gone` names. */
size_t ward_policy_approvers(const struct ward_policy *policy,
                             bool (*gone)(void *context, struct ward_bytes identity),
                             void *context);

/* Those who may approve, identities sorted by their persons; as long as the policy. */
size_t ward_policy_approving(const struct ward_policy *policy,
                             const struct ward_subject *const **ret);

/* How many of the votes count: signers whom policy names as officers entitled to approve, with
 * person, identity and key all different from the proposer's and from each other's. */
uint32_t ward_quorum_count(const struct ward_policy *policy, const struct ward_vote *proposer,
                           const struct ward_vote *votes, size_t n);
/* Are there votes enough for the guard: its approvals in all, and every share of it? */
bool ward_quorum_reached(const struct ward_policy *policy, const struct ward_guard *guard,
                         const struct ward_vote *proposer, const struct ward_vote *votes, size_t n);
/* May this identity vote at all on this proposal? OK, or DENIED with the reason as refusal text:
 * "approval: not an officer", "approval: the proposer cannot approve",
 * "approval: already given by this person" (or with the same key), and, where the proposer is no
 * officer (any more), "approval: the proposer is not an officer". */
ward_status ward_quorum_may_vote(const struct ward_policy *policy, const struct ward_vote *proposer,
                                 const struct ward_vote *votes, size_t n,
                                 const struct ward_vote *voter);

#endif
