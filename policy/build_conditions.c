/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold besides action and object: context, attributes, fields, time, source network, an
 * emergency. A condition that could not mean what it says is refused: in a deny it would be a hole,
 * and in an allow a promise that nobody can use. */
#include "policy/build.h"
#include "policy/purpose.h"

/* A purpose that HL7 does not know is a slip of the pen: in an allow nobody could use it, and a
 * deny would let through what it means to stop. */
static ward_status check_purposes(struct ward_build *build, const struct doc_condition *condition)
{
    bool is_purpose = strcmp(condition->key, WARD_PURPOSE_KEY) == 0;
    for (size_t i = 0; is_purpose && i < condition->values_count; i++) {
        if (!ward_purpose_known(ward_bytes_str(condition->values[i]))) {
            return ward_yaml_refuse(build->policy->text, condition->values[i], build->error,
                                    "\"%.32s\" is not a code of HL7 PurposeOfUse, such as TREAT, "
                                    "ETREAT, HPAYMT or HOPERAT",
                                    condition->values[i]);
        }
    }
    return WARD_OK;
}

/* "identity.tenant": the number of that attribute, which somebody must have. */
static ward_status read_equals(struct ward_build *build, const struct doc_condition *condition,
                               uint32_t *ret)
{
    static const char prefix[] = "identity.";
    const struct ward_policy *policy = build->policy;
    if (condition->values_count > 0) {
        return ward_yaml_refuse(policy->text, condition->equals, build->error,
                                "values and equals are two conditions: give one of them");
    }
    if (strncmp(condition->equals, prefix, sizeof(prefix) - 1) != 0) {
        return ward_yaml_refuse(policy->text, condition->equals, build->error,
                                "equals: identity.NAME, where NAME is an attribute");
    }
    struct ward_bytes name = ward_bytes_str(condition->equals + sizeof(prefix) - 1);
    for (size_t a = 0; a < policy->attributes.n; a++) {
        if (ward_bytes_eq(policy->attributes.items[a], name)) {
            *ret = (uint32_t)a;
            return WARD_OK;
        }
    }
    return ward_yaml_refuse(policy->text, condition->equals, build->error,
                            "no identity, person or role has an attribute \"%.64s\"",
                            (const char *)name.data);
}

static ward_status build_condition(struct ward_build *build, const struct doc_condition *from,
                                   struct ward_condition *ret)
{
    WARD_TRY(check_purposes(build, from));
    ret->attribute = WARD_NO_ATTRIBUTE;
    if (from->equals != NULL) {
        WARD_TRY(read_equals(build, from, &ret->attribute));
    }
    WARD_TRY(ward_arena_copy(build->policy->arena, ward_bytes_str(from->key), &ret->key));
    return ward_build_texts(build, from->values, from->values_count, &ret->values);
}

static ward_status build_context(struct ward_build *build, const struct doc_rule *from,
                                 struct ward_rule *rule)
{
    struct ward_condition *conditions;
    WARD_TRY(WARD_BUILD_ARRAY(build->policy->arena, struct ward_condition, from->context_count,
                              &conditions));
    for (size_t i = 0; i < from->context_count; i++) {
        const struct doc_condition *condition = &from->context[i];
        for (size_t j = 0; j < i; j++) {
            if (strcmp(condition->key, from->context[j].key) == 0) {
                return ward_yaml_refuse(build->policy->text, condition->key, build->error,
                                        "context key \"%.64s\" is given twice in one rule",
                                        condition->key);
            }
        }
        WARD_TRY(build_condition(build, condition, &conditions[i]));
    }
    rule->conditions = conditions;
    rule->n_conditions = from->context_count;
    return WARD_OK;
}

