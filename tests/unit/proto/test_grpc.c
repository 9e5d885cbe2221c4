/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's wire rules: bytes in any pieces, limits before memory, and what a stranger gets to read.
 */
#include "tests/unit/proto/vectors.h"

#include <string.h>

#include "proto/grpc.h"

static const uint8_t hello[] = {0, 0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o'};

static void a_message_arrives_in_any_two_pieces(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= sizeof(hello); cut++) {
        struct ward_grpc_reader reader;
        ward_grpc_reader_init(&reader, 5);
        assert_ok(ward_grpc_reader_feed(&reader, WARD_BYTES(hello, cut), false));
        assert_int_equal(reader.complete, cut == sizeof(hello));
        assert_ok(
            ward_grpc_reader_feed(&reader, WARD_BYTES(hello + cut, sizeof(hello) - cut), false));
        assert_true(reader.complete);
        assert_text(ward_buffer_view(&reader.message), "hello");
        ward_grpc_reader_fini(&reader);
    }
}

static void a_message_arrives_byte_by_byte(void **state)
{
    (void)state;
    struct ward_grpc_reader reader;
    ward_grpc_reader_init(&reader, 1024);
    for (size_t i = 0; i < sizeof(hello); i++) {
        assert_false(reader.complete);
        assert_ok(ward_grpc_reader_feed(&reader, WARD_BYTES(hello + i, 1), false));
        assert_ok(ward_grpc_reader_feed(&reader, WARD_BYTES(NULL, 0), false));
    }
    assert_true(reader.complete);
    assert_text(ward_buffer_view(&reader.message), "hello");
    ward_grpc_reader_fini(&reader);
}

static void an_empty_message_is_complete_with_its_prefix(void **state)
{
    (void)state;
    static const uint8_t prefix[5];
    struct ward_grpc_reader reader;
    ward_grpc_reader_init(&reader, 1024);
    assert_ok(ward_grpc_reader_feed(&reader, WARD_BYTES(prefix, 4), false));
    assert_false(reader.complete);
    assert_ok(ward_grpc_reader_feed(&reader, WARD_BYTES(prefix, 1), false));
    assert_true(reader.complete);
    assert_int_equal(reader.message.size, 0);
    ward_grpc_reader_fini(&reader);
}

/* Feeds all bytes at once, or one by one until the first error. */
static ward_status feed_all(struct ward_bytes bytes, bool one_by_one, size_t max, bool encoded,
                            size_t *ret_capacity)
{
    struct ward_grpc_reader reader;
    ward_grpc_reader_init(&reader, max);
    ward_status status = one_by_one ? WARD_OK : ward_grpc_reader_feed(&reader, bytes, encoded);
    for (size_t i = 0; one_by_one && i < bytes.size && ward_ok(status); i++) {
        status = ward_grpc_reader_feed(&reader, WARD_BYTES(bytes.data + i, 1), encoded);
    }
    *ret_capacity = reader.message.capacity;
    ward_grpc_reader_fini(&reader);
    return status;
}

static void bad_messages_are_refused_however_they_come(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[12];
        size_t size;
        bool encoded;
        enum ward_code code;
        const char *text;
    } cases[] = {
        {{0, 0, 0, 0, 9}, 5, false, WARD_E_EXHAUSTED, "message: larger than this method takes"},
        {{0, 0xff, 0xff, 0xff, 0xff},
         5,
         false,
         WARD_E_EXHAUSTED,
         "message: larger than this method takes"},
        {{1, 0, 0, 0, 1, 'x'},
         6,
         false,
         WARD_E_INTERNAL,
         "message: marked compressed without an encoding"},
        {{1, 0, 0, 0, 1, 'x'},
         6,
         true,
         WARD_E_UNIMPLEMENTED,
         "message: compressed with an encoding not offered"},
        {{2, 0, 0, 0, 1, 'x'}, 6, true, WARD_E_INTERNAL, "message: unknown flag in its prefix"},
        {{255, 0, 0, 0, 0}, 5, false, WARD_E_INTERNAL, "message: unknown flag in its prefix"},
        {{0, 0, 0, 0, 1, 'x', 0}, 7, false, WARD_E_UNIMPLEMENTED, "message: more than one"},
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 10, false, WARD_E_UNIMPLEMENTED, "message: more than one"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int one_by_one = 0; one_by_one <= 1; one_by_one++) {
            size_t capacity = 0;
            assert_refusal(feed_all(WARD_BYTES(cases[i].bytes, cases[i].size), one_by_one, 8,
                                    cases[i].encoded, &capacity),
                           cases[i].code, cases[i].text);
        }
    }
}

