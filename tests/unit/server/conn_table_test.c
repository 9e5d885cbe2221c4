/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of connections: found while they live, never found again after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/net/conn_table.h"

static void a_number_is_never_used_twice(void **state)
{
    (void)state;
    struct ward_conn_table table;
    ward_conn_table_init(&table);
    int conn = 0;
    uint64_t before = 0;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t id = 0;
        assert_true(ward_ok(ward_conn_table_add(&table, &conn, &id)));
        assert_true(id > before); /* grows, so it cannot come back */
        assert_ptr_equal(ward_conn_table_find(&table, id), &conn);
        assert_null(ward_conn_table_find(&table, before));
        ward_conn_table_remove(&table, id);
        assert_null(ward_conn_table_find(&table, id));
        before = id;
    }
    assert_int_equal(table.n_slots, 16); /* places are */
    ward_conn_table_fini(&table);
}

static void many_connections_stand_side_by_side(void **state)
{
    (void)state;
    struct ward_conn_table table;
    ward_conn_table_init(&table);
    static int conns[500];
    uint64_t ids[500];
    for (size_t i = 0; i < 500; i++) {
        assert_true(ward_ok(ward_conn_table_add(&table, &conns[i], &ids[i])));
    }
    for (size_t i = 0; i < 500; i += 2) {
        ward_conn_table_remove(&table, ids[i]);
        ward_conn_table_remove(&table, ids[i]); /* again: nothing happens */
    }
    assert_int_equal(table.used, 250);
    for (size_t i = 0; i < 500; i++) {
        assert_ptr_equal(ward_conn_table_find(&table, ids[i]), i % 2 == 0 ? NULL : &conns[i]);
    }
    uint32_t at = 0;
    size_t walked = 0;
    for (int *conn = ward_conn_table_next(&table, &at); conn != NULL;
         conn = ward_conn_table_next(&table, &at)) {
        assert_int_equal((conn - conns) % 2, 1);
        walked++;
    }
    assert_int_equal(walked, 250);
    ward_conn_table_fini(&table);
}

static void numbers_that_were_never_given_find_nothing(void **state)
{
    (void)state;
    struct ward_conn_table table;
    ward_conn_table_init(&table);
    const uint64_t ids[] = {0, 1, UINT64_MAX, 1u << 20};
    for (size_t i = 0; i < 4; i++) {
        assert_null(ward_conn_table_find(&table, ids[i]));
        ward_conn_table_remove(&table, ids[i]);
    }
    ward_conn_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_never_used_twice),
        cmocka_unit_test(many_connections_stand_side_by_side),
        cmocka_unit_test(numbers_that_were_never_given_find_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
