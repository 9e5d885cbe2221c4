/* SPDX-License-Identifier: Apache-2.0 */
/* What a proposal of another policy binds, as operation, execution and chain all read it. */
#ifndef WARD_SERVER_OP_POLICY_CHANGING_H
#define WARD_SERVER_OP_POLICY_CHANGING_H

#include "policy/decide.h"
#include "proto/proposal.h"

struct ward_state;

#define WARD_POLICY_OBJECT_SIZE 24 /* "policy#<version>" and a NUL */

/* From which version and text to which text; hashes are SHA-256 of the texts. */
struct ward_policy_step {
    uint32_t from_version;
    uint8_t from_hash[32], to_hash[32];
};

void ward_policy_object(uint32_t version, char out[static WARD_POLICY_OBJECT_SIZE]);
/* False when the proposal is not of this action, or does not say this in every word. */
bool ward_policy_step_read(const struct ward_proposal *proposal, struct ward_policy_step *ret);

/* The approvals that the change needs: those of the policy in force or of the new one, whichever
 * are more. Who lowers the number needs as many as before, and who raises it shows thereby that so
 * many can be had. Of the rest the stricter one too, but for the shares of roles, which are those
 * in force. */
struct ward_guard ward_policy_change_guard(const struct ward_policy *from,
                                           const struct ward_policy *to);

/* Could those officers who are not revoked change `to` again? STATE with why not. */
ward_status ward_policy_change_undoable(const struct ward_state *state,
                                        const struct ward_policy *to);

#endif
