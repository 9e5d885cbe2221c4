/* SPDX-License-Identifier: Apache-2.0 */
/* ward report: what the log says about keys, access and approvals between two times. It is made of
 * an export, which is verified first; without a folder an export is made for it and thrown away. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "client/cli/audit_folder.h"
#include "client/cli/input.h"
#include "client/cli/report.h"

#define ARENA_BUDGET ((size_t)1 << 30)
#define CERTIFICATE_FILE_MAX (1u << 20)

struct ask {
    const char *name, *from, *to, *folder, *vkey, *format;
    bool sign;
};

/* ---- the span ---- */

/* "2026-11-22", or a time of it as RFC 3339 in UTC, with or without microseconds. */
static bool read_time(const char *text, int64_t *ret_us)
{
    char whole[WARD_TIME_TEXT_SIZE];
    static const char pattern[] = "1970-01-01T00:00:00.000000Z";
    size_t size = strlen(text);
    bool known = size == 10 || (size == 20 && text[19] == 'Z') || size == sizeof(pattern) - 1;
    if (!known) {
        return false;
    }
    memcpy(whole, pattern, sizeof(pattern));
    memcpy(whole, text, size == 20 ? 19 : size);
    return ward_time_parse(whole, sizeof(pattern) - 1, ret_us);
}

static int read_span(const struct ask *ask, struct report_span *ret)
{
    *ret = (struct report_span){0, INT64_MAX};
    if ((ask->from != NULL && !read_time(ask->from, &ret->from_us)) ||
        (ask->to != NULL && !read_time(ask->to, &ret->to_us))) {
        return cli_fail(CLI_USAGE, NULL, "Give 2026-11-22 or 2026-11-22T08:00:00Z, in UTC.",
                        "--from or --to is not a time");
    }
    if (ret->from_us >= ret->to_us) {
        return cli_fail(CLI_USAGE, "--from is within, --to is not.", NULL,
                        "--from is not before --to");
    }
    return CLI_DONE;
}

/* What is printed must be a time: an open end is that of the log. */
static void close_span(struct report_log *log)
{
    if (log->span.to_us == INT64_MAX) {
        log->span.to_us = log->last_us + 1;
    }
}

/* ---- printing ---- */

static bool print_bytes(const struct ask *ask, const struct report_table *table,
                        const struct report_log *log, const struct ward_checkpoint *checkpoint,
                        const struct ward_note_key *key, struct ward_buffer *out)
{
    if (strcmp(ask->format, "csv") == 0) {
        report_print_csv(table, out);
    } else {
        report_print_json(table, log, checkpoint, key, out);
    }
    return !out->failed;
}

static int print(struct cli *cli, const struct ask *ask, const struct report_table *table,
                 const struct report_log *log, const struct ward_checkpoint *checkpoint,
                 const struct ward_note_key *key)
{
    if (strcmp(ask->format, "table") == 0) {
        return report_print_table(table) ? CLI_DONE : CLI_FAILED;
    }
    struct ward_buffer bytes, envelope;
    ward_buffer_init(&bytes, AUDIT_REPORT_MAX);
    ward_buffer_init(&envelope, 2 * AUDIT_REPORT_MAX);
    int exit = print_bytes(ask, table, log, checkpoint, key, &bytes)
                   ? CLI_DONE
                   : cli_fail(CLI_FAILED, NULL, "Ask for a shorter time.",
                              "the report is larger than 256 MiB");
    if (exit == CLI_DONE && ask->sign) {
        exit = cli_load_profile(cli);
        exit = exit == CLI_DONE ? report_sign(&cli->profile, ward_buffer_view(&bytes), &envelope)
                                : exit;
    }
    if (exit == CLI_DONE && !cli_write(ward_buffer_view(ask->sign ? &envelope : &bytes))) {
        exit = CLI_FAILED;
    }
    ward_buffer_fini(&bytes);
    ward_buffer_fini(&envelope);
    return exit;
}

/* ---- making ---- */

static int report_on(struct cli *cli, const struct ask *ask, struct report_log *log,
                     const struct ward_note_key *key)
{
    struct audit_report verified;
    const struct audit_reading reading = {report_log_leaf, log};
    audit_verify_reading(log->folder, key, &reading, &verified);
    int exit = CLI_DONE;
    if (verified.broken || verified.total > 0) {
        exit = cli_fail(CLI_FAILED, "Of a log that was altered nothing is reported.",
                        "`ward audit verify` says what is wrong with it.",
                        "the log does not verify: %zu problem%s", verified.total,
                        verified.total == 1 ? "" : "s");
    } else if (!ward_ok(log->status)) {
        exit = cli_fail(CLI_FAILED, NULL, "Ask for a shorter time.", "there is no more memory");
    }
    struct report_table table = {.n_cells = 0};
    if (exit == CLI_DONE) {
        close_span(log);
        if (!report_make(ask->name, log, &table) || !ward_ok(table.status)) {
            exit = cli_fail(CLI_FAILED, NULL, NULL, "there is no more memory");
        }
    }
    if (exit == CLI_DONE && key == NULL) {
        (void)cli_fail(CLI_DONE,
                       "It is consistent in itself, but anybody can make a log under a key of his "
                       "own.",
                       "Give --vkey with the log's key as you were given it.",
                       "warning: the log was not checked against its key");
    }
    if (exit == CLI_DONE) {
        exit = print(cli, ask, &table, log, &verified.checkpoint, key);
    }
    free(table.cells);
    audit_report_fini(&verified);
    return exit;
}

