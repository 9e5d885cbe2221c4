/* SPDX-License-Identifier: Apache-2.0 */
/* The checked policy, laid out for deciding. Private to policy/. Everything lives in the policy's
 * arena and nothing changes after parse. */
#ifndef WARD_POLICY_MODEL_H
#define WARD_POLICY_MODEL_H

#include <stdatomic.h>

#include "base/wipe_alloc.h"
#include "policy/decide.h"
#include "policy/field.h"
#include "policy/glob.h"
#include "policy/network.h"
#include "policy/window.h"

#define WARD_GUARD_DEFAULT_APPROVALS 1u
#define WARD_GUARD_DEFAULT_HOURS 24u
#define WARD_GUARD_HOURS_MAX 168u
#define WARD_MEMBERSHIPS_MAX 65536u
#define WARD_ATTRIBUTES_MAX 16u
#define WARD_NO_ATTRIBUTE UINT32_MAX
#define WARD_GLOBS_MAX 10000u /* in all rules and guards: bounds a load, and a decision */

struct ward_texts {
    const struct ward_bytes *items;
    size_t n;
};

struct ward_globs {
    const struct ward_glob *items;
    size_t n;
};

struct ward_condition {
    struct ward_bytes key;
    struct ward_texts values; /* none: any value, but the key must be there */
    uint32_t attribute;       /* whose value it must be; WARD_NO_ATTRIBUTE: the list counts */
};

struct ward_rule {
    const char *label; /* "role/rule" */
    bool deny;
    bool emergency;
    bool bounded; /* emergency, when or networks: most rules have none of them */
    bool timed;   /* when */
    struct ward_globs keys, collections;
    const struct ward_condition *conditions;
    size_t n_conditions;
    const struct ward_field_glob *fields; /* none: every field, and the record as a whole */
    size_t n_fields;
    const struct ward_network *networks; /* none: from anywhere */
    size_t n_networks;
    struct ward_window when;
};

struct ward_rule_list {
    const struct ward_rule **rules;
    size_t n;
};

/* As written, with the defaults filled in; 0: no limit. */
struct ward_role_limits {
    struct ward_rate identity, role;
    uint32_t per_day, batch;
};

/* A role's rules are sorted by action and effect once, so that a decision looks at those alone that
 * could decide it. Subjects share their roles' lists. */
struct ward_role {
    struct ward_bytes name;
    enum ward_role_kind kind;
    bool hardware;
    struct ward_role_limits limits;
    const struct ward_rule *rules; /* all, as written */
    size_t n_rules;
    struct ward_rule_list deny[WARD_ACTION_COUNT], allow[WARD_ACTION_COUNT];
};

struct ward_subject {
    const struct ward_policy *policy;
    struct ward_bytes identity, person;
    enum ward_role_kind kind;
    bool may_approve; /* an officer whom a rule lets approve: counts for a quorum */
    const struct ward_role **roles;
    size_t n_roles;
    const struct ward_limits *limits;    /* NULL: none */
    const struct ward_bytes *attributes; /* by number, empty: has none; NULL: none at all */
};

struct ward_guard_rule {
    enum ward_action action;
    struct ward_globs keys; /* none: the action is on no key */
    struct ward_guard guard;
};

struct ward_policy {
    atomic_uint references;
    struct ward_arena *arena;
    struct ward_bytes text;
    uint8_t hash[WARD_SHA256_SIZE];
    const char *deployment;
    struct ward_role *roles;
    size_t n_roles;
    struct ward_subject *subjects; /* sorted by identity */
    size_t n_subjects;
    struct ward_texts attributes; /* the names that the policy gives values of */
    struct ward_policy_settings settings;
    const struct ward_subject **approving; /* those who may approve, sorted by person */
    size_t n_approving, n_approvers;       /* identities, and distinct persons */
    struct ward_guard_rule *guards;
    size_t n_guards;
    struct ward_texts share_roles; /* the roles that guards name */
    struct ward_policy_collection *collections;
    size_t n_collections;
    struct ward_texts public_context;
};

/* May a rule give this action to a role of this kind? */
bool ward_action_allows_kind(enum ward_action action, enum ward_role_kind kind);
/* Do requests for it carry an encryption context, so that a rule may look at it? */
bool ward_action_has_context(enum ward_action action);
/* Is it on data keys, so that no rule may allow it under the key of a collection? */
bool ward_action_on_data_keys(enum ward_action action);
/* Do requests for it name fields of records? */
bool ward_action_has_fields(enum ward_action action);
/* May a guard ask for approvals before it? */
bool ward_action_guardable(enum ward_action action);

bool ward_globs_match(struct ward_globs globs, const struct ward_glob_name *name);
bool ward_texts_contain(struct ward_texts texts, struct ward_bytes text);

#endif
