/* SPDX-License-Identifier: Apache-2.0 */
/* ward policy show, list, diff and apply: policy as a running daemon has it, and how it is changed.
 * What works without a daemon is beside it. */
#include <stdio.h>
#include <string.h>

#include "client/cli/cmd_policy.h"
#include "client/cli/input.h"
#include "client/cli/list.h"
#include "client/cli/policy_diff.h"
#include "proto/wire_limits.h"

#define TEXT_MAX (1024u * 1024)
#define OUT_MAX (8u * 1024 * 1024)
#define VERSION_MAX 2147483646u

static int fetch(struct cli *cli, uint32_t version, ward_policies **ret)
{
    ward_error error;
    return ward_show_policy(cli->client, NULL, version, NULL, ret, &error) == WARD_RC_OK
               ? CLI_DONE
               : cli_fail_call("fetching the policy", &error);
}

static struct ward_bytes text_of(const ward_policies *policies)
{
    return WARD_BYTES(policies->items[0]->text, policies->items[0]->text_size);
}

/* ---- show ---- */

static void info_json(struct cli_doc *doc, const ward_policy_info *info)
{
    ward_json_member_int(&doc->json, "version", info->version);
    cli_doc_text(doc, "sha256", info->sha256);
    cli_doc_text(doc, "created", info->created);
    cli_doc_text(doc, "ceased", info->ceased);
    cli_doc_text(doc, "proposal", info->proposal);
}

static int print_info(const struct cli *cli, const ward_policy_info *info)
{
    if (cli->json) {
        struct cli_doc doc;
        cli_doc_begin(&doc);
        info_json(&doc, info);
        ward_json_member(&doc.json, "text", WARD_BYTES(info->text, info->text_size));
        return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
    }
    bool first = info->proposal[0] == 0;
    return cli_print("Policy %u, %zu bytes\n  SHA-256   %s\n  in force  since %s%s%s\n  proposal  "
                     "%s\n",
                     info->version, info->text_size, info->sha256, info->created,
                     info->ceased[0] == 0 ? "" : ", until ", info->ceased,
                     first ? "(none: it was there from the start)" : info->proposal)
               ? CLI_DONE
               : CLI_FAILED;
}

int cli_policy_run_show(struct cli *cli, int argc, char **argv)
{
    uint64_t version = 0;
    bool text = false;
    const struct cli_option options[] = {
        {"version", CLI_NUMBER, &version, "N", "This version; default: the one in force", 1,
         VERSION_MAX, false},
        {"text", CLI_FLAG, &text, NULL, "Only its text, byte for byte", 0, 0, false},
    };
    CLI_PARSE(cli, argc, argv,
              .doc =
                  "Shows the policy in force, or an older version: its hash, since when, and the "
                  "proposal that brought it.",
              CLI_OPTIONS(options), .max = 0);
    int exit = cli_connect(cli);
    ward_policies *policies = NULL;
    exit = exit == CLI_DONE ? fetch(cli, (uint32_t)version, &policies) : exit;
    if (exit != CLI_DONE) {
        return exit;
    }
    exit = !text                          ? print_info(cli, policies->items[0])
           : cli_write(text_of(policies)) ? CLI_DONE
                                          : CLI_FAILED;
    ward_policies_free(policies);
    return exit;
}

/* ---- list ---- */

static void list_one(const ward_policy_info *info, struct cli_list *list)
{
    if (list->json) {
        ward_json_object(&list->doc.json);
        info_json(&list->doc, info);
        ward_json_object_end(&list->doc.json);
        return;
    }
    struct cli_table *table = &list->table;
    cli_table_number(table, info->version);
    cli_table_text(table, info->created);
    cli_table_text(table, info->ceased[0] == 0 ? "in force" : info->ceased);
    cli_table_text(table, info->proposal[0] == 0 ? "-" : info->proposal);
    cli_table_text(table, info->sha256);
}

static ward_rc fetch_page(ward_client *client, const void *wanted, const char *token,
                          struct cli_list *list, char next[static CLI_PAGE_TOKEN_SIZE],
                          ward_error *error)
{
    (void)wanted;
    ward_policies *page = NULL;
    ward_rc rc = ward_list_policies(client, NULL, WARD_PAGE_SIZE_MAX, token, &page, error);
    if (rc != WARD_RC_OK) {
        return rc;
    }
    for (size_t i = 0; i < page->n; i++) {
        list_one(page->items[i], list);
    }
    (void)snprintf(next, CLI_PAGE_TOKEN_SIZE, "%s", page->next_page);
    ward_policies_free(page);
    return rc;
}

