/* SPDX-License-Identifier: Apache-2.0 */
/* Guards: approvals by role, execution by hand, keys on hardware; and the settings beside them. */
#include "policy_support.h"

#define HEAD L("version: 1") L("deployment: t")
/* Alice is a key officer; Bob and Carol too; Carol and Dora are for privacy; Emil for nothing. */
#define PEOPLE                                                                                     \
    HEAD L("roles:")                                                                               \
        L("- {name: all, kind: officer, members: [\"spiffe://t.w/a\", \"spiffe://t.w/b\",") L(     \
            "    \"spiffe://t.w/c\", \"spiffe://t.w/d\", \"spiffe://t.w/e\"],")                    \
            L("   rules: [{name: vote, actions: [approval.approve]}]}") L(                         \
                "- {name: keys, kind: officer, members: [\"spiffe://t.w/a\", \"spiffe://t.w/b\",") \
                L("    \"spiffe://t.w/c\"], rules: [{name: k, actions: [key.rotate], keys: "       \
                  "[\"**\"]}]}") L("- {name: privacy, kind: officer, members: "                    \
                                   "[\"spiffe://t.w/c\", \"spiffe://t.w/d\"],") L("   rules: []}") \
                    L("- {name: apps, kind: application, members: [], rules: []}")

static const uint8_t keys[6][WARD_SHA256_SIZE] = {{1}, {2}, {3}, {4}, {5}, {6}};

/* Votes as letters, the proposer's first: "abd" is proposed by a, approved by b and d. */
static bool reached(const struct ward_policy *policy, const char *letters)
{
    static const char *const names[] = {"spiffe://t.w/a", "spiffe://t.w/b", "spiffe://t.w/c",
                                        "spiffe://t.w/d", "spiffe://t.w/e"};
    struct ward_vote votes[8];
    size_t n = strlen(letters);
    for (size_t i = 0; i < n; i++) {
        size_t who = (size_t)(letters[i] - 'a');
        votes[i] = (struct ward_vote){ward_bytes_str(names[who]), keys[who]};
    }
    struct ward_guard guard =
        ward_policy_guard(policy, WARD_ACTION_KEY_ROTATE, WARD_BYTES_LITERAL("phi/x"));
    return ward_quorum_reached(policy, &guard, &votes[0], votes + 1, n - 1);
}

static void each_share_is_met_by_a_person_of_its_own(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy =
        policy_of(PEOPLE L("guards: [{action: key.rotate, keys: [\"**\"],")
                      L("  from: [{role: keys, approvals: 1}, {role: privacy, approvals: 1}]}]"));
    struct ward_guard guard =
        ward_policy_guard(policy, WARD_ACTION_KEY_ROTATE, WARD_BYTES_LITERAL("a"));
    assert_int_equal(guard.approvals, 2);
    assert_int_equal(guard.n_shares, 2);
    static const char *const good[] = {"abc", "acb", "abd", "adb", "acd", "cbd", "dbc", "abce"};
    static const char *const bad[] = {"a",   "ab",  "ac",  "ad",  "abe", "ace", "ade",
                                      "abb", "acc", "bab", "cbe", "aae", "dce"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(reached(policy, good[i]));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(reached(policy, bad[i]));
    }
}

static void shares_count_besides_the_total(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy =
        policy_of(PEOPLE L("guards: [{action: key.rotate, keys: [\"**\"], approvals: 3,")
                      L("  from: [{role: privacy, approvals: 1}]}]"));
    assert_true(reached(policy, "abce"));
    assert_false(reached(policy, "abc"));
    assert_false(reached(policy, "abe"));
    assert_true(reached(policy, "aebd"));
}

static void guards_that_match_together_add_up(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(
        PEOPLE L("guards:")
            L("- {action: key.rotate, keys: [\"**\"], approvals: 1, hardware: true}")
                L("- {action: key.rotate, keys: [\"phi/**\"], execute: manual, expires_hours: 5,")
                    L("   from: [{role: privacy, approvals: 1}]}")
                        L("- {action: key.rotate, keys: [\"*/x\"], execute: auto,")
                            L("   from: [{role: keys, approvals: 1}]}")
                                L("hardware: {certificate_policies: [\"1.3.6.1.4.1.99999.1\"]}"));
    struct ward_guard guard =
        ward_policy_guard(policy, WARD_ACTION_KEY_ROTATE, WARD_BYTES_LITERAL("phi/x"));
    assert_int_equal(guard.approvals, 2);
    assert_int_equal(guard.n_shares, 2);
    assert_int_equal(guard.expires_hours, 5);
    assert_true(guard.manual && guard.hardware);
    guard = ward_policy_guard(policy, WARD_ACTION_KEY_ROTATE, WARD_BYTES_LITERAL("app/y"));
    assert_int_equal(guard.approvals, 1);
    assert_int_equal(guard.n_shares, 0);
    assert_false(guard.manual);
    guard = ward_policy_guard(policy, WARD_ACTION_KEY_DESTROY, WARD_BYTES_LITERAL("app/y"));
    assert_int_equal(guard.approvals, 1);
    assert_false(guard.manual || guard.hardware);
}

