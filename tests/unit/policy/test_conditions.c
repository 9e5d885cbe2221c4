/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions on what is asked for: fields of records, and attributes of who asks. What is not known
 * lets no allow hold and every deny. */
#include "policy_asked.h"

/* ---- fields ---- */

static struct ward_decision decide_fields(const struct ward_policy *policy, enum ward_action action,
                                          const char *const *names, size_t n)
{
    struct ward_bytes fields[8];
    for (size_t i = 0; i < n; i++) {
        fields[i] = ward_bytes_str(names[i]);
    }
    struct ward_decide_in in = ask(policy, action, "fhir");
    in.fields = fields;
    in.n_fields = n;
    return ward_decide(policy, &in);
}

static bool field_allowed(const struct ward_policy *policy, const char *name)
{
    return decide_fields(policy, WARD_ACTION_RECORD_GET, &name, 1).allowed;
}

static void a_field_is_allowed_by_a_rule_that_names_it(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy =
        policy_of(RULES(GET ", fields: [id, \"birth*\", \"*Name\", \"a*z\"]}"));
    static const char *const good[] = {"id",   "birthDate", "birth", "familyName",
                                       "Name", "az",        "abz"};
    static const char *const bad[] = {
        "ID", "id ",  "i", "Birthdate", "familyname",      "a",
        "z",  "name", "",  "i\\u0064",  "birth\\u0044ate", "\xd0\xb0z"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(field_allowed(policy, good[i]));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(field_allowed(policy, bad[i]));
    }
}

static void the_refused_field_is_named(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy =
        policy_of(RULES(GET ", fields: [id, name]}"));
    static const char *const names[] = {"id", "photo", "name"};
    struct ward_decision decision = decide_fields(policy, WARD_ACTION_RECORD_GET, names, 3);
    assert_false(decision.allowed);
    assert_true(ward_bytes_eq(decision.field, WARD_BYTES_LITERAL("photo")));
    assert_string_equal(decision.rule, "default-deny");
    assert_string_equal(ward_status_refusal(decision.status), "policy: field not allowed");
    assert_false(decide_fields(policy, WARD_ACTION_RECORD_PUT, names, 3).allowed);
    assert_true(decide_fields(policy, WARD_ACTION_RECORD_PUT, names, 1).allowed);
}

static void two_rules_may_allow_a_field_each(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy =
        policy_of(RULES(GET ", fields: [id]}, {name: more, actions: [record.get], "
                            "collections: [fhir], fields: [name]}"));
    static const char *const names[] = {"name", "id"};
    struct ward_decision decision = decide_fields(policy, WARD_ACTION_RECORD_GET, names, 2);
    assert_true(decision.allowed);
    assert_string_equal(decision.rule, "r/more");
    assert_false(decide_fields(policy, WARD_ACTION_RECORD_PUT, names, 2).allowed);
}

static void a_deny_of_fields_hides_them_and_not_the_record(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy =
        policy_of(RULES(GET "}, {name: hide, effect: deny, actions: [record.get], "
                            "collections: [fhir], fields: [photo, \"ssn*\"]}"));
    assert_true(field_allowed(policy, "name"));
    assert_false(field_allowed(policy, "photo"));
    assert_false(field_allowed(policy, "ssn4"));
    /* Written with escapes it might be the hidden one. */
    assert_false(field_allowed(policy, "phot\\u006f"));
    struct ward_decide_in in = ask(policy, WARD_ACTION_RECORD_GET, "fhir");
    assert_true(allowed(policy, in)); /* the default set, less what is hidden */
    in.whole = true;
    assert_false(allowed(policy, in));
    assert_string_equal(ward_decide(policy, &in).rule, "r/hide");
    in.action = WARD_ACTION_RECORD_PUT;
    assert_true(allowed(policy, in));
}

static void who_may_have_some_fields_may_not_have_the_whole(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(RULES(GET ", fields: [\"a*\"]}"));
    struct ward_decide_in in = ask(policy, WARD_ACTION_RECORD_GET, "fhir");
    assert_true(allowed(policy, in));
    in.whole = true;
    assert_false(allowed(policy, in));
    /* A put that names no fields could write any. */
    in.whole = false;
    in.action = WARD_ACTION_RECORD_PUT;
    assert_false(allowed(policy, in));
    ward_auto(free_policy) struct ward_policy *all = policy_of(RULES(GET ", fields: [a, \"*\"]}"));
    in = ask(all, WARD_ACTION_RECORD_GET, "fhir");
    in.whole = true;
    assert_true(allowed(all, in));
}

