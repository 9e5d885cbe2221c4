/* SPDX-License-Identifier: Apache-2.0 */
/* What this daemon has seen revoked stays revoked until officers signed that it is not. Whoever
 * writes into the database can take a row away; he cannot sign. (A daemon that starts believes the
 * database, since it has seen nothing yet.) */
#ifndef WARD_SERVER_REVOKED_H
#define WARD_SERVER_REVOKED_H

#include "server/authn/trust.h"
#include "server/state.h"

/* Adds to the snapshot what was revoked under `before`, is gone, and whose undoing no executed
 * proposal with enough sound votes shows. All memory from the arena. ret_missing: how many. */
ward_status ward_revoked_keep(const struct ward_state *before, struct ward_store_reader *reader,
                              struct ward_trust *trust, struct ward_arena *arena,
                              struct ward_store_snapshot *snapshot, size_t *ret_missing);
/* Of a state that nobody else holds yet: since which epoch each of its revocations can be there. */
ward_status ward_revoked_date(struct ward_state *state, const struct ward_state *before);

#endif
