/* SPDX-License-Identifier: Apache-2.0 */
/* The decision: every action for every kind, default deny, deny before allow, context, names. */
#include "policy_support.h"

#include <stdlib.h>

#include "policy/model.h"

enum { KINDS = WARD_ROLE_ADMINISTRATOR + 1 };

static const char *const kind_names[KINDS] = {"application", "officer", "auditor", "administrator"};

/* Written out by hand, so that a change of the table in action.h is a change here as well.
 * Columns: application, officer, auditor, administrator. */
static const struct {
    const char *action, *kinds;
} given[] = {
    {"data-key.generate", "A..."},  {"data-key.generate-without-plaintext", "A..."},
    {"data-key.rewrap", "A..."},    {"data-key.batch", "A..."},
    {"data-key.unwrap", "A..."},    {"record.put", "A..."},
    {"record.get", "A..."},         {"emergency.open", "A..."},
    {"key.create", ".O.."},         {"key.rotate", ".O.."},
    {"key.change", ".O.."},         {"key.disable", ".O.."},
    {"key.enable", ".O.."},         {"key.suspend", ".O.."},
    {"key.resume", ".O.."},         {"key.deactivate", ".O.."},
    {"key.compromise", ".O.."},     {"key.destroy", ".O.."},
    {"key.cancel-destroy", ".O.."}, {"key.rewrap", ".O.."},
    {"key.rekey", ".O.."},          {"key.usage", ".OU."},
    {"key.describe", "AOUM"},       {"key.list", "AOUM"},
    {"policy.apply", ".O.."},       {"policy.show", ".OU."},
    {"approval.list", ".OU."},      {"approval.show", ".OU."},
    {"approval.submit", ".O.."},    {"approval.approve", ".O.."},
    {"approval.reject", ".O.."},    {"approval.withdraw", ".O.."},
    {"approval.execute", ".O.."},   {"approval.review", ".O.."},
    {"identity.revoke", ".O.."},    {"identity.unrevoke", ".O.."},
    {"identity.list", ".OU."},      {"emergency.list", ".OU."},
    {"emergency.close", "AOUM"},    {"audit.export", "..U."},
    {"audit.checkpoint", ".OU."},   {"server.reflect", "AOUM"},
    {"doctor.run", ".OUM"},         {"audit.rotate-log-key", ".O.."},
};

static bool kind_may(const char *action, unsigned kind)
{
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        if (strcmp(given[i].action, action) == 0) {
            return given[i].kinds[kind] != '.';
        }
    }
    return false; /* the daemon's own, which no rule can give */
}

/* One role of the kind with one rule for the action, and two officers besides, so that a rotation
 * has approvers; NULL when the language refuses it. */
static struct ward_policy *policy_giving(enum ward_action action, unsigned kind)
{
    static const char *const objects[] = {"", ", keys: [\"app/**\"]", ", collections: [fhir]"};
    char text[1024];
    (void)snprintf(
        text, sizeof(text),
        "version: 1\ndeployment: t\n"
        "collections: [{name: fhir, key: phi/records}]\n"
        "roles:\n"
        "- {name: x, kind: %s, members: [\"spiffe://t.w/x\"],\n"
        "   rules: [{name: r, actions: [%s]%s}]}\n"
        "- {name: o, kind: officer, members: [\"spiffe://t.w/o1\", \"spiffe://t.w/o2\"],\n"
        "   rules: [{name: vote, actions: [approval.approve]}]}\n",
        kind_names[kind], ward_action_name(action), objects[ward_action_object(action)]);
    struct ward_policy *policy = NULL;
    ward_status status = ward_policy_parse(ward_bytes_str(text), &policy, NULL);
    assert_true(ward_ok(status) || status.code == WARD_E_INVALID);
    return policy;
}

static const char *object_of(enum ward_action action)
{
    static const char *const objects[] = {"", "app/x", "fhir"};
    return objects[ward_action_object(action)];
}

static void every_action_is_given_to_its_kinds_and_to_no_other(void **state)
{
    (void)state;
    for (unsigned action = 0; action < WARD_ACTION_COUNT; action++) {
        for (unsigned kind = 0; kind < KINDS; kind++) {
            bool may = kind_may(ward_action_name(action), kind);
            ward_auto(free_policy) struct ward_policy *policy = policy_giving(action, kind);
            if (may != (policy != NULL) || may != ward_action_allows_kind(action, kind)) {
                fail_msg("%s for %s", ward_action_name(action), kind_names[kind]);
            }
        }
    }
}

