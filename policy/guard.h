/* SPDX-License-Identifier: Apache-2.0 */
/* Guards put together; private to policy/. */
#ifndef WARD_POLICY_GUARD_H
#define WARD_POLICY_GUARD_H

#include "policy/model.h"
#include "policy/name.h"

/* The strictest of each. into begins as all zero. */
void ward_guard_merge(struct ward_guard *into, const struct ward_guard *guard);
/* Approvals that its shares ask for together. */
uint32_t ward_guard_shared(const struct ward_guard *guard);

/* Sets of the roles that a policy's shares name, a bit for each. */
#define WARD_ROLE_SETS (1u << WARD_GUARD_SHARES_MAX)

#endif