static int report_folder(struct cli *cli, const struct ask *ask, const char *folder,
                         const struct report_span *span, const struct ward_note_key *key)
{
    struct report_log log;
    if (!ward_ok(report_log_init(&log, span))) {
        return cli_fail(CLI_FAILED, NULL, NULL, "there is no more memory");
    }
    log.folder = audit_folder_open(folder);
    int exit = log.folder < 0 ? cli_fail(CLI_FAILED, NULL, "Give the folder of an export.",
                                         "cannot open %s: %s", folder, strerrordesc_np(errno))
                              : report_on(cli, ask, &log, key);
    if (log.folder >= 0) {
        (void)close(log.folder);
    }
    report_log_fini(&log);
    return exit;
}

/* Files first, then the folders that they were in, from the innermost. */
static void throw_away(const char *path)
{
    struct ward_digest *digest = NULL;
    struct audit_files files = {.n = 0};
    int folder = audit_folder_open(path);
    if (folder >= 0 && ward_ok(ward_digest_new(&digest)) &&
        audit_folder_list(folder, digest, &files)) {
        for (size_t i = 0; i < files.n; i++) {
            (void)unlinkat(folder, files.items[i].path, 0); /* what stays is only left over */
        }
        for (size_t i = files.n; i > 0; i--) {
            char *file = files.items[i - 1].path;
            for (char *slash = strrchr(file, '/'); slash != NULL; slash = strrchr(file, '/')) {
                *slash = 0;
                (void)unlinkat(folder, file,
                               AT_REMOVEDIR); /* not empty: its last file will do it */
            }
        }
    }
    audit_files_fini(&files);
    ward_digest_free(digest);
    if (folder >= 0) {
        (void)close(folder);
    }
    (void)rmdir(path);
}

static int report_live(struct cli *cli, const struct ask *ask, const struct report_span *span,
                       const struct ward_note_key *key)
{
    char path[] = "/tmp/ward-report-XXXXXX";
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    if (mkdtemp(path) == NULL) {
        return cli_fail(CLI_FAILED, NULL, "Export to a folder, and give it with --folder.",
                        "cannot make a folder in /tmp: %s", strerrordesc_np(errno));
    }
    struct audit_exported exported;
    exit = audit_export(cli, path, key, &exported);
    if (exit == CLI_DONE) {
        exit = report_folder(cli, ask, path, span, key);
    }
    throw_away(path);
    return exit;
}

static int run(struct cli *cli, int argc, char **argv, const char *name, const char *doc)
{
    struct ask ask = {.name = name};
    const struct cli_option options[] = {
        {"from", CLI_TEXT, &ask.from, "TIME", "From then on, in UTC (default: the log's begin)", 0,
         0, false},
        {"to", CLI_TEXT, &ask.to, "TIME", "Before then (default: the log's end)", 0, 0, false},
        {"folder", CLI_TEXT, &ask.folder, "DIR",
         "An export; no daemon is asked (default: the daemon's log as it is now)", 0, 0, false},
        {"vkey", CLI_TEXT, &ask.vkey, "FILE", "The log's key as you were given it", 0, 0, false},
        {"format", CLI_TEXT, &ask.format, "FORM", "table, json or csv (default: as --output)", 0, 0,
         false},
        {"sign", CLI_FLAG, &ask.sign, NULL, "Put the report, in JSON, under the profile's key", 0,
         0, false},
    };
    CLI_PARSE(cli, argc, argv, .doc = doc, CLI_OPTIONS(options), .max = 0);
    if (ask.format == NULL) {
        ask.format = cli->json || ask.sign ? "json" : "table";
    }
    bool json = strcmp(ask.format, "json") == 0;
    if (!json && strcmp(ask.format, "csv") != 0 && strcmp(ask.format, "table") != 0) {
        return cli_fail(CLI_USAGE, NULL, NULL, "--format is table, json or csv");
    }
    if (ask.sign && !json) {
        return cli_fail(CLI_USAGE, "Only it says which log and which time it is about.", NULL,
                        "what is signed is the report in JSON");
    }
    struct report_span span;
    struct ward_note_key key;
    int exit = read_span(&ask, &span);
    if (exit == CLI_DONE && ask.vkey != NULL) {
        exit = audit_vkey_read(ask.vkey, &key);
    }
    if (exit != CLI_DONE) {
        return exit;
    }
    const struct ward_note_key *trusted = ask.vkey == NULL ? NULL : &key;
    return ask.folder == NULL ? report_live(cli, &ask, &span, trusted)
                              : report_folder(cli, &ask, ask.folder, &span, trusted);
}

