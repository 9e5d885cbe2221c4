/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded queue between two stages. */
#include <time.h>

#include "server/work/queue.h"
#include "tests/unit/base/check.h"

#define ITEMS 1000

struct item {
    struct ward_link link;
    unsigned number;
};

static struct item items[ITEMS];

static struct ward_list list_of(size_t from, size_t n)
{
    struct ward_list list = {0};
    for (size_t i = from; i < from + n; i++) {
        items[i].number = (unsigned)i;
        ward_list_push(&list, &items[i].link);
    }
    return list;
}

static unsigned next(struct ward_list *list)
{
    struct ward_link *link = ward_list_pop(list);
    assert_non_null(link);
    return WARD_CONTAINER(link, struct item, link)->number;
}

static void items_leave_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    struct ward_queue queue;
    struct ward_list in = list_of(0, 10), more = list_of(10, 5), out = {0};
    ward_queue_init(&queue, 100);
    ward_queue_push(&queue, &in, false);
    ward_queue_push(&queue, &more, false);
    assert_int_equal(in.size, 0);
    assert_int_equal(ward_queue_size(&queue), 15);
    assert_true(ward_queue_pop(&queue, 4, &out));
    assert_int_equal(out.size, 4);
    ward_queue_poll(&queue, 100, &out);
    assert_int_equal(out.size, 15);
    for (unsigned i = 0; i < 15; i++) {
        assert_int_equal(next(&out), i);
    }
    ward_queue_fini(&queue);
}

static void what_does_not_fit_stays_with_the_caller_in_order(void **state)
{
    (void)state;
    struct ward_queue queue;
    struct ward_list in = list_of(0, 10), out = {0};
    ward_queue_init(&queue, 7);
    ward_queue_push(&queue, &in, false);
    assert_int_equal(in.size, 3);
    assert_int_equal(next(&in), 7);
    ward_queue_push(&queue, &in, false);
    assert_int_equal(in.size, 2);
    ward_queue_push(&queue, &in, true);
    assert_int_equal(in.size, 0);
    assert_int_equal(ward_queue_size(&queue), 9);
    ward_queue_poll(&queue, 9, &out);
    ward_queue_fini(&queue);
}

static void an_empty_push_is_nothing(void **state)
{
    (void)state;
    struct ward_queue queue;
    struct ward_list none = {0}, out = {0};
    ward_queue_init(&queue, 1);
    ward_queue_push(&queue, &none, true);
    ward_queue_poll(&queue, 5, &out);
    assert_int_equal(out.size, 0);
    ward_queue_fini(&queue);
}

static void a_closed_queue_takes_nothing_and_drains(void **state)
{
    (void)state;
    struct ward_queue queue;
    struct ward_list in = list_of(0, 3), late = list_of(3, 2), out = {0};
    ward_queue_init(&queue, 100);
    ward_queue_push(&queue, &in, false);
    ward_queue_close(&queue);
    ward_queue_push(&queue, &late, true);
    assert_int_equal(late.size, 2);
    assert_true(ward_queue_pop(&queue, 2, &out));
    assert_true(ward_queue_pop(&queue, 2, &out));
    assert_int_equal(out.size, 3);
    assert_false(ward_queue_pop(&queue, 2, &out));
    assert_int_equal(out.size, 3);
    ward_queue_fini(&queue);
}

static uint32_t ten(const struct ward_link *link)
{
    (void)link;
    return 10;
}

static void a_spare_joins_when_enough_waits(void **state)
{
    (void)state;
    struct ward_queue queue;
    struct ward_list in = list_of(0, 10), out = {0};
    ward_queue_init(&queue, 100);
    queue.weigh = ten;
    ward_queue_push(&queue, &in, false);
    assert_int_equal(queue.weight, 100);
    ward_queue_spare_from(&queue, 100);
    assert_true(ward_queue_pop_spare(&queue, 4, &out));
    assert_int_equal(out.size, 4);
    assert_int_equal(queue.weight, 60);
    assert_true(ward_queue_pop(&queue, 100, &out));
    assert_int_equal(queue.weight, 0);
    ward_queue_fini(&queue);
}

