/* SPDX-License-Identifier: Apache-2.0 */
/* Wiped memory and the arena. malloc, calloc and free of the library are wrapped by the linker: the
 * n-th allocation fails on demand, and what is given back is looked at before it is. */
#include "tests/unit/base/check.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/aead.h"
#include "base/buffer.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/secret.h"
#include "base/wipe_alloc.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void __real_free(void *ptr);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __wrap_free(void *ptr);

static size_t fail_at;     /* the allocation, counted from 1, that fails; 0 for none */
static size_t allocations; /* so far */
static bool look_at_free;
static size_t dirty_frees;

static bool fails(void)
{
    return ++allocations == fail_at;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void __wrap_free(void *ptr)
{
    if (look_at_free && ptr != NULL) {
        const volatile uint8_t *bytes = ptr;
        for (size_t i = 0; i < malloc_usable_size(ptr); i++) {
            if (bytes[i] == 0xA5) {
                dirty_frees++;
                break;
            }
        }
    }
    __real_free(ptr);
}

static int reset(void **state)
{
    (void)state;
    fail_at = allocations = dirty_frees = 0;
    look_at_free = false;
    return 0;
}

static void memory_comes_zeroed_and_aligned(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 15, 16, 17, 100, 1000, 1024, 5000, 200000};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 10; i++) {
            uint8_t *p = ward_wipe_malloc(sizes[i]);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 16, 0);
            assert_true(all_zero(p, sizes[i]));
            memset(p, 0xA5, sizes[i]);
            ward_wipe_free(p);
        }
    }
    ward_wipe_free(NULL);
}

static void sizes_that_overflow_give_nothing(void **state)
{
    (void)state;
    assert_null(ward_wipe_malloc(SIZE_MAX));
    assert_null(ward_wipe_malloc(SIZE_MAX - 15));
    assert_null(ward_wipe_malloc((size_t)PTRDIFF_MAX));
    assert_null(ward_wipe_calloc(SIZE_MAX / 2, 3));
    assert_null(ward_wipe_calloc((size_t)1 << 32, (size_t)1 << 32));
    uint8_t *p = ward_wipe_calloc(3, 5);
    assert_non_null(p);
    assert_true(all_zero(p, 15));
    assert_null(ward_wipe_realloc(p, SIZE_MAX));
    ward_wipe_free(p);
}

static void freed_memory_was_wiped_before(void **state)
{
    (void)state;
    look_at_free = true;
    for (size_t size = 1; size < 5000; size += 37) {
        uint8_t *p = ward_wipe_malloc(size);
        assert_non_null(p);
        memset(p, 0xA5, size);
        ward_wipe_free(p);
    }
    assert_int_equal(dirty_frees, 0);
}

static void realloc_keeps_what_was_there_and_wipes_what_it_leaves(void **state)
{
    (void)state;
    look_at_free = true;
    uint8_t *p = ward_wipe_realloc(NULL, 10);
    assert_non_null(p);
    memset(p, 0xA5, 10);
    for (size_t size = 11; size < 4000; size = size * 3 / 2 + 1) {
        p = ward_wipe_realloc(p, size);
        assert_non_null(p);
        assert_int_equal(p[0], 0xA5);
        assert_int_equal(p[9], 0xA5);
        assert_true(all_zero(p + 10, size - 10));
    }
    p = ward_wipe_realloc(p, 5);
    assert_non_null(p);
    assert_int_equal(p[4], 0xA5);
    p = ward_wipe_realloc(p, 100);
    assert_non_null(p);
    assert_int_equal(p[4], 0xA5);
    assert_true(all_zero(p + 5, 95));
    uint8_t *same = ward_wipe_realloc(p, 0);
    assert_non_null(same);
    ward_wipe_free(same);
    assert_int_equal(dirty_frees, 0);
}

static void a_failed_realloc_leaves_the_block_as_it_was(void **state)
{
    (void)state;
    uint8_t *p = ward_wipe_malloc(10);
    assert_non_null(p);
    p[9] = 7;
    fail_at = allocations + 1;
    assert_null(ward_wipe_realloc(p, 1000));
    assert_int_equal(p[9], 7);
    ward_wipe_free(p);
}

static void arena_pieces_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
        uint8_t *pieces[200];
        size_t sizes[200];
        assert_ok(ward_arena_new(1 << 20, &arena));
        for (size_t i = 0; i < 200; i++) {
            sizes[i] = (i * 37) % 3000 + (i % 2);
            pieces[i] = ward_arena_alloc(arena, sizes[i]);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % 16, 0);
            assert_true(all_zero(pieces[i], sizes[i]));
            memset(pieces[i], (int)i + 1, sizes[i]);
        }
        for (size_t i = 0; i < 200; i++) {
            for (size_t k = 0; k < sizes[i]; k++) {
                assert_int_equal(pieces[i][k], (uint8_t)(i + 1));
            }
        }
    }
}

