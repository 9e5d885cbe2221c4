/* SPDX-License-Identifier: Apache-2.0 */
/* Cases and simulation: what policy decides, asked from outside. */
#include "policy_support.h"

#include "policy/cases.h"
#include "policy/simulate.h"

#define POLICY                                                                          \
    L("version: 1")                                                                     \
    L("deployment: t")                                                                  \
    L("collections: [{name: fhir, key: phi/records}]")                                  \
    L("roles:")                                                                         \
    L("- {name: apps, kind: application, members: [\"spiffe://t.w/x\"], rules: [")      \
    L("   {name: get, actions: [record.get], collections: [fhir], fields: [id],")       \
    L("    context: [{key: purpose, values: [TREAT]}], networks: [10.0.0.0/8],")        \
    L("    when: {days: [wed]}}]}")                                                     \
    L("- {name: o, kind: officer, members: [\"spiffe://t.w/a\", \"spiffe://t.w/b\"],")  \
    L("   rules: [{name: k, actions: [key.rotate], keys: [\"app/**\"]},")               \
    L("     {name: v, actions: [approval.approve, approval.submit]}]}")                 \
    L("guards: [{action: key.rotate, keys: [\"**\"], from: [{role: o, approvals: 1}],") \
    L("   execute: manual}]")

struct ran {
    size_t n, failed;
    struct ward_case last;
};

static void on_case(void *context, const struct ward_case *result)
{
    struct ran *ran = context;
    ran->n++;
    if (!result->passed) {
        ran->failed++;
        ran->last = *result;
    }
}

static struct ran run(const char *text)
{
    ward_auto(free_policy) struct ward_policy *policy = policy_of(POLICY);
    struct ran ran = {0};
    struct ward_policy_error error;
    if (!ward_ok(ward_policy_cases(policy, ward_bytes_str(text), on_case, &ran, &error))) {
        fail_msg("refused at %u:%u: %s", error.line, error.column, error.text);
    }
    return ran;
}

#define GET "identity: \"spiffe://t.w/x\", action: record.get, object: fhir, "
#define WHOLLY "context: {purpose: TREAT}, from: 10.1.2.3, at: 2026-01-07T08:00:00Z, "

static void cases_that_are_decided_as_expected_pass(void **state)
{
    (void)state;
    struct ran ran = run(
        L("cases:") L("- {name: a, " GET WHOLLY "expect: allow, rule: apps/get}")
            L("- {name: b, " GET WHOLLY "fields: [id], expect: allow}")
                L("- {name: c, " GET WHOLLY "fields: [id, name], expect: deny, rule: default-deny}")
                    L("- {name: d, " GET WHOLLY "whole: true, expect: deny}")
                        L("- {name: e, " GET "context: {purpose: TREAT}, expect: deny}")
                            L("- {name: f, identity: \"spiffe://t.w/stranger\", action: key.list, "
                              "expect: deny}")
                                L("- {name: g, action: key.rotate, object: app/x, approvals: 1, "
                                  "roles: [o], execute: manual}")
                                    L("- {name: h, action: policy.apply, approvals: 1}"));
    assert_int_equal(ran.n, 8);
    assert_int_equal(ran.failed, 0);
}

static void a_case_that_fails_says_what_decided(void **state)
{
    (void)state;
    static const struct {
        const char *entry, *said;
    } bad[] = {
        {GET WHOLLY "expect: deny", "expected deny, but it is allowed by apps/get"},
        {GET WHOLLY "expect: allow, rule: apps/other",
         "expected allow by apps/other, but it is allowed by apps/get"},
        {GET WHOLLY "fields: [id, name], expect: allow",
         "expected allow, but field name is denied by default-deny"},
        {GET "expect: allow", "is denied by default-deny"},
        {"action: key.rotate, object: app/x, approvals: 2", "expected 2 approvals, but it needs 1"},
        {"action: key.rotate, object: app/x, approvals: 1, roles: [apps]", "of 1 roles"},
        {"action: key.rotate, object: app/x, approvals: 1, execute: auto", "executes by hand"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text), "cases:\n\n- {name: x, %s}\n", bad[i].entry);
        struct ran ran = run(text);
        assert_int_equal(ran.failed, 1);
        assert_int_equal(ran.last.line, 3);
        assert_non_null(strstr(ran.last.said, bad[i].said));
    }
}

