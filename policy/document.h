/* SPDX-License-Identifier: Apache-2.0 */
/* The policy file as it was written: strings in the shape of the language, nothing checked yet but
 * that shape. Private to policy/; model.h is what it becomes. */
#ifndef WARD_POLICY_DOCUMENT_H
#define WARD_POLICY_DOCUMENT_H

#include "policy/yaml_read.h"

struct doc_person {
    char *name;
    char **identities;
    uint32_t identities_count;
};

struct doc_condition {
    char *key;
    char **values;
    uint32_t values_count;
};

struct doc_rule {
    char *name, *effect;
    char **actions, **keys, **collections;
    uint32_t actions_count, keys_count, collections_count;
    struct doc_condition *context;
    uint32_t context_count;
};

struct doc_limits {
    char *per_second, *burst, *role_per_second, *role_burst, *per_day, *batch;
};

struct doc_role {
    char *name, *kind;
    struct doc_limits *limits;
    char **members;
    uint32_t members_count;
    struct doc_rule *rules;
    uint32_t rules_count;
};

struct doc_guard {
    char *action;
    char **keys;
    uint32_t keys_count;
    char *approvals, *expires_hours;
};

struct doc_collection {
    char *name, *key;
    char **default_fields;
    uint32_t default_fields_count;
};

struct document {
    char *version, *deployment;
    struct doc_person *persons;
    struct doc_role *roles;
    struct doc_guard *guards;
    struct doc_collection *collections;
    char **public_context;
    uint32_t persons_count, roles_count, guards_count, collections_count, public_context_count;
};

ward_status ward_document_load(struct ward_bytes text, struct document **ret,
                               struct ward_policy_error *error);
void ward_document_free(struct document *document);
static inline void ward_document_freep(struct document **document)
{
    ward_document_free(*document);
}

#endif
