/* SPDX-License-Identifier: Apache-2.0 */
/* ward key rewrap: the stored rows of a key follow its active version; ward key rekey: its records
 * follow new subject keys. Both watched by a bar on a terminal or by JSON lines. ward key usage:
 * what each version was used for. */
#include "client/cli/cmd_key.h"
#include "client/cli/proposal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define OWED_MAX 1024u
#define POLL_MS 500
#define BAR 30

/* What a kind of job is called, and how far it is asked. */
struct kind {
    const char *name, *to, *rows; /* "Rewrap", "to version", "rows" */
    const char *member;           /* what it is to, in JSON */
    const char *left;             /* of a job that is stuck: rows and what they do */
    const char *doing;            /* for errors */
    ward_rc (*progress)(ward_client *, const ward_call *, const char *, ward_key_job **,
                        ward_error *);
    const char *consequence, *advice; /* of a job that is stuck */
};

static const struct kind rewrap = {
    .name = "Rewrap",
    .to = "to version",
    .rows = "rows",
    .member = "version",
    .left = "rows cannot be moved and still need an older version",
    .doing = "watching the rewrap",
    .progress = ward_rewrap_progress,
    .consequence = "Their old key versions stay needed and cannot be destroyed.",
    .advice = "The daemon's log and `ward audit export` say which pages failed; repair the rows, "
              "then run this again.",
};

static const struct kind rekey = {
    .name = "Rekey",
    .to = "run",
    .rows = "records",
    .member = "run",
    .left = "records cannot be moved and stay under old subject keys",
    .doing = "watching the rekey",
    .progress = ward_rekey_progress,
    .consequence = "What leaked of their old subject keys still opens them.",
    .advice =
        "The daemon's log and `ward audit export` say which pages failed; repair the rows: the "
        "daemon tries again every ten minutes.",
};

static void pause_a_moment(void)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    (void)nanosleep(&pause, NULL); /* an early end only asks again sooner */
}

static bool is(const ward_key_job *job, const char *state)
{
    return strcmp(job->state, state) == 0;
}

/* ---- printing ---- */

static void job_json(struct cli_doc *doc, const struct kind *kind, const ward_key_job *job)
{
    cli_doc_text(doc, "state", job->state);
    ward_json_member_int(&doc->json, kind->member, job->version);
    ward_json_member_int(&doc->json, "total", (int64_t)job->total);
    ward_json_member_int(&doc->json, "done", (int64_t)job->done);
    ward_json_member_int(&doc->json, "failed", (int64_t)job->failed);
    ward_json_member_int(&doc->json, "left", (int64_t)job->left);
    ward_json_member_int(&doc->json, "rows_per_second", (int64_t)job->rows_per_second);
    cli_doc_text(doc, "started", job->started);
    cli_doc_text(doc, "ended", job->ended);
}

static bool print_json(const struct kind *kind, const char *name, const ward_key_job *job)
{
    struct cli_doc doc;
    cli_doc_begin(&doc);
    cli_doc_text(&doc, "key", name);
    job_json(&doc, kind, job);
    return cli_doc_end(&doc);
}

static bool print_job(const struct kind *kind, const ward_key_job *job)
{
    if (is(job, "none")) {
        return cli_print("%s: none yet.\n", kind->name);
    }
    if (is(job, "stuck")) {
        return cli_print("%s %s %" PRIu32 ": stuck. %" PRIu64 " %s.\n", kind->name, kind->to,
                         job->version, job->left, kind->left);
    }
    return cli_print("%s %s %" PRIu32 ": %s, %" PRIu64 " of %" PRIu64 " %s moved, %" PRIu64
                     " failed, %" PRIu64 " %s/s.\n",
                     kind->name, kind->to, job->version, job->state, job->done, job->total,
                     kind->rows, job->failed, job->rows_per_second, kind->rows);
}

