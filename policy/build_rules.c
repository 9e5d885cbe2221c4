/* SPDX-License-Identifier: Apache-2.0 */
/* What roles may do: rules, and the collections that they speak of. A rule that could never apply,
 * or would apply otherwise than it reads, is refused: in a deny it would be a hole. */
#include "policy/build.h"
#include "policy/name.h"

ward_status ward_build_texts(struct ward_build *build, char *const *from, size_t n,
                             struct ward_texts *ret)
{
    struct ward_bytes *items;
    WARD_TRY(WARD_BUILD_ARRAY(build->policy->arena, struct ward_bytes, n, &items));
    for (size_t i = 0; i < n; i++) {
        WARD_TRY(ward_arena_copy(build->policy->arena, ward_bytes_str(from[i]), &items[i]));
    }
    *ret = (struct ward_texts){items, n};
    return WARD_OK;
}

static ward_status build_glob(struct ward_build *build, const char *from, struct ward_glob *ret)
{
    struct ward_arena *arena = build->policy->arena;
    struct ward_bytes text;
    WARD_TRY(ward_arena_copy(arena, ward_bytes_str(from), &text));
    struct ward_glob_machine *machine = NULL;
    if (ward_glob_needs_machine(text)) {
        machine = WARD_ARENA_NEW(arena, struct ward_glob_machine);
        WARD_ENSURE(machine != NULL, WARD_E_EXHAUSTED);
    }
    ward_glob_compile(text, machine, ret);
    return WARD_OK;
}

ward_status ward_build_globs(struct ward_build *build, const char *what, char *const *from,
                             size_t n, struct ward_globs *ret)
{
    build->n_globs += n;
    if (build->n_globs > WARD_GLOBS_MAX) {
        return ward_yaml_refuse(build->policy->text, from[0], build->error,
                                "more than %u globs in all rules and guards", WARD_GLOBS_MAX);
    }
    struct ward_glob *items;
    WARD_TRY(WARD_BUILD_ARRAY(build->policy->arena, struct ward_glob, n, &items));
    for (size_t i = 0; i < n; i++) {
        if (!ward_glob_valid(ward_bytes_str(from[i]))) {
            return ward_yaml_refuse(
                build->policy->text, from[i], build->error,
                "%s: \"%.80s\" is not a glob over names: a-z, 0-9, \".\", \"_\", \"-\" in "
                "segments between \"/\", \"*\" and \"**\", at most 128",
                what, from[i]);
        }
        WARD_TRY(build_glob(build, from[i], &items[i]));
    }
    *ret = (struct ward_globs){items, n};
    return WARD_OK;
}

static ward_status refuse_name(struct ward_build *build, const char *what, const char *name)
{
    return ward_yaml_refuse(
        build->policy->text, name, build->error,
        "%s \"%.80s\" is not a canonical name: a-z, 0-9, \".\", \"_\", \"-\" in "
        "segments between \"/\", at most 128",
        what, name);
}

static ward_status build_collection(struct ward_build *build, const struct doc_collection *from)
{
    struct ward_policy *policy = build->policy;
    struct ward_policy_collection *ret = &policy->collections[policy->n_collections];
    if (!ward_name_valid(ward_bytes_str(from->name))) {
        return refuse_name(build, "collection", from->name);
    }
    if (!ward_name_valid(ward_bytes_str(from->key))) {
        return refuse_name(build, "key", from->key);
    }
    if (ward_policy_collection_find(policy, ward_bytes_str(from->name)) != NULL) {
        return ward_yaml_refuse(policy->text, from->name, build->error,
                                "collection \"%s\" is declared twice", from->name);
    }
    for (size_t i = 1; i < from->default_fields_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(from->default_fields[i], from->default_fields[j]) == 0) {
                return ward_yaml_refuse(policy->text, from->default_fields[i], build->error,
                                        "field \"%.64s\" is listed twice", from->default_fields[i]);
            }
        }
    }
    struct ward_texts fields;
    WARD_TRY(ward_build_texts(build, from->default_fields, from->default_fields_count, &fields));
    WARD_TRY(ward_arena_copy(policy->arena, ward_bytes_str(from->name), &ret->name));
    WARD_TRY(ward_arena_copy(policy->arena, ward_bytes_str(from->key), &ret->key));
    ret->default_fields = fields.items;
    ret->n_default_fields = fields.n;
    ret->schema_version = 1;
    policy->n_collections++;
    return WARD_OK;
}

