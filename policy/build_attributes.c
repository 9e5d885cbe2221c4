/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of who asks. An identity has those of its own, of its person and of its roles; where
 * two of them say different things nobody could tell which one a rule means, so that is refused. */
#include "policy/build.h"

struct given {
    const struct doc_attributes *attributes; /* NULL: none */
    const char *to;                          /* whom, as written */
};

/* Every entry that may give attributes, one after the other; false behind the last. */
static bool next_given(const struct document *document, size_t i, struct given *ret)
{
    if (i < document->identities_count) {
        const struct doc_identity *identity = &document->identities[i];
        *ret = (struct given){identity->attributes, identity->identity};
        return true;
    }
    i -= document->identities_count;
    if (i < document->persons_count) {
        *ret = (struct given){document->persons[i].attributes, document->persons[i].name};
        return true;
    }
    i -= document->persons_count;
    if (i < document->roles_count) {
        *ret = (struct given){document->roles[i].attributes, document->roles[i].name};
        return true;
    }
    return false;
}

static ward_status check_value(struct ward_build *build, const char *name, const char *value)
{
    if (!ward_label_valid(name)) {
        return ward_yaml_refuse(build->policy->text, value, build->error,
                                "attribute \"%.64s\": a name is a-z, 0-9, \".\", \"_\", \"-\", at "
                                "most 64",
                                name);
    }
    if (strlen(value) > 128) {
        return ward_yaml_refuse(build->policy->text, value, build->error,
                                "attribute %s: longer than 128 bytes", name);
    }
    for (const char *c = value; *c != '\0'; c++) {
        if (*c <= 0x20 || *c > 0x7e) {
            return ward_yaml_refuse(build->policy->text, value, build->error,
                                    "attribute %s: a value is printable ASCII without spaces",
                                    name);
        }
    }
    return WARD_OK;
}

/* Names and values are canonical, and no entry gives nothing. */
static ward_status check_all(struct ward_build *build)
{
    const struct ward_yaml_open *names = build->attributes;
    struct given given;
    for (size_t i = 0; next_given(build->document, i, &given); i++) {
        size_t n = 0;
        for (size_t a = 0; given.attributes != NULL && a < names->n; a++) {
            if (given.attributes->values[a] != NULL) {
                WARD_TRY(check_value(build, names->names[a], given.attributes->values[a]));
                n++;
            }
        }
        if (given.attributes != NULL && n == 0) {
            return ward_yaml_refuse(build->policy->text, given.to, build->error,
                                    "\"%.80s\" has attributes that name none", given.to);
        }
    }
    return WARD_OK;
}

static ward_status give(struct ward_build *build, struct ward_subject *subject,
                        const struct doc_attributes *attributes)
{
    const struct ward_yaml_open *names = build->attributes;
    if (subject->attributes == NULL) {
        struct ward_bytes *own;
        WARD_TRY(WARD_BUILD_ARRAY(build->policy->arena, struct ward_bytes, names->n, &own));
        subject->attributes = own;
    }
    struct ward_bytes *own = (struct ward_bytes *)subject->attributes;
    for (size_t a = 0; a < names->n; a++) {
        const char *value = attributes->values[a];
        if (value == NULL) {
            continue;
        }
        if (own[a].size > 0 && !ward_bytes_eq(own[a], ward_bytes_str(value))) {
            return ward_yaml_refuse(build->policy->text, value, build->error,
                                    "attribute %s of %.80s is \"%.64s\" here and \"%.64s\" "
                                    "elsewhere: one of identity, person and role may say it",
                                    names->names[a], (const char *)subject->identity.data, value,
                                    (const char *)own[a].data);
        }
        if (own[a].size == 0) {
            WARD_TRY(ward_arena_copy(build->policy->arena, ward_bytes_str(value), &own[a]));
        }
    }
    return WARD_OK;
}

static ward_status give_identity(struct ward_build *build, const char *identity,
                                 const struct doc_attributes *attributes)
{
    struct ward_subject *subject = (struct ward_subject *)ward_policy_subject(
        build->policy, ward_bytes_str(identity)); /* which is still being built */
    return subject == NULL ? WARD_OK : give(build, subject, attributes);
}

static ward_status give_identities(struct ward_build *build)
{
    const struct document *document = build->document;
    for (size_t i = 0; i < document->identities_count; i++) {
        const struct doc_identity *from = &document->identities[i];
        if (!ward_identity_valid(ward_bytes_str(from->identity))) {
            return ward_build_refuse_identity(build, from->identity);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(document->identities[j].identity, from->identity) == 0) {
                return ward_yaml_refuse(build->policy->text, from->identity, build->error,
                                        "identity \"%.80s\" is described twice", from->identity);
            }
        }
        if (from->attributes != NULL) {
            WARD_TRY(give_identity(build, from->identity, from->attributes));
        }
    }
    return WARD_OK;
}

static ward_status give_persons(struct ward_build *build)
{
    const struct document *document = build->document;
    for (size_t i = 0; i < document->persons_count; i++) {
        const struct doc_person *from = &document->persons[i];
        for (size_t j = 0; from->attributes != NULL && j < from->identities_count; j++) {
            WARD_TRY(give_identity(build, from->identities[j], from->attributes));
        }
    }
    return WARD_OK;
}

static ward_status give_roles(struct ward_build *build)
{
    const struct ward_policy *policy = build->policy;
    for (size_t i = 0; i < policy->n_subjects; i++) {
        struct ward_subject *subject = &policy->subjects[i];
        for (size_t r = 0; r < subject->n_roles; r++) {
            const struct doc_role *role =
                &build->document->roles[subject->roles[r] - policy->roles];
            if (role->attributes != NULL) {
                WARD_TRY(give(build, subject, role->attributes));
            }
        }
    }
    return WARD_OK;
}

ward_status ward_build_attributes(struct ward_build *build)
{
    const struct ward_yaml_open *names = build->attributes;
    WARD_TRY(check_all(build));
    if (names->n > WARD_ATTRIBUTES_MAX) {
        return ward_yaml_refuse(build->policy->text, NULL, build->error,
                                "more than %u different attributes", WARD_ATTRIBUTES_MAX);
    }
    struct ward_bytes *items;
    WARD_TRY(WARD_BUILD_ARRAY(build->policy->arena, struct ward_bytes, names->n, &items));
    for (size_t a = 0; a < names->n; a++) {
        WARD_TRY(ward_arena_copy(build->policy->arena, ward_bytes_str(names->names[a]), &items[a]));
    }
    build->policy->attributes = (struct ward_texts){items, names->n};
    WARD_TRY(give_identities(build));
    WARD_TRY(give_persons(build));
    return give_roles(build);
}
