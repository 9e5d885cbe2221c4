/* SPDX-License-Identifier: Apache-2.0 */
/* A log that is served, its export, and what the verification finds in it. */
#ifndef WARD_TESTS_UNIT_CLIENT_AUDIT_RIG_H
#define WARD_TESTS_UNIT_CLIENT_AUDIT_RIG_H

#include "client/cli/audit.h"
#include "tests/unit/client/audit_log.h"
#include "tests/unit/client/check.h"

struct audit_rig {
    char *folder;
    struct pki pki;
    struct audit_log *log;
    struct stub_server *server;
    char vkey_path[128], profiles[128], export[128];
    int exported; /* the exit code of the export */
};

/* For a group of tests, which share a folder and its people. */
int audit_rig_setup(void **state);
int audit_rig_teardown(void **state);
/* Serves such a log and exports it with the command itself. */
void audit_rig_export(struct audit_rig *rig, enum audit_fault fault, size_t size);
void audit_rig_drop(struct audit_rig *rig);

/* The number of problems. */
size_t audit_rig_verify(struct audit_rig *rig, struct audit_report *report);
/* Is there a problem of this kind, with the file (a part of its name) and the leaf (-1: any)? */
bool audit_rig_found(struct audit_rig *rig, const char *kind, const char *file, int64_t leaf);
bool audit_rig_sound(struct audit_rig *rig);
/* The path of an exported file, in static memory as in_folder's. */
const char *audit_rig_file(const struct audit_rig *rig, const char *name);

#endif
