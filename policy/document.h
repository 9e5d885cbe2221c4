/* SPDX-License-Identifier: Apache-2.0 */
/* The policy file as it was written: strings in the shape of the language, nothing checked yet but
 * that shape. Private to policy/; model.h is what it becomes. */
#ifndef WARD_POLICY_DOCUMENT_H
#define WARD_POLICY_DOCUMENT_H

#include "policy/yaml_read.h"

/* By the number of the name among the document's attribute names; NULL: not given. */
struct doc_attributes {
    char *values[WARD_YAML_OPEN_MAX];
};

struct doc_person {
    char *name;
    struct doc_attributes *attributes;
    char **identities;
    uint32_t identities_count;
};

struct doc_identity {
    char *identity;
    struct doc_attributes *attributes;
};

struct doc_condition {
    char *key, *equals;
    char **values;
    uint32_t values_count;
};

struct doc_when {
    char **days;
    uint32_t days_count;
    char *from, *to;
};

struct doc_rule {
    char *name, *effect, *emergency;
    char **actions, **keys, **collections, **fields, **networks;
    uint32_t actions_count, keys_count, collections_count, fields_count, networks_count;
    struct doc_when *when;
    struct doc_condition *context;
    uint32_t context_count;
};

struct doc_limits {
    char *per_second, *burst, *role_per_second, *role_burst, *per_day, *batch;
};

struct doc_role {
    char *name, *kind, *hardware;
    struct doc_attributes *attributes;
    struct doc_limits *limits;
    char **members;
    uint32_t members_count;
    struct doc_rule *rules;
    uint32_t rules_count;
};

struct doc_share {
    char *role, *approvals;
};

struct doc_guard {
    char *action;
    char **keys;
    struct doc_share *from;
    uint32_t keys_count, from_count;
    char *approvals, *expires_hours, *execute, *hardware;
};

struct doc_collection {
    char *name, *key;
    char **default_fields;
    uint32_t default_fields_count;
};

struct doc_hardware {
    char **certificate_policies;
    uint32_t certificate_policies_count;
};

struct doc_emergency {
    char *minutes_max;
};

struct doc_settings {
    char *destroy_waiting_days, *unused_days, *compromised_reads;
    struct doc_emergency *emergency;
};

struct document {
    char *version, *deployment;
    struct doc_person *persons;
    struct doc_identity *identities;
    uint32_t identities_count;
    struct doc_hardware *hardware;
    struct doc_settings *settings;
    struct doc_role *roles;
    struct doc_guard *guards;
    struct doc_collection *collections;
    char **public_context;
    uint32_t persons_count, roles_count, guards_count, collections_count, public_context_count;
};

/* A document as loaded, with the names that its attributes bear. */
struct loaded {
    struct ward_yaml_open attributes;
    struct document *document;
};

/* ret is to be given back by fini whatever is returned. */
ward_status ward_document_load(struct ward_bytes text, struct loaded *ret,
                               struct ward_policy_error *error);
void ward_document_fini(struct loaded *loaded);

#endif
