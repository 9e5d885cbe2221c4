/* SPDX-License-Identifier: Apache-2.0 */
/* What a guarded action needs, put together from every guard that matches. Strictness only adds up:
 * one more guard never makes anything easier. Allocates nothing. */
#include "policy/guard.h"

static void merge_share(struct ward_guard *into, const struct ward_guard_share *share)
{
    for (size_t i = 0; i < into->n_shares; i++) {
        struct ward_guard_share *there = &into->shares[i];
        if (ward_bytes_eq(there->role, share->role)) {
            there->approvals =
                share->approvals > there->approvals ? share->approvals : there->approvals;
            return;
        }
    }
    into->shares[into->n_shares++] = *share; /* room: see WARD_GUARD_SHARES_MAX */
}

uint32_t ward_guard_shared(const struct ward_guard *guard)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < guard->n_shares; i++) {
        sum += guard->shares[i].approvals;
    }
    return sum;
}

void ward_guard_merge(struct ward_guard *into, const struct ward_guard *guard)
{
    if (guard->approvals > into->approvals) {
        into->approvals = guard->approvals;
    }
    if (into->expires_hours == 0 || guard->expires_hours < into->expires_hours) {
        into->expires_hours = guard->expires_hours;
    }
    into->manual |= guard->manual;
    into->hardware |= guard->hardware;
    for (size_t i = 0; i < guard->n_shares; i++) {
        merge_share(into, &guard->shares[i]);
    }
    uint32_t shared = ward_guard_shared(into);
    into->approvals = shared > into->approvals ? shared : into->approvals;
}

struct ward_guard ward_policy_guard(const struct ward_policy *policy, enum ward_action action,
                                    struct ward_bytes object)
{
    struct ward_guard strictest = {0};
    bool keyed = ward_action_object(action) == WARD_OBJECT_KEY;
    size_t n = !keyed || ward_name_valid(object) ? policy->n_guards : 0;
    struct ward_glob_name name =
        keyed && n > 0 ? ward_glob_name(object) : (struct ward_glob_name){0};
    for (size_t i = 0; i < n; i++) {
        const struct ward_guard_rule *rule = &policy->guards[i];
        if (rule->action == action && (!keyed || ward_globs_match(rule->keys, &name))) {
            ward_guard_merge(&strictest, &rule->guard);
        }
    }
    if (strictest.approvals == 0 && ward_action_always_guarded(action)) {
        strictest = (struct ward_guard){.approvals = WARD_GUARD_DEFAULT_APPROVALS,
                                        .expires_hours = WARD_GUARD_DEFAULT_HOURS};
    }
    return strictest;
}
