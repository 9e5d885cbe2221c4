/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as a server could send them that is not ours: results are made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/postgres/reads.h"
#include "backends/postgres/row.h"

static PGresult *result_of(int columns)
{
    static char name[] = "c";
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc descs[12] = {0};
    for (int i = 0; i < columns; i++) {
        descs[i] = (PGresAttDesc){.name = name, .format = 1};
    }
    assert_int_equal(PQsetResultAttrs(result, columns, descs), 1);
    return result;
}

static void set(PGresult *result, int row, int column, const void *bytes, int size)
{
    static char nothing[1];
    assert_int_equal(
        PQsetvalue(result, row, column, size <= 0 ? nothing : (char *)(uintptr_t)bytes, size), 1);
}

static void set_u64(PGresult *result, int row, int column, uint64_t v)
{
    uint8_t bytes[8];
    ward_put_u64(bytes, v);
    set(result, row, column, bytes, 8);
}

static void set_u32(PGresult *result, int row, int column, uint32_t v)
{
    uint8_t bytes[4];
    ward_put_u32(bytes, v);
    set(result, row, column, bytes, 4);
}

static void values_are_read_as_the_server_writes_them(void **state)
{
    ward_auto(ward_pg_clearp) PGresult *result = result_of(3);
    (void)state;
    set_u64(result, 0, 0, 5);
    set_u32(result, 0, 1, 6);
    set(result, 0, 2, "abc", 3);
    struct ward_pg_row row = {.result = result};
    assert_int_equal(ward_pg_u64(&row, 0), 5);
    assert_int_equal(ward_pg_u32(&row, 1), 6);
    assert_true(ward_bytes_eq(ward_pg_view(&row, 2), ward_bytes_str("abc")));
    assert_true(ward_ok(ward_pg_row_status(&row)));
}

static void a_value_of_another_size_fails_the_row(void **state)
{
    ward_auto(ward_pg_clearp) PGresult *result = result_of(1);
    (void)state;
    set(result, 0, 0, "abc", 3);
    for (int i = 0; i < 7; i++) {
        struct ward_pg_row row = {.result = result};
        uint8_t hash[32];
        switch (i) {
        case 0:
            (void)ward_pg_u64(&row, 0);
            break;
        case 1:
            (void)ward_pg_u32(&row, 0);
            break;
        case 2:
            (void)ward_pg_i16(&row, 0);
            break;
        case 3:
            (void)ward_pg_id(&row, 0);
            break;
        case 4:
            ward_pg_hash(&row, 0, hash);
            break;
        case 5:
            (void)ward_pg_bool(&row, 0);
            break;
        default:
            (void)ward_pg_view(&row, 1); /* no such column */
            break;
        }
        assert_int_equal(ward_pg_row_status(&row).code, WARD_E_INTERNAL);
    }
}

static void a_null_fails_the_row(void **state)
{
    ward_auto(ward_pg_clearp) PGresult *result = result_of(1);
    (void)state;
    set(result, 0, 0, NULL, -1);
    struct ward_pg_row row = {.result = result};
    assert_true(ward_pg_is_null(&row, 0));
    (void)ward_pg_view(&row, 0);
    assert_int_equal(ward_pg_row_status(&row).code, WARD_E_INTERNAL);
}

static void negative_numbers_are_no_counts(void **state)
{
    ward_auto(ward_pg_clearp) PGresult *result = result_of(2);
    (void)state;
    set_u32(result, 0, 0, UINT32_MAX);
    set_u64(result, 0, 1, UINT64_MAX);
    struct ward_pg_row a = {.result = result}, b = {.result = result};
    (void)ward_pg_u32(&a, 0);
    (void)ward_pg_u64(&b, 1);
    assert_int_equal(ward_pg_row_status(&a).code, WARD_E_INTERNAL);
    assert_int_equal(ward_pg_row_status(&b).code, WARD_E_INTERNAL);
    b.failed = false;
    assert_int_equal(ward_pg_i64(&b, 1), -1);
}

static ward_status take(struct ward_read *read, const PGresult *result, struct ward_arena *arena)
{
    struct ward_read *reads[] = {read};
    const struct ward_pg_query query = {.kind = read->kind, .reads = reads, .n = 1};
    read->arena = arena;
    return ward_pg_query_take(&query, result);
}

