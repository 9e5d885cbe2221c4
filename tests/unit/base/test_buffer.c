/* SPDX-License-Identifier: Apache-2.0 */
/* The growing buffer, the cursor that reads what it wrote, and the list. */
#include "tests/unit/base/abort.h"
#include "tests/unit/base/check.h"

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/list.h"

static void buffer_holds_what_was_added_in_order(void **state)
{
    (void)state;
    struct ward_buffer buffer;
    ward_buffer_init(&buffer, 1000);
    ward_buffer_add_u8(&buffer, 1);
    ward_buffer_add_u16(&buffer, 0x0203);
    ward_buffer_add_u32(&buffer, 0x04050607);
    ward_buffer_add_u64(&buffer, 0x08090a0b0c0d0e0f);
    ward_buffer_add(&buffer, WARD_BYTES_LITERAL("ab"));
    ward_buffer_add(&buffer, (struct ward_bytes){0});
    ward_buffer_printf(&buffer, "%d-%s", 42, "x");
    assert_false(buffer.failed);
    assert_hex(buffer.data, buffer.size, "0102030405060708090a0b0c0d0e0f616234322d78");
    ward_buffer_fini(&buffer);
    assert_null(buffer.data);
}

static void buffer_takes_its_maximum_to_the_byte_and_no_more(void **state)
{
    (void)state;
    for (size_t max = 0; max < 600; max += 7) {
        struct ward_buffer buffer;
        ward_buffer_init(&buffer, max);
        for (size_t i = 0; i < max; i++) {
            ward_buffer_add_u8(&buffer, (uint8_t)i);
        }
        assert_false(buffer.failed);
        assert_int_equal(buffer.size, max);
        ward_buffer_add_u8(&buffer, 1);
        assert_true(buffer.failed);
        assert_int_equal(buffer.size, max);
        ward_buffer_fini(&buffer);
    }
}

static void a_failed_buffer_takes_nothing_more(void **state)
{
    (void)state;
    struct ward_buffer buffer;
    ward_buffer_init(&buffer, 4);
    ward_buffer_add_u8(&buffer, 1);
    ward_buffer_add_u32(&buffer, 1);
    assert_true(buffer.failed);
    ward_buffer_add_u8(&buffer, 1);
    ward_buffer_add(&buffer, WARD_BYTES_LITERAL("x"));
    ward_buffer_printf(&buffer, "y");
    assert_null(ward_buffer_reserve(&buffer, 1));
    assert_int_equal(buffer.size, 1);
    ward_buffer_reset(&buffer);
    ward_buffer_add_u32(&buffer, 1);
    assert_false(buffer.failed);
    ward_buffer_fini(&buffer);
}

static void printf_fills_the_last_byte_and_refuses_one_more(void **state)
{
    (void)state;
    struct ward_buffer buffer;
    ward_buffer_init(&buffer, 5);
    ward_buffer_printf(&buffer, "%s", "12345");
    assert_false(buffer.failed);
    assert_bytes(ward_buffer_view(&buffer), "12345");
    ward_buffer_reset(&buffer);
    ward_buffer_printf(&buffer, "%s", "123456");
    assert_true(buffer.failed);
    assert_int_equal(buffer.size, 0);
    ward_buffer_fini(&buffer);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    struct ward_buffer buffer;
    ward_buffer_init(&buffer, SIZE_MAX);
    ward_buffer_add_u8(&buffer, 1);
    assert_null(ward_buffer_reserve(&buffer, SIZE_MAX));
    assert_true(buffer.failed);
    ward_buffer_fini(&buffer);
    ward_buffer_init(&buffer, SIZE_MAX);
    assert_null(ward_buffer_reserve(&buffer, SIZE_MAX));
    ward_buffer_fini(&buffer);
    ward_buffer_init(&buffer, SIZE_MAX);
    assert_null(ward_buffer_reserve(&buffer, SIZE_MAX - 1));
    ward_buffer_fini(&buffer);
}

static void reserved_room_is_written_in_place(void **state)
{
    (void)state;
    struct ward_buffer buffer;
    ward_buffer_init(&buffer, 10000);
    uint8_t *room = ward_buffer_reserve(&buffer, 5000);
    assert_non_null(room);
    assert_int_equal(buffer.size, 0);
    memset(room, 7, 5000);
    buffer.size += 5000;
    assert_ptr_equal(ward_buffer_reserve(&buffer, 0), buffer.data + 5000);
    assert_int_equal(buffer.data[4999], 7);
    ward_buffer_fini(&buffer);
}

static void consumed_and_reset_bytes_are_wiped(void **state)
{
    (void)state;
    struct ward_buffer buffer;
    ward_buffer_init(&buffer, 100);
    ward_buffer_add(&buffer, WARD_BYTES_LITERAL("secretpublic"));
    ward_buffer_consume(&buffer, 0);
    ward_buffer_consume(&buffer, 6);
    assert_bytes(ward_buffer_view(&buffer), "public");
    assert_true(all_zero(buffer.data + 6, 6));
    ward_buffer_consume(&buffer, 6);
    assert_int_equal(buffer.size, 0);
    ward_buffer_add(&buffer, WARD_BYTES_LITERAL("again"));
    uint8_t *data = buffer.data;
    ward_buffer_reset(&buffer);
    assert_ptr_equal(buffer.data, data);
    assert_true(all_zero(data, 12));
    ward_buffer_fini(&buffer);
}

