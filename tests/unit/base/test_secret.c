/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets: what is freed is zero, a full pool refuses, a forked child inherits nothing, and several
 * threads share one pool. The pool here is small so that it fills. */
#include "tests/unit/base/abort.h"
#include "tests/unit/base/check.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/id.h"
#include "base/secret.h"

#define POOL_SIZE (256 * 1024)

static int set_up(void **state)
{
    (void)state;
    return ward_ok(ward_secret_pool_init(POOL_SIZE - 1)) ? 0 : -1;
}

static struct ward_secret *make(const char *text)
{
    struct ward_secret *secret = NULL;
    assert_ok(ward_secret_new(ward_bytes_str(text), &secret));
    return secret;
}

static void a_secret_holds_what_it_was_made_from(void **state)
{
    (void)state;
    struct ward_secret *secret = make("0123456789abcdef0123456789abcdef");
    assert_bytes(ward_secret_view(secret), "0123456789abcdef0123456789abcdef");
    assert_true(ward_secret_pool_used() > 0);
    ward_secret_free(secret);
    ward_secret_free(NULL);
    assert_int_equal(ward_secret_pool_used(), 0);
}

static void every_size_has_room_of_its_own(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 31, 32, 48, 49, 64, 100, 1000, 4096, 65535, 65536};
    struct ward_secret *secrets[11];
    for (size_t i = 0; i < 11; i++) {
        assert_ok(ward_secret_zero(sizes[i], &secrets[i]));
        struct ward_bytes view = ward_secret_view(secrets[i]);
        assert_int_equal(view.size, sizes[i]);
        assert_true(all_zero(view.data, view.size));
        assert_int_equal((uintptr_t)view.data % 16, 0);
        memset(ward_secret_fill(secrets[i]), (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < 11; i++) {
        struct ward_bytes view = ward_secret_view(secrets[i]);
        for (size_t k = 0; k < view.size; k++) {
            assert_int_equal(view.data[k], i + 1);
        }
        ward_secret_free(secrets[i]);
    }
    assert_int_equal(ward_secret_pool_used(), 0);
}

static void sizes_out_of_range_are_refused(void **state)
{
    (void)state;
    struct ward_secret *secret = NULL;
    uint8_t byte = 1;
    assert_code(ward_secret_zero(0, &secret), WARD_E_INVALID);
    assert_code(ward_secret_zero(65537, &secret), WARD_E_INVALID);
    assert_code(ward_secret_zero(SIZE_MAX, &secret), WARD_E_INVALID);
    assert_code(ward_secret_random(0, &secret), WARD_E_INVALID);
    assert_code(ward_secret_random(65537, &secret), WARD_E_INVALID);
    assert_code(ward_secret_new((struct ward_bytes){0}, &secret), WARD_E_INVALID);
    assert_code(ward_secret_new(WARD_BYTES(&byte, SIZE_MAX), &secret), WARD_E_INVALID);
    assert_null(secret);
    assert_int_equal(ward_secret_pool_used(), 0);
}

static void a_freed_secret_is_zero_with_its_size(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 32, 100, 5000, 65536};
    for (size_t i = 0; i < 5; i++) {
        struct ward_secret *secret = NULL;
        assert_ok(ward_secret_zero(sizes[i], &secret));
        uint8_t *bytes = ward_secret_fill(secret);
        memset(bytes, 0xAA, sizes[i]);
        const uint8_t *block = (const uint8_t *)secret;
        ward_secret_free(secret);
        assert_true(all_zero(block, (size_t)(bytes - block) + sizes[i]));
    }
}

static void equality_looks_at_size_and_every_byte(void **state)
{
    (void)state;
    struct ward_secret *a = make("same"), *b = make("same"), *c = make("samf"), *d = make("sames");
    assert_true(ward_secret_eq(a, b));
    assert_false(ward_secret_eq(a, c));
    assert_false(ward_secret_eq(a, d));
    ward_secret_free(a);
    ward_secret_free(b);
    ward_secret_free(c);
    ward_secret_freep(&d);
}

