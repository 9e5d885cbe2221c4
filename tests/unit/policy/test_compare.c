/* SPDX-License-Identifier: Apache-2.0 */
/* What a change of policy means is told completely: no word of it changes unseen. */
#include <stdlib.h>

#include "policy/compare.h"
#include "policy/decide.h"
#include "tests/unit/policy/policy_support.h"

#define D "spiffe://unit.test/"

static const char before[] = "version: 1\n"
                             "deployment: unit.test\n"
                             "persons:\n"
                             "  - name: alice\n"
                             "    identities: [\"" D "officer-a\", \"" D "officer-a2\"]\n"
                             "  - name: bob\n"
                             "    identities: [\"" D "officer-b\"]\n"
                             "  - name: cid\n"
                             "    identities: [\"" D "officer-c\"]\n"
                             "roles:\n"
                             "  - name: apps\n"
                             "    kind: application\n"
                             "    members: [\"" D "app\", \"" D "app2\"]\n"
                             "    limits: {per_second: 100}\n"
                             "    rules:\n"
                             "      - name: data-keys\n"
                             "        actions: [data-key.generate, data-key.unwrap]\n"
                             "        keys: [\"app/**\"]\n"
                             "      - name: not-the-vault\n"
                             "        effect: deny\n"
                             "        actions: [data-key.unwrap]\n"
                             "        keys: [\"app/vault/**\"]\n"
                             "  - name: officers\n"
                             "    kind: officer\n"
                             "    members: [\"person:alice\", \"person:bob\", \"person:cid\"]\n"
                             "    rules:\n"
                             "      - name: keys\n"
                             "        actions: [key.create, key.rotate]\n"
                             "        keys: [\"**\"]\n"
                             "      - name: policy\n"
                             "        actions: [policy.apply, approval.submit, approval.approve]\n"
                             "guards:\n"
                             "  - action: key.rotate\n"
                             "    keys: [\"**\", \"two/**\"]\n"
                             "    approvals: 2\n"
                             "  - action: policy.apply\n"
                             "    approvals: 1\n";

struct pair {
    struct ward_policy *from, *to;
    struct ward_arena *arena;
    struct ward_comparison told;
};

static struct ward_policy *parse(const char *text)
{
    struct ward_policy *policy = NULL;
    struct ward_policy_error error = {0};
    if (!ward_ok(ward_policy_parse(ward_bytes_str(text), &policy, &error))) {
        fail_msg("%u:%u: %s\n%s", error.line, error.column, error.text, text);
    }
    return policy;
}

/* The policy before with `old` replaced by `new` once. */
static void compare(struct pair *pair, const char *old, const char *new)
{
    char after[8192];
    const char *at = strstr(before, old);
    assert_non_null(at);
    (void)snprintf(after, sizeof(after), "%.*s%s%s", (int)(at - before), before, new,
                   at + strlen(old));
    pair->from = parse(before);
    pair->to = parse(after);
    assert_true(ward_ok(ward_arena_new(16u << 20, &pair->arena)));
    assert_true(ward_ok(ward_policy_compare(pair->from, pair->to, pair->arena, &pair->told)));
}

static void done(struct pair *pair)
{
    ward_policy_unref(pair->from);
    ward_policy_unref(pair->to);
    ward_arena_free(pair->arena);
}

static void expect(const struct pair *pair, enum ward_difference_kind kind, const char *who,
                   const char *what)
{
    for (size_t i = 0; i < pair->told.n; i++) {
        const struct ward_difference *d = &pair->told.differences[i];
        if (d->kind == kind && ward_bytes_eq(d->who, ward_bytes_str(who)) &&
            ward_bytes_eq(d->what, ward_bytes_str(what))) {
            return;
        }
    }
    for (size_t i = 0; i < pair->told.n; i++) {
        const struct ward_difference *d = &pair->told.differences[i];
        print_message("%d %.*s: %.*s\n", (int)d->kind, (int)d->who.size, d->who.data,
                      (int)d->what.size, d->what.data);
    }
    fail_msg("not told: %d %s: %s", (int)kind, who, what);
}

static void the_same_text_differs_in_nothing(void **state)
{
    (void)state;
    struct pair pair;
    compare(&pair, "", "");
    assert_int_equal(pair.told.n, 0);
    assert_int_equal(pair.told.rules_added + pair.told.rules_removed, 0);
    done(&pair);
}

