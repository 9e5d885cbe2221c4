/* SPDX-License-Identifier: Apache-2.0 */
/* Lint: who and what a policy leaves out. Rules and guards have passes of their own. It decides
 * nothing; where it cannot tell, it is silent. */
#include "policy/lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/lint_pass.h"

__attribute__((format(printf, 4, 0))) static void add(struct lint_pass *pass, const char *place,
                                                      bool note, const char *format, va_list args)
{
    struct ward_lint *lint = pass->lint;
    if (lint->n == WARD_LINT_MAX) {
        lint->left_off++;
        return;
    }
    struct ward_lint_warning *warning = &lint->warnings[lint->n++];
    ward_yaml_place(pass->policy->text, place, &warning->line, &warning->column);
    warning->note = note;
    (void)vsnprintf(warning->text, sizeof(warning->text), format, args);
    lint->n_warnings += !note;
}

void ward_lint_warn(struct lint_pass *pass, const char *place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(pass, place, false, format, args);
    va_end(args);
}

void ward_lint_note(struct lint_pass *pass, const char *place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(pass, place, true, format, args);
    va_end(args);
}

bool ward_lint_may(const struct ward_subject *subject, enum ward_action action)
{
    for (size_t r = 0; r < subject->n_roles; r++) {
        if (subject->roles[r]->allow[action].n > 0) {
            return true;
        }
    }
    return false;
}

bool ward_lint_in(const struct ward_subject *subject, const struct ward_role *role)
{
    for (size_t r = 0; r < subject->n_roles; r++) {
        if (subject->roles[r] == role) {
            return true;
        }
    }
    return false;
}

static bool may_anything(const struct ward_subject *subject)
{
    for (unsigned action = 0; action < WARD_ACTION_COUNT; action++) {
        if (ward_lint_may(subject, (enum ward_action)action)) {
            return true;
        }
    }
    return false;
}

static const struct ward_subject *subject_of(const struct lint_pass *pass, const char *identity)
{
    return ward_policy_subject(pass->policy, ward_bytes_str(identity));
}

static void check_people(struct lint_pass *pass)
{
    const struct document *document = pass->document;
    for (size_t i = 0; i < document->persons_count; i++) {
        const struct doc_person *person = &document->persons[i];
        for (size_t j = 0; j < person->identities_count; j++) {
            if (subject_of(pass, person->identities[j]) == NULL) {
                ward_lint_warn(pass, person->identities[j],
                               "person %s: identity %.100s is in no role", person->name,
                               person->identities[j]);
            }
        }
    }
    for (size_t i = 0; i < document->identities_count; i++) {
        const char *identity = document->identities[i].identity;
        if (subject_of(pass, identity) == NULL) {
            ward_lint_warn(pass, identity, "identity %.160s is in no role", identity);
        }
    }
}

/* The first identity that a member stands for: all of a person's are in the role. */
static const struct ward_subject *member_subject(const struct lint_pass *pass, const char *member)
{
    const struct document *document = pass->document;
    if (strncmp(member, "person:", 7) != 0) {
        return subject_of(pass, member);
    }
    for (size_t i = 0; i < document->persons_count; i++) {
        if (strcmp(document->persons[i].name, member + 7) == 0) {
            return subject_of(pass, document->persons[i].identities[0]);
        }
    }
    return NULL;
}

static void check_roles(struct lint_pass *pass)
{
    for (size_t i = 0; i < pass->document->roles_count; i++) {
        const struct doc_role *role = &pass->document->roles[i];
        if (role->members_count == 0) {
            ward_lint_warn(pass, role->name, "role %s: nobody has it", role->name);
        }
        for (size_t j = 0; j < role->members_count; j++) {
            const struct ward_subject *subject = member_subject(pass, role->members[j]);
            if (subject != NULL && subject->roles[0] == &pass->policy->roles[i] &&
                !may_anything(subject)) {
                ward_lint_warn(pass, role->members[j],
                               "%.120s may do nothing: no rule of its roles allows anything",
                               role->members[j]);
            }
        }
    }
}

/* Does a rule that allows this action, of a role that somebody has, reach the collection? */
static bool reached(const struct lint_pass *pass, const struct ward_policy_collection *collection,
                    enum ward_action action)
{
    struct ward_glob_name name = ward_glob_name(collection->name);
    for (size_t i = 0; i < pass->policy->n_roles; i++) {
        const struct ward_rule_list *list = &pass->policy->roles[i].allow[action];
        for (size_t j = 0; j < list->n && pass->document->roles[i].members_count > 0; j++) {
            if (ward_globs_match(list->rules[j]->collections, &name)) {
                return true;
            }
        }
    }
    return false;
}

static void check_collections(struct lint_pass *pass)
{
    for (size_t i = 0; i < pass->policy->n_collections; i++) {
        const struct ward_policy_collection *collection = &pass->policy->collections[i];
        const char *name = pass->document->collections[i].name;
        if (!reached(pass, collection, WARD_ACTION_RECORD_PUT) &&
            !reached(pass, collection, WARD_ACTION_RECORD_GET)) {
            ward_lint_warn(pass, name, "collection %s: no rule lets anybody put or get records",
                           name);
        }
    }
}

static void check_settings(struct lint_pass *pass)
{
    const struct doc_settings *written = pass->document->settings;
    const struct ward_policy_settings *settings = &pass->policy->settings;
    if (written != NULL && written->unused_days != NULL && settings->unused_days == 0) {
        ward_lint_warn(pass, written->unused_days,
                       "unused_days 0: a version may be destroyed however lately it opened "
                       "something (default: 30 days)");
    }
    if (written != NULL && written->destroy_waiting_days != NULL &&
        settings->destroy_waiting_days < 30) {
        ward_lint_note(pass, written->destroy_waiting_days,
                       "destroy_waiting_days %u: fewer than the 30 days of the default to stop a "
                       "destruction",
                       settings->destroy_waiting_days);
    }
}

static int by_place(const void *a, const void *b)
{
    const struct ward_lint_warning *first = a, *second = b;
    if (first->line != second->line) {
        return first->line < second->line ? -1 : 1;
    }
    if (first->column != second->column) {
        return first->column < second->column ? -1 : 1;
    }
    return strcmp(first->text, second->text);
}

ward_status ward_policy_lint(const struct ward_policy *policy, struct ward_arena *arena,
                             struct ward_lint *ret)
{
    ward_auto(ward_document_fini) struct loaded loaded;
    struct ward_policy_error error;
    WARD_TRY(ward_document_load(policy->text, &loaded, &error));
    *ret = (struct ward_lint){.warnings =
                                  WARD_ARENA_ARRAY(arena, struct ward_lint_warning, WARD_LINT_MAX)};
    WARD_ENSURE(ret->warnings != NULL, WARD_E_EXHAUSTED);
    struct lint_pass pass = {.policy = policy, .document = loaded.document, .lint = ret};
    check_people(&pass);
    check_roles(&pass);
    ward_lint_rules(&pass);
    ward_lint_guards(&pass);
    ward_lint_spare(&pass);
    check_collections(&pass);
    check_settings(&pass);
    qsort(ret->warnings, ret->n, sizeof(ret->warnings[0]), by_place);
    return WARD_OK;
}
