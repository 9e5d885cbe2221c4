/* SPDX-License-Identifier: Apache-2.0 */
/* What a well-formed text may still not say: kinds, persons, actions, quorums, names. */
#include "policy/purpose.h"
#include "policy_support.h"

#define HEAD L("version: 1") L("deployment: test.ward")
#define OFFICER_RULES                              \
    L("    rules:")                                \
    L("      - name: keys")                        \
    L("        actions: [key.create, key.rotate]") \
    L("        keys: [\"**\"]")                    \
    L("      - name: vote")                        \
    L("        actions: [approval.approve]")
#define OFFICERS                                                                   \
    L("persons:")                                                                  \
    L("  - {name: alice, identities: [\"spiffe://t.w/a1\", \"spiffe://t.w/a2\"]}") \
    L("  - {name: bob, identities: [\"spiffe://t.w/b\"]}")                         \
    L("  - {name: carol, identities: [\"spiffe://t.w/c\"]}")                       \
    L("roles:")                                                                    \
    L("  - name: officers")                                                        \
    L("    kind: officer")                                                         \
    L("    members: [\"person:alice\", \"person:bob\", \"person:carol\"]")         \
    OFFICER_RULES

static void persons_stand_for_their_identities(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(HEAD OFFICERS);
    const struct ward_subject *a1 =
        ward_policy_subject(policy, WARD_BYTES_LITERAL("spiffe://t.w/a1"));
    const struct ward_subject *a2 =
        ward_policy_subject(policy, WARD_BYTES_LITERAL("spiffe://t.w/a2"));
    assert_non_null(a1);
    assert_non_null(a2);
    assert_int_equal(ward_subject_kind(a1), WARD_ROLE_OFFICER);
    assert_true(ward_bytes_eq(ward_subject_person(a1), WARD_BYTES_LITERAL("alice")));
    assert_true(ward_bytes_eq(ward_subject_person(a2), WARD_BYTES_LITERAL("alice")));
}

static void an_undeclared_person_is_the_identity_itself(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(
        HEAD L("roles: [{name: r, kind: auditor, members: [\"spiffe://t.w/x\"], rules: []}]"));
    const struct ward_subject *x =
        ward_policy_subject(policy, WARD_BYTES_LITERAL("spiffe://t.w/x"));
    assert_true(ward_bytes_eq(ward_subject_person(x), WARD_BYTES_LITERAL("spiffe://t.w/x")));
}

static void an_identity_is_matched_by_exact_bytes(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(HEAD OFFICERS);
    static const char *const others[] = {"spiffe://t.w/A1",
                                         "spiffe://T.w/a1",
                                         "SPIFFE://t.w/a1",
                                         "spiffe://t.w/a1/",
                                         "spiffe://t.w/a",
                                         "spiffe://t.w/a11",
                                         "spiffe://t.w./a1",
                                         "spiffe://t.w//a1",
                                         "spiffe://t.w/./a1",
                                         "spiffe://t.w/%61"
                                         "1",
                                         "spiffe://t.w/a1 ",
                                         " spiffe://t.w/a1",
                                         "alice",
                                         "person:alice",
                                         "",
                                         "spiffe://t.w/\xd0\xb0"
                                         "1",
                                         "spiffe://t.w/*"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_null(ward_policy_subject(policy, ward_bytes_str(others[i])));
    }
    assert_null(ward_policy_subject(policy, WARD_BYTES_LITERAL("spiffe://t.w/a1\0")));
    assert_null(ward_policy_subject(policy, (struct ward_bytes){NULL, 0}));
}

static void a_person_without_a_role_has_no_subject(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy =
        policy_of(HEAD L("persons: [{name: p, identities: [\"spiffe://t.w/p\"]}]")
                      L("roles: [{name: r, kind: auditor, members: [], rules: []}]"));
    assert_null(ward_policy_subject(policy, WARD_BYTES_LITERAL("spiffe://t.w/p")));
}

static void one_identity_in_two_kinds_is_refused(void **state)
{
    (void)state;
    assert_refused(HEAD L("roles:") L(
                       "  - {name: a, kind: application, members: [\"spiffe://t.w/x\"], rules: []}")
                       L("  - {name: b, kind: auditor, members: [\"spiffe://t.w/x\"], rules: []}"),
                   5, 40, "two kinds, application and auditor");
}