static void owed_text(const char *key, uint32_t version, struct ward_buffer *out)
{
    ward_buffer_printf(out,
                       "A rekey is owed: version %" PRIu32 " was compromised, and what it had "
                       "wrapped may be known. Run `ward key rekey ",
                       version);
    cli_escape(ward_bytes_str(key), out);
    ward_buffer_printf(out, " --wait`.\n");
}

static bool print_owed(const char *key, const ward_key_job *rekeyed)
{
    if (rekeyed->owed_for == 0) {
        return true;
    }
    struct ward_buffer text;
    ward_buffer_init(&text, OWED_MAX);
    owed_text(key, rekeyed->owed_for, &text);
    bool written = cli_write(ward_buffer_view(&text));
    ward_buffer_fini(&text);
    return written;
}

/* Who may not look at the key was told of it in general. */
void cli_key_warn_owed(struct cli *cli, const char *key)
{
    ward_keys *keys = NULL;
    ward_error error;
    if (ward_describe_key(cli->client, NULL, key, &keys, &error) != WARD_RC_OK) {
        return;
    }
    if (keys->rekey != NULL && keys->rekey->owed_for > 0) {
        struct ward_buffer text;
        ward_buffer_init(&text, OWED_MAX);
        owed_text(key, keys->rekey->owed_for, &text);
        (void)fwrite(text.data, 1, text.size, stderr);
        ward_buffer_fini(&text);
    }
    ward_keys_free(keys);
}

/* What never was is not told of. */
bool cli_key_jobs_print(const char *key, const ward_key_job *rewrapped, const ward_key_job *rekeyed)
{
    bool said = is(rewrapped, "none") || print_job(&rewrap, rewrapped);
    return said && (is(rekeyed, "none") || print_job(&rekey, rekeyed)) && print_owed(key, rekeyed);
}

static void member_job(struct cli_doc *doc, const struct kind *kind, const char *name,
                       const ward_key_job *job)
{
    if (!is(job, "none") || job->owed_for > 0) {
        ward_json_name(&doc->json, name);
        ward_json_object(&doc->json);
        job_json(doc, kind, job);
        if (job->owed_for > 0) {
            ward_json_member_int(&doc->json, "owed_for", job->owed_for);
        }
        ward_json_object_end(&doc->json);
    }
}

void cli_key_jobs_json(struct cli_doc *doc, const ward_key_job *rewrapped,
                       const ward_key_job *rekeyed)
{
    member_job(doc, &rewrap, "rewrap", rewrapped);
    member_job(doc, &rekey, "rekey", rekeyed);
}

/* ---- watching ---- */

struct watch {
    const struct kind *kind;
    bool bar, json;
    const char *name;
    int64_t last_us;
    uint64_t last_done, last_failed;
    double rate; /* rows a second, smoothed */
    bool shown;
};

static void measure(struct watch *watch, const ward_key_job *job)
{
    int64_t now = ward_monotonic_us(&ward_clock_system);
    if (watch->last_us != 0 && now > watch->last_us && job->done >= watch->last_done) {
        double rate = (double)(job->done - watch->last_done) * 1e6 / (double)(now - watch->last_us);
        watch->rate = watch->rate == 0 ? rate : 0.6 * watch->rate + 0.4 * rate;
    }
    watch->last_us = now;
    watch->last_done = job->done;
    watch->last_failed = job->failed;
}

static void draw(struct watch *watch, const ward_key_job *job)
{
    char bar[BAR + 1];
    double part = job->total == 0 ? 1 : (double)job->done / (double)job->total;
    part = part > 1 ? 1 : part;
    size_t full = (size_t)(part * BAR);
    memset(bar, '.', BAR);
    memset(bar, '#', full);
    bar[BAR] = 0;
    (void)fprintf(stderr, "\r[%s] %5.1f %%  %" PRIu64 " of %" PRIu64 " %s", bar, part * 100,
                  job->done, job->total, watch->kind->rows);
    if (watch->rate >= 1) {
        uint64_t left = job->total > job->done ? job->total - job->done : 0;
        (void)fprintf(stderr, "  %.0f %s/s  %.0f s left ", watch->rate, watch->kind->rows,
                      (double)left / watch->rate);
    }
    (void)fprintf(stderr, "\033[K");
    (void)fflush(stderr);
    watch->shown = true;
}

