/* SPDX-License-Identifier: Apache-2.0 */
/* Lint of rules: those that never decide because others do, and those that do not mean what they
 * seem to. Rules of one role are compared; what several roles give together is not looked into. */
#include "policy/covers.h"
#include "policy/lint_pass.h"

/* Whenever a condition of inner holds, outer's does. */
static bool condition_weaker(const struct ward_condition *outer, const struct ward_condition *inner)
{
    if (!ward_bytes_eq(outer->key, inner->key) ||
        (outer->attribute != WARD_NO_ATTRIBUTE && outer->attribute != inner->attribute)) {
        return false;
    }
    if (outer->attribute != WARD_NO_ATTRIBUTE || outer->values.n == 0) {
        return true;
    }
    if (inner->values.n == 0) {
        return false;
    }
    for (size_t i = 0; i < inner->values.n; i++) {
        if (!ward_texts_contain(outer->values, inner->values.items[i])) {
            return false;
        }
    }
    return true;
}

static bool conditions_weaker(const struct ward_rule *outer, const struct ward_rule *inner)
{
    for (size_t i = 0; i < outer->n_conditions; i++) {
        bool implied = false;
        for (size_t j = 0; j < inner->n_conditions && !implied; j++) {
            implied = condition_weaker(&outer->conditions[i], &inner->conditions[j]);
        }
        if (!implied) {
            return false;
        }
    }
    return true;
}

static bool networks_weaker(const struct ward_rule *outer, const struct ward_rule *inner)
{
    if (outer->n_networks == 0 || inner->n_networks == 0) {
        return outer->n_networks == 0;
    }
    for (size_t i = 0; i < inner->n_networks; i++) {
        bool within = false;
        for (size_t o = 0; o < outer->n_networks && !within; o++) {
            within = outer->networks[o].bits <= inner->networks[i].bits &&
                     ward_network_has(&outer->networks[o], &inner->networks[i].address);
        }
        if (!within) {
            return false;
        }
    }
    return true;
}

/* Whenever inner holds for an object of this kind, outer does. */
static bool rule_covers(const struct ward_rule *outer, const struct ward_rule *inner,
                        enum ward_object_kind kind)
{
    bool objects = kind == WARD_OBJECT_KEY ? ward_globs_cover(outer->keys, inner->keys)
                   : kind == WARD_OBJECT_COLLECTION
                       ? ward_globs_cover(outer->collections, inner->collections)
                       : true;
    bool fields = outer->n_fields == 0 ||
                  (inner->n_fields > 0 && ward_fields_cover(outer->fields, outer->n_fields,
                                                            inner->fields, inner->n_fields));
    bool when =
        !outer->timed || (inner->timed && outer->when.days == inner->when.days &&
                          outer->when.from == inner->when.from && outer->when.to == inner->when.to);
    return objects && fields && when && (!outer->emergency || inner->emergency) &&
           networks_weaker(outer, inner) && conditions_weaker(outer, inner);
}

static bool lists(const struct ward_rule_list *list, const struct ward_rule *rule)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->rules[i] == rule) {
            return true;
        }
    }
    return false;
}

/* A rule of this list that makes the other never decide; of two that say the same, the first. */
static const struct ward_rule *covering(const struct ward_rule_list *list,
                                        const struct ward_rule *rule, enum ward_object_kind kind)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct ward_rule *other = list->rules[i];
        if (other != rule && rule_covers(other, rule, kind) &&
            (other < rule || other->deny != rule->deny || !rule_covers(rule, other, kind))) {
            return other;
        }
    }
    return NULL;
}

struct reach {
    unsigned actions, decided; /* the rule's, and those that another rule decides */
    const struct ward_rule *by;
    enum ward_action action; /* the first of the decided */
};

static struct reach reach_of(const struct ward_role *role, const struct ward_rule *rule)
{
    struct reach reach = {0};
    for (unsigned a = 0; a < WARD_ACTION_COUNT; a++) {
        enum ward_object_kind kind = ward_action_object((enum ward_action)a);
        if (!lists(rule->deny ? &role->deny[a] : &role->allow[a], rule)) {
            continue;
        }
        const struct ward_rule *by = covering(&role->deny[a], rule, kind);
        if (by == NULL && !rule->deny) {
            by = covering(&role->allow[a], rule, kind);
        }
        if (by != NULL && reach.decided++ == 0) {
            reach.by = by;
            reach.action = (enum ward_action)a;
        }
        reach.actions++;
    }
    return reach;
}

