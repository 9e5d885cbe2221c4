/* SPDX-License-Identifier: Apache-2.0 */
/* The language's keys, nesting and bounds as a libcyaml schema. Every leaf is read as text, numbers
 * too: libcyaml would take "-1", "0x1" and "1 or so" for numbers, and text knows its place. */
#include "policy/document.h"

#include <cyaml/cyaml.h>

#define TEXT(key, type, member) \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, struct type, member, 1, 512)
#define TEXT_OR_NONE(key, type, member)                                                           \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct type, member, 1, \
                           512)
#define LIST(key, type, member, entry, min, max) \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER, struct type, member, entry, min, max)
#define LIST_OR_NONE(key, type, member, entry, min, max)                                     \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct type, member, \
                         entry, min, max)

static const cyaml_schema_value_t text_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 512),
};

static const cyaml_schema_field_t person_fields[] = {
    TEXT("name", doc_person, name),
    LIST("identities", doc_person, identities, &text_entry, 1, 16),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t person_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct doc_person, person_fields),
};

static const cyaml_schema_field_t condition_fields[] = {
    TEXT("key", doc_condition, key),
    LIST_OR_NONE("values", doc_condition, values, &text_entry, 1, 256),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t condition_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct doc_condition, condition_fields),
};

static const cyaml_schema_field_t rule_fields[] = {
    TEXT("name", doc_rule, name),
    TEXT_OR_NONE("effect", doc_rule, effect),
    LIST("actions", doc_rule, actions, &text_entry, 1, 64),
    LIST_OR_NONE("keys", doc_rule, keys, &text_entry, 1, 64),
    LIST_OR_NONE("collections", doc_rule, collections, &text_entry, 1, 64),
    LIST_OR_NONE("context", doc_rule, context, &condition_entry, 1, 32),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t rule_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct doc_rule, rule_fields),
};

static const cyaml_schema_field_t limits_fields[] = {
    TEXT_OR_NONE("per_second", doc_limits, per_second),
    TEXT_OR_NONE("burst", doc_limits, burst),
    TEXT_OR_NONE("role_per_second", doc_limits, role_per_second),
    TEXT_OR_NONE("role_burst", doc_limits, role_burst),
    TEXT_OR_NONE("per_day", doc_limits, per_day),
    TEXT_OR_NONE("batch", doc_limits, batch),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t role_fields[] = {
    TEXT("name", doc_role, name),
    TEXT("kind", doc_role, kind),
    CYAML_FIELD_MAPPING_PTR("limits", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct doc_role,
                            limits, limits_fields),
    LIST("members", doc_role, members, &text_entry, 0, 4096),
    LIST("rules", doc_role, rules, &rule_entry, 0, 1024),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t role_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct doc_role, role_fields),
};

static const cyaml_schema_field_t guard_fields[] = {
    TEXT("action", doc_guard, action),
    LIST_OR_NONE("keys", doc_guard, keys, &text_entry, 1, 64),
    TEXT("approvals", doc_guard, approvals),
    TEXT_OR_NONE("expires_hours", doc_guard, expires_hours),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t guard_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct doc_guard, guard_fields),
};

static const cyaml_schema_field_t collection_fields[] = {
    TEXT("name", doc_collection, name),
    TEXT("key", doc_collection, key),
    LIST_OR_NONE("default_fields", doc_collection, default_fields, &text_entry, 0, 256),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t collection_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct doc_collection, collection_fields),
};

static const cyaml_schema_field_t document_fields[] = {
    TEXT("version", document, version),
    TEXT("deployment", document, deployment),
    LIST_OR_NONE("persons", document, persons, &person_entry, 0, 4096),
    LIST("roles", document, roles, &role_entry, 1, 256),
    LIST_OR_NONE("guards", document, guards, &guard_entry, 0, 256),
    LIST_OR_NONE("collections", document, collections, &collection_entry, 0, 256),
    LIST_OR_NONE("public_context", document, public_context, &text_entry, 0, 64),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t document_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct document, document_fields),
};

ward_status ward_document_load(struct ward_bytes text, struct document **ret,
                               struct ward_policy_error *error)
{
    void *document = NULL;
    WARD_TRY(ward_yaml_load(text, &document_schema, &document, error));
    *ret = document;
    return WARD_OK;
}

void ward_document_free(struct document *document)
{
    ward_yaml_free(&document_schema, document);
}