static void cases_that_ask_for_nothing_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *entry, *words;
    } bad[] = {
        {GET WHOLLY "expect: maybe", "expect: allow or deny"},
        {GET WHOLLY "rule: apps/get", "expect: allow or deny"},
        {GET "expect: allow, approvals: 1", "and not both"},
        {"action: key.rotate, object: app/x", "an identity and expect, or approvals"},
        {"action: key.rotate, approvals: 1", "name one"},
        {"action: key.turn, object: a, approvals: 1", "no such action"},
        {"action: key.rotate, object: app/x, approvals: one", "a whole number"},
        {"action: key.rotate, object: app/x, approvals: 1, expect: allow", "alone"},
        {"action: key.rotate, object: app/x, approvals: 1, execute: soon", "auto or manual"},
        {GET "at: yesterday, expect: allow", "a time such as"},
        {GET "at: \"2026-01-07 08:00:00Z\", expect: allow", "a time such as"},
        {GET "at: 2026-01-07T08:00:00+01:00, expect: allow", "a time such as"},
        {GET "at: 2026-13-07T08:00:00Z, expect: allow", "a time such as"},
        {GET "from: localhost, expect: allow", "an IP address"},
        {GET "whole: perhaps, expect: allow", "neither true nor false"},
        {GET "emergency: 1, expect: allow", "neither true nor false"},
        {GET "roles: [o], expect: allow", "leave identity out"},
        {GET "context: {purpose: TREAT, purpose: TREAT}, expect: allow", "key given twice"},
        {GET "colour: red, expect: allow", "no such key here"},
        {"expect: allow", "required key missing: action"},
    };
    ward_auto(free_policy) struct ward_policy *policy = policy_of(POLICY);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[1024];
        struct ran ran = {0};
        struct ward_policy_error error;
        (void)snprintf(text, sizeof(text), "cases:\n- {name: x, %s}\n", bad[i].entry);
        ward_status status = ward_policy_cases(policy, ward_bytes_str(text), on_case, &ran, &error);
        assert_int_equal(status.code, WARD_E_INVALID);
        assert_int_equal(error.line, 2);
        if (strstr(error.text, bad[i].words) == NULL) {
            fail_msg("expected \"%s\", got %s", bad[i].words, error.text);
        }
        assert_int_equal(ran.n, 0);
    }
}

