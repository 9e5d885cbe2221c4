/* SPDX-License-Identifier: Apache-2.0 */
/* ward audit: the checkpoint, the export and its check. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/audit.h"
#include "client/cli/audit_folder.h"
#include "client/cli/input.h"
#include "client/cli/proposal.h"

/* Nobody signs it, so that it is told and decides nothing. */
#define PASSED_OVER                                                                \
    "the daemon's database had a row of this size that no key of the log signed, " \
    "in the place of a checkpoint; somebody else wrote it, and it was passed over"

int audit_vkey_read(const char *path, struct ward_note_key *ret)
{
    struct ward_buffer text;
    char vkey[WARD_VKEY_MAX + 1] = "";
    ward_buffer_init(&text, 1024 * 1024); /* so that another file is told of as what it is */
    int exit = cli_read(path, &text);
    if (exit == CLI_DONE) {
        struct ward_bytes rest = ward_buffer_view(&text), line = {0};
        if (cli_next_line(&rest, &line) && line.size < sizeof(vkey)) {
            memcpy(vkey, line.data, line.size);
        }
        if (!ward_ok(ward_note_key_parse(vkey, ret))) {
            exit = cli_fail(CLI_USAGE, NULL,
                            "Give the file with the log's key from the deployment's genesis.",
                            "%s is not a note verifier key (name+hex+base64)", path);
        }
    }
    ward_buffer_fini(&text);
    return exit;
}

/* ---- checkpoint ---- */

static int run_checkpoint(struct cli *cli, int argc, char **argv)
{
    CLI_PARSE(cli, argc, argv,
              .doc = "Prints the newest checkpoint, a C2SP signed note, and the log's key.");
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_checkpoint_info *info = NULL;
    ward_error error;
    if (ward_audit_checkpoint(cli->client, NULL, &info, &error) != WARD_RC_OK) {
        return cli_fail_call("fetching the newest checkpoint", &error);
    }
    bool printed = false;
    if (cli->json) {
        struct cli_doc doc;
        cli_doc_begin(&doc);
        cli_doc_text(&doc, "note", info->note);
        cli_doc_text(&doc, "vkey", info->vkey);
        printed = cli_doc_end(&doc);
    } else {
        struct ward_buffer text;
        struct ward_bytes rest = ward_bytes_str(info->note), line;
        ward_buffer_init(&text, 65536);
        while (cli_next_line(&rest, &line)) {
            cli_escape(line, &text);
            ward_buffer_add_u8(&text, '\n');
        }
        ward_buffer_printf(&text, "\nlog key, as the daemon says: ");
        cli_escape(ward_bytes_str(info->vkey), &text);
        ward_buffer_add_u8(&text, '\n');
        printed = cli_write(ward_buffer_view(&text));
        ward_buffer_fini(&text);
    }
    ward_checkpoint_info_free(info);
    return printed ? CLI_DONE : CLI_FAILED;
}

/* ---- export ---- */

static int print_exported(const struct cli *cli, const char *path,
                          const struct audit_exported *exported, bool trusted)
{
    if (!cli->json) {
        return cli_print(
                   "%llu entries, %llu rotations, signatures of %llu proposals in %llu files: %s\n"
                   "The log's key is %s.\n",
                   (unsigned long long)exported->checkpoint.size,
                   (unsigned long long)exported->rotations, (unsigned long long)exported->proposals,
                   (unsigned long long)exported->files, path,
                   trusted ? "the one that you gave"
                           : "as the daemon says; verify with the one that you were given")
                   ? CLI_DONE
                   : CLI_FAILED;
    }
    struct cli_doc doc;
    cli_doc_begin(&doc);
    cli_doc_text(&doc, "folder", path);
    cli_doc_text(&doc, "log", exported->checkpoint.origin);
    ward_json_member_int(&doc.json, "entries", (int64_t)exported->checkpoint.size);
    ward_json_name(&doc.json, "root");
    ward_json_hex(&doc.json, WARD_BYTES_ARRAY(exported->checkpoint.root));
    ward_json_member_int(&doc.json, "rotations", (int64_t)exported->rotations);
    ward_json_member_int(&doc.json, "proposals", (int64_t)exported->proposals);
    ward_json_member_int(&doc.json, "files", (int64_t)exported->files);
    ward_json_member_int(&doc.json, "passed_over", (int64_t)exported->passed_over);
    cli_doc_text(&doc, "key", trusted ? "given" : "served");
    return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
}

