/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says about the pages of secrets, and what happens when it gives none. Each limit
 * is set in a child, since a limit that was lowered stays. */
#include "tests/unit/base/check.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/id.h"
#include "base/locked.h"
#include "base/random.h"
#include "base/secret.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* The VmFlags line of the mapping that holds ptr. */
static bool read_flags(const void *ptr, char *flags, size_t size)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    char line[512];
    bool here = false, found = false;
    while (maps != NULL && !found && fgets(line, sizeof(line), maps) != NULL) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
            here = (uintptr_t)ptr >= start && (uintptr_t)ptr < end;
        } else if (here && strncmp(line, "VmFlags:", 8) == 0) {
            (void)snprintf(flags, size, "%s", line);
            found = true;
        }
    }
    if (maps != NULL) {
        (void)fclose(maps);
    }
    return found;
}

static void pages_are_locked_undumped_and_wiped_on_fork(void **state)
{
    (void)state;
    char flags[512];
    struct ward_secret *secret = NULL;
    assert_ok(ward_secret_zero(32, &secret));
    if (SANITIZED || !read_flags(secret, flags, sizeof(flags))) {
        ward_secret_free(secret);
        skip(); /* the sanitizers make mlock do nothing */
    }
    assert_non_null(strstr(flags, " lo")); /* locked */
    assert_non_null(strstr(flags, " dd")); /* not dumped */
    assert_non_null(strstr(flags, " wf")); /* wiped on fork */
    ward_secret_free(secret);
}

static void sizes_are_rounded_up_to_pages(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = 1;
    void *pages = NULL;
    assert_ok(ward_locked_map(&size, &pages));
    assert_int_equal(size, page);
    assert_true(all_zero(pages, size));
    ward_locked_unmap(pages, size);
    ward_locked_unmap(NULL, 0);
}

static void sizes_that_cannot_be_are_refused(void **state)
{
    (void)state;
    size_t size = 0;
    void *pages = NULL;
    assert_code(ward_locked_map(&size, &pages), WARD_E_INTERNAL);
    size = SIZE_MAX;
    assert_code(ward_locked_map(&size, &pages), WARD_E_INTERNAL);
    size = SIZE_MAX / 2;
    assert_code(ward_locked_map(&size, &pages), WARD_E_UNAVAILABLE);
    assert_null(pages);
}

/* Without the right to lock anything; root is bound by the limit only when it is not root. */
static int without_locks(void)
{
    struct rlimit none = {0, 0};
    struct ward_secret *secret = NULL;
    uint8_t a[32], b[32];
    if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && seteuid(65534) != 0)) {
        return 77;
    }
    ward_status status = ward_secret_pool_init(65536);
    if (status.code != WARD_E_UNAVAILABLE || status.domain != WARD_DOMAIN_ERRNO) {
        return 1;
    }
    if (ward_secret_zero(32, &secret).code != WARD_E_UNAVAILABLE || secret != NULL) {
        return 2;
    }
    /* Random bytes are still to be had, only slower. */
    if (!ward_ok(ward_random(a, 32)) || !ward_ok(ward_random(b, 32)) || memcmp(a, b, 32) == 0) {
        return 3;
    }
    if (!ward_ok(ward_random_private(a, 32)) || memcmp(a, b, 32) == 0) {
        return 4;
    }
    return ward_secret_pool_used() == 0 ? 0 : 5;
}

static void memory_that_cannot_be_locked_is_not_used(void **state)
{
    (void)state;
    int status = 0;
    pid_t child = SANITIZED ? 0 : fork();
    if (SANITIZED) {
        skip(); /* the sanitizers make mlock do nothing */
    }
    assert_true(child >= 0);
    if (child == 0) {
        _exit(without_locks());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        skip(); /* may not give up its rights here */
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_pool_is_made_at_first_use(void **state)
{
    (void)state;
    struct ward_secret *secret = NULL;
    assert_ok(ward_secret_zero(32, &secret));
    ward_secret_free(secret);
    assert_ok(ward_secret_pool_init(1 << 20));
    assert_code(ward_secret_pool_init((1 << 20) + 1), WARD_E_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_cannot_be_locked_is_not_used), /* first: before any pool */
        cmocka_unit_test(pages_are_locked_undumped_and_wiped_on_fork),
        cmocka_unit_test(sizes_are_rounded_up_to_pages),
        cmocka_unit_test(sizes_that_cannot_be_are_refused),
        cmocka_unit_test(a_pool_is_made_at_first_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
