/* SPDX-License-Identifier: Apache-2.0 */
/* What a request's audit entry says: the body of its leaf, or of several when it has many items. */
#ifndef WARD_SERVER_AUDIT_ENTRY_H
#define WARD_SERVER_AUDIT_ENTRY_H

#include "server/request.h"
#include "server/state.h"

/* Builds leaf_bodies from the request as it stands. Called by whoever owns it last before its final
 * commit, and again when the outcome changed. On failure (memory) n_leaf_bodies is 0 and the status
 * is INTERNAL: the committer then refuses to answer with anything but UNAVAILABLE. */
void ward_entry_describe(struct ward_request *request, struct ward_digest *digest);

/* For operations: starts n items, and settles what became of one. object lies in the arena. */
ward_status ward_entry_items(struct ward_request *request, size_t n);
void ward_entry_settle(struct ward_request *request, size_t i, ward_status status,
                       const char *rule);

#endif