int cli_policy_run_list(struct cli *cli, int argc, char **argv)
{
    CLI_PARSE(cli, argc, argv,
              .doc = "Lists every version of the policy that was ever in force, newest first.",
              .max = 0);
    static const char *const columns[] = {"VERSION", "SINCE", "UNTIL", "PROPOSAL", "SHA-256"};
    return cli_list_pages(cli, &(const struct cli_pages){.member = "policies",
                                                         .tried = "listing policies",
                                                         .columns = columns,
                                                         .n_columns = 5,
                                                         .fetch = fetch_page});
}

/* ---- diff ---- */

static int print_diff(const struct cli *cli, const struct cli_policy_text *from,
                      const struct cli_policy_text *to)
{
    struct ward_buffer out;
    ward_buffer_init(&out, OUT_MAX);
    cli_policy_diff(from, to, &out);
    int exit = CLI_DONE;
    if (cli->json) {
        struct cli_doc doc;
        cli_doc_begin(&doc);
        ward_json_member(&doc.json, "diff", ward_buffer_view(&out));
        exit = cli_policy_meaning_json(from, to, &doc);
        if (exit == CLI_DONE) {
            exit = cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
        } else {
            ward_buffer_fini(&doc.buffer);
        }
    } else {
        exit = cli_policy_meaning(from, to, &out);
        if (exit == CLI_DONE) {
            exit = !out.failed && cli_write(ward_buffer_view(&out)) ? CLI_DONE : CLI_FAILED;
        }
    }
    ward_buffer_fini(&out);
    return exit;
}

/* Against a file, or a version against another. */
static int diff(struct cli *cli, uint64_t from, uint64_t to, const char *path)
{
    ward_policies *before = NULL, *after = NULL;
    struct ward_buffer file;
    ward_buffer_init(&file, TEXT_MAX);
    int exit = fetch(cli, (uint32_t)from, &before);
    if (exit == CLI_DONE && path != NULL) {
        exit = cli_read(path, &file);
    } else if (exit == CLI_DONE) {
        exit = fetch(cli, (uint32_t)to, &after);
    }
    if (exit == CLI_DONE) {
        char from_name[32], to_name[32];
        (void)snprintf(from_name, sizeof(from_name), "policy#%u", before->items[0]->version);
        (void)snprintf(to_name, sizeof(to_name), "policy#%u",
                       after == NULL ? 0 : after->items[0]->version);
        const struct cli_policy_text a = {from_name, text_of(before)};
        const struct cli_policy_text b = {path != NULL ? path : to_name,
                                          path != NULL ? ward_buffer_view(&file) : text_of(after)};
        exit = print_diff(cli, &a, &b);
    }
    ward_buffer_fini(&file);
    ward_policies_free(before);
    ward_policies_free(after);
    return exit;
}

int cli_policy_run_diff(struct cli *cli, int argc, char **argv)
{
    struct cli_texts files = {.n = 0};
    uint64_t from = 0, to = 0;
    const struct cli_option options[] = {
        {"from", CLI_NUMBER, &from, "N", "The older version; default: the one in force", 1,
         VERSION_MAX, false},
        {"to", CLI_NUMBER, &to, "M", "The newer version; default: the one in force", 1, VERSION_MAX,
         false},
    };
    CLI_PARSE(cli, argc, argv, .args = "[FILE]",
              .doc = "What a file would change of the policy in force, or what one version changed "
                     "of another: line by line, and who gains and loses what.",
              CLI_OPTIONS(options), .positional = &files, .max = 1);
    if ((files.n == 1) == (from != 0 || to != 0)) {
        return cli_fail(CLI_USAGE, NULL, NULL, "give either FILE, or --from N and perhaps --to M");
    }
    int exit = cli_connect(cli);
    return exit == CLI_DONE ? diff(cli, from, to, files.n == 1 ? files.texts[0] : NULL) : exit;
}

/* ---- apply ---- */

/* The draft must be of this very text: its hash was computed here. */
static int check_draft(const ward_proposal_info *info, struct ward_bytes text)
{
    struct cli_proposal proposal;
    int exit = cli_proposal_open(WARD_BYTES(info->payload, info->payload_size), &proposal);
    if (exit != CLI_DONE) {
        return exit;
    }
    if (!cli_policy_hash_is(text, ward_proposal_text(proposal.parsed.parameters,
                                                     proposal.parsed.n_parameters, "to_hash"))) {
        exit = cli_fail(CLI_FAILED, "It was not signed, so it cannot run.",
                        "Tell your security team: the daemon did not propose what was asked.",
                        "the proposal is not of this file");
    }
    cli_proposal_close(&proposal);
    return exit;
}