/* With one action given, that one is allowed and every other is refused. */
static void an_allowed_action_allows_no_other(void **state)
{
    (void)state;
    for (unsigned action = 0; action < WARD_ACTION_COUNT; action++) {
        for (unsigned kind = 0; kind < KINDS; kind++) {
            ward_auto(free_policy) struct ward_policy *policy = policy_giving(action, kind);
            for (unsigned other = 0; other < WARD_ACTION_COUNT && policy != NULL; other++) {
                struct ward_decision decision =
                    decide_as(policy, "spiffe://t.w/x", other, object_of(other));
                assert_int_equal(decision.allowed, other == action);
                assert_int_equal(ward_ok(decision.status), decision.allowed);
                assert_string_equal(decision.rule, other == action ? "x/r" : "default-deny");
            }
        }
    }
}

static void an_identity_that_policy_does_not_name_may_do_nothing(void **state)
{
    (void)state;
    for (unsigned action = 0; action < WARD_ACTION_COUNT; action++) {
        for (unsigned kind = 0; kind < KINDS; kind++) {
            ward_auto(free_policy) struct ward_policy *policy = policy_giving(action, kind);
            if (policy == NULL) {
                continue;
            }
            struct ward_decision decision =
                decide_as(policy, "spiffe://t.w/y", action, object_of(action));
            assert_false(decision.allowed);
            assert_int_equal(decision.status.code, WARD_E_DENIED);
            assert_string_equal(decision.rule, "default-deny");
        }
    }
}

static void a_request_without_a_known_method_is_refused(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy =
        policy_giving(WARD_ACTION_KEY_LIST, WARD_ROLE_OFFICER);
    assert_false(decide_as(policy, "spiffe://t.w/x", WARD_ACTION_NONE, "").allowed);
    assert_false(decide_as(policy, "spiffe://t.w/x", WARD_ACTION_COUNT + 7, "").allowed);
    assert_string_equal(ward_action_name(WARD_ACTION_NONE), "request");
    enum ward_action action;
    assert_false(ward_action_find(WARD_BYTES_LITERAL("request"), &action));
    assert_false(ward_action_find(WARD_BYTES_LITERAL("key.rotate\0"), &action));
    assert_false(ward_action_find((struct ward_bytes){NULL, 0}, &action));
    for (unsigned i = 0; i < WARD_ACTION_COUNT; i++) {
        assert_true(ward_action_find(ward_bytes_str(ward_action_name(i)), &action));
        assert_int_equal(action, i);
        assert_false(ward_action_always_guarded(i) && ward_action_at_once(i));
        bool changes = ward_action_always_guarded(i) || ward_action_at_once(i);
        assert_true(!changes || ward_action_allows_kind(i, WARD_ROLE_OFFICER));
        assert_false(changes && ward_action_allows_kind(i, WARD_ROLE_APPLICATION));
    }
}

#define APP "spiffe://t.w/app"
#define POLICY                                                                                  \
    L("version: 1")                                                                             \
    L("deployment: t")                                                                          \
    L("collections: [{name: fhir, key: phi/records}, {name: labs, key: phi/labs}]")             \
    L("roles:")                                                                                 \
    L("- name: apps")                                                                           \
    L("  kind: application")                                                                    \
    L("  members: [\"spiffe://t.w/app\"]")                                                      \
    L("  rules:")                                                                               \
    L("  - {name: keys, actions: [data-key.generate, data-key.unwrap], keys: [\"app/**\", "     \
      "shared]}")                                                                               \
    L("  - {name: not-old, effect: deny, actions: [data-key.generate], keys: [\"app/old/*\"]}") \
    L("  - name: charts")                                                                       \
    L("    actions: [record.get]")                                                              \
    L("    collections: [\"fhir\"]")                                                            \
    L("    context:")                                                                           \
    L("    - {key: purpose, values: [TREAT, ETREAT]}")                                          \
    L("    - {key: tenant}")                                                                    \
    L("  - name: not-vip")                                                                      \
    L("    effect: deny")                                                                       \
    L("    actions: [record.get]")                                                              \
    L("    collections: [\"**\"]")                                                              \
    L("    context: [{key: class, values: [vip]}]")                                             \
    L("- name: more")                                                                           \
    L("  kind: application")                                                                    \
    L("  members: [\"spiffe://t.w/app\"]")                                                      \
    L("  rules:")                                                                               \
    L("  - {name: none, effect: deny, actions: [data-key.unwrap], keys: [\"app/sealed\"]}")     \
    L("  - {name: old, actions: [data-key.generate], keys: [\"app/old/**\", extra]}")

