/* SPDX-License-Identifier: Apache-2.0 */
/* ward key's verbs live in two files: keys and their versions in cmd_key.c, the rewrap of their
 * rows and their use in cmd_key_work.c. */
#ifndef WARD_CLIENT_CLI_CMD_KEY_H
#define WARD_CLIENT_CLI_CMD_KEY_H

#include "client/cli/cli.h"

int cli_key_rewrap(struct cli *cli, int argc, char **argv);
int cli_key_usage(struct cli *cli, int argc, char **argv);

/* Until the key's rewrap is no longer under way. CLI_FAILED when rows are left that cannot be
 * moved.
 */
int cli_key_wait(struct cli *cli, const char *name);
/* Members of the open object. */
void cli_key_job_json(struct cli_doc *doc, const ward_key_job *job);
/* One line for people. */
bool cli_key_job_print(const ward_key_job *job);

#endif
