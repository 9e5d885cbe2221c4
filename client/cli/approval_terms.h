/* SPDX-License-Identifier: Apache-2.0 */
/* What had to happen before a proposal ran, for whoever checks it offline: what its payload says
 * and, where the policy is at hand, what that says; the stricter of each, as the daemon has it. */
#ifndef WARD_CLIENT_CLI_APPROVAL_TERMS_H
#define WARD_CLIENT_CLI_APPROVAL_TERMS_H

#include "policy/decide.h"
#include "proto/proposal.h"

/* policy NULL: the payload's word alone. False when the payload has a term that is not known: then
 * nothing ran by it. */
bool cli_terms_find(const struct ward_policy *policy, const struct ward_proposal *proposal,
                    enum ward_action action, struct ward_guard *ret);

/* Had this signature to come from a key on hardware? By the terms or by its signer's role. */
bool cli_terms_need_hardware(const struct ward_policy *policy, const struct ward_guard *terms,
                             struct ward_bytes identity, enum ward_decision_kind decision);
/* Does the certificate (DER) name one of the certificate policies by which policy tells such keys?
 */
bool cli_terms_on_hardware(const struct ward_policy *policy, struct ward_bytes der);

#endif
