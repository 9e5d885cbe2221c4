/* SPDX-License-Identifier: Apache-2.0 */
/* The policies that decided, from entry to entry: tests/vectors/policy_chain.json, which a check
 * that shares no code holds too. */
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/audit_verify.h"
#include "tests/unit/proto/vectors.h"

struct chain {
    struct audit_report report;
    struct audit_check check;
};

static void begin(struct chain *ret)
{
    *ret = (struct chain){.report = {.problems = NULL}};
    ret->report.problems = calloc(AUDIT_PROBLEMS_MAX, sizeof(*ret->report.problems));
    assert_non_null(ret->report.problems);
    ret->check = (struct audit_check){.report = &ret->report};
    assert_ok(audit_leaves_init(&ret->check.leaves));
}

static void follow(struct chain *chain, struct ward_bytes leaf, uint64_t index)
{
    static const uint8_t hash[32] = {0}; /* not looked at */
    assert_ok(audit_leaves_add(&chain->check.leaves, leaf, index, hash));
    assert_ok(audit_verify_policy(&chain->check, leaf, index));
}

static void end(struct chain *chain)
{
    audit_leaves_fini(&chain->check.leaves);
    audit_policies_fini(&chain->check.policies);
    audit_report_fini(&chain->report);
}

static void vectors_hold(void **state)
{
    struct ward_arena *arena = *state;
    json_t *vectors = vectors_load("policy_chain.json"), *vector, *leaf, *policy;
    size_t i, k;
    json_array_foreach(vectors, i, vector)
    {
        struct chain chain;
        begin(&chain);
        json_array_foreach(json_object_get(vector, "leaves"), k, leaf)
        {
            follow(&chain, text_of(arena, leaf), k);
        }
        const json_t *breaks = json_object_get(vector, "breaks");
        assert_int_equal(chain.report.total, json_is_null(breaks) ? 0 : 1);
        if (!json_is_null(breaks)) {
            assert_int_equal(chain.report.problems[0].leaf, json_integer_value(breaks));
            assert_string_equal(chain.report.problems[0].kind, "unsigned");
        }
        const json_t *policies = json_object_get(vector, "policies");
        assert_int_equal(chain.check.policies.n, json_array_size(policies));
        json_array_foreach(policies, k, policy)
        {
            char hex[65];
            ward_hex_encode(WARD_BYTES_ARRAY(chain.check.policies.items[k].hash), hex);
            assert_string_equal(hex, json_string_value(policy));
        }
        end(&chain);
    }
}

static struct ward_bytes leaf_of(struct ward_arena *arena, const json_t *vectors, size_t vector,
                                 size_t leaf)
{
    return text_of(
        arena, json_array_get(json_object_get(json_array_get(vectors, vector), "leaves"), leaf));
}

static void across_a_hole_nothing_is_followed(void **state)
{
    const json_t *vectors = vectors_load("policy_chain.json");
    struct chain chain;
    begin(&chain);
    follow(&chain, leaf_of(*state, vectors, 1, 0), 0);
    follow(&chain, leaf_of(*state, vectors, 1, 3),
           3); /* under the second policy; the change is not here */
    assert_true(chain.check.policies.broken);
    assert_int_equal(chain.report.total, 0);
    end(&chain);
}

static void what_cannot_be_read_breaks_it(void **state)
{
    const json_t *vectors = vectors_load("policy_chain.json");
    struct chain chain;
    begin(&chain);
    follow(&chain, leaf_of(*state, vectors, 0, 0), 0);
    follow(&chain, WARD_BYTES_LITERAL("{\"seq\":1,\"time\""), 1);
    assert_int_equal(chain.report.total, 1);
    assert_int_equal(chain.report.problems[0].leaf, 1);
    end(&chain);
}

static void a_policy_is_known_from_the_entry_behind_its_change(void **state)
{
    const json_t *vectors = vectors_load("policy_chain.json");
    struct chain chain;
    begin(&chain);
    for (size_t i = 0; i < 4; i++) {
        follow(&chain, leaf_of(*state, vectors, 1, i), i);
    }
    const uint8_t *first = chain.check.policies.items[0].hash,
                  *second = chain.check.policies.items[1].hash;
    static const uint8_t never[32] = {7};
    assert_true(audit_policy_known(&chain.check, first, 3));
    assert_true(audit_policy_known(&chain.check, second, 3));
    assert_false(audit_policy_known(&chain.check, second, 2));
    assert_false(audit_policy_known(&chain.check, never, 3));
    end(&chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_hold),
        TEST(across_a_hole_nothing_is_followed),
        TEST(what_cannot_be_read_breaks_it),
        TEST(a_policy_is_known_from_the_entry_behind_its_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
