/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what under a policy, and which rule says so: the decisions of decide.h, asked for many
 * identities and actions at once. */
#ifndef WARD_POLICY_SIMULATE_H
#define WARD_POLICY_SIMULATE_H

#include "policy/decide.h"

struct ward_simulate_in {
    struct ward_bytes identity; /* empty: every one that is in a role */
    enum ward_action action;    /* NONE: every one that the identity's kind may be given */
    struct ward_bytes object;   /* empty: whatever it may be */
    struct ward_decide_in ask; /* context, fields, time, address, emergency; the rest is set here */
};

enum ward_simulated_outcome {
    WARD_SIMULATED_REFUSED,
    WARD_SIMULATED_ALLOWED,
    WARD_SIMULATED_DEPENDS, /* on the object, which was not given: a rule may allow it on some */
};

struct ward_simulated {
    struct ward_bytes identity, person;
    enum ward_role_kind kind;
    enum ward_action action;
    enum ward_simulated_outcome outcome;
    const char *rule;        /* that decides, or the first that may allow */
    struct ward_bytes field; /* that was refused; else empty */
    struct ward_guard guard; /* of what is allowed on a known object; approvals 0: none */
    bool guarded;
};

/* Calls each for every pair, sorted by identity. Actions on keys are left out where the object is a
 * declared collection, those on collections where it is not; naming the action asks it all the
 * same. INVALID "identity: not in this policy", "object: not a name". */
ward_status
ward_policy_simulate(const struct ward_policy *policy, const struct ward_simulate_in *in,
                     void (*each)(void *context, const struct ward_simulated *simulated),
                     void *context);

#endif