static void the_order_of_words_is_no_difference(void **state)
{
    (void)state;
    struct pair pair;
    compare(&pair, "actions: [data-key.generate, data-key.unwrap]\n",
            "actions: [data-key.unwrap, data-key.generate] # otherwise\n");
    assert_int_equal(pair.told.n, 0);
    done(&pair);
}

static void an_action_more_is_gained_by_every_member(void **state)
{
    (void)state;
    struct pair pair;
    compare(&pair, "[data-key.generate, data-key.unwrap]",
            "[data-key.generate, data-key.unwrap, data-key.rewrap]");
    assert_int_equal(pair.told.identities_gaining, 2);
    assert_int_equal(pair.told.identities_losing, 0);
    assert_int_equal(pair.told.rules_added, 1);
    assert_int_equal(pair.told.rules_removed, 1);
    expect(&pair, WARD_DIFFERENCE_GAINS, D "app", "data-key.rewrap (keys: [app/**])");
    expect(&pair, WARD_DIFFERENCE_GAINS, D "app2", "data-key.rewrap (keys: [app/**])");
    done(&pair);
}

static void a_wider_rule_loses_nothing_and_a_narrower_one_gains_nothing(void **state)
{
    (void)state;
    static const char *const wider[] = {"keys: [\"**\"]", "keys: [\"lab/**\", \"app/**\"]"};
    struct pair pair;
    for (size_t i = 0; i < 2; i++) {
        compare(&pair, "keys: [\"app/**\"]", wider[i]);
        assert_int_equal(pair.told.identities_gaining, 2);
        assert_int_equal(pair.told.identities_losing, 0);
        assert_int_equal(pair.told.rules_added + pair.told.rules_removed, 2);
        done(&pair);
    }
    compare(&pair, "keys: [\"app/**\"]", "keys: [\"app/x/**\", \"app/y\"]");
    assert_int_equal(pair.told.identities_gaining, 0);
    assert_int_equal(pair.told.identities_losing, 2);
    done(&pair);
    /* Wider in keys, and bound otherwise: something is lost. */
    compare(&pair, "keys: [\"app/**\"]", "keys: [\"**\"]\n        networks: [\"10.0.0.0/8\"]");
    assert_int_equal(pair.told.identities_gaining, 2);
    assert_int_equal(pair.told.identities_losing, 2);
    done(&pair);
}

#define BOUND "keys: [\"app/**\"]"
#define UNDER(words) BOUND "\n        " words

/* From the one rule to the other something is lost alone, and back something is gained alone. */
static void narrows(const char *wide, const char *narrow)
{
    for (unsigned back = 0; back < 2; back++) {
        struct pair pair;
        struct ward_comparison told;
        char texts[2][8192];
        const char *at = strstr(before, BOUND), *words[] = {wide, narrow};
        for (unsigned i = 0; i < 2; i++) {
            (void)snprintf(texts[i], sizeof(texts[i]), "%.*s%s%s", (int)(at - before), before,
                           words[i ^ back], at + strlen(BOUND));
        }
        pair.from = parse(texts[0]);
        pair.to = parse(texts[1]);
        assert_true(ward_ok(ward_arena_new(16u << 20, &pair.arena)));
        assert_true(ward_ok(ward_policy_compare(pair.from, pair.to, pair.arena, &told)));
        assert_int_equal(told.identities_gaining, back == 0 ? 0 : 2);
        assert_int_equal(told.identities_losing, back == 0 ? 2 : 0);
        done(&pair);
    }
}

static void a_condition_that_lets_less_through_gains_nothing(void **state)
{
    (void)state;
    narrows(UNDER("context: [{key: purpose, values: [TREAT, ETREAT]}]"),
            UNDER("context: [{key: purpose, values: [TREAT]}]"));
    narrows(UNDER("context: [{key: purpose}]"),
            UNDER("context: [{key: purpose, values: [TREAT]}]"));
    narrows(BOUND, UNDER("context: [{key: purpose}]"));
    narrows(UNDER("context: [{key: a}]"), UNDER("context: [{key: a}, {key: b, values: [x]}]"));
    narrows(BOUND, UNDER("networks: [\"10.0.0.0/8\"]"));
    narrows(UNDER("networks: [\"10.0.0.0/8\", \"fd00::/8\"]"),
            UNDER("networks: [\"10.1.0.0/16\"]"));
    narrows(BOUND, UNDER("when: {days: [mon..fri]}"));
    narrows(UNDER("when: {days: [mon..fri], from: \"07:00\", to: \"19:00\"}"),
            UNDER("when: {days: [mon], from: \"07:00\", to: \"19:00\"}"));
}