static int set_up(void **state)
{
    *state = policy_of(POLICY);
    return 0;
}

static int tear_down(void **state)
{
    ward_policy_unref(*state);
    return 0;
}

static bool may_generate(void *policy, const char *key)
{
    return decide_as(policy, APP, WARD_ACTION_DATA_KEY_GENERATE, key).allowed;
}

static void what_no_rule_allows_is_refused(void **state)
{
    assert_true(may_generate(*state, "app/x"));
    assert_true(may_generate(*state, "shared"));
    assert_false(may_generate(*state, "phi/records"));
    assert_false(may_generate(*state, "app"));
    assert_false(may_generate(*state, "apps/x"));
    assert_false(may_generate(*state, "shared/x"));
    assert_false(decide_as(*state, APP, WARD_ACTION_RECORD_PUT, "fhir").allowed);
    assert_false(decide_as(*state, APP, WARD_ACTION_KEY_DESCRIBE, "app/x").allowed);
}

static void roles_add_up(void **state)
{
    assert_true(may_generate(*state, "extra"));
    assert_string_equal(decide_as(*state, APP, WARD_ACTION_DATA_KEY_GENERATE, "extra").rule,
                        "more/old");
    assert_false(decide_as(*state, APP, WARD_ACTION_DATA_KEY_UNWRAP, "extra").allowed);
}

static void deny_beats_allow_in_the_same_role_and_in_another(void **state)
{
    struct ward_decision decision =
        decide_as(*state, APP, WARD_ACTION_DATA_KEY_GENERATE, "app/old/x");
    assert_false(decision.allowed);
    assert_string_equal(decision.rule, "apps/not-old");
    assert_int_equal(decision.status.code, WARD_E_DENIED);
    assert_true(may_generate(*state, "app/old/x/y"));
    assert_true(decide_as(*state, APP, WARD_ACTION_DATA_KEY_UNWRAP, "app/old/x").allowed);
    decision = decide_as(*state, APP, WARD_ACTION_DATA_KEY_UNWRAP, "app/sealed");
    assert_false(decision.allowed);
    assert_string_equal(decision.rule, "more/none");
}

static void a_refusal_names_no_object(void **state)
{
    struct ward_decision decision =
        decide_as(*state, APP, WARD_ACTION_DATA_KEY_GENERATE, "secret/name");
    assert_string_equal(ward_status_refusal(decision.status), "policy: not allowed");
    decision = decide_as(*state, APP, WARD_ACTION_DATA_KEY_GENERATE, "app/old/x");
    assert_string_equal(ward_status_refusal(decision.status), "policy: not allowed");
}

/* The key's name as an attacker may spell it: matching the glob as text, but another object, or
 * none.
 */
static void a_name_in_another_spelling_is_refused(void **state)
{
    static const char *const spellings[] = {
        "app/X",    "App/x",   "APP/x",  "app//x",       "app/./x",       "app/../phi/records",
        "app/x/..", "app/x/",  "/app/x", "app/x ",       " app/x",        "app/x\n",
        "app/x.\n", "app/%78", "app\\x", "app/\xd1\x85", "app/x\xcc\x81", "app/\xef\xbd\x98",
        "app/*",    "app/**",  "",       "app/",         "app/.x",        "app/-x"};
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        if (may_generate(*state, spellings[i])) {
            fail_msg("allowed: %s", spellings[i]);
        }
    }
    struct ward_decide_in in = {.subject = ward_policy_subject(*state, ward_bytes_str(APP)),
                                .action = WARD_ACTION_DATA_KEY_GENERATE,
                                .object = WARD_BYTES_LITERAL("app/x\0")};
    assert_false(ward_decide(*state, &in).allowed);
    in.object = WARD_BYTES_LITERAL("shared\0/phi");
    assert_false(ward_decide(*state, &in).allowed);
    in.object = (struct ward_bytes){NULL, 0};
    assert_false(ward_decide(*state, &in).allowed);
    /* A trailing dot is a name of its own; it is not the name without it. */
    assert_false(decide_as(*state, APP, WARD_ACTION_DATA_KEY_GENERATE, "shared.").allowed);
}

