/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of roles: what is refused and where, what the defaults are, and that of several roles the
 * strictest holds. */
#include "policy_support.h"

#define HEAD L("version: 1") L("deployment: test.ward") L("roles:")
#define APP "spiffe://t.w/app"

/* One role whose limits stand on line 5, from column 15 on. */
static void refused_limits(const char *limits, unsigned column, const char *words)
{
    char text[1024];
    (void)snprintf(text, sizeof(text),
                   HEAD "  - name: apps\n    limits: {%s}\n    kind: application\n"
                        "    members: [\"" APP "\"]\n    rules: []\n",
                   limits);
    assert_refused(text, 5, column, words);
}

static void a_number_that_is_none_is_refused_where_it_stands(void **state)
{
    (void)state;
    refused_limits("per_second: 0", 26,
                   "per_second: \"0\" is not a whole number from 1 to 1000000");
    refused_limits("per_second: -1", 26, "not a whole number");
    refused_limits("per_second: 1.5", 26, "not a whole number");
    refused_limits("per_second: 0x10", 26, "not a whole number");
    refused_limits("per_second: 1e3", 26, "not a whole number");
    refused_limits("per_second: 1000001", 26, "not a whole number");
    refused_limits("per_second: 99999999999999999999", 26, "not a whole number");
    refused_limits("per_second: ten", 26, "not a whole number");
    refused_limits("per_second: \" 1\"", 26, "not a whole number");
    refused_limits("role_per_second: 0", 31, "role_per_second: \"0\"");
    refused_limits("per_second: 1, burst: 0", 36, "burst: \"0\"");
    refused_limits("role_per_second: 1, role_burst: 1000001", 46, "role_burst: \"1000001\"");
    refused_limits("per_day: 0", 23, "per_day: \"0\"");
    refused_limits("per_day: 1000000001", 23, "from 1 to 1000000000");
    refused_limits("per_day: 4294967297", 23, "from 1 to 1000000000");
    refused_limits("batch: 0", 21, "batch: \"0\"");
    refused_limits("batch: 1001", 21, "from 1 to 1000");
}

static void limits_of_the_wrong_shape_are_refused(void **state)
{
    (void)state;
    refused_limits("per_minute: 5", 14, "\"per_minute\": no such key");
    refused_limits("per_second: 5, per_second: 6", 29, "key given twice");
    refused_limits("per_second: [5]", 26, "a single value is expected");
    assert_refused(HEAD L("  - {name: apps, kind: application, limits: 5, members: [], rules: []}"),
                   4, 45, "a mapping is expected");
    assert_refused(
        HEAD L("  - {name: apps, kind: application, limits: [], members: [], rules: []}"), 4, 45,
        "a mapping is expected");
    assert_refused(
        HEAD L("  - {name: apps, kind: application, limits: {}, members: [], rules: []}"), 4, 12,
        "limits that limit nothing");
}

static void limits_that_no_request_could_keep_are_refused(void **state)
{
    (void)state;
    refused_limits("burst: 5", 21, "burst without per_second");
    refused_limits("role_burst: 5", 26, "role_burst without role_per_second");
    refused_limits("per_second: 5, role_burst: 5", 41, "role_burst without role_per_second");
    refused_limits("per_second: 1, burst: 3601000", 36, "burst: \"3601000\"");
    refused_limits("per_second: 1, burst: 3601", 36, "more than comes together in an hour");
    refused_limits("per_second: 5, batch: 6", 36, "let at most 5 through at once");
    refused_limits("per_second: 5, burst: 50, batch: 51", 47, "let at most 50 through at once");
    refused_limits("role_per_second: 9, batch: 10", 41, "let at most 9 through at once");
    refused_limits("per_day: 7, batch: 8", 33, "let at most 7 through at once");
}

static const struct ward_limits *limits_of(const struct ward_policy *policy)
{
    return ward_subject_limits(ward_policy_subject(policy, ward_bytes_str(APP)));
}

#define ROLE(name, limits) \
    L("  - {name: " name ", kind: application, members: [\"" APP "\"], rules: []" limits "}")

static void without_limits_there_are_none(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(HEAD ROLE("a", ""));
    assert_null(limits_of(policy));
}

static void what_is_left_out_follows_from_the_rest(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *one =
        policy_of(HEAD ROLE("a", ", limits: {per_second: 30}"));
    assert_int_equal(limits_of(one)->rate.per_second, 30);
    assert_int_equal(limits_of(one)->rate.burst, 30);
    assert_int_equal(limits_of(one)->batch, 30);
    assert_int_equal(limits_of(one)->per_day, 0);
    assert_int_equal(limits_of(one)->n_roles, 0);
    ward_auto(free_policy) struct ward_policy *two = policy_of(
        HEAD ROLE("a", ", limits: {per_second: 1000000, burst: 1000000, per_day: 1000000000}"));
    assert_int_equal(limits_of(two)->batch, WARD_BATCH_MAX);
    ward_auto(free_policy) struct ward_policy *three =
        policy_of(HEAD ROLE("a", ", limits: {batch: 1}"));
    assert_int_equal(limits_of(three)->batch, 1);
    assert_int_equal(limits_of(three)->rate.per_second, 0);
}

static void of_several_roles_the_strictest_holds(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(
        HEAD ROLE("a", ", limits: {per_second: 10, burst: 500, role_per_second: 40}") ROLE("b", "")
            ROLE("c", ", limits: {per_second: 20, burst: 90, per_day: 800, batch: 60}")
                ROLE("d", ", limits: {role_per_second: 5, role_burst: 70, per_day: 900}"));
    const struct ward_limits *limits = limits_of(policy);
    assert_int_equal(limits->rate.per_second, 10);
    assert_int_equal(limits->rate.burst, 90);
    assert_int_equal(limits->per_day, 800);
    assert_int_equal(limits->batch, 40);
    assert_int_equal(limits->n_roles, 2);
    assert_true(ward_bytes_eq(limits->roles[0].role, WARD_BYTES_LITERAL("a")));
    assert_int_equal(limits->roles[0].rate.burst, 40);
    assert_true(ward_bytes_eq(limits->roles[1].role, WARD_BYTES_LITERAL("d")));
    assert_int_equal(limits->roles[1].rate.per_second, 5);
    assert_int_equal(limits->roles[1].rate.burst, 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_that_is_none_is_refused_where_it_stands),
        cmocka_unit_test(limits_of_the_wrong_shape_are_refused),
        cmocka_unit_test(limits_that_no_request_could_keep_are_refused),
        cmocka_unit_test(without_limits_there_are_none),
        cmocka_unit_test(what_is_left_out_follows_from_the_rest),
        cmocka_unit_test(of_several_roles_the_strictest_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