static int run_export(struct cli *cli, int argc, char **argv)
{
    struct cli_texts folders = {.n = 0};
    const char *vkey = NULL;
    const struct cli_option options[] = {
        {"vkey", CLI_TEXT, &vkey, "FILE",
         "The log's key as you were given it (default: as the daemon says)", 0, 0, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "DIR",
              .doc = "Writes the whole log up to the newest checkpoint into a new folder: "
                     "tlog-tiles, checkpoint, "
                     "key, rotations.csv, the officers' signatures, and a manifest.",
              CLI_OPTIONS(options), .positional = &folders, .min = 1, .max = 1);
    struct ward_note_key key;
    int exit = vkey == NULL ? CLI_DONE : audit_vkey_read(vkey, &key);
    if (exit == CLI_DONE) {
        exit = cli_connect(cli);
    }
    struct audit_exported exported;
    if (exit == CLI_DONE) {
        exit = audit_export(cli, folders.texts[0], vkey == NULL ? NULL : &key, &exported);
    }
    return exit == CLI_DONE ? print_exported(cli, folders.texts[0], &exported, vkey != NULL) : exit;
}

/* ---- another key for the log ---- */

/* Said before it is signed: what auditors will have to do, and what they will not. */
static void tell_consequences(void)
{
    (void)fprintf(
        stderr,
        "Once another officer has approved it, the HSM makes a new key, and every checkpoint from\n"
        "then on is signed by that. Auditors need the new key (`ward audit checkpoint` shows it);\n"
        "with the old one an export verifies as well, by the one checkpoint that both keys sign, "
        "as\n"
        "long as it is whole. Exports of before stay as they are, and verify with the old key.\n"
        "If the old key may be in others' hands, nothing that only it signed is proof any more: "
        "hand\n"
        "the new key out by a way of its own, and let auditors use that alone.\n");
}

static int run_rotate_log_key(struct cli *cli, int argc, char **argv)
{
    const char *reason = NULL;
    bool wait = false;
    const struct cli_option options[] = {
        {"reason", CLI_TEXT, &reason, "TEXT", "Why; officers and auditors read it", 0, 0, true},
        {"wait", CLI_FLAG, &wait, NULL, "Wait until it is approved and done", 0, 0, false},
    };
    CLI_PARSE(cli, argc, argv,
              .doc = "Proposes another key for the log's checkpoints. It runs when other officers "
                     "have approved it.",
              CLI_OPTIONS(options));
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    const ward_call call = {.reason = reason};
    ward_proposals *proposals = NULL;
    ward_error error;
    if (ward_rotate_log_key(cli->client, &call, &proposals, &error) != WARD_RC_OK) {
        return cli_fail_call("proposing another key for the log", &error);
    }
    tell_consequences();
    const struct cli_asked asked = {
        .action = "audit.rotate-log-key", .object = "ward/log", .reason = reason, .wait = wait};
    exit = cli_propose(cli, proposals->items[0], &asked);
    ward_proposals_free(proposals);
    return exit;
}

/* ---- verify ---- */

static uint64_t without_review(const struct audit_report *report)
{
    uint64_t all = report->at_once + report->emergencies;
    uint64_t reviewed = report->reviewed + report->emergencies_reviewed;
    return all > reviewed ? all - reviewed : 0;
}

static void json_key_changes(struct cli_doc *doc, const struct audit_report *report)
{
    ward_json_name(&doc->json, "log_key_changes");
    ward_json_array(&doc->json);
    for (size_t i = 0; i < report->n_key_changes; i++) {
        const struct audit_key_change *change = &report->key_changes[i];
        ward_json_object(&doc->json);
        ward_json_member_int(&doc->json, "leaf", (int64_t)change->leaf);
        cli_doc_text(doc, "time", change->time);
        cli_doc_text(doc, "proposer", change->proposer);
        cli_doc_text(doc, "approvers", change->approvers);
        cli_doc_text(doc, "vkey", change->vkey);
        ward_json_object_end(&doc->json);
    }
    ward_json_array_end(&doc->json);
}

static void print_key_changes(const struct audit_report *report)
{
    for (size_t i = 0; i < report->n_key_changes; i++) {
        const struct audit_key_change *change = &report->key_changes[i];
        const char *parts[] = {change->time, change->proposer, change->approvers, change->vkey};
        struct ward_buffer text;
        ward_buffer_init(&text, 65536);
        ward_buffer_printf(&text, "The log's key was changed at leaf %llu, ",
                           (unsigned long long)change->leaf);
        static const char *const behind[] = {", proposed by ", ", approved by ",
                                             "; since then it is\n  ", "\n"};
        for (size_t p = 0; p < 4; p++) {
            cli_escape(ward_bytes_str(parts[p]), &text);
            ward_buffer_printf(&text, "%s", behind[p]);
        }
        (void)cli_write(ward_buffer_view(&text)); /* says so itself */
        ward_buffer_fini(&text);
    }
}

static void json_warnings(struct cli_doc *doc, const struct audit_report *report)
{
    ward_json_name(&doc->json, "warnings");
    ward_json_array(&doc->json);
    for (size_t i = 0; i < report->passed_over.n; i++) {
        ward_json_object(&doc->json);
        cli_doc_text(doc, "kind", "passed-over");
        ward_json_member_int(&doc->json, "size", (int64_t)report->passed_over.sizes[i]);
        cli_doc_text(doc, "text", PASSED_OVER);
        ward_json_object_end(&doc->json);
    }
    ward_json_array_end(&doc->json);
}

static void print_warnings(const struct audit_report *report)
{
    for (size_t i = 0; i < report->passed_over.n; i++) {
        (void)cli_print("warning: size %llu: " PASSED_OVER ".\n",
                        (unsigned long long)report->passed_over.sizes[i]);
    }
}

/* The folder may hold a log of anybody's, under a key of his own: without the key that was given to
 * the auditor it is at most consistent in itself. */
static void report_json(const struct audit_report *report, bool consistent, bool trusted)
{
    struct cli_doc doc;
    cli_doc_begin(&doc);
    ward_json_name(&doc.json, "verified");
    ward_json_bool(&doc.json, consistent && trusted);
    ward_json_name(&doc.json, "consistent");
    ward_json_bool(&doc.json, consistent);
    cli_doc_text(&doc, "log", report->checkpoint.origin);
    ward_json_member_int(&doc.json, "size", (int64_t)report->checkpoint.size);
    ward_json_member_int(&doc.json, "entries", (int64_t)report->checkpoint.size);
    ward_json_member_int(&doc.json, "rotations", (int64_t)report->rotations);
    ward_json_member_int(&doc.json, "signatures", (int64_t)report->signatures);
    ward_json_member_int(&doc.json, "recovered", (int64_t)report->recovered);
    ward_json_member_int(&doc.json, "by_daemon", (int64_t)report->own);
    ward_json_member_int(&doc.json, "at_limit", (int64_t)report->own_limit);
    ward_json_member_int(&doc.json, "at_period", (int64_t)report->own_period);
    ward_json_member_int(&doc.json, "after_compromise", (int64_t)report->own_compromised);
    ward_json_member_int(&doc.json, "at_once", (int64_t)report->at_once);
    ward_json_member_int(&doc.json, "reviewed", (int64_t)report->reviewed);
    ward_json_member_int(&doc.json, "emergencies", (int64_t)report->emergencies);
    ward_json_member_int(&doc.json, "emergencies_reviewed", (int64_t)report->emergencies_reviewed);
    ward_json_member_int(&doc.json, "without_review", (int64_t)without_review(report));
    ward_json_member_int(&doc.json, "policies", (int64_t)report->policies);
    ward_json_name(&doc.json, "policy_genesis");
    ward_json_hex(&doc.json, WARD_BYTES_ARRAY(report->policy_genesis));
    ward_json_name(&doc.json, "policy");
    ward_json_hex(&doc.json, WARD_BYTES_ARRAY(report->policy));
    cli_doc_text(&doc, "key", trusted ? "given" : "from the folder");
    json_key_changes(&doc, report);
    json_warnings(&doc, report);
    ward_json_member_int(&doc.json, "problem_count", (int64_t)report->total);
    ward_json_name(&doc.json, "problems");
    ward_json_array(&doc.json);
    for (size_t i = 0; i < report->n_problems; i++) {
        const struct audit_problem *problem = &report->problems[i];
        ward_json_object(&doc.json);
        cli_doc_text(&doc, "kind", problem->kind);
        cli_doc_text(&doc, "file", problem->file);
        if (problem->leaf >= 0) {
            ward_json_member_int(&doc.json, "leaf", problem->leaf);
        }
        cli_doc_text(&doc, "text", problem->text);
        ward_json_object_end(&doc.json);
    }
    ward_json_array_end(&doc.json);
    (void)cli_doc_end(&doc); /* says so itself */
}

static void report_table(const struct audit_report *report, bool consistent, bool trusted)
{
    static const char *const columns[] = {"PROBLEM", "LEAF", "FILE", "WHAT"};
    if (report->n_problems > 0) {
        struct cli_table table;
        cli_table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]));
        for (size_t i = 0; i < report->n_problems; i++) {
            const struct audit_problem *problem = &report->problems[i];
            cli_table_text(&table, problem->kind);
            if (problem->leaf >= 0) {
                cli_table_number(&table, (uint64_t)problem->leaf);
            } else {
                cli_table_text(&table, "");
            }
            cli_table_text(&table, problem->file);
            cli_table_text(&table, problem->text);
        }
        (void)cli_table_end(&table);
    }
    (void)cli_print("%s: %llu entries, %llu rotations, %llu officers' signatures, %zu problem%s.\n",
                    !consistent ? "NOT verified"
                    : trusted   ? "Verified"
                                : "Consistent in itself, but NOT verified",
                    (unsigned long long)report->checkpoint.size,
                    (unsigned long long)report->rotations, (unsigned long long)report->signatures,
                    report->total, report->total == 1 ? "" : "s");
    if (report->recovered > 0) {
        (void)cli_print("%llu of the rotations were finished after a crash; their signatures are "
                        "among those checked.\n",
                        (unsigned long long)report->recovered);
    }
    if (report->at_once + report->emergencies > 0) {
        (void)cli_print("%llu act%s ran at once on one officer's signature; reviewed by another: "
                        "%llu. Emergencies opened: %llu; reviewed: %llu. Without review: %llu.\n",
                        (unsigned long long)report->at_once, report->at_once == 1 ? "" : "s",
                        (unsigned long long)report->reviewed,
                        (unsigned long long)report->emergencies,
                        (unsigned long long)report->emergencies_reviewed,
                        (unsigned long long)without_review(report));
    }
    if (report->own > 0) {
        (void)cli_print("%llu of the rotations were the daemon's own, which nobody signs: as it "
                        "says, %llu by their period, %llu after a compromise, %llu of versions "
                        "that had wrapped as often as they should.\n",
                        (unsigned long long)report->own, (unsigned long long)report->own_period,
                        (unsigned long long)report->own_compromised,
                        (unsigned long long)report->own_limit);
    }
    if (report->policies > 0) {
        char genesis[65], now[65];
        ward_hex_encode(WARD_BYTES_ARRAY(report->policy_genesis), genesis);
        ward_hex_encode(WARD_BYTES_ARRAY(report->policy), now);
        (void)cli_print("%llu versions of policy; the SHA-256 of the first is %s: hold it against "
                        "the configuration; of the last, %s.\n",
                        (unsigned long long)report->policies, genesis, now);
    }
    print_key_changes(report);
    print_warnings(report);
    if (!trusted) {
        (void)cli_print("The log's key came from the folder itself, and whose it is is not "
                        "established: give the one that you trust with --vkey.\n");
    }
    (void)cli_print(
        "That the signing certificates are officers' is what the log says; no CA was asked.\n");
}