static void a_condition_that_lets_other_things_through_gains_and_loses(void **state)
{
    (void)state;
    static const char *const others[][2] = {
        {"context: [{key: purpose, values: [TREAT, ETREAT]}]",
         "context: [{key: purpose, values: [TREAT, HRESCH]}]"},
        {"context: [{key: a}]", "context: [{key: b}]"},
        {"networks: [\"10.1.0.0/16\"]", "networks: [\"10.2.0.0/16\"]"},
        {"networks: [\"10.0.0.0/8\"]", "networks: [\"::/0\"]"},
        {"when: {days: [mon]}", "when: {days: [tue]}"},
        {"networks: [\"10.0.0.0/8\"]", "context: [{key: a}]"},
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        char texts[2][8192];
        const char *at = strstr(before, BOUND) + strlen(BOUND);
        struct pair pair;
        for (unsigned k = 0; k < 2; k++) {
            (void)snprintf(texts[k], sizeof(texts[k]), "%.*s\n        %s%s", (int)(at - before),
                           before, others[i][k], at);
        }
        pair.from = parse(texts[0]);
        pair.to = parse(texts[1]);
        assert_true(ward_ok(ward_arena_new(16u << 20, &pair.arena)));
        assert_true(ward_ok(ward_policy_compare(pair.from, pair.to, pair.arena, &pair.told)));
        assert_int_equal(pair.told.identities_gaining, 2);
        assert_int_equal(pair.told.identities_losing, 2);
        done(&pair);
    }
}

static void other_words_are_lost_and_gained(void **state)
{
    (void)state;
    struct pair pair;
    compare(&pair, "keys: [\"app/**\"]", "keys: [\"lab/**\"]");
    assert_int_equal(pair.told.identities_gaining, 2);
    assert_int_equal(pair.told.identities_losing, 2);
    expect(&pair, WARD_DIFFERENCE_GAINS, D "app",
           "data-key.generate, data-key.unwrap (keys: [lab/**])");
    expect(&pair, WARD_DIFFERENCE_LOSES, D "app",
           "data-key.generate, data-key.unwrap (keys: [app/**])");
    done(&pair);
}

static void a_deny_that_goes_is_a_gain(void **state)
{
    (void)state;
    struct pair pair;
    compare(&pair, "app/vault/**", "app/vault/x/**");
    expect(&pair, WARD_DIFFERENCE_GAINS, D "app",
           "no longer denied: data-key.unwrap (keys: [app/vault/**])");
    assert_int_equal(pair.told.identities_losing, 0); /* what is denied still, was */
    done(&pair);
}

static void a_member_who_goes_loses_all(void **state)
{
    (void)state;
    struct pair pair;
    compare(&pair, ", \"" D "app2\"]", "]");
    assert_int_equal(pair.told.identities_losing, 1);
    assert_int_equal(pair.told.identities_gaining, 1); /* a deny goes too */
    expect(&pair, WARD_DIFFERENCE_LOSES, D "app2",
           "data-key.generate, data-key.unwrap (keys: [app/**])");
    done(&pair);
}

static void a_person_made_two_is_told(void **state)
{
    (void)state;
    struct pair pair;
    compare(&pair, "\"" D "officer-a\", \"" D "officer-a2\"]\n",
            "\"" D "officer-a\"]\n  - name: dan\n    identities: [\"" D "officer-a2\"]\n");
    assert_int_equal(pair.told.persons_changed, 2);
    expect(&pair, WARD_DIFFERENCE_PERSON, "dan",
           "was not there; is identities: [" D "officer-a2], name: dan");
    done(&pair);
}

static void fewer_approvals_weaken_a_guard_on_each_of_its_globs(void **state)
{
    (void)state;
    struct pair pair;
    compare(&pair, "approvals: 2", "approvals: 1");
    assert_int_equal(pair.told.guards_weakened, 2);
    expect(&pair, WARD_DIFFERENCE_GUARD_WEAKER, "key.rotate of two/**",
           "was approvals: 2; is approvals: 1");
    done(&pair);
}

static void a_glob_that_leaves_its_guard_is_weaker_where_nothing_else_guards_it(void **state)
{
    (void)state;
    struct pair pair;
    compare(&pair, "[\"**\", \"two/**\"]", "[\"two/**\"]");
    assert_int_equal(pair.told.guards_weakened, 1);
    expect(&pair, WARD_DIFFERENCE_GUARD_WEAKER, "key.rotate of **",
           "was approvals: 2; is not there");
    done(&pair);
}

