/* SPDX-License-Identifier: Apache-2.0 */
/* How fast the library seals and opens. Each object asks the daemon for its data key, as an
 * application's would; its plaintext comes from a small buffer and its output goes nowhere, so that
 * no disk and no memory bus is measured. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "client/cli/bench.h"

#define OBJECT ((size_t)64 << 20)
#define PIECE ((size_t)256 << 10)
#define SEALED_MAX (OBJECT + OBJECT / 1024 + 4096)

struct sink {
    uint8_t *keep; /* NULL: nowhere */
    size_t size;
};

static int take(void *context, const void *data, size_t size)
{
    struct sink *sink = context;
    if (sink->keep != NULL && size <= SEALED_MAX - sink->size) {
        memcpy(sink->keep + sink->size, data, size);
    }
    sink->size += size;
    return 0;
}

static double cpu_seconds(void)
{
    struct timespec used = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

/* One object of `size` bytes; from is read over and over when it is only a piece. */
static ward_rc run_one(struct cli *cli, const struct bench_in *in, bool opening,
                       struct ward_bytes from, size_t size, struct sink *to, ward_error *error)
{
    const ward_seal_options options = {
        .key = in->key, .context = in->context->pairs, .n_context = in->context->n};
    ward_stream *stream = NULL;
    ward_rc rc = (opening ? ward_stream_open : ward_stream_seal)(cli->client, NULL, &options, take,
                                                                 to, &stream, error);
    for (size_t at = 0; rc == WARD_RC_OK && at < size;) {
        size_t left = size - at, piece = left < PIECE ? left : PIECE;
        rc = ward_stream_update(stream, from.data + (from.size < size ? 0 : at), piece, error);
        at += piece;
    }
    if (rc == WARD_RC_OK) {
        rc = ward_stream_finish(stream, error);
    }
    ward_stream_free(stream);
    return rc;
}

static int measure(struct cli *cli, const struct bench_in *in, bool opening, struct ward_bytes from,
                   size_t size, struct bench_out *out)
{
    ward_error error;
    struct sink nowhere = {0};
    uint64_t done = 0;
    int64_t start = ward_monotonic_us(&ward_clock_system), now = start;
    double cpu = cpu_seconds();
    struct bench_jiffies before, after;
    bench_jiffies_read(&before);
    do {
        int64_t begun = now;
        if (run_one(cli, in, opening, from, size, &nowhere, &error) != WARD_RC_OK) {
            return cli_fail_call(opening ? "opening" : "sealing", &error);
        }
        now = ward_monotonic_us(&ward_clock_system);
        bench_histogram_add(&out->latencies, (uint64_t)(now - begun));
        done += OBJECT;
    } while (now - start < (int64_t)in->seconds * 1000000);
    cpu = cpu_seconds() - cpu;
    out->per_second = cpu > 0 ? (double)done / cpu : 0;
    bench_jiffies_read(&after);
    out->stolen_percent = bench_stolen_percent(&before, &after);
    return CLI_DONE;
}

static int no_memory(void)
{
    return cli_fail(CLI_FAILED, NULL, NULL, "there is no more memory");
}

int bench_seal(struct cli *cli, const struct bench_in *in, struct bench_out *out)
{
    uint8_t *piece = calloc(1, PIECE);
    int exit = piece == NULL ? no_memory()
                             : measure(cli, in, false, WARD_BYTES(piece, PIECE), OBJECT, out);
    free(piece);
    return exit;
}

int bench_open(struct cli *cli, const struct bench_in *in, struct bench_out *out)
{
    ward_error error;
    uint8_t *piece = calloc(1, PIECE);
    struct sink sealed = {.keep = malloc(SEALED_MAX)};
    int exit = CLI_DONE;
    if (piece == NULL || sealed.keep == NULL) {
        exit = no_memory();
    } else if (run_one(cli, in, false, WARD_BYTES(piece, PIECE), OBJECT, &sealed, &error) !=
               WARD_RC_OK) {
        exit = cli_fail_call("sealing", &error);
    } else {
        exit = measure(cli, in, true, WARD_BYTES(sealed.keep, sealed.size), sealed.size, out);
    }
    free(piece);
    free(sealed.keep);
    return exit;
}
