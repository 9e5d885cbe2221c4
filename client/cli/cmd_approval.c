/* SPDX-License-Identifier: Apache-2.0 */
/* ward approval: an officer looks at what waits, and decides. What is signed is what was rendered
 * here from the payload's own bytes. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "client/cli/proposal.h"
#include "proto/wire_limits.h"

#define RENDER_MAX (1024u * 1024)

/* ---- list ---- */

static void list_row_json(struct cli_doc *doc, const ward_proposal_info *info,
                          const struct cli_proposal *proposal)
{
    size_t approvals = 0;
    for (size_t i = 0; i < info->n_votes; i++) {
        approvals += strcmp(info->votes[i]->decision, "approve") == 0;
    }
    char expires[WARD_TIME_TEXT_SIZE];
    ward_time_print(proposal->parsed.expires_us, expires);
    ward_json_object(&doc->json);
    cli_doc_text(doc, "proposal", proposal->id);
    cli_doc_text(doc, "state", info->state);
    ward_json_member(&doc->json, "action", proposal->parsed.action);
    ward_json_member(&doc->json, "object", proposal->parsed.object);
    ward_json_member(&doc->json, "proposer", proposal->parsed.proposer);
    cli_doc_text(doc, "expires", expires);
    ward_json_member_int(&doc->json, "approvals_needed", proposal->parsed.approvals);
    ward_json_member_int(&doc->json, "approvals", (int64_t)approvals);
    cli_doc_text(doc, "digest", proposal->digest);
    ward_json_object_end(&doc->json);
}

static void list_row_table(struct cli_table *table, const ward_proposal_info *info,
                           const struct cli_proposal *proposal)
{
    char expires[WARD_TIME_TEXT_SIZE];
    ward_time_print(proposal->parsed.expires_us, expires);
    cli_table_text(table, proposal->id);
    cli_table_text(table, info->state);
    cli_table_cell(table, proposal->parsed.action);
    cli_table_cell(table, proposal->parsed.object);
    cli_table_cell(table, proposal->parsed.proposer);
    cli_table_text(table, expires);
}

static int list_page(const ward_proposals *page, struct cli_doc *doc, struct cli_table *table)
{
    for (size_t i = 0; i < page->n; i++) {
        const ward_proposal_info *info = page->items[i];
        struct cli_proposal proposal;
        int exit = cli_proposal_open(WARD_BYTES(info->payload, info->payload_size), &proposal);
        if (exit != CLI_DONE) {
            return exit;
        }
        if (doc != NULL) {
            list_row_json(doc, info, &proposal);
        } else {
            list_row_table(table, info, &proposal);
        }
        cli_proposal_close(&proposal);
    }
    return CLI_DONE;
}

static int list_all(struct cli *cli, bool all, struct cli_doc *doc, struct cli_table *table)
{
    ward_proposals *page = NULL;
    int exit = CLI_DONE;
    do {
        ward_proposals *next = NULL;
        ward_error error;
        ward_rc rc = ward_list_proposals(cli->client, NULL, all, WARD_PAGE_SIZE_MAX,
                                         page == NULL ? NULL : page->next_page, &next, &error);
        ward_proposals_free(page);
        page = next;
        if (rc != WARD_RC_OK) {
            return cli_fail_call("listing proposals", &error);
        }
        exit = list_page(page, doc, table);
    } while (exit == CLI_DONE && page->next_page[0] != 0);
    ward_proposals_free(page);
    return exit;
}

static int run_list(struct cli *cli, int argc, char **argv)
{
    bool all = false;
    const struct cli_option options[] = {
        {"all", CLI_FLAG, &all, NULL, "Also those that are executed, rejected or expired", 0, 0,
         false},
    };
    CLI_PARSE(cli, argc, argv, .doc = "Lists the proposals that wait, newest first.",
              CLI_OPTIONS(options));
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    static const char *const columns[] = {"PROPOSAL", "STATE",    "ACTION",
                                          "OBJECT",   "PROPOSER", "EXPIRES"};
    struct cli_doc doc;
    struct cli_table table;
    if (cli->json) {
        cli_doc_begin(&doc);
        ward_json_name(&doc.json, "proposals");
        ward_json_array(&doc.json);
        exit = list_all(cli, all, &doc, NULL);
        ward_json_array_end(&doc.json);
        if (exit != CLI_DONE) {
            ward_buffer_fini(&doc.buffer);
            return exit;
        }
        return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
    }
    cli_table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]));
    exit = list_all(cli, all, NULL, &table);
    if (exit != CLI_DONE) {
        ward_buffer_fini(&table.cells);
        return exit;
    }
    return cli_table_end(&table) ? CLI_DONE : CLI_FAILED;
}