static void an_encoding_named_for_a_plain_message_does_no_harm(void **state)
{
    (void)state;
    size_t capacity = 0;
    assert_ok(feed_all(WARD_BYTES_ARRAY(hello), false, 8, true, &capacity));
}

static void the_limit_is_decided_from_the_prefix(void **state)
{
    (void)state;
    static const uint8_t over[] = {0, 0, 0x10, 0, 1, 'x'}; /* 1 MiB and 1 */
    size_t capacity = 1;
    assert_code(feed_all(WARD_BYTES_ARRAY(over), false, 1 << 20, false, &capacity),
                WARD_E_EXHAUSTED);
    assert_int_equal(capacity, 0);
    /* And stays refused. */
    struct ward_grpc_reader reader;
    ward_grpc_reader_init(&reader, 1 << 20);
    for (int i = 0; i < 3; i++) {
        assert_code(ward_grpc_reader_feed(&reader, WARD_BYTES_ARRAY(over), false),
                    WARD_E_EXHAUSTED);
        assert_int_equal(reader.message.size, 0);
    }
    ward_grpc_reader_fini(&reader);
}

static void a_promised_message_costs_no_memory_before_it_comes(void **state)
{
    (void)state;
    static const uint8_t promise[] = {0, 0, 0x10, 0, 0, 'x'};
    size_t capacity = 0;
    assert_ok(feed_all(WARD_BYTES_ARRAY(promise), false, 1 << 20, false, &capacity));
    assert_true(capacity <= 4096);
}

static void prefixes_are_written_as_they_are_read(void **state)
{
    (void)state;
    uint8_t prefix[WARD_GRPC_PREFIX_SIZE];
    ward_grpc_prefix(0x01020304, prefix);
    assert_memory_equal(prefix, "\0\1\2\3\4", 5);
}

static void timeouts_are_read_in_every_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {{"1H", 3600000000},
                 {"2M", 120000000},
                 {"3S", 3000000},
                 {"4m", 4000},
                 {"5u", 5},
                 {"1n", 1},
                 {"1000n", 1},
                 {"1001n", 2},
                 {"0S", 0},
                 {"00000001S", 1000000},
                 {"99999999H", 359999996400000000}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t us = -1;
        assert_true(ward_grpc_timeout_parse(ward_bytes_str(cases[i].text), &us));
        assert_true(us == cases[i].us);
    }
}

static void malformed_timeouts_are_refused(void **state)
{
    (void)state;
    const char *bad[] = {"",    "S",   "1",    "1s",   "1h",         "-1S", "+1S", " 1S",
                         "1S ", "1 S", "1.5S", "0x1S", "123456789S", "1SS", "SS",  "1\xc2\xb5"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t us = 0;
        assert_false(ward_grpc_timeout_parse(ward_bytes_str(bad[i]), &us));
    }
}

