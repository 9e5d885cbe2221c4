/* SPDX-License-Identifier: Apache-2.0 */
/* The auditor's export and its check. Export is the only half that calls the daemon; verify reads a
 * folder and a public key, and trusts nobody. */
#ifndef WARD_CLIENT_CLI_AUDIT_H
#define WARD_CLIENT_CLI_AUDIT_H

#include "client/cli/audit_passed_over.h"
#include "client/cli/cli.h"
#include "proto/note.h"

/* The log's public key in a file of one line. CLI_DONE, or the exit code of what was said. */
int audit_vkey_read(const char *path, struct ward_note_key *ret);

struct audit_exported {
    struct ward_checkpoint checkpoint;
    uint64_t rotations, proposals, files, key_changes, passed_over;
};
/* Writes the folder up to the newest checkpoint. trusted: the log's key as the auditor was given
 * it, of now or of before a change of it, or NULL: as the daemon says. */
int audit_export(struct cli *cli, const char *path, const struct ward_note_key *trusted,
                 struct audit_exported *ret);

/* ---- verify ---- */

struct audit_problem {
    const char *kind; /* "missing", "altered", "cut", "unsigned", "extra" */
    char *file;       /* relative to the folder */
    int64_t leaf;     /* -1: none in particular */
    char *text;
};

/* A change of the key that signs the log, as an entry tells of it and a handover proves. */
struct audit_key_change {
    uint64_t leaf;
    char *time, *proposer, *approvers, *vkey; /* of the key that came */
};

#define AUDIT_PROBLEMS_MAX 1000
struct audit_report {
    struct ward_checkpoint checkpoint;
    bool signed_size; /* the checkpoint verified; else its size is only what it says */
    bool broken; /* the check itself could not be done: memory, or a folder that cannot be read */
    struct audit_problem *problems; /* the first AUDIT_PROBLEMS_MAX */
    size_t n_problems, total;
    uint64_t rotations, signatures;
    uint64_t at_once, reviewed; /* acts on one signature; those that another reviewed */
    uint64_t emergencies, emergencies_reviewed; /* opened, which nobody signs; reviewed */
    uint64_t recovered;                         /* of the rotations: finished after a crash */
    uint64_t own; /* and made by the daemon itself, which nobody signs; of them, as it says, */
    uint64_t own_limit, own_period, own_compromised; /* at the limit of wraps, and so on */
    struct audit_key_change *key_changes; /* all, when every one of them holds; else none */
    size_t n_key_changes;
    struct audit_passed_over passed_over;   /* as the exporter says: a hint, and no problem */
    uint64_t policies;                      /* versions that were in force, one behind the other */
    uint8_t policy_genesis[32], policy[32]; /* the first of them, and the last */
};

/* folder: an open directory. trusted: as above, of now or of before a change of it; NULL: the
 * folder's own log.vkey. */
void audit_verify(int folder, const struct ward_note_key *trusted, struct audit_report *ret);
/* The same, and every leaf is shown to `each` on the way, before it is known whether the log is
 * sound. each: NULL for none. */
struct audit_reading {
    void (*each)(void *context, struct ward_bytes json, uint64_t index);
    void *context;
};
void audit_verify_reading(int folder, const struct ward_note_key *trusted,
                          const struct audit_reading *reading, struct audit_report *ret);
void audit_report_fini(struct audit_report *report);

#endif
