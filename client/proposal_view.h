/* SPDX-License-Identifier: Apache-2.0 */
/* A proposal of an answer as ward.h shows it: keys and approvals both give them out. */
#ifndef WARD_CLIENT_PROPOSAL_VIEW_H
#define WARD_CLIENT_PROPOSAL_VIEW_H

#include "client/message.h"

/* In the arena, borrowing from the message; NULL when memory is short. */
ward_proposal_info *ward_proposal_view(struct ward_arena *arena,
                                       const Ward__V1__Proposal *proposal);
/* The one proposal of an answer that lies in the arena, as ward_show_proposal would give it. */
ward_rc ward_proposals_of(struct ward_arena *take_arena, Ward__V1__Proposal *proposal,
                          ward_proposals **ret, ward_error *error);

#endif
