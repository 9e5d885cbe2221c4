/* SPDX-License-Identifier: Apache-2.0 */
/* A refusal for programs: google.rpc.Status with ErrorInfo, and BadRequest or RetryInfo where they
 * apply. It says what the plain message says, when to come again, and the numbers behind it. */
#ifndef WARD_SERVER_RPC_DETAILS_H
#define WARD_SERVER_RPC_DETAILS_H

#include "base/bytes.h"
#include "base/status.h"
#include "policy/action.h"
#include "proto/leaf.h"

#define WARD_DETAILS_MAX 1024 /* bytes of the message */
#define WARD_DETAILS_TEXT_MAX (WARD_BASE64_SIZE(WARD_DETAILS_MAX) + 1)

/* What stands beside the status; all zero: nothing. */
struct ward_details {
    uint32_t retry_after_ms;            /* 0: not known */
    const struct ward_leaf_pair *facts; /* numbers and names that the constant text leaves out */
    size_t n_facts;                     /* of which WARD_DETAILS_FACTS_MAX are given */
};
#define WARD_DETAILS_FACTS_MAX 8u

/* Refused by what policy says: what was asked for and the rule that decided, as the audit entry
 * names them, so that whoever is refused can say to an officer what he lacks. 0: refused by
 * something else, of which no rule knows, or no rule is known (NULL). */
size_t ward_details_rule(ward_status status, enum ward_action action, const char *rule,
                         struct ward_leaf_pair out[static 2]);
/* The value of grpc-status-details-bin: unpadded base64, terminated; its size, and 0 when there is
 * nothing to say or it would be too large. */
size_t ward_details_text(ward_status status, const struct ward_details *details,
                         char out[static WARD_DETAILS_TEXT_MAX]);

#endif
