/* SPDX-License-Identifier: Apache-2.0 */
/* The files of an export that are made from the log: rotations.csv for people, one file of
 * signatures for each proposal, and the manifest. Export writes them; verify makes them again from
 * the leaves and compares bytes, so that no byte of them can be altered unseen. */
#ifndef WARD_CLIENT_CLI_AUDIT_VIEWS_H
#define WARD_CLIENT_CLI_AUDIT_VIEWS_H

#include "client/cli/audit_folder.h"
#include "client/cli/audit_leaf.h"
#include "proto/note.h"

/* A rotation that was executed: leaf index and hash make each line provable. */
bool audit_is_rotation(const struct audit_leaf *leaf);
/* One cell, escaped, and what ends it: a comma or a line feed. */
void audit_csv_cell(struct ward_buffer *out, struct ward_bytes text, char end);
void audit_rotations_csv(const struct audit_leaves *leaves, struct ward_buffer *out);

/* One signature as it is exported, found again by the digest that a leaf names. A leaf of recovery
 * names several: the proposer's, then one for each approver. */
struct audit_signature {
    const struct audit_leaf *leaf;
    const char *decision;
    struct ward_bytes identity, digest, certificate_digest; /* as the leaf says; digests in hex */
    struct ward_bytes signature, certificate;               /* empty: the daemon did not give it */
};
struct audit_approval {
    struct ward_bytes proposal; /* UUID */
    struct ward_bytes payload;
    struct audit_signature *signatures; /* in the order of the log */
    size_t n;
};
#define AUDIT_APPROVAL_PATH_MAX 64
/* "approvals/<uuid>.json". */
void audit_approval_path(struct ward_bytes proposal, char out[static AUDIT_APPROVAL_PATH_MAX]);
void audit_approval_json(const struct audit_approval *approval, struct ward_buffer *out);
/* What the leaves say was signed of this proposal, in the arena, without signatures and
 * certificates. A leaf of recovery whose lists are not of one length names nothing. */
ward_status audit_approval_from_leaves(const struct audit_leaves *leaves,
                                       struct ward_bytes proposal, struct ward_arena *arena,
                                       struct audit_approval *ret);
/* Calls back once for every proposal that a leaf signed or executed, in the order of the log. */
ward_status audit_each_proposal(const struct audit_leaves *leaves,
                                ward_status (*each)(void *context, struct ward_bytes proposal),
                                void *context);

#define AUDIT_MANIFEST "manifest.json"
/* All files but the manifest itself, one a line. */
void audit_manifest_json(const struct ward_checkpoint *checkpoint, const struct audit_files *files,
                         struct ward_buffer *out);

#endif
