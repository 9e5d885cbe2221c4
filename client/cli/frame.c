/* SPDX-License-Identifier: Apache-2.0 */
/* From the command line to a verb, and from a failure to words and an exit code: what happened,
 * what it means, what to do. Must not know what the verbs do. */
#include "client/cli/cli.h"

#include <argp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/options.h"
#include "client/cli/pin.h"

static const struct cli_noun *const nouns[] = {
    &cli_noun_key,    &cli_noun_data_key, &cli_noun_record,     &cli_noun_approval,
    &cli_noun_policy, &cli_noun_identity, &cli_noun_emergency,  &cli_noun_report,
    &cli_noun_audit,  &cli_noun_seal,     &cli_noun_open,       &cli_noun_status,
    &cli_noun_doctor, &cli_noun_bench,    &cli_noun_completion,
};
#define N_NOUNS (sizeof(nouns) / sizeof(nouns[0]))
#define HELP_WORDS 3 /* help NOUN VERB */

const struct cli_noun *const *cli_nouns(size_t *ret_n)
{
    *ret_n = N_NOUNS;
    return nouns;
}

/* ---- failing ---- */

static void say_line(const char *before, const char *text)
{
    struct ward_buffer line;
    ward_buffer_init(&line, 65536);
    ward_buffer_add(&line, ward_bytes_str(before));
    cli_escape(ward_bytes_str(text), &line);
    ward_buffer_add_u8(&line, '\n');
    (void)fwrite(line.data, 1, line.size, stderr);
    ward_buffer_fini(&line);
}

int cli_fail(enum cli_exit exit, const char *meaning, const char *advice, const char *format, ...)
{
    char text[8192];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    say_line("ward: ", text);
    if (meaning != NULL) {
        say_line("  ", meaning);
    }
    if (advice != NULL) {
        say_line("  ", advice);
    }
    return exit;
}

struct advice {
    const char *meaning, *advice;
};

/* What is true of every refusal with this code, and of some more by their text. Better no advice
 * than one that does not help. */
static bool begins(const ward_error *error, const char *text)
{
    return strncmp(error->message, text, strlen(text)) == 0;
}

static struct advice advice_of_input(const ward_error *error)
{
    if (strstr(error->message, "ciphertext does not open") != NULL) {
        return (struct advice){"It was altered or cut, was wrapped for another context, or was "
                               "never wrapped by this deployment.",
                               "Give the --context that was given at issue."};
    }
    bool named = strchr(error->message, ':') != NULL; /* "field: rule" */
    return (struct advice){"The input was refused; nothing was changed.",
                           named ? "Correct what is named, and try again." : NULL};
}

static struct advice advice_of_denial(const ward_error *error)
{
    static const char meaning[] = "It is not for this identity to do, or not with this key; the "
                                  "refusal is in the audit log.";
    if (begins(error, "policy:")) {
        return (struct advice){"Policy does not let this identity do that; the refusal is in the "
                               "audit log.",
                               "Use another --profile, or ask for the policy to be changed."};
    }
    if (begins(error, "batch:")) {
        return (struct advice){"A role of this identity has a limit of items in one request, and "
                               "this is more; `ward policy show` has it as limits: batch.",
                               "Ask for fewer at once, with a smaller --count or --batch."};
    }
    if (begins(error, "approval: the proposer cannot approve") ||
        begins(error, "approval: already given by this person")) {
        return (struct advice){meaning, "Another officer can: `ward approval show` names who may."};
    }
    if (begins(error, "approval: the proposer cannot review")) {
        return (struct advice){meaning, "Another officer reviews it."};
    }
    if (begins(error, "proposal: only its proposer may withdraw it")) {
        return (struct advice){meaning, "Another officer stops it with `ward approval reject`."};
    }
    return (struct advice){meaning, NULL};
}

