/* SPDX-License-Identifier: Apache-2.0 */
/* Writing canonical JSON, and scanning it: slices are the input's own bytes, and what RFC 8259 does
 * not allow is refused with the rule's name. */
#include "tests/unit/base/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

static void writer_puts_commas_where_they_belong(void **state)
{
    (void)state;
    struct ward_buffer out;
    struct ward_json json;
    uint8_t bytes[] = {0, 0xAB};
    ward_buffer_init(&out, 1000);
    ward_json_init(&json, &out);
    ward_json_object(&json);
    ward_json_member(&json, "a", WARD_BYTES_LITERAL("x"));
    ward_json_member_int(&json, "b", -5);
    ward_json_name(&json, "c");
    ward_json_array(&json);
    ward_json_object(&json);
    ward_json_object_end(&json);
    ward_json_array(&json);
    ward_json_array_end(&json);
    ward_json_null(&json);
    ward_json_bool(&json, true);
    ward_json_bool(&json, false);
    ward_json_array_end(&json);
    ward_json_name(&json, "d");
    ward_json_hex(&json, WARD_BYTES_ARRAY(bytes));
    ward_json_name(&json, "e");
    ward_json_hex(&json, (struct ward_bytes){0});
    ward_json_name(&json, "f");
    ward_json_object(&json);
    ward_json_member(&json, "g", (struct ward_bytes){0});
    ward_json_object_end(&json);
    ward_json_object_end(&json);
    assert_false(out.failed);
    assert_bytes(ward_buffer_view(&out), "{\"a\":\"x\",\"b\":-5,\"c\":[{},[],null,true,false],"
                                         "\"d\":\"00ab\",\"e\":\"\",\"f\":{\"g\":\"\"}}");
    ward_buffer_fini(&out);
}

static void check_string(struct ward_bytes text, const char *expected)
{
    struct ward_buffer out;
    struct ward_json json;
    ward_buffer_init(&out, 1000);
    ward_json_init(&json, &out);
    ward_json_string(&json, text);
    assert_false(out.failed);
    assert_true(ward_bytes_eq(ward_buffer_view(&out), ward_bytes_str(expected)));
    ward_buffer_fini(&out);
}