static bool may_get(void *policy, const char *collection, const struct ward_decide_pair *context,
                    size_t n)
{
    const struct ward_decide_in in = {.subject = ward_policy_subject(policy, ward_bytes_str(APP)),
                                      .action = WARD_ACTION_RECORD_GET,
                                      .object = ward_bytes_str(collection),
                                      .context = context,
                                      .n_context = n};
    return ward_decide(policy, &in).allowed;
}

#define PAIR(k, v)                              \
    {                                           \
        {(const uint8_t *)(k), sizeof(k) - 1},  \
        {                                       \
            (const uint8_t *)(v), sizeof(v) - 1 \
        }                                       \
    }

static void every_condition_must_hold(void **state)
{
    const struct ward_decide_pair good[] = {PAIR("other", "x"), PAIR("purpose", "TREAT"),
                                            PAIR("tenant", "north")};
    assert_true(may_get(*state, "fhir", good, 3));
    assert_false(may_get(*state, "labs", good, 3));
    assert_false(may_get(*state, "fhir", good, 2));
    assert_false(may_get(*state, "fhir", good + 1, 1));
    assert_false(may_get(*state, "fhir", good + 2, 1));
    assert_false(may_get(*state, "fhir", NULL, 0));
    const struct ward_decide_pair empty[] = {PAIR("purpose", "ETREAT"), PAIR("tenant", "")};
    assert_true(may_get(*state, "fhir", empty, 2)); /* no values: any, but there */
}

/* One rule for all that carries a context: conditions mean the same for each of them. */
static void conditions_hold_for_every_action_with_a_context(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(
        L("version: 1") L("deployment: t") L("collections: [{name: fhir, key: phi/records}]")
            L("roles:") L("- name: apps") L("  kind: application")
                L("  members: [\"spiffe://t.w/app\"]") L("  rules:") L("  - name: all")
                    L("    actions: [data-key.generate, data-key.generate-without-plaintext, "
                      "data-key.unwrap, data-key.rewrap, data-key.batch, record.put, record.get, "
                      "emergency.open]") L("    keys: [\"app/**\"]") L("    collections: [fhir]")
                        L("    context: [{key: purpose, values: [TREAT]}, {key: tenant}]"));
    static const struct ward_decide_pair contexts[][2] = {
        {PAIR("purpose", "TREAT"), PAIR("tenant", "n")},
        {PAIR("purpose", "HMARKT"), PAIR("tenant", "n")},
        {PAIR("purpose", "TREAT"), PAIR("tenants", "n")},
        {PAIR("purposes", "TREAT"), PAIR("tenant", "n")},
    };
    unsigned with_context = 0;
    for (unsigned action = 0; action < WARD_ACTION_COUNT; action++) {
        if (!ward_action_has_context(action)) {
            continue;
        }
        with_context++;
        for (size_t i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++) {
            const struct ward_decide_in in = {.subject =
                                                  ward_policy_subject(policy, ward_bytes_str(APP)),
                                              .action = action,
                                              .object = ward_bytes_str(object_of(action)),
                                              .context = contexts[i],
                                              .n_context = 2};
            if (ward_decide(policy, &in).allowed != (i == 0)) {
                fail_msg("%s with context %zu", ward_action_name(action), i);
            }
        }
        assert_false(decide_as(policy, APP, action, object_of(action)).allowed);
    }
    assert_int_equal(with_context, 8);
}

static void a_value_outside_the_closed_list_is_refused(void **state)
{
    static const struct ward_decide_pair bad[][2] = {
        {PAIR("purpose", "HMARKT"), PAIR("tenant", "n")},
        {PAIR("purpose", "treat"), PAIR("tenant", "n")},
        {PAIR("purpose", "TREAT "), PAIR("tenant", "n")},
        {PAIR("purpose", "TREAT\0"), PAIR("tenant", "n")},
        {PAIR("purpose", ""), PAIR("tenant", "n")},
        {PAIR("Purpose", "TREAT"), PAIR("tenant", "n")},
        {PAIR("purpose\0", "TREAT"), PAIR("tenant", "n")},
        {PAIR("purpose", "TREA"), PAIR("tenant", "n")},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(may_get(*state, "fhir", bad[i], 2));
    }
}