/* ---- show ---- */

static int show_json(const ward_proposal_info *info, const struct cli_proposal *proposal)
{
    struct cli_doc doc;
    cli_doc_begin(&doc);
    cli_doc_text(&doc, "proposal", proposal->id);
    cli_doc_text(&doc, "state", info->state);
    cli_doc_text(&doc, "digest", proposal->digest);
    ward_json_name(&doc.json, "payload"); /* canonical JSON already */
    ward_buffer_add(&doc.buffer, proposal->payload);
    doc.json.comma = true;
    ward_json_name(&doc.json, "signatures");
    ward_json_array(&doc.json);
    for (size_t i = 0; i < info->n_votes; i++) {
        const ward_vote_info *vote = info->votes[i];
        ward_json_object(&doc.json);
        cli_doc_text(&doc, "decision", vote->decision);
        cli_doc_text(&doc, "identity", vote->identity);
        cli_doc_text(&doc, "time", vote->time);
        cli_doc_base64(&doc, "signature", WARD_BYTES(vote->signature, vote->signature_size));
        cli_doc_base64(&doc, "certificate", WARD_BYTES(vote->certificate, vote->certificate_size));
        ward_json_object_end(&doc.json);
    }
    ward_json_array_end(&doc.json);
    return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
}

static void render(const ward_proposal_info *info, const struct cli_proposal *proposal,
                   struct ward_buffer *out)
{
    cli_proposal_render(proposal, ward_wall_us(&ward_clock_system), out);
    ward_buffer_printf(out, "  %-14s ", "state");
    cli_escape(ward_bytes_str(info->state), out);
    ward_buffer_add_u8(out, '\n');
    for (size_t i = 0; i < info->n_votes; i++) {
        const ward_vote_info *vote = info->votes[i];
        ward_buffer_printf(out, "  %-14s ", i == 0 ? "signatures" : "");
        cli_escape(ward_bytes_str(vote->decision), out);
        ward_buffer_printf(out, " by ");
        cli_escape(ward_bytes_str(vote->identity), out);
        ward_buffer_printf(out, " at ");
        cli_escape(ward_bytes_str(vote->time), out);
        ward_buffer_add_u8(out, '\n');
    }
}

/* Fetches it and opens it; *shown holds the payload's bytes. */
static int fetch(struct cli *cli, const char *id, ward_proposals **shown,
                 struct cli_proposal *proposal)
{
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_error error;
    if (ward_show_proposal(cli->client, NULL, id, shown, &error) != WARD_RC_OK) {
        return cli_fail_call("fetching the proposal", &error);
    }
    const ward_proposal_info *info = (*shown)->items[0];
    exit = cli_proposal_open(WARD_BYTES(info->payload, info->payload_size), proposal);
    if (exit == CLI_DONE && strcmp(proposal->id, id) != 0) {
        cli_proposal_close(proposal);
        exit = cli_fail(CLI_FAILED, "Nothing was signed.", "Tell your security team.",
                        "the daemon answered with another proposal than %s", id);
    }
    if (exit != CLI_DONE) {
        ward_proposals_free(*shown);
        *shown = NULL;
    }
    return exit;
}

static int run_show(struct cli *cli, int argc, char **argv)
{
    struct cli_texts ids = {.n = 0};
    CLI_PARSE(cli, argc, argv, .args = "PROPOSAL",
              .doc = "Shows what exactly would run, and who signed it.", .positional = &ids,
              .min = 1, .max = 1);
    ward_proposals *shown = NULL;
    struct cli_proposal proposal;
    int exit = fetch(cli, ids.texts[0], &shown, &proposal);
    if (exit != CLI_DONE) {
        return exit;
    }
    if (cli->json) {
        exit = show_json(shown->items[0], &proposal);
    } else {
        struct ward_buffer text;
        ward_buffer_init(&text, RENDER_MAX);
        render(shown->items[0], &proposal, &text);
        exit = cli_write(ward_buffer_view(&text)) ? CLI_DONE : CLI_FAILED;
        ward_buffer_fini(&text);
    }
    cli_proposal_close(&proposal);
    ward_proposals_free(shown);
    return exit;
}

/* ---- approve, reject ---- */

static bool confirmed(const char *verb)
{
    char answer[16];
    (void)fprintf(stderr, "Type \"%s\" to sign this: ", verb);
    if (fgets(answer, sizeof(answer), stdin) == NULL) {
        return false;
    }
    answer[strcspn(answer, "\n")] = 0;
    return strcmp(answer, verb) == 0;
}

