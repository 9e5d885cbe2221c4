/* SPDX-License-Identifier: Apache-2.0 */
/* ward seal, ward open, ward seal rewrap: files and pipes of any size. Must not know more of the
 * format than how it begins, nor hold the whole of anything. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/cli/cli.h"
#include "client/cli/list.h"
#include "proto/seal.h"

#define PROGRESS_FROM ((uint64_t)64 << 20) /* smaller files are done before anybody looks */
#define PROGRESS_EVERY_US INT64_C(200000)

/* ---- progress: one line on standard error, when that is a terminal ---- */

struct progress {
    uint64_t size; /* of the input; 0: not known */
    int64_t next_us;
    bool shown;
};

static int show_progress(void *context, uint64_t bytes)
{
    struct progress *progress = context;
    int64_t now = ward_monotonic_us(&ward_clock_system);
    if (bytes < PROGRESS_FROM || now < progress->next_us) {
        return 0;
    }
    progress->next_us = now + PROGRESS_EVERY_US;
    progress->shown = true;
    double mib = (double)bytes / (1 << 20);
    if (progress->size > bytes) {
        (void)fprintf(stderr, "\r%5.1f %%  %.0f MiB ", (double)bytes * 100 / (double)progress->size,
                      mib);
    } else {
        (void)fprintf(stderr, "\r%.0f MiB ", mib);
    }
    return 0;
}

static void end_progress(const struct progress *progress)
{
    if (progress->shown) {
        (void)fputs("\r\033[K", stderr);
    }
}

/* ---- one piece of work ---- */

struct work {
    bool opening, force;
    const char *key, *out, *associated; /* out NULL or "-": standard output */
    struct cli_pairs context;
    uint64_t chunk_size;
    struct cli_texts files;
    int in;
};

static bool to_stdout(const struct work *work)
{
    return work->out == NULL || strcmp(work->out, "-") == 0;
}

/* Of a pipe it shows only when it is opened. That a file is not sealed is no secret; what is wrong
 * with one that is, stays one answer. */
static int check_sealed(int fd, const char *path)
{
    uint8_t begin[WARD_SEAL_PREFIX_SIZE];
    size_t size = 0;
    struct stat is;
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (at < 0 || fstat(fd, &is) != 0 || !S_ISREG(is.st_mode)) {
        return CLI_DONE;
    }
    ssize_t n = pread(fd, begin, sizeof(begin), at);
    return n < 0 || (n == (ssize_t)sizeof(begin) &&
                     ward_ok(ward_seal_header_measure(WARD_BYTES_ARRAY(begin), &size)))
               ? CLI_DONE
               : cli_fail(CLI_FAILED, "Nothing was changed.", "`ward seal` makes such files.",
                          "%s: not a sealed file", path);
}

static int check_path_sealed(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return CLI_DONE; /* who goes on says why */
    }
    int exit = check_sealed(fd, path);
    (void)close(fd);
    return exit;
}

static int open_input(struct work *work, struct progress *progress)
{
    const char *path = work->files.n == 0 ? "-" : work->files.texts[0];
    struct stat is;
    if (work->out == NULL && isatty(STDOUT_FILENO) != 0) {
        return cli_fail(CLI_USAGE, NULL, "Give -o FILE, or -o - if you mean it.",
                        "the output would go to the terminal");
    }
    work->in = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (work->in < 0) {
        return cli_fail(CLI_FAILED, NULL, NULL, "cannot open %s: %s", path, strerrordesc_np(errno));
    }
    if (fstat(work->in, &is) == 0 && S_ISREG(is.st_mode) && is.st_size > 0) {
        progress->size = (uint64_t)is.st_size;
    }
    return work->opening ? check_sealed(work->in, path) : CLI_DONE;
}

static ward_rc run(struct cli *cli, const struct work *work, struct progress *progress,
                   ward_sizes *sizes, ward_error *error)
{
    const ward_seal_options options = {
        .key = work->key,
        .context = work->context.pairs,
        .n_context = work->context.n,
        .associated_data = work->associated,
        .associated_data_size = work->associated == NULL ? 0 : strlen(work->associated),
        .chunk_size = (uint32_t)work->chunk_size,
        .progress = isatty(STDERR_FILENO) != 0 ? show_progress : NULL,
        .progress_context = progress,
    };
    if (to_stdout(work)) {
        return (work->opening ? ward_open_fd : ward_seal_fd)(cli->client, NULL, &options, work->in,
                                                             STDOUT_FILENO, sizes, error);
    }
    return (work->opening ? ward_open_file : ward_seal_file)(cli->client, NULL, &options, work->in,
                                                             work->out, work->force, sizes, error);
}

