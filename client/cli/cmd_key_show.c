/* SPDX-License-Identifier: Apache-2.0 */
/* ward key show, versions and list: what there is, and in which state. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/cli/cmd_key.h"
#include "client/cli/list.h"
#include "proto/wire_limits.h"

#define REWRAP_POLL_MS 250

/* ---- printing ---- */

/* A list counts no rows. */
static void key_json(struct cli_doc *doc, const ward_key_info *key, bool counted)
{
    cli_doc_text(doc, "name", key->name);
    cli_doc_text(doc, "id", key->id);
    cli_doc_text(doc, "purpose", key->purpose);
    ward_json_name(&doc->json, "enabled");
    ward_json_bool(&doc->json, key->enabled != 0);
    cli_doc_text(doc, "backend", key->backend);
    cli_doc_text(doc, "created", key->created);
    ward_json_member_int(&doc->json, "rotation_period_days", key->rotation_period_days);
    ward_json_name(&doc->json, "versions");
    ward_json_array(&doc->json);
    for (size_t i = 0; i < key->n_versions; i++) {
        ward_json_object(&doc->json);
        ward_json_member_int(&doc->json, "version", key->versions[i]->version);
        cli_doc_text(doc, "state", key->versions[i]->state);
        cli_doc_text(doc, "changed", key->versions[i]->changed);
        cli_doc_text(doc, "created", key->versions[i]->created);
        if (key->versions[i]->due[0] != 0) {
            cli_doc_text(doc, "prior", key->versions[i]->prior);
            cli_doc_text(doc, "due", key->versions[i]->due);
        }
        if (counted) {
            ward_json_member_int(&doc->json, "rows", (int64_t)key->versions[i]->rows);
        }
        ward_json_object_end(&doc->json);
    }
    ward_json_array_end(&doc->json);
}

static int print_versions(const ward_key_info *key)
{
    static const char *const columns[] = {"VERSION", "STATE", "SINCE",
                                          "CREATED", "ROWS",  "DESTROY AFTER"};
    struct cli_table table;
    cli_table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < key->n_versions; i++) {
        cli_table_number(&table, key->versions[i]->version);
        cli_table_text(&table, key->versions[i]->state);
        cli_table_text(&table, key->versions[i]->changed);
        cli_table_text(&table, key->versions[i]->created);
        cli_table_number(&table, key->versions[i]->rows);
        cli_table_text(&table, key->versions[i]->due);
    }
    return cli_table_end(&table) ? CLI_DONE : CLI_FAILED;
}

int cli_key_print(const struct cli *cli, const ward_key_info *key, const ward_key_job *rewrap,
                  const ward_key_job *rekey)
{
    if (cli->json) {
        struct cli_doc doc;
        cli_doc_begin(&doc);
        key_json(&doc, key, true);
        if (rewrap != NULL && rekey != NULL) {
            cli_key_jobs_json(&doc, rewrap, rekey);
        }
        return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
    }
    static const char *const columns[] = {"NAME", "PURPOSE", "ENABLED", "BACKEND", "ROTATES", "ID"};
    char period[32];
    (void)snprintf(period, sizeof(period), "every %u days", key->rotation_period_days);
    struct cli_table table;
    cli_table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]));
    cli_table_text(&table, key->name);
    cli_table_text(&table, key->purpose);
    cli_table_text(&table, key->enabled ? "yes" : "no");
    cli_table_text(&table, key->backend);
    cli_table_text(&table, period);
    cli_table_text(&table, key->id);
    if (!cli_table_end(&table) || !cli_print("\n")) {
        return CLI_FAILED;
    }
    bool told = rewrap != NULL && rekey != NULL &&
                (strcmp(rewrap->state, "none") != 0 || strcmp(rekey->state, "none") != 0 ||
                 rekey->owed_for > 0);
    if (told && (!cli_key_jobs_print(key->name, rewrap, rekey) || !cli_print("\n"))) {
        return CLI_FAILED;
    }
    return print_versions(key);
}

/* ---- show, list ---- */

/* Rows that are not yet wrapped by the newest version. */
static uint64_t rows_behind(const ward_key_info *key)
{
    uint32_t newest = 0;
    uint64_t rows = 0;
    for (size_t i = 0; i < key->n_versions; i++) {
        newest = key->versions[i]->version > newest ? key->versions[i]->version : newest;
    }
    for (size_t i = 0; i < key->n_versions; i++) {
        rows += key->versions[i]->version < newest ? key->versions[i]->rows : 0;
    }
    return rows;
}

static int describe(struct cli *cli, const char *name, ward_keys **ret)
{
    ward_error error;
    return ward_describe_key(cli->client, NULL, name, ret, &error) == WARD_RC_OK
               ? CLI_DONE
               : cli_fail_call("showing the key", &error);
}

