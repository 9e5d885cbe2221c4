/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions besides action and object: attributes, fields, times, networks, emergencies. What is
 * not known lets no allow hold and every deny. */
#include "policy_support.h"

#include "policy/field.h"
#include "policy/network.h"
#include "policy/window.h"

#define HEAD L("version: 1") L("deployment: t")

/* Wednesday, 2026-01-07 00:00 UTC, and so many hours and minutes later. */
#define WEDNESDAY 1767744000
#define AT(hours, minutes) ((WEDNESDAY + (int64_t)(hours)*3600 + (minutes)*60) * 1000000)

static struct ward_decide_in ask(const struct ward_policy *policy, enum ward_action action,
                                 const char *object)
{
    return (struct ward_decide_in){
        .subject = ward_policy_subject(policy, WARD_BYTES_LITERAL("spiffe://t.w/x")),
        .action = action,
        .object = ward_bytes_str(object),
        .now_us = AT(12, 0),
        .address = WARD_BYTES_LITERAL("10.1.2.3"),
    };
}

/* One application with these rules, on collection fhir. */
#define RULES(rules)                                                                            \
    HEAD L("collections: [{name: fhir, key: phi/records}]")                                     \
        L("roles:\n- {name: r, kind: application, members: [\"spiffe://t.w/x\"],\n   rules: [") \
            rules "]}\n"

#define GET "{name: get, actions: [record.get, record.put], collections: [fhir]"

static bool allowed(const struct ward_policy *policy, struct ward_decide_in in)
{
    struct ward_decision decision = ward_decide(policy, &in);
    assert_int_equal(decision.allowed, ward_ok(decision.status));
    return decision.allowed;
}

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

/* ---- times ---- */

static bool at(const struct ward_policy *policy, int64_t now_us)
{
    struct ward_decide_in in = ask(policy, WARD_ACTION_RECORD_GET, "fhir");
    in.now_us = now_us;
    return allowed(policy, in);
}

static void a_window_holds_on_its_days_and_hours(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy =
        policy_of(RULES(GET ", when: {days: [mon..fri], from: \"07:00\", to: \"19:00\"}}"));
    assert_false(at(policy, AT(7, 0) - 1));
    assert_true(at(policy, AT(7, 0)));
    assert_true(at(policy, AT(19, 0) - 1));
    assert_false(at(policy, AT(19, 0)));
    for (int day = 0; day < 14; day++) { /* Wednesday, Thursday, ... */
        bool weekend = day % 7 == 3 || day % 7 == 4;
        assert_int_equal(at(policy, AT(day * 24 + 12, 0)), !weekend);
        assert_false(at(policy, AT(day * 24 + 6, 59)));
    }
}

static void a_window_over_midnight_belongs_to_the_day_it_begins_on(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy =
        policy_of(RULES(GET ", when: {days: [wed, sun], from: \"22:00\", to: \"06:00\"}}"));
    assert_false(at(policy, AT(5, 59))); /* Tuesday's night */
    assert_false(at(policy, AT(21, 59)));
    assert_true(at(policy, AT(22, 0)));
    assert_true(at(policy, AT(24, 0)));
    assert_true(at(policy, AT(30, 0) - 1));
    assert_false(at(policy, AT(30, 0)));
    assert_false(at(policy, AT(46, 0)));         /* Thursday evening */
    assert_true(at(policy, AT(4 * 24 + 23, 0))); /* Sunday evening */
    assert_true(at(policy, AT(5 * 24 + 5, 59))); /* Monday morning */
    assert_false(at(policy, AT(5 * 24 + 22, 0)));
}

static void days_alone_and_hours_alone_are_windows(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *days =
        policy_of(RULES(GET ", when: {days: [sat..wed]}}"));
    assert_true(at(days, AT(0, 0)));
    assert_true(at(days, AT(24, 0) - 1));
    assert_false(at(days, AT(24, 0)));
    assert_false(at(days, AT(3 * 24, 0) - 1));
    assert_true(at(days, AT(3 * 24, 0)));
    ward_auto(free_policy) struct ward_policy *hours =
        policy_of(RULES(GET ", when: {from: \"00:00\", to: \"24:00\"}}"));
    assert_true(at(hours, AT(0, 0)));
    assert_true(at(hours, 1));
}

