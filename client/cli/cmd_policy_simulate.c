/* SPDX-License-Identifier: Apache-2.0 */
/* ward policy simulate: who may do what under a policy file, and which rule says so. Options in,
 * a table or JSON out; every answer is policy/simulate.c's. */
#include <stdio.h>
#include <string.h>

#include "client/cli/cmd_policy.h"
#include "policy/cases.h"
#include "policy/network.h"
#include "policy/simulate.h"

struct simulating {
    struct cli_table *table; /* or */
    struct cli_doc *doc;
    bool refusals; /* shown too: one identity or one action was asked about */
    size_t shown;
};

static const char *const outcomes[] = {
    [WARD_SIMULATED_REFUSED] = "deny",
    [WARD_SIMULATED_ALLOWED] = "allow",
    [WARD_SIMULATED_DEPENDS] = "depends",
};

/* "2 from key-officers:1 privacy:1, by hand". */
static void print_guard(const struct ward_simulated *simulated, char out[static 256])
{
    const struct ward_guard *guard = &simulated->guard;
    size_t n = 0;
    out[0] = '\0';
    if (!simulated->guarded) {
        return;
    }
    n = (size_t)snprintf(out, 256, "%u%s", guard->approvals, guard->n_shares > 0 ? " from" : "");
    for (size_t i = 0; i < guard->n_shares && n < 256; i++) {
        const struct ward_guard_share *share = &guard->shares[i];
        n += (size_t)snprintf(out + n, 256 - n, " %.*s:%u", (int)share->role.size,
                              (const char *)share->role.data, share->approvals);
    }
    if (guard->manual && n < 256) {
        (void)snprintf(out + n, 256 - n, ", by hand");
    }
}

static void show_row(struct cli_table *table, const struct ward_simulated *simulated)
{
    char guard[256], outcome[96];
    print_guard(simulated, guard);
    (void)snprintf(outcome, sizeof(outcome), "%s%s%.*s", outcomes[simulated->outcome],
                   simulated->field.size > 0 ? " field " : "",
                   (int)(simulated->field.size < 64 ? simulated->field.size : 64),
                   simulated->field.size > 0 ? (const char *)simulated->field.data : "");
    cli_table_cell(table, simulated->identity);
    cli_table_text(table, ward_action_name(simulated->action));
    cli_table_text(table, outcome);
    cli_table_text(table, simulated->rule);
    cli_table_text(table, guard);
}

static void show_json(struct cli_doc *doc, const struct ward_simulated *simulated)
{
    struct ward_json *json = &doc->json;
    ward_json_object(json);
    ward_json_member(json, "identity", simulated->identity);
    ward_json_member(json, "person", simulated->person);
    cli_doc_text(doc, "action", ward_action_name(simulated->action));
    cli_doc_text(doc, "decision", outcomes[simulated->outcome]);
    cli_doc_text(doc, "rule", simulated->rule);
    if (simulated->field.size > 0) {
        ward_json_member(json, "field", simulated->field);
    }
    if (simulated->guarded) {
        const struct ward_guard *guard = &simulated->guard;
        ward_json_member_int(json, "approvals", guard->approvals);
        ward_json_member_int(json, "expires_hours", guard->expires_hours);
        cli_doc_text(doc, "execute", guard->manual ? "manual" : "auto");
        ward_json_name(json, "from");
        ward_json_array(json);
        for (size_t i = 0; i < guard->n_shares; i++) {
            ward_json_object(json);
            ward_json_member(json, "role", guard->shares[i].role);
            ward_json_member_int(json, "approvals", guard->shares[i].approvals);
            ward_json_object_end(json);
        }
        ward_json_array_end(json);
    }
    ward_json_object_end(json);
}

static void on_simulated(void *context, const struct ward_simulated *simulated)
{
    struct simulating *simulating = context;
    if (simulated->outcome == WARD_SIMULATED_REFUSED && !simulating->refusals) {
        return;
    }
    simulating->shown++;
    if (simulating->doc != NULL) {
        show_json(simulating->doc, simulated);
    } else {
        show_row(simulating->table, simulated);
    }
}

static int refused(const char *path, ward_status status)
{
    const char *text = ward_status_refusal(status);
    return cli_fail(CLI_FAILED, NULL, NULL, "%s: %s", path, text != NULL ? text : "no memory");
}

static int show_table(const char *path, const struct ward_policy *policy,
                      const struct ward_simulate_in *in, struct simulating *simulating)
{
    static const char *const columns[] = {"IDENTITY", "ACTION", "DECISION", "RULE", "APPROVALS"};
    struct cli_table table;
    cli_table_begin(&table, columns, sizeof(columns) / sizeof(columns[0]));
    simulating->table = &table;
    ward_status status = ward_policy_simulate(policy, in, on_simulated, simulating);
    if (!ward_ok(status)) {
        ward_buffer_fini(&table.cells);
        return refused(path, status);
    }
    return cli_table_end(&table) ? CLI_DONE : CLI_FAILED;
}