int cli_key_show(struct cli *cli, int argc, char **argv)
{
    struct cli_texts names = {.n = 0};
    bool wait = false;
    const struct cli_option options[] = {
        {"wait-rewrapped", CLI_FLAG, &wait, NULL,
         "Wait until every stored row is wrapped by the newest version", 0, 0, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "NAME",
              .doc = "Shows a key, its versions, and how many rows each wraps.",
              CLI_OPTIONS(options), .positional = &names, .min = 1, .max = 1);
    int exit = cli_connect(cli);
    ward_keys *keys = NULL;
    if (exit == CLI_DONE) {
        exit = describe(cli, names.texts[0], &keys);
    }
    while (exit == CLI_DONE && wait && rows_behind(keys->items[0]) > 0) {
        ward_keys_free(keys);
        keys = NULL;
        struct timespec pause = {.tv_nsec = REWRAP_POLL_MS * 1000000L};
        (void)nanosleep(&pause, NULL); /* the daemon may not have begun it yet */
        exit = cli_key_wait(cli, names.texts[0]);
        exit = exit == CLI_DONE ? describe(cli, names.texts[0], &keys) : exit;
    }
    if (exit != CLI_DONE) {
        return exit;
    }
    exit = cli_key_print(cli, keys->items[0], keys->rewrap, keys->rekey);
    ward_keys_free(keys);
    return exit;
}

int cli_key_versions(struct cli *cli, int argc, char **argv)
{
    struct cli_texts names = {.n = 0};
    CLI_PARSE(cli, argc, argv, .args = "NAME",
              .doc = "Shows the versions of a key: their states, since when, how many rows each "
                     "wraps, and when one that waits for its destruction may be destroyed.",
              .positional = &names, .min = 1, .max = 1);
    int exit = cli_connect(cli);
    ward_keys *keys = NULL;
    if (exit == CLI_DONE) {
        exit = describe(cli, names.texts[0], &keys);
    }
    if (exit != CLI_DONE) {
        return exit;
    }
    exit =
        cli->json ? cli_key_print(cli, keys->items[0], NULL, NULL) : print_versions(keys->items[0]);
    ward_keys_free(keys);
    return exit;
}

/* When the first of its versions may be destroyed. */
static const char *first_due(const ward_key_info *key)
{
    const char *first = "";
    for (size_t i = 0; i < key->n_versions; i++) {
        const char *due = key->versions[i]->due;
        first = due[0] != 0 && (first[0] == 0 || strcmp(due, first) < 0) ? due : first;
    }
    return first;
}

static void list_one(const ward_key_info *key, struct cli_list *list)
{
    if (list->json) {
        ward_json_object(&list->doc.json);
        key_json(&list->doc, key, false);
        ward_json_object_end(&list->doc.json);
        return;
    }
    struct cli_table *table = &list->table;
    const ward_key_version_info *last =
        key->n_versions == 0 ? NULL : key->versions[key->n_versions - 1];
    cli_table_text(table, key->name);
    cli_table_text(table, key->purpose);
    cli_table_text(table, key->enabled ? "yes" : "no");
    cli_table_number(table, last == NULL ? 0 : last->version);
    cli_table_text(table, last == NULL ? "" : last->state);
    cli_table_text(table, last == NULL ? "" : last->created);
    cli_table_text(table, first_due(key));
    cli_table_text(table, key->backend);
}

static ward_rc fetch(ward_client *client, const void *wanted, const char *token,
                     struct cli_list *list, char next[static CLI_PAGE_TOKEN_SIZE],
                     ward_error *error)
{
    (void)wanted;
    ward_keys *page = NULL;
    ward_rc rc = ward_list_keys(client, NULL, WARD_PAGE_SIZE_MAX, token, &page, error);
    if (rc != WARD_RC_OK) {
        return rc;
    }
    for (size_t i = 0; i < page->n; i++) {
        list_one(page->items[i], list);
    }
    (void)snprintf(next, CLI_PAGE_TOKEN_SIZE, "%s", page->next_page);
    ward_keys_free(page);
    return rc;
}

int cli_key_list(struct cli *cli, int argc, char **argv)
{
    CLI_PARSE(cli, argc, argv, .doc = "Lists the keys that this identity may see.", .max = 0);
    static const char *const columns[] = {"NAME",  "PURPOSE", "ENABLED",       "VERSION",
                                          "STATE", "ROTATED", "DESTROY AFTER", "BACKEND"};
    return cli_list_pages(cli, &(const struct cli_pages){.member = "keys",
                                                         .tried = "listing keys",
                                                         .columns = columns,
                                                         .n_columns = 8,
                                                         .fetch = fetch});
}