static void an_unknown_time_fails_closed(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *allow =
        policy_of(RULES(GET ", when: {from: \"00:00\", to: \"24:00\"}}"));
    assert_false(at(allow, 0));
    assert_false(at(allow, -1));
    assert_false(at(allow, INT64_MIN));
    ward_auto(free_policy) struct ward_policy *deny =
        policy_of(RULES(GET "}, {name: night, effect: deny, actions: [record.get], "
                            "collections: [fhir], when: {from: \"22:00\", to: \"05:00\"}}"));
    assert_true(at(deny, AT(12, 0)));
    assert_false(at(deny, AT(23, 0)));
    assert_false(at(deny, AT(4, 0)));
    assert_false(at(deny, 0));
    assert_false(at(deny, -1));
    (void)at(deny, INT64_MAX);
}

static void a_window_that_is_none_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *when, *words;
        unsigned column;
    } bad[] = {
        {"{}", "says neither days nor from", 8},
        {"{from: \"07:00\"}", "belong together", 82},
        {"{to: \"07:00\"}", "belong together", 80},
        {"{from: \"07:00\", to: \"07:00\"}", "begins before 24:00", 82},
        {"{from: \"24:00\", to: \"07:00\"}", "begins before 24:00", 82},
        {"{from: \"7:00\", to: \"19:00\"}", "is not a time of day", 82},
        {"{from: \"07:60\", to: \"19:00\"}", "is not a time of day", 82},
        {"{from: \"07:00:00\", to: \"19:00\"}", "is not a time of day", 82},
        {"{from: \"25:00\", to: \"19:00\"}", "is not a time of day", 82},
        {"{from: \"24:01\", to: \"19:00\"}", "is not a time of day", 82},
        {"{days: [Mon]}", "days: \"Mon\" is neither", 83},
        {"{days: [monday]}", "is neither one of", 83},
        {"{days: [mon-fri]}", "is neither one of", 83},
        {"{days: [mon..]}", "is neither one of", 83},
        {"{days: [mon, mon]}", "given twice", 88},
        {"{days: [mon..fri, wed]}", "given twice", 93},
        {"{days: []}", "empty list", 82},
        {"{hours: 1}", "no such key here", 76},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text), RULES(GET ", when: %s}"), bad[i].when);
        assert_refused(text, 7, bad[i].column, bad[i].words);
    }
}

/* ---- networks ---- */

static bool from(const struct ward_policy *policy, const char *address)
{
    struct ward_decide_in in = ask(policy, WARD_ACTION_RECORD_GET, "fhir");
    in.address = ward_bytes_str(address);
    return allowed(policy, in);
}

static void a_rule_holds_from_its_networks(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy =
        policy_of(RULES(GET ", networks: [10.0.0.0/8, 192.0.2.7, 198.51.100.128/25, \"fd00::/8\", "
                            "\"2001:db8::1\", \"2001:db8:8000::/33\"]}"));
    static const char *const good[] = {"10.0.0.0",
                                       "10.255.255.255",
                                       "192.0.2.7",
                                       "198.51.100.255",
                                       "fd00::1",
                                       "fdff::",
                                       "2001:db8::1",
                                       "2001:db8:ffff::",
                                       "::ffff:10.1.2.3",
                                       "::ffff:a01:203",
                                       "FD12::1",
                                       "fd00::1%eth0",
                                       "2001:0db8:0:0:0:0:0:1"};
    static const char *const bad[] = {"11.0.0.0",       "9.255.255.255",    "192.0.2.8",
                                      "198.51.100.127", "fc00::1",          "fe00::",
                                      "2001:db8::2",    "2001:db8:7fff::",  "::ffff:11.0.0.1",
                                      "::10.1.2.3",     "64:ff9b::10.1.2.3"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(from(policy, good[i]));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(from(policy, bad[i]));
    }
}