/* Whoever ought to take it does not come: with a device that hangs. */
static void a_spare_takes_what_nobody_else_takes(void **state)
{
    (void)state;
    struct ward_queue queue;
    struct ward_list in = list_of(0, 3), out = {0};
    ward_queue_init(&queue, 100);
    ward_queue_push(&queue, &in, false);
    assert_true(ward_queue_pop_spare(&queue, 100, &out));
    assert_int_equal(out.size, 3);
    ward_queue_close(&queue);
    assert_false(ward_queue_pop_spare(&queue, 100, &out));
    ward_queue_fini(&queue);
}

struct consumer {
    struct ward_queue *queue;
    unsigned long sum, n;
};

static void *consume_spare(void *argument)
{
    struct consumer *consumer = argument;
    struct ward_list out = {0};
    while (ward_queue_pop_spare(consumer->queue, 7, &out)) {
        while (out.size > 0) {
            consumer->sum += next(&out);
            consumer->n++;
        }
    }
    return NULL;
}

static void *consume(void *argument)
{
    struct consumer *consumer = argument;
    struct ward_list out = {0};
    while (ward_queue_pop(consumer->queue, 7, &out)) {
        while (out.size > 0) {
            consumer->sum += next(&out);
            consumer->n++;
        }
    }
    return NULL;
}

static void every_item_reaches_one_of_a_worker_and_two_spares(void **state)
{
    (void)state;
    struct ward_queue queue;
    pthread_t threads[3];
    struct consumer consumers[3];
    ward_queue_init(&queue, ITEMS);
    for (size_t i = 0; i < 3; i++) {
        consumers[i] = (struct consumer){.queue = &queue};
        assert_int_equal(
            pthread_create(&threads[i], NULL, i == 0 ? consume : consume_spare, &consumers[i]), 0);
    }
    for (size_t i = 0; i < ITEMS; i += 20) {
        struct ward_list in = list_of(i, 20);
        ward_queue_push(&queue, &in, false);
        if (i % 200 == 0) {
            const struct timespec pause = {.tv_nsec = 1000000};
            (void)nanosleep(&pause, NULL);
        }
    }
    ward_queue_close(&queue);
    unsigned long n = 0, sum = 0;
    for (size_t i = 0; i < 3; i++) {
        (void)pthread_join(threads[i], NULL);
        n += consumers[i].n;
        sum += consumers[i].sum;
    }
    assert_int_equal(n, ITEMS);
    assert_int_equal(sum, (unsigned long)ITEMS * (ITEMS - 1) / 2);
    ward_queue_fini(&queue);
}

static void *pop_once(void *argument)
{
    struct consumer *consumer = argument;
    struct ward_list out = {0};
    bool more = consumer->n == 0 ? ward_queue_pop(consumer->queue, 7, &out)
                                 : ward_queue_pop_spare(consumer->queue, 7, &out);
    consumer->sum = more && out.size == 0;
    return NULL;
}

static void a_kick_wakes_every_sleeper_with_nothing(void **state)
{
    (void)state;
    struct ward_queue queue;
    pthread_t threads[3];
    struct consumer consumers[3];
    ward_queue_init(&queue, ITEMS);
    for (size_t i = 0; i < 3; i++) {
        consumers[i] = (struct consumer){.queue = &queue, .n = i};
        assert_int_equal(pthread_create(&threads[i], NULL, pop_once, &consumers[i]), 0);
    }
    for (bool all = false; !all;) {
        const struct timespec pause = {.tv_nsec = 1000000};
        (void)nanosleep(&pause, NULL);
        (void)pthread_mutex_lock(&queue.lock);
        all = queue.sleepers == 1 && queue.spares == 2;
        (void)pthread_mutex_unlock(&queue.lock);
    }
    ward_queue_kick(&queue);
    for (size_t i = 0; i < 3; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(consumers[i].sum, 1);
    }
    ward_queue_fini(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_leave_in_the_order_in_which_they_came),
        cmocka_unit_test(what_does_not_fit_stays_with_the_caller_in_order),
        cmocka_unit_test(an_empty_push_is_nothing),
        cmocka_unit_test(a_closed_queue_takes_nothing_and_drains),
        cmocka_unit_test(every_item_reaches_one_of_a_worker_and_two_spares),
        cmocka_unit_test(a_spare_joins_when_enough_waits),
        cmocka_unit_test(a_spare_takes_what_nobody_else_takes),
        cmocka_unit_test(a_kick_wakes_every_sleeper_with_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
