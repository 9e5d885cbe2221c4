/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of proto/ share: reading the vectors of tests/vectors/, and assertions on
 * statuses. */
#ifndef WARD_TESTS_UNIT_PROTO_VECTORS_H
#define WARD_TESTS_UNIT_PROTO_VECTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buffer.h"
#include "base/wipe_alloc.h"

/* An arena for each test, in *state; used as setup and teardown. */
int arena_setup(void **state);
int arena_teardown(void **state);

/* The array of vectors in that file, which lives until vectors_release. */
json_t *vectors_load(const char *file);
void vectors_release(void);

/* Members of a vector. A text may also be {"hex": ...}; an absent member gives NULL data. */
struct ward_bytes vector_text(struct ward_arena *arena, const json_t *object, const char *name);
struct ward_bytes vector_hex(struct ward_arena *arena, const json_t *object, const char *name);
struct ward_bytes text_of(struct ward_arena *arena, const json_t *value);
int64_t vector_int(const json_t *object, const char *name);
/* As a C string, NULL when absent. */
const char *vector_str(const json_t *object, const char *name);

void assert_ok(ward_status status);
void assert_code(ward_status status, enum ward_code code);
/* The refusal with exactly this text. */
void assert_refusal(ward_status status, enum ward_code code, const char *text);
void assert_bytes(struct ward_bytes actual, struct ward_bytes expected);
void assert_text(struct ward_bytes actual, const char *expected);

#define TEST(name) cmocka_unit_test_setup_teardown(name, arena_setup, arena_teardown)

#endif