static void an_unknown_address_fails_closed(void **state)
{
    (void)state;
    static const char *const unknown[] = {"",
                                          "unix",
                                          "10.0.0",
                                          "010.0.0.1",
                                          "10.0.0.1 ",
                                          "0x0a.0.0.1",
                                          "10.0.0.1:443",
                                          "[fd00::1]",
                                          "10.0.0.1%eth0",
                                          "167772161",
                                          "fd00::1::",
                                          "%eth0",
                                          "10.0.0.1\n",
                                          "0000:0000:0000:0000:0000:0000:0000:0000:0000:0001"};
    ward_auto(free_policy) struct ward_policy *allow =
        policy_of(RULES(GET ", networks: [0.0.0.0/0, \"::/0\"]}"));
    ward_auto(free_policy) struct ward_policy *deny =
        policy_of(RULES(GET "}, {name: out, effect: deny, actions: [record.get], "
                            "collections: [fhir], networks: [192.0.2.0/24]}"));
    assert_true(from(allow, "1.2.3.4"));
    assert_true(from(allow, "fd00::1"));
    assert_true(from(deny, "1.2.3.4"));
    assert_false(from(deny, "192.0.2.9"));
    assert_false(from(deny, "::ffff:192.0.2.9"));
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_false(from(allow, unknown[i]));
        assert_false(from(deny, unknown[i]));
    }
    struct ward_decide_in in = ask(allow, WARD_ACTION_RECORD_GET, "fhir");
    in.address = WARD_BYTES("10.0.0.1\0.2", 11);
    assert_false(allowed(allow, in));
}

static void all_of_ipv6_is_not_ipv4(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *v6 = policy_of(RULES(GET ", networks: [\"::/0\"]}"));
    assert_true(from(v6, "2001:db8::1"));
    assert_false(from(v6, "10.0.0.1"));
    assert_false(from(v6, "::ffff:10.0.0.1"));
    ward_auto(free_policy) struct ward_policy *v4 =
        policy_of(RULES(GET ", networks: [0.0.0.0/0]}"));
    assert_true(from(v4, "::ffff:10.0.0.1"));
    assert_false(from(v4, "::1"));
}

static void a_network_in_another_spelling_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "10.0.0.1/8", "10.0.0.0/33",  "10.0.0.0/",          "10.0.0.0/08", "10.0.0.0/-1",
        "10.0.0/8",   "10.0.0.0/8/8", "fd00::1/8",          "fd00::/129",  "::ffff:10.0.0.0/104",
        "localhost",  "010.0.0.0/8",  "10.0.0.0/255.0.0.0", "*",           "fe80::1%eth0",
        "10.0.0.0 /8"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text), RULES(GET ", networks: [\"%s\"]}"), bad[i]);
        assert_refused(text, 7, 80, "is not a network such as");
    }
}

/* A right that was used before is looked at again: hour and place were judged then. */
static void what_stands_is_not_asked_for_hour_and_place(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy =
        policy_of(RULES(GET ", when: {days: [sat]}, networks: [192.0.2.0/24]}, "
                            "{name: out, effect: deny, actions: [record.put], collections: [fhir]},"
                            "{name: wed, effect: deny, actions: [record.get], collections: [fhir],"
                            " when: {days: [wed]}}"));
    struct ward_decide_in in = ask(policy, WARD_ACTION_RECORD_GET, "fhir");
    assert_false(allowed(policy, in));
    in.standing = true;
    assert_true(allowed(policy, in));
    in.action = WARD_ACTION_RECORD_PUT;
    assert_false(allowed(policy, in));
}

/* ---- emergencies ---- */

#define EMERGENCY(rest) "{name: e, emergency: true, " rest "}"

