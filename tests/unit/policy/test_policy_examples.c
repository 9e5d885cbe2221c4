/* SPDX-License-Identifier: Apache-2.0 */
/* What the documentation shows is what the parser takes, and means what is said about it. */
#include "policy_support.h"

#include "policy/cases.h"
#include "policy/lint.h"

static char text[65536];

/* A file's text, terminated. */
static struct ward_bytes read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[size] = '\0';
    return WARD_BYTES(text, size);
}

static void the_readmes_policy_is_accepted(void **state)
{
    (void)state;
    (void)read_file(WARD_POLICY_FOLDER "/README.md");
    char *from = strstr(text, "```yaml\n");
    assert_non_null(from);
    char *to = strstr(from + 8, "```");
    assert_non_null(to);
    *to = '\0';
    ward_auto(free_policy) struct ward_policy *policy = policy_of(from + 8);
    const char *officer = "spiffe://ward.example/officer-b";
    assert_true(decide_as(policy, officer, WARD_ACTION_APPROVAL_APPROVE, "").allowed);
}

static void the_hospital_example_says_what_its_comments_say(void **state)
{
    (void)state;
    (void)read_file(WARD_POLICY_FOLDER "/examples/hospital.yaml");
    ward_auto(free_policy) struct ward_policy *policy = policy_of(text);
    const char *gateway = "spiffe://hospital.example/service/bedside-gateway";
    const struct ward_decide_pair treat = {WARD_BYTES_LITERAL("purpose"),
                                           WARD_BYTES_LITERAL("TREAT")};
    struct ward_decide_in in = {.subject = ward_policy_subject(policy, ward_bytes_str(gateway)),
                                .action = WARD_ACTION_RECORD_PUT,
                                .object = WARD_BYTES_LITERAL("measurements"),
                                .context = &treat,
                                .n_context = 1};
    assert_true(ward_decide(policy, &in).allowed);
    in.action = WARD_ACTION_RECORD_GET;
    assert_false(ward_decide(policy, &in).allowed);
    struct ward_guard guard =
        ward_policy_guard(policy, WARD_ACTION_KEY_ROTATE, WARD_BYTES_LITERAL("phi/patients"));
    assert_int_equal(guard.approvals, 2);
    assert_int_equal(guard.expires_hours, 12);
}

static void on_case(void *context, const struct ward_case *result)
{
    size_t *n = context;
    if (!result->passed) {
        fail_msg("%u: %s: %s", result->line, result->name, result->said);
    }
    (*n)++;
}

static void every_example_decides_its_cases_and_has_no_warning(void **state)
{
    (void)state;
    static const char *const names[] = {"hospital", "clinic", "research-export"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[4096];
        (void)snprintf(path, sizeof(path), WARD_POLICY_FOLDER "/examples/%s.yaml", names[i]);
        (void)read_file(path);
        ward_auto(free_policy) struct ward_policy *policy = policy_of(text);
        ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
        struct ward_lint lint;
        assert_true(ward_ok(ward_arena_new(1u << 20, &arena)));
        assert_true(ward_ok(ward_policy_lint(policy, arena, &lint)));
        if (lint.n_warnings > 0) {
            fail_msg("%s: %s", names[i], lint.warnings[0].text);
        }
        (void)snprintf(path, sizeof(path), WARD_POLICY_FOLDER "/examples/%s.cases.yaml", names[i]);
        struct ward_policy_error error;
        size_t n = 0;
        if (!ward_ok(ward_policy_cases(policy, read_file(path), on_case, &n, &error))) {
            fail_msg("%s:%u: %s", path, error.line, error.text);
        }
        assert_true(n >= 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_readmes_policy_is_accepted),
        cmocka_unit_test(the_hospital_example_says_what_its_comments_say),
        cmocka_unit_test(every_example_decides_its_cases_and_has_no_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
