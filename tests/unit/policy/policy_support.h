/* SPDX-License-Identifier: Apache-2.0 */
/* What every policy test needs: a policy from text, a decision, a refusal at a place. */
#ifndef WARD_TESTS_POLICY_SUPPORT_H
#define WARD_TESTS_POLICY_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "policy/decide.h"

/* Joins lines, so that a text in a test reads as it would in a file. */
#define L(line) line "\n"

static inline void free_policy(struct ward_policy **policy)
{
    ward_policy_unref(*policy);
}

static inline struct ward_policy *policy_of(const char *text)
{
    struct ward_policy *policy = NULL;
    struct ward_policy_error error;
    ward_status status = ward_policy_parse(ward_bytes_str(text), &policy, &error);
    if (!ward_ok(status)) {
        fail_msg("refused at %u:%u: %s", error.line, error.column, error.text);
    }
    return policy;
}

/* The text is refused as bad input, there, with these words in the reason. */
static inline void assert_refused_bytes(struct ward_bytes text, unsigned line, unsigned column,
                                        const char *words)
{
    struct ward_policy *policy = NULL;
    struct ward_policy_error error = {0};
    ward_status status = ward_policy_parse(text, &policy, &error);
    assert_null(policy);
    assert_int_equal(status.code, WARD_E_INVALID);
    if (strstr(error.text, words) == NULL) {
        fail_msg("expected \"%s\", got at %u:%u: %s", words, error.line, error.column, error.text);
    }
    if (error.line != line || error.column != column) {
        fail_msg("expected %u:%u, got %u:%u: %s", line, column, error.line, error.column,
                 error.text);
    }
}

static inline void assert_refused(const char *text, unsigned line, unsigned column,
                                  const char *words)
{
    assert_refused_bytes(ward_bytes_str(text), line, column, words);
}

static inline struct ward_decision decide_as(const struct ward_policy *policy, const char *identity,
                                             enum ward_action action, const char *object)
{
    const struct ward_decide_in in = {
        .subject = ward_policy_subject(policy, ward_bytes_str(identity)),
        .action = action,
        .object = ward_bytes_str(object),
    };
    return ward_decide(policy, &in);
}

#endif
