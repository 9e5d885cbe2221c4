/* SPDX-License-Identifier: Apache-2.0 */
/* Turning a guarded operation into a proposal, and stored proposals into what callers see. */
#ifndef WARD_SERVER_OP_PROPOSING_H
#define WARD_SERVER_OP_PROPOSING_H

#include "proto/proposal.h"
#include "server/op/messages.h"
#include "server/op/op.h"
#include "server/state.h"

/* Fills deployment, id, policy, epoch, proposer, person, times, reason; the caller has set action,
 * object, parameters and consequences, and may have set when it expires. Prints it, and gives the
 * row to be inserted and the caller's view. */
ward_status ward_proposing_make(struct ward_request *request, int64_t now_us,
                                const struct ward_guard *guard, struct ward_proposal *proposal,
                                struct ward_store_proposal *ret_row,
                                struct ward_proposal_view **ret_view);

/* As callers see it; approvals_needed comes from the payload, "expired" from the time. */
ward_status ward_proposing_view(struct ward_arena *arena, int64_t now_us,
                                const struct ward_store_proposal *row,
                                struct ward_proposal_view *ret);

#endif