static void fields_that_could_mean_two_things_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"\"a*b*\"",       "\"**\"",  "\"na me\"", "\"n\\u00e4me\"",
                                      "\"a\\\\u0062\"", "\"[0]\"", "\"a/b\""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text), RULES(GET ", fields: [%s]}"), bad[i]);
        assert_refused(text, 7, 78, "is not a glob over fields");
    }
    assert_refused(HEAD L("roles:")
                       L("- {name: r, kind: application, members: [], rules: [{name: a, "
                         "actions: [data-key.unwrap], keys: [a], fields: [x]}]}"),
                   4, 73, "data-key.unwrap is on no fields");
}

/* ---- attributes ---- */

#define TENANTS(more)                                                                              \
    HEAD L("identities:") L("- {identity: \"spiffe://t.w/x\", attributes: {tenant: north}}")       \
        L("roles:") L(                                                                             \
            "- name: r\n  kind: application\n  members: [\"spiffe://t.w/x\", \"spiffe://t.w/y\"]") \
            L("  rules:") L("  - {name: own, actions: [data-key.unwrap], keys: [\"app/**\"],")     \
                L("     context: [{key: tenant, equals: identity.tenant}]}") more

static bool unwraps(const struct ward_policy *policy, const char *identity, const char *tenant)
{
    const struct ward_decide_pair pair = {WARD_BYTES_LITERAL("tenant"),
                                          ward_bytes_str(tenant == NULL ? "" : tenant)};
    struct ward_decide_in in = ask(policy, WARD_ACTION_DATA_KEY_UNWRAP, "app/k");
    in.subject = ward_policy_subject(policy, ward_bytes_str(identity));
    in.context = &pair;
    in.n_context = tenant != NULL;
    return allowed(policy, in);
}

static void a_context_equals_an_attribute_byte_by_byte(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(TENANTS(""));
    assert_true(unwraps(policy, "spiffe://t.w/x", "north"));
    static const char *const others[] = {"south",  "North",        "north ",          "nort", "",
                                         "north.", "n\xd0\xberth", "identity.tenant", "*"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(unwraps(policy, "spiffe://t.w/x", others[i]));
    }
    assert_false(unwraps(policy, "spiffe://t.w/x", NULL));
    struct ward_decide_in in = ask(policy, WARD_ACTION_DATA_KEY_UNWRAP, "app/k");
    const struct ward_decide_pair twice[] = {
        {WARD_BYTES_LITERAL("tenant"), WARD_BYTES_LITERAL("north")},
        {WARD_BYTES_LITERAL("tenant"), WARD_BYTES_LITERAL("south")}};
    in.context = twice;
    in.n_context = 2;
    assert_false(allowed(policy, in));
}

static void without_the_attribute_no_allow_holds(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(TENANTS(""));
    static const char *const values[] = {"north", "", "null", "identity.tenant"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        assert_false(unwraps(policy, "spiffe://t.w/y", values[i]));
    }
    assert_false(unwraps(policy, "spiffe://t.w/y", NULL));
}

/* A deny means: unless the two are known to differ. */
static void without_the_attribute_or_the_key_every_deny_holds(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(
        HEAD L("identities: [{identity: \"spiffe://t.w/x\", attributes: {tenant: north}}]")
            L("roles:\n- name: r\n  kind: application")
                L("  members: [\"spiffe://t.w/x\", \"spiffe://t.w/y\"]") L("  rules:")
                    L("  - {name: all, actions: [data-key.unwrap], keys: [\"app/**\"]}")
                        L("  - {name: not-own, effect: deny, actions: [data-key.unwrap],")
                            L("     keys: [\"**\"],")
                                L("     context: [{key: tenant, equals: identity.tenant}]}"));
    assert_true(unwraps(policy, "spiffe://t.w/x", "south"));
    assert_false(unwraps(policy, "spiffe://t.w/x", "north"));
    assert_false(unwraps(policy, "spiffe://t.w/x", NULL)); /* left out is no way around */
    assert_false(unwraps(policy, "spiffe://t.w/y", "south"));
    assert_false(unwraps(policy, "spiffe://t.w/y", NULL));
}

