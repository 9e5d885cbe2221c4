/* SPDX-License-Identifier: Apache-2.0 */
/* What has to happen before a proposal runs: the guard that policy put on it, written into what
 * everybody signs, and read back. */
#ifndef WARD_SERVER_OP_TERMS_H
#define WARD_SERVER_OP_TERMS_H

#include "policy/decide.h"
#include "proto/proposal.h"
#include "server/authn/peer.h"

/* Approvals and terms of the proposal, as the guard has them. */
ward_status ward_terms_put(const struct ward_guard *guard, struct ward_arena *arena,
                           struct ward_proposal *proposal);
/* Policy as it stands now and the payload both have a say: the stricter of each. STATE for an
 * action or a term that nobody knows here. */
ward_status ward_terms_find(const struct ward_policy *policy, const struct ward_proposal *proposal,
                            struct ward_guard *ret);

/* May this signature be made by a key in a file? Where it may not, the certificate must have one of
 * the certificate policies that policy names. DENIED. */
ward_status ward_terms_check_key(const struct ward_policy *policy, const struct ward_guard *terms,
                                 const struct ward_peer *signer, enum ward_decision_kind decision);

#endif
