/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing and encoding bytes; what is not exactly right is refused. */
#include "tests/unit/base/check.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static void empty_views_are_equal_whatever_they_point_at(void **state)
{
    (void)state;
    struct ward_bytes none = {0};
    assert_true(ward_bytes_eq(none, WARD_BYTES_LITERAL("")));
    assert_true(ward_bytes_eq_ct(none, WARD_BYTES_LITERAL("")));
    assert_int_equal(ward_bytes_cmp(none, WARD_BYTES_LITERAL("")), 0);
    assert_int_equal(ward_bytes_str(NULL).size, 0);
}

static void bytes_that_differ_in_size_or_content_are_unequal(void **state)
{
    (void)state;
    struct ward_bytes abc = WARD_BYTES_LITERAL("abc");
    assert_false(ward_bytes_eq(abc, WARD_BYTES_LITERAL("ab")));
    assert_false(ward_bytes_eq(abc, WARD_BYTES_LITERAL("abd")));
    assert_false(ward_bytes_eq_ct(abc, WARD_BYTES_LITERAL("ab")));
    assert_false(ward_bytes_eq_ct(abc, WARD_BYTES_LITERAL("xbc")));
    assert_true(ward_bytes_eq(abc, ward_bytes_str("abc")));
    assert_true(ward_bytes_eq_ct(abc, ward_bytes_str("abc")));
}

static void order_is_by_bytes_and_a_prefix_sorts_first(void **state)
{
    (void)state;
    const char *sorted[] = {"", "a", "aa", "ab", "b", "\x7f", "\x80", "\xff"};
    for (size_t i = 0; i < ARRAY_SIZE(sorted); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(sorted); k++) {
            int order = ward_bytes_cmp(ward_bytes_str(sorted[i]), ward_bytes_str(sorted[k]));
            assert_int_equal(order, (i > k) - (i < k));
        }
    }
}

static void well_formed_utf8_is_taken(void **state)
{
    (void)state;
    const char *good[] = {
        "",
        "a",
        "sixteen letters!",
        "J\xc3\xbcrgen M\xc3\xbcller, L\xc3\xbcneburg",
        "\xc2\x80",            /* U+0080 */
        "\xdf\xbf",            /* U+07FF */
        "\xe0\xa0\x80",        /* U+0800 */
        "\xed\x9f\xbf",        /* U+D7FF */
        "\xee\x80\x80",        /* U+E000 */
        "\xef\xbf\xbf",        /* U+FFFF */
        "\xf0\x90\x80\x80",    /* U+10000 */
        "\xf4\x8f\xbf\xbf",    /* U+10FFFF */
        "1234567\xe2\x82\xac", /* across the stride of eight */
        "12345678\xe2\x82\xac",
        "\x01\x1f\x7f",
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_true(ward_utf8_valid(ward_bytes_str(good[i])));
    }
}

static void malformed_utf8_is_refused(void **state)
{
    (void)state;
    const char *bad[] = {
        "\x80", /* continuation alone */
        "\xbf",
        "\xc0\x80", /* overlong NUL */
        "\xc1\xbf", /* overlong */
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xed\xa0\x80", /* surrogates */
        "\xed\xbf\xbf",
        "\xed\xa0\xbd\xed\xb8\x80", /* CESU-8 */
        "\xf4\x90\x80\x80",         /* past U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xc3", /* cut off */
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\xc3\x41", /* wrong continuation */
        "\xe2\x41\x80",
        "\xe2\x82\x41",
        "\xf0\x9f\x98\x41",
        "\xf0\x9f\xc0\x80",
        "1234567\xff",
        "12345678\xff",
        "123456789abcdef\xe2\x82",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(ward_utf8_valid(ward_bytes_str(bad[i])));
    }
}

