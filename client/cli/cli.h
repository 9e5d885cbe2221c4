/* SPDX-License-Identifier: Apache-2.0 */
/* The command line's frame: nouns and their verbs, options, and how a failure becomes an exit code.
 */
#ifndef WARD_CLIENT_CLI_CLI_H
#define WARD_CLIENT_CLI_CLI_H

#include "client/cli/out.h"
#include "client/cli/profile.h"
#include "client/include/ward/ward.h"

enum cli_exit {
    CLI_DONE = 0,
    CLI_FAILED = 1, /* refused or failed */
    CLI_USAGE = 2,
    CLI_UNREACHABLE = 3,
    CLI_WAITS = 4, /* for another officer's approval */
};

struct cli {
    const char *config_file, *profile_name; /* NULL: the defaults */
    bool json;                              /* else tables */
    uint32_t timeout_ms;                    /* 0: the library's */
    struct cli_profile profile;             /* loaded by cli_connect and cli_profile */
    ward_client *client;
    struct ward_buffer
        *describe; /* a verb shall write its options there and go no further; or NULL */
};

typedef int (*cli_run)(struct cli *cli, int argc, char **argv);

struct cli_verb {
    const char *name;
    cli_run run;
    const char *help; /* one line */
};

struct cli_noun {
    const char *name;
    const struct cli_verb *verbs; /* ends with a NULL name; NULL: the noun is a verb itself */
    cli_run run;                  /* when verbs is NULL */
    const char *help;
    const struct cli_verb *besides; /* verbs of a noun that is a verb itself; NULL: none */
};

extern const struct cli_noun cli_noun_key, cli_noun_data_key, cli_noun_record, cli_noun_approval,
    cli_noun_identity, cli_noun_emergency, cli_noun_audit, cli_noun_seal, cli_noun_open,
    cli_noun_status, cli_noun_doctor, cli_noun_bench, cli_noun_completion, cli_noun_policy,
    cli_noun_report;
/* All of them, in the order of the help. */
const struct cli_noun *const *cli_nouns(size_t *ret_n);

/* The whole program but for main's frame; argp ends the process on --help, --version and misuse. */
int cli_main(int argc, char **argv);

/* ---- options ---- */

#define CLI_PAIRS_MAX 32
struct cli_pairs {
    ward_pair pairs[CLI_PAIRS_MAX];
    size_t n;
};

#define CLI_TEXTS_MAX 64
struct cli_texts {
    const char *texts[CLI_TEXTS_MAX];
    size_t n;
};

enum cli_kind { CLI_FLAG, CLI_TEXT, CLI_NUMBER, CLI_PAIR, CLI_LIST };

struct cli_option {
    const char *name; /* without the dashes */
    enum cli_kind kind;
    void *to;          /* bool, const char *, uint64_t, struct cli_pairs, struct cli_texts */
    const char *value; /* what it is called in the help; NULL for a flag */
    const char *help;
    uint64_t min, max; /* of a number */
    bool required;
    char letter; /* short form; 0: none */
};

struct cli_syntax {
    const char *args, *doc;
    const struct cli_option *options;
    size_t n_options;
    struct cli_texts *positional; /* NULL: none */
    size_t min, max;              /* of them */
};

/* Fills what the options point to, and the global options in cli. Misuse ends the process with
 * CLI_USAGE, --help with CLI_DONE. argv[0] is the whole command's name. */
void cli_parse(struct cli *cli, int argc, char **argv, const struct cli_syntax *syntax);
#define CLI_PARSE(cli, argc, argv, ...) \
    cli_parse((cli), (argc), (argv), &(const struct cli_syntax){__VA_ARGS__})
#define CLI_OPTIONS(array) .options = (array), .n_options = sizeof(array) / sizeof((array)[0])

/* ---- failing ---- */

/* "ward: what", then what it means and what to do on lines of their own (NULL: left out). Returns
 * the exit code given. All text is escaped. */
int cli_fail(enum cli_exit exit, const char *meaning, const char *advice, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A call that did not succeed: what was tried, and the library's error. */
int cli_fail_call(const char *tried, const ward_error *error);
enum cli_exit cli_exit_of(const ward_error *error);

/* ---- connecting ---- */

/* Loads the profile into cli->profile, once; then makes cli->client, once. CLI_DONE, or the exit
 * code of what was already said. */
int cli_load_profile(struct cli *cli);
int cli_connect(struct cli *cli);

#endif
