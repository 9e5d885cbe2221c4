/* SPDX-License-Identifier: Apache-2.0 */
/* ward approval list: what waits for the one who asks stands first, then what he proposed himself,
 * then the rest. For whom it waits the daemon says; it is an order and no more. */
#include <stdio.h>
#include <string.h>

#include "client/cli/approval.h"
#include "proto/wire_limits.h"

#define PAGES_MAX 256

/* In the order of the list. */
static const struct {
    const char *waits, *words;
} groups[] = {
    {"approve", "approve"},
    {"review", "review"},
    {"execute", "execute"},
    {"submit", "withdraw (not signed)"},
    {"", ""},
};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

struct listed {
    ward_proposals *pages[PAGES_MAX];
    size_t n;
};

static void free_listed(struct listed *listed)
{
    for (size_t i = 0; i < listed->n; i++) {
        ward_proposals_free(listed->pages[i]);
    }
    listed->n = 0;
}

enum which { WAITING, ALL, UNREVIEWED };

static int fetch_pages(struct cli *cli, enum which which, struct listed *listed)
{
    const char *page = NULL;
    do {
        if (listed->n == PAGES_MAX) {
            return cli_fail(CLI_FAILED, NULL, "Leave --all away.", "there are too many proposals");
        }
        ward_proposals **next = &listed->pages[listed->n];
        ward_error error;
        ward_rc rc =
            which == UNREVIEWED
                ? ward_list_unreviewed(cli->client, NULL, WARD_PAGE_SIZE_MAX, page, next, &error)
                : ward_list_proposals(cli->client, NULL, which == ALL, WARD_PAGE_SIZE_MAX, page,
                                      next, &error);
        if (rc != WARD_RC_OK) {
            return cli_fail_call("listing proposals", &error);
        }
        page = listed->pages[listed->n++]->next_page;
    } while (page[0] != 0);
    return CLI_DONE;
}

static size_t group_of(const ward_proposal_info *info)
{
    size_t group = 0;
    while (group < GROUPS - 1 && strcmp(info->waits_for_you, groups[group].waits) != 0) {
        group++;
    }
    return group;
}

static bool waits_for_review(const ward_proposal_info *info)
{
    return strcmp(info->review, "pending") == 0;
}

static void row_json(struct cli_doc *doc, const ward_proposal_info *info,
                     const struct cli_proposal *proposal, const char *words)
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
    cli_doc_text(doc, "waits_for_you", info->waits_for_you);
    cli_doc_text(doc, "cannot_run", info->cannot_run);
    cli_doc_text(doc, "review", info->review);
    ward_json_member(&doc->json, "action", proposal->parsed.action);
    ward_json_member(&doc->json, "object", proposal->parsed.object);
    ward_json_member(&doc->json, "proposer", proposal->parsed.proposer);
    cli_doc_text(doc, "expires", expires);
    cli_doc_text(doc, "expires_in", words);
    ward_json_member_int(&doc->json, "approvals_needed", proposal->parsed.approvals);
    ward_json_member_int(&doc->json, "approvals", (int64_t)approvals);
    ward_json_member_int(&doc->json, "approvals_missing", info->approvals_missing);
    cli_doc_text(doc, "digest", proposal->digest);
    ward_json_object_end(&doc->json);
}

static void row_table(struct cli_table *table, const ward_proposal_info *info,
                      const struct cli_proposal *proposal, const char *words)
{
    char state[256];
    bool stale = info->cannot_run[0] != 0;
    (void)snprintf(state, sizeof(state), stale ? "stale: %.200s" : "%.32s%s",
                   stale ? info->cannot_run : info->state,
                   waits_for_review(info) ? ", unreviewed" : "");
    cli_table_text(table, groups[group_of(info)].words);
    cli_table_text(table, proposal->id);
    cli_table_text(table, state);
    cli_table_cell(table, proposal->parsed.action);
    cli_table_cell(table, proposal->parsed.object);
    cli_table_cell(table, proposal->parsed.proposer);
    cli_table_text(table, words);
}

