/* SPDX-License-Identifier: Apache-2.0 */
/* What an auditor needs to know of a leaf, read back from its canonical JSON, and the collection of
 * the few leaves that tell of approvals and rotations. */
#ifndef WARD_CLIENT_CLI_AUDIT_LEAF_H
#define WARD_CLIENT_CLI_AUDIT_LEAF_H

#include "base/digest.h"
#include "base/json.h"
#include "base/wipe_alloc.h"

struct audit_leaf {
    uint64_t index;   /* its place in the tree; equals its seq where the log is sound */
    uint8_t hash[32]; /* RFC 6962 leaf hash */
    struct ward_bytes time, identity, cert, action, object, outcome, policy, reason;
    /* members of detail; empty when absent; proposal may also come from object, "proposal:<uuid>"
     */
    struct ward_bytes executed, key, whom, key_id, proposal, proposal_digest, proposer, approvers,
        signature_digest, vote_digests, vote_certificates, executor, reviewed, deployment, why;
    struct ward_bytes from_vkey, to_vkey; /* of an executed change of the log's key */
    struct ward_bytes to_hash;            /* of the policy that an executed change put in force */
    struct ward_bytes to_state;           /* of the version that an executed command moved */
    int64_t from_version, to_version, version;
};

struct audit_leaves {
    struct ward_arena *arena; /* copies of the leaves kept */
    struct audit_leaf *items;
    size_t n, capacity;
    uint64_t emergencies;         /* opened; those leaves are not kept */
    struct ward_bytes deployment; /* as the first leaf of all says; empty: it does not */
};

/* Reads a leaf. *ret_seq: what it says its number is. False when it is not a JSON object that
 * begins with its seq. Views point into json and arena. */
bool audit_leaf_read(struct ward_bytes json, struct ward_arena *arena, struct audit_leaf *ret,
                     uint64_t *ret_seq);
/* Only the number, cheaply. */
bool audit_leaf_seq(struct ward_bytes json, uint64_t *ret);

ward_status audit_leaves_init(struct audit_leaves *leaves);
void audit_leaves_fini(struct audit_leaves *leaves);
/* Keeps a copy when the leaf tells of a signature, an executed operation or a rotation and was
 * allowed; of leaf 0, the deployment that the log is of. */
ward_status audit_leaves_add(struct audit_leaves *leaves, struct ward_bytes json, uint64_t index,
                             const uint8_t hash[static 32]);
/* A run that recovery finished: its leaf itself names the votes. */
bool audit_leaf_is_recovery(const struct audit_leaf *leaf);
/* A rotation that the daemon made by itself, for the reason that `why` names; nobody signs it. */
bool audit_leaf_is_own_rotation(const struct audit_leaf *leaf);
/* The decision that a leaf's signature is for: "propose", "approve", ...; NULL: none. */
const char *audit_leaf_decision(const struct audit_leaf *leaf);

#endif
