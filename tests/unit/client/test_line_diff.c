/* SPDX-License-Identifier: Apache-2.0 */
/* Which lines two texts share: what officers read before they sign another policy. */
#include "client/cli/line_diff.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/client/check.h"

#define MEMORY ((size_t)256 << 20)

static struct ward_arena *arena;

static int start(void **state)
{
    (void)state;
    return ward_ok(ward_arena_new(MEMORY, &arena)) ? 0 : 1;
}

static int stop(void **state)
{
    (void)state;
    ward_arena_free(arena);
    arena = NULL;
    return 0;
}

static size_t kept(const bool *lines, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += lines[i];
    }
    return sum;
}

/* Kept lines are the same on both sides, in order: the number of them. */
static size_t same(const struct line_diff *diff)
{
    size_t at = 0;
    for (size_t i = 0; i < diff->n_from; i++) {
        if (!diff->kept_from[i]) {
            continue;
        }
        while (at < diff->n_to && !diff->kept_to[at]) {
            at++;
        }
        assert_true(at < diff->n_to);
        assert_true(ward_bytes_eq(diff->from[i], diff->to[at]));
        at++;
    }
    assert_int_equal(kept(diff->kept_from, diff->n_from), kept(diff->kept_to, diff->n_to));
    return kept(diff->kept_from, diff->n_from);
}

static struct line_diff diff_of(struct ward_bytes from, struct ward_bytes to)
{
    struct line_diff diff;
    assert_ok(line_diff(from, to, arena, &diff));
    return diff;
}

/* The lines, each behind "-", "+" or " ", and a "|" after it. */
static void shows(const char *from, const char *to, const char *expected)
{
    struct line_diff diff = diff_of(ward_bytes_str(from), ward_bytes_str(to));
    char text[256] = "";
    size_t used = 0;
    for (size_t i = 0, j = 0; i < diff.n_from || j < diff.n_to;) {
        bool gone = i < diff.n_from && !diff.kept_from[i];
        bool come = !gone && j < diff.n_to && !diff.kept_to[j];
        const struct ward_bytes line = come ? diff.to[j] : diff.from[i];
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%c%.*s|",
                                 gone   ? '-'
                                 : come ? '+'
                                        : ' ',
                                 (int)line.size, (const char *)line.data);
        i += !come;
        j += !gone;
    }
    assert_string_equal(text, expected);
}

static void texts_that_are_empty_or_equal_differ_in_nothing(void **state)
{
    (void)state;
    shows("", "", "");
    shows("\n", "\n", " |");
    shows("a\nb\n", "a\nb\n", " a| b|");
    shows("a\nb", "a\nb\n", " a| b|"); /* the last line's end is no line */
    shows("", "a\nb\n", "+a|+b|");
    shows("a\nb\n", "", "-a|-b|");
    shows("", "\n", "+|");
}

static void what_came_and_went_is_shown_once(void **state)
{
    (void)state;
    shows("a\nb\nc\n", "a\nc\n", " a|-b| c|");
    shows("a\nc\n", "a\nb\nc\n", " a|+b| c|");
    shows("a\nb\nc\n", "a\nx\nc\n", " a|-b|+x| c|");
    shows("a\na\na\n", "a\na\n", " a| a|-a|");
    shows("x\na\nb\n", "a\nb\ny\n", "-x| a| b|+y|");
    shows("a\nb\n", "c\nd\n", "-a|-b|+c|+d|");
    shows("a\n\n\nb\n", "a\n\nb\n", " a| |-| b|");
    shows("a\r\nb\n", "a\nb\n", "-a\r|+a| b|");
}

/* The length of the longest common subsequence, the slow way. */
static size_t longest(const struct line_diff *diff)
{
    static size_t table[64][64];
    for (size_t i = 0; i <= diff->n_from; i++) {
        for (size_t j = 0; j <= diff->n_to; j++) {
            size_t up = i == 0 ? 0 : table[i - 1][j], left = j == 0 ? 0 : table[i][j - 1];
            table[i][j] = i == 0 || j == 0 ? 0
                          : ward_bytes_eq(diff->from[i - 1], diff->to[j - 1])
                              ? table[i - 1][j - 1] + 1
                          : up > left ? up
                                      : left;
        }
    }
    return table[diff->n_from][diff->n_to];
}

