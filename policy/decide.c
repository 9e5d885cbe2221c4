/* SPDX-License-Identifier: Apache-2.0 */
/* The decision. Pure and on the loop thread: no allocation, no clock, no log. It sees a subject, an
 * action, a name and a context, and nothing else of the request can reach it. */
#include "policy/decide.h"

#include <assert.h>

#include "policy/model.h"
#include "policy/name.h"

bool ward_globs_match(struct ward_globs globs, const struct ward_glob_name *name)
{
    for (size_t i = 0; i < globs.n; i++) {
        if (ward_glob_run(&globs.items[i], name)) {
            return true;
        }
    }
    return false;
}

bool ward_texts_contain(struct ward_texts texts, struct ward_bytes text)
{
    for (size_t i = 0; i < texts.n; i++) {
        if (ward_bytes_eq(texts.items[i], text)) {
            return true;
        }
    }
    return false;
}

/* A context names a key once; should it ever come twice, every value must satisfy an allow and any
 * value triggers a deny. */
static bool condition_holds(const struct ward_condition *condition, const struct ward_decide_in *in,
                            bool deny)
{
    size_t found = 0, good = 0;
    for (size_t i = 0; i < in->n_context; i++) {
        if (ward_bytes_eq(in->context[i].key, condition->key)) {
            found++;
            good += condition->values.n == 0 ||
                    ward_texts_contain(condition->values, in->context[i].value);
        }
    }
    return deny ? good > 0 : found > 0 && good == found;
}

/* What is asked, with the object made ready for many comparisons. */
struct asked {
    const struct ward_decide_in *in;
    enum ward_object_kind kind;
    struct ward_glob_name name;
};

static bool rule_applies(const struct ward_rule *rule, const struct asked *asked)
{
    if (asked->kind == WARD_OBJECT_KEY && !ward_globs_match(rule->keys, &asked->name)) {
        return false;
    }
    if (asked->kind == WARD_OBJECT_COLLECTION &&
        !ward_globs_match(rule->collections, &asked->name)) {
        return false;
    }
    for (size_t i = 0; i < rule->n_conditions; i++) {
        if (!condition_holds(&rule->conditions[i], asked->in, rule->deny)) {
            return false;
        }
    }
    return true;
}

static const struct ward_rule *first_rule(const struct ward_rule_list *list,
                                          const struct asked *asked)
{
    for (size_t i = 0; i < list->n; i++) {
        if (rule_applies(list->rules[i], asked)) {
            return list->rules[i];
        }
    }
    return NULL;
}

static const struct ward_rule *deciding_rule(const struct asked *asked)
{
    const struct ward_subject *subject = asked->in->subject;
    enum ward_action action = asked->in->action;
    const struct ward_rule *rule = NULL;
    for (size_t i = 0; i < subject->n_roles && rule == NULL; i++) {
        rule = first_rule(&subject->roles[i]->deny[action], asked);
    }
    for (size_t i = 0; i < subject->n_roles && rule == NULL; i++) {
        rule = first_rule(&subject->roles[i]->allow[action], asked);
    }
    return rule;
}

static struct ward_decision refused(const char *rule)
{
    return (struct ward_decision){
        .allowed = false,
        .rule = rule,
        .status = WARD_REFUSAL(WARD_E_DENIED, "policy: not allowed"),
    };
}

struct ward_decision ward_decide(const struct ward_policy *policy, const struct ward_decide_in *in)
{
    if (in->subject == NULL || in->action >= WARD_ACTION_COUNT) {
        return refused("default-deny");
    }
    /* A subject of another policy version would be decided on by that one's rules. */
    assert(in->subject->policy == policy);
    struct asked asked = {.in = in, .kind = ward_action_object(in->action)};
    if (asked.kind != WARD_OBJECT_NONE) {
        if (!ward_name_valid(in->object)) {
            return refused("default-deny");
        }
        asked.name = ward_glob_name(in->object);
    }
    const struct ward_rule *rule = deciding_rule(&asked);
    if (rule == NULL || rule->deny) {
        return refused(rule == NULL ? "default-deny" : rule->label);
    }
    return (struct ward_decision){.allowed = true, .rule = rule->label, .status = WARD_OK};
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
        if (rule->action != action || (keyed && !ward_globs_match(rule->keys, &name))) {
            continue;
        }
        if (rule->guard.approvals > strictest.approvals) {
            strictest.approvals = rule->guard.approvals;
        }
        if (strictest.expires_hours == 0 || rule->guard.expires_hours < strictest.expires_hours) {
            strictest.expires_hours = rule->guard.expires_hours;
        }
    }
    if (strictest.approvals == 0 && ward_action_always_guarded(action)) {
        return (struct ward_guard){WARD_GUARD_DEFAULT_APPROVALS, WARD_GUARD_DEFAULT_HOURS};
    }
    return strictest;
}
