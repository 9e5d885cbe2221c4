/* SPDX-License-Identifier: Apache-2.0 */
/* Lint: each warning at its line, and silence where nothing is wrong. */
#include "policy_support.h"

#include "policy/lint.h"

#define HEAD L("version: 1") L("deployment: t")
#define OFFICERS                                                                      \
    L("- {name: o, kind: officer, members: [\"spiffe://t.w/a\", \"spiffe://t.w/b\",") \
    L("    \"spiffe://t.w/c\"], rules: [")                                            \
    L("  {name: k, actions: [key.create, key.rotate], keys: [\"**\"]},")              \
    L("  {name: v, actions: [approval.submit, approval.approve]}]}")

struct finding {
    unsigned line;
    const char *words;
};

/* Most of these policies are of a few lines and no officer could change them again. */
static void leave_out_undoing(struct ward_lint *lint)
{
    size_t n = 0;
    for (size_t i = 0; i < lint->n; i++) {
        if (strstr(lint->warnings[i].text, "no daemon takes it") == NULL) {
            lint->warnings[n++] = lint->warnings[i];
        } else {
            lint->n_warnings--;
        }
    }
    lint->n = n;
}

static void found(const char *text, const struct finding *expected, size_t n)
{
    ward_auto(free_policy) struct ward_policy *policy = policy_of(text);
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_lint lint;
    assert_true(ward_ok(ward_arena_new(1u << 20, &arena)));
    assert_true(ward_ok(ward_policy_lint(policy, arena, &lint)));
    leave_out_undoing(&lint);
    for (size_t i = 0; i < lint.n && i < n; i++) {
        if (lint.warnings[i].line != expected[i].line ||
            strstr(lint.warnings[i].text, expected[i].words) == NULL) {
            fail_msg("expected %u: %s, got %u: %s", expected[i].line, expected[i].words,
                     lint.warnings[i].line, lint.warnings[i].text);
        }
    }
    if (lint.n != n) {
        fail_msg("expected %zu findings, got %zu, the last %s", n, lint.n,
                 lint.n == 0 ? "none" : lint.warnings[lint.n - 1].text);
    }
}

#define FOUND(text, ...)                               \
    found(text, (const struct finding[]){__VA_ARGS__}, \
          sizeof((const struct finding[]){__VA_ARGS__}) / sizeof(struct finding))

/* An application with these rules, from line 9. */
#define APP(rules)                                                                     \
    HEAD L("collections: [{name: fhir, key: phi/records}]") L("roles:") L("- name: r") \
        L("  kind: application") L("  members: [\"spiffe://t.w/x\"]") L("  rules:")    \
            rules L("  - {name: z, actions: [record.put], collections: [fhir]}")

static void a_plain_policy_has_no_findings(void **state)
{
    (void)state;
    found(HEAD L("roles:") OFFICERS, NULL, 0);
    found(APP(L("  - {name: a, actions: [data-key.unwrap], keys: [\"app/*\"]}")), NULL, 0);
}

/* What is said of a policy that nobody could change again, at which line; none: 0. */
static unsigned undoing(const char *text, const char *words)
{
    ward_auto(free_policy) struct ward_policy *policy = policy_of(text);
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_lint lint;
    unsigned line = 0;
    assert_true(ward_ok(ward_arena_new(1u << 20, &arena)));
    assert_true(ward_ok(ward_policy_lint(policy, arena, &lint)));
    for (size_t i = 0; i < lint.n; i++) {
        if (strstr(lint.warnings[i].text, "no daemon takes it: nobody could undo it") != NULL) {
            assert_false(lint.warnings[i].note);
            assert_non_null(strstr(lint.warnings[i].text, words));
            line = lint.warnings[i].line;
        }
    }
    return line;
}

#define TWO \
    L("- {name: o, kind: officer, members: [\"spiffe://t.w/a\", \"spiffe://t.w/b\"], rules: [")