static void arena_hands_out_its_budget_and_no_more(void **state)
{
    (void)state;
    struct ward_arena *arena = NULL;
    assert_ok(ward_arena_new(100, &arena));
    assert_non_null(ward_arena_alloc(arena, 90)); /* 96 with alignment */
    assert_int_equal(ward_arena_used(arena), 96);
    assert_null(ward_arena_alloc(arena, 5));
    assert_int_equal(ward_arena_used(arena), 96);
    ward_arena_free(arena);

    assert_ok(ward_arena_new(96, &arena));
    assert_non_null(ward_arena_alloc(arena, 1));
    assert_non_null(ward_arena_alloc(arena, 80));
    assert_null(ward_arena_alloc(arena, 1));
    assert_null(ward_arena_alloc(arena, 0));
    ward_arena_free(arena);

    assert_ok(ward_arena_new(100000, &arena));
    assert_null(ward_arena_alloc(arena, 100001));
    assert_non_null(ward_arena_alloc(arena, 99999));
    ward_arena_free(arena);

    assert_ok(ward_arena_new(0, &arena));
    assert_null(ward_arena_alloc(arena, 1));
    ward_arena_free(arena);
    ward_arena_free(NULL);
}

static void arena_refuses_sizes_that_overflow(void **state)
{
    (void)state;
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_bytes copy;
    uint8_t byte = 1;
    assert_ok(ward_arena_new(SIZE_MAX, &arena));
    assert_null(ward_arena_alloc(arena, SIZE_MAX));
    assert_null(ward_arena_alloc(arena, SIZE_MAX - 14));
    assert_null(WARD_ARENA_ARRAY(arena, uint64_t, SIZE_MAX / 8 + 1));
    assert_null(WARD_ARENA_ARRAY(arena, uint64_t, SIZE_MAX / 8));
    assert_code(ward_arena_copy(arena, WARD_BYTES(&byte, SIZE_MAX), &copy), WARD_E_EXHAUSTED);
    assert_int_equal(ward_arena_used(arena), 0);
    assert_non_null(WARD_ARENA_ARRAY(arena, uint64_t, 3));
    assert_non_null(WARD_ARENA_NEW(arena, struct ward_bytes));
}

static void arena_copies_end_in_a_nul_that_is_not_counted(void **state)
{
    (void)state;
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_bytes copy;
    assert_ok(ward_arena_new(64, &arena));
    assert_ok(ward_arena_copy(arena, WARD_BYTES_LITERAL("0123456789abcdef"), &copy));
    assert_bytes(copy, "0123456789abcdef");
    assert_int_equal(copy.data[16], 0);
    assert_int_equal(ward_arena_used(arena), 32);
    assert_ok(ward_arena_copy(arena, (struct ward_bytes){0}, &copy));
    assert_int_equal(copy.size, 0);
    assert_int_equal(copy.data[0], 0);
    assert_code(ward_arena_copy(arena, WARD_BYTES_LITERAL("0123456789abcdef"), &copy),
                WARD_E_EXHAUSTED);
}

static void arena_printf_prints_or_gives_nothing(void **state)
{
    (void)state;
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    assert_ok(ward_arena_new(32, &arena));
    char *text = ward_arena_printf(arena, "%s:%d", "key", 7);
    assert_non_null(text);
    assert_string_equal(text, "key:7");
    assert_null(ward_arena_printf(arena, "%s", "sixteen letters!"));
    assert_non_null(ward_arena_printf(arena, "%s", "fifteen letters"));
}

static void a_freed_arena_was_wiped_and_its_chunks_come_back_zero(void **state)
{
    (void)state;
    look_at_free = true;
    for (int round = 0; round < 300; round++) {
        struct ward_arena *arena = NULL;
        assert_ok(ward_arena_new(1 << 20, &arena));
        for (size_t i = 0; i < 40; i++) {
            uint8_t *piece = ward_arena_alloc(arena, 200 * i);
            assert_non_null(piece);
            assert_true(all_zero(piece, 200 * i));
            memset(piece, 0xA5, 200 * i);
        }
        ward_arena_free(arena);
    }
    struct ward_arena *many[300];
    for (size_t i = 0; i < 300; i++) { /* more chunks than are kept */
        assert_ok(ward_arena_new(4000, &many[i]));
        void *piece = ward_arena_alloc(many[i], 1000);
        assert_non_null(piece);
        memset(piece, 0xA5, 1000);
    }
    for (size_t i = 0; i < 300; i++) {
        ward_arena_free(many[i]);
    }
    assert_int_equal(dirty_frees, 0);
}

static ward_status use_arena(void)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_bytes copy;
    WARD_TRY(ward_arena_new(1 << 20, &arena));
    for (size_t i = 0; i < 10; i++) {
        size_t before = ward_arena_used(arena);
        if (ward_arena_alloc(arena, 900) == NULL) {
            assert_int_equal(ward_arena_used(arena), before);
            return WARD_STATUS(WARD_E_EXHAUSTED);
        }
    }
    WARD_ENSURE(ward_arena_printf(arena, "%01000d", 1) != NULL, WARD_E_EXHAUSTED);
    return ward_arena_copy(arena, WARD_BYTES(arena, 2), &copy);
}