static bool show(struct watch *watch, const ward_key_job *job)
{
    measure(watch, job);
    if (watch->bar) {
        draw(watch, job);
    }
    return !watch->json || print_json(watch->kind, watch->name, job);
}

/* Shows the job until it is over; the last one seen is the caller's. */
static int follow(struct cli *cli, struct watch *watch, ward_key_job **job)
{
    while (*job == NULL || is(*job, "running")) {
        if (*job != NULL && !show(watch, *job)) {
            return CLI_FAILED;
        }
        if (*job != NULL) {
            pause_a_moment();
        }
        ward_key_job_free(*job);
        *job = NULL;
        ward_error error;
        if (watch->kind->progress(cli->client, NULL, watch->name, job, &error) != WARD_RC_OK) {
            return cli_fail_call(watch->kind->doing, &error);
        }
    }
    if (watch->bar && watch->shown) {
        draw(watch, *job);
        (void)fprintf(stderr, "\n");
    }
    return CLI_DONE;
}

static int judge(const struct kind *kind, const char *name, const ward_key_job *job)
{
    if (!is(job, "stuck")) {
        return CLI_DONE;
    }
    return cli_fail(CLI_FAILED, kind->consequence, kind->advice, "%s: %" PRIu64 " %s", name,
                    job->left, kind->left);
}

static struct watch watch_of(const struct cli *cli, const struct kind *kind, const char *name)
{
    return (struct watch){.kind = kind,
                          .name = name,
                          .json = cli->json,
                          .bar = !cli->json && isatty(STDERR_FILENO) != 0};
}

int cli_key_wait(struct cli *cli, const char *name)
{
    struct watch watch = watch_of(cli, &rewrap, name);
    watch.json = false;
    ward_key_job *job = NULL;
    int exit = follow(cli, &watch, &job);
    if (exit == CLI_DONE) {
        exit = judge(&rewrap, name, job);
    }
    ward_key_job_free(job);
    return exit;
}

/* The daemons open it by themselves, a moment after the rotation. */
int cli_key_wait_rewrapped(struct cli *cli, const char *name, uint32_t version)
{
    for (;;) {
        ward_key_job *job = NULL;
        ward_error error;
        if (ward_rewrap_progress(cli->client, NULL, name, &job, &error) != WARD_RC_OK) {
            return cli_fail_call(rewrap.doing, &error);
        }
        bool there = job->version >= version;
        ward_key_job_free(job);
        if (there) {
            return cli_key_wait(cli, name);
        }
        pause_a_moment();
    }
}

/* Takes the job, which is NULL when only its progress is known; waits for its end, and says it. */
static int finish(struct cli *cli, const struct kind *kind, const char *name, bool wait,
                  ward_key_job *take_job)
{
    struct watch watch = watch_of(cli, kind, name);
    int exit = wait ? follow(cli, &watch, &take_job) : CLI_DONE;
    if (exit == CLI_DONE) {
        bool said = cli->json ? print_json(kind, name, take_job) : print_job(kind, take_job);
        exit = said ? judge(kind, name, take_job) : CLI_FAILED;
    }
    ward_key_job_free(take_job);
    return exit;
}

/* An earlier one moved them all. Takes the job. */
static int tell_idle(const struct cli *cli, const char *name, bool wait, ward_key_job *take_job)
{
    struct watch watch = watch_of(cli, &rewrap, name);
    if (wait && watch.bar) {
        draw(&watch, take_job);
        (void)fprintf(stderr, "\n");
    }
    bool said = cli->json ? print_json(&rewrap, name, take_job)
                          : cli_print("Rewrap to version %" PRIu32
                                      ": done before; nothing to do, every row is at it.\n",
                                      take_job->version);
    ward_key_job_free(take_job);
    return said ? CLI_DONE : CLI_FAILED;
}