static void a_policy_that_nobody_could_change_again_is_found(void **state)
{
    (void)state;
    assert_int_equal(undoing(HEAD L("roles:") OFFICERS, "no officer may do policy.apply"), 4);
    assert_int_equal(undoing(HEAD L("roles:") TWO L("  {name: v, actions: [policy.apply, "
                                                    "approval.submit, approval.approve]}]}"),
                             ""),
                     0);
    assert_int_equal(undoing(HEAD L("roles:") TWO L("  {name: v, actions: [policy.apply, "
                                                    "approval.approve]}]}"),
                             "no officer may do policy.apply and approval.submit"),
                     4);
}

static void people_without_a_place_are_found(void **state)
{
    (void)state;
    FOUND(HEAD L("persons:") L("- {name: p, identities: [\"spiffe://t.w/p\"]}") L("identities:")
              L("- {identity: \"spiffe://t.w/q\"}") L("roles:")
                  L("- {name: r, kind: auditor, members: [], rules: []}")
                      L("- {name: s, kind: auditor, members: [\"spiffe://t.w/s\"], rules: []}"),
          {4, "person p: identity spiffe://t.w/p is in no role"},
          {6, "identity spiffe://t.w/q is in no role"}, {8, "role r: nobody has it"},
          {9, "spiffe://t.w/s may do nothing"});
}

static void rules_that_never_decide_are_found(void **state)
{
    (void)state;
    FOUND(APP(L("  - {name: a, actions: [data-key.unwrap, data-key.rewrap], keys: [\"app/**\"]}")
                  L("  - {name: b, actions: [data-key.unwrap], keys: [\"app/x/*\"]}")
                      L("  - {name: c, actions: [data-key.unwrap, data-key.batch], keys: [app/y],")
                          L("     context: [{key: p}]}")
                              L("  - {name: d, effect: deny, actions: [data-key.generate],")
                                  L("     keys: [\"no/**\"]}")
                                      L("  - {name: e, actions: [data-key.generate], "
                                        "keys: [no/a, \"no/b/*\"]}")
                                          L("  - {name: f, actions: [data-key.batch], "
                                            "keys: [\"app/*\"]}")
                                              L("  - {name: g, actions: [data-key.batch], "
                                                "keys: [\"app/*\"]}")),
          {10, "rule r/b never decides: r/a already says so"},
          {11, "rule r/c never decides: r/a already says so"},
          {15, "rule r/e never decides: r/d denies all of it"},
          {17, "rule r/g never decides: r/f already says so"});
}

static void one_action_of_a_rule_may_be_decided_elsewhere(void **state)
{
    (void)state;
    FOUND(APP(L("  - {name: a, actions: [data-key.unwrap], keys: [\"app/**\"]}")
                  L("  - {name: b, actions: [data-key.unwrap, data-key.rewrap], keys: [app/x]}")),
          {10, "rule r/b never decides data-key.unwrap: r/a already says so"});
}

/* A rule that asks for less than another, or for something else, is no copy of it. */
static void rules_that_still_decide_are_not_found(void **state)
{
    (void)state;
    found(APP(L("  - {name: a, actions: [data-key.unwrap], keys: [\"app/*\"], "
                "context: [{key: p, values: [x, y]}]}")
                  L("  - {name: b, actions: [data-key.unwrap], keys: [\"app/**\"],")
                      L("     context: [{key: p, values: [x]}]}")
                          L("  - {name: c, actions: [data-key.unwrap], keys: [app/x],")
                              L("     context: [{key: p}]}")
                                  L("  - {name: d, actions: [data-key.unwrap], keys: [app/x],")
                                      L("     when: {days: [mon]}}")
                                          L("  - {name: e, actions: [record.get], "
                                            "collections: [fhir], fields: [a]}")
                                              L("  - {name: f, actions: [record.get], "
                                                "collections: [fhir], fields: [\"a*\"],")
                                                  L("     networks: [10.0.0.0/8]}")),
          NULL, 0);
    FOUND(APP(L("  - {name: a, actions: [record.get], collections: [fhir], fields: [\"a*\"],")
                  L("     networks: [10.0.0.0/8]}")
                      L("  - {name: b, actions: [record.get], collections: [fhir], fields: [ab],")
                          L("     networks: [10.1.0.0/16], when: {days: [mon]}}")),
          {11, "rule r/b never decides: r/a already says so"});
}

