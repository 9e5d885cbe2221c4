/* SPDX-License-Identifier: Apache-2.0 */
/* Lint of quorums without a spare: those that hang on everybody being there, and those that one
 * lost card would lock, since then nobody is left who could change the policy or undo a revocation.
 * What policy guards by default counts like a guard that somebody wrote. */
#include <stdio.h>

#include "policy/covers.h"
#include "policy/guard.h"
#include "policy/lint_pass.h"

/* What is larger is not looked at: with so many officers one card is hardly missed. */
#define OFFICERS_MAX 256u
#define SHARES_MAX 4u
#define MASKS (1u << SHARES_MAX)

static bool same_person(const struct ward_subject *a, const struct ward_subject *b)
{
    return ward_bytes_eq(a->person, b->person);
}

/* The guard's shares that this officer could fill one of. */
static unsigned shares_of(const struct ward_guard *guard, const struct ward_subject *subject)
{
    unsigned mask = 0;
    for (size_t s = 0; s < guard->n_shares; s++) {
        for (size_t r = 0; r < subject->n_roles; r++) {
            bool in = ward_bytes_eq(subject->roles[r]->name, guard->shares[s].role);
            mask |= (unsigned)in << s;
        }
    }
    return mask;
}

static bool proposes(const struct ward_subject *subject, enum ward_action action)
{
    return subject->kind == WARD_ROLE_OFFICER && ward_lint_may(subject, action) &&
           ward_lint_may(subject, WARD_ACTION_APPROVAL_SUBMIT);
}

/* Persons who may approve, by the shares that they could fill, and who of them may propose. */
struct people {
    uint32_t of[MASKS], all;
    bool proposing[MASKS];
    bool outsider; /* somebody may propose who may not approve */
};

static bool approves(const struct ward_policy *policy, const struct ward_subject *person,
                     const struct ward_subject *lost)
{
    for (size_t i = 0; i < policy->n_approving; i++) {
        if (policy->approving[i] != lost && same_person(policy->approving[i], person)) {
            return true;
        }
    }
    return false;
}

static void gather(const struct ward_policy *policy, enum ward_action action,
                   const struct ward_guard *guard, const struct ward_subject *lost,
                   struct people *ret)
{
    *ret = (struct people){0};
    for (size_t i = 0, end; i < policy->n_approving; i = end) {
        unsigned mask = 0;
        bool there = false, proposing = false;
        for (end = i;
             end < policy->n_approving && same_person(policy->approving[end], policy->approving[i]);
             end++) {
            const struct ward_subject *subject = policy->approving[end];
            if (subject != lost) {
                there = true;
                mask |= shares_of(guard, subject);
                proposing |= proposes(subject, action);
            }
        }
        ret->all += there;
        ret->of[mask] += there;
        ret->proposing[mask] |= proposing;
    }
    for (size_t i = 0; i < policy->n_subjects && !ret->outsider; i++) {
        const struct ward_subject *subject = &policy->subjects[i];
        ret->outsider =
            subject != lost && proposes(subject, action) && !approves(policy, subject, lost);
    }
}

/* By Hall's theorem: for every set of shares, those who could fill any of them are enough for all
 * of them. */
static bool enough(const struct people *people, const struct ward_guard *guard)
{
    for (unsigned set = 1; set < 1u << guard->n_shares; set++) {
        uint32_t needed = 0, had = 0;
        for (size_t s = 0; s < guard->n_shares; s++) {
            needed += (set >> s & 1) != 0 ? guard->shares[s].approvals : 0;
        }
        for (unsigned mask = 0; mask < MASKS; mask++) {
            had += (mask & set) != 0 ? people->of[mask] : 0;
        }
        if (had < needed) {
            return false;
        }
    }
    return people->all >= guard->approvals;
}

/* Is there one who could propose it, and are the others then enough? */
static bool reachable(const struct ward_policy *policy, enum ward_action action,
                      const struct ward_guard *guard, const struct ward_subject *lost)
{
    struct people people;
    gather(policy, action, guard, lost, &people);
    if (people.outsider && enough(&people, guard)) {
        return true;
    }
    for (unsigned mask = 0; mask < MASKS; mask++) {
        if (people.proposing[mask]) {
            people.of[mask]--;
            people.all--;
            bool reached = enough(&people, guard);
            people.of[mask]++;
            people.all++;
            if (reached) {
                return true;
            }
        }
    }
    return false;
}

/* How many cards there are each of which it hangs on, and the first of them. */
static size_t hangs_on(const struct ward_policy *policy, enum ward_action action,
                       const struct ward_guard *guard, const struct ward_subject **ret_first)
{
    size_t n = 0;
    bool small = guard->n_shares <= SHARES_MAX && policy->n_approving <= OFFICERS_MAX;
    if (!small || !reachable(policy, action, guard, NULL)) {
        return 0;
    }
    for (size_t i = 0; i < policy->n_subjects; i++) {
        const struct ward_subject *subject = &policy->subjects[i];
        if (subject->kind == WARD_ROLE_OFFICER && !reachable(policy, action, guard, subject)) {
            *ret_first = n == 0 ? subject : *ret_first;
            n++;
        }
    }
    return n;
}

