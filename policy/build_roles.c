/* SPDX-License-Identifier: Apache-2.0 */
/* Who is who: persons, their identities, and the one kind of role that each may have. Everything is
 * found by sorting, so a policy of many thousand identities costs no more than its sort. */
#include <stdlib.h>

#include "policy/build.h"
#include "policy/name.h"

/* An identity that a person declares. */
struct owned {
    struct ward_bytes identity;
    const char *place;
    const struct doc_person *person;
};

/* An identity in a role. place: the entry under `members` that brought it there. */
struct membership {
    struct ward_bytes identity, person;
    const char *place;
    size_t role;
};

struct people {
    struct doc_person **persons; /* sorted by name */
    struct owned *owned;         /* sorted by identity */
    struct membership *memberships;
    size_t n_persons, n_owned, n_memberships;
};

static const char *const kind_names[] = {
    [WARD_ROLE_APPLICATION] = "application",
    [WARD_ROLE_OFFICER] = "officer",
    [WARD_ROLE_AUDITOR] = "auditor",
    [WARD_ROLE_ADMINISTRATOR] = "administrator",
};

const char *ward_role_kind_name(enum ward_role_kind kind)
{
    return kind <= WARD_ROLE_ADMINISTRATOR ? kind_names[kind] : "unknown";
}

bool ward_label_valid(const char *label)
{
    return strlen(label) <= 64 && strchr(label, '/') == NULL &&
           ward_name_valid(ward_bytes_str(label));
}

static int compare_persons(const void *a, const void *b)
{
    const struct doc_person *const *first = a, *const *second = b;
    int order = strcmp((*first)->name, (*second)->name);
    return order != 0 ? order : ward_yaml_order((*first)->name, (*second)->name);
}

static int compare_owned(const void *a, const void *b)
{
    const struct owned *first = a, *second = b;
    int order = ward_bytes_cmp(first->identity, second->identity);
    return order != 0 ? order : ward_yaml_order(first->place, second->place);
}

static int compare_by_identity(const void *a, const void *b)
{
    const struct membership *first = a, *second = b;
    int order = ward_bytes_cmp(first->identity, second->identity);
    return order != 0 ? order : (first->role > second->role) - (first->role < second->role);
}

static int compare_by_person(const void *a, const void *b)
{
    const struct membership *first = a, *second = b;
    int order = ward_bytes_cmp(first->person, second->person);
    return order != 0 ? order : ward_yaml_order(first->place, second->place);
}

ward_status ward_build_refuse_identity(struct ward_build *build, const char *place)
{
    return ward_yaml_refuse(
        build->policy->text, place, build->error,
        "\"%.80s\" is not an identity: spiffe://trust.domain/path in canonical form, "
        "or key:sha256: and 64 lower-case hex digits",
        place);
}

static ward_status check_person(struct ward_build *build, const struct doc_person *person,
                                struct people *people)
{
    if (!ward_label_valid(person->name)) {
        return ward_yaml_refuse(
            build->policy->text, person->name, build->error,
            "\"%.80s\" is not a name: a-z, 0-9, \".\", \"_\", \"-\", at most 64", person->name);
    }
    for (size_t i = 0; i < person->identities_count; i++) {
        const char *identity = person->identities[i];
        if (!ward_identity_valid(ward_bytes_str(identity))) {
            return ward_build_refuse_identity(build, identity);
        }
        people->owned[people->n_owned++] = (struct owned){
            .identity = ward_bytes_str(identity),
            .place = identity,
            .person = person,
        };
    }
    return WARD_OK;
}

static ward_status check_persons_unique(struct ward_build *build, const struct people *people)
{
    for (size_t i = 1; i < people->n_persons; i++) {
        const char *name = people->persons[i]->name;
        if (strcmp(people->persons[i - 1]->name, name) == 0) {
            return ward_yaml_refuse(build->policy->text, name, build->error,
                                    "person \"%s\" is declared twice", name);
        }
    }
    for (size_t i = 1; i < people->n_owned; i++) {
        const struct owned *owned = &people->owned[i];
        if (ward_bytes_eq(people->owned[i - 1].identity, owned->identity)) {
            return ward_yaml_refuse(
                build->policy->text, owned->place, build->error,
                "identity \"%.80s\" is declared twice: it belongs to one person", owned->place);
        }
    }
    return WARD_OK;
}

