/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. It reads the terms by itself, and not with the daemon's code. */
#include "client/cli/approval_terms.h"

#include <string.h>

#include "client/cli/audit_certificate.h"

/* The larger of two numbers for one role. */
static bool add_share(struct ward_guard *guard, struct ward_bytes role, int64_t approvals)
{
    if (role.size == 0 || approvals < 1 || approvals > UINT32_MAX) {
        return false;
    }
    struct ward_guard_share *share = guard->shares;
    while (share < guard->shares + guard->n_shares && !ward_bytes_eq(share->role, role)) {
        share++;
    }
    if (share == guard->shares + WARD_GUARD_SHARES_MAX) {
        return false;
    }
    if (share == guard->shares + guard->n_shares) {
        *share = (struct ward_guard_share){.role = role};
        guard->n_shares++;
    }
    share->approvals = approvals > share->approvals ? (uint32_t)approvals : share->approvals;
    return true;
}

static bool read_term(const struct ward_proposal_param *term, struct ward_guard *guard)
{
    static const char share[] = WARD_TERM_APPROVALS;
    size_t prefix = sizeof(share) - 1;
    if (ward_bytes_eq(term->name, WARD_BYTES_LITERAL(WARD_TERM_EXECUTE))) {
        guard->manual = true;
        return ward_bytes_eq(term->text, WARD_BYTES_LITERAL("manual"));
    }
    if (ward_bytes_eq(term->name, WARD_BYTES_LITERAL(WARD_TERM_HARDWARE))) {
        guard->hardware = true;
        return ward_bytes_eq(term->text, WARD_BYTES_LITERAL("required"));
    }
    return term->text.data == NULL && term->name.size > prefix &&
           memcmp(term->name.data, share, prefix) == 0 &&
           add_share(guard, WARD_BYTES(term->name.data + prefix, term->name.size - prefix),
                     term->number);
}

bool cli_terms_find(const struct ward_policy *policy, const struct ward_proposal *proposal,
                    enum ward_action action, struct ward_guard *ret)
{
    *ret = policy == NULL || action == WARD_ACTION_NONE
               ? (struct ward_guard){0}
               : ward_policy_guard(policy, action, proposal->object);
    ret->approvals = proposal->approvals > ret->approvals ? proposal->approvals : ret->approvals;
    bool known = true;
    for (size_t i = 0; i < proposal->n_terms; i++) {
        known = read_term(&proposal->terms[i], ret) && known;
    }
    return known;
}

bool cli_terms_need_hardware(const struct ward_policy *policy, const struct ward_guard *terms,
                             struct ward_bytes identity, enum ward_decision_kind decision)
{
    const struct ward_subject *signer =
        policy == NULL ? NULL : ward_policy_subject(policy, identity);
    bool lets_run = decision == WARD_DECISION_PROPOSE || decision == WARD_DECISION_APPROVE ||
                    decision == WARD_DECISION_EXECUTE;
    return (terms->hardware && lets_run) || (signer != NULL && ward_subject_hardware(signer));
}

bool cli_terms_on_hardware(const struct ward_policy *policy, struct ward_bytes der)
{
    const struct ward_policy_settings *settings = ward_policy_settings(policy);
    for (size_t i = 0; i < settings->n_certificate_policies; i++) {
        if (audit_certificate_has_policy(der, settings->certificate_policies[i])) {
            return true;
        }
    }
    return false;
}
