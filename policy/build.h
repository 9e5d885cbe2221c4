/* SPDX-License-Identifier: Apache-2.0 */
/* From document to model: the checks that give the language its meaning. Private to policy/. */
#ifndef WARD_POLICY_BUILD_H
#define WARD_POLICY_BUILD_H

#include "policy/document.h"
#include "policy/identity.h"
#include "policy/model.h"

struct ward_build {
    struct ward_policy *policy;
    const struct document *document;
    const struct ward_yaml_open *attributes; /* names, by the numbers in the document */
    struct ward_arena *scratch;              /* freed when the policy is built */
    struct ward_policy_error *error;
    size_t n_globs;
};

/* In this order; each fills its part of the policy or refuses with the place in error. */
ward_status ward_build_roles(struct ward_build *build); /* roles without rules, subjects */
ward_status ward_build_attributes(struct ward_build *build);
ward_status ward_build_settings(struct ward_build *build); /* before rules and guards */
ward_status ward_build_hardware_roles(struct ward_build *build);
ward_status ward_build_collections(struct ward_build *build); /* and public_context */
ward_status ward_build_rules(struct ward_build *build);
ward_status ward_build_limits(struct ward_build *build);
ward_status ward_build_guards(struct ward_build *build);

/* The actions of one rule, and which kinds of object they are on. */
struct ward_rule_actions {
    bool has[WARD_ACTION_COUNT];
    bool on[WARD_OBJECT_COLLECTION + 1];
};
/* Whatever must hold besides action and object; rule has its effect. */
ward_status ward_build_conditions(struct ward_build *build, const struct doc_rule *from,
                                  const struct ward_rule_actions *actions, struct ward_rule *rule);

/* "name", "role" and so on: letters, digits, ".", "_", "-", at most 64 bytes; what audit entries
 * name. */
bool ward_label_valid(const char *label);
/* Copies into the policy. */
ward_status ward_build_texts(struct ward_build *build, char *const *from, size_t n,
                             struct ward_texts *ret);
/* The same, compiled; refuses unless every one is a valid glob. what: "keys" or "collections". */
ward_status ward_build_globs(struct ward_build *build, const char *what, char *const *from,
                             size_t n, struct ward_globs *ret);
/* Plain digits, 1 to max. what: the key, for the refusal. */
ward_status ward_build_number(struct ward_build *build, const char *what, const char *text,
                              uint32_t max, uint32_t *ret);
ward_status ward_build_range(struct ward_build *build, const char *what, const char *text,
                             uint32_t min, uint32_t max, uint32_t *ret);
/* "true" or "false"; false when text is NULL. */
ward_status ward_build_bool(struct ward_build *build, const char *what, const char *text,
                            bool *ret);
ward_status ward_build_refuse_identity(struct ward_build *build, const char *place);
/* For a demand of hardware that no certificate could meet. */
ward_status ward_build_refuse_hardware(struct ward_build *build, const char *place);
/* Memory that is zeroed; EXHAUSTED when there is none. */
#define WARD_BUILD_ARRAY(arena, type, n, ret) \
    ((*(ret) = WARD_ARENA_ARRAY(arena, type, n)) != NULL ? WARD_OK : WARD_STATUS(WARD_E_EXHAUSTED))

#endif
