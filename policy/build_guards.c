/* SPDX-License-Identifier: Apache-2.0 */
/* Approvals: how many, by whom, and whether so many can ever be had. A quorum of none would approve
 * itself, and one that cannot be reached would sooner or later be worked around; both are refused
 * here, before anybody relies on them. */
#include <stdlib.h>

#include "policy/build.h"
#include "policy/covers.h"
#include "policy/guard.h"

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
        const struct ward_decide_in in = {
            .subject = subject, .action = WARD_ACTION_APPROVAL_APPROVE, .standing = true};
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

/* ---- shares ---- */

/* The bits of the share roles that this subject is in. */
static unsigned share_mask(const struct ward_policy *policy, const struct ward_subject *subject)
{
    unsigned mask = 0;
    for (size_t i = 0; i < subject->n_roles; i++) {
        for (size_t s = 0; s < policy->share_roles.n; s++) {
            bool in = ward_bytes_eq(subject->roles[i]->name, policy->share_roles.items[s]);
            mask |= (unsigned)in << s;
        }
    }
    return mask;
}

/* By set of share roles: how many distinct persons who may approve are in any role of it, and
 * whether one who may propose the action is. A person who has several identities counts as in the
 * roles of all of them. */
struct sets {
    uint32_t persons[WARD_ROLE_SETS];
    bool proposer[WARD_ACTION_COUNT][WARD_ROLE_SETS];
};

static void count_persons(const struct ward_policy *policy, struct sets *sets)
{
    uint32_t by_mask[WARD_ROLE_SETS] = {0};
    for (size_t i = 0, end; i < policy->n_approving; i = end) {
        unsigned mask = 0;
        for (end = i; end < policy->n_approving &&
                      ward_bytes_eq(policy->approving[end]->person, policy->approving[i]->person);
             end++) {
            mask |= share_mask(policy, policy->approving[end]);
        }
        by_mask[mask]++;
    }
    for (unsigned set = 0; set < WARD_ROLE_SETS; set++) {
        for (unsigned mask = 0; mask < WARD_ROLE_SETS; mask++) {
            sets->persons[set] += (set & mask) != 0 ? by_mask[mask] : 0;
        }
    }
}

static void find_proposers(const struct ward_policy *policy, enum ward_action action,
                           struct sets *sets)
{
    bool by_mask[WARD_ROLE_SETS] = {false};
    for (size_t i = 0; i < policy->n_approving; i++) {
        const struct ward_subject *subject = policy->approving[i];
        bool proposes = false;
        for (size_t r = 0; r < subject->n_roles; r++) {
            proposes = proposes || subject->roles[r]->allow[action].n > 0;
        }
        by_mask[share_mask(policy, subject)] |= proposes;
    }
    for (unsigned set = 0; set < WARD_ROLE_SETS; set++) {
        for (unsigned mask = 0; mask < WARD_ROLE_SETS; mask++) {
            sets->proposer[action][set] |= by_mask[mask] && (set & mask) != 0;
        }
    }
}

static ward_status count_sets(struct ward_build *build, struct sets **ret)
{
    const struct ward_policy *policy = build->policy;
    struct sets *sets = WARD_ARENA_NEW(build->scratch, struct sets);
    WARD_ENSURE(sets != NULL, WARD_E_EXHAUSTED);
    bool done[WARD_ACTION_COUNT] = {false};
    count_persons(policy, sets);
    for (size_t i = 0; i < policy->n_guards; i++) {
        enum ward_action action = policy->guards[i].action;
        if (!done[action]) {
            find_proposers(policy, action, sets);
            done[action] = true;
        }
    }
    *ret = sets;
    return WARD_OK;
}

/* What the shares of this set of roles ask for together. */
static uint32_t needed_of(const struct ward_policy *policy, const struct ward_guard *guard,
                          unsigned set)
{
    uint32_t needed = 0;
    for (size_t i = 0; i < guard->n_shares; i++) {
        for (size_t s = 0; s < policy->share_roles.n; s++) {
            if ((set >> s & 1) != 0 &&
                ward_bytes_eq(policy->share_roles.items[s], guard->shares[i].role)) {
                needed += guard->shares[i].approvals;
            }
        }
    }
    return needed;
}

/* Could every share be met, whoever of those who may propose has proposed? By Hall's theorem, a
 * person can be had for each place exactly when for every set of roles those who are in any of them
 * are enough for what is asked of them together. */