static void times_are_read_in_one_form(void **state)
{
    (void)state;
    static const char *const good[] = {"2026-01-07T08:00:00Z", "2026-01-07T08:00:00.5Z",
                                       "2026-01-07T08:00:00.000001Z"};
    static const int64_t us[] = {0, 500000, 1};
    static const char *const bad[] = {"",
                                      "2026-01-07",
                                      "2026-01-07T08:00:00",
                                      "2026-01-07T08:00:00.Z",
                                      "2026-01-07T08:00:00.0000001Z",
                                      "2026-01-07t08:00:00z",
                                      "2026-01-07T08:00:00Z ",
                                      "2026-02-30T08:00:00Z",
                                      "2026-01-07T25:00:00Z",
                                      "2026-01-07T08:00:0aZ"};
    int64_t base = 0, now = 0;
    assert_true(ward_policy_time_parse(ward_bytes_str(good[0]), &base));
    for (size_t i = 0; i < 3; i++) {
        assert_true(ward_policy_time_parse(ward_bytes_str(good[i]), &now));
        assert_int_equal(now - base, us[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(ward_policy_time_parse(ward_bytes_str(bad[i]), &now));
    }
}

/* ---- simulate ---- */

struct seen {
    struct ward_simulated all[64];
    size_t n;
};

static void on_simulated(void *context, const struct ward_simulated *simulated)
{
    struct seen *seen = context;
    assert_true(seen->n < 64);
    seen->all[seen->n++] = *simulated;
}

static const struct ward_simulated *find(const struct seen *seen, enum ward_action action)
{
    for (size_t i = 0; i < seen->n; i++) {
        if (seen->all[i].action == action) {
            return &seen->all[i];
        }
    }
    return NULL;
}

static void a_simulation_says_who_may_do_what(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(POLICY);
    struct ward_simulate_in in = {.identity = WARD_BYTES_LITERAL("spiffe://t.w/a"),
                                  .action = WARD_ACTION_NONE,
                                  .object = WARD_BYTES_LITERAL("app/x")};
    struct seen seen = {.n = 0};
    assert_true(ward_ok(ward_policy_simulate(policy, &in, on_simulated, &seen)));
    const struct ward_simulated *rotate = find(&seen, WARD_ACTION_KEY_ROTATE);
    assert_int_equal(rotate->outcome, WARD_SIMULATED_ALLOWED);
    assert_string_equal(rotate->rule, "o/k");
    assert_true(rotate->guarded && rotate->guard.manual && rotate->guard.n_shares == 1);
    assert_int_equal(find(&seen, WARD_ACTION_KEY_CREATE)->outcome, WARD_SIMULATED_REFUSED);
    assert_null(find(&seen, WARD_ACTION_RECORD_GET)); /* no officer is ever given it */
    in.object = WARD_BYTES_LITERAL("other");
    seen.n = 0;
    assert_true(ward_ok(ward_policy_simulate(policy, &in, on_simulated, &seen)));
    assert_int_equal(find(&seen, WARD_ACTION_KEY_ROTATE)->outcome, WARD_SIMULATED_REFUSED);
}

static void without_an_object_it_depends(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(POLICY);
    struct ward_simulate_in in = {.action = WARD_ACTION_KEY_ROTATE};
    struct seen seen = {.n = 0};
    assert_true(ward_ok(ward_policy_simulate(policy, &in, on_simulated, &seen)));
    assert_int_equal(seen.n, 3); /* a, b and x, by identity */
    assert_int_equal(seen.all[0].outcome, WARD_SIMULATED_DEPENDS);
    assert_string_equal(seen.all[0].rule, "o/k");
    assert_int_equal(seen.all[2].outcome, WARD_SIMULATED_REFUSED);
    assert_string_equal(seen.all[2].rule, "default-deny");
}

static void a_collection_is_asked_about_as_one(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(POLICY);
    const struct ward_decide_pair treat = {WARD_BYTES_LITERAL("purpose"),
                                           WARD_BYTES_LITERAL("TREAT")};
    const struct ward_bytes name = WARD_BYTES_LITERAL("name");
    struct ward_simulate_in in = {.identity = WARD_BYTES_LITERAL("spiffe://t.w/x"),
                                  .action = WARD_ACTION_NONE,
                                  .object = WARD_BYTES_LITERAL("fhir"),
                                  .ask = {.context = &treat,
                                          .n_context = 1,
                                          .address = WARD_BYTES_LITERAL("10.0.0.1"),
                                          .now_us = 1767772800000000}};
    struct seen seen = {.n = 0};
    assert_true(ward_ok(ward_policy_simulate(policy, &in, on_simulated, &seen)));
    assert_int_equal(find(&seen, WARD_ACTION_RECORD_GET)->outcome, WARD_SIMULATED_ALLOWED);
    assert_null(find(&seen, WARD_ACTION_DATA_KEY_UNWRAP));
    in.ask.fields = &name;
    in.ask.n_fields = 1;
    seen.n = 0;
    assert_true(ward_ok(ward_policy_simulate(policy, &in, on_simulated, &seen)));
    const struct ward_simulated *get = find(&seen, WARD_ACTION_RECORD_GET);
    assert_int_equal(get->outcome, WARD_SIMULATED_REFUSED);
    assert_true(ward_bytes_eq(get->field, name));
}

static void who_and_what_must_be_known(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(POLICY);
    struct seen seen = {.n = 0};
    struct ward_simulate_in in = {.identity = WARD_BYTES_LITERAL("spiffe://t.w/nobody"),
                                  .action = WARD_ACTION_NONE};
    ward_status status = ward_policy_simulate(policy, &in, on_simulated, &seen);
    assert_string_equal(ward_status_refusal(status), "identity: not in this policy");
    in.identity = (struct ward_bytes){0};
    in.object = WARD_BYTES_LITERAL("App//x");
    status = ward_policy_simulate(policy, &in, on_simulated, &seen);
    assert_string_equal(ward_status_refusal(status), "object: not a name");
    assert_int_equal(seen.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases_that_are_decided_as_expected_pass),
        cmocka_unit_test(a_case_that_fails_says_what_decided),
        cmocka_unit_test(cases_that_ask_for_nothing_are_refused),
        cmocka_unit_test(times_are_read_in_one_form),
        cmocka_unit_test(a_simulation_says_who_may_do_what),
        cmocka_unit_test(without_an_object_it_depends),
        cmocka_unit_test(a_collection_is_asked_about_as_one),
        cmocka_unit_test(who_and_what_must_be_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
