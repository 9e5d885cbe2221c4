/* SPDX-License-Identifier: Apache-2.0 */
/* Names of keys and collections: [a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*, at most 128 bytes.
 * One canonical form and nothing else, so that a decision on a name is a decision on the object. */
#ifndef WARD_POLICY_NAME_H
#define WARD_POLICY_NAME_H

#include "base/bytes.h"

bool ward_name_valid(struct ward_bytes name);
/* Globs over names: "*" stands for any run without "/", "**" for any run. Linear time. */
bool ward_glob_valid(struct ward_bytes glob);
bool ward_glob_match(struct ward_bytes glob, struct ward_bytes name);

#endif