static void a_deny_that_is_got_around_is_found(void **state)
{
    (void)state;
    FOUND(APP(L("  - {name: a, actions: [data-key.unwrap], keys: [\"*/x\"]}")
                  L("  - {name: b, effect: deny, actions: [data-key.unwrap], keys: [\"app/*\"],")
                      L("     context: [{key: purpose, values: [HMARKT]}]}")),
          {10, "rule r/b is got around by leaving out purpose, for r/a does not ask for it"});
    found(APP(L("  - {name: a, actions: [data-key.unwrap], keys: [\"*/x\"], "
                "context: [{key: purpose}]}")
                  L("  - {name: b, effect: deny, actions: [data-key.unwrap], keys: [\"app/*\"],")
                      L("     context: [{key: purpose, values: [HMARKT]}]}")
                          L("  - {name: c, actions: [data-key.unwrap], keys: [\"web/*\"]}")),
          NULL, 0);
}

static void attributes_and_emergencies_that_nobody_has_are_found(void **state)
{
    (void)state;
    FOUND(HEAD L("identities: [{identity: \"spiffe://t.w/x\", attributes: {tenant: n}}]")
              L("roles:") L("- name: r") L("  kind: application")
                  L("  members: [\"spiffe://t.w/x\", \"spiffe://t.w/y\"]") L("  rules:")
                      L("  - {name: a, actions: [data-key.unwrap], keys: [a],")
                          L("     context: [{key: tenant, equals: identity.tenant}]}") L(
                              "  - {name: b, emergency: true, actions: [data-key.unwrap], "
                              "keys: [b],") L("     context: [{key: purpose, values: [ETREAT]}]}"),
          {9, "rule r/a never holds for spiffe://t.w/y, who has no attribute tenant"},
          {11, "rule r/b never holds: nobody in its role may do emergency.open"});
}

static void guards_that_do_nothing_are_found(void **state)
{
    (void)state;
    FOUND(HEAD L("roles:") OFFICERS L("guards:")
              L("- {action: key.rotate, keys: [\"**\"], approvals: 1, expires_hours: 12}")
                  L("- {action: key.rotate, keys: [\"a/*\"], approvals: 1}")
                      L("- {action: key.destroy, keys: [\"**\"], approvals: 1}")
                          L("- {action: key.create, keys: [\"a/*\"], approvals: 1}")
                              L("- {action: key.create, keys: [\"a/*\"], approvals: 1}")
                                  L("- {action: key.rotate, keys: [\"b/*\"], approvals: 1, "
                                    "execute: manual}"),
          {10, "guard of key.rotate is always overridden by that of line 9"},
          {11, "guard of key.destroy matches nothing"},
          {13, "guard of key.create is always overridden by that of line 12"});
}

static void days_fewer_than_the_defaults_are_found(void **state)
{
    (void)state;
    FOUND(HEAD L("roles:") OFFICERS L("settings:") L("  unused_days: 0")
              L("  destroy_waiting_days: 7"),
          {9, "unused_days 0: a version may be destroyed however lately it opened something"},
          {10, "destroy_waiting_days 7: fewer than the 30 days"});
    found(HEAD L("roles:") OFFICERS L("settings: {unused_days: 30, destroy_waiting_days: 30}"),
          NULL, 0);
}

/* ---- quorums without a spare ---- */

#define PERSON(name) \
    L("- {name: " name ", identities: [\"spiffe://t.w/" name "\", \"spiffe://t.w/" name "2\"]}")
/* Officers who may propose these actions of keys, from line 3; 4 lines. */
#define ROLE(members, actions)                                       \
    L("- {name: o, kind: officer, members: [" members "], rules: [") \
    L("  {name: k, actions: [" actions "], keys: [\"**\"]},")        \
    L("  {name: v, actions: [approval.submit, approval.approve]}]}")
#define SINGLE(name) "\"spiffe://t.w/" name "\""