static bool shares_possible(const struct ward_policy *policy, const struct sets *sets,
                            enum ward_action action, const struct ward_guard *guard,
                            uint32_t *ret_had)
{
    for (unsigned set = 1; set < 1u << policy->share_roles.n; set++) {
        uint32_t had = sets->persons[set];
        had -= had > 0 && sets->proposer[action][set];
        if (needed_of(policy, guard, set) > had) {
            *ret_had = had;
            return false;
        }
    }
    return true;
}

static const struct ward_role *find_role(const struct ward_policy *policy, const char *name)
{
    for (size_t i = 0; i < policy->n_roles; i++) {
        if (ward_bytes_eq(policy->roles[i].name, ward_bytes_str(name))) {
            return &policy->roles[i];
        }
    }
    return NULL;
}

static ward_status add_share_role(struct ward_build *build, const char *place,
                                  struct ward_bytes name)
{
    struct ward_texts *roles = &build->policy->share_roles;
    if (ward_texts_contain(*roles, name)) {
        return WARD_OK;
    }
    if (roles->n == WARD_GUARD_SHARES_MAX) {
        return ward_yaml_refuse(build->policy->text, place, build->error,
                                "guards ask for approvals from more than %u roles",
                                WARD_GUARD_SHARES_MAX);
    }
    ((struct ward_bytes *)roles->items)[roles->n++] = name; /* made by ward_build_guards */
    return WARD_OK;
}

static ward_status build_share(struct ward_build *build, const struct doc_share *from,
                               struct ward_guard *guard)
{
    const struct ward_role *role = find_role(build->policy, from->role);
    if (role == NULL || role->kind != WARD_ROLE_OFFICER) {
        return ward_yaml_refuse(build->policy->text, from->role, build->error,
                                "from: \"%.64s\" is not a role of kind officer", from->role);
    }
    for (size_t i = 0; i < guard->n_shares; i++) {
        if (ward_bytes_eq(guard->shares[i].role, role->name)) {
            return ward_yaml_refuse(build->policy->text, from->role, build->error,
                                    "from: role %s is given twice", from->role);
        }
    }
    struct ward_guard_share *share = &guard->shares[guard->n_shares++];
    share->role = role->name;
    WARD_TRY(ward_build_number(build, "approvals", from->approvals, 999999, &share->approvals));
    return add_share_role(build, from->role, role->name);
}

static ward_status build_shares(struct ward_build *build, const struct doc_guard *from,
                                struct ward_guard *guard)
{
    for (size_t i = 0; i < from->from_count; i++) {
        WARD_TRY(build_share(build, &from->from[i], guard));
    }
    return WARD_OK;
}

/* One share after the other, so that the one that is too much is named. */
static ward_status check_shares(struct ward_build *build, const struct sets *sets,
                                const struct doc_guard *from, const struct ward_guard_rule *rule)
{
    struct ward_guard some = rule->guard;
    for (size_t i = 0; i < rule->guard.n_shares; i++) {
        uint32_t had = 0;
        some.n_shares = i + 1;
        if (!shares_possible(build->policy, sets, rule->action, &some, &had)) {
            return ward_yaml_refuse(
                build->policy->text, from->from[i].approvals, build->error,
                "approvals: so many from %.64s can never be reached: besides the proposer, %u "
                "distinct persons may approve there",
                from->from[i].role, had);
        }
    }
    return WARD_OK;
}

/* ---- guards ---- */

