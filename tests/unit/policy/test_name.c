/* SPDX-License-Identifier: Apache-2.0 */
/* Names, globs and identities: one spelling each, and matching that cannot be made slow. */
#include "policy_support.h"

#include <stdlib.h>

#include "policy/identity.h"
#include "policy/name.h"

static bool name(const char *text)
{
    return ward_name_valid(ward_bytes_str(text));
}

static bool glob(const char *text)
{
    return ward_glob_valid(ward_bytes_str(text));
}

static bool match(const char *pattern, const char *text)
{
    return ward_glob_match(ward_bytes_str(pattern), ward_bytes_str(text));
}

static bool identity(const char *text)
{
    return ward_identity_valid(ward_bytes_str(text));
}

static void a_canonical_name_is_accepted(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a", "0", "app/orders", "phi/records/2024", "a.b_c-d", "a..b", "a-", "a./b", "9/8/7"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(name(good[i]));
    }
}

static void a_name_in_any_other_spelling_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "A",
                                      "App",
                                      "/a",
                                      "a/",
                                      "a//b",
                                      "a/./b",
                                      "a/../b",
                                      ".",
                                      "..",
                                      ".a",
                                      "-a",
                                      "_a",
                                      "a/.b",
                                      "a b",
                                      " a",
                                      "a ",
                                      "a\n",
                                      "a\t",
                                      "a\\b",
                                      "a%2fb",
                                      "a:b",
                                      "a*",
                                      "*",
                                      "a?",
                                      "a#b",
                                      "a\xc3\xa9",
                                      "\xd0\xb0pp",
                                      "a\xef\xbc\x8f"
                                      "b",
                                      "a\x7f",
                                      "\x01",
                                      "a\xff",
                                      "a@b",
                                      "a+b",
                                      "a;b",
                                      "a'b",
                                      "a\"b",
                                      "caf\xcc\x81",
                                      "\xef\xbb\xbf"
                                      "a"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (name(bad[i])) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
}

static void a_nul_inside_or_after_a_name_is_refused(void **state)
{
    (void)state;
    assert_false(ward_name_valid(WARD_BYTES_LITERAL("app\0/x")));
    assert_false(ward_name_valid(WARD_BYTES_LITERAL("app\0")));
    assert_false(ward_name_valid(WARD_BYTES_LITERAL("\0app")));
    assert_false(ward_name_valid((struct ward_bytes){NULL, 0}));
}

static void a_name_may_have_128_bytes_and_no_more(void **state)
{
    (void)state;
    char text[130];
    memset(text, 'a', sizeof(text));
    assert_true(ward_name_valid(WARD_BYTES(text, 128)));
    assert_false(ward_name_valid(WARD_BYTES(text, 129)));
    assert_true(ward_glob_valid(WARD_BYTES(text, 128)));
    assert_false(ward_glob_valid(WARD_BYTES(text, 129)));
    text[0] = '*';
    text[127] = '*';
    assert_true(ward_glob_match(WARD_BYTES(text, 128), WARD_BYTES(text + 1, 126)));
}

static void a_glob_that_no_name_could_match_is_refused(void **state)
{
    (void)state;
    assert_true(glob("*") && glob("**") && glob("app/*") && glob("**/x") && glob("a*b**c/*d"));
    static const char *const bad[] = {"",   "***", "a***", "/**",  "**/", "a//b", "a/.b", "A*",
                                      "a?", "[a]", "{a}",  "a*\n", "*/-", "!a",   "* ",   "a\\*"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(glob(bad[i]));
        assert_false(match(bad[i], "a"));
    }
}

static void one_star_stops_at_a_slash_and_two_do_not(void **state)
{
    (void)state;
    assert_true(match("app/*", "app/x"));
    assert_false(match("app/*", "app/x/y"));
    assert_true(match("app/**", "app/x/y"));
    assert_true(match("*", "app"));
    assert_false(match("*", "app/x"));
    assert_true(match("**", "app/x/y/z"));
    assert_true(match("app/*/key", "app/x/key"));
    assert_false(match("app/*/key", "app/x/y/key"));
    assert_true(match("app/**/key", "app/x/y/key"));
    assert_true(match("**/key", "app/key"));
    assert_true(match("a*c**e", "abcd/e"));
    assert_false(match("a*c**e", "ab/cd/e"));
}

static void a_glob_does_not_match_its_neighbours(void **state)
{
    (void)state;
    assert_false(match("app/**", "app"));
    assert_false(match("app/**", "application/x"));
    assert_false(match("app/*", "app"));
    assert_false(match("app", "app/x"));
    assert_false(match("app/x", "app/xy"));
    assert_false(match("*/x", "x"));
    assert_false(match("a*a", "a"));
    assert_false(match("ab*ba", "aba"));
    assert_true(match("a*a", "aa"));
}

static void a_name_outside_the_grammar_matches_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"App/x",  "app/X",  "app//x", "app/../phi",
                                      "app/x/", "/app/x", ""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(match("**", bad[i]));
        assert_false(match(bad[i], bad[i]));
    }
    assert_false(ward_glob_match(WARD_BYTES_LITERAL("**"), WARD_BYTES_LITERAL("app\0x")));
}