static ward_status build_fields(struct ward_build *build, const struct doc_rule *from,
                                struct ward_rule *rule)
{
    struct ward_field_glob *fields;
    build->n_globs += from->fields_count;
    if (build->n_globs > WARD_GLOBS_MAX) {
        return ward_yaml_refuse(build->policy->text, from->fields[0], build->error,
                                "more than %u globs in all rules and guards", WARD_GLOBS_MAX);
    }
    WARD_TRY(WARD_BUILD_ARRAY(build->policy->arena, struct ward_field_glob, from->fields_count,
                              &fields));
    bool every = false;
    for (size_t i = 0; i < from->fields_count; i++) {
        struct ward_bytes text;
        WARD_TRY(ward_arena_copy(build->policy->arena, ward_bytes_str(from->fields[i]), &text));
        if (!ward_field_glob_parse(text, &fields[i])) {
            return ward_yaml_refuse(build->policy->text, from->fields[i], build->error,
                                    "fields: \"%.80s\" is not a glob over fields: A-Z, a-z, 0-9, "
                                    "\".\", \"_\", \"-\", \"$\", \":\", one \"*\", at most 128",
                                    from->fields[i]);
        }
        every = every || (text.size == 1 && fields[i].star);
    }
    rule->fields = fields;
    rule->n_fields = every ? 0 : from->fields_count; /* "*" is every field */
    return WARD_OK;
}

static ward_status build_networks(struct ward_build *build, const struct doc_rule *from,
                                  struct ward_rule *rule)
{
    struct ward_network *networks;
    WARD_TRY(WARD_BUILD_ARRAY(build->policy->arena, struct ward_network, from->networks_count,
                              &networks));
    for (size_t i = 0; i < from->networks_count; i++) {
        if (!ward_network_parse(ward_bytes_str(from->networks[i]), &networks[i])) {
            return ward_yaml_refuse(build->policy->text, from->networks[i], build->error,
                                    "networks: \"%.64s\" is not a network such as 10.0.0.0/8 or "
                                    "\"fd00::/8\", without bits behind its prefix",
                                    from->networks[i]);
        }
    }
    rule->networks = networks;
    rule->n_networks = from->networks_count;
    return WARD_OK;
}

static ward_status build_days(struct ward_build *build, const struct doc_when *from,
                              struct ward_window *ret)
{
    ret->days = from->days_count == 0 ? WARD_WINDOW_ALL_DAYS : 0;
    for (size_t i = 0; i < from->days_count; i++) {
        uint8_t before = ret->days, added = 0;
        if (!ward_window_days_parse(ward_bytes_str(from->days[i]), &added)) {
            return ward_yaml_refuse(build->policy->text, from->days[i], build->error,
                                    "days: \"%.16s\" is neither one of mon, tue, wed, thu, fri, "
                                    "sat, sun nor two of them with \"..\" between",
                                    from->days[i]);
        }
        if ((before & added) != 0) {
            return ward_yaml_refuse(build->policy->text, from->days[i], build->error,
                                    "days: a day is given twice");
        }
        ret->days |= added;
    }
    return WARD_OK;
}

static ward_status read_time(struct ward_build *build, const char *what, const char *text,
                             uint16_t *ret)
{
    return ward_window_time_parse(ward_bytes_str(text), ret)
               ? WARD_OK
               : ward_yaml_refuse(build->policy->text, text, build->error,
                                  "%s: \"%.16s\" is not a time of day such as \"07:00\", in UTC",
                                  what, text);
}

