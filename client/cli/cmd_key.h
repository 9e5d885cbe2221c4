/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of `ward key` that are not in cmd_key.c, and how a key is shown. */
#ifndef WARD_CLIENT_CLI_CMD_KEY_H
#define WARD_CLIENT_CLI_CMD_KEY_H

#include "client/cli/cli.h"

/* cmd_key_show.c */
int cli_key_show(struct cli *cli, int argc, char **argv);
int cli_key_list(struct cli *cli, int argc, char **argv);
int cli_key_versions(struct cli *cli, int argc, char **argv);
/* The two jobs of its rows; both NULL: nothing is said of them. */
int cli_key_print(const struct cli *cli, const ward_key_info *key, const ward_key_job *rewrap,
                  const ward_key_job *rekey);

/* cmd_key_work.c */
int cli_key_rewrap(struct cli *cli, int argc, char **argv);
int cli_key_rekey(struct cli *cli, int argc, char **argv);
int cli_key_usage(struct cli *cli, int argc, char **argv);
/* Until the key's rewrap is no longer under way. CLI_FAILED when rows are left that cannot be
 * moved.
 */
int cli_key_wait(struct cli *cli, const char *name);
/* The same of the one to this version, which may not have begun yet. */
int cli_key_wait_rewrapped(struct cli *cli, const char *name, uint32_t version);
/* Members "rewrap" and "rekey" of the open object, and a line of each for people; neither for a job
 * that never was, unless it is owed. */
void cli_key_jobs_json(struct cli_doc *doc, const ward_key_job *rewrap, const ward_key_job *rekey);
bool cli_key_jobs_print(const char *key, const ward_key_job *rewrap, const ward_key_job *rekey);
/* The rekey that is owed, and the command for it, for people, on stderr; nothing when none is. */
void cli_key_warn_owed(struct cli *cli, const char *key);

/* cmd_key_state.c */
int cli_key_change(struct cli *cli, int argc, char **argv);
int cli_key_disable(struct cli *cli, int argc, char **argv);
int cli_key_enable(struct cli *cli, int argc, char **argv);
int cli_key_suspend(struct cli *cli, int argc, char **argv);
int cli_key_resume(struct cli *cli, int argc, char **argv);
int cli_key_deactivate(struct cli *cli, int argc, char **argv);
int cli_key_compromise(struct cli *cli, int argc, char **argv);
int cli_key_schedule_destroy(struct cli *cli, int argc, char **argv);
int cli_key_cancel_destroy(struct cli *cli, int argc, char **argv);

#endif
