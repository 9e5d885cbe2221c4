/* SPDX-License-Identifier: Apache-2.0 */
/* ward emergency: break-glass. An application opens it; whoever is on duty sees what is open and
 * what no officer has reviewed yet. */
#include <stdio.h>

#include "client/cli/cli.h"
#include "client/cli/list.h"
#include "proto/wire_limits.h"

static const char *standing(const ward_emergency_info *info)
{
    return info->open ? "open" : info->closed[0] != 0 ? "closed" : "over";
}

static void add_json(struct cli_doc *doc, const ward_emergency_info *info)
{
    cli_doc_text(doc, "id", info->id);
    cli_doc_text(doc, "state", standing(info));
    cli_doc_text(doc, "identity", info->identity);
    cli_doc_text(doc, "collection", info->collection);
    cli_doc_text(doc, "subject_hash", info->subject_hash);
    cli_doc_text(doc, "opened", info->opened);
    cli_doc_text(doc, "expires", info->expires);
    if (info->closed[0] != 0) {
        cli_doc_text(doc, "closed", info->closed);
    }
    ward_json_name(&doc->json, "reviewed");
    ward_json_bool(&doc->json, info->reviewed != 0);
}

static void add_row(struct cli_table *table, const ward_emergency_info *info)
{
    cli_table_text(table, info->id);
    cli_table_text(table, standing(info));
    cli_table_text(table, info->identity);
    cli_table_text(table, info->collection);
    cli_table_cell(table, WARD_BYTES(info->subject_hash, info->subject_hash[0] == 0 ? 0 : 16));
    cli_table_text(table, info->opened);
    cli_table_text(table, info->closed[0] != 0 ? info->closed : info->expires);
    cli_table_text(table, info->reviewed ? "yes" : "no");
}

static const char *const columns[] = {"EMERGENCY",    "STATE",  "IDENTITY", "COLLECTION",
                                      "SUBJECT HASH", "OPENED", "UNTIL",    "REVIEWED"};

static int show_one(const struct cli *cli, const ward_emergency_info *info)
{
    struct cli_doc doc;
    struct cli_table table;
    if (cli->json) {
        cli_doc_begin(&doc);
        add_json(&doc, info);
        return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
    }
    cli_table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]));
    add_row(&table, info);
    return cli_table_end(&table) ? CLI_DONE : CLI_FAILED;
}

/* ---- open ---- */

static int run_open(struct cli *cli, int argc, char **argv)
{
    struct cli_texts places = {.n = 0};
    ward_call call = {.reason = NULL};
    uint64_t minutes = 60;
    const struct cli_option options[] = {
        {"reason", CLI_TEXT, &call.reason, "TEXT",
         "Why, 10 to 256 bytes. An officer reviews it and sees no subject: name the case or ticket",
         0, 0, true},
        {"on-behalf-of", CLI_TEXT, &call.on_behalf_of, "ID",
         "For whom: the pseudonymous id of the person who treats", 0, 0, true},
        {"minutes", CLI_NUMBER, &minutes, "N", "How long (default: 60); policy has a limit", 1,
         1440, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "COLLECTION SUBJECT",
              .doc = "Opens access to one subject's data for this identity, at once. An alarm is "
                     "raised, and an officer reviews it afterwards.",
              CLI_OPTIONS(options), .positional = &places, .min = 2, .max = 2);
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_emergencies *opened = NULL;
    ward_error error;
    if (ward_open_emergency(cli->client, &call, places.texts[0], places.texts[1], (uint32_t)minutes,
                            &opened, &error) != WARD_RC_OK) {
        return cli_fail_call("opening an emergency", &error);
    }
    exit = show_one(cli, opened->items[0]);
    ward_emergencies_free(opened);
    return exit;
}

/* ---- close ---- */

static int run_close(struct cli *cli, int argc, char **argv)
{
    struct cli_texts ids = {.n = 0};
    ward_call call = {.reason = NULL};
    const struct cli_option options[] = {
        {"reason", CLI_TEXT, &call.reason, "TEXT", "Why; needed for what another has opened", 0, 0,
         false},
    };
    CLI_PARSE(cli, argc, argv, .args = "EMERGENCY",
              .doc = "Ends an emergency before its time: one's own, or, as an officer, any.",
              CLI_OPTIONS(options), .positional = &ids, .min = 1, .max = 1);
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_emergencies *closed = NULL;
    ward_error error;
    if (ward_close_emergency(cli->client, &call, ids.texts[0], &closed, &error) != WARD_RC_OK) {
        return cli_fail_call("closing the emergency", &error);
    }
    exit = show_one(cli, closed->items[0]);
    ward_emergencies_free(closed);
    return exit;
}

/* ---- list ---- */

struct wanted {
    bool open, unreviewed;
};

static ward_rc fetch(ward_client *client, const void *context, const char *token,
                     struct cli_list *list, char next[static CLI_PAGE_TOKEN_SIZE],
                     ward_error *error)
{
    const struct wanted *wanted = context;
    ward_emergencies *page = NULL;
    ward_rc rc = ward_list_emergencies(client, NULL, wanted->open, wanted->unreviewed,
                                       WARD_PAGE_SIZE_MAX, token, &page, error);
    if (rc != WARD_RC_OK) {
        return rc;
    }
    for (size_t i = 0; i < page->n; i++) {
        if (list->json) {
            ward_json_object(&list->doc.json);
            add_json(&list->doc, page->items[i]);
            ward_json_object_end(&list->doc.json);
        } else {
            add_row(&list->table, page->items[i]);
        }
    }
    (void)snprintf(next, CLI_PAGE_TOKEN_SIZE, "%s", page->next_page);
    ward_emergencies_free(page);
    return rc;
}

static int run_list(struct cli *cli, int argc, char **argv)
{
    struct wanted wanted = {.open = false};
    const struct cli_option options[] = {
        {"open", CLI_FLAG, &wanted.open, NULL, "Only those that give access now", 0, 0, false},
        {"unreviewed", CLI_FLAG, &wanted.unreviewed, NULL,
         "Only those that no officer has signed the review of", 0, 0, false},
    };
    CLI_PARSE(cli, argc, argv,
              .doc = "Lists emergencies, newest first. The proposal of the same id has the reason: "
                     "`ward approval show ID`. Whose data it is nobody learns here: one subject "
                     "has one hash in a collection, the same as in the audit log, and the reason "
                     "names the case.",
              CLI_OPTIONS(options), .max = 0);
    return cli_list_pages(
        cli, &(const struct cli_pages){.member = "emergencies",
                                       .tried = "listing emergencies",
                                       .columns = columns,
                                       .n_columns = sizeof(columns) / sizeof(columns[0]),
                                       .fetch = fetch,
                                       .wanted = &wanted});
}

static const struct cli_verb verbs[] = {
    {"open", run_open, "access to one subject's data now; an officer reviews it afterwards"},
    {"close", run_close, "end one before its time"},
    {"list", run_list, "what is open, what is over, what waits for review"},
    {NULL, NULL, NULL},
};

const struct cli_noun cli_noun_emergency = {"emergency", verbs, NULL,
                                            "Break-glass: access that is reviewed afterwards."};
