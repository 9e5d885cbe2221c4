/* SPDX-License-Identifier: Apache-2.0 */
/* Lint of guards: those that do nothing, and proposals that could be made but never signed. */
#include "policy/compare.h"
#include "policy/covers.h"
#include "policy/lint_pass.h"

/* May somebody propose what the guard is about? */
static bool matches_something(const struct lint_pass *pass, const struct ward_guard_rule *guard)
{
    for (size_t i = 0; i < pass->policy->n_roles; i++) {
        const struct ward_rule_list *list = &pass->policy->roles[i].allow[guard->action];
        for (size_t j = 0; j < list->n && pass->document->roles[i].members_count > 0; j++) {
            if (guard->keys.n == 0 || ward_globs_meet(list->rules[j]->keys, guard->keys)) {
                return true;
            }
        }
    }
    return false;
}

static bool has_share(const struct ward_guard *guard, const struct ward_guard_share *share)
{
    for (size_t i = 0; i < guard->n_shares; i++) {
        if (ward_bytes_eq(guard->shares[i].role, share->role)) {
            return guard->shares[i].approvals >= share->approvals;
        }
    }
    return false;
}

/* In every respect at least as strict. */
static bool as_strict(const struct ward_guard *a, const struct ward_guard *b)
{
    for (size_t i = 0; i < b->n_shares; i++) {
        if (!has_share(a, &b->shares[i])) {
            return false;
        }
    }
    return a->approvals >= b->approvals && a->expires_hours <= b->expires_hours &&
           a->manual >= b->manual && a->hardware >= b->hardware;
}

static bool overrides(const struct ward_guard_rule *a, const struct ward_guard_rule *b)
{
    return a->action == b->action && as_strict(&a->guard, &b->guard) &&
           (b->keys.n == 0 || ward_globs_cover(a->keys, b->keys));
}

/* A guard that holds wherever this one does and is as strict; of two alike, the first. */
static const struct ward_guard_rule *overriding(const struct ward_policy *policy,
                                                const struct ward_guard_rule *guard)
{
    for (size_t i = 0; i < policy->n_guards; i++) {
        const struct ward_guard_rule *other = &policy->guards[i];
        if (other != guard && overrides(other, guard) &&
            (other < guard || !overrides(guard, other))) {
            return other;
        }
    }
    return NULL;
}

static void check_guard(struct lint_pass *pass, size_t i)
{
    const struct ward_policy *policy = pass->policy;
    const struct ward_guard_rule *guard = &policy->guards[i];
    const char *place = pass->document->guards[i].action;
    if (!matches_something(pass, guard)) {
        ward_lint_warn(pass, place, "guard of %s matches nothing that anybody may propose", place);
    }
    const struct ward_guard_rule *stricter = overriding(policy, guard);
    if (stricter != NULL) {
        unsigned line =
            ward_yaml_line(policy->text, pass->document->guards[stricter - policy->guards].action);
        ward_lint_warn(pass, place, "guard of %s is always overridden by that of line %u", place,
                       line);
    }
}

/* Officers who may propose, but not submit: the proposer's signature would never come. */
static void check_submitting(struct lint_pass *pass, size_t role_number)
{
    const struct ward_policy *policy = pass->policy;
    const struct ward_role *role = &policy->roles[role_number];
    for (unsigned a = 0; a < WARD_ACTION_COUNT; a++) {
        enum ward_action action = (enum ward_action)a;
        if (role->allow[a].n == 0 ||
            (!ward_action_guardable(action) && !ward_action_at_once(action))) {
            continue;
        }
        for (size_t s = 0; s < policy->n_subjects; s++) {
            const struct ward_subject *subject = &policy->subjects[s];
            if (ward_lint_in(subject, role) &&
                !ward_lint_may(subject, WARD_ACTION_APPROVAL_SUBMIT)) {
                ward_lint_warn(pass, pass->document->roles[role_number].name,
                               "role %s: %.100s may propose %s, but not approval.submit it",
                               (const char *)role->name.data, (const char *)subject->identity.data,
                               ward_action_name(action));
                return;
            }
        }
    }
}

static bool nobody_is_gone(void *context, struct ward_bytes identity)
{
    (void)context;
    (void)identity;
    return false;
}

/* Where it stands what is missing: at the guard, or at the first role of officers. */
static const char *place_of_undoing(const struct lint_pass *pass)
{
    const struct ward_policy *policy = pass->policy;
    for (size_t i = 0; i < policy->n_guards; i++) {
        if (policy->guards[i].action == WARD_ACTION_POLICY_APPLY) {
            return pass->document->guards[i].action;
        }
    }
    for (size_t i = 0; i < policy->n_roles; i++) {
        if (policy->roles[i].kind == WARD_ROLE_OFFICER) {
            return pass->document->roles[i].name;
        }
    }
    return pass->document->roles[0].name;
}

/* A daemon refuses to put such a policy in force, and to begin with it. */
static void check_undoing(struct lint_pass *pass)
{
    const char *missing =
        ward_status_refusal(ward_policy_changeable(pass->policy, nobody_is_gone, NULL));
    if (missing != NULL) {
        ward_lint_warn(pass, place_of_undoing(pass), "no daemon takes it: %s",
                       missing + strlen("text: "));
    }
}

void ward_lint_guards(struct lint_pass *pass)
{
    check_undoing(pass);
    const struct ward_policy *policy = pass->policy;
    for (size_t i = 0; i < policy->n_guards; i++) {
        check_guard(pass, i);
    }
    for (size_t i = 0; i < policy->n_roles; i++) {
        check_submitting(pass, i);
    }
}