static ward_status collect_persons(struct ward_build *build, struct people *people)
{
    const struct document *document = build->document;
    size_t n_owned = 0;
    for (size_t i = 0; i < document->persons_count; i++) {
        n_owned += document->persons[i].identities_count;
    }
    WARD_TRY(WARD_BUILD_ARRAY(build->scratch, struct owned, n_owned, &people->owned));
    WARD_TRY(WARD_BUILD_ARRAY(build->scratch, struct doc_person *, document->persons_count,
                              &people->persons));
    for (size_t i = 0; i < document->persons_count; i++) {
        people->persons[people->n_persons++] = &document->persons[i];
        WARD_TRY(check_person(build, &document->persons[i], people));
    }
    qsort(people->persons, people->n_persons, sizeof(people->persons[0]), compare_persons);
    qsort(people->owned, people->n_owned, sizeof(people->owned[0]), compare_owned);
    return check_persons_unique(build, people);
}

static int find_person(const void *name, const void *entry)
{
    const struct doc_person *const *person = entry;
    return strcmp(name, (*person)->name);
}

static int find_owned(const void *identity, const void *entry)
{
    const struct owned *owned = entry;
    return ward_bytes_cmp(*(const struct ward_bytes *)identity, owned->identity);
}

/* room is made for all memberships before; see count_memberships. */
static ward_status add_member(struct ward_build *build, struct people *people, size_t role,
                              const char *member)
{
    struct membership *next = &people->memberships[people->n_memberships];
    struct ward_bytes identity = ward_bytes_str(member);
    if (!ward_identity_valid(identity)) {
        return ward_build_refuse_identity(build, member);
    }
    const struct owned *owned =
        bsearch(&identity, people->owned, people->n_owned, sizeof(people->owned[0]), find_owned);
    *next = (struct membership){
        .identity = identity,
        .person = owned != NULL ? ward_bytes_str(owned->person->name) : identity,
        .place = member,
        .role = role,
    };
    people->n_memberships++;
    return WARD_OK;
}

static void add_person(struct people *people, size_t role, const struct doc_person *person,
                       const char *place)
{
    for (size_t i = 0; i < person->identities_count; i++) {
        people->memberships[people->n_memberships++] = (struct membership){
            .identity = ward_bytes_str(person->identities[i]),
            .person = ward_bytes_str(person->name),
            .place = place,
            .role = role,
        };
    }
}

/* The person's name in "person:alice"; NULL when the member is an identity. */
static const char *person_reference(const char *member)
{
    return strncmp(member, "person:", 7) == 0 ? member + 7 : NULL;
}

static const struct doc_person *person_named(const struct people *people, const char *name)
{
    struct doc_person *const *found =
        bsearch(name, people->persons, people->n_persons, sizeof(people->persons[0]), find_person);
    return found == NULL ? NULL : *found;
}

/* How many memberships a role brings; refuses persons that are not declared. */
static ward_status count_memberships(struct ward_build *build, const struct people *people,
                                     const struct doc_role *role, size_t *total)
{
    for (size_t i = 0; i < role->members_count; i++) {
        const char *name = person_reference(role->members[i]);
        const struct doc_person *person = name == NULL ? NULL : person_named(people, name);
        if (name != NULL && person == NULL) {
            return ward_yaml_refuse(build->policy->text, role->members[i], build->error,
                                    "person \"%.64s\" is not declared under persons", name);
        }
        *total += person != NULL ? person->identities_count : 1;
        if (*total > WARD_MEMBERSHIPS_MAX) {
            return ward_yaml_refuse(build->policy->text, role->members[i], build->error,
                                    "more than %u identities in roles", WARD_MEMBERSHIPS_MAX);
        }
    }
    return WARD_OK;
}

static ward_status collect_memberships(struct ward_build *build, struct people *people)
{
    const struct document *document = build->document;
    size_t total = 0;
    for (size_t i = 0; i < document->roles_count; i++) {
        WARD_TRY(count_memberships(build, people, &document->roles[i], &total));
    }
    WARD_TRY(WARD_BUILD_ARRAY(build->scratch, struct membership, total, &people->memberships));
    for (size_t i = 0; i < document->roles_count; i++) {
        const struct doc_role *role = &document->roles[i];
        for (size_t j = 0; j < role->members_count; j++) {
            const char *name = person_reference(role->members[j]);
            if (name == NULL) {
                WARD_TRY(add_member(build, people, i, role->members[j]));
            } else {
                add_person(people, i, person_named(people, name), role->members[j]);
            }
        }
    }
    return WARD_OK;
}