static ward_status use_buffer(void)
{
    struct ward_buffer buffer;
    ward_buffer_init(&buffer, 10000);
    for (size_t i = 0; i < 1000; i++) {
        ward_buffer_add_u64(&buffer, i);
    }
    bool failed = buffer.failed;
    ward_buffer_fini(&buffer);
    return failed ? WARD_STATUS(WARD_E_EXHAUSTED) : WARD_OK;
}

static ward_status use_crypto(void)
{
    ward_auto(ward_aead_freep) struct ward_aead *aead = NULL;
    ward_auto(ward_digest_freep) struct ward_digest *digest = NULL;
    WARD_TRY(ward_aead_new(&aead));
    return ward_digest_new(&digest);
}

static ward_status use_json(void)
{
    static struct ward_json_slice slices[100];
    static char text[1000];
    size_t n = 0, size = 0;
    text[size++] = '{';
    for (int i = 0; i < 100; i++) {
        char name[] = {'"', (char)('0' + i / 10), (char)('0' + i % 10), '"', ':', '1', ','};
        memcpy(text + size, name, sizeof(name));
        size += sizeof(name);
    }
    text[size - 1] = '}';
    return ward_json_scan(WARD_BYTES(text, size), slices, 100, &n);
}

/* Fails each allocation in turn: the call says EXHAUSTED, leaks nothing and works the next time. */
static void check_every_allocation(ward_status (*use)(void))
{
    size_t before = allocations;
    assert_ok(use());
    size_t count = allocations - before;
    for (size_t n = 1; n <= count; n++) {
        fail_at = allocations + n;
        assert_code(use(), WARD_E_EXHAUSTED);
    }
    fail_at = 0;
    assert_ok(use());
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    check_every_allocation(use_arena);
    check_every_allocation(use_buffer);
    check_every_allocation(use_crypto);
    check_every_allocation(use_json);
}

static void *use_arena_in_thread(void *unused)
{
    (void)unused;
    return ward_ok(use_arena()) ? NULL : (void *)"no arena";
}

/* A leak checker sees whether the thread's spare chunks went with it. */
static void chunks_kept_by_a_thread_go_with_it(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        void *complaint = NULL;
        assert_int_equal(pthread_create(&thread, NULL, use_arena_in_thread, NULL), 0);
        assert_int_equal(pthread_join(thread, &complaint), 0);
        assert_null(complaint);
    }
}

static void *free_arenas(void *arenas)
{
    for (size_t i = 0; i < 20; i++) {
        ward_arena_free(((struct ward_arena **)arenas)[i]);
    }
    return NULL;
}

static void an_arena_moves_with_its_owner(void **state)
{
    (void)state;
    struct ward_arena *arenas[20];
    for (size_t i = 0; i < 20; i++) {
        assert_ok(ward_arena_new(10000, &arenas[i]));
        assert_non_null(ward_arena_alloc(arenas[i], 500));
    }
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, free_arenas, arenas), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_pool_without_memory_for_its_maps_is_unavailable(void **state)
{
    (void)state;
    struct ward_secret *secret = NULL;
    fail_at = allocations + 1;
    assert_code(ward_secret_pool_init(8192), WARD_E_UNAVAILABLE);
    fail_at = allocations + 1;
    assert_code(ward_secret_zero(32, &secret), WARD_E_UNAVAILABLE);
    assert_null(secret);
    fail_at = 0;
    assert_ok(ward_secret_pool_init(8192));
    assert_ok(ward_secret_zero(32, &secret));
    ward_secret_free(secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(memory_comes_zeroed_and_aligned, reset),
        cmocka_unit_test_setup(sizes_that_overflow_give_nothing, reset),
        cmocka_unit_test_setup(freed_memory_was_wiped_before, reset),
        cmocka_unit_test_setup(realloc_keeps_what_was_there_and_wipes_what_it_leaves, reset),
        cmocka_unit_test_setup(a_failed_realloc_leaves_the_block_as_it_was, reset),
        cmocka_unit_test_setup(arena_pieces_are_zeroed_aligned_and_apart, reset),
        cmocka_unit_test_setup(arena_hands_out_its_budget_and_no_more, reset),
        cmocka_unit_test_setup(arena_refuses_sizes_that_overflow, reset),
        cmocka_unit_test_setup(arena_copies_end_in_a_nul_that_is_not_counted, reset),
        cmocka_unit_test_setup(arena_printf_prints_or_gives_nothing, reset),
        cmocka_unit_test_setup(a_freed_arena_was_wiped_and_its_chunks_come_back_zero, reset),
        cmocka_unit_test_setup(every_failed_allocation_is_reported, reset),
        cmocka_unit_test_setup(chunks_kept_by_a_thread_go_with_it, reset),
        cmocka_unit_test_setup(an_arena_moves_with_its_owner, reset),
        cmocka_unit_test_setup(a_pool_without_memory_for_its_maps_is_unavailable, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