static int print_decided(const struct cli *cli, const struct cli_proposal *proposal,
                         const ward_proposal_info *info)
{
    if (!cli->json) {
        return cli_print("Signed. Proposal %s is %s.\n", proposal->id, info->state) ? CLI_DONE
                                                                                    : CLI_FAILED;
    }
    struct cli_doc doc;
    cli_doc_begin(&doc);
    cli_doc_text(&doc, "proposal", proposal->id);
    cli_doc_text(&doc, "state", info->state);
    cli_doc_text(&doc, "digest", proposal->digest);
    return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
}

static int sign_and_send(struct cli *cli, const struct cli_proposal *proposal,
                         enum ward_decision_kind decision)
{
    uint8_t signature[WARD_SIGNATURE_MAX];
    size_t size = 0;
    int exit = cli_sign(&cli->profile, proposal->payload, decision, signature, &size);
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_proposals *decided = NULL;
    ward_error error;
    ward_rc rc = decision == WARD_DECISION_APPROVE
                     ? ward_approve_proposal(cli->client, NULL, proposal->id, signature, size,
                                             &decided, &error)
                     : ward_reject_proposal(cli->client, NULL, proposal->id, signature, size,
                                            &decided, &error);
    if (rc != WARD_RC_OK) {
        return cli_fail_call(decision == WARD_DECISION_APPROVE ? "approving" : "rejecting", &error);
    }
    exit = print_decided(cli, proposal, decided->items[0]);
    ward_proposals_free(decided);
    return exit;
}

/* What was read before, perhaps elsewhere, must be what is signed now. */
static int check_digest(const struct cli_proposal *proposal, const char *digest)
{
    if (strcasecmp(digest, proposal->digest) == 0) {
        return CLI_DONE;
    }
    return cli_fail(CLI_FAILED,
                    "Nothing was signed: this is not the proposal that was read before.",
                    "Read it again, with `ward approval show`.",
                    "the payload's SHA-256 is %s, not %s", proposal->digest, digest);
}

static int decide(struct cli *cli, int argc, char **argv, enum ward_decision_kind decision,
                  const char *doc)
{
    struct cli_texts ids = {.n = 0};
    bool yes = false;
    const char *digest = NULL;
    const struct cli_option options[] = {
        {"yes", CLI_FLAG, &yes, NULL,
         "Do not ask: it was read before, with `approval show`. Scripts should give --digest too",
         0, 0, false},
        {"digest", CLI_TEXT, &digest, "HEX",
         "Sign only the payload with this SHA-256, as `approval show` printed it", 0, 0, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "PROPOSAL", .doc = doc, CLI_OPTIONS(options),
              .positional = &ids, .min = 1, .max = 1);
    const char *verb = ward_decision_kind_name(decision);
    if (!yes && isatty(STDIN_FILENO) == 0) {
        return cli_fail(CLI_USAGE, "An officer reads before signing.",
                        "Run it on a terminal, or give --yes after `ward approval show`.",
                        "there is no terminal to ask on");
    }
    ward_proposals *shown = NULL;
    struct cli_proposal proposal;
    int exit = fetch(cli, ids.texts[0], &shown, &proposal);
    if (exit != CLI_DONE) {
        return exit;
    }
    struct ward_buffer text;
    ward_buffer_init(&text, RENDER_MAX);
    render(shown->items[0], &proposal, &text);
    (void)fwrite(text.data, 1, text.size, stderr);
    ward_buffer_fini(&text);
    exit = digest == NULL ? CLI_DONE : check_digest(&proposal, digest);
    if (exit == CLI_DONE) {
        exit = yes || confirmed(verb)
                   ? sign_and_send(cli, &proposal, decision)
                   : cli_fail(CLI_FAILED, "Nothing was signed.", NULL, "not confirmed");
    }
    cli_proposal_close(&proposal);
    ward_proposals_free(shown);
    return exit;
}

static int run_approve(struct cli *cli, int argc, char **argv)
{
    return decide(
        cli, argc, argv, WARD_DECISION_APPROVE,
        "Shows a proposal, asks, and signs it with the profile's key. The last approval runs it.");
}

static int run_reject(struct cli *cli, int argc, char **argv)
{
    return decide(cli, argc, argv, WARD_DECISION_REJECT,
                  "Shows a proposal, asks, and signs that it must not run.");
}

static const struct cli_verb verbs[] = {
    {"list", run_list, "what waits for approval"},
    {"show", run_show, "one proposal: what would run, its consequences, who signed"},
    {"approve", run_approve, "sign it; the last approval needed runs it"},
    {"reject", run_reject, "sign that it must not run"},
    {NULL, NULL, NULL},
};

const struct cli_noun cli_noun_approval = {"approval", verbs, NULL,
                                           "Four eyes: proposals and officers' signatures."};
