/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that are refused for their form, each at its line and column, and texts made to cost much.
 */
#include "policy_support.h"

#include <stdlib.h>

/* A policy that is accepted; the tests below break it in one place each. */
#define HEAD L("version: 1") L("deployment: test.ward")
#define ROLE                                       \
    L("roles:")                                    \
    L("  - name: apps")                            \
    L("    kind: application")                     \
    L("    members: [\"spiffe://test.ward/app\"]") \
    L("    rules:")                                \
    L("      - name: use")                         \
    L("        actions: [data-key.unwrap]")        \
    L("        keys: [\"app/**\"]")

static void the_plain_policy_is_accepted(void **state)
{
    (void)state;
    ward_auto(free_policy) struct ward_policy *policy = policy_of(HEAD ROLE);
    assert_string_equal(ward_policy_deployment(policy), "test.ward");
}

static void an_unknown_key_is_refused_where_it_stands(void **state)
{
    (void)state;
    assert_refused(L("versoin: 1") L("deployment: t"), 1, 1, "\"versoin\": no such key");
    assert_refused(HEAD ROLE L("quorum: 2"), 11, 1, "\"quorum\": no such key");
    assert_refused(HEAD ROLE L("        colections: [x]"), 11, 9, "\"colections\": no such key");
    assert_refused(HEAD ROLE L("    owner: me"), 11, 5, "\"owner\": no such key");
    assert_refused(HEAD ROLE L("guards: [{action: key.rotate, key: x}]"), 11, 31, "\"key\"");
    /* The same word is a key elsewhere, and before it. */
    assert_refused(HEAD ROLE L("        context: [{key: a, values: [b]}]") L("        key: a"), 12,
                   9, "\"key\": no such key");
    assert_refused(HEAD ROLE L("Version: 1"), 11, 1, "\"Version\": no such key");
    assert_refused(HEAD ROLE L("<<: {version: 1}"), 11, 1, "\"<<\": no such key");
}

static void a_key_given_twice_is_refused_at_the_second(void **state)
{
    (void)state;
    assert_refused(HEAD L("version: 1"), 3, 1, "\"version\": key given twice");
    assert_refused(HEAD ROLE L("        keys: [\"phi/**\"]"), 11, 9, "\"keys\": key given twice");
    assert_refused(HEAD ROLE L("        \"keys\": [\"phi/**\"]"), 11, 9,
                   "\"keys\": key given twice");
}

static void a_missing_key_is_named_at_its_mapping(void **state)
{
    (void)state;
    assert_refused(L("version: 1") L("deployment: t"), 1, 1, "required key missing: roles");
    assert_refused(HEAD L("roles:") L("  - name: a") L("    members: []") L("    rules: []"), 4, 5,
                   "required key missing: kind");
    assert_refused(HEAD ROLE L("guards:") L("  - keys: [\"**\"]") L("    approvals: 1"), 12, 5,
                   "required key missing: action");
    assert_refused(HEAD ROLE L("collections: [{name: fhir}]"), 11, 15, "required key missing: key");
}

static void a_value_of_the_wrong_form_is_refused_where_it_stands(void **state)
{
    (void)state;
    assert_refused(HEAD L("roles: none"), 3, 8, "roles: a list is expected");
    assert_refused(HEAD L("roles: [none]"), 3, 9, "roles: a mapping is expected");
    assert_refused(HEAD L("roles: []"), 3, 8, "roles: empty list");
    assert_refused(HEAD L("roles:"), 3, 7, "roles: a list is expected");
    assert_refused(L("version: [1]"), 1, 10, "version: a single value is expected");
    assert_refused(L("version: {a: 1}"), 1, 10, "version: a single value is expected");
    assert_refused(L("version:") L("deployment: t"), 1, 9, "version: empty value");
    assert_refused(L("deployment: \"\""), 1, 13, "deployment: empty value");
    assert_refused(HEAD ROLE L("        collections: []"), 11, 22, "collections: empty list");
    assert_refused(HEAD ROLE L("        context: [{key: a, values: []}]"), 11, 36,
                   "values: empty list");
}

static void what_is_not_a_mapping_is_refused(void **state)
{
    (void)state;
    assert_refused("", 0, 0, "empty");
    assert_refused("# only a comment\n", 0, 0, "empty");
    assert_refused("---\n", 2, 1, "a mapping is expected");
    assert_refused("hello\n", 1, 1, "a mapping is expected");
    assert_refused("- a\n", 1, 1, "a mapping is expected");
    assert_refused("{}\n", 1, 1, "required key missing: version");
}

static void text_that_is_not_yaml_is_refused_where_it_fails(void **state)
{
    (void)state;
    assert_refused(HEAD L("roles: [") L("  - x"), 4, 3, "");
    assert_refused(HEAD L("\tpersons: []"), 3, 1, "a tab where YAML wants spaces");
    assert_refused(HEAD L("roles:") L("\t- name: r"), 4, 1, "a tab where YAML wants spaces");
    assert_refused(HEAD L("roles:") L("  - name: r") L("\tkind: officer"), 5, 1, "wants spaces");
    assert_refused(HEAD L("a: b: c"), 3, 5, "mapping values are not allowed");
    assert_refused(L("version: \"1"), 2, 1, "unexpected end of stream");
    assert_refused(L("? [a]") L(": b"), 1, 3, "a key must be a single value");
}

