/* SPDX-License-Identifier: Apache-2.0 */
/* A policy's birth, life and end, and the questions about it that are not decisions. It is built
 * whole or not at all, never changes, and goes with its last reference. */
#include "policy/policy.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/build.h"
#include "policy/name.h"

#define POLICY_MEMORY_MAX (64u * 1024u * 1024u)

static ward_status build_head(struct ward_build *build)
{
    const struct document *document = build->document;
    struct ward_policy *policy = build->policy;
    if (strcmp(document->version, "1") != 0) {
        return ward_yaml_refuse(policy->text, document->version, build->error,
                                "version \"%.16s\" is not known: 1 is", document->version);
    }
    if (!ward_name_valid(ward_bytes_str(document->deployment))) {
        return ward_yaml_refuse(
            policy->text, document->deployment, build->error,
            "deployment \"%.80s\": a-z, 0-9, \".\", \"_\", \"-\" in segments between "
            "\"/\", at most 128",
            document->deployment);
    }
    policy->deployment = ward_arena_printf(policy->arena, "%s", document->deployment);
    WARD_ENSURE(policy->deployment != NULL, WARD_E_EXHAUSTED);
    return WARD_OK;
}

static ward_status build_all(struct ward_build *build)
{
    WARD_TRY(build_head(build));
    WARD_TRY(ward_build_settings(build));
    WARD_TRY(ward_build_roles(build));
    WARD_TRY(ward_build_hardware_roles(build));
    WARD_TRY(ward_build_attributes(build));
    WARD_TRY(ward_build_collections(build));
    WARD_TRY(ward_build_rules(build));
    WARD_TRY(ward_build_limits(build));
    return ward_build_guards(build);
}

static ward_status policy_new(struct ward_bytes text, struct ward_policy **ret)
{
    struct ward_policy *policy = calloc(1, sizeof(*policy));
    WARD_ENSURE(policy != NULL, WARD_E_EXHAUSTED);
    *ret = policy; /* half-built is fine for unref */
    atomic_init(&policy->references, 1);
    WARD_TRY(ward_arena_new(POLICY_MEMORY_MAX, &policy->arena));
    WARD_TRY(ward_arena_copy(policy->arena, text, &policy->text));
    ward_auto(ward_digest_freep) struct ward_digest *digest = NULL;
    WARD_TRY(ward_digest_new(&digest));
    return ward_sha256(digest, &text, 1, policy->hash);
}

static ward_status parse(struct ward_bytes text, struct ward_policy *policy,
                         struct ward_policy_error *error)
{
    ward_auto(ward_document_fini) struct loaded loaded;
    WARD_TRY(ward_document_load(text, &loaded, error));
    ward_auto(ward_arena_freep) struct ward_arena *scratch = NULL;
    WARD_TRY(ward_arena_new(POLICY_MEMORY_MAX, &scratch));
    struct ward_build build = {
        .policy = policy,
        .document = loaded.document,
        .attributes = &loaded.attributes,
        .scratch = scratch,
        .error = error,
    };
    return build_all(&build);
}

static void unrefp(struct ward_policy **policy)
{
    ward_policy_unref(*policy);
}

ward_status ward_policy_parse(struct ward_bytes text, struct ward_policy **ret,
                              struct ward_policy_error *error)
{
    struct ward_policy_error unwanted;
    error = error == NULL ? &unwanted : error;
    *error = (struct ward_policy_error){0};
    if (text.size > WARD_YAML_TEXT_MAX) {
        return ward_yaml_refuse(text, NULL, error, "larger than %u bytes", WARD_YAML_TEXT_MAX);
    }
    ward_auto(unrefp) struct ward_policy *policy = NULL;
    ward_status status = policy_new(text, &policy);
    if (ward_ok(status)) {
        status = parse(text, policy, error);
    }
    if (!ward_ok(status)) {
        if (error->text[0] == '\0') {
            (void)snprintf(error->text, sizeof(error->text), "no memory for a policy of this size");
        }
        return status;
    }
    *ret = WARD_TAKE(policy);
    return WARD_OK;
}

struct ward_policy *ward_policy_ref(struct ward_policy *policy)
{
    atomic_fetch_add_explicit(&policy->references, 1, memory_order_relaxed);
    return policy;
}

void ward_policy_unref(struct ward_policy *policy)
{
    if (policy == NULL ||
        atomic_fetch_sub_explicit(&policy->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    ward_arena_free(policy->arena);
    free(policy);
}

const uint8_t *ward_policy_hash(const struct ward_policy *policy)
{
    return policy->hash;
}

struct ward_bytes ward_policy_text(const struct ward_policy *policy)
{
    return policy->text;
}

const char *ward_policy_deployment(const struct ward_policy *policy)
{
    return policy->deployment;
}

static int find_subject(const void *identity, const void *entry)
{
    const struct ward_subject *subject = entry;
    return ward_bytes_cmp(*(const struct ward_bytes *)identity, subject->identity);
}

const struct ward_subject *ward_policy_subject(const struct ward_policy *policy,
                                               struct ward_bytes identity)
{
    return policy->n_subjects == 0 ? NULL
                                   : bsearch(&identity, policy->subjects, policy->n_subjects,
                                             sizeof(policy->subjects[0]), find_subject);
}

struct ward_bytes ward_subject_identity(const struct ward_subject *subject)
{
    return subject->identity;
}

enum ward_role_kind ward_subject_kind(const struct ward_subject *subject)
{
    return subject->kind;
}

const struct ward_limits *ward_subject_limits(const struct ward_subject *subject)
{
    return subject->limits;
}

struct ward_bytes ward_subject_person(const struct ward_subject *subject)
{
    return subject->person;
}

bool ward_subject_hardware(const struct ward_subject *subject)
{
    for (size_t i = 0; i < subject->n_roles; i++) {
        if (subject->roles[i]->hardware) {
            return true;
        }
    }
    return false;
}

struct ward_bytes ward_subject_attribute(const struct ward_policy *policy,
                                         const struct ward_subject *subject, struct ward_bytes name)
{
    for (size_t a = 0; a < policy->attributes.n && subject->attributes != NULL; a++) {
        if (ward_bytes_eq(policy->attributes.items[a], name)) {
            return subject->attributes[a];
        }
    }
    return (struct ward_bytes){0};
}

const struct ward_policy_settings *ward_policy_settings(const struct ward_policy *policy)
{
    return &policy->settings;
}

const struct ward_policy_collection *ward_policy_collection_find(const struct ward_policy *policy,
                                                                 struct ward_bytes name)
{
    for (size_t i = 0; i < policy->n_collections; i++) {
        if (ward_bytes_eq(policy->collections[i].name, name)) {
            return &policy->collections[i];
        }
    }
    return NULL;
}

size_t ward_policy_collections(const struct ward_policy *policy,
                               const struct ward_policy_collection **ret)
{
    *ret = policy->collections;
    return policy->n_collections;
}

bool ward_policy_context_public(const struct ward_policy *policy, struct ward_bytes key)
{
    return ward_texts_contain(policy->public_context, key);
}
