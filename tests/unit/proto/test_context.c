/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical context: one form for the same pairs, never the same form for others. */
#include "tests/unit/proto/vectors.h"

#include "proto/context.h"

#define PAIR(k, v)                                   \
    {                                                \
        WARD_BYTES_LITERAL(k), WARD_BYTES_LITERAL(v) \
    }

static ward_status build(void **state, const struct ward_context_pair *pairs, size_t n)
{
    struct ward_context context;
    return ward_context_build(*state, pairs, n, &context);
}

static void vectors_hold(void **state)
{
    json_t *vectors = vectors_load("context.json"), *vector;
    size_t i;
    json_array_foreach(vectors, i, vector)
    {
        struct ward_context_pair pairs[32];
        size_t n = 0, k;
        json_t *pair;
        json_array_foreach(json_object_get(vector, "pairs"), k, pair)
        {
            pairs[n].key = text_of(*state, json_array_get(pair, 0));
            pairs[n++].value = text_of(*state, json_array_get(pair, 1));
        }
        struct ward_context context;
        assert_ok(ward_context_build(*state, pairs, n, &context));
        assert_bytes(context.canonical, vector_hex(*state, vector, "canonical"));
    }
}

static void order_of_the_pairs_does_not_matter(void **state)
{
    const struct ward_context_pair one[] = {PAIR("b", "2"), PAIR("a", "1"), PAIR("ab", "3")};
    const struct ward_context_pair other[] = {PAIR("ab", "3"), PAIR("b", "2"), PAIR("a", "1")};
    struct ward_context x, y;
    assert_ok(ward_context_build(*state, one, 3, &x));
    assert_ok(ward_context_build(*state, other, 3, &y));
    assert_bytes(x.canonical, y.canonical);
    assert_text(x.pairs[0].key, "a");
    assert_text(x.pairs[2].key, "b");
}

static void bytes_moved_between_key_and_value_give_another_form(void **state)
{
    const struct ward_context_pair one[] = {PAIR("ab", "c")}, other[] = {PAIR("a", "bc")};
    struct ward_context x, y;
    assert_ok(ward_context_build(*state, one, 1, &x));
    assert_ok(ward_context_build(*state, other, 1, &y));
    assert_false(ward_bytes_eq(x.canonical, y.canonical));
}

static void a_missing_key_is_null_and_an_empty_value_is_not(void **state)
{
    const struct ward_context_pair pairs[] = {{WARD_BYTES_LITERAL("a"), {NULL, 0}}, PAIR("b", "2")};
    struct ward_context context;
    assert_ok(ward_context_build(*state, pairs, 2, &context));
    assert_null(ward_context_get(&context, WARD_BYTES_LITERAL("c")).data);
    assert_non_null(ward_context_get(&context, WARD_BYTES_LITERAL("a")).data);
    assert_int_equal(ward_context_get(&context, WARD_BYTES_LITERAL("a")).size, 0);
    assert_text(ward_context_get(&context, WARD_BYTES_LITERAL("b")), "2");
}

static void thirty_two_pairs_are_taken_and_thirty_three_refused(void **state)
{
    struct ward_context_pair pairs[33];
    char keys[33][3];
    for (size_t i = 0; i < 33; i++) {
        keys[i][0] = (char)('a' + i / 10);
        keys[i][1] = (char)('0' + i % 10);
        pairs[i] = (struct ward_context_pair){WARD_BYTES(keys[i], 2), WARD_BYTES_LITERAL("v")};
    }
    assert_ok(build(state, pairs, 32));
    assert_refusal(build(state, pairs, 33), WARD_E_INVALID, "context: more than 32 pairs");
}

static void size_is_that_of_the_canonical_form(void **state)
{
    static char value[8192];
    memset(value, 'v', sizeof(value));
    struct ward_context_pair pair = PAIR("k", "");
    pair.value = WARD_BYTES(value, 8192 - 2 - 4 - 1);
    assert_ok(build(state, &pair, 1));
    pair.value.size++;
    assert_refusal(build(state, &pair, 1), WARD_E_INVALID, "context: larger than 8192 bytes");
}

static void huge_sizes_do_not_wrap_round(void **state)
{
    const struct ward_context_pair pairs[] = {{WARD_BYTES_LITERAL("a"), WARD_BYTES("x", SIZE_MAX)},
                                              {WARD_BYTES_LITERAL("b"), WARD_BYTES("x", 2)}};
    assert_refusal(build(state, pairs, 2), WARD_E_INVALID, "context: larger than 8192 bytes");
    const struct ward_context_pair key[] = {
        {WARD_BYTES("x", SIZE_MAX - 3), WARD_BYTES_LITERAL("")}};
    assert_refusal(build(state, key, 1), WARD_E_INVALID, "context: larger than 8192 bytes");
}

static void an_empty_key_is_refused(void **state)
{
    const struct ward_context_pair pairs[] = {PAIR("a", "1"), PAIR("", "2")};
    assert_refusal(build(state, pairs, 2), WARD_E_INVALID, "context: empty key");
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    const struct ward_context_pair bad[] = {PAIR("a", "\xff"),         PAIR("\xc0\xaf", "v"),
                                            PAIR("a", "\xed\xa0\x80"), PAIR("a", "x\0y"),
                                            PAIR("a\0", "v"),          PAIR("a", "\xe2\x82")};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_refusal(build(state, &bad[i], 1), WARD_E_INVALID, "context: not UTF-8");
    }
}

static void a_key_given_twice_is_refused(void **state)
{
    const struct ward_context_pair pairs[] = {PAIR("b", "1"), PAIR("a", "1"), PAIR("b", "1")};
    assert_refusal(build(state, pairs, 3), WARD_E_INVALID, "context: duplicate key");
}

static void a_spent_budget_is_an_error(void **state)
{
    (void)state;
    struct ward_arena *small = NULL;
    assert_ok(ward_arena_new(16, &small));
    const struct ward_context_pair pairs[] = {PAIR("b", "1"), PAIR("a", "1")};
    struct ward_context context;
    assert_code(ward_context_build(small, pairs, 2, &context), WARD_E_EXHAUSTED);
    ward_arena_free(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_hold),
        TEST(order_of_the_pairs_does_not_matter),
        TEST(bytes_moved_between_key_and_value_give_another_form),
        TEST(a_missing_key_is_null_and_an_empty_value_is_not),
        TEST(thirty_two_pairs_are_taken_and_thirty_three_refused),
        TEST(size_is_that_of_the_canonical_form),
        TEST(huge_sizes_do_not_wrap_round),
        TEST(an_empty_key_is_refused),
        TEST(text_that_is_not_utf8_is_refused),
        TEST(a_key_given_twice_is_refused),
        TEST(a_spent_budget_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
