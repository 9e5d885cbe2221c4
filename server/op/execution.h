/* SPDX-License-Identifier: Apache-2.0 */
/* How a proposal of each kind runs, once enough have signed it. What changes the HSM takes two
 * steps, an intent and then effect and outcome; what is rows alone goes in with the last vote. */
#ifndef WARD_SERVER_OP_EXECUTION_H
#define WARD_SERVER_OP_EXECUTION_H

#include "proto/proposal.h"
#include "server/op/op.h"
#include "server/state.h"

struct ward_execution {
    /* Adds the reads that prepare needs besides; NULL: none. They are found by their kind. */
    ward_status (*read)(struct ward_request *request, const struct ward_proposal *proposal);
    /* What the proposal would do, under the request's state as it is now; `ret` is for the
     * functions below, in the request's arena. STATE when the world has moved on since. */
    ward_status (*prepare)(struct ward_request *request, const struct ward_proposal *proposal,
                           int64_t now_us, void **ret);
    /* Adds the reads that stands needs besides; NULL: none. */
    ward_status (*look)(struct ward_request *request, const struct ward_proposal *proposal);
    /* Could it still run, as far as the request's state and what it read tell? STATE with a text
     * that begins with "proposal: " when it never will: what it was made for is no more. NULL: it
     * is not known. */
    ward_status (*stands)(struct ward_request *request, const struct ward_proposal *proposal);
    /* Both NULL: rows alone. */
    ward_status (*intent)(const void *work, struct ward_batch *batch);
    ward_status (*effect)(void *work, struct ward_worker *worker);
    ward_status (*outcome)(const void *work, struct ward_batch *batch); /* moves the epoch */
    /* At most five details of the audit entry. */
    ward_status (*tell)(const void *work, struct ward_request *request);
};

/* STATE: nothing of this name is ever proposed. */
ward_status ward_execution_find(struct ward_bytes action, const struct ward_execution **ret);

/* The rows of the table, each beside what it does. */
extern const struct ward_execution ward_execution_key, ward_execution_key_state,
    ward_execution_rekey, ward_execution_revocation, ward_execution_policy, ward_execution_log_key;

#endif