static void consume_too_much(void)
{
    struct ward_buffer buffer;
    ward_buffer_init(&buffer, 100);
    ward_buffer_add_u8(&buffer, 1);
    ward_buffer_consume(&buffer, 2);
}

static void consuming_more_than_there_is_stops_the_process(void **state)
{
    (void)state;
    assert_aborts(consume_too_much);
}

static void cursor_reads_what_a_buffer_wrote(void **state)
{
    (void)state;
    struct ward_buffer buffer;
    ward_buffer_init(&buffer, 100);
    ward_buffer_add_u8(&buffer, 1);
    ward_buffer_add_u16(&buffer, 0x0203);
    ward_buffer_add_u32(&buffer, 0x04050607);
    ward_buffer_add_u64(&buffer, 0x08090a0b0c0d0e0f);
    ward_buffer_add(&buffer, WARD_BYTES_LITERAL("rest"));
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, ward_buffer_view(&buffer));
    assert_int_equal(ward_cursor_u8(&cursor), 1);
    assert_int_equal(ward_cursor_u16(&cursor), 0x0203);
    assert_int_equal(ward_cursor_u32(&cursor), 0x04050607);
    assert_true(ward_cursor_u64(&cursor) == 0x08090a0b0c0d0e0f);
    assert_false(ward_cursor_done(&cursor));
    assert_int_equal(ward_cursor_left(&cursor), 4);
    assert_bytes(ward_cursor_take(&cursor, 4), "rest");
    assert_int_equal(ward_cursor_take(&cursor, 0).size, 0);
    assert_true(ward_cursor_done(&cursor));
    ward_buffer_fini(&buffer);
}

static void cursor_fails_one_byte_short_and_stays_failed(void **state)
{
    (void)state;
    uint8_t bytes[7] = {1, 2, 3, 4, 5, 6, 7};
    for (size_t size = 0; size < 8; size++) {
        struct ward_cursor cursor;
        ward_cursor_init(&cursor, WARD_BYTES(bytes, size));
        (void)ward_cursor_take(&cursor, size > 4 ? size - 1 : 0); /* leaves less than is asked */
        size_t left = ward_cursor_left(&cursor);
        uint64_t v = left < 1   ? ward_cursor_u8(&cursor)
                     : left < 2 ? ward_cursor_u16(&cursor)
                     : left < 4 ? ward_cursor_u32(&cursor)
                                : ward_cursor_u64(&cursor);
        assert_true(v == 0);
        assert_true(cursor.failed);
        assert_false(ward_cursor_done(&cursor));
        assert_int_equal(ward_cursor_left(&cursor), 0);
        assert_int_equal(ward_cursor_u8(&cursor), 0);
        assert_int_equal(ward_cursor_take(&cursor, 0).size, 0);
        assert_true(cursor.failed);
    }
}

static void cursor_refuses_sizes_that_would_wrap(void **state)
{
    (void)state;
    uint8_t bytes[4] = {0};
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, WARD_BYTES_ARRAY(bytes));
    struct ward_bytes taken = ward_cursor_take(&cursor, SIZE_MAX);
    assert_true(cursor.failed && taken.size == 0 && taken.data == NULL);
}

static void cursor_over_nothing_is_done_at_once(void **state)
{
    (void)state;
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, (struct ward_bytes){0});
    assert_true(ward_cursor_done(&cursor));
    assert_int_equal(ward_cursor_take(&cursor, 0).size, 0);
    assert_true(ward_cursor_done(&cursor));
    assert_int_equal(ward_cursor_u16(&cursor), 0);
    assert_false(ward_cursor_done(&cursor));
}

struct item {
    int number;
    struct ward_link link;
};

static void list_gives_back_in_order_and_splices(void **state)
{
    (void)state;
    struct item items[6];
    struct ward_list a = {0}, b = {0}, empty = {0};
    for (int i = 0; i < 6; i++) {
        items[i].number = i;
        ward_list_push(i < 3 ? &a : &b, &items[i].link);
    }
    ward_list_splice(&a, &empty);
    ward_list_splice(&a, &b);
    assert_int_equal(a.size, 6);
    assert_int_equal(b.size, 0);
    assert_null(ward_list_pop(&b));
    ward_list_splice(&b, &a);
    for (int i = 0; i < 6; i++) {
        struct ward_link *link = ward_list_pop(&b);
        assert_non_null(link);
        assert_int_equal(WARD_CONTAINER(link, struct item, link)->number, i);
        assert_null(link->next);
    }
    assert_null(ward_list_pop(&b));
    assert_true(b.head == NULL && b.tail == NULL && b.size == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_holds_what_was_added_in_order),
        cmocka_unit_test(buffer_takes_its_maximum_to_the_byte_and_no_more),
        cmocka_unit_test(a_failed_buffer_takes_nothing_more),
        cmocka_unit_test(printf_fills_the_last_byte_and_refuses_one_more),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(reserved_room_is_written_in_place),
        cmocka_unit_test(consumed_and_reset_bytes_are_wiped),
        cmocka_unit_test(consuming_more_than_there_is_stops_the_process),
        cmocka_unit_test(cursor_reads_what_a_buffer_wrote),
        cmocka_unit_test(cursor_fails_one_byte_short_and_stays_failed),
        cmocka_unit_test(cursor_refuses_sizes_that_would_wrap),
        cmocka_unit_test(cursor_over_nothing_is_done_at_once),
        cmocka_unit_test(list_gives_back_in_order_and_splices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
