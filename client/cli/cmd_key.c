/* SPDX-License-Identifier: Apache-2.0 */
/* ward key: key-encryption keys, which live in the HSM and never leave it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/cli/cmd_key.h"
#include "client/cli/proposal.h"
#include "proto/wire_limits.h"

#define REWRAP_POLL_MS 250

/* ---- printing ---- */

static void key_json(struct cli_doc *doc, const ward_key_info *key)
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
        cli_doc_text(doc, "created", key->versions[i]->created);
        ward_json_member_int(&doc->json, "rows", (int64_t)key->versions[i]->rows);
        ward_json_object_end(&doc->json);
    }
    ward_json_array_end(&doc->json);
}

static int print_versions(const ward_key_info *key)
{
    static const char *const columns[] = {"VERSION", "STATE", "CREATED", "ROWS"};
    struct cli_table table;
    cli_table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < key->n_versions; i++) {
        cli_table_number(&table, key->versions[i]->version);
        cli_table_text(&table, key->versions[i]->state);
        cli_table_text(&table, key->versions[i]->created);
        cli_table_number(&table, key->versions[i]->rows);
    }
    return cli_table_end(&table) ? CLI_DONE : CLI_FAILED;
}

/* job: of its rows, or NULL. */
static int print_key(const struct cli *cli, const ward_key_info *key, const ward_key_job *job)
{
    if (cli->json) {
        struct cli_doc doc;
        cli_doc_begin(&doc);
        key_json(&doc, key);
        if (job != NULL && strcmp(job->state, "none") != 0) {
            ward_json_name(&doc.json, "rewrap");
            ward_json_object(&doc.json);
            cli_key_job_json(&doc, job);
            ward_json_object_end(&doc.json);
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
    bool told = job != NULL && strcmp(job->state, "none") != 0;
    if (told && (!cli_key_job_print(job) || !cli_print("\n"))) {
        return CLI_FAILED;
    }
    return print_versions(key);
}

/* ---- create, rotate ---- */

/* The key, or the proposal that waits; takes keys. */
static int finish_guarded(struct cli *cli, ward_keys *keys, const char *action, const char *name,
                          bool wait)
{
    int exit = keys->proposal != NULL ? cli_propose(cli, keys->proposal, action, name, wait)
                                      : print_key(cli, keys->items[0], NULL);
    ward_keys_free(keys);
    return exit;
}

static int run_create(struct cli *cli, int argc, char **argv)
{
    struct cli_texts names = {.n = 0};
    const char *purpose = NULL, *reason = NULL;
    uint64_t days = 0;
    bool wait = false;
    const struct cli_option options[] = {
        {"purpose", CLI_TEXT, &purpose, "PURPOSE",
         "data-keys: wraps keys given to applications; records: wraps patients' keys", 0, 0, true},
        {"rotation-days", CLI_NUMBER, &days, "DAYS", "Rotates by itself after so many days (365)",
         1, 3650, false},
        {"reason", CLI_TEXT, &reason, "TEXT", "Why; officers read it", 0, 0, false},
        {"wait", CLI_FLAG, &wait, NULL, "If it needs approval, wait for it", 0, 0, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "NAME", .doc = "Makes a key-encryption key in the HSM.",
              CLI_OPTIONS(options), .positional = &names, .min = 1, .max = 1);
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    const ward_call call = {.reason = reason};
    ward_keys *keys = NULL;
    ward_error error;
    if (ward_create_key(cli->client, &call, names.texts[0], purpose, (uint32_t)days, &keys,
                        &error) != WARD_RC_OK) {
        return cli_fail_call("creating the key", &error);
    }
    return finish_guarded(cli, keys, "key.create", names.texts[0], wait);
}

static int run_rotate(struct cli *cli, int argc, char **argv)
{
    struct cli_texts names = {.n = 0};
    const char *reason = NULL;
    bool wait = false;
    const struct cli_option options[] = {
        {"reason", CLI_TEXT, &reason, "TEXT", "Why; officers read it", 0, 0, false},
        {"wait", CLI_FLAG, &wait, NULL, "Wait until it is approved and done", 0, 0, false},
    };
    CLI_PARSE(cli, argc, argv, .args = "NAME",
              .doc =
                  "Proposes a new version of a key. It runs when other officers have approved it.",
              CLI_OPTIONS(options), .positional = &names, .min = 1, .max = 1);
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    const ward_call call = {.reason = reason};
    ward_keys *keys = NULL;
    ward_error error;
    if (ward_rotate_key(cli->client, &call, names.texts[0], &keys, &error) != WARD_RC_OK) {
        return cli_fail_call("rotating the key", &error);
    }
    return finish_guarded(cli, keys, "key.rotate", names.texts[0], wait);
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

static int run_show(struct cli *cli, int argc, char **argv)
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
    exit = print_key(cli, keys->items[0], keys->rewrap);
    ward_keys_free(keys);
    return exit;
}

static void list_page(const ward_keys *page, struct cli_doc *doc, struct cli_table *table)
{
    for (size_t i = 0; i < page->n; i++) {
        const ward_key_info *key = page->items[i];
        if (doc != NULL) {
            ward_json_object(&doc->json);
            key_json(doc, key);
            ward_json_object_end(&doc->json);
            continue;
        }
        const ward_key_version_info *last =
            key->n_versions == 0 ? NULL : key->versions[key->n_versions - 1];
        cli_table_text(table, key->name);
        cli_table_text(table, key->purpose);
        cli_table_text(table, key->enabled ? "yes" : "no");
        cli_table_number(table, last == NULL ? 0 : last->version);
        cli_table_text(table, last == NULL ? "" : last->state);
        cli_table_text(table, last == NULL ? "" : last->created);
        cli_table_text(table, key->backend);
    }
}

static int list_all(struct cli *cli, struct cli_doc *doc, struct cli_table *table)
{
    ward_keys *page = NULL;
    do {
        ward_keys *next = NULL;
        ward_error error;
        ward_rc rc = ward_list_keys(cli->client, NULL, WARD_PAGE_SIZE_MAX,
                                    page == NULL ? NULL : page->next_page, &next, &error);
        ward_keys_free(page);
        page = next;
        if (rc != WARD_RC_OK) {
            return cli_fail_call("listing keys", &error);
        }
        list_page(page, doc, table);
    } while (page->next_page[0] != 0);
    ward_keys_free(page);
    return CLI_DONE;
}

static int run_list(struct cli *cli, int argc, char **argv)
{
    CLI_PARSE(cli, argc, argv, .doc = "Lists the keys that this identity may see.", .max = 0);
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    static const char *const columns[] = {"NAME",  "PURPOSE", "ENABLED", "VERSION",
                                          "STATE", "ROTATED", "BACKEND"};
    struct cli_doc doc;
    struct cli_table table;
    if (cli->json) {
        cli_doc_begin(&doc);
        ward_json_name(&doc.json, "keys");
        ward_json_array(&doc.json);
        exit = list_all(cli, &doc, NULL);
        ward_json_array_end(&doc.json);
        if (exit != CLI_DONE) {
            ward_buffer_fini(&doc.buffer);
            return exit;
        }
        return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
    }
    cli_table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]));
    exit = list_all(cli, NULL, &table);
    if (exit != CLI_DONE) {
        ward_buffer_fini(&table.cells);
        return exit;
    }
    return cli_table_end(&table) ? CLI_DONE : CLI_FAILED;
}

static const struct cli_verb verbs[] = {
    {"create", run_create, "make a key in the HSM"},
    {"show", run_show, "one key, its versions and their rows"},
    {"list", run_list, "all keys that this identity may see"},
    {"rewrap", cli_key_rewrap, "move every stored row to the active version, and watch it"},
    {"usage", cli_key_usage, "what each version was used for, and what is left of it"},
    {"rotate", run_rotate, "propose a new version; other officers approve it"},
    {NULL, NULL, NULL},
};

const struct cli_noun cli_noun_key = {
    "key", verbs, NULL, "Key-encryption keys: they live in the HSM and never leave it."};