static void a_full_pool_refuses_until_something_is_freed(void **state)
{
    (void)state;
    static struct ward_secret *secrets[POOL_SIZE / 64];
    size_t n = 0;
    ward_status status = WARD_OK;
    while (n < POOL_SIZE / 64 && ward_ok(status)) {
        status = ward_secret_random(32, &secrets[n]);
        n += ward_ok(status) ? 1 : 0;
    }
    assert_code(status, WARD_E_EXHAUSTED);
    assert_true(n >= POOL_SIZE / 64 - 1);
    struct ward_secret *more = NULL;
    assert_code(ward_secret_new(WARD_BYTES_LITERAL("x"), &more), WARD_E_EXHAUSTED);
    assert_null(more);
    ward_secret_free(secrets[n / 2]);
    assert_ok(ward_secret_zero(32, &secrets[n / 2]));
    assert_true(all_zero(ward_secret_view(secrets[n / 2]).data, 32));
    assert_code(ward_secret_zero(1, &more), WARD_E_EXHAUSTED);

    /* Every second one free: plenty of room, but none for what needs two in a row. */
    for (size_t i = 1; i < n; i += 2) {
        ward_secret_free(secrets[i]);
    }
    assert_code(ward_secret_zero(100, &more), WARD_E_EXHAUSTED);
    assert_ok(ward_secret_zero(48, &more));
    ward_secret_free(more);
    for (size_t i = 0; i < n; i += 2) {
        ward_secret_free(secrets[i]);
    }
    assert_int_equal(ward_secret_pool_used(), 0);
    assert_ok(ward_secret_zero(65536, &more));
    ward_secret_free(more);
}

static void freed_room_joins_again_whatever_the_order(void **state)
{
    (void)state;
    struct ward_secret *secrets[64];
    uint32_t seed = 12345;
    size_t expected = 0;
    memset(secrets, 0, sizeof(secrets));
    for (size_t step = 0; step < 20000; step++) {
        seed = seed * 1664525 + 1013904223;
        size_t at = seed >> 26, size = 1 + (seed >> 8) % 2000;
        if (secrets[at] != NULL) {
            struct ward_bytes view = ward_secret_view(secrets[at]);
            assert_int_equal(view.data[0], at);
            assert_int_equal(view.data[view.size - 1], at);
            expected -= (view.size + 16 + 63) / 64 * 64;
            ward_secret_free(secrets[at]);
            secrets[at] = NULL;
        } else {
            assert_ok(ward_secret_zero(size, &secrets[at]));
            assert_true(all_zero(ward_secret_view(secrets[at]).data, size));
            memset(ward_secret_fill(secrets[at]), (int)at, size);
            expected += (size + 16 + 63) / 64 * 64;
        }
        assert_int_equal(ward_secret_pool_used(), expected);
    }
    for (size_t i = 0; i < 64; i++) {
        ward_secret_free(secrets[i]);
    }
    assert_int_equal(ward_secret_pool_used(), 0);
}

static void random_secrets_differ_at_every_size(void **state)
{
    (void)state;
    const size_t sizes[] = {16, 32, 100, 1000, 1023, 1024, 4096, 65536};
    for (size_t i = 0; i < 8; i++) {
        struct ward_secret *a = NULL, *b = NULL;
        assert_ok(ward_secret_random(sizes[i], &a));
        assert_ok(ward_secret_random(sizes[i], &b));
        assert_int_equal(ward_secret_view(a).size, sizes[i]);
        assert_false(ward_secret_eq(a, b));
        assert_false(all_zero(ward_secret_view(a).data + sizes[i] - 16, 16));
        ward_secret_free(a);
        ward_secret_free(b);
    }
}

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

static void no_random_bytes_are_handed_out_twice(void **state)
{
    (void)state;
    static uint8_t seen[4000][16];
    for (size_t i = 0; i < 4000; i += 2) {
        struct ward_secret *secret = NULL;
        assert_ok(ward_secret_random(16, &secret));
        memcpy(seen[i], ward_secret_view(secret).data, 16);
        ward_secret_free(secret);
        assert_ok(ward_random(seen[i + 1], 16));
    }
    qsort(seen, 4000, 16, compare_hashes);
    for (size_t i = 1; i < 4000; i++) {
        assert_memory_not_equal(seen[i - 1], seen[i], 16);
    }
}

/* What the child found wrong, as its exit status. */
static int look_as_child(struct ward_secret *inherited, int pipe_end)
{
    uint8_t drawn[32];
    struct ward_secret *fresh = NULL;
    if (ward_secret_view(inherited).size != 0 || !all_zero(inherited, 48)) {
        return 1;
    }
    if (!ward_ok(ward_secret_random(16, &fresh)) || !ward_ok(ward_random(drawn + 16, 16))) {
        return 2;
    }
    memcpy(drawn, ward_secret_view(fresh).data, 16);
    if (write(pipe_end, drawn, sizeof(drawn)) != sizeof(drawn)) {
        return 3;
    }
    ward_secret_free(inherited);
    ward_secret_free(fresh);
    return ward_secret_pool_used() == 0 ? 0 : 4;
}