static void strings_are_escaped_as_rfc_8785_says(void **state)
{
    (void)state;
    check_string(WARD_BYTES_LITERAL("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
    check_string(WARD_BYTES_LITERAL("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\"");
    check_string(WARD_BYTES_LITERAL("\0\x01\x0b\x0e\x1f\x7f"),
                 "\"\\u0000\\u0001\\u000b\\u000e\\u001f\x7f\"");
    check_string(WARD_BYTES_LITERAL("\xe2\x82\xac$\x0f\nA'B\"\\\\\"/"),
                 "\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"");
    check_string(
        WARD_BYTES_LITERAL("long enough to be looked at in strides \xc3\xbc and \n more of it"),
        "\"long enough to be looked at in strides \xc3\xbc and \\n more of it\"");
    for (char c = 0; c < 0x20; c++) { /* each one in each place of a stride */
        for (size_t at = 0; at < 20; at++) {
            char text[20];
            struct ward_buffer out;
            struct ward_json json;
            memset(text, 'x', sizeof(text));
            text[at] = c;
            ward_buffer_init(&out, 1000);
            ward_json_init(&json, &out);
            ward_json_string(&json, WARD_BYTES_ARRAY(text));
            assert_int_equal(out.data[1 + at], '\\');
            assert_true(out.size == 20 + 3 || out.size == 20 + 7);
            ward_buffer_fini(&out);
        }
    }
}

static void text_that_is_not_utf8_fails_the_buffer(void **state)
{
    (void)state;
    const char *bad[] = {"\xff", "\xc3", "abc\xe2\x82", "\xc3\n\xbc", "\xed\xa0\x80"};
    for (size_t i = 0; i < 5; i++) {
        struct ward_buffer out;
        struct ward_json json;
        ward_buffer_init(&out, 1000);
        ward_json_init(&json, &out);
        ward_json_string(&json, ward_bytes_str(bad[i]));
        assert_true(out.failed);
        ward_buffer_fini(&out);
    }
}

static void integers_print_at_their_limits(void **state)
{
    (void)state;
    const int64_t values[] = {0, 1, -1, 9, 10, 99, 100, -100, 12345678901, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < 11; i++) {
        struct ward_buffer out;
        struct ward_json json;
        char expected[32];
        ward_buffer_init(&out, 100);
        ward_json_init(&json, &out);
        ward_json_int(&json, values[i]);
        (void)snprintf(expected, sizeof(expected), "%lld", (long long)values[i]);
        assert_true(ward_bytes_eq(ward_buffer_view(&out), ward_bytes_str(expected)));
        ward_buffer_fini(&out);
    }
}

static void a_buffer_too_small_fails_and_stays_within(void **state)
{
    (void)state;
    for (size_t max = 0; max < 40; max++) {
        struct ward_buffer out;
        struct ward_json json;
        ward_buffer_init(&out, max);
        ward_json_init(&json, &out);
        ward_json_object(&json);
        ward_json_member(&json, "name", WARD_BYTES_LITERAL("va\nlue"));
        ward_json_member_int(&json, "n", 123);
        ward_json_name(&json, "h");
        ward_json_hex(&json, WARD_BYTES_LITERAL("abc"));
        ward_json_object_end(&json);
        assert_int_equal(out.failed, max < 39); /* to the byte */
        assert_true(out.size <= max);
        ward_buffer_fini(&out);
    }
}

static struct ward_json_slice slices[2000];
static size_t count;

static ward_status scan(struct ward_bytes json)
{
    /* A copy of exactly its size, so that a sanitizer sees the first byte read past its end. */
    static uint8_t *copy;
    free(copy);
    copy = malloc(json.size == 0 ? 1 : json.size);
    assert_non_null(copy);
    memcpy(copy, json.data, json.size);
    ward_status status = ward_json_scan(WARD_BYTES(copy, json.size), slices, 2000, &count);
    if (!ward_ok(status)) {
        free(copy);
        copy = NULL;
    }
    return status;
}

#define assert_malformed(text) assert_refused(scan(ward_bytes_str(text)), "json: malformed")

static void slices_are_the_bytes_of_the_input(void **state)
{
    (void)state;
    assert_ok(scan(WARD_BYTES_LITERAL(
        " \n{ \"a\" :\t1.10 , \"b\\u0031\":\r{ \"x\" : [ 1 , 2 ] , \"y\" : \"}\" } ,\"\":[],\n"
        "\"c\":-0.5e+10,\"d\" : \"a\\\"b\\\\\" , \"e\":true,\"f\":false , \"g\":null } \r\n")));
    assert_int_equal(count, 8);
    assert_bytes(slices[0].name, "a");
    assert_bytes(slices[0].value, "1.10");
    assert_bytes(slices[1].name, "b\\u0031");
    assert_bytes(slices[1].value, "{ \"x\" : [ 1 , 2 ] , \"y\" : \"}\" }");
    assert_bytes(slices[2].name, "");
    assert_bytes(slices[2].value, "[]");
    assert_bytes(slices[3].value, "-0.5e+10");
    assert_bytes(slices[4].value, "\"a\\\"b\\\\\"");
    assert_bytes(slices[5].value, "true");
    assert_bytes(slices[6].value, "false");
    assert_bytes(slices[7].value, "null");
}

static void views_point_into_the_input(void **state)
{
    (void)state;
    static const char text[] =
        "{\"name\":[{\"family\":\"M\xc3\xbcller\"}],\"birthDate\":\"1970-01-01\"}";
    size_t n = 0;
    assert_ok(ward_json_scan(WARD_BYTES(text, sizeof(text) - 1), slices, 2, &n));
    assert_int_equal(n, 2);
    assert_ptr_equal(slices[0].name.data, text + 2);
    assert_ptr_equal(slices[0].value.data, text + 8);
    assert_ptr_equal(slices[1].value.data + slices[1].value.size, text + sizeof(text) - 2);
}

static void an_empty_object_has_no_members(void **state)
{
    (void)state;
    assert_ok(scan(WARD_BYTES_LITERAL("{}")));
    assert_int_equal(count, 0);
    assert_ok(scan(WARD_BYTES_LITERAL(" { } ")));
    assert_int_equal(count, 0);
}

static void what_is_no_object_is_refused(void **state)
{
    (void)state;
    const char *bad[] = {"",     " ", "[]", "[{}]",           "1",   "\"a\"", "null",
                         "true", "}", ":",  "\xef\xbb\xbf{}", "x{}", "\0{}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_refused(scan(ward_bytes_str(bad[i])), "json: not an object");
    }
    size_t n = 77;
    assert_refused(ward_json_scan((struct ward_bytes){0}, slices, 1, &n), "json: not an object");
    assert_int_equal(n, 77);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":{\"b\":[1,-2.5e3,\"x\\n\\u00fc\\ud83d\\ude00\xf0\x9f\x98\x80\",true,false,null,{}]}"
        ",\"c\":[]}";
    assert_ok(scan(WARD_BYTES(text, sizeof(text) - 1)));
    for (size_t size = 1; size < sizeof(text) - 1; size++) {
        assert_refused(scan(WARD_BYTES(text, size)), "json: malformed");
    }
}

static void trailing_bytes_are_refused(void **state)
{
    (void)state;
    assert_malformed("{}x");
    assert_malformed("{}{}");
    assert_malformed("{},");
    assert_malformed("{}}");
    assert_malformed("{\"a\":1}]");
    assert_malformed("{} //");
    assert_refused(scan(WARD_BYTES_LITERAL("{}\0")), "json: malformed");
}

static void bad_structure_is_refused(void **state)
{
    (void)state;
    const char *bad[] = {
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1,,\"b\":2}",
        "{\"a\" 1}",
        "{\"a\"::1}",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{\"a\":1 2}",
        "{\"a\":1\"b\":2}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1 2]}",
        "{\"a\":[1}",
        "{\"a\":{]}",
        "{\"a\":[}]",
        "{\"a\":{\"b\"}}",
        "{\"a\":{\"b\":}}",
        "{\"a\":{\"b\":1,}}",
        "{\"a\":{,}}",
        "{\"a\":[[]}",
        "{\"a\":]}",
        "{\"a\":{}",
        "{\"a\":1}/**/",
        "{/**/\"a\":1}",
        "{\"a\":\x0b"
        "1}",
        "{\"a\":\xc2\xa0"
        "1}",
        "{null:1}",
        "{\"a\":[1:2]}",
        "{\"a\":{\"b\",1}}",
        "{\"a\":[\"b\":1]}",
        "{\"a\":1;}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_malformed(bad[i]);
    }
}

static void bad_numbers_and_words_are_refused(void **state)
{
    (void)state;
    const char *bad[] = {"01",        "-",         "+1",    ".5",    "1.",     "1.e5",
                         "1e",        "1e+",       "-01",   "0x1",   "1_0",    "NaN",
                         "Infinity",  "-Infinity", "--1",   "1.2.3", "1e5.5",  "00",
                         "tru",       "True",      "nul",   "nulll", "falsey", "truefalse",
                         "undefined", "-a",        "1e1e1", "0e",    "0.",     "\xef\xbc\x91"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "{\"a\":%s}", bad[i]);
        assert_malformed(text);
        (void)snprintf(text, sizeof(text), "{\"a\":[%s]}", bad[i]);
        assert_malformed(text);
    }
    const char *good[] = {"0",  "-0",       "0.0",  "0e0",
                          "10", "-1.5E-10", "1e+5", "123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "{\"a\":%s}", good[i]);
        assert_ok(scan(ward_bytes_str(text)));
        assert_true(ward_bytes_eq(slices[0].value, ward_bytes_str(good[i])));
    }
}

static void bad_strings_are_refused(void **state)
{
    (void)state;
    const char *bad[] = {
        "\\",
        "\\x41",
        "\\u",
        "\\u123",
        "\\u12g4",
        "\\U0041",
        "\\'",
        "\\0",
        "\\a",
        "\\v",
        "\n",
        "\t",
        "\x01",
        "\x1f",
        "\\ud83d",
        "\\ude00",
        "\\ud83dx",
        "\\ud83d\\n",
        "\\ud83d\\u0041",
        "\\ud83d\\ud83d",
        "\\ude00\\ud83d",
        "\\ud83d\\ude0",
        "\\u+123",
        "\\u 123",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "{\"a\":\"%s\"}", bad[i]);
        assert_malformed(text);
        (void)snprintf(text, sizeof(text), "{\"a\":[{\"%s\":1}]}", bad[i]);
        assert_malformed(text);
        (void)snprintf(text, sizeof(text), "{\"%s\":1}", bad[i]);
        assert_malformed(text);
    }
    assert_ok(
        scan(WARD_BYTES_LITERAL("{\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00FC\\ud83d\\uDE00\":\"\x7f\"}")));
    assert_ok(scan(WARD_BYTES_LITERAL("{\"a\":\"\\u0000\"}")));
}

static void bytes_that_are_not_utf8_are_refused_everywhere(void **state)
{
    (void)state;
    const char *bad[] = {"\xff",     "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                         "\xe2\x82", "\x80"};
    for (size_t i = 0; i < 6; i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "{\"a\":\"%s\"}", bad[i]);
        assert_malformed(text);
        (void)snprintf(text, sizeof(text), "{\"%s\":1}", bad[i]);
        assert_malformed(text);
        (void)snprintf(text, sizeof(text), "{\"a\":[{\"b\":\"x%s\"}]}", bad[i]);
        assert_malformed(text);
        (void)snprintf(text, sizeof(text), "{}%s", bad[i]);
        assert_malformed(text);
    }
    assert_refused(scan(WARD_BYTES_LITERAL("{\"a\0\":1}")), "json: malformed");
    assert_refused(scan(WARD_BYTES_LITERAL("{\"a\":\"\0\"}")), "json: malformed");
}

static void a_name_with_an_escaped_nul_is_refused(void **state)
{
    (void)state;
    assert_malformed("{\"a\\u0000\":1}");
    assert_malformed("{\"\\u0000\":1}");
}

static void duplicates_are_refused_however_they_are_written(void **state)
{
    (void)state;
    const char *bad[] = {
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"b\":2,\"a\":1}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"\\u0061\":1,\"\\u0061\":2}",
        "{\"\":1,\"\":2}",
        "{\"/\":1,\"\\/\":2}",
        "{\"\\n\":1,\"\\u000a\":2}",
        "{\"\\u000A\":1,\"\\u000a\":2}",
        "{\"\\\"\":1,\"\\u0022\":2}",
        "{\"\\\\\":1,\"\\u005c\":2}",
        "{\"\xc3\xbc\":1,\"\\u00fc\":2}",
        "{\"\xe2\x82\xac\":1,\"\\u20AC\":2}",
        "{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}",
        "{\"name\":1,\"x\":2,\"n\\u0061me\":3}",
        "{\"\x7f\":1,\"\\u007f\":2}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_refused(scan(ward_bytes_str(bad[i])), "json: duplicate member");
    }
}

static void names_that_only_look_alike_are_told_apart(void **state)
{
    (void)state;
    assert_ok(
        scan(WARD_BYTES_LITERAL("{\"a\":1,\"A\":2,\"aa\":3,\"\":4,\"\\\\u0061\":5,\"u0061\":6,"
                                "\"a \":7,\"\xc3\xa4\":8,\"a\xcc\x88\":9,\"\\ufffd\":10,"
                                "\"\xf0\x90\x80\x80\":11,\"\xef\xbf\xbf\":12}")));
    assert_int_equal(count, 12);
    /* Only the top level: what a member holds is the sender's. */
    assert_ok(scan(WARD_BYTES_LITERAL("{\"a\":{\"b\":1,\"b\":2},\"b\":[{\"a\":1,\"a\":1}]}")));
}

static char *many_members(size_t n, size_t *size)
{
    char *text = malloc(n * 16 + 16);
    assert_non_null(text);
    *size = 0;
    text[(*size)++] = '{';
    for (size_t i = 0; i < n; i++) {
        *size += (size_t)snprintf(text + *size, 16, "%s\"%zu\":%zu", i == 0 ? "" : ",", i, i % 10);
    }
    text[(*size)++] = '}';
    return text;
}

static void members_are_counted_to_the_last(void **state)
{
    (void)state;
    size_t n = 77, size = 0;
    char *text = many_members(2000, &size);
    assert_ok(ward_json_scan(WARD_BYTES(text, size), slices, 2000, &n));
    assert_int_equal(n, 2000);
    n = 77;
    assert_refused(ward_json_scan(WARD_BYTES(text, size), slices, 1999, &n),
                   "json: too many members");
    assert_int_equal(n, 77);
    text[size - 1] = ',';
    static const char again[] = "\"1\\u0030\":0}";
    memcpy(text + size, again, sizeof(again) - 1);
    static struct ward_json_slice more[2001];
    assert_refused(ward_json_scan(WARD_BYTES(text, size + sizeof(again) - 1), more, 2001, &n),
                   "json: duplicate member");
    free(text);
    assert_refused(ward_json_scan(WARD_BYTES_LITERAL("{\"a\":1}"), slices, 0, &n),
                   "json: too many members");
    assert_ok(ward_json_scan(WARD_BYTES_LITERAL("{}"), NULL, 0, &n));
    assert_int_equal(n, 0);
}

/* {"a":[[[...]]]} with the given number of levels, the outer object among them. */
static struct ward_bytes nested(char *text, size_t depth, bool objects, bool closed)
{
    size_t size = 0;
    memcpy(text, "{\"a\":", 5);
    size = 5;
    for (size_t i = 1; i < depth; i++) {
        if (objects && i % 2 == 0) {
            memcpy(text + size, "{\"a\":", 5);
            size += 5;
        } else {
            text[size++] = '[';
        }
    }
    if (closed) {
        text[size++] = '1';
        for (size_t i = depth; i-- > 0;) {
            text[size++] = i == 0 || (objects && i % 2 == 0) ? '}' : ']';
        }
    }
    return WARD_BYTES(text, size);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char text[1000];
    for (int objects = 0; objects < 2; objects++) {
        assert_ok(scan(nested(text, WARD_JSON_DEPTH_MAX, objects, true)));
        assert_refused(scan(nested(text, WARD_JSON_DEPTH_MAX + 1, objects, true)),
                       "json: too deep");
    }
    assert_ok(scan(WARD_BYTES_LITERAL("{\"a\":[[],[],[[]],{},{\"b\":{}}],\"b\":[[[]]]}")));
}

static void a_million_levels_cost_nothing(void **state)
{
    (void)state;
    const size_t depth = 1000000;
    char *text = malloc(5 * depth + 10);
    assert_non_null(text);
    for (int objects = 0; objects < 2; objects++) {
        assert_refused(scan(nested(text, depth, objects, false)), "json: too deep");
    }
    free(text);
}

static void levels_are_closed_by_their_own_bracket(void **state)
{
    (void)state;
    char text[1000];
    for (size_t depth = 2; depth <= WARD_JSON_DEPTH_MAX; depth++) {
        struct ward_bytes good = nested(text, depth, true, true);
        for (size_t i = 0; i < depth; i++) {
            char *bracket = text + good.size - 1 - i;
            char right = *bracket;
            *bracket = right == '}' ? ']' : '}';
            assert_refused(scan(good), "json: malformed");
            *bracket = right;
        }
        assert_ok(scan(good));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer_puts_commas_where_they_belong),
        cmocka_unit_test(strings_are_escaped_as_rfc_8785_says),
        cmocka_unit_test(text_that_is_not_utf8_fails_the_buffer),
        cmocka_unit_test(integers_print_at_their_limits),
        cmocka_unit_test(a_buffer_too_small_fails_and_stays_within),
        cmocka_unit_test(slices_are_the_bytes_of_the_input),
        cmocka_unit_test(views_point_into_the_input),
        cmocka_unit_test(an_empty_object_has_no_members),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(trailing_bytes_are_refused),
        cmocka_unit_test(bad_structure_is_refused),
        cmocka_unit_test(bad_numbers_and_words_are_refused),
        cmocka_unit_test(bad_strings_are_refused),
        cmocka_unit_test(bytes_that_are_not_utf8_are_refused_everywhere),
        cmocka_unit_test(a_name_with_an_escaped_nul_is_refused),
        cmocka_unit_test(duplicates_are_refused_however_they_are_written),
        cmocka_unit_test(names_that_only_look_alike_are_told_apart),
        cmocka_unit_test(members_are_counted_to_the_last),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(a_million_levels_cost_nothing),
        cmocka_unit_test(levels_are_closed_by_their_own_bracket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
