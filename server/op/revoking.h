/* SPDX-License-Identifier: Apache-2.0 */
/* Revoking an identity or a certificate, and undoing it: what that means for the officers who are
 * left, and the rows that it writes. Who may do so is decided elsewhere. */
#ifndef WARD_SERVER_OP_REVOKING_H
#define WARD_SERVER_OP_REVOKING_H

#include "server/op/execution.h"

#define WARD_REVOKED_OBJECT_MAX 600u /* "identity:" and the longest identity */

struct ward_revoking {
    bool undo;
    uint8_t kind; /* enum ward_revocation_kind */
    struct ward_bytes value;
    struct ward_bytes object; /* "identity:<identity>" or "certificate:<hex>" */
    struct ward_id proposal;  /* all zero before there is one */
    int64_t created_us;
    /* With undo: the row that is taken away. */
    struct ward_id proposal_before;
    int64_t created_before_us;
    /* Distinct persons who may approve, and the approvals that the largest quorum needs besides
     * its proposer. */
    size_t approvers_before, approvers_after;
    uint32_t largest_quorum;
};

/* What it would do now. An identity that policy does not name: NOT_FOUND, since it may do nothing
 * anyway, and a slip of the pen must not pass for a revocation. EXISTS: revoked already. NOT_FOUND:
 * nothing to undo. */
ward_status ward_revoking_make(const struct ward_request *request, bool undo, uint8_t kind,
                               struct ward_bytes value, struct ward_revoking *ret);
/* STATE when it would leave fewer officers than a proposer and the largest quorum are. */
ward_status ward_revoking_leaves_enough(const struct ward_revoking *revoking);

/* "identity:<identity>" or "certificate:<hex>", in the arena, and back. */
ward_status ward_revoked_object(struct ward_arena *arena, uint8_t kind, struct ward_bytes value,
                                struct ward_bytes *ret);
bool ward_revoked_parse(struct ward_bytes object, uint8_t *ret_kind, struct ward_bytes *ret_value);

#endif
