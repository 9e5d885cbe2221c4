/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy says that its author will hardly have meant. Nothing here refuses a policy: what it
 * may not say at all is refused when it is parsed. */
#ifndef WARD_POLICY_LINT_H
#define WARD_POLICY_LINT_H

#include "base/wipe_alloc.h"
#include "policy/policy.h"

struct ward_lint_warning {
    unsigned line, column; /* from 1 */
    bool note;             /* a fact to know rather than a fault: strictness does not fail on it */
    char text[256];
};

#define WARD_LINT_MAX 200u

struct ward_lint {
    struct ward_lint_warning *warnings; /* by place; in the arena */
    size_t n, n_warnings;               /* in all, and those that are no notes */
    size_t left_off;                    /* behind WARD_LINT_MAX */
};

/* Warns of rules that never decide or can be got around, roles that nobody has, persons and
 * identities that may do nothing, guards that match nothing or that a stricter one overrides,
 * collections that no rule reaches, a policy that nobody could change again, proposals that nobody
 * could sign, quorums that one lost card would lock; notes quorums for which nobody may be away.
 * EXHAUSTED when the arena is spent. */
ward_status ward_policy_lint(const struct ward_policy *policy, struct ward_arena *arena,
                             struct ward_lint *ret);

#endif
