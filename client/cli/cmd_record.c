/* SPDX-License-Identifier: Apache-2.0 */
/* ward record: one record in or out. The record itself goes by a file or standard input and comes
 * to standard output as the bytes that were put. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cmd_record.h"
#include "client/cli/input.h"
#include "proto/wire_limits.h"

/* ---- put ---- */

static int print_put(const struct cli *cli, const ward_record_result *result)
{
    if (!cli->json) {
        return cli_print("Stored as version %u.\n", result->version) ? CLI_DONE : CLI_FAILED;
    }
    struct cli_doc doc;
    cli_doc_begin(&doc);
    ward_json_member_int(&doc.json, "version", result->version);
    return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
}

static int put(struct cli *cli, const struct cli_pairs *context, const ward_put_request *request)
{
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_records *records = NULL;
    ward_error error;
    if (ward_put_record(cli->client, NULL, context->pairs, context->n, request, &records, &error) !=
        WARD_RC_OK) {
        return cli_fail_call("storing the record", &error);
    }
    exit = print_put(cli, records->items[0]);
    ward_records_free(records);
    return exit;
}

static int run_put(struct cli *cli, int argc, char **argv)
{
    struct cli_texts files = {.n = 0};
    struct cli_pairs context = {.n = 0};
    ward_put_request request = {0};
    const struct cli_option options[] = {
        {"collection", CLI_TEXT, &request.collection, "NAME", "The collection", 0, 0, true},
        {"subject", CLI_TEXT, &request.subject, "PSEUDONYM", "Whose record; never an MRN", 0, 0,
         true},
        {"id", CLI_TEXT, &request.id, "ID", "The record's id", 0, 0, true},
        {"context", CLI_PAIR, &context, "KEY=VALUE", "purpose=TREAT and the like; repeat it", 0, 0,
         false},
    };
    CLI_PARSE(cli, argc, argv, .args = "[FILE]",
              .doc = "Stores one JSON object, from a file or standard input, as a new version.",
              CLI_OPTIONS(options), .positional = &files, .max = 1);
    struct ward_buffer json;
    ward_buffer_init(&json, WARD_RECORD_JSON_MAX + 2);
    int exit = cli_read(files.n == 0 ? NULL : files.texts[0], &json);
    if (exit == CLI_DONE) {
        request.json = json.data;
        request.json_size = json.size;
        exit = put(cli, &context, &request);
    }
    ward_buffer_fini(&json);
    return exit;
}

/* ---- get ---- */

static int print_fields(const struct cli *cli, const ward_record_result *result)
{
    static const char *const columns[] = {"FIELD", "VALUE"};
    if (!cli->json) {
        struct cli_table table;
        cli_table_begin(&table, columns, 2);
        for (size_t i = 0; i < result->n_values; i++) {
            cli_table_text(&table, result->values[i]->name);
            cli_table_cell(&table,
                           WARD_BYTES(result->values[i]->json, result->values[i]->json_size));
        }
        return cli_table_end(&table) ? CLI_DONE : CLI_FAILED;
    }
    struct cli_doc doc;
    cli_doc_begin(&doc);
    ward_json_member_int(&doc.json, "version", result->version);
    ward_json_name(&doc.json, "fields");
    ward_json_object(&doc.json);
    for (size_t i = 0; i < result->n_values; i++) {
        const ward_record_value *value = result->values[i];
        ward_json_name(&doc.json, value->name); /* as it stood between the quotes */
        ward_buffer_add(&doc.buffer, WARD_BYTES(value->json, value->json_size));
        doc.json.comma = true;
    }
    ward_json_object_end(&doc.json);
    return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
}

/* The bytes that were put, and nothing else; a terminal also gets a line end and no control
 * characters. */