static void a_glob_without_quotes_gets_a_hint(void **state)
{
    (void)state;
    assert_refused(HEAD L("guards: [{action: key.rotate, keys: [**], approvals: 1}]"), 3, 39,
                   "must be quoted");
    assert_refused(HEAD L("guards: [{action: key.rotate, keys: [*x], approvals: 1}]"), 3, 38,
                   "must be quoted");
}

static void anchors_aliases_tags_and_directives_are_refused(void **state)
{
    (void)state;
    assert_refused(L("version: &v 1"), 1, 10, "anchors");
    assert_refused(L("version: !!str 1"), 1, 10, "tags");
    assert_refused(L("version: ! 1"), 1, 10, "tags");
    assert_refused(L("version: *v"), 1, 10, "aliases");
    assert_refused(L("roles: &r []"), 1, 8, "anchors");
    assert_refused(L("roles: !x {}"), 1, 8, "tags");
    assert_refused("%YAML 1.1\n---\n" HEAD ROLE, 1, 1, "directives");
    assert_refused(HEAD "%TAG ! x\n" ROLE, 3, 1, "directives");
}

static void a_second_document_is_refused(void **state)
{
    (void)state;
    assert_refused(HEAD ROLE "---\n" HEAD ROLE, 11, 1, "more than one document");
    ward_auto(free_policy) struct ward_policy *policy = policy_of("---\n" HEAD ROLE "...\n");
    assert_non_null(policy);
}

/* libcyaml measures strings with strlen: what follows an escaped NUL would be gone unseen. */
static void a_control_character_in_a_value_is_refused(void **state)
{
    (void)state;
    static const char *const escapes[] = {"\\0", "\\x00", "\\u0000", "\\n",
                                          "\\r", "\\t",   "\\e",     "\\x7f"};
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        char text[128];
        (void)snprintf(text, sizeof(text), HEAD "persons: [{name: \"al%sice\"}]\n", escapes[i]);
        assert_refused(text, 3, 18, "control character");
        (void)snprintf(text, sizeof(text), HEAD "\"ver%ssion\": 1\n", escapes[i]);
        assert_refused(text, 3, 1, "control character");
    }
    assert_refused(HEAD L("persons: |") L("  a") L("  b"), 3, 10, "control character");
}

static void bytes_that_are_not_utf8_are_refused_where_they_stand(void **state)
{
    (void)state;
    assert_refused(L("version: 1") L("# caf\xe9"), 2, 6, "not UTF-8");
    assert_refused(L("version: 1") L("# \xc3\xa9 \xc0\xaf"), 2, 5, "not UTF-8");
    assert_refused(L("version: 1") L("# \xed\xa0\x80"), 2, 3, "not UTF-8");
    assert_refused("version: 1 # \xf0\x9f", 1, 14, "not UTF-8");
    assert_refused_bytes(WARD_BYTES_LITERAL("version: 1\nde\0ployment: t\n"), 2, 3, "NUL");
    assert_refused_bytes(WARD_BYTES_LITERAL("\xff\xfe"
                                            "v\0e\0"),
                         1, 1, "not UTF-8");
    assert_refused("\xef\xbb\xbf" HEAD ROLE, 1, 1, "byte order mark");
    assert_refused(L("version: 1 # a\xe2\x80\xa8%TAG ! x"), 1, 15, "Unicode line break");
    assert_refused(L("version: 1 # \xc2\x85"), 1, 14, "Unicode line break");
}

static void a_reason_shows_foreign_bytes_as_question_marks(void **state)
{
    (void)state;
    assert_refused(L("caf\xc3\xa9\xe2\x80\xae: 1"), 1, 1, "\"caf?????\": no such key");
    assert_refused(HEAD L("roles: [{name: \"\xe2\x80\xae\", kind: x, members: [], rules: []}]"), 3,
                   16, "\"\?\?\?\" is not a name");
}

static char *repeat(const char *head, const char *piece, size_t size)
{
    char *text = malloc(size + 1);
    assert_non_null(text);
    size_t n = strlen(head);
    memcpy(text, head, n);
    for (size_t i = n; i < size; i++) {
        text[i] = piece[(i - n) % strlen(piece)];
    }
    text[size] = '\0';
    return text;
}

static void refused_at_all(const char *head, const char *piece, size_t size)
{
    char *text = repeat(head, piece, size);
    struct ward_policy *policy = NULL;
    struct ward_policy_error error;
    ward_status status = ward_policy_parse(WARD_BYTES(text, size), &policy, &error);
    assert_int_equal(status.code, WARD_E_INVALID);
    assert_null(policy);
    assert_true(error.text[0] != '\0');
    free(text);
}

