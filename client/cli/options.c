/* SPDX-License-Identifier: Apache-2.0 */
/* Options as tables over argp: a verb names its options and where their values go. The global ones
 * are taken before the noun and after the verb alike. */
#include "client/cli/cli.h"

#include <argp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/options.h"

#define KEY_FIRST 0x100 /* above every character: long options only */
#define OPTIONS_MAX 24
#define DOC_MAX 512

struct parse {
    struct cli *cli;
    const struct cli_syntax *syntax;
    bool seen[OPTIONS_MAX];
};

enum { KEY_PROFILE = 0x300, KEY_CONFIG, KEY_OUTPUT, KEY_TIMEOUT };

static const struct argp_option global_options[] = {
    {"profile", KEY_PROFILE, "NAME", 0, "Whom to be: a profile of the profiles file", -2},
    {"config", KEY_CONFIG, "FILE", 0,
     "The profiles file (default: $WARD_CONFIG, else ~/.config/ward/profiles.yaml)", -2},
    {"output", KEY_OUTPUT, "FORM", 0, "table or json (default: table on a terminal, else json)",
     -2},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "How long one call may take (default: 10)", -2},
    {0},
};

bool cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    if (*text == 0) {
        return false;
    }
    for (; *text != 0; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (*text < '0' || *text > '9' || value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *ret = value;
    return value >= min && value <= max;
}

/* Of these the last counts: an alias or a script gives its own, and whoever calls it another. */
static error_t parse_global(int key, char *value, struct argp_state *state)
{
    struct cli *cli = state->input;
    uint64_t seconds = 0;
    switch (key) {
    case KEY_PROFILE:
        cli->profile_name = value;
        return 0;
    case KEY_CONFIG:
        cli->config_file = value;
        return 0;
    case KEY_OUTPUT:
        if (strcmp(value, "table") != 0 && strcmp(value, "json") != 0) {
            argp_error(state, "--output is table or json");
        }
        cli->json = strcmp(value, "json") == 0;
        return 0;
    case KEY_TIMEOUT:
        if (!cli_number(value, 1, 3600, &seconds)) {
            argp_error(state, "--timeout is a number of seconds, 1 to 3600");
        }
        cli->timeout_ms = (uint32_t)seconds * 1000;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cli_global_argp = {.options = global_options, .parser = parse_global};

static void take_pair(struct cli_pairs *pairs, char *text, struct argp_state *state)
{
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        argp_error(state, "\"%s\" is not KEY=VALUE", text);
        return;
    }
    if (pairs->n == CLI_PAIRS_MAX) {
        argp_error(state, "more than %d pairs", CLI_PAIRS_MAX);
        return;
    }
    *equals = 0;
    pairs->pairs[pairs->n++] = (ward_pair){text, equals + 1};
}

static void take_text(struct cli_texts *texts, const char *text, struct argp_state *state)
{
    if (texts->n == CLI_TEXTS_MAX) {
        argp_error(state, "more than %d of them", CLI_TEXTS_MAX);
        return;
    }
    texts->texts[texts->n++] = text;
}

static void take_option(const struct cli_option *option, char *value, struct argp_state *state)
{
    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)option->to = true;
        break;
    case CLI_TEXT:
        *(const char **)option->to = value;
        break;
    case CLI_NUMBER:
        if (!cli_number(value, option->min, option->max, option->to)) {
            argp_error(state, "--%s is a number, %llu to %llu", option->name,
                       (unsigned long long)option->min, (unsigned long long)option->max);
        }
        break;
    case CLI_PAIR:
        take_pair(option->to, value, state);
        break;
    case CLI_LIST:
        take_text(option->to, value, state);
        break;
    }
}

/* Names all that is missing, so that nobody is told of it piece by piece. */
static void check_complete(const struct parse *parse, struct argp_state *state)
{
    const struct cli_syntax *syntax = parse->syntax;
    struct ward_buffer text;
    unsigned n = 0;
    ward_buffer_init(&text, 4096);
    for (size_t i = 0; i < syntax->n_options; i++) {
        if (syntax->options[i].required && !parse->seen[i]) {
            ward_buffer_printf(&text, "%s--%s %s", n++ > 0 ? ", " : "", syntax->options[i].name,
                               syntax->options[i].value);
        }
    }
    if (syntax->positional != NULL && syntax->positional->n < syntax->min) {
        ward_buffer_printf(&text, "%s%s", n++ > 0 ? ", " : "", syntax->args);
    }
    if (n > 0) {
        argp_error(state, "%.*s %s needed", (int)text.size, (const char *)text.data,
                   n == 1 ? "is" : "are");
    }
    ward_buffer_fini(&text);
}

