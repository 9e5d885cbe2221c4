/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/postgres/params.h"

static int setup(void **state)
{
    static struct ward_pg_params params;
    ward_pg_params_init(&params);
    *state = &params;
    return 0;
}

static int teardown(void **state)
{
    ward_pg_params_fini(*state);
    return 0;
}

static void assert_param(const struct ward_pg_params *p, int i, const char *bytes, size_t size)
{
    assert_false(p->failed);
    assert_true(i < p->n);
    assert_int_equal(p->size[i], size);
    assert_memory_equal(p->data.data + p->at[i], bytes, size);
}

static void numbers_are_big_endian(void **state)
{
    struct ward_pg_params *p = *state;
    ward_pg_add_bool(p, true);
    ward_pg_add_i16(p, -2);
    ward_pg_add_u32(p, 0x01020304);
    ward_pg_add_u64(p, 0x0102030405060708);
    ward_pg_add_i64(p, -1);
    ward_pg_add_bytes(p, ward_bytes_str("abc"));
    ward_pg_add_bytes(p, (struct ward_bytes){0});
    assert_param(p, 0, "\1", 1);
    assert_param(p, 1, "\xff\xfe", 2);
    assert_param(p, 2, "\1\2\3\4", 4);
    assert_param(p, 3, "\1\2\3\4\5\6\7\10", 8);
    assert_param(p, 4, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    assert_param(p, 5, "abc", 3);
    assert_param(p, 6, "", 0);
}

static void arrays_have_the_servers_header(void **state)
{
    struct ward_pg_params *p = *state;
    ward_pg_array_begin(p, WARD_PG_BYTEA, 2);
    ward_pg_array_bytes(p, ward_bytes_str("ab"));
    ward_pg_array_bytes(p, (struct ward_bytes){0});
    ward_pg_array_end(p);
    ward_pg_array_begin(p, WARD_PG_INT4, 1);
    ward_pg_array_u32(p, 7);
    ward_pg_array_end(p);
    ward_pg_array_begin(p, WARD_PG_INT8, 0);
    ward_pg_array_end(p);
    ward_pg_array_begin(p, WARD_PG_TID, 1);
    ward_pg_array_place(p, 0x010203040506);
    ward_pg_array_end(p);
    assert_param(p, 3,
                 "\0\0\0\1"
                 "\0\0\0\0"
                 "\0\0\0\x1b"
                 "\0\0\0\1"
                 "\0\0\0\1"
                 "\0\0\0\6"
                 "\1\2\3\4\5\6",
                 30);
    assert_param(p, 0,
                 "\0\0\0\1"
                 "\0\0\0\0"
                 "\0\0\0\x11"
                 "\0\0\0\2"
                 "\0\0\0\1"
                 "\0\0\0\2"
                 "ab"
                 "\0\0\0\0",
                 30);
    assert_param(p, 1,
                 "\0\0\0\1"
                 "\0\0\0\0"
                 "\0\0\0\x17"
                 "\0\0\0\1"
                 "\0\0\0\1"
                 "\0\0\0\4"
                 "\0\0\0\7",
                 28);
    assert_param(p, 2,
                 "\0\0\0\0"
                 "\0\0\0\0"
                 "\0\0\0\x14",
                 12);
}

static void numbers_that_the_server_cannot_hold_fail(void **state)
{
    struct ward_pg_params *p = *state;
    ward_pg_add_u32(p, INT32_MAX);
    ward_pg_add_u64(p, INT64_MAX);
    assert_false(p->failed);
    ward_pg_add_u32(p, (uint32_t)INT32_MAX + 1);
    assert_true(p->failed);
    ward_pg_params_reset(p);
    assert_false(p->failed);
    ward_pg_add_u64(p, (uint64_t)INT64_MAX + 1);
    assert_true(p->failed);
    ward_pg_params_reset(p);
    ward_pg_array_begin(p, WARD_PG_INT4, 1);
    ward_pg_array_u32(p, UINT32_MAX);
    ward_pg_array_end(p);
    assert_true(p->failed);
    ward_pg_params_reset(p);
    ward_pg_array_begin(p, WARD_PG_TID, 1);
    ward_pg_array_place(p, 1ull << 48);
    ward_pg_array_end(p);
    assert_true(p->failed);
}

static void more_parameters_than_there_is_room_for_fail(void **state)
{
    struct ward_pg_params *p = *state;
    for (int i = 0; i < WARD_PG_PARAMS_MAX; i++) {
        ward_pg_add_bool(p, false);
    }
    assert_false(p->failed);
    ward_pg_add_bool(p, false);
    assert_true(p->failed);
    assert_int_equal(p->n, WARD_PG_PARAMS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_are_big_endian, setup, teardown),
        cmocka_unit_test_setup_teardown(arrays_have_the_servers_header, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_that_the_server_cannot_hold_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(more_parameters_than_there_is_room_for_fail, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