static void a_row_for_a_read_that_nobody_asked_is_refused(void **state)
{
    static const uint64_t ordinals[] = {0, 2, UINT64_MAX};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    (void)state;
    assert_true(ward_ok(ward_arena_new(4096, &arena)));
    for (size_t i = 0; i < 3; i++) {
        ward_auto(ward_pg_clearp) PGresult *result = result_of(2);
        set_u64(result, 0, 0, ordinals[i]);
        set_u32(result, 0, 1, 1);
        struct ward_read read = {.kind = WARD_READ_RECORD_VERSION};
        assert_int_equal(take(&read, result, arena).code, WARD_E_INTERNAL);
    }
}

/* Rows of (first, count, leaves). */
static void set_batch(PGresult *result, int row, uint64_t first, uint32_t count, const char *leaves,
                      int size)
{
    set_u64(result, row, 0, first);
    set_u32(result, row, 1, count);
    set(result, row, 2, leaves, size);
}

static ward_status take_audit(const PGresult *result, uint64_t start, uint64_t end, size_t *ret_n,
                              ward_status *ret_status)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    assert_true(ward_ok(ward_arena_new(4096, &arena)));
    struct ward_read read = {.kind = WARD_READ_AUDIT,
                             .audit = {.start = start, .end = end, .max_bytes = 1000}};
    ward_status status = take(&read, result, arena);
    *ret_n = read.audit.n;
    *ret_status = read.status;
    return status;
}

static void leaves_that_do_not_add_up_are_refused(void **state)
{
    static const struct {
        uint32_t count;
        const char *leaves;
        int size;
    } cases[] = {
        {1, "\0", 1},          /* not even a size */
        {1, "\0\3ab", 4},      /* a leaf that is cut */
        {2, "\0\2ab", 4},      /* fewer than said */
        {1, "\0\2ab\0\1c", 7}, /* more than said */
        {1, "\377\377ab", 4},  /* far beyond the end */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ward_auto(ward_pg_clearp) PGresult *alone = result_of(3);
        ward_auto(ward_pg_clearp) PGresult *second = result_of(3);
        size_t n;
        ward_status read;
        set_batch(alone, 0, 0, cases[i].count, cases[i].leaves, cases[i].size);
        assert_int_equal(take_audit(alone, 0, 50, &n, &read).code, WARD_E_INTERNAL);
        assert_int_equal(n, 0);
        set_batch(second, 0, 0, 1, "\0\1a", 3);
        set_batch(second, 1, 1, cases[i].count, cases[i].leaves, cases[i].size);
        assert_true(ward_ok(take_audit(second, 0, 50, &n, &read)));
        assert_int_equal(n, 1); /* the page ends before it */
    }
}

static void a_gap_ends_the_page_before_it(void **state)
{
    ward_auto(ward_pg_clearp) PGresult *result = result_of(3);
    size_t n;
    ward_status read;
    (void)state;
    set_batch(result, 0, 10, 2, "\0\1a\0\1b", 6);
    set_batch(result, 1, 13, 1, "\0\1d", 3); /* 12 is not there */
    assert_true(ward_ok(take_audit(result, 10, 20, &n, &read)));
    assert_true(ward_ok(read));
    assert_int_equal(n, 2);
    assert_true(ward_ok(take_audit(result, 12, 20, &n, &read)));
    assert_int_equal(read.code, WARD_E_NOT_FOUND);
    assert_int_equal(n, 0);
    assert_true(ward_ok(take_audit(result, 5, 20, &n, &read)));
    assert_int_equal(read.code, WARD_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_as_the_server_writes_them),
        cmocka_unit_test(a_value_of_another_size_fails_the_row),
        cmocka_unit_test(a_null_fails_the_row),
        cmocka_unit_test(negative_numbers_are_no_counts),
        cmocka_unit_test(a_row_for_a_read_that_nobody_asked_is_refused),
        cmocka_unit_test(leaves_that_do_not_add_up_are_refused),
        cmocka_unit_test(a_gap_ends_the_page_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