static void one_person_in_two_kinds_is_refused(void **state)
{
    (void)state;
    assert_refused(
        HEAD OFFICERS L("  - {name: audit, kind: auditor, members: [\"person:bob\"], rules: []}"),
        17, 44, "bob is in roles of two kinds, officer and auditor");
    /* Through another identity of the same person. */
    assert_refused(
        HEAD L("persons: [{name: p, identities: [\"spiffe://t.w/1\", \"spiffe://t.w/2\"]}]")
            L("roles:") L("  - {name: a, kind: auditor, members: [\"spiffe://t.w/1\"], rules: []}")
                L("  - {name: b, kind: administrator, members: [\"spiffe://t.w/2\"], rules: []}"),
        6, 46, "p is in roles of two kinds, auditor and administrator");
}

static void an_identity_may_have_several_roles_of_one_kind(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(
        HEAD L("roles:")
            L("  - {name: a, kind: auditor, members: [\"spiffe://t.w/x\", \"spiffe://t.w/x\"],"
              " rules: [{name: r, actions: [audit.export]}]}")
                L("  - {name: b, kind: auditor, members: [\"spiffe://t.w/x\"],"
                  " rules: [{name: r, actions: [key.list]}]}"));
    assert_true(decide_as(policy, "spiffe://t.w/x", WARD_ACTION_AUDIT_EXPORT, "").allowed);
    assert_string_equal(decide_as(policy, "spiffe://t.w/x", WARD_ACTION_KEY_LIST, "").rule, "b/r");
}

static void an_identity_of_two_persons_is_refused(void **state)
{
    (void)state;
    assert_refused(HEAD L("persons:") L("  - {name: a, identities: [\"spiffe://t.w/x\"]}")
                       L("  - {name: b, identities: [\"spiffe://t.w/x\"]}")
                           L("roles: [{name: r, kind: auditor, members: [], rules: []}]"),
                   5, 28, "declared twice");
    assert_refused(HEAD L("persons:") L("  - {name: a, identities: [\"spiffe://t.w/x\"]}")
                       L("  - {name: a, identities: [\"spiffe://t.w/y\"]}")
                           L("roles: [{name: r, kind: auditor, members: [], rules: []}]"),
                   5, 12, "person \"a\" is declared twice");
}

static void refused_head(const char *version, const char *deployment, unsigned line,
                         const char *words)
{
    char text[512];
    (void)snprintf(
        text, sizeof(text),
        "version: %s\ndeployment: %s\nroles: [{name: r, kind: auditor, members: [], rules: "
        "[]}]\n",
        version, deployment);
    assert_refused(text, line, line == 1 ? 10 : 13, words);
}

static void another_version_of_the_language_is_refused(void **state)
{
    (void)state;
    refused_head("2", "t", 1, "version \"2\" is not known");
    refused_head("1.0", "t", 1, "is not known");
    refused_head("01", "t", 1, "is not known");
    refused_head("-1", "t", 1, "is not known");
    refused_head("1", "Test", 2, "deployment \"Test\"");
    refused_head("1", "a b", 2, "deployment");
    refused_head("1", "a+b", 2, "deployment");
    refused_head("1", "a/", 2, "deployment");
}

/* A role of the kind with one rule, its text after "name: x, " being given. */
static void refused_rule(const char *kind, const char *rule, unsigned column, const char *words)
{
    char text[1024];
    (void)snprintf(text, sizeof(text),
                   HEAD "collections: [{name: fhir, key: phi/records}]\n"
                        "roles: [{name: r, kind: %s, members: [], rules: [\n"
                        "{name: x, %s}]}]\n",
                   kind, rule);
    assert_refused(text, 5, column, words);
}

