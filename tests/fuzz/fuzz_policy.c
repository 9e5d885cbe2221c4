/* SPDX-License-Identifier: Apache-2.0 */
/* Policy files: refused with a place and a reason, or a policy that decides. */
#include <string.h>

#include "policy/cases.h"
#include "policy/decide.h"
#include "policy/lint.h"
#include "tests/fuzz/fuzz.h"

static void on_case(void *context, const struct ward_case *result)
{
    (void)context;
    FUZZ_CHECK(result->passed || memchr(result->said, '\0', sizeof(result->said)) != NULL);
}

/* The same text as cases: refused with a place and a reason, or run. */
static void run_as_cases(const struct ward_policy *policy, struct ward_bytes text)
{
    struct ward_policy_error error = {0};
    ward_status status = ward_policy_cases(policy, text, on_case, NULL, &error);
    FUZZ_CHECK(ward_ok(status) || error.text[0] != '\0');
}

static void lint(const struct ward_policy *policy)
{
    struct ward_arena *arena = NULL;
    struct ward_lint found;
    FUZZ_CHECK(ward_ok(ward_arena_new(1u << 20, &arena)));
    FUZZ_CHECK(ward_ok(ward_policy_lint(policy, arena, &found)));
    FUZZ_CHECK(found.n <= WARD_LINT_MAX && found.n_warnings <= found.n);
    ward_arena_free(arena);
}

/* A policy that every text can be run against as cases. */
static void fuzz_cases(struct ward_bytes text)
{
    static const char small[] = "version: 1\ndeployment: test.ward\nroles:\n"
                                "- {name: r, kind: auditor, members: [\"spiffe://test.ward/app\"],"
                                " rules: [{name: l, actions: [key.list]}]}\n";
    struct ward_policy *policy = NULL;
    FUZZ_CHECK(ward_ok(ward_policy_parse(ward_bytes_str(small), &policy, NULL)));
    run_as_cases(policy, text);
    ward_policy_unref(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_cases(WARD_BYTES(data, size));
    struct ward_policy *policy = NULL;
    struct ward_policy_error error = {0};
    ward_status status = ward_policy_parse(WARD_BYTES(data, size), &policy, &error);
    if (!ward_ok(status)) {
        FUZZ_CHECK(policy == NULL && memchr(error.text, '\0', sizeof(error.text)) != NULL);
        return 0;
    }
    struct ward_bytes identity = WARD_BYTES_LITERAL("spiffe://test.ward/app");
    lint(policy);
    const struct ward_decide_pair pair = {WARD_BYTES_LITERAL("purpose"),
                                          WARD_BYTES_LITERAL("TREAT")};
    for (int action = 0; action < WARD_ACTION_COUNT; action++) {
        const struct ward_decide_in in = {.subject = ward_policy_subject(policy, identity),
                                          .action = (enum ward_action)action,
                                          .object = WARD_BYTES_LITERAL("app/demo"),
                                          .context = &pair,
                                          .n_context = 1,
                                          .fields = &pair.value,
                                          .n_fields = (size_t)action % 2,
                                          .now_us = 1767744000000000,
                                          .address = WARD_BYTES_LITERAL("10.1.2.3"),
                                          .emergency = true};
        struct ward_decision decision = ward_decide(policy, &in);
        FUZZ_CHECK(decision.rule != NULL && decision.allowed == ward_ok(decision.status));
        FUZZ_CHECK(in.subject != NULL || !decision.allowed);
    }
    ward_policy_unref(policy);
    return 0;
}