static struct ward_lint_warning only(const char *text)
{
    ward_auto(free_policy) struct ward_policy *policy = policy_of(text);
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_lint lint;
    assert_true(ward_ok(ward_arena_new(1u << 20, &arena)));
    assert_true(ward_ok(ward_policy_lint(policy, arena, &lint)));
    leave_out_undoing(&lint);
    assert_int_equal(lint.n, 1);
    assert_int_equal(lint.n_warnings, !lint.warnings[0].note);
    return lint.warnings[0];
}

static void a_quorum_that_one_lost_card_locks_is_found_with_its_place(void **state)
{
    (void)state;
    struct ward_lint_warning warning = only(HEAD L("roles:") OFFICERS L(
        "guards: [{action: key.rotate, keys: [\"**\"], approvals: 2}]"));
    assert_false(warning.note);
    assert_int_equal(warning.line, 8);
    assert_int_equal(warning.column, 19);
    assert_string_equal(
        warning.text,
        "guard of key.rotate: without the card of spiffe://t.w/a (the same for 2 more) no quorum "
        "is left: one lost card locks it; have a spare officer, or a spare card for each");
}

static void a_spare_officer_or_a_spare_card_for_each_is_enough(void **state)
{
    (void)state;
    found(HEAD L("roles:")
              ROLE(SINGLE("a") "," SINGLE("b") "," SINGLE("c"), "key.create, key.rotate")
                  L("guards: [{action: key.rotate, keys: [\"**\"], approvals: 1}]"),
          NULL, 0);
    struct ward_lint_warning note =
        only(HEAD L("persons:") PERSON("a") PERSON("b") L("roles:")
                 ROLE("\"person:a\", \"person:b\"", "key.rotate")
                     L("guards: [{action: key.rotate, keys: [\"**\"], approvals: 1}]"));
    assert_true(note.note);
    assert_string_equal(note.text, "guard of key.rotate: 1 besides the proposer of 2 officers who "
                                   "may approve: nobody may be away");
    /* One of the two has but one card. */
    struct ward_lint_warning warning =
        only(HEAD L("persons:") PERSON("a") L("- {name: b, identities: [\"spiffe://t.w/b\"]}")
                 L("roles:") ROLE("\"person:a\", \"person:b\"", "key.rotate")
                     L("guards: [{action: key.rotate, keys: [\"**\"], approvals: 1}]"));
    assert_false(warning.note);
    assert_non_null(strstr(warning.text, "without the card of spiffe://t.w/b no quorum is left"));
}

static void the_default_of_one_approval_counts_as_a_guard(void **state)
{
    (void)state;
    struct ward_lint_warning warning = only(
        HEAD L("roles:") ROLE(SINGLE("a") "," SINGLE("b"), "key.create, key.rotate, key.destroy"));
    assert_false(warning.note);
    assert_int_equal(warning.line, 5);
    assert_int_equal(warning.column, 35);
    assert_non_null(strstr(warning.text, "2 actions with the default of 1 approval: without the "
                                         "card of spiffe://t.w/a (the same for 1 more)"));
    struct ward_lint_warning note = only(HEAD L("persons:") PERSON("a") PERSON("b") L("roles:")
                                             ROLE("\"person:a\", \"person:b\"", "key.rotate"));
    assert_true(note.note);
    assert_string_equal(note.text, "1 action with the default of 1 approval: of 2 officers who may "
                                   "approve nobody may be away");
    /* Guarded for some keys alone: the default holds for the others. */
    warning = only(HEAD L("roles:") ROLE(SINGLE("a") "," SINGLE("b") "," SINGLE("c"), "key.rotate")
                       L("guards: [{action: key.rotate, keys: [\"a/*\"], approvals: 2}]"));
    assert_int_equal(warning.line, 7);
}

/* Three may approve, but only one of them may propose, and only two are of the role that is asked.
 */
