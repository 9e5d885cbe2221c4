/* SPDX-License-Identifier: Apache-2.0 */
/* The first act of a deployment: schema, log key, Ward's own KEK, index key, policy version 1, and
 * leaf 0 that names the policy's hash. Run once, by hand, with the owner's role of the database: a
 * daemon that finds an empty database never fills it on its own. */
#ifndef WARD_SERVER_GENESIS_H
#define WARD_SERVER_GENESIS_H

#include "server/config.h"

/* Idempotent: on an initialised database of the same policy it only prints what is there. Prints
 * one line of JSON to stdout: {"deployment":..,"policy_sha256":..,"log_vkey":..}, the last only
 * while the log has its first key. Errors have been said on stderr. */
int ward_genesis(const struct ward_config *config, const char *owner_conninfo);

#endif