static int fail(const struct work *work, const ward_sizes *sizes, const ward_error *error)
{
    const char *tried = work->opening ? "opening" : "sealing";
    if (to_stdout(work) && sizes->plain > 0) {
        (void)cli_fail(CLI_FAILED,
                       work->opening ? "What was written is authentic, but not the whole."
                                     : "What was written is not whole and will not open.",
                       "Discard it.", "%s failed after %llu bytes were written", tried,
                       (unsigned long long)(work->opening ? sizes->plain : sizes->sealed));
    }
    if (work->opening && error->code == WARD_RC_INVALID_ARGUMENT &&
        strstr(error->message, "does not open") != NULL) {
        return cli_fail(CLI_FAILED,
                        "It was altered or cut, was sealed for another context or with other "
                        "associated data, or was never sealed by Ward.",
                        "Give the --context and --associated-data of sealing.", "%s: %s", tried,
                        error->message);
    }
    if (error->code == WARD_RC_ALREADY_EXISTS) {
        return cli_fail(CLI_FAILED, "Nothing was written.", "Give --force to replace it.", "%s: %s",
                        tried, error->message);
    }
    if (error->code == WARD_RC_ABORTED && error->answered == 0) { /* the system's own reason */
        return cli_fail(CLI_FAILED, NULL, NULL, "%s: %s", tried, error->message);
    }
    return cli_fail_call(tried, error);
}

static int report(const struct cli *cli, const struct work *work, const ward_sizes *sizes)
{
    struct cli_doc doc;
    if (to_stdout(work)) { /* the data went there */
        return CLI_DONE;
    }
    if (!cli->json) {
        struct ward_buffer name;
        ward_buffer_init(&name, 65536);
        cli_escape(ward_bytes_str(work->out), &name);
        bool printed =
            cli_print("%.*s: %llu bytes %s\n", (int)name.size, (const char *)name.data,
                      (unsigned long long)sizes->plain, work->opening ? "opened" : "sealed");
        ward_buffer_fini(&name);
        return printed ? CLI_DONE : CLI_FAILED;
    }
    cli_doc_begin(&doc);
    cli_doc_text(&doc, "output", work->out);
    ward_json_member_int(&doc.json, "bytes", (int64_t)sizes->plain);
    ward_json_member_int(&doc.json, "sealed_bytes", (int64_t)sizes->sealed);
    return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
}

static int do_work(struct cli *cli, struct work *work)
{
    struct progress progress = {0};
    ward_sizes sizes = {0};
    ward_error error;
    int exit = open_input(work, &progress);
    if (exit == CLI_DONE) {
        exit = cli_connect(cli);
    }
    if (exit == CLI_DONE) {
        ward_rc rc = run(cli, work, &progress, &sizes, &error);
        end_progress(&progress);
        exit = rc == WARD_RC_OK ? report(cli, work, &sizes) : fail(work, &sizes, &error);
    }
    if (work->in > STDIN_FILENO) {
        (void)close(work->in);
    }
    return exit;
}

/* ---- rewrap ---- */

static void rewrapped_add(struct cli_list *out, const char *path, const ward_resealed *done)
{
    if (!out->json) {
        cli_table_text(&out->table, path);
        cli_table_text(&out->table, done->key);
        cli_table_number(&out->table, done->version);
        cli_table_text(&out->table, done->unchanged != 0 ? "no" : "yes");
        return;
    }
    ward_json_object(&out->doc.json);
    cli_doc_text(&out->doc, "file", path);
    cli_doc_text(&out->doc, "key", done->key);
    ward_json_member_int(&out->doc.json, "version", done->version);
    ward_json_name(&out->doc.json, "unchanged");
    ward_json_bool(&out->doc.json, done->unchanged != 0);
    ward_json_object_end(&out->doc.json);
}

/* Each file on its own: one that fails does not keep the others. */
static int rewrap_files(struct cli *cli, const ward_rewrap_request *how,
                        const struct cli_texts *files)
{
    struct cli_list out;
    int exit = CLI_DONE;
    static const char *const columns[] = {"FILE", "KEY", "VERSION", "CHANGED"};
    cli_list_begin(&out, cli->json, "files", columns, 4);
    for (size_t i = 0; i < files->n; i++) {
        ward_resealed done;
        ward_error error;
        int unsealed = check_path_sealed(files->texts[i]);
        if (unsealed != CLI_DONE) {
            exit = exit == CLI_DONE ? unsealed : exit;
            continue;
        }
        if (ward_reseal_file(cli->client, NULL, how, files->texts[i], &done, &error) ==
            WARD_RC_OK) {
            rewrapped_add(&out, files->texts[i], &done);
            continue;
        }
        int failed =
            error.code == WARD_RC_ABORTED && error.answered == 0 /* the system's own reason */
                ? cli_fail(CLI_FAILED, NULL, NULL, "%s: %s", files->texts[i], error.message)
                : cli_fail_call(files->texts[i], &error);
        exit = exit == CLI_DONE ? failed : exit;
    }
    return cli_list_end(&out) ? exit : CLI_FAILED;
}