static int run_verify(struct cli *cli, int argc, char **argv)
{
    struct cli_texts folders = {.n = 0};
    const char *vkey = NULL;
    const struct cli_option options[] = {
        {"vkey", CLI_TEXT, &vkey, "FILE",
         "The log's key as you were given it, of now or of before it was changed; by the folder's "
         "own nothing is verified",
         0, 0, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "DIR",
              .doc = "Checks an export without any network: every leaf, the tree, the checkpoint, "
                     "the signatures (each run's own, for this deployment, before it expired; "
                     "those of runs that recovery finished too), that each entry was decided under "
                     "the policy "
                     "in force there, from genesis on, and "
                     "that no file is missing, altered, cut or added. Without --vkey it fails, for "
                     "anybody can make a log under a key of his own.",
              CLI_OPTIONS(options), .positional = &folders, .min = 1, .max = 1);
    struct ward_note_key key;
    int exit = vkey == NULL ? CLI_DONE : audit_vkey_read(vkey, &key);
    if (exit != CLI_DONE) {
        return exit;
    }
    int folder = audit_folder_open(folders.texts[0]);
    if (folder < 0) {
        return cli_fail(CLI_FAILED, NULL, "Give the folder of an export.", "cannot open %s: %s",
                        folders.texts[0], strerrordesc_np(errno));
    }
    struct audit_report report;
    audit_verify(folder, vkey == NULL ? NULL : &key, &report);
    (void)close(folder);
    bool consistent = !report.broken && report.total == 0;
    if (report.broken) {
        (void)cli_fail(CLI_FAILED, "What could not be checked is not verified.", NULL,
                       "the check could not be done to its end");
    }
    if (cli->json) {
        report_json(&report, consistent, vkey != NULL);
    } else {
        report_table(&report, consistent, vkey != NULL);
    }
    audit_report_fini(&report);
    return consistent && vkey != NULL ? CLI_DONE : CLI_FAILED;
}

static const struct cli_verb verbs[] = {
    {"checkpoint", run_checkpoint, "the newest signed tree head"},
    {"export", run_export, "the whole log into a folder"},
    {"verify", run_verify, "check such a folder, offline"},
    {"rotate-log-key", run_rotate_log_key, "propose another key for the log's checkpoints"},
    {NULL, NULL, NULL},
};

const struct cli_noun cli_noun_audit = {
    "audit", verbs, NULL, "The audit log: checkpoint, export, and its check without trust."};