static void tell(struct lint_pass *pass, const char *place, const char *what, size_t n,
                 const struct ward_subject *first)
{
    char others[48] = "";
    if (n > 1) {
        (void)snprintf(others, sizeof(others), " (the same for %zu more)", n - 1);
    }
    ward_lint_warn(pass, place,
                   "%s: without the card of %.*s%s no quorum is left: one lost card locks it; "
                   "have a spare officer, or a spare card for each",
                   what, (int)(first->identity.size < 80 ? first->identity.size : 80),
                   (const char *)first->identity.data, others);
}

/* ---- guards that are written ---- */

/* With what other guards of the same keys add. */
static struct ward_guard in_full(const struct ward_policy *policy,
                                 const struct ward_guard_rule *rule)
{
    struct ward_guard all = {0};
    for (size_t i = 0; i < policy->n_guards; i++) {
        const struct ward_guard_rule *other = &policy->guards[i];
        if (other->action == rule->action &&
            (rule->keys.n == 0 || other == rule || ward_globs_cover_one(other->keys, rule->keys))) {
            ward_guard_merge(&all, &other->guard);
        }
    }
    return all;
}

static void check_guard(struct lint_pass *pass, size_t i)
{
    const struct ward_policy *policy = pass->policy;
    const struct ward_guard_rule *rule = &policy->guards[i];
    const char *place = pass->document->guards[i].action;
    const struct ward_subject *first = NULL;
    struct ward_guard all = in_full(policy, rule);
    size_t n = hangs_on(policy, rule->action, &all, &first);
    if (n > 0) {
        char what[80];
        (void)snprintf(what, sizeof(what), "guard of %s", place);
        tell(pass, place, what, n, first);
    } else if (rule->guard.approvals + 1 >= policy->n_approvers) {
        ward_lint_note(pass, place,
                       "guard of %s: %u besides the proposer of %zu officers who may approve: "
                       "nobody may be away",
                       place, rule->guard.approvals, policy->n_approvers);
    }
}

/* ---- the default ---- */

static bool is_guarded(const struct ward_policy *policy, enum ward_action action,
                       struct ward_globs keys)
{
    for (size_t i = 0; i < policy->n_guards; i++) {
        const struct ward_guard_rule *guard = &policy->guards[i];
        if (guard->action == action &&
            (guard->keys.n == 0 || ward_globs_cover(guard->keys, keys))) {
            return true;
        }
    }
    return false;
}

/* Actions that somebody may propose and that only the default guards. */
struct defaults {
    bool done[WARD_ACTION_COUNT];
    const char *place; /* of the first */
    size_t actions, hanging, cards;
    const struct ward_subject *card;
};

static void take_action(struct lint_pass *pass, enum ward_action action, const char *place,
                        struct defaults *defaults)
{
    const struct ward_guard guard = {.approvals = WARD_GUARD_DEFAULT_APPROVALS};
    const struct ward_subject *first = NULL;
    defaults->done[action] = true;
    defaults->actions++;
    size_t n = hangs_on(pass->policy, action, &guard, &first);
    if (defaults->place == NULL || (n > 0 && defaults->hanging == 0)) {
        defaults->place = place;
    }
    if (n > 0 && defaults->hanging++ == 0) {
        defaults->cards = n;
        defaults->card = first;
    }
}

static void take_rule(struct lint_pass *pass, const struct ward_rule *rule,
                      const struct doc_rule *from, struct defaults *defaults)
{
    for (size_t a = 0; a < from->actions_count && !rule->deny; a++) {
        enum ward_action action;
        if (ward_action_find(ward_bytes_str(from->actions[a]), &action) &&
            ward_action_always_guarded(action) && !defaults->done[action] &&
            !is_guarded(pass->policy, action, rule->keys)) {
            take_action(pass, action, from->actions[a], defaults);
        }
    }
}

static void check_default(struct lint_pass *pass)
{
    const struct ward_policy *policy = pass->policy;
    struct defaults defaults = {.place = NULL};
    for (size_t i = 0; i < policy->n_roles; i++) {
        const struct doc_role *role = &pass->document->roles[i];
        for (size_t r = 0; r < role->rules_count && role->members_count > 0; r++) {
            take_rule(pass, &policy->roles[i].rules[r], &role->rules[r], &defaults);
        }
    }
    char what[96];
    if (defaults.hanging > 0) {
        (void)snprintf(what, sizeof(what), "%zu action%s with the default of %u approval",
                       defaults.hanging, defaults.hanging == 1 ? "" : "s",
                       WARD_GUARD_DEFAULT_APPROVALS);
        tell(pass, defaults.place, what, defaults.cards, defaults.card);
    } else if (defaults.actions > 0 && WARD_GUARD_DEFAULT_APPROVALS + 1 >= policy->n_approvers) {
        ward_lint_note(pass, defaults.place,
                       "%zu action%s with the default of %u approval: of %zu officers who may "
                       "approve nobody may be away",
                       defaults.actions, defaults.actions == 1 ? "" : "s",
                       WARD_GUARD_DEFAULT_APPROVALS, policy->n_approvers);
    }
}

void ward_lint_spare(struct lint_pass *pass)
{
    for (size_t i = 0; i < pass->policy->n_guards; i++) {
        check_guard(pass, i);
    }
    check_default(pass);
}
