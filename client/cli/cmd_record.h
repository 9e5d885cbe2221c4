/* SPDX-License-Identifier: Apache-2.0 */
/* ward record's verbs live in two files: single records in cmd_record.c, whole folders in
 * cmd_record_bulk.c. */
#ifndef WARD_CLIENT_CLI_CMD_RECORD_H
#define WARD_CLIENT_CLI_CMD_RECORD_H

#include "client/cli/cli.h"

int cli_record_import(struct cli *cli, int argc, char **argv);
int cli_record_check(struct cli *cli, int argc, char **argv);

#endif
