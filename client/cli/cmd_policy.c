/* SPDX-License-Identifier: Apache-2.0 */
/* ward policy: a policy file looked at before anybody applies it. check and test need no daemon;
 * what they say is what policy/ finds, and nothing is decided here. */
#include "client/cli/cmd_policy.h"

#include <stdio.h>
#include <string.h>

#include "client/cli/input.h"
#include "policy/cases.h"
#include "policy/lint.h"

#define FILE_MAX ((1u << 20) + 1) /* one byte more than a policy may have: policy/ says so */
#define MEMORY_MAX (16u << 20)

int cli_policy_fail(const char *path, const char *meaning, const struct ward_policy_error *error)
{
    return error->line == 0 ? cli_fail(CLI_FAILED, meaning, NULL, "%s: %s", path, error->text)
                            : cli_fail(CLI_FAILED, meaning, NULL, "%s:%u:%u: %s", path, error->line,
                                       error->column, error->text);
}

int cli_policy_read(const char *path, struct ward_policy **ret)
{
    struct ward_buffer file;
    ward_buffer_init(&file, FILE_MAX);
    int exit = cli_read(path, &file);
    struct ward_policy_error error;
    if (exit == CLI_DONE && !ward_ok(ward_policy_parse(ward_buffer_view(&file), ret, &error))) {
        exit = cli_policy_fail(path, "It is no policy: a daemon would refuse it.", &error);
    }
    ward_buffer_fini(&file);
    return exit;
}

/* ---- check ---- */

static bool print_lint(const char *path, const struct ward_lint *lint)
{
    bool good = true;
    for (size_t i = 0; i < lint->n; i++) {
        const struct ward_lint_warning *warning = &lint->warnings[i];
        good = good && cli_print("%s:%u:%u: %s: %s\n", path, warning->line, warning->column,
                                 warning->note ? "note" : "warning", warning->text);
    }
    if (lint->left_off > 0) {
        good = good && cli_print("%s: %zu more\n", path, lint->left_off);
    }
    return good && cli_print("%s: a policy, with %zu warning%s\n", path, lint->n_warnings,
                             lint->n_warnings == 1 ? "" : "s");
}

static bool print_lint_json(const char *path, const struct ward_policy *policy,
                            const struct ward_lint *lint)
{
    struct cli_doc doc;
    cli_doc_begin(&doc);
    cli_doc_text(&doc, "file", path);
    ward_json_name(&doc.json, "sha256");
    ward_json_hex(&doc.json, WARD_BYTES(ward_policy_hash(policy), WARD_SHA256_SIZE));
    ward_json_member_int(&doc.json, "warnings", (int64_t)lint->n_warnings);
    ward_json_name(&doc.json, "findings");
    ward_json_array(&doc.json);
    for (size_t i = 0; i < lint->n; i++) {
        ward_json_object(&doc.json);
        ward_json_member_int(&doc.json, "line", lint->warnings[i].line);
        ward_json_member_int(&doc.json, "column", lint->warnings[i].column);
        cli_doc_text(&doc, "severity", lint->warnings[i].note ? "note" : "warning");
        cli_doc_text(&doc, "text", lint->warnings[i].text);
        ward_json_object_end(&doc.json);
    }
    ward_json_array_end(&doc.json);
    ward_json_member_int(&doc.json, "left_off", (int64_t)lint->left_off);
    return cli_doc_end(&doc);
}

void cli_policy_warn(const char *path, struct ward_bytes text)
{
    struct ward_policy *policy = NULL;
    struct ward_policy_error error;
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_lint lint;
    if (ward_ok(ward_policy_parse(text, &policy, &error)) &&
        ward_ok(ward_arena_new(MEMORY_MAX, &arena)) &&
        ward_ok(ward_policy_lint(policy, arena, &lint))) {
        for (size_t i = 0; i < lint.n; i++) {
            const struct ward_lint_warning *warning = &lint.warnings[i];
            if (!warning->note) {
                (void)cli_fail(CLI_DONE, NULL, NULL, "%s:%u:%u: warning: %s", path, warning->line,
                               warning->column, warning->text);
            }
        }
    }
    ward_policy_unref(policy);
}

static int check(struct cli *cli, const char *path, bool strict)
{
    struct ward_policy *policy = NULL;
    int exit = cli_policy_read(path, &policy);
    if (exit != CLI_DONE) {
        return exit;
    }
    struct ward_arena *arena = NULL;
    struct ward_lint lint;
    ward_status status = ward_arena_new(MEMORY_MAX, &arena);
    if (ward_ok(status)) {
        status = ward_policy_lint(policy, arena, &lint);
    }
    if (!ward_ok(status)) {
        exit = cli_fail(CLI_FAILED, NULL, NULL, "no memory to look at %s", path);
    } else {
        bool printed = cli->json ? print_lint_json(path, policy, &lint) : print_lint(path, &lint);
        exit = printed && (!strict || lint.n_warnings == 0) ? CLI_DONE : CLI_FAILED;
    }
    ward_arena_free(arena);
    ward_policy_unref(policy);
    return exit;
}

