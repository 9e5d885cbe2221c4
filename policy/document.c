/* SPDX-License-Identifier: Apache-2.0 */
/* The language's keys, nesting and bounds as a libcyaml schema. Every leaf is read as text, numbers
 * too: libcyaml would take "-1", "0x1" and "1 or so" for numbers, and text knows its place. */
#include "policy/document.h"

#include <cyaml/cyaml.h>

#include "policy/decide.h"

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

/* What stands for attributes until the schema is made for a text: see attribute_schema. */
static const cyaml_schema_field_t no_attributes[] = {CYAML_FIELD_END};
#define ATTRIBUTES(type)                                                                         \
    CYAML_FIELD_MAPPING_PTR("attributes", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct type, \
                            attributes, no_attributes)

static const cyaml_schema_field_t person_fields[] = {
    ATTRIBUTES(doc_person),
    TEXT("name", doc_person, name),
    LIST("identities", doc_person, identities, &text_entry, 1, 16),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t person_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct doc_person, person_fields),
};

static const cyaml_schema_field_t identity_fields[] = {
    ATTRIBUTES(doc_identity),
    TEXT("identity", doc_identity, identity),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t identity_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct doc_identity, identity_fields),
};

static const cyaml_schema_field_t condition_fields[] = {
    TEXT("key", doc_condition, key),
    TEXT_OR_NONE("equals", doc_condition, equals),
    LIST_OR_NONE("values", doc_condition, values, &text_entry, 1, 256),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t condition_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct doc_condition, condition_fields),
};

static const cyaml_schema_field_t when_fields[] = {
    LIST_OR_NONE("days", doc_when, days, &text_entry, 1, 7),
    TEXT_OR_NONE("from", doc_when, from),
    TEXT_OR_NONE("to", doc_when, to),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t rule_fields[] = {
    TEXT("name", doc_rule, name),
    TEXT_OR_NONE("effect", doc_rule, effect),
    LIST("actions", doc_rule, actions, &text_entry, 1, 64),
    LIST_OR_NONE("keys", doc_rule, keys, &text_entry, 1, 64),
    LIST_OR_NONE("collections", doc_rule, collections, &text_entry, 1, 64),
    LIST_OR_NONE("fields", doc_rule, fields, &text_entry, 1, 256),
    LIST_OR_NONE("networks", doc_rule, networks, &text_entry, 1, 64),
    CYAML_FIELD_MAPPING_PTR("when", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct doc_rule, when,
                            when_fields),
    TEXT_OR_NONE("emergency", doc_rule, emergency),
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
    ATTRIBUTES(doc_role),
    TEXT("name", doc_role, name),
    TEXT("kind", doc_role, kind),
    TEXT_OR_NONE("hardware", doc_role, hardware),
    CYAML_FIELD_MAPPING_PTR("limits", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct doc_role,
                            limits, limits_fields),
    LIST("members", doc_role, members, &text_entry, 0, 4096),
    LIST("rules", doc_role, rules, &rule_entry, 0, 1024),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t role_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct doc_role, role_fields),
};

static const cyaml_schema_field_t share_fields[] = {
    TEXT("role", doc_share, role),
    TEXT("approvals", doc_share, approvals),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t share_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct doc_share, share_fields),
};

