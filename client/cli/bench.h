/* SPDX-License-Identifier: Apache-2.0 */
/* A load generator on one thread: C connections with M calls in flight on each. Messages are
 * encoded before the clock runs, since the generator shares the machine with what it measures. */
#ifndef WARD_CLIENT_CLI_BENCH_H
#define WARD_CLIENT_CLI_BENCH_H

#include "client/cli/bench_stolen.h"
#include "client/cli/cli.h"
#include "client/transport.h"

/* Latencies in microseconds, 0 to 2^31, to within 3 %: 32 steps in each doubling. */
#define BENCH_HISTOGRAM_SIZE (32 * 28)
struct bench_histogram {
    uint64_t counts[BENCH_HISTOGRAM_SIZE], n;
};
void bench_histogram_add(struct bench_histogram *histogram, uint64_t us);
/* The latency under which the share of calls lies, share 0 to 1; 0 without calls. */
double bench_histogram_ms(const struct bench_histogram *histogram, double share);

struct bench_in {
    const char *key, *collection;
    const struct cli_pairs *context;
    uint64_t seconds, connections, in_flight;
    uint64_t daemon_pid; /* whose CPU time is taken too; 0: nobody's */
};

struct bench_out {
    double per_second;                /* keys, rows or connections; bytes of seal and open */
    double daemon_us;                 /* its CPU time for each of them; below 0: not known */
    double stolen_percent;            /* of the CPU, by the host; below 0: not known */
    struct bench_histogram latencies; /* of calls */
    uint64_t errors;
    char first_error[512];
};

/* What one slot sends, again and again. Numbers in it are written anew for each call, so that every
 * put is of a record of its own. */
#define BENCH_NUMBER_DIGITS 10
struct bench_message {
    struct ward_buffer bytes;
    size_t numbers[100]; /* where BENCH_NUMBER_DIGITS digits stand */
    size_t n_numbers;
};

struct bench_case {
    const char *name, *path; /* path NULL: connections, or `run` */
    uint32_t rows;           /* in each call */
    /* What the calls need: keys, records. One message for each of n slots. CLI_DONE or an exit
     * code. */
    int (*prepare)(struct cli *cli, const struct bench_in *in, struct bench_message *messages,
                   size_t n);
    uint64_t connections, in_flight; /* instead of those asked for; 0: those */
    uint32_t results;                /* of each answer; 0: as many as rows */
    /* All of it, when it is no load of calls. CLI_DONE or an exit code. */
    int (*run)(struct cli *cli, const struct bench_in *in, struct bench_out *out);
};

extern const struct bench_case bench_cases[];
extern const size_t bench_n_cases;

/* Sealing and opening by the library, on this thread: per_second is in bytes of plaintext and
 * seconds of this thread's CPU time, as `openssl speed` counts them; latencies are of 64 MiB. */
int bench_seal(struct cli *cli, const struct bench_in *in, struct bench_out *out);
int bench_open(struct cli *cli, const struct bench_in *in, struct bench_out *out);

int bench_run(struct cli *cli, const struct bench_case *what, const struct bench_in *in,
              struct bench_out *out);
/* An answer of that many results, none of which is an error; else *ret_text is that error's text,
 * or empty. */
bool bench_answer_fine(struct ward_bytes answer, uint32_t results, struct ward_bytes *ret_text);

#endif