/* argp takes a key that is a character as the short form. */
static int key_of(const struct cli_syntax *syntax, size_t i)
{
    return syntax->options[i].letter != 0 ? syntax->options[i].letter : KEY_FIRST + (int)i;
}

static error_t parse_verb(int key, char *value, struct argp_state *state)
{
    struct parse *parse = state->input;
    const struct cli_syntax *syntax = parse->syntax;
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = parse->cli;
        return 0;
    }
    if (key == ARGP_KEY_ARG) {
        if (syntax->positional == NULL || syntax->positional->n == syntax->max) {
            argp_error(state, "\"%s\" is one argument too many", value);
            return 0;
        }
        take_text(syntax->positional, value, state);
        return 0;
    }
    if (key == ARGP_KEY_END) {
        check_complete(parse, state);
        return 0;
    }
    for (size_t i = 0; i < syntax->n_options; i++) {
        if (key == key_of(syntax, i)) {
            enum cli_kind kind = syntax->options[i].kind;
            bool many = kind == CLI_PAIR || kind == CLI_LIST;
            if (parse->seen[i] && !many) { /* which of the two would count is not to be guessed */
                argp_error(state, "--%s: given twice", syntax->options[i].name);
            }
            take_option(&syntax->options[i], value, state);
            parse->seen[i] = true;
            return 0;
        }
    }
    return ARGP_ERR_UNKNOWN;
}

/* See completion.h. */
static void describe(struct ward_buffer *to, const struct cli_syntax *syntax)
{
    ward_buffer_printf(to, "%s\n", syntax->args == NULL ? "" : syntax->args);
    for (size_t i = 0; i < syntax->n_options; i++) {
        const struct cli_option *option = &syntax->options[i];
        const char letter[] = {option->letter, 0};
        ward_buffer_printf(to, "%s\t%s\t%s\t%s\n", option->name, letter,
                           option->value == NULL ? "" : option->value, option->help);
    }
    pthread_exit(NULL);
}

/* argp's help moves an option of this name to its end, as if it told the program's version: ours
 * would stand among those that are everywhere. Hidden, and described beside. */
static void keep_in_place(struct argp_option *option, char name[static 32],
                          struct argp_option *described)
{
    if (strcmp(option->name, "version") == 0) {
        option->flags = OPTION_HIDDEN;
        (void)snprintf(name, 32, "    --version=%s", option->arg);
        *described = (struct argp_option){
            .name = name, .flags = OPTION_DOC | OPTION_NO_USAGE, .doc = option->doc, .group = 1};
    }
}

/* Where the verb does not run without it, the help says so. */
static const char *doc_of(const struct cli_option *option, char doc[static DOC_MAX])
{
    if (!option->required) {
        return option->help;
    }
    (void)snprintf(doc, DOC_MAX, "%s (needed)", option->help);
    return doc;
}

void cli_parse(struct cli *cli, int argc, char **argv, const struct cli_syntax *syntax)
{
    if (cli->describe != NULL) {
        describe(cli->describe, syntax);
    }
    struct argp_option options[OPTIONS_MAX + 2] = {0}, version = {0};
    char version_name[32], docs[OPTIONS_MAX][DOC_MAX];
    for (size_t i = 0; i < syntax->n_options && i < OPTIONS_MAX; i++) {
        options[i] = (struct argp_option){
            .name = syntax->options[i].name,
            .key = key_of(syntax, i),
            .arg = syntax->options[i].value,
            .doc = doc_of(&syntax->options[i], docs[i]),
        };
        keep_in_place(&options[i], version_name, &version);
    }
    options[syntax->n_options] = version;
    const struct argp_child children[] = {{&cli_global_argp, 0, "Everywhere:", 10}, {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse_verb,
        .args_doc = syntax->args,
        .doc = syntax->doc,
        .children = children,
    };
    struct parse parse = {.cli = cli, .syntax = syntax};
    error_t failed = argp_parse(&argp, argc, argv, 0, NULL, &parse);
    if (failed != 0) { /* memory: misuse has ended the process already */
        (void)fprintf(stderr, "ward: %s\n", strerrordesc_np(failed));
        exit(CLI_FAILED);
    }
}
