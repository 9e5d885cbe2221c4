/* SPDX-License-Identifier: Apache-2.0 */
/* The decision. Pure and on the loop thread: no allocation, no clock, no log. It sees a subject, an
 * action, a name, a context, fields, a time and an address, and nothing else of the request can
 * reach it. */
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

/* What is asked, with the object made ready for many comparisons. */
struct asked {
    const struct ward_decide_in *in;
    enum ward_object_kind kind;
    bool whole; /* every field, whatever its name */
    struct ward_glob_name name;
};

/* A context names a key once; should it ever come twice, every value must satisfy an allow and any
 * value triggers a deny. */
static bool values_hold(const struct ward_condition *condition, const struct ward_decide_in *in,
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

/* Against an attribute of who asks. A deny means "unless the two are known to differ": without the
 * attribute, or without the key, nobody knows, and leaving one out must not be a way around it. */
static bool attribute_holds(const struct ward_condition *condition, const struct ward_decide_in *in,
                            bool deny)
{
    const struct ward_bytes *attributes = in->subject->attributes;
    if (attributes == NULL || attributes[condition->attribute].size == 0) {
        return deny;
    }
    size_t found = 0, equal = 0;
    for (size_t i = 0; i < in->n_context; i++) {
        if (ward_bytes_eq(in->context[i].key, condition->key)) {
            found++;
            equal += ward_bytes_eq(in->context[i].value, attributes[condition->attribute]);
        }
    }
    return deny ? found == 0 || equal > 0 : found > 0 && equal == found;
}

static bool from_networks(const struct ward_rule *rule, struct ward_bytes text)
{
    struct ward_address address;
    if (!ward_address_parse(text, &address)) {
        return rule->deny;
    }
    for (size_t i = 0; i < rule->n_networks; i++) {
        if (ward_network_has(&rule->networks[i], &address)) {
            return true;
        }
    }
    return false;
}

/* Time, place and emergency. A right that is looked at again was used within its bounds, and a deny
 * that had not held then does not hold. */
static bool bounds_hold(const struct ward_rule *rule, const struct ward_decide_in *in)
{
    if (rule->emergency && !in->emergency) {
        return false;
    }
    if (in->standing) {
        return !rule->deny || (!rule->timed && rule->n_networks == 0);
    }
    if (rule->timed &&
        (in->now_us <= 0 ? !rule->deny : !ward_window_has(&rule->when, in->now_us))) {
        return false;
    }
    return rule->n_networks == 0 || from_networks(rule, in->address);
}

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
        const struct ward_condition *condition = &rule->conditions[i];
        bool holds = condition->attribute == WARD_NO_ATTRIBUTE
                         ? values_hold(condition, asked->in, rule->deny)
                         : attribute_holds(condition, asked->in, rule->deny);
        if (!holds) {
            return false;
        }
    }
    return !rule->bounded || bounds_hold(rule, asked->in);
}

/* Does the rule speak of this field? One that is written with escapes could be any. */
static bool covers_field(const struct ward_rule *rule, struct ward_bytes field)
{
    if (rule->n_fields == 0) {
        return true;
    }
    if (!ward_field_plain(field)) {
        return rule->deny;
    }
    for (size_t i = 0; i < rule->n_fields; i++) {
        if (ward_field_glob_run(&rule->fields[i], field)) {
            return true;
        }
    }
    return false;
}

/* field NULL: not one field, but the request. A deny of some fields stops a request for all of
 * them, and an allow of some is not one of all. */
static bool rule_decides(const struct ward_rule *rule, const struct asked *asked,
                         const struct ward_bytes *field)
{
    if (field != NULL ? !covers_field(rule, *field)
                      : rule->n_fields > 0 && asked->whole != rule->deny) {
        return false;
    }
    return rule_applies(rule, asked);
}

static const struct ward_rule *first_rule(const struct ward_rule_list *list,
                                          const struct asked *asked, const struct ward_bytes *field)
{
    for (size_t i = 0; i < list->n; i++) {
        if (rule_decides(list->rules[i], asked, field)) {
            return list->rules[i];
        }
    }
    return NULL;
}

static const struct ward_rule *deciding_rule(const struct asked *asked,
                                             const struct ward_bytes *field)
{
    const struct ward_subject *subject = asked->in->subject;
    enum ward_action action = asked->in->action;
    const struct ward_rule *rule = NULL;
    for (size_t i = 0; i < subject->n_roles && rule == NULL; i++) {
        rule = first_rule(&subject->roles[i]->deny[action], asked, field);
    }
    for (size_t i = 0; i < subject->n_roles && rule == NULL; i++) {
        rule = first_rule(&subject->roles[i]->allow[action], asked, field);
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

static struct ward_decision decision_of(const struct ward_rule *rule)
{
    if (rule == NULL || rule->deny) {
        return refused(rule == NULL ? "default-deny" : rule->label);
    }
    return (struct ward_decision){.allowed = true, .rule = rule->label, .status = WARD_OK};
}

/* Each field on its own: different rules may allow different ones. The first one's rule is named,
 * or that which refuses. */
static struct ward_decision decide_fields(const struct asked *asked)
{
    const struct ward_decide_in *in = asked->in;
    struct ward_decision first = {0};
    for (size_t i = 0; i < in->n_fields; i++) {
        struct ward_decision decision = decision_of(deciding_rule(asked, &in->fields[i]));
        if (!decision.allowed) {
            decision.status = WARD_REFUSAL(WARD_E_DENIED, "policy: field not allowed");
            decision.field = in->fields[i];
            return decision;
        }
        if (i == 0) {
            first = decision;
        }
    }
    return first;
}

static bool limits_fields(const struct ward_rule_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->rules[i]->n_fields > 0) {
            return true;
        }
    }
    return false;
}

bool ward_subject_limits_fields(const struct ward_subject *subject, enum ward_action action)
{
    for (size_t i = 0; i < subject->n_roles; i++) {
        if (limits_fields(&subject->roles[i]->deny[action]) ||
            limits_fields(&subject->roles[i]->allow[action])) {
            return true;
        }
    }
    return false;
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
    /* Who writes and names no field writes whatever he likes. */
    asked.whole = in->whole || (in->action == WARD_ACTION_RECORD_PUT && in->n_fields == 0);
    if (in->n_fields > 0 && !asked.whole && ward_action_has_fields(in->action)) {
        return decide_fields(&asked);
    }
    return decision_of(deciding_rule(&asked, NULL));
}