static int propose(struct cli *cli, const char *reason, uint32_t base, struct ward_bytes text,
                   bool wait)
{
    const ward_call call = {.reason = reason};
    ward_proposals *proposals = NULL;
    ward_error error;
    if (ward_apply_policy(cli->client, &call, text.data, text.size, base, &proposals, &error) !=
        WARD_RC_OK) {
        return cli_fail_call("proposing the policy", &error);
    }
    char object[32];
    (void)snprintf(object, sizeof(object), "policy#%u", base + 1);
    int exit = check_draft(proposals->items[0], text);
    if (exit == CLI_DONE) {
        const struct cli_asked asked = {.action = "policy.apply",
                                        .object = object,
                                        .reason = reason,
                                        .numbers = {{"from_version", base}},
                                        .wait = wait};
        exit = cli_propose(cli, proposals->items[0], &asked);
    }
    ward_proposals_free(proposals);
    return exit;
}

/* Each names the policy under which it was made, and runs under no other. Whom the list is not for
 * is told nothing: it is only a word in time. */
static void warn_of_open(struct cli *cli)
{
    char page[256] = "";
    size_t n = 0;
    do {
        ward_proposals *proposals = NULL;
        ward_error error;
        if (ward_list_proposals(cli->client, NULL, false, WARD_PAGE_SIZE_MAX, page, &proposals,
                                &error) != WARD_RC_OK) {
            return;
        }
        for (size_t i = 0; i < proposals->n; i++) {
            const ward_proposal_info *info = proposals->items[i];
            n += info->cannot_run[0] == 0 && strcmp(info->state, "draft") != 0;
        }
        (void)snprintf(page, sizeof(page), "%s", proposals->next_page);
        ward_proposals_free(proposals);
    } while (page[0] != 0);
    if (n > 0) {
        (void)fprintf(stderr,
                      "warning: %zu open proposal%s can never run once this "
                      "policy is in force, and must be proposed again: `ward approval list`\n",
                      n, n == 1 ? "" : "s");
    }
}

static int apply(struct cli *cli, const char *path, const char *reason, uint64_t base, bool wait)
{
    struct ward_buffer file, shown;
    ward_policies *before = NULL;
    ward_buffer_init(&file, TEXT_MAX);
    ward_buffer_init(&shown, OUT_MAX);
    int exit = cli_read(path, &file);
    exit = exit == CLI_DONE ? fetch(cli, (uint32_t)base, &before) : exit;
    if (exit == CLI_DONE) {
        char name[32];
        (void)snprintf(name, sizeof(name), "policy#%u", before->items[0]->version);
        const struct cli_policy_text from = {name, text_of(before)};
        const struct cli_policy_text to = {path, ward_buffer_view(&file)};
        cli_policy_diff(&from, &to, &shown);
        exit = cli_policy_meaning(&from, &to, &shown);
        (void)fwrite(shown.data, 1, exit == CLI_DONE ? shown.size : 0, stderr);
    }
    if (exit == CLI_DONE) {
        cli_policy_warn(path, ward_buffer_view(&file));
        warn_of_open(cli);
        exit = propose(cli, reason, before->items[0]->version, ward_buffer_view(&file), wait);
    }
    ward_policies_free(before);
    ward_buffer_fini(&shown);
    ward_buffer_fini(&file);
    return exit;
}

int cli_policy_run_apply(struct cli *cli, int argc, char **argv)
{
    struct cli_texts files = {.n = 0};
    const char *reason = NULL;
    uint64_t base = 0;
    bool wait = false;
    const struct cli_option options[] = {
        {"reason", CLI_TEXT, &reason, "TEXT", "Why; officers and auditors read it", 0, 0, true},
        {"base", CLI_NUMBER, &base, "N",
         "The version that it was written against; default: the one in force", 1, VERSION_MAX,
         false},
        {"wait", CLI_FLAG, &wait, NULL, "Wait until it is decided", 0, 0, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "FILE",
              .doc =
                  "Proposes a policy in place of the one in force, and signs that. It is in force "
                  "everywhere with the last approval's own commit; the old one is kept.",
              CLI_OPTIONS(options), .positional = &files, .min = 1, .max = 1);
    int exit = cli_connect(cli);
    return exit == CLI_DONE ? apply(cli, files.texts[0], reason, base, wait) : exit;
}