/* Each would take seconds, gigabytes or the stack of a reader that is not careful. */
static void a_text_made_to_cost_much_is_refused_cheaply(void **state)
{
    (void)state;
    static const struct {
        const char *head, *piece;
    } hostile[] = {
        {"", "["},
        {"", "{"},
        {"", "{a: "},
        {"", "- "},
        {"", "? "},
        {"roles: ", "[{a: "},
        {"", "a: {b: "},
        {"", "!a "},
        {"", "&a "},
        {"", "*a "},
        {"", "\"\""},
        {"", "'"},
        {"", ":"},
        {"", "a:\n"},
        {"", "-\n"},
        {"", "\r"},
        {"", "#\n"},
        {"", "%TAG !a! b\n"},
        {"", "|\n"},
        {"version: \"", "\\x41"},
        {"version: ", "a"},
        {"version: >\n ", "\n "},
        {"roles: [", "{},"},
        {"roles: [", "a,"},
        {"a: &a [x]\nb: [", "*a,"},
        {"public_context: [", "a,"},
        {"public_context: [", "a, "},
        {"roles:\n", "- {name: a}\n"},
        {"persons:\n", "- {name: a, identities: [b]}\n"},
    };
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        refused_at_all(hostile[i].head, hostile[i].piece, 1024u * 1024u);
    }
}

static void a_text_over_one_mebibyte_is_refused(void **state)
{
    (void)state;
    refused_at_all(HEAD ROLE, "\n", 1024u * 1024u + 1);
    char *text = repeat(HEAD ROLE, "\n", 1024u * 1024u);
    ward_auto(free_policy) struct ward_policy *policy = policy_of(text);
    assert_int_equal(ward_policy_text(policy).size, 1024u * 1024u);
    free(text);
}

static void nesting_beyond_sixteen_is_refused(void **state)
{
    (void)state;
    assert_refused("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]\n", 1, 17, "nested too deeply");
    assert_refused("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\n", 1, 1, "a mapping is expected");
}

/* The n-th byte flipped to anything: never accepted half-way, never a crash; for the sanitizers. */
static void every_damaged_byte_gives_a_policy_or_a_reason(void **state)
{
    (void)state;
    static const char bytes[] = {'\n', ' ', ':', '"', '[', '}', '-', '*', '\\', '\x80', 'a', '\0'};
    char text[] = HEAD ROLE L("guards: []");
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        for (size_t j = 0; j < sizeof(bytes); j++) {
            char saved = text[i];
            text[i] = bytes[j];
            struct ward_policy *policy = NULL;
            struct ward_policy_error error;
            ward_status status =
                ward_policy_parse(WARD_BYTES(text, sizeof(text) - 1), &policy, &error);
            assert_true(ward_ok(status) == (policy != NULL));
            assert_true(ward_ok(status) == (error.text[0] == '\0'));
            ward_policy_unref(policy);
            text[i] = saved;
        }
    }
}

static void a_text_cut_anywhere_gives_a_policy_or_a_reason(void **state)
{
    (void)state;
    const char text[] = HEAD ROLE;
    for (size_t size = 0; size < sizeof(text) - 1; size++) {
        char *exact = malloc(size == 0 ? 1 : size); /* so that a read past the end is found */
        memcpy(exact, text, size);
        struct ward_policy *policy = NULL;
        ward_status status = ward_policy_parse(WARD_BYTES(exact, size), &policy, NULL);
        assert_true(ward_ok(status) == (policy != NULL));
        ward_policy_unref(policy);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plain_policy_is_accepted),
        cmocka_unit_test(an_unknown_key_is_refused_where_it_stands),
        cmocka_unit_test(a_key_given_twice_is_refused_at_the_second),
        cmocka_unit_test(a_missing_key_is_named_at_its_mapping),
        cmocka_unit_test(a_value_of_the_wrong_form_is_refused_where_it_stands),
        cmocka_unit_test(what_is_not_a_mapping_is_refused),
        cmocka_unit_test(text_that_is_not_yaml_is_refused_where_it_fails),
        cmocka_unit_test(a_glob_without_quotes_gets_a_hint),
        cmocka_unit_test(anchors_aliases_tags_and_directives_are_refused),
        cmocka_unit_test(a_second_document_is_refused),
        cmocka_unit_test(a_control_character_in_a_value_is_refused),
        cmocka_unit_test(bytes_that_are_not_utf8_are_refused_where_they_stand),
        cmocka_unit_test(a_reason_shows_foreign_bytes_as_question_marks),
        cmocka_unit_test(a_text_made_to_cost_much_is_refused_cheaply),
        cmocka_unit_test(a_text_over_one_mebibyte_is_refused),
        cmocka_unit_test(nesting_beyond_sixteen_is_refused),
        cmocka_unit_test(every_damaged_byte_gives_a_policy_or_a_reason),
        cmocka_unit_test(a_text_cut_anywhere_gives_a_policy_or_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
