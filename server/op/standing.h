/* SPDX-License-Identifier: Apache-2.0 */
/* How a proposal stands: what is missing, who may still give it, and what waits for the one who
 * asks. It is information for people; whatever it says, the operations look for themselves. */
#ifndef WARD_SERVER_OP_STANDING_H
#define WARD_SERVER_OP_STANDING_H

#include "server/op/messages.h"
#include "server/op/votes.h"

/* Adds the reads without which it is not known of some whether they can still run. */
ward_status ward_standing_read(struct ward_request *request, const struct ward_store_proposal *row);
/* Of the proposal as it is in this row. */
ward_status ward_standing_find(struct ward_request *request, struct ward_worker *worker,
                               const struct ward_store_proposal *row,
                               struct ward_proposal_standing *ret);

#endif
