/* SPDX-License-Identifier: Apache-2.0 */
/* A policy is loaded whole or not at all: every allocation of ours fails once, in turn. The linker
 * puts these functions before malloc's own. */
#include "policy_support.h"

#include <stdlib.h>

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);

static size_t until_failure; /* 0: none fails */

static bool fails_now(void)
{
    return until_failure > 0 && --until_failure == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
    return fails_now() ? NULL : __real_realloc(ptr, size);
}

static void the_nth_allocation_failing_leaves_nothing_behind(void **state)
{
    (void)state;
    static char text[65536];
    FILE *file = fopen(WARD_POLICY_FOLDER "/examples/hospital.yaml", "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text), file);
    (void)fclose(file);
    size_t failures = 0;
    for (size_t n = 1;; n++) {
        struct ward_policy *policy = NULL;
        struct ward_policy_error error;
        until_failure = n;
        ward_status status = ward_policy_parse(WARD_BYTES(text, size), &policy, &error);
        bool reached = until_failure == 0;
        until_failure = 0;
        if (!reached) {
            assert_true(ward_ok(status));
            ward_policy_unref(policy);
            break;
        }
        if (ward_ok(status)) {
            ward_policy_unref(policy); /* one that the library can do without */
            continue;
        }
        failures++;
        assert_null(policy);
        assert_int_equal(status.code, WARD_E_EXHAUSTED);
        assert_true(error.text[0] != '\0');
    }
    assert_true(failures > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nth_allocation_failing_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