static void nul_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 40; size++) {
        for (size_t at = 0; at < size; at++) {
            uint8_t text[40];
            memset(text, 'a', sizeof(text));
            assert_true(ward_utf8_valid(WARD_BYTES(text, size)));
            text[at] = 0;
            assert_false(ward_utf8_valid(WARD_BYTES(text, size)));
            text[at] = 0x80;
            assert_false(ward_utf8_valid(WARD_BYTES(text, size)));
        }
    }
}

/* Encodes a code point the long way, to compare every one with the checker. */
static size_t encode(uint32_t c, uint8_t *out)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size; i-- > 1;) {
        out[i] = (uint8_t)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (uint8_t)((0xF00 >> size & 0xFF) | c);
    return size;
}

static void every_code_point_but_nul_and_surrogates_is_taken(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110400; c++) {
        uint8_t text[4];
        size_t size = encode(c, text);
        bool good = c != 0 && (c < 0xD800 || c > 0xDFFF) && c <= 0x10FFFF;
        if (ward_utf8_valid(WARD_BYTES(text, size)) != good) {
            fail_msg("U+%04X", c);
        }
    }
}

static void hex_goes_out_in_lower_case_and_comes_back(void **state)
{
    (void)state;
    uint8_t all[256], back[256];
    char text[513];
    for (size_t i = 0; i < sizeof(all); i++) {
        all[i] = (uint8_t)i;
    }
    ward_hex_encode(WARD_BYTES_ARRAY(all), text);
    assert_memory_equal(text, "000102030405060708090a0b0c0d0e0f10", 34);
    assert_string_equal(text + 506, "fdfeff");
    assert_true(ward_hex_decode(text, 512, back, sizeof(back)));
    assert_memory_equal(all, back, sizeof(all));
    assert_true(ward_hex_decode("AbCdEF", 6, back, 3));
    assert_hex(back, 3, "abcdef");
    assert_true(ward_hex_decode("", 0, NULL, 0));
    ward_hex_encode((struct ward_bytes){0}, text);
    assert_string_equal(text, "");
}

static void hex_of_another_size_or_alphabet_is_refused(void **state)
{
    (void)state;
    uint8_t out[2];
    assert_false(ward_hex_decode("abc", 3, out, 1));
    assert_false(ward_hex_decode("abc", 3, out, 2));
    assert_false(ward_hex_decode("abcd", 4, out, 1));
    assert_false(ward_hex_decode("ab", 2, out, 2));
    assert_false(ward_hex_decode("", 0, out, 1));
    for (int c = 0; c < 256; c++) {
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        char low[2] = {'0', (char)c}, high[2] = {(char)c, '0'};
        assert_int_equal(ward_hex_decode(low, 2, out, 1), digit);
        assert_int_equal(ward_hex_decode(high, 2, out, 1), digit);
    }
}

static void a_refused_key_leaves_nothing_behind(void **state)
{
    (void)state;
    uint8_t out[4] = {1, 1, 1, 1};
    assert_false(ward_hex_decode("112233zz", 8, out, 4));
    assert_true(all_zero(out, sizeof(out)));
    size_t size = 99;
    memset(out, 1, sizeof(out));
    assert_false(ward_base64_decode("AQI!", 4, out, &size));
    assert_true(all_zero(out, 3));
    assert_int_equal(size, 99);
}

static const struct {
    const char *plain, *encoded;
} rfc4648[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

static void base64_follows_rfc_4648(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rfc4648); i++) {
        char text[16];
        uint8_t back[16];
        size_t size = 0, text_size = strlen(rfc4648[i].encoded);
        ward_base64_encode(ward_bytes_str(rfc4648[i].plain), text);
        assert_string_equal(text, rfc4648[i].encoded);
        assert_int_equal(WARD_BASE64_SIZE(strlen(rfc4648[i].plain)), text_size);
        assert_true(ward_base64_decode(text, text_size, back, &size));
        assert_true(ward_bytes_eq(WARD_BYTES(back, size), ward_bytes_str(rfc4648[i].plain)));
    }
}