static int run_rewrap(struct cli *cli, int argc, char **argv)
{
    const char *key = NULL;
    struct cli_pairs context = {.n = 0}, new_context = {.n = 0};
    uint64_t version = 0;
    bool no_context = false;
    struct cli_texts files = {.n = 0};
    const struct cli_option options[] = {
        {"context", CLI_PAIR, &context, "KEY=VALUE", "A pair of the context now; repeat it", 0, 0,
         false},
        {"key", CLI_TEXT, &key, "NAME", "Another key-encryption key (default: the same)", 0, 0,
         false},
        {"version", CLI_NUMBER, &version, "N", "Of that key (default: its newest)", 1, UINT32_MAX,
         false},
        {"new-context", CLI_PAIR, &new_context, "KEY=VALUE",
         "A pair of another context (default: the same); repeat it", 0, 0, false},
        {"no-context", CLI_FLAG, &no_context, NULL, "No context from now on", 0, 0, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "FILE...",
              .doc = "Wraps the data keys of sealed files anew, after a rotation or for another "
                     "key. Nothing else in a file changes, and its content is not read.",
              CLI_OPTIONS(options), .positional = &files, .min = 1, .max = CLI_TEXTS_MAX);
    if (no_context && new_context.n > 0) {
        return cli_fail(CLI_USAGE, NULL, "Give one of the two.",
                        "--no-context and --new-context exclude each other");
    }
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    const ward_rewrap_request how = {
        .context = context.pairs,
        .n_context = context.n,
        .key = key,
        .version = (uint32_t)version,
        .change_context = no_context || new_context.n > 0,
        .new_context = new_context.pairs,
        .n_new_context = new_context.n,
    };
    return rewrap_files(cli, &how, &files);
}

/* ---- the nouns ---- */

static int run_seal(struct cli *cli, int argc, char **argv)
{
    struct work work = {.in = -1};
    const struct cli_option options[] = {
        {"key", CLI_TEXT, &work.key, "NAME", "The key-encryption key that wraps the data key", 0, 0,
         true},
        {"context", CLI_PAIR, &work.context, "KEY=VALUE",
         "A pair of the encryption context; repeat it", 0, 0, false},
        {"associated-data", CLI_TEXT, &work.associated, "TEXT",
         "Bound to the seal, not stored in it", 0, 0, false},
        {"out", CLI_TEXT, &work.out, "FILE",
         "Where to (default: standard output, -, unless it is a terminal)", 0, 0, false, 'o'},
        {"force", CLI_FLAG, &work.force, NULL, "Replace the file when it exists", 0, 0, false},
        {"chunk-size", CLI_NUMBER, &work.chunk_size, "BYTES",
         "A power of two, 4096 to 1048576 (65536)", 4096, 1048576, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "[FILE]",
              .doc = "Seals a file or standard input under a fresh data key, which the daemon "
                     "issues and whose wrapped form goes with it. A file appears when it is whole. "
                     "`ward seal rewrap FILE...` wraps the data keys of sealed files anew.",
              CLI_OPTIONS(options), .positional = &work.files, .max = 1);
    return do_work(cli, &work);
}

static int run_open(struct cli *cli, int argc, char **argv)
{
    struct work work = {.in = -1, .opening = true};
    const struct cli_option options[] = {
        {"context", CLI_PAIR, &work.context, "KEY=VALUE",
         "A pair of the context given at sealing; repeat it", 0, 0, false},
        {"associated-data", CLI_TEXT, &work.associated, "TEXT", "As it was given at sealing", 0, 0,
         false},
        {"out", CLI_TEXT, &work.out, "FILE",
         "Where to, mode 0600 (default: standard output, -, unless it is a terminal)", 0, 0, false,
         'o'},
        {"force", CLI_FLAG, &work.force, NULL, "Replace the file when it exists", 0, 0, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "[FILE]",
              .doc = "Opens what `ward seal` sealed, from a file or standard input. A file appears "
                     "only when all of it was verified; on standard output each piece was, but "
                     "whether it is the whole shows at the end: look at the exit code.",
              CLI_OPTIONS(options), .positional = &work.files, .max = 1);
    return do_work(cli, &work);
}

static const struct cli_verb besides[] = {
    {"rewrap", run_rewrap, "wrap the data keys of sealed files anew"},
    {NULL, NULL, NULL},
};

const struct cli_noun cli_noun_seal = {"seal", NULL, run_seal,
                                       "Seal a file or a pipe under a fresh data key.", besides};
const struct cli_noun cli_noun_open = {"open", NULL, run_open, "Open what was sealed.", NULL};