static bool is_over(const ward_proposal_info *info)
{
    return strcmp(info->state, "open") != 0 && strcmp(info->state, "draft") != 0 &&
           strcmp(info->state, "approved") != 0;
}

static int print_row(const ward_proposal_info *info, struct cli_doc *doc, struct cli_table *table)
{
    struct cli_proposal proposal;
    int exit = cli_proposal_open(WARD_BYTES(info->payload, info->payload_size), &proposal);
    if (exit != CLI_DONE) {
        return exit;
    }
    char words[CLI_EXPIRY_SIZE] = "";
    if (!is_over(info)) {
        cli_expiry_words(proposal.parsed.expires_us, ward_wall_us(&ward_clock_system), words);
    }
    if (doc == NULL && waits_for_review(info)) {
        (void)snprintf(words, sizeof(words), "waits for review");
    }
    if (doc != NULL) {
        row_json(doc, info, &proposal, words);
    } else {
        row_table(table, info, &proposal, words);
    }
    cli_proposal_close(&proposal);
    return CLI_DONE;
}

static int print_groups(const struct listed *listed, struct cli_doc *doc, struct cli_table *table)
{
    int exit = CLI_DONE;
    for (size_t group = 0; group < GROUPS; group++) {
        for (size_t p = 0; p < listed->n; p++) {
            for (size_t i = 0; i < listed->pages[p]->n && exit == CLI_DONE; i++) {
                const ward_proposal_info *info = listed->pages[p]->items[i];
                if (group_of(info) == group) {
                    exit = print_row(info, doc, table);
                }
            }
        }
    }
    return exit;
}

static int print_json(const struct listed *listed)
{
    struct cli_doc doc;
    cli_doc_begin(&doc);
    ward_json_name(&doc.json, "proposals");
    ward_json_array(&doc.json);
    int exit = print_groups(listed, &doc, NULL);
    ward_json_array_end(&doc.json);
    if (exit != CLI_DONE) {
        ward_buffer_fini(&doc.buffer);
        return exit;
    }
    return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
}

static int print_table(const struct listed *listed)
{
    static const char *const columns[] = {"FOR YOU", "PROPOSAL", "STATE",  "ACTION",
                                          "OBJECT",  "PROPOSER", "EXPIRES"};
    struct cli_table table;
    cli_table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]));
    int exit = print_groups(listed, NULL, &table);
    if (exit != CLI_DONE) {
        ward_buffer_fini(&table.cells);
        return exit;
    }
    return cli_table_end(&table) ? CLI_DONE : CLI_FAILED;
}

int cli_approval_list(struct cli *cli, int argc, char **argv)
{
    bool all = false, unreviewed = false;
    const struct cli_option options[] = {
        {"all", CLI_FLAG, &all, NULL,
         "Also those that are executed, rejected, withdrawn or expired", 0, 0, false, 0},
        {"unreviewed", CLI_FLAG, &unreviewed, NULL, "Only what ran at once and waits for a review",
         0, 0, false, 0},
    };
    CLI_PARSE(cli, argc, argv,
              .doc =
                  "Lists the proposals that wait, for you first, and what another officer did at "
                  "once and nobody has reviewed yet. The newest stand first in each group.",
              CLI_OPTIONS(options));
    int exit = cli_connect(cli);
    struct listed listed = {.n = 0};
    if (exit == CLI_DONE && !unreviewed) {
        exit = fetch_pages(cli, all ? ALL : WAITING, &listed);
    }
    if (exit == CLI_DONE && !all) {
        exit = fetch_pages(cli, UNREVIEWED, &listed);
    }
    if (exit == CLI_DONE) {
        exit = cli->json ? print_json(&listed) : print_table(&listed);
    }
    free_listed(&listed);
    return exit;
}