static void unknown_words_are_refused(void **state)
{
    (void)state;
    refused_rule("auditor", "actions: [audit.exprot]", 21, "\"audit.exprot\" is not an action");
    refused_rule("auditor", "actions: [Audit.export]", 21, "is not an action");
    refused_rule("auditor", "actions: [audit.export, \"*\"]", 35, "\"*\" is not an action");
    refused_rule("auditor", "actions: [request]", 21, "is not an action");
    refused_rule("auditor", "effect: permit, actions: [audit.export]", 19,
                 "neither allow nor deny");
    refused_rule("auditor", "effect: Deny, actions: [audit.export]", 19, "neither allow nor deny");
    assert_refused(HEAD L("roles: [{name: r, kind: root, members: [], rules: []}]"), 3, 25,
                   "kind \"root\" is none of");
    assert_refused(HEAD L("roles: [{name: r, kind: Officer, members: [], rules: []}]"), 3, 25,
                   "is none of");
    assert_refused(
        HEAD L("roles: [{name: r, kind: auditor, members: [\"person:eve\"], rules: []}]"), 3, 44,
        "person \"eve\" is not declared");
    assert_refused(HEAD L("roles: [{name: r, kind: auditor, members: [eve], rules: []}]"), 3, 44,
                   "\"eve\" is not an identity");
}

static void an_action_for_another_kind_is_refused(void **state)
{
    (void)state;
    refused_rule("officer", "actions: [data-key.unwrap], keys: [a]", 21, "may not be given");
    refused_rule("administrator", "actions: [record.get], collections: [fhir]", 21,
                 "may not be given");
    refused_rule("application", "actions: [key.rotate], keys: [a]", 21, "may not be given");
    refused_rule("auditor", "actions: [approval.approve]", 21, "may not be given");
    refused_rule("administrator", "actions: [system.rewrap], keys: [a]", 21, "may not be given");
    refused_rule("application", "effect: deny, actions: [audit.export]", 35, "may not be given");
}

static void a_rule_whose_objects_do_not_fit_its_actions_is_refused(void **state)
{
    (void)state;
    refused_rule("application", "actions: [data-key.unwrap]", 8, "names no keys");
    refused_rule("application", "actions: [record.get]", 8, "names no collections");
    refused_rule("application", "actions: [record.get], keys: [a], collections: [fhir]", 41,
                 "no action on keys");
    refused_rule("auditor", "actions: [audit.export], collections: [fhir]", 50,
                 "no action on collections");
    refused_rule("application", "actions: [record.get], collections: [fihr]", 48,
                 "collection \"fihr\" is not declared");
    refused_rule("application", "actions: [data-key.unwrap], keys: [App]", 46, "not a glob");
    refused_rule("application", "actions: [data-key.unwrap], keys: [a//b]", 46, "not a glob");
    refused_rule("application", "actions: [data-key.unwrap], keys: [\"a***\"]", 46, "not a glob");
    refused_rule("auditor", "actions: [key.list, key.describe], keys: [a], context: [{key: p}]", 21,
                 "key.list carries no context");
    refused_rule("application",
                 "actions: [data-key.unwrap], keys: [a], context: [{key: p}, {key: p}]", 76,
                 "given twice");
}

static void an_application_never_gets_data_keys_under_a_record_key(void **state)
{
    (void)state;
    refused_rule("application", "actions: [data-key.unwrap], keys: [\"**\"]", 46,
                 "covers the key of collection fhir");
    refused_rule("application", "actions: [data-key.generate], keys: [a, \"phi/*\"]", 51,
                 "covers the key of collection fhir");
    refused_rule("application", "actions: [data-key.unwrap], keys: [phi/records]", 46, "covers");
    refused_rule("application", "actions: [data-key.rewrap], keys: [phi/records]", 46, "covers");
    refused_rule("application", "actions: [data-key.batch], keys: [phi/records]", 45, "covers");
    refused_rule("application",
                 "actions: [data-key.generate-without-plaintext], keys: [phi/records]", 66,
                 "covers");
}

