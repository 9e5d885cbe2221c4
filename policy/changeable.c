/* SPDX-License-Identifier: Apache-2.0 */
/* Could what a policy brings about be undone again? See policy/compare.h. */
#include "policy/compare.h"
#include "policy/decide.h"
#include "policy/model.h"

static bool may(const struct ward_policy *policy, const struct ward_subject *subject,
                enum ward_action action)
{
    const struct ward_decide_in ask = {.subject = subject, .action = action, .standing = true};
    return ward_decide(policy, &ask).allowed;
}

/* Others who may approve, besides this one's person. */
static size_t others(const struct ward_policy *policy, const struct ward_subject *proposer,
                     bool (*gone)(void *context, struct ward_bytes identity), void *context)
{
    size_t n = ward_policy_approvers(policy, gone, context);
    for (size_t i = 0; i < policy->n_approving; i++) {
        if (ward_bytes_eq(policy->approving[i]->person, proposer->person) &&
            !gone(context, policy->approving[i]->identity)) {
            return n - 1;
        }
    }
    return n;
}

ward_status ward_policy_changeable(const struct ward_policy *policy,
                                   bool (*gone)(void *context, struct ward_bytes identity),
                                   void *context)
{
    uint32_t needed =
        ward_policy_guard(policy, WARD_ACTION_POLICY_APPLY, (struct ward_bytes){0}).approvals;
    bool proposer = false;
    for (size_t i = 0; i < policy->n_subjects; i++) {
        const struct ward_subject *subject = &policy->subjects[i];
        if (gone(context, subject->identity) || subject->kind != WARD_ROLE_OFFICER ||
            !may(policy, subject, WARD_ACTION_POLICY_APPLY) ||
            !may(policy, subject, WARD_ACTION_APPROVAL_SUBMIT)) {
            continue;
        }
        proposer = true;
        if (others(policy, subject, gone, context) >= needed) {
            return WARD_OK;
        }
    }
    return proposer ? WARD_REFUSAL(WARD_E_STATE, "text: nobody could undo it: fewer officers than "
                                                 "its guard of policy.apply needs may approve")
                    : WARD_REFUSAL(WARD_E_STATE, "text: nobody could undo it: no officer may do "
                                                 "policy.apply and approval.submit");
}
