/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka, with words for statuses, byte strings and hex. */
#ifndef WARD_TESTS_UNIT_BASE_CHECK_H
#define WARD_TESTS_UNIT_BASE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/status.h"

#define assert_ok(call) check_code_((call), WARD_E_OK, NULL, __FILE__, __LINE__)
#define assert_code(call, code) check_code_((call), (code), NULL, __FILE__, __LINE__)
/* INVALID with exactly this text for the caller. */
#define assert_refused(call, text) check_code_((call), WARD_E_INVALID, (text), __FILE__, __LINE__)

static inline void check_code_(ward_status status, enum ward_code code, const char *text,
                               const char *file, int line)
{
    if (status.code != code) {
        char buf[256];
        print_error("expected %s, got %s\n", ward_code_name(code),
                    ward_status_describe(status, buf, sizeof(buf)));
        _fail(file, line);
    }
    const char *refusal = ward_status_refusal(status);
    if (text != NULL && (refusal == NULL || strcmp(refusal, text) != 0)) {
        print_error("expected \"%s\", got \"%s\"\n", text, refusal == NULL ? "none" : refusal);
        _fail(file, line);
    }
}

#define assert_bytes(bytes, literal) \
    assert_true(ward_bytes_eq((bytes), WARD_BYTES_LITERAL(literal)))

static inline void check_hex_(const uint8_t *bytes, size_t size, const char *hex, const char *file,
                              int line)
{
    static char text[8192];
    if (2 * size + 1 > sizeof(text)) {
        _fail(file, line);
    }
    ward_hex_encode((struct ward_bytes){bytes, size}, text);
    if (strcmp(text, hex) != 0) {
        print_error("expected %s\n     got %s\n", hex, text);
        _fail(file, line);
    }
}
#define assert_hex(bytes, size, hex) check_hex_((bytes), (size), (hex), __FILE__, __LINE__)

/* A view of static memory that holds the bytes; `out` has room for them. */
static inline struct ward_bytes from_hex(const char *hex, uint8_t *out)
{
    size_t size = strlen(hex) / 2;
    if (!ward_hex_decode(hex, 2 * size, out, size)) {
        fail_msg("bad hex in a test: %s", hex);
    }
    return (struct ward_bytes){out, size};
}

static inline bool all_zero(const void *data, size_t size)
{
    const volatile uint8_t *p = data;
    uint8_t seen = 0;
    for (size_t i = 0; i < size; i++) {
        seen |= p[i];
    }
    return seen == 0;
}

#endif
