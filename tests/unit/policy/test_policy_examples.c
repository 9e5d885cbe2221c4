/* SPDX-License-Identifier: Apache-2.0 */
/* What the documentation shows is what the parser takes, and means what is said about it. */
#include "policy_support.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_readmes_policy_is_accepted),
        cmocka_unit_test(the_hospital_example_says_what_its_comments_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