static ward_status read_object(struct ward_build *build, const struct doc_guard *from,
                               struct ward_guard_rule *guard)
{
    struct ward_policy *policy = build->policy;
    if (!ward_action_find(ward_bytes_str(from->action), &guard->action)) {
        return ward_yaml_refuse(policy->text, from->action, build->error,
                                "\"%.64s\": no such action", from->action);
    }
    if (!ward_action_guardable(guard->action)) {
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
    return keyed ? ward_build_globs(build, "keys", from->keys, from->keys_count, &guard->keys)
                 : WARD_OK;
}

static ward_status read_execute(struct ward_build *build, const struct doc_guard *from,
                                struct ward_guard *guard)
{
    guard->manual = from->execute != NULL && strcmp(from->execute, "manual") == 0;
    if (from->execute == NULL || guard->manual || strcmp(from->execute, "auto") == 0) {
        return WARD_OK;
    }
    return ward_yaml_refuse(build->policy->text, from->execute, build->error,
                            "execute: \"%.16s\" is neither auto nor manual", from->execute);
}

static ward_status read_approvals(struct ward_build *build, const struct doc_guard *from,
                                  struct ward_guard *guard)
{
    struct ward_policy *policy = build->policy;
    uint32_t shared = ward_guard_shared(guard);
    guard->approvals = shared;
    if (from->approvals == NULL && shared == 0) {
        return ward_yaml_refuse(policy->text, from->action, build->error,
                                "a guard of %s says neither approvals nor from", from->action);
    }
    if (from->approvals != NULL) {
        WARD_TRY(ward_build_number(build, "approvals", from->approvals, 999999, &guard->approvals));
    }
    if (guard->approvals < shared) {
        return ward_yaml_refuse(policy->text, from->approvals, build->error,
                                "approvals: %u in all, but from asks for %u", guard->approvals,
                                shared);
    }
    if (guard->approvals > approvals_possible(policy)) {
        return ward_yaml_refuse(
            policy->text, from->approvals != NULL ? from->approvals : from->action, build->error,
            "approvals: %u besides the proposer can never be reached: %zu officers may "
            "approve, so at most %zu",
            guard->approvals, policy->n_approvers, approvals_possible(policy));
    }
    return WARD_OK;
}

static ward_status build_guard(struct ward_build *build, const struct doc_guard *from,
                               struct ward_guard_rule *rule)
{
    struct ward_guard *guard = &rule->guard;
    WARD_TRY(read_object(build, from, rule));
    WARD_TRY(build_shares(build, from, guard));
    WARD_TRY(read_approvals(build, from, guard));
    WARD_TRY(read_execute(build, from, guard));
    WARD_TRY(ward_build_bool(build, "hardware", from->hardware, &guard->hardware));
    if (guard->hardware && build->policy->settings.n_certificate_policies == 0) {
        return ward_build_refuse_hardware(build, from->hardware);
    }
    guard->expires_hours = WARD_GUARD_DEFAULT_HOURS;
    return from->expires_hours == NULL
               ? WARD_OK
               : ward_build_number(build, "expires_hours", from->expires_hours,
                                   WARD_GUARD_HOURS_MAX, &guard->expires_hours);
}

/* Where one guard's keys all lie within another's, both hold for them: together they must be
 * reachable as well. */
static ward_status check_together(struct ward_build *build, const struct sets *sets,
                                  const struct doc_guard *from, const struct ward_guard_rule *rule)
{
    const struct ward_policy *policy = build->policy;
    struct ward_guard all = {0};
    for (size_t i = 0; i < policy->n_guards; i++) {
        const struct ward_guard_rule *other = &policy->guards[i];
        if (other->action == rule->action &&
            (rule->keys.n == 0 || ward_globs_cover_one(other->keys, rule->keys))) {
            ward_guard_merge(&all, &other->guard);
        }
    }
    uint32_t had = 0;
    if (all.approvals <= approvals_possible(policy) &&
        shares_possible(policy, sets, rule->action, &all, &had)) {
        return WARD_OK;
    }
    return ward_yaml_refuse(policy->text, from->action, build->error,
                            "this guard of %s and those that cover the same keys can never be "
                            "reached together",
                            from->action);
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
    struct ward_bytes *share_roles;
    WARD_TRY(count_approvers(build));
    WARD_TRY(
        WARD_BUILD_ARRAY(policy->arena, struct ward_bytes, WARD_GUARD_SHARES_MAX, &share_roles));
    policy->share_roles.items = share_roles;
    WARD_TRY(WARD_BUILD_ARRAY(policy->arena, struct ward_guard_rule, document->guards_count,
                              &policy->guards));
    for (size_t i = 0; i < document->guards_count; i++) {
        WARD_TRY(build_guard(build, &document->guards[i], &policy->guards[i]));
        policy->n_guards++;
    }
    struct sets *sets;
    WARD_TRY(count_sets(build, &sets));
    for (size_t i = 0; i < policy->n_guards; i++) {
        WARD_TRY(check_shares(build, sets, &document->guards[i], &policy->guards[i]));
    }
    for (size_t i = 0; i < policy->n_guards; i++) {
        WARD_TRY(check_together(build, sets, &document->guards[i], &policy->guards[i]));
    }
    for (size_t i = 0; i < document->roles_count; i++) {
        WARD_TRY(check_always_guarded(build, &document->roles[i]));
    }
    return WARD_OK;
}
