/* SPDX-License-Identifier: Apache-2.0 */
/* Cases: a question each, and the answer that its author expects. What decides is decide.c alone;
 * here is only the reading of the question. */
#include "policy/cases.h"

#include <cyaml/cyaml.h>
#include <stdio.h>

#include "base/clock.h"
#include "policy/model.h"
#include "policy/name.h"
#include "policy/yaml_read.h"

#define FIELDS_MAX 64u
#define ROLES_MAX 8u

struct case_context {
    char *values[WARD_YAML_OPEN_MAX];
};

struct case_entry {
    struct case_context *context;
    char *name, *identity, *action, *object, *at, *from, *whole, *emergency, *expect, *rule;
    char *approvals, *execute;
    char **fields, **roles;
    uint32_t fields_count, roles_count;
};

struct cases {
    struct case_entry *cases;
    uint32_t cases_count;
};

#define TEXT(key, member, extra) \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (extra), struct case_entry, member, 1, 512)
#define OPTIONAL CYAML_FLAG_OPTIONAL

static const cyaml_schema_value_t text_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 512),
};
static const cyaml_schema_field_t no_context[] = {CYAML_FIELD_END};
static const cyaml_schema_field_t entry_fields[] = {
    CYAML_FIELD_MAPPING_PTR("context", CYAML_FLAG_POINTER | OPTIONAL, struct case_entry, context,
                            no_context), /* first: its schema is made for the text */
    TEXT("name", name, 0),
    TEXT("identity", identity, OPTIONAL),
    TEXT("action", action, 0),
    TEXT("object", object, OPTIONAL),
    TEXT("at", at, OPTIONAL),
    TEXT("from", from, OPTIONAL),
    TEXT("whole", whole, OPTIONAL),
    TEXT("emergency", emergency, OPTIONAL),
    TEXT("expect", expect, OPTIONAL),
    TEXT("rule", rule, OPTIONAL),
    TEXT("approvals", approvals, OPTIONAL),
    TEXT("execute", execute, OPTIONAL),
    CYAML_FIELD_SEQUENCE("fields", CYAML_FLAG_POINTER | OPTIONAL, struct case_entry, fields,
                         &text_entry, 1, FIELDS_MAX),
    CYAML_FIELD_SEQUENCE("roles", CYAML_FLAG_POINTER | OPTIONAL, struct case_entry, roles,
                         &text_entry, 1, ROLES_MAX),
    CYAML_FIELD_END,
};

struct schema {
    cyaml_schema_field_t context[WARD_YAML_OPEN_MAX + 1];
    cyaml_schema_field_t entry[sizeof(entry_fields) / sizeof(entry_fields[0])];
    cyaml_schema_value_t entry_value, top;
    cyaml_schema_field_t fields[2];
};

/* Points into itself. */
static void schema_init(struct schema *schema, const struct ward_yaml_open *names)
{
    static const cyaml_schema_value_t entry_value = {
        CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct case_entry, entry_fields),
    };
    static const cyaml_schema_field_t fields[] = {
        CYAML_FIELD_SEQUENCE("cases", CYAML_FLAG_POINTER, struct cases, cases, &entry_value, 1,
                             WARD_CASES_MAX),
        CYAML_FIELD_END,
    };
    static const cyaml_schema_value_t top = {
        CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct cases, fields),
    };
    memset(schema, 0, sizeof(*schema));
    for (size_t i = 0; i < names->n; i++) {
        schema->context[i] = (cyaml_schema_field_t){
            .key = names->names[i],
            .data_offset = (uint32_t)(offsetof(struct case_context, values) + i * sizeof(char *)),
            .value = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER | OPTIONAL, char, 0, 512)},
        };
    }
    memcpy(schema->entry, entry_fields, sizeof(entry_fields));
    schema->entry[0].value.mapping.fields = schema->context;
    schema->entry_value = entry_value;
    schema->entry_value.mapping.fields = schema->entry;
    memcpy(schema->fields, fields, sizeof(fields));
    schema->fields[0].value.sequence.entry = &schema->entry_value;
    schema->top = top;
    schema->top.mapping.fields = schema->fields;
}

struct run {
    const struct ward_policy *policy;
    struct ward_bytes text;
    struct ward_policy_error *error;
    const struct ward_yaml_open *names; /* of context keys */
    void (*each)(void *context, const struct ward_case *result);
    void *context;
};

static ward_status refuse(const struct run *run, const char *place, const char *what)
{
    return ward_yaml_refuse(run->text, place, run->error, "%s", what);
}