static void a_purpose_that_hl7_does_not_know_is_refused_where_it_stands(void **state)
{
    (void)state;
#define PURPOSE(values) \
    "actions: [record.get], collections: [fhir], context: [{key: purpose, values: [" values "]}]"
    refused_rule("application", PURPOSE("TREATMENT"), 89, "\"TREATMENT\" is not a code of HL7");
    refused_rule("application", PURPOSE("treat"), 89, "is not a code of HL7 PurposeOfUse");
    refused_rule("application", PURPOSE("TREAT, ETREAT, \"TREAT \""), 104, "\"TREAT \" is not");
    refused_rule("application", PURPOSE("PurposeOfUse"), 89, "is not a code");
    refused_rule("application", PURPOSE("PAT"), 89, "is not a code"); /* of ActReason, elsewhere */
    refused_rule("application", "effect: deny, " PURPOSE("HMARKTT"), 103, "is not a code");
#undef PURPOSE
}

static void every_code_of_purpose_of_use_may_be_listed(void **state)
{
    (void)state;
    static const char *const level_one[] = {"HMARKT", "HOPERAT", "HPAYMT", "HRESCH",
                                            "PATRQT", "PUBHLTH", "TREAT"};
    static const char *const deepest[] = {"BTG",         "ERTREAT", "HTEST",  "LABELING",
                                          "CLINTRCHNPC", "MILDCRG", "THREAT", "SUPNWK",
                                          "MLTRAINING",  "PMTDS",   "TREATDS"};
    for (size_t i = 0; i < sizeof(level_one) / sizeof(level_one[0]); i++) {
        assert_true(ward_purpose_known(ward_bytes_str(level_one[i])));
    }
    for (size_t i = 0; i < sizeof(deepest) / sizeof(deepest[0]); i++) {
        assert_true(ward_purpose_known(ward_bytes_str(deepest[i])));
    }
    assert_false(ward_purpose_known(WARD_BYTES_LITERAL("TREAT\0")));
    assert_false(ward_purpose_known((struct ward_bytes){NULL, 0}));
    /* Another key's values are the deployment's own words. */
    ward_auto(free_policy) struct ward_policy *policy =
        policy_of(HEAD L("roles: [{name: r, kind: application, members: [\"spiffe://t.w/x\"],")
                      L("  rules: [{name: a, actions: [data-key.unwrap], keys: [app],")
                          L("    context: [{key: purposes, values: [whatever]}]}]}]"));
    assert_non_null(policy);
}

static void names_that_audit_entries_carry_are_labels(void **state)
{
    (void)state;
    assert_refused(HEAD L("roles: [{name: a/b, kind: auditor, members: [], rules: []}]"), 3, 16,
                   "is not a name");
    assert_refused(HEAD L("roles: [{name: A, kind: auditor, members: [], rules: []}]"), 3, 16,
                   "is not a name");
    assert_refused(HEAD L("roles:") L("- {name: a, kind: auditor, members: [], rules: []}")
                       L("- {name: a, kind: auditor, members: [], rules: []}"),
                   5, 10, "role \"a\" is declared twice");
    assert_refused(HEAD L("roles:") L("- name: a") L("  kind: auditor") L("  members: []")
                       L("  rules:") L("  - {name: x, actions: [key.list]}")
                           L("  - {name: x, actions: [key.list]}"),
                   9, 12, "rule \"x\" is given twice");
    assert_refused(HEAD L("persons: [{name: \"al ice\", identities: [\"spiffe://t.w/x\"]}]")
                       L("roles: [{name: r, kind: auditor, members: [], rules: []}]"),
                   3, 18, "is not a name");
}

static void refused_guard(const char *guard, unsigned column, const char *words)
{
    char text[2048];
    (void)snprintf(text, sizeof(text), HEAD OFFICERS "guards:\n- {%s}\n", guard);
    assert_refused(text, 18, column, words);
}

static void a_quorum_of_none_is_refused(void **state)
{
    (void)state;
    refused_guard("action: key.rotate, keys: [\"**\"], approvals: 0", 49,
                  "approvals: \"0\" is not");
    refused_guard("action: key.rotate, keys: [\"**\"], approvals: 00", 49, "is not a whole number");
    refused_guard("action: key.create, keys: [\"**\"], approvals: 0", 49, "is not a whole number");
    refused_guard("action: key.rotate, keys: [\"**\"], approvals: -1", 49, "is not a whole number");
    refused_guard("action: key.rotate, keys: [\"**\"], approvals: \"\"", 49, "empty value");
    refused_guard("action: key.rotate, keys: [\"**\"], approvals: null", 49,
                  "is not a whole number");
    refused_guard("action: key.rotate, keys: [\"**\"], approvals: 0x1", 49,
                  "is not a whole number");
    refused_guard("action: key.rotate, keys: [\"**\"], approvals: 1 of 2", 49,
                  "is not a whole number");
    refused_guard("action: key.rotate, keys: [\"**\"], approvals: 1.0", 49,
                  "is not a whole number");
    refused_guard("action: key.rotate, keys: [\"**\"], approvals: 18446744073709551617", 49,
                  "is not a whole number");
    refused_guard("action: key.rotate, keys: [\"**\"]", 12, "neither approvals nor from");
}

