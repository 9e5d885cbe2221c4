/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions on the moment: times, networks, emergencies. What is not known lets no allow hold and
 * every deny. */
#include "policy_asked.h"

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