/* What a code means to the person at the terminal. */
static struct advice advice_of(const ward_error *error)
{
    switch (error->code) {
    case WARD_RC_OK:
    case WARD_RC_CANCELLED:
        break;
    case WARD_RC_INVALID_ARGUMENT:
        return advice_of_input(error);
    case WARD_RC_DEADLINE_EXCEEDED:
        if (!error->answered && strstr(error->message, "no connection") != NULL) {
            return (struct advice){"The daemon was not reached in time; nothing was sent.",
                                   "Is it running, and is `server` in the profile right?"};
        }
        return (struct advice){"It is not known whether the daemon did it.",
                               "Look first, then try again, with --timeout if it needs longer."};
    case WARD_RC_NOT_FOUND:
        return (struct advice){"There is no such thing, or this identity may not see it.",
                               "Look at the name, and at --profile."};
    case WARD_RC_ALREADY_EXISTS:
        return (struct advice){"It is there already; nothing was changed.", NULL};
    case WARD_RC_PERMISSION_DENIED:
        return advice_of_denial(error);
    case WARD_RC_RESOURCE_EXHAUSTED:
        return (struct advice){"A limit or a quota was reached; nothing was changed.",
                               "Send less at a time, or wait."};
    case WARD_RC_FAILED_PRECONDITION:
    case WARD_RC_ABORTED:
    case WARD_RC_OUT_OF_RANGE:
        return (struct advice){"As things stand now it cannot be done; nothing was changed.", NULL};
    case WARD_RC_UNIMPLEMENTED:
        return (struct advice){"The daemon does not know this call.",
                               "Compare `ward --version` with the daemon's."};
    case WARD_RC_UNAVAILABLE:
        return error->answered
                   ? (struct advice){"The daemon answers, but its HSM, database or audit log does "
                                     "not.",
                                     "Try again shortly; the daemon's log names the cause."}
                   : (struct advice){"The daemon could not be reached, or cut the connection, as "
                                     "it does with one who is revoked.",
                                     "Is it running, and is `server` in the profile right?"};
    case WARD_RC_UNAUTHENTICATED:
        return (struct advice){"One side's certificate is not accepted by the other.",
                               "Look at ca, certificate, key and server_name in the profile."};
    case WARD_RC_UNKNOWN:
    case WARD_RC_INTERNAL:
    case WARD_RC_DATA_LOSS:
        return (struct advice){"A fault of Ward's, or of what it stands on.",
                               "The daemon's log has more; please report it."};
    }
    return (struct advice){NULL, NULL};
}

enum cli_exit cli_exit_of(const ward_error *error)
{
    return error->code == WARD_RC_UNAVAILABLE || error->code == WARD_RC_DEADLINE_EXCEEDED
               ? CLI_UNREACHABLE
               : CLI_FAILED;
}

int cli_fail_call(const char *tried, const ward_error *error)
{
    struct advice advice = advice_of(error);
    return cli_fail(cli_exit_of(error), advice.meaning, advice.advice, "%s: %s (%s)", tried,
                    error->message, ward_rc_name(error->code));
}

/* ---- connecting ---- */

static void warn_of_profile(const struct cli_profile *profile)
{
    char end[WARD_TIME_TEXT_SIZE];
    int64_t end_us;
    if (cli_profile_key_is_open(profile->key)) {
        (void)cli_fail(CLI_DONE, "Who reads this key can act in your name.", "chmod 600 it.",
                       "warning: others may read %s", profile->key);
    }
    enum ward_ending_step step =
        cli_profile_certificate_ending(profile->certificate, &ward_clock_system, &end_us);
    if (step != WARD_ENDING_FAR) {
        ward_time_print(end_us, end);
        (void)cli_fail(CLI_DONE, "The daemon lets nobody in whose certificate has ended.",
                       "Have a new one made, with the same identity, and put it in its place.",
                       "warning: the certificate of profile \"%s\" %s at %s", profile->name,
                       step == WARD_ENDING_OVER ? "ended" : "ends", end);
    }
}

int cli_load_profile(struct cli *cli)
{
    char path[CLI_PATH_MAX], text[8192];
    if (cli->profile.loaded) {
        return CLI_DONE;
    }
    if (cli->config_file == NULL) {
        if (!cli_profile_default_path(path)) {
            return cli_fail(CLI_USAGE, NULL, "Give --config FILE or set WARD_CONFIG.",
                            "it is not known where the profiles file is");
        }
        cli->config_file = path;
    }
    bool loaded =
        cli_profile_load(cli->config_file, cli->profile_name, &cli->profile, text, sizeof(text));
    if (cli->config_file == path) {
        cli->config_file = NULL;
    }
    if (!loaded) {
        return cli_fail(CLI_USAGE, "Without a profile it is not known whom to call, and as whom.",
                        "Correct what is named, or give --profile NAME and --config FILE, or set "
                        "WARD_CONFIG.",
                        "%s", text);
    }
    warn_of_profile(&cli->profile);
    return CLI_DONE;
}