/* Alice has two identities: three officers, not four. */
static void a_quorum_that_cannot_be_reached_is_refused(void **state)
{
    (void)state;
    refused_guard("action: key.rotate, keys: [\"**\"], approvals: 3", 49,
                  "3 officers may approve, so at most 2");
    refused_guard("action: key.create, keys: [\"**\"], approvals: 999999", 49, "never be reached");
    ward_auto(free_policy) struct ward_policy *policy =
        policy_of(HEAD OFFICERS L("guards: [{action: key.rotate, keys: [\"**\"], approvals: 2}]"));
    assert_int_equal(
        ward_policy_guard(policy, WARD_ACTION_KEY_ROTATE, WARD_BYTES_LITERAL("a")).approvals, 2);
}

static void an_officer_who_is_denied_approving_is_not_counted(void **state)
{
    (void)state;
    assert_refused(HEAD OFFICERS L("  - name: suspended") L("    kind: officer")
                       L("    members: [\"person:carol\"]") L("    rules:")
                           L("      - {name: no, effect: deny, actions: [approval.approve]}")
                               L("guards:")
                                   L("- {action: key.rotate, keys: [\"**\"], approvals: 2}"),
                   23, 49, "2 officers may approve, so at most 1");
}

static void rotation_without_two_approvers_is_refused_even_unguarded(void **state)
{
    (void)state;
    assert_refused(HEAD L("roles:") L("  - name: officers") L("    kind: officer")
                       L("    members: [\"spiffe://t.w/a\"]") OFFICER_RULES,
                   9, 31, "two persons are needed");
    assert_refused(
        HEAD L("persons: [{name: a, identities: [\"spiffe://t.w/1\", \"spiffe://t.w/2\"]}]")
            L("roles:") L("  - name: officers") L("    kind: officer")
                L("    members: [\"person:a\"]") OFFICER_RULES,
        10, 31, "1 officers may approve");
}

static void a_guard_of_another_action_or_time_is_refused(void **state)
{
    (void)state;
    refused_guard("action: record.get, keys: [\"**\"], approvals: 1", 12, "cannot be guarded");
    refused_guard("action: approval.approve, keys: [\"**\"], approvals: 1", 12,
                  "cannot be guarded");
    refused_guard("action: key.rotat, keys: [\"**\"], approvals: 1", 12, "no such action");
    refused_guard("action: key.rotate, keys: [], approvals: 1", 30, "keys: empty list");
    refused_guard("action: key.rotate, keys: [\"/x\"], approvals: 1", 31, "not a glob");
    refused_guard("action: key.rotate, keys: [a], approvals: 1, expires_hours: 0", 64,
                  "expires_hours");
    refused_guard("action: key.rotate, keys: [a], approvals: 1, expires_hours: 169", 64,
                  "1 to 168");
}

