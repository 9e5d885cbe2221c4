/* SPDX-License-Identifier: Apache-2.0 */
/* Inclusion and meeting of globs, against every short name there is. */
#include "policy_support.h"

#include "policy/covers.h"
#include "policy/name.h"

static const char *const globs[] = {
    "a",     "b",   "*",     "**",   "a*",  "*a",  "a/*",  "a/**",  "*/a",    "**/a", "*/*",
    "a/*/b", "a**", "**a**", "a*b*", "a/b", "*a*", "a*/b", "**/b*", "a/**/b", "*b/*", "ab"};
enum { GLOBS = sizeof(globs) / sizeof(globs[0]) };

static struct ward_glob_machine machines[GLOBS];
static struct ward_glob compiled[GLOBS];

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < GLOBS; i++) {
        assert_true(ward_glob_valid(ward_bytes_str(globs[i])));
        ward_glob_compile(ward_bytes_str(globs[i]), &machines[i], &compiled[i]);
    }
    return 0;
}

/* The n-th text over "ab/" that is a name, up to six letters; false behind the last. */
static bool name_of(unsigned n, char name[8])
{
    static const char letters[] = "ab/";
    size_t size = 0;
    for (; n > 0; n /= 4) {
        if (n % 4 == 0) {
            return false;
        }
        name[size++] = letters[n % 4 - 1];
    }
    name[size] = '\0';
    return size > 0 && ward_name_valid(ward_bytes_str(name));
}

static void yes_is_said_only_where_it_is_so(void **state)
{
    (void)state;
    bool within[GLOBS][GLOBS], meet[GLOBS][GLOBS];
    memset(within, 1, sizeof(within));
    memset(meet, 0, sizeof(meet));
    for (unsigned n = 1; n < 4096; n++) {
        char text[8];
        if (!name_of(n, text)) {
            continue;
        }
        struct ward_glob_name name = ward_glob_name(ward_bytes_str(text));
        for (size_t i = 0; i < GLOBS; i++) {
            bool inner = ward_glob_run(&compiled[i], &name);
            for (size_t o = 0; o < GLOBS; o++) {
                bool outer = ward_glob_run(&compiled[o], &name);
                within[o][i] = within[o][i] && (!inner || outer);
                meet[o][i] = meet[o][i] || (inner && outer);
            }
        }
    }
    for (size_t i = 0; i < GLOBS; i++) {
        for (size_t o = 0; o < GLOBS; o++) {
            if (ward_glob_covers(&compiled[o], &compiled[i]) && !within[o][i]) {
                fail_msg("%s does not cover %s", globs[o], globs[i]);
            }
            bool meets = ward_globs_meet((struct ward_globs){&compiled[o], 1},
                                         (struct ward_globs){&compiled[i], 1});
            if (!meets && meet[o][i]) {
                fail_msg("%s meets %s", globs[o], globs[i]);
            }
        }
    }
}

static void what_policies_write_is_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *outer, *inner;
        bool covers;
    } pairs[] = {
        {"**", "a/**", true},    {"a/**", "a/*", true},    {"a/**", "a/b/c", true},
        {"a/*", "a/**", false},  {"a/*", "a/b", true},     {"*", "a/b", false},
        {"a*", "ab*", true},     {"a/**", "a", false},     {"**/x", "a/*/x", true},
        {"a", "a", true},        {"a/*", "b/*", false},    {"*/x", "**/x", false},
        {"a**b", "a/*/b", true}, {"a/*/b", "a/*/b", true}, {"a/**/b", "a/x**y/b", true},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct ward_glob_machine first, second;
        struct ward_glob outer, inner;
        ward_glob_compile(ward_bytes_str(pairs[i].outer), &first, &outer);
        ward_glob_compile(ward_bytes_str(pairs[i].inner), &second, &inner);
        assert_int_equal(ward_glob_covers(&outer, &inner), pairs[i].covers);
        assert_true(ward_bytes_eq(ward_glob_text(&inner), ward_bytes_str(pairs[i].inner)));
    }
}

static void fields_cover_as_globs_do(void **state)
{
    (void)state;
    static const struct {
        const char *outer, *inner;
        bool covers;
    } pairs[] = {{"*", "a*", true},    {"a*", "abc", true},  {"a*", "a*z", true},
                 {"a*z", "a*", false}, {"abc", "a*", false}, {"*z", "a*z", true},
                 {"a*", "b*", false},  {"a", "a", true}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct ward_field_glob outer, inner;
        assert_true(ward_field_glob_parse(ward_bytes_str(pairs[i].outer), &outer));
        assert_true(ward_field_glob_parse(ward_bytes_str(pairs[i].inner), &inner));
        assert_int_equal(ward_fields_cover(&outer, 1, &inner, 1), pairs[i].covers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yes_is_said_only_where_it_is_so),
        cmocka_unit_test(what_policies_write_is_recognised),
        cmocka_unit_test(fields_cover_as_globs_do),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