static int show_doc(const char *path, const struct ward_policy *policy,
                    const struct ward_simulate_in *in, struct simulating *simulating)
{
    struct cli_doc doc;
    cli_doc_begin(&doc);
    ward_json_name(&doc.json, "decisions");
    ward_json_array(&doc.json);
    simulating->doc = &doc;
    ward_status status = ward_policy_simulate(policy, in, on_simulated, simulating);
    ward_json_array_end(&doc.json);
    if (!ward_ok(status)) {
        ward_buffer_fini(&doc.buffer);
        return refused(path, status);
    }
    return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
}

struct question {
    const char *identity, *action, *object, *at, *from;
    struct cli_pairs context;
    struct cli_texts fields;
    bool whole, emergency;
    struct ward_decide_pair pairs[CLI_PAIRS_MAX];
    struct ward_bytes names[CLI_TEXTS_MAX];
};

static struct ward_bytes text_or_none(const char *text)
{
    return text == NULL ? (struct ward_bytes){0} : ward_bytes_str(text);
}

static int read_question(struct question *question, struct ward_simulate_in *in)
{
    *in = (struct ward_simulate_in){.identity = text_or_none(question->identity),
                                    .action = WARD_ACTION_NONE,
                                    .object = text_or_none(question->object)};
    if (question->action != NULL &&
        !ward_action_find(ward_bytes_str(question->action), &in->action)) {
        return cli_fail(CLI_USAGE, NULL, NULL, "--action: %s is no action", question->action);
    }
    if (question->at != NULL &&
        !ward_policy_time_parse(ward_bytes_str(question->at), &in->ask.now_us)) {
        return cli_fail(CLI_USAGE, NULL, NULL, "--at: not a time such as 2026-01-07T08:00:00Z");
    }
    struct ward_address address;
    if (question->from != NULL && !ward_address_parse(ward_bytes_str(question->from), &address)) {
        return cli_fail(CLI_USAGE, NULL, NULL,
                        "--from: not an address such as 192.0.2.7 or 2001:db8::7");
    }
    for (size_t i = 0; i < question->context.n; i++) {
        question->pairs[i] = (struct ward_decide_pair){
            ward_bytes_str(question->context.pairs[i].key),
            ward_bytes_str(question->context.pairs[i].value),
        };
    }
    for (size_t i = 0; i < question->fields.n; i++) {
        question->names[i] = ward_bytes_str(question->fields.texts[i]);
    }
    in->ask.context = question->pairs;
    in->ask.n_context = question->context.n;
    in->ask.fields = question->names;
    in->ask.n_fields = question->fields.n;
    in->ask.whole = question->whole;
    in->ask.emergency = question->emergency;
    in->ask.address = text_or_none(question->from);
    return CLI_DONE;
}

int cli_policy_simulate(struct cli *cli, int argc, char **argv)
{
    struct cli_texts files = {.n = 0};
    struct question question = {.identity = NULL};
    const struct cli_option options[] = {
        {.name = "identity",
         .kind = CLI_TEXT,
         .to = &question.identity,
         .value = "IDENTITY",
         .help = "this one alone; all when left out"},
        {.name = "action",
         .kind = CLI_TEXT,
         .to = &question.action,
         .value = "ACTION",
         .help = "this one alone, such as record.get"},
        {.name = "object",
         .kind = CLI_TEXT,
         .to = &question.object,
         .value = "NAME",
         .help = "a key or a collection"},
        {.name = "context",
         .kind = CLI_PAIR,
         .to = &question.context,
         .value = "KEY=VALUE",
         .help = "of the encryption context; may be given again"},
        {.name = "field",
         .kind = CLI_LIST,
         .to = &question.fields,
         .value = "NAME",
         .help = "of a record; may be given again"},
        {.name = "whole",
         .kind = CLI_FLAG,
         .to = &question.whole,
         .help = "the record with all its fields"},
        {.name = "at",
         .kind = CLI_TEXT,
         .to = &question.at,
         .value = "TIME",
         .help = "UTC, such as 2026-01-07T08:00:00Z; left out: not known"},
        {.name = "from",
         .kind = CLI_TEXT,
         .to = &question.from,
         .value = "ADDRESS",
         .help = "the peer's; left out: not known"},
        {.name = "emergency",
         .kind = CLI_FLAG,
         .to = &question.emergency,
         .help = "as while an emergency is open"},
    };
    CLI_PARSE(cli, argc, argv, .args = "FILE",
              .doc = "Shows who may do what under a policy, and which rule says so. Refusals are "
                     "shown when one identity or one action is asked about; \"depends\" means that "
                     "a rule may allow it on some objects: name one.",
              CLI_OPTIONS(options), .positional = &files, .min = 1, .max = 1);
    struct ward_simulate_in in;
    int exit = read_question(&question, &in);
    struct ward_policy *policy = NULL;
    if (exit == CLI_DONE) {
        exit = cli_policy_read(files.texts[0], &policy);
    }
    struct simulating simulating = {.refusals =
                                        question.identity != NULL || question.action != NULL};
    if (exit == CLI_DONE) {
        exit = cli->json ? show_doc(files.texts[0], policy, &in, &simulating)
                         : show_table(files.texts[0], policy, &in, &simulating);
    }
    ward_policy_unref(policy);
    return exit;
}