ward_status ward_build_collections(struct ward_build *build)
{
    const struct document *document = build->document;
    struct ward_policy *policy = build->policy;
    WARD_TRY(WARD_BUILD_ARRAY(policy->arena, struct ward_policy_collection,
                              document->collections_count, &policy->collections));
    for (size_t i = 0; i < document->collections_count; i++) {
        WARD_TRY(build_collection(build, &document->collections[i]));
    }
    return ward_build_texts(build, document->public_context, document->public_context_count,
                            &policy->public_context);
}

static ward_status read_actions(struct ward_build *build, const struct ward_role *role,
                                const struct doc_rule *from, struct ward_rule_actions *ret)
{
    *ret = (struct ward_rule_actions){0};
    for (size_t i = 0; i < from->actions_count; i++) {
        enum ward_action action;
        if (!ward_action_find(ward_bytes_str(from->actions[i]), &action)) {
            return ward_yaml_refuse(build->policy->text, from->actions[i], build->error,
                                    "\"%.64s\" is not an action", from->actions[i]);
        }
        if (!ward_action_allows_kind(action, role->kind)) {
            return ward_yaml_refuse(build->policy->text, from->actions[i], build->error,
                                    "%s may not be given to a role of kind %s", from->actions[i],
                                    ward_role_kind_name(role->kind));
        }
        ret->has[action] = true;
        ret->on[ward_action_object(action)] = true;
    }
    return WARD_OK;
}

/* Objects are named where an action has them, and only there. */
static ward_status check_objects(struct ward_build *build, const struct doc_rule *from,
                                 const struct ward_rule_actions *actions)
{
    struct ward_bytes text = build->policy->text;
    if (actions->on[WARD_OBJECT_KEY] && from->keys_count == 0) {
        return ward_yaml_refuse(text, from->name, build->error,
                                "rule \"%s\" has actions on keys but names no keys", from->name);
    }
    if (!actions->on[WARD_OBJECT_KEY] && from->keys_count > 0) {
        return ward_yaml_refuse(text, from->keys[0], build->error,
                                "rule \"%s\" has no action on keys", from->name);
    }
    if (actions->on[WARD_OBJECT_COLLECTION] && from->collections_count == 0) {
        return ward_yaml_refuse(text, from->name, build->error,
                                "rule \"%s\" has actions on collections but names no collections",
                                from->name);
    }
    if (!actions->on[WARD_OBJECT_COLLECTION] && from->collections_count > 0) {
        return ward_yaml_refuse(text, from->collections[0], build->error,
                                "rule \"%s\" has no action on collections", from->name);
    }
    return WARD_OK;
}

static ward_status check_collections_known(struct ward_build *build, const struct doc_rule *from)
{
    for (size_t i = 0; i < from->collections_count; i++) {
        const char *name = from->collections[i];
        if (strchr(name, '*') == NULL &&
            ward_policy_collection_find(build->policy, ward_bytes_str(name)) == NULL) {
            return ward_yaml_refuse(build->policy->text, name, build->error,
                                    "collection \"%.80s\" is not declared under collections", name);
        }
    }
    return WARD_OK;
}

static bool on_data_keys(const struct ward_rule_actions *actions)
{
    for (unsigned action = 0; action < WARD_ACTION_COUNT; action++) {
        if (actions->has[action] && ward_action_on_data_keys((enum ward_action)action)) {
            return true;
        }
    }
    return false;
}

/* An application that could unwrap under a collection's key could read records past the record
 * store. */
static ward_status check_record_keys(struct ward_build *build, const struct doc_rule *from,
                                     const struct ward_rule *rule,
                                     const struct ward_rule_actions *actions)
{
    const struct ward_policy *policy = build->policy;
    if (!on_data_keys(actions)) {
        return WARD_OK;
    }
    for (size_t i = 0; i < from->keys_count; i++) {
        for (size_t j = 0; j < policy->n_collections; j++) {
            const struct ward_policy_collection *collection = &policy->collections[j];
            struct ward_glob_name key = ward_glob_name(collection->key);
            if (ward_glob_run(&rule->keys.items[i], &key)) {
                return ward_yaml_refuse(
                    policy->text, from->keys[i], build->error,
                    "\"%.64s\" covers the key of collection %.64s: data keys may not be "
                    "had under it",
                    from->keys[i], (const char *)collection->name.data);
            }
        }
    }
    return WARD_OK;
}