static void base64_brings_back_every_byte_in_every_place(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        for (size_t n = 1; n <= 6; n++) {
            uint8_t in[6], back[6];
            char text[9];
            size_t size = 0;
            memset(in, 0x5a, sizeof(in));
            in[n - 1] = (uint8_t)c;
            ward_base64_encode(WARD_BYTES(in, n), text);
            assert_true(ward_base64_decode(text, strlen(text), back, &size));
            assert_int_equal(size, n);
            assert_memory_equal(in, back, n);
        }
    }
}

static void base64_alphabet_is_exactly_sixty_four_characters(void **state)
{
    (void)state;
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int c = 0; c < 256; c++) {
        bool good = c != 0 && strchr(alphabet, c) != NULL;
        for (size_t at = 0; at < 4; at++) {
            char text[8] = {'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A'};
            uint8_t out[6];
            size_t size = 0;
            text[at] = (char)c;
            assert_int_equal(ward_base64_decode(text, 8, out, &size), good);
        }
    }
}

static void base64_that_is_not_canonical_is_refused(void **state)
{
    (void)state;
    const char *bad[] = {
        "Z",        "Zg",           "Zg=",  "Zm8",      "=",    "==",       "====", "Z===",
        "Zh==",     "Zm9=",         "ZgB=", "Zg==Zg==", "Z g=", "Zm9v\n",   " Zm9", "Zm9v ",
        "Zm9vYg=A", "Zm9v=mFy",     "=m9v", "Z=9v",     "Zm=v", "Zm9vZg= ", "Zm9_", "Zm9-",
        "Zm9vYmF",  "Zg==\n\n\n\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        uint8_t out[16];
        size_t size = 77;
        assert_false(ward_base64_decode(bad[i], strlen(bad[i]), out, &size));
        assert_int_equal(size, 77);
    }
}

static void base64_never_writes_past_what_it_decodes(void **state)
{
    (void)state;
    uint8_t out[4] = {9, 9, 9, 9};
    size_t size = 0;
    assert_true(ward_base64_decode("Zg==", 4, out, &size));
    assert_hex(out, 4, "66090909");
    assert_false(ward_base64_decode("Z!==", 4, out, &size));
    assert_hex(out, 4, "00090909");
}

static void numbers_are_big_endian(void **state)
{
    (void)state;
    uint8_t p[8];
    ward_put_u64(p, 0x0102030405060708u);
    assert_hex(p, 8, "0102030405060708");
    assert_true(ward_get_u64(p) == 0x0102030405060708u);
    ward_put_u64(p, UINT64_MAX);
    assert_true(ward_get_u64(p) == UINT64_MAX);
    assert_true(ward_get_u32(p) == UINT32_MAX && ward_get_u16(p) == UINT16_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_views_are_equal_whatever_they_point_at),
        cmocka_unit_test(bytes_that_differ_in_size_or_content_are_unequal),
        cmocka_unit_test(order_is_by_bytes_and_a_prefix_sorts_first),
        cmocka_unit_test(well_formed_utf8_is_taken),
        cmocka_unit_test(malformed_utf8_is_refused),
        cmocka_unit_test(nul_is_refused_wherever_it_stands),
        cmocka_unit_test(every_code_point_but_nul_and_surrogates_is_taken),
        cmocka_unit_test(hex_goes_out_in_lower_case_and_comes_back),
        cmocka_unit_test(hex_of_another_size_or_alphabet_is_refused),
        cmocka_unit_test(a_refused_key_leaves_nothing_behind),
        cmocka_unit_test(base64_follows_rfc_4648),
        cmocka_unit_test(base64_brings_back_every_byte_in_every_place),
        cmocka_unit_test(base64_alphabet_is_exactly_sixty_four_characters),
        cmocka_unit_test(base64_that_is_not_canonical_is_refused),
        cmocka_unit_test(base64_never_writes_past_what_it_decodes),
        cmocka_unit_test(numbers_are_big_endian),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