static void a_forked_child_inherits_no_secret_and_no_random_bytes(void **state)
{
    (void)state;
    uint8_t mine[32], childs[2][32];
    int ends[2];
    struct ward_secret *secret = NULL, *fresh = NULL;
    assert_ok(ward_secret_random(32, &secret)); /* also: both blocks have unspent bytes */
    assert_ok(ward_random(mine, 16));
    assert_int_equal(pipe(ends), 0);
    for (size_t i = 0; i < 2; i++) {
        int status = 0;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            _exit(look_as_child(secret, ends[1]));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_int_equal(read(ends[0], childs[i], 32), 32);
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_ok(ward_secret_random(16, &fresh));
    memcpy(mine, ward_secret_view(fresh).data, 16);
    assert_ok(ward_random(mine + 16, 16));
    for (size_t half = 0; half < 32; half += 16) {
        assert_memory_not_equal(childs[0] + half, childs[1] + half, 16);
        assert_memory_not_equal(childs[0] + half, mine + half, 16);
        assert_memory_not_equal(childs[1] + half, mine + half, 16);
    }
    assert_int_equal(ward_secret_view(secret).size, 32);
    assert_false(all_zero(ward_secret_view(secret).data, 32));
    ward_secret_free(secret);
    ward_secret_free(fresh);
}

static void free_twice(void)
{
    struct ward_secret *secret = NULL;
    if (ward_ok(ward_secret_zero(32, &secret))) {
        struct ward_secret *same = secret;
        ward_secret_free(secret);
        ward_secret_free(same);
    }
}

static void free_the_middle(void)
{
    struct ward_secret *secret = NULL;
    if (ward_ok(ward_secret_zero(1000, &secret))) {
        ward_secret_free((struct ward_secret *)(void *)((uint8_t *)secret + 128));
    }
}

static void free_a_stranger(void)
{
    _Alignas(64) uint8_t stranger[64] = {0};
    ward_secret_free((struct ward_secret *)(void *)stranger);
}

static void freeing_what_is_no_secret_stops_the_process(void **state)
{
    (void)state;
    assert_aborts(free_twice);
    assert_aborts(free_the_middle);
    assert_aborts(free_a_stranger);
}

static void write_past_the_pool(void)
{
    struct ward_secret *secret = NULL;
    if (ward_ok(ward_secret_zero(1, &secret))) {
        volatile uint8_t *p = ward_secret_fill(secret);
        for (size_t i = 0; i < 2 * POOL_SIZE; i++) {
            p[i] = 1;
        }
    }
}

static void the_pool_ends_in_a_guard_page(void **state)
{
    (void)state;
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        (void)close(STDERR_FILENO);
        write_past_the_pool();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define THREADS 4
#define ROUNDS 20000

static void *churn(void *mark)
{
    for (size_t i = 0; i < ROUNDS; i++) {
        struct ward_secret *kept = NULL, *drawn = NULL;
        size_t size = 1 + i % 200;
        if (!ward_ok(ward_secret_zero(size, &kept)) || !ward_ok(ward_secret_random(32, &drawn))) {
            return (void *)"no secret";
        }
        memset(ward_secret_fill(kept), *(const char *)mark, size);
        struct ward_bytes view = ward_secret_view(kept);
        if (view.size != size || view.data[0] != *(const uint8_t *)mark ||
            view.data[size - 1] != *(const uint8_t *)mark ||
            all_zero(ward_secret_view(drawn).data, 32)) {
            return (void *)"another thread's bytes";
        }
        ward_secret_free(drawn);
        ward_secret_free(kept);
    }
    return NULL;
}

static void threads_share_the_pool(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    char marks[THREADS] = {'a', 'b', 'c', 'd'};
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, churn, &marks[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *complaint = NULL;
        assert_int_equal(pthread_join(threads[i], &complaint), 0);
        assert_null(complaint);
    }
    assert_int_equal(ward_secret_pool_used(), 0);
}

static void a_pool_that_exists_cannot_grow(void **state)
{
    (void)state;
    assert_ok(ward_secret_pool_init(POOL_SIZE));
    assert_ok(ward_secret_pool_init(1));
    assert_code(ward_secret_pool_init(POOL_SIZE + 1), WARD_E_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_holds_what_it_was_made_from),
        cmocka_unit_test(every_size_has_room_of_its_own),
        cmocka_unit_test(sizes_out_of_range_are_refused),
        cmocka_unit_test(a_freed_secret_is_zero_with_its_size),
        cmocka_unit_test(equality_looks_at_size_and_every_byte),
        cmocka_unit_test(a_full_pool_refuses_until_something_is_freed),
        cmocka_unit_test(freed_room_joins_again_whatever_the_order),
        cmocka_unit_test(random_secrets_differ_at_every_size),
        cmocka_unit_test(no_random_bytes_are_handed_out_twice),
        cmocka_unit_test(a_forked_child_inherits_no_secret_and_no_random_bytes),
        cmocka_unit_test(freeing_what_is_no_secret_stops_the_process),
        cmocka_unit_test(the_pool_ends_in_a_guard_page),
        cmocka_unit_test(threads_share_the_pool),
        cmocka_unit_test(a_pool_that_exists_cannot_grow),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
