/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a target on every file of its corpus, then on some thousand changed copies of them: always
 * the same ones, so that a failure comes again. No substitute for a fuzzer; it keeps what one
 * found. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define INPUT_MAX (256u * 1024)
#define FILES_MAX 4096u
#define ROUNDS 1000u

struct input {
    uint8_t *data;
    size_t size;
};

static struct input inputs[FILES_MAX];
static size_t n_inputs;
static uint64_t seed = 0x9E3779B97F4A7C15u;

/* xorshift64*: repeatable, and nothing more. */
static size_t draw(size_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return below == 0 ? 0 : (size_t)(seed * 0x2545F4914F6CDD1Du >> 16) % below;
}

static void run(const uint8_t *data, size_t size)
{
    /* Exactly as large as the input, so that the sanitizer sees a byte read behind it. */
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    FUZZ_CHECK(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void load(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || n_inputs == FILES_MAX) {
        (void)fprintf(stderr, "replay: cannot take %s\n", path);
        abort();
    }
    struct input *input = &inputs[n_inputs++];
    input->data = malloc(INPUT_MAX);
    FUZZ_CHECK(input->data != NULL);
    input->size = fread(input->data, 1, INPUT_MAX, file);
    (void)fclose(file); /* only read from */
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_folder(const char *folder)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, NULL, by_name);
    for (int i = 0; i < n; i++) {
        char path[4096];
        int size = snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_type == DT_REG && size < (int)sizeof(path)) {
            load(path);
        }
        free(entries[i]);
    }
    free(entries);
}

/* One to four of: flip a bit, set a byte, cut, repeat a piece, take a piece of another input. */
static size_t change(uint8_t *data, size_t size)
{
    for (size_t changes = 1 + draw(4); changes > 0; changes--) {
        size_t at = draw(size);
        const struct input *other = &inputs[draw(n_inputs)];
        size_t from = draw(other->size), piece = draw(other->size - from + 1);
        switch (draw(5)) {
        case 0:
            data[at] ^= (uint8_t)(size == 0 ? 0 : 1u << draw(8));
            break;
        case 1:
            data[at] = size == 0 ? data[at] : (uint8_t)draw(256);
            break;
        case 2:
            size = at;
            break;
        default:
            piece = piece < INPUT_MAX - size ? piece : INPUT_MAX - size;
            memmove(data + at + piece, data + at, size - at);
            memcpy(data + at, other->data + from, piece);
            size += piece;
            break;
        }
    }
    return size;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        load_folder(argv[i]);
    }
    if (n_inputs == 0) {
        (void)fputs("replay: an empty corpus\n", stderr);
        return 1;
    }
    const char *asked = getenv("WARD_FUZZ_ROUNDS");
    size_t rounds = asked != NULL ? strtoul(asked, NULL, 10) : ROUNDS;
    uint8_t *changed = calloc(1, INPUT_MAX + 1);
    FUZZ_CHECK(changed != NULL);
    size_t runs = 0;
    run(changed, 0);
    for (size_t i = 0; i < n_inputs; i++, runs++) {
        run(inputs[i].data, inputs[i].size);
        for (size_t round = 0; round < rounds; round++, runs++) {
            memcpy(changed, inputs[i].data, inputs[i].size);
            run(changed, change(changed, inputs[i].size));
        }
    }
    (void)printf("%zu inputs, %zu runs\n", n_inputs, runs);
    for (size_t i = 0; i < n_inputs; i++) {
        free(inputs[i].data);
    }
    free(changed);
    return 0;
}