static int print_whole(const ward_record_result *result)
{
    struct ward_bytes json = WARD_BYTES(result->json, result->json_size);
    if (isatty(STDOUT_FILENO) == 0) {
        return cli_write(json) ? CLI_DONE : CLI_FAILED;
    }
    struct ward_buffer text;
    ward_buffer_init(&text, (size_t)8 * WARD_RECORD_JSON_MAX);
    struct ward_bytes line;
    while (cli_next_line(&json, &line)) {
        cli_escape(line, &text);
        ward_buffer_add_u8(&text, '\n');
    }
    bool fine = cli_write(ward_buffer_view(&text));
    ward_buffer_fini(&text);
    return fine ? CLI_DONE : CLI_FAILED;
}

/* A field that was named and is not there is not what was asked for. */
static int check_found(const struct cli_texts *fields, const ward_record_result *result)
{
    struct ward_buffer names;
    ward_buffer_init(&names, (size_t)CLI_TEXTS_MAX * 1024);
    for (size_t i = 0; i < fields->n; i++) {
        bool found = false;
        for (size_t v = 0; v < result->n_values && !found; v++) {
            found = strcmp(result->values[v]->name, fields->texts[i]) == 0;
        }
        if (!found) {
            ward_buffer_printf(&names, "%s%s", names.size > 0 ? ", " : "", fields->texts[i]);
        }
    }
    int exit =
        names.size == 0
            ? CLI_DONE
            : cli_fail(CLI_FAILED, NULL, "A field is a top-level member, in its own spelling.",
                       "the record has no field %.*s", (int)names.size, (const char *)names.data);
    ward_buffer_fini(&names);
    return exit;
}

static int run_get(struct cli *cli, int argc, char **argv)
{
    struct cli_pairs context = {.n = 0};
    struct cli_texts fields = {.n = 0};
    ward_get_request request = {0};
    uint64_t version = 0;
    bool all = false;
    const struct cli_option options[] = {
        {"collection", CLI_TEXT, &request.collection, "NAME", "The collection", 0, 0, true},
        {"subject", CLI_TEXT, &request.subject, "PSEUDONYM", "Whose record", 0, 0, true},
        {"id", CLI_TEXT, &request.id, "ID", "The record's id", 0, 0, true},
        {"version", CLI_NUMBER, &version, "N", "Not the newest but this one", 1, UINT32_MAX, false},
        {"field", CLI_LIST, &fields, "NAME", "A top-level member; repeat it", 0, 0, false},
        {"all", CLI_FLAG, &all, NULL, "The whole record, byte by byte", 0, 0, false},
        {"context", CLI_PAIR, &context, "KEY=VALUE", "purpose=TREAT and the like; repeat it", 0, 0,
         false},
    };
    CLI_PARSE(
        cli, argc, argv,
        .doc = "Reads a record: the fields named, all of it, or else the collection's default set.",
        CLI_OPTIONS(options));
    static const char *const whole[] = {"*"};
    request.fields = all ? whole : fields.texts;
    request.n_fields = all ? 1 : fields.n;
    request.version = (uint32_t)version;
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_records *records = NULL;
    ward_error error;
    if (ward_get_record(cli->client, NULL, context.pairs, context.n, &request, &records, &error) !=
        WARD_RC_OK) {
        return cli_fail_call("reading the record", &error);
    }
    exit = all ? print_whole(records->items[0]) : print_fields(cli, records->items[0]);
    if (exit == CLI_DONE && !all) {
        exit = check_found(&fields, records->items[0]);
    }
    ward_records_free(records);
    return exit;
}

static const struct cli_verb verbs[] = {
    {"put", run_put, "store one record"},
    {"get", run_get, "read one record, or fields of it"},
    {"import", cli_record_import, "store a folder of FHIR bundles, or NDJSON"},
    {"check", cli_record_check, "read the same back and compare byte for byte"},
    {NULL, NULL, NULL},
};

const struct cli_noun cli_noun_record = {
    "record", verbs, NULL, "Records of patients, encrypted under each patient's own key."};