static void rotation_is_guarded_where_no_guard_speaks_of_it(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(
        HEAD OFFICERS L("guards:")
            L("- {action: key.rotate, keys: [\"phi/**\"], approvals: 2, expires_hours: 48}")
                L("- {action: key.rotate, keys: [\"phi/hot/*\"], approvals: 1, expires_hours: 2}")
                    L("- {action: key.create, keys: [\"phi/**\"], approvals: 1}"));
    struct ward_guard guard =
        ward_policy_guard(policy, WARD_ACTION_KEY_ROTATE, WARD_BYTES_LITERAL("app/x"));
    assert_int_equal(guard.approvals, 1);
    assert_int_equal(guard.expires_hours, 24);
    guard = ward_policy_guard(policy, WARD_ACTION_KEY_ROTATE, WARD_BYTES_LITERAL("not a name"));
    assert_int_equal(guard.approvals, 1);
    /* Of several that match, the strictest in each respect. */
    guard = ward_policy_guard(policy, WARD_ACTION_KEY_ROTATE, WARD_BYTES_LITERAL("phi/hot/x"));
    assert_int_equal(guard.approvals, 2);
    assert_int_equal(guard.expires_hours, 2);
    guard = ward_policy_guard(policy, WARD_ACTION_KEY_CREATE, WARD_BYTES_LITERAL("phi/x"));
    assert_int_equal(guard.approvals, 1);
    assert_int_equal(guard.expires_hours, 24);
    guard = ward_policy_guard(policy, WARD_ACTION_KEY_CREATE, WARD_BYTES_LITERAL("app/x"));
    assert_int_equal(guard.approvals, 0);
    guard = ward_policy_guard(policy, WARD_ACTION_RECORD_GET, WARD_BYTES_LITERAL("phi/x"));
    assert_int_equal(guard.approvals, 0);
}

static void unrevoking_is_guarded_without_keys(void **state)
{
    (void)state;
    refused_guard("action: identity.unrevoke, keys: [\"**\"], approvals: 1", 12,
                  "leave `keys` out");
    refused_guard("action: key.rotate, approvals: 1", 12, "names no keys");
    refused_guard("action: identity.revoke, approvals: 1", 12, "cannot be guarded");
    refused_guard("action: identity.unrevoke, approvals: 3", 42, "so at most 2");
    const struct ward_bytes whom = WARD_BYTES_LITERAL("identity:spiffe://t.w/a");
    ward_auto(free_policy) struct ward_policy *plain = policy_of(HEAD OFFICERS);
    struct ward_guard guard = ward_policy_guard(plain, WARD_ACTION_IDENTITY_UNREVOKE, whom);
    assert_int_equal(guard.approvals, 1);
    assert_int_equal(guard.expires_hours, 24);
    assert_int_equal(ward_policy_guard(plain, WARD_ACTION_IDENTITY_REVOKE, whom).approvals, 0);
    assert_int_equal(ward_policy_largest_quorum(plain), 1);
    ward_auto(free_policy) struct ward_policy *strict = policy_of(
        HEAD OFFICERS L("guards: [{action: identity.unrevoke, approvals: 2, expires_hours: 3}]"));
    guard = ward_policy_guard(strict, WARD_ACTION_IDENTITY_UNREVOKE, whom);
    assert_int_equal(guard.approvals, 2);
    assert_int_equal(guard.expires_hours, 3);
    guard = ward_policy_guard(strict, WARD_ACTION_KEY_ROTATE, WARD_BYTES_LITERAL("a"));
    assert_int_equal(guard.approvals, 1);
    assert_int_equal(ward_policy_largest_quorum(strict), 2);
}

static void collections_are_found_and_checked(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(
        HEAD L("roles: [{name: r, kind: auditor, members: [], rules: []}]") L("collections:")
            L("- {name: fhir, key: phi/records, default_fields: [resourceType, id]}")
                L("- {name: labs, key: phi/records}") L("public_context: [purpose]"));
    const struct ward_policy_collection *all;
    assert_int_equal(ward_policy_collections(policy, &all), 2);
    const struct ward_policy_collection *fhir =
        ward_policy_collection_find(policy, WARD_BYTES_LITERAL("fhir"));
    assert_ptr_equal(fhir, all);
    assert_true(ward_bytes_eq(fhir->key, WARD_BYTES_LITERAL("phi/records")));
    assert_int_equal(fhir->n_default_fields, 2);
    assert_true(ward_bytes_eq(fhir->default_fields[1], WARD_BYTES_LITERAL("id")));
    assert_int_equal(fhir->schema_version, 1);
    assert_null(ward_policy_collection_find(policy, WARD_BYTES_LITERAL("Fhir")));
    assert_null(ward_policy_collection_find(policy, WARD_BYTES_LITERAL("")));
    assert_true(ward_policy_context_public(policy, WARD_BYTES_LITERAL("purpose")));
    assert_false(ward_policy_context_public(policy, WARD_BYTES_LITERAL("subject")));
    assert_false(ward_policy_context_public(policy, WARD_BYTES_LITERAL("purpose\0")));
}

