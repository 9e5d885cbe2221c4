/* SPDX-License-Identifier: Apache-2.0 */
/* The shared memory itself: what it allows, and what the helper refuses to map. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "backends/pkcs11/ring.h"

/* The sanitizers make mlock do nothing. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LOCKS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LOCKS 0
#endif
#endif
#ifndef LOCKS
#define LOCKS 1
#endif

static void new_ring_is_sealed_and_seen_by_both_sides(void **state)
{
    (void)state;
    struct ward_ring *ours = NULL, *theirs = NULL;
    int fd = -1;
    assert_true(ward_ok(ward_ring_new(&ours, &fd)));
    assert_int_not_equal(ftruncate(fd, 4096), 0);
    assert_int_not_equal(ftruncate(fd, sizeof(*ours) * 2), 0);
    assert_int_not_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true(ward_ok(ward_ring_map(fd, &theirs)));
    ours->data[WARD_RING_DATA - 1] = 7;
    assert_int_equal(theirs->data[WARD_RING_DATA - 1], 7);
    ward_ring_unmap(ours); /* wipes */
    assert_int_equal(theirs->data[WARD_RING_DATA - 1], 0);
    assert_int_equal(theirs->magic, 0);
    ward_ring_unmap(theirs);
    ward_ring_unmap(NULL);
    assert_int_equal(close(fd), 0);
}

static void memory_that_is_not_our_ring_is_refused(void **state)
{
    (void)state;
    struct ward_ring *ring = NULL;
    struct {
        size_t size;
        int seals;
    } cases[] = {
        {4096, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL},
        {sizeof(*ring), 0},
        {sizeof(*ring), F_SEAL_SHRINK | F_SEAL_GROW},
        {sizeof(*ring), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL}}; /* without the magic */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, (off_t)cases[i].size), 0);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, cases[i].seals), 0);
        assert_int_equal(ward_ring_map(fd, &ring).code, WARD_E_INTERNAL);
        assert_int_equal(close(fd), 0);
    }
    assert_int_equal(ward_ring_map(-1, &ring).code, WARD_E_UNAVAILABLE);
    assert_null(ring);
}

static void doorbell_wakes_times_out_and_tells_of_a_hang_up(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(ward_ring_wait(pair[0], NULL, 10).code, WARD_E_DEADLINE);
    assert_true(ward_ok(ward_ring_wake(pair[1])));
    assert_true(ward_ok(ward_ring_wait(pair[0], NULL, 10)));
    assert_int_equal(ward_ring_wait(pair[0], NULL, 10).code, WARD_E_DEADLINE);
    assert_int_equal(close(pair[1]), 0);
    assert_int_equal(ward_ring_wait(pair[0], NULL, 10).code, WARD_E_UNAVAILABLE);
    assert_int_equal(ward_ring_wake(pair[0]).code, WARD_E_UNAVAILABLE);
    assert_int_equal(close(pair[0]), 0);
}

static void ring_is_left_out_of_cores_and_forks_and_is_locked(void **state)
{
    (void)state;
    struct ward_ring *ring = NULL;
    int fd = -1;
    char line[512];
    bool inside = false, found = false;
    assert_true(ward_ok(ward_ring_new(&ring, &fd)));
    FILE *maps = fopen("/proc/self/smaps", "re");
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            inside = from <= (unsigned long)ring && (unsigned long)ring < to;
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            found = true;
            assert_non_null(strstr(line, " dd"));
            assert_non_null(strstr(line, " dc"));
            assert_true(!LOCKS || strstr(line, " lo") != NULL);
        }
    }
    assert_int_equal(fclose(maps), 0);
    assert_true(found);
    ward_ring_unmap(ring);
    assert_int_equal(close(fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_ring_is_sealed_and_seen_by_both_sides),
        cmocka_unit_test(memory_that_is_not_our_ring_is_refused),
        cmocka_unit_test(doorbell_wakes_times_out_and_tells_of_a_hang_up),
        cmocka_unit_test(ring_is_left_out_of_cores_and_forks_and_is_locked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