static void check_reach(struct lint_pass *pass, const struct ward_role *role,
                        const struct ward_rule *rule, const char *place)
{
    struct reach reach = reach_of(role, rule);
    if (reach.decided == 0) {
        return;
    }
    const char *why = reach.by->deny == rule->deny ? "already says so" : "denies all of it";
    if (reach.decided == reach.actions) {
        ward_lint_warn(pass, place, "rule %s never decides: %s %s", rule->label, reach.by->label,
                       why);
    } else {
        ward_lint_warn(pass, place, "rule %s never decides %s: %s %s", rule->label,
                       ward_action_name(reach.action), reach.by->label, why);
    }
}

static bool looks_at(const struct ward_rule *rule, struct ward_bytes key)
{
    for (size_t i = 0; i < rule->n_conditions; i++) {
        if (ward_bytes_eq(rule->conditions[i].key, key)) {
            return true;
        }
    }
    return false;
}

/* A rule that allows what the deny is about without asking for this key of the context. */
static const struct ward_rule *way_around(const struct ward_role *role,
                                          const struct ward_rule *deny, struct ward_bytes key)
{
    for (unsigned a = 0; a < WARD_ACTION_COUNT; a++) {
        enum ward_object_kind kind = ward_action_object((enum ward_action)a);
        if (!lists(&role->deny[a], deny)) {
            continue;
        }
        for (size_t i = 0; i < role->allow[a].n; i++) {
            const struct ward_rule *allow = role->allow[a].rules[i];
            bool meet = kind == WARD_OBJECT_KEY
                            ? ward_globs_meet(allow->keys, deny->keys)
                            : ward_globs_meet(allow->collections, deny->collections);
            if (meet && !looks_at(allow, key)) {
                return allow;
            }
        }
    }
    return NULL;
}

/* A deny on a value does not hold where the context lacks the key: whoever leaves it out is past
 * it, unless what allows him asks for the key. */
static void check_way_around(struct lint_pass *pass, const struct ward_role *role,
                             const struct ward_rule *rule, const char *place)
{
    for (size_t i = 0; rule->deny && i < rule->n_conditions; i++) {
        const struct ward_condition *condition = &rule->conditions[i];
        const struct ward_rule *allow = condition->attribute == WARD_NO_ATTRIBUTE
                                            ? way_around(role, rule, condition->key)
                                            : NULL;
        if (allow != NULL) {
            ward_lint_warn(pass, place,
                           "rule %s is got around by leaving out %.*s, for %s does not ask for it",
                           rule->label, (int)(condition->key.size < 64 ? condition->key.size : 64),
                           (const char *)condition->key.data, allow->label);
            return;
        }
    }
}

/* A comparison with an attribute that a member has not. */
static void check_attributes(struct lint_pass *pass, const struct ward_role *role,
                             const struct ward_rule *rule, const char *place)
{
    const struct ward_policy *policy = pass->policy;
    for (size_t i = 0; i < rule->n_conditions; i++) {
        uint32_t attribute = rule->conditions[i].attribute;
        for (size_t s = 0; attribute != WARD_NO_ATTRIBUTE && s < policy->n_subjects; s++) {
            const struct ward_subject *subject = &policy->subjects[s];
            if (ward_lint_in(subject, role) &&
                (subject->attributes == NULL || subject->attributes[attribute].size == 0)) {
                ward_lint_warn(pass, place, "rule %s %s for %.100s, who has no attribute %s",
                               rule->label, rule->deny ? "always holds" : "never holds",
                               (const char *)subject->identity.data,
                               (const char *)policy->attributes.items[attribute].data);
                return;
            }
        }
    }
}

static void check_emergency(struct lint_pass *pass, const struct ward_role *role,
                            const struct ward_rule *rule, const char *place)
{
    const struct ward_policy *policy = pass->policy;
    for (size_t s = 0; rule->emergency && s < policy->n_subjects; s++) {
        if (ward_lint_in(&policy->subjects[s], role) &&
            ward_lint_may(&policy->subjects[s], WARD_ACTION_EMERGENCY_OPEN)) {
            return;
        }
    }
    if (rule->emergency) {
        ward_lint_warn(pass, place, "rule %s never holds: nobody in its role may do emergency.open",
                       rule->label);
    }
}

void ward_lint_rules(struct lint_pass *pass)
{
    for (size_t i = 0; i < pass->policy->n_roles; i++) {
        const struct ward_role *role = &pass->policy->roles[i];
        for (size_t j = 0; j < role->n_rules; j++) {
            const struct ward_rule *rule = &role->rules[j];
            const char *place = pass->document->roles[i].rules[j].name;
            check_reach(pass, role, rule, place);
            check_way_around(pass, role, rule, place);
            check_attributes(pass, role, rule, place);
            check_emergency(pass, role, rule, place);
        }
    }
}