static void timeouts_print_short_and_never_too_small(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {{0, "0u"},
                 {-5, "0u"},
                 {INT64_MIN, "0u"},
                 {1, "1u"},
                 {99999999, "99999999u"},
                 {100000000, "100000m"},
                 {100000001, "100001m"},
                 {99999999000, "99999999m"},
                 {99999999001, "100000S"},
                 {INT64_MAX, "99999999H"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[12];
        ward_grpc_timeout_print(cases[i].us, text);
        assert_string_equal(text, cases[i].text);
        int64_t back = 0;
        assert_true(strlen(text) <= 9);
        assert_true(ward_grpc_timeout_parse(ward_bytes_str(text), &back));
        assert_true(back >= cases[i].us || cases[i].us == INT64_MAX);
    }
}

static void every_byte_survives_percent_coding(void **state)
{
    (void)state;
    uint8_t all[256];
    for (size_t i = 0; i < sizeof(all); i++) {
        all[i] = (uint8_t)i;
    }
    ward_auto(ward_buffer_fini) struct ward_buffer encoded, decoded;
    ward_buffer_init(&encoded, 4096);
    ward_buffer_init(&decoded, 4096);
    ward_grpc_percent_encode(WARD_BYTES_ARRAY(all), &encoded);
    for (size_t i = 0; i < encoded.size; i++) {
        assert_in_range(encoded.data[i], 0x20, 0x7e);
    }
    ward_grpc_percent_decode(ward_buffer_view(&encoded), &decoded);
    assert_bytes(ward_buffer_view(&decoded), WARD_BYTES_ARRAY(all));
}

static void percent_coding_is_that_of_grpc(void **state)
{
    (void)state;
    ward_auto(ward_buffer_fini) struct ward_buffer out;
    ward_buffer_init(&out, 4096);
    ward_grpc_percent_encode(WARD_BYTES_LITERAL("a %~\n\xc3\xa4"), &out);
    assert_text(ward_buffer_view(&out), "a %25~%0A%C3%A4");
}

static void decoding_keeps_what_is_not_an_escape(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {{"", ""},         {"%", "%"},     {"%4", "%4"},   {"%zz", "%zz"},
                 {"100%", "100%"}, {"%%41", "%A"}, {"%41%", "A%"}, {"%c3%A4", "\xc3\xa4"},
                 {"% 41", "% 41"}, {"%-1", "%-1"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ward_buffer out;
        ward_buffer_init(&out, 64);
        ward_grpc_percent_decode(ward_bytes_str(cases[i].in), &out);
        assert_text(ward_buffer_view(&out), cases[i].out);
        ward_buffer_fini(&out);
    }
}

static void every_code_has_one_of_grpc_and_a_sentence(void **state)
{
    (void)state;
    static const enum ward_grpc_code expected[] = {
        [WARD_E_OK] = WARD_GRPC_OK,
        [WARD_E_INVALID] = WARD_GRPC_INVALID_ARGUMENT,
        [WARD_E_CIPHERTEXT] = WARD_GRPC_INVALID_ARGUMENT,
        [WARD_E_UNAUTHENTICATED] = WARD_GRPC_UNAUTHENTICATED,
        [WARD_E_DENIED] = WARD_GRPC_PERMISSION_DENIED,
        [WARD_E_NOT_FOUND] = WARD_GRPC_NOT_FOUND,
        [WARD_E_EXISTS] = WARD_GRPC_ALREADY_EXISTS,
        [WARD_E_STATE] = WARD_GRPC_FAILED_PRECONDITION,
        [WARD_E_CONFLICT] = WARD_GRPC_ABORTED,
        [WARD_E_STALE] = WARD_GRPC_ABORTED,
        [WARD_E_EXHAUSTED] = WARD_GRPC_RESOURCE_EXHAUSTED,
        [WARD_E_DEADLINE] = WARD_GRPC_DEADLINE_EXCEEDED,
        [WARD_E_CANCELLED] = WARD_GRPC_CANCELLED,
        [WARD_E_UNAVAILABLE] = WARD_GRPC_UNAVAILABLE,
        [WARD_E_UNKNOWN_COMMIT] = WARD_GRPC_UNAVAILABLE,
        [WARD_E_UNIMPLEMENTED] = WARD_GRPC_UNIMPLEMENTED,
        [WARD_E_INTERNAL] = WARD_GRPC_INTERNAL,
    };
    for (uint16_t code = 0; code <= WARD_E_INTERNAL; code++) {
        ward_status status = {.code = code, .at = "secret.c:12"};
        assert_int_equal(ward_grpc_code_of(status), expected[code]);
        const char *message = ward_grpc_message_of(status);
        assert_true(code == WARD_E_OK || strlen(message) > 0);
        assert_null(strstr(message, "secret.c"));
    }
    ward_status strange = {.code = 999};
    assert_int_equal(ward_grpc_code_of(strange), WARD_GRPC_INTERNAL);
    assert_string_equal(ward_grpc_message_of(strange), "internal error");
}

static void a_refusal_is_shown_but_never_for_a_ciphertext(void **state)
{
    (void)state;
    assert_string_equal(
        ward_grpc_message_of(WARD_REFUSAL(WARD_E_INVALID, "key: not in the grammar")),
        "key: not in the grammar");
    assert_string_equal(ward_grpc_message_of(WARD_REFUSAL(WARD_E_CIPHERTEXT, "tag: wrong")),
                        "ciphertext does not open");
    assert_string_equal(ward_grpc_message_of(WARD_STATUS(WARD_E_CIPHERTEXT)),
                        "ciphertext does not open");
}

static void code_names_are_those_of_grpc(void **state)
{
    (void)state;
    assert_string_equal(ward_grpc_code_name(WARD_GRPC_OK), "OK");
    assert_string_equal(ward_grpc_code_name(WARD_GRPC_PERMISSION_DENIED), "PERMISSION_DENIED");
    assert_string_equal(ward_grpc_code_name(WARD_GRPC_UNAUTHENTICATED), "UNAUTHENTICATED");
    assert_string_equal(ward_grpc_code_name((enum ward_grpc_code)17), "UNKNOWN");
    assert_string_equal(ward_grpc_code_name((enum ward_grpc_code) - 1), "UNKNOWN");
}

static void http_and_resets_map_back(void **state)
{
    (void)state;
    static const struct {
        unsigned in;
        enum ward_grpc_code out;
    } http[] = {{200, WARD_GRPC_UNKNOWN},         {400, WARD_GRPC_INTERNAL},
                {401, WARD_GRPC_UNAUTHENTICATED}, {403, WARD_GRPC_PERMISSION_DENIED},
                {404, WARD_GRPC_UNIMPLEMENTED},   {415, WARD_GRPC_UNKNOWN},
                {429, WARD_GRPC_UNAVAILABLE},     {431, WARD_GRPC_INTERNAL},
                {500, WARD_GRPC_UNKNOWN},         {502, WARD_GRPC_UNAVAILABLE},
                {503, WARD_GRPC_UNAVAILABLE},     {504, WARD_GRPC_UNAVAILABLE}};
    for (size_t i = 0; i < sizeof(http) / sizeof(http[0]); i++) {
        assert_int_equal(ward_grpc_code_of_http(http[i].in), http[i].out);
    }
    static const enum ward_grpc_code rst[] = {
        WARD_GRPC_INTERNAL,          WARD_GRPC_INTERNAL,    WARD_GRPC_INTERNAL,
        WARD_GRPC_INTERNAL,          WARD_GRPC_INTERNAL,    WARD_GRPC_UNKNOWN,
        WARD_GRPC_INTERNAL,          WARD_GRPC_UNAVAILABLE, WARD_GRPC_CANCELLED,
        WARD_GRPC_INTERNAL,          WARD_GRPC_INTERNAL,    WARD_GRPC_RESOURCE_EXHAUSTED,
        WARD_GRPC_PERMISSION_DENIED, WARD_GRPC_UNKNOWN,     WARD_GRPC_UNKNOWN};
    for (uint32_t i = 0; i < sizeof(rst) / sizeof(rst[0]); i++) {
        assert_int_equal(ward_grpc_code_of_rst(i), rst[i]);
    }
}

static void a_reader_that_is_used_again_keeps_nothing_of_before(void **state)
{
    (void)state;
    struct ward_grpc_reader reader = {0};
    ward_grpc_reader_reset(&reader, 64);
    static const uint8_t secret[] = "\0\0\0\0\x0dsecret-secret";
    assert_true(
        ward_ok(ward_grpc_reader_feed(&reader, WARD_BYTES(secret, sizeof(secret) - 1), false)));
    assert_true(reader.complete);
    const uint8_t *memory = reader.message.data;
    ward_grpc_reader_reset(&reader, 3);
    assert_ptr_equal(reader.message.data, memory); /* kept, and wiped */
    for (size_t i = 0; i < 13; i++) {
        assert_int_equal(memory[i], 0);
    }
    assert_false(reader.complete);
    assert_int_equal(reader.message.size, 0);
    ward_status status =
        ward_grpc_reader_feed(&reader, WARD_BYTES(secret, sizeof(secret) - 1), false);
    assert_int_equal(status.code, WARD_E_EXHAUSTED); /* the new limit holds */
    ward_grpc_reader_reset(&reader, 1 << 20);
    static uint8_t large[5 + 4096] = {0, 0, 0, 0x10, 0};
    assert_true(ward_ok(ward_grpc_reader_feed(&reader, WARD_BYTES(large, sizeof(large)), false)));
    ward_grpc_reader_reset(&reader, 64);
    assert_null(reader.message.data); /* large memory is not kept */
    ward_grpc_reader_fini(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_arrives_in_any_two_pieces),
        TEST(a_message_arrives_byte_by_byte),
        TEST(an_empty_message_is_complete_with_its_prefix),
        TEST(bad_messages_are_refused_however_they_come),
        TEST(an_encoding_named_for_a_plain_message_does_no_harm),
        TEST(the_limit_is_decided_from_the_prefix),
        TEST(a_reader_that_is_used_again_keeps_nothing_of_before),
        TEST(a_promised_message_costs_no_memory_before_it_comes),
        TEST(prefixes_are_written_as_they_are_read),
        TEST(timeouts_are_read_in_every_unit),
        TEST(malformed_timeouts_are_refused),
        TEST(timeouts_print_short_and_never_too_small),
        TEST(every_byte_survives_percent_coding),
        TEST(percent_coding_is_that_of_grpc),
        TEST(decoding_keeps_what_is_not_an_escape),
        TEST(every_code_has_one_of_grpc_and_a_sentence),
        TEST(a_refusal_is_shown_but_never_for_a_ciphertext),
        TEST(code_names_are_those_of_grpc),
        TEST(http_and_resets_map_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
