/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of a YAML text, and where its events stand; private to policy/yaml_read.c. */
#ifndef WARD_POLICY_YAML_SCAN_H
#define WARD_POLICY_YAML_SCAN_H

#include "base/bytes.h"

struct ward_yaml_spot {
    unsigned line, column; /* from 1; 0 when there is no place */
    bool no_memory;        /* the scan could not be made */
    char text[65];         /* the scalar's own beginning */
    char parent[65]; /* the mapping key whose value this is, or is in; "document" at the top */
};

/* NULL when the text is one document of acceptable shape; otherwise a constant saying why not, with
 * the place in spot. */
const char *ward_yaml_scan(struct ward_bytes text, struct ward_yaml_spot *spot);
struct ward_yaml_open;
/* The keys of every mapping called parent in a scanned text; see yaml_read.h. */
const char *ward_yaml_scan_keys(struct ward_bytes text, const char *parent,
                                struct ward_yaml_open *ret, struct ward_yaml_spot *spot);
/* Where the n-th event (from 1) of a scanned text begins; the end of a list or mapping counts as
 * its beginning. */
void ward_yaml_spot_find(struct ward_bytes text, uint32_t n, struct ward_yaml_spot *spot);

#endif