static void more_approvals_weaken_nothing(void **state)
{
    (void)state;
    struct pair pair;
    compare(&pair, "approvals: 1\n", "approvals: 2\n");
    assert_int_equal(pair.told.guards_weakened, 0);
    expect(&pair, WARD_DIFFERENCE_GUARD, "policy.apply", "was approvals: 1; is approvals: 2");
    done(&pair);
}

static void limits_and_other_parts_are_told(void **state)
{
    (void)state;
    struct pair pair;
    compare(&pair, "    limits: {per_second: 100}\n", "");
    expect(&pair, WARD_DIFFERENCE_LIMITS, "apps", "was per_second: 100; is not there");
    done(&pair);
    compare(&pair, "guards:\n", "public_context: [purpose]\nguards:\n");
    assert_int_equal(pair.told.others_changed, 1);
    expect(&pair, WARD_DIFFERENCE_OTHER, "public_context", "was not there; is purpose");
    done(&pair);
}

static void days_that_become_fewer_are_a_guard_that_weakens(void **state)
{
    (void)state;
    struct pair pair;
    compare(&pair, "guards:\n",
            "settings: {unused_days: 0, destroy_waiting_days: 7, compromised_reads: refuse}\n"
            "guards:\n");
    assert_int_equal(pair.told.guards_weakened, 2);
    expect(&pair, WARD_DIFFERENCE_GUARD_WEAKER, "settings.unused_days", "was 30; is 0");
    expect(&pair, WARD_DIFFERENCE_GUARD_WEAKER, "settings.destroy_waiting_days", "was 30; is 7");
    expect(&pair, WARD_DIFFERENCE_OTHER, "settings", "was not there; is compromised_reads: refuse");
    done(&pair);
    compare(&pair, "guards:\n", "settings: {unused_days: 60, destroy_waiting_days: 30}\nguards:\n");
    assert_int_equal(pair.told.guards_weakened, 0);
    assert_int_equal(pair.told.others_changed, 1);
    expect(&pair, WARD_DIFFERENCE_OTHER, "settings.unused_days", "was 30; is 60");
    done(&pair);
}

static bool nobody(void *context, struct ward_bytes identity)
{
    (void)context;
    (void)identity;
    return false;
}

static bool bob_and_cid(void *context, struct ward_bytes identity)
{
    (void)context;
    return ward_bytes_eq(identity, ward_bytes_str(D "officer-b")) ||
           ward_bytes_eq(identity, ward_bytes_str(D "officer-c"));
}

static void a_policy_that_nobody_could_undo_is_found(void **state)
{
    (void)state;
    struct ward_policy *policy = parse(before);
    assert_true(ward_ok(ward_policy_changeable(policy, nobody, NULL)));
    ward_status status = ward_policy_changeable(policy, bob_and_cid, NULL);
    assert_int_equal(status.code, WARD_E_STATE);
    assert_non_null(strstr(ward_status_refusal(status), "fewer officers"));
    ward_policy_unref(policy);
    struct pair pair;
    compare(&pair, "policy.apply, approval.submit", "policy.show, approval.submit");
    status = ward_policy_changeable(pair.to, nobody, NULL);
    assert_int_equal(status.code, WARD_E_STATE);
    assert_non_null(strstr(ward_status_refusal(status), "no officer may"));
    done(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_text_differs_in_nothing),
        cmocka_unit_test(the_order_of_words_is_no_difference),
        cmocka_unit_test(an_action_more_is_gained_by_every_member),
        cmocka_unit_test(a_wider_rule_loses_nothing_and_a_narrower_one_gains_nothing),
        cmocka_unit_test(a_condition_that_lets_less_through_gains_nothing),
        cmocka_unit_test(a_condition_that_lets_other_things_through_gains_and_loses),
        cmocka_unit_test(other_words_are_lost_and_gained),
        cmocka_unit_test(a_deny_that_goes_is_a_gain),
        cmocka_unit_test(a_member_who_goes_loses_all),
        cmocka_unit_test(a_person_made_two_is_told),
        cmocka_unit_test(fewer_approvals_weaken_a_guard_on_each_of_its_globs),
        cmocka_unit_test(a_glob_that_leaves_its_guard_is_weaker_where_nothing_else_guards_it),
        cmocka_unit_test(more_approvals_weaken_nothing),
        cmocka_unit_test(limits_and_other_parts_are_told),
        cmocka_unit_test(days_that_become_fewer_are_a_guard_that_weakens),
        cmocka_unit_test(a_policy_that_nobody_could_undo_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
