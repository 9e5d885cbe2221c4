/* SPDX-License-Identifier: Apache-2.0 */
/* Globs made ready for matching, private to policy/: a policy compiles each of its own once, and a
 * decision walks hundreds of them in a microsecond. */
#ifndef WARD_POLICY_GLOB_H
#define WARD_POLICY_GLOB_H

#include "base/bytes.h"

/* One bit for each token of a glob's middle; see glob.c. */
typedef __uint128_t ward_glob_bits;

struct ward_glob_machine {
    ward_glob_bits literal['z' - '-' + 1]; /* states that wait for a byte; '-' to 'z' are all */
    ward_glob_bits star, any;              /* states of "*" and of "**" */
    ward_glob_bits last;
};

enum ward_glob_form {
    WARD_GLOB_EXACT,   /* no star */
    WARD_GLOB_STAR,    /* one "*" between prefix and suffix */
    WARD_GLOB_ANY,     /* one "**" */
    WARD_GLOB_MACHINE, /* several stars */
};

struct ward_glob {
    uint64_t head, mask; /* the prefix's first bytes: one comparison dismisses most names */
    struct ward_bytes prefix, suffix;
    enum ward_glob_form form;
    const struct ward_glob_machine *machine;
};

/* A name to be matched, with its first eight bytes as they lie in memory. */
struct ward_glob_name {
    struct ward_bytes text;
    uint64_t head;
};

/* Does this glob, which is valid, need a machine? */
bool ward_glob_needs_machine(struct ward_bytes glob);
/* glob is valid and stays borrowed, as does machine, which is filled when it is needed and may be
 * NULL when it is not. */
void ward_glob_compile(struct ward_bytes glob, struct ward_glob_machine *machine,
                       struct ward_glob *ret);
/* name is valid. */
struct ward_glob_name ward_glob_name(struct ward_bytes name);
/* Time linear in the name. */
bool ward_glob_run(const struct ward_glob *glob, const struct ward_glob_name *name);

#endif
