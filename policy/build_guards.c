/* SPDX-License-Identifier: Apache-2.0 */
/* Approvals: how many, and whether so many can ever be had. A quorum of none would approve itself,
 * and one that cannot be reached would sooner or later be worked around; both are refused here,
 * before anybody relies on them. */
#include <stdlib.h>

#include "policy/build.h"

static int compare_persons(const void *a, const void *b)
{
    const struct ward_subject *const *first = a, *const *second = b;
    return ward_bytes_cmp((*first)->person, (*second)->person);
}

/* Distinct persons who may approve, as decide itself sees it. */
static ward_status count_approvers(struct ward_build *build)
{
    struct ward_policy *policy = build->policy;
    const struct ward_subject **found;
    size_t n = 0;
    WARD_TRY(
        WARD_BUILD_ARRAY(policy->arena, const struct ward_subject *, policy->n_subjects, &found));
    for (size_t i = 0; i < policy->n_subjects; i++) {
        struct ward_subject *subject = &policy->subjects[i];
        const struct ward_decide_in in = {.subject = subject,
                                          .action = WARD_ACTION_APPROVAL_APPROVE};
        subject->may_approve =
            subject->kind == WARD_ROLE_OFFICER && ward_decide(policy, &in).allowed;
        if (subject->may_approve) {
            found[n++] = subject;
        }
    }
    qsort(found, n, sizeof(const struct ward_subject *), compare_persons);
    for (size_t i = 0; i < n; i++) {
        policy->n_approvers += i == 0 || !ward_bytes_eq(found[i - 1]->person, found[i]->person);
    }
    policy->approving = found;
    policy->n_approving = n;
    return WARD_OK;
}

/* Besides the proposer: one of those who may approve is taken to be the proposer. */
static size_t approvals_possible(const struct ward_policy *policy)
{
    return policy->n_approvers == 0 ? 0 : policy->n_approvers - 1;
}

ward_status ward_build_number(struct ward_build *build, const char *what, const char *text,
                              uint32_t max, uint32_t *ret)
{
    uint64_t value = 0;
    bool good = text[0] != '\0' && strlen(text) <= 10;
    for (const char *c = text; good && *c != '\0'; c++) {
        good = *c >= '0' && *c <= '9';
        value = value * 10 + (uint64_t)(*c - '0');
    }
    if (!good || value < 1 || value > max) {
        return ward_yaml_refuse(build->policy->text, text, build->error,
                                "%s: \"%.32s\" is not a whole number from 1 to %u", what, text,
                                max);
    }
    *ret = (uint32_t)value;
    return WARD_OK;
}

static ward_status build_guard(struct ward_build *build, const struct doc_guard *from,
                               struct ward_guard_rule *guard)
{
    struct ward_policy *policy = build->policy;
    if (!ward_action_find(ward_bytes_str(from->action), &guard->action) ||
        !ward_action_guardable(guard->action)) {
        return ward_yaml_refuse(policy->text, from->action, build->error,
                                "\"%.64s\" cannot be guarded: it is no action that an officer "
                                "proposes, or one that runs at once",
                                from->action);
    }
    bool keyed = ward_action_object(guard->action) == WARD_OBJECT_KEY;
    if (keyed != (from->keys_count > 0)) {
        return ward_yaml_refuse(policy->text, from->action, build->error,
                                keyed ? "a guard of %s names no keys: keys: [\"**\"] for all"
                                      : "a guard of %s is of no key: leave `keys` out",
                                from->action);
    }
    if (keyed) {
        WARD_TRY(ward_build_globs(build, "keys", from->keys, from->keys_count, &guard->keys));
    }
    WARD_TRY(
        ward_build_number(build, "approvals", from->approvals, 999999, &guard->guard.approvals));
    if (guard->guard.approvals > approvals_possible(policy)) {
        return ward_yaml_refuse(
            policy->text, from->approvals, build->error,
            "approvals: %u besides the proposer can never be reached: %zu officers may "
            "approve, so at most %zu",
            guard->guard.approvals, policy->n_approvers, approvals_possible(policy));
    }
    guard->guard.expires_hours = WARD_GUARD_DEFAULT_HOURS;
    return from->expires_hours == NULL
               ? WARD_OK
               : ward_build_number(build, "expires_hours", from->expires_hours,
                                   WARD_GUARD_HOURS_MAX, &guard->guard.expires_hours);
}

/* Some actions are guarded even where no guard speaks of them, so that guard must be reachable as
 * well. */
static ward_status check_always_guarded(struct ward_build *build, const struct doc_role *role)
{
    const struct ward_policy *policy = build->policy;
    for (size_t i = 0; i < role->rules_count; i++) {
        const struct doc_rule *rule = &role->rules[i];
        for (size_t j = 0; j < rule->actions_count; j++) {
            enum ward_action action;
            bool guarded = ward_action_find(ward_bytes_str(rule->actions[j]), &action) &&
                           ward_action_always_guarded(action);
            bool allows = rule->effect == NULL || strcmp(rule->effect, "allow") == 0;
            if (guarded && allows && approvals_possible(policy) < WARD_GUARD_DEFAULT_APPROVALS) {
                return ward_yaml_refuse(
                    policy->text, rule->actions[j], build->error,
                    "%s needs %u approval besides the proposer, but %zu officers "
                    "may approve: two persons are needed",
                    rule->actions[j], WARD_GUARD_DEFAULT_APPROVALS, policy->n_approvers);
            }
        }
    }
    return WARD_OK;
}

ward_status ward_build_guards(struct ward_build *build)
{
    const struct document *document = build->document;
    struct ward_policy *policy = build->policy;
    WARD_TRY(count_approvers(build));
    WARD_TRY(WARD_BUILD_ARRAY(policy->arena, struct ward_guard_rule, document->guards_count,
                              &policy->guards));
    for (size_t i = 0; i < document->guards_count; i++) {
        WARD_TRY(build_guard(build, &document->guards[i], &policy->guards[i]));
        policy->n_guards++;
    }
    for (size_t i = 0; i < document->roles_count; i++) {
        WARD_TRY(check_always_guarded(build, &document->roles[i]));
    }
    return WARD_OK;
}
