/* SPDX-License-Identifier: Apache-2.0 */
/* ward status: is the daemon there and serving, and how far is its log? */
#include <string.h>

#include "client/cli/cli.h"
#include "proto/note.h"

struct status {
    bool serving, has_checkpoint;
    bool not_mine;                     /* this identity may not read checkpoints */
    struct ward_checkpoint checkpoint; /* as the daemon says; `audit verify` is what proves */
    char why_not[504];
};

/* A role that may not read checkpoints still learns whether the daemon serves. */
static int ask(struct cli *cli, struct status *status)
{
    int serving = 0;
    ward_error error;
    if (ward_check_health(cli->client, NULL, &serving, &error) != WARD_RC_OK) {
        return cli_fail_call("asking for the daemon's health", &error);
    }
    status->serving = serving != 0;
    ward_checkpoint_info *info = NULL;
    ward_rc rc = ward_audit_checkpoint(cli->client, NULL, &info, &error);
    if (rc == WARD_RC_OK) {
        struct ward_note_key key;
        status->has_checkpoint =
            ward_ok(ward_note_key_parse(info->vkey, &key)) &&
            ward_ok(ward_note_verify(ward_bytes_str(info->note), &key, &status->checkpoint));
        ward_checkpoint_info_free(info);
        return CLI_DONE;
    }
    if (rc == WARD_RC_PERMISSION_DENIED || rc == WARD_RC_UNAVAILABLE || rc == WARD_RC_NOT_FOUND) {
        status->not_mine = rc == WARD_RC_PERMISSION_DENIED;
        memcpy(status->why_not, error.message, sizeof(error.message));
        return CLI_DONE;
    }
    return cli_fail_call("asking for the newest checkpoint", &error);
}

static bool print_json(const struct cli *cli, const struct status *status)
{
    struct cli_doc doc;
    cli_doc_begin(&doc);
    cli_doc_text(&doc, "server", cli->profile.server);
    ward_json_name(&doc.json, "serving");
    ward_json_bool(&doc.json, status->serving);
    if (status->has_checkpoint) {
        cli_doc_text(&doc, "log", status->checkpoint.origin);
        ward_json_member_int(&doc.json, "log_size", (int64_t)status->checkpoint.size);
        ward_json_name(&doc.json, "log_root");
        ward_json_hex(&doc.json, WARD_BYTES_ARRAY(status->checkpoint.root));
    } else if (status->not_mine) {
        ward_json_name(&doc.json, "log");
        ward_json_null(&doc.json);
    }
    return cli_doc_end(&doc);
}

static bool print_table(const struct cli *cli, const struct status *status)
{
    static const char *const columns[] = {"SERVER", "SERVING", "LOG", "ENTRIES"};
    struct cli_table table;
    cli_table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]));
    cli_table_text(&table, cli->profile.server);
    cli_table_text(&table, status->serving ? "yes" : "no");
    if (status->has_checkpoint) {
        cli_table_text(&table, status->checkpoint.origin);
        cli_table_number(&table, status->checkpoint.size);
    } else {
        cli_table_text(&table, status->not_mine          ? "-"
                               : status->why_not[0] == 0 ? "unreadable checkpoint"
                                                         : status->why_not);
        cli_table_text(&table, status->not_mine ? "-" : "");
    }
    return cli_table_end(&table);
}

static int run_status(struct cli *cli, int argc, char **argv)
{
    CLI_PARSE(cli, argc, argv,
              .doc = "Says whether the daemon serves, and how far its audit log is.");
    int exit = cli_connect(cli);
    struct status status = {.serving = false};
    if (exit == CLI_DONE) {
        exit = ask(cli, &status);
    }
    if (exit != CLI_DONE) {
        return exit;
    }
    if (!(cli->json ? print_json(cli, &status) : print_table(cli, &status))) {
        return CLI_FAILED;
    }
    return status.serving ? CLI_DONE : CLI_UNREACHABLE;
}

const struct cli_noun cli_noun_status = {"status", NULL, run_status,
                                         "Is the daemon serving, and how far is its log?"};