static const cyaml_schema_field_t guard_fields[] = {
    TEXT("action", doc_guard, action),
    LIST_OR_NONE("keys", doc_guard, keys, &text_entry, 1, 64),
    TEXT_OR_NONE("approvals", doc_guard, approvals),
    TEXT_OR_NONE("expires_hours", doc_guard, expires_hours),
    TEXT_OR_NONE("execute", doc_guard, execute),
    TEXT_OR_NONE("hardware", doc_guard, hardware),
    LIST_OR_NONE("from", doc_guard, from, &share_entry, 1, WARD_GUARD_SHARES_MAX),
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

static const cyaml_schema_field_t hardware_fields[] = {
    LIST("certificate_policies", doc_hardware, certificate_policies, &text_entry, 1, 16),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t emergency_fields[] = {
    TEXT("minutes_max", doc_emergency, minutes_max),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t settings_fields[] = {
    TEXT_OR_NONE("destroy_waiting_days", doc_settings, destroy_waiting_days),
    TEXT_OR_NONE("unused_days", doc_settings, unused_days),
    TEXT_OR_NONE("compromised_reads", doc_settings, compromised_reads),
    CYAML_FIELD_MAPPING_PTR("emergency", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                            struct doc_settings, emergency, emergency_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t document_fields[] = {
    TEXT("version", document, version),
    TEXT("deployment", document, deployment),
    LIST_OR_NONE("persons", document, persons, &person_entry, 0, 4096),
    LIST_OR_NONE("identities", document, identities, &identity_entry, 0, 4096),
    CYAML_FIELD_MAPPING_PTR("hardware", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct document,
                            hardware, hardware_fields),
    CYAML_FIELD_MAPPING_PTR("settings", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct document,
                            settings, settings_fields),
    LIST("roles", document, roles, &role_entry, 1, 256),
    LIST_OR_NONE("guards", document, guards, &guard_entry, 0, 256),
    LIST_OR_NONE("collections", document, collections, &collection_entry, 0, 256),
    LIST_OR_NONE("public_context", document, public_context, &text_entry, 0, 64),
    CYAML_FIELD_END,
};

/* The parts of the schema that lead to attributes, whose names are the text's own. */
struct schema {
    cyaml_schema_field_t attributes[WARD_YAML_OPEN_MAX + 1];
    cyaml_schema_field_t person[sizeof(person_fields) / sizeof(person_fields[0])];
    cyaml_schema_field_t identity[sizeof(identity_fields) / sizeof(identity_fields[0])];
    cyaml_schema_field_t role[sizeof(role_fields) / sizeof(role_fields[0])];
    cyaml_schema_field_t document[sizeof(document_fields) / sizeof(document_fields[0])];
    cyaml_schema_value_t person_entry, identity_entry, role_entry, top;
};

/* Attributes stand first in whatever has them. */
static cyaml_schema_value_t with_attributes(const struct schema *schema,
                                            const cyaml_schema_value_t *entry,
                                            cyaml_schema_field_t *fields, size_t size)
{
    memcpy(fields, entry->mapping.fields, size);
    fields[0].value.mapping.fields = schema->attributes;
    cyaml_schema_value_t own = *entry;
    own.mapping.fields = fields;
    return own;
}

/* The document's schema with attributes of these names. It points into itself. */
static void schema_init(struct schema *schema, const struct ward_yaml_open *names)
{
    static const cyaml_schema_value_t top = {
        CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct document, document_fields),
    };
    memset(schema, 0, sizeof(*schema)); /* a field without a key is the end of a list */
    for (size_t i = 0; i < names->n; i++) {
        schema->attributes[i] = (cyaml_schema_field_t){
            .key = names->names[i],
            .data_offset = (uint32_t)(offsetof(struct doc_attributes, values) + i * sizeof(char *)),
            .value = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char, 1, 512)},
        };
    }
    schema->person_entry =
        with_attributes(schema, &person_entry, schema->person, sizeof(schema->person));
    schema->identity_entry =
        with_attributes(schema, &identity_entry, schema->identity, sizeof(schema->identity));
    schema->role_entry = with_attributes(schema, &role_entry, schema->role, sizeof(schema->role));
    memcpy(schema->document, document_fields, sizeof(document_fields));
    for (cyaml_schema_field_t *field = schema->document; field->key != NULL; field++) {
        const cyaml_schema_value_t **entry = &field->value.sequence.entry;
        if (field->value.type == CYAML_SEQUENCE) {
            *entry = *entry == &person_entry     ? &schema->person_entry
                     : *entry == &identity_entry ? &schema->identity_entry
                     : *entry == &role_entry     ? &schema->role_entry
                                                 : *entry;
        }
    }
    schema->top = top;
    schema->top.mapping.fields = schema->document;
}

ward_status ward_document_load(struct ward_bytes text, struct loaded *ret,
                               struct ward_policy_error *error)
{
    *ret = (struct loaded){.document = NULL};
    WARD_TRY(ward_yaml_open(text, "attributes", &ret->attributes, error));
    struct schema schema;
    schema_init(&schema, &ret->attributes);
    void *document = NULL;
    WARD_TRY(ward_yaml_load(text, &schema.top, &document, error));
    ret->document = document;
    return WARD_OK;
}

void ward_document_fini(struct loaded *loaded)
{
    struct schema schema;
    schema_init(&schema, &loaded->attributes);
    ward_yaml_free(&schema.top, loaded->document);
}