/* Separation of duty begins here: one person, one kind, whatever the certificates say. */
static ward_status check_one_kind(struct ward_build *build, struct people *people)
{
    const struct ward_role *roles = build->policy->roles;
    struct membership *all = people->memberships;
    qsort(all, people->n_memberships, sizeof(all[0]), compare_by_person);
    for (size_t i = 1; i < people->n_memberships; i++) {
        enum ward_role_kind before = roles[all[i - 1].role].kind, now = roles[all[i].role].kind;
        if (before != now && ward_bytes_eq(all[i - 1].person, all[i].person)) {
            return ward_yaml_refuse(build->policy->text, all[i].place, build->error,
                                    "%.*s is in roles of two kinds, %s and %s",
                                    (int)(all[i].person.size < 80 ? all[i].person.size : 80),
                                    (const char *)all[i].person.data, kind_names[before],
                                    kind_names[now]);
        }
    }
    return WARD_OK;
}

/* One subject from the memberships of one identity, which stand together. */
static ward_status add_subject(struct ward_build *build, const struct membership *first, size_t n)
{
    struct ward_policy *policy = build->policy;
    struct ward_subject *subject = &policy->subjects[policy->n_subjects];
    WARD_TRY(WARD_BUILD_ARRAY(policy->arena, const struct ward_role *, n, &subject->roles));
    WARD_TRY(ward_arena_copy(policy->arena, first->identity, &subject->identity));
    WARD_TRY(ward_arena_copy(policy->arena, first->person, &subject->person));
    subject->policy = policy;
    subject->kind = policy->roles[first->role].kind;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || first[i].role != first[i - 1].role) {
            subject->roles[subject->n_roles++] = &policy->roles[first[i].role];
        }
    }
    policy->n_subjects++;
    return WARD_OK;
}

static ward_status build_subjects(struct ward_build *build, struct people *people)
{
    struct membership *all = people->memberships;
    size_t n = people->n_memberships;
    WARD_TRY(
        WARD_BUILD_ARRAY(build->policy->arena, struct ward_subject, n, &build->policy->subjects));
    qsort(all, n, sizeof(all[0]), compare_by_identity);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && ward_bytes_eq(all[from].identity, all[to].identity); to++) {
        }
        WARD_TRY(add_subject(build, &all[from], to - from));
    }
    return WARD_OK;
}

static ward_status build_role(struct ward_build *build, const struct doc_role *from,
                              struct ward_role *role)
{
    if (!ward_label_valid(from->name)) {
        return ward_yaml_refuse(
            build->policy->text, from->name, build->error,
            "\"%.80s\" is not a name: a-z, 0-9, \".\", \"_\", \"-\", at most 64", from->name);
    }
    for (const struct ward_role *other = build->policy->roles; other < role; other++) {
        if (ward_bytes_eq(other->name, ward_bytes_str(from->name))) {
            return ward_yaml_refuse(build->policy->text, from->name, build->error,
                                    "role \"%s\" is declared twice", from->name);
        }
    }
    for (unsigned kind = 0; kind <= WARD_ROLE_ADMINISTRATOR; kind++) {
        if (strcmp(from->kind, kind_names[kind]) == 0) {
            role->kind = (enum ward_role_kind)kind;
            return ward_arena_copy(build->policy->arena, ward_bytes_str(from->name), &role->name);
        }
    }
    return ward_yaml_refuse(
        build->policy->text, from->kind, build->error,
        "kind \"%.64s\" is none of application, officer, auditor, administrator", from->kind);
}

ward_status ward_build_roles(struct ward_build *build)
{
    const struct document *document = build->document;
    struct ward_policy *policy = build->policy;
    WARD_TRY(
        WARD_BUILD_ARRAY(policy->arena, struct ward_role, document->roles_count, &policy->roles));
    for (size_t i = 0; i < document->roles_count; i++) {
        WARD_TRY(build_role(build, &document->roles[i], &policy->roles[i]));
        policy->n_roles++;
    }
    struct people people = {0};
    WARD_TRY(collect_persons(build, &people));
    WARD_TRY(collect_memberships(build, &people));
    WARD_TRY(check_one_kind(build, &people));
    return build_subjects(build, &people);
}
