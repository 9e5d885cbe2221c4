/* SPDX-License-Identifier: Apache-2.0 */
/* What the top of the command line shares with its verbs' options. */
#ifndef WARD_CLIENT_CLI_OPTIONS_H
#define WARD_CLIENT_CLI_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

extern const struct argp cli_global_argp; /* input: struct cli; its options are all long ones */
/* Decimal digits only. */
bool cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

#endif