static int run_rotation(struct cli *cli, int argc, char **argv)
{
    return run(
        cli, argc, argv, "rotation",
        "The life of each key version: made, rotated (why, with the proposal's reason, and by "
        "whose approval), no rows left below it, destroyed.");
}

static int run_access(struct cli *cli, int argc, char **argv)
{
    return run(cli, argc, argv, "access",
               "How often each identity did what, day by day and outcome by outcome, with denials, "
               "emergencies, and when it was first seen.");
}

static int run_approvals(struct cli *cli, int argc, char **argv)
{
    return run(
        cli, argc, argv, "approvals",
        "Every proposal: who proposed, for what reason, who approved, when, what came of it, "
        "and whether it was reviewed. Of the reasons of those who rejected, withdrew or "
        "reviewed the log has only the digests: `ward approval show` has the words.");
}

static int run_overdue(struct cli *cli, int argc, char **argv)
{
    return run(
        cli, argc, argv, "overdue",
        "What is late at the end of that time: rotations, reviews, destructions, proposals "
        "that expired; compromised versions that still have rows, that owe a rekey, or whose "
        "data keys may still be with applications, which rewrap them or encrypt anew, "
        "until they are destroyed.");
}

/* ---- verify ---- */

static int read_certificate(const char *path, struct ward_buffer *out)
{
    struct ward_buffer file;
    ward_buffer_init(&file, CERTIFICATE_FILE_MAX);
    int exit = cli_read(path, &file);
    BIO *bio = exit == CLI_DONE ? BIO_new_mem_buf(file.data, (int)file.size) : NULL;
    X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    unsigned char *der = NULL;
    int size = certificate == NULL ? -1 : i2d_X509(certificate, &der);
    if (exit == CLI_DONE && size <= 0) {
        exit = cli_fail(CLI_FAILED, NULL, "Give it in PEM.", "%s is not a certificate", path);
    } else if (exit == CLI_DONE) {
        ward_buffer_add(out, WARD_BYTES(der, (size_t)size));
    }
    OPENSSL_free(der);
    X509_free(certificate);
    BIO_free(bio);
    ward_buffer_fini(&file);
    return exit;
}

static int open_report(const char *path, struct ward_bytes expected)
{
    struct ward_buffer file, report;
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    char identity[512];
    const char *fault = "there is no more memory";
    ward_buffer_init(&file, 2 * AUDIT_REPORT_MAX);
    ward_buffer_init(&report, AUDIT_REPORT_MAX);
    int exit = cli_read(path, &file);
    if (exit == CLI_DONE &&
        (!ward_ok(ward_arena_new(ARENA_BUDGET, &arena)) ||
         !report_open(ward_buffer_view(&file), expected, arena, &report, identity, &fault))) {
        exit =
            cli_fail(CLI_FAILED, "Nothing in it is to be believed.", NULL, "%s: %s", path, fault);
    } else if (exit == CLI_DONE) {
        (void)fprintf(stderr, "Signed by %s.\n", identity); /* an identity has no control bytes */
        if (expected.size == 0) {
            (void)fputs("That this certificate is theirs you must know: give it with "
                        "--certificate.\n",
                        stderr);
        }
        exit = cli_write(ward_buffer_view(&report)) ? CLI_DONE : CLI_FAILED;
    }
    ward_buffer_fini(&report);
    ward_buffer_fini(&file);
    return exit;
}

static int run_verify(struct cli *cli, int argc, char **argv)
{
    struct cli_texts files = {.n = 0};
    const char *certificate = NULL;
    const struct cli_option options[] = {
        {"certificate", CLI_TEXT, &certificate, "FILE", "The one that must have signed it (PEM)", 0,
         0, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "FILE",
              .doc = "Checks a signed report without any network, and prints what it says.",
              CLI_OPTIONS(options), .positional = &files, .min = 1, .max = 1);
    struct ward_buffer expected;
    ward_buffer_init(&expected, CERTIFICATE_FILE_MAX);
    int exit = certificate == NULL ? CLI_DONE : read_certificate(certificate, &expected);
    if (exit == CLI_DONE) {
        exit = open_report(files.texts[0], ward_buffer_view(&expected));
    }
    ward_buffer_fini(&expected);
    return exit;
}

static const struct cli_verb verbs[] = {
    {"rotation", run_rotation, "the life of each key version"},
    {"access", run_access, "who did what how often"},
    {"approvals", run_approvals, "proposals, and what came of them"},
    {"overdue", run_overdue, "what is late"},
    {"verify", run_verify, "check a signed report, offline"},
    {NULL, NULL, NULL},
};

const struct cli_noun cli_noun_report = {"report", verbs, NULL,
                                         "Reports out of the audit log, the same each time."};
