/* SPDX-License-Identifier: Apache-2.0 */
/* The vectors are read with jansson, not with our own JSON code, which is under test here. */
#include "tests/unit/proto/vectors.h"

#include <stdio.h>
#include <string.h>

static json_t *loaded[16];
static size_t n_loaded;

int arena_setup(void **state)
{
    struct ward_arena *arena = NULL;
    assert_ok(ward_arena_new((size_t)64 << 20, &arena));
    *state = arena;
    return 0;
}

int arena_teardown(void **state)
{
    ward_arena_free(*state);
    vectors_release();
    return 0;
}

json_t *vectors_load(const char *file)
{
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/%s", WARD_VECTORS, file); /* cut: the load below fails */
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (root == NULL) {
        fail_msg("%s:%d: %s", path, error.line, error.text);
    }
    assert_true(n_loaded < sizeof(loaded) / sizeof(loaded[0]));
    loaded[n_loaded++] = root;
    json_t *vectors = json_object_get(root, "vectors");
    assert_true(json_array_size(vectors) > 0);
    return vectors;
}

void vectors_release(void)
{
    while (n_loaded > 0) {
        json_decref(loaded[--n_loaded]);
    }
}

static struct ward_bytes decode_hex(struct ward_arena *arena, const char *hex)
{
    size_t size = strlen(hex) / 2;
    uint8_t *out = ward_arena_alloc(arena, size);
    assert_non_null(out);
    assert_true(ward_hex_decode(hex, strlen(hex), out, size));
    return WARD_BYTES(out, size);
}

struct ward_bytes text_of(struct ward_arena *arena, const json_t *value)
{
    if (json_is_object(value)) {
        return vector_hex(arena, value, "hex");
    }
    return value == NULL ? (struct ward_bytes){NULL, 0}
                         : WARD_BYTES(json_string_value(value), json_string_length(value));
}

struct ward_bytes vector_text(struct ward_arena *arena, const json_t *object, const char *name)
{
    return text_of(arena, json_object_get(object, name));
}

struct ward_bytes vector_hex(struct ward_arena *arena, const json_t *object, const char *name)
{
    const char *hex = vector_str(object, name);
    return hex == NULL ? (struct ward_bytes){NULL, 0} : decode_hex(arena, hex);
}

int64_t vector_int(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

const char *vector_str(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

void assert_ok(ward_status status)
{
    if (!ward_ok(status)) {
        char text[256];
        fail_msg("%s", ward_status_describe(status, text, sizeof(text)));
    }
}

void assert_code(ward_status status, enum ward_code code)
{
    if (status.code != code) {
        char text[256];
        fail_msg("%s, not %s", ward_status_describe(status, text, sizeof(text)),
                 ward_code_name(code));
    }
}

void assert_refusal(ward_status status, enum ward_code code, const char *text)
{
    assert_code(status, code);
    assert_non_null(ward_status_refusal(status));
    assert_string_equal(ward_status_refusal(status), text);
}

void assert_bytes(struct ward_bytes actual, struct ward_bytes expected)
{
    assert_int_equal(actual.size, expected.size);
    if (expected.size > 0) {
        assert_memory_equal(actual.data, expected.data, expected.size);
    }
}

void assert_text(struct ward_bytes actual, const char *expected)
{
    char text[65536];
    assert_true(actual.size < sizeof(text));
    if (actual.size > 0) {
        memcpy(text, actual.data, actual.size);
    }
    text[actual.size] = '\0';
    assert_string_equal(text, expected);
}