/* The definition, as a table of which prefixes match which: slow and plain. */
static bool match_plainly(const char *pattern, size_t m, const char *text, size_t n)
{
    static bool table[130][130];
    for (size_t i = m + 1; i-- > 0;) {
        bool two = i + 1 < m && pattern[i] == '*' && pattern[i + 1] == '*';
        bool second = i > 0 && i < m && pattern[i] == '*' && pattern[i - 1] == '*';
        for (size_t j = n + 1; j-- > 0;) {
            if (i == m) {
                table[i][j] = j == n;
            } else if (pattern[i] == '*') {
                size_t after = two ? i + 2 : i + 1;
                bool eats = j < n && (two || second || text[j] != '/');
                table[i][j] = table[after][j] || (eats && table[i][j + 1]);
            } else {
                table[i][j] = j < n && text[j] == pattern[i] && table[i + 1][j + 1];
            }
        }
    }
    return table[0][0];
}

static size_t random_text(unsigned *seed, const char *letters, size_t max, char *out)
{
    size_t size = 1 + (size_t)rand_r(seed) % max;
    for (size_t i = 0; i < size; i++) {
        out[i] = letters[(size_t)rand_r(seed) % strlen(letters)];
    }
    return size;
}

static void a_hundred_thousand_random_globs_match_as_defined(void **state)
{
    (void)state;
    unsigned seed = 7;
    size_t tried = 0, matched = 0;
    while (tried < 100000) {
        char pattern[128], text[128];
        size_t m = random_text(&seed, "aab/**", tried % 16 == 0 ? 40 : 9, pattern);
        size_t n = random_text(&seed, "aab/", tried % 16 == 0 ? 40 : 9, text);
        struct ward_bytes p = WARD_BYTES(pattern, m), t = WARD_BYTES(text, n);
        if (!ward_glob_valid(p) || !ward_name_valid(t)) {
            continue;
        }
        bool expected = match_plainly(pattern, m, text, n);
        if (ward_glob_match(p, t) != expected) {
            fail_msg("%.*s on %.*s", (int)m, pattern, (int)n, text);
        }
        tried++;
        matched += expected;
    }
    assert_true(matched > 5000 && matched < 95000);
}

/* Matchers that try every split of the text would not end in years. */
static void a_glob_made_to_be_slow_is_not(void **state)
{
    (void)state;
    char pattern[128], text[128];
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    }
    for (size_t round = 0; round < 100000; round++) {
        pattern[127] = round % 2 == 0 ? 'b' : '*';
        pattern[126] = round % 2 == 0 ? '*' : 'b';
        assert_false(ward_glob_match(WARD_BYTES(pattern, 128), WARD_BYTES(text, 128)));
    }
    assert_true(match("*a*a*a*a*", "aaaa"));
}

static void a_spiffe_id_or_a_key_hash_is_an_identity(void **state)
{
    (void)state;
    assert_true(identity("spiffe://ward.example/app"));
    assert_true(identity("spiffe://ward.example/ns/Prod/sa/a_b-c.d"));
    assert_true(identity("key:sha256:"
                         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
}

static void an_identity_in_any_other_form_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "alice",
        "spiffe://",
        "spiffe://ward.example",
        "spiffe://ward.example/",
        "spiffe:///app",
        "spiffe://ward.example//app",
        "spiffe://ward.example/app/",
        "spiffe://ward.example/./app",
        "spiffe://ward.example/a/../app",
        "spiffe://ward.example/..",
        "SPIFFE://ward.example/app",
        "spiffe://Ward.example/app",
        "spiffe://ward.example./app",
        "spiffe://.ward/app",
        "spiffe://ward..example/app",
        "spiffe://ward-.example/app",
        "spiffe://ward.example:8443/app",
        "spiffe://user@ward.example/app",
        "spiffe://ward.example/app?x=1",
        "spiffe://ward.example/app#x",
        "spiffe://ward.example/%61pp",
        "spiffe://ward.example/a b",
        "spiffe://ward.example/caf\xc3\xa9",
        "https://ward.example/app",
        "spiffe://ward.example/app\n",
        " spiffe://ward.example/app",
        "system",
        "person:alice",
        "key:sha256:",
        "key:sha256:0123",
        "key:sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
        "key:sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0",
        "key:sha512:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (identity(bad[i])) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
    assert_false(ward_identity_valid(WARD_BYTES_LITERAL("spiffe://ward.example/app\0")));
    assert_false(ward_identity_valid(WARD_BYTES_LITERAL("spiffe://ward.example/a\0pp")));
    assert_false(ward_identity_valid((struct ward_bytes){NULL, 0}));
}

static void an_identity_longer_than_512_bytes_is_refused(void **state)
{
    (void)state;
    char text[514] = "spiffe://ward.example/";
    memset(text + 22, 'a', sizeof(text) - 22);
    assert_true(ward_identity_valid(WARD_BYTES(text, 512)));
    assert_false(ward_identity_valid(WARD_BYTES(text, 513)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_canonical_name_is_accepted),
        cmocka_unit_test(a_name_in_any_other_spelling_is_refused),
        cmocka_unit_test(a_nul_inside_or_after_a_name_is_refused),
        cmocka_unit_test(a_name_may_have_128_bytes_and_no_more),
        cmocka_unit_test(a_glob_that_no_name_could_match_is_refused),
        cmocka_unit_test(one_star_stops_at_a_slash_and_two_do_not),
        cmocka_unit_test(a_glob_does_not_match_its_neighbours),
        cmocka_unit_test(a_name_outside_the_grammar_matches_nothing),
        cmocka_unit_test(a_hundred_thousand_random_globs_match_as_defined),
        cmocka_unit_test(a_glob_made_to_be_slow_is_not),
        cmocka_unit_test(a_spiffe_id_or_a_key_hash_is_an_identity),
        cmocka_unit_test(an_identity_in_any_other_form_is_refused),
        cmocka_unit_test(an_identity_longer_than_512_bytes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
