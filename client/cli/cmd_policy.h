/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of `ward policy` share: a policy from a file, and refusals at a place. */
#ifndef WARD_CLIENT_CLI_CMD_POLICY_H
#define WARD_CLIENT_CLI_CMD_POLICY_H

#include "client/cli/cli.h"
#include "policy/policy.h"

/* Reads and checks a policy; path "-": standard input. CLI_DONE, or the exit code of what was said,
 * with line and column. ret is to be given back by ward_policy_unref. */
int cli_policy_read(const char *path, struct ward_policy **ret);
/* "FILE:LINE:COLUMN: what", and what it means. Returns CLI_FAILED. */
int cli_policy_fail(const char *path, const char *meaning, const struct ward_policy_error *error);

/* Tells on standard error what lint warns of in a text that is a policy; silent where it cannot. */
void cli_policy_warn(const char *path, struct ward_bytes text);

int cli_policy_simulate(struct cli *cli, int argc, char **argv);

/* Those that ask a daemon; cmd_policy_live.c. */
int cli_policy_run_show(struct cli *cli, int argc, char **argv);
int cli_policy_run_list(struct cli *cli, int argc, char **argv);
int cli_policy_run_diff(struct cli *cli, int argc, char **argv);
int cli_policy_run_apply(struct cli *cli, int argc, char **argv);

#endif