int cli_key_rewrap(struct cli *cli, int argc, char **argv)
{
    struct cli_texts names = {.n = 0};
    const char *reason = NULL;
    bool wait = false;
    const struct cli_option options[] = {
        {"reason", CLI_TEXT, &reason, "TEXT", "Why; it is kept in the audit log", 0, 0, false},
        {"wait", CLI_FLAG, &wait, NULL,
         "Watch it to its end: a bar on a terminal, lines of JSON otherwise", 0, 0, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "NAME",
              .doc = "Moves every stored row of a key to its active version, now. Daemons do so by "
                     "themselves after a rotation; this hurries it, and tries again what failed.",
              CLI_OPTIONS(options), .positional = &names, .min = 1, .max = 1);
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    const ward_call call = {.reason = reason};
    ward_key_job *job = NULL;
    ward_error error;
    if (ward_rewrap_key(cli->client, &call, names.texts[0], &job, &error) != WARD_RC_OK) {
        return cli_fail_call("rewrapping the key's rows", &error);
    }
    return is(job, "done") ? tell_idle(cli, names.texts[0], wait, job)
                           : finish(cli, &rewrap, names.texts[0], wait, job);
}

int cli_key_rekey(struct cli *cli, int argc, char **argv)
{
    struct cli_texts names = {.n = 0};
    const char *reason = NULL;
    bool wait = false;
    const struct cli_option options[] = {
        {"reason", CLI_TEXT, &reason, "TEXT", "Why; officers read it", 0, 0, false},
        {"wait", CLI_FLAG, &wait, NULL,
         "Wait for approval where it needs one, then watch it to its end: a bar on a terminal, "
         "lines of JSON otherwise",
         0, 0, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "NAME",
              .doc = "Encrypts every record of a key anew, under new subject keys. For a key that "
                     "leaked: a rewrap changes what wraps the subject keys, and not them. It is "
                     "done beside all other work; where policy asks for approvals it waits for "
                     "them first.",
              CLI_OPTIONS(options), .positional = &names, .min = 1, .max = 1);
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    const ward_call call = {.reason = reason};
    const char *name = names.texts[0];
    ward_key_job *job = NULL;
    ward_error error;
    if (ward_rekey_key(cli->client, &call, name, &job, &error) != WARD_RC_OK) {
        return cli_fail_call("rekeying the key's records", &error);
    }
    if (job->proposal != NULL) {
        const struct cli_asked asked = {
            .action = "key.rekey", .object = name, .reason = reason, .wait = wait};
        exit = cli_propose(cli, job->proposal, &asked);
        ward_key_job_free(job);
        job = NULL;
        return exit == CLI_DONE && wait ? finish(cli, &rekey, name, wait, NULL) : exit;
    }
    return finish(cli, &rekey, name, wait, job);
}

/* ---- usage ---- */

static int usage_json(const ward_key_usage *use)
{
    struct cli_doc doc;
    cli_doc_begin(&doc);
    cli_doc_text(&doc, "name", use->name);
    ward_json_member_int(&doc.json, "rotation_period_days", use->rotation_period_days);
    cli_doc_text(&doc, "next_rotation", use->next_rotation);
    ward_json_name(&doc.json, "versions");
    ward_json_array(&doc.json);
    for (size_t i = 0; i < use->n_versions; i++) {
        const ward_key_version_usage *version = use->versions[i];
        ward_json_object(&doc.json);
        ward_json_member_int(&doc.json, "version", version->version);
        cli_doc_text(&doc, "state", version->state);
        cli_doc_text(&doc, "created", version->created);
        ward_json_member_int(&doc.json, "age_days", version->age_days);
        ward_json_member_int(&doc.json, "issued", (int64_t)version->issued);
        ward_json_member_int(&doc.json, "opened", (int64_t)version->opened);
        cli_doc_text(&doc, "last_opened", version->last_opened);
        ward_json_member_int(&doc.json, "rows", (int64_t)version->rows);
        ward_json_member_int(&doc.json, "wraps", (int64_t)version->wraps);
        ward_json_member_int(&doc.json, "wraps_left", (int64_t)version->wraps_left);
        ward_json_name(&doc.json, "collections");
        ward_json_array(&doc.json);
        for (size_t c = 0; c < version->n_collections; c++) {
            ward_json_object(&doc.json);
            cli_doc_text(&doc, "collection", version->collections[c]->collection);
            ward_json_member_int(&doc.json, "rows", (int64_t)version->collections[c]->rows);
            ward_json_object_end(&doc.json);
        }
        ward_json_array_end(&doc.json);
        ward_json_object_end(&doc.json);
    }
    ward_json_array_end(&doc.json);
    cli_key_jobs_json(&doc, use->rewrap, use->rekey);
    return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
}

/* Which collections' rows each version holds. */
static bool held_table(const ward_key_usage *use)
{
    static const char *const columns[] = {"VERSION", "COLLECTION", "ROWS"};
    struct cli_table table;
    cli_table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < use->n_versions; i++) {
        const ward_key_version_usage *version = use->versions[i];
        for (size_t c = 0; c < version->n_collections; c++) {
            cli_table_number(&table, version->version);
            cli_table_text(&table, version->collections[c]->collection);
            cli_table_number(&table, version->collections[c]->rows);
        }
    }
    return cli_print("\n") && cli_table_end(&table);
}

static int usage_table(const ward_key_usage *use)
{
    static const char *const columns[] = {"VERSION", "STATE",  "AGE",         "ISSUED",
                                          "ROWS",    "OPENED", "LAST OPENED", "WRAPS LEFT"};
    bool held = false;
    struct cli_table table;
    cli_table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < use->n_versions; i++) {
        const ward_key_version_usage *version = use->versions[i];
        char age[32];
        (void)snprintf(age, sizeof(age), "%" PRIu32 " days", version->age_days);
        cli_table_number(&table, version->version);
        cli_table_text(&table, version->state);
        cli_table_text(&table, age);
        cli_table_number(&table, version->issued);
        cli_table_number(&table, version->rows);
        cli_table_number(&table, version->opened);
        cli_table_text(&table, version->last_opened[0] == 0 ? "never" : version->last_opened);
        if (version->wraps_left == 0) {
            cli_table_text(&table, "-");
        } else {
            cli_table_number(&table, version->wraps_left);
        }
        held |= version->n_collections > 0;
    }
    bool due = use->next_rotation[0] != 0;
    bool said =
        cli_table_end(&table) && (!held || held_table(use)) &&
        cli_print("\nRotates every %" PRIu32 " days%s%s.\n", use->rotation_period_days,
                  due ? ", up to a tenth of it early, so that not all keys rotate in one night: "
                        "next on "
                      : "; none is due by its age",
                  due ? use->next_rotation : "") &&
        cli_key_jobs_print(use->name, use->rewrap, use->rekey);
    return said ? CLI_DONE : CLI_FAILED;
}

int cli_key_usage(struct cli *cli, int argc, char **argv)
{
    struct cli_texts names = {.n = 0};
    CLI_PARSE(cli, argc, argv, .args = "NAME",
              .doc = "Shows what each version of a key was used for, what it still holds, and what "
                     "is left of its budget and its period.",
              .positional = &names, .min = 1, .max = 1);
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_key_usage *use = NULL;
    ward_error error;
    if (ward_get_key_usage(cli->client, NULL, names.texts[0], &use, &error) != WARD_RC_OK) {
        return cli_fail_call("asking what the key was used for", &error);
    }
    exit = cli->json ? usage_json(use) : usage_table(use);
    ward_key_usage_free(use);
    return exit;
}