static void as_much_is_kept_as_can_be(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (unsigned round = 0; round < 2000; round++) {
        char texts[2][128];
        for (unsigned t = 0; t < 2; t++) {
            size_t used = 0;
            seed = seed * 1103515245 + 12345;
            for (unsigned n = (seed >> 16) % 40; n > 0; n--) {
                seed = seed * 1103515245 + 12345;
                texts[t][used++] = (char)('a' + (seed >> 16) % 4);
                texts[t][used++] = '\n';
            }
            texts[t][used] = 0;
        }
        struct line_diff diff = diff_of(ward_bytes_str(texts[0]), ward_bytes_str(texts[1]));
        assert_int_equal(same(&diff), longest(&diff));
    }
}

static void bytes_of_any_kind_are_lines(void **state)
{
    (void)state;
    uint8_t from[4096], to[4096];
    for (size_t i = 0; i < sizeof(from); i++) {
        from[i] = (uint8_t)(i * 7 + i / 256);
    }
    memcpy(to, from, sizeof(to));
    to[1000] ^= 0x80;
    struct line_diff diff = diff_of(WARD_BYTES_ARRAY(from), WARD_BYTES_ARRAY(to));
    assert_int_equal(diff.n_from, diff.n_to);
    assert_int_equal(same(&diff), diff.n_from - 1);
    const uint8_t zeros[] = {0, 0, '\n', 0, '\n'}, fewer[] = {0, '\n', 0, '\n'};
    diff = diff_of(WARD_BYTES_ARRAY(zeros), WARD_BYTES_ARRAY(fewer));
    assert_int_equal(diff.n_from, 2);
    assert_int_equal(same(&diff), 1); /* a NUL ends no line */
}

static void a_line_may_be_as_long_as_the_text(void **state)
{
    (void)state;
    enum { SIZE = 1u << 20 };
    uint8_t *from = malloc(SIZE), *to = malloc(SIZE);
    assert_true(from != NULL && to != NULL);
    memset(from, 'x', SIZE);
    memset(to, 'x', SIZE);
    to[SIZE - 1] = 'y';
    struct line_diff diff = diff_of(WARD_BYTES(from, SIZE), WARD_BYTES(to, SIZE));
    assert_int_equal(diff.n_from, 1);
    assert_int_equal(same(&diff), 0);
    memset(from, '\n', SIZE); /* and as short as nothing */
    memset(to, '\n', SIZE);
    diff = diff_of(WARD_BYTES(from, SIZE), WARD_BYTES(to, SIZE - 1000));
    assert_int_equal(same(&diff), SIZE - 1000);
    free(from);
    free(to);
}

/* Every n-th line is another one. */
static struct line_diff of_many(struct ward_buffer *from, struct ward_buffer *to, unsigned lines,
                                unsigned n)
{
    ward_buffer_init(from, 1u << 20);
    ward_buffer_init(to, 1u << 20);
    for (unsigned i = 0; i < lines; i++) {
        ward_buffer_printf(from, "line %u\n", i);
        ward_buffer_printf(to, i % n == 1 ? "other %u\n" : "line %u\n", i);
    }
    return diff_of(ward_buffer_view(from), ward_buffer_view(to));
}

static void too_many_differences_count_as_all_from_the_first_to_the_last(void **state)
{
    (void)state;
    struct ward_buffer from, to;
    struct line_diff diff = of_many(&from, &to, 9000, 10); /* 900 pairs are within */
    assert_int_equal(same(&diff), 9000 - 900);
    ward_buffer_fini(&from);
    ward_buffer_fini(&to);
    diff = of_many(&from, &to, 15000, 10); /* 1,500 pairs are not */
    assert_int_equal(same(&diff), 1 + 8);  /* before the first, behind the last */
    ward_buffer_fini(&from);
    ward_buffer_fini(&to);
}

static void without_memory_there_is_no_answer(void **state)
{
    (void)state;
    ward_auto(ward_arena_freep) struct ward_arena *small = NULL;
    struct line_diff diff;
    assert_ok(ward_arena_new(1024, &small));
    assert_int_equal(
        line_diff(WARD_BYTES_LITERAL("a\nb\n"), WARD_BYTES_LITERAL("b\nc\n"), small, &diff).code,
        WARD_E_EXHAUSTED);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(texts_that_are_empty_or_equal_differ_in_nothing),
        T(what_came_and_went_is_shown_once),
        T(as_much_is_kept_as_can_be),
        T(bytes_of_any_kind_are_lines),
        T(a_line_may_be_as_long_as_the_text),
        T(too_many_differences_count_as_all_from_the_first_to_the_last),
        T(without_memory_there_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
