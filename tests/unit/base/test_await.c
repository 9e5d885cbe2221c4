/* SPDX-License-Identifier: Apache-2.0 */
/* A wait says what poll(2) says, and learns who answers late. No test here knows how long it took.
 */
#include "tests/unit/base/check.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/await.h"

static void pair_of(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

static void test_what_is_there(void **state)
{
    (void)state;
    int pair[2];
    pair_of(pair);
    struct ward_await await = {0};
    struct pollfd what = {.fd = pair[0], .events = POLLIN};
    assert_int_equal(ward_await(&await, &what, 0), 0);
    assert_int_equal(send(pair[1], "x", 1, 0), 1);
    assert_int_equal(ward_await(&await, &what, 0), 1);
    assert_int_equal(ward_await(&await, &what, -1), 1);
    assert_int_equal(ward_await(NULL, &what, -1), 1);
    assert_int_equal(what.revents, POLLIN);
    assert_int_equal(await.late, 0);
    (void)close(pair[1]);
    assert_int_equal(ward_await(&await, &what, -1), 1);
    assert_true((what.revents & POLLHUP) != 0);
    (void)close(pair[0]);
}

static void test_late_answers(void **state)
{
    (void)state;
    int pair[2];
    pair_of(pair);
    struct ward_await await = {0};
    struct pollfd what = {.fd = pair[0], .events = POLLIN};
    for (int i = 0; i < 200; i++) { /* nobody answers; bounded, however often it is late */
        assert_int_equal(ward_await(&await, &what, 1), 0);
        assert_true(await.late <= 63 && await.asleep <= await.late);
    }
    await = (struct ward_await){.late = 63, .asleep = 63};
    assert_int_equal(send(pair[1], "x", 1, 0), 1);
    for (int i = 0; i < 64; i++) { /* answers in time: awake again after 63 waits at the most */
        assert_int_equal(ward_await(&await, &what, -1), 1);
    }
    assert_int_equal(await.late, 0);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void test_many_answers(void **state)
{
    (void)state;
    int pair[2];
    pair_of(pair);
    struct ward_await await = {.many = true, .late = 3, .asleep = 2};
    struct pollfd what = {.fd = pair[0], .events = POLLIN};
    assert_int_equal(ward_await(&await, &what, 1), 0);
    assert_int_equal(send(pair[1], "x", 1, 0), 1);
    assert_int_equal(ward_await(&await, &what, -1), 1);
    assert_true(await.late == 3 && await.asleep == 2); /* they say nothing of a single one */
    (void)close(pair[0]);
    (void)close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_there),
        cmocka_unit_test(test_late_answers),
        cmocka_unit_test(test_many_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
