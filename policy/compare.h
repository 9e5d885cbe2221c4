/* SPDX-License-Identifier: Apache-2.0 */
/* What it means to put one policy in another's place: who gains and loses which rights, which
 * guards become weaker, in numbers and in words. Pure. */
#ifndef WARD_POLICY_COMPARE_H
#define WARD_POLICY_COMPARE_H

#include "base/wipe_alloc.h"
#include "policy/policy.h"

enum ward_difference_kind {
    WARD_DIFFERENCE_GAINS, /* what an identity may do now */
    WARD_DIFFERENCE_LOSES,
    WARD_DIFFERENCE_GUARD_WEAKER,
    WARD_DIFFERENCE_GUARD, /* otherwise: new, stricter, or with another expiry */
    WARD_DIFFERENCE_PERSON,
    WARD_DIFFERENCE_LIMITS,
    WARD_DIFFERENCE_OTHER, /* any other part of the text */
};

struct ward_difference {
    enum ward_difference_kind kind;
    struct ward_bytes who;  /* identity, person, role, guarded action, or part of the text */
    struct ward_bytes what; /* words; of gains and losses, actions and then under what */
};

#define WARD_DIFFERENCES_MAX 2000u /* more are counted, not told */

struct ward_comparison {
    uint32_t rules_added, rules_removed; /* one that was altered is in both */
    uint32_t roles_added, roles_removed;
    uint32_t identities_gaining, identities_losing;
    uint32_t persons_changed, guards_weakened, others_changed; /* others: limits among them */
    const struct ward_difference *differences;                 /* by kind */
    size_t n;
};

/* Everything in it lies in the arena. EXHAUSTED when that is too small. */
ward_status ward_policy_compare(const struct ward_policy *from, const struct ward_policy *to,
                                struct ward_arena *arena, struct ward_comparison *ret);

/* Could those who are not `gone` change this policy again? OK, or STATE with what is missing as
 * refusal text: an officer who may propose, and besides him as many who may approve as the guard
 * wants. */
ward_status ward_policy_changeable(const struct ward_policy *policy,
                                   bool (*gone)(void *context, struct ward_bytes identity),
                                   void *context);

#endif
