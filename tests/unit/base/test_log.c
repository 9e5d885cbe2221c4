/* SPDX-License-Identifier: Apache-2.0 */
/* Each event is one line of JSON, whatever is in it; stderr is a pipe here. */
#include "tests/unit/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"

static int real_stderr, ends[2];

static int catch_stderr(void **state)
{
    (void)state;
    real_stderr = dup(STDERR_FILENO);
    if (real_stderr < 0 || pipe2(ends, O_NONBLOCK) != 0) {
        return -1;
    }
    ward_log_level_set(WARD_LOG_INFO);
    return dup2(ends[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static int give_back_stderr(void **state)
{
    (void)state;
    (void)dup2(real_stderr, STDERR_FILENO);
    (void)close(real_stderr);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return 0;
}

/* What was logged since the last call; empty when nothing was. */
static struct ward_bytes logged(void)
{
    static uint8_t text[65536];
    ssize_t size = read(ends[0], text, sizeof(text));
    return WARD_BYTES(text, size < 0 ? 0 : (size_t)size);
}

static struct ward_json_slice slices[8];

/* One line, one JSON object that begins with time, level, what; n members in all. */
static void check_line(struct ward_bytes line, size_t n)
{
    size_t found = 0;
    assert_true(line.size > 0);
    assert_int_equal(line.data[line.size - 1], '\n');
    assert_null(memchr(line.data, '\n', line.size - 1));
    assert_ok(ward_json_scan(line, slices, 8, &found));
    assert_int_equal(found, n);
    assert_bytes(slices[0].name, "time");
    assert_int_equal(slices[0].value.size, 29);
    assert_bytes(slices[1].name, "level");
    assert_bytes(slices[2].name, "what");
}

static void an_event_is_one_line_of_json(void **state)
{
    (void)state;
    ward_log(WARD_LOG_INFO, "ready");
    check_line(logged(), 3);
    assert_bytes(slices[1].value, "\"info\"");
    assert_bytes(slices[2].value, "\"ready\"");
    ward_log_number(WARD_LOG_WARN, "slow", "us", -5);
    check_line(logged(), 4);
    assert_bytes(slices[1].value, "\"warn\"");
    assert_bytes(slices[3].name, "us");
    assert_bytes(slices[3].value, "-5");
    ward_log_text(WARD_LOG_ERROR, "cannot read", "file", "/etc/ward/\"x\"");
    check_line(logged(), 4);
    assert_bytes(slices[1].value, "\"error\"");
    assert_bytes(slices[3].value, "\"/etc/ward/\\\"x\\\"\"");
    const struct ward_log_field fields[] = {{"identity", "a"}, {"of", NULL}, {"of", "k#1"}};
    ward_log_fields(WARD_LOG_WARN, "ALARM", fields, 3);
    check_line(logged(), 5);
    assert_bytes(slices[3].value, "\"a\"");
    assert_bytes(slices[4].name, "of");
    assert_bytes(slices[4].value, "\"k#1\"");
    ward_status status = WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_PKCS11, 0x30);
    status.at = "session.c:7";
    ward_log_status(WARD_LOG_ERROR, "no token", status);
    check_line(logged(), 4);
    assert_bytes(slices[3].name, "status");
    assert_bytes(slices[3].value, "\"UNAVAILABLE at session.c:7 (pkcs11 0x30)\"");
}

static void nothing_in_a_text_can_break_the_line(void **state)
{
    (void)state;
    const char *texts[] = {"a\nb", "\x01\x1f", "\xff\xfe", "\xc3", "\"},{\"", "\\", "", "\r\n\r\n"};
    for (size_t i = 0; i < 8; i++) {
        ward_log_text(WARD_LOG_INFO, "what", "name", texts[i]);
        check_line(logged(), 4);
        ward_log_text(WARD_LOG_INFO, texts[i], texts[i][0] == '\0' ? "x" : texts[i], "text");
        check_line(logged(), 4);
    }
    ward_log_text(WARD_LOG_INFO, "what", "name", NULL);
    check_line(logged(), 4);
    ward_log(WARD_LOG_INFO, NULL);
    check_line(logged(), 3);
}

static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    static char text[5001];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof(text); i += 3) {
            memcpy(text + i, "\xe2\x82\xac", 3);
        }
        ward_log_text(WARD_LOG_INFO, text, text, text);
        struct ward_bytes line = logged();
        check_line(line, 4);
        assert_null(memchr(line.data, '?', line.size));
        assert_true(slices[3].value.size > 500 && slices[3].value.size <= 514);
    }
    memset(text, 1, sizeof(text) - 1); /* each becomes six */
    ward_log_text(WARD_LOG_INFO, text, text, text);
    check_line(logged(), 4);
}

static void levels_below_the_least_are_silent(void **state)
{
    (void)state;
    ward_log(WARD_LOG_DEBUG, "not by default");
    assert_int_equal(logged().size, 0);
    ward_log_level_set(WARD_LOG_ERROR);
    ward_log(WARD_LOG_WARN, "no");
    ward_log_number(WARD_LOG_WARN, "no", "n", 1);
    ward_log_text(WARD_LOG_INFO, "no", "n", "t");
    ward_log_status(WARD_LOG_INFO, "no", WARD_OK);
    assert_int_equal(logged().size, 0);
    ward_log_level_set(WARD_LOG_DEBUG);
    ward_log(WARD_LOG_DEBUG, "yes");
    check_line(logged(), 3);
    assert_bytes(slices[1].value, "\"debug\"");
    ward_log_level_set(WARD_LOG_INFO);
}

static void a_log_that_cannot_be_written_changes_nothing(void **state)
{
    (void)state;
    int nowhere = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(nowhere >= 0);
    assert_true(dup2(nowhere, STDERR_FILENO) >= 0);
    errno = 12345;
    ward_log(WARD_LOG_ERROR, "lost");
    int after = errno;
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    (void)close(nowhere);
    assert_int_equal(after, 12345);
    assert_int_equal(logged().size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_is_one_line_of_json, catch_stderr,
                                        give_back_stderr),
        cmocka_unit_test_setup_teardown(nothing_in_a_text_can_break_the_line, catch_stderr,
                                        give_back_stderr),
        cmocka_unit_test_setup_teardown(long_texts_are_cut_between_characters, catch_stderr,
                                        give_back_stderr),
        cmocka_unit_test_setup_teardown(levels_below_the_least_are_silent, catch_stderr,
                                        give_back_stderr),
        cmocka_unit_test_setup_teardown(a_log_that_cannot_be_written_changes_nothing, catch_stderr,
                                        give_back_stderr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