static void attributes_come_from_identity_person_and_role(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(
        HEAD L("identities: [{identity: \"spiffe://t.w/a1\", attributes: {site: east}}]")
            L("persons: [{name: a, identities: [\"spiffe://t.w/a1\", \"spiffe://t.w/a2\"],")
                L("  attributes: {tenant: north}}]")
                    L("roles: [{name: r, kind: auditor, members: [\"person:a\"], rules: [],")
                        L("  attributes: {region: eu, tenant: north}}]"));
    const struct ward_subject *a1 =
        ward_policy_subject(policy, WARD_BYTES_LITERAL("spiffe://t.w/a1"));
    const struct ward_subject *a2 =
        ward_policy_subject(policy, WARD_BYTES_LITERAL("spiffe://t.w/a2"));
    static const struct {
        const char *name, *a1, *a2;
    } expected[] = {{"site", "east", ""},
                    {"tenant", "north", "north"},
                    {"region", "eu", "eu"},
                    {"Tenant", "", ""},
                    {"", "", ""}};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        struct ward_bytes name = ward_bytes_str(expected[i].name);
        assert_true(ward_bytes_eq(ward_subject_attribute(policy, a1, name),
                                  ward_bytes_str(expected[i].a1)));
        assert_true(ward_bytes_eq(ward_subject_attribute(policy, a2, name),
                                  ward_bytes_str(expected[i].a2)));
    }
}

static void attributes_that_contradict_or_mislead_are_refused(void **state)
{
    (void)state;
    assert_refused(HEAD L("persons: [{name: a, identities: [\"spiffe://t.w/a\"], ")
                       L("  attributes: {tenant: north}}]")
                           L("roles: [{name: r, kind: auditor, members: [\"person:a\"], rules: [],")
                               L("  attributes: {tenant: south}}]"),
                   6, 24, "is \"south\" here and \"north\" elsewhere");
    assert_refused(HEAD L("roles: [{name: r, kind: auditor, members: [], rules: [],")
                       L("  attributes: {Tenant: south}}]"),
                   4, 24, "attribute \"Tenant\": a name is");
    assert_refused(HEAD L("roles: [{name: r, kind: auditor, members: [], rules: [],")
                       L("  attributes: {tenant: \"so\xd1\x96th\"}}]"),
                   4, 24, "printable ASCII");
    assert_refused(HEAD L("roles: [{name: r, kind: auditor, members: [], rules: [],")
                       L("  attributes: {tenant: a, tenant: b}}]"),
                   4, 27, "key given twice");
    assert_refused(HEAD L("roles: [{name: r, kind: auditor, members: [], rules: [],")
                       L("  attributes: {}}]"),
                   3, 16, "attributes that name none");
    assert_refused(HEAD L("identities: [{identity: \"spiffe://t.w/a\"},")
                       L("  {identity: \"spiffe://t.w/a\"}]")
                           L("roles: [{name: r, kind: auditor, members: [], rules: []}]"),
                   4, 14, "described twice");
    assert_refused(HEAD L("identities: [{identity: alice}]")
                       L("roles: [{name: r, kind: auditor, members: [], rules: []}]"),
                   3, 25, "is not an identity");
}

static void a_condition_names_an_attribute_that_somebody_has(void **state)
{
    (void)state;
    static const struct {
        const char *condition, *words;
        unsigned column;
    } bad[] = {
        {"{key: tenant, equals: identity.tennant}", "has an attribute \"tennant\"", 38},
        {"{key: tenant, equals: identity.}", "has an attribute \"\"", 38},
        {"{key: tenant, equals: tenant}", "equals: identity.NAME", 38},
        {"{key: tenant, equals: person.tenant}", "equals: identity.NAME", 38},
        {"{key: tenant, values: [a], equals: identity.tenant}", "two conditions", 51},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[2048];
        (void)snprintf(text, sizeof(text), TENANTS("%s"),
                       "  - {name: b, actions: [data-key.unwrap], keys: [\"app/**\"],\n");
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "     context: [%s]}\n",
                       bad[i].condition);
        assert_refused(text, 13, bad[i].column, bad[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_is_allowed_by_a_rule_that_names_it),
        cmocka_unit_test(the_refused_field_is_named),
        cmocka_unit_test(two_rules_may_allow_a_field_each),
        cmocka_unit_test(a_deny_of_fields_hides_them_and_not_the_record),
        cmocka_unit_test(who_may_have_some_fields_may_not_have_the_whole),
        cmocka_unit_test(fields_that_could_mean_two_things_are_refused),
        cmocka_unit_test(a_context_equals_an_attribute_byte_by_byte),
        cmocka_unit_test(without_the_attribute_no_allow_holds),
        cmocka_unit_test(without_the_attribute_or_the_key_every_deny_holds),
        cmocka_unit_test(attributes_come_from_identity_person_and_role),
        cmocka_unit_test(attributes_that_contradict_or_mislead_are_refused),
        cmocka_unit_test(a_condition_names_an_attribute_that_somebody_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
