/* SPDX-License-Identifier: Apache-2.0 */
/* ward completion: scripts for shells, on standard output. */
#include "client/cli/completion.h"

#define SCRIPT_MAX (1u << 20)

static int print(struct cli *cli, int argc, char **argv, const char *doc,
                 bool (*script)(struct ward_buffer *out))
{
    CLI_PARSE(cli, argc, argv, .doc = doc);
    struct ward_buffer out;
    ward_buffer_init(&out, SCRIPT_MAX);
    bool made = script(&out) && !out.failed;
    int exit = made ? CLI_DONE : CLI_FAILED;
    if (!made) {
        (void)cli_fail(CLI_FAILED, NULL, NULL, "the script could not be made");
    } else if (!cli_write(ward_buffer_view(&out))) {
        exit = CLI_FAILED;
    }
    ward_buffer_fini(&out);
    return exit;
}

static int run_bash(struct cli *cli, int argc, char **argv)
{
    return print(cli, argc, argv,
                 "Prints a script that completes this command in bash: `source <(ward completion "
                 "bash)`.",
                 completion_bash);
}

static int run_zsh(struct cli *cli, int argc, char **argv)
{
    return print(cli, argc, argv,
                 "Prints a script that completes this command in zsh; keep it as _ward in a folder "
                 "of $fpath.",
                 completion_zsh);
}

static int run_fish(struct cli *cli, int argc, char **argv)
{
    return print(cli, argc, argv,
                 "Prints a script that completes this command in fish: `ward completion fish | "
                 "source`.",
                 completion_fish);
}

static const struct cli_verb verbs[] = {
    {"bash", run_bash, "a script for bash"},
    {"zsh", run_zsh, "a script for zsh"},
    {"fish", run_fish, "a script for fish"},
    {NULL, NULL, NULL},
};

const struct cli_noun cli_noun_completion = {"completion", verbs, NULL,
                                             "Scripts that complete this command in a shell."};
