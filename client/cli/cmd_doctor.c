/* SPDX-License-Identifier: Apache-2.0 */
/* ward doctor: what is not as it should be, and what to do about it. */
#include <string.h>

#include "client/cli/cli.h"

/* Gaps first, then warnings, then what is well: on a terminal the last lines are read first, but a
 * pipe to head(1) is what people do. */
static const char *const levels[] = {"gap", "warning", "ok"};

static size_t count(const ward_findings *findings, const char *level)
{
    size_t n = 0;
    for (size_t i = 0; i < findings->n; i++) {
        n += strcmp(findings->items[i]->level, level) == 0;
    }
    return n;
}

static void write_finding(struct ward_json *json, const ward_finding_info *finding)
{
    ward_json_object(json);
    ward_json_member(json, "check", ward_bytes_str(finding->check));
    ward_json_member(json, "level", ward_bytes_str(finding->level));
    ward_json_member(json, "text", ward_bytes_str(finding->text));
    ward_json_member(json, "advice", ward_bytes_str(finding->advice));
    ward_json_object_end(json);
}

static bool print_json(const ward_findings *findings)
{
    struct cli_doc doc;
    cli_doc_begin(&doc);
    ward_json_name(&doc.json, "findings");
    ward_json_array(&doc.json);
    for (size_t i = 0; i < findings->n; i++) {
        write_finding(&doc.json, findings->items[i]);
    }
    ward_json_array_end(&doc.json);
    ward_json_member_int(&doc.json, "gaps", (int64_t)count(findings, "gap"));
    ward_json_member_int(&doc.json, "warnings", (int64_t)count(findings, "warning"));
    ward_json_member_int(&doc.json, "left_out", findings->left_out);
    return cli_doc_end(&doc);
}

static bool print_table(const ward_findings *findings)
{
    static const char *const columns[] = {"LEVEL", "CHECK", "FOUND", "WHAT TO DO"};
    struct cli_table table;
    cli_table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t l = 0; l < sizeof(levels) / sizeof(levels[0]); l++) {
        for (size_t i = 0; i < findings->n; i++) {
            const ward_finding_info *finding = findings->items[i];
            if (strcmp(finding->level, levels[l]) == 0) {
                cli_table_text(&table, finding->level);
                cli_table_text(&table, finding->check);
                cli_table_text(&table, finding->text);
                cli_table_text(&table, finding->advice);
            }
        }
    }
    return cli_table_end(&table);
}

static int run_doctor(struct cli *cli, int argc, char **argv)
{
    CLI_PARSE(cli, argc, argv,
              .doc = "Looks at token, keys, daemons and officers for what is not as it should be, "
                     "and says what to do. Ends with 1 when there is a gap; a warning is none.");
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_findings *findings = NULL;
    ward_error error;
    if (ward_diagnose(cli->client, NULL, &findings, &error) != WARD_RC_OK) {
        return cli_fail_call("asking for a diagnosis", &error);
    }
    bool printed = cli->json ? print_json(findings) : print_table(findings);
    bool well = count(findings, "gap") == 0 && findings->left_out == 0;
    ward_findings_free(findings);
    return printed && well ? CLI_DONE : CLI_FAILED;
}

const struct cli_noun cli_noun_doctor = {"doctor", NULL, run_doctor,
                                         "Is anything not as it should be?"};