static ward_status build_when(struct ward_build *build, const struct doc_rule *from,
                              struct ward_rule *rule)
{
    const struct doc_when *when = from->when;
    struct ward_window *window = &rule->when;
    if (when == NULL) {
        return WARD_OK;
    }
    if ((when->from == NULL) != (when->to == NULL)) {
        return ward_yaml_refuse(build->policy->text, when->from != NULL ? when->from : when->to,
                                build->error, "from and to belong together");
    }
    if (when->days_count == 0 && when->from == NULL) {
        return ward_yaml_refuse(build->policy->text, from->name, build->error,
                                "rule \"%.64s\": when says neither days nor from and to",
                                from->name);
    }
    WARD_TRY(build_days(build, when, window));
    window->to = WARD_WINDOW_DAY_MINUTES;
    if (when->from != NULL) {
        WARD_TRY(read_time(build, "from", when->from, &window->from));
        WARD_TRY(read_time(build, "to", when->to, &window->to));
        if (window->from == window->to || window->from == WARD_WINDOW_DAY_MINUTES ||
            (window->to == 0 && window->from == 0)) {
            return ward_yaml_refuse(build->policy->text, when->from, build->error,
                                    "from: a window begins before 24:00 and ends at another time");
        }
    }
    rule->timed = true;
    return WARD_OK;
}

/* Break-glass: for what an application reads, and for emergency treatment alone. */
static ward_status build_emergency(struct ward_build *build, const struct doc_rule *from,
                                   const struct ward_rule_actions *actions, struct ward_rule *rule)
{
    WARD_TRY(ward_build_bool(build, "emergency", from->emergency, &rule->emergency));
    if (!rule->emergency) {
        return WARD_OK;
    }
    if (rule->deny) {
        return ward_yaml_refuse(build->policy->text, from->emergency, build->error,
                                "emergency: an emergency only ever allows more");
    }
    for (unsigned action = 0; action < WARD_ACTION_COUNT; action++) {
        if (actions->has[action] && action != WARD_ACTION_DATA_KEY_UNWRAP &&
            action != WARD_ACTION_RECORD_GET) {
            return ward_yaml_refuse(build->policy->text, from->emergency, build->error,
                                    "emergency: such a rule may allow data-key.unwrap and "
                                    "record.get alone, not %s",
                                    ward_action_name((enum ward_action)action));
        }
    }
    for (size_t i = 0; i < rule->n_conditions; i++) {
        const struct ward_condition *condition = &rule->conditions[i];
        if (ward_bytes_eq(condition->key, WARD_BYTES_LITERAL(WARD_PURPOSE_KEY)) &&
            condition->values.n == 1 &&
            ward_bytes_eq(condition->values.items[0], WARD_BYTES_LITERAL("ETREAT"))) {
            return WARD_OK;
        }
    }
    return ward_yaml_refuse(build->policy->text, from->emergency, build->error,
                            "emergency: such a rule needs the condition "
                            "{key: purpose, values: [ETREAT]}");
}

/* Every action of the rule has what a condition looks at. */
static ward_status check_carried(struct ward_build *build, const struct doc_rule *from)
{
    for (size_t i = 0; i < from->actions_count; i++) {
        enum ward_action action;
        if (!ward_action_find(ward_bytes_str(from->actions[i]), &action)) {
            continue; /* was refused before */
        }
        if (from->context_count > 0 && !ward_action_has_context(action)) {
            return ward_yaml_refuse(build->policy->text, from->actions[i], build->error,
                                    "%s carries no context: give it a rule without conditions",
                                    from->actions[i]);
        }
        if (from->fields_count > 0 && !ward_action_has_fields(action)) {
            return ward_yaml_refuse(build->policy->text, from->actions[i], build->error,
                                    "%s is on no fields: give it a rule without them",
                                    from->actions[i]);
        }
    }
    return WARD_OK;
}

ward_status ward_build_conditions(struct ward_build *build, const struct doc_rule *from,
                                  const struct ward_rule_actions *actions, struct ward_rule *rule)
{
    WARD_TRY(check_carried(build, from));
    WARD_TRY(build_context(build, from, rule));
    WARD_TRY(build_fields(build, from, rule));
    WARD_TRY(build_networks(build, from, rule));
    WARD_TRY(build_when(build, from, rule));
    WARD_TRY(build_emergency(build, from, actions, rule));
    rule->bounded = rule->emergency || rule->timed || rule->n_networks > 0;
    return WARD_OK;
}
