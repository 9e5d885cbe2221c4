/* SPDX-License-Identifier: Apache-2.0 */
/* ward bench: measures a running daemon as a client. */
#include <stdio.h>
#include <string.h>

#include "client/cli/bench.h"

static const struct bench_case *find_case(const char *name)
{
    for (size_t i = 0; i < bench_n_cases; i++) {
        if (strcmp(bench_cases[i].name, name) == 0) {
            return &bench_cases[i];
        }
    }
    return NULL;
}

static void row_json(struct cli_doc *doc, const char *name, const struct bench_out *out)
{
    ward_json_object(&doc->json);
    cli_doc_text(doc, "name", name);
    cli_doc_decimal(doc, "per_second", out->per_second);
    cli_doc_decimal(doc, "p50_ms", bench_histogram_ms(&out->latencies, 0.50));
    cli_doc_decimal(doc, "p99_ms", bench_histogram_ms(&out->latencies, 0.99));
    ward_json_member_int(&doc->json, "errors", (int64_t)out->errors);
    if (out->daemon_us > 0) {
        cli_doc_decimal(doc, "daemon_cpu_us", out->daemon_us);
        cli_doc_decimal(doc, "per_second_per_core", 1e6 / out->daemon_us);
    }
    if (out->stolen_percent >= 0) {
        cli_doc_decimal(doc, "stolen_percent", out->stolen_percent);
    }
    ward_json_object_end(&doc->json);
}

static void decimal_cell(struct cli_table *table, double value)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%.3f", value);
    cli_table_text(table, text);
}

static void row_table(struct cli_table *table, const char *name, const struct bench_out *out)
{
    cli_table_text(table, name);
    cli_table_number(table, (uint64_t)(out->per_second + 0.5));
    decimal_cell(table, bench_histogram_ms(&out->latencies, 0.50));
    decimal_cell(table, bench_histogram_ms(&out->latencies, 0.99));
    cli_table_number(table, out->errors);
    if (out->stolen_percent >= 0) {
        decimal_cell(table, out->stolen_percent);
    } else {
        cli_table_text(table, "-");
    }
}

static int run_cases(struct cli *cli, const struct bench_case *const *cases, size_t n,
                     const struct bench_in *in, struct cli_doc *doc, struct cli_table *table)
{
    bool errors = false;
    for (size_t i = 0; i < n; i++) {
        struct bench_out out;
        int exit = bench_run(cli, cases[i], in, &out);
        if (exit != CLI_DONE) {
            return exit;
        }
        if (out.errors > 0) {
            errors = true;
            (void)cli_fail(CLI_FAILED, NULL, NULL, "%s: %llu errors, the first: %s", cases[i]->name,
                           (unsigned long long)out.errors, out.first_error);
        }
        if (doc != NULL) {
            row_json(doc, cases[i]->name, &out);
        } else {
            row_table(table, cases[i]->name, &out);
        }
    }
    return errors ? CLI_FAILED : CLI_DONE;
}

static int measure(struct cli *cli, const struct bench_case *const *cases, size_t n,
                   const struct bench_in *in)
{
    static const char *const columns[] = {"NAME",   "PER SECOND", "P50 MS",
                                          "P99 MS", "ERRORS",     "STOLEN %"};
    struct cli_doc doc;
    struct cli_table table;
    if (cli->json) {
        cli_doc_begin(&doc);
        ward_json_name(&doc.json, "results");
        ward_json_array(&doc.json);
    } else {
        cli_table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]));
    }
    int exit = run_cases(cli, cases, n, in, cli->json ? &doc : NULL, cli->json ? NULL : &table);
    if (cli->json) {
        ward_json_array_end(&doc.json);
    }
    bool printed = cli->json ? cli_doc_end(&doc) : cli_table_end(&table);
    return printed ? exit : CLI_FAILED;
}

static int run_bench(struct cli *cli, int argc, char **argv)
{
    struct cli_texts names = {.n = 0};
    struct cli_pairs context = {.n = 0};
    struct bench_in in = {"app/demo", "fhir", &context, 3, 8, 16, 0};
    const struct cli_option options[] = {
        {"seconds", CLI_NUMBER, &in.seconds, "S", "For each name (3)", 1, 600, false},
        {"connections", CLI_NUMBER, &in.connections, "C", "At once (8)", 1, 256, false},
        {"in-flight", CLI_NUMBER, &in.in_flight, "M", "Calls at once on each connection (16)", 1,
         100, false},
        {"daemon-pid", CLI_NUMBER, &in.daemon_pid, "PID",
         "The daemon's process here: tell its CPU time for each result too", 1, 1 << 22, false},
        {"key", CLI_TEXT, &in.key, "NAME", "For data keys (app/demo)", 0, 0, false},
        {"collection", CLI_TEXT, &in.collection, "NAME", "For records, which it fills (fhir)", 0, 0,
         false},
        {"context", CLI_PAIR, &context, "KEY=VALUE", "Repeat it (default: purpose=TREAT)", 0, 0,
         false},
    };
    CLI_PARSE(cli, argc, argv, .args = "[NAME...]",
              .doc = "Measures a running daemon as a client: keys, rows or connections a second, "
                     "and the latency of calls; of seal and open the bytes of plaintext in a "
                     "second of CPU time, and the latency of 64 MiB. Names: generate, "
                     "generate_batch64, unwrap, rewrap_batch64, put, put_batch100, get, connect, "
                     "seal, open, latency_unloaded (generate, 1 connection with 1 call in flight), "
                     "latency_loaded (8 with 4); default all.",
              CLI_OPTIONS(options), .positional = &names, .max = CLI_TEXTS_MAX);
    const struct bench_case *cases[CLI_TEXTS_MAX];
    size_t n = names.n == 0 ? bench_n_cases : names.n;
    for (size_t i = 0; i < n; i++) {
        cases[i] = names.n == 0 ? &bench_cases[i] : find_case(names.texts[i]);
        if (cases[i] == NULL && strcmp(names.texts[i], "find") == 0) {
            return cli_fail(CLI_USAGE, "Records are found by their names only.", NULL,
                            "bench find: not available, the daemon cannot search records");
        }
        if (cases[i] == NULL) {
            return cli_fail(CLI_USAGE, NULL, "`ward bench --help` lists them.",
                            "bench has no \"%s\"", names.texts[i]);
        }
    }
    if (context.n == 0) {
        context.pairs[context.n++] = (ward_pair){"purpose", "TREAT"};
    }
    int exit = cli_connect(cli);
    return exit == CLI_DONE ? measure(cli, cases, n, &in) : exit;
}

const struct cli_noun cli_noun_bench = {"bench", NULL, run_bench,
                                        "Measure a running daemon as a client."};