static int run_check(struct cli *cli, int argc, char **argv)
{
    struct cli_texts files = {.n = 0};
    bool strict = false;
    const struct cli_option options[] = {
        {.name = "strict", .kind = CLI_FLAG, .to = &strict, .help = "fail on warnings too"},
    };
    CLI_PARSE(cli, argc, argv, .args = "FILE",
              .doc = "Reads a policy as a daemon would, and warns of what its author will hardly "
                     "have meant: rules that never decide, roles that nobody has, guards that "
                     "match nothing. Notes are facts to know; --strict does not fail on them.",
              CLI_OPTIONS(options), .positional = &files, .min = 1, .max = 1);
    return check(cli, files.texts[0], strict);
}

/* ---- test ---- */

struct testing {
    const char *path;
    struct cli_doc *doc; /* or NULL: a line for each case that failed */
    size_t n, failed;
    bool unwritten;
};

static void on_case(void *context, const struct ward_case *result)
{
    struct testing *testing = context;
    testing->n++;
    testing->failed += !result->passed;
    if (testing->doc != NULL) {
        ward_json_object(&testing->doc->json);
        cli_doc_text(testing->doc, "file", testing->path);
        cli_doc_text(testing->doc, "name", result->name);
        ward_json_name(&testing->doc->json, "passed");
        ward_json_bool(&testing->doc->json, result->passed);
        if (!result->passed) {
            ward_json_member_int(&testing->doc->json, "line", result->line);
            cli_doc_text(testing->doc, "said", result->said);
        }
        ward_json_object_end(&testing->doc->json);
    } else if (!result->passed) {
        testing->unwritten |= !cli_print("%s:%u: failed: %s: %s\n", testing->path, result->line,
                                         result->name, result->said);
    }
}

static int test_file(const struct ward_policy *policy, const char *path, struct testing *testing)
{
    struct ward_buffer file;
    ward_buffer_init(&file, FILE_MAX);
    testing->path = path;
    int exit = cli_read(path, &file);
    struct ward_policy_error error;
    if (exit == CLI_DONE &&
        !ward_ok(ward_policy_cases(policy, ward_buffer_view(&file), on_case, testing, &error))) {
        exit = cli_policy_fail(path, "It holds no cases: nothing is shown by it.", &error);
    }
    ward_buffer_fini(&file);
    return exit;
}

static int test_files(const struct ward_policy *policy, const struct cli_texts *files,
                      struct testing *testing)
{
    int exit = CLI_DONE;
    for (size_t i = 1; i < files->n && exit == CLI_DONE; i++) {
        exit = test_file(policy, files->texts[i], testing);
    }
    return exit;
}

static int test_json(const struct ward_policy *policy, const struct cli_texts *files,
                     struct testing *testing)
{
    struct cli_doc doc;
    cli_doc_begin(&doc);
    testing->doc = &doc;
    ward_json_name(&doc.json, "cases");
    ward_json_array(&doc.json);
    int exit = test_files(policy, files, testing);
    ward_json_array_end(&doc.json);
    if (exit != CLI_DONE) {
        ward_buffer_fini(&doc.buffer);
        return exit;
    }
    ward_json_member_int(&doc.json, "passed", (int64_t)(testing->n - testing->failed));
    ward_json_member_int(&doc.json, "failed", (int64_t)testing->failed);
    testing->unwritten = !cli_doc_end(&doc);
    return CLI_DONE;
}

static int run_test(struct cli *cli, int argc, char **argv)
{
    struct cli_texts files = {.n = 0};
    CLI_PARSE(cli, argc, argv, .args = "FILE CASES...",
              .doc = "Asks a policy what files of cases expect of it, and shows those that are "
                     "decided otherwise, with the rule that decides. For continuous integration.",
              .positional = &files, .min = 2, .max = CLI_TEXTS_MAX);
    struct ward_policy *policy = NULL;
    int exit = cli_policy_read(files.texts[0], &policy);
    struct testing testing = {.n = 0};
    if (exit == CLI_DONE) {
        exit =
            cli->json ? test_json(policy, &files, &testing) : test_files(policy, &files, &testing);
    }
    if (exit == CLI_DONE && !cli->json) {
        testing.unwritten |=
            !cli_print("%zu passed, %zu failed\n", testing.n - testing.failed, testing.failed);
    }
    ward_policy_unref(policy);
    return exit == CLI_DONE && (testing.failed > 0 || testing.unwritten) ? CLI_FAILED : exit;
}

static const struct cli_verb verbs[] = {
    {"check", run_check, "is this file a policy, and what in it was hardly meant?"},
    {"simulate", cli_policy_simulate, "who may do what under it, and which rule says so"},
    {"test", run_test, "does it decide these cases as they expect?"},
    {"show", cli_policy_run_show, "the policy in force, or an older version"},
    {"list", cli_policy_run_list, "every version that was ever in force"},
    {"diff", cli_policy_run_diff, "what a file or a version changes, and for whom"},
    {"apply", cli_policy_run_apply, "propose a policy; other officers approve it"},
    {NULL, NULL, NULL},
};

const struct cli_noun cli_noun_policy = {"policy", verbs, NULL,
                                         "Policies: who may do what, and what waits for officers."};
