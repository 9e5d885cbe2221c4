/* SPDX-License-Identifier: Apache-2.0 */
/* What a shell offers after `ward`: scripts made from the nouns, verbs and options that there are,
 * so that none is forgotten. */
#ifndef WARD_CLIENT_CLI_COMPLETION_H
#define WARD_CLIENT_CLI_COMPLETION_H

#include "client/cli/cli.h"

struct completion_option {
    struct ward_bytes name, value, help; /* value: empty for a flag; views of the verb's text */
    char letter;
};

#define COMPLETION_OPTIONS_MAX 32

/* One command: a verb, or a noun without verbs. */
struct completion_verb {
    const char *name, *help; /* name: empty for a noun without verbs */
    struct ward_buffer text; /* as the verb described itself */
    struct ward_bytes args;
    struct completion_option options[COMPLETION_OPTIONS_MAX];
    size_t n_options;
};

/* Runs the verb as far as cli_parse. False: it did not describe itself. The text is freed by the
 * caller. */
bool completion_describe(cli_run run, struct completion_verb *ret);

/* Appends what one verb adds to a script. */
typedef void completion_each(const struct cli_noun *noun, const struct completion_verb *verb,
                             struct ward_buffer *out);
/* Calls it for every verb of the noun, described; false when one did not describe itself. */
bool completion_verbs(const struct cli_noun *noun, completion_each *each, struct ward_buffer *out);
/* Does an option's value, or an argument, name a file or a folder? */
bool completion_is_path(struct ward_bytes value);

/* Each appends the whole script for its shell. */
bool completion_bash(struct ward_buffer *out);
bool completion_zsh(struct ward_buffer *out);
bool completion_fish(struct ward_buffer *out);

#endif