static ward_config *make_config(const struct cli *cli)
{
    const struct cli_profile *profile = &cli->profile;
    ward_config *config = ward_config_new();
    if (config == NULL) {
        return NULL;
    }
    const char *name = profile->server_name[0] == 0 ? NULL : profile->server_name;
    if (ward_config_set_server(config, profile->server) != WARD_RC_OK ||
        ward_config_set_server_name(config, name) != WARD_RC_OK ||
        ward_config_set_ca_file(config, profile->ca) != WARD_RC_OK ||
        ward_config_set_certificate_file(config, profile->certificate) != WARD_RC_OK ||
        ward_config_set_key_file(config, profile->key) != WARD_RC_OK) {
        ward_config_free(config);
        return NULL;
    }
    ward_config_set_pin_callback(config, cli_pin, NULL);
    if (cli->timeout_ms != 0) {
        ward_config_set_timeout_ms(config, cli->timeout_ms);
    }
    return config;
}

int cli_connect(struct cli *cli)
{
    if (cli->client != NULL) {
        return CLI_DONE;
    }
    int exit = cli_load_profile(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_config *config = make_config(cli);
    if (config == NULL) {
        return cli_fail(CLI_FAILED, NULL, NULL, "there is no more memory");
    }
    ward_error error;
    ward_rc rc = ward_client_new(config, &cli->client, &error);
    ward_config_free(config);
    if (rc != WARD_RC_OK) {
        return cli_fail(rc == WARD_RC_INVALID_ARGUMENT ? CLI_USAGE : CLI_FAILED, NULL,
                        "Correct the profile.", "profile \"%s\": %s", cli->profile.name,
                        error.message);
    }
    return CLI_DONE;
}

/* ---- finding the verb ---- */

static void print_nouns(FILE *to)
{
    (void)fputs("usage: ward [OPTION...] NOUN VERB [OPTION...]\n\n", to);
    for (size_t i = 0; i < N_NOUNS; i++) {
        (void)fprintf(to, "  %-10s %s\n", nouns[i]->name, nouns[i]->help);
    }
    (void)fputs(
        "\nOptions everywhere:\n"
        "  --profile NAME     whom to be: a profile of the profiles file\n"
        "  --config FILE      the profiles file (default: $WARD_CONFIG, else "
        "~/.config/ward/profiles.yaml)\n"
        "  --output FORM      table or json (default: table on a terminal, else json)\n"
        "  --timeout SECONDS  how long one call may take (default: 10)\n"
        "  --version\n\n"
        "`ward NOUN --help` lists a noun's verbs, `ward NOUN VERB --help` a verb's options.\n"
        "Exit codes: 0 done, 1 refused or failed, 2 usage, 3 unreachable, 4 waits for approval.\n",
        to);
}

static void print_verbs(const struct cli_noun *noun, FILE *to)
{
    (void)fprintf(to, "usage: ward %s VERB [OPTION...]\n\n%s\n\n", noun->name, noun->help);
    int width = 0;
    for (const struct cli_verb *verb = noun->verbs; verb->name != NULL; verb++) {
        width = (int)strlen(verb->name) > width ? (int)strlen(verb->name) : width;
    }
    for (const struct cli_verb *verb = noun->verbs; verb->name != NULL; verb++) {
        (void)fprintf(to, "  %-*s  %s\n", width, verb->name, verb->help);
    }
    (void)fprintf(to, "\n`ward %s VERB --help` lists a verb's options.\n", noun->name);
}

struct top {
    struct cli *cli;
    int noun; /* its place in argv; 0: none was given */
};

enum { KEY_HELP = 0x400, KEY_VERSION };

static error_t parse_top(int key, char *value, struct argp_state *state)
{
    struct top *top = state->input;
    (void)value;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = top->cli;
        return 0;
    case KEY_HELP:
        print_nouns(stdout);
        exit(CLI_DONE);
    case KEY_VERSION:
        (void)printf("ward %s\n", ward_version());
        exit(CLI_DONE);
    case ARGP_KEY_ARG:
        top->noun = state->next - 1;
        state->next = state->argc; /* the rest is the verb's */
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int find_noun(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"help", KEY_HELP, NULL, 0, NULL, 0},
        {"usage", KEY_HELP, NULL, 0, NULL, 0}, /* argp's own errors speak of it */
        {"version", KEY_VERSION, NULL, 0, NULL, 0},
        {0}};
    const struct argp_child children[] = {{&cli_global_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {.options = options, .parser = parse_top, .children = children};
    struct top top = {.cli = cli};
    char name[] = "ward";
    argv[0] = name;
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER | ARGP_NO_HELP, NULL, &top) != 0) {
        return -1;
    }
    return top.noun;
}

