/* SPDX-License-Identifier: Apache-2.0 */
/* Inside policy/compare.c and what stands beside it: two policies as they were written, and the
 * differences that were found so far. */
#ifndef WARD_POLICY_COMPARING_H
#define WARD_POLICY_COMPARING_H

#include "policy/compare.h"
#include "policy/outline.h"

#define WARD_COMPARE_FROM 0
#define WARD_COMPARE_TO 1

struct ward_comparing {
    struct ward_arena *arena;
    struct ward_compared {
        const struct ward_policy *policy;
        struct ward_node top;
        const struct ward_node *roles;
    } sides[2];
    struct ward_difference *differences;
    size_t n, max;
    struct ward_comparison *ret;
};

/* Past the most that are told it is counted all the same, by whoever counts. */
ward_status ward_comparing_tell(struct ward_comparing *c, enum ward_difference_kind kind,
                                struct ward_bytes who, struct ward_bytes what);

/* Who gains and who loses which rights. */
ward_status ward_comparing_rights(struct ward_comparing *c);

#endif
