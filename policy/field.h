/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of records, which are the top-level members of their JSON: globs over their names. */
#ifndef WARD_POLICY_FIELD_H
#define WARD_POLICY_FIELD_H

#include "base/bytes.h"

struct ward_field_glob {
    struct ward_bytes prefix, suffix;
    bool star; /* any run between the two */
};

/* A-Z, a-z, 0-9, ".", "_", "-", "$", ":", and one "*" at most; 1 to 128 bytes. What is taken stays
 * borrowed. */
bool ward_field_glob_parse(struct ward_bytes text, struct ward_field_glob *ret);
/* name: as it stands between the quotes. One that is written with escapes has other spellings, and
 * is matched by no glob; ward_field_plain says so. */
bool ward_field_glob_run(const struct ward_field_glob *glob, struct ward_bytes name);
bool ward_field_plain(struct ward_bytes name);

#endif
