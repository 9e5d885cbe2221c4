/* SPDX-License-Identifier: Apache-2.0 */
/* That our own bugs stop the process is tested in a child, without a core file or cmocka's
 * handlers. */
#ifndef WARD_TESTS_UNIT_BASE_ABORT_H
#define WARD_TESTS_UNIT_BASE_ABORT_H

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/base/check.h"

static inline void assert_aborts(void (*act)(void))
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        act();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

#endif
