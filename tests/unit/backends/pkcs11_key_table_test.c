/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backends/pkcs11/key_table.h"

/* Ids that all have one home, so that every removal shifts. */
static struct ward_ring_ref ref(uint32_t i, bool crowded)
{
    struct ward_ring_ref made = {.version = 1};
    ward_put_u32(made.id, i);
    if (!crowded) {
        ward_put_u32(made.id + 8, i * 2654435761u);
        made.version = i % 7;
    }
    return made;
}

static void put(struct ward_key_table *table, uint32_t i, bool crowded)
{
    struct ward_key_entry entry = {.ref = ref(i, crowded), .token = i + 1}, *at = NULL;
    assert_true(ward_ok(ward_key_table_put(table, &entry, &at)));
    assert_int_equal(at->token, i + 1);
}

static void check(struct ward_key_table *table, uint32_t i, bool crowded, bool there)
{
    struct ward_ring_ref wanted = ref(i, crowded);
    struct ward_key_entry *found = ward_key_table_get(table, &wanted);
    assert_int_equal(found != NULL, there);
    if (there) {
        assert_int_equal(found->token, i + 1);
    }
}

static void try_table(uint32_t n, bool crowded)
{
    struct ward_key_table table = {0};
    for (uint32_t i = 0; i < n; i++) {
        put(&table, i, crowded);
        put(&table, i, crowded); /* in place of itself */
    }
    assert_int_equal(table.size, n);
    for (uint32_t step = 0; step < 3; step++) {
        for (uint32_t i = step; i < n; i += 3) {
            struct ward_ring_ref gone = ref(i, crowded);
            ward_key_table_remove(&table, &gone);
            ward_key_table_remove(&table, &gone);
        }
        for (uint32_t i = 0; i < n; i++) {
            check(&table, i, crowded, i % 3 > step);
        }
    }
    assert_int_equal(table.size, 0);
    ward_key_table_fini(&table);
}

static void what_was_put_is_found_until_it_is_removed(void **state)
{
    (void)state;
    try_table(20000, false);
}

static void crowded_table_keeps_all_reachable(void **state)
{
    (void)state;
    try_table(300, true);
}

static void empty_table_has_nothing(void **state)
{
    (void)state;
    struct ward_key_table table = {0};
    struct ward_ring_ref any = ref(1, false);
    assert_null(ward_key_table_get(&table, &any));
    ward_key_table_remove(&table, &any);
    ward_key_table_fini(&table);
}

static void version_is_part_of_the_reference(void **state)
{
    (void)state;
    struct ward_key_table table = {0};
    struct ward_key_entry entry = {.ref = {.version = 1}}, *at = NULL;
    struct ward_ring_ref next = {.version = 2};
    assert_true(ward_ok(ward_key_table_put(&table, &entry, &at)));
    assert_null(ward_key_table_get(&table, &next));
    ward_key_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_until_it_is_removed),
        cmocka_unit_test(crowded_table_keeps_all_reachable),
        cmocka_unit_test(empty_table_has_nothing),
        cmocka_unit_test(version_is_part_of_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
