/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. A term is only ever added to what policy says, never taken from it, so that a
 * payload cannot ask for less. */
#include "server/op/terms.h"

static const struct ward_bytes manual = {(const uint8_t *)"manual", 6},
                               required = {(const uint8_t *)"required", 8},
                               share_prefix = {(const uint8_t *)WARD_TERM_APPROVALS,
                                               sizeof(WARD_TERM_APPROVALS) - 1};

static struct ward_proposal_param *add(struct ward_proposal *proposal, struct ward_bytes name)
{
    struct ward_proposal_param *term = &proposal->terms[proposal->n_terms++];
    *term = (struct ward_proposal_param){.name = name};
    return term;
}
_Static_assert(WARD_GUARD_SHARES_MAX + 2 <= WARD_PROPOSAL_PARAMS_MAX, "terms");

ward_status ward_terms_put(const struct ward_guard *guard, struct ward_arena *arena,
                           struct ward_proposal *proposal)
{
    proposal->approvals = guard->approvals;
    proposal->n_terms = 0;
    if (guard->manual) {
        add(proposal, WARD_BYTES_LITERAL(WARD_TERM_EXECUTE))->text = manual;
    }
    if (guard->hardware) {
        add(proposal, WARD_BYTES_LITERAL(WARD_TERM_HARDWARE))->text = required;
    }
    for (size_t i = 0; i < guard->n_shares; i++) {
        const struct ward_guard_share *share = &guard->shares[i];
        char *name = ward_arena_printf(arena, WARD_TERM_APPROVALS "%.*s", (int)share->role.size,
                                       (const char *)share->role.data);
        WARD_ENSURE(name != NULL, WARD_E_EXHAUSTED);
        add(proposal, ward_bytes_str(name))->number = share->approvals;
    }
    return WARD_OK;
}

/* The larger of two numbers for one role. */
static bool add_share(struct ward_guard *guard, struct ward_bytes role, int64_t approvals)
{
    if (approvals < 1 || approvals > UINT32_MAX) {
        return false;
    }
    for (size_t i = 0; i < guard->n_shares; i++) {
        struct ward_guard_share *share = &guard->shares[i];
        if (ward_bytes_eq(share->role, role)) {
            share->approvals =
                approvals > share->approvals ? (uint32_t)approvals : share->approvals;
            return true;
        }
    }
    if (guard->n_shares == WARD_GUARD_SHARES_MAX) {
        return false;
    }
    guard->shares[guard->n_shares++] =
        (struct ward_guard_share){.role = role, .approvals = (uint32_t)approvals};
    return true;
}

static bool read_term(const struct ward_proposal_param *term, struct ward_guard *guard)
{
    if (ward_bytes_eq(term->name, WARD_BYTES_LITERAL(WARD_TERM_EXECUTE))) {
        guard->manual = true;
        return ward_bytes_eq(term->text, manual);
    }
    if (ward_bytes_eq(term->name, WARD_BYTES_LITERAL(WARD_TERM_HARDWARE))) {
        guard->hardware = true;
        return ward_bytes_eq(term->text, required);
    }
    return term->text.data == NULL && term->name.size > share_prefix.size &&
           memcmp(term->name.data, share_prefix.data, share_prefix.size) == 0 &&
           add_share(
               guard,
               WARD_BYTES(term->name.data + share_prefix.size, term->name.size - share_prefix.size),
               term->number);
}

ward_status ward_terms_find(const struct ward_policy *policy, const struct ward_proposal *proposal,
                            struct ward_guard *ret)
{
    enum ward_action action;
    WARD_ENSURE(ward_action_find(proposal->action, &action), WARD_E_STATE);
    *ret = ward_policy_guard(policy, action, proposal->object);
    ret->approvals = proposal->approvals > ret->approvals ? proposal->approvals : ret->approvals;
    for (size_t i = 0; i < proposal->n_terms; i++) {
        if (!read_term(&proposal->terms[i], ret)) {
            return WARD_REFUSAL(WARD_E_STATE, "proposal: a term that is not known here");
        }
    }
    return WARD_OK;
}

/* What closes a proposal, or looks back at one, is good from any key that its signer may use. */
static bool lets_run(enum ward_decision_kind decision)
{
    return decision == WARD_DECISION_PROPOSE || decision == WARD_DECISION_APPROVE ||
           decision == WARD_DECISION_EXECUTE;
}

ward_status ward_terms_check_key(const struct ward_policy *policy, const struct ward_guard *terms,
                                 const struct ward_peer *signer, enum ward_decision_kind decision)
{
    const struct ward_subject *subject =
        ward_policy_subject(policy, ward_bytes_str(signer->identity));
    bool hardware = (terms->hardware && lets_run(decision)) ||
                    (subject != NULL && ward_subject_hardware(subject));
    const struct ward_policy_settings *settings = ward_policy_settings(policy);
    for (size_t i = 0; i < settings->n_certificate_policies && hardware; i++) {
        hardware = !ward_peer_has_policy(signer, settings->certificate_policies[i]);
    }
    return hardware ? WARD_REFUSAL(WARD_E_DENIED,
                                   "signature: it must be made by a key on hardware, and this "
                                   "certificate does not say that its key is on one")
                    : WARD_OK;
}