static ward_status read_effect(struct ward_build *build, const struct doc_rule *from, bool *ret)
{
    if (from->effect == NULL || strcmp(from->effect, "allow") == 0) {
        *ret = false;
        return WARD_OK;
    }
    if (strcmp(from->effect, "deny") == 0) {
        *ret = true;
        return WARD_OK;
    }
    return ward_yaml_refuse(build->policy->text, from->effect, build->error,
                            "effect \"%.64s\" is neither allow nor deny", from->effect);
}

static ward_status build_rule(struct ward_build *build, const struct ward_role *role,
                              const struct doc_rule *from, struct ward_rule *rule,
                              struct ward_rule_actions *actions)
{
    if (!ward_label_valid(from->name)) {
        return ward_yaml_refuse(
            build->policy->text, from->name, build->error,
            "\"%.80s\" is not a name: a-z, 0-9, \".\", \"_\", \"-\", at most 64", from->name);
    }
    WARD_TRY(read_effect(build, from, &rule->deny));
    WARD_TRY(read_actions(build, role, from, actions));
    WARD_TRY(check_objects(build, from, actions));
    WARD_TRY(ward_build_globs(build, "keys", from->keys, from->keys_count, &rule->keys));
    WARD_TRY(ward_build_globs(build, "collections", from->collections, from->collections_count,
                              &rule->collections));
    WARD_TRY(check_collections_known(build, from));
    if (!rule->deny) {
        WARD_TRY(check_record_keys(build, from, rule, actions));
    }
    rule->label =
        ward_arena_printf(build->policy->arena, "%s/%s", (const char *)role->name.data, from->name);
    WARD_ENSURE(rule->label != NULL, WARD_E_EXHAUSTED);
    return ward_build_conditions(build, from, actions, rule);
}

/* Fills a role's lists: rules in the order of the text, under each of their actions. */
static ward_status sort_rules(struct ward_build *build, struct ward_role *role,
                              const struct ward_rule *rules,
                              const struct ward_rule_actions *actions, size_t n)
{
    for (unsigned action = 0; action < WARD_ACTION_COUNT; action++) {
        size_t count = 0;
        for (size_t i = 0; i < n; i++) {
            count += actions[i].has[action];
        }
        struct ward_rule_list *deny = &role->deny[action], *allow = &role->allow[action];
        if (count == 0) {
            continue;
        }
        WARD_TRY(
            WARD_BUILD_ARRAY(build->policy->arena, const struct ward_rule *, count, &deny->rules));
        WARD_TRY(
            WARD_BUILD_ARRAY(build->policy->arena, const struct ward_rule *, count, &allow->rules));
        for (size_t i = 0; i < n; i++) {
            struct ward_rule_list *list = rules[i].deny ? deny : allow;
            if (actions[i].has[action]) {
                list->rules[list->n++] = &rules[i];
            }
        }
    }
    return WARD_OK;
}

static ward_status build_role_rules(struct ward_build *build, const struct doc_role *from,
                                    struct ward_role *role)
{
    struct ward_rule *rules;
    struct ward_rule_actions *actions;
    WARD_TRY(WARD_BUILD_ARRAY(build->policy->arena, struct ward_rule, from->rules_count, &rules));
    WARD_TRY(
        WARD_BUILD_ARRAY(build->scratch, struct ward_rule_actions, from->rules_count, &actions));
    for (size_t i = 0; i < from->rules_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(from->rules[i].name, from->rules[j].name) == 0) {
                return ward_yaml_refuse(build->policy->text, from->rules[i].name, build->error,
                                        "rule \"%.64s\" is given twice in role %s",
                                        from->rules[i].name, from->name);
            }
        }
        WARD_TRY(build_rule(build, role, &from->rules[i], &rules[i], &actions[i]));
    }
    role->rules = rules;
    role->n_rules = from->rules_count;
    return sort_rules(build, role, rules, actions, from->rules_count);
}

ward_status ward_build_rules(struct ward_build *build)
{
    for (size_t i = 0; i < build->document->roles_count; i++) {
        WARD_TRY(build_role_rules(build, &build->document->roles[i], &build->policy->roles[i]));
    }
    return WARD_OK;
}