static void a_key_given_twice_helps_no_allow_and_escapes_no_deny(void **state)
{
    const struct ward_decide_pair two[] = {PAIR("purpose", "TREAT"), PAIR("purpose", "HMARKT"),
                                           PAIR("tenant", "n")};
    assert_false(may_get(*state, "fhir", two, 3));
    const struct ward_decide_pair hidden[] = {PAIR("class", "plain"), PAIR("class", "vip"),
                                              PAIR("purpose", "TREAT"), PAIR("tenant", "n")};
    assert_false(may_get(*state, "fhir", hidden, 4));
}

static void a_deny_applies_when_its_condition_holds(void **state)
{
    struct ward_decide_pair context[] = {PAIR("purpose", "TREAT"), PAIR("tenant", "n"),
                                         PAIR("class", "vip")};
    assert_false(may_get(*state, "fhir", context, 3));
    context[2].value = WARD_BYTES_LITERAL("plain");
    assert_true(may_get(*state, "fhir", context, 3));
}

static void the_daemons_own_actions_are_no_peers(void **state)
{
    static const char *const names[] = {"system", "", "spiffe://t.w/system", APP};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_false(decide_as(*state, names[i], WARD_ACTION_SYSTEM_REWRAP, "app/x").allowed);
        assert_false(decide_as(*state, names[i], WARD_ACTION_SYSTEM_START, "").allowed);
    }
}

/* A role as large as the language permits still decides; nothing here is quadratic in its rules. */
static void a_thousand_rules_decide_as_one(void **state)
{
    (void)state;
    const size_t room = 200000;
    char *text = malloc(room);
    size_t n =
        (size_t)snprintf(text, room,
                         "version: 1\ndeployment: t\nroles:\n- name: r\n  kind: application\n"
                         "  members: [\"" APP "\"]\n  rules:\n");
    for (unsigned i = 0; i < 1000; i++) {
        n += (size_t)snprintf(
            text + n, room - n,
            "  - {name: r%u, effect: %s, actions: [data-key.generate], keys: [\"app/%u/**\"]}\n", i,
            i % 2 == 0 ? "allow" : "deny", i);
    }
    ward_auto(free_policy) struct ward_policy *policy = policy_of(text);
    free(text);
    for (unsigned i = 0; i < 1100; i++) {
        char key[32], rule[32];
        (void)snprintf(key, sizeof(key), "app/%u/x/y", i);
        (void)snprintf(rule, sizeof(rule), "r/r%u", i);
        struct ward_decision decision = decide_as(policy, APP, WARD_ACTION_DATA_KEY_GENERATE, key);
        assert_int_equal(decision.allowed, i < 1000 && i % 2 == 0);
        assert_string_equal(decision.rule, i < 1000 ? rule : "default-deny");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_action_is_given_to_its_kinds_and_to_no_other),
        cmocka_unit_test(an_allowed_action_allows_no_other),
        cmocka_unit_test(an_identity_that_policy_does_not_name_may_do_nothing),
        cmocka_unit_test(a_request_without_a_known_method_is_refused),
        cmocka_unit_test(what_no_rule_allows_is_refused),
        cmocka_unit_test(roles_add_up),
        cmocka_unit_test(deny_beats_allow_in_the_same_role_and_in_another),
        cmocka_unit_test(a_refusal_names_no_object),
        cmocka_unit_test(a_name_in_another_spelling_is_refused),
        cmocka_unit_test(every_condition_must_hold),
        cmocka_unit_test(conditions_hold_for_every_action_with_a_context),
        cmocka_unit_test(a_value_outside_the_closed_list_is_refused),
        cmocka_unit_test(a_key_given_twice_helps_no_allow_and_escapes_no_deny),
        cmocka_unit_test(a_deny_applies_when_its_condition_holds),
        cmocka_unit_test(the_daemons_own_actions_are_no_peers),
        cmocka_unit_test(a_thousand_rules_decide_as_one),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