static void refused_guard(const char *guard, unsigned column, const char *words)
{
    char text[4096];
    (void)snprintf(text, sizeof(text), PEOPLE "guards:\n- {%s}\n", guard);
    assert_refused(text, 13, column, words);
}

#define ROTATE "action: key.rotate, keys: [\"**\"], "

static void a_share_that_cannot_be_had_is_refused(void **state)
{
    (void)state;
    /* Three key officers, one of whom proposes. */
    refused_guard(ROTATE "from: [{role: keys, approvals: 3}]", 69, "besides the proposer, 2");
    /* Carol may propose: Dora alone is left. */
    refused_guard(ROTATE "from: [{role: privacy, approvals: 2}]", 72, "besides the proposer, 1");
    /* One share after the other: the one that is too much is named. */
    refused_guard(ROTATE "from: [{role: keys, approvals: 2}, {role: privacy, approvals: 2}]", 100,
                  "can never be reached");
    refused_guard(ROTATE "from: [{role: apps, approvals: 1}]", 52, "not a role of kind officer");
    refused_guard(ROTATE "from: [{role: nobody, approvals: 1}]", 52, "not a role of kind officer");
    refused_guard(ROTATE "from: [{role: keys, approvals: 0}]", 69, "whole number from 1");
    refused_guard(ROTATE "from: [{role: keys, approvals: 1}, {role: keys, approvals: 1}]", 80,
                  "given twice");
    refused_guard(ROTATE "from: []", 44, "empty list");
    refused_guard(ROTATE "approvals: 1, from: [{role: keys, approvals: 1}, "
                         "{role: privacy, approvals: 1}]",
                  49, "1 in all, but from asks for 2");
    refused_guard(ROTATE "approvals: 5", 49, "at most 4");
}

static void one_who_may_not_propose_is_had_whole(void **state)
{
    (void)state;
    /* Nobody for privacy may propose policy changes, nobody at all may: two of two can be had. */
    ward_auto(free_policy) struct ward_policy *policy = policy_of(
        PEOPLE L("guards: [{action: policy.apply, from: [{role: privacy, approvals: 2}]}]"));
    assert_int_equal(
        ward_policy_guard(policy, WARD_ACTION_POLICY_APPLY, (struct ward_bytes){0}).approvals, 2);
}

static void guards_that_cannot_be_had_together_are_refused(void **state)
{
    (void)state;
    assert_refused(PEOPLE L("guards:")
                       L("- {action: key.rotate, keys: [\"**\"], approvals: 3, from: [{role: keys, "
                         "approvals: 2}]}")
                           L("- {action: key.rotate, keys: [\"a/**\", \"b\"], approvals: 3,"
                             " from: [{role: privacy, approvals: 1}, {role: all, approvals: 2}]}"),
                   14, 12, "never be reached together");
    /* The same on keys apart. */
    ward_auto(free_policy) struct ward_policy *apart = policy_of(PEOPLE L("guards:") L(
        "- {action: key.rotate, keys: [\"c/**\"], approvals: 3, from: [{role: keys, "
        "approvals: 2}]}") L("- {action: key.rotate, keys: [\"a/**\", \"b\"], approvals: 3,"
                             " from: [{role: privacy, approvals: 1}, {role: all, approvals: 2}]}"));
    assert_non_null(apart);
}

static void execute_and_hardware_are_what_they_say(void **state)
{
    (void)state;
    refused_guard(ROTATE "approvals: 1, execute: later", 61, "neither auto nor manual");
    refused_guard(ROTATE "approvals: 1, hardware: yes", 62, "neither true nor false");
    refused_guard(ROTATE "approvals: 1, hardware: true", 62, "no certificate could say so");
    refused_guard("action: key.disable, keys: [\"**\"], approvals: 1", 12, "cannot be guarded");
}

/* Time and place of a vote are judged when it is cast; they do not make a voter nobody. */
static void a_voter_within_hours_counts_as_one(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy =
        policy_of(HEAD L("roles:") L("- {name: o, kind: officer, members: [\"spiffe://t.w/a\", "
                                     "\"spiffe://t.w/b\"], rules: [")
                      L("  {name: k, actions: [key.rotate], keys: [\"**\"]},")
                          L("  {name: v, actions: [approval.approve], when: {days: [mon]}, "
                            "networks: [10.0.0.0/8]}]}"));
    assert_true(reached(policy, "ab"));
    const struct ward_decide_in in = {
        .subject = ward_policy_subject(policy, WARD_BYTES_LITERAL("spiffe://t.w/b")),
        .action = WARD_ACTION_APPROVAL_APPROVE};
    assert_false(ward_decide(policy, &in).allowed);
}

