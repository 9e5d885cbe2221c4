/* SPDX-License-Identifier: Apache-2.0 */
/* What the passes of lint share; private to policy/. Each looks at the model and at the document
 * that it came from, whose entries stand in the same order. */
#ifndef WARD_POLICY_LINT_PASS_H
#define WARD_POLICY_LINT_PASS_H

#include "policy/document.h"
#include "policy/lint.h"
#include "policy/model.h"

struct lint_pass {
    const struct ward_policy *policy;
    const struct document *document;
    struct ward_lint *lint;
};

/* place: a string of the document, whose place the warning gets. */
void ward_lint_warn(struct lint_pass *pass, const char *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void ward_lint_note(struct lint_pass *pass, const char *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void ward_lint_rules(struct lint_pass *pass);
void ward_lint_guards(struct lint_pass *pass);
void ward_lint_spare(struct lint_pass *pass);

/* Has any of the subject's roles a rule that allows it, on whatever object and condition? */
bool ward_lint_may(const struct ward_subject *subject, enum ward_action action);
/* Is the subject in this role? */
bool ward_lint_in(const struct ward_subject *subject, const struct ward_role *role);

#endif