static bool is_help(const char *text)
{
    return strcmp(text, "--help") == 0 || strcmp(text, "help") == 0;
}

static const struct cli_verb *verb_of(const struct cli_verb *verbs, const char *name)
{
    for (const struct cli_verb *verb = verbs; verb != NULL && verb->name != NULL; verb++) {
        if (strcmp(verb->name, name) == 0) {
            return verb;
        }
    }
    return NULL;
}

/* argv begins with the noun. */
static int run_noun(struct cli *cli, const struct cli_noun *noun, int argc, char **argv)
{
    char name[128];
    const struct cli_verb *verb =
        argc < 2 ? NULL : verb_of(noun->verbs == NULL ? noun->besides : noun->verbs, argv[1]);
    if (verb != NULL) {
        (void)snprintf(name, sizeof(name), "ward %s %s", noun->name, verb->name);
        argv[1] = name;
        return verb->run(cli, argc - 1, argv + 1);
    }
    if (noun->verbs == NULL) {
        (void)snprintf(name, sizeof(name), "ward %s", noun->name);
        argv[0] = name;
        return noun->run(cli, argc, argv);
    }
    if (argc < 2) {
        print_verbs(noun, stderr);
        return CLI_USAGE;
    }
    if (is_help(argv[1])) {
        print_verbs(noun, stdout);
        return CLI_DONE;
    }
    char advice[64];
    (void)snprintf(advice, sizeof(advice), "`ward %s --help` lists its verbs.", noun->name);
    return cli_fail(CLI_USAGE, NULL, advice, "%s has no verb \"%s\"", noun->name, argv[1]);
}

static const struct cli_noun *noun_of(const char *name)
{
    for (size_t i = 0; i < N_NOUNS; i++) {
        if (strcmp(nouns[i]->name, name) == 0) {
            return nouns[i];
        }
    }
    return NULL;
}

static int no_noun(const char *name)
{
    return cli_fail(CLI_USAGE, NULL, "`ward --help` lists them.", "there is no noun \"%s\"", name);
}

/* `ward help NOUN VERB` is `ward NOUN VERB --help`. argv begins with "help". */
static int run_help(struct cli *cli, int argc, char **argv)
{
    char help[] = "--help";
    if (argc == 1) {
        print_nouns(stdout);
        return CLI_DONE;
    }
    if (argc > HELP_WORDS) {
        return cli_fail(CLI_USAGE, NULL, "`ward help NOUN VERB`.",
                        "\"%s\" is one argument too many", argv[HELP_WORDS]);
    }
    const struct cli_noun *noun = noun_of(argv[1]);
    char *words[] = {argv[1], argc > 2 ? argv[2] : help, argc > 2 ? help : NULL, NULL};
    return noun == NULL ? no_noun(argv[1]) : run_noun(cli, noun, argc, words);
}

int cli_main(int argc, char **argv)
{
    argp_err_exit_status = CLI_USAGE;
    struct cli cli = {.json = isatty(STDOUT_FILENO) == 0};
    int at = find_noun(&cli, argc, argv);
    if (at <= 0) {
        print_nouns(stderr);
        return CLI_USAGE;
    }
    if (is_help(argv[at])) {
        return run_help(&cli, argc - at, argv + at);
    }
    const struct cli_noun *noun = noun_of(argv[at]);
    if (noun == NULL) {
        return no_noun(argv[at]);
    }
    int exit = run_noun(&cli, noun, argc - at, argv + at);
    ward_client_free(cli.client);
    cli_pin_forget();
    return exit;
}