static void refused_collection(const char *collections, unsigned column, const char *words)
{
    char text[512];
    (void)snprintf(text, sizeof(text),
                   HEAD "roles: [{name: r, kind: auditor, members: [], rules: []}]\n"
                        "collections: [%s]\n",
                   collections);
    assert_refused(text, 4, column, words);
}

static void a_collection_that_is_ambiguous_is_refused(void **state)
{
    (void)state;
    refused_collection("{name: fhir}", 15, "required key missing: key");
    refused_collection("{name: fhir, key: k}, {name: fhir, key: k}", 44, "declared twice");
    refused_collection("{name: Fhir, key: k}", 22, "not a canonical name");
    refused_collection("{name: fhir, key: \"k*\"}", 33, "not a canonical name");
    refused_collection("{name: fhir, key: k, default_fields: [id, id]}", 57, "listed twice");
}

static void a_policy_hashes_to_its_text(void **state)
{
    (void)state;
    const char text[] = HEAD OFFICERS;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(text);
    assert_true(ward_bytes_eq(ward_policy_text(policy), ward_bytes_str(text)));
    ward_auto(ward_digest_freep) struct ward_digest *digest = NULL;
    assert_true(ward_ok(ward_digest_new(&digest)));
    struct ward_bytes part = ward_bytes_str(text);
    uint8_t hash[WARD_SHA256_SIZE];
    assert_true(ward_ok(ward_sha256(digest, &part, 1, hash)));
    assert_memory_equal(hash, ward_policy_hash(policy), sizeof(hash));
}

static void a_policy_lives_until_its_last_reference(void **state)
{
    (void)state;
    struct ward_policy *policy = policy_of(HEAD OFFICERS);
    struct ward_policy *other = ward_policy_ref(policy);
    ward_policy_unref(policy);
    assert_string_equal(ward_policy_deployment(other), "test.ward");
    ward_policy_unref(other);
    ward_policy_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(persons_stand_for_their_identities),
        cmocka_unit_test(an_undeclared_person_is_the_identity_itself),
        cmocka_unit_test(an_identity_is_matched_by_exact_bytes),
        cmocka_unit_test(a_person_without_a_role_has_no_subject),
        cmocka_unit_test(one_identity_in_two_kinds_is_refused),
        cmocka_unit_test(one_person_in_two_kinds_is_refused),
        cmocka_unit_test(an_identity_may_have_several_roles_of_one_kind),
        cmocka_unit_test(an_identity_of_two_persons_is_refused),
        cmocka_unit_test(another_version_of_the_language_is_refused),
        cmocka_unit_test(unknown_words_are_refused),
        cmocka_unit_test(an_action_for_another_kind_is_refused),
        cmocka_unit_test(a_rule_whose_objects_do_not_fit_its_actions_is_refused),
        cmocka_unit_test(an_application_never_gets_data_keys_under_a_record_key),
        cmocka_unit_test(a_purpose_that_hl7_does_not_know_is_refused_where_it_stands),
        cmocka_unit_test(every_code_of_purpose_of_use_may_be_listed),
        cmocka_unit_test(names_that_audit_entries_carry_are_labels),
        cmocka_unit_test(a_quorum_of_none_is_refused),
        cmocka_unit_test(a_quorum_that_cannot_be_reached_is_refused),
        cmocka_unit_test(an_officer_who_is_denied_approving_is_not_counted),
        cmocka_unit_test(rotation_without_two_approvers_is_refused_even_unguarded),
        cmocka_unit_test(a_guard_of_another_action_or_time_is_refused),
        cmocka_unit_test(rotation_is_guarded_where_no_guard_speaks_of_it),
        cmocka_unit_test(unrevoking_is_guarded_without_keys),
        cmocka_unit_test(collections_are_found_and_checked),
        cmocka_unit_test(a_collection_that_is_ambiguous_is_refused),
        cmocka_unit_test(a_policy_hashes_to_its_text),
        cmocka_unit_test(a_policy_lives_until_its_last_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