static void an_emergency_rule_holds_while_one_is_open(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy =
        policy_of(RULES(EMERGENCY("actions: [record.get], collections: [fhir], "
                                  "context: [{key: purpose, values: [ETREAT]}]")));
    const struct ward_decide_pair treat = {WARD_BYTES_LITERAL("purpose"),
                                           WARD_BYTES_LITERAL("TREAT")};
    const struct ward_decide_pair etreat = {WARD_BYTES_LITERAL("purpose"),
                                            WARD_BYTES_LITERAL("ETREAT")};
    struct ward_decide_in in = ask(policy, WARD_ACTION_RECORD_GET, "fhir");
    in.context = &etreat;
    in.n_context = 1;
    assert_false(allowed(policy, in));
    in.emergency = true;
    assert_true(allowed(policy, in));
    in.context = &treat;
    assert_false(allowed(policy, in));
    in.n_context = 0;
    assert_false(allowed(policy, in));
}

static void an_emergency_never_lifts_a_deny(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(RULES(EMERGENCY(
        "actions: [record.get], collections: [fhir], "
        "context: [{key: purpose, values: [ETREAT]}]") ", {name: no, effect: deny, actions: "
                                                       "[record.get], collections: [fhir]}"));
    const struct ward_decide_pair etreat = {WARD_BYTES_LITERAL("purpose"),
                                            WARD_BYTES_LITERAL("ETREAT")};
    struct ward_decide_in in = ask(policy, WARD_ACTION_RECORD_GET, "fhir");
    in.context = &etreat;
    in.n_context = 1;
    in.emergency = true;
    assert_false(allowed(policy, in));
}

static void an_emergency_rule_for_anything_else_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *words;
    } bad[] = {
        {"actions: [record.get], collections: [fhir]", "needs the condition"},
        {"actions: [record.get], collections: [fhir], context: [{key: purpose}]",
         "needs the condition"},
        {"actions: [record.get], collections: [fhir], context: [{key: purpose, values: [TREAT]}]",
         "needs the condition"},
        {"actions: [record.get], collections: [fhir], context: [{key: purpose, values: [ETREAT, "
         "TREAT]}]",
         "needs the condition"},
        {"actions: [record.get, record.put], collections: [fhir], context: [{key: purpose, "
         "values: [ETREAT]}]",
         "alone, not record.put"},
        {"actions: [data-key.batch], keys: [a], context: [{key: purpose, values: [ETREAT]}]",
         "alone, not data-key.batch"},
        {"effect: deny, actions: [record.get], collections: [fhir], context: [{key: purpose, "
         "values: [ETREAT]}]",
         "only ever allows more"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text), RULES("{name: e, emergency: true, %s}"), bad[i].rule);
        assert_refused(text, 7, 22, bad[i].words);
    }
    assert_refused(RULES("{name: e, emergency: yes, actions: [record.get], collections: [fhir]}"),
                   7, 22, "is neither true nor false");
    assert_refused(HEAD L("roles:") L("- {name: r, kind: officer, members: [], rules: [{name: a, "
                                      "emergency: true, actions: [policy.show]}]}"),
                   4, 70, "alone, not policy.show");
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
        cmocka_unit_test(a_window_holds_on_its_days_and_hours),
        cmocka_unit_test(a_window_over_midnight_belongs_to_the_day_it_begins_on),
        cmocka_unit_test(days_alone_and_hours_alone_are_windows),
        cmocka_unit_test(an_unknown_time_fails_closed),
        cmocka_unit_test(a_window_that_is_none_is_refused),
        cmocka_unit_test(a_rule_holds_from_its_networks),
        cmocka_unit_test(an_unknown_address_fails_closed),
        cmocka_unit_test(all_of_ipv6_is_not_ipv4),
        cmocka_unit_test(a_network_in_another_spelling_is_refused),
        cmocka_unit_test(what_stands_is_not_asked_for_hour_and_place),
        cmocka_unit_test(an_emergency_rule_holds_while_one_is_open),
        cmocka_unit_test(an_emergency_never_lifts_a_deny),
        cmocka_unit_test(an_emergency_rule_for_anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