static void who_may_propose_and_who_is_of_the_role_counts(void **state)
{
    (void)state;
    struct ward_lint_warning warning = only(HEAD L("roles:") ROLE(SINGLE("a"), "key.rotate") L(
        "- {name: p, kind: officer, members: [" SINGLE("b") "," SINGLE("c") "," SINGLE(
            "d") "],") L("   rules: [{name: v, actions: [approval.submit, approval.approve]}]}"));
    assert_non_null(strstr(warning.text, "without the card of spiffe://t.w/a no quorum is left"));
    warning = only(
        HEAD L("roles:") ROLE(SINGLE("a") "," SINGLE("b") "," SINGLE("c"), "key.rotate") L(
            "- {name: p, kind: officer, members: [" SINGLE("d") "],")
            L("   rules: [{name: v, actions: [approval.submit, approval.approve]}]}") L(
                "guards: [{action: key.rotate, keys: [\"**\"], from: [{role: p, approvals: 1}]}]"));
    assert_int_equal(warning.line, 9);
    assert_non_null(strstr(warning.text, "without the card of spiffe://t.w/d no quorum is left"));
}

static void proposals_that_nobody_can_sign_are_found(void **state)
{
    (void)state;
    FOUND(HEAD L("roles:")
              OFFICERS L("- {name: s, kind: officer, members: [\"spiffe://t.w/d\"], rules: [")
                  L("  {name: k, actions: [key.suspend], keys: [\"**\"]}]}"),
          {8, "role s: spiffe://t.w/d may propose key.suspend, but not approval.submit it"});
}

static void collections_out_of_reach_are_found(void **state)
{
    (void)state;
    FOUND(HEAD L("collections:") L("- {name: a, key: phi/a}") L("- {name: b/c, key: phi/b}")
              L("- {name: d, key: phi/d}") L("roles:")
                  L("- {name: r, kind: application, members: [\"spiffe://t.w/x\"], rules: [")
                      L("   {name: a, actions: [record.get], collections: [\"*\"]}]}")
                          L("- {name: s, kind: application, members: [], rules: [")
                              L("   {name: a, actions: [record.get], collections: [\"**\"]}]}"),
          {5, "collection b/c: no rule lets anybody"}, {10, "role s: nobody has it"});
}

static void more_than_there_is_room_for_is_counted(void **state)
{
    (void)state;
    static char text[65536];
    size_t n = (size_t)snprintf(text, sizeof(text), HEAD "roles:\n");
    for (unsigned i = 0; i < 250; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n,
                              "- {name: r%u, kind: auditor, members: [], rules: []}\n", i);
    }
    ward_auto(free_policy) struct ward_policy *policy = policy_of(text);
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_lint lint;
    assert_true(ward_ok(ward_arena_new(1u << 20, &arena)));
    assert_true(ward_ok(ward_policy_lint(policy, arena, &lint)));
    assert_int_equal(lint.n, WARD_LINT_MAX);
    assert_int_equal(lint.left_off, 51); /* that nobody could undo it is one more */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_policy_has_no_findings),
        cmocka_unit_test(a_policy_that_nobody_could_change_again_is_found),
        cmocka_unit_test(people_without_a_place_are_found),
        cmocka_unit_test(rules_that_never_decide_are_found),
        cmocka_unit_test(one_action_of_a_rule_may_be_decided_elsewhere),
        cmocka_unit_test(rules_that_still_decide_are_not_found),
        cmocka_unit_test(a_deny_that_is_got_around_is_found),
        cmocka_unit_test(attributes_and_emergencies_that_nobody_has_are_found),
        cmocka_unit_test(guards_that_do_nothing_are_found),
        cmocka_unit_test(days_fewer_than_the_defaults_are_found),
        cmocka_unit_test(a_quorum_that_one_lost_card_locks_is_found_with_its_place),
        cmocka_unit_test(a_spare_officer_or_a_spare_card_for_each_is_enough),
        cmocka_unit_test(the_default_of_one_approval_counts_as_a_guard),
        cmocka_unit_test(who_may_propose_and_who_is_of_the_role_counts),
        cmocka_unit_test(proposals_that_nobody_can_sign_are_found),
        cmocka_unit_test(collections_out_of_reach_are_found),
        cmocka_unit_test(more_than_there_is_room_for_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