bool ward_policy_time_parse(struct ward_bytes text, int64_t *ret_us)
{
    /* The one form of base/clock.h has six digits behind the point: fill up what is left out. */
    char full[WARD_TIME_TEXT_SIZE] = "0000-00-00T00:00:00.000000Z";
    size_t digits = text.size < 22 ? 0 : text.size - 21;
    bool good = text.size == 20 || (text.size >= 22 && digits <= 6 && text.data[19] == '.');
    if (!good || text.data[text.size - 1] != 'Z') {
        return false;
    }
    memcpy(full, text.data, 19);
    memcpy(full + 20, text.data + 20, digits);
    return ward_time_parse(full, sizeof(full) - 1, ret_us);
}

/* true, false, or nothing. */
static ward_status read_bool(const struct run *run, const char *text, bool *ret)
{
    *ret = text != NULL && strcmp(text, "true") == 0;
    return text == NULL || *ret || strcmp(text, "false") == 0
               ? WARD_OK
               : refuse(run, text, "neither true nor false");
}

static ward_status read_action(const struct run *run, const struct case_entry *entry,
                               enum ward_action *ret)
{
    if (!ward_action_find(ward_bytes_str(entry->action), ret)) {
        return refuse(run, entry->action, "no such action");
    }
    bool named = ward_action_object(*ret) != WARD_OBJECT_NONE;
    if (named && entry->object == NULL) {
        return refuse(run, entry->action, "an action on an object: name one");
    }
    return WARD_OK;
}

static void report(const struct run *run, const struct case_entry *entry, struct ward_case *result)
{
    result->name = entry->name;
    result->line = result->passed ? 0 : ward_yaml_line(run->text, entry->name);
    run->each(run->context, result);
}

/* ---- decisions ---- */

static size_t read_context(const struct run *run, const struct case_entry *entry,
                           struct ward_decide_pair pairs[static WARD_YAML_OPEN_MAX])
{
    size_t n = 0;
    for (size_t i = 0; entry->context != NULL && i < run->names->n; i++) {
        if (entry->context->values[i] != NULL) {
            pairs[n++] = (struct ward_decide_pair){ward_bytes_str(run->names->names[i]),
                                                   ward_bytes_str(entry->context->values[i])};
        }
    }
    return n;
}

static ward_status read_ask(const struct run *run, const struct case_entry *entry,
                            struct ward_decide_in *in)
{
    WARD_TRY(read_action(run, entry, &in->action));
    in->subject = ward_policy_subject(run->policy, ward_bytes_str(entry->identity));
    if (entry->object != NULL) {
        in->object = ward_bytes_str(entry->object);
    }
    if (entry->at != NULL && !ward_policy_time_parse(ward_bytes_str(entry->at), &in->now_us)) {
        return refuse(run, entry->at, "at: a time such as 2026-01-07T08:00:00Z");
    }
    if (entry->from != NULL) {
        struct ward_address address;
        in->address = ward_bytes_str(entry->from);
        if (!ward_address_parse(in->address, &address)) {
            return refuse(run, entry->from, "from: an IP address");
        }
    }
    WARD_TRY(read_bool(run, entry->whole, &in->whole));
    return read_bool(run, entry->emergency, &in->emergency);
}

static bool decided_as_expected(const struct case_entry *entry, struct ward_decision decision)
{
    return decision.allowed == (strcmp(entry->expect, "allow") == 0) &&
           (entry->rule == NULL || strcmp(entry->rule, decision.rule) == 0);
}

static void say_decision(const struct case_entry *entry, struct ward_decision decision,
                         struct ward_case *result)
{
    (void)snprintf(result->said, sizeof(result->said),
                   "expected %s%s%.130s, but %s%.*s is %s by %.130s", entry->expect,
                   entry->rule == NULL ? "" : " by ", entry->rule == NULL ? "" : entry->rule,
                   decision.field.size > 0 ? "field " : "it",
                   (int)(decision.field.size < 64 ? decision.field.size : 64),
                   decision.field.size > 0 ? (const char *)decision.field.data : "",
                   decision.allowed ? "allowed" : "denied", decision.rule);
}