static void hardware_is_of_officers_whose_certificates_can_say_so(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(
        HEAD L("hardware: {certificate_policies: [\"1.3.6.1.4.1.99999.1\", 2.999.1]}") L("roles:")
            L("- {name: o, kind: officer, hardware: true, members: [\"spiffe://t.w/a\"], "
              "rules: []}")
                L("- {name: p, kind: officer, hardware: false, members: [\"spiffe://t.w/a\", "
                  "\"spiffe://t.w/b\"], rules: []}"));
    assert_true(
        ward_subject_hardware(ward_policy_subject(policy, WARD_BYTES_LITERAL("spiffe://t.w/a"))));
    assert_false(
        ward_subject_hardware(ward_policy_subject(policy, WARD_BYTES_LITERAL("spiffe://t.w/b"))));
    assert_int_equal(ward_policy_settings(policy)->n_certificate_policies, 2);
    assert_true(ward_bytes_eq(ward_policy_settings(policy)->certificate_policies[1],
                              WARD_BYTES_LITERAL("2.999.1")));
    assert_refused(HEAD L("roles:")
                       L("- {name: o, kind: officer, hardware: true, members: [], rules: []}"),
                   4, 38, "no certificate could say so");
    assert_refused(HEAD L("hardware: {certificate_policies: [2.999.1]}") L("roles:")
                       L("- {name: o, kind: auditor, hardware: true, members: [], rules: []}"),
                   5, 38, "not of a role of kind auditor");
    static const char *const bad[] = {"1.2",    "1.3.06", "3.1.1",          "1..2.3",
                                      "1.2.3.", ".1.2.3", "a.b.c",          "1.2.3 ",
                                      "12.3.4", "1.2.-3", "1.2.99999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[512];
        (void)snprintf(text, sizeof(text),
                       HEAD "hardware: {certificate_policies: [\"%s\"]}\n"
                            "roles: [{name: o, kind: officer, members: [], rules: []}]\n",
                       bad[i]);
        assert_refused(text, 3, 35, "is not an OID");
    }
}

static void settings_have_defaults_and_bounds(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *plain = policy_of(PEOPLE);
    const struct ward_policy_settings *settings = ward_policy_settings(plain);
    assert_int_equal(settings->destroy_waiting_days, 30);
    assert_int_equal(settings->unused_days, 30);
    assert_int_equal(settings->emergency_minutes_max, 240);
    assert_true(settings->compromised_reads);
    assert_int_equal(settings->n_certificate_policies, 0);
    ward_auto(free_policy) struct ward_policy *own = policy_of(
        PEOPLE L("settings: {destroy_waiting_days: 7, unused_days: 0, compromised_reads: refuse,")
            L("  emergency: {minutes_max: 1440}}"));
    settings = ward_policy_settings(own);
    assert_int_equal(settings->destroy_waiting_days, 7);
    assert_int_equal(settings->unused_days, 0);
    assert_int_equal(settings->emergency_minutes_max, 1440);
    assert_false(settings->compromised_reads);
    static const struct {
        const char *setting, *words;
        unsigned column;
    } bad[] = {
        {"destroy_waiting_days: 6", "from 7 to 30", 34},
        {"destroy_waiting_days: 31", "from 7 to 30", 34},
        {"destroy_waiting_days: 7d", "from 7 to 30", 34},
        {"unused_days: 3651", "from 0 to 3650", 25},
        {"unused_days: -1", "from 0 to 3650", 25},
        {"compromised_reads: deny", "neither allow nor refuse", 31},
        {"emergency: {minutes_max: 0}", "from 1 to 1440", 37},
        {"emergency: {minutes_max: 1441}", "from 1 to 1440", 37},
        {"emergency: {}", "required key missing: minutes_max", 23},
        {"destroy_after: 7", "no such key here", 12},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[2048];
        (void)snprintf(text, sizeof(text), PEOPLE "settings: {%s}\n", bad[i].setting);
        assert_refused(text, 12, bad[i].column, bad[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_share_is_met_by_a_person_of_its_own),
        cmocka_unit_test(shares_count_besides_the_total),
        cmocka_unit_test(guards_that_match_together_add_up),
        cmocka_unit_test(a_share_that_cannot_be_had_is_refused),
        cmocka_unit_test(one_who_may_not_propose_is_had_whole),
        cmocka_unit_test(guards_that_cannot_be_had_together_are_refused),
        cmocka_unit_test(execute_and_hardware_are_what_they_say),
        cmocka_unit_test(a_voter_within_hours_counts_as_one),
        cmocka_unit_test(hardware_is_of_officers_whose_certificates_can_say_so),
        cmocka_unit_test(settings_have_defaults_and_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