static ward_status run_decision(const struct run *run, const struct case_entry *entry)
{
    struct ward_decide_pair pairs[WARD_YAML_OPEN_MAX];
    struct ward_bytes fields[FIELDS_MAX];
    struct ward_decide_in in = {.context = pairs,
                                .n_context = read_context(run, entry, pairs),
                                .fields = fields,
                                .n_fields = entry->fields_count};
    for (size_t i = 0; i < entry->fields_count; i++) {
        fields[i] = ward_bytes_str(entry->fields[i]);
    }
    if (entry->expect == NULL ||
        (strcmp(entry->expect, "allow") != 0 && strcmp(entry->expect, "deny") != 0)) {
        return refuse(run, entry->expect != NULL ? entry->expect : entry->name,
                      "expect: allow or deny");
    }
    if (entry->roles_count > 0 || entry->execute != NULL) {
        return refuse(run, entry->name, "roles and execute are of guards: leave identity out");
    }
    WARD_TRY(read_ask(run, entry, &in));
    struct ward_decision decision = ward_decide(run->policy, &in);
    struct ward_case result = {.passed = decided_as_expected(entry, decision)};
    if (!result.passed) {
        say_decision(entry, decision, &result);
    }
    report(run, entry, &result);
    return WARD_OK;
}

/* ---- guards ---- */

static bool share_of(const struct ward_guard *guard, const char *role)
{
    for (size_t i = 0; i < guard->n_shares; i++) {
        if (ward_bytes_eq(guard->shares[i].role, ward_bytes_str(role))) {
            return true;
        }
    }
    return false;
}

static ward_status read_approvals(const struct run *run, const char *text, uint32_t *ret)
{
    uint32_t value = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || c - text > 5) {
            return refuse(run, text, "approvals: a whole number");
        }
        value = value * 10 + (uint32_t)(*c - '0');
    }
    *ret = value;
    return WARD_OK;
}

static ward_status run_guard(const struct run *run, const struct case_entry *entry)
{
    enum ward_action action;
    uint32_t approvals;
    if (entry->approvals == NULL) {
        return refuse(run, entry->name, "a case has an identity and expect, or approvals");
    }
    if (entry->expect != NULL || entry->rule != NULL || entry->context != NULL ||
        entry->fields_count > 0 || entry->at != NULL || entry->from != NULL ||
        entry->whole != NULL || entry->emergency != NULL) {
        return refuse(run, entry->name,
                      "a case of a guard has action, object, approvals, roles "
                      "and execute alone");
    }
    bool manual = entry->execute != NULL && strcmp(entry->execute, "manual") == 0;
    if (entry->execute != NULL && !manual && strcmp(entry->execute, "auto") != 0) {
        return refuse(run, entry->execute, "execute: auto or manual");
    }
    WARD_TRY(read_action(run, entry, &action));
    WARD_TRY(read_approvals(run, entry->approvals, &approvals));
    struct ward_guard guard = ward_policy_guard(
        run->policy, action, ward_bytes_str(entry->object != NULL ? entry->object : ""));
    struct ward_case result = {.passed = guard.approvals == approvals &&
                                         (entry->execute == NULL || guard.manual == manual)};
    for (size_t i = 0; i < entry->roles_count; i++) {
        result.passed = result.passed && share_of(&guard, entry->roles[i]);
    }
    if (!result.passed) {
        (void)snprintf(result.said, sizeof(result.said),
                       "expected %u approvals, but it needs %u, of %zu roles, and executes %s",
                       approvals, guard.approvals, guard.n_shares,
                       guard.manual ? "by hand" : "at once");
    }
    report(run, entry, &result);
    return WARD_OK;
}

static ward_status run_all(const struct run *run, const struct cases *cases)
{
    for (size_t i = 0; i < cases->cases_count; i++) {
        const struct case_entry *entry = &cases->cases[i];
        if (entry->identity != NULL && entry->approvals != NULL) {
            return refuse(run, entry->approvals,
                          "a case has an identity and expect, or approvals, and not both");
        }
        WARD_TRY(entry->identity != NULL ? run_decision(run, entry) : run_guard(run, entry));
    }
    return WARD_OK;
}

ward_status ward_policy_cases(const struct ward_policy *policy, struct ward_bytes text,
                              void (*each)(void *context, const struct ward_case *result),
                              void *context, struct ward_policy_error *error)
{
    struct ward_yaml_open names;
    struct schema schema;
    void *cases = NULL;
    *error = (struct ward_policy_error){0};
    WARD_TRY(ward_yaml_open(text, "context", &names, error));
    schema_init(&schema, &names);
    WARD_TRY(ward_yaml_load(text, &schema.top, &cases, error));
    const struct run run = {.policy = policy,
                            .text = text,
                            .error = error,
                            .names = &names,
                            .each = each,
                            .context = context};
    ward_status status = run_all(&run, cases);
    ward_yaml_free(&schema.top, cases);
    return status;
}
